//! The judge is [`Split`]: what comes out, split again, must be exactly what went in.

mod mixed;
mod rules;

use super::Joiner;
use crate::packets::Packet;
use crate::{HEAD_MAX, Span, Split, VnetHdr};

/// Receive buffers with packets in them, and what came out.
struct Lab {
    joiner: Joiner,
    region: Vec<u8>,
    /// What went in, in order.
    packets: Vec<Vec<u8>>,
    /// What came out: virtio header, bytes, number of packets.
    out: Vec<(VnetHdr, Vec<u8>, u32)>,
}

impl Lab {
    fn new() -> Self {
        Self { joiner: Joiner::new(true), region: Vec::new(), packets: Vec::new(), out: Vec::new() }
    }

    /// One whole turn. All packets lie in the region before the first is pushed, as they do in a worker.
    fn turn(&mut self, packets: &[Vec<u8>]) {
        self.region.clear();
        let mut spans = Vec::new();
        for packet in packets {
            // A data header in front and padding behind, which joining must not touch.
            self.region.extend([0xaa; 16]);
            spans.push(Span { start: self.region.len() as u32, len: packet.len() as u32 });
            self.region.extend(packet);
            self.region.extend([0xbb; 5]);
        }
        let mut raw = Vec::new();
        let mut out = |vnet, pieces: &[Span], count| raw.push((vnet, pieces.to_vec(), count));
        for span in &spans {
            self.joiner.push(&mut self.region, *span, &mut out);
        }
        self.joiner.flush(&mut self.region, &mut out);
        for (vnet, pieces, count) in raw {
            assert_eq!(pieces.len() as u32, count);
            let bytes = pieces.iter().flat_map(|piece| &self.region[piece.range()]).copied().collect();
            self.out.push((vnet, bytes, count));
        }
        self.packets.extend(packets.iter().cloned());
    }

    /// Everything that came out, as the packets that a receiver behind the TUN device may see.
    fn split(&self) -> Vec<Vec<u8>> {
        let mut head = [0; HEAD_MAX];
        let mut packets = Vec::new();
        for (vnet, bytes, count) in &self.out {
            assert!(bytes.len() <= 65_535 || *vnet == VnetHdr::NONE);
            let split = Split::new(*vnet, bytes).unwrap();
            assert_eq!(split.count(), *count as usize);
            for i in 0..split.count() {
                let (len, payload) = split.emit(i, &mut head);
                packets.push([&head[..len], payload].concat());
            }
        }
        packets
    }

    /// How many packets each write held.
    fn counts(&self) -> Vec<u32> {
        self.out.iter().map(|(_, _, count)| *count).collect()
    }
}

/// A bulk sender's packets: `lens` bytes each, in sequence, identifications counting.
fn stream(start: &Packet, lens: &[usize]) -> Vec<Packet> {
    let mut next = start.clone();
    lens.iter()
        .enumerate()
        .map(|(i, &len)| {
            let payload = crate::packets::noise(len, u64::from(next.seq) + i as u64);
            let packet = Packet { payload, ..next.clone() };
            next.seq = next.seq.wrapping_add(len as u32);
            next.id = next.id.wrapping_add(1);
            packet
        })
        .collect()
}

fn build(packets: &[Packet]) -> Vec<Vec<u8>> {
    packets.iter().map(Packet::build).collect()
}

/// One turn of `packets` must leave in writes of `counts` packets, in order and bit for bit.
#[track_caller]
fn check(packets: &[Vec<u8>], counts: &[u32]) -> Lab {
    let mut lab = Lab::new();
    lab.turn(packets);
    assert_eq!(lab.counts(), counts);
    assert_eq!(lab.split(), packets);
    lab
}
