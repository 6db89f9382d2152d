//! What the tests across crates stand on.
//!
//! - [`tidy`]: the rules of the tree as functions over text, so that each rule can itself be shown to fail
//! - [`beacon`]: a beacon, and devices that talk to it
//! - [`program`]: the executable under test and the other implementations, started in a namespace
//! - [`uapi`]: what `wg` says to them, said by ourselves
//! - [`tunnel`]: two devices with a tunnel between them
//! - [`traffic`]: TCP and UDP whose every byte and every number is checked
//! - [`process`]: what /proc tells of the processes under test
//! - [`hostile`]: datagrams that no honest peer sends
//!
//! The tests themselves are in `tests/`: `tidy`, and the `interop_*` and `kill_*` files, which need root.
//!
//! **Invariant:** nothing that ships depends on this crate, and what it tests it reaches as anybody else would:
//! through the executable, the `wg` interface and the network.

pub mod beacon;
pub mod hostile;
pub mod process;
pub mod program;
pub mod tidy;
pub mod traffic;
pub mod tunnel;
pub mod uapi;
