//! What lies at a beacon, what should, and what is owed to it.
//!
//! Records lie in a beacon's log, each sealed by itself: to the circle, and beside an open invite also to its room, so that a joiner
//! can read the circle while everybody is offline. What is sealed twice gives the same bytes, so whoever finds a record missing
//! may store it; the beacon keeps it once. A record counts as stored when it was read back, so nothing has to be remembered of
//! what was on its way: after a restart it is missing, and stored again.
//!
//! An admin drops the beginning of a log when nothing in it is sealed with a key that is in use. Whoever misses a record then
//! stores it again, as with any other that does not lie there.
//!
//! **Invariant:** a cursor goes to the disk when everything before it is there: not while a record waits for its predecessor.

use std::collections::BTreeSet;

use ringmesh_mesh::beacon::place::BeaconUrl;
use ringmesh_mesh::beacon::{Offer, Request, Stored};
use ringmesh_mesh::identity::{DeviceId, RecordHash, UseId};
use ringmesh_mesh::invite::Code;
use ringmesh_mesh::record::{Record, Role};
use ringmesh_mesh::roster::Admitted;
use ringmesh_mesh::sealed::{KeyId, Purpose, SealKey};
use ringmesh_mesh::sync::Message;

use super::Active;
use crate::beacon::{Cursor, Say};
use crate::circle::store::{Places, Reading};
use crate::os::clock::wall_secs;

/// Records that are on their way to a beacon at once; the rest follows when these were read back.
const SAID_MAX: usize = 2000;
/// So many positions that nobody needs are worth the work of dropping them.
const TRIM_MIN: u64 = 64;

/// One beacon's log as this device knows it.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    /// How far it was read, as the disk knows.
    pub(super) cursor: Cursor,
    /// The first position that is left of the log.
    first: u64,
    /// The first position that could not be opened.
    shut: Option<u64>,
    /// Whether it was read to the end since the start.
    read: bool,
    /// What lies in it.
    places: Places,
    /// What was found and is not on the disk yet.
    fresh: Places,
    /// What is on its way there.
    said: BTreeSet<(KeyId, RecordHash)>,
    /// Devices for whom the circle key is on its way.
    pub(super) keys_said: BTreeSet<DeviceId>,
    /// Invites that are being offered.
    offers_said: BTreeSet<UseId>,
}

impl Mailbox {
    fn of(reading: Reading) -> Self {
        let Reading { cursor, shut, places } = reading;
        Self { cursor, shut, places, ..Self::default() }
    }

    /// A record lies here.
    pub(super) fn found(&mut self, key: KeyId, record: RecordHash, position: u64) {
        self.said.remove(&(key, record));
        if self.places.insert((key, record), position) != Some(position) {
            self.fresh.insert((key, record), position);
        }
    }

    /// An entry cannot be opened: one of the circle may be when another key comes.
    pub(super) fn found_shut(&mut self, entry: &Stored) {
        if entry.room.is_none() {
            self.shut = Some(self.shut.map_or(entry.position, |shut| shut.min(entry.position)));
        }
    }

    /// Something could not be kept for the beacon: it is said again.
    pub(super) fn forget_said(&mut self) {
        self.said.clear();
        self.keys_said.clear();
        self.offers_said.clear();
    }

    /// Whether it was read, and nothing is on its way there.
    pub(super) fn is_settled(&self) -> bool {
        self.read && self.said.is_empty() && self.keys_said.is_empty() && self.offers_said.is_empty()
    }

    /// The first position that is of use, if so much lies before it that dropping it is worth the work.
    fn useless_before(&self, in_use: &BTreeSet<KeyId>) -> Option<u64> {
        let live = self.places.iter().filter(|((key, _), _)| in_use.contains(key));
        let position = live.map(|(_, position)| *position).min()?;
        (position.saturating_sub(self.first) >= TRIM_MIN).then_some(position)
    }

    /// Whether a record lies there under a key, or is on its way.
    fn has(&self, key: KeyId, record: &RecordHash) -> bool {
        let place = (key, *record);
        self.places.contains_key(&place) || self.said.contains(&place)
    }
}

impl Active {
    /// What the disk knows of a beacon.
    pub(super) fn mailbox(&mut self, url: &BeaconUrl) -> Mailbox {
        match self.membership.store.reading(&url.to_string()) {
            Ok(reading) => Mailbox::of(reading),
            Err(problem) => {
                self.note_store(Err(problem));
                Mailbox::default()
            }
        }
    }

