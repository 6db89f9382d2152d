//! What others may do to this device.

use ringmesh_api::circle::permit::{Allow, Can, CanAnswer, Deny, Permission, Permissions, Permitted};
use ringmesh_api::circle::{Code, Refusal};
use ringmesh_mesh::identity::DeviceId;
use ringmesh_mesh::permission::{Because, Effective, effective, preview};
use ringmesh_mesh::record::{Body, Effect, Grant, Proto, TIME_MAX, What};

use super::{find, known};
use crate::circle::active::Active;
use crate::circle::run::Daemon;
use crate::filter::{FILES_PORT, RESOLVER_PORT, Transport};
use crate::os::clock::wall_secs;

/// Runs `look` on what holds now, by a clock that never goes back.
fn now<T>(active: &mut Active, look: impl FnOnce(&Effective<'_>) -> T) -> Result<T, Refusal> {
    let mut mark = active.membership.mark;
    let (_, roster) = known(active)?;
    let seen = look(&effective(roster, wall_secs(), &mut mark));
    active.membership.mark = mark;
    Ok(seen)
}

impl Daemon {
    pub(super) async fn allow(&mut self, allow: &Allow) -> Result<Permitted, Refusal> {
        let active = self.own_circle()?;
        let now = now(active, |now| now.now())?;
        let until = match allow.for_secs {
            Some(0) => return Err(Refusal::new(Code::Usage, "a permission lasts at least a second")),
            Some(secs) => Some(now.saturating_add(secs - 1).min(TIME_MAX)),
            None => None,
        };
        self.permit(&allow.peer, &allow.what, Effect::Allow { until }, allow.preview).await
    }

    pub(super) async fn deny(&mut self, deny: &Deny) -> Result<Permitted, Refusal> {
        self.permit(&deny.peer, &deny.what, Effect::Deny, deny.preview).await
    }

    async fn permit(
        &mut self,
        peer: &str,
        text: &str,
        effect: Effect,
        only_preview: bool,
    ) -> Result<Permitted, Refusal> {
        let active = self.own_circle()?;
        let to = find(active, peer)?;
        let what = what(text)?;
        let me = active.membership.me();
        if to == me {
            return Err(Refusal::new(Code::Usage, "a device may always reach itself"));
        }
        let grant = Grant { to, what, effect };
        let preview = now(active, |now| preview(now, &me, &grant))?;
        if only_preview {
            return Ok(Permitted { preview, made: false, blocked: vec![] });
        }
        active.write([Body::Grant(grant)]).await?;
        match active.guard_problem() {
            None => Ok(Permitted { preview, made: true, blocked: blocked(active, &to, what).await }),
            Some(problem) => {
                let sentence =
                    format!("this is written down, but the tunnel is closed until it can be held: {problem}");
                Err(Refusal::new(Code::System, sentence))
            }
        }
    }

    pub(super) async fn can(&mut self, can: &Can) -> Result<CanAnswer, Refusal> {
        let active = self.up_circle()?;
        let from = find(active, &can.from)?;
        let (host, port) = target(&can.target)?;
        let to: DeviceId = if host.is_empty() { active.membership.me() } else { find(active, &host)? };
        let what = match (&can.what, port) {
            (Some(_), Some(_)) => {
                return Err(Refusal::new(Code::Usage, "ask about a port or a permission, not both at once"));
            }
            (Some(text), None) => what(text)?,
            (None, Some(port)) => port,
            (None, None) => What::Reach,
        };
        let mut answer = now(active, |now| {
            let verdict = now.can(&from, &to, what);
            let record = match verdict.because {
                Because::Granted { granted, .. } => Some(granted.record.to_string()),
                Because::Default(_) | Because::NoMember(_) | Because::Itself => None,
            };
            let sentence = now.sentence(&from, &to, what, &verdict);
            CanAnswer {
                allowed: verdict.allowed,
                until_secs: verdict.until,
                sentence,
                record,
                blocked: vec![],
            }
        })?;
        // Rules of other devices are not known here.
        if answer.allowed && to == active.membership.me() && from != to {
            answer.blocked = blocked(active, &from, what).await;
        }
        Ok(answer)
    }

    pub(super) fn permissions(&mut self) -> Result<Permissions, Refusal> {
        let active = self.own_circle()?;
        let me = active.membership.me();
        now(active, |now| {
            let lines = now.table(&me).into_iter().map(|line| Permission {
                from: now.roster().call(&line.from),
                to: now.roster().call(&line.to),
                what: line.what.to_string(),
                allowed: line.verdict.allowed,
                until_secs: line.verdict.until,
                sentence: line.sentence,
            });
            Permissions { lines: lines.collect() }
        })
    }
}

/// What keeps a permission from having effect, one sentence each.
async fn blocked(active: &Active, from: &DeviceId, what: What) -> Vec<String> {
    let transports = match what {
        What::Reach => vec![Transport::Echo, Transport::Tcp(None), Transport::Udp(None)],
        What::Port(Proto::Tcp, port) => vec![Transport::Tcp(Some(port))],
        What::Port(Proto::Udp, port) => vec![Transport::Udp(Some(port))],
        What::Ssh => vec![Transport::Tcp(Some(22))],
        What::Files => vec![Transport::Tcp(Some(FILES_PORT))],
        What::Exit | What::Lan => vec![],
    };
    let mut sentences = active.blocked(from, &transports).await;
    if let What::Port(_, RESOLVER_PORT) = what {
        sentences.push(format!(
            "port {RESOLVER_PORT} of a mesh address is the resolver's, which answers its own device only"
        ));
    }
    sentences
}

fn what(text: &str) -> Result<What, Refusal> {
    text.to_lowercase()
        .parse()
        .map_err(|bad: ringmesh_mesh::record::BadWhat| Refusal::new(Code::Usage, bad.to_string()))
}

/// `nas`, `nas:445`, `nas:udp/53`, `:445`, and `[fd00::1]:445`: a device (none for this one), and perhaps a port.
fn target(text: &str) -> Result<(String, Option<What>), Refusal> {
    let text = text.trim();
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        let port = rest.strip_prefix(':').map(port).transpose()?;
        return Ok((address.to_owned(), port));
    }
    match text.rsplit_once(':') {
        // More than one colon is an IPv6 address without a port.
        Some((host, _)) if host.contains(':') => Ok((text.to_owned(), None)),
        Some((host, text)) => Ok((host.to_owned(), Some(port(text)?))),
        None => Ok((text.to_owned(), None)),
    }
}

