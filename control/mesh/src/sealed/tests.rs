//! What was sealed opens for the right key and purpose, and for nothing else.

use super::{CannotOpen, OVERHEAD, Purpose, SealKey};
use crate::identity::CircleId;

#[test]
fn only_the_right_key_purpose_and_circle_open_it() {
    let key = SealKey::new(CircleId([1; 32]), [2; 32]);
    let sealed = key.seal(Purpose::Records, [3; 24], b"content");
    assert_eq!(sealed.len(), 7 + OVERHEAD);
    assert_eq!(key.open(Purpose::Records, &sealed), Ok(b"content".to_vec()));
    assert_eq!(key.open(Purpose::Signal, &sealed), Err(CannotOpen::OtherPurpose));
    for other in [SealKey::new(CircleId([9; 32]), [2; 32]), SealKey::new(CircleId([1; 32]), [9; 32])] {
        assert_eq!(other.open(Purpose::Records, &sealed), Err(CannotOpen::OtherKey(key.id())));
    }
    assert_eq!(format!("{key:?}").matches("secret").count(), 1);
}

#[test]
fn whatever_is_changed_or_cut_stays_shut() {
    let key = SealKey::new(CircleId([1; 32]), [2; 32]);
    let sealed = key.seal(Purpose::Room, [3; 24], b"content");
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(key.open(Purpose::Room, &changed).is_err(), "byte {at}");
        assert!(key.open(Purpose::Room, &sealed[..at]).is_err(), "cut to {at}");
    }
    // A purpose that was changed has another key, even if somebody asks for it.
    let mut relabelled = sealed;
    relabelled[1] = Purpose::Records as u8;
    assert_eq!(key.open(Purpose::Records, &relabelled), Err(CannotOpen::Forged));
}
