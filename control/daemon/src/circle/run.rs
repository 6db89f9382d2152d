//! The process: its one loop, from the first event to the last.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "while it starts, the loop waits for one event and keeps the others"
)]

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use ringmesh_mesh::beacon::place::BeaconUrl;
use ringmesh_mesh::name::Label;
use rustix::fs::FlockOperation;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::active::{Active, Ears};
use super::ask::{Answer, Ask};
use super::event::Event;
use super::membership::{Cannot, Membership};
use super::paths::{Paths, ifname};
use super::server::{self, Server};
use super::store::Setting;
use super::tunnel::Tunnel;
use super::{exchange, lan, secret};
use crate::beacon::Heard;
use crate::filter;
use crate::os::clock::boottime;
use crate::os::interfaces::{self, Interface};
use crate::os::{files, process, rules};
use crate::problem::{Doing, Problem};

/// Questions that wait for the loop.
const ASKED_MAX: usize = 64;
/// Datagrams from the LAN that wait for it; more are dropped.
const HEARD_MAX: usize = 256;
/// News of connections that wait for it; more make the connections wait.
const NEWS_MAX: usize = 64;
/// Before a circle that should be up and could not be taken up is tried again: at first, and at most.
const RETRY_FIRST: Duration = Duration::from_secs(2);
const RETRY_LAST: Duration = Duration::from_secs(60);
/// Circles on one device.
const CIRCLES_MAX: usize = 64;

/// The daemon.
pub(super) struct Daemon {
    pub(super) paths: Paths,
    /// The circle that is up.
    pub(super) active: Option<Active>,
    pub(super) interfaces: Vec<Interface>,
    /// Questions whose answers wait for something.
    pub(super) waiters: Vec<Waiter>,
    pub(super) since: Duration,
    pub(super) ears: Ears,
    /// Whether somebody has asked for the end.
    pub(super) ending: bool,
    /// Circles that could not be taken up, and why.
    pub(super) broken: Vec<String>,
    /// When to take up again the circle that should be up and is not, and the pause before the time after that.
    pub(super) retry: Option<(Duration, Duration)>,
    inputs: Inputs,
    server: Server,
    _lock: File,
}

/// A question that is answered when something is so, or its time is over.
pub(super) struct Waiter {
    pub(super) reply: oneshot::Sender<Answer>,
    /// The answer, once it can be given; at the end of the time, what to say instead.
    pub(super) condition: Condition,
    pub(super) until: Duration,
}

/// What a question waits for.
pub(super) enum Condition {
    /// This device belongs to the circle.
    Joined,
    /// It belongs to the circle, and if one is named, that peer is online.
    Online(Option<String>),
}

struct Inputs {
    asked: mpsc::Receiver<Event>,
    lan: mpsc::Receiver<lan::Heard>,
    exchange: mpsc::Receiver<exchange::News>,
    interfaces: mpsc::Receiver<()>,
    rules: mpsc::Receiver<()>,
    beacons: mpsc::Receiver<(BeaconUrl, Heard)>,
    terminate: Signal,
    interrupt: Signal,
}

/// Where the daemon lives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// Where it was started: at a terminal, or under systemd.
    Foreground,
    /// In a session of its own, since another process starts it and waits only until it answers. It logs to a file.
    Detached,
}

