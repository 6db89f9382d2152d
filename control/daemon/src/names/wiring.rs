//! How the system comes to ask us: by systemd-resolved, or by `resolv.conf`. One task, so that no slow bus holds the daemon up.
//!
//! What is wanted comes as a whole; the task makes it so, looks now and then whether it still is, and takes everything back when
//! nothing is wanted any more or the daemon ends.
//!
//! **Invariant:** a file that others use who do not share our network is never taken over: they could not reach us.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::file::{Files, GivenBack, etc};
use super::forward::Upstreams;
use super::namespace::is_shared;
use super::resolv_conf::{self, Whose};
use super::resolved::{Link, Resolved, Unusable};

/// Between looks whether the file is still ours.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Between looks whether resolved is still the one that we told.
const LOOK_EVERY_QUIET: Duration = Duration::from_secs(30);

/// What the task tells others.
#[derive(Debug)]
pub(crate) struct Outputs {
    /// Whom to ask about other names; none while we are not asked about them.
    pub(crate) upstreams: watch::Sender<Option<Arc<Upstreams>>>,
    /// What the user should know, one sentence each.
    pub(crate) notes: watch::Sender<Vec<String>>,
}

/// The task's state.
#[derive(Debug)]
pub(crate) struct Wiring {
    files: Files,
    outputs: Outputs,
    wired: Wired,
}

#[derive(Debug)]
enum Wired {
    No,
    Resolved(Resolved, Link),
    File(Link),
    /// Somebody else has put another file there: it is left alone until something else is wanted.
    Overruled(Link),
}

impl Wiring {
    /// Nothing is wired yet.
    pub(crate) const fn new(files: Files, outputs: Outputs) -> Self {
        Self { files, outputs, wired: Wired::No }
    }

    /// Runs until the other end of `wanted` is dropped; then everything is taken back.
    pub(crate) async fn run(mut self, mut wanted: watch::Receiver<Option<Link>>) {
        loop {
            let now = wanted.borrow_and_update().clone();
            match now {
                Some(link) => self.wire(link).await,
                None => self.unwire().await,
            }
            let pause = if matches!(self.wired, Wired::File(_)) { LOOK_EVERY } else { LOOK_EVERY_QUIET };
            if let Ok(Err(_)) = timeout(pause, wanted.changed()).await {
                self.unwire().await;
                return;
            }
        }
    }

    fn note(&self, notes: Vec<String>) {
        self.outputs.notes.send_if_modified(|told| {
            let new = *told != notes;
            if new {
                notes.iter().for_each(|note| tracing::warn!("{note}"));
                *told = notes;
            }
            new
        });
    }

    async fn wire(&mut self, link: Link) {
        match &self.wired {
            Wired::File(ours) if *ours == link => return self.look_at_file(link),
            Wired::Overruled(ours) if *ours == link => return,
            Wired::Resolved(resolved, ours) if *ours == link && resolved.is_same().await => return,
            Wired::No | Wired::File(_) | Wired::Overruled(_) | Wired::Resolved(..) => {}
        }
        let text = self.files.content().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let (text, to) = (text.unwrap_or_default(), self.files.link());
        let nsswitch = std::fs::read_to_string(etc("nsswitch.conf")).unwrap_or_default();
        let by_file = resolv_conf::leads_to_resolved(&text, to.as_deref());
        if !by_file && !resolv_conf::has_resolved_module(&nsswitch) {
            return self.wire_file(link);
        }
        let told = match Resolved::find().await {
            Ok(resolved) => resolved.set(&link).await.map(|()| resolved),
            Err(unusable) => Err(unusable),
        };
        match told {
            Ok(resolved) => {
                let left = self.give_back();
                self.outputs.upstreams.send_replace(None);
                self.wired = Wired::Resolved(resolved, link);
                self.note(left);
            }
            Err(Unusable::NotRunning) if !by_file => self.wire_file(link),
            Err(unusable) => {
                self.wired = Wired::No;
                self.note(vec![format!(
                    "names are answered at {} only: {unusable}; it is tried again every {} s",
                    shown(&link.servers),
                    LOOK_EVERY_QUIET.as_secs()
                )]);
            }
        }
    }

