//! A circle begins, goes on and ends on this device.

use std::time::Duration;

use ringmesh_api::circle::life::{Down, Join, Joined, Leave, Up, Upped};
use ringmesh_api::circle::{Code, Done, Refusal};
use ringmesh_mesh::address::Ipv4Block;
use ringmesh_mesh::beacon::place::BeaconUrl;
use ringmesh_mesh::identity::SigningKey;
use ringmesh_mesh::invite;
use ringmesh_mesh::limits::BEACONS_MAX;
use ringmesh_mesh::name::Label;
use ringmesh_mesh::record::{Body, Revoke, Role, Scope};
use tokio::sync::oneshot;

use super::{done, known};
use crate::circle::active::Active;
use crate::circle::ask::{Answer, answer};
use crate::circle::membership::Membership;
use crate::circle::paths::ifname;
use crate::circle::random;
use crate::circle::run::{Condition, Daemon, Waiter};
use crate::circle::store::Setting;
use crate::circle::tunnel::Tunnel;
use crate::os::clock::{boottime, wall_secs};
use crate::os::interfaces::Interface;

/// What a circle is called unless somebody says otherwise.
const CIRCLE_DEFAULT: &str = "home";
/// Longest wait that a question may ask for, in seconds.
const WAIT_SECS_MAX: u64 = 3600;
/// How long a device that leaves waits for others to hear of it.
const FAREWELL: Duration = Duration::from_millis(300);

impl Daemon {
    pub(super) async fn up(&mut self, up: Up) -> Result<Upped, Refusal> {
        let name = up.name.as_deref().map(label).transpose()?;
        let asked = up.circle.as_deref().map(label).transpose()?;
        let beacons = beacons(&up.beacons)?;
        if let Some(active) = &self.active {
            let ours = &active.membership.name;
            if asked.as_ref().is_some_and(|asked| asked != ours) {
                let sentence =
                    format!("the circle {ours} is up, and a device takes part in one circle at a time");
                return Err(Refusal::new(Code::Exists, sentence).fix("run `ringmesh down` first"));
            }
            return self.upped(false, None, name, &beacons).await;
        }
        let there = self.circles();
        let circle = match asked {
            Some(asked) => asked,
            None if there.len() == 1 => there[0].clone(),
            None => label(CIRCLE_DEFAULT)?,
        };
        match Membership::load(&self.paths, &circle)? {
            Some(mut membership) => {
                membership.store.set(Setting::Up, "1")?;
                self.take_part(membership).await?;
                self.upped(false, None, name, &beacons).await
            }
            None if up.resume_only => {
                let sentence = format!("this device belongs to no circle that is called {circle}");
                Err(Refusal::new(Code::NotUp, sentence).fix(
                    "`ringmesh up` at a terminal, or with --json, founds one and shows its recovery key",
                ))
            }
            None => {
                Self::check_circle_name(&circle)?;
                if let Some(name) = &name {
                    self.check_name(name, true).await?;
                }
                let name = name.unwrap_or_else(own_name);
                let block = free_block(&self.interfaces);
                let (membership, recovery) =
                    Membership::found(&self.paths, &circle, &name, block, wall_secs())?;
                self.take_part(membership).await?;
                self.upped(true, Some(recovery), None, &beacons).await
            }
        }
    }

    async fn take_part(&mut self, membership: Membership) -> Result<(), Refusal> {
        self.broken.clear();
        match self.activate(membership).await {
            None => Ok(()),
            Some(sentence) => {
                Err(Refusal::new(Code::System, sentence).fix("`ringmesh doctor` says what is missing"))
            }
        }
    }

    async fn upped(
        &mut self,
        founded: bool,
        recovery: Option<SigningKey>,
        rename: Option<Label>,
        beacons: &[BeaconUrl],
    ) -> Result<Upped, Refusal> {
        if let Some(name) = rename {
            self.call_ourselves(name).await?;
        }
        let active = self.up_circle()?;
        if !beacons.is_empty() {
            active.membership.set_beacons(beacons)?;
            active.use_beacons(beacons);
        }
        let blocked = active.blocked_at_all().await;
        let membership = &active.membership;
        Ok(Upped {
            circle: membership.name.to_string(),
            name: called(active),
            founded,
            recovery_key: recovery.map(|key| super::members::recovery_text(&key)),
            addresses: addresses(active),
            notes: active.notes.iter().cloned().chain(active.naming_notes()).chain(blocked).collect(),
        })
    }

    pub(super) async fn join(
        &mut self,
        join: Join,
        reply: oneshot::Sender<Answer>,
    ) -> Option<(oneshot::Sender<Answer>, Answer)> {
        match self.begin_join(&join).await {
            Err(refusal) => Some((reply, Err(refusal))),
            Ok(()) => {
                let secs = join.wait_secs.min(WAIT_SECS_MAX);
                let until = boottime() + Duration::from_secs(secs);
                self.waiters.push(Waiter { reply, condition: Condition::Joined, until });
                None
            }
        }
    }

