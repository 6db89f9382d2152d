//! What the command line of a beacon decides.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// Flags of `ringmesh beacon`.
#[derive(Args, Clone, Debug)]
#[command(after_help = HELP)]
pub struct Options {
    /// Address and port to listen on: TCP for devices, UDP for STUN.
    #[arg(long, value_name = "ADDR", default_value = "[::]:3478")]
    pub listen: SocketAddr,
    /// Directory of the beacon's key and database; made if it does not exist.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/ringmesh-beacon")]
    pub state: PathBuf,
    /// Name or address under which devices reach this host [default: the host's name].
    #[arg(long, value_name = "HOST")]
    pub name: Option<String>,
    /// A certificate of an authority for that name, with its chain, as PEM; devices can then connect without knowing the key.
    #[arg(long, value_name = "FILE", requires = "certificate_key")]
    pub certificate: Option<PathBuf>,
    /// The private key of that certificate, as PEM; only its owner may read the file.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub certificate_key: Option<PathBuf>,
    /// Most circles that are served.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub circles: u32,
    /// Most megabytes that one circle may store.
    #[arg(long, value_name = "MB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub circle_megabytes: u32,
    /// Forget a circle when none of its devices was connected for so many days.
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub forget_days: u32,
}

const HELP: &str = "\
Runs in the foreground and needs no root. Prints one line on standard output when it serves: the address that
`ringmesh up --beacon` takes. Its second half is the beacon's key, kept in the state directory: move that directory along
and the beacon may move anywhere.

Examples:
  ringmesh beacon --name nas.example.org
  ringmesh beacon --listen '[::]:443' --state ./beacon --name 203.0.113.7
  ringmesh beacon --name vpn.example.org --certificate fullchain.pem --certificate-key privkey.pem

A beacon cannot read what it keeps, and cannot add or remove a device. It does see circles' ids, devices' signing keys
and which of them are admins, addresses, sizes and times.";
