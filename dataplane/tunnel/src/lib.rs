//! WireGuard as pure state machines: time, randomness and buffers are arguments.
