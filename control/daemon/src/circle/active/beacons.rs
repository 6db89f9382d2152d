//! What is said and heard through beacons, which carry it and understand nothing of it.
//!
//! Records lie in a beacon's log, each sealed by itself: to the circle, and beside an open invite also to its room, so that a joiner
//! can read the circle while everybody is offline. What is sealed twice gives the same bytes, so whoever finds a record missing
//! may store it; the beacon keeps it once. A device reads the whole log when it starts, and then stores what is not in it.
//!
//! **Invariant:** losing a beacon loses nothing: everything that it carries is on members' disks too.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use ringmesh_mesh::beacon::place::BeaconUrl;
use ringmesh_mesh::beacon::roll::{self, Offer};
use ringmesh_mesh::beacon::{Entry, Stored};
use ringmesh_mesh::identity::{DeviceId, RecordHash};
use ringmesh_mesh::invite::{Beacon, Code};
use ringmesh_mesh::record::{Body, Record, Role, Unverified, Witness};
use ringmesh_mesh::sealed::parcel::Parcel;
use ringmesh_mesh::sealed::signal::Signal;
use ringmesh_mesh::sealed::{Header, KeyId, Purpose, SealKey};
use ringmesh_mesh::sync::Message;

use super::Active;
use crate::beacon::{BeaconConfig, Cursor, Handle, Heard, HowToEnter, Say, connect};
use crate::circle::random;
use crate::circle::reach::Fresh;
use crate::os::clock::wall_secs;

/// One beacon of the circle.
pub(in crate::circle) struct Line {
    handle: Handle,
    /// Where it is, with its key as soon as that is known.
    pub(in crate::circle) pinned: Option<Beacon>,
    /// From where it sees us, while it answers.
    pub(in crate::circle) seen: Option<SocketAddr>,
    /// Why it does not answer.
    pub(in crate::circle) why: String,
    /// Whether its log was read to the end since the start.
    read: bool,
    /// What was found in it or stored there, by the key that it is sealed with.
    stored: BTreeSet<(KeyId, RecordHash)>,
}

impl Active {
    /// Comes to these beacons, and to no others.
    pub(in crate::circle) fn use_beacons(&mut self, urls: &[BeaconUrl]) {
        self.beacons.retain(|url, _| urls.contains(url));
        for url in urls {
            if self.beacons.contains_key(url) {
                continue;
            }
            let Some(entry) = self.how_to_enter() else { continue };
            let config = BeaconConfig { url: url.clone(), entry, cursor: Cursor::default() };
            let identity = Arc::new(self.membership.device.clone());
            let handle = connect(config, identity, self.membership.id, self.ears.beacons.clone());
            let line = Line {
                handle,
                pinned: url.key.map(|key| url.pinned(key)),
                seen: None,
                why: "not asked yet".to_owned(),
                read: false,
                stored: BTreeSet::new(),
            };
            self.beacons.insert(url.clone(), line);
            self.say_admission(url);
        }
    }

    fn how_to_enter(&self) -> Option<HowToEnter> {
        let membership = &self.membership;
        if let (Some(role), Some(circle)) = (membership.role(), &membership.circle) {
            let me = membership.me();
            let proof = (role == Role::Admin).then(|| roll::proof(circle, &me)).flatten();
            return Some(HowToEnter::Member {
                founder: circle.roster().founder,
                proof: proof.unwrap_or_default(),
            });
        }
        membership.code.as_ref().map(|code| HowToEnter::Invited(Arc::new(code.use_key())))
    }

    /// We have become a member, or an admin.
    pub(super) fn enter_again(&mut self) {
        if let Some(entry) = self.how_to_enter() {
            self.say_all(&Say::Enter(entry));
        }
    }

    fn say_to(&mut self, url: &BeaconUrl, say: Say) -> bool {
        self.beacons.get(url).is_some_and(|line| line.handle.say(say).is_ok())
    }

