//! The loop: one event at a time, and every part a field.

mod begin;
mod end;
mod plane;
mod report;
mod stun;
mod wg;

use std::collections::VecDeque;
use std::time::Duration;

use inotify::Inotify;
use ringmesh_abi::fault::Point;
use ringmesh_abi::{Command, FromPlane};
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, oneshot};

use crate::event::Event;
use crate::ifname::IfName;
use crate::link::{Backoff, Jobs, Kit, Plane, Pulse};
use crate::os::clock::{HighWater, boottime};
use crate::os::files::{Lock, SocketFile};
use crate::os::heap;
use crate::os::links::{self, News};
use crate::os::tun::Fate;
use crate::os::udp::Sockets;
use crate::os::watched::{Watched, watched};
use crate::state::State;
use crate::uapi::errno::Errno;
use crate::uapi::parse::Set;
use ringmesh_mesh::stun::{Responder, Watch};

pub use begin::run;
use report::Ledger;

/// What the command line decides.
#[derive(Clone, Debug)]
pub struct Options {
    /// The interface.
    pub name: IfName,
    /// Workers; `None` means one per core.
    pub workers: Option<u32>,
    /// The MTU in bytes; `None` means 1,420.
    pub mtu: Option<u16>,
    /// A parent waits for us on our standard output.
    pub daemon: bool,
    /// Answer STUN binding requests that arrive on the tunnel's port.
    pub stun: bool,
    /// Names of a worker's drop counters, by number.
    pub drop_names: Vec<&'static str>,
    /// Names of a worker's feature bits, by number.
    pub feature_names: Vec<&'static str>,
}

/// The control process of one tunnel.
struct Control {
    options: Options,
    kit: Kit,
    /// `None` while a new one is due.
    plane: Option<Plane>,
    backoff: Backoff,
    /// When a data plane is to be started, since boot.
    start_at: Duration,
    /// When the data plane last answered a command or was sent one while none was open, since boot.
    progress_at: Duration,
    /// Whether the data plane turns, and when that is looked at next, since boot.
    pulse: Pulse,
    look_at: Duration,
    /// The data plane knows that it holds all that was acknowledged before it began.
    rebuilt: bool,
    /// What the data plane has acknowledged.
    acked: State,
    jobs: Jobs,
    /// A command of the job that runs was refused.
    refused: bool,
    /// The job that runs is so large that it leaves holes in the heap.
    crowded: bool,
    todo: VecDeque<Todo>,
    ledger: Ledger,
    link: LinkState,
    watch: Option<links::Watch>,
    high_water: HighWater,
    /// Whether the kernel chose the port.
    port_is_any: bool,
    /// What to go back to when the request that runs is refused.
    before: Option<Listening>,
    /// Until when commands wait for a change of sockets, since boot.
    move_until: Duration,
    responder: Option<Responder>,
    /// How our port looks from outside.
    outside: Watch,
    counters: Counters,
    inputs: Inputs,
    files: Files,
}

/// What waits for its turn at the data plane.
enum Todo {
    Set(Box<Set>, oneshot::Sender<Result<(), Errno>>),
    Mtu(u32),
}

/// Where the device listens.
struct Listening {
    /// `None` when the request did not change them.
    sockets: Option<Sockets>,
    fwmark: u32,
    port_is_any: bool,
}

/// What netlink last said.
#[derive(Clone, Copy, Debug)]
struct LinkState {
    mtu: u32,
    up: bool,
    moved: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    restarts: u64,
    /// Refused values of data planes that are gone.
    refused: u64,
    punted: u64,
    injected: u64,
    since: Duration,
}

/// Where events come from, besides the data plane.
struct Inputs {
    events: mpsc::Receiver<Event>,
    news: mpsc::Receiver<News>,
    /// Keeps the channel open over the change of a watch, and goes to the next one.
    news_sender: mpsc::Sender<News>,
    terminate: Signal,
    interrupt: Signal,
    removals: Watched<Inotify>,
}

/// Files that stand for this tunnel. The lock is the last to go.
struct Files {
    wg: SocketFile,
    _api: SocketFile,
    lock: Lock,
}

