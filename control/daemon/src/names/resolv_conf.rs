//! `/etc/resolv.conf` as text (resolv.conf(5)): what stood there, what we write, and how ours is known again.
//!
//! Our file carries a mark with a hash of everything that follows. So a start after a crash needs no notes of its own to tell our file
//! from one that somebody else has put there or edited.
//!
//! **Invariant:** pure text; whatever it says, reading it fails on nothing.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

use ringmesh_mesh::name::SUFFIX;

/// What the C library reads at most.
const SERVERS_MAX: usize = 3;
/// Search domains that are carried over; the C library used to read six in all.
const SEARCH_MAX: usize = 16;
/// Our file begins with this, and 64 hexadecimal digits: the hash of all that follows the line.
const MARK: &str = "# Written by ringmesh; `ringmesh down` puts the former file back. ";

/// What a file says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Settings {
    /// Whom to ask, as written: with a zone, perhaps.
    pub(crate) servers: Vec<String>,
    /// What is put after short names.
    pub(crate) search: Vec<String>,
    /// Lines that we carry over as they are.
    pub(crate) kept: Vec<String>,
}

/// What a file is to us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Whose {
    /// We wrote it, and nobody has changed it.
    Ours,
    /// We wrote it, and somebody has changed it since.
    Edited,
    /// Not ours.
    Other,
}

/// Reads what a file says. As the C library does, the last `search` or `domain` counts.
pub(crate) fn read(text: &str) -> Settings {
    let mut settings = Settings::default();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some(word) = words.next() else { continue };
        match word {
            "nameserver" if settings.servers.len() < SERVERS_MAX => {
                settings.servers.extend(words.next().map(str::to_owned));
            }
            "search" => settings.search = words.take(SEARCH_MAX).map(str::to_owned).collect(),
            "domain" => settings.search = words.take(1).map(str::to_owned).collect(),
            "options" | "sortlist" => settings.kept.push(line.to_owned()),
            _ => {}
        }
    }
    settings
}

impl Settings {
    /// Whom the system asks: those that are named, else this machine itself. `zone_index` gives the number of an interface by name.
    pub(crate) fn upstreams(&self, zone_index: impl Fn(&str) -> Option<u32>) -> Vec<SocketAddr> {
        let address = |text: &String| {
            let (ip, zone) = text.split_once('%').unwrap_or((text, ""));
            let scope = if zone.is_empty() { 0 } else { zone.parse().ok().or_else(|| zone_index(zone))? };
            match ip.parse().ok()? {
                IpAddr::V4(v4) => Some(SocketAddr::from((v4, super::serve::PORT))),
                IpAddr::V6(v6) => Some(SocketAddrV6::new(v6, super::serve::PORT, 0, scope).into()),
            }
        };
        if self.servers.is_empty() {
            return vec![(Ipv4Addr::LOCALHOST, super::serve::PORT).into()];
        }
        self.servers.iter().filter_map(address).collect()
    }

    /// A search domain that is, or lies in, the domain of a circle with this name.
    pub(crate) fn search_within(&self, circle: &str) -> Option<&str> {
        let domain = format!("{circle}.{SUFFIX}");
        let within = |search: &&String| {
            let search = search.trim_end_matches('.').to_ascii_lowercase();
            search == domain || search.ends_with(&format!(".{domain}"))
        };
        self.search.iter().find(within).map(String::as_str)
    }
}

/// The file that names `server` alone, and asks in `domain` after all other search domains: so a device's short name never hides a host
/// that was found before.
pub(crate) fn ours(before: &Settings, server: IpAddr, domain: &str) -> String {
    let mut lines = vec![format!("nameserver {server}")];
    let search = before.search.iter().map(String::as_str).chain([domain]);
    lines.push(format!("search {}", search.collect::<Vec<_>>().join(" ")));
    lines.extend(before.kept.iter().cloned());
    let body = lines.join("\n") + "\n";
    format!("{MARK}{}\n{body}", blake3::hash(body.as_bytes()).to_hex())
}

/// Whose a file is, by its content. An empty one is what a death between emptying and writing leaves; nobody else's is lost by calling it
/// ours, since it says nothing.
pub(crate) fn whose(content: &[u8]) -> Whose {
    let Ok(text) = std::str::from_utf8(content) else { return Whose::Other };
    if text.is_empty() {
        return Whose::Ours;
    }
    let Some(marked) = text.strip_prefix(MARK) else { return Whose::Other };
    match marked.split_once('\n') {
        Some((hash, body)) if hash == blake3::hash(body.as_bytes()).to_hex().as_str() => Whose::Ours,
        Some(_) | None => Whose::Edited,
    }
}

/// Who looks after a file of this content, or after what it is a link to.
pub(crate) fn keeper(text: &str, link: Option<&str>) -> Option<&'static str> {
    let known = [
        ("systemd/resolve", "systemd-resolved"),
        ("systemd-resolved", "systemd-resolved"),
        ("NetworkManager", "NetworkManager"),
        ("resolvconf", "resolvconf"),
        ("dhcpcd", "dhcpcd"),
        ("dhclient", "dhclient"),
        ("connman", "ConnMan"),
        ("netconfig", "netconfig"),
    ];
    let comments = || text.lines().filter(|line| line.starts_with(['#', ';']));
    let by_link = known.iter().find(|(word, _)| link.is_some_and(|link| link.contains(word)));
    let by_text = || known.iter().find(|(word, _)| comments().any(|line| line.contains(word)));
    by_link.or_else(by_text).map(|(_, name)| *name)
}

/// Whether the system asks systemd-resolved by this file: by the server that it names, or as a link to resolved's own file.
pub(crate) fn leads_to_resolved(text: &str, link: Option<&str>) -> bool {
    let stub = |server: &String| server == "127.0.0.53" || server == "127.0.0.54";
    read(text).servers.iter().any(stub) || link.is_some_and(|link| link.contains("systemd/resolve/"))
}

/// Whether the C library asks systemd-resolved by a module of its own, by `nsswitch.conf`.
pub(crate) fn has_resolved_module(nsswitch: &str) -> bool {
    let hosts = nsswitch.lines().filter_map(|line| line.trim_start().strip_prefix("hosts:"));
    hosts.flat_map(str::split_ascii_whitespace).any(|source| source == "resolve")
}

#[cfg(test)]
mod tests;
