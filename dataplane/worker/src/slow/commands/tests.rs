use ringmesh_abi::Completion;

use super::*;
use crate::slow::tests::{KEY, Side, name, remote, set_device, set_peer};

const OTHER_KEY: [u8; 32] = [0x22; 32];

fn add_range(slot: u32, public_key: [u8; 32], range: &str) -> Command {
    let (addr, prefix) = range.split_once('/').expect("a range");
    let (addr, prefix) = (addr.parse().expect("an address"), prefix.parse().expect("a length"));
    Command::AddAllowedIp { slot, public_key, addr, prefix }
}

/// A peer that something happens to at once.
fn kept_alive(slot: u32, public_key: [u8; 32], remote: Option<std::net::SocketAddr>) -> Command {
    let mut command = set_peer(slot, public_key, remote);
    if let Command::SetPeer { keepalive_secs, .. } = &mut command {
        *keepalive_secs = 25;
    }
    command
}

fn remove_range(slot: u32, public_key: [u8; 32], range: &str) -> Command {
    let Command::AddAllowedIp { slot, public_key, addr, prefix } = add_range(slot, public_key, range) else {
        panic!("not what was made");
    };
    Command::RemoveAllowedIp { slot, public_key, addr, prefix }
}

#[test]
fn commands_do_what_they_name_and_once_more_they_change_nothing() {
    let snapshot = "snapshot".to_owned();
    let script: Vec<(Command, Vec<&str>, Vec<&str>)> = vec![
        // the command, the orders that it makes, the orders that it makes when it comes again
        (set_device(1), vec!["snapshot"], vec!["snapshot"]),
        // Nothing has happened to the peer, so its owner need not know it.
        (set_peer(0, KEY, None), vec![], vec![]),
        (kept_alive(0, KEY, None), vec!["peer 0"], vec![]),
        (kept_alive(0, KEY, Some(remote(1))), vec!["endpoint 0 Some(127.0.0.1:1)"], vec![]),
        // No endpoint means: as it is.
        (set_peer(0, KEY, None), vec![], vec![]),
        (add_range(0, KEY, "10.0.0.0/8"), vec!["snapshot"], vec!["snapshot"]),
        (add_range(0, KEY, "fd00::/8"), vec!["snapshot"], vec!["snapshot"]),
        (set_peer(1, OTHER_KEY, None), vec![], vec![]),
        // A range that moves.
        (add_range(1, OTHER_KEY, "10.0.0.0/8"), vec!["snapshot"], vec!["snapshot"]),
        (remove_range(0, KEY, "fd00::/8"), vec!["snapshot"], vec![]),
        (remove_range(0, KEY, "10.0.0.0/8"), vec![], vec![]),
        (Command::ClearAllowedIps { slot: 1, public_key: OTHER_KEY }, vec!["snapshot"], vec!["snapshot"]),
        (Command::Mtu { mtu: 9_000 }, vec!["snapshot"], vec!["snapshot"]),
        (kept_alive(1, OTHER_KEY, None), vec!["peer 1"], vec![]),
        (Command::RemovePeer { slot: 1, public_key: OTHER_KEY }, vec!["forget peer 1", "snapshot"], vec![]),
    ];
    let mut side = Side::new(1);
    for (step, (command, first, again)) in script.into_iter().enumerate() {
        side.command_ok(&command);
        assert_eq!(side.order_names(), first, "step {step}: {command:?}");
        let state = side.state();
        side.command_ok(&command);
        assert_eq!(side.order_names(), again, "step {step} once more: {command:?}");
        assert_eq!(side.state(), state, "step {step} once more: {command:?}");
    }
    let state = side.state();
    // The keepalive has begun a handshake, which has a stamp.
    let Some(&Command::SetDevice { stamped_until_secs, .. }) = state.first() else { panic!("{state:?}") };
    assert_eq!(
        state,
        [
            Command::SetDevice {
                private_key: Some(Secret::new(PrivateKey::new([1; 32]).expose())),
                mtu: 9_000,
                dscp_copy: true,
                stamped_until_secs,
            },
            set_peer(0, KEY, Some(remote(1))),
        ]
    );
    assert_eq!(side.events(), [PlaneEvent::Removed { slot: 1 }]);
    assert_eq!(side.control.peer(1).expect("a row").state.public_key, [0; 32]);
    side.command_ok(&Command::Mtu { mtu: 1_280 });
    let orders = side.orders(0);
    let [order] = orders.as_slice() else { panic!("one order") };
    assert_eq!(name(order), snapshot);
    let Order::Snapshot(known) = order else { panic!("not a snapshot") };
    assert_eq!((known.mtu, known.dscp_copy, known.routes.len()), (1_280, true, 0));
}

