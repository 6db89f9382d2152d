//! The daemon's side of a beacon: one task per circle and beacon, which connects, connects again, and passes on.
//!
//! The daemon says what it wants ([`Say`]) and hears what there is ([`Heard`]); it never waits for a beacon. What must not be lost
//! (records, parcels, admissions, the roll) is kept until the beacon has acknowledged it, over any number of connections; a signal
//! that finds no connection is dropped, since [`Heard::Online`] asks for a new one anyway.
//!
//! Nothing that a beacon says is believed here but that it said it: entries are sealed, records are signed, and members compare
//! their heads among themselves.
//!
//! **Invariant:** every queue has a bound. A beacon that floods is read as fast as the daemon takes it; one that does
//! not answer costs what [`SAYS_MAX`] and [`UNSENT_BYTES_MAX`] allow.

mod line;
mod queue;
mod task;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;

use ringmesh_mesh::beacon::place::BeaconUrl;
use ringmesh_mesh::beacon::{Entry, Offer, Refusal, Request, Stored};
use ringmesh_mesh::identity::{BeaconId, CircleId, DeviceId, RecordHash, SigningKey, UseId};
use ringmesh_mesh::record::Receipt;
use tokio::sync::mpsc;

/// Things said that the task has not looked at yet.
const SAYS_MAX: usize = 64;
/// Bytes that wait for a connection; beyond it the daemon hears [`Heard::Dropped`] and says them again later.
const UNSENT_BYTES_MAX: usize = 16 << 20;

/// Where a beacon is and as what the device comes.
#[derive(Clone, Debug)]
pub struct BeaconConfig {
    /// Where it is. Without a key an authority must vouch for its certificate; the key is then told by [`Heard::Online`], to be
    /// kept from there on.
    pub url: BeaconUrl,
    /// As what the device comes.
    pub entry: HowToEnter,
    /// How far the log was read before, as [`Heard::Records`] told.
    pub cursor: Cursor,
}

/// As what the device comes to a beacon.
#[derive(Clone, Debug)]
pub enum HowToEnter {
    /// As one of the circle.
    Member {
        /// Who founded it.
        founder: DeviceId,
        /// Why this device is an admin, if it is one: [`ringmesh_mesh::beacon::roll::proof`].
        proof: Vec<Vec<u8>>,
    },
    /// With an invite's use key.
    Invited(Arc<SigningKey>),
}

/// How far a beacon's log was read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Cursor {
    /// Which log: a beacon that was set up anew has another one.
    pub log: u64,
    /// The next position to read.
    pub position: u64,
}

/// What the daemon has to say.
#[derive(Clone, Debug)]
pub enum Say {
    /// Store these sealed entries. Storing one again changes nothing.
    Records {
        /// The invite that they answer; none for entries that are sealed to the circle.
        room: Option<UseId>,
        /// Sealed entries, each of at most [`ringmesh_mesh::limits::ENTRY_MAX`] bytes.
        sealed: Vec<Vec<u8>>,
    },
    /// As an admin: who belongs to the circle ([`ringmesh_mesh::beacon::roll::of`]), all of it. To be said whenever the roster has
    /// changed; it is sent where the beacon's roll is another, and only with an admin's rights.
    Roll(Vec<Entry>),
    /// As an admin: a new invite.
    Offer(Offer),
    /// As an admin: an invite is good no more.
    Cancel(UseId),
    /// As an admin: drop the log before this position, after what still matters was stored again.
    Trim(Cursor),
    /// Keep this sealed circle key for a device.
    Parcel {
        /// For whom.
        to: DeviceId,
        /// At most [`ringmesh_mesh::limits::PARCEL_BYTES_MAX`] bytes.
        bytes: Vec<u8>,
    },
    /// Pass this on to devices that are connected now; to everybody, also who comes later, if `to` is empty.
    Signal {
        /// To whom.
        to: Vec<DeviceId>,
        /// At most [`ringmesh_mesh::limits::SIGNAL_BYTES_MAX`] bytes.
        sealed: Vec<u8>,
    },
    /// As one with an invite: store this admission and give a receipt.
    Admission {
        /// The hash of the *join*.
        record: RecordHash,
        /// Join and profile, sealed to the invite's room.
        sealed: Vec<u8>,
    },
    /// Read the log again from this position on, if that lies behind and the log is still this one.
    Back(Cursor),
    /// From the next connection on the device comes as something else: it has joined, or become an admin. Connects anew.
    Enter(HowToEnter),
}

/// What the daemon hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// Connected, and the beacon has proved its key.
    Online {
        /// Its key.
        key: BeaconId,
        /// From where this device comes, as it sees it. The port is that of the TCP connection.
        seen: SocketAddr,
        /// Where it is, by the address that was connected to: it answers STUN there too.
        at: SocketAddr,
        /// Its clock, in seconds since 1970: a claim.
        time: u64,
        /// Which log it has: one that was set up anew has another.
        log: u64,
        /// The first position that is left of it; what lay before was dropped.
        first: u64,
        /// Whether it takes this device for an admin's.
        admin: bool,
    },
    /// Not connected, and why, in one sentence. It is tried again by itself; told once per reason.
    Offline {
        /// Why.
        why: String,
    },
    /// Entries of the log, and how far it has been read with them. Also told, without entries, when everything was read.
    Records {
        /// In order of position.
        entries: Vec<Stored>,
        /// To be kept once the entries are.
        cursor: Cursor,
        /// Whether that was all there is now.
        all: bool,
    },
    /// A sealed circle key. The same one comes again with every connection.
    Parcel {
        /// Who sent it, as the beacon says.
        from: DeviceId,
        /// What it is.
        bytes: Vec<u8>,
    },
    /// A sealed signal.
    Signal {
        /// Who sent it, as the beacon says.
        from: DeviceId,
        /// What it is.
        sealed: Vec<u8>,
    },
    /// The admission is on the beacon's disk. The receipt holds for the beacon's key and the admission; that was checked.
    Receipt(Receipt),
    /// This has come to the beacon's disk, or was passed on.
    Done {
        /// The name of the [`Say`].
        what: &'static str,
        /// All of it.
        request: Request,
    },
    /// The beacon does not do what was said, for good.
    Refused {
        /// The name of the [`Say`].
        what: &'static str,
        /// Why.
        why: Refusal,
    },
    /// There was no room to keep what was said, or it is too long for any beacon.
    Dropped {
        /// The name of the [`Say`].
        what: &'static str,
    },
}

/// The task of one beacon. Dropped, it ends.
#[derive(Debug)]
pub struct Handle {
    says: mpsc::Sender<Say>,
    task: tokio::task::JoinHandle<()>,
}

impl Handle {
    /// Says something, unless the task's queue is full: the daemon never waits for a beacon.
    ///
    /// # Errors
    /// What could not be said, to be said again later.
    pub fn say(&self, say: Say) -> Result<(), Box<Say>> {
        self.says.try_send(say).map_err(|error| Box::new(error.into_inner()))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts the task of one circle at one beacon. It must be called within a tokio runtime.
#[must_use]
pub fn connect(
    config: BeaconConfig,
    identity: Arc<SigningKey>,
    circle: CircleId,
    heard: mpsc::Sender<(BeaconUrl, Heard)>,
) -> Handle {
    let (says, queue) = mpsc::channel(SAYS_MAX);
    let task = tokio::spawn(task::run(task::Task::new(config, identity, circle, heard), queue));
    Handle { says, task }
}
