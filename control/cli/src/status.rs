//! `ringmesh status`: asks every control process that answers, and says so where only a data plane is left.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::process::ExitCode;
use std::time::SystemTime;

use ringmesh_api::{Answer, Request, Status};
use ringmesh_daemon::ifname::{IfName, run_dir};
use ringmesh_daemon::{Problem, ask};

use crate::flags::StatusFlags;
use crate::{fail, print, render};

/// Prints what there is.
pub(crate) fn run(flags: &StatusFlags) -> ExitCode {
    match gather(flags) {
        Ok(found) => show(flags, &found),
        Err(problem) => fail(problem.exit_code(), &problem),
    }
}

/// One name and what was found behind it.
enum Found {
    Running(Box<Status>),
    /// Its control process is gone, and perhaps its data plane too.
    Silent(IfName),
}

fn gather(flags: &StatusFlags) -> Result<Vec<Found>, Problem> {
    let asked = flags.ifname.as_deref().map(IfName::new).transpose()?;
    ringmesh_daemon::check_root()?;
    match asked {
        Some(name) => find(name).map(|found| vec![found]),
        None => names()?.into_iter().map(find).collect(),
    }
}

fn find(name: IfName) -> Result<Found, Problem> {
    match ask(&name.api_socket(), &Request::Status) {
        Ok(Answer::Status(status)) => Ok(Found::Running(status)),
        Ok(Answer::Stun(_)) => Err(Problem::Usage(format!("{name}: it answers what was not asked"))),
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

fn show(flags: &StatusFlags, found: &[Found]) -> ExitCode {
    if flags.json {
        let running: Vec<_> = found.iter().filter_map(Found::running).collect();
        return match serde_json::to_string_pretty(&running) {
            Ok(text) => print(&(text + "\n")),
            Err(error) => fail(1, &error),
        };
    }
    let texts: Vec<_> = found.iter().map(Found::text).collect();
    print(if texts.is_empty() { "no tunnel is running\n" } else { "" });
    print(&texts.join("\n"))
}

impl Found {
    fn running(&self) -> Option<&Status> {
        match self {
            Self::Running(status) => Some(status),
            Self::Silent(_) => None,
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
