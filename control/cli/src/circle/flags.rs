//! The commands of a circle: the one definition behind parsing, help, manual pages and completion.
//!
//! **Invariant:** no flag carries a secret but an invite's code, which may also come by standard input: everybody on the machine can
//! read a command line.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::span::{at_most, secs};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Found a circle, or take this device's circle up again; starts the daemon if it does not run.
    #[command(after_help = UP)]
    Up(Up),
    /// Make a code that lets another device in.
    #[command(after_help = INVITE)]
    Invite(Invite),
    /// End an invite: it lets nobody in any more.
    #[command(after_help = CANCEL)]
    Cancel {
        /// The invite's name, which `invite` printed, or its beginning.
        id: String,
        #[command(flatten)]
        output: Output,
    },
    /// Join a circle with an invite's code.
    #[command(after_help = JOIN)]
    Join(Join),
    /// Show all devices of the circle, and how they are reached.
    #[command(after_help = PEERS)]
    Peers {
        #[command(flatten)]
        output: Output,
    },
    /// Call this device something else.
    #[command(after_help = RENAME)]
    Rename {
        /// The new name.
        name: String,
        #[command(flatten)]
        output: Output,
    },
    /// Call another device something else, on this device only.
    #[command(after_help = NICKNAME)]
    Nickname {
        /// The device.
        peer: String,
        /// Its nickname.
        #[arg(required_unless_present = "clear")]
        nickname: Option<String>,
        /// Take its nickname away.
        #[arg(long, conflicts_with = "nickname")]
        clear: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Remove a device from the circle, for all devices and for good.
    #[command(after_help = REMOVE)]
    Remove(Remove),
    /// Leave the circle, and forget it on this device.
    #[command(after_help = LEAVE)]
    Leave {
        /// Also as the only admin of others, who can then let nobody in or remove anybody.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        consent: Consent,
        #[command(flatten)]
        output: Output,
    },
    /// Take no part in the circle until the next `up`; its interface goes.
    #[command(after_help = DOWN)]
    Down {
        /// Also end the daemon, which needs root; works where no circle is up, too.
        #[arg(long)]
        daemon: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Tell which device has a name, mesh address or key.
    #[command(after_help = WHOIS)]
    Whois {
        /// Name, nickname, mesh address, or the first six or more digits of a key.
        who: String,
        #[command(flatten)]
        output: Output,
    },
    /// Send one echo through the tunnel.
    #[command(after_help = PING)]
    Ping {
        /// The device.
        peer: String,
        /// How long to wait for the answer, at most a minute.
        #[arg(long, value_name = "TIME", default_value = "5s", value_parser = at_most::<60>)]
        timeout: u64,
        #[command(flatten)]
        output: Output,
    },
    /// Wait until this device belongs to the circle, or until another one is online.
    #[command(after_help = WAIT)]
    Wait {
        /// The device that is to be online.
        peer: Option<String>,
        /// For how long, at most an hour.
        #[arg(long, value_name = "TIME", default_value = "60s", value_parser = at_most::<3600>)]
        timeout: u64,
        #[command(flatten)]
        output: Output,
    },
    /// Show what was said in the circle since it was founded.
    #[command(after_help = LOG)]
    Log {
        /// Check every stored record: signatures, chains, numbers.
        #[arg(long)]
        verify: bool,
        /// Only the last so many lines.
        #[arg(long, value_name = "N")]
        last: Option<usize>,
        #[command(flatten)]
        output: Output,
    },
    /// Change this device's keys.
    #[command(subcommand, arg_required_else_help = true)]
    Key(Key),
    /// Name admins, or end that.
    #[command(subcommand, arg_required_else_help = true)]
    Admin(Admin),
    /// Use the recovery key, when there is no admin left or one was stolen.
    #[command(after_help = RECOVER)]
    Recover(Recover),
    /// Let a device in that waits for an admin's word.
    #[command(after_help = CONFIRM)]
    Confirm {
        /// The name or the beginning of the key of a device that `status` shows as waiting.
        peer: String,
        #[command(flatten)]
        output: Output,
    },
    /// Let another device do something to this one.
    #[command(after_help = ALLOW)]
    Allow {
        /// The device.
        peer: String,
        /// reach (everything), ssh, tcp/PORT, udp/PORT, files, exit or lan.
        what: String,
        /// For how long; it then ends by itself [default: for good].
        #[arg(long = "for", value_name = "TIME", value_parser = secs)]
        lasting: Option<u64>,
        /// Only say what would change.
        #[arg(long)]
        preview: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Take from another device what it may do to this one.
    #[command(after_help = DENY)]
    Deny {
        /// The device.
        peer: String,
        /// reach (everything), ssh, tcp/PORT, udp/PORT, files, exit or lan.
        what: String,
        /// Only say what would change.
        #[arg(long)]
        preview: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Tell whether a device may do something to another one, and which permission decides.
    #[command(after_help = CAN)]
    Can {
        /// The device that wants to.
        peer: String,
        /// What it wants to reach: DEVICE, DEVICE:PORT, DEVICE:udp/PORT, or :PORT for this device.
        target: String,
        /// What else it wants to do there: files, exit or lan.
        what: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Show what other devices may do to this one, and this one to them, as far as it knows.
    #[command(after_help = PERMISSIONS)]
    Permissions {
        #[command(flatten)]
        output: Output,
    },
}

/// How a command answers.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Output {
    /// Print the daemon's answer, or its refusal, as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whether the user was asked already.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Consent {
    /// Do not ask.
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Up {
    /// What this device is called [default: as the machine].
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The circle [default: the one that this device belongs to, else home].
    #[arg(long)]
    pub(crate) circle: Option<String>,
    /// A beacon to use from now on, as `ringmesh beacon` prints it; can be given several times.
    #[arg(long = "beacon", value_name = "URL")]
    pub(crate) beacons: Vec<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct Invite {
    /// For a friend's device, which may do nothing until it is allowed to.
    #[arg(long)]
    pub(crate) guest: bool,
    /// For how many devices.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) uses: u16,
    /// For how long it is good.
    #[arg(long = "for", value_name = "TIME", default_value = "24h", value_parser = secs)]
    pub(crate) lasting: u64,
    /// Print code and QR code even where the output is no terminal.
    #[arg(long, conflicts_with = "no_qr")]
    pub(crate) qr: bool,
    /// Print no QR code.
    #[arg(long)]
    pub(crate) no_qr: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct Join {
    /// The code or link; `-` or nothing reads it from standard input, so that no other user can see it in `ps`.
    pub(crate) code: Vec<String>,
    /// What this device is called [default: as the machine].
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// How long to wait for a member or beacon, at most an hour; joining goes on afterwards.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = at_most::<3600>)]
    pub(crate) wait: u64,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct Remove {
    /// The device.
    pub(crate) peer: String,
    /// Its key was stolen: nothing that it ever said counts any more.
    #[arg(long)]
    pub(crate) distrust_all: bool,
    #[command(flatten)]
    pub(crate) consent: Consent,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Give this device a new WireGuard key; name, addresses and connections stay.
    #[command(after_help = KEY_ROTATE)]
    Rotate {
        #[command(flatten)]
        consent: Consent,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Admin {
    /// Make a device an admin: it can let devices in and remove them.
    #[command(after_help = ADMIN_ADD)]
    Add {
        /// The device.
        peer: String,
        #[command(flatten)]
        output: Output,
    },
    /// End that a device is an admin; it stays in the circle, and cannot be made an admin again.
    #[command(after_help = ADMIN_REMOVE)]
    Remove {
        /// The device.
        peer: String,
        #[command(flatten)]
        consent: Consent,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Recover {
    /// The file with the recovery key [default: asked for at the terminal, or read from standard input].
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Make this device an admin instead of the one that the command runs on.
    #[arg(long, value_name = "PEER", conflicts_with = "remove")]
    pub(crate) admin: Option<String>,
    /// Remove this device from the circle, as the last word against a stolen admin.
    #[arg(long, value_name = "PEER")]
    pub(crate) remove: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

const UP: &str = "\
Examples:
  sudo ringmesh up                            found the circle `home`, or go on with it
  sudo ringmesh up --name desk --circle family
  sudo ringmesh up --beacon beacon://nas.example.org/KEY
Without a beacon, devices find each other on a LAN only. A circle that is founded has a recovery key; it is shown once, at the \
terminal or by --json, and stored nowhere. The daemon is started by systemd where there is a unit `ringmesh`, otherwise as a \
process of its own that logs to /run/ringmesh/daemon.log; `up` says which.";
const INVITE: &str = "\
Examples:
  ringmesh invite                       for one own device, good for a day
  ringmesh invite --uses 3 --for 1h
  ringmesh invite --guest               for a friend
  ringmesh invite --json | jq -r .link
Whoever has the code gets in, so it is printed to a terminal only, unless --json or --qr ask for it.";
const CANCEL: &str = "Example:\n  ringmesh cancel 3f9a51";
const JOIN: &str = "\
Examples:
  ringmesh join                         asks for the code
  ringmesh join - < code.txt
  ringmesh join ringmesh://join/…       everybody on this machine can read it in `ps` meanwhile
The one who invited may be offline if the circle has a beacon, or if another member is on this LAN. Exit code 9: this device is not in \
yet, and the daemon goes on trying.";
const PEERS: &str = "Example:\n  ringmesh peers --json | jq -r '.devices[] | select(.path.online) | .name'";
const RENAME: &str = "Example:\n  ringmesh rename desk";
const NICKNAME: &str =
    "Examples:\n  ringmesh nickname annas-laptop anna\n  ringmesh nickname annas-laptop --clear";
const REMOVE: &str = "\
Examples:
  ringmesh remove old-phone
  ringmesh remove stolen-laptop --distrust-all
Every device that is reachable cuts it off within two seconds, the others when they are back.";
const LEAVE: &str = "Example:\n  ringmesh leave";
const DOWN: &str = "\
Examples:
  ringmesh down                 `ringmesh up` takes the circle up again
  sudo ringmesh down --daemon   nothing of ringmesh runs any more until the next `up`
The daemon stays when a circle is down, and answers `status`. One that systemd runs is started again with the machine; \
`systemctl disable ringmesh` ends that.";
const WHOIS: &str = "Examples:\n  ringmesh whois 100.90.1.7\n  ringmesh whois nas";
const PING: &str = "Example:\n  ringmesh ping nas --timeout 2s";
const WAIT: &str = "Examples:\n  ringmesh wait && echo in\n  ringmesh wait nas --timeout 5min";
const LOG: &str = "\
Examples:
  ringmesh log --last 20
  ringmesh log --verify
Exit code 10: --verify has found something.";
const KEY_ROTATE: &str = "Example:\n  sudo ringmesh key rotate";
const ADMIN_ADD: &str = "Example:\n  ringmesh admin add nas";
const ADMIN_REMOVE: &str = "Example:\n  ringmesh admin remove nas";
const RECOVER: &str = "\
Examples:
  sudo ringmesh recover                           asks for the key; this device becomes an admin
  sudo ringmesh recover --key-file key.txt --remove stolen-laptop
The key never stands on the command line.";
const CONFIRM: &str = "Example:\n  ringmesh confirm annas-phone";
const ALLOW: &str = "\
Examples:
  ringmesh allow anna tcp/25565
  ringmesh allow anna ssh --for 2h
  ringmesh allow anna reach --preview";
const DENY: &str = "Example:\n  ringmesh deny anna ssh";
const CAN: &str = "\
Examples:
  ringmesh can anna nas:445
  ringmesh can anna :22
  ringmesh can anna nas files
Exit code 0: it may; 10: it may not.";
const PERMISSIONS: &str = "Example:\n  ringmesh permissions";

#[cfg(test)]
mod tests;
