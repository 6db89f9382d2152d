//! How a tunnel begins: anew, or around a data plane that is already running.

use std::time::Duration;

use ringmesh_abi::Listener;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::{Control, Counters, Files, Inputs, LinkState, Options, watch_removals};
use crate::link::{Attached, Backoff, Jobs, Kit, LOOK_EVERY, Plane, Pulse, attach, start};
use crate::os::clock::{HighWater, boottime, wall_secs};
use crate::os::files::{Lock, SocketFile, make_dirs};
use crate::os::tun::{Fate, MTU_DEFAULT, Tun};
use crate::os::udp::Sockets;
use crate::os::{links, process};
use crate::problem::{Doing, Problem};
use crate::state::State;
use ringmesh_mesh::stun::Responder;

/// Runs the control process of one tunnel until it ends.
///
/// # Errors
/// See [`Problem`]; nothing is left behind then.
pub fn run(options: Options) -> Result<(), Problem> {
    crate::check_root()?;
    process::harden()?;
    if options.daemon {
        process::detach()?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .doing("starting the event loop")?;
    runtime.block_on(async {
        let mut control = begin(options).await?;
        let why = control.serve().await;
        tracing::info!(why, "ending");
        control.end().await;
        Ok(())
    })
}

/// What there is before the loop: a data plane with its kit and state.
struct Base {
    plane: Plane,
    kit: Kit,
    state: State,
    attached: bool,
}

async fn begin(options: Options) -> Result<Control, Problem> {
    make_dirs()?;
    let lock = Lock::take(&options.name).await?;
    let (wg_listener, wg) = SocketFile::listen(options.name.wg_socket(), &options.name)?;
    let (api_listener, api) = SocketFile::listen(options.name.api_socket(), &options.name)?;
    let base = match adopt(&options).await? {
        Some(base) => base,
        None => make(&options).await?,
    };
    let files = Files { wg, _api: api, lock };
    let (sender, events) = mpsc::channel(EVENTS_MAX);
    let control = assemble(options, base, files, events).await?;
    let wg_listener = UnixListener::from_std(wg_listener).doing("serving wg")?;
    let api_listener = UnixListener::from_std(api_listener).doing("serving ringmesh status")?;
    tokio::spawn(crate::uapi::server::serve(wg_listener, sender.clone()));
    tokio::spawn(crate::local::serve(api_listener, sender));
    if control.options.daemon {
        process::tell_ready().doing("telling the waiting process")?;
    }
    Ok(control)
}

/// Takes over a running data plane, if there is one.
async fn adopt(options: &Options) -> Result<Option<Base>, Problem> {
    let path = options.name.plane_socket();
    let attached = attach(&path, options.daemon).await.map_err(|error| {
        Problem::Plane(format!(
            "one is running already and does not let itself be taken over ({error}); `ip link delete {}` ends it",
            options.name
        ))
    })?;
    let Some(Attached { plane, kit, state }) = attached else { return Ok(None) };
    if options.workers.is_some_and(|wanted| wanted != kit.workers()) {
        tracing::warn!(
            running = kit.workers(),
            "--workers does not change a data plane that is running already"
        );
    }
    tracing::info!(peers = state.peers.len(), "attached to the running data plane");
    Ok(Some(Base { plane, kit, state, attached: true }))
}

/// Makes everything anew. Whatever fails, the listener's file does not stay behind.
async fn make(options: &Options) -> Result<Base, Problem> {
    let workers = options.workers.unwrap_or_else(cores);
    let mtu = options.mtu.unwrap_or(MTU_DEFAULT);
    let tun = Tun::create(&options.name, workers, mtu)?;
    let sockets = Sockets::open(0, workers, 0).doing("opening the UDP sockets")?;
    let path = options.name.plane_socket();
    // We hold the lock and nobody answered there: what is left is stale.
    let _ = std::fs::remove_file(&path);
    let listener = Listener::bind(&path).doing("making the data plane's socket file")?;
    let kit = Kit { tun, sockets, listener, quiet: options.daemon };
    match start(&kit, options.name.as_str()).await {
        Ok(plane) => Ok(Base { plane, kit, state: State::new(mtu.into()), attached: false }),
        Err(problem) => {
            let _ = std::fs::remove_file(&path);
            Err(problem)
        }
    }
}

async fn assemble(
    options: Options,
    base: Base,
    files: Files,
    events: mpsc::Receiver<crate::event::Event>,
) -> Result<Control, Problem> {
    let (news_sender, news) = mpsc::channel(NEWS_MAX);
    let inputs = Inputs {
        events,
        news,
        news_sender,
        terminate: signal(SignalKind::terminate()).doing("watching for signals")?,
        interrupt: signal(SignalKind::interrupt()).doing("watching for signals")?,
        removals: watch_removals().doing("watching /var/run/wireguard")?,
    };
    let Base { plane, kit, state, attached } = base;
    let now = boottime();
    let mut high_water = HighWater::default();
    high_water.observe(state.device.stamped_until_secs.max(wall_secs()));
    let mut control = Control {
        plane: Some(plane),
        backoff: Backoff::default(),
        start_at: Duration::ZERO,
        progress_at: now,
        pulse: Pulse::default(),
        look_at: now + LOOK_EVERY,
        rebuilt: attached,
        refused: false,
        acked: state,
        jobs: Jobs::default(),
        crowded: false,
        todo: Default::default(),
        ledger: Default::default(),
        link: LinkState { mtu: 0, up: false, moved: false },
        watch: None,
        high_water,
        port_is_any: !attached,
        before: None,
        move_until: Duration::ZERO,
        outside: Default::default(),
        responder: options.stun.then(Responder::default),
        counters: Counters { since: now, ..Counters::default() },
        kit,
        options,
        inputs,
        files,
    };
    if !attached {
        let commands: Vec<_> = control.acked.commands().collect();
        control.jobs.restart(commands.into_iter());
        control.pump();
    }
    control.find_link()?;
    Ok(control)
}

impl Control {
    /// Watches the link where it is: a data plane that we attached to may have one in another namespace.
    fn find_link(&mut self) -> Result<(), Problem> {
        let Fate::Alive { name } = self.kit.tun.fate() else {
            return Err(Problem::Plane("its link was deleted at the same moment; start again".to_owned()));
        };
        if self.kit.tun.is_here().doing("finding the link's network namespace")? {
            let watch =
                links::watch(name, None, self.inputs.news_sender.clone()).doing("watching the link")?;
            self.watch = Some(watch);
        } else {
            self.link.moved = true;
            self.follow(name);
        }
        Ok(())
    }
}

fn cores() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(cores).unwrap_or(1).min(crate::WORKERS_MAX)
}

/// Requests that wait for the loop; every connection has at most one.
const EVENTS_MAX: usize = 64;
/// News that wait for the loop; more make netlink wait, which then reports an overrun.
const NEWS_MAX: usize = 64;
