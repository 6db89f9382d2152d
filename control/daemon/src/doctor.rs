//! `ringmesh doctor`: what is wrong with this machine, in sentences, and what to do about each.
//!
//! It is a program of its own and changes nothing, so it works with a daemon that is broken or not there. Most checks come in two halves: one
//! reads what is, the other judges it and is pure.
//!
//! | file | what is looked at |
//! | --- | --- |
//! | `machine` | rights, `/dev/net/tun`, io_uring, nftables, limits |
//! | `state` | what circles have on the disk, and the clock beside it |
//! | `network` | addresses, MTU, the UDP port, beacons, firewalls of others |
//! | `naming` | whether names are answered, and whether the system asks us |
//! | `leftovers` | what a daemon or tunnel that died has left |
//!
//! **Invariant:** nothing is changed, nothing secret is shown, and nothing is waited for longer than [`PATIENCE`].

mod leftovers;
mod machine;
mod naming;
mod network;
mod state;

use std::time::Duration;

use ringmesh_api::circle::look::CircleStatus;
use ringmesh_api::circle::{Nothing, Reply};
use ringmesh_api::doctor::{Check, Report};

use crate::circle::{Paths, Unanswered, ask};

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks at everything. `kernel` is what the data plane says about the kernel.
#[must_use]
pub fn examine(paths: &Paths, kernel: &Result<(), String>) -> Report {
    let asked = ask::<_, CircleStatus>(paths, "status", &Nothing {}, PATIENCE);
    let circles = state::read(&paths.state);
    let wanted = circles.iter().any(|circle| circle.is_up());
    let mut checks = machine::checks(kernel);
    checks.push(daemon(&asked, wanted));
    let status = match asked {
        Ok(Reply::Ok(status)) => Some(status),
        Ok(Reply::Error(_)) | Err(_) => None,
    };
    checks.extend(state::checks(&paths.state, &circles));
    checks.extend(network::checks(status.as_ref()));
    checks.extend(naming::checks(status.as_ref()));
    checks.extend(leftovers::checks(paths, status.as_ref()));
    Report { version: env!("CARGO_PKG_VERSION").to_owned(), checks }
}

/// Whether the daemon answers; `wanted` if a circle is to be up on this machine.
fn daemon(asked: &Result<Reply<CircleStatus>, Unanswered>, wanted: bool) -> Check {
    let subject = "daemon";
    match asked {
        Ok(Reply::Ok(status)) => {
            let circle = status.circle.as_ref();
            let what = circle.map_or_else(
                || "no circle is up".to_owned(),
                |circle| format!("the circle {} is up", circle.name),
            );
            match circle.map(|circle| circle.notes.as_slice()).unwrap_or_default() {
                [] => Check::ok(subject, format!("the daemon answers (process {}), and {what}", status.pid)),
                notes => Check::warning(
                    subject,
                    format!("the daemon answers, and has to say: {}", notes.join("; ")),
                    "see `ringmesh status`, and the checks below",
                ),
            }
        }
        Ok(Reply::Error(refusal)) => Check::problem(
            subject,
            format!("the daemon does not say how it is: {}", refusal.message),
            "start it anew: `systemctl restart ringmesh`; packets flow on meanwhile",
        ),
        Err(Unanswered::NotRunning) if wanted => Check::problem(
            subject,
            "the daemon does not run, though a circle is to be up on this device",
            "start it: `systemctl start ringmesh`, or `ringmesh daemon`; its log says why it ended",
        ),
        Err(Unanswered::NotRunning) => Check::warning(
            subject,
            "the daemon does not run",
            "`ringmesh up` founds a circle, `ringmesh join` joins one",
        ),
        Err(Unanswered::NotAllowed) => Check::warning(
            subject,
            "the daemon may not be asked by this user",
            "run it with sudo, or join the group ringmesh",
        ),
        Err(error @ (Unanswered::Io(_) | Unanswered::TooLong)) => Check::problem(
            subject,
            error.to_string(),
            "start it anew: `systemctl restart ringmesh`; packets flow on meanwhile",
        ),
    }
}

#[cfg(test)]
mod tests;