/// The wall clock of the data plane before was ahead of ours by a century.
#[test]
fn what_our_stamps_must_be_later_than_is_handed_on_from_one_data_plane_to_the_next() {
    const FAR: u64 = 5_000_000_000;
    let mut side = Side::new(1);
    let Command::SetDevice { private_key, mtu, dscp_copy, .. } = set_device(1) else { panic!("a device") };
    let device = Command::SetDevice { private_key, mtu, dscp_copy, stamped_until_secs: FAR };
    side.command_ok(&device);
    assert_eq!(side.state(), [device]);
    side.command_ok(&set_peer(0, KEY, Some(remote(1))));
    side.slow.device.on_want_session(PeerId(0), ringmesh_io::clock::boottime());
    let stamp = side.slow.device.own_timestamp();
    assert!(stamp > Tai64N::from_unix(FAR, 0), "an initiation of today");
    // Nothing lowers it, and what is told to the next control process is not before it.
    side.command_ok(&set_device(1));
    let told = side.state().into_iter().next();
    assert!(
        matches!(told, Some(Command::SetDevice { stamped_until_secs, .. }) if stamped_until_secs == FAR + 1)
    );
}

#[test]
fn what_cannot_hold_is_refused_and_changes_nothing() {
    let mut side = Side::new(1);
    for command in [set_device(1), set_peer(0, KEY, None), add_range(0, KEY, "10.0.0.0/8")] {
        side.command_ok(&command);
    }
    side.orders(0);
    let refusals = [
        (set_peer(1, KEY, None), Reason::KeyInUse),
        (set_peer(0, OTHER_KEY, None), Reason::OtherPeer),
        (add_range(0, OTHER_KEY, "10.1.0.0/16"), Reason::OtherPeer),
        (add_range(5, KEY, "10.1.0.0/16"), Reason::NoSuchPeer),
        (remove_range(0, OTHER_KEY, "10.0.0.0/8"), Reason::OtherPeer),
        (remove_range(5, KEY, "10.0.0.0/8"), Reason::NoSuchPeer),
        (Command::ClearAllowedIps { slot: 0, public_key: OTHER_KEY }, Reason::OtherPeer),
        (Command::ClearAllowedIps { slot: 5, public_key: KEY }, Reason::NoSuchPeer),
    ];
    let state = side.state();
    for (command, reason) in refusals {
        assert_eq!(side.command(&command), Status::Refused(reason), "{command:?}");
        assert_eq!(side.state(), state, "{command:?}");
        assert_eq!(side.order_names(), Vec::<String>::new(), "{command:?}");
    }
    // Who is not there need not be removed.
    side.command_ok(&Command::RemovePeer { slot: 0, public_key: OTHER_KEY });
    side.command_ok(&Command::RemovePeer { slot: 5, public_key: KEY });
    assert_eq!(side.state(), state);
}

#[test]
fn many_commands_share_one_snapshot_and_each_is_answered() {
    let mut side = Side::new(2);
    side.command_ok(&set_peer(0, KEY, None));
    (0..2).for_each(|worker| drop(side.orders(worker)));
    let ids: Vec<_> = (0..50)
        .map(|number| side.control.submit(&add_range(0, KEY, &format!("10.{number}.0.0/16"))).expect("room"))
        .collect();
    side.slow.turn();
    let answers: Vec<_> =
        std::iter::from_fn(|| side.control.poll_completion()).map(|answer| answer.expect("sound")).collect();
    let expected: Vec<_> = ids.iter().map(|&id| Completion { id, status: Status::Ok }).collect();
    assert_eq!(answers, expected);
    for worker in 0..2 {
        let orders = side.orders(worker);
        let [Order::Snapshot(known)] = orders.as_slice() else { panic!("one snapshot for worker {worker}") };
        assert_eq!(known.routes.len(), 50);
    }
}

#[test]
fn the_state_replayed_is_the_state() {
    let mut side = Side::new(1);
    let mut commands = vec![set_device(3)];
    for slot in 0..20 {
        let key = [slot as u8 + 1; 32];
        let mut peer = set_peer(slot, key, (slot % 3 != 0).then(|| remote(slot as u16 + 1)));
        if let Command::SetPeer { keepalive_secs, greatest_timestamp, .. } = &mut peer {
            *keepalive_secs = slot as u16 * 5;
            *greatest_timestamp = [slot as u8; 12];
        }
        commands.push(peer);
        commands.extend((0..slot % 4).map(|part| add_range(slot, key, &format!("10.{slot}.{part}.0/24"))));
        commands.extend((0..slot % 2).map(|_| add_range(slot, key, &format!("fd00:{slot:x}::/32"))));
    }
    commands.push(Command::RemovePeer { slot: 7, public_key: [8; 32] });
    commands.iter().for_each(|command| side.command_ok(command));
    let state = side.state();
    assert_eq!(state.len(), 1 + 19 + side.slow.routes.len());
    let mut fresh = Side::new(1);
    state.iter().for_each(|command| fresh.command_ok(command));
    // The keepalives have begun handshakes of its own, whose stamps are later still.
    let [before, after] = [&state, &fresh.state()].map(|state| match state.first() {
        Some(Command::SetDevice { stamped_until_secs, .. }) => *stamped_until_secs,
        other => panic!("not a device: {other:?}"),
    });
    assert!(after > before && before > 0);
    assert_eq!(fresh.state()[1..], state[1..]);
}
