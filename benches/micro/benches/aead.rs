//! The AEAD, per kernel and packet length: the greatest single cost of a tunnelled byte.
//!
//! `seal` copies a head of up to 52 bytes (IPv4 and TCP with timestamps) and a body into the target and encrypts
//! there, as a worker does for each segment of a super-packet. `open` works in place on a fresh text each time;
//! making that text is not counted. Times are per packet. What is alive in the cache is kinder here than in a
//! tunnel, so compare kernels with each other and not with a wire.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringmesh_crypto::{KEY_LEN, Kernel, Key, Open, Seal, TAG_LEN};

/// Plaintext lengths in bytes: a bare ACK, two small packets, a full one, and what no wire carries.
const LENS: [usize; 5] = [64, 256, 576, 1_420, 16_384];
const HEAD: usize = 52;

fn sealed(key: &Key, plain: &[u8]) -> Vec<u8> {
    let mut out = vec![0; plain.len() + TAG_LEN];
    let (head, body) = plain.split_at(HEAD);
    ringmesh_crypto::seal(&mut [Seal { key, counter: 1, head, body, out: &mut out }]);
    out
}

fn seal(c: &mut Criterion) {
    let mut group = c.benchmark_group("seal");
    for kernel in Kernel::available() {
        let key = Key::for_kernel(kernel, &[7; KEY_LEN]);
        for len in LENS {
            let plain = vec![0x5A; len];
            let (head, body) = plain.split_at(HEAD);
            let mut out = vec![0; len + TAG_LEN];
            group.throughput(Throughput::Bytes(len as u64));
            group.bench_function(BenchmarkId::new(kernel.name(), len), |b| {
                let mut counter = 0;
                b.iter(|| {
                    counter += 1;
                    let mut job = [Seal { key: &key, counter, head, body: black_box(body), out: &mut out }];
                    ringmesh_crypto::seal(&mut job);
                });
            });
        }
    }
    group.finish();
}

fn open(c: &mut Criterion) {
    let mut group = c.benchmark_group("open");
    for kernel in Kernel::available() {
        let key = Key::for_kernel(kernel, &[7; KEY_LEN]);
        for len in LENS {
            let text = sealed(&key, &vec![0x5A; len]);
            group.throughput(Throughput::Bytes(len as u64));
            group.bench_function(BenchmarkId::new(kernel.name(), len), |b| {
                b.iter_batched_ref(
                    || text.clone(),
                    |text| {
                        let mut job = [Open { key: &key, counter: 1, text, ok: false }];
                        ringmesh_crypto::open(&mut job);
                        assert!(job[0].ok, "only a right tag costs what a packet costs");
                    },
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
}

/// Batches as a worker makes them: a few packets of a turn, and the segments of one super-packet. Times are per batch.
fn seal_batch(c: &mut Criterion) {
    let mut group = c.benchmark_group("seal_batch");
    for kernel in Kernel::available() {
        let key = Key::for_kernel(kernel, &[7; KEY_LEN]);
        for (len, count) in [(64, 8), (1_420, 8), (1_420, 44)] {
            let plain = vec![0x5A; len];
            let (head, body) = plain.split_at(HEAD);
            let mut outs = vec![vec![0; len + TAG_LEN]; count];
            group.throughput(Throughput::Bytes((len * count) as u64));
            group.bench_function(BenchmarkId::new(kernel.name(), format!("{len}x{count}")), |b| {
                b.iter(|| {
                    let jobs = outs.iter_mut().zip(0..);
                    let mut jobs: Vec<Seal<'_>> = jobs
                        .map(|(out, counter)| Seal { key: &key, counter, head, body: black_box(body), out })
                        .collect();
                    ringmesh_crypto::seal(&mut jobs);
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, seal, seal_batch, open);
criterion_main!(benches);
