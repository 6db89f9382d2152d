//! `ringmesh demo`: devices become a circle, then two of them show what their tunnel carries; in one command and under a minute.

mod circle;
mod internet;
mod names;
mod permission;

use crate::implementations::{Implementation, Kind, Setting};
use crate::measure::host::Host;
use crate::namespaces::{self, Side};
use crate::pair::{Choice, Pair, PairPlan};
use crate::progress::Screen;
use crate::suite::{self, SuitePlan, Values};
use crate::table::Table;
use crate::{Error, Executables, Result, guard, needs};
use serde::Serialize;
use std::io::Write;
use std::process::{Command, ExitCode};

/// Shows a circle and a tunnel in network namespaces of this machine, with live progress and a table; leaves nothing behind.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// Print one JSON value instead of progress and a table.
    #[arg(long)]
    json: bool,
    /// Use another implementation in place of Ringmesh (wireguard-go, boringtun-cli, gotatun, kernel).
    #[arg(long, value_name = "NAME", hide = true, default_value = "ringmesh")]
    implementation: String,
}

/// Runs the demonstration; what `ringmesh demo` does.
pub fn run(args: &DemoArgs, executables: &Executables) -> ExitCode {
    let mut screen = Screen::new(args.json);
    match show(args, executables, &mut screen) {
        Ok(text) => {
            drop(screen);
            // Whoever closed the output wants no more of it.
            let _closed = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            drop(screen);
            let _closed = writeln!(std::io::stderr(), "ringmesh demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What a demonstration found, for machines.
#[derive(Debug, Serialize)]
struct Found {
    host: Host,
    /// How devices became a circle; nothing with another implementation.
    circle: Vec<circle::Step>,
    implementation: Implementation,
    values: Values,
    /// What the device says about itself, where it is ours.
    status: Option<serde_json::Value>,
}

fn show(args: &DemoArgs, executables: &Executables, screen: &mut Screen) -> Result<String> {
    needs::check_with("ringmesh demo", &[("nft", "nftables")])?;
    let eraser = screen.eraser();
    guard::on_signals(move || {
        eraser();
        let _closed = writeln!(std::io::stderr(), "interrupted; namespaces and processes are removed");
    });
    namespaces::sweep();
    let unknown = || Error::Needs(format!("there is no {} on this machine", args.implementation));
    let kind = Kind::named(&args.implementation).ok_or_else(unknown)?;
    let implementation = Implementation::find(kind, executables.ringmesh.as_deref()).ok_or_else(unknown)?;
    let circle = if kind == Kind::Ringmesh { circle::show(executables, screen)? } else { Vec::new() };
    screen.begin("two devices, two network namespaces, a tunnel");
    let choice = Choice { implementation: implementation.clone(), setting: Setting::default() };
    let pair = Pair::start(&PairPlan::of(&choice), executables)?;
    screen.end("up");
    let values = suite::run(&pair, &SuitePlan::quick(), screen)?;
    let found =
        Found { host: Host::here(), circle, implementation, values, status: status(&pair, executables) };
    Ok(if args.json { json(&found)? } else { text(&found, &pair) })
}

fn json(found: &Found) -> Result<String> {
    let text = serde_json::to_string_pretty(found).map_err(|error| Error::Traffic(error.to_string()))?;
    Ok(text + "\n")
}

fn text(found: &Found, pair: &Pair) -> String {
    let mut table = Table::new(["tunnel between two devices", "measured"]);
    for (metric, value) in &found.values {
        table.row(vec![metric.title(), metric.show(*value)]);
    }
    let mut lines = vec![
        format!("path: {} to {} over a veth pair", pair.endpoint(Side::A), pair.endpoint(Side::B)),
        format!("{}: {}", found.implementation.kind.name(), found.implementation.version),
        found.host.line(),
    ];
    // As `ringmesh status` names them: what the TUN device hands over whole, and what the workers use.
    for key in ["features", "tun_offloads"] {
        if let Some(words) = found.status.as_ref().and_then(|status| find(status, key)) {
            lines.insert(1, format!("{}: {}", key.replace('_', " "), flat(words)));
        }
    }
    format!("\n{}\n{}\n", table.text(), lines.join("\n"))
}

/// What `ringmesh status` says about device A; nothing if it is not ours, or does not say it in JSON.
fn status(pair: &Pair, executables: &Executables) -> Option<serde_json::Value> {
    let tunnel = pair.tunnel(Side::A);
    if tunnel.implementation().kind != Kind::Ringmesh {
        return None;
    }
    let output = Command::new(executables.ringmesh.as_ref()?)
        .args(["status", tunnel.interface(), "--json"])
        .output()
        .ok()?;
    serde_json::from_slice(&output.stdout).ok()
}

/// The first value under this key, however deep.
fn find<'a>(value: &'a serde_json::Value, key: &str) -> Option<&'a serde_json::Value> {
    match value {
        serde_json::Value::Object(map) => {
            map.get(key).or_else(|| map.values().find_map(|inner| find(inner, key)))
        }
        serde_json::Value::Array(list) => list.iter().find_map(|inner| find(inner, key)),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => None,
    }
}

/// Words of a list or the true fields of an object, in one line.
fn flat(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Array(list) => list.iter().map(flat).collect::<Vec<_>>().join(" "),
        serde_json::Value::Object(map) => {
            let held = map.iter().filter(|(_, value)| **value == serde_json::Value::Bool(true));
            held.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ")
        }
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {
            value.to_string()
        }
    }
}
