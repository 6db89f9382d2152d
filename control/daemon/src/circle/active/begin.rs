//! Up and down.

use std::time::Duration;

use super::{Active, Ears, own_ips};
use crate::circle::lan::Lan;
use crate::circle::membership::Membership;
use crate::circle::paths::ifname;
use crate::circle::store::Setting;
use crate::circle::tunnel::{Tunnel, TunnelProblem};
use crate::filter;
use crate::os::clock::boottime;
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
            beacons: Default::default(),
            receipt: None,
            ears,
        };
        active.lan.follow(interfaces);
        active.after_start();
        if let Err(problem) = active.steer().await {
            return Err((active.take_down().await, problem));
        }
        filter::firewalld::admit(active.tunnel.name()).await;
        active.choose_port().await;
        let beacons = active.membership.beacons();
        active.use_beacons(&beacons);
        active.announce();
        Ok(active)
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
            self.announce_soon();
        }
    }

    /// Takes no part any more; the tunnel ends.
    pub(in crate::circle) async fn end(mut self) -> Membership {
        let stored = self.membership.store_mark();
        self.note_store(stored);
        self.take_down().await
    }

    /// Ends the tunnel, and then what guards it.
    async fn take_down(mut self) -> Membership {
        self.lan.close();
        self.exchange = None;
        self.tunnel.end().await;
        filter::firewalld::dismiss(self.tunnel.name()).await;
        if let Err(problem) = filter::remove(&self.membership.name, self.tunnel.name()).await {
            tracing::warn!(%problem, circle = %self.membership.name, "the packet filter stays");
        }
        self.membership
    }

    /// The daemon ends, and the tunnel goes on without it.
    pub(in crate::circle) fn let_go(mut self) {
        let stored = self.membership.store_mark();
        self.note_store(stored);
    }
}

/// How often chains' ends are compared with everybody who is reachable, though there is no news.
pub(super) const GREET_EVERY: Duration = Duration::from_secs(60);
