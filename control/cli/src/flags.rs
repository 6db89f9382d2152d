//! Every flag: the one definition behind parsing, help, man pages and completion.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use ringmesh_daemon::{MTU_RANGE, WORKERS_MAX};
use ringmesh_lab::{bench::BenchArgs, demo::DemoArgs, traffic::TrafficArgs};

/// A WireGuard tunnel with a data plane of its own.
#[derive(Debug, Parser)]
#[command(name = "ringmesh", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub(crate) struct Flags {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a tunnel that `wg` and `wg-quick` configure.
    Tunnel(TunnelFlags),
    /// Run the daemon: it keeps this device in its circle, and answers the other commands.
    #[command(after_help = DAEMON_HELP)]
    Daemon,
    /// Show running tunnels: both processes, peers, traffic, what holds and what was dropped.
    Status(StatusFlags),
    /// Run a beacon: where devices of a circle find each other. Trusted by nobody.
    Beacon(ringmesh_beacon::Options),
    /// See real traffic flow between two network namespaces, with nothing to configure.
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
    /// Only this interface.
    pub(crate) ifname: Option<String>,
    /// Print JSON: an array with one object per tunnel.
    #[arg(long)]
    pub(crate) json: bool,
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
Exit codes: 0 done; 1 it failed while running; 2 wrong flags or names; 3 root is needed; 4 the name is taken;
5 the system lacks something (/dev/net/tun, io_uring). Each error is one line on standard error that says what to do.";

const DAEMON_HELP: &str = "\
Stays in the foreground and logs to standard error; systemd starts it, or `ringmesh daemon &`. Its files lie in
/var/lib/ringmesh and /run/ringmesh, or where RINGMESH_STATE and RINGMESH_RUN say. At SIGTERM it ends, and tunnels go
on; the verb `down` ends them. RINGMESH_LOG=debug makes it tell more.

Commands of its own for the verbs are still to come; until then they are asked for over the local API:
  curl --unix-socket /run/ringmesh/ringmesh.sock http://ringmesh/v1/up -d '{\"name\": \"desk\", \"circle\": \"home\"}'
  curl --unix-socket /run/ringmesh/ringmesh.sock http://ringmesh/v1/invite -d '{}'
  curl --unix-socket /run/ringmesh/ringmesh.sock http://ringmesh/v1/join -d '{\"code\": \"…\", \"name\": \"nas\"}'
Own devices reach each other; a guest may do nothing until it is allowed (`allow`). The packet filter nft(8) holds that.";

const TUNNEL_HELP: &str = "\
Returns when the interface answers to `wg`. Configure it with `wg setconf`, or let wg-quick do all of it:
  ln -s \"$(command -v ringmesh)\" /usr/local/bin/ringmesh-wg
  WG_QUICK_USERSPACE_IMPLEMENTATION=ringmesh-wg wg-quick up wg0
It ends with `ip link delete IFNAME`, when /var/run/wireguard/IFNAME.sock is removed, or at SIGTERM. RINGMESH_LOG=debug
makes --foreground tell more.";

#[cfg(test)]
mod tests;
