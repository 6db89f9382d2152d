//! Each script runs against a table that is searched from end to end.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use ringmesh_wire::ip::Cidr;

use super::AllowedIps;
use crate::PeerId;

/// The judge: slow and obvious.
#[derive(Default)]
struct Table(BTreeMap<Cidr, PeerId>);

impl Table {
    fn lookup(&self, addr: IpAddr) -> Option<PeerId> {
        let hits = self.0.iter().filter(|(range, _)| range.contains(addr));
        hits.max_by_key(|(range, _)| range.prefix).map(|(_, peer)| *peer)
    }
}

fn range(text: &str) -> Cidr {
    text.parse().expect("a range")
}

fn table(entries: &[(&str, u32)]) -> AllowedIps {
    let mut ips = AllowedIps::new();
    for (text, peer) in entries {
        ips.insert(range(text), PeerId(*peer));
    }
    ips
}

#[track_caller]
fn check(ips: &AllowedIps, addr: &str, expected: Option<u32>) {
    assert_eq!(ips.lookup(addr.parse().expect("an address")), expected.map(PeerId), "{addr}");
}

#[test]
fn longest_prefix_wins_over_all_peers() {
    let ips = table(&[
        ("0.0.0.0/0", 1),
        ("10.0.0.0/8", 2),
        ("10.1.0.0/16", 3),
        ("10.1.2.3/32", 4),
        ("192.168.0.0/31", 5),
        ("::/0", 6),
        ("fd00::/8", 7),
        ("fd00:1::/64", 8),
        ("fd00:1::1", 9),
    ]);
    for (addr, peer) in [
        ("9.255.255.255", 1),
        ("10.0.0.0", 2),
        ("10.255.255.255", 2),
        ("11.0.0.0", 1),
        ("10.1.0.0", 3),
        ("10.1.255.255", 3),
        ("10.2.0.0", 2),
        ("10.1.2.3", 4),
        ("10.1.2.2", 3),
        ("192.168.0.1", 5),
        ("192.168.0.2", 1),
        ("255.255.255.255", 1),
        ("::", 6),
        ("fc00::", 6),
        ("fd00:2::", 7),
        ("fd00:1::2", 8),
        ("fd00:1::1", 9),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 6),
        // An IPv4 address that is written as IPv6 is an IPv6 address.
        ("::ffff:10.1.2.3", 6),
    ] {
        check(&ips, addr, Some(peer));
    }
    assert_eq!(ips.len(), 9);
}

#[test]
fn nothing_belongs_to_nobody() {
    let ips = table(&[("10.0.0.0/8", 1), ("fd00::/64", 1)]);
    for addr in ["0.0.0.0", "11.0.0.0", "::", "fd00:0:0:1::"] {
        check(&ips, addr, None);
    }
    check(&AllowedIps::new(), "10.0.0.1", None);
}

#[test]
fn a_range_moves_whole_and_leaves_nothing_behind() {
    let mut ips = table(&[("10.0.0.0/8", 1), ("10.1.0.0/16", 1)]);
    assert_eq!(ips.insert(range("10.1.0.0/16"), PeerId(2)), Some(PeerId(1)));
    assert_eq!(ips.insert(range("10.1.0.0/16"), PeerId(2)), None, "already there");
    check(&ips, "10.1.0.1", Some(2));
    check(&ips, "10.2.0.1", Some(1));
    assert!(ips.iter_peer(PeerId(1)).eq([range("10.0.0.0/8")]));
    assert!(ips.iter_peer(PeerId(2)).eq([range("10.1.0.0/16")]));
    ips.remove_peer(PeerId(1));
    check(&ips, "10.1.0.1", Some(2));
    check(&ips, "10.2.0.1", None);
    assert_eq!(ips.len(), 1);
}

