use super::*;

fn one(sound: bool, seed: u64) -> [u8; LEN] {
    let mut message = [0xff; LEN];
    Maker::new(&[0x42; 32], sound, seed).fill(&mut message);
    message
}

#[test]
fn a_responder_believes_the_first_mac_only_if_it_is_right() {
    // hashlib.blake2s(covered, key=hashlib.blake2s(b"mac1----" + key).digest(), digest_size=16)
    let covered: Vec<u8> = (0..116).collect();
    let key = Maker::new(&[0x42; 32], true, 0).key;
    assert_eq!(hex::encode(mac1(&key, &covered)), "5f482220eac57889e922c176d202190b");
    let sound = one(true, 7);
    assert_eq!(sound[MAC1_AT..MAC2_AT], mac1(&key, &sound[..MAC1_AT]));
    let junk = one(false, 7);
    assert_ne!(junk[MAC1_AT..MAC2_AT], mac1(&key, &junk[..MAC1_AT]));
    assert_eq!(junk[..MAC1_AT], sound[..MAC1_AT], "nothing else tells them apart");
}

#[test]
fn initiations_have_their_form_and_differ() {
    let (one, other) = (one(true, 1), one(true, 2));
    assert_eq!(one[..4], [1, 0, 0, 0]);
    assert_eq!(one[MAC2_AT..], [0; 16]);
    for range in [4..8, 8..40, 40..88, 88..116, 116..132] {
        assert_ne!(one[range.clone()], other[range.clone()], "{range:?}");
    }
}
