//! Tests across crates: tidy, interop, kills.
