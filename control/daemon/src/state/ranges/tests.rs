use std::collections::BTreeSet;

use proptest::prelude::*;
use ringmesh_wire::ip::Cidr;

use super::Ranges;

fn range(number: u8) -> Cidr {
    Cidr::new([10, number, 0, 0].into(), 16).expect("short enough")
}

proptest! {
    #[test]
    fn agrees_with_a_set(script in prop::collection::vec((0_u8..6, any::<bool>()), 0..100)) {
        let (mut ranges, mut judge) = (Ranges::default(), BTreeSet::new());
        for (number, adds) in script {
            let range = range(number);
            if adds {
                ranges.insert(range);
                judge.insert(range);
            } else {
                prop_assert_eq!(ranges.remove(&range), judge.remove(&range));
            }
            prop_assert!(ranges.as_slice().iter().eq(&judge));
            prop_assert!((0..6).map(self::range).all(|range| ranges.contains(&range) == judge.contains(&range)));
        }
    }
}