    fn wire_file(&mut self, link: Link) {
        let Some(server) = link.servers.first() else { return };
        let target = self.files.target().display().to_string();
        let fail = |what: &str| {
            vec![format!("names are answered at {} only: {target} {what}", shown(&link.servers))]
        };
        if is_shared(self.files.target()) {
            self.wired = Wired::No;
            return self.note(fail(
                "belongs to another network namespace; give this one a file of its own in /etc/netns",
            ));
        }
        if self.files.whose() == Whose::Edited {
            self.note(fail("was written by ringmesh and edited since; put its nameservers right, and `ringmesh down` and `up`"));
            self.wired = Wired::Overruled(link);
            return;
        }
        let before = self.files.settings_before();
        let ours = resolv_conf::ours(&before, *server, &link.domain);
        match self.files.take(&ours) {
            Ok(()) => {
                self.note(vec![]);
                self.use_upstreams(&link);
                self.wired = Wired::File(link);
            }
            Err(error) => {
                self.wired = Wired::No;
                self.note(fail(&format!("could not be replaced: {error}")));
            }
        }
    }

    /// Whether the file is still ours, and what its predecessor says now.
    fn look_at_file(&mut self, link: Link) {
        if self.files.whose() == Whose::Ours {
            return self.use_upstreams(&link);
        }
        let content = self.files.content().unwrap_or_default();
        let keeper = resolv_conf::keeper(&String::from_utf8_lossy(&content), self.files.link().as_deref());
        let target = self.files.target().display();
        self.note(vec![format!(
            "{target} was changed by {}, so programs do not find the names of the circle; `ringmesh down` and `up` take it over again",
            keeper.unwrap_or("another program")
        )]);
        // Whoever changed it has its own idea of whom to ask; until nobody asks us any more, we go on as before.
        self.wired = Wired::Overruled(link);
    }

    fn use_upstreams(&self, link: &Link) {
        let mut servers = self.files.settings_before().upstreams(crate::os::tun::named_index);
        servers.retain(|server| !link.servers.contains(&server.ip()));
        self.outputs.upstreams.send_if_modified(|upstreams| {
            let new = upstreams.as_ref().is_none_or(|upstreams| upstreams.servers() != servers);
            if new {
                *upstreams = Some(Arc::new(Upstreams::new(servers)));
            }
            new
        });
    }

    async fn unwire(&mut self) {
        if let Wired::Resolved(resolved, link) = &self.wired {
            resolved.revert(link.index).await;
        }
        self.wired = Wired::No;
        let left = self.give_back();
        self.outputs.upstreams.send_replace(None);
        self.note(left);
    }

    fn give_back(&self) -> Vec<String> {
        give_back(&self.files).into_iter().collect()
    }
}

/// Gives `resolv.conf` back if it is ours; a sentence where the user should know what became of it.
pub(crate) fn give_back(files: &Files) -> Option<String> {
    let (target, kept) = (files.target().display(), files.kept().display());
    match files.give_back() {
        Ok(GivenBack::NotTaken | GivenBack::Restored) => None,
        Ok(GivenBack::Replaced) => {
            // Said where it happens; later it is of no use to anybody.
            tracing::warn!("{target} was changed by another program while it was ours, and stays as it is");
            None
        }
        Ok(GivenBack::Edited) => Some(format!(
            "{target} was written by ringmesh and edited since, so it was left alone; what stood there before is in {kept}"
        )),
        Ok(GivenBack::Lost) => Some(format!(
            "{target} was written by ringmesh and the copy of what stood there before is gone; write the nameservers of your network into it"
        )),
        Err(error) => {
            Some(format!("{target} could not be given back: {error}; what stood there before is in {kept}"))
        }
    }
}

fn shown(servers: &[IpAddr]) -> String {
    servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}
