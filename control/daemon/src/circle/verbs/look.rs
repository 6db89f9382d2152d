//! Looking.

use std::time::Duration;

use ringmesh_api::circle::look::{
    BeaconState, CircleState, CircleStatus, Device, Log, LogLine, PathState, Peers, ShowLog, Verified, Wait,
    Waiting, Whois,
};
use ringmesh_api::circle::{Code, Refusal};
use ringmesh_mesh::beacon::place::BeaconUrl;
use ringmesh_mesh::history;
use ringmesh_mesh::identity::DeviceId;
use ringmesh_mesh::roster::Member;
use tokio::sync::oneshot;

use super::{done, find, known, life};
use crate::circle::active::{Active, Line};
use crate::circle::ask::{Answer, answer};
use crate::circle::run::{Condition, Daemon, Waiter};
use crate::os::clock::{boottime, wall_secs};

/// Longest wait that a question may ask for, in seconds.
const WAIT_SECS_MAX: u64 = 3600;
/// A clock that is behind by more than this is worth a sentence, in seconds.
const BEHIND_SECS_MAX: u64 = 300;

impl Daemon {
    pub(super) fn status(&self) -> CircleStatus {
        let up = self.active.as_ref().map(|active| active.membership.name.clone());
        let down = self.circles().into_iter().filter(|name| Some(name) != up.as_ref());
        let mut circle = self.active.as_ref().map(state);
        if let Some(circle) = &mut circle {
            circle.notes.extend(self.broken.iter().cloned());
        }
        CircleStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_secs: boottime().saturating_sub(self.since).as_secs(),
            circle,
            down: down.map(|name| name.to_string()).collect(),
        }
    }

    pub(super) fn peers(&mut self) -> Result<Peers, Refusal> {
        let active = self.up_circle()?;
        let (_, roster) = known(active)?;
        let me = active.membership.me();
        let mut members: Vec<&Member> = roster.members.values().collect();
        members.sort_by_key(|member| (member.device != me, &member.name));
        Ok(Peers { devices: members.into_iter().map(|member| device(active, member)).collect() })
    }

    pub(super) fn whois(&mut self, whois: &Whois) -> Result<Device, Refusal> {
        let active = self.up_circle()?;
        let found = find(active, &whois.who)?;
        let (_, roster) = known(active)?;
        let member = roster.members.get(&found);
        member
            .map(|member| device(active, member))
            .ok_or_else(|| Refusal::new(Code::Unknown, "it has just left"))
    }

    pub(super) fn log(&mut self, log: ShowLog) -> Result<Log, Refusal> {
        let active = self.up_circle()?;
        let (circle, roster) = known(active)?;
        let mut lines = history::log(circle);
        if log.last > 0 {
            lines.drain(..lines.len().saturating_sub(log.last));
        }
        let verified = if log.verify {
            let stored = active.membership.store.records()?;
            let report = history::verify(roster.circle, stored.iter().map(Vec::as_slice));
            Some(Verified { sound: report.sound, findings: report.findings })
        } else {
            None
        };
        let line = |line: history::Line| LogLine {
            time_secs: line.time,
            author: line.author.to_string(),
            number: line.number,
            record: line.record.to_string(),
            counts: line.counts,
            sentence: line.sentence,
        };
        Ok(Log { circle: roster.name.to_string(), lines: lines.into_iter().map(line).collect(), verified })
    }

    pub(super) fn wait(
        &mut self,
        wait: Wait,
        reply: oneshot::Sender<Answer>,
    ) -> Option<(oneshot::Sender<Answer>, Answer)> {
        let until = boottime() + Duration::from_secs(wait.wait_secs.min(WAIT_SECS_MAX));
        self.waiters.push(Waiter { reply, condition: Condition::Online(wait.peer), until });
        None
    }
}

