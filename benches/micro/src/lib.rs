//! Criterion benches of single kernels; each lies in `benches/` and says what its numbers mean.
//!
//! **Invariant:** nothing here is shipped, and no bench measures something that a test does not also check.
