//! Steering: which socket of a group a datagram goes to, decided in the kernel.
//!
//! All sockets share a port (SO_REUSEPORT): one for each worker, and behind them one for whatever is no data message. A
//! classic BPF program reads the low byte of a data message's receiver index, where a worker writes its own number, so
//! that a session's datagrams arrive where the session lives even when the sender's address changes. Handshakes and
//! everything that strangers may send go to the last socket: a flood of them fills that one, and costs the workers
//! nothing.
//!
//! **Invariant:** steering is a hint. A datagram that claims another worker's number arrives there and is
//! handed over or dropped; nothing trusts where it came in.
#![allow(unsafe_code, reason = "setsockopt takes a pointer to the program")]

use libc::{BPF_ABS, BPF_B, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, sock_filter, sock_fprog};
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Offsets count from the UDP payload; the layout is that of the WireGuard paper, section 5.4.6. A data message
/// (type 4) has the receiver index at 4, little-endian, so its low byte comes first. A number that the group does not
/// have makes the kernel take the hash of addresses and ports, a datagram too short for a load ends the program with 0:
/// either is nobody's, wherever it arrives.
const fn program(workers: u8) -> [sock_filter; 5] {
    [byte_at(0), jump_if(4, 0, 2), byte_at(4), answer(A, 0), answer(BPF_K, workers as u32)]
}

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

/// Steers the whole group that `socket` belongs to. Worker *n* must have joined the group as its *n*-th member, and
/// the socket for all else after the `workers`; a member that leaves renumbers those after it.
///
/// # Errors
///
/// The socket shares no port (SO_REUSEPORT), or the kernel refuses the program. The hash then goes on
/// deciding, and what arrives at the wrong socket is handed over.
pub fn attach(socket: impl AsFd, workers: u8) -> io::Result<()> {
    let mut program = program(workers);
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