#[test]
fn only_the_owner_removes_and_only_the_exact_range() {
    let mut ips = table(&[("10.0.0.0/8", 1), ("10.128.0.0/9", 2), ("10.0.0.0/9", 3)]);
    for (text, peer, removed) in [
        ("10.0.0.0/8", 2, false),
        ("10.0.0.0/7", 1, false),
        ("10.0.0.0/10", 1, false),
        ("11.0.0.0/8", 1, false),
        ("10.0.0.0/8", 1, true),
        ("10.0.0.0/8", 1, false),
    ] {
        assert_eq!(ips.remove(range(text), PeerId(peer)), removed, "{text} of {peer}");
    }
    check(&ips, "10.200.0.1", Some(2));
    check(&ips, "10.2.0.1", Some(3));
}

#[test]
fn the_place_where_two_ranges_part_is_no_range() {
    let mut ips = table(&[("10.0.0.0/32", 1), ("10.0.0.255/32", 2)]);
    assert!(!ips.remove(range("10.0.0.0/24"), PeerId(0)), "a node without a peer belongs to nobody");
    check(&ips, "10.0.0.1", None);
    assert_eq!(ips.insert(range("10.0.0.0/24"), PeerId(3)), None);
    check(&ips, "10.0.0.1", Some(3));
}

#[test]
fn a_peer_has_its_ranges_in_the_order_it_got_them() {
    let mut ips =
        table(&[("10.0.0.3", 1), ("fd00::1", 1), ("10.0.0.1", 1), ("10.0.0.2", 1), ("10.0.0.9", 2)]);
    assert!(ips.remove(range("10.0.0.1"), PeerId(1)));
    ips.insert(range("10.0.0.0/24"), PeerId(1));
    let texts: Vec<String> = ips.iter_peer(PeerId(1)).map(|range| range.to_string()).collect();
    assert_eq!(texts, ["10.0.0.3/32", "10.0.0.2/32", "10.0.0.0/24", "fd00::1/128"]);
}

#[test]
fn a_copy_of_the_routes_is_a_snapshot() {
    let mut ips = table(&[("10.0.0.0/8", 1), ("10.0.0.2/32", 1)]);
    let snapshot = ips.routes().clone();
    ips.remove_peer(PeerId(1));
    for addr in ["10.0.0.1", "10.0.0.2"] {
        check(&ips, addr, None);
        assert_eq!(snapshot.lookup(addr.parse().expect("an address")), Some(PeerId(1)));
    }
}

/// What was removed is used again: a table that is rewritten for ever does not grow.
#[test]
fn removed_nodes_are_used_again() {
    let mut ips = AllowedIps::new();
    let mut sizes = Vec::new();
    for round in 0..50_u32 {
        for host in 0..64_u32 {
            let addr = Ipv4Addr::from_bits(host.wrapping_mul(0x9E37_79B9) ^ round << 20);
            ips.insert(Cidr::new(addr.into(), 31).expect("short enough"), PeerId(host));
        }
        (0..64).for_each(|peer| ips.remove_peer(PeerId(peer)));
        sizes.push(ips.routes.v4.nets.room());
    }
    assert!(ips.is_empty());
    assert!(sizes.iter().all(|&size| size <= 127), "{sizes:?}");
}

