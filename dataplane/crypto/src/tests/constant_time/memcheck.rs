//! Secrets are marked as undefined memory, and memcheck counts what depends on them.
#![cfg(target_arch = "x86_64")]
#![allow(unsafe_code, reason = "valgrind is spoken to by instructions that do nothing elsewhere")]

use std::{arch::asm, hint::black_box};

use super::{BATCHES, Batch, KEY_LEN, Kernel, TAG_LEN, branches_on};
use crate::batch::same;

/// Numbers from valgrind.h and memcheck.h.
const RUNNING_ON_VALGRIND: u64 = 0x1001;
const COUNT_ERRORS: u64 = 0x1201;
const MAKE_MEM_UNDEFINED: u64 = 0x4d43_0001;
const MAKE_MEM_DEFINED: u64 = 0x4d43_0002;

/// Asks valgrind; 0 when the program runs without it.
fn request(number: u64, at: u64, len: u64) -> u64 {
    let request = [number, at, len, 0, 0, 0];
    let mut answer = 0_u64;
    // SAFETY: the four rotations make 128 bits, so they and the exchange of a register with itself change nothing but
    // flags. Valgrind takes the sequence as a request, reads six words at rax and answers in rdx.
    unsafe {
        asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") request.as_ptr(),
            inout("rdx") answer,
        );
    }
    answer
}

fn is_there() -> bool {
    request(RUNNING_ON_VALGRIND, 0, 0) > 0
}

fn errors() -> u64 {
    request(COUNT_ERRORS, 0, 0)
}

fn hide(secret: &[u8]) {
    request(MAKE_MEM_UNDEFINED, secret.as_ptr() as u64, secret.len() as u64);
}

fn publish<T: ?Sized>(value: &T) {
    request(MAKE_MEM_DEFINED, std::ptr::from_ref(value).cast::<u8>() as u64, size_of_val(value) as u64);
}

/// How often something depended on a secret while `work` ran.
fn leaks(work: impl FnOnce()) -> u64 {
    let before = errors();
    work();
    errors() - before
}

/// The tool works here: it sees a branch and an address, and no error in what only computes.
fn assert_it_catches_leaks() {
    let (secret, table) = ([7_u8; 16], [1_u8; 256]);
    hide(&secret);
    let mut same = false;
    assert!(leaks(|| same = black_box(branches_on(&secret, &[7; 16]))) > 0, "a branch");
    let mut entry = 0;
    assert!(leaks(|| entry = black_box(&table)[usize::from(black_box(secret)[3])]) > 0, "an address");
    assert_eq!(leaks(|| entry ^= black_box(secret)[0]), 0, "arithmetic");
    black_box((same, entry));
}

#[test]
#[ignore = "started by ./test, under valgrind"]
fn no_branch_and_no_address_depends_on_a_secret() {
    assert!(is_there(), "not under valgrind");
    assert_it_catches_leaks();
    assert!(Kernel::Avx2.is_available(), "valgrind knows AVX2");
    for kernel in Kernel::available() {
        for lens in BATCHES {
            let mut batch = Batch::new(kernel, lens);
            let secret = [5; KEY_LEN];
            hide(&secret);
            let making = leaks(|| batch.key = super::Key::for_kernel(kernel, &secret));
            batch.plains.iter().for_each(|plain| hide(plain));
            let sealing = leaks(|| batch.seal());
            assert_eq!((making, sealing), (0, 0), "{kernel:?}, {lens:?}");
        }
    }
}

#[test]
#[ignore = "started by ./test, under valgrind"]
fn tags_are_compared_without_a_branch() {
    assert!(is_there(), "not under valgrind");
    assert_it_catches_leaks();
    for last in [3, 4] {
        let (made, mut sent) = ([3; TAG_LEN], [3; TAG_LEN]);
        sent[TAG_LEN - 1] = last;
        hide(&made);
        hide(&sent);
        let mut verdict = false;
        assert_eq!(leaks(|| verdict = black_box(same(black_box(&made), black_box(&sent)))), 0);
        publish(&verdict);
        assert_eq!(verdict, last == 3);
    }
}
