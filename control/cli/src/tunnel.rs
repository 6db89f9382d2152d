//! `ringmesh tunnel`.

use std::process::ExitCode;

use ringmesh_daemon::ifname::IfName;
use ringmesh_daemon::{Options, Problem};

use crate::flags::TunnelFlags;
use crate::{fail, log};

/// Runs the tunnel, or starts the daemon that does and waits until it answers.
pub(crate) fn run(flags: &TunnelFlags) -> ExitCode {
    let done = match check(flags) {
        Err(problem) => Err(problem),
        Ok(name) if flags.foreground || flags.daemon => {
            log(if flags.daemon { "warn" } else { "info" });
            ringmesh_daemon::run(options(flags, name)).map(|()| ExitCode::SUCCESS)
        }
        Ok(_) => ringmesh_daemon::daemonize(&daemon_args(flags)),
    };
    done.unwrap_or_else(|problem| fail(problem.exit_code(), &problem))
}

/// What can be known before anything is made, so that the answer is at once and on the terminal.
fn check(flags: &TunnelFlags) -> Result<IfName, Problem> {
    let name = IfName::new(&flags.ifname)?;
    ringmesh_daemon::check_root()?;
    ringmesh_worker::probe().map_err(Problem::Kernel)?;
    Ok(name)
}

fn options(flags: &TunnelFlags, name: IfName) -> Options {
    Options {
        name,
        workers: flags.workers,
        mtu: flags.mtu,
        daemon: flags.daemon,
        stun: flags.stun,
        drop_names: ringmesh_worker::drop_names(),
        feature_names: ringmesh_worker::feature_names(),
    }
}

/// The same flags for the daemon. None of them is secret, since everybody can read a command line.
fn daemon_args(flags: &TunnelFlags) -> Vec<String> {
    let mut args = vec!["tunnel".to_owned(), "--daemon".to_owned()];
    args.extend(flags.workers.map(|workers| format!("--workers={workers}")));
    args.extend(flags.mtu.map(|mtu| format!("--mtu={mtu}")));
    args.extend(flags.stun.then(|| "--stun".to_owned()));
    args.extend(["--".to_owned(), flags.ifname.clone()]);
    args
}
