//! The kernel edge of one worker: io_uring, TUN, UDP, segment offload. Knows no WireGuard.