    fn say_all(&mut self, say: &Say) {
        for line in self.beacons.values() {
            if line.handle.say(say.clone()).is_err() {
                tracing::debug!("a beacon's queue is full");
            }
        }
    }

    /// As a joiner: what lets us in.
    fn say_admission(&mut self, url: &BeaconUrl) {
        let (Some(code), None) = (&self.membership.code, self.membership.role()) else { return };
        let room = SealKey::new(self.membership.id, code.room());
        let first = self.membership.first_records();
        let join = first.first().and_then(|bytes| Unverified::decode(bytes).ok());
        if let Some(join) = join {
            let content = Message::Records(first).to_bytes();
            let sealed = room.seal(Purpose::Room, nonce(&room, &join.hash()), &content);
            self.say_to(url, Say::Admission { record: join.hash(), sealed });
        }
    }

    /// A beacon has something for us.
    pub(in crate::circle) async fn on_beacon(&mut self, url: BeaconUrl, heard: Heard) {
        let Some(line) = self.beacons.get_mut(&url) else { return };
        match heard {
            Heard::Online { key, seen, .. } => {
                let moved = line.seen.map(|seen| seen.ip()) != Some(seen.ip());
                (line.seen, line.pinned) = (Some(seen), Some(url.pinned(key)));
                if moved {
                    self.announce_soon();
                }
                self.say_roll();
                self.signal_beacons();
                if line_read(&self.beacons, &url) {
                    self.publish();
                }
            }
            Heard::Offline { why } => (line.seen, line.why) = (None, why),
            Heard::Records { entries, all, .. } => {
                if all {
                    line.read = true;
                }
                self.on_entries(&url, entries).await;
                if all {
                    self.publish();
                }
            }
            Heard::Parcel { bytes, .. } => {
                if let Ok(parcel) = Parcel::decode(&bytes) {
                    match self.membership.open_parcel(&parcel) {
                        Ok(true) => {
                            self.on_new_key();
                            self.reread();
                        }
                        Ok(false) => {}
                        Err(problem) => self.note_store(Err(problem)),
                    }
                }
            }
            Heard::Signal { sealed, .. } => self.on_beacon_signal(&sealed).await,
            Heard::Receipt(receipt) => {
                self.receipt = Some(receipt);
                self.use_receipt().await;
            }
            Heard::Refused { what, why } => {
                tracing::warn!(beacon = %url.authority(), what, %why, "a beacon refuses");
                line.why = why.to_string();
            }
            Heard::Dropped { what } => {
                tracing::warn!(beacon = %url.authority(), what, "too much waits for a beacon")
            }
            Heard::Done(_) => {}
        }
    }

    /// Entries that could not be opened may be ours to read now: the log is read from its beginning again.
    fn reread(&mut self) {
        let urls: Vec<BeaconUrl> = self.beacons.keys().cloned().collect();
        self.beacons.clear();
        self.use_beacons(&urls);
    }

    async fn on_entries(&mut self, url: &BeaconUrl, entries: Vec<Stored>) {
        let mut records = Vec::new();
        for entry in entries {
            let Some((key, content)) = self.open_entry(&entry.sealed) else { continue };
            let Ok(message @ Message::Records(_)) = Message::decode(&content) else { continue };
            for record in message.records() {
                if let Some(line) = self.beacons.get_mut(url) {
                    line.stored.insert((key, record.hash()));
                }
                records.push(record);
            }
        }
        if !records.is_empty() {
            self.take(records, None).await;
            self.use_receipt().await;
        }
    }

    fn open_entry(&self, sealed: &[u8]) -> Option<(KeyId, Vec<u8>)> {
        let header = Header::read(sealed).ok()?;
        let key = self.membership.ring.get(&header.key);
        let key = key.or_else(|| self.rooms.iter().find(|room| room.id() == header.key))?;
        let purpose =
            Some(header.purpose).filter(|purpose| matches!(purpose, Purpose::Records | Purpose::Room))?;
        Some((key.id(), key.open(purpose, sealed).ok()?))
    }