    /// A beacon has this log, of which only what lies from `first` on is left.
    pub(super) fn on_log(&mut self, url: &BeaconUrl, log: u64, first: u64) {
        let in_use = self.keys_in_use();
        let Some(line) = self.beacons.get_mut(url) else { return };
        let mailbox = &mut line.mailbox;
        let stored = if mailbox.cursor.log == log {
            mailbox.first = first;
            mailbox.places.retain(|(key, _), position| *position >= first && in_use.contains(key));
            self.membership.store.forget_places(&url.to_string(), first, &in_use)
        } else {
            *mailbox = Mailbox { cursor: Cursor { log, position: 0 }, first, ..Mailbox::default() };
            self.membership.store.forget_log(&url.to_string())
        };
        self.note_store(stored);
    }

    /// A beacon's log was read up to `cursor`.
    pub(super) fn on_read(&mut self, url: &BeaconUrl, cursor: Cursor, all: bool) {
        let whole = self.membership.circle.as_ref().is_some_and(|circle| circle.waits() == 0);
        // A joiner is shown a part of the log only, and reads all of it once it belongs to the circle.
        let member = self.membership.role().is_some() || self.membership.is_restoring();
        let Some(line) = self.beacons.get_mut(url) else { return };
        let mailbox = &mut line.mailbox;
        mailbox.read |= all;
        if !all || !whole || !member || (cursor == mailbox.cursor && mailbox.fresh.is_empty()) {
            return;
        }
        let fresh = std::mem::take(&mut mailbox.fresh);
        let read_something = !mailbox.places.is_empty();
        let shut = mailbox.shut;
        mailbox.cursor = cursor;
        let stored = self.membership.store.keep_reading(&url.to_string(), cursor, shut, &fresh);
        self.note_store(stored);
        if read_something && self.membership.role().is_some() {
            self.restored();
        }
    }

    /// There is another circle key: what could not be opened before is read again.
    pub(super) fn read_again(&mut self) {
        for line in self.beacons.values_mut() {
            line.mailbox.keys_said.clear();
            if let Some(position) = line.mailbox.shut.take() {
                let log = line.mailbox.cursor.log;
                // A queue that is full is worked off with the next connection, which begins where the disk says.
                let _ = line.handle.say(Say::Back(Cursor { log, position }));
            }
        }
    }

    /// We come as something else from now on, which may read more: all of it is read again.
    pub(super) fn read_from_the_beginning(&mut self) {
        for line in self.beacons.values_mut() {
            // Also when another key comes: it may be the first that opens anything.
            line.mailbox.shut = Some(0);
            let log = line.mailbox.cursor.log;
            let _ = line.handle.say(Say::Back(Cursor { log, position: 0 }));
        }
    }

