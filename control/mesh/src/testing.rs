//! A small world for tests: keys by number, a circle that writes records, and nothing random but a seed.

use ringmesh_wire::keys::{PrivateKey, PublicKey};

use crate::address::Ipv4Block;
use crate::circle::Circle;
use crate::identity::{DeviceId, SigningKey, UseId};
use crate::invite::{Beacon, Code, Wanted};
use crate::record::{
    Admit, Body, Effect, Found, Grant, Link, Place, Profile, Record, Revoke, Role, Scope, What, Witness,
};
use crate::sealed::parcel::public_of;

/// The founder's number; the recovery key's is [`RECOVERY`].
pub(crate) const FOUNDER: u16 = 0;
pub(crate) const RECOVERY: u16 = 9999;
pub(crate) const START: u64 = 1_700_000_000;

pub(crate) fn key(number: u16) -> SigningKey {
    let mut seed = [0x5a; 32];
    seed[..2].copy_from_slice(&number.to_be_bytes());
    SigningKey::from_seed(&seed)
}

pub(crate) fn id(number: u16) -> DeviceId {
    key(number).device()
}

pub(crate) fn wireguard(number: u16) -> PrivateKey {
    let mut bytes = [0xa5; 32];
    bytes[4..6].copy_from_slice(&number.to_be_bytes());
    PrivateKey::new(bytes)
}

pub(crate) fn wireguard_public(number: u16) -> PublicKey {
    public_of(&wireguard(number))
}

pub(crate) fn founding() -> Record {
    let found = Found {
        name: "home".parse().expect("a name"),
        recovery: id(RECOVERY),
        block: Ipv4Block::sixteen(9),
        nonce: [1; 16],
    };
    Record::found(&key(FOUNDER), START, found)
}

/// A circle whose every author writes to one store.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) circle: Circle,
    pub(crate) now: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { circle: Circle::new(founding()).expect("the record founds"), now: START }
    }

    /// Writes the author's next record and takes it in.
    pub(crate) fn write(&mut self, author: u16, body: Body) -> Record {
        self.write_after(author, self.circle.place(&id(author)).after, body)
    }

    /// Writes a record at a place of its own choosing: what the holder of a copied key does.
    pub(crate) fn write_after(&mut self, author: u16, after: Option<Link>, body: Body) -> Record {
        self.now += 1;
        let place = Place { circle: self.circle.id(), after };
        let record = Record::sign(&key(author), place, self.now, body);
        self.circle.ingest([record.clone()]);
        record
    }

    pub(crate) fn admit(&mut self, by: u16, device: u16, role: Role) -> Record {
        let admitted = self.write(by, Body::Admit(Admit { device: id(device), role }));
        self.profile(device, &format!("d{device}"));
        admitted
    }

    pub(crate) fn profile(&mut self, device: u16, name: &str) -> Record {
        let name = name.parse().expect("a name");
        self.write(device, Body::Profile(Profile { name, wireguard: wireguard_public(device) }))
    }

    pub(crate) fn head(&self, author: u16) -> Option<Link> {
        self.circle.place(&id(author)).after
    }

    pub(crate) fn revoke(&mut self, by: u16, device: u16, scope: Scope, last: Option<Link>) -> Record {
        self.write(by, revocation(device, scope, last))
    }

    pub(crate) fn remove(&mut self, by: u16, device: u16) -> Record {
        self.revoke(by, device, Scope::Membership, self.head(device))
    }

    pub(crate) fn grant(&mut self, by: u16, to: u16, what: What, effect: Effect) -> Record {
        self.write(by, Body::Grant(Grant { to: id(to), what, effect }))
    }

    pub(crate) fn invite(&mut self, by: u16, secret: u8, guest: bool, uses: u16, beacons: &[u16]) -> Code {
        let beacons = beacons
            .iter()
            .map(|number| Beacon { key: key(*number).beacon(), address: "b.example:443".into() });
        let wanted = Wanted { guest, uses, expires: self.now + 1000, beacons: beacons.collect() };
        let name = self.circle.roster().name.clone();
        let code = Code::new([secret; 16], self.circle.id(), name, id(by), self.now, wanted);
        let code = code.expect("a sound wish");
        self.write(by, Body::Invite(code.record()));
        code
    }

    pub(crate) fn join(&mut self, code: &Code, device: u16) -> Record {
        self.now += 1;
        let join = code.join(&key(device), self.now);
        self.circle.ingest([join.clone()]);
        join
    }

    pub(crate) fn witness(&mut self, by: u16, join: &Record) -> Record {
        let witness = Witness { device: join.author(), record: join.hash(), receipt: None };
        self.write(by, Body::Witness(witness))
    }

    pub(crate) fn role(&self, device: u16) -> Option<Role> {
        self.circle.roster().members.get(&id(device)).map(|member| member.role)
    }

    pub(crate) fn used(&self, invite: &UseId) -> usize {
        self.circle.roster().invites.get(invite).map_or(0, |state| state.used.len())
    }
}

pub(crate) fn revocation(device: u16, scope: Scope, last: Option<Link>) -> Body {
    Body::Revoke(Revoke::Device { device: id(device), scope, last })
}
