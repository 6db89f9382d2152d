//! Permissions as sentences: the table of `ringmesh permissions`, answers of `can`, and previews of changes.

use std::fmt;

use super::{Because, Effective, Fallback, Verdict};
use crate::identity::DeviceId;
use crate::record::{Effect, Grant, Role, What};
use crate::roster::Roster;
use crate::time::Utc;

/// One line of the table of permissions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// Who may or may not.
    pub from: DeviceId,
    /// To whom.
    pub to: DeviceId,
    /// What.
    pub what: What,
    /// Whether, until when, and why.
    pub verdict: Verdict,
    /// The whole as a sentence.
    pub sentence: String,
}

impl Effective<'_> {
    /// Everything that is said or assumed between `device` and all others, in both directions, the other's name in
    /// alphabetical order. What another has said is what its records say, as far as they have come here.
    #[must_use]
    pub fn table(&self, device: &DeviceId) -> Vec<Line> {
        let mut others: Vec<_> =
            self.roster.members.values().filter(|member| member.device != *device).collect();
        others.sort_by(|a, b| a.name.cmp(&b.name));
        let pairs = others.iter().flat_map(|other| [(other.device, *device), (*device, other.device)]);
        pairs.flat_map(|(from, to)| self.lines(from, to)).collect()
    }

    /// The defaults, and every thing about which something was said, between two.
    fn lines(&self, from: DeviceId, to: DeviceId) -> Vec<Line> {
        let mut whats = vec![What::Reach, What::Files];
        let said = self.roster.members.get(&to).into_iter().flat_map(|host| host.grants.about(&from));
        let about = said.filter(|(_, granted)| super::holds(granted.effect, self.now));
        whats.extend(about.map(|(what, _)| what));
        whats.sort();
        whats.dedup();
        let line = |what| {
            let verdict = self.can(&from, &to, what);
            let sentence = self.sentence(&from, &to, what, &verdict);
            Line { from, to, what, verdict, sentence }
        };
        whats.into_iter().map(line).collect()
    }

    /// A verdict as a sentence: who may or may not do what to whom, until when, and why.
    #[must_use]
    pub fn sentence(&self, from: &DeviceId, to: &DeviceId, what: What, verdict: &Verdict) -> String {
        let roster = self.roster;
        let may = if verdict.allowed { "may" } else { "may not" };
        let until = verdict.until.map(|until| format!(" until {}", Utc(until))).unwrap_or_default();
        let act = act(what, &roster.call(to));
        format!("{} {may} {act}{until}: {}.", roster.call(from), reason(roster, to, &verdict.because))
    }
}

/// What a change will do, in one sentence, before it is made.
#[must_use]
pub fn preview(now: &Effective<'_>, by: &DeviceId, grant: &Grant) -> String {
    let roster = now.roster;
    let (from, act) = (roster.call(&grant.to), act(grant.what, &roster.call(by)));
    let is = now.can(&grant.to, by, grant.what);
    let will = match grant.effect {
        Effect::Allow { until: Some(until) } => format!("{from} will be able to {act} until {}", Utc(until)),
        Effect::Allow { until: None } => format!("{from} will be able to {act}"),
        Effect::Deny => format!("{from} will not be able to {act}"),
    };
    let same = match grant.effect {
        Effect::Allow { until } => is.allowed && is.until == until,
        Effect::Deny => !is.allowed,
    };
    if same {
        format!("{will}, as it is now: {}.", reason(roster, by, &is.because))
    } else {
        let before = if is.allowed { "which it can do now" } else { "which it cannot do now" };
        format!("{will}, {before}: {}.", reason(roster, by, &is.because))
    }
}

/// What is done, with whom: the part of the sentence after "may".
fn act(what: What, host: &str) -> String {
    match what {
        What::Reach => format!("reach {host}"),
        What::Port(proto, port) => format!("reach {host} on {proto}/{port}"),
        What::Ssh => format!("reach {host} by ssh"),
        What::Files => format!("send files to {host}"),
        What::Exit => format!("use {host} as exit to the internet"),
        What::Lan => format!("reach the LAN of {host}"),
    }
}

fn reason(roster: &Roster, host: &DeviceId, because: &Because) -> String {
    match because {
        Because::Granted { what, granted } => {
            let verb = match granted.effect {
                Effect::Allow { .. } => "allows",
                Effect::Deny => "denies",
            };
            format!("{} {verb} {what}", roster.call(host))
        }
        Because::Default(fallback) => fallback.to_string(),
        Because::NoMember(device) => format!("{} is no member of {}", roster.call(device), roster.name),
        Because::Itself => "a device may always reach itself".to_owned(),
    }
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OwnDevices => "own devices reach each other and send each other files",
            Self::Guest => "guests may do nothing until they are allowed",
            Self::ToGuest => "a guest's device must allow it first",
            Self::ExitAndLan => "exit and LAN are closed until they are allowed",
        })
    }
}

/// What kind of member somebody is, with an article.
#[must_use]
pub(crate) fn article(role: Role) -> &'static str {
    match role {
        Role::Guest => "a guest",
        Role::Member => "an own device",
        Role::Admin => "an admin",
    }
}
