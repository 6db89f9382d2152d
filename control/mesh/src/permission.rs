//! Who may do what to whom, now, and by which grant or default.
//!
//! | asked for | decided by the first of these that is in force |
//! | --- | --- |
//! | a port | a grant of that port; one of reach; the default |
//! | ssh, `tcp/22` | a grant of ssh or of `tcp/22`, a denial before a permission; one of reach; the default |
//! | files, exit, lan | a grant of just that; the default |
//!
//! A permission that has ended counts as if it had never been given; so after `deny nas reach` and `allow nas ssh
//! --for 2h` only ssh is open, and after two hours nothing. By default own devices reach each other and send each other
//! files; nobody uses another's exit or LAN, and guests may do nothing, nor may anything be done to them.
//!
//! **Invariant:** the packet filter of [`filter`] lets through what [`Effective::can`] allows, and nothing else.

pub mod filter;
mod sentence;

use crate::identity::DeviceId;
use crate::record::{Effect, Proto, Role, What};
use crate::roster::{Granted, Member, Roster};
use crate::time::HighWater;
pub(crate) use sentence::article;
pub use sentence::{Line, preview};

/// What the roster means at one time.
#[derive(Clone, Copy, Debug)]
pub struct Effective<'a> {
    roster: &'a Roster,
    now: u64,
}

/// Applies a clock to a roster. `now` is in seconds since 1970; the mark keeps a clock that was set back from reviving
/// anything, and is to be stored afterwards.
#[must_use]
pub fn effective<'a>(roster: &'a Roster, now: u64, mark: &mut HighWater) -> Effective<'a> {
    Effective { roster, now: mark.advance(now) }
}

/// The answer to "may it?".
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// Whether it may.
    pub allowed: bool,
    /// Until when, if what allows it ends by itself: the last second, since 1970.
    pub until: Option<u64>,
    /// What decides.
    pub because: Because,
}

/// What decides over a permission.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Because {
    /// The device's own grant or denial about this thing.
    Granted {
        /// What the grant is about: perhaps more than was asked for.
        what: What,
        /// Whether, and until when, and in which record.
        granted: Granted,
    },
    /// Nothing was said about it, and this is the default.
    Default(Fallback),
    /// One of the two is no member of the circle.
    NoMember(DeviceId),
    /// A device may always reach itself.
    Itself,
}

/// What holds where nobody has said anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fallback {
    /// Own devices reach each other and send files.
    OwnDevices,
    /// A guest may do nothing until it is allowed.
    Guest,
    /// Nothing of an own device may be done to a guest until the guest allows it.
    ToGuest,
    /// Exit and LAN are for nobody until they are allowed.
    ExitAndLan,
}

impl<'a> Effective<'a> {
    /// The roster.
    #[must_use]
    pub const fn roster(&self) -> &'a Roster {
        self.roster
    }

    /// The time that it was applied at, in seconds since 1970.
    #[must_use]
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// Whether `from` may do `what` to `to`, and by which grant or default.
    #[must_use]
    pub fn can(&self, from: &DeviceId, to: &DeviceId, what: What) -> Verdict {
        let no = |because| Verdict { allowed: false, until: None, because };
        let Some(asks) = self.roster.members.get(from) else { return no(Because::NoMember(*from)) };
        let Some(host) = self.roster.members.get(to) else { return no(Because::NoMember(*to)) };
        if from == to {
            return Verdict { allowed: true, until: None, because: Because::Itself };
        }
        let said = deciding(what).into_iter().find_map(|things| self.in_force(host, from, &things));
        match said {
            Some((what, granted)) => verdict(what, granted),
            None => default(asks, host, what),
        }
    }

    /// The grant about one of `things` that counts: a denial before a permission that has not ended.
    fn in_force(&self, host: &Member, from: &DeviceId, things: &[What]) -> Option<(What, Granted)> {
        let said = things.iter().filter_map(|what| Some((*what, *host.grants.get(from, *what)?)));
        let now = said.filter(|(_, granted)| holds(granted.effect, self.now));
        now.min_by_key(|(_, granted)| match granted.effect {
            Effect::Deny => (0, 0),
            Effect::Allow { until } => (1, u64::MAX - until.unwrap_or(u64::MAX)),
        })
    }

    /// When the next permission ends by itself, after now: the time to look again.
    #[must_use]
    pub fn next_end(&self) -> Option<u64> {
        let grants = self.roster.members.values().flat_map(|member| member.grants.iter());
        let ends = grants.filter_map(|(_, _, granted)| match granted.effect {
            Effect::Allow { until } => until.filter(|until| *until >= self.now),
            Effect::Deny => None,
        });
        ends.min()
    }
}

/// Whether a grant is in force. It holds during its last second.
pub(crate) fn holds(effect: Effect, now: u64) -> bool {
    match effect {
        Effect::Allow { until: Some(until) } => now <= until,
        Effect::Allow { until: None } | Effect::Deny => true,
    }
}

const SSH: What = What::Port(Proto::Tcp, 22);

/// The things whose grants decide over `what`, in groups; the first group that says something wins.
fn deciding(what: What) -> Vec<Vec<What>> {
    match what {
        SSH | What::Ssh => vec![vec![SSH, What::Ssh], vec![What::Reach]],
        What::Port(..) => vec![vec![what], vec![What::Reach]],
        What::Reach | What::Files | What::Exit | What::Lan => vec![vec![what]],
    }
}

fn verdict(what: What, granted: Granted) -> Verdict {
    let because = Because::Granted { what, granted };
    match granted.effect {
        Effect::Allow { until } => Verdict { allowed: true, until, because },
        Effect::Deny => Verdict { allowed: false, until: None, because },
    }
}

fn default(asks: &Member, host: &Member, what: What) -> Verdict {
    let (allowed, default) = match what {
        What::Exit | What::Lan => (false, Fallback::ExitAndLan),
        What::Reach | What::Port(..) | What::Ssh | What::Files => match (asks.role, host.role) {
            (Role::Guest, _) => (false, Fallback::Guest),
            (_, Role::Guest) => (false, Fallback::ToGuest),
            (Role::Member | Role::Admin, Role::Member | Role::Admin) => (true, Fallback::OwnDevices),
        },
    };
    Verdict { allowed, until: None, because: Because::Default(default) }
}

#[cfg(test)]
mod tests;
