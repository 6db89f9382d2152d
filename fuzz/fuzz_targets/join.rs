//! Any packets, joined and split again, are the packets that went in, each flow in its order.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use ringmesh_fuzz::packets::{emit_all, mend, next, plain, start, sum};
use ringmesh_io::{Joiner, Span, Split, VnetHdr};
use std::collections::BTreeMap;

#[derive(Arbitrary, Debug)]
enum Step {
    /// The next bytes of a flow (kind and port), after `change`, or `changes` made to its header for good.
    Next {
        flow: u8,
        len: u16,
        change: Option<(u8, u8)>,
        mended: bool,
    },
    Raw(Vec<u8>),
    EndTurn,
}

/// An identification that may not matter does not count: splitting counts up where the sender did not.
fn without_id(mut packet: Vec<u8>) -> Vec<u8> {
    let v4 = plain(&packet).is_some_and(|(transport, _)| transport == 20);
    if v4 && packet[6] & 0x40 != 0 && sum(&packet[..20]) == 0xffff {
        packet[4..6].fill(0);
        packet[10..12].fill(0);
    }
    packet
}

/// Packets by flow; those without visible ports have no order to keep and are sorted.
fn by_flow(packets: impl Iterator<Item = Vec<u8>>) -> BTreeMap<Vec<u8>, Vec<Vec<u8>>> {
    let mut flows: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for packet in packets.filter(|packet| !packet.is_empty()) {
        let flow = plain(&packet).map_or(Vec::new(), |(transport, protocol)| {
            let addresses = if transport == 20 { 12 } else { 8 };
            [&[protocol], &packet[addresses..transport + 4]].concat()
        });
        flows.entry(flow).or_default().push(without_id(packet));
    }
    flows.entry(Vec::new()).or_default().sort();
    flows
}

fuzz_target!(|steps: Vec<Step>| {
    let mut heads: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    let mut joiner = Joiner::new(true);
    let (mut turn, mut packets, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for step in steps.into_iter().take(400).chain([Step::EndTurn]) {
        match step {
            Step::Next { flow, len, change, mended } => {
                let head = heads.entry(flow & 31).or_insert_with(|| start(flow & 31));
                let mut packet = next(head, len % 3_000);
                if let Some((at, flip)) = change {
                    let at = usize::from(at) % packet.len();
                    packet[at] ^= flip;
                }
                if mended {
                    mend(&mut packet);
                }
                turn.push(packet);
            }
            Step::Raw(packet) => turn.push(packet),
            Step::EndTurn => {
                run_turn(&mut joiner, &turn, &mut seen);
                packets.append(&mut turn);
            }
        }
    }
    assert_eq!(by_flow(packets.into_iter()), by_flow(seen.into_iter()));
});

fn run_turn(joiner: &mut Joiner, packets: &[Vec<u8>], seen: &mut Vec<Vec<u8>>) {
    let mut region = packets.concat();
    let (mut writes, mut start) = (Vec::new(), 0);
    let mut out = |vnet: VnetHdr, pieces: &[Span], count: u32| writes.push((vnet, pieces.to_vec(), count));
    for packet in packets {
        let span = Span { start, len: packet.len() as u32 };
        joiner.push(&mut region, span, &mut out);
        start += span.len;
    }
    joiner.flush(&mut region, &mut out);
    for (vnet, pieces, count) in writes {
        let bytes: Vec<u8> = pieces.iter().flat_map(|piece| &region[piece.range()]).copied().collect();
        let split = Split::new(vnet, &bytes).expect("what was joined can be split");
        assert_eq!(split.count(), count as usize);
        seen.extend(emit_all(&split));
    }
}
