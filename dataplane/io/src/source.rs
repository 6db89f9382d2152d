//! Something that is read for ever: which of its requests are armed, and when to arm them again.
//!
//! **Invariant:** an error never makes a source spin. Out of buffers, it waits for buffers; told nothing
//! useful, it pauses; gone for good, it ends.
#![forbid(unsafe_code)]

use crate::limits::SINGLE_READS;

/// What the end of a request means for its source.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    /// Arm it again: it did its work, or reported something about one packet.
    Again,
    /// Arm it again once its group has a buffer.
    Dry,
    /// Arm it again after a pause.
    Pause,
    /// One request cannot serve many packets here.
    NoMultishot,
    /// The file is gone.
    Gone,
}

impl Ended {
    /// Judges an errno (positive) that a read or receive ended with.
    pub(crate) const fn from_errno(errno: i32, multishot: bool) -> Self {
        match errno {
            libc::ENOBUFS => Self::Dry,
            libc::EBADFD | libc::EBADF | libc::ENOTSOCK => Self::Gone,
            libc::EINVAL | libc::EOPNOTSUPP if multishot => Self::NoMultishot,
            // A socket passes on what routers and peers say, once each: reception goes on.
            libc::ECONNREFUSED
            | libc::ECONNRESET
            | libc::EHOSTUNREACH
            | libc::EHOSTDOWN
            | libc::ENETUNREACH
            | libc::ENETDOWN
            | libc::ENOPROTOOPT
            | libc::EPROTO
            | libc::EACCES
            | libc::EPERM
            | libc::EMSGSIZE
            | libc::ECANCELED
            | libc::EINTR => Self::Again,
            _ => Self::Pause,
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Live,
    Dry,
    Paused,
    Gone,
}

/// The requests of one file, each in a lane of its own; a multishot request needs one lane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    state: State,
    multishot: bool,
    lanes: u8,
    armed: u8,
}

impl Source {
    /// Reads by one request for many packets, or by `lanes` single ones.
    pub(crate) const fn new(multishot: bool, lanes: u8) -> Self {
        assert!(lanes > 0 && lanes <= SINGLE_READS);
        Self { state: State::Live, multishot, lanes, armed: 0 }
    }

    pub(crate) const fn multishot(&self) -> bool {
        self.multishot
    }

    /// Whether every request that there can be is in flight.
    pub(crate) const fn is_whole(&self) -> bool {
        self.armed() == if self.multishot { 1 } else { self.lanes }
    }

    /// How many requests are in flight.
    pub(crate) const fn armed(&self) -> u8 {
        self.armed.count_ones() as u8
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.state == State::Paused
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.state == State::Gone
    }

    /// Whether there is a lane to arm, and something to read into.
    pub(crate) fn wants(&self, stocked: bool) -> bool {
        let ready = self.state == State::Live || (self.state == State::Dry && stocked);
        ready && !self.is_whole()
    }

    /// The next lane to arm, if it [wants](Self::wants) one.
    pub(crate) fn arm(&mut self, stocked: bool) -> Option<u8> {
        if !self.wants(stocked) {
            return None;
        }
        self.state = State::Live;
        let lane = self.armed.trailing_ones() as u8;
        self.armed |= 1 << lane;
        Some(lane)
    }

    /// Notes that a lane's request has ended.
    pub(crate) const fn disarm(&mut self, lane: u8) {
        self.armed &= !(1u8.wrapping_shl(lane as u32));
    }

    /// Draws the consequence. True if this changed the source for good.
    pub(crate) fn on_ended(&mut self, ended: Ended) -> bool {
        match (ended, self.state) {
            (_, State::Gone) => false,
            (Ended::Gone, _) => {
                self.state = State::Gone;
                true
            }
            (Ended::NoMultishot, _) => std::mem::take(&mut self.multishot),
            (Ended::Again, _) => false,
            (Ended::Dry, _) => {
                self.state = State::Dry;
                false
            }
            (Ended::Pause, _) => {
                self.state = State::Paused;
                false
            }
        }
    }

    /// Ends a pause.
    pub(crate) fn resume(&mut self) {
        if self.state == State::Paused {
            self.state = State::Live;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_armed_as_far_as_they_are_needed() {
        let mut multi = Source::new(true, 4);
        assert_eq!((multi.arm(true), multi.arm(true)), (Some(0), None));
        let mut single = Source::new(false, 3);
        assert_eq!([(); 4].map(|()| single.arm(true)), [Some(0), Some(1), Some(2), None]);
        single.disarm(1);
        assert_eq!((single.arm(true), single.arm(true)), (Some(1), None));
    }

    /// What a source does after each kind of end: armed at once, with buffers, after a pause.
    #[test]
    fn errors_decide_when_it_is_armed_again() {
        let cases = [
            (libc::ECONNREFUSED, [true, true, true]),
            (libc::EMSGSIZE, [true, true, true]),
            (libc::ENOBUFS, [false, true, true]),
            (libc::ENOMEM, [false, false, true]),
            (libc::EIO, [false, false, true]),
            (libc::EBADFD, [false, false, false]),
            (libc::EBADF, [false, false, false]),
            (libc::EINVAL, [true, true, true]),
        ];
        for (errno, expected) in cases {
            let after = |stocked: bool, resume: bool| {
                let mut source = Source::new(true, 4);
                let lane = source.arm(true).expect("live");
                source.disarm(lane);
                source.on_ended(Ended::from_errno(errno, true));
                if resume {
                    source.resume();
                }
                source.arm(stocked).is_some()
            };
            assert_eq!(
                [after(false, false), after(true, false), after(true, true)],
                expected,
                "errno {errno}"
            );
        }
    }

    #[test]
    fn multishot_is_given_up_once() {
        let mut source = Source::new(true, 4);
        assert!(source.on_ended(Ended::from_errno(libc::EINVAL, true)));
        assert!(!source.multishot());
        assert!(!source.on_ended(Ended::NoMultishot));
        assert_eq!(Ended::from_errno(libc::EINVAL, false), Ended::Pause, "then it means something else");
    }

    #[test]
    fn gone_is_told_once_and_for_ever() {
        let mut source = Source::new(true, 1);
        assert!(source.on_ended(Ended::Gone) && !source.on_ended(Ended::Gone));
        source.resume();
        assert_eq!(source.arm(true), None);
    }
}
