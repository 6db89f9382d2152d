//! Real TUN devices, sockets and links for the tests, in network namespaces that nobody else sees.
//!
//! A namespace belongs to the thread of one test and vanishes with it. Everything here panics on
//! trouble, since trouble here is a failed test.
#![allow(unsafe_code, reason = "ioctls to open TUN queues, and setsockopt by number")]
#![allow(dead_code, reason = "each test file uses what it needs")]

use ringmesh_io::{Event, Limits, Offloads, Port, PortFds, UringPort};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use socket2::{Domain, Protocol, Socket, Type};
use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Moves this thread into a new network namespace, with loopback up. Says no, aloud, without the privilege
/// to do so.
///
/// Each round of a test takes one for itself: a command that another test starts may hold on to the
/// files of the last round for a moment, and with them to its ports and devices.
pub(crate) fn enter() -> bool {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: needs root for network namespaces");
        return false;
    }
    new_namespace();
    true
}

/// A network namespace that can be entered again.
pub(crate) struct Namespace(File);

impl Namespace {
    /// The one this thread is in.
    pub(crate) fn current() -> Self {
        Self(File::open("/proc/thread-self/ns/net").expect("procfs"))
    }

    /// A new one; this thread stays where it is.
    pub(crate) fn new() -> Self {
        let home = Self::current();
        new_namespace();
        let new = Self::current();
        home.join();
        new
    }

    /// Runs `work` in it.
    pub(crate) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        let home = Self::current();
        self.join();
        let result = work();
        home.join();
        result
    }

    fn join(&self) {
        move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network)).expect("setns");
    }

    /// A name that `ip` understands as long as this value lives.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

fn new_namespace() {
    // SAFETY: only the network namespace changes; no memory, file table or root is involved.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET).expect("unshare") };
    run("ip link set lo up");
}

/// Runs a command, words separated by spaces, in this thread's namespace.
pub(crate) fn run(line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let output = Command::new(words[0]).args(&words[1..]).output().expect("command is installed");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A veth pair: `rmp-a` here with 10.9.0.1 and fd09::1, `rmp-b` in `far` with .2 and ::2.
pub(crate) fn veth(far: &Namespace) {
    run(&format!("ip link add rmp-a type veth peer name rmp-b netns {}", far.path()));
    addresses("rmp-a", 1);
    far.within(|| addresses("rmp-b", 2));
}

fn addresses(link: &str, host: u8) {
    run(&format!("ip addr add 10.9.0.{host}/24 dev {link}"));
    run(&format!("ip addr add fd09::{host}/64 dev {link} nodad"));
    run(&format!("ip link set {link} up"));
}

/// Makes one processor receive for a link of a veth pair, in this thread's namespace (RPS). Otherwise each packet waits in the queue of the
/// processor that took it from the sender's qdisc, and two such queues keep no order: one packet that the kernel sends by
/// itself, from another processor, is enough.
pub(crate) fn receive_in_order(link: &str) {
    // The files of a namespace's links are seen in a sysfs that was mounted within it.
    let steer = format!("mount -t sysfs none /sys && echo 1 > /sys/class/net/{link}/queues/rx-0/rps_cpus");
    let output = Command::new("unshare").args(["--mount", "sh", "-c", &steer]).output().expect("util-linux");
    assert!(output.status.success(), "RPS: {}", String::from_utf8_lossy(&output.stderr));
}

/// `struct ifreq` as far as TUNSETIFF reads it.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; libc::IFNAMSIZ],
    flags: libc::c_short,
    rest: [u8; 22],
}

const TUN_F_CSUM: libc::c_uint = 1;
const TUN_F_TSO4: libc::c_uint = 2;
const TUN_F_TSO6: libc::c_uint = 4;
const TUN_F_USO4: libc::c_uint = 0x20;
const TUN_F_USO6: libc::c_uint = 0x40;

/// A TUN device into which nobody sends anything by himself, for tests of everything else.
pub(crate) fn quiet_tun() -> [OwnedFd; 2] {
    let queues = tun("rmp-q", 70);
    run("sysctl -qw net.ipv6.conf.rmp-q.disable_ipv6=1");
    let mut greeting = [0; 2_048];
    // What the kernel has sent so far, when it came up.
    for fd in &queues {
        while rustix::event::poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&Timespec::default())) == Ok(1)
        {
            rustix::io::read(fd, &mut greeting).expect("a packet");
        }
    }
    queues
}

/// Opens a TUN device of two queues with a virtio header and all offloads, up, with addresses `10.{net}.0.1/24` and
/// `fd{net}::1/64` (net in two digits).
pub(crate) fn tun(name: &str, net: u8) -> [OwnedFd; 2] {
    let queues = [open_queue(name), open_queue(name)];
    run(&format!("ip addr add 10.{net}.0.1/24 dev {name}"));
    run(&format!("ip addr add fd{net:02}::1/64 dev {name} nodad"));
    run(&format!("ip link set {name} up"));
    queues
}

fn open_queue(name: &str) -> OwnedFd {
    let fd: OwnedFd =
        File::options().read(true).write(true).open("/dev/net/tun").expect("/dev/net/tun").into();
    let mut request = InterfaceRequest {
        name: [0; libc::IFNAMSIZ],
        flags: (libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR | libc::IFF_MULTI_QUEUE)
            as libc::c_short,
        rest: [0; 22],
    };
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    let offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_USO4 | TUN_F_USO6;
    // SAFETY: both take what they are given here: a request of the kernel's size, and a number.
    unsafe {
        assert_eq!(libc::ioctl(fd.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request), 0, "TUNSETIFF");
        assert_eq!(libc::ioctl(fd.as_raw_fd(), libc::TUNSETOFFLOAD as _, offloads), 0, "TUNSETOFFLOAD");
    }
    fd
}