    async fn on_beacon_signal(&mut self, sealed: &[u8]) {
        let Ok(header) = Header::read(sealed) else { return };
        let Some(key) = self.membership.ring.get(&header.key) else { return };
        let me = self.membership.me();
        let Ok(signal) = Signal::open(key, Purpose::Signal, &me, wall_secs(), sealed) else { return };
        let member = self.membership.roster().is_some_and(|roster| roster.is_member(&signal.from));
        if member && signal.from != me && self.hear(&signal, None) == Fresh::Moved {
            self.try_now(signal.from).await;
        }
    }

    /// Tells members who come to the same beacons where we are.
    pub(super) fn signal_beacons(&mut self) {
        if self.beacons.is_empty() || self.membership.role().is_none() {
            return;
        }
        let Some(key) = self.membership.ring.current().map(|(key, _)| key.clone()) else { return };
        let sealed = self.signal(None).seal(&key, Purpose::Signal, &self.membership.device, random());
        self.say_all(&Say::Signal { to: vec![], sealed });
    }

    /// As an admin: who belongs to the circle.
    fn say_roll(&mut self) {
        if self.membership.role() != Some(Role::Admin) {
            return;
        }
        if let Some(roster) = self.membership.roster() {
            let entries: Vec<Entry> = roll::of(roster);
            self.say_all(&Say::Roll(entries));
        }
    }

    /// Stores what beacons lack: all records sealed to the circle, and to the room of each invite that names a beacon.
    pub(super) fn publish(&mut self) {
        if self.membership.role().is_none() || self.beacons.is_empty() {
            return;
        }
        self.say_roll();
        let Some(circle) = &self.membership.circle else { return };
        let me = self.membership.me();
        let now = wall_secs();
        let invites = &circle.roster().invites;
        let rooms = invites
            .iter()
            .filter(|(_, invite)| !invite.cancelled && now <= invite.expires && !invite.beacons.is_empty());
        let rooms = rooms
            .map(|(id, invite)| (Some(*id), Purpose::Room, SealKey::new(self.membership.id, invite.room)));
        let own = self.membership.ring.current().map(|(key, _)| (None, Purpose::Records, key.clone()));
        let guest = self.membership.role() == Some(Role::Guest);
        for (room, purpose, key) in own.into_iter().chain(rooms) {
            for line in self.beacons.values_mut().filter(|line| line.read) {
                let lacks = |record: &&Record| {
                    (!guest || record.author() == me) && !line.stored.contains(&(key.id(), record.hash()))
                };
                let records: Vec<&Record> = circle.records().filter(lacks).collect();
                let sealed: Vec<Vec<u8>> = records.iter().map(|record| seal(&key, purpose, record)).collect();
                if !sealed.is_empty() && line.handle.say(Say::Records { room, sealed }).is_ok() {
                    let id = key.id();
                    line.stored.extend(records.iter().map(|record| (id, record.hash())));
                }
            }
        }
    }

    /// Sends the circle key to members through the beacons: to one, or to all.
    pub(super) fn parcel_through_beacons(&mut self, to: Option<DeviceId>) {
        if self.beacons.is_empty() {
            return;
        }
        let me = self.membership.me();
        let members = self.membership.roster().into_iter().flat_map(|roster| roster.members.values());
        let wanted = members.filter(|member| member.device != me && to.is_none_or(|to| to == member.device));
        let parcels: Vec<Say> = wanted
            .filter_map(|member| {
                let bytes = self.membership.parcel(&member.wireguard?)?.to_bytes();
                Some(Say::Parcel { to: member.device, bytes })
            })
            .collect();
        parcels.iter().for_each(|say| self.say_all(say));
    }

