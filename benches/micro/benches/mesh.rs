//! A circle of 10,000 devices: how long its records take to verify, to become a roster, and to follow one by one.
//!
//! Every device has three records: an admin admits it, it names itself, it allows something. Verification is what a device
//! does with a stranger's records, so it is measured from encoded bytes; the goal is 20,000 records/s on one core, 1 ms for a
//! single record, and 4 KiB of memory a device.
//!
//! Memory is what this process's resident memory grows by while it makes the circle from records that it keeps: decoded
//! records, every index, the roster, and what the allocator loses. It is taken first, before anything large has been given back
//! that could be used again unseen. The records' encoded bytes lie on the disk and are not in it.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ringmesh_mesh::address::Ipv4Block;
use ringmesh_mesh::circle::Circle;
use ringmesh_mesh::identity::{DeviceId, SigningKey};
use ringmesh_mesh::record::{
    Admit, Body, Effect, Found, Grant, Place, Profile, Record, Role, Unverified, What, verify,
};
use ringmesh_wire::keys::PublicKey;

const DEVICES: u32 = 10_000;
const START: u64 = 1_700_000_000;

fn key(number: u32) -> SigningKey {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    SigningKey::from_seed(&seed)
}

/// All records of a circle, each after its predecessor.
fn records() -> Vec<Record> {
    let admin = key(0);
    let found = Found {
        name: "home".parse().expect("a name"),
        recovery: DeviceId([9; 32]),
        block: Ipv4Block::sixteen(1),
        nonce: [0; 16],
    };
    let mut all = vec![Record::found(&admin, START, found)];
    let circle = all[0].circle();
    let mut after = Some(all[0].link());
    for number in 1..=DEVICES {
        let device = key(number);
        let admit = Body::Admit(Admit { device: device.device(), role: Role::Member });
        let admit = Record::sign(&admin, Place { circle, after }, START + u64::from(number), admit);
        after = Some(admit.link());
        let mut own = Place { circle, after: None };
        let name = format!("device-{number}").parse().expect("a name");
        let profile = Body::Profile(Profile { name, wireguard: PublicKey([3; 32]) });
        let profile = Record::sign(&device, own, START, profile);
        own.after = Some(profile.link());
        let effect = Effect::Allow { until: Some(START) };
        let grant = Body::Grant(Grant { to: admin.device(), what: What::Exit, effect });
        let grant = Record::sign(&device, own, START, grant);
        all.extend([admit, profile, grant]);
    }
    all
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    pages.and_then(|text| text.split(' ').nth(1)?.parse::<usize>().ok()).map_or(0, |pages| pages * 4096)
}

#[expect(clippy::print_stdout, reason = "a bench tells what it measured")]
fn large_circle(c: &mut Criterion) {
    let all = records();
    let encoded: Vec<Vec<u8>> = all.iter().map(Record::to_bytes).collect();
    let id = all[0].circle();
    let before = resident();
    let circle = Circle::from_records(id, all.iter().cloned()).expect("it was founded");
    let per_device = resident().saturating_sub(before) / DEVICES as usize;
    println!("memory: {per_device} bytes a device ({} records)", circle.len());

    let mut group = c.benchmark_group("circle of 10,000");
    group.sample_size(10);
    group.throughput(Throughput::Elements(all.len() as u64));
    group.bench_function("verify", |b| {
        b.iter(|| {
            let read = encoded.iter().map(|bytes| Unverified::decode(bytes).expect("our own")).collect();
            verify(black_box(read))
        });
    });
    group.bench_function("roster", |b| {
        b.iter_batched(
            || all.clone(),
            |all| Circle::from_records(id, all).expect("it was founded"),
            BatchSize::LargeInput,
        );
    });
    group.throughput(Throughput::Elements(1));
    let founder = circle.place(&key(0).device());
    let member = key(17);
    let place = circle.place(&member.device());
    let grant = Grant { to: key(5).device(), what: What::Ssh, effect: Effect::Deny };
    let profile = Profile { name: "device-18".parse().expect("a name"), wireguard: PublicKey([4; 32]) };
    let last = circle.place(&key(20).device()).after;
    let revoke = ringmesh_mesh::record::Revoke::Device {
        device: key(20).device(),
        scope: ringmesh_mesh::record::Scope::Membership,
        last,
    };
    let admin = circle.place(&key(0).device());
    let admit = Admit { device: key(DEVICES + 1).device(), role: Role::Member };
    let single = [
        ("one grant", Record::sign(&member, place, START + 1, Body::Grant(grant))),
        // Its author has a chain of 10,000 records.
        ("one grant of the founder", Record::sign(&key(0), founder, START + 20_000, Body::Grant(grant))),
        ("one profile", Record::sign(&member, place, START + 1, Body::Profile(profile))),
        ("one admission", Record::sign(&key(0), admin, START + 20_000, Body::Admit(admit))),
        ("one removal", Record::sign(&key(0), admin, START + 20_000, Body::Revoke(revoke))),
    ];
    for (name, record) in single {
        group.bench_function(name, |b| {
            b.iter_batched_ref(
                || circle.clone(),
                |circle| circle.ingest([record.clone()]),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, large_circle);
criterion_main!(benches);
