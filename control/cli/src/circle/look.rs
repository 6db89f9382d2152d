//! Looking: how the circle is, who is in it, what was said in it.

use ringmesh_api::circle::look::{CircleStatus, Device, Log, Peers, Ping, Pong, ShowLog, Wait, Whois};
use ringmesh_api::circle::{Nothing, Refusal};

use super::ask::{Daemon, NO};
use super::{Told, render};

pub(super) fn peers(daemon: &Daemon) -> Result<Told, Refusal> {
    let peers: Peers = daemon.ask("peers", &Nothing {})?;
    Ok(Told::new(&peers, render::peers(&peers)))
}

pub(super) fn whois(daemon: &Daemon, who: &str) -> Result<Told, Refusal> {
    let device: Device = daemon.ask("whois", &Whois { who: who.to_owned() })?;
    Ok(Told::new(&device, render::device(&device)))
}

pub(super) fn ping(daemon: &Daemon, peer: &str, secs: u64) -> Result<Told, Refusal> {
    let question = Ping { peer: peer.to_owned(), wait_ms: secs.saturating_mul(1000) };
    let pong: Pong = daemon.ask_slowly("ping", &question, secs, &format!("waiting for {peer} to answer"))?;
    Ok(Told::new(&pong, render::pong(&pong)))
}

pub(super) fn wait(daemon: &Daemon, peer: Option<&str>, secs: u64) -> Result<Told, Refusal> {
    let doing = peer.map_or_else(
        || "waiting to belong to the circle".to_owned(),
        |peer| format!("waiting for {peer} to be online"),
    );
    let question = Wait { peer: peer.map(str::to_owned), wait_secs: secs };
    let done = daemon.ask_slowly("wait", &question, secs, &doing)?;
    Ok(Told::done(&done))
}

pub(super) fn log(daemon: &Daemon, verify: bool, last: Option<usize>) -> Result<Told, Refusal> {
    let question = ShowLog { verify, last: last.unwrap_or(0) };
    // A long history takes seconds to check.
    let log: Log = daemon.ask_slowly("log", &question, 60, "reading the circle's history")?;
    let odd = log.verified.as_ref().is_some_and(|verified| !verified.findings.is_empty());
    Ok(Told::new(&log, render::log(&log)).with_code(if odd { NO } else { 0 }))
}

/// What the daemon of this device says about itself and its circle.
pub(crate) fn own_status() -> Result<CircleStatus, Refusal> {
    Daemon::here().ask("status", &Nothing {})
}

/// The same in words.
pub(crate) fn status_text(status: &CircleStatus) -> String {
    render::clean(&render::status(status))
}
