//! One session's fast half: its two keys, its counters and its replay window, at the worker that owns it.
//!
//! Sending takes a range of counters and seals under them. Receiving is two steps that types keep in order:
//! only [`Session::open`] and [`Session::open_batch`] make an [`Opened`], and [`Session::admit`] takes nothing
//! else. So the replay window cannot be asked about a packet that was not authenticated.
//!
//! **Invariant:** no counter is handed out twice, and none from `REJECT_AFTER_MESSAGES` on is sent or admitted.
//! Nothing here allocates after [`Session::new`].

use std::fmt;
use std::time::Duration;

use arrayvec::ArrayVec;
use ringmesh_crypto::{Key, Open, TAG_LEN};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Drop;
use crate::limits::{
    OPEN_BATCH, REJECT_AFTER_MESSAGES, REJECT_AFTER_TIME, REKEY_AFTER_MESSAGES, REKEY_AFTER_TIME,
    REKEY_ON_RECEIVE_AFTER,
};
use crate::replay::Window;

/// What a handshake ends with (the paper, section 5.4.5). Wiped on drop.
#[derive(Zeroize)]
pub struct Keys {
    /// Seals what we send.
    pub send: [u8; 32],
    /// Opens what we receive.
    pub recv: [u8; 32],
}

// By hand, because the derive would take our `Drop` for the trait.
impl std::ops::Drop for Keys {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl ZeroizeOnDrop for Keys {}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(secret)")
    }
}

/// Why nothing can be sent on a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// Too old, or too few counters are left for the whole batch. A new handshake is needed.
    Expired,
}

/// A data message on its way through [`Session::open_batch`].
#[derive(Debug)]
pub struct Incoming<'a> {
    /// The counter that its header names.
    pub counter: u64,
    /// Ciphertext and tag; after success the plaintext and 16 bytes without meaning.
    pub text: &'a mut [u8],
    /// How it went. Before the call: that nothing has been authenticated, as [`Incoming::new`] says.
    pub outcome: Result<Opened, Drop>,
}

impl<'a> Incoming<'a> {
    /// A message that is still to be opened.
    #[must_use]
    pub fn new(counter: u64, text: &'a mut [u8]) -> Self {
        Self { counter, text, outcome: Err(Drop::Forged) }
    }
}

/// A packet that has proved to be from the peer. It may still be a replay.
///
/// Having one tells that key and counter are those of the peer and the text is as it was sent. It tells
/// nothing about whether the counter was seen before, nor about the plaintext's own source address.
#[derive(Debug, Eq, PartialEq)]
#[must_use = "a packet that was opened is to be admitted"]
pub struct Opened {
    counter: u64,
    /// Length of the plaintext, in bytes.
    len: usize,
    /// The session that opened it.
    local_index: u32,
}

/// The sending and receiving state of one session.
pub struct Session {
    send: Key,
    recv: Key,
    /// The counter of the next packet to be sent.
    next: u64,
    window: Window,
    local_index: u32,
    remote_index: u32,
    initiator: bool,
    born: Duration,
    /// The age at which sending makes an initiator begin a new handshake.
    rekey_after: Duration,
}

impl Session {
    /// A session as the handshake that ended at `born` made it. `initiator` tells whether that was ours.
    #[must_use]
    pub fn new(keys: &Keys, local_index: u32, remote_index: u32, initiator: bool, born: Duration) -> Self {
        Self {
            send: Key::new(&keys.send),
            recv: Key::new(&keys.recv),
            next: 0,
            window: Window::new(),
            local_index,
            remote_index,
            initiator,
            born,
            rekey_after: REKEY_AFTER_TIME,
        }
    }

    /// Lets its initiator replace it so much later than others; see
    /// [`CROSSED_DELAY_MAX`](crate::limits::CROSSED_DELAY_MAX).
    pub fn delay_rekey(&mut self, delay: Duration) {
        self.rekey_after = REKEY_AFTER_TIME + delay;
    }

    // Getters.

    /// The index that the peer's packets name.
    #[must_use]
    pub fn local_index(&self) -> u32 {
        self.local_index
    }

    /// The index that our packets name.
    #[must_use]
    pub fn remote_index(&self) -> u32 {
        self.remote_index
    }

    /// When its handshake ended, since boot.
    #[must_use]
    pub fn born(&self) -> Duration {
        self.born
    }

    /// Whether the handshake was ours: only the initiator replaces a session because of its age.
    #[must_use]
    pub fn initiator(&self) -> bool {
        self.initiator
    }

    /// Whether it is too old to send or to receive.
    #[must_use]
    pub fn is_expired(&self, now: Duration) -> bool {
        self.age(now) >= REJECT_AFTER_TIME
    }

