//! The start of the data-plane process, and its end.
//!
//! Everything that needs privilege happens first: memory, rings, registered files. Then the process becomes nobody
//! in particular, workers enable their rings, and system calls that a running data plane does not need are cut off.
//!
//! **Invariant:** no packet is read before the process has given up its privileges.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::process::ExitCode;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use ringmesh_abi::{
    Bell, FromPlane, Hardening, Link, Listener, PlaneSide, ToPlane, fault::Point, message::StartFds,
};
use ringmesh_io::{Limits, Offloads, PortFds, Prepared, UringPort, VnetHdr, clock};
use ringmesh_tunnel::{allowed_ips::AllowedIps, device::Device};

use crate::{
    mail::{Note, SlowMail, WorkerMail},
    parcel::Pool,
    precedence::Precedence,
    privileges::Unprivileged,
    slow::{About, Bells, Ending, Files, Letters, Slow, wall},
    snapshot::Snapshot,
    turn::{Office, Worker},
};

/// What a machine lacks that a data plane needs, as one line for a person; `Ok` when nothing.
///
/// # Errors
/// The line.
pub fn probe() -> Result<(), String> {
    ringmesh_io::probe::probe().map(drop).map_err(|missing| missing.to_string())
}

/// The names of the ways in which packets end, in the order of a worker's drop counters.
#[must_use]
pub fn drop_names() -> Vec<&'static str> {
    ringmesh_tunnel::Drop::ALL.map(ringmesh_tunnel::Drop::name).to_vec()
}

/// The names of what a worker can use, in the order of its feature bits.
#[must_use]
pub fn feature_names() -> Vec<&'static str> {
    ringmesh_io::Features::NAMES.to_vec()
}

/// Runs the data plane; `link_fd` is the socket that the control process passed.
///
/// The exit code tells control whether to start another one: 0 is an orderly end.
pub fn run_dataplane(link_fd: RawFd) -> ExitCode {
    #[allow(unsafe_code)]
    // SAFETY:
    // - the number comes from the command line of a process that we were started by, and nothing has used it yet;
    // - should it be no open fd, the first use of it fails and nothing else happens.
    let link = Link::from(unsafe { OwnedFd::from_raw_fd(link_fd) });
    match start(&link) {
        Ok(slow) => match slow.serve(link) {
            Ending::Orderly => ExitCode::SUCCESS,
            Ending::Broken => ExitCode::FAILURE,
        },
        Err(text) => {
            // Control prints it; when control is gone there is nobody to tell.
            let _ = link.send(&FromPlane::Failed { text }, &[]);
            ExitCode::FAILURE
        }
    }
}

impl Slow {
    /// Says that everything runs, then runs it.
    fn serve(mut self, link: Link) -> Ending {
        if link.send(&FromPlane::Ready, &[]).is_ok() {
            self.link = Some(link);
        } else {
            self.lose_control();
        }
        Point::PlaneStartReady.pass();
        self.run()
    }
}

fn start(link: &Link) -> Result<Slow, String> {
    let start = clock::boottime();
    Point::PlaneStartBegun.pass();
    let (message, fds) = link.recv::<ToPlane>().map_err(|error| error.to_string())?;
    let ToPlane::Start { generation, ifname, workers, sockets, offloads, uid } = message else {
        return Err("the first message of control was not the start".to_owned());
    };
    Point::PlaneStartHeard.pass();
    let fds = StartFds::sort(workers, sockets, fds).ok_or("wrong number of file descriptors")?;
    let workers = u8::try_from(workers).map_err(|_| "too many workers")?;
    let plane = PlaneSide::attach(&fds.memory, generation).map_err(|error| error.to_string())?;
    let bells = Bells { plane: adopt(fds.plane_bell)?, control: adopt(fds.control_bell)? };
    let office = office(workers).map_err(|error| format!("cannot make an eventfd: {error}"))?;
    if fds.sockets.len() != fds.tun.len() + 1 {
        return Err("one socket per worker and one for letters is needed".to_owned());
    }
    steer(&fds.sockets);
    let prepared = prepare_ports(&office, &fds.tun, &fds.sockets, offloads)?;
    Point::PlaneStartRings.pass();
    let restricted = prepared.iter().all(|port| port.features().restricted);

    let nobody = Unprivileged::become_nobody(&ifname, uid).map_err(|error| error.to_string())?;
    let uid = nobody.uid();
    Point::PlaneStartUnprivileged.pass();
    let snapshot = Snapshot::new(workers);
    start_workers(prepared, &office, &snapshot, &plane)?;
    Point::PlaneStartWorkers.pass();
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| format!("no randomness: {error}"))?;
    // Behind the workers: handshakes that a flood brings take what the packets leave, and need no more. Where that is
    // refused, they share equally.
    let _ = rustix::process::setpriority_process(None, SLOW_NICENESS);
    let mut hardening = nobody.confine().map_err(|error| error.to_string())?;
    Point::PlaneStartConfined.pass();
    if restricted {
        hardening = hardening.with(Hardening::RESTRICTED_RINGS);
    }

    let about = About { pid: std::process::id(), uid, start, hardening };
    about.publish(plane.rows().plane());
    Ok(Slow {
        device: Device::new(seed, wall()),
        backlog: (0..workers).map(|_| Default::default()).collect(),
        office,
        routes: AllowedIps::new(),
        snapshot,
        published: Vec::new(),
        introduced: Vec::new(),
        unpublished: false,
        plane,
        bells,
        link: None,
        whole: false,
        listener: Listener::from(fds.listener),
        files: Files { ifname, offloads, tun: fds.tun, sockets: vec![fds.sockets] },
        about,
        drops: Default::default(),
        ending: None,
        letters: Letters::default(),
        moves: 0,
        moves_told: 0,
        turns: 0,
        beat_at: Duration::ZERO,
    })
}

