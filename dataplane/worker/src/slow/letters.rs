//! Letters: what came to the sockets that are no worker's.
//!
//! The kernel brings everything there that is no data message: handshakes, what is no WireGuard, whatever a stranger
//! sends. So a flood of it fills one socket and takes the time of this thread, which goes behind the workers; what
//! finds the socket full is lost there, at the price of a lookup.
//!
//! **Invariant:** one portion is taken from each socket in a turn, however much waits.

use std::os::fd::OwnedFd;
use std::time::Duration;

use ringmesh_io::{Arrived, Inbox};
use ringmesh_tunnel::Drop;
use ringmesh_wire::{
    Endpoint, LocalAddr, UdpPath,
    message::{DataHeader, Kind, classify},
};

use super::{COOKIE_DEPTH, Files, Slow, commands::to_shared, wall};
use crate::{mail::LETTER_LEN, parcel::Load};

/// Where they are taken to, and what the kernel had counted for each socket.
#[derive(Default)]
pub(crate) struct Letters {
    inbox: Inbox,
    /// By set: datagrams that found the socket full.
    lost: Vec<u32>,
}

impl Letters {
    /// The sockets of `set` are others from now on.
    pub(crate) fn forget(&mut self, set: u8) {
        if let Some(lost) = self.lost.get_mut(usize::from(set)) {
            *lost = 0;
        }
    }

    /// How many more were lost, if the kernel says that it were `count` in all.
    fn newly_lost(&mut self, set: u8, count: u32) -> u32 {
        let place = usize::from(set);
        if self.lost.len() <= place {
            self.lost.resize(place + 1, 0);
        }
        self.lost.get_mut(place).map_or(0, |lost| count.wrapping_sub(std::mem::replace(lost, count)))
    }
}

impl Files {
    /// The socket for letters of a set, if it has one: the one behind the workers'.
    fn letter_socket(&self, set: u8) -> Option<&OwnedFd> {
        self.sockets.get(usize::from(set))?.get(self.tun.len())
    }

    /// The sockets for letters of all sets.
    pub(crate) fn letter_sockets(&self) -> impl Iterator<Item = &OwnedFd> {
        (0..self.sockets.len() as u8).filter_map(|set| self.letter_socket(set))
    }
}

impl Slow {
    pub(super) fn take_letters(&mut self, now: Duration) {
        for set in 0..self.files.sockets.len() as u8 {
            let Some(socket) = self.files.letter_socket(set) else { continue };
            // Nothing is sent from there, so nobody reports anything; an error takes no more than this turn.
            let count = self.letters.inbox.receive(socket).unwrap_or(0);
            if count >= COOKIE_DEPTH {
                self.device.set_cookie_pressure(true);
            }
            for place in 0..count {
                self.take_letter(set, place, now);
            }
        }
    }

    fn take_letter(&mut self, set: u8, place: usize, now: Duration) {
        let Some(Arrived { from, local, tos, lost, bytes }) = self.letters.inbox.get(place) else {
            return self.drop(Drop::Malformed);
        };
        let how = match classify(bytes) {
            Kind::Initiation | Kind::Response | Kind::CookieReply => {
                let from = endpoint(set, from, local);
                self.device.handle_handshake(bytes, from, now, wall()).err()
            }
            Kind::Other if bytes.len() > LETTER_LEN => Some(Drop::Malformed),
            Kind::Other => match self.plane.punt(&to_shared(endpoint(set, from, local)), bytes) {
                true => Some(Drop::Punted),
                false => Some(Drop::PuntFull),
            },
            // Only where datagrams cannot be steered, or of a stranger.
            Kind::Data => {
                let load = Load::Datagrams { segment: bytes.len() as u32, from, local, tos, socket: set };
                self.office.hand_over(load, bytes).err()
            }
        };
        if let Some(how) = how {
            self.drop(how);
        }
        let newly = lost.map_or(0, |lost| self.letters.newly_lost(set, lost));
        if let Some(count) = self.drops.get_mut(Drop::Overloaded as usize) {
            *count += u64::from(newly);
        }
    }
}

impl crate::turn::Office {
    /// Gives a data message to the worker that its receiver index names.
    fn hand_over(&self, load: Load, bytes: &[u8]) -> Result<(), Drop> {
        let header = DataHeader::parse(bytes).ok_or(Drop::Malformed)?;
        let mail = self.workers.get((header.receiver & 0xff) as usize).ok_or(Drop::UnknownIndex)?;
        let mut parcel = self.pool.take().ok_or(Drop::HandoffFull)?;
        let sent = if parcel.fill(load, bytes) { mail.parcels.push(parcel) } else { Err(parcel) };
        match sent {
            Ok(()) => mail.bell.ring(),
            Err(parcel) => {
                self.pool.give(parcel);
                return Err(Drop::HandoffFull);
            }
        }
        Ok(())
    }
}

fn endpoint(socket: u8, remote: std::net::SocketAddr, local: Option<(std::net::IpAddr, u32)>) -> Endpoint {
    let local = local.map(|(ip, ifindex)| LocalAddr { ip, ifindex });
    Endpoint::Udp(UdpPath { remote, local, socket })
}

#[cfg(test)]
mod tests;