    async fn begin_join(&mut self, join: &Join) -> Result<(), Refusal> {
        let code: invite::Code =
            join.code.parse().map_err(|bad: invite::BadCode| Refusal::new(Code::Invite, bad.to_string()))?;
        let name = join.name.as_deref().map(label).transpose()?.unwrap_or_else(own_name);
        if join.name.is_some() {
            self.check_name(&name, true).await?;
        }
        let now = wall_secs();
        if let Some(active) = &self.active {
            let membership = &active.membership;
            // Asked again, or while it goes on: the same joining.
            if membership.id == code.circle() && membership.role().is_none() && !membership.is_removed() {
                return Ok(());
            }
            let check = code.check(&membership.me(), membership.roster(), now);
            check.map_err(|cannot| Refusal::new(Code::Invite, cannot.to_string()))?;
            let sentence = format!(
                "the circle {} is up, and a device takes part in one circle at a time",
                membership.name
            );
            return Err(Refusal::new(Code::Exists, sentence).fix("run `ringmesh down` first"));
        }
        let unused = ringmesh_mesh::identity::DeviceId([0; 32]);
        code.check(&unused, None, now).map_err(|cannot| Refusal::new(Code::Invite, cannot.to_string()))?;
        if let Some(there) = Membership::load(&self.paths, code.name())? {
            let sentence = if there.id == code.circle() {
                format!("this device belongs to the circle {} already", there.name)
            } else {
                format!("this device belongs to another circle that is called {}", there.name)
            };
            return Err(Refusal::new(Code::Exists, sentence)
                .fix("`ringmesh up` takes it up, `ringmesh leave` ends that"));
        }
        let membership = Membership::join(&self.paths, code, &name, now)?;
        self.take_part(membership).await
    }

    /// Answers everybody whose wait is over.
    pub(in crate::circle) fn answer_waiters(&mut self) {
        let now = boottime();
        let waiting = std::mem::take(&mut self.waiters);
        for waiter in waiting {
            match self.settle(&waiter.condition, now >= waiter.until) {
                Some(answer) => drop(waiter.reply.send(answer)),
                None if waiter.reply.is_closed() => {}
                None => self.waiters.push(waiter),
            }
        }
    }

    fn settle(&self, condition: &Condition, over: bool) -> Option<Answer> {
        let Some(active) = &self.active else {
            return Some(Err(Refusal::new(Code::NotUp, "no circle is up on this device")));
        };
        match condition {
            Condition::Joined => {
                let member = active.membership.role().is_some();
                let removed = active.membership.is_removed();
                (member || over || removed).then(|| answer(joined(active)))
            }
            Condition::Online(peer) => super::look::settle_online(active, peer.as_deref(), over),
        }
    }

    /// This device takes no part until the next `up`; also one that failed half way is ended, and one that waits to be tried
    /// again is not. If asked for, the daemon ends too.
    pub(super) async fn down(&mut self, down: Down) -> Result<Done, Refusal> {
        let name = if let Some(active) = &mut self.active {
            active.membership.store.set(Setting::Up, "0")?;
            Some(active.membership.name.clone())
        } else {
            self.call_off().await?
        };
        if let Some(active) = self.active.take() {
            active.end().await;
        }
        if name.is_none() && !down.daemon {
            self.up_circle()?;
        }
        self.ending = down.daemon;
        let too = if down.daemon { ", and the daemon has ended" } else { "" };
        done(match name {
            Some(name) => format!("The circle {name} is down on this device{too}"),
            None => "The daemon has ended".to_owned(),
        })
    }

    pub(super) async fn leave(&mut self, leave: Leave) -> Result<Done, Refusal> {
        if self.active.is_none() && leave.force {
            return self.forget().await;
        }
        let active = self.up_circle()?;
        let name = active.membership.name.clone();
        if let Some(role) = active.membership.role() {
            let (circle, roster) = known(active)?;
            let me = active.membership.me();
            if role == Role::Admin && roster.admins().len() == 1 && roster.members.len() > 1 && !leave.force {
                let sentence = "this device is the only admin of the circle; without one nobody can be let in or removed";
                return Err(Refusal::new(Code::NotAllowed, sentence)
                    .fix("name another with `ringmesh admin add PEER`, or leave with --force"));
            }
            let last = circle.place(&me).after;
            let end = Body::Revoke(Revoke::Device { device: me, scope: Scope::Membership, last });
            let ingested = active.membership.write(wall_secs(), [end])?;
            active.say(&ingested);
            tokio::time::sleep(FAREWELL).await;
        }
        if let Some(active) = self.active.take() {
            active.end().await.erase();
        }
        done(format!("This device has left the circle {name} and forgotten it"))
    }
}

