//! Two devices of any two implementations with a tunnel between them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ringmesh_lab::clock;
use ringmesh_lab::namespaces::{Link, LinkPlan, Namespace, Side};
use x25519_dalek::{PublicKey, StaticSecret};

use crate::process;
use crate::program::{Device, Program};
use crate::traffic::ping;
use crate::uapi;

/// The UDP port of both devices.
pub const PORT: u16 = 51_820;

/// How long the first packet through a new tunnel, or one through a changed one, may take. A device whose peer has
/// forgotten their session notices that after 15 seconds, and repeats an initiation that was lost after five more.
pub const HANDSHAKE_LIMIT: Duration = Duration::from_secs(25);

/// What the tunnel is like.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Knows the other's endpoint, so it initiates.
    pub a: Program,
    /// Learns the other's endpoint, so it responds.
    pub b: Program,
    /// Whether the datagrams between them are IPv6. What goes inside is always both.
    pub outer_v6: bool,
    /// Whether they share a key.
    pub psk: bool,
    /// Bytes that fit the wire, IP header included.
    pub wire_mtu: u32,
}

impl Plan {
    /// Over IPv4 without a shared key, on a wire of 1,500 bytes.
    pub const fn new(a: Program, b: Program) -> Self {
        Self { a, b, outer_v6: false, psk: false, wire_mtu: 1_500 }
    }

    /// The MTU inside: the wire's less the most that the outside costs (IPv6, UDP, WireGuard). On a wire of 1,500
    /// bytes that is no multiple of 16, so padding up to it, and never above, is part of every test.
    pub const fn mtu(&self) -> u32 {
        self.wire_mtu - 80
    }
}

/// What one device is told about the other. Keys are numbers for [`secret`].
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Of its private key.
    pub key: u8,
    /// Of the shared key, if there is one.
    pub psk: Option<u8>,
    /// Where it is, if that is told.
    pub endpoint: Option<SocketAddr>,
}

/// Two devices with a tunnel. Dropped, all of it is gone.
#[derive(Debug)]
pub struct Tunnel {
    /// What it is like.
    pub plan: Plan,
    // Devices are dropped before the namespaces they live in.
    a: Device,
    b: Device,
    /// The two hosts.
    pub link: Link,
}

impl Tunnel {
    /// Starts and configures both devices. No packet has crossed yet.
    ///
    /// # Panics
    /// When a device does not start or does not take its configuration.
    pub fn up(plan: Plan) -> Self {
        let wire = LinkPlan { mtu: plan.wire_mtu, ..LinkPlan::default() };
        let link = Link::create(&wire).unwrap_or_else(|error| panic!("{error}"));
        let start = |side: Side, program| Device::start(link.side(side), program, &link.interface(side));
        let (a, b) = (start(Side::A, plan.a), start(Side::B, plan.b));
        let mut tunnel = Self { plan, a, b, link };
        for side in [Side::A, Side::B] {
            tunnel.device_mut(side).ready();
            tunnel.configure(side);
            tunnel.address(side);
        }
        tunnel
    }

    /// As [`Tunnel::up`], and waits until packets cross.
    ///
    /// # Panics
    /// When they do not within [`HANDSHAKE_LIMIT`].
    pub fn connected(plan: Plan) -> Self {
        let tunnel = Self::up(plan);
        tunnel.wait_for_ping("the first packets");
        tunnel
    }

    /// The device on this side.
    pub const fn device(&self, side: Side) -> &Device {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }

    /// The device on this side, to be killed or replaced.
    pub const fn device_mut(&mut self, side: Side) -> &mut Device {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    /// The pid of the data plane on this side, which is ours.
    ///
    /// # Panics
    /// When there is none.
    pub fn data_plane(&self, side: Side) -> u32 {
        process::data_plane(self.host(side)).expect("a data plane")
    }

    /// Starts another control process after the one on this side has died, and waits until it answers.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self, side: Side) {
        let old = self.device(side);
        let device = Device::start(self.host(side), old.program, &old.interface);
        *self.device_mut(side) = device;
        self.device_mut(side).ready();
    }

    /// The host on this side.
    pub const fn host(&self, side: Side) -> &Namespace {
        self.link.side(side)
    }

