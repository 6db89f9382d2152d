//! The start of a port: made with privileges, enabled without them, and refused clearly.

mod lab;

use lab::{OFFLOADS, outside, quiet_tun, udp};
use ringmesh_io::clock::boottime;
use ringmesh_io::{Destination, Event, Features, Limits, Offloads, Port, PortFds, UringPort, Without};
use rustix::event::{EventfdFlags, eventfd};
use rustix::thread::{CapabilitySet, CapabilitySets, Uid, set_capabilities, set_thread_res_uid};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::Duration;

fn fds() -> PortFds {
    PortFds {
        tun: quiet_tun(),
        sockets: vec![udp("127.0.0.1:7001").into()],
        wake: eventfd(0, EventfdFlags::CLOEXEC).expect("eventfd"),
        offloads: OFFLOADS,
    }
}

/// Sends and receives one datagram.
fn works(port: &mut UringPort) {
    let peer: UdpSocket = outside("127.0.0.1:0").into();
    let to = Destination { remote: peer.local_addr().expect("bound"), local: None, socket: 0, tos: 0 };
    let slot = port.slot().expect("a free slot");
    port.parts(slot).1[..4].copy_from_slice(b"ping");
    port.send(slot, 4, 4, &to);
    let mut events = vec![];
    port.turn(false, &mut events).expect("the ring goes on");
    let mut bytes = [0; 10];
    let (len, from) = peer.recv_from(&mut bytes).expect("a datagram in time");
    assert_eq!(&bytes[..len], b"ping");
    peer.send_to(b"pong", from).expect("loopback");
    receive(port);
}

/// Takes one datagram, within ten seconds.
fn receive(port: &mut UringPort) {
    let mut events = vec![];
    let give_up = boottime() + Duration::from_secs(10);
    loop {
        assert!(boottime() < give_up, "nothing arrives");
        port.turn(false, &mut events).expect("the ring goes on");
        for event in events.drain(..) {
            if let Event::Datagrams { buf, .. } = event {
                return port.release(buf);
            }
        }
    }
}

/// As the data plane starts: everything is made while privileged, then the worker's thread has another uid
/// and no capability, and enables what was made.
#[test]
fn a_port_outlives_the_privileges_it_was_made_with() {
    if !lab::enter() {
        return;
    }
    let prepared = UringPort::prepare(fds(), Limits::default()).expect("prepared");
    let worker = std::thread::spawn(move || {
        let stranger = Uid::from_raw(64_999);
        set_thread_res_uid(stranger, stranger, stranger).expect("another uid");
        let none = CapabilitySet::empty();
        set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
            .expect("fewer capabilities");
        let mut port = prepared.enable().expect("enabled");
        let features = port.features();
        // Without CAP_NET_ADMIN the peer's buffer cannot be forced; its plain one does here.
        let peer = UdpSocket::bind("127.0.0.1:0").expect("bound");
        peer.send_to(b"hello", "127.0.0.1:7001").expect("loopback");
        receive(&mut port);
        features
    });
    let features = worker.join().expect("it works");
    assert_eq!(features.bits(), (1 << Features::NAMES.len()) - 1, "all that this machine has: {features:?}");
}

#[test]
fn what_is_done_without_is_said() {
    if !lab::enter() {
        return;
    }
    let without = Without {
        read_multishot: true,
        recv_multishot: true,
        defer_taskrun: true,
        restrictions: true,
        tun_nowait: true,
    };
    let limits = Limits { without, ..Limits::default() };
    let offloads = Offloads {
        vnet_len: 10,
        tun_csum: true,
        tun_tso: false,
        tun_uso: false,
        udp_gso: false,
        udp_gro: false,
    };
    let mut port = UringPort::prepare(PortFds { offloads, ..fds() }, limits)
        .expect("prepared")
        .enable()
        .expect("enabled");
    let gather = port.features().gather;
    assert_eq!(port.features(), Features { tun_csum: true, gather, ..Features::default() });
    let mut events = vec![];
    port.turn(false, &mut events).expect("the ring goes on");
    let mut names: Vec<&str> = events
        .iter()
        .filter_map(|event| if let Event::Fallback(fallback) = event { Some(fallback.name()) } else { None })
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["defer-taskrun", "read-multishot", "recv-multishot", "ring-restrictions"]);
    works(&mut port);
}

