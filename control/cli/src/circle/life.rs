//! A circle begins, goes on and ends on this device.

use ringmesh_api::circle::life::{Cancel, Down, Invite, Invited, Join, Joined, Leave, Up, Upped};
use ringmesh_api::circle::look::{CircleState, CircleStatus};
use ringmesh_api::circle::{Code, Done, Nothing, Refusal};

use super::ask::{Daemon, exit_code};
use super::flags::{self, Consent};
use super::{Told, ask_done, qr, render, start, terminal};

/// How long taking a circle up or ending it may take, in seconds: a tunnel starts, or both of its processes end.
const TUNNEL_SECS: u64 = 30;

pub(super) fn up(daemon: &Daemon, flags: &flags::Up) -> Result<Told, Refusal> {
    tell(start::ensure(daemon)?);
    let question = Up {
        name: flags.name.clone(),
        circle: flags.circle.clone(),
        beacons: flags.beacons.clone(),
        resume_only: !flags.output.json && !terminal::shows(),
    };
    let upped: Upped = daemon.ask_slowly("up", &question, TUNNEL_SECS, "taking the circle up")?;
    Ok(Told::new(&upped, render::upped(&upped)))
}

/// What was done before the answer itself.
fn tell(said: Option<String>) {
    if let Some(said) = said {
        terminal::say(&format!("{said}\n"));
    }
}

pub(super) fn invite(daemon: &Daemon, flags: &flags::Invite) -> Result<Told, Refusal> {
    let json = flags.output.json;
    let seen = terminal::shows();
    if !json && !flags.qr && !seen {
        let sentence = "whoever has the code gets in, so it is printed to a terminal only";
        return Err(Refusal::new(Code::Usage, sentence).fix("say --json or --qr to print it anyway"));
    }
    let question = Invite { guest: flags.guest, uses: flags.uses, for_secs: flags.lasting };
    let invited: Invited = daemon.ask("invite", &question)?;
    let mut told = Told::new(&invited, render::invited(&invited, flags.lasting));
    if !flags.no_qr
        && let Some(code) = qr::draw(&invited.link, seen)
    {
        told.text.push('\n');
        told.text.push_str(&code);
    }
    Ok(told)
}

pub(super) fn cancel(daemon: &Daemon, id: &str) -> Result<Told, Refusal> {
    ask_done(daemon, "cancel", &Cancel { id: id.to_owned() })
}

pub(super) fn join(daemon: &Daemon, flags: &flags::Join) -> Result<Told, Refusal> {
    let typed = flags.code.join(" ");
    let code = match typed.as_str() {
        "" | "-" => terminal::secret("The invite's code or link: ")?,
        _ => typed,
    };
    tell(start::ensure(daemon)?);
    let question = Join { code, name: flags.name.clone(), wait_secs: flags.wait };
    let doing = "joining; waiting for a member or a beacon";
    let joined: Joined = daemon.ask_slowly("join", &question, TUNNEL_SECS + flags.wait, doing)?;
    let code = if joined.member { 0 } else { exit_code(Code::Timeout) };
    Ok(Told::new(&joined, render::joined(&joined)).with_code(code))
}

pub(super) fn leave(daemon: &Daemon, force: bool, consent: Consent) -> Result<Told, Refusal> {
    let circle = circle(daemon)?;
    let preview = format!(
        "This device ({}) leaves the circle {} and forgets it, its keys included; only a new invite lets it in again",
        circle.device.name, circle.name
    );
    terminal::agree(&preview, consent.yes)?;
    let done = daemon.ask_slowly("leave", &Leave { force }, TUNNEL_SECS, "leaving the circle")?;
    Ok(Told::done(&done))
}

/// The circle that is up, for a preview.
pub(super) fn circle(daemon: &Daemon) -> Result<CircleState, Refusal> {
    let status: CircleStatus = daemon.ask("status", &Nothing {})?;
    let none = || {
        Refusal::new(Code::NotUp, "no circle is up on this device")
            .fix("`ringmesh up` founds one or takes one up again, `ringmesh join` joins one")
    };
    status.circle.ok_or_else(none)
}

pub(super) fn down(daemon: &Daemon, too: bool) -> Result<Told, Refusal> {
    let process = if too { Some(start::process(daemon)?) } else { None };
    let done: Done = daemon.ask_slowly("down", &Down { daemon: too }, TUNNEL_SECS, "ending the tunnel")?;
    process.as_ref().map_or(Ok(()), start::wait_for_end)?;
    Ok(Told::done(&done))
}