impl Daemon {
    /// Gives up the circle that should be up and waits to be tried again. Gives its name, if there is one.
    async fn call_off(&mut self) -> Result<Option<Label>, Refusal> {
        if self.retry.is_none() {
            return Ok(None);
        }
        for name in self.circles() {
            // What cannot be read does not wait; it was told when the daemon began.
            let Ok(Some(mut membership)) = Membership::load(&self.paths, &name) else { continue };
            if membership.store.setting(Setting::Up)?.as_deref() == Some("1") {
                membership.store.set(Setting::Up, "0")?;
                self.retry = None;
                self.broken.clear();
                self.end_what_is_left(&name).await;
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// Forgets the one circle that is not up, also one that cannot be taken up any more. Nobody hears of it.
    async fn forget(&mut self) -> Result<Done, Refusal> {
        let circles = self.circles();
        let [name] = &circles[..] else {
            let sentence = format!("this device has {} circles that are not up", circles.len());
            return Err(
                Refusal::new(Code::Usage, sentence).fix("take up the one that is meant with the verb `up`")
            );
        };
        Tunnel::new(ifname(name)).end().await;
        crate::circle::membership::erase(&self.paths.circle(name));
        self.broken.clear();
        done(format!(
            "This device has forgotten the circle {name}; its other devices do not know that, and may remove it"
        ))
    }
}

/// Addresses of beacons as a person typed them.
fn beacons(texts: &[String]) -> Result<Vec<BeaconUrl>, Refusal> {
    if texts.len() > BEACONS_MAX {
        return Err(Refusal::new(Code::Usage, format!("a circle uses at most {BEACONS_MAX} beacons")));
    }
    let read = |text: &String| {
        text.parse()
            .map_err(|bad: ringmesh_mesh::beacon::place::BadUrl| Refusal::new(Code::Usage, bad.to_string()))
    };
    texts.iter().map(read).collect()
}

/// A name as a person typed it, or what is wrong with it.
pub(super) fn label(text: &str) -> Result<Label, Refusal> {
    text.to_lowercase().parse().map_err(|bad: ringmesh_mesh::name::BadLabel| {
        Refusal::new(Code::Usage, format!("`{}` is no name: {bad}", text.escape_debug()))
    })
}

/// What this machine calls itself.
fn own_name() -> Label {
    let uname = rustix::system::uname();
    let host = uname.nodename().to_string_lossy();
    Label::from_hostname(&host).unwrap_or_else(|| "device".parse().expect("this is a name"))
}

/// A block of 16 bits that no interface of this machine has an address of, drawn at random.
fn free_block(interfaces: &[Interface]) -> Ipv4Block {
    let [first] = random::<1>();
    let ips: Vec<_> = interfaces
        .iter()
        .flat_map(|interface| &interface.addresses)
        .filter_map(|ip| match ip {
            std::net::IpAddr::V4(v4) => Some(*v4),
            std::net::IpAddr::V6(_) => None,
        })
        .collect();
    let free = |block: &Ipv4Block| !ips.iter().any(|ip| block.contains(*ip));
    let mut blocks = (0..64).map(|step| Ipv4Block::sixteen(first.wrapping_add(step)));
    blocks.find(free).unwrap_or_else(|| Ipv4Block::sixteen(first))
}

/// What this device is called, or wants to be.
pub(super) fn called(active: &Active) -> String {
    let own = active.membership.own().map(|own| own.name.to_string());
    let wanted = || active.membership.store.setting(Setting::Name).ok().flatten();
    own.or_else(wanted).unwrap_or_default()
}

/// This device's mesh addresses.
pub(super) fn addresses(active: &Active) -> Vec<String> {
    let v4 = active.membership.own().and_then(|own| own.ipv4).map(|ip| ip.to_string());
    v4.into_iter().chain([active.membership.ipv6().to_string()]).collect()
}

fn joined(active: &Active) -> Joined {
    let membership = &active.membership;
    let role = membership.role();
    let waits_for =
        match (role, membership.roster()) {
            (Some(_), _) => None,
            (None, Some(_)) if membership.is_removed() => {
                Some("this device was removed from the circle".to_owned())
            }
            (None, Some(roster)) => {
                let waiting = roster.waiting.get(&membership.me());
                Some(waiting.map_or_else(
                    || "its admission to arrive".to_owned(),
                    |waiting| waiting.reason.to_string(),
                ))
            }
            (None, None) => Some("a member or beacon that answers".to_owned()),
        };
    Joined {
        circle: membership.name.to_string(),
        name: called(active),
        member: role.is_some(),
        role: role.map(|role| role.to_string()),
        addresses: addresses(active),
        waits_for,
    }
}
