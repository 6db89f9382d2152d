//! The first part of the demonstration: devices that share no network become a circle, by a beacon that none of them trusts.
//!
//! **Invariant:** what is shown is what the commands answered, and every one is a command that a person can type.

use super::internet::Internet;
use super::{names, permission};
use crate::device::Device;
use crate::progress::Screen;
use crate::{Error, Executables, Result, clock};
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

/// What every device calls one of them.
const NAME: &str = "nas.home.internal";
/// How long news may take to arrive.
pub(super) const LIMIT: Duration = Duration::from_secs(10);

/// One thing that was done.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Step {
    /// What, as a command or in words.
    what: String,
    /// What came of it.
    result: String,
    /// How long it took, in seconds.
    secs: f64,
}

/// Does everything, and tells each step as it is done.
///
/// # Errors
/// When a command fails.
pub(super) fn show(files: &Executables, screen: &mut Screen) -> Result<Vec<Step>> {
    let mut story = Story { screen, steps: Vec::new() };
    let mut internet = Internet::create()?;
    let url = story.step("a beacon: `ringmesh beacon`", || {
        let url = internet.start_beacon(files)?;
        Ok((url.clone(), format!("{url}: knows where devices are, and can read nothing of what it keeps")))
    })?;
    let mut device = |name| Device::create(name, internet.plug()?, files);
    let (desk, nas, laptop) = (device("desk")?, device("nas")?, device("laptop")?);
    story.step("desk: `ringmesh up --name desk --beacon …`", || {
        let upped = desk.ask(&format!("up --name desk --circle home --beacon {url}"), "")?;
        let key = if upped["recovery_key"].is_string() { "; its recovery key is shown once" } else { "" };
        Ok(((), format!("founded the circle home as {}{key}", first_address(&upped))))
    })?;
    let code = story.step("desk: `ringmesh invite --uses 2`", || {
        let invited = desk.ask("invite --uses 2", "")?;
        let code = text(&invited["code"]);
        Ok((code, "a code for two devices of mine, good for a day".to_owned()))
    })?;
    for joiner in [&nas, &laptop] {
        story.step(&format!("{}: `ringmesh join`", joiner.name), || join(joiner, &code))?;
    }
    story.step("laptop: `ringmesh ping nas`", || {
        let pong = laptop.ask("ping nas --timeout 20s", "")?;
        let time = pong["round_trip_ms"].as_f64().unwrap_or_default();
        let way = way(&laptop)?;
        Ok(((), format!("{} answered after {time:.2} ms, straight from {way}", text(&pong["address"]))))
    })?;
    let resolver = first_address(&laptop.ask("whois laptop", "")?);
    story.step(&format!("laptop: where is {NAME}?"), || {
        let address = names::ask(&laptop, &resolver, NAME)?;
        Ok(((), format!("at {address}, says this device's own resolver")))
    })?;
    story.step("laptop: `ringmesh log --verify`", || {
        let log = laptop.ask("log --verify", "")?;
        Ok(((), format!("{} signed records, all checked by this device itself", log["verified"]["sound"])))
    })?;
    permission::show(&mut story, &desk, &device("friend")?)?;
    story.step("desk: `ringmesh remove laptop`", || removed(&desk, &nas))?;
    Ok(story.steps)
}

pub(super) fn join(device: &Device, code: &str) -> Result<((), String)> {
    let joined = device.ask(&format!("join - --name {}", device.name), code)?;
    if joined["member"] == Value::Bool(true) {
        return Ok(((), format!("is {} now, as {}", first_address(&joined), text(&joined["role"]))));
    }
    Err(Error::Tunnel(format!("{} waits for {}", device.name, text(&joined["waits_for"]))))
}

/// Where the tunnel to `nas` goes, as soon as that is known.
fn way(device: &Device) -> Result<String> {
    let look = || {
        let known = device.ask("whois nas", "").ok()?;
        known["path"]["endpoint"].as_str().map(str::to_owned)
    };
    let none = || Error::Tunnel("nobody knows where nas is".to_owned());
    clock::until(LIMIT, look).ok_or_else(none)
}

/// An admin removes a device; the other one must hear of it.
fn removed(admin: &Device, other: &Device) -> Result<((), String)> {
    admin.ask("remove laptop --yes", "")?;
    let heard = || {
        let known = other.output("whois laptop", "").ok()?;
        (!known.status.success()).then_some(())
    };
    let none = || Error::Tunnel(format!("{} did not hear of it", other.name));
    clock::until(LIMIT, heard).ok_or_else(none)?;
    Ok(((), format!("it is cut off, also by {}", other.name)))
}

/// What was shown so far.
pub(super) struct Story<'a> {
    screen: &'a mut Screen,
    steps: Vec<Step>,
}

impl Story<'_> {
    /// One step: tells that it begins, does it, and tells what came of it.
    pub(super) fn step<T>(&mut self, what: &str, work: impl FnOnce() -> Result<(T, String)>) -> Result<T> {
        self.screen.begin(what);
        let start = clock::now();
        let (value, result) = work()?;
        let secs = (clock::now() - start).as_secs_f64();
        self.screen.end(&format!("{result} ({secs:.1} s)"));
        self.steps.push(Step { what: what.to_owned(), result, secs });
        Ok(value)
    }
}

pub(super) fn first_address(answer: &Value) -> String {
    text(&answer["addresses"][0])
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or("(nothing)").to_owned()
}
