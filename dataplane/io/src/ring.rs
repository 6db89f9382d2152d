//! The io_uring of one worker: made while privileged, restricted, enabled in the worker's thread.
//!
//! Only the worker's thread submits, and completions do their work inside its own waits
//! (SINGLE_ISSUER, DEFER_TASKRUN), so nothing interrupts a turn and nothing runs beside it.
//!
//! **Invariant:** once enabled, the ring accepts the operations of [`OPERATIONS`], on registered files
//! only, and one register command: to replace such a file. Who takes over the process cannot open, map
//! or connect anything through it.
#![allow(unsafe_code, reason = "requests and registrations carry pointers")]

use crate::buffers::{Buffers, Group};
use crate::limits::{Limits, SUBMISSIONS};
use crate::{Fallback, Queue};
use io_uring::register::Restriction;
use io_uring::squeue::Flags;
use io_uring::types::{CancelBuilder, Fixed, SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, cqueue, opcode, squeue};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::time::Duration;

/// Everything that a worker ever asks for.
pub(crate) const OPERATIONS: [u8; 6] = [
    opcode::Read::CODE,
    opcode::ReadMulti::CODE,
    opcode::Writev::CODE,
    opcode::SendMsg::CODE,
    opcode::RecvMsg::CODE,
    opcode::AsyncCancel::CODE,
];

/// `IORING_REGISTER_FILES_UPDATE` (io_uring_register(2)).
const REGISTER_FILES_UPDATE: u8 = 6;

/// Places of the registered files.
pub(crate) const WAKE: Fixed = Fixed(Queue::ALL.len() as u32);

/// The place of a TUN queue.
pub(crate) const fn queue_place(queue: Queue) -> Fixed {
    Fixed(queue as u32)
}

/// The place of a socket.
pub(crate) const fn socket_place(socket: u8) -> Fixed {
    Fixed(WAKE.0 + 1 + socket as u32)
}

/// Completions taken from the kernel at once.
const BATCH: usize = 64;

pub(crate) struct Ring {
    uring: IoUring,
    /// Places of registered files.
    places: usize,
    /// Requests pushed since the last enter that will complete while they are submitted.
    prompt: u32,
    /// Enters in a row for which the kernel had no memory.
    choked: u32,
}

impl Ring {
    /// A disabled ring, and what it has to do without.
    pub(crate) fn new(limits: &Limits) -> io::Result<(Self, Option<Fallback>)> {
        let ring = |uring| Self { uring, places: 0, prompt: 0, choked: 0 };
        if !limits.without.defer_taskrun {
            match builder(limits).setup_single_issuer().setup_defer_taskrun().build(SUBMISSIONS) {
                Ok(uring) => return Ok((ring(uring), None)),
                // Linux before 6.1.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
                Err(error) => return Err(error),
            }
        }
        let uring = builder(limits).setup_coop_taskrun().build(SUBMISSIONS)?;
        Ok((ring(uring), Some(Fallback::DeferTaskrun)))
    }

    /// Registers the files by their places; -1 leaves a place empty.
    pub(crate) fn register_files(&mut self, fds: &[RawFd]) -> io::Result<()> {
        self.places = fds.len();
        self.uring.submitter().register_files(fds)
    }

    /// Puts another file into a place.
    pub(crate) fn replace_file(&self, place: Fixed, fd: RawFd) -> io::Result<()> {
        self.uring.submitter().register_files_update(place.0, &[fd]).map(drop)
    }

    /// Registers the groups of buffers.
    ///
    /// # Safety
    ///
    /// `buffers` must outlive the ring.
    pub(crate) unsafe fn register_buffers(&self, buffers: &Buffers) -> io::Result<()> {
        for group in Group::ALL {
            let (address, places) = buffers.ring(group);
            let submitter = self.uring.submitter();
            // SAFETY: the ring's memory has that many entries and outlives this ring, by the caller's promise.
            unsafe { submitter.register_buf_ring_with_flags(address, places, group.id(), 0)? };
        }
        Ok(())
    }

    /// Limits the ring for good. Says no where the kernel cannot.
    pub(crate) fn restrict(&self) -> bool {
        let flags = Flags::FIXED_FILE | Flags::IO_HARDLINK | Flags::BUFFER_SELECT;
        let mut rules = vec![
            Restriction::register_op(REGISTER_FILES_UPDATE),
            Restriction::sqe_flags_allowed(flags.bits()),
            Restriction::sqe_flags_required(Flags::FIXED_FILE.bits()),
        ];
        rules.extend(OPERATIONS.map(Restriction::sqe_op));
        self.uring.submitter().register_restrictions(&mut rules).is_ok()
    }

    /// Lets the ring run; from now on only the calling thread may use it.
    pub(crate) fn enable(&self) -> io::Result<()> {
        self.uring.submitter().register_enable_rings()
    }

    /// Whether `count` more requests fit in front of the next enter; submits what is there if not.
    pub(crate) fn reserve(&mut self, count: usize) -> bool {
        if self.space() < count {
            // What goes wrong here goes wrong again, and is told, at the next enter.
            let _ = self.enter(0, Some(Duration::ZERO));
        }
        self.space() >= count
    }

    pub(crate) fn space(&mut self) -> usize {
        let queue = self.uring.submission();
        queue.capacity() - queue.len()
    }

    /// Queues a request on a registered file. It gets lost if there is no [space](Self::reserve).
    ///
    /// # Safety
    ///
    /// All that the request points to must stay valid, and unread or unwritten as the request needs it,
    /// until its completion was taken.
    pub(crate) unsafe fn push(&mut self, entry: &squeue::Entry) {
        // SAFETY: passed on to the caller.
        let pushed = unsafe { self.uring.submission().push(entry) };
        debug_assert!(pushed.is_ok(), "room was reserved");
    }