    /// Offers an invite to the beacons, so that its holder can store an admission there.
    pub(in crate::circle) fn offer(&mut self, code: &Code) {
        let Some(founder) = self.membership.roster().map(|roster| roster.founder) else { return };
        let offer = Offer::sign(&code.use_key(), &code.circle(), &founder, code.uses(), code.expires());
        self.say_all(&Say::Offer(offer));
    }

    /// The beacons that an invite can name: those whose key is known.
    pub(in crate::circle) fn pinned_beacons(&self) -> Vec<Beacon> {
        let mut pinned: Vec<Beacon> = self.beacons.values().filter_map(|line| line.pinned.clone()).collect();
        pinned.sort();
        pinned.dedup_by(|a, b| a.key == b.key);
        pinned.truncate(ringmesh_mesh::limits::BEACONS_MAX);
        pinned
    }

    /// With a beacon's receipt we are our own witness: nobody has to be online for us to come in.
    async fn use_receipt(&mut self) {
        let Some(receipt) = self.receipt else { return };
        let me = self.membership.me();
        let Some(waiting) = self.membership.roster().and_then(|roster| roster.waiting.get(&me)) else {
            return;
        };
        let (record, invite) = (waiting.record, waiting.invite);
        self.receipt = None;
        let witness = Body::Witness(Witness { device: me, record, receipt: Some(receipt) });
        match self.membership.write(wall_secs(), [witness]) {
            Ok(ingested) => {
                self.publish_to_room(&invite, &ingested.added);
                self.after(ingested, None).await;
            }
            Err(problem) => self.note_store(Err(problem)),
        }
    }

    /// What a joiner says while it has no circle key.
    fn publish_to_room(&mut self, invite: &ringmesh_mesh::identity::UseId, added: &[RecordHash]) {
        let (Some(circle), Some(room)) = (&self.membership.circle, self.rooms.first()) else { return };
        let records = added.iter().filter_map(|hash| circle.record(hash));
        let sealed: Vec<Vec<u8>> = records.map(|record| seal(room, Purpose::Room, record)).collect();
        self.say_all(&Say::Records { room: Some(*invite), sealed });
    }

    /// From where beacons see us: with the tunnel's port it is worth a try where no router changes ports.
    pub(super) fn seen_addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        let seen = self.beacons.values().filter_map(|line| line.seen).map(|seen| seen.ip().to_canonical());
        seen.filter(|ip| !self.own_ips.contains(ip)).map(|ip| SocketAddr::new(ip, self.port))
    }
}

fn line_read(beacons: &BTreeMap<BeaconUrl, Line>, url: &BeaconUrl) -> bool {
    beacons.get(url).is_some_and(|line| line.read)
}

fn seal(key: &SealKey, purpose: Purpose, record: &Record) -> Vec<u8> {
    key.seal(purpose, nonce(key, &record.hash()), &Message::Records(vec![record.to_bytes()]).to_bytes())
}

/// The same for the same record and key, so that a beacon stores it once; without the key it tells nothing.
fn nonce(key: &SealKey, record: &RecordHash) -> [u8; 24] {
    let hash = blake3::keyed_hash(key.expose(), &record.0);
    *hash.as_bytes().first_chunk().unwrap_or(&[0; 24])
}

#[cfg(test)]
mod tests {
    use ringmesh_mesh::identity::CircleId;

    use super::*;

    #[test]
    fn one_record_under_one_key_has_one_nonce() {
        let (a, b) = (SealKey::new(CircleId([1; 32]), [2; 32]), SealKey::new(CircleId([1; 32]), [3; 32]));
        let (one, other) = (RecordHash([4; 32]), RecordHash([5; 32]));
        assert_eq!(nonce(&a, &one), nonce(&a, &one));
        assert_ne!(nonce(&a, &one), nonce(&a, &other));
        assert_ne!(nonce(&a, &one), nonce(&b, &one));
    }
}
