//! The UDP side of a port over io_uring, against real sockets.

mod lab;

use lab::{Namespace, Rig, address_of, outside, quiet_tun, run, set, udp};
use ringmesh_io::{Destination, Event, Fallback, Limits, Offloads, Port, UringPort, Without};
use socket2::Socket;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;
use std::time::Duration;

fn to(remote: SocketAddr) -> Destination {
    Destination { remote, local: None, socket: 0, tos: 0 }
}

fn send(port: &mut UringPort, bytes: &[u8], segment: usize, to: &Destination) {
    let slot = port.slot().expect("a free slot");
    port.parts(slot).1[..bytes.len()].copy_from_slice(bytes);
    port.send(slot, bytes.len(), segment, to);
}

/// What arrives next at a plain socket.
fn receive(socket: &Socket) -> (Vec<u8>, SocketAddr) {
    let mut bytes = vec![0; 70_000];
    let socket: std::net::UdpSocket = socket.try_clone().expect("dup").into();
    let (len, from) = socket.recv_from(&mut bytes).expect("a datagram in time");
    bytes.truncate(len);
    (bytes, SocketAddr::new(from.ip().to_canonical(), from.port()))
}

/// Takes runs until `count` datagrams have come; returns them one by one.
fn collect(rig: &mut Rig, count: usize) -> Vec<Vec<u8>> {
    let mut all = vec![];
    rig.until(|port, event| {
        if let Event::Datagrams { buf, span, segment, .. } = *event {
            let bytes = port.region()[span.range()].to_vec();
            if bytes.is_empty() {
                all.push(bytes);
            } else {
                all.extend(bytes.chunks(segment as usize).map(<[u8]>::to_vec));
            }
            port.release(buf);
        }
        all.len() >= count
    });
    all
}

fn pattern(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 256 + seed) as u8).collect()
}