    /// Notes that the request just pushed completes while it is submitted, unless something is full.
    pub(crate) const fn expect_promptly(&mut self) {
        self.prompt += 1;
    }

    /// How many completions the next enter should yield at once.
    pub(crate) const fn prompt(&self) -> u32 {
        self.prompt
    }

    /// Whether an enter would do anything without waiting.
    pub(crate) fn has_work(&mut self) -> bool {
        let queue = self.uring.submission();
        !queue.is_empty() || queue.taskrun() || queue.cq_overflow()
    }

    /// Whether something has completed that was not taken yet, or completes with the next enter.
    pub(crate) fn has_news(&mut self) -> bool {
        self.has_work() || !self.uring.completion().is_empty()
    }

    /// Submits what is queued, runs completion work, and waits for `want` completions or `timeout`.
    pub(crate) fn enter(&mut self, want: usize, timeout: Option<Duration>) -> io::Result<()> {
        self.enter_for(want, Duration::ZERO, timeout)
    }

    /// Submits what is queued, and waits until `time` has passed and something has completed. Without Linux 6.12 it waits for the
    /// first completion.
    pub(crate) fn gather(&mut self, time: Duration) -> io::Result<()> {
        // More than a batch is not worth waiting for.
        if self.gathers() { self.enter_for(BATCH, time, None) } else { self.enter(1, None) }
    }

    pub(crate) fn gathers(&self) -> bool {
        self.uring.params().is_feature_min_timeout()
    }

    /// Waits for `want` completions, or for one after `least`.
    fn enter_for(&mut self, want: usize, least: Duration, timeout: Option<Duration>) -> io::Result<()> {
        if self.choked > 0 {
            self.call(0, 1, Duration::ZERO, Some(CHOKED_PAUSE)).unwrap_or_default();
        }
        self.prompt = 0;
        let queued = self.uring.submission().len() as u32;
        let entered = self.call(queued, want, least, timeout);
        self.judge(entered.err())
    }

    fn call(
        &self,
        queued: u32,
        want: usize,
        least: Duration,
        timeout: Option<Duration>,
    ) -> io::Result<usize> {
        let timespec = timeout.map(Timespec::from);
        let args = match &timespec {
            Some(timespec) => SubmitArgs::new().timespec(timespec),
            None => SubmitArgs::new(),
        };
        // Zero is what kernels expect that do not know it.
        let args = args.min_wait_usec(least.as_micros() as u32);
        let mut flags = EnterFlags::EXT_ARG | EnterFlags::GETEVENTS;
        if self.uring.params().is_feature_no_iowait() {
            // Requests wait here for ever; an idle tunnel must not look like a disk that hangs.
            flags |= EnterFlags::NO_IOWAIT;
        }
        // SAFETY: EXT_ARG announces exactly this type; it and the time it points to outlive the call.
        unsafe { self.uring.submitter().enter(queued, want as u32, flags.bits(), Some(&args)) }
    }

    /// Tells errors that end the ring from those that pass.
    fn judge(&mut self, error: Option<io::Error>) -> io::Result<()> {
        let Some(error) = error else {
            self.choked = 0;
            return Ok(());
        };
        match error.raw_os_error() {
            Some(libc::ETIME | libc::EINTR) => Ok(()),
            // No memory for requests, or completions to take first. What was not submitted is still queued.
            Some(libc::EAGAIN | libc::EBUSY | libc::ENOMEM) if self.choked < CHOKED_MAX => {
                self.choked += 1;
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// Takes up to a batch of completions; fewer mean that there are no more.
    pub(crate) fn reap<'a>(&mut self, batch: &'a mut Batch) -> &'a [cqueue::Entry] {
        self.uring.completion().fill(&mut batch.0)
    }

    /// Cancels everything and waits until nothing points into our memory any more, or a moment at most.
    ///
    /// The kernel takes a ring apart at its leisure. What it holds on to until then, a TUN device or a bound
    /// port, would be in the way of a successor, so the files are let go of first.
    fn quiesce(&mut self) {
        let cancel = opcode::AsyncCancel2::new(CancelBuilder::any().all());
        let entry = cancel.build().flags(Flags::FIXED_FILE).user_data(crate::token::Token::Cancel.encode());
        if self.reserve(1) {
            // SAFETY: it points nowhere.
            unsafe { self.push(&entry) };
            let _ = self.enter(1, Some(QUIESCE));
            // Once more for the completions of what was cancelled.
            let _ = self.enter(0, Some(Duration::ZERO));
        }
        let _ = self.uring.submitter().register_files_update(0, &vec![-1; self.places]);
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.quiesce();
    }
}

/// Room for a batch of completions.
pub(crate) struct Batch([MaybeUninit<cqueue::Entry>; BATCH]);

impl Batch {
    pub(crate) const LEN: usize = BATCH;

    pub(crate) const fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; BATCH])
    }
}

fn builder(limits: &Limits) -> io_uring::Builder {
    let mut builder = IoUring::builder();
    builder
        .dontfork()
        .setup_r_disabled()
        .setup_submit_all()
        .setup_taskrun_flag()
        .setup_clamp()
        .setup_cqsize(limits.completions().max(SUBMISSIONS * 2));
    builder
}

/// Enters without memory before giving up, and the rest before each next one: five seconds in all.
const CHOKED_MAX: u32 = 500;
const CHOKED_PAUSE: Duration = Duration::from_millis(10);

/// How long a ring that ends waits for the end of its requests.
const QUIESCE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
