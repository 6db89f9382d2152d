//! The judge builds every expected segment on its own, from the fields that the RFCs give it.

use super::{HEAD_MAX, Split, SplitError};
use crate::packets::{ACK, CWR, DESTINATION_OPTIONS, FIN, PSH, Packet, noise};
use crate::{Gso, VnetHdr};

/// The virtio header that goes with `packet` as a super-packet.
fn vnet(packet: &Packet, size: u16) -> VnetHdr {
    let gso = match (packet.udp, packet.v6) {
        (true, _) => Gso::UdpL4,
        (false, false) => Gso::Tcp4,
        (false, true) => Gso::Tcp6,
    };
    VnetHdr {
        flags: VnetHdr::NEEDS_CSUM,
        gso,
        ecn: packet.flags & CWR != 0,
        hdr_len: packet.head_len() as u16,
        gso_size: size,
        csum_start: packet.transport() as u16,
        csum_offset: if packet.udp { 6 } else { 16 },
    }
}

/// All packets that come out, each in one piece.
fn emit_all(split: &Split<'_>) -> Vec<Vec<u8>> {
    let mut head = [0; HEAD_MAX];
    (0..split.count())
        .map(|i| {
            let (len, payload) = split.emit(i, &mut head);
            let packet = [&head[..len], payload].concat();
            assert_eq!(packet.len(), split.segment_len(i), "segment {i}");
            packet
        })
        .collect()
}

/// What a sender without offload would have put on the wire.
fn expected(packet: &Packet, size: usize) -> Vec<Vec<u8>> {
    let chunks: Vec<&[u8]> =
        if packet.payload.is_empty() { vec![&[]] } else { packet.payload.chunks(size).collect() };
    let last = chunks.len() - 1;
    let segment = |(i, chunk): (usize, &&[u8])| {
        let cleared = if i > 0 { CWR } else { 0 } | if i < last { FIN | PSH } else { 0 };
        Packet {
            id: packet.id.wrapping_add(i as u16),
            seq: packet.seq.wrapping_add((i * size) as u32),
            flags: packet.flags & !cleared,
            payload: chunk.to_vec(),
            ..packet.clone()
        }
        .build()
    };
    chunks.iter().enumerate().map(segment).collect()
}

fn check(packet: &Packet, size: u16) {
    let super_packet = packet.build_open();
    let split = Split::new(vnet(packet, size), &super_packet).unwrap();
    assert_eq!(emit_all(&split), expected(packet, usize::from(size)), "{size} {packet:?}");
}

fn all_kinds() -> impl Iterator<Item = Packet> {
    [false, true].into_iter().flat_map(|v6| [Packet::tcp(v6), Packet::udp(v6)])
}

#[test]
fn segments_are_what_a_sender_without_offload_sends() {
    let sizes = [1, 2, 3, 99, 100, 500, 536, 999, 1_000, 1_001, 1_380];
    for kind in all_kinds() {
        for size in sizes {
            for len in [0, 1, 2, 99, 100, 101, 999, 1_000, 2_000, 2_761] {
                check(&Packet { payload: noise(len, len as u64), ..kind.clone() }, size);
            }
        }
    }
}

#[test]
fn the_largest_super_packet() {
    for kind in all_kinds() {
        let payload = noise(65_535 - kind.head_len(), 5);
        check(&Packet { payload, ..kind }, 1_368);
    }
}

#[test]
fn flags_numbers_and_options() {
    let payload = noise(3_000, 9);
    for flags in [ACK, ACK | PSH, ACK | FIN, ACK | CWR, ACK | PSH | FIN | CWR, ACK | 0x40] {
        check(&Packet { flags, payload: payload.clone(), ..Packet::tcp(false) }, 1_000);
        check(&Packet { flags, payload: payload.clone(), ..Packet::tcp(true) }, 1_400);
    }
    for kind in all_kinds() {
        let kind = Packet { payload: payload.clone(), ..kind };
        check(&Packet { seq: u32::MAX - 1_500, id: u16::MAX, ..kind.clone() }, 1_000);
        check(&Packet { tos: 0x2e << 2 | 1, ttl: 1, fragment: 0, ..kind.clone() }, 700);
        check(&Packet { options: Vec::new(), ..kind.clone() }, 700);
        check(&Packet { options: vec![1; 40], window: 0, urgent: 9, ..kind }, 700);
    }
}

#[test]
fn options_and_extension_headers_go_along() {
    let payload = noise(2_500, 11);
    let v4 = Packet { extra: vec![1; 40], payload: payload.clone(), ..Packet::tcp(false) };
    check(&v4, 1_000);
    for udp in [false, true] {
        let v6 = Packet {
            udp,
            extra: DESTINATION_OPTIONS.to_vec(),
            payload: payload.clone(),
            ..Packet::tcp(true)
        };
        check(&v6, 1_000);
    }
}

/// A payload that begins with what the checksum was without it sums to zero: UDP then must write all ones and TCP
/// must not.
#[test]
fn zero_checksums_take_the_form_of_their_protocol() {
    for kind in all_kinds() {
        let field = kind.transport() + if kind.udp { 6 } else { 16 };
        let checksum = |payload: &[u8]| {
            let packet = Packet { payload: payload.to_vec(), ..kind.clone() };
            check(&packet, 1_000);
            [packet.build()[field], packet.build()[field + 1]]
        };
        let usual = if kind.udp { [0xff, 0xff] } else { [0, 0] };
        assert_eq!(checksum(&checksum(&[0, 0])), usual);
    }
}

