//! Up and down.

use std::time::Duration;

use ringmesh_mesh::identity::DeviceId;
use ringmesh_wire::keys::PublicKey;

use super::{Active, Ears, PROVISIONAL_MAX, own_ips};
use crate::circle::lan::Lan;
use crate::circle::membership::Membership;
use crate::circle::paths::ifname;
use crate::circle::store::{Companion, Setting};
use crate::circle::tunnel::{Tunnel, TunnelProblem};
use crate::filter;
use crate::os::clock::{boottime, wall_secs};
use crate::os::interfaces::Interface;

impl Active {
    /// Takes part in the circle: tunnel, filter, addresses, LAN.
    ///
    /// # Errors
    /// [`TunnelProblem`] when there is no tunnel to be had; nothing stays behind then.
    pub(in crate::circle) async fn begin(
        membership: Membership,
        interfaces: &[Interface],
        ears: Ears,
    ) -> Result<Self, (Membership, TunnelProblem)> {
        let tunnel = Tunnel::new(ifname(&membership.name));
        if let Err(problem) = tunnel.start().await {
            return Err((membership, problem));
        }
        let port = membership.store.number(Setting::Port).ok().flatten();
        let mut active = Self {
            membership,
            tunnel,
            guard: Default::default(),
            seen: Default::default(),
            runs: true,
            port: port.and_then(|port| port.try_into().ok()).unwrap_or(0),
            ifindex: 0,
            addresses: Default::default(),
            peers: Default::default(),
            reach: Default::default(),
            renewed: Default::default(),
            provisional: Default::default(),
            rooms: Vec::new(),
            lan: Lan::new(ears.lan.clone()),
            exchange: None,
            links: Default::default(),
            dialing: Default::default(),
            dialed: Default::default(),
            own_ips: own_ips(interfaces),
            announce_at: boottime(),
            announced: 0,
            answered: Default::default(),
            witnessed: Default::default(),
            confirmed: Default::default(),
            rekey_at: None,
            switch_at: None,
            look_at: boottime(),
            greet_at: boottime() + GREET_EVERY,
            mark_at: Duration::ZERO,
            notes: Default::default(),
            outside: Default::default(),
            outside_at: boottime() + GREET_EVERY,
            outside_hurries: 0,
            names: None,
            named: None,
            beacons: Default::default(),
            unheard: Default::default(),
            receipt: None,
            companions: Default::default(),
            ears,
        };
        active.lan.follow(interfaces);
        if active.membership.is_restoring() {
            active.note_aside(super::change::RESTORING);
        }
        active.remember_companions();
        active.after_start();
        if let Err(problem) = active.steer().await {
            return Err((active.take_down().await, problem));
        }
        filter::firewalld::admit(active.tunnel.name()).await;
        active.choose_port().await;
        let beacons = active.membership.beacons();
        active.use_beacons(&beacons);
        // Between a device that came in and the key for it there may have been a death.
        let members: Vec<_> =
            active.membership.roster().into_iter().flat_map(|r| r.members.keys()).copied().collect();
        let new = active.newcomers(&members);
        active.owe_key(&new);
        active.announce();
        Ok(active)
    }

    /// Where members were last is where they are tried first, before anybody has said where it is.
    fn remember_companions(&mut self) {
        let companions = match self.membership.store.companions() {
            Ok(companions) => companions,
            Err(problem) => return self.note_store(Err(problem)),
        };
        for Companion { device, wireguard, endpoint } in companions {
            let member = self.membership.roster().is_some_and(|roster| roster.is_member(&device));
            if !member && (!self.membership.is_restoring() || self.provisional.len() >= PROVISIONAL_MAX) {
                continue;
            }
            if !member {
                self.provisional.insert(device, wireguard);
            }
            self.reach.entry(device).or_default().remember(endpoint);
        }
    }

    /// Keeps where members are, for the next start.
    pub(super) fn keep_companions(&mut self) {
        let wall = wall_secs();
        let online = self.peers.iter().filter(|(device, _)| self.is_online(device, wall));
        let companion = |(device, wireguard): (&DeviceId, &PublicKey)| {
            let endpoint = self.seen.get(wireguard)?.endpoint?;
            Some(Companion { device: *device, wireguard: *wireguard, endpoint })
        };
        let companions: Vec<Companion> = online.filter_map(companion).collect();
        if !companions.is_empty() && companions != self.companions {
            let stored = self.membership.store.set_companions(&companions);
            self.companions = companions;
            self.note_store(stored);
        }
    }

    /// The port that the kernel chose is ours from then on, so that others find us again and an opened port stays of use. One that
    /// somebody else has taken meanwhile is replaced.
    async fn choose_port(&mut self) {
        let Ok(seen) = self.tunnel.look().await else { return };
        if self.port != seen.listen_port {
            self.port = seen.listen_port;
            let stored = self.membership.store.set(Setting::Port, &self.port.to_string());
            self.note_store(stored);
        }
    }

    /// Interfaces or addresses of this machine have changed.
    pub(in crate::circle) fn on_interfaces(&mut self, interfaces: &[Interface]) {
        let new = self.lan.follow(interfaces);
        let ips = own_ips(interfaces);
        if new || ips != self.own_ips {
            self.own_ips = ips;
            self.look_outside_soon();
            self.announce_soon();
        }
    }

    /// Takes no part any more; the tunnel ends.
    pub(in crate::circle) async fn end(mut self) -> Membership {
        let stored = self.membership.store_mark();
        self.note_store(stored);
        self.take_down().await
    }

    /// Ends the names, then the tunnel, and then what guards it.
    async fn take_down(mut self) -> Membership {
        if let Some(names) = self.names.take() {
            names.end().await;
        }
        self.lan.close();
        self.exchange = None;
        self.tunnel.end().await;
        filter::firewalld::dismiss(self.tunnel.name()).await;
        if let Err(problem) = filter::remove(&self.membership.name, self.tunnel.name()).await {
            tracing::warn!(%problem, circle = %self.membership.name, "the packet filter stays");
        }
        self.membership
    }

    /// The daemon ends, and the tunnel goes on without it. Names do not, so the system asks others again.
    pub(in crate::circle) async fn let_go(mut self) {
        self.keep_companions();
        if let Some(names) = self.names.take() {
            names.end().await;
        }
        let stored = self.membership.store_mark();
        self.note_store(stored);
    }
}

/// How often chains' ends are compared with everybody who is reachable, though there is no news.
pub(super) const GREET_EVERY: Duration = Duration::from_secs(60);