/// Ways of receiving: as the kernel likes it best, and without each feature.
fn ways() -> [(&'static str, Without); 4] {
    [
        ("best", Without::default()),
        ("single receives", Without { recv_multishot: true, ..Without::default() }),
        ("tasks run anywhere", Without { defer_taskrun: true, ..Without::default() }),
        ("unrestricted", Without { restrictions: true, ..Without::default() }),
    ]
}

#[test]
fn runs_go_out_and_come_in_whole() {
    for (way, without) in ways() {
        if !lab::enter() {
            return;
        }
        let far = Namespace::new();
        lab::veth(&far);
        let limits = Limits { without, ..Limits::default() };
        let here = udp("[::]:7001");
        let mut near_rig = Rig::new(quiet_tun(), vec![here], limits);
        let mut far_rig = far.within(|| Rig::new(quiet_tun(), vec![udp("[::]:7002")], limits));
        for remote in ["10.9.0.2:7002", "[fd09::2]:7002"] {
            let remote: SocketAddr = remote.parse().expect("a literal address");
            let bytes = pattern(64 * 1_000 - 300, 3);
            let destination = Destination { tos: 0x2e << 2 | 1, ..to(remote) };
            send(&mut near_rig.port, &bytes, 1_000, &destination);
            near_rig.turn(false);
            let mut arrived = vec![];
            let mut runs = 0;
            far_rig.until(|port, event| {
                if let Event::Datagrams { buf, span, segment, from, local, tos, socket, .. } = *event {
                    assert_eq!(
                        (segment, from.port(), tos, socket),
                        (1_000, 7_001, 0x2e << 2 | 1, 0),
                        "{way}"
                    );
                    assert_eq!(local.map(|(ip, _)| ip), Some(remote.ip()), "{way}");
                    assert_eq!(from.is_ipv4(), remote.is_ipv4(), "unmapped");
                    arrived.extend_from_slice(&port.region()[span.range()]);
                    runs += 1;
                    port.release(buf);
                }
                arrived.len() >= bytes.len()
            });
            assert_eq!(arrived, bytes, "{way}");
            assert!(runs <= 2, "{way}: GRO made {runs} runs of 64 datagrams");
        }
        run("ip link del rmp-a");
    }
}

#[test]
fn datagrams_of_every_size() {
    for (way, without) in ways() {
        if !lab::enter() {
            return;
        }
        let peer = outside("127.0.0.1:0");
        let limits = Limits { without, ..Limits::default() };
        let mut rig = Rig::new(quiet_tun(), vec![udp("127.0.0.1:7001")], limits);
        let target: SocketAddr = "127.0.0.1:7001".parse().expect("a literal address");
        rig.turn(false);
        for len in [1, 2, 31, 32, 1_499, 1_500, 9_000, 32_768, 65_506, 65_507, 0, 5] {
            let bytes = pattern(len, len);
            peer.send_to(&bytes, &target.into()).expect("loopback");
            // A single receive has nothing to show for an empty datagram, but goes on.
            if len > 0 || !without.recv_multishot {
                assert_eq!(collect(&mut rig, 1), std::slice::from_ref(&bytes), "{way}, {len} bytes in");
            }
            send(&mut rig.port, &bytes, bytes.len(), &to(address_of(&peer)));
            rig.turn(false);
            assert_eq!(receive(&peer).0, bytes, "{way}, {len} bytes out");
        }
        assert!(rig.port.features().recv_multishot != without.recv_multishot);
    }
}

/// Sends numbered datagrams of changing sizes through a socket whose buffer is always full.
fn numbers_through_a_narrow_link(offloads: Offloads, segments: usize) -> Vec<u32> {
    let far = Namespace::new();
    lab::veth(&far);
    run("tc qdisc add dev rmp-a root tbf rate 200mbit burst 128kb limit 100mb");
    let sink = far.within(|| {
        lab::receive_in_order("rmp-b");
        outside("10.9.0.2:7002")
    });
    // What waits for the neighbour's address may be overtaken when it comes, so no datagram that counts is to be the first.
    outside("10.9.0.1:0").send_to(b"first", &address_of(&sink).into()).expect("a way");
    assert_eq!(receive(&sink).0, b"first");
    let socket = udp("[::]:7001");
    set(&socket, libc::SOL_SOCKET, libc::SO_SNDBUF, 4_608);
    let mut rig = Rig::with(quiet_tun(), vec![socket], Limits::default(), offloads);
    let mut next = 0u32;
    while next < 4_000 {
        // A turn without a free slot waits for one.
        let Some(slot) = rig.port.slot() else {
            rig.turn(true);
            continue;
        };
        let segment = [1_400, 20, 700, 1_200][next as usize % 4];
        let count = 1 + next as usize % segments;
        let bytes = rig.port.parts(slot).1;
        for place in 0..count {
            bytes[place * segment..][..4].copy_from_slice(&next.to_be_bytes());
            next += 1;
        }
        rig.port.send(slot, count * segment, segment, &to(address_of(&sink)));
        if next.is_multiple_of(3) {
            for event in rig.turn(false) {
                assert!(matches!(event, Event::Woken), "{event:?}");
            }
        }
    }
    let mut arrived = vec![];
    while arrived.len() < next as usize {
        rig.turn(false);
        let (bytes, _) = receive(&sink);
        arrived.push(u32::from_be_bytes(bytes[..4].try_into().expect("numbered")));
    }
    run("ip link del rmp-a");
    arrived
}

#[test]
fn order_holds_when_the_send_buffer_is_full() {
    for (gso, segments) in [(true, 1), (true, 20), (false, 20)] {
        if !lab::enter() {
            return;
        }
        let arrived = numbers_through_a_narrow_link(Offloads { udp_gso: gso, ..lab::OFFLOADS }, segments);
        let misplaced = arrived.iter().zip(0..).find(|(number, place)| **number != *place);
        assert_eq!(misplaced, None, "with gso {gso}, {segments} segments");
    }
}

/// SO_NO_CHECK makes the kernel refuse UDP_SEGMENT with EINVAL, and nothing else.
#[test]
fn a_socket_that_cannot_segment_is_found_out_and_nothing_is_lost() {
    if !lab::enter() {
        return;
    }
    let peer = outside("127.0.0.1:0");
    let socket = udp("127.0.0.1:7001");
    set(&socket, libc::SOL_SOCKET, libc::SO_NO_CHECK, 1);
    let mut rig = Rig::new(quiet_tun(), vec![socket], Limits::default());
    assert!(rig.port.features().udp_gso);
    let bytes = pattern(10 * 500 - 100, 1);
    (0..3).for_each(|_| send(&mut rig.port, &bytes, 500, &to(address_of(&peer))));
    let mut events = rig.turn(false);
    events.extend(rig.turn(false));
    assert_eq!(events, [Event::Fallback(Fallback::UdpGso)]);
    assert!(!rig.port.features().udp_gso);
    for _ in 0..3 {
        let arrived: Vec<u8> = (0..10).flat_map(|_| receive(&peer).0).collect();
        assert_eq!(arrived, bytes);
    }
    send(&mut rig.port, &bytes, 500, &to(address_of(&peer)));
    assert!(rig.turn(false).is_empty(), "told once");
    assert_eq!((0..10).flat_map(|_| receive(&peer).0).collect::<Vec<u8>>(), bytes);
}

#[test]
fn a_source_that_is_not_ours_is_left_out() {
    if !lab::enter() {
        return;
    }
    let peer = outside("127.0.0.1:0");
    let peer6 = outside("[::1]:0");
    let mut rig = Rig::new(quiet_tun(), vec![udp("[::]:7001")], Limits::default());
    let cases = [
        (&peer, "127.0.0.9", "127.0.0.9"),
        (&peer, "203.0.113.5", "127.0.0.1"),
        (&peer6, "2001:db8::5", "::1"),
        (&peer6, "::1", "::1"),
        (&peer6, "127.0.0.9", "::1"),
    ];
    for (peer, ours, expected) in cases {
        let (ours, expected): (IpAddr, IpAddr) = (ours.parse().expect("IP"), expected.parse().expect("IP"));
        let destination = Destination { local: Some((ours, 1)), ..to(address_of(peer)) };
        send(&mut rig.port, &[5; 900], 300, &destination);
        assert!(rig.turn(false).is_empty());
        for _ in 0..3 {
            assert_eq!(receive(peer), (vec![5; 300], SocketAddr::new(expected, 7_001)), "from {ours}");
        }
        assert!(rig.port.features().udp_gso);
    }
}

#[test]
fn what_cannot_be_sent_is_reported_once_and_frees_its_slot() {
    if !lab::enter() {
        return;
    }
    let limits = Limits { slots: 2, sockets: 2, ..Limits::default() };
    let mut rig = Rig::new(quiet_tun(), vec![udp("127.0.0.1:7001")], limits);
    let here: SocketAddr = "127.0.0.1:9".parse().expect("a literal address");
    let six: SocketAddr = "[::1]:9".parse().expect("a literal address");
    let cases = [
        (Destination { socket: 1, ..to(here) }, 100, 100, (1, libc::EBADF)),
        (Destination { socket: 9, ..to(here) }, 300, 100, (3, libc::EBADF)),
        (to(six), 100, 100, (1, libc::EAFNOSUPPORT)),
        (to(here), 65_536, 65_536, (1, libc::EMSGSIZE)),
        (to(here), 65_000, 1_000, (65, libc::EMSGSIZE)),
        (to(here), 65_000, 0, (65_000, libc::EMSGSIZE)),
        (to("10.200.0.1:9".parse().expect("no route")), 100, 100, (1, libc::ENETUNREACH)),
    ];
    for (destination, len, segment, (datagrams, errno)) in cases {
        let slot = rig.port.slot().expect("free again");
        rig.port.send(slot, len, segment, &destination);
        let events = rig.turn(false);
        assert_eq!(events, [Event::SendFailed { datagrams, errno }], "{destination:?}");
    }
    let (a, b) = (rig.port.slot(), rig.port.slot());
    assert!(a.is_some() && b.is_some() && rig.port.slot().is_none());
}

/// With IP_RECVERR the socket reports every ICMP error to both receives and sends.
#[test]
fn icmp_errors_do_not_stop_reception() {
    for (way, without) in ways() {
        if !lab::enter() {
            return;
        }
        let peer = outside("127.0.0.1:0");
        let socket = udp("127.0.0.1:7001");
        set(&socket, libc::SOL_IP, libc::IP_RECVERR, 1);
        let limits = Limits { without, ..Limits::default() };
        let mut rig = Rig::new(quiet_tun(), vec![socket], limits);
        let target: SocketAddr = "127.0.0.1:7001".parse().expect("a literal address");
        let closed: SocketAddr = "127.0.0.1:9".parse().expect("a literal address");
        for round in 0..50u8 {
            send(&mut rig.port, &[1; 10], 10, &to(closed));
            for event in rig.turn(false) {
                assert!(matches!(event, Event::SendFailed { .. } | Event::Fallback(_)), "{way}: {event:?}");
            }
            peer.send_to(&[round], &target.into()).expect("loopback");
            assert_eq!(collect(&mut rig, 1), [[round]], "{way}");
        }
    }
}

#[test]
fn reception_pauses_without_buffers_and_goes_on() {
    for (way, without) in ways() {
        if !lab::enter() {
            return;
        }
        let peer = outside("127.0.0.1:0");
        let limits = Limits { datagram_buffers: 3, without, ..Limits::default() };
        let mut rig = Rig::new(quiet_tun(), vec![udp("127.0.0.1:7001")], limits);
        let target: SocketAddr = "127.0.0.1:7001".parse().expect("a literal address");
        for number in 0..100u8 {
            peer.send_to(&[number], &target.into()).expect("loopback");
        }
        let mut numbers = vec![];
        while numbers.len() < 100 {
            let mut held = vec![];
            let events = rig.turn(true);
            for event in events.iter().chain(&rig.turn(false)).chain(&rig.turn(false)) {
                if let Event::Datagrams { buf, span, .. } = *event {
                    numbers.push(rig.port.region()[span.start as usize]);
                    held.push(buf);
                }
            }
            assert!(held.len() <= 3, "{way}");
            held.into_iter().for_each(|buf| rig.port.release(buf));
        }
        assert_eq!(numbers, (0..100).collect::<Vec<u8>>(), "{way}");
    }
}

#[test]
fn a_socket_is_replaced_while_running() {
    for (way, without) in ways() {
        if !lab::enter() {
            return;
        }
        let peer = outside("127.0.0.1:0");
        let limits = Limits { sockets: 3, without, ..Limits::default() };
        let mut rig = Rig::new(quiet_tun(), vec![udp("127.0.0.1:7001")], limits);
        rig.turn(false);
        for round in 0..40u16 {
            let port = 7_010 + round;
            let number = (round % 3) as u8;
            rig.port.set_socket(number, udp(&format!("127.0.0.1:{port}")).into()).expect("a place");
            let target = SocketAddr::from(([127, 0, 0, 1], port));
            peer.send_to(&port.to_be_bytes(), &target.into()).expect("loopback");
            assert_eq!(collect(&mut rig, 1), [port.to_be_bytes()], "{way}");
            send(&mut rig.port, &[9], 1, &Destination { socket: number, ..to(address_of(&peer)) });
            rig.turn(false);
            assert_eq!(receive(&peer), (vec![9], target), "{way}");
        }
        assert!(rig.port.set_socket(3, udp("127.0.0.1:0").into()).is_err(), "no such place");
        let (one, _other) = std::os::unix::net::UnixDatagram::pair().expect("a pair");
        assert!(rig.port.set_socket(0, one.into()).is_err(), "no UDP socket");
    }
}

#[test]
fn somebody_else_wakes_the_worker() {
    for (way, without) in ways() {
        if !lab::enter() {
            return;
        }
        let mut rig = Rig::new(quiet_tun(), vec![], Limits { without, ..Limits::default() });
        for _ in 0..5 {
            let wake = rig.wake.try_clone().expect("dup");
            let other =
                std::thread::spawn(move || rustix::io::write(wake, &1u64.to_ne_bytes()).expect("eventfd"));
            rig.until(|_, event| *event == Event::Woken);
            other.join().expect("it only writes");
        }
        assert!(rig.turn(false).is_empty(), "{way}: read once, told once");
    }
}

/// Whoever else runs may send the port to sleep, and then it does not linger for a while; so being awake is asked for once in many
/// rounds of many ports. What comes is seen in all.
#[test]
fn who_lingers_stays_awake_and_misses_nothing() {
    for (way, without) in ways() {
        if !lab::enter() {
            return;
        }
        let limits = Limits { without, ..Limits::default() };
        assert!((7_001..7_051).any(|port| stays_awake(way, limits, port)), "{way}: it slept each time");
    }
}

/// Whether a port that lingers was awake at least once when something came to UDP port `number`.
fn stays_awake(way: &str, limits: Limits, number: u16) -> bool {
    let peer = outside("127.0.0.1:0");
    let target = SocketAddr::from(([127, 0, 0, 1], number));
    let mut rig = Rig::new(quiet_tun(), vec![udp(&target.to_string())], limits);
    let this = rustix::thread::gettid().as_raw_nonzero();
    let mut awake = 0;
    for round in 0..200u8 {
        let late = round % 2 == 0;
        let sender = peer.try_clone().expect("dup");
        rig.port.linger(if late { Duration::from_micros(100) } else { Duration::from_secs(10) });
        let before = sleeps(this);
        let other = std::thread::spawn(move || {
            while late && sleeps(this) == before {
                std::thread::yield_now();
            }
            sender.send_to(&[round], &target.into()).expect("loopback");
        });
        assert_eq!(collect(&mut rig, 1), [[round]], "{way}");
        awake += u32::from(sleeps(this) == before);
        other.join().expect("it only sends");
    }
    awake > 0
}

/// What comes while a turn gathers, comes together: the second is sent when the turn goes on after the first.
#[test]
fn what_gathers_comes_together_and_nothing_is_awaited_in_vain() {
    for (way, without) in ways() {
        if !lab::enter() {
            return;
        }
        let peer = outside("127.0.0.1:0");
        let mut rig =
            Rig::new(quiet_tun(), vec![udp("127.0.0.1:7001")], Limits { without, ..Limits::default() });
        if !rig.port.features().gather {
            eprintln!("skipped: this kernel ends every wait with the first completion (Linux before 6.12)");
            return;
        }
        let target: SocketAddr = "127.0.0.1:7001".parse().expect("a literal address");
        rig.turn(false);
        let this = rustix::thread::gettid().as_raw_nonzero();
        let sender = std::thread::spawn(move || {
            for number in 0..2u8 {
                while !is_asleep(this) {
                    std::thread::yield_now();
                }
                peer.send_to(&[number], &target.into()).expect("loopback");
            }
        });
        rig.port.gather(Duration::from_secs(1));
        assert_eq!(rig.turn(true).len(), 2, "{way}");
        sender.join().expect("it only sends");
        // It held for one turn.
        let wake = rig.wake.try_clone().expect("dup");
        rustix::io::write(wake, &1u64.to_ne_bytes()).expect("eventfd");
        assert_eq!(rig.turn(true), [Event::Woken], "{way}");
    }
}

/// Whether a thread waits.
fn is_asleep(thread: NonZero<i32>) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).expect("procfs");
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
}

/// How often a thread gave up its processor to wait.
fn sleeps(thread: NonZero<i32>) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/self/task/{thread}/status")).expect("procfs");
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.and_then(|count| count.trim().parse().ok()).expect("a count")
}
