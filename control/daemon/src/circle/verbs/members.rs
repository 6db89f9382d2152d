//! Who belongs to the circle, as what, and under which name.
#![expect(clippy::wildcard_enum_match_arm, reason = "few records are about membership")]

use ringmesh_api::circle::life::{
    Admin, Cancel, Confirm, Invite, Invited, Nickname, Recover, Remove, Rename,
};
use ringmesh_api::circle::{Code, Done, Refusal};
use ringmesh_mesh::identity::{DeviceId, SigningKey, UseId};
use ringmesh_mesh::invite::{self, Wanted};
use ringmesh_mesh::name::Label;
use ringmesh_mesh::record::{Admit, Body, Revoke, Role, Scope};
use zeroize::Zeroizing;

use super::life::label;
use super::{done, find, known};
use crate::circle::active::Active;
use crate::circle::random;
use crate::circle::run::Daemon;
use crate::circle::store::Setting;
use crate::os::clock::wall_secs;

impl Active {
    /// Writes records of ours, and does what follows from them.
    pub(super) async fn write(&mut self, bodies: impl IntoIterator<Item = Body>) -> Result<(), Refusal> {
        let ingested = self.membership.write(wall_secs(), bodies)?;
        self.after(ingested).await;
        Ok(())
    }
}

impl Daemon {
    pub(super) async fn invite(&mut self, invite: &Invite) -> Result<Invited, Refusal> {
        let active = self.as_admin()?;
        let now = wall_secs();
        let expires = now.saturating_add(invite.for_secs);
        let wanted =
            Wanted { guest: invite.guest, uses: invite.uses, expires, beacons: active.pinned_beacons() };
        let membership = &active.membership;
        let code =
            invite::Code::new(random(), membership.id, membership.name.clone(), membership.me(), now, wanted);
        let code = code.map_err(|bad| Refusal::new(Code::Usage, bad.to_string()))?;
        active.write([Body::Invite(code.record())]).await?;
        active.offer(&code);
        Ok(Invited {
            code: code.text().to_string(),
            link: code.link().to_string(),
            guest: code.is_guest(),
            uses: code.uses(),
            expires_secs: code.expires(),
            id: code.id().to_string(),
        })
    }

    pub(super) async fn cancel(&mut self, cancel: &Cancel) -> Result<Done, Refusal> {
        let active = self.as_admin()?;
        let (_, roster) = known(active)?;
        let begins =
            |id: &&UseId| cancel.id.len() >= 6 && id.to_string().starts_with(&cancel.id.to_lowercase());
        let mut found = roster.invites.keys().filter(begins);
        let id = match (found.next(), found.next()) {
            (Some(id), None) => *id,
            (Some(_), Some(_)) => return Err(Refusal::new(Code::Unknown, "several invites begin with that")),
            (None, _) => return Err(Refusal::new(Code::Unknown, "no invite begins with that")),
        };
        active.write([Body::Revoke(Revoke::Invite(id))]).await?;
        active.withdraw(id);
        done("The invite admits nobody any more; who has used it already stays until removed")
    }

    pub(super) async fn rename(&mut self, rename: &Rename) -> Result<Done, Refusal> {
        let name = label(&rename.name)?;
        self.own_circle()?;
        self.call_ourselves(name.clone()).await?;
        let active = self.own_circle()?;
        let called = super::life::called(active);
        if called == name.as_str() {
            done(format!("This device is called {called} now"))
        } else {
            done(format!("Somebody is called {name} already, so this device is called {called} now"))
        }
    }

    /// Says what we want to be called, if that is new.
    pub(super) async fn call_ourselves(&mut self, name: Label) -> Result<(), Refusal> {
        let active = self.up_circle()?;
        let membership = &active.membership;
        if membership.own().is_none_or(|own| own.chosen.as_ref() == Some(&name)) {
            return Ok(());
        }
        self.check_name(&name, true).await?;
        let active = self.up_circle()?;
        let membership = &active.membership;
        let key = membership.next_wireguard.as_ref().unwrap_or(&membership.wireguard);
        let profile = membership.profile(name.clone(), key);
        active.write([profile]).await?;
        active.membership.store.set(Setting::Name, name.as_str())?;
        Ok(())
    }

