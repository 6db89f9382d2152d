//! Addresses, MTU, the UDP port, beacons, and firewalls of others.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ringmesh_api::circle::look::{BeaconState, CircleState, CircleStatus};
use ringmesh_api::doctor::Check;
use ringmesh_mesh::address::Ipv4Block;

use crate::filter;
use crate::ifname::IfName;
use crate::os::routes::{self, Route};

/// What WireGuard puts around a packet over IPv6, in bytes.
const OVERHEAD: u32 = 80;
/// What every circle's interface begins with.
const OURS: &str = "rm-";

/// All checks of this file.
pub(super) fn checks(status: Option<&CircleStatus>) -> Vec<Check> {
    let circle = status.and_then(|status| status.circle.as_ref());
    let mut checks = vec![match routes::ipv4() {
        Ok(routes) => block(&routes, circle.map(|circle| circle.interface.as_str())),
        Err(error) => {
            Check::warning("addresses", format!("routes cannot be read: {error}"), "run it with sudo")
        }
    }];
    if let Some(circle) = circle {
        checks.push(mtu(&circle.interface, &mtus()));
        let sockets = ["udp", "udp6"]
            .map(|file| fs::read_to_string(format!("/proc/self/net/{file}")).unwrap_or_default());
        checks.push(port(circle, &sockets));
        checks.extend(beacons(&circle.beacons));
        checks.extend(foreign_drops(circle).map(|drops| firewall(&drops)));
        checks.extend(shut(circle.listen_port).map(|sentences| outside(&sentences)));
        let unread = IfName::new(&circle.interface).ok().and_then(|ifname| filter::unread(&ifname));
        checks.extend(unread.map(|sentence| legacy(&sentence)));
    }
    checks
}

/// What rules of others drop of what every circle needs, if the rules can be read.
fn foreign_drops(circle: &CircleState) -> Option<Vec<String>> {
    let own = circle.device.addresses.iter().find_map(|address| address.parse::<Ipv6Addr>().ok())?;
    let ifname = IfName::new(&circle.interface).ok()?;
    asked(filter::blocked(&ifname, &[filter::needed(own)]))
}

/// What rules of others drop of what the circle hears from other networks, if the rules can be read.
fn shut(port: u16) -> Option<Vec<String>> {
    asked(filter::shut(port))
}

fn asked<T>(question: impl Future<Output = Result<T, filter::FilterProblem>>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(question).ok()
}

fn outside(sentences: &[String]) -> Check {
    match sentences {
        [] => Check::ok("lan firewall", "no rule of others keeps devices on the LAN from finding this one"),
        sentences => Check::warning(
            "lan firewall",
            sentences.join("; "),
            "open these ports, as the sentence says; without them it takes a beacon",
        ),
    }
}

fn firewall(drops: &[String]) -> Check {
    match drops {
        [] => Check::ok("firewall", "no rule of others stands in the circle's way"),
        drops => Check::problem(
            "firewall",
            drops.join("; "),
            "let the circle's interface in, as the sentence says",
        ),
    }
}

fn legacy(unread: &str) -> Check {
    Check::warning(
        "old firewall",
        unread,
        "look at these rules, as the sentence says; nftables' own are looked at here",
    )
}

/// Who else uses the range that circles take their IPv4 addresses from.
fn block(routes: &[Route], ours: Option<&str>) -> Check {
    let subject = "addresses";
    let in_range = |route: &&Route| {
        // A route to everything, or to half of it, is nobody's claim.
        route.prefix >= Ipv4Block::ALL.prefix() && Ipv4Block::ALL.contains(route.to)
    };
    let others: Vec<&Route> =
        routes.iter().filter(in_range).filter(|route| !route.interface.starts_with(OURS)).collect();
    let own = routes.iter().filter(in_range).filter(|route| Some(route.interface.as_str()) == ours);
    // The widest route of our interface is the circle's block.
    let own = own.min_by_key(|route| route.prefix);
    let overlap =
        own.and_then(|own| others.iter().find(|other| overlap(own, other)).map(|other| (own, other)));
    match (overlap, others.first()) {
        (Some((own, other)), _) => Check::problem(
            subject,
            format!(
                "{} uses {}/{}, which overlaps {}/{} of the circle",
                other.interface, other.to, other.prefix, own.to, own.prefix
            ),
            "reach the devices by their IPv6 addresses, or by name; a circle founded while that interface is up takes other addresses",
        ),
        (None, Some(other)) => Check::ok(
            subject,
            format!(
                "{} uses {}/{}, which is no address of the circle",
                other.interface, other.to, other.prefix
            ),
        ),
        (None, None) => Check::ok(subject, "nobody else uses addresses of 100.64.0.0/10"),
    }
}

