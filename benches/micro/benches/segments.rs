//! Checksum, split and join: what a segment costs besides its encryption.
//!
//! `split` and `join` report time per segment of a super-packet of 46; `checksum` per packet of each length.
//! A splitter or joiner cannot be faster than the checksum of its payload, so the difference is the price of
//! the headers.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringmesh_io::checksum::Sum;
use ringmesh_io::{HEAD_MAX, Joiner, Span, Split, VnetHdr};
use std::hint::black_box;

const SEGMENTS: usize = 46;
const PAYLOAD: usize = 1_380;
const HEAD: usize = 52;

fn checksum(c: &mut Criterion) {
    let mut group = c.benchmark_group("checksum");
    let bytes: Vec<u8> = (0..65_536_usize).map(|i| (i * 7) as u8).collect();
    for len in [20, 64, 576, PAYLOAD, 16_384] {
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_with_input(BenchmarkId::from_parameter(len), &bytes[..len], |b, bytes| {
            b.iter(|| Sum::ZERO.add_bytes(black_box(bytes)).checksum());
        });
    }
    group.finish();
}

/// A TCP super-packet over IPv4 with its checksum left open.
fn super_packet() -> (VnetHdr, Vec<u8>) {
    let len = HEAD + SEGMENTS * PAYLOAD;
    let mut packet = vec![0x45, 0];
    packet.extend((len as u16).to_be_bytes());
    packet.extend([0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    packet.extend([0x9c, 0x40, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 2, 0x80, 0x10, 1, 0, 0, 0, 0, 0]);
    packet.extend([1, 1, 8, 10, 0, 0, 1, 2, 0, 0, 3, 4]);
    packet.extend((0..SEGMENTS * PAYLOAD).map(|i| (i * 7) as u8));
    let pseudo = Sum::ZERO.add_bytes(&packet[12..20]).add_word(6).add_word((len - 20) as u16);
    packet[36..38].copy_from_slice(&pseudo.partial());
    let vnet = VnetHdr {
        flags: VnetHdr::NEEDS_CSUM,
        gso: ringmesh_io::Gso::Tcp4,
        ecn: false,
        hdr_len: HEAD as u16,
        gso_size: PAYLOAD as u16,
        csum_start: 20,
        csum_offset: 16,
    };
    (vnet, packet)
}

fn split(c: &mut Criterion) {
    let (vnet, packet) = super_packet();
    let mut group = c.benchmark_group("split");
    group.throughput(Throughput::Elements(SEGMENTS as u64));
    group.bench_function("tcp4", |b| {
        let mut head = [0; HEAD_MAX];
        b.iter(|| {
            let Ok(split) = Split::new(vnet, black_box(&packet)) else { return };
            for i in 0..split.count() {
                black_box(split.emit(i, &mut head));
            }
        });
    });
    group.finish();
}

fn join(c: &mut Criterion) {
    let (vnet, packet) = super_packet();
    let (mut region, mut spans) = (Vec::new(), Vec::new());
    let Ok(split) = Split::new(vnet, &packet) else { return };
    let mut head = [0; HEAD_MAX];
    for i in 0..split.count() {
        let (len, payload) = split.emit(i, &mut head);
        spans.push(Span { start: region.len() as u32, len: (len + payload.len()) as u32 });
        region.extend_from_slice(&head[..len]);
        region.extend_from_slice(payload);
    }
    let first = region[..HEAD].to_vec();
    let mut joiner = Joiner::new(true);
    let mut group = c.benchmark_group("join");
    group.throughput(Throughput::Elements(SEGMENTS as u64));
    group.bench_function("tcp4", |b| {
        b.iter(|| {
            // Joining edits the first packet's headers.
            region[..HEAD].copy_from_slice(&first);
            let mut out = |vnet: VnetHdr, pieces: &[Span], count: u32| {
                black_box((vnet, pieces.len(), count));
            };
            for span in &spans {
                joiner.push(&mut region, *span, &mut out);
            }
            joiner.flush(&mut region, &mut out);
        });
    });
    group.finish();
}

criterion_group!(benches, checksum, split, join);
criterion_main!(benches);
