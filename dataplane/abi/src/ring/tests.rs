use super::*;

#[cfg(loom)]
use loom::sync::Arc;
#[cfg(not(loom))]
use std::sync::Arc;

#[cfg(loom)]
mod loom_models;
#[cfg(not(loom))]
mod plain;

/// A ring without a mapping: what the models check is the same code that runs over shared memory.
struct Heap {
    indices: Indices,
    doze: Doze,
    slots: Vec<AtomicU64>,
}

impl Memory for Arc<Heap> {
    fn indices(&self) -> &Indices {
        &self.indices
    }

    fn slots(&self) -> &[AtomicU64] {
        &self.slots
    }
}

fn heap(shape: Shape) -> (Arc<Heap>, Producer<Arc<Heap>>, Consumer<Arc<Heap>>) {
    let heap = Arc::new(Heap {
        indices: Indices { tail: Index(AtomicU32::new(0)), head: Index(AtomicU32::new(0)) },
        doze: Doze(AtomicU32::new(AWAKE)),
        slots: (0..shape.words_total()).map(|_| AtomicU64::new(0)).collect(),
    });
    (Arc::clone(&heap), Producer::new(Arc::clone(&heap), shape), Consumer::new(heap, shape))
}

fn push(ring: &mut Producer<Arc<Heap>>, value: u64) -> bool {
    ring.push(|slot| slot.write(0, &value.to_le_bytes()))
}

fn pop(ring: &mut Consumer<Arc<Heap>>) -> Option<u64> {
    ring.pop(|slot| {
        let mut bytes = [0; 8];
        slot.read(0, &mut bytes);
        u64::from_le_bytes(bytes)
    })
}
