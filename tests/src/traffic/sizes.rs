//! A datagram of every size, there and back.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::ops::RangeInclusive;

use super::pattern;

/// Datagrams in flight at once; few enough that no queue overflows, so a missing one is a lost one.
const WINDOW: usize = 32;

/// Sends a datagram of each of `sizes` to the [`super::Echo`] at `to` and checks what comes back: its length, its content.
///
/// A window that is not answered whole is sent once more: a datagram may be lost on its way, but not twice.
///
/// # Panics
/// With the sizes that do not come back, or come back changed.
pub fn every_size(socket: &UdpSocket, to: SocketAddr, sizes: RangeInclusive<usize>) {
    let sizes: Vec<usize> = sizes.collect();
    for window in sizes.chunks(WINDOW) {
        let mut missing: BTreeSet<usize> = window.iter().copied().collect();
        for _try in 0..2 {
            send(socket, to, &missing);
            receive(socket, &mut missing);
        }
        assert!(missing.is_empty(), "{to}: datagrams of these sizes do not come back: {missing:?}");
    }
}

fn send(socket: &UdpSocket, to: SocketAddr, sizes: &BTreeSet<usize>) {
    for &size in sizes {
        let mut datagram = vec![0; size];
        pattern::fill(size as u64, 0, &mut datagram);
        socket.send_to(&datagram, to).unwrap_or_else(|error| panic!("{size} B to {to}: {error}"));
    }
}

/// Takes what comes back off `missing`, until all is there or nothing comes for some looks.
fn receive(socket: &UdpSocket, missing: &mut BTreeSet<usize>) {
    let mut buffer = vec![0; 65_536];
    let mut quiet = 0;
    while !missing.is_empty() && quiet < 20 {
        match socket.recv(&mut buffer) {
            Ok(len) => {
                assert_eq!(
                    pattern::difference(len as u64, 0, &buffer[..len]),
                    None,
                    "{len} B came back changed"
                );
                missing.remove(&len);
                quiet = 0;
            }
            Err(_timeout) => quiet += 1,
        }
    }
}