    pub(super) async fn nickname(&mut self, nickname: &Nickname) -> Result<Done, Refusal> {
        let active = self.own_circle()?;
        let device = find(active, &nickname.peer)?;
        let (_, roster) = known(active)?;
        let called = roster.call(&device);
        let Some(text) = &nickname.nickname else {
            active.membership.store.set_nickname(&device, None)?;
            active.membership.nicknames.remove(&device);
            active.name_devices();
            return done(format!("{called} has no nickname on this device any more"));
        };
        let name = label(text)?;
        let taken = roster.by_name(name.as_str()).is_some_and(|member| member.device != device);
        let mut others = active.membership.nicknames.iter().filter(|(other, _)| **other != device);
        if taken || others.any(|(_, other)| other == name.as_str()) {
            return Err(Refusal::new(Code::Exists, format!("somebody else is called {name} already")));
        }
        self.check_name(&name, false).await?;
        let active = self.own_circle()?;
        let (_, roster) = known(active)?;
        let called = roster.call(&device);
        active.membership.store.set_nickname(&device, Some(name.as_str()))?;
        active.membership.nicknames.insert(device, name.to_string());
        active.name_devices();
        done(format!("On this device, {called} is called {name} too"))
    }

    pub(super) async fn remove(&mut self, remove: &Remove) -> Result<Done, Refusal> {
        let active = self.as_admin()?;
        let device = find(active, &remove.peer)?;
        if device == active.membership.me() {
            return Err(Refusal::new(Code::Usage, "a device does not remove itself")
                .fix("`ringmesh leave` leaves the circle"));
        }
        let (circle, roster) = known(active)?;
        let called = roster.call(&device);
        let name = roster.name.clone();
        let last = if remove.distrust_all { None } else { circle.place(&device).after };
        let end = Body::Revoke(Revoke::Device { device, scope: Scope::Membership, last });
        active.write([end]).await?;
        done(format!("{called} does not belong to the circle {name} any more; its connections are cut"))
    }

    pub(super) async fn confirm(&mut self, confirm: &Confirm) -> Result<Done, Refusal> {
        let active = self.as_admin()?;
        let (_, roster) = known(active)?;
        let text = confirm.peer.to_lowercase();
        let mut found = roster.waiting.iter().filter(|(device, waiting)| {
            let named = waiting.name.as_ref().is_some_and(|name| name.as_str() == text);
            named || (text.len() >= 6 && device.to_string().starts_with(&text))
        });
        let (device, guest) = match (found.next(), found.next()) {
            (Some((device, waiting)), None) => {
                (*device, roster.invites.get(&waiting.invite).is_none_or(|invite| invite.guest))
            }
            (Some(_), Some(_)) => {
                return Err(Refusal::new(
                    Code::Unknown,
                    "several devices that wait are called that; use the key",
                ));
            }
            (None, _) => return Err(Refusal::new(Code::Unknown, "no device that waits is called that")),
        };
        // An invite for guests never makes an own device.
        let role = if guest { Role::Guest } else { Role::Member };
        let called = roster.call(&device);
        active.write([Body::Admit(Admit { device, role })]).await?;
        done(format!("{called} belongs to the circle now, as {role}"))
    }

    pub(super) async fn admin(&mut self, admin: &Admin) -> Result<Done, Refusal> {
        let active = self.as_admin()?;
        let device = find(active, &admin.peer)?;
        let (circle, roster) = known(active)?;
        let called = roster.call(&device);
        let is = roster.is_admin(&device);
        if admin.admin {
            if is {
                return done(format!("{called} is an admin already"));
            }
            active.write([Body::Admit(Admit { device, role: Role::Admin })]).await?;
            let (_, roster) = known(active)?;
            if roster.is_admin(&device) {
                return done(format!("{called} is an admin now"));
            }
            return Err(never_again(&called));
        }
        if !is {
            return Err(Refusal::new(Code::Usage, format!("{called} is no admin")));
        }
        if roster.admins().len() == 1 {
            return Err(Refusal::new(Code::NotAllowed, format!("{called} is the only admin"))
                .fix("name another one first"));
        }
        let last = circle.place(&device).after;
        active.write([Body::Revoke(Revoke::Device { device, scope: Scope::Admin, last })]).await?;
        done(format!("{called} is no admin any more"))
    }

