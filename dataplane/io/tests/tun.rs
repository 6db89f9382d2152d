//! The TUN side of a port over io_uring, against real devices and the kernel's own sockets.

mod lab;

use lab::{Rig, outside, quiet_tun, run, tun, udp};
use ringmesh_io::{BufId, Event, Gso, Limits, Port, Queue, Span, UringPort, VnetHdr, Without};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};

/// Ways of reading and writing: as the kernel likes it best, and without each feature.
fn ways() -> [(&'static str, Limits); 4] {
    let without = |without| Limits { without, ..Limits::default() };
    [
        ("best", Limits::default()),
        ("single reads", without(Without { read_multishot: true, ..Without::default() })),
        ("no NOWAIT", without(Without { tun_nowait: true, ..Without::default() })),
        ("tasks run anywhere", without(Without { defer_taskrun: true, ..Without::default() })),
    ]
}

/// An IPv4 UDP packet without checksum.
fn packet(from: [u8; 4], to: [u8; 4], ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let len = 28 + payload.len() as u16;
    let mut bytes = vec![0x45, 0];
    bytes.extend(len.to_be_bytes());
    bytes.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    bytes.extend(from.iter().chain(&to));
    let mut sum: u32 = bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    bytes[10..12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    bytes.extend(ports.0.to_be_bytes());
    bytes.extend(ports.1.to_be_bytes());
    bytes.extend((len - 20).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(payload);
    bytes
}

/// Puts bytes into a spare buffer.
fn stage(port: &mut UringPort, bytes: &[u8]) -> (BufId, Span) {
    let (buf, span) = port.borrow().expect("a spare buffer");
    let span = Span { len: bytes.len() as u32, ..span };
    port.region()[span.range()].copy_from_slice(bytes);
    (buf, span)
}

#[test]
fn packets_come_out_in_order_and_whole() {
    for (way, limits) in ways() {
        if !lab::enter() {
            return;
        }
        let mut rig = Rig::new(tun("rmp-t0", 77), vec![], limits);
        let sender = outside("10.77.0.1:0");
        let far: SocketAddr = "10.77.0.2:9".parse().expect("a literal address");
        // More than there are buffers, fewer than the queue of the device holds.
        for number in 0..300u16 {
            let mut bytes = vec![number as u8; usize::from(number) + 2];
            bytes[..2].copy_from_slice(&number.to_be_bytes());
            sender.send_to(&bytes, &far.into()).expect("room in the queue");
        }
        let mut numbers = vec![];
        rig.until(|port, event| {
            if let Event::Packet { buf, vnet, span, .. } = *event {
                let bytes = &port.region()[span.range()];
                if bytes[0] == 0x45 && bytes[9] == 17 {
                    assert_eq!(vnet.gso, Gso::None, "{way}");
                    let number = u16::from_be_bytes([bytes[28], bytes[29]]);
                    assert_eq!(bytes.len(), 30 + usize::from(number), "{way}");
                    assert!(bytes[30..].iter().all(|byte| *byte == number as u8), "{way}");
                    numbers.push(number);
                }
                port.release(buf);
            }
            numbers.len() >= 300
        });
        assert_eq!(numbers, (0..300).collect::<Vec<u16>>(), "{way}");
    }
}

#[test]
fn gathered_writes_arrive_in_order_and_whole() {
    for (way, limits) in ways() {
        if !lab::enter() {
            return;
        }
        let mut rig = Rig::new(tun("rmp-t0", 77), vec![], limits);
        let sink: UdpSocket = outside("10.77.0.1:5000").into();
        for round in 0..4u16 {
            // More writes than their table holds, and more pieces too: some go out in between.
            for number in 0..400u16 {
                let number = round * 400 + number;
                let payload: Vec<u8> =
                    number.to_be_bytes().into_iter().cycle().take(60 + usize::from(number % 97)).collect();
                let bytes = packet([10, 77, 0, 2], [10, 77, 0, 1], (1, 5_000), &payload);
                let (buf, span) = stage(&mut rig.port, &bytes);
                let pieces: Vec<Span> = (0..span.len)
                    .step_by(10)
                    .map(|at| Span { start: span.start + at, len: 10.min(span.len - at) })
                    .collect();
                rig.port.write(Queue::Quick, VnetHdr::NONE, &pieces, 1);
                // Before the write has even been submitted: it must still read what was there.
                rig.port.release(buf);
                if rig.port.borrow().is_some_and(|(spare, _)| {
                    rig.port.release(spare);
                    false
                }) || number % 8 == 7
                {
                    for event in rig.turn(false) {
                        assert!(!matches!(event, Event::WriteFailed { .. }), "{way}: {event:?}");
                    }
                }
            }
            let mut bytes = [0; 2_000];
            for number in round * 400..(round + 1) * 400 {
                let (len, from) = sink.recv_from(&mut bytes).expect("a datagram in time");
                assert_eq!(
                    (len, from.ip()),
                    (60 + usize::from(number % 97), Ipv4Addr::new(10, 77, 0, 2).into()),
                    "{way}"
                );
                assert!(bytes[..len].iter().eq(number.to_be_bytes().iter().cycle().take(len)), "{way}");
            }
        }
    }
}

#[test]
fn a_write_without_its_link_is_counted_and_the_port_goes_on() {
    for (way, limits) in ways() {
        if !lab::enter() {
            return;
        }
        let mut rig = Rig::new(quiet_tun(), vec![], limits);
        rig.turn(false);
        run("ip link set rmp-q down");
        let (buf, span) = stage(&mut rig.port, &[0x45; 40]);
        rig.port.write(Queue::Quick, VnetHdr::NONE, &[span], 3);
        assert_eq!(
            rig.turn(false).last(),
            Some(&Event::WriteFailed { packets: 3, errno: libc::EIO }),
            "{way}"
        );
        rig.port.release(buf);
        run("ip link set rmp-q up");
        let (buf, span) = stage(&mut rig.port, &packet([10, 70, 0, 2], [10, 70, 0, 1], (1, 2), b"hello"));
        rig.port.write(Queue::Quick, VnetHdr::NONE, &[span], 1);
        rig.port.release(buf);
        assert!(!rig.turn(false).iter().any(|event| matches!(event, Event::WriteFailed { .. })), "{way}");
    }
}

#[test]
fn spans_that_are_not_the_callers_are_not_written() {
    if !lab::enter() {
        return;
    }
    let mut rig = Rig::new(quiet_tun(), vec![], Limits::default());
    rig.turn(false);
    let (buf, span) = stage(&mut rig.port, &[0x45; 40]);
    let lent = Span { start: 0, len: 40 };
    let outside = Span { start: u32::MAX - 5, len: 40 };
    for pieces in [vec![lent], vec![span, outside], vec![span, span, lent]] {
        rig.port.write(Queue::Quick, VnetHdr::NONE, &pieces, 1);
        assert_eq!(rig.turn(false), [Event::WriteFailed { packets: 1, errno: libc::EFAULT }]);
    }
    rig.port.write(Queue::Quick, VnetHdr::NONE, &[span; 129], 1);
    assert_eq!(rig.turn(false), [Event::WriteFailed { packets: 1, errno: libc::EMSGSIZE }]);
    rig.port.release(buf);
    let spares = std::iter::from_fn(|| rig.port.borrow()).count();
    assert_eq!(spares, usize::from(Limits::default().spare_buffers), "no pin was left behind");
}

#[test]
fn a_deleted_device_is_told_once() {
    for (way, limits) in ways() {
        if !lab::enter() {
            return;
        }
        let mut rig = Rig::new(quiet_tun(), vec![udp("127.0.0.1:7001")], limits);
        rig.turn(false);
        run("ip link del rmp-q");
        let events = rig.until(|_, event| *event == Event::Gone);
        assert_eq!(events.iter().filter(|event| **event == Event::Gone).count(), 1, "{way}");
        let (buf, span) = stage(&mut rig.port, &[0x45; 40]);
        rig.port.write(Queue::Quick, VnetHdr::NONE, &[span], 1);
        rig.port.release(buf);
        assert_eq!(rig.turn(false), [Event::WriteFailed { packets: 1, errno: libc::EBADFD }], "{way}");
        // The sockets live on.
        let peer: UdpSocket = outside("127.0.0.1:0").into();
        peer.send_to(b"still here", "127.0.0.1:7001").expect("loopback");
        rig.until(|_, event| matches!(event, Event::Datagrams { .. }));
    }
}

#[test]
fn reading_pauses_without_buffers_and_loses_nothing() {
    for (way, limits) in ways() {
        if !lab::enter() {
            return;
        }
        let limits = Limits { bulk_buffers: 3, quick_buffers: 3, ..limits };
        let mut rig = Rig::new(tun("rmp-t0", 77), vec![], limits);
        let sender = outside("10.77.0.1:0");
        let far: SocketAddr = "10.77.0.2:9".parse().expect("a literal address");
        for number in 0..200u8 {
            sender.send_to(&[number], &far.into()).expect("room in the queue");
        }
        let mut numbers = vec![];
        while numbers.len() < 200 {
            let mut held = vec![];
            let events = rig.turn(true);
            for event in events.iter().chain(&rig.turn(false)).chain(&rig.turn(false)) {
                if let Event::Packet { buf, span, .. } = *event {
                    let bytes = &rig.port.region()[span.range()];
                    if bytes[0] == 0x45 && bytes[9] == 17 {
                        numbers.push(bytes[28]);
                    }
                    held.push(buf);
                }
            }
            assert!(held.len() <= 3 + 3, "{way}");
            held.into_iter().for_each(|buf| rig.port.release(buf));
        }
        assert_eq!(numbers, (0..200).collect::<Vec<u8>>(), "{way}");
    }
}

/// The kernel queues a flow's packets where its answers were written: behind bulk, or not.
#[test]
fn a_flow_whose_answers_go_through_the_quick_queue_overtakes_bulk() {
    for (way, limits) in ways() {
        if !lab::enter() {
            return;
        }
        let limits = Limits { bulk_buffers: 1, quick_buffers: 1, ..limits };
        let mut rig = Rig::new(tun("rmp-t0", 77), vec![], limits);
        let talk = |rig: &mut Rig, queue, port: u16| {
            let socket = outside(&format!("10.77.0.1:{port}"));
            let bytes = packet([10, 77, 0, 2], [10, 77, 0, 1], (9, port), b"an answer");
            let (buf, span) = stage(&mut rig.port, &bytes);
            rig.port.write(queue, VnetHdr::NONE, &[span], 1);
            rig.port.release(buf);
            for event in rig.turn(false) {
                if let Event::Packet { buf, .. } = event {
                    rig.port.release(buf);
                }
            }
            socket
        };
        let bulk = talk(&mut rig, Queue::Bulk, 5_000);
        let quick = talk(&mut rig, Queue::Quick, 5_001);
        let far: SocketAddr = "10.77.0.2:9".parse().expect("a literal address");
        for _ in 0..100 {
            bulk.send_to(b"b", &far.into()).expect("room in the queue");
        }
        quick.send_to(b"q", &far.into()).expect("room in the queue");
        let mut before = 0;
        rig.until(|port, event| {
            let Event::Packet { queue, buf, span, .. } = *event else { return false };
            let last = port.region()[span.range()].last().copied();
            before += u32::from((queue, last) == (Queue::Bulk, Some(b'b')));
            port.release(buf);
            (queue, last) == (Queue::Quick, Some(b'q'))
        });
        assert!(before < 10, "{way}: {before} of the other flow came first");
    }
}

/// Everything that one port reads, the other writes; both ways until both are done.
fn bridge(left: &mut Rig, right: &mut Rig, done: impl Fn() -> bool) -> usize {
    let mut super_packets = 0;
    let give_up = ringmesh_io::clock::boottime() + std::time::Duration::from_secs(20);
    while !done() {
        assert!(ringmesh_io::clock::boottime() < give_up, "the transfer takes too long");
        for turned in [true, false] {
            let (from, into) = if turned { (&mut *left, &mut *right) } else { (&mut *right, &mut *left) };
            for event in from.turn(false) {
                let Event::Packet { buf, vnet, span, .. } = event else {
                    assert!(
                        !matches!(event, Event::WriteFailed { .. } | Event::Malformed { .. }),
                        "{event:?}"
                    );
                    continue;
                };
                super_packets += usize::from(vnet.gso != Gso::None);
                let bytes = from.port.region()[span.range()].to_vec();
                from.port.release(buf);
                let (copy, staged) = stage(&mut into.port, &bytes);
                let (head, rest) =
                    (Span { len: 30.min(staged.len), ..staged }, staged.len.saturating_sub(30));
                into.port.write(Queue::Quick, vnet, &[head, Span { start: staged.start + 30, len: rest }], 1);
                into.port.release(copy);
            }
        }
    }
    super_packets
}

/// A TCP transfer between two namespaces, over nothing but two ports: the kernel's super-packets come
/// out of one device, go into the other with the same virtio header, and its TCP accepts them.
#[test]
fn super_packets_cross_from_device_to_device() {
    for (way, limits) in ways() {
        if !lab::enter() {
            return;
        }
        // Everything that one turn reads is written before the next.
        let limits = Limits { spare_buffers: 64, ..limits };
        for remote in ["10.77.0.2:80", "[fd77::2]:80"] {
            lab::enter();
            let far = lab::Namespace::new();
            let mut left = Rig::new(tun("rmp-t0", 77), vec![], limits);
            let (mut right, listener) = far.within(|| {
                let device = tun("rmp-t1", 78);
                run("ip addr add 10.77.0.2/24 dev rmp-t1");
                run("ip addr add fd77::2/64 dev rmp-t1 nodad");
                (Rig::new(device, vec![], limits), TcpListener::bind(remote).expect("bind"))
            });
            const LEN: usize = 4 << 20;
            let data: Vec<u8> = (0..LEN).map(|i| (i / 7 + i) as u8).collect();
            let server = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().expect("a connection");
                let mut received = vec![];
                stream.read_to_end(&mut received).expect("the whole stream");
                received
            });
            let sent = data.clone();
            // A thread begins in the namespace of the one that starts it.
            let client = std::thread::spawn(move || {
                let mut stream = TcpStream::connect(remote).expect("connect");
                stream.write_all(&sent).expect("write");
            });
            let super_packets =
                bridge(&mut left, &mut right, || server.is_finished() && client.is_finished());
            assert!(server.join().expect("received") == data, "{way}: the stream is damaged");
            client.join().expect("sent");
            assert!(super_packets > 20, "{way}: {super_packets} super-packets for {LEN} bytes");
        }
    }
}
