//! This device in one circle: its keys, what it has stored, and the circle as it follows from that.
//!
//! **Invariant:** a record of our own is on the disk before anybody sees it.
//! **Invariant:** a directory without the setting [`Setting::Circle`] is one that was never finished: nobody has heard of its keys.

mod begin;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ringmesh_mesh::address::ipv6_of;
use ringmesh_mesh::beacon::place::BeaconUrl;
use ringmesh_mesh::circle::{Circle, Ingested};
use ringmesh_mesh::identity::{CircleId, DeviceId, SigningKey};
use ringmesh_mesh::invite::Code;
use ringmesh_mesh::limits::BEACONS_MAX;
use ringmesh_mesh::name::Label;
use ringmesh_mesh::record::{self, Body, Place, Profile, Record, Role, Unverified};
use ringmesh_mesh::roster::{Member, Roster};
use ringmesh_mesh::sealed::SealKey;
use ringmesh_mesh::sealed::parcel::{KeyRing, Parcel, Sender, public_of};
use ringmesh_mesh::time::HighWater;
use ringmesh_wire::keys::{PrivateKey, PublicKey};

pub(super) use begin::Cannot;

use super::secret::SecretSource;
use super::store::{Setting, Store, StoreProblem};

/// Records that are kept of a circle whose first one is not known yet.
const LOOSE_MAX: usize = 20_000;

/// This device in one circle.
#[derive(Debug)]
pub(super) struct Membership {
    dir: PathBuf,
    /// The circle's name.
    pub(super) name: Label,
    /// The circle.
    pub(super) id: CircleId,
    /// Who we are.
    pub(super) device: SigningKey,
    /// Our WireGuard key.
    pub(super) wireguard: PrivateKey,
    /// One that takes the other's place when those who are reachable know of it.
    pub(super) next_wireguard: Option<PrivateKey>,
    /// What is on the disk.
    pub(super) store: Store,
    /// None until the record that founded it has come.
    pub(super) circle: Option<Circle>,
    /// Records of a circle whose first one has not come.
    loose: Vec<Record>,
    /// The invite that we use, until we belong to the circle.
    pub(super) code: Option<Code>,
    /// The circle keys.
    pub(super) ring: KeyRing,
    /// The greatest time seen.
    pub(super) mark: HighWater,
    /// What we call others.
    pub(super) nicknames: BTreeMap<DeviceId, String>,
    serial: u64,
    /// Whether what a damaged database held is being brought back by others.
    restoring: bool,
    /// Where the damaged database is, if one was moved aside.
    aside: Option<String>,
}

impl Membership {
    // --- looking ----------------------------------------------------------------------------------

    /// Our identity.
    pub(super) fn me(&self) -> DeviceId {
        self.device.device()
    }

    /// Our identity as an address.
    pub(super) fn ipv6(&self) -> std::net::Ipv6Addr {
        ipv6_of(&self.id, &self.me())
    }

    /// The roster, once there is one.
    pub(super) fn roster(&self) -> Option<&Roster> {
        self.circle.as_ref().map(Circle::roster)
    }

    /// Ourselves in the roster.
    pub(super) fn own(&self) -> Option<&Member> {
        self.roster()?.members.get(&self.me())
    }

    /// What we are; nothing until our admission counts.
    pub(super) fn role(&self) -> Option<Role> {
        self.own().map(|own| own.role)
    }

    /// Whether somebody has removed us.
    pub(super) fn is_removed(&self) -> bool {
        self.roster().is_some_and(|roster| roster.former.contains_key(&self.me()))
    }

    /// The first records that we ever wrote: what a joiner shows.
    pub(super) fn first_records(&self) -> Vec<Vec<u8>> {
        let me = self.me();
        match &self.circle {
            Some(circle) => circle.records_of(&me, 0).take(4).map(Record::to_bytes).collect(),
            None => self
                .loose
                .iter()
                .filter(|record| record.author() == me)
                .take(4)
                .map(Record::to_bytes)
                .collect(),
        }
    }

