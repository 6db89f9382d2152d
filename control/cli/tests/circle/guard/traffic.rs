//! Echo servers, and what tells whether packets get there and back.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread::spawn;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Device;

/// How long something may take that is allowed; what is refused takes that long to be noticed.
const PATIENCE: Duration = Duration::from_millis(1000);

#[allow(clippy::disallowed_methods)] // Permissions end by this clock.
pub(super) fn wall_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// Echo servers on all addresses of the device, TCP and UDP; they end with the test.
pub(super) fn echo(device: &Device, ports: &[u16]) {
    for port in ports {
        let any: SocketAddr = format!("[::]:{port}").parse().expect("an address");
        let (tcp, udp) =
            device.inside(|| (TcpListener::bind(any).expect("tcp"), UdpSocket::bind(any).expect("udp")));
        spawn(move || {
            for stream in tcp.incoming().flatten() {
                spawn(move || {
                    let mut writing = stream.try_clone().expect("another handle");
                    std::io::copy(&mut &stream, &mut writing)
                });
            }
        });
        spawn(move || {
            let mut buffer = [0; 64];
            while let Ok((len, from)) = udp.recv_from(&mut buffer) {
                let _ = udp.send_to(&buffer[..len], from);
            }
        });
    }
}

/// Whether a TCP connection is made and echoes.
pub(super) fn reaches(from: &Device, to: &str, port: u16) -> bool {
    Flow::open(from, to, port).is_some_and(|mut flow| flow.answers())
}

/// Whether a datagram is echoed; a few are tried, since one may be lost to a handshake.
pub(super) fn sends(from: &Device, to: &str, port: u16) -> bool {
    let to = SocketAddr::new(to.parse().expect("an address"), port);
    from.inside(|| {
        let any: IpAddr = if to.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
        let socket = UdpSocket::bind((any, 0)).expect("udp");
        socket.set_read_timeout(Some(PATIENCE / 3)).expect("a timeout");
        (0..3).any(|_| socket.send_to(b"?", to).is_ok() && socket.recv(&mut [0; 8]).is_ok())
    })
}

/// A TCP connection that runs.
pub(super) struct Flow(TcpStream);

impl Flow {
    pub(super) fn open(from: &Device, to: &str, port: u16) -> Option<Self> {
        let to = SocketAddr::new(to.parse().expect("an address"), port);
        let stream = from.inside(|| TcpStream::connect_timeout(&to, PATIENCE)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Some(Self(stream))
    }

    /// Whether a byte comes back.
    pub(super) fn answers(&mut self) -> bool {
        self.0.write_all(b"?").is_ok() && matches!(self.0.read(&mut [0; 8]), Ok(1..))
    }

    /// Sends a byte.
    pub(super) fn send(&mut self) {
        let _ = self.0.write_all(b"?");
    }

    /// Waits for these bytes.
    pub(super) fn expect(&mut self, bytes: &[u8]) {
        let mut read = vec![0; bytes.len()];
        self.0.read_exact(&mut read).expect("what was sent");
        assert_eq!(read, bytes);
    }

    /// Sends until nothing comes back any more, or until a time; when the last byte did, in seconds since 1970.
    pub(super) fn last_answer(&mut self, limit: u64) -> u64 {
        let mut last = 0;
        while last <= limit && self.answers() {
            last = wall_secs();
            std::thread::park_timeout(Duration::from_millis(20));
        }
        last
    }
}
