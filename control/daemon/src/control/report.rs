//! Traffic over all lives of the data plane, and the answer to `ringmesh status`.

use std::collections::BTreeMap;

use ringmesh_abi::{Command, ControlSide, Hardening, PeerStats, PlaneStats, WorkerStats};
use ringmesh_api as api;
use ringmesh_wire::keys::PublicKey;

use super::Control;
use crate::os::clock::boottime;
use crate::state::State;
use crate::state::plan::remote_of;

/// What data planes that are gone had counted.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    past: BTreeMap<PublicKey, PeerStats>,
}

impl Ledger {
    /// The past and the present of a peer. A handshake of a former life stands until there is a newer one.
    pub(super) fn sum(&self, key: PublicKey, row: Option<PeerStats>) -> PeerStats {
        let mut sum = row.unwrap_or_default();
        if let Some(past) = self.past.get(&key) {
            sum.rx_bytes = sum.rx_bytes.saturating_add(past.rx_bytes);
            sum.tx_bytes = sum.tx_bytes.saturating_add(past.tx_bytes);
            if sum.state.last_handshake_secs == 0 {
                sum.state.last_handshake_secs = past.state.last_handshake_secs;
                sum.state.last_handshake_nanos = past.state.last_handshake_nanos;
            }
        }
        sum
    }

    /// A peer that is removed is forgotten.
    pub(super) fn on_command(&mut self, command: &Command) {
        if let Command::RemovePeer { public_key, .. } = command {
            self.past.remove(&PublicKey(*public_key));
        }
    }
}

impl Control {
    /// Before the memory of a dead data plane goes: takes what only its rows knew into both states.
    pub(super) fn learn(&mut self, memory: &ControlSide) {
        let keys: Vec<_> = self.acked.peers.iter().map(|(slot, peer)| (slot, peer.public_key)).collect();
        for (slot, key) in keys {
            let Some(row) = memory.peer(slot).filter(|row| row.state.public_key == key.0) else { continue };
            let sum = self.ledger.sum(key, Some(row));
            self.ledger.past.insert(key, sum);
            learn_peer(&mut self.acked, slot, key, &row);
        }
    }

    /// The answer to `ringmesh status`.
    pub(super) fn report(&self) -> api::Status {
        api::Status {
            interface: self.options.name.to_string(),
            mtu: self.link.mtu,
            up: self.link.up,
            moved: self.link.moved,
            public_key: self.acked.device.public_key.map(|key| key.to_string()),
            listen_port: self.kit.sockets.port(),
            fwmark: self.kit.sockets.fwmark(),
            tun_offloads: names(u64::from(self.kit.tun.offloads), &TUN_OFFLOADS),
            control: self.report_control(),
            plane: self.plane.as_ref().map(|plane| self.report_plane(&plane.memory)),
            peers: self.report_peers(),
        }
    }

    fn report_control(&self) -> api::Control {
        let now = self.plane.as_ref().map_or(0, |plane| plane.memory.refused());
        api::Control {
            pid: std::process::id(),
            uptime_secs: boottime().saturating_sub(self.counters.since).as_secs(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            plane_restarts: self.counters.restarts,
            refused: self.counters.refused + now,
            punted: self.counters.punted,
            injected: self.counters.injected,
        }
    }

    fn report_plane(&self, memory: &ControlSide) -> api::Plane {
        let PlaneStats { pid, start_nanos, hardening, refused, .. } = memory.plane();
        let started = std::time::Duration::from_nanos(start_nanos);
        let workers = (0..memory.worker_count()).filter_map(|worker| memory.worker(worker));
        api::Plane {
            pid: u32::try_from(pid).unwrap_or(0),
            uptime_secs: boottime().saturating_sub(started).as_secs(),
            hardening: Hardening::ALL
                .iter()
                .map(|(bit, name)| ((*name).to_owned(), hardening.holds(*bit)))
                .collect(),
            refused,
            workers: workers.map(|stats| self.report_worker(&stats)).collect(),
        }
    }

    fn report_worker(&self, stats: &WorkerStats) -> api::Worker {
        let counters = [
            ("rx-packets", stats.rx_packets),
            ("rx-bytes", stats.rx_bytes),
            ("tx-packets", stats.tx_packets),
            ("tx-bytes", stats.tx_bytes),
            ("turns", stats.turns),
            ("reads", stats.reads),
            ("writes", stats.writes),
            ("receives", stats.receives),
            ("sends", stats.sends),
            ("handed-over", stats.handed_over),
        ];
        let drops = stats.drops.iter().enumerate().map(|(number, count)| {
            let name = self
                .options
                .drop_names
                .get(number)
                .map_or_else(|| format!("drop-{number}"), |n| (*n).to_owned());
            (name, *count)
        });
        api::Worker {
            features: names(stats.features, &self.options.feature_names),
            fallbacks: stats.fallbacks,
            counters: counters
                .iter()
                .filter(|(_, n)| *n > 0)
                .map(|(name, n)| ((*name).to_owned(), *n))
                .collect(),
            drops: drops.filter(|(_, count)| *count > 0).collect(),
        }
    }

    fn report_peers(&self) -> Vec<api::Peer> {
        let peer = |(slot, peer): (u32, &crate::state::Peer)| {
            let now = self.now(slot, peer.public_key);
            api::Peer {
                public_key: peer.public_key.to_string(),
                endpoint: remote_of(&now.state.endpoint).or_else(|| remote_of(&peer.endpoints.first())),
                last_handshake_secs: (now.state.last_handshake_secs > 0)
                    .then_some(now.state.last_handshake_secs),
                has_session: now.state.has_session,
                rx_bytes: now.rx_bytes,
                tx_bytes: now.tx_bytes,
                keepalive_secs: peer.keepalive_secs,
                allowed_ips: peer.allowed_ips.as_slice().iter().map(ToString::to_string).collect(),
            }
        };
        self.acked.peers.iter().map(peer).collect()
    }
}

fn learn_peer(state: &mut State, slot: u32, key: PublicKey, row: &PeerStats) {
    state.peers.learn(slot, key, |peer| {
        if remote_of(&row.state.endpoint).is_some() {
            peer.endpoints.set_first(row.state.endpoint);
        }
        peer.change_more(|more| {
            // TAI64N is big-endian, so the greater one is the later one.
            more.greatest_timestamp = more.greatest_timestamp.max(row.state.greatest_timestamp);
            more.had_session = row.state.has_session;
        });
    });
}

/// The names of the bits that are set; a bit without a name has its number.
fn names(bits: u64, known: &[&str]) -> Vec<String> {
    let set = (0..u64::BITS as usize).filter(|bit| bits >> bit & 1 == 1);
    set.map(|bit| known.get(bit).map_or_else(|| format!("bit-{bit}"), |name| (*name).to_owned())).collect()
}

/// The `TUN_F_*` bits by number (linux/if_tun.h).
const TUN_OFFLOADS: [&str; 7] = ["checksum", "tso4", "tso6", "tso-ecn", "ufo", "uso4", "uso6"];
