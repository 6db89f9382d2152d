//! The beacon: where devices of a circle find each other, and leave sealed records for those that are away.
//!
//! One command, one directory, one port: TCP for devices ([`session`]), UDP for STUN ([`stun`]). What it keeps is in one SQLite database
//! ([`store`]); who is connected in [`hub`]; who may come in at all in [`door`]. What is said is defined in
//! [`ringmesh_mesh::beacon`].
//!
//! **Invariant:** a beacon is trusted by nobody: it has no key that opens, signs or admits anything of a circle; its own key
//! greets and signs receipts of admissions.
//! **Invariant:** strangers cost a bounded amount of memory, disk and time.

mod clock;
mod door;
mod hub;
mod key;
mod limits;
mod options;
mod problem;
mod session;
mod store;
mod stun;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ringmesh_mesh::beacon::PORT;
use ringmesh_mesh::beacon::place::BeaconUrl;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub use options::Options;
pub use problem::Problem;

use door::Door;
use limits::source;
use session::Shared;
use store::desk::Desk;
use store::{Bounds, Store};

/// How long connections get to end, in sum, when the beacon ends.
const FAREWELL: Duration = Duration::from_secs(3);

/// Runs a beacon until SIGTERM or SIGINT. `ready` is called once it serves, with the address to hand out.
///
/// # Errors
/// [`Problem`] with what keeps it from running, and what to do.
pub fn run(options: &Options, ready: impl FnOnce(&BeaconUrl)) -> Result<(), Problem> {
    let os = |error| Problem::Os { what: "starting", error };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(os)?;
    runtime.block_on(serve(options, ready))
}

async fn serve(options: &Options, ready: impl FnOnce(&BeaconUrl)) -> Result<(), Problem> {
    let name = name(options)?;
    key::prepare(&options.state)?;
    let own = key::load(&options.state)?;
    let identity = match (&options.certificate, &options.certificate_key) {
        (Some(chain), Some(key)) => tls::Identity::load(chain, key)?,
        _ => tls::Identity::self_made(&own, &name)?,
    };
    let acceptor = TlsAcceptor::from(identity.config()?);
    let store = Store::open(&options.state, bounds(options), own.clone())?;
    let (tcp, udp) = listen(options.listen)?;
    let at = tcp.local_addr().map_err(|error| Problem::Listen { address: options.listen, error })?;
    let os = |error| Problem::Os { what: "waiting for signals", error };
    let (mut term, mut int) =
        (signal(SignalKind::terminate()).map_err(os)?, signal(SignalKind::interrupt()).map_err(os)?);

    let opened = Desk::open(store);
    let (desk, writer) = opened.map_err(|error| Problem::Os { what: "starting a thread", error })?;
    let url = BeaconUrl { host: name.into(), port: at.port(), key: Some(own.beacon()) };
    let shared = Arc::new(Shared { acceptor, key: own, desk, door: Door::default() });
    tracing::info!(%at, %url, "serving");
    ready(&url);
    tokio::select! {
        () = accept(tcp, shared) => {}
        () = stun::serve(udp) => {}
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    tracing::info!("ending");
    // Every way to the database is gone now; its thread works off what was asked for, and ends.
    let _ = tokio::time::timeout(FAREWELL, tokio::task::spawn_blocking(|| writer.join())).await;
    Ok(())
}

/// Takes connections in until the future is dropped; with it all of them end.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = sessions.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => {
                    // Beyond the limits a connection is closed at once, before it has cost anything.
                    let Some(ticket) = shared.door.enter(source(from.ip())) else { continue };
                    let shared = Arc::clone(&shared);
                    sessions.spawn(async move {
                        session::serve(shared, stream, from).await;
                        drop(ticket);
                    });
                }
                Err(error) => {
                    // Out of descriptors, mostly: wait until some are free again.
                    tracing::warn!(%error, "accepting a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
}

fn bounds(options: &Options) -> Bounds {
    Bounds {
        circles: options.circles.into(),
        circle_bytes: u64::from(options.circle_megabytes) << 20,
        forget_secs: u64::from(options.forget_days) * 86_400,
    }
}

/// The name to hand out.
fn name(options: &Options) -> Result<String, Problem> {
    let own = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    let name = options.name.clone().unwrap_or_else(own);
    let url: BeaconUrl = match name.parse::<std::net::Ipv6Addr>() {
        Ok(v6) => format!("[{v6}]").parse(),
        Err(_) => name.parse(),
    }
    .map_err(|_| Problem::Usage(format!("--name {name}: not a name or address of a host")))?;
    if url.key.is_some() || url.port != PORT {
        return Err(Problem::Usage(format!(
            "--name {name}: give the host alone; the port is that of --listen"
        )));
    }
    Ok(url.host.into())
}

/// TCP and UDP on the same port; all addresses of IPv6 include those of IPv4.
fn listen(address: SocketAddr) -> Result<(TcpListener, UdpSocket), Problem> {
    let problem = |error| Problem::Listen { address, error };
    let open = |kind: Type, protocol: Protocol, address: SocketAddr| {
        let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        if kind == Type::STREAM {
            socket.set_reuse_address(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        Ok(socket)
    };
    let tcp = open(Type::STREAM, Protocol::TCP, address).map_err(problem)?;
    tcp.listen(1024).map_err(problem)?;
    let tcp = TcpListener::from_std(tcp.into()).map_err(problem)?;
    let at = tcp.local_addr().map_err(problem)?;
    let udp = open(Type::DGRAM, Protocol::UDP, at).map_err(problem)?;
    Ok((tcp, UdpSocket::from_std(udp.into()).map_err(problem)?))
}
