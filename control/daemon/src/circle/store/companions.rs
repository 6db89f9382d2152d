//! Where members were last: the first to try after a restart, when nobody has said anything yet.

use std::net::SocketAddr;

use ringmesh_mesh::identity::DeviceId;
use ringmesh_wire::keys::PublicKey;
use rusqlite::{Connection, params};

use super::{Store, StoreProblem};

/// Members that are remembered.
const COMPANIONS_MAX: usize = 64;

/// A member that was online, and where.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Companion {
    /// Who.
    pub(crate) device: DeviceId,
    /// Its WireGuard key.
    pub(crate) wireguard: PublicKey,
    /// Where.
    pub(crate) endpoint: SocketAddr,
}

impl Store {
    /// The members that were online last, and where.
    ///
    /// # Errors
    /// See [`StoreProblem`].
    pub(crate) fn companions(&self) -> Result<Vec<Companion>, StoreProblem> {
        let rows: Vec<([u8; 32], [u8; 32], String)> = self.read(|db| {
            let mut rows = db.prepare("SELECT device, wireguard, endpoint FROM companion")?;
            rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
        })?;
        let read = |(device, wireguard, endpoint): ([u8; 32], [u8; 32], String)| {
            let endpoint = endpoint.parse().ok()?;
            Some(Companion { device: DeviceId(device), wireguard: PublicKey(wireguard), endpoint })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Keeps these in the place of those before; of very many, some.
    ///
    /// # Errors
    /// See [`StoreProblem`].
    pub(crate) fn set_companions(&mut self, companions: &[Companion]) -> Result<(), StoreProblem> {
        let put = |change: &Connection| {
            change.execute("DELETE FROM companion", [])?;
            let mut insert = change.prepare_cached("INSERT INTO companion VALUES (?1, ?2, ?3)")?;
            companions.iter().take(COMPANIONS_MAX).try_for_each(|companion| {
                let Companion { device, wireguard, endpoint } = companion;
                insert.execute(params![device.0, wireguard.0, endpoint.to_string()]).map(drop)
            })
        };
        self.change(put)?;
        self.mirror(put);
        Ok(())
    }
}
