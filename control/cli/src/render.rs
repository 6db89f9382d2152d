//! A status as text for people.

use std::collections::BTreeMap;
use std::fmt::Write;

use ringmesh_api::{Peer, Plane, Status, Worker};

/// The whole status; `now_secs` is the wall clock, in seconds since 1970.
pub(crate) fn status(status: &Status, now_secs: u64) -> String {
    let mut text = format!("interface: {}\n", status.interface);
    let state = if status.up { "up" } else { "down" };
    let place = if status.moved { ", in another network namespace" } else { "" };
    line(&mut text, "link", &format!("{state}, mtu {}{place}", status.mtu));
    line(&mut text, "public key", status.public_key.as_deref().unwrap_or("(none)"));
    let mark = if status.fwmark == 0 { String::new() } else { format!(", fwmark {:#x}", status.fwmark) };
    line(&mut text, "listening", &format!("udp port {}{mark}", status.listen_port));
    line(&mut text, "tun offloads", &list(&status.tun_offloads));
    let control = &status.control;
    line(
        &mut text,
        "control",
        &format!("process {}, version {}, for {}", control.pid, control.version, span(control.uptime_secs)),
    );
    let odd = [
        ("data plane restarts", control.plane_restarts),
        ("refused values", control.refused),
        ("punted datagrams", control.punted),
        ("injected datagrams", control.injected),
    ];
    for (name, count) in odd.iter().filter(|(_, count)| *count > 0) {
        line(&mut text, name, &count.to_string());
    }
    match &status.plane {
        Some(plane) => push_plane(&mut text, plane),
        None => line(&mut text, "data plane", "not running; control is starting it again"),
    }
    for peer in &status.peers {
        push_peer(&mut text, peer, now_secs);
    }
    text
}

fn push_plane(text: &mut String, plane: &Plane) {
    line(text, "data plane", &format!("process {}, for {}", plane.pid, span(plane.uptime_secs)));
    let (holds, fails): (Vec<_>, Vec<_>) = plane.hardening.iter().partition(|(_, holds)| **holds);
    let names = |walls: Vec<(&String, &bool)>| {
        list(&walls.into_iter().map(|(name, _)| name.clone()).collect::<Vec<_>>())
    };
    line(text, "hardening", &names(holds));
    if !fails.is_empty() {
        line(text, "not hardened", &names(fails));
    }
    if plane.refused > 0 {
        line(text, "refused values", &plane.refused.to_string());
    }
    for (number, worker) in plane.workers.iter().enumerate() {
        push_worker(text, number, worker);
    }
}

fn push_worker(text: &mut String, number: usize, worker: &Worker) {
    push(text, format_args!("\n  worker {number}\n"));
    let entry =
        |text: &mut String, name: &str, value: &str| push(text, format_args!("    {name}: {value}\n"));
    entry(text, "uses", &list(&worker.features));
    if worker.fallbacks > 0 {
        entry(text, "fallbacks", &worker.fallbacks.to_string());
    }
    entry(text, "counters", &counts(&worker.counters));
    if !worker.drops.is_empty() {
        entry(text, "dropped", &counts(&worker.drops));
    }
}

fn push_peer(text: &mut String, peer: &Peer, now_secs: u64) {
    push(text, format_args!("\npeer: {}\n", peer.public_key));
    let endpoint = peer.endpoint.map_or_else(|| "(unknown)".to_owned(), |endpoint| endpoint.to_string());
    line(text, "endpoint", &endpoint);
    line(text, "allowed ips", &list(&peer.allowed_ips));
    let session = if peer.has_session { "" } else { ", no session now" };
    let handshake = match peer.last_handshake_secs {
        Some(at) => format!("{} ago{session}", span(now_secs.saturating_sub(at))),
        None => "never".to_owned(),
    };
    line(text, "latest handshake", &handshake);
    line(text, "transfer", &format!("{} received, {} sent", bytes(peer.rx_bytes), bytes(peer.tx_bytes)));
    if peer.keepalive_secs > 0 {
        line(text, "persistent keepalive", &format!("every {}", span(peer.keepalive_secs.into())));
    }
}

fn line(text: &mut String, name: &str, value: &str) {
    push(text, format_args!("  {name}: {value}\n"));
}

fn push(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = text.write_fmt(what);
}

fn list(words: &[String]) -> String {
    if words.is_empty() { "(none)".to_owned() } else { words.join(", ") }
}

fn counts(counts: &BTreeMap<String, u64>) -> String {
    let words: Vec<_> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    list(&words)
}

/// The two largest units of a time.
pub(crate) fn span(secs: u64) -> String {
    let parts = [(secs / 86_400, "d"), (secs / 3600 % 24, "h"), (secs / 60 % 60, "min"), (secs % 60, "s")];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(parts.len() - 1);
    let shown = parts[first..].iter().take(2).filter(|(count, _)| *count > 0 || secs == 0);
    shown.map(|(count, unit)| format!("{count} {unit}")).collect::<Vec<_>>().join(" ")
}

fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let power = (count.ilog2() / 10).clamp(1, UNITS.len() as u32);
    format!("{:.2} {}", count as f64 / f64::from(1024).powi(power as i32), UNITS[power as usize - 1])
}

#[cfg(test)]
mod tests;
