//! History as sentences (`ringmesh log`), and the check of all that is stored (`ringmesh log --verify`).

use std::collections::BTreeMap;

use crate::circle::Circle;
use crate::identity::{CircleId, DeviceId, RecordHash};
use crate::permission::article;
use crate::record::{self, Body, Effect, Record, Revoke, Role, Scope, Unverified, What};
use crate::roster::Roster;
use crate::time::Utc;

/// One record as a sentence.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// When, by its author's clock, in seconds since 1970.
    pub time: u64,
    /// Who wrote it.
    pub author: DeviceId,
    /// Its number in the author's chain.
    pub number: u64,
    /// Its hash.
    pub record: RecordHash,
    /// Whether it has effect.
    pub counts: bool,
    /// What it says, with names as they are today; says so if it has no effect.
    pub sentence: String,
}

/// All records as sentences, in order of time.
#[must_use]
pub fn log(circle: &Circle) -> Vec<Line> {
    let mut lines: Vec<Line> = circle.records().map(|record| line(circle, record)).collect();
    lines.sort_by_key(|line| (line.time, line.author, line.number));
    lines
}

fn line(circle: &Circle, record: &Record) -> Line {
    let counts = circle.counts(&record.hash()).unwrap_or(false);
    let said = sentence(circle.roster(), record);
    let sentence = if counts { format!("{said}.") } else { format!("{said}; this has no effect.") };
    Line {
        time: record.time(),
        author: record.author(),
        number: record.number(),
        record: record.hash(),
        counts,
        sentence,
    }
}

/// What a record says, without a full stop.
#[must_use]
pub fn sentence(roster: &Roster, record: &Record) -> String {
    let author = roster.call(&record.author());
    let call = |device: &DeviceId| roster.call(device);
    match record.body() {
        Body::Found(found) => format!("{author} founded the circle {}", found.name),
        Body::Admit(admit) => match admit.role {
            Role::Admin => format!("{author} made {} an admin", call(&admit.device)),
            role @ (Role::Member | Role::Guest) => {
                format!("{author} admitted {} as {}", call(&admit.device), article(role))
            }
        },
        Body::Join(join) => {
            let by = roster.invites.get(&join.invite).map(|state| format!(" of {}", call(&state.by)));
            format!("{author} joined with an invite{}", by.unwrap_or_default())
        }
        Body::Revoke(revoke) => revoked(roster, &record.author(), revoke),
        Body::Invite(invite) => {
            let kind = if invite.guest { "guests" } else { "own devices" };
            format!("{author} invited {kind}: {} use(s) until {}", invite.uses, Utc(invite.expires))
        }
        Body::Grant(grant) => {
            let (to, act) = (call(&grant.to), to_do(grant.what));
            match grant.effect {
                Effect::Allow { until: None } => format!("{author} allowed {to} to {act}"),
                Effect::Allow { until: Some(until) } => {
                    format!("{author} allowed {to} to {act} until {}", Utc(until))
                }
                Effect::Deny => format!("{author} denied {to} to {act}"),
            }
        }
        Body::Profile(profile) => {
            format!("{author} goes by {} with the WireGuard key {}", profile.name, profile.wireguard)
        }
        Body::Witness(witness) => match witness.receipt {
            None => format!("{author} saw {} join", call(&witness.device)),
            Some(receipt) => {
                let time = Utc(receipt.time);
                format!("{author} showed a beacon's receipt that {} joined by {time}", call(&witness.device))
            }
        },
        Body::Checkpoint(checkpoint) => {
            let kept = checkpoint.kept.len();
            format!("{author} signed which {kept} record(s) of {} still matter", call(&checkpoint.device))
        }
    }
}

fn revoked(roster: &Roster, author: &DeviceId, revoke: &Revoke) -> String {
    let by = roster.call(author);
    match revoke {
        Revoke::Invite(_) => format!("{by} cancelled an invite"),
        Revoke::Device { device, scope: Scope::Membership, .. } if device == author => format!("{by} left"),
        Revoke::Device { device, scope: Scope::Admin, .. } if device == author => {
            format!("{by} stepped down as an admin")
        }
        Revoke::Device { device, scope, last } => {
            let (whom, after) = (roster.call(device), after(last.map(|link| link.number)));
            match scope {
                Scope::Membership => format!("{by} removed {whom}; of its records {after} count"),
                Scope::Admin => {
                    format!(
                        "{by} removed {whom} from the admins; of what it did as one, its records {after} count"
                    )
                }
                Scope::Branches => {
                    format!(
                        "{by} decided which of two histories of {whom} counts: the one with record {after}"
                    )
                }
            }
        }
    }
}

fn after(last: Option<u64>) -> String {
    last.map_or_else(|| "none".to_owned(), |number| format!("up to {number}"))
}

fn to_do(what: What) -> String {
    match what {
        What::Reach => "reach it".to_owned(),
        What::Port(proto, port) => format!("reach it on {proto}/{port}"),
        What::Ssh => "reach it by ssh".to_owned(),
        What::Files => "send it files".to_owned(),
        What::Exit => "use it as exit to the internet".to_owned(),
        What::Lan => "reach its LAN".to_owned(),
    }
}

/// What the check of all stored records found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// Records that are in order.
    pub sound: usize,
    /// What is wrong or odd, one sentence each.
    pub findings: Vec<String>,
}

impl Report {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Checks records as they are stored, trusting none of them: encoding, signatures, chains, forks.
#[must_use]
pub fn verify<'a>(circle: CircleId, stored: impl IntoIterator<Item = &'a [u8]>) -> Report {
    let mut report = Report::default();
    let mut read = Vec::new();
    for (at, bytes) in stored.into_iter().enumerate() {
        match Unverified::decode(bytes) {
            Ok(record) => read.push(record),
            Err(malformed) => {
                report.findings.push(format!("entry {at} of the store is no record: {malformed}"))
            }
        }
    }
    let mut records = Vec::new();
    for verdict in record::verify(read) {
        match verdict {
            Ok(record) => records.push(record),
            Err(forged) => report.findings.push(format!("{forged}")),
        }
    }
    let all = records.len();
    match Circle::from_records(circle, records) {
        Err(refused) => report.findings.push(format!("{refused}")),
        Ok(circle) => {
            report.sound = circle.len();
            if circle.len() < all {
                let loose = all - circle.len();
                report
                    .findings
                    .push(format!("{loose} record(s) follow none that is stored, or are stored twice"));
            }
            report.findings.extend(forks(&circle));
        }
    }
    report
}

fn forks(circle: &Circle) -> Vec<String> {
    let members = &circle.roster().members;
    let frozen: BTreeMap<_, _> = members.values().map(|member| (member.device, member.frozen)).collect();
    let sentence = |author: &DeviceId, number: u64| {
        let name = circle.roster().call(author);
        let state = match frozen.get(author) {
            Some(Some(_)) => "what it permitted since has no effect until an admin decides",
            Some(None) => "an admin has decided which one counts",
            None => "it is no member any more",
        };
        format!("{name} wrote two records with the number {number}, so its key is in two places; {state}")
    };
    circle.equivocations().iter().map(|fork| sentence(&fork.author, fork.number)).collect()
}

#[cfg(test)]
mod tests;
