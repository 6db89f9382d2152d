//! What goes into a [`Device`](super::Device) as configuration and comes out of it as work for others.

use std::time::Duration;

use arrayvec::ArrayVec;
use ringmesh_wire::Endpoint;
use ringmesh_wire::keys::{PresharedKey, PublicKey};
use ringmesh_wire::message::INITIATION_LEN;

use crate::PeerId;
use crate::session::Session;

/// A peer as it is wanted.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// The slot that control gave it.
    pub id: PeerId,
    /// Who it is.
    pub public_key: PublicKey,
    /// Mixed into each handshake; zeros for none.
    pub preshared_key: PresharedKey,
    /// The longest time without a packet in either direction, in seconds; 0 is off.
    pub keepalive_secs: u16,
    /// Where it is. `None` leaves a known peer where it is.
    pub endpoint: Option<Endpoint>,
    /// The worker that owns it. Takes effect on indices that are drawn from now on.
    pub owner: u8,
}

/// A peer as it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PeerView {
    /// Who it is.
    pub public_key: PublicKey,
    /// Where its newest authentic message came from, or where it was said to be.
    pub endpoint: Option<Endpoint>,
    /// When a handshake last ended with a session that works, since boot.
    pub last_handshake: Option<Duration>,
    /// Whether any session with it is held; it may have expired.
    pub has_session: bool,
    /// Whether a handshake of ours is wanted and has not ended.
    pub is_attempting: bool,
    /// Whether anything has happened to it since the device began: a handshake in either direction, or a timer.
    pub is_awake: bool,
}

/// What the caller is to do. To be taken in order, until there is none.
#[derive(Debug)]
pub enum Output {
    /// Send a handshake message.
    Send {
        /// Whom it is for. A cookie reply is for nobody in particular: its sender has proved nothing yet.
        peer: Option<PeerId>,
        /// Where to.
        to: Endpoint,
        /// The datagram.
        bytes: ArrayVec<u8, INITIATION_LEN>,
        /// What it is.
        what: Sent,
    },
    /// Hand a new session to the owner. What it replaces goes on receiving until an [`Output::Forget`] names
    /// it; there are never more than [`SESSIONS_MAX`](crate::limits::SESSIONS_MAX). The owner answers with
    /// [`Device::on_installed`](super::Device::on_installed) as soon as it can receive on it.
    Install {
        /// Whose it is.
        peer: PeerId,
        /// The session.
        session: Box<Session>,
        /// What it is for.
        place: Place,
        /// Where the peer was when the handshake ended: send there from now on.
        endpoint: Option<Endpoint>,
    },
    /// The owner is to wipe the session of this index, or all of the peer's.
    Forget {
        /// Whose.
        peer: PeerId,
        /// Which; `None` for all.
        local_index: Option<u32>,
    },
    /// The owner is to send an empty data packet. Not needed if it has sent anything since; without a usable
    /// session it does nothing.
    Keepalive {
        /// To whom.
        peer: PeerId,
    },
    /// The handshake did not come about: the owner drops what waits for it.
    GiveUp {
        /// Whose packets.
        peer: PeerId,
    },
}

/// Which handshake message leaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sent {
    /// Ours.
    Initiation,
    /// To a peer's.
    Response,
    /// To somebody who has to show that he receives where he says he is.
    CookieReply,
}

/// What a new session is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// We began the handshake: send on it at once. A next session that the peer has not used only receives
    /// from now on: the peer began it at the same moment, and may be sending on it.
    Current,
    /// We answered: receive on it, and send on it only once something came.
    Next,
}
