use ringmesh_wire::ip::UDP;

use super::*;

const ICMP: u8 = 1;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn sending() -> Gather {
    let mut gather = Gather::new(true);
    gather.outward(60_000);
    gather
}

#[test]
fn tcp_alone_gathers_for_longest() {
    let mut gather = sending();
    assert_eq!(gather.time(millis(0)), Some(ALONE));
    gather.learn(TCP, millis(1));
    assert_eq!(gather.time(millis(1)), Some(ALONE));
}

#[test]
fn beside_another_flow_it_is_shorter() {
    for protocol in [ICMP, UDP] {
        let mut gather = sending();
        for at in [1_000, 1_050, 1_149] {
            gather.learn(protocol, millis(at));
            gather.learn(TCP, millis(at));
            assert_eq!(gather.time(millis(at)), Some(BESIDE));
            assert_eq!(gather.time(millis(at + 99)), Some(BESIDE));
        }
        assert_eq!(gather.time(millis(1_149 + 100)), Some(ALONE), "it has ended");
    }
}

#[test]
fn what_the_kernel_cannot_is_not_asked_for() {
    let mut gather = Gather::new(false);
    gather.outward(60_000);
    assert_eq!(gather.time(millis(0)), None);
}

#[test]
fn who_receives_wakes_at_once() {
    assert_eq!(Gather::new(true).time(millis(0)), None, "nothing was sent");
    let mut gather = sending();
    (0..1_000).for_each(|_| gather.inward(60_000));
    gather.outward(40);
    assert_eq!(gather.time(millis(0)), None, "acknowledgements are not bulk");
    (0..20).for_each(|_| gather.outward(60_000));
    assert_eq!(gather.time(millis(0)), Some(ALONE), "what was long ago counts no more");
    (0..20).for_each(|_| gather.inward(60_000));
    assert_eq!(gather.time(millis(0)), None);
}
