//! A child is led through its work instruction by instruction, and its way is kept.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]
#![allow(unsafe_code, reason = "fork and ptrace")]

use std::{hint::black_box, mem::offset_of, ptr::null_mut};

use super::{BATCHES, Batch, KEY_LEN, Kernel, branches_on};
use crate::Key;

/// More instructions than any work here needs: what does not end is a failure.
const STEPS_MAX: usize = 4_000_000;
/// The children's exit code: their work was done and had the expected result.
const DONE: i32 = 42;

/// The addresses of all instructions of `work`, which must neither allocate nor panic and says if it went well.
///
/// The child has its parent's memory layout, so ways of several children can be compared.
fn way(work: impl FnOnce() -> bool) -> Vec<u64> {
    // SAFETY: the child only works in memory that it has, sends itself a signal and exits without running anything
    // else of this process.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "no child: {}", std::io::Error::last_os_error());
    if child == 0 {
        // SAFETY: as above; both calls take no memory of ours.
        unsafe {
            libc::ptrace(libc::PTRACE_TRACEME, 0, null_mut::<u8>(), null_mut::<u8>());
            libc::raise(libc::SIGSTOP);
        }
        let went_well = work();
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(if went_well { DONE } else { 1 }) }
    }
    let mut way = Vec::new();
    loop {
        let mut status = 0;
        // SAFETY: `status` is ours to write.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(waited, child, "{}", std::io::Error::last_os_error());
        if libc::WIFEXITED(status) {
            assert_eq!(libc::WEXITSTATUS(status), DONE, "the child's work failed");
            return way;
        }
        assert!(libc::WIFSTOPPED(status), "the child was killed: {status:#x}");
        assert!(way.len() < STEPS_MAX, "the child's work does not end");
        way.push(instruction_pointer(child));
        // SAFETY: the child is stopped and traced by this thread.
        let resumed =
            unsafe { libc::ptrace(libc::PTRACE_SINGLESTEP, child, null_mut::<u8>(), null_mut::<u8>()) };
        assert_eq!(resumed, 0, "{}", std::io::Error::last_os_error());
    }
}

fn instruction_pointer(child: libc::pid_t) -> u64 {
    let at = offset_of!(libc::user, regs) + offset_of!(libc::user_regs_struct, rip);
    // SAFETY: reads one word of the registers of a child that is stopped and traced by this thread.
    let word = unsafe { libc::ptrace(libc::PTRACE_PEEKUSER, child, at, null_mut::<u8>()) };
    word.cast_unsigned()
}

/// Where two ways part, if they do.
fn parting(one: &[u64], other: &[u64]) -> Option<usize> {
    let parting = one.iter().zip(other).position(|(one, other)| one != other);
    parting.or((one.len() != other.len()).then_some(one.len().min(other.len())))
}

/// Secrets of extreme and of mixed bits: sums with and without carries, numbers above and below the prime.
const SECRETS: [u8; 3] = [0x00, 0xff, 0x6b];

#[test]
#[cfg_attr(debug_assertions, ignore = "judges the optimised code only: ./test runs it in release")]
fn the_way_does_not_depend_on_secrets() {
    for kernel in Kernel::available().filter(|kernel| matches!(kernel, Kernel::Avx2 | Kernel::Avx512)) {
        for lens in BATCHES {
            let mut batch = Batch::new(kernel, lens);
            let [mut sealing, mut opening] = [Vec::new(), Vec::new()];
            for secret in SECRETS {
                batch.key = Key::for_kernel(kernel, &[secret.rotate_left(3); KEY_LEN]);
                batch.plains.iter_mut().for_each(|plain| plain.fill(secret));
                sealing.push(way(|| {
                    batch.seal();
                    true
                }));
                batch.seal();
                opening.push(way(|| batch.open()));
            }
            for ways in [&sealing, &opening] {
                assert!(ways[0].len() > 1_000, "{kernel:?}, {lens:?}: {} instructions", ways[0].len());
                for way in &ways[1..] {
                    let parting = parting(&ways[0], way);
                    assert_eq!(parting, None, "{kernel:?}, {lens:?}, of {} instructions", way.len());
                }
            }
        }
    }
}

#[test]
fn a_branch_on_a_secret_is_caught() {
    let mut secret = [9_u8; 16];
    let mut way_of = |first: u8| {
        secret[0] = first;
        way(|| black_box(branches_on(black_box(&secret), black_box(&[9; 16]))) == (first == 9))
    };
    let (equal, different, again) = (way_of(9), way_of(8), way_of(9));
    assert_eq!(parting(&equal, &again), None, "the tool itself takes two ways");
    assert!(parting(&equal, &different).is_some());
}
