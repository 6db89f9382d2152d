use std::net::IpAddr;
use std::time::Duration;

use super::{Bucket, Buckets, Rate, SOURCES_MAX, source};

const RATE: Rate = Rate { per_sec: 2, burst: 3 };

#[test]
fn a_bucket_gives_its_burst_and_then_its_rate() {
    let at = Duration::from_millis;
    let mut bucket = Bucket::new(RATE, at(0));
    let script =
        [(0, true), (0, true), (0, true), (0, false), (499, false), (500, true), (999, false), (1000, true)];
    for (millis, taken) in script {
        assert_eq!(bucket.take(1, at(millis)), taken, "at {millis} ms");
    }
    assert_eq!(bucket.wait(1, at(1000)), at(500));
    assert_eq!(bucket.wait(2, at(1000)), at(1000));
    assert_eq!(bucket.wait(1000, at(1000)), at(1500), "what is more than a burst waits for a full bucket");
    assert!(bucket.take(3, at(60_000)) && !bucket.take(1, at(60_000)), "a long rest fills it once");
    assert!(!bucket.take(1, at(0)), "time that goes back gives nothing");
}

#[test]
fn each_source_has_its_own_and_their_number_is_bounded() {
    let mut buckets = Buckets::new(RATE);
    let ip = |number: u32| IpAddr::from(number.to_be_bytes());
    assert!((0..3).all(|_| buckets.take(ip(1), 1, Duration::ZERO)));
    assert!(!buckets.has(ip(1), 1, Duration::ZERO) && buckets.has(ip(2), 1, Duration::ZERO));
    for number in 0..3 * SOURCES_MAX as u32 {
        buckets.take(ip(number), 1, Duration::ZERO);
        assert!(buckets.sources.len() <= SOURCES_MAX);
    }
}

#[test]
fn one_host_is_one_source() {
    let table = [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
    ];
    for (ip, of) in table {
        assert_eq!(source(ip.parse().expect("an address")), of.parse::<IpAddr>().expect("an address"));
    }
}
