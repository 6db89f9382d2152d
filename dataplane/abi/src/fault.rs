//! Fault points: the steps at which a test lets a process die, as a kill between two instructions would.
//!
//! Both processes walk past the same table of points, so it lies in the crate that both share. Only a build with the feature
//! `fault-points` stops to look; in every other one [`Point::pass`] is empty, and nothing of this is in the executable.
//!
//! A test holds a [`Switch`], a small shared memory, and names it in the environment ([`VARIABLE`]) of what it starts. It arms one
//! point; the process that comes there disarms it and kills itself. So one arming is one death, a successor that comes by the
//! same way lives, and a point that nobody passes stays armed, which the test sees.
//!
//! **Invariant:** a point dies without a word: no destructor, no flush, no answer.

use crate::region::{Region, create_sealed};
use crate::sync::{AtomicU64, Ordering};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// The environment variable that holds the path of a [`Switch`].
pub const VARIABLE: &str = "RINGMESH_FAULTS";

/// A step of one of the two processes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u64)]
pub enum Point {
    /// Control is about to write a command into its slot.
    ControlSubmitting,
    /// The slot is written, the doorbell not rung.
    ControlSubmitted,
    /// The doorbell has been rung.
    ControlRung,
    /// A completion was read, its command does not count as acknowledged yet.
    ControlCompletionRead,
    /// Everything is acknowledged, and nobody has been told.
    ControlAnswering,
    /// Whoever asked has been told.
    ControlAnswered,
    /// New sockets are open, and the data plane does not know.
    ControlSocketsOpen,
    /// The data plane was sent new sockets.
    ControlSocketsSent,
    /// Control has connected to a running data plane and asked what it is.
    ControlAttachAsked,
    /// It has the data plane's fds.
    ControlAttachGreeted,
    /// It has sent its memory.
    ControlAttachSent,
    /// It has heard a part of the state.
    ControlAttachHalf,
    /// It has heard all of it.
    ControlAttachHeard,
    /// Control has started a data plane and told it nothing.
    ControlStartSpawned,
    /// It has told it to start.
    ControlStartSent,
    /// The data plane is ready and knows no peer.
    ControlStartReady,

    /// The data plane has copied a command out of its slot, which is not wiped.
    PlaneSlotRead,
    /// It has claimed a command.
    PlaneClaimed,
    /// It has carried the command out, and no worker knows.
    PlaneApplied,
    /// Every worker's mail holds the consequences, and nothing is answered.
    PlanePublished,
    /// The completion is written, the doorbell not rung.
    PlaneCompleted,
    /// The doorbell has been rung.
    PlaneRung,
    /// New sockets came, and no worker knows.
    PlaneSocketsTaken,
    /// Every worker's mail holds its new socket.
    PlaneSocketsOrdered,
    /// The data plane was asked by a new control process and has not answered.
    PlaneAttachAsked,
    /// It has handed its fds over.
    PlaneAttachGreeted,
    /// It serves the new memory and has said nothing of its state.
    PlaneAttachTaken,
    /// It has told a part of its state.
    PlaneAttachHalf,
    /// It has told all of it.
    PlaneAttachTold,
    /// A data plane has begun and heard nothing.
    PlaneStartBegun,
    /// It has its fds.
    PlaneStartHeard,
    /// Its rings are made.
    PlaneStartRings,
    /// It has given its privileges up; no worker runs.
    PlaneStartUnprivileged,
    /// Workers run, system calls are not filtered.
    PlaneStartWorkers,
    /// It is confined and has not said that it is ready.
    PlaneStartConfined,
    /// It has said so.
    PlaneStartReady,
}

impl Point {
    /// Every point, in the order of its numbers.
    pub const ALL: [Self; 36] = [
        Self::ControlSubmitting,
        Self::ControlSubmitted,
        Self::ControlRung,
        Self::ControlCompletionRead,
        Self::ControlAnswering,
        Self::ControlAnswered,
        Self::ControlSocketsOpen,
        Self::ControlSocketsSent,
        Self::ControlAttachAsked,
        Self::ControlAttachGreeted,
        Self::ControlAttachSent,
        Self::ControlAttachHalf,
        Self::ControlAttachHeard,
        Self::ControlStartSpawned,
        Self::ControlStartSent,
        Self::ControlStartReady,
        Self::PlaneSlotRead,
        Self::PlaneClaimed,
        Self::PlaneApplied,
        Self::PlanePublished,
        Self::PlaneCompleted,
        Self::PlaneRung,
        Self::PlaneSocketsTaken,
        Self::PlaneSocketsOrdered,
        Self::PlaneAttachAsked,
        Self::PlaneAttachGreeted,
        Self::PlaneAttachTaken,
        Self::PlaneAttachHalf,
        Self::PlaneAttachTold,
        Self::PlaneStartBegun,
        Self::PlaneStartHeard,
        Self::PlaneStartRings,
        Self::PlaneStartUnprivileged,
        Self::PlaneStartWorkers,
        Self::PlaneStartConfined,
        Self::PlaneStartReady,
    ];

