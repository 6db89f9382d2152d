//! Criterion benches of single kernels.
