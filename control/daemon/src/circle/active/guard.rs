//! From permissions to the packet filter.
//!
//! The filter is worked out anew when records have come and when a permission has ended, and set only if it is another one then. It
//! carries the times at which permissions end, so nothing depends on how soon we look.
//!
//! **Invariant:** no peer is in the tunnel while the filter does not stand.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hashbrown::HashSet;
use ringmesh_mesh::identity::DeviceId;
use ringmesh_mesh::permission::effective;
use ringmesh_mesh::permission::filter::{Filter, Services, Target};
use ringmesh_mesh::record::Proto;
use ringmesh_mesh::roster::Member;

use super::{Active, Basis};
use crate::filter::{self, FILES_PORT, FilterProblem, Guarded, Listing, Mesh4, Packet, Transport, zone_of};
use crate::os::clock::wall_secs;

/// The packet filter as we have set it.
#[derive(Debug, Default)]
pub(super) struct Guard {
    standing: Option<Standing>,
    /// Why it is not what it should be, if it is not.
    problem: Option<String>,
}

/// A filter that stands.
#[derive(Debug)]
struct Standing {
    ruleset: String,
    listing: Listing,
    /// What it follows from.
    basis: Basis,
    /// The last second at which nothing in it has ended.
    until: Option<u64>,
}

impl Active {
    /// Makes the packet filter what permissions say. What is so already is not touched.
    ///
    /// # Errors
    /// [`FilterProblem`]; nobody may be a peer then.
    pub(super) async fn guard(&mut self) -> Result<(), FilterProblem> {
        let done = self.try_guard().await;
        self.guard.problem = done.as_ref().err().map(ToString::to_string);
        if done.is_err() {
            self.guard.standing = None;
        }
        done
    }

    async fn try_guard(&mut self) -> Result<(), FilterProblem> {
        let basis = self.basis();
        let now = self.membership.mark.advance(wall_secs());
        let fresh =
            |standing: &Standing| standing.basis == basis && standing.until.is_none_or(|until| now <= until);
        if self.guard.standing.as_ref().is_some_and(fresh) {
            return Ok(());
        }
        let (filter, until) = self.filter();
        let ruleset = self.guarded(&filter).ruleset();
        if let Some(standing) = self.guard.standing.as_mut().filter(|standing| standing.ruleset == ruleset) {
            (standing.basis, standing.until) = (basis, until);
            return Ok(());
        }
        let listing = filter::apply(&self.membership.name, &ruleset).await?;
        self.guard.standing = Some(Standing { ruleset, listing, basis, until });
        Ok(())
    }

    /// What others may do to this device, and the last second at which that is so. Nothing until we are a member.
    fn filter(&mut self) -> (Filter, Option<u64>) {
        let me = self.membership.me();
        let mut mark = self.membership.mark;
        let Some(roster) = self.membership.roster() else { return Default::default() };
        let now = effective(roster, wall_secs(), &mut mark);
        (Filter::of(&now, &me, Services { files: FILES_PORT }), now.next_end())
    }

    fn guarded<'a>(&'a self, filter: &'a Filter) -> Guarded<'a> {
        let membership = &self.membership;
        let block = membership.roster().map(|roster| roster.block);
        let address = membership.own().and_then(|own| own.ipv4);
        Guarded {
            circle: &membership.name,
            zone: zone_of(&membership.id),
            ifname: self.tunnel.name(),
            ipv6: membership.ipv6(),
            ipv4: address.zip(block).map(|(address, block)| Mesh4 { address, block }),
            filter,
        }
    }

    /// Somebody has changed rules of the machine's packet filter. If ours are not what they were, they are set again.
    pub(in crate::circle) async fn on_rules(&mut self) {
        // A firewalld that was started again does not know us any more.
        filter::firewalld::admit(self.tunnel.name()).await;
        let Some(standing) = &self.guard.standing else { return };
        let now = filter::listing(&self.membership.name).await;
        if now.is_ok_and(|now| now == standing.listing) {
            return;
        }
        tracing::warn!(circle = %self.membership.name, "somebody has changed the circle's packet filter; it is set again");
        self.guard.standing = None;
        self.steer_or_note().await;
    }

    /// What rules of others would drop of what a device sends to this one, one sentence each.
    pub(in crate::circle) async fn blocked(&self, from: &DeviceId, transports: &[Transport]) -> Vec<String> {
        let Some(pairs) =
            self.membership.roster().and_then(|roster| roster.members.get(from)).map(|from| self.pairs(from))
        else {
            return vec![];
        };
        let packets = pairs
            .into_iter()
            .flat_map(|(from, to)| transports.iter().map(move |transport| Packet::new(from, to, *transport)));
        self.blocked_of(&packets.collect::<Vec<_>>()).await
    }

    /// The same for everything that the circle needs, inside and from other networks, and that anybody is allowed; and whether there
    /// may be rules that nobody can read.
    pub(in crate::circle) async fn blocked_at_all(&mut self) -> Vec<String> {
        let (filter, _) = self.filter();
        let own = self.membership.ipv6();
        let mut packets = vec![filter::needed(own)];
        let own4 = self.membership.own().and_then(|own| own.ipv4);
        let mut targets = HashSet::new();
        for rule in
            filter.rules.iter().filter(|rule| rule.accept && targets.insert(rule.target)).take(TARGETS_MAX)
        {
            let transports: &[Transport] = match rule.target {
                Target::Here => &[Transport::Echo, Transport::Tcp(None), Transport::Udp(None)],
                Target::Port(Proto::Tcp, port) => &[Transport::Tcp(Some(port))],
                Target::Port(Proto::Udp, port) => &[Transport::Udp(Some(port))],
                Target::Exit | Target::Lan => &[],
            };
            let pairs = pairs(rule.ipv6, own, rule.ipv4.zip(own4));
            packets.extend(pairs.flat_map(|(from, to)| {
                transports.iter().map(move |transport| Packet::new(from, to, *transport))
            }));
        }
        let mut sentences = self.blocked_of(&packets).await;
        sentences.extend(filter::shut(self.port).await.unwrap_or_default());
        sentences.extend(filter::unread(self.tunnel.name()));
        sentences
    }

    async fn blocked_of(&self, packets: &[Packet]) -> Vec<String> {
        filter::blocked(self.tunnel.name(), packets).await.unwrap_or_else(|problem| {
            tracing::debug!(%problem, "reading the rules of others");
            vec![]
        })
    }

    fn pairs(&self, from: &Member) -> Vec<(IpAddr, IpAddr)> {
        let own4 = self.membership.own().and_then(|own| own.ipv4);
        pairs(from.ipv6, self.membership.ipv6(), from.ipv4.zip(own4)).collect()
    }

    /// Why the packet filter is not what it should be, in a sentence; the tunnel has no peers then.
    pub(in crate::circle) fn guard_problem(&self) -> Option<&str> {
        self.guard.problem.as_deref()
    }
}

/// Source and destination for each family.
fn pairs(
    from: Ipv6Addr,
    to: Ipv6Addr,
    ipv4: Option<(Ipv4Addr, Ipv4Addr)>,
) -> impl Iterator<Item = (IpAddr, IpAddr)> {
    let ipv4 = ipv4.map(|(from, to)| (from.into(), to.into()));
    [(from.into(), to.into())].into_iter().chain(ipv4)
}

/// Things that anybody is allowed, of which rules of others are asked: beyond these they are told when somebody asks about one.
const TARGETS_MAX: usize = 64;
