//! The trie of allowed IPs against a plain list of ranges.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use ringmesh_tunnel::PeerId;
use ringmesh_tunnel::allowed_ips::AllowedIps;
use ringmesh_wire::ip::Cidr;
use std::collections::BTreeMap;
use std::net::IpAddr;

#[derive(Arbitrary, Debug)]
struct Address {
    v6: bool,
    /// The upper bits; the rest is zeros or ones, so that ranges meet often.
    bits: u32,
    ones: bool,
    prefix: u8,
}

impl Address {
    fn ip(&self) -> IpAddr {
        let rest = if self.ones { u128::MAX >> 32 } else { 0 };
        match self.v6 {
            true => IpAddr::from((u128::from(self.bits) << 96 | rest).to_be_bytes()),
            false => IpAddr::from(self.bits.to_be_bytes()),
        }
    }

    fn range(&self) -> Cidr {
        let longest = if self.v6 { 128 } else { 32 };
        Cidr::new(self.ip(), self.prefix % (longest + 1)).expect("the prefix is short enough")
    }
}

#[derive(Arbitrary, Debug)]
enum Step {
    Insert(Address, u8),
    Remove(Address, u8),
    RemovePeer(u8),
    Lookup(Address),
}

fuzz_target!(|steps: Vec<Step>| {
    let (mut trie, mut list) = (AllowedIps::new(), BTreeMap::<Cidr, PeerId>::new());
    let peer = |number: u8| PeerId(u32::from(number) % 5);
    for step in steps {
        match step {
            Step::Insert(at, who) => {
                let before = list.insert(at.range(), peer(who)).filter(|holder| *holder != peer(who));
                assert_eq!(trie.insert(at.range(), peer(who)), before);
            }
            Step::Remove(at, who) => {
                let held = list.get(&at.range()) == Some(&peer(who));
                if held {
                    list.remove(&at.range());
                }
                assert_eq!(trie.remove(at.range(), peer(who)), held);
            }
            Step::RemovePeer(who) => {
                list.retain(|_, holder| *holder != peer(who));
                trie.remove_peer(peer(who));
            }
            Step::Lookup(at) => {
                let holders = list.iter().filter(|(range, _)| range.contains(at.ip()));
                let longest = holders.max_by_key(|(range, _)| range.prefix).map(|(_, holder)| *holder);
                assert_eq!(trie.lookup(at.ip()), longest);
            }
        }
        assert_eq!(trie.len(), list.len());
    }
    assert_eq!(trie.iter().collect::<BTreeMap<_, _>>(), list);
    for who in 0..5 {
        let of_peer = list.iter().filter(|(_, holder)| **holder == PeerId(who)).map(|(range, _)| *range);
        let mut seen: Vec<_> = trie.iter_peer(PeerId(who)).collect();
        seen.sort();
        assert!(of_peer.eq(seen));
    }
});