impl Control {
    /// Runs until the tunnel is to end; says why.
    async fn serve(&mut self) -> &'static str {
        loop {
            let event = self.next().await;
            if let Some(plane) = &self.plane {
                plane.woke();
            }
            if let Some(why) = self.on(event).await {
                return why;
            }
            self.pump();
        }
    }

    async fn next(&mut self) -> Event {
        let patience = self.deadline().map(|at| at.saturating_sub(boottime()));
        let Self { plane, inputs, files, .. } = self;
        tokio::select! {
            event = plane_event(plane) => event,
            Some(event) = inputs.events.recv() => event,
            Some(news) = inputs.news.recv() => Event::Link(news),
            Some(()) = inputs.terminate.recv() => Event::Signal,
            Some(()) = inputs.interrupt.recv() => Event::Signal,
            () = removed(&mut inputs.removals, &files.wg) => Event::SocketFileGone,
            () = sleep(patience) => Event::Deadline,
        }
    }

    /// Takes one event; an answer is the reason to end.
    async fn on(&mut self, event: Event) -> Option<&'static str> {
        match event {
            Event::Get(reply) => drop(reply.send(self.print())),
            Event::Status(reply) => drop(reply.send(Box::new(self.report()))),
            Event::Stun(servers, reply) => self.on_stun(&servers, reply),
            Event::Set(set, reply) => self.todo.push_back(Todo::Set(set, reply)),
            Event::Bell => return self.on_bell(),
            Event::Message(Ok(message)) if matches!(*message, FromPlane::Moved) => {
                if let Some(plane) = &mut self.plane {
                    plane.on_moved();
                }
            }
            Event::Message(Ok(message)) => {
                tracing::debug!(?message, "an unexpected message of the data plane")
            }
            Event::Message(Err(error)) => {
                tracing::warn!(%error, "the data plane's socket");
                return self.on_plane_lost().await;
            }
            Event::PlaneEnded => return self.on_plane_lost().await,
            Event::Link(News::Here { mtu, up }) => self.on_link(mtu, up),
            Event::Link(News::Left) => return self.on_link_left(),
            Event::SocketFileGone => return Some("its socket file was removed"),
            Event::Signal => return Some("a signal"),
            Event::Deadline => self.on_deadline().await,
        }
        None
    }

    fn on_link(&mut self, mtu: u32, up: bool) {
        self.link.mtu = mtu;
        self.link.up = up;
        if mtu != 0 {
            // Only the last one counts.
            self.todo.retain(|todo| !matches!(todo, Todo::Mtu(_)));
            self.todo.push_back(Todo::Mtu(mtu));
        }
    }

    fn on_link_left(&mut self) -> Option<&'static str> {
        match self.kit.tun.fate() {
            Fate::Deleted => Some("its link was deleted"),
            Fate::Alive { name } => {
                self.link.moved = !self.kit.tun.is_here().unwrap_or(false);
                tracing::info!(%name, "the link was moved to another network namespace");
                self.follow(name);
                None
            }
        }
    }

    /// Watches the link in the namespace where it is now. Without a watch the tunnel works on; it only does not hear of a
    /// new MTU.
    fn follow(&mut self, name: String) {
        let watch =
            self.kit.tun.namespace().and_then(|there| {
                crate::os::links::watch(name, Some(there), self.inputs.news_sender.clone())
            });
        match watch {
            Ok(watch) => self.watch = Some(watch),
            Err(error) => tracing::warn!(%error, "watching the link in its new namespace"),
        }
    }

    /// Begins what can be begun and sends what can be sent.
    fn pump(&mut self) {
        loop {
            if self.jobs.is_free()
                && let Some(todo) = self.todo.pop_front()
            {
                self.begin(todo);
            }
            // Peers come after the port: an answer to the old one would find nobody.
            if self.is_moving() {
                return;
            }
            if let Some(plane) = &mut self.plane {
                let idle = !self.jobs.is_waiting();
                if self.jobs.send(&mut plane.memory) {
                    plane.wake();
                    Point::ControlRung.pass();
                    if idle {
                        self.progress_at = boottime();
                    }
                }
            }
            self.tell_rebuilt();
            if !self.jobs.is_through() {
                return;
            }
            if std::mem::take(&mut self.refused) {
                self.listen_as_before();
            }
            if std::mem::take(&mut self.crowded) {
                heap::give_back();
            }
            self.before = None;
            self.jobs.finish();
        }
    }

    fn begin(&mut self, todo: Todo) {
        match todo {
            Todo::Set(set, reply) => match self.plan(&set) {
                Ok(commands) => {
                    self.crowded = commands.len() > CROWD;
                    self.jobs.begin(commands, Some(reply));
                }
                Err(errno) => {
                    self.listen_as_before();
                    let _ = reply.send(Err(errno));
                }
            },
            Todo::Mtu(mtu) if mtu != self.acked.device.mtu => {
                self.jobs.begin(vec![Command::Mtu { mtu }], None);
            }
            Todo::Mtu(_) => {}
        }
    }

    fn deadline(&self) -> Option<Duration> {
        let stun = self.outside.poll_timeout().filter(|_| self.plane.is_some());
        let own = match &self.plane {
            None => Some(self.start_at),
            Some(_) if self.is_moving() => Some(self.look_at.min(self.move_until)),
            Some(_) if self.jobs.is_waiting() => Some(self.look_at.min(self.progress_at + PLANE_PATIENCE)),
            Some(_) => Some(self.look_at),
        };
        [own, stun].into_iter().flatten().min()
    }
}

/// How long a request waits for workers to change their sockets. They do it between two turns; one that does not is stuck.
const MOVE_PATIENCE: Duration = Duration::from_secs(2);

async fn plane_event(plane: &mut Option<Plane>) -> Event {
    match plane {
        Some(plane) => plane.next().await,
        None => std::future::pending().await,
    }
}

async fn sleep(patience: Option<Duration>) {
    match patience {
        Some(patience) => tokio::time::sleep(patience).await,
        None => std::future::pending().await,
    }
}

/// Returns when our socket file is no longer at its place.
async fn removed(removals: &mut Watched<Inotify>, file: &SocketFile) {
    let mut space = [0; 4096];
    while file.is_there() {
        match removals.readable_mut().await {
            Ok(mut guard) => {
                // What exactly happened does not matter: the file is looked for again.
                let inotify = &mut guard.get_inner_mut().0;
                while inotify.read_events(&mut space).is_ok_and(|mut events| events.next().is_some()) {}
                guard.clear_ready();
            }
            Err(error) => {
                tracing::warn!(%error, "watching the socket file");
                std::future::pending::<()>().await;
            }
        }
    }
}

/// A watch on the directory of our socket file.
fn watch_removals() -> std::io::Result<Watched<Inotify>> {
    let inotify = Inotify::init()?;
    let mask = inotify::WatchMask::DELETE | inotify::WatchMask::MOVED_FROM | inotify::WatchMask::MOVED_TO;
    inotify.watches().add(crate::ifname::wg_dir(), mask)?;
    watched(inotify)
}

/// Commands of a job after which memory is given back: some megabytes of them.
const CROWD: usize = 10_000;
/// How long a command may stay unanswered before the data plane counts as stuck.
const PLANE_PATIENCE: Duration = Duration::from_secs(20);