    /// The next number of a signal.
    pub(super) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// The beacons to come to: those that were set, and those of our invite.
    pub(super) fn beacons(&self) -> Vec<BeaconUrl> {
        let text = self.store.setting(Setting::Beacons).ok().flatten().unwrap_or_default();
        let mut urls: Vec<BeaconUrl> = text.split_whitespace().filter_map(|url| url.parse().ok()).collect();
        let invited =
            self.code.iter().flat_map(|code| code.beacons()).filter_map(|beacon| BeaconUrl::of(beacon).ok());
        urls.extend(invited);
        urls.sort();
        urls.dedup();
        urls.truncate(BEACONS_MAX);
        urls
    }

    /// Sets the beacons to come to.
    ///
    /// # Errors
    /// [`StoreProblem`].
    pub(super) fn set_beacons(&mut self, urls: &[BeaconUrl]) -> Result<(), StoreProblem> {
        let text: Vec<String> = urls.iter().map(ToString::to_string).collect();
        self.store.set(Setting::Beacons, &text.join(" "))
    }

    // --- writing ----------------------------------------------------------------------------------

    /// Signs what we say, stores it, and takes it in. Either all of it or nothing.
    ///
    /// # Errors
    /// [`StoreProblem`]; nobody has seen anything of it then.
    pub(super) fn write(
        &mut self,
        now: u64,
        bodies: impl IntoIterator<Item = Body>,
    ) -> Result<Ingested, StoreProblem> {
        let key = self.device.clone();
        self.write_as(&key, now, bodies)
    }

    /// As [`Membership::write`], with another key: the recovery key.
    ///
    /// # Errors
    /// [`StoreProblem`].
    pub(super) fn write_as(
        &mut self,
        key: &SigningKey,
        now: u64,
        bodies: impl IntoIterator<Item = Body>,
    ) -> Result<Ingested, StoreProblem> {
        let Some(circle) = &mut self.circle else { return Ok(Ingested::default()) };
        let mut place = circle.place(&key.device());
        let mut records = Vec::new();
        for body in bodies {
            let record = Record::sign(key, place, now, body);
            place = Place { circle: self.id, after: Some(record.link()) };
            records.push(record);
        }
        self.store.add(&records)?;
        spare(&mut self.store, &records);
        Ok(circle.ingest(records))
    }

    /// Takes in records of others: verifies, links, stores. What is forged or of another circle has no effect.
    ///
    /// # Errors
    /// [`StoreProblem`]; the records have effect until the next start then, and are asked for again after it.
    pub(super) fn take(&mut self, records: Vec<Unverified>) -> Result<Ingested, StoreProblem> {
        let fresh = |record: &Unverified| {
            let known = self.circle.as_ref().is_some_and(|circle| circle.knows(&record.hash()));
            record.circle() == self.id && !known
        };
        let fresh: Vec<_> = records.into_iter().filter(fresh).collect();
        let sound: Vec<Record> = record::verify(fresh).into_iter().filter_map(Result::ok).collect();
        let ingested = match &mut self.circle {
            Some(circle) => circle.ingest(sound),
            None => self.take_loose(sound),
        };
        if let Some(circle) = &self.circle {
            let added = || ingested.added.iter().filter_map(|hash| circle.record(hash));
            self.store.add(added())?;
            let me = self.device.device();
            spare(&mut self.store, added().filter(|record| is_kept_twice(record, &me)));
        }
        Ok(ingested)
    }

    fn take_loose(&mut self, records: Vec<Record>) -> Ingested {
        let room = LOOSE_MAX.saturating_sub(self.loose.len());
        self.loose.extend(records.into_iter().take(room));
        if !self.loose.iter().any(|record| record.hash().0 == self.id.0) {
            return Ingested::default();
        }
        let loose = std::mem::take(&mut self.loose);
        match Circle::from_records(self.id, loose) {
            Ok(circle) => {
                let added = circle.records().map(Record::hash).collect();
                let changed = circle.roster().members.keys().copied().collect();
                self.circle = Some(circle);
                Ingested { added, changed, ..Ingested::default() }
            }
            Err(_) => Ingested::default(),
        }
    }