/// Runs the daemon until it is told to end. Tunnels go on without it.
///
/// # Errors
/// See [`Problem`].
pub fn run_daemon(paths: Paths, place: Place) -> Result<(), Problem> {
    crate::check_root()?;
    process::harden()?;
    if place == Place::Detached {
        process::detach()?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .doing("starting the event loop")?;
    let done = runtime.block_on(async {
        let mut daemon = begin(paths).await?;
        daemon.resume().await;
        daemon.clean();
        process::tell_systemd("READY=1");
        if place == Place::Detached {
            let log = log_file(&daemon.paths).doing("making the daemon's log")?;
            process::tell_ready_and_log(log).doing("telling the waiting process")?;
        }
        daemon.serve().await;
        process::tell_systemd("STOPPING=1");
        if let Some(active) = daemon.active.take() {
            active.let_go().await;
        }
        let _ = std::fs::remove_file(daemon.paths.socket());
        daemon.answer_last().await;
        Ok(())
    });
    // A look-up of the system's that nobody waits for any more may take its time.
    runtime.shutdown_background();
    done
}

async fn begin(paths: Paths) -> Result<Daemon, Problem> {
    files::make_dirs()?;
    secret::make_dir(&paths.state).map_err(|error| Problem::Usage(error.to_string()))?;
    let lock = lock(&paths)?;
    super::membership::sweep(&paths.state);
    let listener = server::listen(&paths.socket()).doing("making the daemon's socket")?;
    let (asked_sender, asked) = mpsc::channel(ASKED_MAX);
    let (lan_sender, lan) = mpsc::channel(HEARD_MAX);
    let (exchange_sender, exchange) = mpsc::channel(NEWS_MAX);
    let (beacons_sender, beacons) = mpsc::channel(NEWS_MAX);
    let (interfaces_sender, interfaces_changed) = mpsc::channel(1);
    interfaces::watch(interfaces_sender).doing("watching network interfaces")?;
    let (rules_sender, rules_changed) = mpsc::channel(1);
    // A kernel without nftables has no such news; the first filter that is to be set tells what is missing.
    if let Err(error) = rules::watch(rules_sender) {
        tracing::warn!(%error, "nobody tells when rules of the packet filter change");
    }
    let server = Server::start(listener, asked_sender);
    Ok(Daemon {
        paths,
        active: None,
        interfaces: interfaces::list().await.doing("reading network interfaces")?,
        waiters: Vec::new(),
        since: boottime(),
        ears: Ears { lan: lan_sender, exchange: exchange_sender, beacons: beacons_sender },
        ending: false,
        broken: Vec::new(),
        retry: None,
        server,
        inputs: Inputs {
            asked,
            lan,
            exchange,
            interfaces: interfaces_changed,
            rules: rules_changed,
            beacons,
            terminate: signal(SignalKind::terminate()).doing("watching for signals")?,
            interrupt: signal(SignalKind::interrupt()).doing("watching for signals")?,
        },
        _lock: lock,
    })
}

/// The log of a daemon that has no terminal. It begins anew with each start.
fn log_file(paths: &Paths) -> std::io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(paths.log())
}

/// One daemon per state directory; the kernel gives the lock back at any death.
fn lock(paths: &Paths) -> Result<File, Problem> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(paths.lock());
    let file = file.doing("opening the daemon's lock file")?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(_) => Err(Problem::NameTaken {
            name: "daemon".to_owned(),
            by: "a running daemon".to_owned(),
            fix: "`ringmesh status` asks it".to_owned(),
        }),
    }
}

impl Daemon {
    /// Takes up the circle that was up when the daemon last ran, and ends what is left of those that are down.
    async fn resume(&mut self) {
        let kept = self.take_up().await;
        self.sweep(&kept).await;
    }

