use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use proptest::prelude::*;
use ringmesh_wire::{Endpoint, UdpPath};

use super::{COST, RateLimiter};
use crate::limits::{HANDSHAKES_BURST, HANDSHAKES_PER_SECOND, SOURCES_MAX};

fn at(ip: impl Into<IpAddr>, port: u16) -> Endpoint {
    Endpoint::udp(SocketAddr::new(ip.into(), port))
}

fn v4(last: u8) -> Endpoint {
    at([192, 0, 2, last], 1)
}

/// How many of `tries` at one moment are let in.
fn burst(limiter: &mut RateLimiter, from: &Endpoint, now: Duration, tries: usize) -> usize {
    (0..tries).filter(|_| limiter.allow(from, now)).count()
}

#[test]
fn a_burst_then_the_rate_then_a_burst_again() {
    let mut limiter = RateLimiter::new([1; 32]);
    let (from, mut now) = (v4(1), Duration::from_secs(100));
    assert_eq!(burst(&mut limiter, &from, now, 50), HANDSHAKES_BURST as usize);
    for _ in 0..HANDSHAKES_PER_SECOND * 3 {
        now += COST;
        assert_eq!(burst(&mut limiter, &from, now, 50), 1);
    }
    now += COST * (HANDSHAKES_BURST - 1);
    assert_eq!(burst(&mut limiter, &from, now, 50), HANDSHAKES_BURST as usize - 1);
    now += Duration::from_secs(3600);
    assert_eq!(burst(&mut limiter, &from, now, 50), HANDSHAKES_BURST as usize);
}

#[test]
fn what_is_one_source_and_what_is_another() {
    let net = |host: u16| at(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, host), 1);
    let server = UdpPath::new(([192, 0, 2, 1], 3478).into(), None, 0);
    // (spender, somebody else, whether they share one bucket)
    let table = [
        (v4(1), at([192, 0, 2, 1], 2), true),
        (v4(1), at(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped(), 9), true),
        (v4(1), v4(2), false),
        (net(1), net(2), true),
        (net(1), at(Ipv6Addr::new(0x2001, 0xdb8, 0, 2, 0, 0, 0, 1), 1), false),
        (v4(1), Endpoint::Turn { server, channel: 0x4000 }, false),
        (Endpoint::Turn { server, channel: 0x4000 }, Endpoint::Turn { server, channel: 0x4001 }, false),
        (Endpoint::Control { token: 1 }, Endpoint::Control { token: 1 }, true),
        (Endpoint::Control { token: 1 }, Endpoint::Control { token: 2 }, false),
    ];
    for (one, other, same) in table {
        let mut limiter = RateLimiter::new([2; 32]);
        burst(&mut limiter, &one, Duration::ZERO, 50);
        assert_eq!(limiter.allow(&other, Duration::ZERO), !same, "{one:?} and {other:?}");
    }
}

/// An attacker with ten times as many addresses as the table has places, all flooding, starves nobody.
#[test]
fn a_full_table_refuses_no_newcomer() {
    let mut limiter = RateLimiter::new([3; 32]);
    let now = Duration::from_secs(5);
    for source in 0..10 * SOURCES_MAX as u64 {
        let from = Endpoint::Control { token: source };
        assert!(limiter.allow(&from, now), "source {source}");
    }
    assert_eq!(limiter.buckets.len() * super::ROW, SOURCES_MAX);
}

proptest! {
    /// Against one bucket per source in a map: tokens as fractions, refilled by the clock.
    #[test]
    fn agrees_with_counted_tokens(script in prop::collection::vec((0..4_u8, 0..200_u64), 1..300)) {
        let mut limiter = RateLimiter::new([4; 32]);
        let mut judge = BTreeMap::<u8, (u64, u64)>::new();
        // In milliseconds; a handshake costs 50 of them.
        let (cost, depth) = (1_000 / u64::from(HANDSHAKES_PER_SECOND), u64::from(HANDSHAKES_BURST));
        let mut now = 1_000;
        for (source, pause) in script {
            now += pause / 4;
            let (tokens, then) = judge.entry(source).or_insert((depth * cost, now));
            *tokens = (*tokens + now - *then).min(depth * cost);
            *then = now;
            let expected = *tokens >= cost;
            if expected {
                *tokens -= cost;
            }
            prop_assert_eq!(limiter.allow(&v4(source), Duration::from_millis(now)), expected);
        }
    }
}
