//! Any packet under any virtio header is refused, or cut into exactly its payload; and if its headers were true,
//! every segment has true headers too.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use ringmesh_fuzz::packets::{TCP, emit_all, mend, plain, pseudo};
use ringmesh_io::{Gso, Split, VnetHdr};

#[derive(Arbitrary, Debug)]
struct Input {
    vnet: [u8; VnetHdr::LEN],
    packet: Vec<u8>,
    /// Bytes of zeros behind it.
    more: u16,
    honest: bool,
}

/// Makes a plain packet's virtio header and open checksum what the kernel would have made them.
fn make_honest(packet: &mut [u8], size: u16) -> Option<VnetHdr> {
    let len = packet.len();
    match packet.first()? {
        0x45 if (20..=65_535).contains(&len) => packet[2..4].copy_from_slice(&(len as u16).to_be_bytes()),
        0x60..=0x6f if (40..=65_535).contains(&len) => {
            packet[4..6].copy_from_slice(&(len as u16 - 40).to_be_bytes());
        }
        _ => return None,
    }
    let (transport, protocol) = plain(packet)?;
    let csum_offset = if protocol == TCP { 16 } else { 6 };
    let sum = pseudo(packet, transport, protocol).to_be_bytes();
    packet[transport + csum_offset..][..2].copy_from_slice(&sum);
    let gso = match (protocol, transport) {
        (TCP, 20) => Gso::Tcp4,
        (TCP, _) => Gso::Tcp6,
        _ => Gso::UdpL4,
    };
    let (csum_start, csum_offset) = (transport as u16, csum_offset as u16);
    Some(VnetHdr { flags: 1, gso, ecn: false, hdr_len: 0, gso_size: size, csum_start, csum_offset })
}

fuzz_target!(|input: Input| {
    let mut packet = input.packet;
    packet.resize(packet.len() + usize::from(input.more), 0);
    let Some(alleged) = VnetHdr::parse(&input.vnet) else { return };
    let honest = if input.honest { make_honest(&mut packet, alleged.gso_size) } else { None };
    let vnet = honest.unwrap_or(alleged);
    let Ok(split) = Split::new(vnet, &packet) else { return };
    if split.count() > 1_000 {
        return;
    }
    let segments = emit_all(&split);
    let more = segments.len() - 1;
    let repeated = segments.iter().map(Vec::len).sum::<usize>() - packet.len();
    let head_len = repeated.checked_div(more).unwrap_or(0);
    let payload = segments.iter().flat_map(|segment| &segment[head_len..]);
    assert!(repeated == head_len * more && (more == 0 || payload.eq(&packet[head_len..])));
    for segment in segments.iter().filter(|_| honest.is_some()) {
        let mut mended = segment.clone();
        mend(&mut mended);
        assert_eq!(*segment, mended);
        assert!(plain(segment).is_some());
    }
});
