//! Through which of a worker's TUN queues a flow goes.
//!
//! A TUN queue is first in, first out, and a TCP window fills it for milliseconds. So flows that send much and all others have a
//! queue each. The kernel puts a flow's packets into the queue that its answers were written to (`tun_flow_update`): who
//! chooses where to write chooses where the flow's next packets wait. A flow without answers is where the kernel's hash puts it.
//!
//! **Invariant:** a flow leaves a queue when nothing of it waits there, or its packets would overtake each other. Bounded: a table of
//! fixed size, in which a flow that does not fit is taken for a new one.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use ringmesh_io::Queue;

use crate::flow::Flow;

/// What is known of the flows of one worker.
#[derive(Debug)]
pub(crate) struct Lanes {
    places: Box<[Place]>,
    /// Strangers must not be able to choose flows that share a place.
    keys: RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    /// The flow's hash, both ways the same.
    flow: u64,
    /// Where it was read or written last.
    queue: Queue,
    /// Until when it counts as one that sends much.
    bulk_until: Duration,
}

impl Place {
    const fn new(flow: u64) -> Self {
        Self { flow, queue: Queue::Quick, bulk_until: Duration::ZERO }
    }
}

impl Default for Lanes {
    fn default() -> Self {
        Self { places: vec![Place::new(0); PLACES].into(), keys: RandomState::new() }
    }
}

impl Lanes {
    /// A packet was read, the kernel's super-packet perhaps. Says whether it has been left behind: its flow moved to the quick queue
    /// in the moment between the last look into the queue of this one and the write that moved it.
    pub(crate) fn on_read(&mut self, queue: Queue, packet: &[u8], now: Duration) -> bool {
        let Some(flow) = Flow::of(packet) else { return false };
        let place = self.place(flow);
        if packet.len() >= BULK_LEN {
            place.bulk_until = now + BULK_TIME;
        }
        std::mem::replace(&mut place.queue, queue) == Queue::Quick && queue == Queue::Bulk
    }

    /// Where the packet that begins with `head` is to be written. `drained` says of a queue whether nothing waits in it.
    pub(crate) fn choose(&mut self, head: &[u8], now: Duration, drained: impl Fn(Queue) -> bool) -> Queue {
        let Some(flow) = Flow::of(head) else { return Queue::Quick };
        let place = self.place(flow);
        let better = if place.bulk_until > now { Queue::Bulk } else { Queue::Quick };
        if place.queue != better && drained(place.queue) {
            place.queue = better;
        }
        place.queue
    }

    fn place(&mut self, flow: Flow) -> &mut Place {
        let flow = self.keys.hash_one(flow.both_ways());
        let place = &mut self.places[flow as usize % PLACES];
        if place.flow != flow {
            *place = Place::new(flow);
        }
        place
    }
}

/// More flows than people's devices have at a time.
const PLACES: usize = 1_024;
/// Who sends so many bytes at once sends many.
const BULK_LEN: usize = 8_192;
/// For how long after that.
const BULK_TIME: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
