//! How the tunnel's port looks from outside: questions to STUN servers, from the very socket that carries the tunnel.
//!
//! **Invariant:** nothing is asked of anybody whom the daemon has not named.

use std::net::SocketAddr;

use ringmesh_abi::{Endpoint, UdpPath};
use ringmesh_api::Seen;
use tokio::sync::oneshot;

use super::Control;
use crate::os::clock::boottime;

impl Control {
    /// The daemon names servers; it is told what they have answered so far.
    pub(super) fn on_stun(&mut self, servers: &[SocketAddr], reply: oneshot::Sender<Vec<Seen>>) {
        self.outside.ask(servers);
        self.ask_outside();
        let seen = self.outside.seen().map(|(server, address)| Seen { server, address });
        let _ = reply.send(seen.collect());
    }

    /// Sends the questions that are due.
    pub(super) fn ask_outside(&mut self) {
        // Until the workers use the new sockets, an answer would tell about the old ones.
        if self.is_moving() {
            return;
        }
        let Some(plane) = &mut self.plane else { return };
        let mut asked = 0;
        while let Some((remote, question)) = self.outside.poll_send(boottime(), random) {
            let to = Endpoint::Udp(UdpPath { remote, local: None, socket: 0 });
            asked += u64::from(plane.memory.inject(&to, &question).is_ok());
        }
        if asked > 0 {
            self.counters.injected += asked;
            plane.wake();
        }
    }
}

/// A number that nobody else can know. Without the kernel's randomness the question is asked, and its answer not safe from
/// being guessed; it is only ever an address to try.
fn random() -> [u8; ringmesh_mesh::stun::TRANSACTION_LEN] {
    let mut number = [0; ringmesh_mesh::stun::TRANSACTION_LEN];
    let _ = getrandom::fill(&mut number);
    number
}
