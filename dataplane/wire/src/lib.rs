//! Bytes on the network, no decisions: WireGuard messages, IP headers, keys.
