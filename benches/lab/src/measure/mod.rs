//! Measuring: statistics, what processes cost, what the machine is.

pub mod host;
pub mod process;
pub mod stats;
