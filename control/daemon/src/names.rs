//! Names: every device is `NAME.CIRCLE.internal` on this machine, and its short name and nicknames work too.
//!
//! | file | what |
//! | --- | --- |
//! | `zone` | what we answer for: names, and addresses back to names |
//! | `message` | from the bytes of a question to those of its answer |
//! | `serve` | the sockets, which answer this machine alone |
//! | `forward`, `rebind` | other names: asked of others, their answers looked at |
//! | `wiring` | how the system comes to ask us |
//! | `resolved` | by systemd-resolved, which asks us about the circle's names and nothing else |
//! | `resolv_conf`, `file` | by `/etc/resolv.conf`, taken over with a way back; then we are asked about everything |
//! | `namespace` | whose network and files these are |
//! | `shadow` | names that would hide a real host |
//!
//! **Invariant:** nothing under `internal` is ever asked of others.
//! **Invariant:** whatever ends the daemon, the next start puts `resolv.conf` right.

mod file;
mod forward;
mod message;
mod namespace;
mod rebind;
pub(crate) mod resolv_conf;
mod resolved;
mod serve;
pub(crate) mod shadow;
mod wiring;
pub(crate) mod zone;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub(crate) use file::Files;
pub(crate) use file::etc;
use forward::Upstreams;
use resolved::Link;
use serve::{Resolver, Sources};
use wiring::{Outputs, Wiring};
use zone::Zone;

/// Longest wait for everything to be taken back: a bus that does not answer has less.
const FAREWELL: Duration = Duration::from_secs(8);

/// The names of one circle on this machine.
#[derive(Debug)]
pub(crate) struct Names {
    zone: watch::Sender<Arc<Zone>>,
    sources: Sources,
    wanted: watch::Sender<Option<Link>>,
    notes: watch::Receiver<Vec<String>>,
    task: JoinHandle<()>,
    resolver: Option<Resolver>,
    /// What the resolver listens on, or tried to.
    addresses: Vec<IpAddr>,
}

/// The machine's `resolv.conf`, with its former content in the directory of our state.
pub(crate) fn files(state: &Path) -> Files {
    Files::new(etc("resolv.conf"), state)
}

/// Gives `resolv.conf` back if a daemon that died had taken it; a sentence where the user should know what became of it.
pub(crate) fn clean(state: &Path) -> Option<String> {
    wiring::give_back(&files(state))
}

impl Names {
    /// Answers nothing yet, and gives back what a daemon that died had taken unless [`Names::follow`] follows at once.
    pub(crate) fn new(state: &Path, zone: Zone) -> Self {
        let (zone, zones) = watch::channel(Arc::new(zone));
        let (upstreams, asked) = watch::channel::<Option<Arc<Upstreams>>>(None);
        let (notes, told) = watch::channel(Vec::new());
        let (wanted, wishes) = watch::channel(None);
        let wiring = Wiring::new(files(state), Outputs { upstreams, notes });
        Self {
            zone,
            sources: Sources { zone: zones, upstreams: asked },
            wanted,
            notes: told,
            task: tokio::spawn(wiring.run(wishes)),
            resolver: None,
            addresses: Vec::new(),
        }
    }

    /// Answers for `zone`, or for what it did before, on `addresses`, all of them this machine's on the link with number `index`, the one to be named first.
    pub(crate) fn follow(&mut self, zone: Option<Zone>, addresses: &[IpAddr], index: u32) {
        if let Some(zone) = zone {
            self.zone.send_replace(Arc::new(zone));
        }
        if let Some(resolver) = &mut self.resolver {
            resolver.try_again();
        }
        if self.addresses != addresses || self.resolver.as_ref().is_none_or(Resolver::has_ended) {
            // The old sockets must be gone before new ones can have their addresses.
            self.resolver = None;
            self.resolver = Some(Resolver::open(addresses, &self.sources));
            self.addresses = addresses.to_vec();
        }
        let zone = self.zone.borrow();
        let servers = self.resolver.as_ref().map(|resolver| resolver.open.clone()).unwrap_or_default();
        let link = Link { index, servers, domain: zone.domain(), reverse: zone.reverse_domains() };
        self.want((!link.servers.is_empty()).then_some(link));
    }

    /// Answers nothing any more, for now.
    pub(crate) fn rest(&mut self) {
        self.want(None);
        self.resolver = None;
        self.addresses.clear();
    }

    fn want(&self, link: Option<Link>) {
        self.wanted.send_if_modified(|wanted| {
            let new = *wanted != link;
            if new {
                *wanted = link;
            }
            new
        });
    }

    /// What the user should know, one sentence each.
    pub(crate) fn notes(&self) -> Vec<String> {
        let closed = self.resolver.iter().flat_map(|resolver| &resolver.closed).map(|(ip, error)| {
            format!("names are not answered at {ip}: {error}; end the other name server there, or keep it off this address")
        });
        self.notes.borrow().iter().cloned().chain(closed).collect()
    }

    /// Takes everything back: the system asks whom it asked before.
    pub(crate) async fn end(self) {
        let Self { wanted, task, .. } = self;
        drop(wanted);
        if timeout(FAREWELL, task).await.is_err() {
            tracing::warn!("the names of the circle could not be taken back in time");
        }
    }
}
