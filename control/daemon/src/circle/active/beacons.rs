//! What is said and heard through beacons, which carry it and understand nothing of it.
//!
//! What is stored there and what is owed to them is [`super::mailbox`]'s.
//!
//! **Invariant:** losing a beacon loses nothing: everything that it carries is on members' disks too.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use ringmesh_mesh::beacon::place::BeaconUrl;
use ringmesh_mesh::beacon::roll;
use ringmesh_mesh::beacon::{Entry, Stored};
use ringmesh_mesh::identity::DeviceId;
use ringmesh_mesh::invite::Beacon;
use ringmesh_mesh::record::{Body, Role, Unverified, Witness};
use ringmesh_mesh::sealed::parcel::Parcel;
use ringmesh_mesh::sealed::signal::Signal;
use ringmesh_mesh::sealed::{Header, KeyId, Purpose, SealKey};
use ringmesh_mesh::sync::Message;

use super::Active;
use super::mailbox::{Mailbox, nonce};
use crate::beacon::{BeaconConfig, Handle, Heard, HowToEnter, Say, connect};
use crate::circle::random;
use crate::circle::reach::Fresh;
use crate::os::clock::wall_secs;

/// Devices whose signals are kept until they can be heard.
const UNHEARD_MAX: usize = 64;

/// The circle key or the record that a signal needs is not here.
struct NotYet;

/// One beacon of the circle.
pub(in crate::circle) struct Line {
    pub(super) handle: Handle,
    /// Where it is, with its key as soon as that is known.
    pub(in crate::circle) pinned: Option<Beacon>,
    /// From where it sees us, while it answers.
    pub(in crate::circle) seen: Option<SocketAddr>,
    /// Where it is, once it has answered.
    pub(super) at: Option<SocketAddr>,
    /// Why it does not answer.
    pub(in crate::circle) why: String,
    /// What is stored there, and owed to it.
    pub(super) mailbox: Mailbox,
}

impl Line {
    /// How it is with this beacon, in words.
    pub(in crate::circle) fn detail(&self) -> String {
        match self.seen {
            None => self.why.clone(),
            Some(seen) if self.mailbox.is_settled() => {
                format!("sees this device at {}, and has all that is for it", seen.ip())
            }
            Some(seen) => format!("sees this device at {}; something is on its way to it", seen.ip()),
        }
    }
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
            let mailbox = self.mailbox(url);
            let config = BeaconConfig { url: url.clone(), entry, cursor: mailbox.cursor };
            let identity = Arc::new(self.membership.device.clone());
            let handle = connect(config, identity, self.membership.id, self.ears.beacons.clone());
            let line = Line {
                handle,
                pinned: url.key.map(|key| url.pinned(key)),
                seen: None,
                at: None,
                why: "not asked yet".to_owned(),
                mailbox,
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
        if let (true, Some(circle)) = (membership.is_restoring(), &membership.circle) {
            // The beacon knows what we are, though we do not.
            return Some(HowToEnter::Member { founder: circle.roster().founder, proof: vec![] });
        }
        membership.code.as_ref().map(|code| HowToEnter::Invited(Arc::new(code.use_key())))
    }

    /// We have become a member, or an admin.
    pub(super) fn enter_again(&mut self) {
        if let Some(entry) = self.how_to_enter() {
            self.read_from_the_beginning();
            self.say_all(&Say::Enter(entry));
        }
    }

    pub(super) fn say_to(&mut self, url: &BeaconUrl, say: Say) -> bool {
        self.beacons.get(url).is_some_and(|line| line.handle.say(say).is_ok())
    }

