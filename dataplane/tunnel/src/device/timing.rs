//! What happens because time passes.
//!
//! **Invariant:** whatever was due is not due any more after it was attended to, so no peer can keep the slow
//! half busy; and one call attends to a bounded number of peers.

use std::time::Duration;

use super::{Device, Output};
use crate::PeerId;
use crate::tai64n::Tai64N;
use crate::timers::Due;

/// Peers that one call attends to: each may cost two curve operations, so this stays below some ten
/// milliseconds.
const ATTENDED_MAX: usize = 32;

impl Device {
    /// Attends to the peers whose deadlines have come. Call it once before anything else too, so that the
    /// first timestamp knows the wall clock.
    pub fn handle_timeout(&mut self, now: Duration, wall: Tai64N) {
        self.clock.observe(now, wall);
        self.wheel.turn(now);
        for _ in 0..ATTENDED_MAX {
            let Some(id) = self.wheel.first_due() else { break };
            self.attend(id, now);
        }
    }

    /// The owner has stamped a peer that was not watched.
    pub fn on_active(&mut self, id: PeerId, now: Duration) {
        if let Some(life) = self.peers.life_mut(id) {
            life.timers.look(&life.stamps, now);
            self.reschedule(id);
        }
    }

    fn attend(&mut self, id: PeerId, now: Duration) {
        for due in Due::ALL {
            let Some(life) = self.peers.life(id) else { return };
            if life.timers.deadline(due, &life.stamps).is_some_and(|at| at <= now) {
                self.react(id, due, now);
            }
        }
        self.reschedule(id);
    }

    fn react(&mut self, id: PeerId, due: Due, now: Duration) {
        match due {
            Due::Forget => self.forget_sessions(id),
            Due::Retry => self.retry(id, now),
            Due::Silence => self.on_silence(id, now),
            Due::Acknowledge => self.acknowledge(id, now),
            Due::Persistent => self.keep_alive(id, now),
            Due::Look => {
                if let Some(life) = self.peers.life_mut(id) {
                    life.timers.look(&life.stamps, now);
                }
            }
        }
    }

    /// The peer answers nothing: perhaps it has restarted and knows our session no more.
    fn on_silence(&mut self, id: PeerId, now: Duration) {
        let jitter = self.jitter();
        if let Some(peer) = self.peers.get_mut(id) {
            peer.forget_source();
            let timers = &mut peer.wake().timers;
            timers.settle_silence(now);
            timers.jitter = jitter;
        }
        self.on_want_session(id, now);
    }

    fn acknowledge(&mut self, id: PeerId, now: Duration) {
        if let Some(life) = self.peers.life_mut(id) {
            life.timers.on_sent(now);
            self.outputs.push_back(Output::Keepalive { peer: id });
        }
    }

    /// Keeps a path open: by an empty packet where there is a session, by a handshake where there is none.
    fn keep_alive(&mut self, id: PeerId, now: Duration) {
        let Some(life) = self.peers.life_mut(id) else { return };
        if life.keyring.can_send(now) {
            life.timers.on_sent(now);
            self.outputs.push_back(Output::Keepalive { peer: id });
        } else {
            life.timers.skip_persistent(now);
            if self.may_initiate(id) {
                self.on_want_session(id, now);
            }
        }
    }
}
