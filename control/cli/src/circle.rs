//! The commands of a circle: each asks the daemon one thing and tells its answer.
//!
//! `flags` defines them; `life`, `members`, `look` and `permit` are what each does; `ask` speaks to the daemon, `start` starts it, `terminal`
//! speaks to the person, and `render` puts answers into words.
//!
//! **Invariant:** nothing is decided here: what may be done, the daemon says.

mod ask;
pub(crate) mod flags;
mod life;
mod look;
mod members;
mod permit;
mod qr;
mod render;
mod span;
mod start;
mod terminal;

use std::process::ExitCode;

use ringmesh_api::circle::{Done, Refusal, Reply};
use serde::Serialize;

use crate::{fail, print};
pub(crate) use ask::line;
use ask::{Daemon, exit_code};
use flags::{Admin, Key, Output, Verb};
pub(crate) use look::{own_status, status_text};

/// What a command has to say in the end.
struct Told {
    json: serde_json::Value,
    text: String,
    /// 0, unless the answer itself is one that a script wants to know from the exit code.
    code: u8,
}

impl Told {
    /// The daemon's answer, and the same in words.
    fn new(answer: &impl Serialize, text: impl Into<String>) -> Self {
        // Our own types: they have no maps with odd keys.
        let json = serde_json::to_value(answer).unwrap_or_default();
        Self { json, text: render::clean(&text.into()), code: 0 }
    }

    /// An answer that is a sentence.
    fn done(done: &Done) -> Self {
        Self::new(done, format!("{}\n", render::sentence(&done.sentence)))
    }

    /// The same, ending with another exit code.
    fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }
}

/// Does what a command says.
pub(crate) fn run(verb: &Verb) -> ExitCode {
    let (Output { json }, told) = told(verb, &Daemon::here());
    match told {
        Err(refusal) => refuse(&refusal, json),
        Ok(Told { json: answer, code, .. }) if json => show(&format!("{answer}\n"), code),
        Ok(Told { text, code, .. }) => show(&text, code),
    }
}

/// An answer that nobody could be shown is a failure.
fn show(text: &str, code: u8) -> ExitCode {
    let shown = print(text);
    if code == 0 { shown } else { ExitCode::from(code) }
}

/// Tells a refusal, to a script on standard output too.
pub(crate) fn refuse(refusal: &Refusal, json: bool) -> ExitCode {
    if json && let Ok(text) = serde_json::to_string(&Reply::<()>::Error(refusal.clone())) {
        print(&(text + "\n"));
    }
    fail(exit_code(refusal.code), &render::clean(&line(refusal)))
}

fn told(verb: &Verb, daemon: &Daemon) -> (Output, Result<Told, Refusal>) {
    match verb {
        Verb::Up(up) => (up.output, life::up(daemon, up)),
        Verb::Invite(invite) => (invite.output, life::invite(daemon, invite)),
        Verb::Cancel { id, output } => (*output, life::cancel(daemon, id)),
        Verb::Join(join) => (join.output, life::join(daemon, join)),
        Verb::Leave { force, consent, output } => (*output, life::leave(daemon, *force, *consent)),
        Verb::Down { daemon: too, output } => (*output, life::down(daemon, *too)),
        Verb::Rename { name, output } => (*output, members::rename(daemon, name)),
        Verb::Nickname { peer, nickname, clear: _, output } => {
            (*output, members::nickname(daemon, peer, nickname.as_deref()))
        }
        Verb::Remove(remove) => (remove.output, members::remove(daemon, remove)),
        Verb::Confirm { peer, output } => (*output, members::confirm(daemon, peer)),
        Verb::Key(Key::Rotate { consent, output }) => (*output, members::key_rotate(daemon, *consent)),
        Verb::Admin(Admin::Add { peer, output }) => (*output, members::admin_add(daemon, peer)),
        Verb::Admin(Admin::Remove { peer, consent, output }) => {
            (*output, members::admin_remove(daemon, peer, *consent))
        }
        Verb::Recover(recover) => (recover.output, members::recover(daemon, recover)),
        Verb::Peers { output } => (*output, look::peers(daemon)),
        Verb::Whois { who, output } => (*output, look::whois(daemon, who)),
        Verb::Ping { peer, timeout, output } => (*output, look::ping(daemon, peer, *timeout)),
        Verb::Wait { peer, timeout, output } => (*output, look::wait(daemon, peer.as_deref(), *timeout)),
        Verb::Log { verify, last, output } => (*output, look::log(daemon, *verify, *last)),
        Verb::Allow { peer, what, lasting, preview, output } => {
            (*output, permit::allow(daemon, peer, what, *lasting, *preview, output.json))
        }
        Verb::Deny { peer, what, preview, output } => {
            (*output, permit::deny(daemon, peer, what, *preview, output.json))
        }
        Verb::Can { peer, target, what, output } => {
            (*output, permit::can(daemon, peer, target, what.as_deref()))
        }
        Verb::Permissions { output } => (*output, permit::permissions(daemon)),
    }
}

/// Asks something that is answered with a sentence.
fn ask_done(daemon: &Daemon, verb: &str, question: &impl Serialize) -> Result<Told, Refusal> {
    daemon.ask(verb, question).map(|done| Told::done(&done))
}
