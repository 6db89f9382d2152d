//! What a socket's memory is used for (`SO_MEMINFO`, socket(7) and linux/sock_diag.h).
#![allow(unsafe_code, reason = "neither rustix nor socket2 has this option")]

use std::os::fd::{AsFd, AsRawFd};

/// Bytes of datagrams that were sent and whose memory the kernel still holds; 0 when it does not say.
pub(super) fn unsent(socket: impl AsFd) -> usize {
    let mut account = [0_u32; MEMINFO_LEN];
    let mut len = size_of_val(&account) as libc::socklen_t;
    // SAFETY:
    // - the descriptor is open, because `socket` is borrowed;
    // - the pointer and length are those of `account`, which lives through the call.
    let done = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            account.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    if done == 0 { account[WMEM_ALLOC] as usize } else { 0 }
}

/// `SK_MEMINFO_VARS`.
const MEMINFO_LEN: usize = 9;
/// `SK_MEMINFO_WMEM_ALLOC`.
const WMEM_ALLOC: usize = 2;
