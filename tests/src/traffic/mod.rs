//! Traffic whose every byte and every number is checked.
//!
//! A socket stays in the namespace in which it was made; so it is made inside, and its traffic runs in threads
//! of the test.

mod numbered;
mod pattern;
mod sizes;
mod stream;

pub use numbered::{Numbered, Report};
pub use sizes::every_size;
pub use stream::{Stream, transfer};

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use ringmesh_lab::namespaces::Namespace;

/// How often a thread that waits for the network looks whether it should end.
const LOOK: Duration = Duration::from_millis(50);

/// Sends `count` pings from `host` to `to`, 20 ms apart; whether every one was answered within two seconds.
///
/// # Panics
/// When the program `ping` cannot be run.
pub fn ping(host: &Namespace, to: IpAddr, count: u32) -> bool {
    let mut command = Command::new("ping");
    command.args(["-n", "-q", "-i", "0.02", "-W", "1", "-c", &count.to_string(), &to.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = host.spawn(&mut command).unwrap_or_else(|error| panic!("{error}"));
    child.wait().expect("a child of ours").success()
}

/// A UDP socket of `host`, at this address.
///
/// # Panics
/// When it cannot be made.
pub fn udp(host: &Namespace, at: SocketAddr) -> UdpSocket {
    let socket = host.enter(|| UdpSocket::bind(at)).unwrap_or_else(|error| panic!("{error}"));
    let socket = socket.unwrap_or_else(|error| panic!("{at}: {error}"));
    socket.set_read_timeout(Some(LOOK)).expect("a timeout");
    socket
}

/// Told to all threads of one piece of traffic: it is enough.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_now(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Sends every datagram back to where it came from, until dropped.
#[derive(Debug)]
pub struct Echo {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    /// Echoes at `at` in `host`.
    pub fn start(host: &Namespace, at: SocketAddr) -> Self {
        let (socket, stop) = (udp(host, at), Stop::default());
        let until = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while !until.is_now() {
                if let Ok((len, from)) = socket.recv_from(&mut buffer) {
                    // What cannot be sent back is missed by who waits for it.
                    let _lost = socket.send_to(&buffer[..len], from);
                }
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.now();
        if let Some(thread) = self.thread.take() {
            // A panic in there was told already; nothing is left to do about it.
            let _told = thread.join();
        }
    }
}
