//! Who belongs to the circle, as what, and under which name.

use ringmesh_api::circle::life::{Admin, Confirm, Nickname, Recover, Remove, Rename};
use ringmesh_api::circle::look::{Device, Whois};
use ringmesh_api::circle::{Code, Nothing, Refusal};

use super::ask::Daemon;
use super::flags::{self, Consent};
use super::{Told, ask_done, life, terminal};

/// Longest recovery key in a file, with whatever people write around it, in bytes.
const KEY_FILE_LEN_MAX: u64 = 4096;

pub(super) fn rename(daemon: &Daemon, name: &str) -> Result<Told, Refusal> {
    ask_done(daemon, "rename", &Rename { name: name.to_owned() })
}

pub(super) fn nickname(daemon: &Daemon, peer: &str, nickname: Option<&str>) -> Result<Told, Refusal> {
    let question = Nickname { peer: peer.to_owned(), nickname: nickname.map(str::to_owned) };
    ask_done(daemon, "nickname", &question)
}

pub(super) fn confirm(daemon: &Daemon, peer: &str) -> Result<Told, Refusal> {
    ask_done(daemon, "confirm", &Confirm { peer: peer.to_owned() })
}

pub(super) fn remove(daemon: &Daemon, flags: &flags::Remove) -> Result<Told, Refusal> {
    let (device, circle) = meant(daemon, &flags.peer)?;
    let stolen = if flags.distrust_all { "; nothing that it ever said counts any more" } else { "" };
    let preview = format!(
        "{} ({}) is removed from the circle {circle} for good: every device cuts it off{stolen}",
        device.name, device.role
    );
    terminal::agree(&preview, flags.consent.yes)?;
    // By its key: the name could mean another one by now.
    ask_done(daemon, "remove", &Remove { peer: device.key, distrust_all: flags.distrust_all })
}

/// The device that is meant, and the name of its circle.
fn meant(daemon: &Daemon, peer: &str) -> Result<(Device, String), Refusal> {
    let circle = life::circle(daemon)?;
    let device = daemon.ask("whois", &Whois { who: peer.to_owned() })?;
    Ok((device, circle.name))
}

pub(super) fn admin_add(daemon: &Daemon, peer: &str) -> Result<Told, Refusal> {
    ask_done(daemon, "admin", &Admin { peer: peer.to_owned(), admin: true })
}

pub(super) fn admin_remove(daemon: &Daemon, peer: &str, consent: Consent) -> Result<Told, Refusal> {
    let (device, circle) = meant(daemon, peer)?;
    let preview =
        format!("{} is no admin of the circle {circle} any more, and cannot be made one again", device.name);
    terminal::agree(&preview, consent.yes)?;
    ask_done(daemon, "admin", &Admin { peer: device.key, admin: false })
}

pub(super) fn key_rotate(daemon: &Daemon, consent: Consent) -> Result<Told, Refusal> {
    let circle = life::circle(daemon)?;
    let preview = format!(
        "This device ({}) gets a new WireGuard key; devices of the circle {} that are offline reach it again when they have heard of it",
        circle.device.name, circle.name
    );
    terminal::agree(&preview, consent.yes)?;
    ask_done(daemon, "key-rotate", &Nothing {})
}

pub(super) fn recover(daemon: &Daemon, flags: &flags::Recover) -> Result<Told, Refusal> {
    let key = match &flags.key_file {
        None => terminal::secret("The recovery key, as `up` showed it: ")?,
        Some(path) => key_file(path)?,
    };
    let question =
        Recover { key: key.trim().to_owned(), admin: flags.admin.clone(), remove: flags.remove.clone() };
    ask_done(daemon, "recover", &question)
}

fn key_file(path: &std::path::Path) -> Result<String, Refusal> {
    use std::io::Read;
    let file = std::fs::File::open(path);
    let mut text = String::new();
    let read = file.and_then(|file| file.take(KEY_FILE_LEN_MAX).read_to_string(&mut text));
    read.map(|_| text)
        .map_err(|error| Refusal::new(Code::Usage, format!("reading {}: {error}", path.display())))
}
