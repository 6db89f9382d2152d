//! The system as the control process sees it: TUN queues, UDP sockets, link news, files, processes.
//!
//! **Invariant:** everything here needs the privileges of root, which the data plane does not have; it only
//! ever gets the finished file descriptors.

pub(crate) mod clock;
pub(crate) mod files;
pub(crate) mod heap;
pub(crate) mod interfaces;
pub(crate) mod links;
pub(crate) mod process;
pub(crate) mod routes;
pub(crate) mod rules;
pub(crate) mod scheduling;
pub(crate) mod tun;
pub(crate) mod udp;
pub(crate) mod watched;