fn overlap(a: &Route, b: &Route) -> bool {
    let shorter = a.prefix.min(b.prefix);
    let mask = u32::MAX.checked_shl(32 - u32::from(shorter)).unwrap_or(0);
    let network = |ip: Ipv4Addr| ip.to_bits() & mask;
    network(a.to) == network(b.to)
}

/// Each interface that is up, with its MTU in bytes.
fn mtus() -> Vec<(String, u32)> {
    let entries = fs::read_dir("/sys/class/net").into_iter().flatten().filter_map(Result::ok);
    let read = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let mtu = fs::read_to_string(entry.path().join("mtu")).ok()?.trim().parse().ok()?;
        let flags = fs::read_to_string(entry.path().join("flags")).ok()?;
        let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).ok()?;
        let loopback = flags & libc::IFF_LOOPBACK as u32 != 0;
        (flags & libc::IFF_UP as u32 != 0 && !loopback).then_some((name, mtu))
    };
    entries.filter_map(read).collect()
}

fn mtu(interface: &str, mtus: &[(String, u32)]) -> Check {
    let subject = "mtu";
    let Some((_, ours)) = mtus.iter().find(|(name, _)| name == interface) else {
        return Check::problem(
            subject,
            format!("the interface {interface} is not there or not up"),
            "`ringmesh down` and `ringmesh up` make it anew",
        );
    };
    let narrow = mtus.iter().filter(|(name, mtu)| !name.starts_with(OURS) && *mtu < ours + OVERHEAD);
    match narrow.min_by_key(|(_, mtu)| *mtu) {
        Some((name, mtu)) => Check::warning(
            subject,
            format!(
                "{interface} sends packets of up to {ours} bytes, and with WireGuard around them they do not fit {name} ({mtu} bytes)"
            ),
            format!(
                "if peers are reached by {name}: `ip link set {interface} mtu {}`",
                mtu.saturating_sub(OVERHEAD)
            ),
        ),
        None => Check::ok(subject, format!("packets of {interface} ({ours} bytes) fit every interface")),
    }
}

/// `sockets` are the kernel's tables of UDP sockets over IPv4 and IPv6.
fn port(circle: &CircleState, sockets: &[String]) -> Check {
    let subject = "udp port";
    let wanted = circle.listen_port;
    let bound = |line: &str| {
        let local = line.split_whitespace().nth(1)?;
        u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()
    };
    let fix = "`ringmesh down` and `ringmesh up` start the tunnel anew";
    if !circle.tunnel {
        Check::problem(subject, format!("the tunnel of the circle {} does not answer", circle.name), fix)
    } else if wanted != 0
        && sockets.iter().flat_map(|table| table.lines()).any(|line| bound(line) == Some(wanted))
    {
        Check::ok(subject, format!("the tunnel listens on UDP port {wanted}"))
    } else {
        Check::problem(
            subject,
            format!("nobody listens on UDP port {wanted}, which other devices are told"),
            fix,
        )
    }
}

fn beacons(beacons: &[BeaconState]) -> Vec<Check> {
    let subject = "beacon";
    let check = |beacon: &BeaconState| {
        if beacon.online {
            Check::ok(subject, format!("the beacon {} answers and {}", beacon.address, beacon.detail))
        } else {
            Check::warning(
                subject,
                format!("the beacon {} does not answer: {}", beacon.address, beacon.detail),
                "see whether it runs and its port is open; devices that know each other's addresses need none",
            )
        }
    };
    beacons.iter().map(check).collect()
}

/// The addresses of this device as the daemon says them.
pub(super) fn addresses(circle: &CircleState) -> Vec<IpAddr> {
    circle.device.addresses.iter().filter_map(|text| text.parse().ok()).collect()
}

#[cfg(test)]
mod tests;
