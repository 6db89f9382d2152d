//! The control process: owner of the TUN queues, the sockets and the shared memory.
