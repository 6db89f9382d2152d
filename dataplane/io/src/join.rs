//! Joining: the segments of a turn become the super-packets that the TUN queue takes at once.
//!
//! Writing a packet to the TUN queue costs many times what copying its bytes costs, so segments of one flow
//! are written together, as the kernel's own GRO would have joined them on a network card. A whole turn's
//! packets go through here, from all peers mixed: each flow has an open *run*, to which the next segment in
//! sequence is appended, and which leaves when something cannot be appended, or when the turn ends. Payload
//! is never touched but for its checksum; a run is a list of [`Span`]s.
//!
//! The rules are those of `tcp_gro_receive`, `udp_gro_receive_segment` and `inet_gro_receive`. The headers'
//! checksums are verified before they are replaced, or damage would leave with a good checksum.
//!
//! **Invariant:** a super-packet, split again, gives back every packet that went in, bit for bit, but for an
//! IPv4 identification that never counted (which means nothing in a packet that may not be fragmented, RFC 6864).
//! What cannot promise that leaves as it came. Packets of one flow leave in the order they came.
#![forbid(unsafe_code)]

mod run;
mod sight;

use self::run::Run;
use self::sight::{Candidate, Flow, Hosts, Proto, Sight};
use crate::{PIECES_MAX, Span, VnetHdr};

/// Runs that can be open at once: four in each of sixteen sets, and a flow belongs to one set.
const RUNS: usize = SETS * WAYS;
const SETS: usize = 16;
const WAYS: usize = 4;
const _: () = assert!(SETS.is_power_of_two(), "Flow::set() masks");

/// Joins the segments of one turn. All memory is taken by [`Joiner::new`].
#[derive(Debug)]
pub struct Joiner {
    udp: bool,
    /// The open runs; `held` of them are something.
    runs: Box<[Option<Run>]>,
    held: usize,
    /// The packets of each run; of the first all bytes, of the others the payload.
    pieces: Box<[[Span; PIECES_MAX]]>,
    /// Which way is evicted next, in any set.
    hand: usize,
}

impl Joiner {
    /// A joiner for a queue that takes TCP super-packets and, if `udp`, those of UDP (Linux 6.2).
    pub fn new(udp: bool) -> Self {
        let runs = (0..RUNS).map(|_| None).collect();
        let pieces = vec![[Span::default(); PIECES_MAX]; RUNS].into_boxed_slice();
        Self { udp, runs, held: 0, pieces, hand: 0 }
    }

    /// Says whether the queue takes super-packets of UDP, from the next packet on.
    pub const fn set_udp(&mut self, udp: bool) {
        self.udp = udp;
    }

    /// Takes one packet, exactly as long as its IP header says. `out` gets what leaves because of it, in order:
    /// the virtio header to write, the pieces of `region` to write after it, and how many packets they are.
    /// The first piece's headers are edited in place when it leaves with others.
    pub fn push(&mut self, region: &mut [u8], packet: Span, out: &mut impl FnMut(VnetHdr, &[Span], u32)) {
        let sight = region.get(packet.range()).map_or(Sight::Free, Sight::of);
        match sight {
            Sight::Joins(candidate) if self.udp || candidate.flow.proto == Proto::Tcp => {
                return self.join(region, packet, &candidate, out);
            }
            Sight::Joins(Candidate { flow, .. }) | Sight::Flow(flow) => {
                if let Some(slot) = self.find(&flow) {
                    self.close(region, slot, out);
                }
            }
            Sight::Hosts(hosts) => self.close_all_between(region, hosts, out),
            Sight::Free => {}
        }
        out(VnetHdr::NONE, &[packet], 1);
    }

    /// Ends the turn: everything that is still held leaves.
    pub fn flush(&mut self, region: &mut [u8], out: &mut impl FnMut(VnetHdr, &[Span], u32)) {
        for slot in 0..RUNS {
            if self.held == 0 {
                return;
            }
            self.close(region, slot, out);
        }
    }

    fn join(
        &mut self,
        region: &mut [u8],
        packet: Span,
        candidate: &Candidate,
        out: &mut impl FnMut(VnetHdr, &[Span], u32),
    ) {
        let found = self.find(&candidate.flow);
        let Some((slot, run)) = found.and_then(|slot| Some((slot, self.runs[slot].as_mut()?))) else {
            return self.begin(region, packet, candidate, out);
        };
        let pieces = &mut self.pieces[slot];
        let (first, bytes) = (&region[pieces[0].range()], &region[packet.range()]);
        if !run.takes(first, bytes, candidate) || !run.is_sound(first) {
            self.close(region, slot, out);
            return self.begin(region, packet, candidate, out);
        }
        if !candidate.is_sound(bytes) {
            self.close(region, slot, out);
            return out(VnetHdr::NONE, &[packet], 1);
        }
        pieces[run.count()] = candidate.payload_of(packet);
        if run.append(candidate) {
            self.close(region, slot, out);
        }
    }

    /// Opens a run for a flow that has none; a packet that nothing may follow leaves at once.
    fn begin(
        &mut self,
        region: &mut [u8],
        packet: Span,
        candidate: &Candidate,
        out: &mut impl FnMut(VnetHdr, &[Span], u32),
    ) {
        if candidate.ends_run() {
            return out(VnetHdr::NONE, &[packet], 1);
        }
        let slot = self.make_room(region, &candidate.flow, out);
        self.runs[slot] = Some(Run::begin(candidate));
        self.pieces[slot][0] = packet;
        self.held += 1;
    }

    fn find(&self, flow: &Flow) -> Option<usize> {
        let base = flow.set(SETS) * WAYS;
        let of_flow = |slot: &usize| self.runs[*slot].as_ref().is_some_and(|run| run.flow() == flow);
        (base..base + WAYS).find(of_flow)
    }

    /// A free slot in the flow's set. If there is none, a whole run of another flow makes room for it.
    fn make_room(
        &mut self,
        region: &mut [u8],
        flow: &Flow,
        out: &mut impl FnMut(VnetHdr, &[Span], u32),
    ) -> usize {
        let base = flow.set(SETS) * WAYS;
        if let Some(slot) = (base..base + WAYS).find(|&slot| self.runs[slot].is_none()) {
            return slot;
        }
        self.hand = (self.hand + 1) % WAYS;
        self.close(region, base + self.hand, out);
        base + self.hand
    }

    /// Fragments and packets with extension headers do not show their ports; any run between their hosts may be
    /// of their flow.
    fn close_all_between(
        &mut self,
        region: &mut [u8],
        hosts: Hosts,
        out: &mut impl FnMut(VnetHdr, &[Span], u32),
    ) {
        for slot in 0..RUNS {
            if self.runs[slot].as_ref().is_some_and(|run| run.flow().hosts == hosts) {
                self.close(region, slot, out);
            }
        }
    }

    fn close(&mut self, region: &mut [u8], slot: usize, out: &mut impl FnMut(VnetHdr, &[Span], u32)) {
        let Some(run) = self.runs[slot].take() else {
            return;
        };
        self.held -= 1;
        let pieces = &self.pieces[slot][..run.count()];
        let vnet = if run.count() == 1 { VnetHdr::NONE } else { run.finish(&mut region[pieces[0].range()]) };
        out(vnet, pieces, pieces.len() as u32);
    }
}

#[cfg(test)]
mod tests;