/// The answer to `wait`, once there is one.
pub(super) fn settle_online(active: &Active, peer: Option<&str>, over: bool) -> Option<Answer> {
    let member = active.membership.role().is_some();
    let ready = match peer {
        None => member.then(|| format!("This device belongs to the circle {}", active.membership.name)),
        Some(peer) => find(active, peer)
            .ok()
            .filter(|device| {
                member && (active.is_online(device, wall_secs()) || *device == active.membership.me())
            })
            .map(|_| format!("{peer} is online")),
    };
    let timeout = || {
        let whom = peer.map_or_else(
            || "this device to belong to the circle".to_owned(),
            |peer| format!("{peer} to be online"),
        );
        Err(Refusal::new(Code::Timeout, format!("waited in vain for {whom}")))
    };
    match ready {
        Some(sentence) => Some(done(sentence).and_then(answer)),
        None => over.then(timeout),
    }
}

fn state(active: &Active) -> CircleState {
    let membership = &active.membership;
    let roster = membership.roster();
    let waiting = roster.into_iter().flat_map(|roster| &roster.waiting).map(|(device, waiting)| Waiting {
        key: device.to_string(),
        name: waiting.name.as_ref().map(ToString::to_string),
        reason: waiting.reason.to_string(),
    });
    let mut notes: Vec<String> = active.notes.iter().cloned().chain(active.naming_notes()).collect();
    notes.extend(active.guard_problem().map(|problem| format!("the tunnel is closed: {problem}")));
    let behind = membership.mark.behind(wall_secs());
    if behind > BEHIND_SECS_MAX {
        let span = ringmesh_mesh::time::Span(behind);
        notes.push(format!("the clock was set back by {span}; what had ended stays ended, and new permissions count from then"));
    }
    CircleState {
        name: membership.name.to_string(),
        id: membership.id.to_string(),
        standing: if membership.role().is_some() { "member" } else { "joining" }.to_owned(),
        interface: active.tunnel.name().to_string(),
        tunnel: active.runs,
        listen_port: active.port,
        endpoints: active.endpoints().iter().map(ToString::to_string).collect(),
        device: own_device(active),
        devices: roster.map_or(0, |roster| roster.members.len()),
        records: membership.circle.as_ref().map_or(0, ringmesh_mesh::circle::Circle::len),
        beacons: active.beacons.iter().map(|(url, line)| beacon(url, line)).collect(),
        waiting: waiting.collect(),
        notes,
    }
}

fn beacon(url: &BeaconUrl, line: &Line) -> BeaconState {
    BeaconState { address: url.authority(), online: line.seen.is_some(), detail: line.detail() }
}

/// This device, also while it is no member yet.
fn own_device(active: &Active) -> Device {
    let membership = &active.membership;
    if let Some(own) = membership.own() {
        return device(active, own);
    }
    let name = life::called(active);
    Device {
        full_name: format!("{name}.{}.internal", membership.name),
        name,
        nickname: None,
        key: membership.me().to_string(),
        role: "none".to_owned(),
        addresses: life::addresses(active),
        own: true,
        frozen: false,
        path: None,
    }
}

pub(super) fn device(active: &Active, member: &Member) -> Device {
    let own = member.device == active.membership.me();
    let v4 = member.ipv4.map(|ip| ip.to_string());
    Device {
        name: member.name.to_string(),
        full_name: member.name.qualified(&active.membership.name),
        nickname: active.membership.nicknames.get(&member.device).cloned(),
        key: member.device.to_string(),
        role: member.role.to_string(),
        addresses: v4.into_iter().chain([member.ipv6.to_string()]).collect(),
        own,
        frozen: member.frozen.is_some(),
        path: (!own).then(|| path(active, &member.device)),
    }
}

fn path(active: &Active, device: &DeviceId) -> PathState {
    let now = wall_secs();
    let seen = active.seen_of(device);
    let candidates = active.reach.get(device).into_iter().flat_map(|reach| reach.candidates());
    PathState {
        online: active.is_online(device, now),
        endpoint: seen.and_then(|seen| seen.endpoint).map(|endpoint| endpoint.to_string()),
        handshake_secs: seen
            .filter(|seen| seen.handshake_secs > 0)
            .map(|seen| now.saturating_sub(seen.handshake_secs)),
        rx_bytes: seen.map_or(0, |seen| seen.rx_bytes),
        tx_bytes: seen.map_or(0, |seen| seen.tx_bytes),
        candidates: candidates.map(|address| address.to_string()).collect(),
    }
}