    pub(super) async fn recover(&mut self, recover: &Recover) -> Result<Done, Refusal> {
        let active = self.own_circle()?;
        let (circle, roster) = known(active)?;
        let name = roster.name.clone();
        let key = recovery_key(&recover.key).filter(|key| key.device() == roster.recovery);
        let Some(key) = key else {
            return Err(Refusal::new(
                Code::Usage,
                format!("this is not the recovery key of the circle {name}"),
            ));
        };
        let (body, sentence) = match (&recover.admin, &recover.remove) {
            (Some(_), Some(_)) => {
                return Err(Refusal::new(Code::Usage, "name an admin or remove one, not both at once"));
            }
            (_, Some(peer)) => {
                let device = find(active, peer)?;
                let last = circle.place(&device).after;
                let end = Revoke::Device { device, scope: Scope::Membership, last };
                (
                    Body::Revoke(end),
                    format!("{} does not belong to the circle {name} any more", roster.call(&device)),
                )
            }
            (peer, None) => {
                let me = active.membership.me();
                let device: DeviceId = peer.as_deref().map_or(Ok(me), |peer| find(active, peer))?;
                let admit = Admit { device, role: Role::Admin };
                (Body::Admit(admit), format!("{} is an admin of the circle {name} now", roster.call(&device)))
            }
        };
        let named = match &body {
            Body::Admit(admit) => Some(admit.device),
            _ => None,
        };
        let ingested = active.membership.write_as(&key, wall_secs(), [body])?;
        active.after(ingested).await;
        let (_, roster) = known(active)?;
        match named.filter(|device| !roster.is_admin(device)) {
            None => done(sentence),
            Some(device) => Err(never_again(&roster.call(&device))),
        }
    }

    pub(super) async fn key_rotate(&mut self) -> Result<Done, Refusal> {
        let active = self.own_circle()?;
        let ingested = active.membership.rotate(wall_secs())?;
        active.after(ingested).await;
        active.switch_soon();
        done(
            "This device has a new WireGuard key; devices that are offline now hear of it when they are back",
        )
    }
}

fn never_again(called: &str) -> Refusal {
    let sentence = format!("{called} was removed from the admins once, and that is for good");
    Refusal::new(Code::NotAllowed, sentence)
        .fix("name another device, or let it join again with a new identity")
}

/// The recovery key as people keep it: its seed in hexadecimal digits, in groups.
pub(super) fn recovery_text(key: &SigningKey) -> String {
    let mut text = String::with_capacity(80);
    for (at, byte) in key.expose().iter().enumerate() {
        if at > 0 && at % 4 == 0 {
            text.push('-');
        }
        text.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
    }
    text
}

fn recovery_key(text: &str) -> Option<SigningKey> {
    let digits: Zeroizing<Vec<u8>> = Zeroizing::new(
        text.chars()
            .filter(|c| *c != '-' && !c.is_whitespace())
            .filter_map(|c| Some(c.to_digit(16)? as u8))
            .collect(),
    );
    let odd = text.chars().any(|c| c != '-' && !c.is_whitespace() && !c.is_ascii_hexdigit());
    if odd || digits.len() != 64 {
        return None;
    }
    let mut seed = Zeroizing::new([0; 32]);
    seed.iter_mut().zip(digits.chunks(2)).for_each(|(byte, pair)| *byte = pair[0] << 4 | pair[1]);
    Some(SigningKey::from_seed(&seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_key_reads_as_it_was_printed_and_nothing_else_does() {
        let key = SigningKey::from_seed(&[0xa7; 32]);
        let text = recovery_text(&key);
        assert_eq!(text.len(), 64 + 7);
        for spelled in [text.clone(), text.to_uppercase(), text.replace('-', " "), format!(" {text}\n")] {
            assert_eq!(recovery_key(&spelled).expect("reads").device(), key.device());
        }
        for wrong in ["", "abc", &text[1..], &format!("{text}0"), &text.replace('a', "g")] {
            assert!(recovery_key(wrong).is_none(), "{wrong}");
        }
    }
}