    /// This process has come to the point. It returns, unless a test has armed it.
    #[inline(always)]
    pub fn pass(self) {
        #[cfg(feature = "fault-points")]
        armed::pass(self);
    }

    /// What stands in the switch while this point is armed; 0 is none.
    const fn number(self) -> u64 {
        self as u64 + 1
    }
}

const _: () = {
    let mut at = 0;
    while at < Point::ALL.len() {
        assert!(Point::ALL[at] as usize == at, "every point is in the table");
        at += 1;
    }
    assert!(Point::ALL.len() == Point::PlaneStartReady as usize + 1, "the last point is in the table");
};

/// What a test arms points with.
pub struct Switch {
    region: Region,
    fd: OwnedFd,
}

impl Switch {
    /// A switch with nothing armed.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn new() -> io::Result<Self> {
        let fd = create_sealed(SWITCH_LEN)?;
        let region = Region::map(&fd, SWITCH_LEN).map_err(io::Error::other)?;
        Ok(Self { region, fd })
    }

    /// Its descriptor, which others reach through /proc as long as this process and the switch live.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Whoever passes `point` after it was passed `times` times dies there.
    pub fn arm(&self, point: Point, times: u32) {
        self.word().store(u64::from(times) << 32 | point.number(), Ordering::SeqCst);
    }

    /// Whether nobody has died of what was armed.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.word().load(Ordering::SeqCst) != 0
    }

    /// Takes back what was armed.
    pub fn disarm(&self) {
        self.word().store(0, Ordering::SeqCst);
    }

    fn word(&self) -> &AtomicU64 {
        self.region.view(0)
    }
}

/// One cache line, the least that is mapped.
const SWITCH_LEN: usize = 64;

#[cfg(feature = "fault-points")]
mod armed {
    //! The looking and the dying.

    use super::{Point, SWITCH_LEN, VARIABLE};
    use crate::region::Region;
    use crate::sync::{AtomicU64, Ordering};
    use std::sync::OnceLock;

    static SWITCH: OnceLock<Option<Region>> = OnceLock::new();

    /// The first point that a process passes opens the switch; a data plane can open nothing later on.
    pub(super) fn pass(point: Point) {
        let Some(switch) = SWITCH.get_or_init(open) else { return };
        if is_due(switch.view(0), point.number()) {
            // A data plane that is confined may not even do this; the filter then ends it just as suddenly.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    }

    fn open() -> Option<Region> {
        let path = std::env::var_os(VARIABLE)?;
        let file = std::fs::OpenOptions::new().read(true).write(true).open(path).ok()?;
        Region::map(file, SWITCH_LEN).ok()
    }

    /// Whether it is this point and its time; then it is disarmed.
    fn is_due(word: &AtomicU64, point: u64) -> bool {
        let left = |word: u64| (word & 0xffff_ffff == point).then_some(word >> 32);
        let after = |word: u64| match left(word)? {
            0 => Some(0),
            times => Some((times - 1) << 32 | point),
        };
        word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, after).is_ok_and(|before| before >> 32 == 0)
    }

    #[cfg(test)]
    #[test]
    fn a_point_is_due_once_and_after_as_many_times_as_it_was_told() {
        let switch = super::Switch::new().expect("a switch");
        let (one, other) = (Point::PlaneClaimed.number(), Point::PlaneApplied.number());
        assert!(!is_due(switch.word(), one), "nothing is armed");
        switch.arm(Point::PlaneClaimed, 2);
        assert!(!is_due(switch.word(), other));
        assert_eq!([(); 4].map(|()| is_due(switch.word(), one)), [false, false, true, false]);
        assert!(!switch.is_armed());
    }
}
