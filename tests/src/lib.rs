//! What the tests across crates stand on.
//!
//! `tidy` holds the rules of the tree as functions over text, so that each rule can itself be shown
//! to fail. The tests are in `tests/`: `tidy` runs the rules over the real tree.
//!
//! **Invariant:** nothing that ships depends on this crate.

pub mod tidy;