    /// Takes up the circle that should be up. Gives the names of those of which nothing is to be ended: what cannot be read may be
    /// up, and what cannot be taken up now may be soon.
    async fn take_up(&mut self) -> BTreeSet<Label> {
        let mut kept = BTreeSet::new();
        let pause = self.retry.take().map_or(RETRY_FIRST, |(_, pause)| pause);
        for name in self.circles() {
            match Membership::load(&self.paths, &name) {
                Ok(Some(membership)) => {
                    let up = membership.store.setting(Setting::Up).ok().flatten();
                    if up.as_deref() == Some("1")
                        && self.active.is_none()
                        && self.activate(membership).await.is_some()
                    {
                        self.retry = Some((boottime() + pause, RETRY_LAST.min(pause * 2)));
                        kept.insert(name);
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    self.note_broken(&name, &error);
                    kept.insert(name);
                }
            }
        }
        kept
    }

    /// Ends tunnels and packet filters that a daemon which died left of circles that are down or gone, but for those that are `kept`.
    async fn sweep(&self, kept: &BTreeSet<Label>) {
        let filters = filter::circles().await.unwrap_or_else(|problem| {
            tracing::debug!(%problem, "looking for packet filters");
            vec![]
        });
        let left: BTreeSet<Label> = self.circles().into_iter().chain(filters).collect();
        let up = self.active.as_ref().map(|active| active.tunnel.name());
        for circle in left.difference(kept) {
            if up != Some(&ifname(circle)) {
                self.end_what_is_left(circle).await;
            }
        }
    }

    /// Ends the tunnel and the packet filter of a circle that is down, if it has any.
    pub(super) async fn end_what_is_left(&self, circle: &Label) {
        let tunnel = Tunnel::new(ifname(circle));
        if tunnel.runs().await {
            tracing::warn!(%circle, "a circle that is down has a tunnel; it ends");
            tunnel.end().await;
        }
        if let Err(problem) = filter::remove(circle, tunnel.name()).await {
            tracing::warn!(%circle, %problem, "what is left of a circle that is down");
        }
    }

    /// Puts right what a daemon that died has left, unless the circle that is up needs it again.
    fn clean(&mut self) {
        if self.active.as_ref().is_none_or(|active| active.membership.role().is_none())
            && let Some(sentence) = crate::names::clean(&self.paths.state)
        {
            tracing::warn!("{sentence}");
            self.broken.push(sentence);
        }
    }

    fn note_broken(&mut self, name: &Label, error: &Cannot) {
        tracing::error!(circle = %name, %error, "cannot take up the circle");
        self.broken.push(format!("the circle {name} could not be taken up: {error}"));
    }

    /// Names of the circles that have a directory.
    pub(super) fn circles(&self) -> Vec<Label> {
        let Ok(entries) = std::fs::read_dir(&self.paths.state) else { return vec![] };
        let mut names: Vec<Label> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .take(CIRCLES_MAX)
            .collect();
        names.sort();
        names
    }

    /// Takes part in a circle from now on; gives the reason if that cannot be.
    pub(super) async fn activate(&mut self, membership: Membership) -> Option<String> {
        match Active::begin(membership, &self.interfaces, self.ears.clone()).await {
            Ok(active) => {
                self.active = Some(active);
                self.retry = None;
                None
            }
            Err((membership, problem)) => {
                let sentence = format!("the circle {} is not up: {problem}", membership.name);
                tracing::error!(%problem, circle = %membership.name, "the circle is not up");
                self.broken.push(sentence.clone());
                Some(sentence)
            }
        }
    }

    /// Runs until a signal comes, or somebody asks for the end.
    async fn serve(&mut self) {
        loop {
            match self.next().await {
                Event::Signal => return,
                event => self.on(event).await,
            }
            self.answer_waiters();
            if self.ending {
                return;
            }
        }
    }

    /// Says the answers that were given; whoever still waits is told that none comes.
    async fn answer_last(self) {
        let Self { server, waiters, inputs, .. } = self;
        drop((waiters, inputs));
        server.end().await;
    }

    async fn next(&mut self) -> Event {
        let deadline = self.deadline();
        let patience = deadline.map(|at| at.saturating_sub(boottime()));
        let inputs = &mut self.inputs;
        tokio::select! {
            biased;
            Some(()) = inputs.terminate.recv() => Event::Signal,
            Some(()) = inputs.interrupt.recv() => Event::Signal,
            () = sleep(patience) => Event::Deadline,
            Some(event) = inputs.asked.recv() => event,
            Some(news) = inputs.exchange.recv() => Event::Exchange(news),
            Some(heard) = inputs.lan.recv() => Event::Lan(heard),
            Some((url, heard)) = inputs.beacons.recv() => Event::Beacon(url, heard),
            Some(()) = inputs.interfaces.recv() => Event::Interfaces,
            Some(()) = inputs.rules.recv() => Event::Rules,
        }
    }

    fn deadline(&self) -> Option<Duration> {
        let active = self.active.as_ref().map(Active::deadline);
        let retry = self.retry.map(|(at, _)| at);
        self.waiters.iter().map(|waiter| waiter.until).chain(active).chain(retry).min()
    }

    async fn on(&mut self, event: Event) {
        match event {
            Event::Asked(ask, caller, reply) => self.on_asked(*ask, caller, reply).await,
            Event::Interfaces => {
                if let Ok(interfaces) = interfaces::list().await {
                    self.interfaces = interfaces;
                }
                if let Some(active) = &mut self.active {
                    active.on_interfaces(&self.interfaces);
                }
            }
            Event::Lan(heard) => {
                if let Some(active) = &mut self.active {
                    active.on_lan(heard).await;
                }
            }
            Event::Exchange(news) => {
                if let Some(active) = &mut self.active {
                    active.on_news(news).await;
                }
            }
            Event::Beacon(url, heard) => {
                if let Some(active) = &mut self.active {
                    active.on_beacon(url, heard).await;
                }
            }
            Event::Rules => {
                if let Some(active) = &mut self.active {
                    active.on_rules().await;
                }
            }
            Event::Deadline => {
                if self.retry.is_some_and(|(at, _)| boottime() >= at) {
                    self.broken.clear();
                    self.take_up().await;
                }
                if let Some(active) = &mut self.active {
                    active.on_deadline().await;
                }
            }
            Event::Signal => {}
        }
    }

    async fn on_asked(&mut self, ask: Ask, _caller: super::ask::Caller, reply: oneshot::Sender<Answer>) {
        match self.do_ask(ask, reply).await {
            None => {}
            Some((reply, answer)) => drop(reply.send(answer)),
        }
    }
}

async fn sleep(patience: Option<Duration>) {
    match patience {
        Some(patience) => tokio::time::sleep(patience).await,
        None => std::future::pending().await,
    }
}
