//! The questions of the local API, read and sorted, and who may ask which.
//!
//! **Invariant:** a question is read whole, and its asker looked at, before the loop hears of it.
#![expect(clippy::wildcard_enum_match_arm, reason = "few questions are for root alone")]

use ringmesh_api::circle::{Code, Nothing, Refusal, life, look, permit};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What a question is answered with.
pub(super) type Answer = Result<Value, Refusal>;

/// Who asks, by the kernel's word.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Caller {
    /// Root: everything.
    Root,
    /// A member of the group that may use the socket: all but secrets, exit, LAN and beacons.
    Group,
}

/// A question.
pub(super) enum Ask {
    Up(life::Up),
    Invite(life::Invite),
    Cancel(life::Cancel),
    Join(life::Join),
    Rename(life::Rename),
    Nickname(life::Nickname),
    Remove(life::Remove),
    Leave(life::Leave),
    Confirm(life::Confirm),
    Admin(life::Admin),
    Recover(life::Recover),
    KeyRotate,
    Down(life::Down),
    Status,
    Peers,
    Whois(look::Whois),
    Ping(look::Ping),
    Wait(look::Wait),
    Log(look::ShowLog),
    Allow(permit::Allow),
    Deny(permit::Deny),
    Can(permit::Can),
    Permissions,
}

impl Ask {
    /// Reads the question about `verb`.
    ///
    /// # Errors
    /// A refusal for a verb that is none, or a question that makes no sense.
    pub(super) fn read(verb: &str, body: &[u8]) -> Result<Self, Refusal> {
        Ok(match verb {
            "up" => Self::Up(question(body)?),
            "invite" => Self::Invite(question(body)?),
            "cancel" => Self::Cancel(question(body)?),
            "join" => Self::Join(question(body)?),
            "rename" => Self::Rename(question(body)?),
            "nickname" => Self::Nickname(question(body)?),
            "remove" => Self::Remove(question(body)?),
            "leave" => Self::Leave(question(body)?),
            "confirm" => Self::Confirm(question(body)?),
            "admin" => Self::Admin(question(body)?),
            "recover" => Self::Recover(question(body)?),
            "key-rotate" => nothing(body, Self::KeyRotate)?,
            "down" => Self::Down(question(body)?),
            "status" => nothing(body, Self::Status)?,
            "peers" => nothing(body, Self::Peers)?,
            "whois" => Self::Whois(question(body)?),
            "ping" => Self::Ping(question(body)?),
            "wait" => Self::Wait(question(body)?),
            "log" => Self::Log(question(body)?),
            "allow" => Self::Allow(question(body)?),
            "deny" => Self::Deny(question(body)?),
            "can" => Self::Can(question(body)?),
            "permissions" => nothing(body, Self::Permissions)?,
            _ => return Err(Refusal::new(Code::Usage, "the daemon knows no such verb")),
        })
    }

    /// Whether the caller may ask this.
    ///
    /// # Errors
    /// A refusal that says who may.
    pub(super) fn check(&self, caller: Caller) -> Result<(), Refusal> {
        if caller == Caller::Root {
            return Ok(());
        }
        let routes = |what: &str| matches!(what.to_lowercase().as_str(), "exit" | "lan");
        let root_only = match self {
            Self::Recover(_) | Self::KeyRotate => "the keys of this device",
            Self::Down(down) if down.daemon => "the end of the daemon, which only root can start again",
            Self::Up(up) if !up.beacons.is_empty() => "beacons",
            Self::Allow(allow) if routes(&allow.what) => "who may use this device as exit or reach its LAN",
            Self::Deny(deny) if routes(&deny.what) => "who may use this device as exit or reach its LAN",
            _ => return Ok(()),
        };
        Err(Refusal::new(Code::NotAllowed, format!("only root decides about {root_only}"))
            .fix("run it with sudo"))
    }
}

fn question<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body)
        .map_err(|error| Refusal::new(Code::Usage, format!("the question makes no sense: {error}")))
}

fn nothing(body: &[u8], ask: Ask) -> Result<Ask, Refusal> {
    question::<Nothing>(body).map(|Nothing {}| ask)
}

/// Turns what a verb has to tell into an answer.
pub(super) fn answer(value: impl serde::Serialize) -> Answer {
    serde_json::to_value(value).map_err(|error| Refusal::new(Code::System, error.to_string()))
}

#[cfg(test)]
mod tests;