fn adopt(fd: OwnedFd) -> Result<Bell, String> {
    Bell::adopt(fd).map_err(|error| error.to_string())
}

fn office(workers: u8) -> rustix::io::Result<Office> {
    let mails = (0..workers).map(|_| WorkerMail::new()).collect::<Result<Vec<_>, _>>()?;
    Ok(Office {
        slow: Arc::new(SlowMail::new()?),
        workers: mails.into(),
        pool: Arc::new(Pool::new(PARCELS_PER_WORKER * workers as usize)),
    })
}

/// Lets the kernel choose the worker by receiver index. Where it cannot, the hash does, and packets are handed over.
pub(crate) fn steer(sockets: &[OwnedFd]) {
    if let [first, letters @ ..] = sockets
        && let Err(error) = ringmesh_io::steer::attach(first, letters.len() as u8)
    {
        eprintln!("datagrams cannot be steered to their workers and are handed over instead: {error}");
    }
}

/// Makes every worker's ring, disabled, while memory for it may still be locked.
fn prepare_ports(
    office: &Office,
    tun: &[[OwnedFd; 2]],
    sockets: &[OwnedFd],
    offloads: u32,
) -> Result<Vec<Prepared>, String> {
    let copy =
        |fd: &OwnedFd| fd.try_clone().map_err(|error| format!("cannot copy a file descriptor: {error}"));
    let mut prepared = Vec::with_capacity(tun.len());
    for ((tun, socket), mail) in tun.iter().zip(sockets).zip(office.workers.iter()) {
        let tun = [copy(&tun[0])?, copy(&tun[1])?];
        let wake = mail.bell.event().try_clone_to_owned().map_err(|error| error.to_string())?;
        let fds = PortFds { tun, sockets: vec![copy(socket)?], wake, offloads: switched_on(offloads) };
        prepared.push(
            UringPort::prepare(fds, Limits::default())
                .map_err(|error| format!("cannot set up io_uring: {error}"))?,
        );
    }
    Ok(prepared)
}

/// What control has switched on, from the bits of TUNSETOFFLOAD. UDP offloads are tried and given up when refused.
fn switched_on(bits: u32) -> Offloads {
    let on = |bit: u32| bits & bit != 0;
    Offloads {
        vnet_len: VnetHdr::LEN as u8,
        tun_csum: on(libc::TUN_F_CSUM),
        tun_tso: on(libc::TUN_F_TSO4) && on(libc::TUN_F_TSO6),
        tun_uso: on(libc::TUN_F_USO4) && on(libc::TUN_F_USO6),
        udp_gso: true,
        udp_gro: true,
    }
}

/// Starts the worker threads and returns once each has enabled its ring.
fn start_workers(
    prepared: Vec<Prepared>,
    office: &Office,
    snapshot: &Snapshot,
    plane: &PlaneSide,
) -> Result<(), String> {
    let enabled = Arc::new(Barrier::new(prepared.len() + 1));
    let snapshot = Arc::new(snapshot.clone());
    for (number, prepared) in (0_u8..).zip(prepared) {
        let (office, snapshot, rows) = (office.clone(), Arc::clone(&snapshot), Arc::clone(plane.rows()));
        let enabled = Arc::clone(&enabled);
        let run = move || {
            let _guard = AbortOnPanic;
            let (port, precedence) = (prepared.enable(), Precedence::of_this_thread());
            enabled.wait();
            match port {
                Ok(port) => Worker::new(number, port, office, snapshot, rows).run(precedence),
                Err(error) => {
                    let _ = office.slow.notes.force_push(Note::Failed { worker: number, error });
                    office.slow.bell.ring();
                }
            }
        };
        std::thread::Builder::new()
            .name(format!("worker {number}"))
            .spawn(run)
            .map_err(|error| format!("cannot start a worker thread: {error}"))?;
    }
    enabled.wait();
    Ok(())
}

/// A worker that panics takes the process with it: control starts another one on the same files, which is better
/// than a tunnel with a core missing.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

/// The slow thread's niceness: against a busy worker on the same core it gets about a tenth.
const SLOW_NICENESS: i32 = 10;
/// Packets that may wait for sessions or travel between workers. Pages are touched only when used.
const PARCELS_PER_WORKER: usize = 256;

#[cfg(test)]
mod tests;
