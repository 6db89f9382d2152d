//! The daemon: one process per device, for its circles.
//!
//! One loop takes one [event](event) at a time and is the only thing that changes state. Around it: `membership`, what this device
//! is in a circle and has on its disk; `active`, a circle that is up; `tunnel`, the process that carries packets; `lan` and
//! `exchange`, how members talk; `server` and `ask`, the local API; `verbs`, what each question does.
//!
//! **Invariant:** a tunnel never depends on this process: it may be killed at any instruction and started again while packets flow.
//! **Invariant:** nothing that can be asked for is answered to anybody but local processes.

mod active;
mod ask;
mod client;
mod event;
mod exchange;
mod lan;
mod membership;
mod paths;
mod reach;
mod run;
mod secret;
mod server;
mod store;
pub(crate) mod stored;
mod tunnel;
mod verbs;

pub use client::{Unanswered, ask};
pub(crate) use exchange::EXCHANGE_PORT;
pub(crate) use lan::{LAN_PORT, hears_lan, lan_group};
pub use paths::{Paths, STATE_VARIABLE};
pub use run::{Place, run_daemon};

/// Random bytes from the kernel. Without them nothing here can be done safely.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    bytes
}
