use std::collections::BTreeMap;

use proptest::prelude::*;
use ringmesh_wire::ip::Cidr;

use super::Holdings;
use crate::PeerId;
use crate::limits::PEERS_MAX;

fn range(number: u8) -> Cidr {
    let addr = if number.is_multiple_of(2) {
        [10, number, 0, 0].into()
    } else {
        std::net::Ipv6Addr::from_bits(u128::from(number) << 120).into()
    };
    Cidr::new(addr, 16).expect("short enough")
}

proptest! {
    #[test]
    fn agrees_with_a_map_of_lists(script in prop::collection::vec((0_u32..3, 0_u8..6, 0_u8..4), 0..200)) {
        let (mut holdings, mut judge) = (Holdings::default(), BTreeMap::<PeerId, Vec<Cidr>>::new());
        for (peer, number, kind) in script {
            let (peer, range) = (PeerId(peer), range(number));
            let list = judge.entry(peer).or_default();
            match kind {
                0 => {
                    holdings.take(peer, range);
                    list.retain(|other| *other != range);
                }
                1 if number == 0 => prop_assert!(holdings.clear(peer).eq(std::mem::take(list))),
                _ if !list.contains(&range) => {
                    holdings.add(peer, range);
                    list.push(range);
                }
                _ => {}
            }
        }
        for (peer, list) in judge {
            prop_assert!(holdings.of(peer).eq(list));
        }
    }
}

#[test]
fn a_number_beyond_all_peers_holds_nothing() {
    let mut holdings = Holdings::default();
    for number in [PEERS_MAX as u32, u32::MAX] {
        assert!(!Holdings::admits(PeerId(number)));
        holdings.add(PeerId(number), range(1));
        assert_eq!(holdings.of(PeerId(number)).count(), 0);
    }
    assert!(holdings.0.is_empty());
}
