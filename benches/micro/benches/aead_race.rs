//! Our AEAD kernels against the libraries, interleaved: who is faster now, on this machine, at which size.
//!
//! Criterion measures one function after the other, and on a shared machine the second may meet other neighbours.
//! Here every contender works for a millisecond in turn, many rounds long, and what is shown is the median of the
//! rounds' ratios to the best library of the same round, with the quartiles. `cargo bench --bench aead_race`
//!
//! `xN` is a batch of N packets of that length. Libraries have no batches: they take them one after the other.

#![allow(clippy::disallowed_methods, reason = "a race is against the clock")]
#![allow(clippy::print_stdout, reason = "its report")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ringmesh_crypto::{KEY_LEN, Kernel, Key, Open, Seal, TAG_LEN};

/// Length of a plaintext in bytes, and packets of a batch.
const CASES: [(usize, usize); 11] = [
    (64, 1),
    (64, 2),
    (64, 8),
    (256, 1),
    (256, 8),
    (576, 8),
    (1_420, 1),
    (1_420, 8),
    (1_420, 44),
    (4_096, 1),
    (16_384, 1),
];
const ROUNDS: usize = 60;
const TURN: Duration = Duration::from_millis(1);
const HEAD: usize = 52;

/// One that works on batches of packets; every call seals, or opens what was sealed.
struct Contender {
    name: String,
    is_library: bool,
    work: Box<dyn FnMut()>,
}

fn ours(kernel: Kernel, len: usize, count: usize, opens: bool) -> Contender {
    let key = Key::for_kernel(kernel, &[7; KEY_LEN]);
    let plain = vec![0x5A; len];
    let mut outs = vec![vec![0; len + TAG_LEN]; count];
    let mut sealed = outs.clone();
    seal(&key, &plain, &mut sealed);
    let work = move || {
        if !opens {
            return seal(&key, black_box(&plain), &mut outs);
        }
        for (out, sealed) in outs.iter_mut().zip(&sealed) {
            out.copy_from_slice(sealed);
        }
        let mut jobs: Vec<Open<'_>> = outs
            .iter_mut()
            .enumerate()
            .map(|(at, text)| Open { key: &key, counter: at as u64, text, ok: false })
            .collect();
        ringmesh_crypto::open(&mut jobs);
        assert!(jobs.iter().all(|job| job.ok));
    };
    let is_library = matches!(kernel, Kernel::AwsLc | Kernel::Portable);
    Contender { name: kernel.name().to_owned(), is_library, work: Box::new(work) }
}

fn seal(key: &Key, plain: &[u8], outs: &mut [Vec<u8>]) {
    let (head, body) = plain.split_at(HEAD);
    let mut jobs: Vec<Seal<'_>> = outs
        .iter_mut()
        .enumerate()
        .map(|(at, out)| Seal { key, counter: at as u64, head, body, out })
        .collect();
    ringmesh_crypto::seal(&mut jobs);
}

/// `ring`, as a program would use it that has the same head and body.
fn ring(len: usize, count: usize, opens: bool) -> Contender {
    let key = UnboundKey::new(&CHACHA20_POLY1305, &[7; KEY_LEN]).expect("the right length");
    let key = LessSafeKey::new(key);
    let nonce = || Nonce::assume_unique_for_key([0; 12]);
    let plain = vec![0x5A_u8; len];
    let mut outs = vec![vec![0; len + TAG_LEN]; count];
    let mut sealed = plain.clone();
    let tag = key.seal_in_place_separate_tag(nonce(), Aad::empty(), &mut sealed).expect("short enough");
    sealed.extend_from_slice(tag.as_ref());
    let work = move || {
        for out in &mut outs {
            if opens {
                out.copy_from_slice(&sealed);
                assert!(key.open_in_place(nonce(), Aad::empty(), out).is_ok());
            } else {
                let (text, place) = out.split_at_mut(len);
                let (head, body) = black_box(&plain).split_at(HEAD);
                text[..HEAD].copy_from_slice(head);
                text[HEAD..].copy_from_slice(body);
                let tag = key.seal_in_place_separate_tag(nonce(), Aad::empty(), text).expect("short enough");
                place.copy_from_slice(tag.as_ref());
            }
        }
    };
    Contender { name: "ring".to_owned(), is_library: true, work: Box::new(work) }
}

/// Nanoseconds per call.
fn turn(work: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    let mut calls = 0_u32;
    while start.elapsed() < TURN {
        for _ in 0..16 {
            work();
        }
        calls += 16;
    }
    start.elapsed().as_nanos() as f64 / f64::from(calls)
}

fn race(len: usize, count: usize, opens: bool) {
    let mut contenders: Vec<Contender> =
        Kernel::available().map(|kernel| ours(kernel, len, count, opens)).collect();
    contenders.push(ring(len, count, opens));
    let mut times = vec![Vec::new(); contenders.len()];
    for _ in 0..ROUNDS {
        for (times, contender) in times.iter_mut().zip(&mut contenders) {
            times.push(turn(&mut contender.work));
        }
    }
    let best_library = |round: usize| {
        let libraries = times.iter().zip(&contenders).filter(|(_, contender)| contender.is_library);
        libraries.map(|(times, _)| times[round]).fold(f64::INFINITY, f64::min)
    };
    let verb = if opens { "open" } else { "seal" };
    print!("{verb} {len:6} x{count:<3}");
    for (contender, times) in contenders.iter().zip(&times) {
        let mut ratios: Vec<f64> = (0..ROUNDS).map(|round| best_library(round) / times[round]).collect();
        let mut times = times.clone();
        ratios.sort_by(f64::total_cmp);
        times.sort_by(f64::total_cmp);
        let quartile = |of: usize| ratios[ROUNDS * of / 4];
        let each = times[ROUNDS / 2] / count as f64;
        print!(
            "  {:>8} {:5.2} ({:.2}-{:.2}) {each:6.0} ns",
            contender.name,
            quartile(2),
            quartile(1),
            quartile(3)
        );
    }
    println!();
}

fn main() {
    println!(
        "times as fast as the best library of the round: median (quartiles), and median time per packet"
    );
    for opens in [false, true] {
        for (len, count) in CASES {
            race(len, count, opens);
        }
    }
}
