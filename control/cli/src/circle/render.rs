//! The daemon's answers in words.
//!
//! **Invariant:** nothing here asks or prints, and [`clean`] is the last thing that happens to every text: names and reasons come from
//! other devices, and a terminal obeys what it is shown.

mod status;

use ringmesh_api::circle::life::{Invited, Joined, Upped};
use ringmesh_api::circle::look::{Device, Log, PathState, Peers, Pong, Verified};
use ringmesh_api::circle::permit::{CanAnswer, Permissions, Permitted};

use crate::render::span;
pub(super) use status::status;

/// As many digits of a key or id as name it among others.
const KEY_CHARS: usize = 12;

/// Without what a terminal would obey.
pub(super) fn clean(text: &str) -> String {
    text.chars().filter(|c| *c == '\n' || !c.is_control()).collect()
}

/// With a full stop at its end, and only one.
pub(super) fn sentence(text: &str) -> String {
    format!("{}.", text.trim_end().trim_end_matches('.'))
}

pub(super) fn upped(upped: &Upped) -> String {
    let begun = if upped.founded { "was founded" } else { "is up" };
    let mut text = format!(
        "The circle {} {begun}; this device is called {} in it.\nIts addresses: {}\n",
        upped.circle,
        upped.name,
        upped.addresses.join(", ")
    );
    push_notes(&mut text, &upped.notes);
    if let Some(key) = &upped.recovery_key {
        text.push_str(&format!(
            "\nThe recovery key of the circle, shown this once and stored nowhere:\n\n  {key}\n\n\
             Keep it on paper. It names a new admin when the last one is lost, and removes one that was stolen.\n\
             `ringmesh invite` lets the next device in.\n"
        ));
    }
    text
}

pub(super) fn invited(invited: &Invited, for_secs: u64) -> String {
    let devices = match (invited.uses, invited.guest) {
        (1, false) => "one device of yours".to_owned(),
        (1, true) => "one guest".to_owned(),
        (uses, false) => format!("{uses} devices of yours"),
        (uses, true) => format!("{uses} guests"),
    };
    let id = short(&invited.id);
    format!(
        "An invite for {devices}, good for {} (until {}). On the other device: ringmesh join\n\n  {}\n\n  {}\n\n\
         Whoever has this code gets in. `ringmesh cancel {id}` ends it.\n",
        span(for_secs),
        utc(invited.expires_secs),
        invited.code,
        invited.link
    )
}

pub(super) fn joined(joined: &Joined) -> String {
    let Joined { circle, name, role, addresses, .. } = joined;
    if let Some(role) = role.as_ref().filter(|_| joined.member) {
        return format!(
            "This device belongs to the circle {circle} now, as {name} ({role}).\nIts addresses: {}\n",
            addresses.join(", ")
        );
    }
    let waits = joined.waits_for.as_deref().unwrap_or("a member or beacon that answers");
    format!(
        "This device does not belong to the circle {circle} yet. It waits for: {waits}.\n\
         Joining goes on; `ringmesh wait` returns when it is in, `ringmesh leave` gives up.\n"
    )
}

pub(super) fn peers(peers: &Peers) -> String {
    let mut rows = vec![["NAME", "ROLE", "STATE", "ADDRESSES"].map(str::to_owned)];
    rows.extend(peers.devices.iter().map(|device| {
        let name = match &device.nickname {
            Some(nickname) => format!("{} ({nickname})", device.name),
            None => device.name.clone(),
        };
        [name, device.role.clone(), state(device), device.addresses.join(" ")]
    }));
    columns(&rows)
}

fn state(device: &Device) -> String {
    let state = match &device.path {
        None => "this device".to_owned(),
        Some(PathState { online: true, endpoint: Some(endpoint), .. }) => format!("online at {endpoint}"),
        Some(PathState { online: true, .. }) => "online".to_owned(),
        Some(PathState { handshake_secs: Some(secs), .. }) => format!("offline for {}", span(*secs)),
        Some(_) => "not heard of yet".to_owned(),
    };
    if device.frozen { format!("{state}, frozen") } else { state }
}

/// Rows as columns that are as wide as they must be, all aligned to the left.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

pub(super) fn device(device: &Device) -> String {
    let mut text = format!("{} ({}), {}\n", device.name, device.full_name, device.role);
    if let Some(nickname) = &device.nickname {
        text.push_str(&format!("  nickname: {nickname}\n"));
    }
    text.push_str(&format!("  addresses: {}\n  key: {}\n", device.addresses.join(", "), device.key));
    text.push_str(&format!("  state: {}\n", state(device)));
    if device.frozen {
        text.push_str("  its permissions have no effect: somebody else has its key too\n");
    }
    if let Some(path) = device.path.as_ref().filter(|path| !path.candidates.is_empty()) {
        text.push_str(&format!("  known at: {}\n", path.candidates.join(", ")));
    }
    text
}

pub(super) fn pong(pong: &Pong) -> String {
    let way = pong.endpoint.as_ref().map(|endpoint| format!(", by way of {endpoint}")).unwrap_or_default();
    format!("{} ({}) answered after {:.2} ms{way}.\n", pong.name, pong.address, pong.round_trip_ms)
}

pub(super) fn log(log: &Log) -> String {
    let line =
        |line: &ringmesh_api::circle::look::LogLine| format!("{}  {}\n", utc(line.time_secs), line.sentence);
    let mut text: String = log.lines.iter().map(line).collect();
    if let Some(Verified { sound, findings }) = &log.verified {
        let are = if *sound == 1 { "record is" } else { "records are" };
        text.push_str(&format!("\n{sound} stored {are} in order: signatures, chains, numbers.\n"));
        findings.iter().for_each(|finding| text.push_str(&format!("But: {}\n", sentence(finding))));
    }
    text
}

pub(super) fn permitted(permitted: &Permitted) -> String {
    let mut text = String::from("Done.\n");
    push_blocked(&mut text, &permitted.blocked);
    text
}

pub(super) fn can(answer: &CanAnswer) -> String {
    let mut text = format!("{}\n", sentence(&answer.sentence));
    push_blocked(&mut text, &answer.blocked);
    text
}

fn push_blocked(text: &mut String, blocked: &[String]) {
    blocked.iter().for_each(|why| text.push_str(&format!("But: {}\n", sentence(why))));
}

pub(super) fn permissions(permissions: &Permissions) -> String {
    if permissions.lines.is_empty() {
        return "There is nobody else in the circle yet.\n".to_owned();
    }
    permissions.lines.iter().map(|line| format!("{}\n", sentence(&line.sentence))).collect()
}

fn push_notes(text: &mut String, notes: &[String]) {
    notes.iter().for_each(|note| text.push_str(&format!("Note: {}\n", sentence(note))));
}

/// The beginning of a key or id.
fn short(key: &str) -> String {
    key.chars().take(KEY_CHARS).collect()
}

/// `2026-11-21 23:50 UTC`.
fn utc(secs: u64) -> String {
    format!("{} {:02}:{:02} UTC", ringmesh_lab::clock::date(secs), secs % 86_400 / 3600, secs % 3600 / 60)
}

#[cfg(test)]
mod tests;
