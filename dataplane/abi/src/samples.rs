//! Random endpoints and commands for the property tests.

use crate::endpoint::SOCKETS_MAX;
use crate::{Command, Endpoint, LocalAddr, PEERS_MAX, Secret, UdpPath};
use core::net::{IpAddr, SocketAddr, SocketAddrV6};
use proptest::prelude::*;

pub(crate) fn ip() -> impl Strategy<Value = IpAddr> {
    any::<IpAddr>().prop_map(|ip| ip.to_canonical())
}

fn remote() -> impl Strategy<Value = SocketAddr> {
    (ip(), any::<u16>(), any::<u32>()).prop_map(|(ip, port, scope)| match ip {
        IpAddr::V4(_) => SocketAddr::new(ip, port),
        IpAddr::V6(v6) => SocketAddr::V6(SocketAddrV6::new(v6, port, 0, scope)),
    })
}

fn path() -> impl Strategy<Value = UdpPath> {
    let local = (ip(), any::<u32>()).prop_map(|(ip, ifindex)| LocalAddr { ip, ifindex });
    (remote(), proptest::option::of(local), 0..SOCKETS_MAX).prop_map(|(remote, local, socket)| UdpPath {
        remote,
        local,
        socket,
    })
}

/// Boxed, like the commands: the types of nested strategies are large enough to fill a test thread's stack.
pub(crate) fn endpoint() -> BoxedStrategy<Endpoint> {
    prop_oneof![
        Just(Endpoint::None),
        path().prop_map(Endpoint::Udp),
        (path(), 0x4000..=0x4fff_u16).prop_map(|(server, channel)| Endpoint::Turn { server, channel }),
        any::<u64>().prop_map(|token| Endpoint::Control { token }),
    ]
    .boxed()
}

fn range() -> impl Strategy<Value = (IpAddr, u8)> {
    (ip(), any::<u8>()).prop_map(|(ip, prefix)| (ip, prefix % if ip.is_ipv4() { 33 } else { 129 }))
}

fn peer() -> BoxedStrategy<Command> {
    let ends = proptest::array::uniform4(endpoint());
    let rest = (any::<u16>(), any::<[u8; 12]>(), any::<bool>());
    (0..PEERS_MAX, any::<[u8; 32]>(), any::<[u8; 32]>(), ends, rest)
        .prop_map(|(slot, public_key, psk, endpoints, (keepalive_secs, greatest_timestamp, had_session))| {
            Command::SetPeer {
                slot,
                public_key,
                preshared_key: Secret::new(&psk),
                keepalive_secs,
                endpoints,
                greatest_timestamp,
                had_session,
            }
        })
        .boxed()
}

pub(crate) fn command() -> BoxedStrategy<Command> {
    let who = || (0..PEERS_MAX, any::<[u8; 32]>());
    let key = proptest::option::of(any::<[u8; 32]>());
    prop_oneof![
        (key, 0..=65_535_u32, any::<bool>(), any::<u64>()).prop_map(|(key, mtu, dscp_copy, secs)| {
            Command::SetDevice {
                private_key: key.map(|key| Secret::new(&key)),
                mtu,
                dscp_copy,
                stamped_until_secs: secs,
            }
        }),
        peer(),
        who().prop_map(|(slot, public_key)| Command::RemovePeer { slot, public_key }),
        who().prop_map(|(slot, public_key)| Command::ClearAllowedIps { slot, public_key }),
        (who(), range()).prop_map(|((slot, public_key), (addr, prefix))| Command::AddAllowedIp {
            slot,
            public_key,
            addr,
            prefix
        }),
        (who(), range()).prop_map(|((slot, public_key), (addr, prefix))| Command::RemoveAllowedIp {
            slot,
            public_key,
            addr,
            prefix
        }),
        (0..=65_535_u32).prop_map(|mtu| Command::Mtu { mtu }),
    ]
    .boxed()
}