    /// The keys that entries of use are sealed with: the circle's, and those of open invites.
    fn keys_in_use(&self) -> BTreeSet<KeyId> {
        let own = self.membership.ring.current().map(|(key, _)| key.id());
        own.into_iter().chain(self.rooms.iter().map(SealKey::id)).collect()
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
            let id = key.id();
            for line in self.beacons.values_mut().filter(|line| line.mailbox.read) {
                let mailbox = &line.mailbox;
                let lacks =
                    |record: &&Record| (!guest || record.author() == me) && !mailbox.has(id, &record.hash());
                let room_left = SAID_MAX.saturating_sub(mailbox.said.len());
                let records: Vec<&Record> = circle.records().filter(lacks).take(room_left).collect();
                let sealed: Vec<Vec<u8>> = records.iter().map(|record| seal(&key, purpose, record)).collect();
                if !sealed.is_empty() && line.handle.say(Say::Records { room, sealed }).is_ok() {
                    line.mailbox.said.extend(records.iter().map(|record| (id, record.hash())));
                }
            }
        }
    }

    /// What a joiner says while it has no circle key.
    pub(super) fn publish_to_room(&mut self, invite: &UseId, added: &[RecordHash]) {
        let (Some(circle), Some(room)) = (&self.membership.circle, self.rooms.first()) else { return };
        let records = added.iter().filter_map(|hash| circle.record(hash));
        let sealed: Vec<Vec<u8>> = records.map(|record| seal(room, Purpose::Room, record)).collect();
        self.say_all(&Say::Records { room: Some(*invite), sealed });
    }

    /// As an admin: drops the beginning of a log if nothing in it is of use any more and everything that is lies behind it.
    pub(super) fn trim(&mut self, url: &BeaconUrl) {
        let in_use = self.keys_in_use();
        let membership = &self.membership;
        let (Some(circle), Some((key, _))) = (&membership.circle, membership.ring.current()) else { return };
        let Some(line) = self.beacons.get(url) else { return };
        let mailbox = &line.mailbox;
        let Some(position) = mailbox.useless_before(&in_use) else { return };
        if membership.is_restoring()
            || membership.role() != Some(Role::Admin)
            || membership.ring.is_stale(circle.roster())
        {
            return;
        }
        let id = key.id();
        if circle.records().all(|record| mailbox.places.contains_key(&(id, record.hash()))) {
            let log = mailbox.cursor.log;
            self.say_to(url, Say::Trim(Cursor { log, position }));
        }
    }

    /// A beacon has done what it was asked.
    pub(super) fn on_done(&mut self, url: &BeaconUrl, request: &Request) {
        match request {
            Request::Parcel { to, .. } => {
                let stored = self.membership.store.paid(&url.to_string(), to);
                self.note_store(stored);
                if let Some(line) = self.beacons.get_mut(url) {
                    line.mailbox.keys_said.remove(to);
                }
            }
            Request::Trim { before } => {
                let log = self.beacons.get(url).map(|line| line.mailbox.cursor.log);
                if let Some(log) = log {
                    self.on_log(url, log, *before);
                }
            }
            Request::Roll { offers, .. } => {
                if let Some(line) = self.beacons.get_mut(url) {
                    offers.iter().for_each(|offer| _ = line.mailbox.offers_said.remove(&offer.invite));
                }
            }
            Request::Append { .. }
            | Request::Fetch { .. }
            | Request::Signal { .. }
            | Request::Admission { .. }
            | Request::Ping => {}
        }
    }

    // --- debts ------------------------------------------------------------------------------------

    /// Says again what this beacon may not have: circle keys that are owed, invites that are open, invites that were cancelled.
    pub(super) fn settle_debts(&mut self, url: &BeaconUrl, admin: bool) {
        self.say_keys(url);
        if !admin {
            return;
        }
        let (now, mut offers) = (wall_secs(), vec![]);
        match self.membership.store.offers(now) {
            Ok(stored) => offers = stored,
            Err(problem) => self.note_store(Err(problem)),
        }
        let Some(roster) = self.membership.roster() else { return };
        let cancelled = |id: &UseId| roster.invites.get(id).is_none_or(|invite| invite.cancelled);
        offers.retain(|offer| !cancelled(&offer.invite));
        let over = roster
            .invites
            .iter()
            .filter(|(_, invite)| invite.cancelled && now <= invite.expires && !invite.beacons.is_empty());
        let over: Vec<Say> = over.map(|(id, _)| Say::Cancel(*id)).collect();
        for say in over {
            self.say_to(url, say);
        }
        offers.into_iter().for_each(|offer| self.say_offer(url, offer));
    }

    fn say_offer(&mut self, url: &BeaconUrl, offer: Offer) {
        let Some(line) = self.beacons.get_mut(url) else { return };
        let invite = offer.invite;
        if line.handle.say(Say::Offer(offer)).is_ok() {
            line.mailbox.offers_said.insert(invite);
        }
    }

    /// Sends the circle key through a beacon to those to whom it is owed there.
    fn say_keys(&mut self, url: &BeaconUrl) {
        let text = url.to_string();
        let owed = match self.membership.store.owed(&text) {
            Ok(owed) => owed,
            Err(problem) => return self.note_store(Err(problem)),
        };
        for device in owed {
            let member = self.membership.roster().and_then(|roster| roster.members.get(&device));
            let Some(member) = member else {
                // Nobody any more: nothing is owed.
                let stored = self.membership.store.paid(&text, &device);
                self.note_store(stored);
                continue;
            };
            let parcel = member.wireguard.and_then(|key| self.membership.parcel(&key));
            let Some(line) = self.beacons.get_mut(url) else { return };
            if let Some(parcel) = parcel.filter(|_| !line.mailbox.keys_said.contains(&device))
                && line.handle.say(Say::Parcel { to: device, bytes: parcel.to_bytes() }).is_ok()
            {
                line.mailbox.keys_said.insert(device);
            }
        }
    }

    /// Owes the circle key to these devices at all beacons, and sends it where that is possible now.
    pub(super) fn owe_key(&mut self, devices: &[DeviceId]) {
        if !devices.is_empty() {
            self.note_owed(devices);
            self.say_all_keys();
        }
    }

    /// Owes the circle key to these devices at all beacons.
    pub(super) fn note_owed(&mut self, devices: &[DeviceId]) {
        let urls: Vec<String> = self.beacons.keys().map(ToString::to_string).collect();
        if !urls.is_empty() && !devices.is_empty() {
            let stored = self.membership.store.owe(&urls, devices);
            self.note_store(stored);
        }
    }

    /// Sends the circle keys that are owed.
    pub(super) fn say_all_keys(&mut self) {
        let urls: Vec<BeaconUrl> = self.beacons.keys().cloned().collect();
        urls.iter().for_each(|url| self.say_keys(url));
    }

    /// Of these, the devices that came in by an invite which is still open: they may have no circle key, and nobody else to
    /// get it from.
    pub(super) fn newcomers<'a>(&self, devices: impl IntoIterator<Item = &'a DeviceId>) -> Vec<DeviceId> {
        let Some(roster) = self.membership.roster() else { return vec![] };
        let (me, now) = (self.membership.me(), wall_secs());
        let new = |device: &&DeviceId| {
            let admitted = roster.members.get(device).map(|member| member.admitted);
            match admitted {
                Some(Admitted::Invite(invite)) => {
                    roster.invites.get(&invite).is_some_and(|invite| now <= invite.expires)
                }
                Some(Admitted::Founder | Admitted::By(_)) | None => false,
            }
        };
        devices.into_iter().filter(new).copied().filter(|device| *device != me).collect()
    }

    /// Offers an invite to the beacons, so that its holder can store an admission there.
    pub(in crate::circle) fn offer(&mut self, code: &Code) {
        let Some(founder) = self.membership.roster().map(|roster| roster.founder) else { return };
        if self.beacons.is_empty() {
            return;
        }
        let offer = Offer::sign(&code.use_key(), &code.circle(), &founder, code.uses(), code.expires());
        let stored = self.membership.store.keep_offer(&offer);
        self.note_store(stored);
        let urls: Vec<BeaconUrl> = self.beacons.keys().cloned().collect();
        urls.iter().for_each(|url| self.say_offer(url, offer));
    }

    /// Tells the beacons that an invite is good no more.
    pub(in crate::circle) fn withdraw(&mut self, invite: UseId) {
        self.say_all(&Say::Cancel(invite));
    }
}