    /// A side's address inside the tunnel: 10.99.0.1 and .2, fd99::1 and ::2.
    pub const fn inside(side: Side, v6: bool) -> IpAddr {
        match v6 {
            false => IpAddr::V4(Ipv4Addr::new(10, 99, 0, side.number())),
            true => IpAddr::V6(Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, side.number() as u16)),
        }
    }

    /// Where a side's device takes datagrams from the wire.
    pub const fn endpoint(&self, side: Side) -> SocketAddr {
        SocketAddr::new(Link::address(side, self.plan.outer_v6), PORT)
    }

    /// Gives a side its whole configuration, as after a start.
    ///
    /// # Panics
    /// When the device refuses it.
    pub fn configure(&self, side: Side) {
        let lines = format!(
            "private_key={}\nlisten_port={PORT}\nreplace_peers=true\n{}",
            hex::encode(secret(side.number())),
            Self::peer_lines(side, self.peer(side)),
        );
        uapi::set(&self.device(side).interface, &lines);
    }

    /// The lines that make the device on `side` know its peer, as after a start.
    fn peer(&self, side: Side) -> Peer {
        Peer {
            key: side.other().number(),
            psk: self.plan.psk.then_some(200),
            endpoint: (side == Side::A).then(|| self.endpoint(Side::B)),
        }
    }

    /// The lines that make the device on `side` know `peer` as the other side's device.
    pub fn peer_lines(side: Side, peer: Peer) -> String {
        let psk =
            peer.psk.map(|psk| format!("preshared_key={}\n", hex::encode(secret(psk)))).unwrap_or_default();
        let endpoint = peer.endpoint.map(|endpoint| format!("endpoint={endpoint}\n")).unwrap_or_default();
        format!(
            "public_key={}\n{psk}{endpoint}replace_allowed_ips=true\nallowed_ip={}/32\nallowed_ip={}/128\n",
            public_hex(peer.key),
            Self::inside(side.other(), false),
            Self::inside(side.other(), true),
        )
    }

    /// Gives a side's interface its addresses and sets it up.
    ///
    /// # Panics
    /// When `ip` does not.
    pub fn address(&self, side: Side) {
        let interface = &self.device(side).interface;
        let (v4, v6, mtu) = (Self::inside(side, false), Self::inside(side, true), self.plan.mtu());
        let batch = format!(
            "addr add {v4}/24 dev {interface}\naddr add {v6}/64 dev {interface} nodad\nlink set {interface} mtu {mtu} up\n"
        );
        self.host(side).ip(&batch).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Waits until A's pings over IPv4 and IPv6 are answered.
    ///
    /// # Panics
    /// When they are not within [`HANDSHAKE_LIMIT`]; says `what` was waited for.
    pub fn wait_for_ping(&self, what: &str) {
        self.wait_for_ping_from(Side::A, what);
    }

    /// Waits until pings from `side` over IPv4 and IPv6 are answered.
    ///
    /// # Panics
    /// As [`Tunnel::wait_for_ping`].
    pub fn wait_for_ping_from(&self, side: Side, what: &str) {
        for v6 in [false, true] {
            let to = Self::inside(side.other(), v6);
            let answered = clock::until(HANDSHAKE_LIMIT, || ping(self.host(side), to, 1).then_some(()));
            assert!(answered.is_some(), "{:?}: {what}: no answer from {to}", self.plan);
        }
    }

    /// Waits until the device on `side` says that its peer's endpoint is `wanted`.
    ///
    /// # Panics
    /// When it does not within [`HANDSHAKE_LIMIT`].
    pub fn wait_for_endpoint(&self, side: Side, wanted: SocketAddr) {
        let mut seen = None;
        let found = clock::until(HANDSHAKE_LIMIT, || {
            seen = uapi::get(&self.device(side).interface).ok()?.of_peer(0, "endpoint").map(str::to_owned);
            (seen.as_deref() == Some(wanted.to_string().as_str())).then_some(())
        });
        assert!(found.is_some(), "{:?}: the endpoint is {seen:?}, not {wanted}", self.plan);
    }
}

/// A private key with a number, clamped as `wg` shows it.
pub fn secret(number: u8) -> [u8; 32] {
    let mut bytes = [number; 32];
    bytes[0] &= 248;
    bytes[31] = bytes[31] & 127 | 64;
    bytes
}

/// The public key that belongs to [`secret`].
pub fn public(number: u8) -> [u8; 32] {
    PublicKey::from(&StaticSecret::from(secret(number))).to_bytes()
}

/// [`public`] as the userspace interface writes it.
pub fn public_hex(number: u8) -> String {
    hex::encode(public(number))
}
