use std::ptr;

use ringmesh_wire::keys::{PresharedKey, PrivateKey, PublicKey};

use super::{Peer, Peers};
use crate::PeerId;
use crate::device::PeerConfig;
use crate::noise::Identity;

fn peer(id: u32, public_key: PublicKey) -> PeerConfig {
    PeerConfig {
        id: PeerId(id),
        public_key,
        preshared_key: PresharedKey::new([0; 32]),
        keepalive_secs: 0,
        endpoint: None,
        owner: 0,
    }
}

#[test]
fn peers_are_found_by_number_and_by_key_until_they_leave() {
    let mut peers = Peers::default();
    for id in [7, 3, 5] {
        peers.insert(peer(id, PublicKey([id as u8; 32])));
    }
    assert!(peers.ids().eq([3, 5, 7].map(PeerId)));
    assert_eq!(peers.id_of(&PublicKey([5; 32])), Some(PeerId(5)));
    assert_eq!(peers.remove(PeerId(5)).map(|peer| peer.public_key()), Some(PublicKey([5; 32])));
    assert!(peers.get(PeerId(5)).is_none() && peers.remove(PeerId(5)).is_none());
    assert_eq!(peers.id_of(&PublicKey([5; 32])), None);
    assert_eq!(peers.get_mut(PeerId(7)).map(|peer| peer.public_key()), Some(PublicKey([7; 32])));
}

#[test]
fn the_secret_of_two_static_keys_is_computed_once_per_identity() {
    let identity = |byte| Identity::new(PrivateKey::new([byte; 32]));
    let mut peer = Peer::new(peer(1, identity(9).public()));
    let first = *peer.static_static(&identity(1)).expect("honest keys").clone();
    let (one, two) = (peer.static_static(&identity(1)), peer.static_static(&identity(2)));
    assert!(ptr::eq(one.expect("honest keys"), two.expect("honest keys")), "kept, whoever asks");
    peer.forget_identity();
    assert_ne!(*peer.static_static(&identity(2)).expect("honest keys").clone(), first);
}

/// No Diffie-Hellman, no session, window, stamps, timer or queue before a peer is heard of; and little of what is left.
#[test]
fn a_configured_peer_is_its_configuration_and_nothing_else() {
    let peer = Peer::new(peer(1, PublicKey([9; 32])));
    assert!(peer.static_static.get().is_none() && peer.life().is_none());
    assert!(size_of::<Peer>() <= 104, "{} bytes, 100,000 times", size_of::<Peer>());
}
