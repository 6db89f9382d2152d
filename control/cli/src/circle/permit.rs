//! What others may do to this device.

use ringmesh_api::circle::permit::{Allow, Can, CanAnswer, Deny, Permissions, Permitted};
use ringmesh_api::circle::{Nothing, Refusal};
use serde::Serialize;

use super::ask::{Daemon, NO};
use super::{Told, render, terminal};

pub(super) fn allow(
    daemon: &Daemon,
    peer: &str,
    what: &str,
    for_secs: Option<u64>,
    preview: bool,
    json: bool,
) -> Result<Told, Refusal> {
    let question = |preview| Allow { peer: peer.to_owned(), what: what.to_owned(), for_secs, preview };
    change(daemon, "allow", question, preview, json)
}

pub(super) fn deny(
    daemon: &Daemon,
    peer: &str,
    what: &str,
    preview: bool,
    json: bool,
) -> Result<Told, Refusal> {
    let question = |preview| Deny { peer: peer.to_owned(), what: what.to_owned(), preview };
    change(daemon, "deny", question, preview, json)
}

/// Says in one sentence what will change, and then does it unless only that was asked for.
fn change<Q: Serialize>(
    daemon: &Daemon,
    verb: &str,
    question: impl Fn(bool) -> Q,
    only_preview: bool,
    json: bool,
) -> Result<Told, Refusal> {
    let preview: Permitted = daemon.ask(verb, &question(true))?;
    if only_preview {
        return Ok(Told::new(&preview, format!("{}\n", render::sentence(&preview.preview))));
    }
    if !json {
        terminal::say(&render::clean(&format!("{}\n", render::sentence(&preview.preview))));
    }
    let permitted: Permitted = daemon.ask(verb, &question(false))?;
    Ok(Told::new(&permitted, render::permitted(&permitted)))
}

pub(super) fn can(daemon: &Daemon, peer: &str, target: &str, what: Option<&str>) -> Result<Told, Refusal> {
    let question = Can { from: peer.to_owned(), target: target.to_owned(), what: what.map(str::to_owned) };
    let answer: CanAnswer = daemon.ask("can", &question)?;
    let code = if answer.allowed { 0 } else { NO };
    Ok(Told::new(&answer, render::can(&answer)).with_code(code))
}

pub(super) fn permissions(daemon: &Daemon) -> Result<Told, Refusal> {
    let permissions: Permissions = daemon.ask("permissions", &Nothing {})?;
    Ok(Told::new(&permissions, render::permissions(&permissions)))
}
