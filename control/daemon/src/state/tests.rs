use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;
use ringmesh_abi::{Command, Endpoint, PEERS_MAX, Secret};
use ringmesh_wire::keys::PublicKey;

use super::State;

fn set_peer(slot: u32, key: u8) -> Command {
    Command::SetPeer {
        slot,
        public_key: [key; 32],
        preshared_key: Secret::new(&[0; 32]),
        keepalive_secs: 0,
        endpoints: [Endpoint::None; 4],
        greatest_timestamp: [0; 12],
        had_session: false,
    }
}

fn add(slot: u32, key: u8, net: u8) -> Command {
    let addr = IpAddr::V4(Ipv4Addr::new(10, net, 0, 0));
    Command::AddAllowedIp { slot, public_key: [key; 32], addr, prefix: 16 }
}

fn made_of(commands: &[Command]) -> State {
    let mut state = State::new(1420);
    commands.iter().for_each(|command| state.apply(command));
    state
}

/// `slot key ranges` of every peer.
fn shown(state: &State) -> Vec<String> {
    let peer = |(slot, peer): (u32, &super::Peer)| {
        let ranges: Vec<_> = peer.allowed_ips.as_slice().iter().map(ToString::to_string).collect();
        format!("{slot} {} {}", peer.public_key.0[0], ranges.join(","))
    };
    state.peers.iter().map(peer).collect()
}

#[test]
fn commands_make_the_state_they_name() {
    let cases: &[(&[Command], &[&str])] = &[
        (&[set_peer(0, 1), add(0, 1, 5)], &["0 1 10.5.0.0/16"]),
        // A range moves to the peer that was named last.
        (&[set_peer(0, 1), set_peer(1, 2), add(0, 1, 5), add(1, 2, 5)], &["0 1 ", "1 2 10.5.0.0/16"]),
        // Setting a peer again keeps its ranges.
        (&[set_peer(0, 1), add(0, 1, 5), set_peer(0, 1)], &["0 1 10.5.0.0/16"]),
        // Another key in the same slot starts anew; the same key in another slot moves.
        (&[set_peer(0, 1), add(0, 1, 5), set_peer(0, 2)], &["0 2 "]),
        (&[set_peer(0, 1), add(0, 1, 5), set_peer(3, 1)], &["3 1 "]),
        // Commands for somebody else are without effect.
        (&[set_peer(0, 1), add(0, 2, 5), add(1, 1, 5)], &["0 1 "]),
        (&[set_peer(0, 1), Command::RemovePeer { slot: 0, public_key: [2; 32] }], &["0 1 "]),
        (&[set_peer(0, 1), Command::RemovePeer { slot: 0, public_key: [1; 32] }], &[]),
        (&[set_peer(PEERS_MAX, 1)], &[]),
    ];
    for (commands, expected) in cases {
        assert_eq!(shown(&made_of(commands)), *expected, "{commands:?}");
    }
}

#[test]
fn the_lowest_free_slot_is_next() {
    let mut state = made_of(&[set_peer(0, 1), set_peer(1, 2), set_peer(5, 3)]);
    assert_eq!(state.peers.free_slot(), Some(2));
    state.apply(&Command::RemovePeer { slot: 0, public_key: [1; 32] });
    assert_eq!(state.peers.free_slot(), Some(0));
    assert_eq!(made_of(&[set_peer(PEERS_MAX - 1, 1)]).peers.free_slot(), Some(0));
}

#[test]
fn the_public_key_is_that_of_the_private_key() {
    // RFC 7748, section 6.1: Alice's keys.
    let private: [u8; 32] = [
        0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45, 0xdf,
        0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a,
    ];
    let state = made_of(&[Command::SetDevice {
        private_key: Some(Secret::new(&private)),
        mtu: 1,
        dscp_copy: false,
        stamped_until_secs: 0,
    }]);
    let expected = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
    assert_eq!(state.device.public_key, PublicKey::from_hex(expected).ok());
}

fn any_command() -> impl Strategy<Value = Command> {
    let slot = prop_oneof![0u32..4, Just(PEERS_MAX - 1), Just(PEERS_MAX), any::<u32>()];
    (slot, 0u8..4, 0u8..4, 0u8..6, 0u8..40).prop_map(|(slot, key, net, kind, prefix)| {
        let addr = IpAddr::V4(Ipv4Addr::new(10, net, 0, 0));
        let public_key = [key; 32];
        match kind {
            0 => set_peer(slot, key),
            1 => Command::RemovePeer { slot, public_key },
            2 => Command::RemoveAllowedIp { slot, public_key, addr, prefix },
            3 => Command::ClearAllowedIps { slot, public_key },
            _ => Command::AddAllowedIp { slot, public_key, addr, prefix },
        }
    })
}

proptest! {
    #[test]
    fn any_commands_leave_a_state_that_its_own_commands_rebuild(commands in prop::collection::vec(any_command(), 0..60)) {
        let state = made_of(&commands);
        let own: Vec<_> = state.commands().collect();
        prop_assert_eq!(shown(&made_of(&own)), shown(&state));
        let mut seen = std::collections::BTreeSet::new();
        for (slot, peer) in state.peers.iter() {
            prop_assert_eq!(state.peers.slot_of(peer.public_key), Some(slot));
            for range in peer.allowed_ips.as_slice() {
                prop_assert_eq!(state.peers.holder(range), Some(slot));
                prop_assert!(seen.insert(*range), "{range} is two peers'");
            }
        }
        prop_assert!(state.peers.free_slot().is_some_and(|slot| state.peers.at(slot).is_none()));
    }
}

/// A state that was made by its own commands is the same state, also with what few peers have.
#[test]
fn what_few_peers_have_is_kept_and_can_go() {
    let rare = |preshared_key: u8, stamp: u8, had_session: bool| Command::SetPeer {
        slot: 0,
        public_key: [1; 32],
        preshared_key: Secret::new(&[preshared_key; 32]),
        keepalive_secs: 0,
        endpoints: [Endpoint::None; 4],
        greatest_timestamp: [stamp; 12],
        had_session,
    };
    for command in
        [rare(0, 0, false), rare(7, 0, false), rare(0, 9, false), rare(0, 0, true), rare(7, 9, true)]
    {
        let state = made_of(std::slice::from_ref(&command));
        assert_eq!(state.commands().nth(1), Some(command));
        let mut peer = state.peers.at(0).expect("it was set").clone();
        peer.change_more(|more| *more = super::More::default());
        assert_eq!(peer, super::Peer::new(PublicKey([1; 32])), "nothing is left of it");
    }
}
