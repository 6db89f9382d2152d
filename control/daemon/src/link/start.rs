//! A new data plane on the fds that control owns.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use ringmesh_abi::fault::Point;
use ringmesh_abi::{Bell, ControlSide, FromPlane, Link, LinkError, Listener, ToPlane};

use super::{Plane, Process, hear_soon};
use crate::os::clock;
use crate::os::process::{SELF_EXE, SHOWN_NAME};
use crate::os::tun::Tun;
use crate::os::udp::Sockets;
use crate::os::watched::watched;
use crate::problem::{Doing, Problem};

/// What every data plane of this tunnel works with; it stays when one dies.
pub(crate) struct Kit {
    /// The device.
    pub(crate) tun: Tun,
    /// The sockets.
    pub(crate) sockets: Sockets,
    /// Where later control processes find the data plane.
    pub(crate) listener: Listener,
    /// The data plane's own messages go nowhere: whoever waits for a daemon's standard error to close must not wait for it.
    pub(crate) quiet: bool,
}

impl Kit {
    /// One worker for each pair of queues.
    pub(crate) fn workers(&self) -> u32 {
        self.tun.queues.len() as u32
    }
}

/// Starts a data plane and waits until it is ready.
pub(crate) async fn start(kit: &Kit, ifname: &str) -> Result<Plane, Problem> {
    let (memory, memory_fd) = ControlSide::create(kit.workers()).doing("making the shared memory")?;
    let bell = Bell::new().doing("making an eventfd")?;
    let plane_bell = Bell::new().doing("making an eventfd")?;
    let (link, theirs) = Link::pair().doing("making a socket pair")?;
    let process = spawn(theirs, kit.quiet)?;
    Point::ControlStartSpawned.pass();
    let message = ToPlane::Start {
        generation: memory.generation(),
        ifname: ifname.to_owned(),
        workers: kit.workers() as u16,
        sockets: kit.sockets.fds().len() as u16,
        offloads: kit.tun.offloads,
        uid: 0,
    };
    let queues = kit.tun.queues.iter().flatten().map(AsFd::as_fd);
    let shared = [memory_fd.as_fd(), plane_bell.as_fd(), bell.as_fd(), kit.listener.as_fd()];
    let fds: Vec<BorrowedFd<'_>> = queues.chain(kit.sockets.fds()).chain(shared).collect();
    link.send(&message, &fds).map_err(|error| Problem::Plane(error.to_string()))?;
    Point::ControlStartSent.pass();
    let link = watched(link).doing("watching the data plane's socket")?;
    let bell = watched(bell).doing("watching an eventfd")?;
    let mut plane = Plane {
        memory,
        bell,
        plane_bell,
        link,
        process,
        moves: Default::default(),
        since: clock::boottime(),
    };
    match ready(&plane).await {
        Ok(()) => {
            Point::ControlStartReady.pass();
            Ok(plane)
        }
        Err(problem) => {
            plane.kill().await;
            Err(problem)
        }
    }
}

async fn ready(plane: &Plane) -> Result<(), Problem> {
    match hear_soon(&plane.link).await {
        Ok((FromPlane::Ready, _)) => Ok(()),
        Ok((FromPlane::Failed { text }, _)) => Err(Problem::Plane(one_line(&text))),
        Ok(_) => Err(Problem::Plane("it gave an answer that makes no sense".to_owned())),
        Err(LinkError::Closed) => Err(Problem::Plane(
            "it ended at once; `ringmesh tunnel --foreground` shows its messages".to_owned(),
        )),
        Err(error) => Err(Problem::Plane(error.to_string())),
    }
}

/// The data plane's end of the link is its standard input, the one descriptor that needs no trick to be inherited.
fn spawn(link: Link, quiet: bool) -> Result<Process, Problem> {
    let child = Command::new(SELF_EXE)
        .arg0(SHOWN_NAME)
        .args(["dataplane", "--link-fd", "0"])
        .stdin(Stdio::from(OwnedFd::from(link)))
        .stdout(Stdio::null())
        .stderr(if quiet { Stdio::null() } else { Stdio::inherit() })
        // Ctrl-C in a terminal goes to control alone, which then ends the data plane in order.
        .process_group(0)
        .current_dir("/")
        .spawn()
        .doing("starting the data plane")?;
    Process::of_child(child).doing("opening the data plane's pidfd")
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