fn seal(key: &SealKey, purpose: Purpose, record: &Record) -> Vec<u8> {
    key.seal(purpose, nonce(key, &record.hash()), &Message::Records(vec![record.to_bytes()]).to_bytes())
}

/// The same for the same record and key, so that a beacon stores it once; without the key it tells nothing.
pub(super) fn nonce(key: &SealKey, record: &RecordHash) -> [u8; 24] {
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

    #[test]
    fn a_log_is_trimmed_up_to_the_first_entry_of_use() {
        let (old, new, room) = (KeyId([1; 8]), KeyId([2; 8]), KeyId([3; 8]));
        let mut mailbox = Mailbox::default();
        for number in 0..200_u8 {
            let key = if number < 150 { old } else { new };
            mailbox.found(key, RecordHash([number; 32]), number.into());
        }
        mailbox.found(room, RecordHash([9; 32]), 100);
        for (in_use, first, expect) in [
            (&[new][..], 0, Some(150)),
            (&[new, room], 0, Some(100)),
            (&[new], 87, None),
            (&[new], 86, Some(150)),
            (&[old, new], 0, None),
            (&[], 0, None),
        ] {
            mailbox.first = first;
            assert_eq!(
                mailbox.useless_before(&in_use.iter().copied().collect()),
                expect,
                "{in_use:?} {first}"
            );
        }
    }

    #[test]
    fn what_was_read_back_is_on_its_way_no_more_and_a_shut_entry_is_read_again() {
        let mut mailbox = Mailbox::default();
        let (key, record) = (KeyId([1; 8]), RecordHash([2; 32]));
        mailbox.said.insert((key, record));
        assert!(mailbox.has(key, &record));
        mailbox.forget_said();
        assert!(!mailbox.has(key, &record), "dropped on the way: it is said again");
        mailbox.found(key, record, 7);
        assert!(mailbox.has(key, &record) && mailbox.fresh.len() == 1);
        mailbox.fresh.clear();
        mailbox.found(key, record, 7);
        assert!(mailbox.fresh.is_empty(), "found again at its place, it is nothing new for the disk");
        let entry = |position, room| Stored { position, room, sealed: vec![] };
        mailbox.found_shut(&entry(3, Some(UseId([1; 32]))));
        assert_eq!(mailbox.shut, None, "a room that is not ours stays shut");
        mailbox.found_shut(&entry(9, None));
        mailbox.found_shut(&entry(5, None));
        assert_eq!(mailbox.shut, Some(5));
    }
}