    /// What we say about ourselves.
    pub(super) fn profile(&self, name: Label, wireguard: &PrivateKey) -> Body {
        Body::Profile(Profile { name, wireguard: public_of(wireguard) })
    }

    // --- keys -------------------------------------------------------------------------------------

    /// Draws a new circle key, which knows of all removals. Whoever is away finds it at the beacons.
    ///
    /// # Errors
    /// [`StoreProblem`].
    pub(super) fn draw_key(&mut self) -> Result<(), StoreProblem> {
        let removals = self.roster().map_or(0, |roster| roster.former.len());
        let key = SealKey::new(self.id, super::random());
        let me = self.me();
        let members = self.roster().into_iter().flat_map(|roster| roster.members.keys());
        let others: Vec<DeviceId> = members.copied().filter(|device| *device != me).collect();
        self.put_key(key, u32::try_from(removals).unwrap_or(u32::MAX), &others).map(drop)
    }

    /// The current circle key, sealed to a member.
    pub(super) fn parcel(&self, to: &PublicKey) -> Option<Parcel> {
        let (key, removals) = self.ring.current()?;
        let may = self.role().is_some_and(|role| role != Role::Guest);
        if may { Parcel::seal(key, removals, &self.device, to, super::random()) } else { None }
    }

    /// Opens a parcel. True if there is another current key now.
    ///
    /// # Errors
    /// [`StoreProblem`]. A parcel that is none for us has no effect.
    pub(super) fn open_parcel(&mut self, parcel: &Parcel) -> Result<bool, StoreProblem> {
        let Some(roster) = self.roster() else { return Ok(false) };
        match parcel.open(&self.wireguard, Sender::Member(roster)) {
            Ok((key, removals)) => self.put_key(key, removals, &[]),
            Err(error) => {
                tracing::debug!(%error, from = ?parcel.from(), "a parcel");
                Ok(false)
            }
        }
    }

    /// Keeps a circle key, with the debt of bringing it to `others`.
    fn put_key(&mut self, key: SealKey, removals: u32, others: &[DeviceId]) -> Result<bool, StoreProblem> {
        let urls: Vec<String> = self.beacons().iter().map(ToString::to_string).collect();
        let before = self.ring.current().map(|(key, _)| key.id());
        let mut ring = self.ring.clone();
        if ring.put(key, removals) {
            self.store.set_keys(ring.iter(), &urls, others)?;
            self.ring = ring;
        }
        Ok(before != self.ring.current().map(|(key, _)| key.id()))
    }

    /// Begins to use a new WireGuard key: first the disk knows it, then the circle.
    ///
    /// # Errors
    /// [`Cannot`]; everything is as before then.
    pub(super) fn rotate(&mut self, now: u64) -> Result<Ingested, Cannot> {
        let key = PrivateKey::new(super::random());
        let name = self.own().and_then(|own| own.chosen.clone()).ok_or(Cannot::NoMember)?;
        self.source(NEXT_WIREGUARD).write(key.expose())?;
        let profile = self.profile(name, &key);
        let ingested = self.write(now, [profile])?;
        self.next_wireguard = Some(key);
        Ok(ingested)
    }

    /// Ends the use of the old WireGuard key, if a new one waits.
    ///
    /// # Errors
    /// [`Cannot`]; the new one waits on then.
    pub(super) fn switch(&mut self) -> Result<bool, Cannot> {
        let Some(next) = &self.next_wireguard else { return Ok(false) };
        self.source(WIREGUARD).write(next.expose())?;
        self.source(NEXT_WIREGUARD).remove();
        self.wireguard = self.next_wireguard.take().unwrap_or_else(|| self.wireguard.clone());
        Ok(true)
    }

