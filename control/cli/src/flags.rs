//! Every flag: the one definition behind parsing, help, man pages and completion.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use ringmesh_daemon::{MTU_RANGE, WORKERS_MAX};
use ringmesh_lab::{bench::BenchArgs, demo::DemoArgs, traffic::TrafficArgs};

use crate::circle::flags::Verb;

/// A private network between the devices that you trust, over WireGuard, with no company in the middle.
#[derive(Debug, Parser)]
#[command(name = "ringmesh", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub(crate) struct Flags {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Circle(Verb),
    /// Show the circle and all running tunnels: processes, peers, traffic, what holds and what was dropped.
    #[command(after_help = STATUS_HELP)]
    Status(StatusFlags),
    /// Run the daemon in the foreground: it keeps this device in its circle, and answers the other commands.
    #[command(after_help = DAEMON_HELP)]
    Daemon(DaemonFlags),
    /// Start a tunnel that `wg` and `wg-quick` configure.
    Tunnel(TunnelFlags),
    /// Say what is wrong with this machine, in sentences, and what to do about it.
    Doctor(crate::doctor::DoctorFlags),
    /// Run a beacon: where devices of a circle find each other. Trusted by nobody.
    Beacon(ringmesh_beacon::Options),
    /// See devices become a circle, and what their tunnel carries, with nothing to configure.
    Demo(DemoArgs),
    /// Measure this and other implementations against each other.
    Bench(BenchArgs),
    /// Print the completion script of a shell.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write the pages of all commands.
    Man {
        /// Write one file per command into this directory.
        directory: Option<PathBuf>,
    },
    /// The data plane's process; only `tunnel` starts it.
    #[command(hide = true)]
    Dataplane {
        /// The socket to the control process.
        #[arg(long, value_parser = clap::value_parser!(i32).range(0..))]
        link_fd: i32,
    },
    /// One traffic process of `demo` and `bench`.
    #[command(name = ringmesh_lab::traffic::SUBCOMMAND, hide = true)]
    Traffic(TrafficArgs),
}

#[derive(Args, Debug)]
#[command(after_help = TUNNEL_HELP)]
pub(crate) struct TunnelFlags {
    /// The interface to make, for example wg0.
    pub(crate) ifname: String,
    /// Stay in the foreground and log to standard error.
    #[arg(short, long)]
    pub(crate) foreground: bool,
    /// Worker threads of the data plane [default: one per core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(WORKERS_MAX)))]
    pub(crate) workers: Option<u32>,
    /// The interface's MTU in bytes [default: 1420].
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u16).range(mtu_range()))]
    pub(crate) mtu: Option<u16>,
    /// Answer STUN binding requests that arrive on the tunnel's UDP port.
    #[arg(long)]
    pub(crate) stun: bool,
    /// This is the daemon that a first process has started and waits for.
    #[arg(long, hide = true)]
    pub(crate) daemon: bool,
}

#[derive(Args, Debug)]
pub(crate) struct StatusFlags {
    /// Only the tunnel of this interface.
    pub(crate) ifname: Option<String>,
    /// Print JSON: {"daemon": … or null, "tunnels": […], "notes": […]}.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct DaemonFlags {
    /// This is the daemon that `up` or `join` has started and waits for.
    #[arg(long, hide = true)]
    pub(crate) detached: bool,
}

/// Start a WireGuard interface for wg-quick.
#[derive(Debug, Parser)]
#[command(name = "ringmesh-wg", version, after_help = EXIT_CODES)]
pub(crate) struct WgFlags {
    /// Stay in the foreground and log to standard error.
    #[arg(short, long)]
    foreground: bool,
    /// The interface to make.
    ifname: String,
}

impl WgFlags {
    /// The same, said to `ringmesh tunnel`.
    pub(crate) fn tunnel(self) -> TunnelFlags {
        let Self { foreground, ifname } = self;
        TunnelFlags { ifname, foreground, workers: None, mtu: None, stun: false, daemon: false }
    }
}

fn mtu_range() -> std::ops::RangeInclusive<i64> {
    i64::from(*MTU_RANGE.start())..=i64::from(*MTU_RANGE.end())
}

const EXIT_CODES: &str = "\
Exit codes:
   0  done
   1  it failed while running, or you were asked and did not agree
   2  wrong flags or names
   3  root is needed, or the group `ringmesh`
   4  the name is taken
   5  the system lacks something (/dev/net/tun, io_uring)
   6  the daemon does not run, or no circle is up
   7  nobody is called that
   8  the circle's rules forbid it: only an admin may, or the invite lets nobody in
   9  it took too long
  10  the answer is no (`can`), or something was found (`log --verify`)
Each error is one line on standard error that says what to do. With --json the answer is JSON on standard output, and so \
is a refusal: {\"error\": {\"code\", \"message\", \"fix\"}}.";

const STATUS_HELP: &str = "\
Examples:
  ringmesh status
  sudo ringmesh status rm-home
  ringmesh status --json | jq -r .daemon.circle.device.addresses[]
Only root sees tunnels. `notes` in the JSON tells what is missing in it.";

const DAEMON_HELP: &str = "\
Stays in the foreground and logs to standard error (more with RINGMESH_LOG=debug). `ringmesh up` starts one in the background, by \
systemd where there is a unit `ringmesh`. Its files lie in /var/lib/ringmesh and /run/ringmesh, or where RINGMESH_STATE and \
RINGMESH_RUN say. At SIGTERM it ends, and tunnels go on; `ringmesh down` ends them.

Programs ask it as the commands do, over its unix socket, as root or a member of the group `ringmesh`:
  curl --unix-socket /run/ringmesh/ringmesh.sock http://ringmesh/v1/status -d '{}'

Own devices reach each other; a guest may do nothing until it is allowed (`allow`). The packet filter nft(8) holds that.";

const TUNNEL_HELP: &str = "\
Returns when the interface answers to `wg`. Configure it with `wg setconf`, or let wg-quick do all of it:
  ln -s \"$(command -v ringmesh)\" /usr/local/bin/ringmesh-wg
  WG_QUICK_USERSPACE_IMPLEMENTATION=ringmesh-wg wg-quick up wg0
It ends with `ip link delete IFNAME`, when /var/run/wireguard/IFNAME.sock is removed, or at SIGTERM. RINGMESH_LOG=debug
makes --foreground tell more.";

#[cfg(test)]
mod tests;