    pub(super) fn say_all(&mut self, say: &Say) {
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
            Heard::Online { key, seen, at, log, first, admin, .. } => {
                let moved = line.seen.map(|seen| seen.ip()) != Some(seen.ip());
                (line.seen, line.at, line.pinned) = (Some(seen), Some(at), Some(url.pinned(key)));
                if moved {
                    self.announce_soon();
                }
                self.on_log(&url, log, first);
                self.look_outside_soon();
                self.say_roll();
                self.signal_beacons();
                self.settle_debts(&url, admin);
                self.publish();
            }
            Heard::Offline { why } => (line.seen, line.why) = (None, why),
            Heard::Records { entries, cursor, all } => {
                self.on_entries(&url, entries).await;
                self.on_read(&url, cursor, all);
                if all {
                    self.publish();
                    self.trim(&url);
                }
            }
            Heard::Parcel { bytes, .. } => {
                if let Ok(parcel) = Parcel::decode(&bytes) {
                    match self.membership.open_parcel(&parcel) {
                        Ok(true) => {
                            self.on_new_key();
                            self.hear_again().await;
                        }
                        Ok(false) => {}
                        Err(problem) => self.note_store(Err(problem)),
                    }
                }
            }
            Heard::Signal { from, sealed } => self.on_beacon_signal(from, sealed).await,
            Heard::Receipt(receipt) => {
                self.receipt = Some(receipt);
                self.use_receipt().await;
            }
            Heard::Refused { what, why } => {
                tracing::warn!(beacon = %url.authority(), what, %why, "a beacon refuses");
                line.why = why.to_string();
                line.mailbox.keys_said.clear();
            }
            Heard::Dropped { what } => {
                tracing::warn!(beacon = %url.authority(), what, "too much waits for a beacon");
                line.mailbox.forget_said();
            }
            Heard::Done { request, .. } => self.on_done(&url, &request),
        }
    }

    async fn on_entries(&mut self, url: &BeaconUrl, entries: Vec<Stored>) {
        let mut records = Vec::new();
        for entry in entries {
            let opened = self.open_entry(&entry.sealed);
            let Some(line) = self.beacons.get_mut(url) else { return };
            let Some((key, content)) = opened else {
                line.mailbox.found_shut(&entry);
                continue;
            };
            let Ok(message @ Message::Records(_)) = Message::decode(&content) else { continue };
            for record in message.records() {
                line.mailbox.found(key, record.hash(), entry.position);
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

    /// A device that has just come in hears the signals of the others before the circle key and the records that they need; so what
    /// cannot be heard yet is kept.
    async fn on_beacon_signal(&mut self, from: DeviceId, sealed: Vec<u8>) {
        if self.hear_signal(&sealed).await.is_ok() {
            self.unheard.remove(&from);
        } else if self.unheard.len() < UNHEARD_MAX || self.unheard.contains_key(&from) {
            self.unheard.insert(from, sealed);
        }
    }

    /// There is another circle key, or another roster: what could not be heard before may be now.
    pub(super) async fn hear_again(&mut self) {
        for (from, sealed) in std::mem::take(&mut self.unheard) {
            self.on_beacon_signal(from, sealed).await;
        }
    }

    /// Hears a signal, unless it is of no use.
    async fn hear_signal(&mut self, sealed: &[u8]) -> Result<(), NotYet> {
        let Ok(header) = Header::read(sealed) else { return Ok(()) };
        let key = self.membership.ring.get(&header.key).ok_or(NotYet)?;
        let me = self.membership.me();
        let Ok(signal) = Signal::open(key, Purpose::Signal, &me, wall_secs(), sealed) else { return Ok(()) };
        if signal.from == me {
            return Ok(());
        }
        if !self.is_one_of_us(&signal) {
            return Err(NotYet);
        }
        let fresh = self.hear(&signal, None);
        if fresh != Fresh::Old && (self.note_key(&signal) || fresh == Fresh::Moved) {
            self.try_now(signal.from).await;
        }
        Ok(())
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
    pub(super) fn say_roll(&mut self) {
        if self.membership.role() != Some(Role::Admin) {
            return;
        }
        if let Some(roster) = self.membership.roster() {
            let entries: Vec<Entry> = roll::of(roster);
            self.say_all(&Say::Roll(entries));
        }
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
                self.after(ingested).await;
            }
            Err(problem) => self.note_store(Err(problem)),
        }
    }

    /// How our tunnel's port looks from outside. Where that is not known yet, the address that a beacon sees with the tunnel's own
    /// port is worth a try: many routers keep ports as they are.
    pub(super) fn seen_addresses(&self) -> Vec<SocketAddr> {
        if !self.outside.is_empty() {
            return self.outside.iter().copied().collect();
        }
        let seen = self.beacons.values().filter_map(|line| line.seen).map(|seen| seen.ip().to_canonical());
        seen.filter(|ip| !self.own_ips.contains(ip)).map(|ip| SocketAddr::new(ip, self.port)).collect()
    }

    /// Has the tunnel ask the beacons how its port looks from there, and tells others when that is something else now.
    pub(super) async fn look_outside(&mut self) {
        let servers: Vec<SocketAddr> = self.beacons.values().filter_map(|line| line.at).collect();
        if servers.is_empty() && self.outside.is_empty() {
            return;
        }
        let seen = match self.tunnel.ask_outside(servers).await {
            Ok(seen) => seen,
            Err(problem) => {
                tracing::debug!(%problem, "asking how the tunnel's port looks from outside");
                return;
            }
        };
        let own = |seen: &SocketAddr| self.own_ips.contains(&seen.ip()) && seen.port() == self.port;
        let seen = seen.into_iter().map(|seen| SocketAddr::new(seen.ip().to_canonical(), seen.port()));
        let outside: BTreeSet<SocketAddr> = seen.filter(|seen| !own(seen)).collect();
        if outside != self.outside {
            tracing::debug!(?outside, "how the tunnel's port looks from outside");
            self.outside = outside;
            self.announce_soon();
            self.signal_beacons();
        }
    }
}