    /// Whether sending now should make us begin a new handshake (the paper, section 6.2).
    #[must_use]
    pub fn wants_rekey_on_send(&self, now: Duration) -> bool {
        self.next >= REKEY_AFTER_MESSAGES || self.initiator && self.age(now) >= self.rekey_after
    }

    /// Whether receiving now should make us begin a new handshake (the paper, section 6.2).
    #[must_use]
    pub fn wants_rekey_on_receive(&self, now: Duration) -> bool {
        self.initiator && self.age(now) >= REKEY_ON_RECEIVE_AFTER
    }

    // Reading ahead: all that a packet needs of a session, but for what its key refers to.

    /// Reads something of all that sealing reads, to have it near when it comes to that.
    pub fn read_ahead(&self) {
        std::hint::black_box((self.next, self.remote_index, self.born));
    }

    /// The same for opening and admitting a packet that says it has this counter.
    pub fn read_ahead_in(&self, counter: u64) {
        std::hint::black_box((self.local_index, self.born));
        self.window.read_ahead(counter);
    }

    /// What the key refers to that opens.
    pub fn read_ahead_recv_key(&self) {
        self.recv.read_ahead();
    }

    // Sending.

    /// The key that seals what is sent, under counters that [`Session::stage`] gave.
    #[must_use]
    pub fn send_key(&self) -> &Key {
        &self.send
    }

    /// Takes `count` counters in a row and returns the first. They are spent, whether they are used or not.
    ///
    /// # Errors
    /// [`Stage::Expired`] when the session is too old, or when fewer than `count` counters are left; then none is
    /// spent.
    pub fn stage(&mut self, count: u32, now: Duration) -> Result<u64, Stage> {
        let first = self.next;
        if self.is_expired(now) || u64::from(count) > REJECT_AFTER_MESSAGES - first {
            return Err(Stage::Expired);
        }
        self.next = first + u64::from(count);
        Ok(first)
    }

    // Receiving.

    /// Authenticates and decrypts `text` (ciphertext and tag) in place.
    ///
    /// # Errors
    /// [`Drop::Expired`] when the session is too old or the counter too great, [`Drop::Malformed`] when the text is
    /// shorter than a tag, [`Drop::Forged`] when the tag does not fit; then the text holds no plaintext.
    pub fn open(&mut self, counter: u64, text: &mut [u8], now: Duration) -> Result<Opened, Drop> {
        let mut run = [Incoming::new(counter, text)];
        self.open_batch(&mut run, now);
        let [opened] = run.map(|incoming| incoming.outcome);
        opened
    }

    /// [`Session::open`] for a run of packets: each gets its own outcome, and none stops the others.
    pub fn open_batch(&mut self, run: &mut [Incoming<'_>], now: Duration) {
        for chunk in run.chunks_mut(OPEN_BATCH) {
            self.open_chunk(chunk, now);
        }
    }

    fn open_chunk(&self, chunk: &mut [Incoming<'_>], now: Duration) {
        let expired = self.is_expired(now);
        let mut jobs = ArrayVec::<Open<'_>, OPEN_BATCH>::new();
        let mut outcomes = ArrayVec::<&mut Result<Opened, Drop>, OPEN_BATCH>::new();
        for Incoming { counter, text, outcome } in chunk {
            if expired || *counter >= REJECT_AFTER_MESSAGES {
                *outcome = Err(Drop::Expired);
            } else if text.len() < TAG_LEN {
                *outcome = Err(Drop::Malformed);
            } else {
                jobs.push(Open { key: &self.recv, counter: *counter, text, ok: false });
                outcomes.push(outcome);
            }
        }
        ringmesh_crypto::open(&mut jobs);
        for (job, outcome) in jobs.iter().zip(outcomes) {
            let opened =
                Opened { counter: job.counter, len: job.text.len() - TAG_LEN, local_index: self.local_index };
            *outcome = if job.ok { Ok(opened) } else { Err(Drop::Forged) };
        }
    }

    /// Admits an authentic packet, once. Returns the length of its plaintext in bytes, padding included.
    ///
    /// # Errors
    /// [`Drop::Replay`] when its counter was seen before or is too far behind.
    pub fn admit(&mut self, opened: Opened) -> Result<usize, Drop> {
        debug_assert_eq!(opened.local_index, self.local_index, "opened by another session");
        self.window.admit(opened.counter).map_err(|_| Drop::Replay)?;
        Ok(opened.len)
    }

    fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.born)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("local_index", &self.local_index)
            .field("remote_index", &self.remote_index)
            .field("initiator", &self.initiator)
            .field("born", &self.born)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
