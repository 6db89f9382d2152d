//! TCP and UDP packets over IPv4 and IPv6 without options or extension headers, and their checksums.

use ringmesh_io::{HEAD_MAX, Split};

pub const TCP: u8 = 6;
pub const UDP: u8 = 17;

/// RFC 1071 as it is written.
pub fn sum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
    let mut sum: u64 = bytes.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

/// Where the transport header begins and which it is, if the packet is plain and its lengths are true.
pub fn plain(packet: &[u8]) -> Option<(usize, u8)> {
    let word = |at: usize| usize::from(packet[at]) << 8 | usize::from(packet[at + 1]);
    let (transport, protocol) = match packet.first()? {
        0x45 if packet.len() >= 20 && word(2) == packet.len() && word(6) & 0x3fff == 0 => (20, packet[9]),
        0x60..=0x6f if packet.len() >= 40 && word(4) + 40 == packet.len() => (40, packet[6]),
        _ => return None,
    };
    let least = if protocol == TCP { 20 } else { 8 };
    ([TCP, UDP].contains(&protocol) && packet.len() >= transport + least).then_some((transport, protocol))
}

/// The sum of the pseudo-header of a plain packet (RFC 9293, 768, 8200).
pub fn pseudo(packet: &[u8], transport: usize, protocol: u8) -> u16 {
    let addresses = if transport == 20 { 12..20 } else { 8..40 };
    let mut bytes = packet[addresses].to_vec();
    bytes.extend([0, protocol]);
    bytes.extend(((packet.len() - transport) as u16).to_be_bytes());
    sum(&bytes)
}

/// Writes the right checksums into a plain packet; leaves others alone.
pub fn mend(packet: &mut [u8]) {
    let Some((transport, protocol)) = plain(packet) else { return };
    if transport == 20 {
        packet[10..12].fill(0);
        let check = !sum(&packet[..20]);
        packet[10..12].copy_from_slice(&check.to_be_bytes());
    }
    let at = transport + if protocol == TCP { 16 } else { 6 };
    let sum_of_pseudo = pseudo(packet, transport, protocol);
    packet[at..at + 2].copy_from_slice(&sum_of_pseudo.to_be_bytes());
    let check = match !sum(&packet[transport..]) {
        0 if protocol == UDP => 0xffff,
        check => check,
    };
    packet[at..at + 2].copy_from_slice(&check.to_be_bytes());
}

/// A flow's packet without payload and lengths. The number's low bits are IPv6 and UDP, the others the port.
pub fn start(flow: u8) -> Vec<u8> {
    let mut packet = match flow & 1 {
        0 => [&[0x45, 0, 0, 0, 0, 9, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2][..]].concat(),
        _ => [&[0x60, 0, 0, 0, 0, 0, 6, 64][..], &[0xfd; 32]].concat(),
    };
    let protocol = if flow & 1 == 0 { 9 } else { 6 };
    packet.extend([0, flow >> 2, 1, 0xbb]);
    if flow & 2 == 0 {
        packet.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
    } else {
        packet[protocol] = 17;
        packet.extend([0; 4]);
    }
    packet
}

/// The flow's next packet with `len` bytes of payload, its lengths and checksums; `head` moves on behind it.
pub fn next(head: &mut [u8], len: u16) -> Vec<u8> {
    let mut packet = head.to_vec();
    packet.extend((0..len).map(|i| i as u8));
    let (v4, total) = (packet[0] == 0x45, packet.len() as u16);
    let transport = if v4 { 20 } else { 40 };
    let (at, value) = if v4 { (2, total) } else { (4, total - 40) };
    packet[at..at + 2].copy_from_slice(&value.to_be_bytes());
    if head.len() - transport == 8 {
        packet[transport + 4..transport + 6].copy_from_slice(&(total - transport as u16).to_be_bytes());
    } else {
        let seq = u32::from_be_bytes(head[transport + 4..transport + 8].try_into().expect("four bytes"));
        head[transport + 4..transport + 8].copy_from_slice(&seq.wrapping_add(len.into()).to_be_bytes());
    }
    if v4 {
        let id = u16::from_be_bytes([head[4], head[5]]).wrapping_add(1);
        head[4..6].copy_from_slice(&id.to_be_bytes());
    }
    mend(&mut packet);
    packet
}

/// Every packet that comes out of `split`, each as long as it was announced.
pub fn emit_all(split: &Split<'_>) -> Vec<Vec<u8>> {
    let mut head = [0; HEAD_MAX];
    (0..split.count())
        .map(|i| {
            let (len, payload) = split.emit(i, &mut head);
            assert_eq!(len + payload.len(), split.segment_len(i));
            [&head[..len], payload].concat()
        })
        .collect()
}
