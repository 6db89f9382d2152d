use super::*;

const UDP: u8 = 17;
const ICMP: u8 = 1;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn tcp_alone_may_gather() {
    let mut gather = Gather::default();
    assert_eq!(gather.time(millis(0)), Some(LONGEST));
    gather.learn(TCP, millis(1));
    assert_eq!(gather.time(millis(1)), Some(LONGEST));
}

#[test]
fn nothing_gathers_beside_another_flow() {
    for protocol in [ICMP, UDP] {
        let mut gather = Gather::default();
        for at in [1_000, 1_050, 1_149] {
            gather.learn(protocol, millis(at));
            gather.learn(TCP, millis(at));
            assert_eq!(gather.time(millis(at)), None);
            assert_eq!(gather.time(millis(at + 99)), None);
        }
        assert_eq!(gather.time(millis(1_149 + 100)), Some(LONGEST), "it has ended");
    }
}
