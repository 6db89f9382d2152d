//! The `ringmesh` executable.

fn main() {}
