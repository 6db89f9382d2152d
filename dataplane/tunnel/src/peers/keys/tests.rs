use std::collections::BTreeMap;

use proptest::prelude::*;
use ringmesh_wire::keys::{PresharedKey, PublicKey};

use crate::PeerId;
use crate::device::PeerConfig;
use crate::peers::Peers;

fn peer(id: u32, key: PublicKey) -> PeerConfig {
    let preshared_key = PresharedKey::new([0; 32]);
    PeerConfig { id: PeerId(id), public_key: key, preshared_key, keepalive_secs: 0, endpoint: None, owner: 0 }
}

/// Many of them have the same hash, and differ behind it.
fn key(number: u8) -> PublicKey {
    let mut key = [number / 8; 32];
    key[31] = number;
    PublicKey(key)
}

proptest! {
    #[test]
    fn agrees_with_a_map(script in prop::collection::vec((0_u32..40, 0_u8..64, any::<bool>()), 0..300)) {
        let (mut peers, mut judge) = (Peers::default(), BTreeMap::<u8, u32>::new());
        for (id, number, adds) in script {
            let free = !judge.contains_key(&number) && !judge.values().any(|other| *other == id);
            if adds && free {
                peers.insert(peer(id, key(number)));
                judge.insert(number, id);
            } else if !adds {
                let there = judge.iter().find(|(_, other)| **other == id).map(|(number, _)| *number);
                prop_assert_eq!(peers.remove(PeerId(id)).map(|peer| peer.public_key()), there.map(key));
                judge.retain(|_, other| *other != id);
            }
            for number in 0..64 {
                prop_assert_eq!(peers.id_of(&key(number)), judge.get(&number).copied().map(PeerId));
            }
        }
        let mut ids: Vec<_> = judge.values().copied().map(PeerId).collect();
        ids.sort();
        prop_assert!(peers.ids().eq(ids));
    }
}
