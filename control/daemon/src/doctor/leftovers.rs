//! What a daemon or tunnel that died has left behind.

use std::fs;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use ringmesh_api::circle::look::CircleStatus;
use ringmesh_api::doctor::Check;

use crate::circle::Paths;
use crate::ifname::IfName;
use crate::names::resolv_conf::Whose;

/// What circles' interfaces and tables begin with.
const INTERFACE: &str = "rm-";
const TABLE: &str = "ringmesh-";

/// All checks of this file.
pub(super) fn checks(paths: &Paths, status: Option<&CircleStatus>) -> Vec<Check> {
    let files = crate::names::files(&paths.state);
    let kept = files.kept().exists().then(|| files.kept().display().to_string());
    let target = files.target().display().to_string();
    let nameless = fs::read(files.target()).is_ok_and(|content| content.is_empty());
    let whose = if nameless { Whose::Other } else { files.whose() };
    let circle = status.and_then(|status| status.circle.as_ref());
    let up = circle.map(|circle| (circle.name.as_str(), circle.interface.as_str()));
    let mut checks = vec![resolv_conf(whose, &target, kept.as_deref(), status.is_some())];
    checks.push(interfaces(&dead_interfaces(), up.map(|(_, interface)| interface)));
    checks.push(tables(&our_tables(), up.map(|(name, _)| name), status.is_some()));
    checks
}

fn resolv_conf(whose: Whose, target: &str, kept: Option<&str>, daemon: bool) -> Check {
    let subject = "resolv.conf";
    let back = kept.map_or_else(
        || format!("write the nameservers of your network into {target}"),
        |kept| format!("start the daemon, which puts it back; by hand: `cp -P {kept} {target}`"),
    );
    match (whose, daemon) {
        (Whose::Ours, false) => Check::problem(
            subject,
            format!("{target} asks a daemon that does not run, so programs find no names at all"),
            back,
        ),
        (Whose::Edited, _) => Check::warning(
            subject,
            format!("{target} was written by ringmesh and edited since, so ringmesh leaves it alone"),
            kept.map_or(back.clone(), |kept| {
                format!(
                    "when you need your edits no more: `cp -P {kept} {target}`, and `ringmesh down` and `up`"
                )
            }),
        ),
        (Whose::Ours, true) => {
            Check::ok(subject, format!("{target} is ours, and the daemon that answers runs"))
        }
        (Whose::Other, _) => Check::ok(subject, format!("{target} is not ours")),
    }
}

/// Interfaces of circles whose tunnel does not answer.
fn dead_interfaces() -> Vec<String> {
    let entries = fs::read_dir("/sys/class/net").into_iter().flatten().filter_map(Result::ok);
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let dead = |name: &String| {
        let socket = IfName::new(name).map(|name| name.wg_socket());
        name.starts_with(INTERFACE) && socket.is_ok_and(|socket| UnixStream::connect(socket).is_err())
    };
    names.filter(dead).collect()
}

/// `up` is the interface of the circle that is up; its tunnel is looked at elsewhere, and the daemon starts it anew.
fn interfaces(dead: &[String], up: Option<&str>) -> Check {
    let subject = "interfaces";
    match dead.iter().find(|name| Some(name.as_str()) != up) {
        Some(name) => Check::warning(
            subject,
            format!("the interface {name} is left of a tunnel whose control process does not answer"),
            format!("`ringmesh tunnel {name}` takes it over again, `ip link delete {name}` removes it"),
        ),
        None => Check::ok(subject, "no interface is left of a tunnel that is gone"),
    }
}

/// Names of circles that have a table of ours in the kernel; empty where they cannot be read.
fn our_tables() -> Vec<String> {
    let output = Command::new("nft").args(["list", "tables", "inet"]).stdin(Stdio::null()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    circles_of_tables(&text)
}

fn circles_of_tables(text: &str) -> Vec<String> {
    let table = |line: &str| line.trim().strip_prefix("table inet ")?.strip_prefix(TABLE).map(str::to_owned);
    text.lines().filter_map(table).collect()
}

/// A table without its circle. While the daemon is gone the tables stay in force, as they should.
fn tables(circles: &[String], up: Option<&str>, daemon: bool) -> Check {
    let subject = "packet filter";
    match circles.iter().find(|circle| daemon && Some(circle.as_str()) != up) {
        Some(circle) => Check::warning(
            subject,
            format!("the table inet {TABLE}{circle} is left of the circle {circle}, which is not up"),
            format!("`nft delete table inet {TABLE}{circle}`"),
        ),
        None => Check::ok(subject, "no table of packet filter is left of a circle that is down"),
    }
}

#[cfg(test)]
mod tests;
