//! Route and source check: one longest-prefix match per packet or super-packet, in each direction.
//!
//! Tables of 10 to 100,000 peers with one IPv4 and one IPv6 host each, as a mesh has them. The addresses looked up
//! are scattered over the whole table, so that large tables pay for their cache misses.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ringmesh_tunnel::PeerId;
use ringmesh_tunnel::allowed_ips::AllowedIps;
use ringmesh_wire::ip::Cidr;

/// The peer's address in a block of 100.64.0.0/10.
fn v4(peer: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x6440_0000 | peer.wrapping_mul(0x9E37_79B1) >> 10).into()
}

/// The peer's address in a /48 of its circle.
fn v6(peer: u32) -> IpAddr {
    let low = u64::from(peer).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    Ipv6Addr::from_bits(0xfd12_3456_789a << 80 | u128::from(low)).into()
}

fn lookup(c: &mut Criterion) {
    let mut group = c.benchmark_group("lookup");
    for peers in [10, 1_000, 100_000] {
        let mut ips = AllowedIps::new();
        for peer in 0..peers {
            ips.insert(Cidr::host(v4(peer)), PeerId(peer));
            ips.insert(Cidr::host(v6(peer)), PeerId(peer));
        }
        for (family, addr) in [("v4", v4 as fn(u32) -> IpAddr), ("v6", v6)] {
            let scattered: Vec<IpAddr> =
                (0..65_536_u32).map(|at| addr(at.wrapping_mul(40_503) % peers)).collect();
            group.bench_function(BenchmarkId::new(family, peers), |b| {
                let mut next = scattered.iter().cycle();
                b.iter(|| ips.lookup(*black_box(next.next()?)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, lookup);
criterion_main!(benches);
