//! Any text as a `set=1` request: an error number, or a request whose parts are what the lines said.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parse::{AllowedIp, parse};

// The parser's own files and not the daemon's crate, which would bring an event loop and netlink to be instrumented.
#[allow(dead_code, reason = "the daemon's other parts use the rest")]
#[path = "../../control/daemon/src/uapi/errno.rs"]
#[rustfmt::skip]
mod errno;
#[allow(dead_code, reason = "the daemon's other parts use the rest")]
#[path = "../../control/daemon/src/uapi/parse.rs"]
#[rustfmt::skip]
mod parse;

fuzz_target!(|text: &str| {
    let Ok(set) = parse(text) else { return };
    let lines: Vec<_> = text.split('\n').take_while(|line| !line.is_empty()).collect();
    let has = |key: &str| lines.iter().any(|line| line.split('=').next() == Some(key));
    assert_eq!(set.private_key.is_some(), has("private_key"));
    assert_eq!(set.replace_peers, has("replace_peers"));

    let mut allowed_ips = Vec::new();
    for line in &lines {
        match (line.split('=').next(), allowed_ips.last_mut()) {
            (Some("public_key"), _) => allowed_ips.push(0),
            (Some("replace_allowed_ips"), Some(count)) => *count = 0,
            (Some("allowed_ip"), Some(count)) => *count += 1,
            _ => {}
        }
    }
    assert!(set.peers.iter().map(|peer| peer.allowed_ips.len()).eq(allowed_ips));
    for AllowedIp::Add(range) | AllowedIp::Remove(range) in
        set.peers.iter().flat_map(|peer| &peer.allowed_ips)
    {
        assert!(range.contains(range.addr) && range.to_string().parse() == Ok(*range));
    }
});
