//! One datagram of each size, there and back, compared byte by byte.
//!
//! Every size occurs once, so an answer's length says which one it is: even a datagram of one byte needs no header.

use super::plan::Sweep;
use super::report::SweepReport;
use super::{ECHO_PORT, at, pattern, sockets};
use crate::{Result, clock};
use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::Duration;

/// Sizes that are on their way at the same time.
const WINDOW: usize = 32;
/// How often a size that did not come back is sent again; the first packets of a tunnel may wait for its handshake.
const TRIES: u32 = 3;
/// How long a window may take.
const WINDOW_LIMIT: Duration = Duration::from_millis(400);

/// Tries every size of the plan.
pub(super) fn every_size(plan: &Sweep) -> Result<SweepReport> {
    let socket = sockets::connected(at(plan.to, ECHO_PORT), Duration::from_millis(50))?;
    let sizes: Vec<u32> = (plan.from_size..=plan.to_size).collect();
    let mut report =
        SweepReport { tried: u32::try_from(sizes.len()).unwrap_or(u32::MAX), ..SweepReport::default() };
    for window in sizes.chunks(WINDOW) {
        let mut missing: BTreeSet<u32> = window.iter().copied().collect();
        for _ in 0..TRIES {
            if missing.is_empty() {
                break;
            }
            one_try(&socket, &mut missing, &mut report.damaged);
        }
        report.lost.extend(missing);
    }
    Ok(report)
}

fn one_try(socket: &UdpSocket, missing: &mut BTreeSet<u32>, damaged: &mut Vec<u32>) {
    for size in missing.iter() {
        // A size that the system refuses stays missing.
        let _stays_missing = socket.send(contents(*size));
    }
    let mut buffer = vec![0; u16::MAX.into()];
    let deadline = clock::now() + WINDOW_LIMIT;
    while !missing.is_empty() && clock::now() < deadline {
        let Ok(len) = socket.recv(&mut buffer) else { continue };
        let size = u32::try_from(len).unwrap_or(u32::MAX);
        if missing.remove(&size) && buffer[..len] != *contents(size) {
            damaged.push(size);
        }
    }
}

fn contents(size: u32) -> &'static [u8] {
    pattern::piece(u64::from(size), 0, size as usize)
}