/// 100,000 peers with an IPv4 and an IPv6 address each: every one is found, and a tenth can leave.
#[test]
fn a_hundred_thousand_peers() {
    const PEERS: u32 = 100_000;
    let v4 = |peer: u32| IpAddr::from(Ipv4Addr::from_bits(0x6440_0000 | peer.wrapping_mul(37) & 0x003F_FFFF));
    let v6 = |peer: u32| {
        let low = u64::from(peer).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        IpAddr::from(Ipv6Addr::from_bits(0xfd12_3456_789a << 80 | u128::from(low)))
    };
    let mut ips = AllowedIps::new();
    for peer in 0..PEERS {
        assert_eq!(ips.insert(Cidr::host(v4(peer)), PeerId(peer)), None);
        assert_eq!(ips.insert(Cidr::host(v6(peer)), PeerId(peer)), None);
    }
    assert_eq!(ips.len(), 2 * PEERS as usize);
    (0..PEERS).step_by(10).for_each(|peer| ips.remove_peer(PeerId(peer)));
    assert_eq!(ips.len(), 2 * PEERS as usize / 10 * 9);
    for peer in 0..PEERS {
        let expected = (peer % 10 != 0).then_some(PeerId(peer));
        assert_eq!(ips.lookup(v4(peer)), expected);
        assert_eq!(ips.lookup(v6(peer)), expected);
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Insert(Cidr, PeerId),
    Remove(Cidr, PeerId),
    RemovePeer(PeerId),
}

/// Few distinct bits, so that ranges contain each other, share prefixes and repeat.
fn addrs() -> impl Strategy<Value = IpAddr> {
    let few = prop::sample::select(vec![0_u8, 1, 2, 3, 0x80, 0xFF]);
    let v4 = prop::array::uniform4(few.clone()).prop_map(IpAddr::from);
    let v6 = (few.clone(), few.clone(), few).prop_map(|(a, b, c)| {
        let mut octets = [0; 16];
        (octets[0], octets[7], octets[15]) = (a, b, c);
        IpAddr::from(octets)
    });
    prop_oneof![v4, v6]
}

fn ranges() -> impl Strategy<Value = Cidr> {
    (addrs(), 0_u8..=128).prop_map(|(addr, prefix)| {
        Cidr::new(addr, if addr.is_ipv4() { prefix % 33 } else { prefix }).expect("a prefix that fits")
    })
}

fn steps() -> impl Strategy<Value = Step> {
    let peers = || (0_u32..5).prop_map(PeerId);
    prop_oneof![
        6 => (ranges(), peers()).prop_map(|(range, peer)| Step::Insert(range, peer)),
        3 => (ranges(), peers()).prop_map(|(range, peer)| Step::Remove(range, peer)),
        1 => peers().prop_map(Step::RemovePeer),
    ]
}

/// Removing by random ranges rarely hits, so every second removal takes a range that is there.
fn aim(step: Step, table: &Table, turn: usize) -> Step {
    match step {
        Step::Remove(..) if turn.is_multiple_of(2) && !table.0.is_empty() => {
            let (range, peer) = table.0.iter().nth(turn % table.0.len()).expect("within the table");
            Step::Remove(*range, *peer)
        }
        Step::Insert(..) | Step::Remove(..) | Step::RemovePeer(_) => step,
    }
}

proptest! {
    #[test]
    fn agrees_with_a_linear_table(
        script in prop::collection::vec(steps(), 1..200),
        probes in prop::collection::vec(addrs(), 50),
    ) {
        let (mut ips, mut judge) = (AllowedIps::new(), Table::default());
        for (turn, step) in script.into_iter().enumerate() {
            match aim(step, &judge, turn) {
                Step::Insert(range, peer) => {
                    let before = judge.0.insert(range, peer);
                    prop_assert_eq!(ips.insert(range, peer), before.filter(|&other| other != peer));
                }
                Step::Remove(range, peer) => {
                    let there = judge.0.get(&range) == Some(&peer);
                    if there {
                        judge.0.remove(&range);
                    }
                    prop_assert_eq!(ips.remove(range, peer), there);
                }
                Step::RemovePeer(peer) => {
                    judge.0.retain(|_, owner| *owner != peer);
                    ips.remove_peer(peer);
                }
            }
            ips.routes.v4.nets.check_shape();
            ips.routes.v6.nets.check_shape();
            ips.routes.v4.hosts.check_shape();
            ips.routes.v6.hosts.check_shape();
        }
        prop_assert_eq!(ips.len(), judge.0.len());
        prop_assert_eq!(&ips.iter().collect::<BTreeMap<_, _>>(), &judge.0);
        for peer in (0..5).map(PeerId) {
            let mut ours: Vec<Cidr> = ips.iter_peer(peer).collect();
            ours.sort();
            let theirs: Vec<Cidr> = judge.0.iter().filter(|entry| *entry.1 == peer).map(|entry| *entry.0).collect();
            prop_assert_eq!(ours, theirs);
        }
        for addr in probes.into_iter().chain(judge.0.keys().map(|range| range.addr)) {
            prop_assert_eq!(ips.lookup(addr), judge.lookup(addr), "{}", addr);
        }
    }
}
