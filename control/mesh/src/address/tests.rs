//! Addresses: ranges, stability, and seniority against a plain serial model.

use super::{Assignment, Ipv4Block, Seniority, WISHES_MAX, ipv6_of, prefix_v6};
use crate::identity::{CircleId, DeviceId};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

const CIRCLE: CircleId = CircleId([9; 32]);

fn device(number: u32) -> DeviceId {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&number.to_le_bytes());
    DeviceId(id)
}

#[test]
fn blocks_lie_within_the_shared_range() {
    let table = [
        ([100, 64, 0, 0], 10, true),
        ([100, 127, 255, 0], 24, true),
        ([100, 80, 0, 0], 16, true),
        ([100, 80, 1, 0], 16, false),
        ([100, 64, 0, 0], 9, false),
        ([100, 64, 0, 0], 25, false),
        ([100, 128, 0, 0], 16, false),
        ([10, 0, 0, 0], 16, false),
    ];
    for (base, prefix, wanted) in table {
        assert_eq!(Ipv4Block::new(Ipv4Addr::from(base), prefix).is_some(), wanted, "{base:?}/{prefix}");
    }
    for number in 0..=255 {
        let block = Ipv4Block::sixteen(number);
        assert_eq!(Ipv4Block::new(block.base(), block.prefix()), Some(block));
    }
    let (a, b) = (Ipv4Block::sixteen(1), Ipv4Block::sixteen(2));
    assert!(!a.overlaps(&b) && a.overlaps(&Ipv4Block::ALL) && Ipv4Block::ALL.overlaps(&a));
}

#[test]
fn addresses_are_what_they_were() {
    // Whoever changes a derivation moves every device of every circle: these must stay.
    let seen = [prefix_v6(&CIRCLE), ipv6_of(&CIRCLE, &device(1))].map(|address| address.to_string());
    assert_eq!(seen, ["fd16:c3da:3b6::", "fd16:c3da:3b6:711d:16a2:333b:a484:cc2f"]);
    assert_eq!(Ipv4Block::sixteen(3).wish(&CIRCLE, &device(1), 0).to_string(), "100.67.119.138");
    assert_ne!(ipv6_of(&CircleId([8; 32]), &device(1)), ipv6_of(&CIRCLE, &device(1)));
}

/// The senior chooses first, and so on: what the outcome must be.
fn serially(block: Ipv4Block, mut line: Vec<Seniority>) -> BTreeMap<DeviceId, Ipv4Addr> {
    line.sort();
    let mut taken = BTreeMap::new();
    for who in line {
        let wishes = (0..WISHES_MAX).map(|wish| block.wish(&CIRCLE, &who.device, wish));
        if let Some(address) = wishes.into_iter().find(|address| !taken.values().any(|held| held == address))
        {
            taken.insert(who.device, address);
        }
    }
    taken
}

proptest! {
    #[test]
    fn the_senior_chooses_first_in_whatever_order_they_come(
        line in prop::collection::vec((0_u64..20, 0_u32..1000), 1..200).prop_shuffle()
    ) {
        let block = Ipv4Block::new(Ipv4Addr::new(100, 100, 7, 0), 24).expect("a block");
        let mut seen = BTreeMap::new();
        for (since, number) in line {
            seen.entry(number).or_insert(Seniority { since, depth: 1, device: device(number) });
        }
        let line: Vec<_> = seen.into_values().collect();
        let mut assignment = Assignment::new(CIRCLE, block);
        line.iter().for_each(|who| drop(assignment.insert(*who)));
        let wanted = serially(block, line.clone());
        for who in line {
            prop_assert_eq!(assignment.address(&who.device), wanted.get(&who.device).copied());
        }
    }
}

#[test]
fn nobody_gets_the_ends_of_the_block() {
    let block = Ipv4Block::new(Ipv4Addr::new(100, 100, 7, 0), 24).expect("a block");
    for number in 0..5000 {
        let last = block.wish(&CIRCLE, &device(number), 0).octets()[3];
        assert!(last != 0 && last != 255);
    }
}