    /// Keeps the high-water mark.
    ///
    /// # Errors
    /// [`StoreProblem`].
    pub(super) fn store_mark(&mut self) -> Result<(), StoreProblem> {
        self.store.set(Setting::HighWater, &self.mark.secs().to_string())
    }

    /// The invite has done its work.
    pub(super) fn forget_code(&mut self) {
        // Its beacons are the circle's for us from now on.
        let beacons = self.beacons();
        if let Err(problem) = self.set_beacons(&beacons) {
            tracing::error!(%problem, "storing the beacons");
            return;
        }
        self.code = None;
        self.source(CODE).remove();
    }

    // --- damage -----------------------------------------------------------------------------------

    /// Whether what a damaged database held is being brought back by others.
    pub(super) const fn is_restoring(&self) -> bool {
        self.restoring
    }

    /// Where the damaged database is, if one was moved aside since it was last whole.
    pub(super) fn aside(&self) -> Option<&str> {
        self.aside.as_deref()
    }

    /// Another member, or a beacon, has given back what it has.
    ///
    /// # Errors
    /// [`StoreProblem`].
    pub(super) fn restored(&mut self) -> Result<(), StoreProblem> {
        self.restoring = false;
        self.store.set(Setting::Restoring, "0")
    }

    /// The database is damaged, and all of it is known yet: begins it anew.
    ///
    /// # Errors
    /// [`StoreProblem`]; the next start brings back what it can then.
    pub(super) fn renew_store(&mut self) -> Result<(), StoreProblem> {
        self.store.renew(self.circle.iter().flat_map(Circle::records).chain(&self.loose))?;
        self.aside = self.store.setting(Setting::Restoring)?;
        self.store.set(Setting::Restoring, "0")
    }

    /// Brings the spare of the database up to date.
    fn refresh_spare(&mut self) {
        let me = self.me();
        let records = self.circle.iter().flat_map(Circle::records).chain(&self.loose);
        if let Err(problem) = self.store.refresh_spare(records.filter(|record| is_kept_twice(record, &me))) {
            tracing::warn!(%problem, "the spare of a circle's database");
        }
    }

    /// Deletes everything of this circle on this device.
    pub(super) fn erase(self) {
        let dir = self.dir.clone();
        drop(self);
        erase(&dir);
    }

    fn source(&self, file: &str) -> SecretSource {
        SecretSource::File(self.dir.join(file))
    }
}

/// Deletes a circle's directory. In one step it is no circle's any more, so that a death leaves nothing that looks like one.
pub(super) fn erase(dir: &Path) {
    let gone = dir.with_file_name(format!("{GONE}{}", dir.file_name().unwrap_or_default().display()));
    let _ = std::fs::remove_dir_all(&gone);
    let removed = std::fs::rename(dir, &gone).and_then(|()| std::fs::remove_dir_all(&gone));
    if let Err(error) = removed {
        tracing::warn!(%error, dir = %dir.display(), "forgetting a circle");
    }
}

/// Deletes what a death has left of circles that were forgotten.
pub(super) fn sweep(state: &Path) {
    for entry in std::fs::read_dir(state).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(GONE) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// What the name of a directory begins with that is being deleted. No circle is called so.
const GONE: &str = ".gone-";

/// Whether only this device may have the record, or nothing can begin without it.
fn is_kept_twice(record: &Record, me: &DeviceId) -> bool {
    record.author() == *me || record.hash().0 == record.circle().0
}

/// Writes own records a second time. What fails is made up for at the next start.
fn spare<'a>(store: &mut Store, records: impl IntoIterator<Item = &'a Record>) {
    if let Err(problem) = store.spare(records) {
        tracing::warn!(%problem, "the spare of a circle's database");
    }
}

const DEVICE: &str = "device.key";
const WIREGUARD: &str = "wireguard.key";
const NEXT_WIREGUARD: &str = "wireguard.next";
const CODE: &str = "invite.code";
const DATABASE: &str = "circle.db";

#[cfg(test)]
mod tests;
