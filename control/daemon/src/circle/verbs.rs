//! What each question does.

mod life;
mod look;
mod members;
mod naming;
mod permit;
mod ping;

use ringmesh_api::circle::{Code, Done, Refusal};
use ringmesh_mesh::circle::Circle;
use ringmesh_mesh::identity::DeviceId;
use ringmesh_mesh::record::Role;
use ringmesh_mesh::roster::Roster;
use tokio::sync::oneshot;

use super::active::Active;
use super::ask::{Answer, Ask, answer};
use super::membership::Cannot;
use super::run::Daemon;
use super::store::StoreProblem;

impl From<StoreProblem> for Refusal {
    fn from(problem: StoreProblem) -> Self {
        Self::new(Code::Storage, problem.to_string())
    }
}

impl From<Cannot> for Refusal {
    fn from(cannot: Cannot) -> Self {
        let code = match cannot {
            Cannot::NoMember => Code::NotUp,
            Cannot::Code(_) => Code::Invite,
            Cannot::Secret(_) | Cannot::Store(_) | Cannot::Broken(_) => Code::Storage,
        };
        Self::new(code, cannot.to_string())
    }
}

impl Daemon {
    /// Does what is asked. None if the answer comes later.
    pub(super) async fn do_ask(
        &mut self,
        ask: Ask,
        reply: oneshot::Sender<Answer>,
    ) -> Option<(oneshot::Sender<Answer>, Answer)> {
        let answer = match ask {
            Ask::Join(join) => return self.join(join, reply).await,
            Ask::Wait(wait) => return self.wait(wait, reply),
            Ask::Ping(ping) => return self.ping(&ping, reply),
            Ask::Up(up) => self.up(up).await.and_then(answer),
            Ask::Invite(invite) => self.invite(&invite).await.and_then(answer),
            Ask::Cancel(cancel) => self.cancel(&cancel).await.and_then(answer),
            Ask::Rename(rename) => self.rename(&rename).await.and_then(answer),
            Ask::Nickname(nickname) => self.nickname(&nickname).await.and_then(answer),
            Ask::Remove(remove) => self.remove(&remove).await.and_then(answer),
            Ask::Leave(leave) => self.leave(leave).await.and_then(answer),
            Ask::Confirm(confirm) => self.confirm(&confirm).await.and_then(answer),
            Ask::Admin(admin) => self.admin(&admin).await.and_then(answer),
            Ask::Recover(recover) => self.recover(&recover).await.and_then(answer),
            Ask::KeyRotate => self.key_rotate().await.and_then(answer),
            Ask::Down(down) => self.down(down).await.and_then(answer),
            Ask::Status => answer(self.status()),
            Ask::Peers => self.peers().and_then(answer),
            Ask::Whois(whois) => self.whois(&whois).and_then(answer),
            Ask::Log(log) => self.log(log).and_then(answer),
            Ask::Allow(allow) => self.allow(&allow).await.and_then(answer),
            Ask::Deny(deny) => self.deny(&deny).await.and_then(answer),
            Ask::Can(can) => self.can(&can).await.and_then(answer),
            Ask::Permissions => self.permissions().and_then(answer),
        };
        Some((reply, answer))
    }

    /// The circle that is up.
    fn up_circle(&mut self) -> Result<&mut Active, Refusal> {
        let none = Refusal::new(Code::NotUp, "no circle is up on this device");
        self.active.as_mut().ok_or_else(|| none.fix("`ringmesh up` founds one, `ringmesh join` joins one"))
    }

    /// The circle that is up and that this device belongs to.
    fn own_circle(&mut self) -> Result<&mut Active, Refusal> {
        let active = self.up_circle()?;
        match active.membership.role() {
            Some(_) => Ok(active),
            None if active.membership.is_removed() => Err(Refusal::new(
                Code::NotUp,
                format!("this device was removed from the circle {}", active.membership.name),
            )
            .fix("`ringmesh leave` forgets the circle on this device")),
            None => Err(Refusal::new(
                Code::NotUp,
                format!("this device does not belong to the circle {} yet", active.membership.name),
            )
            .fix("`ringmesh wait` waits until it does")),
        }
    }

    /// The same, as an admin.
    fn as_admin(&mut self) -> Result<&mut Active, Refusal> {
        let active = self.own_circle()?;
        if active.membership.role() == Some(Role::Admin) {
            return Ok(active);
        }
        let admins = active.membership.roster().map(|roster| {
            roster.admins().iter().map(|admin| admin.name.to_string()).collect::<Vec<_>>().join(", ")
        });
        let refusal = Refusal::new(Code::NotAdmin, "only an admin of the circle may do that");
        Err(match admins {
            Some(admins) if !admins.is_empty() => refusal.fix(format!("do it on one of: {admins}")),
            _ => refusal.fix("there is none any more: `ringmesh recover` names one with the recovery key"),
        })
    }
}

/// Circle and roster of a circle that this device belongs to.
fn known(active: &Active) -> Result<(&Circle, &Roster), Refusal> {
    let circle = active.membership.circle.as_ref();
    circle
        .map(|circle| (circle, circle.roster()))
        .ok_or_else(|| Refusal::new(Code::NotUp, "nothing is known of the circle yet"))
}

/// Shortest beginning of a key that names a device.
const KEY_CHARS_MIN: usize = 6;

/// The member that is meant by a name, nickname, mesh address, or the beginning of a key.
fn find(active: &Active, text: &str) -> Result<DeviceId, Refusal> {
    let (_, roster) = known(active)?;
    let text = text.trim().to_lowercase();
    let nicknamed = active.membership.nicknames.iter().find(|(_, nickname)| **nickname == text);
    let nicknamed = nicknamed.map(|(device, _)| *device).filter(|device| roster.is_member(device));
    let by_name = || roster.by_name(&text).map(|member| member.device);
    let by_address = || roster.by_address(text.parse().ok()?).map(|member| member.device);
    if let Some(device) = nicknamed.or_else(by_name).or_else(by_address) {
        return Ok(device);
    }
    let begins = |device: &&DeviceId| text.len() >= KEY_CHARS_MIN && device.to_string().starts_with(&text);
    let mut found = roster.members.keys().filter(begins);
    match (found.next(), found.next()) {
        (Some(device), None) => Ok(*device),
        (Some(_), Some(_)) => Err(Refusal::new(Code::Unknown, format!("several keys begin with {text}"))),
        (None, _) => Err(Refusal::new(
            Code::Unknown,
            format!("nobody in the circle {} is called {}", roster.name, text.escape_debug()),
        )
        .fix("`ringmesh peers` lists everybody")),
    }
}

fn done(sentence: impl Into<String>) -> Result<Done, Refusal> {
    Ok(Done { sentence: sentence.into() })
}
