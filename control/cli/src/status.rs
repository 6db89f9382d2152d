//! `ringmesh status`: asks the daemon and every control process that answers, and says so where only a data plane is left.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::process::ExitCode;
use std::time::SystemTime;

use ringmesh_api::circle::Refusal;
use ringmesh_api::circle::look::CircleStatus;
use ringmesh_api::overview::Overview;
use ringmesh_api::{Answer, Request, Status};
use ringmesh_daemon::ifname::{IfName, run_dir};
use ringmesh_daemon::{Problem, ask};

use crate::circle::{line, own_status, refuse, status_text};
use crate::flags::StatusFlags;
use crate::{fail, print, render};

/// Prints what there is.
pub(crate) fn run(flags: &StatusFlags) -> ExitCode {
    if let Some(name) = &flags.ifname {
        let found = IfName::new(name).map_err(Problem::from).and_then(|name| {
            ringmesh_daemon::check_root()?;
            find(name)
        });
        return match found {
            Ok(found) => show(flags, None, &[found]),
            Err(problem) => fail(problem.exit_code(), &problem),
        };
    }
    let daemon = own_status();
    // Others than root see what the daemon tells them, and nothing else.
    if let (Err(refusal), Err(_)) = (&daemon, ringmesh_daemon::check_root()) {
        return refuse(refusal, flags.json);
    }
    let tunnels = match ringmesh_daemon::check_root() {
        Err(_) => Ok(Vec::new()),
        Ok(()) => names().and_then(|names| names.into_iter().map(find).collect()),
    };
    match tunnels {
        Ok(found) => show(flags, Some(&daemon), &found),
        Err(problem) => fail(problem.exit_code(), &problem),
    }
}

/// One name and what was found behind it.
enum Found {
    Running(Box<Status>),
    /// Its control process is gone, and perhaps its data plane too.
    Silent(IfName),
}

fn find(name: IfName) -> Result<Found, Problem> {
    match ask(&name.api_socket(), &Request::Status) {
        Ok(Answer::Status(status)) => Ok(Found::Running(status)),
        Ok(Answer::Error(text)) => Err(Problem::Usage(format!("{name}: {text}"))),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            if name.plane_socket().exists() {
                return Ok(Found::Silent(name));
            }
            Err(Problem::Usage(format!("no tunnel `{name}` is running; `ringmesh tunnel {name}` starts one")))
        }
        Err(error) => Err(Problem::Os { what: "asking the tunnel", error }),
    }
}

/// Every name that has a socket of ours.
fn names() -> Result<BTreeSet<IfName>, Problem> {
    let entries = match std::fs::read_dir(run_dir()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(Problem::Os { what: "reading the directory of our sockets", error }),
    };
    let name = |entry: io::Result<std::fs::DirEntry>| {
        let entry = entry.ok().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_socket()))?;
        let file = entry.file_name().into_string().ok()?;
        IfName::new(file.strip_suffix(".api.sock").or_else(|| file.strip_suffix(".plane.sock"))?).ok()
    };
    Ok(entries.filter_map(name).collect())
}

fn show(flags: &StatusFlags, daemon: Option<&Result<CircleStatus, Refusal>>, found: &[Found]) -> ExitCode {
    if flags.json {
        let overview = overview(daemon, found);
        return match serde_json::to_string_pretty(&overview) {
            Ok(text) => print(&(text + "\n")),
            Err(error) => fail(1, &error),
        };
    }
    let daemon = daemon.map(|daemon| match daemon {
        Ok(status) => status_text(status),
        Err(refusal) => format!("daemon: {}\n", line(refusal)),
    });
    let tunnels = found.iter().map(Found::text);
    let texts: Vec<_> = daemon.into_iter().chain(tunnels).collect();
    print(&texts.join("\n"))
}

fn overview(daemon: Option<&Result<CircleStatus, Refusal>>, found: &[Found]) -> Overview {
    let mut notes = Vec::new();
    if let Some(Err(refusal)) = daemon {
        notes.push(line(refusal));
    }
    if ringmesh_daemon::check_root().is_err() {
        notes.push("tunnels are shown to root only".to_owned());
    }
    notes.extend(found.iter().filter_map(Found::note));
    Overview {
        daemon: daemon.and_then(|daemon| daemon.as_ref().ok()).cloned(),
        tunnels: found.iter().filter_map(Found::running).cloned().collect(),
        notes,
    }
}

impl Found {
    fn running(&self) -> Option<&Status> {
        match self {
            Self::Running(status) => Some(status),
            Self::Silent(_) => None,
        }
    }

    fn note(&self) -> Option<String> {
        match self {
            Self::Running(_) => None,
            Self::Silent(name) => Some(format!("the control process of {name} does not run")),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Running(status) => render::status(status, now_secs()),
            Self::Silent(name) => format!(
                "interface: {name}\n  control: not running; `ringmesh tunnel {name}` takes the tunnel over again\n"
            ),
        }
    }
}

#[allow(clippy::disallowed_methods)] // The command line is a main: this is where its clock is read.
fn now_secs() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
