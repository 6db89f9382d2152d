//! What is said and heard on the LAN.
//!
//! Members announce where they are, sealed with the circle key. A joiner shows its first records and announces itself, sealed with
//! the key of its invite; a member takes the records in, witnesses them, and answers with where it is. The rest goes through the
//! tunnel that both can build then.

use std::net::IpAddr;
use std::time::Duration;

use ringmesh_mesh::identity::DeviceId;
use ringmesh_mesh::limits::CANDIDATES_MAX;
use ringmesh_mesh::record::{Body, Record};
use ringmesh_mesh::sealed::parcel::public_of;
use ringmesh_mesh::sealed::signal::{Candidate, Kind, Signal};
use ringmesh_mesh::sealed::{Header, Purpose, SealKey};
use ringmesh_mesh::sync::Message;

use super::{Active, PROVISIONAL_MAX, STRANGERS_MAX};
use crate::circle::lan::{DATAGRAM_MAX, Heard};
use crate::circle::random;
use crate::circle::reach::Fresh;
use crate::os::clock::{boottime, wall_secs};

/// Pauses between announcements after there was reason for one; then the last one, for good.
const MEMBER_PAUSES: &[Duration] = &[
    Duration::from_millis(400),
    Duration::from_millis(1500),
    Duration::from_secs(5),
    Duration::from_secs(30),
];
/// A joiner's: a person is waiting.
const JOINER_PAUSE: Duration = Duration::from_millis(500);
const JOINER_PAUSE_LATER: Duration = Duration::from_secs(10);
const JOINER_HURRIES: u32 = 60;
/// A joiner is answered no more often than this.
const ANSWER_EVERY: Duration = Duration::from_millis(300);
/// Records that a joiner may show at once.
const SHOWN_MAX: usize = 8;

impl Active {
    /// Announces ourselves, and sets the time for the next one.
    pub(super) fn announce(&mut self) {
        let pause = if self.membership.role().is_some() {
            self.announce_to_circle();
            if self.announced == 1 {
                self.signal_beacons();
            }
            MEMBER_PAUSES.get(self.announced as usize).or(MEMBER_PAUSES.last()).copied().unwrap_or_default()
        } else if self.membership.code.is_some() {
            self.show_ourselves();
            if self.announced < JOINER_HURRIES { JOINER_PAUSE } else { JOINER_PAUSE_LATER }
        } else {
            JOINER_PAUSE_LATER
        };
        self.announced = self.announced.saturating_add(1);
        self.announce_at = boottime() + pause;
    }

    /// There is reason to be heard: somebody is new, or we are elsewhere.
    pub(super) fn announce_soon(&mut self) {
        if self.announced > 1 {
            self.announced = 1;
            self.announce_at = boottime() + Duration::from_millis(30);
        }
    }

    fn announce_to_circle(&mut self) {
        let Some(key) = self.membership.ring.current().map(|(key, _)| key.clone()) else { return };
        self.say_signal(&key, None);
    }

    fn say_signal(&mut self, key: &SealKey, to: Option<DeviceId>) {
        let signal = self.signal(to);
        let sealed = signal.seal(key, Purpose::Announcement, &self.membership.device, random());
        self.lan.say(&sealed);
    }

    /// Where we are.
    pub(super) fn signal(&mut self, to: Option<DeviceId>) -> Signal {
        let host = |address| Candidate { kind: Kind::Host, address };
        let candidates = self.endpoints().into_iter().filter(|address| address.port() != 0).map(host);
        let seen = self.seen_addresses().map(|address| Candidate { kind: Kind::Reflexive, address });
        let candidates = candidates.chain(seen).take(CANDIDATES_MAX).collect();
        let membership = &mut self.membership;
        Signal {
            circle: membership.id,
            from: membership.me(),
            to,
            time: wall_secs(),
            serial: membership.next_serial(),
            wireguard: public_of(&membership.wireguard),
            candidates,
        }
    }

    /// As a joiner: first what lets us in, then where we are.
    fn show_ourselves(&mut self) {
        let Some(room) = self.rooms.first().cloned() else { return };
        let records = Message::Records(self.membership.first_records()).to_bytes();
        let sealed = room.seal(Purpose::Room, random(), &records);
        if sealed.len() <= DATAGRAM_MAX {
            self.lan.say(&sealed);
        }
        self.say_signal(&room, None);
    }

    /// A datagram from the LAN. True if records in it were new.
    pub(in crate::circle) async fn on_lan(&mut self, heard: Heard) {
        let Ok(header) = Header::read(&heard.datagram) else { return };
        if let Some(key) = self.membership.ring.get(&header.key).cloned() {
            if header.purpose == Purpose::Announcement {
                self.on_announcement(&key, &heard).await;
            }
            return;
        }
        let Some(room) = self.rooms.iter().find(|room| room.id() == header.key).cloned() else { return };
        match header.purpose {
            Purpose::Announcement => self.on_room_signal(&room, &heard).await,
            Purpose::Room => self.on_shown(&room, &heard).await,
            Purpose::Records | Purpose::Signal => {}
        }
    }