fn port(text: &str) -> Result<What, Refusal> {
    let spelled = if text.contains('/') { text.to_owned() } else { format!("tcp/{text}") };
    what(&spelled)
}

#[cfg(test)]
mod tests {
    use ringmesh_mesh::record::Proto;

    use super::*;

    #[test]
    fn targets_are_devices_with_or_without_a_port() {
        let tcp = |port| Some(What::Port(Proto::Tcp, port));
        for (text, expect) in [
            ("nas", ("nas", None)),
            ("nas:445", ("nas", tcp(445))),
            ("nas.home.internal:tcp/22", ("nas.home.internal", tcp(22))),
            ("nas:udp/53", ("nas", Some(What::Port(Proto::Udp, 53)))),
            (":445", ("", tcp(445))),
            ("fd00::1", ("fd00::1", None)),
            ("[fd00::1]:445", ("fd00::1", tcp(445))),
            ("[fd00::1]", ("fd00::1", None)),
            ("100.64.0.1:80", ("100.64.0.1", tcp(80))),
        ] {
            assert_eq!(target(text).expect(text), (expect.0.to_owned(), expect.1), "{text}");
        }
        for bad in ["nas:", "nas:0", "nas:65536", "nas:sctp/1", "[fd00::1]:x"] {
            assert!(target(bad).is_err(), "{bad}");
        }
    }
}
