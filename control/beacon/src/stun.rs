//! STUN on the beacon's port: tells a device the address of its hole (RFC 8489).

use std::net::SocketAddr;

use tokio::net::UdpSocket;

use crate::clock;
use crate::limits::{self, Bucket, Buckets, source};

/// Longest datagram that is looked at. A binding request with a few attributes is far shorter.
const DATAGRAM_MAX: usize = 576;

/// Answers until the task is dropped. Errors of single datagrams (ICMP of those who left) are nobody's business.
pub(crate) async fn serve(socket: UdpSocket) {
    let mut all = Bucket::new(limits::STUN, clock::steady());
    let mut each = Buckets::new(limits::STUN_PER_SOURCE);
    let mut datagram = [0; DATAGRAM_MAX];
    loop {
        let Ok((len, from)) = socket.recv_from(&mut datagram).await else {
            tokio::task::yield_now().await;
            continue;
        };
        if let Some(answer) = answer(&datagram[..len], from, &mut all, &mut each) {
            let _ = socket.try_send_to(&answer, from);
        }
    }
}

fn answer(datagram: &[u8], from: SocketAddr, all: &mut Bucket, each: &mut Buckets) -> Option<Vec<u8>> {
    let now = clock::steady();
    let answer = ringmesh_mesh::stun::answer(datagram, from)?;
    (each.take(source(from.ip()), 1, now) && all.take(1, now)).then_some(answer)
}
