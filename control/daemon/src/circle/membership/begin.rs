//! How this device comes to be in a circle: founded, joined, or taken up again from the disk.

use std::path::Path;

use ringmesh_mesh::address::Ipv4Block;
use ringmesh_mesh::circle::Circle;
use ringmesh_mesh::identity::{CircleId, SigningKey};
use ringmesh_mesh::invite::{BadCode, Code};
use ringmesh_mesh::name::Label;
use ringmesh_mesh::record::{self, Found, Place, Profile, Record, Unverified};
use ringmesh_mesh::sealed::parcel::{KeyRing, public_of};
use ringmesh_mesh::time::HighWater;
use ringmesh_wire::keys::PrivateKey;

use super::{CODE, DATABASE, DEVICE, Membership, NEXT_WIREGUARD, WIREGUARD};
use crate::circle::paths::Paths;
use crate::circle::random;
use crate::circle::secret::{BadSecret, SecretSource, make_dir};
use crate::circle::store::{Setting, Store, StoreProblem};

/// Why there is no membership.
#[derive(Debug, thiserror::Error)]
pub(in crate::circle) enum Cannot {
    /// A key.
    #[error(transparent)]
    Secret(#[from] BadSecret),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreProblem),
    /// The stored invite.
    #[error(transparent)]
    Code(#[from] BadCode),
    /// A file is missing or is not what it was.
    #[error("{0}")]
    Broken(String),
    /// Only a member can do that.
    #[error("this device does not belong to the circle yet")]
    NoMember,
}

impl Membership {
    /// Founds a circle. Gives the recovery key too, which is stored nowhere.
    ///
    /// # Errors
    /// [`Cannot`]; what was made so far is not used, and replaced by the next attempt.
    pub(in crate::circle) fn found(
        paths: &Paths,
        circle: &Label,
        name: &Label,
        block: Ipv4Block,
        now: u64,
    ) -> Result<(Self, SigningKey), Cannot> {
        let recovery = SigningKey::from_seed(&random());
        let mut new = Self::fresh(paths, circle)?;
        let found = Found { name: circle.clone(), recovery: recovery.device(), block, nonce: random() };
        let found = Record::found(&new.device, now, found);
        new.id = found.circle();
        let profile = new.profile(name.clone(), &new.wireguard);
        let place = Place { circle: new.id, after: Some(found.link()) };
        let profile = Record::sign(&new.device, place, now, profile);
        new.store.add([&found, &profile])?;
        let founded = Circle::from_records(new.id, [found, profile]);
        new.circle = Some(founded.map_err(|refused| Cannot::Broken(refused.to_string()))?);
        new.draw_key()?;
        new.finish(name)?;
        Ok((new, recovery))
    }

    /// Prepares what a device shows to be let in with an invite.
    ///
    /// # Errors
    /// As [`Membership::found`].
    pub(in crate::circle) fn join(paths: &Paths, code: Code, name: &Label, now: u64) -> Result<Self, Cannot> {
        let mut new = Self::fresh(paths, code.name())?;
        new.id = code.circle();
        let join = code.join(&new.device, now);
        let place = Place { circle: new.id, after: Some(join.link()) };
        let profile = Profile { name: name.clone(), wireguard: public_of(&new.wireguard) };
        let profile = Record::sign(&new.device, place, now, record::Body::Profile(profile));
        new.store.add([&join, &profile])?;
        new.loose = vec![join, profile];
        new.source(CODE).write(code.link().as_bytes())?;
        new.code = Some(code);
        new.finish(name)?;
        Ok(new)
    }

    /// Keys and an empty store. Whatever an attempt that was cut short has left there is replaced.
    fn fresh(paths: &Paths, circle: &Label) -> Result<Self, Cannot> {
        let dir = paths.circle(circle);
        make_dir(&paths.state)?;
        if dir.exists() {
            super::erase(&dir);
        }
        make_dir(&dir)?;
        let device = SigningKey::from_seed(&random());
        let wireguard = PrivateKey::new(random());
        SecretSource::File(dir.join(DEVICE)).write(device.expose())?;
        SecretSource::File(dir.join(WIREGUARD)).write(wireguard.expose())?;
        let store = Store::open(&dir.join(DATABASE))?;
        Ok(Self {
            dir,
            name: circle.clone(),
            id: CircleId([0; 32]),
            device,
            wireguard,
            next_wireguard: None,
            store,
            circle: None,
            loose: Vec::new(),
            code: None,
            ring: KeyRing::default(),
            mark: HighWater::default(),
            nicknames: Default::default(),
            serial: 0,
            restoring: false,
            aside: None,
        })
    }

    /// From here on the circle is there after a restart too.
    fn finish(&mut self, name: &Label) -> Result<(), StoreProblem> {
        self.store.set(Setting::Name, name.as_str())?;
        self.store.set(Setting::Up, "1")?;
        self.store.set(Setting::Circle, &self.id.to_string())?;
        self.refresh_spare();
        Ok(())
    }

    /// Takes up a circle from the disk; none if there is none of that name, or one that was never finished.
    ///
    /// # Errors
    /// [`Cannot`] with the reason as a sentence.
    pub(in crate::circle) fn load(paths: &Paths, circle: &Label) -> Result<Option<Self>, Cannot> {
        let dir = paths.circle(circle);
        if !Store::is_there(&dir.join(DATABASE)) {
            return Ok(None);
        }
        make_dir(&dir)?;
        let mut store = Store::open(&dir.join(DATABASE))?;
        let Some(id) = store.setting(Setting::Circle)?.and_then(|id| CircleId::from_hex(&id)) else {
            return Ok(None);
        };
        let starts = store.number(Setting::Starts)?.unwrap_or(0) + 1;
        store.set(Setting::Starts, &starts.to_string())?;
        let aside = store.setting(Setting::Restoring)?.filter(|aside| aside != "0");
        let mut ring = KeyRing::default();
        for (key, removals) in store.keys(id)? {
            ring.put(key, removals);
        }
        let mut loaded = Self {
            name: circle.clone(),
            id,
            device: SigningKey::from_seed(&*key(&dir, DEVICE)?),
            wireguard: PrivateKey::new(*key(&dir, WIREGUARD)?),
            next_wireguard: None,
            circle: None,
            loose: Vec::new(),
            code: code(&dir)?,
            ring,
            mark: HighWater::new(store.number(Setting::HighWater)?.unwrap_or(0)),
            nicknames: store.nicknames()?.into_iter().collect(),
            // Far above what any earlier start has used.
            serial: starts << 32,
            restoring: aside.is_some(),
            aside,
            store,
            dir,
        };
        loaded.read_records()?;
        loaded.forget_history()?;
        loaded.finish_rotation()?;
        loaded.refresh_spare();
        Ok(Some(loaded))
    }

    /// Reads what is stored, and what the spare has beside it. A record that was damaged goes; others still have it.
    fn read_records(&mut self) -> Result<(), Cannot> {
        let mut stored = self.store.records()?;
        let total = stored.len();
        let known: std::collections::HashSet<Vec<u8>> = stored.iter().cloned().collect();
        stored.extend(self.store.spared()?.into_iter().filter(|bytes| !known.contains(bytes)));
        let unverified = stored.iter().filter_map(|bytes| Unverified::decode(bytes).ok()).collect();
        let records: Vec<Record> = record::verify(unverified).into_iter().filter_map(Result::ok).collect();
        match Circle::from_records(self.id, records.iter().cloned()) {
            Ok(circle) => self.circle = Some(circle),
            // A joiner has only its own records until somebody shows it the rest.
            Err(_) if self.code.is_some() => self.loose = records.clone(),
            Err(_) => return Err(StoreProblem::Corrupt(self.dir.join(DATABASE)).into()),
        }
        if records.len() < total {
            self.store.renew(&records)?;
            self.aside = self.store.setting(Setting::Restoring)?;
            self.restoring = true;
        } else if stored.len() > total {
            self.store.add(&records)?;
        }
        Ok(())
    }

    /// Drops records that admins' checkpoints leave out and nothing follows from.
    fn forget_history(&mut self) -> Result<(), StoreProblem> {
        let dropped = self.circle.as_mut().map(Circle::forget).unwrap_or_default();
        if dropped.is_empty() { Ok(()) } else { self.store.forget(&dropped) }
    }

    /// A rotation that was cut short: if the circle knows the new key, it counts.
    fn finish_rotation(&mut self) -> Result<(), Cannot> {
        let Some(next) = self.source(NEXT_WIREGUARD).key()? else { return Ok(()) };
        let next = PrivateKey::new(*next);
        if self.own().and_then(|own| own.wireguard) == Some(public_of(&next)) {
            self.next_wireguard = Some(next);
            self.switch()?;
        } else {
            self.source(NEXT_WIREGUARD).remove();
        }
        Ok(())
    }
}

fn key(dir: &Path, file: &str) -> Result<zeroize::Zeroizing<[u8; 32]>, Cannot> {
    let path = dir.join(file);
    let missing =
        || Cannot::Broken(format!("{} is missing; without it this device is not itself", path.display()));
    SecretSource::File(path.clone()).key()?.ok_or_else(missing)
}

fn code(dir: &Path) -> Result<Option<Code>, Cannot> {
    let Some(text) = SecretSource::File(dir.join(CODE)).read()? else { return Ok(None) };
    let text = std::str::from_utf8(&text).map_err(|_| BadCode::NotACode)?;
    Ok(Some(text.parse()?))
}