    fn open(&self, key: &SealKey, heard: &Heard) -> Option<Signal> {
        let me = self.membership.me();
        let signal = Signal::open(key, Purpose::Announcement, &me, wall_secs(), &heard.datagram);
        match signal {
            Ok(signal) => Some(signal).filter(|signal| signal.from != me),
            Err(error) => {
                tracing::debug!(%error, from = %heard.from, "a signal on the LAN");
                None
            }
        }
    }

    /// A member says where it is.
    async fn on_announcement(&mut self, key: &SealKey, heard: &Heard) {
        let Some(signal) = self.open(key, heard) else { return };
        let member = self.membership.roster().is_some_and(|roster| roster.is_member(&signal.from));
        if member && self.hear(&signal, Some(heard.from.ip())) == Fresh::Moved {
            self.announce_soon();
            self.try_now(signal.from).await;
        }
    }

    /// A joiner says where it is, or a member answers us.
    async fn on_room_signal(&mut self, room: &SealKey, heard: &Heard) {
        let Some(signal) = self.open(room, heard) else { return };
        let from = signal.from;
        if self.membership.role().is_some() {
            self.on_joiner_signal(room, &signal, heard).await;
        } else if signal.to.is_some() {
            let room_left = self.provisional.len() < PROVISIONAL_MAX || self.provisional.contains_key(&from);
            if room_left && self.hear(&signal, Some(heard.from.ip())) != Fresh::Old {
                self.provisional.insert(from, signal.wireguard);
                self.try_now(from).await;
            }
        }
    }

    async fn on_joiner_signal(&mut self, room: &SealKey, signal: &Signal, heard: &Heard) {
        let known = self.reach.contains_key(&signal.from);
        let strangers = || self.reach.keys().filter(|device| !self.peers.contains_key(device)).count();
        if signal.to.is_some() || (!known && strangers() >= STRANGERS_MAX) {
            return;
        }
        let fresh = self.hear(signal, Some(heard.from.ip()));
        let now = boottime();
        self.answered.retain(|_, at| now < *at + ANSWER_EVERY);
        if fresh == Fresh::Old || self.answered.contains_key(&signal.from) {
            return;
        }
        self.answered.insert(signal.from, now);
        self.say_signal(room, Some(signal.from));
        if self.peers.contains_key(&signal.from) {
            self.try_now(signal.from).await;
        }
    }

    /// A joiner's first records.
    async fn on_shown(&mut self, room: &SealKey, heard: &Heard) {
        if self.membership.role().is_none() {
            return;
        }
        let Ok(content) = room.open(Purpose::Room, &heard.datagram) else { return };
        let Ok(message @ Message::Records(_)) = Message::decode(&content) else { return };
        let records = message.records();
        if records.len() <= SHOWN_MAX {
            self.take(records, None).await;
        }
    }

    /// Takes in where a device is. `observed` is from where its word came over the LAN.
    pub(super) fn hear(&mut self, signal: &Signal, observed: Option<IpAddr>) -> Fresh {
        let mut candidates = signal.candidates.clone();
        let (block, prefix) =
            (self.membership.roster().map(|roster| roster.block), self.membership.ipv6().segments());
        // An address of the mesh would be a tunnel through itself.
        candidates.retain(|candidate| match candidate.address.ip() {
            IpAddr::V4(v4) => block.is_none_or(|block| !block.contains(v4)),
            IpAddr::V6(v6) => v6.segments()[..3] != prefix[..3],
        });
        let own = self.own_ips.clone();
        let fresh =
            self.reach.entry(signal.from).or_default().hear(signal.serial, &candidates, observed, &own);
        if fresh != Fresh::Old && self.note_key(signal) { Fresh::Moved } else { fresh }
    }

    /// Takes in which WireGuard key a member uses, if its records do not know that key yet. True if it is another one than before.
    ///
    /// A key that they do know says nothing new: either it is in use here, or it is one that the member is about to leave.
    fn note_key(&mut self, signal: &Signal) -> bool {
        let (from, key) = (signal.from, signal.wireguard);
        let Some(circle) = &self.membership.circle else { return false };
        let Some(recorded) = circle.roster().members.get(&from).and_then(|member| member.wireguard) else {
            return false;
        };
        let names_it =
            |record: &Record| matches!(record.body(), Body::Profile(profile) if profile.wireguard == key);
        if key == recorded || circle.records_of(&from, 0).any(names_it) {
            return self.newer_keys.remove(&from).is_some();
        }
        self.newer_keys.insert(from, (recorded, key)) != Some((recorded, key))
    }
}
