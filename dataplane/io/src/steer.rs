//! Steering: which worker's socket a datagram goes to, decided in the kernel.
//!
//! The sockets of all workers share a port (SO_REUSEPORT). A classic BPF program reads the low byte of the
//! receiver index, where a worker writes its own number, so that a session's datagrams arrive where the
//! session lives even when the sender's address changes. Everything else goes by the hash of addresses
//! and ports.
//!
//! **Invariant:** steering is a hint. A datagram that claims another worker's number arrives there and is
//! handed over or dropped; nothing trusts where it came in.
#![allow(unsafe_code, reason = "setsockopt takes a pointer to the program")]

use libc::{BPF_ABS, BPF_B, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, sock_filter, sock_fprog};
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Offsets count from the UDP payload; layouts are those of the WireGuard paper, section 5.4. A data message
/// (type 4) and a cookie reply (3) have the receiver index at 4, a response (2) at 8, little-endian, so
/// its low byte comes first. A datagram too short for a load ends the program with 0, the first worker.
const PROGRAM: [sock_filter; 9] = [
    byte_at(0),
    jump_if(4, 5, 0),
    jump_if(3, 4, 0),
    jump_if(2, 1, 0),
    // No number in it: a place that no group has, which makes the kernel take the hash.
    answer(BPF_K, u32::MAX),
    byte_at(8),
    answer(A, 0),
    byte_at(4),
    answer(A, 0),
];

/// `BPF_A`: the answer is in the accumulator.
const A: u32 = 0x10;

const fn byte_at(offset: u32) -> sock_filter {
    sock_filter { code: (BPF_LD | BPF_B | BPF_ABS) as u16, jt: 0, jf: 0, k: offset }
}

const fn jump_if(value: u32, then: u8, otherwise: u8) -> sock_filter {
    sock_filter { code: (BPF_JMP | BPF_JEQ | BPF_K) as u16, jt: then, jf: otherwise, k: value }
}

const fn answer(from: u32, value: u32) -> sock_filter {
    sock_filter { code: (BPF_RET | from) as u16, jt: 0, jf: 0, k: value }
}

/// Steers the whole group that `socket` belongs to. Worker *n* must have joined the group as its *n*-th
/// member; a member that leaves renumbers those after it.
///
/// # Errors
///
/// The socket shares no port (SO_REUSEPORT), or the kernel refuses the program. The hash then goes on
/// deciding, and what arrives at the wrong worker is handed over.
pub fn attach(socket: impl AsFd) -> io::Result<()> {
    let mut program = PROGRAM;
    let filter = sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the kernel copies the program, of the length that is given, before the call returns.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const filter).cast(),
            size_of::<sock_fprog>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