#[test]
fn files_and_limits_that_would_not_work_are_refused() {
    if !lab::enter() {
        return;
    }
    let nonblocking = || {
        let socket: OwnedFd = udp("127.0.0.1:0").into();
        rustix::io::ioctl_fionbio(&socket, true).expect("FIONBIO");
        socket
    };
    let good = fds();
    let refuse = |fds: PortFds, limits: Limits, why: &str| {
        let error = UringPort::prepare(fds, limits).err().unwrap_or_else(|| panic!("accepted: {why}"));
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{why}: {error}");
    };
    let copy = || PortFds {
        tun: good.tun.each_ref().map(|queue| queue.try_clone().expect("dup")),
        sockets: vec![good.sockets[0].try_clone().expect("dup")],
        wake: good.wake.try_clone().expect("dup"),
        offloads: OFFLOADS,
    };
    let limits = Limits::default();
    refuse(PortFds { sockets: vec![nonblocking()], ..copy() }, limits, "a socket that does not wait");
    let wake = eventfd(0, EventfdFlags::NONBLOCK).expect("eventfd");
    refuse(PortFds { wake, ..copy() }, limits, "an eventfd that does not wait");
    for vnet_len in [0, 9, 13] {
        refuse(
            PortFds { offloads: Offloads { vnet_len, ..OFFLOADS }, ..copy() },
            limits,
            "a virtio header of no kind",
        );
    }
    refuse(
        PortFds { sockets: vec![nonblocking(), nonblocking()], ..copy() },
        Limits { sockets: 1, ..limits },
        "too many sockets",
    );
    for bad in [
        Limits { bulk_buffers: 0, ..limits },
        Limits { quick_buffers: 0, ..limits },
        Limits { datagram_buffers: 0, ..limits },
        Limits { bulk_buffers: 1_025, ..limits },
        Limits { quick_buffers: 1_025, ..limits },
        Limits { spare_buffers: 1_025, ..limits },
        Limits { slots: 0, ..limits },
        Limits { slots: 257, ..limits },
        Limits { sockets: 0, ..limits },
        Limits { sockets: 33, ..limits },
    ] {
        refuse(copy(), bad, "limits out of range");
    }
    let mut port =
        UringPort::prepare(copy(), limits).expect("the others are good").enable().expect("enabled");
    assert!(port.set_socket(1, nonblocking()).is_err());
    works(&mut port);
}

/// The smallest and the largest port that the limits allow.
#[test]
fn limits_are_real_at_both_ends() {
    let small = Limits {
        bulk_buffers: 1,
        quick_buffers: 1,
        datagram_buffers: 1,
        spare_buffers: 0,
        slots: 1,
        sockets: 1,
        ..Limits::default()
    };
    let large = Limits {
        bulk_buffers: 1_024,
        quick_buffers: 1_024,
        datagram_buffers: 1_024,
        spare_buffers: 1_024,
        slots: 256,
        sockets: 32,
        ..Limits::default()
    };
    for limits in [small, large] {
        if !lab::enter() {
            return;
        }
        let mut port = UringPort::prepare(fds(), limits).expect("prepared").enable().expect("enabled");
        works(&mut port);
        works(&mut port);
        assert_eq!(std::iter::from_fn(|| port.slot()).count(), usize::from(limits.slots));
        assert_eq!(std::iter::from_fn(|| port.borrow()).count(), usize::from(limits.spare_buffers));
    }
    let target: SocketAddr = "127.0.0.1:7001".parse().expect("a literal address");
    assert!(UdpSocket::bind(target).is_ok(), "the last port has let go of it");
}
