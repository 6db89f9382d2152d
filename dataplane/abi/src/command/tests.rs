use super::*;
use crate::samples;
use proptest::prelude::*;

fn encoded(command: &Command, id: u64) -> CommandSlot {
    let mut slot = CommandSlot([0xee; COMMAND_LEN]);
    command.encode(id, &mut slot);
    slot
}

proptest! {
    #[test]
    fn every_command_survives_the_slot(command in samples::command(), id: u64) {
        let slot = encoded(&command, id);
        prop_assert_eq!(slot.id(), id);
        prop_assert_eq!(Command::decode(&slot), Ok((id, command)));
    }

    /// There is one encoding for each command, so whatever is taken must encode to the same bytes.
    #[test]
    fn a_changed_byte_is_refused_or_means_something_else(
        command in samples::command(), at in 0..COMMAND_LEN, byte: u8,
    ) {
        let mut slot = encoded(&command, 1);
        slot.0[at] = byte;
        if let Ok((id, taken)) = Command::decode(&slot) {
            prop_assert_eq!(encoded(&taken, id).0, slot.0);
        }
    }

    #[test]
    fn garbage_does_not_panic(kind in 0..9_u8, bytes in proptest::collection::vec(any::<u8>(), COMMAND_LEN)) {
        let mut slot = CommandSlot::new();
        slot.0.copy_from_slice(&bytes);
        slot.0[8..12].copy_from_slice(&[kind, 0, 0, 0]);
        prop_assert!(Command::decode(&slot).is_err(), "random reserved bytes cannot all be zero");
    }
}

#[test]
fn bounds_are_the_last_values_that_are_taken() {
    let who = [1; 32];
    let v4 = "10.0.0.0".parse().expect("an address");
    let v6 = "fd00::".parse().expect("an address");
    let range = |slot, addr, prefix| Command::AddAllowedIp { slot, public_key: who, addr, prefix };
    let cases = [
        (range(PEERS_MAX - 1, v4, 32), None),
        (range(PEERS_MAX, v4, 32), Some("peer slot")),
        (range(0, v4, 33), Some("prefix")),
        (range(0, v6, 128), None),
        (range(0, v6, 129), Some("prefix")),
        (Command::Mtu { mtu: MTU_MAX }, None),
        (Command::Mtu { mtu: MTU_MAX + 1 }, Some("MTU")),
        (Command::RemovePeer { slot: u32::MAX, public_key: who }, Some("peer slot")),
    ];
    for (command, refusal) in cases {
        let taken = Command::decode(&encoded(&command, 9)).map(|_| ());
        assert_eq!(taken.err(), refusal.map(Refused::Field), "{command:?}");
    }
}

#[test]
fn keys_are_not_printed_and_are_wiped() {
    let key = Secret::new(&[0x5a; 32]);
    let command =
        Command::SetDevice { private_key: Some(key), mtu: 1_420, dscp_copy: false, stamped_until_secs: 0 };
    assert!(!format!("{command:?}").contains("90"), "0x5a is 90");

    let mut slot = encoded(&command, 1);
    assert!(slot.0.windows(32).any(|bytes| bytes == [0x5a; 32]));
    slot.zeroize();
    assert_eq!(slot.0, [0; COMMAND_LEN]);
}

#[test]
fn an_absent_key_hides_no_bytes() {
    let mut slot = encoded(
        &Command::SetDevice { private_key: None, mtu: 1, dscp_copy: false, stamped_until_secs: 0 },
        1,
    );
    slot.0[13] = 1;
    assert_eq!(Command::decode(&slot), Err(Refused::Field("reserved bytes")));
}
