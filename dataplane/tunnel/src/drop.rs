//! Every way in which a packet ends other than being delivered.
//!
//! **Invariant:** a packet that ends here is counted under exactly one of these names, and no such end stops
//! the batch that it came in.

use std::fmt;

/// Why a packet went no further.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Drop {
    /// Not what its place demands: a broken IP header, a datagram too short to be anything.
    Malformed,
    /// No peer has the destination among its allowed IPs.
    NoRoute,
    /// The peer's queue of packets that wait for a handshake was full; the oldest left.
    QueueFull,
    /// The kernel refused to send.
    SendFailed,
    /// No session and no handshake of ours has the receiver index.
    UnknownIndex,
    /// The tag does not fit: damaged on the way, or not from the peer.
    Forged,
    /// The session is too old or its counter used up.
    Expired,
    /// Authentic, but its counter was seen before or is too far behind the newest.
    Replay,
    /// Authentic, but from an inner source that the peer may not use.
    SourceNotAllowed,
    /// Authentic and empty: its arrival was its message.
    Keepalive,
    /// The TUN device took no more.
    TunFull,
    /// A handshake message that was answered with a cookie, or not at all, because we are under load.
    Overloaded,
    /// Not WireGuard; control got it.
    Punted,
    /// The peer's address is not known.
    NoEndpoint,
    /// Not WireGuard, and control's ring was full.
    PuntFull,
    /// The queue to the worker that owns the session was full.
    HandoffFull,
    /// Waited for a handshake that did not come about, or its peer was removed.
    GivenUp,
    /// Marked as congested for a sender that does not know ECN (RFC 6040).
    Congested,
    /// A handshake message whose first MAC is not for our public key.
    BadMac,
    /// A handshake message above the rate that its source may send.
    RateLimited,
    /// A handshake of a key that is no peer of ours.
    UnknownPeer,
    /// A handshake that was authentic once: its timestamp is not newer than the greatest that we know.
    OldHandshake,
    /// A handshake message that does not authenticate, or that fits no handshake of ours.
    BadHandshake,
}

impl Drop {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 23] = [
        Self::Malformed,
        Self::NoRoute,
        Self::QueueFull,
        Self::SendFailed,
        Self::UnknownIndex,
        Self::Forged,
        Self::Expired,
        Self::Replay,
        Self::SourceNotAllowed,
        Self::Keepalive,
        Self::TunFull,
        Self::Overloaded,
        Self::Punted,
        Self::NoEndpoint,
        Self::PuntFull,
        Self::HandoffFull,
        Self::GivenUp,
        Self::Congested,
        Self::BadMac,
        Self::RateLimited,
        Self::UnknownPeer,
        Self::OldHandshake,
        Self::BadHandshake,
    ];
    /// How many there are: one more than the greatest number.
    pub const COUNT: usize = Self::ALL.len();

    /// The name that people and scripts see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::NoRoute => "no_route",
            Self::QueueFull => "queue_full",
            Self::SendFailed => "send_failed",
            Self::UnknownIndex => "unknown_index",
            Self::Forged => "forged",
            Self::Expired => "expired",
            Self::Replay => "replay",
            Self::SourceNotAllowed => "source_not_allowed",
            Self::Keepalive => "keepalive",
            Self::TunFull => "tun_full",
            Self::Overloaded => "overloaded",
            Self::Punted => "punted",
            Self::NoEndpoint => "no_endpoint",
            Self::PuntFull => "punt_full",
            Self::HandoffFull => "handoff_full",
            Self::GivenUp => "given_up",
            Self::Congested => "congested",
            Self::BadMac => "bad_mac",
            Self::RateLimited => "rate_limited",
            Self::UnknownPeer => "unknown_peer",
            Self::OldHandshake => "old_handshake",
            Self::BadHandshake => "bad_handshake",
        }
    }
}

impl fmt::Display for Drop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

const _: () = assert!(Drop::COUNT <= 32, "whoever counts them keeps 32 places");

#[cfg(test)]
mod tests;
