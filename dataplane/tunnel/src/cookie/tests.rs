use std::time::Duration;

use ringmesh_wire::keys::PublicKey;
use ringmesh_wire::message::{CookieReply, INITIATION_LEN, RESPONSE_LEN};

use super::{COOKIE_LATENCY, Checker, Jar};
use crate::limits::COOKIE_LIFETIME;
use crate::random::Random;

const RESPONDER: PublicKey = PublicKey([1; 32]);
const SOURCE: &[u8] = &[192, 0, 2, 1, 0xca, 0x6c];
const TICK: Duration = Duration::from_nanos(1);

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// One sender and one receiver, and time between them.
struct Pair {
    checker: Checker,
    jar: Jar,
    random: Random,
}

impl Pair {
    fn new() -> Self {
        Self { checker: Checker::new(&RESPONDER), jar: Jar::default(), random: Random::new([5; 32]) }
    }

    fn signed(&mut self, now: Duration) -> [u8; INITIATION_LEN] {
        let mut message = [0xab; INITIATION_LEN];
        message[INITIATION_LEN - 32..].fill(0);
        self.jar.sign(&mut message, &RESPONDER, now);
        message
    }

    fn reply(&mut self, message: &[u8], now: Duration) -> [u8; 64] {
        self.checker.reply(message, 77, SOURCE, now, &mut self.random).expect("long enough")
    }

    fn accept(&mut self, reply: &[u8; 64], now: Duration) -> bool {
        self.jar.accept(CookieReply::parse(reply).expect("well-formed"), &RESPONDER, now)
    }
}

#[test]
fn mac1_names_the_receiver_and_covers_the_message() {
    let mut pair = Pair::new();
    let message = pair.signed(secs(0));
    assert!(pair.checker.has_mac1(&message));
    assert!(!Checker::new(&PublicKey([2; 32])).has_mac1(&message));
    for at in 0..INITIATION_LEN {
        let mut bad = message;
        bad[at] ^= 1;
        assert_eq!(pair.checker.has_mac1(&bad), at >= INITIATION_LEN - 16, "byte {at}");
    }
    let mut response = [0; RESPONSE_LEN];
    pair.jar.sign(&mut response, &RESPONDER, secs(0));
    assert!(pair.checker.has_mac1(&response));
    (0..32).for_each(|len| assert!(!pair.checker.has_mac1(&message[..len]), "{len} bytes"));
}

#[test]
fn a_cookie_opens_the_door_for_its_source_only() {
    let mut pair = Pair::new();
    let first = pair.signed(secs(10));
    assert_eq!(first[INITIATION_LEN - 16..], [0; 16], "no cookie, no MAC2");
    assert!(!pair.checker.has_mac2(&first, SOURCE, secs(10)), "no secret yet");
    let reply = pair.reply(&first, secs(10));
    assert_eq!(CookieReply::parse(&reply).map(CookieReply::receiver), Some(77));
    assert!(pair.accept(&reply, secs(10)));
    let second = pair.signed(secs(15));
    assert!(pair.checker.has_mac2(&second, SOURCE, secs(15)));
    let others = [&[192, 0, 2, 1, 0xca, 0x6d][..], &[192, 0, 2, 2, 0xca, 0x6c], &[]];
    for other in others {
        assert!(!pair.checker.has_mac2(&second, other, secs(15)), "{other:?}");
    }
    for at in 0..INITIATION_LEN {
        let mut bad = second;
        bad[at] ^= 1;
        assert!(!pair.checker.has_mac2(&bad, SOURCE, secs(15)), "byte {at}");
    }
}

#[test]
fn secrets_and_cookies_end() {
    let mut pair = Pair::new();
    let first = pair.signed(secs(0));
    let reply = pair.reply(&first, secs(0));
    assert!(pair.accept(&reply, secs(0)));
    let fresh = COOKIE_LIFETIME - COOKIE_LATENCY - TICK;
    let message = pair.signed(fresh);
    assert!(pair.checker.has_mac2(&message, SOURCE, COOKIE_LIFETIME - TICK));
    assert!(!pair.checker.has_mac2(&message, SOURCE, COOKIE_LIFETIME), "the secret is used up");
    let stale = pair.signed(fresh + TICK);
    assert_eq!(stale[INITIATION_LEN - 16..], [0; 16], "an old cookie is not sent");
    pair.reply(&stale, COOKIE_LIFETIME);
    assert!(!pair.checker.has_mac2(&message, SOURCE, COOKIE_LIFETIME), "another secret");
}

#[test]
fn a_cookie_reply_answers_one_message_of_ours() {
    let mut pair = Pair::new();
    let foreign = pair.reply(&[9; INITIATION_LEN], secs(0));
    assert!(!pair.accept(&foreign, secs(0)), "nothing was sent");
    let first = pair.signed(secs(0));
    assert!(!pair.accept(&foreign, secs(0)), "answers another message");
    let reply = pair.reply(&first, secs(0));
    for at in 8..64 {
        let mut bad = reply;
        bad[at] ^= 1;
        assert!(!pair.accept(&bad, secs(0)), "byte {at}");
    }
    assert!(pair.accept(&reply, secs(0)), "forgeries do no harm");
    assert!(!pair.accept(&reply, secs(0)), "each message is good for one reply");
}
