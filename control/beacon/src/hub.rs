//! Who is connected now, and what is passed on to them.
//!
//! **Invariant:** passing on never waits. A device that does not take what it is sent is cut off, comes again and fetches. Who enters is
//! taken in before anybody hears what came to the disk later than what it is welcomed with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ringmesh_mesh::beacon::Push;
use ringmesh_mesh::identity::DeviceId;
use tokio::sync::mpsc;

use crate::limits::PUSHES_MAX;
use crate::store::{BoxId, Effect, Visitor};

/// All connections that have entered.
#[derive(Default)]
pub(crate) struct Hub(Mutex<State>);

#[derive(Default)]
struct State {
    boxes: BTreeMap<BoxId, BTreeMap<DeviceId, Line>>,
    /// Tells the connections of one device apart.
    serial: u64,
}

/// The way to one connected device. When it is dropped, the connection ends.
struct Line {
    serial: u64,
    pushes: mpsc::Sender<Push>,
    /// Whether it may signal, and gets the signals of others.
    admitted: bool,
    /// Its last signal to everybody.
    signal: Option<Vec<u8>>,
}

/// A place in the hub, held by a connection, which has left when this is dropped.
pub(crate) struct Place {
    hub: Arc<Hub>,
    boxed: BoxId,
    device: DeviceId,
    serial: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hub.leave(self);
    }
}

impl Hub {
    /// Takes a device in; an older connection of it ends. It first gets the signals that others have sent to everybody.
    pub(crate) fn enter(
        self: &Arc<Self>,
        visitor: &Visitor,
        admitted: bool,
    ) -> (Place, mpsc::Receiver<Push>) {
        let (pushes, receiver) = mpsc::channel(PUSHES_MAX);
        let mut state = self.state();
        state.serial += 1;
        let serial = state.serial;
        let lines = state.boxes.entry(visitor.boxed).or_default();
        lines.insert(visitor.device, Line { serial, pushes, admitted, signal: None });
        greet(lines, &visitor.device);
        (Place { hub: Arc::clone(self), boxed: visitor.boxed, device: visitor.device, serial }, receiver)
    }

    fn leave(&self, place: &Place) {
        let mut state = self.state();
        let Some(lines) = state.boxes.get_mut(&place.boxed) else { return };
        if lines.get(&place.device).is_some_and(|line| line.serial == place.serial) {
            lines.remove(&place.device);
        }
        if lines.is_empty() {
            state.boxes.remove(&place.boxed);
        }
    }

    fn signal(&self, place: &Place, to: &[DeviceId], sealed: Vec<u8>) -> bool {
        let mut state = self.state();
        let Some(lines) = state.boxes.get_mut(&place.boxed) else { return false };
        if !lines.get(&place.device).is_some_and(|line| line.serial == place.serial && line.admitted) {
            return false;
        }
        let push = Push::Signal { from: place.device, sealed: sealed.clone() };
        let others: Vec<_> = match to {
            [] => lines.keys().copied().filter(|device| *device != place.device).collect(),
            some => some.to_vec(),
        };
        for device in others {
            if lines.get(&device).is_some_and(|line| line.admitted) {
                send(lines, &device, push.clone());
            }
        }
        if let (true, Some(own)) = (to.is_empty(), lines.get_mut(&place.device)) {
            own.signal = Some(sealed);
        }
        true
    }

    /// Tells what has come to the disk to whom it concerns.
    pub(crate) fn apply(&self, effects: Vec<Effect>) {
        let mut state = self.state();
        for effect in effects {
            match effect {
                Effect::Grown(boxed, push) => {
                    let Some(lines) = state.boxes.get_mut(&boxed) else { continue };
                    let devices: Vec<_> = lines.keys().copied().collect();
                    devices.iter().for_each(|device| send(lines, device, push.clone()));
                }
                Effect::For(boxed, device, push) => {
                    if let Some(lines) = state.boxes.get_mut(&boxed) {
                        send(lines, &device, push);
                    }
                }
                Effect::Removed(boxed, device) => {
                    state.boxes.get_mut(&boxed).and_then(|lines| lines.remove(&device));
                }
                Effect::Admitted(boxed, device) => {
                    let Some(lines) = state.boxes.get_mut(&boxed) else { continue };
                    if let Some(line) = lines.get_mut(&device) {
                        line.admitted = true;
                    }
                    greet(lines, &device);
                }
            }
        }
    }

    /// Nothing here can be left half done, so a poisoned lock is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Passes a signal on to those of `to` who are connected; to everybody, now and later, if `to` names nobody. False if the holder
    /// may not signal.
    pub(crate) fn signal(&self, to: &[DeviceId], sealed: Vec<u8>) -> bool {
        self.hub.signal(self, to, sealed)
    }
}

/// Gives a device the signals that others have sent to everybody.
fn greet(lines: &mut BTreeMap<DeviceId, Line>, device: &DeviceId) {
    if !lines.get(device).is_some_and(|line| line.admitted) {
        return;
    }
    let signals: Vec<_> = lines
        .iter()
        .filter(|(other, _)| *other != device)
        .filter_map(|(other, line)| Some(Push::Signal { from: *other, sealed: line.signal.clone()? }))
        .take(PUSHES_MAX / 2)
        .collect();
    signals.into_iter().for_each(|push| send(lines, device, push));
}

fn send(lines: &mut BTreeMap<DeviceId, Line>, device: &DeviceId, push: Push) {
    if lines.get(device).is_some_and(|line| line.pushes.try_send(push).is_err()) {
        lines.remove(device);
    }
}

#[cfg(test)]
mod tests;
