//! Who may make us compute: MAC1 always, and under load a cookie and a share of what one source may send.
//!
//! **Invariant:** a refusal here has cost a few hashes and no memory.

use std::time::Duration;

use ringmesh_wire::Endpoint;
use ringmesh_wire::keys::PublicKey;
use ringmesh_wire::message::COOKIE_REPLY_LEN;

use crate::Drop;
use crate::cookie::Checker;
use crate::random::Random;
use crate::ratelimit::RateLimiter;

pub(super) struct Doorkeeper {
    /// `None` without a key of our own: then nobody can know it either.
    checker: Option<Checker>,
    limiter: RateLimiter,
    pressure: bool,
}

/// What a message has earned.
pub(super) enum Verdict {
    Enter,
    Leave(Drop),
    /// Leaves with a cookie reply.
    Answer([u8; COOKIE_REPLY_LEN]),
}

impl Doorkeeper {
    /// `limiter_key` keeps attackers from choosing where in the limiter's table they land.
    pub(super) fn new(limiter_key: [u8; 32]) -> Self {
        Self { checker: None, limiter: RateLimiter::new(limiter_key), pressure: false }
    }

    pub(super) fn set_key(&mut self, public: Option<PublicKey>) {
        self.checker = public.as_ref().map(Checker::new);
    }

    pub(super) fn set_pressure(&mut self, pressure: bool) {
        self.pressure = pressure;
    }

    /// Judges an initiation or a response that came from `from` and names its own index `sender`.
    pub(super) fn judge(
        &mut self,
        message: &[u8],
        sender: u32,
        from: &Endpoint,
        now: Duration,
        random: &mut Random,
    ) -> Verdict {
        let Some(checker) = self.checker.as_mut().filter(|checker| checker.has_mac1(message)) else {
            return Verdict::Leave(Drop::BadMac);
        };
        if !self.pressure {
            return Verdict::Enter;
        }
        let source = from.source_bytes();
        if !checker.has_mac2(message, source.as_slice(), now) {
            return match checker.reply(message, sender, source.as_slice(), now, random) {
                Some(reply) => Verdict::Answer(reply),
                None => Verdict::Leave(Drop::Overloaded),
            };
        }
        match self.limiter.allow(from, now) {
            true => Verdict::Enter,
            false => Verdict::Leave(Drop::RateLimited),
        }
    }
}
