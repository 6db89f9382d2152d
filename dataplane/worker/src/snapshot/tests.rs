use ringmesh_tunnel::allowed_ips::AllowedIps;

use super::*;

#[test]
fn every_peer_has_one_owner_among_the_workers_and_all_of_them_work() {
    for workers in [1, 2, 3, 4, 63, 64, 255] {
        let mut peers = vec![0_u32; workers.into()];
        for slot in 0..10 * u32::from(workers) {
            peers[usize::from(owner(PeerId(slot), workers))] += 1;
        }
        assert!(peers.iter().all(|count| *count == 10), "{workers} workers: {peers:?}");
    }
    assert_eq!(owner(PeerId(u32::MAX), 7), (u32::MAX % 7) as u8);
}

#[test]
fn a_copy_is_not_changed_by_what_comes_later() {
    let (mut snapshot, mut routes) = (Snapshot::new(2), AllowedIps::new());
    let range: ringmesh_wire::ip::Cidr = "10.0.0.0/8".parse().expect("a range");
    let published = snapshot.with(routes.routes());
    routes.insert(range, PeerId(1));
    snapshot.mtu = 9_000;
    let snapshot = snapshot.with(routes.routes());
    assert_eq!((published.routes.lookup(range.addr), published.mtu), (None, 1_420));
    assert_eq!((snapshot.routes.lookup(range.addr), snapshot.mtu), (Some(PeerId(1)), 9_000));
    assert!(!published.dscp_copy, "what kind of traffic flows is nobody's business");
}
