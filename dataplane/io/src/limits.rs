//! Every size of the kernel's edge, each with its reason.
//!
//! A port's memory is the sum of its buffers and slots and nothing else grows: with the defaults
//! 104 buffers of 68 KiB and 16 slots of 64 KiB, a little under 8 MiB per worker.

use crate::{Queue, SLOT_LEN};
use std::io;

/// How many of everything one port has. The defaults are what a worker of one core starts with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Buffers that reads of the bulk queue fill, 1 to [`BUFFERS_MAX`]. One super-packet each, so this bounds what
    /// is read ahead of the sends: 32 × 64 KiB are 2 MiB, 2 ms at 8 Gbit/s.
    pub bulk_buffers: u16,
    /// The same for the quick queue.
    pub quick_buffers: u16,
    /// Buffers that receives fill, 1 to [`BUFFERS_MAX`]. One GRO run each, or one small datagram: 32 is
    /// as far as the kernel lets one multishot request run before others get their turn.
    pub datagram_buffers: u16,
    /// Buffers for [`borrow`](crate::Port::borrow), 0 to [`BUFFERS_MAX`]: what one neighbour hands over in
    /// a turn, twice.
    pub spare_buffers: u16,
    /// Send slots, 1 to [`SLOTS_MAX`]. Each is a super-packet on its way into a socket; the socket's own
    /// buffer queues beyond that.
    pub slots: u16,
    /// Places for sockets, 1 to [`SOCKETS_MAX`]: one per address family, and those added while running.
    pub sockets: u8,
    /// What to do without, although the kernel may have it.
    pub without: Without,
}

/// Kernel features to leave unused: by hand, or to test the way around them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Without {
    /// Read the TUN queues by single requests.
    pub read_multishot: bool,
    /// Receive by single requests.
    pub recv_multishot: bool,
    /// Let completions run at any entry into the kernel.
    pub defer_taskrun: bool,
    /// Leave the ring unrestricted.
    pub restrictions: bool,
    /// Treat the TUN device as one that io_uring can only read and write in a thread of its own
    /// (Linux before 6.4): one read at a time, and writes by plain system calls, to keep order.
    pub tun_nowait: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bulk_buffers: 32,
            quick_buffers: 32,
            datagram_buffers: 32,
            spare_buffers: 8,
            slots: 16,
            sockets: 16,
            without: Without::default(),
        }
    }
}

impl Limits {
    /// The most events that one turn can yield, to reserve a vector for.
    pub const fn events_max(&self) -> usize {
        // One per filled buffer, one per send and write that failed, and a few that tell news.
        let buffers =
            self.bulk_buffers as usize + self.quick_buffers as usize + self.datagram_buffers as usize;
        buffers + MESSAGES + WRITES + NEWS
    }

    /// Refuses sizes that the rest was not made for.
    pub(crate) fn check(&self) -> io::Result<()> {
        let fits = (1..=BUFFERS_MAX).contains(&self.bulk_buffers)
            && (1..=BUFFERS_MAX).contains(&self.quick_buffers)
            && (1..=BUFFERS_MAX).contains(&self.datagram_buffers)
            && self.spare_buffers <= BUFFERS_MAX
            && (1..=SLOTS_MAX).contains(&self.slots)
            && (1..=SOCKETS_MAX).contains(&self.sockets);
        if fits {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "port limits out of range"))
        }
    }

    /// Completion entries: all that can be in flight, so that the queue never overflows.
    pub(crate) const fn completions(&self) -> u32 {
        // A multishot request ends with one entry more than its buffers; each socket may have a cancellation.
        let sources = 2 * ((self.sockets as usize + Queue::ALL.len()) * SINGLE_READS as usize + 1);
        (self.events_max() + sources).next_power_of_two() as u32
    }
}

/// Upper bound of each kind of buffer; 16 bits name them all, 32 bits every byte of the region.
pub const BUFFERS_MAX: u16 = 1_024;

/// Upper bound of send slots.
pub const SLOTS_MAX: u16 = 256;

/// Upper bound of sockets.
pub const SOCKETS_MAX: u8 = 32;

/// Bytes from one buffer to the next. A full GRO run is 65,535 bytes, what the kernel writes in front of
/// it a few hundred; one page more than 64 KiB holds both, and an odd number of pages spreads the
/// buffers' beginnings over the cache's sets.
pub(crate) const BUFFER_STRIDE: usize = SLOT_LEN + 4_096;

/// Send messages in flight, all sockets together: a slot's 64 segments one by one, twice.
pub(crate) const MESSAGES: usize = 128;

/// TUN writes in flight. They complete while they are submitted; this is how many share one system call.
pub(crate) const WRITES: usize = 256;

/// Pieces of all writes in flight: a virtio header and one piece each, or 15 writes of the most pieces.
pub(crate) const PIECES: usize = 2_048;

/// Submission entries: one submit holds all writes, one chain of messages, and requests to arm.
pub(crate) const SUBMISSIONS: u32 = 512;

/// Single requests that stand in for a multishot one. More would only be woken together for one packet.
pub(crate) const SINGLE_READS: u8 = 4;

/// Events that are about the port and not about packets, per turn: wake-ups and fallbacks.
pub(crate) const NEWS: usize = 64;

/// How long a source rests after an error that tells nothing, in milliseconds; what ENOMEM needs to pass.
pub(crate) const PAUSE_MILLIS: u64 = 10;

const _: () = assert!(PIECES > crate::PIECES_MAX, "the longest write must fit");
const _: () = assert!(SUBMISSIONS as usize >= WRITES + MESSAGES, "one turn's work is one submit");
const _: () =
    assert!(4 * BUFFERS_MAX as u64 * (BUFFER_STRIDE as u64) < u32::MAX as u64, "spans are 32-bit offsets");