/// Sets a socket option that is an integer.
pub(crate) fn set(socket: &Socket, level: i32, name: i32, value: i32) {
    let len = size_of::<i32>() as libc::socklen_t;
    // SAFETY: a pointer to an integer and its size.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), len) };
    assert_eq!(result, 0, "setsockopt {level} {name}: {}", std::io::Error::last_os_error());
}

/// A UDP socket as a worker gets it: blocking, and telling all that a worker wants to know.
pub(crate) fn udp(address: &str) -> Socket {
    let address: SocketAddr = address.parse().expect("a literal address");
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP)).expect("socket");
    if address.is_ipv6() {
        socket.set_only_v6(false).expect("IPV6_V6ONLY");
        set(&socket, libc::SOL_IPV6, libc::IPV6_RECVPKTINFO, 1);
        set(&socket, libc::SOL_IPV6, libc::IPV6_RECVTCLASS, 1);
    }
    set(&socket, libc::SOL_IP, libc::IP_PKTINFO, 1);
    set(&socket, libc::SOL_IP, libc::IP_RECVTOS, 1);
    set(&socket, libc::SOL_UDP, libc::UDP_GRO, 1);
    set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 64 << 20);
    socket.bind(&address.into()).expect("bind");
    socket
}

/// Sockets that share one address and port, in order.
pub(crate) fn udp_group(address: &str, count: usize) -> Vec<Socket> {
    let address: SocketAddr = address.parse().expect("a literal address");
    let member = |_| {
        let socket =
            Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP)).expect("socket");
        socket.set_reuse_port(true).expect("SO_REUSEPORT");
        socket.bind(&address.into()).expect("bind");
        socket
    };
    (0..count).map(member).collect()
}

/// A plain socket of the outside world, which gives up after ten seconds.
pub(crate) fn outside(address: &str) -> Socket {
    let address: SocketAddr = address.parse().expect("a literal address");
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP)).expect("socket");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("SO_RCVTIMEO");
    set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 64 << 20);
    socket.bind(&address.into()).expect("bind");
    socket
}

pub(crate) fn address_of(socket: &Socket) -> SocketAddr {
    let address = socket.local_addr().expect("bound").as_socket().expect("an IP address");
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

pub(crate) const OFFLOADS: Offloads =
    Offloads { vnet_len: 10, tun_csum: true, tun_tso: true, tun_uso: true, udp_gso: true, udp_gro: true };

/// A port under test, with a watchdog that ends waits which last too long.
pub(crate) struct Rig {
    pub(crate) port: UringPort,
    pub(crate) wake: OwnedFd,
    events: Vec<Event>,
    watchdog: Option<(Sender<()>, std::thread::JoinHandle<()>)>,
}

impl Rig {
    pub(crate) fn new(tun: [OwnedFd; 2], sockets: Vec<Socket>, limits: Limits) -> Self {
        Self::with(tun, sockets, limits, OFFLOADS)
    }

    pub(crate) fn with(tun: [OwnedFd; 2], sockets: Vec<Socket>, limits: Limits, offloads: Offloads) -> Self {
        let wake = eventfd(0, EventfdFlags::CLOEXEC).expect("eventfd");
        let sockets = sockets.into_iter().map(OwnedFd::from).collect();
        let fds = PortFds { tun, sockets, wake: wake.try_clone().expect("dup"), offloads };
        let port = UringPort::prepare(fds, limits).expect("prepare").enable().expect("enable");
        let (alive, hung) = channel::<()>();
        let bell = wake.try_clone().expect("dup");
        let dog = std::thread::spawn(move || {
            if hung.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                rustix::io::write(bell, &u64::from(u32::MAX).to_ne_bytes()).expect("eventfd");
            }
        });
        Self { port, wake, events: Vec::with_capacity(limits.events_max()), watchdog: Some((alive, dog)) }
    }

    /// One turn's events.
    pub(crate) fn turn(&mut self, wait: bool) -> Vec<Event> {
        self.events.clear();
        self.port.turn(wait, &mut self.events).expect("the ring goes on");
        self.events.clone()
    }

    /// Waits until `done` says so about an event; all others count as news that nobody asked for, and are
    /// given back.
    pub(crate) fn until(&mut self, mut done: impl FnMut(&mut UringPort, &Event) -> bool) -> Vec<Event> {
        let mut others = vec![];
        for _ in 0..100_000 {
            let mut found = false;
            for event in self.turn(true) {
                assert!(event != Event::Woken || !self.is_hung(), "nothing happened; before: {others:?}");
                found |= done(&mut self.port, &event);
                others.push(event);
            }
            if found {
                return others;
            }
        }
        panic!("much happened, but not that: {:?}", &others[others.len() - 20..]);
    }

    fn is_hung(&self) -> bool {
        self.watchdog.as_ref().is_none_or(|(_, dog)| dog.is_finished())
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some((alive, dog)) = self.watchdog.take() {
            drop(alive);
            dog.join().expect("the watchdog only waits");
        }
    }
}

/// How long a test may wait in all.
const PATIENCE: Duration = Duration::from_secs(20);
