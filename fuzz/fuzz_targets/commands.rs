//! Any bytes as a command slot: refused, or a command that survives being written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringmesh_abi::Command;
use ringmesh_abi::command::{COMMAND_LEN, CommandSlot};

fuzz_target!(|data: &[u8]| {
    let mut slot = CommandSlot([0; COMMAND_LEN]);
    let len = data.len().min(COMMAND_LEN);
    slot.0[..len].copy_from_slice(&data[..len]);
    let Ok((id, command)) = Command::decode(&slot) else { return };
    let mut again = CommandSlot::new();
    command.encode(id, &mut again);
    assert_eq!(Command::decode(&again), Ok((id, command)));
});
