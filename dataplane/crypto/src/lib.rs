//! ChaCha20-Poly1305 over batches of packets; knows no WireGuard.
