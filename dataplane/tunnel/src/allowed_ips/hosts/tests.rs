use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{FREE, Hosts, SLOTS_MIN};
use crate::PeerId;
use crate::allowed_ips::trie::Bits;

impl<B: Bits> Hosts<B> {
    /// The module's invariant.
    pub(in crate::allowed_ips) fn check_shape(&self) {
        assert_eq!(self.iter().count(), self.len);
        assert!(self.len * 8 <= self.slots.len() * 7);
        for at in 0..self.slots.len() {
            let slot = self.slots.get(at).filter(|slot| slot.owner != FREE);
            assert!(
                slot.is_none_or(|slot| self.find(slot.key).map(|found| found.0) == Ok(at)),
                "out of reach"
            );
        }
    }
}

/// Few addresses, so that entries come back; some beside each other, some far apart.
fn addrs() -> impl Strategy<Value = u32> {
    prop_oneof![0_u32..64, (0_u32..64).prop_map(|at| at << 20), Just(u32::MAX)]
}

proptest! {
    #[test]
    fn agrees_with_a_map(script in prop::collection::vec((addrs(), prop::option::of(0_u32..9)), 1..600)) {
        let (mut hosts, mut judge) = (Hosts::<u32>::default(), BTreeMap::new());
        for (addr, owner) in script {
            match owner.map(PeerId) {
                Some(owner) => prop_assert_eq!(hosts.insert(addr, owner), judge.insert(addr, owner)),
                None => {
                    hosts.remove(addr);
                    judge.remove(&addr);
                }
            }
            hosts.check_shape();
        }
        prop_assert_eq!(&hosts.iter().collect::<BTreeMap<_, _>>(), &judge);
        for addr in (0..70).chain([u32::MAX, 1 << 20]) {
            prop_assert_eq!(hosts.lookup(addr), judge.get(&addr).copied());
        }
    }
}

/// All of them want the same slot.
#[test]
fn addresses_that_collide_are_told_apart() {
    let table = Hosts::<u32>::default();
    let mut hosts = table.clone();
    hosts.insert(0, PeerId(0));
    let home = |addr: u32| hosts.home(addr.key());
    let same: Vec<u32> = (0..10_000).filter(|addr| home(*addr) == home(0)).take(12).collect();
    assert_eq!(same.len(), 12);
    let mut hosts = table;
    for (number, addr) in (0..).zip(&same) {
        hosts.insert(*addr, PeerId(number));
    }
    for (number, addr) in (0..).zip(&same) {
        assert_eq!(hosts.lookup(*addr), Some(PeerId(number)));
        hosts.remove(*addr);
        assert_eq!(hosts.lookup(*addr), None);
        hosts.check_shape();
    }
}

#[test]
fn an_emptied_table_is_small_again() {
    let mut hosts = Hosts::<u128>::default();
    assert!((0..10_000).all(|addr| hosts.insert(addr, PeerId(1)).is_none()));
    assert!(hosts.slots.len() >= 10_000);
    (0..10_000).for_each(|addr| hosts.remove(addr));
    assert_eq!((hosts.len(), hosts.slots.len()), (0, SLOTS_MIN));
}
