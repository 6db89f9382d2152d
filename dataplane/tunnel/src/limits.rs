//! Every number that bounds something: the paper's first, then ours, then what follows from them.

use std::time::Duration;

// The paper, section 6.1.

/// A session that has sent this many messages is to be replaced.
pub const REKEY_AFTER_MESSAGES: u64 = 1 << 60;
/// A session never uses this counter nor any above it, neither to send nor to receive.
pub const REJECT_AFTER_MESSAGES: u64 = u64::MAX - (1 << 13);
/// An initiator that sends on a session of this age begins a new handshake.
pub const REKEY_AFTER_TIME: Duration = Duration::from_secs(120);
/// A session of this age neither sends nor receives.
pub const REJECT_AFTER_TIME: Duration = Duration::from_secs(180);
/// How long a handshake is tried again before the peer is given up.
pub const REKEY_ATTEMPT_TIME: Duration = Duration::from_secs(90);
/// How long an initiation waits for its response before the next one.
pub const REKEY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a receiver with nothing to say may stay silent before it sends a keepalive.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a responder's cookie secret, and an initiator's cookie, are used (section 5.4.7).
pub const COOKIE_LIFETIME: Duration = Duration::from_secs(120);

// Ours.

/// Retries are spread over this much beyond [`REKEY_TIMEOUT`], so that two peers that initiate at the same
/// moment do not do so for ever (the paper, section 6.1, leaves the amount open).
pub const REKEY_JITTER_MAX: Duration = Duration::from_millis(333);
/// A session that crossed one of the peer's making is replaced up to this much later than [`REKEY_AFTER_TIME`]: both sides began
/// one, and with traffic both ways they would cross again every two minutes.
pub const CROSSED_DELAY_MAX: Duration = Duration::from_secs(20);
/// A peer answers at most one initiation per this time, whoever replays or floods (the paper, section 5.1,
/// wants a limit; the Linux implementation takes the same).
pub const INITIATION_INTERVAL_MIN: Duration = Duration::from_millis(20);
/// Handshake messages per second that one source may send while we are under load.
pub const HANDSHAKES_PER_SECOND: u32 = 20;
/// Handshake messages that one source may send at once while we are under load.
pub const HANDSHAKES_BURST: u32 = 5;
/// Sources whose rate is remembered; beyond it the most idle ones are forgotten.
pub const SOURCES_MAX: usize = 8_192;
/// Packets that wait for a peer's handshake; the oldest leave first.
pub const STAGED_MAX: usize = 128;
/// Sessions of one peer: the current one, the next one, and three that only receive what is still on its way.
/// It takes that many when both sides replace a session at once.
pub const SESSIONS_MAX: usize = 5;
/// Peers of one device.
pub const PEERS_MAX: usize = 131_072;
/// How late a timer may be: the wheel turns in these steps (2^20 ns, about a millisecond). Never early.
pub const TICK: Duration = Duration::from_nanos(1 << 20);
/// Packets that are opened by one call into the AEAD: as many as one receive can bring.
pub const OPEN_BATCH: usize = 64;

// Derived.

/// An initiator that receives on a session of this age begins a new handshake, in time for a keepalive and
/// one retry before the session ends (the paper, section 6.2).
pub const REKEY_ON_RECEIVE_AFTER: Duration =
    REJECT_AFTER_TIME.saturating_sub(KEEPALIVE_TIMEOUT).saturating_sub(REKEY_TIMEOUT);
/// Data that was sent and not answered for this long makes the sender begin a new handshake (section 6.2).
pub const UNANSWERED_AFTER: Duration = KEEPALIVE_TIMEOUT.saturating_add(REKEY_TIMEOUT);
/// Receiver indices in use at once: every session of every peer, and a handshake of ours with each.
pub const INDICES_MAX: usize = PEERS_MAX * (SESSIONS_MAX + 1);
/// All keys of a peer are wiped this long after its last session began (section 6.3).
pub const FORGET_AFTER: Duration = REJECT_AFTER_TIME.saturating_mul(3);

const _: () = assert!(REKEY_AFTER_MESSAGES < REJECT_AFTER_MESSAGES);
const _: () =
    assert!(REKEY_AFTER_TIME.as_secs() + CROSSED_DELAY_MAX.as_secs() < REKEY_ON_RECEIVE_AFTER.as_secs());
const _: () = assert!(REKEY_ON_RECEIVE_AFTER.as_secs() < REJECT_AFTER_TIME.as_secs());

#[cfg(test)]
mod tests;