#[test]
fn one_packet_with_nothing_to_do_is_itself() {
    let packet = Packet { payload: noise(99, 1), ..Packet::tcp(false) }.build();
    let split = Split::new(VnetHdr::NONE, &packet).unwrap();
    assert_eq!((split.count(), split.segment_len(0)), (1, packet.len()));
    assert_eq!(emit_all(&split), [packet]);
    assert_eq!(emit_all(&Split::new(VnetHdr::NONE, &[]).unwrap()), [Vec::new()]);
}

#[test]
fn one_packet_with_an_open_checksum_is_completed() {
    for kind in all_kinds() {
        for len in [0, 1, 2, 1_371] {
            let packet = Packet { payload: noise(len, 3), ..kind.clone() };
            let open = packet.build_open();
            let vnet = VnetHdr { gso: Gso::None, gso_size: 0, ..vnet(&packet, 0) };
            assert_eq!(emit_all(&Split::new(vnet, &open).unwrap()), [packet.build()]);
        }
    }
}

#[test]
fn contradictions_are_refused() {
    let tcp = Packet { payload: noise(3_000, 1), ..Packet::tcp(false) };
    let udp = Packet { payload: noise(3_000, 1), ..Packet::udp(true) };
    let good = vnet(&tcp, 1_000);
    let open = tcp.build_open();
    let refused = |vnet: VnetHdr, packet: &[u8], why| {
        assert_eq!(Split::new(vnet, packet).err(), Some(why), "{vnet:?}");
    };
    use SplitError::{ChecksumClosed, HeadTooLong, Malformed, TooLong};
    refused(VnetHdr { flags: 0, ..good }, &open, ChecksumClosed);
    refused(VnetHdr { gso_size: 0, ..good }, &open, Malformed);
    refused(VnetHdr { csum_offset: 6, ..good }, &open, Malformed);
    refused(VnetHdr { csum_start: 24, ..good }, &open, Malformed);
    refused(VnetHdr { csum_start: u16::MAX, ..good }, &open, Malformed);
    refused(VnetHdr { gso: Gso::Tcp6, ..good }, &open, Malformed);
    refused(VnetHdr { gso: Gso::UdpL4, csum_offset: 6, ..good }, &open, Malformed);
    refused(vnet(&udp, 1_000), &open, Malformed);
    refused(VnetHdr { gso: Gso::Tcp6, ..vnet(&udp, 1_000) }, &udp.build_open(), Malformed);
    refused(VnetHdr { csum_start: 39, ..vnet(&udp, 1_000) }, &udp.build_open(), Malformed);
    refused(good, &open[..51], Malformed);
    refused(good, &[], Malformed);
    refused(VnetHdr { gso: Gso::None, csum_start: 3_034, csum_offset: 17, ..good }, &open, Malformed);
    refused(VnetHdr { gso: Gso::None, csum_start: 150, csum_offset: 9, ..good }, &open, HeadTooLong);

    let fragment = Packet { fragment: 0x2000, ..tcp.clone() };
    refused(good, &fragment.build_open(), Malformed);
    let mut short_header = open.clone();
    short_header[32] = 0x40;
    refused(good, &short_header, Malformed);

    let long = Packet { extra: [DESTINATION_OPTIONS, [1; 8]].concat().repeat(8), ..udp };
    refused(vnet(&long, 1_000), &long.build_open(), HeadTooLong);
    let extra = [DESTINATION_OPTIONS, [1; 8]].concat().repeat(4);
    let longest = Packet { extra, options: vec![1; 36], payload: noise(1_001, 1), ..Packet::tcp(true) };
    assert_eq!(longest.head_len(), HEAD_MAX);
    check(&longest, 1_000);
    let longer = Packet { options: vec![1; 40], ..longest };
    refused(vnet(&longer, 1_000), &longer.build_open(), HeadTooLong);
    let padded = [open, vec![0; 65_000]].concat();
    refused(good, &padded, TooLong);
    refused(VnetHdr { gso_size: u16::MAX, ..good }, &padded[..65_555], TooLong);
}

/// Whatever the header claims of whatever packet, it is refused or cut into exactly all of the payload.
#[test]
fn garbage_never_panics() {
    let starts: Vec<Vec<u8>> = all_kinds().map(|kind| kind.build_open()).collect();
    for round in 0..20_000_u64 {
        let bytes = noise(16, round + 1);
        let mut packet = starts[round as usize % starts.len()].clone();
        packet.extend(noise(usize::from(bytes[15]), round));
        let at = usize::from(bytes[10]) % packet.len();
        packet[at] ^= bytes[11];
        packet.truncate(packet.len() - usize::from(bytes[12] & 7));
        let mut header: [u8; VnetHdr::LEN] = *bytes.first_chunk().unwrap();
        if round % 3 > 0 {
            let transport = if packet[0] >> 4 == 4 { 20 } else { 40 };
            let real = VnetHdr { flags: 1, csum_start: transport, csum_offset: 16, ..VnetHdr::NONE }.emit();
            header[6..].copy_from_slice(&real[6..]);
            header[0] = 1;
            header[1] = [1, 4, 5, 0][usize::from(header[1] & 3)];
            header[3] = 0;
        }
        let Some(vnet) = VnetHdr::parse(&header) else { continue };
        let Ok(split) = Split::new(vnet, &packet) else { continue };
        let mut head = [0; HEAD_MAX];
        let total: usize = (0..split.count())
            .map(|i| {
                let (len, payload) = split.emit(i, &mut head);
                assert_eq!(len + payload.len(), split.segment_len(i));
                payload.len()
            })
            .sum();
        assert_eq!(total + split.emit(0, &mut head).0, packet.len());
    }
}
