use super::*;

/// The table of the paper, section 6.1, and the three times that sections 6.2 and 6.3 make of it.
#[test]
fn the_numbers_of_the_paper() {
    assert_eq!(REKEY_AFTER_MESSAGES, 1_152_921_504_606_846_976);
    assert_eq!(REJECT_AFTER_MESSAGES, 18_446_744_073_709_543_423);
    for (time, secs) in [
        (REKEY_AFTER_TIME, 120),
        (REJECT_AFTER_TIME, 180),
        (REKEY_ATTEMPT_TIME, 90),
        (REKEY_TIMEOUT, 5),
        (KEEPALIVE_TIMEOUT, 10),
        (COOKIE_LIFETIME, 120),
        (REKEY_ON_RECEIVE_AFTER, 165),
        (UNANSWERED_AFTER, 15),
        (FORGET_AFTER, 540),
    ] {
        assert_eq!(time, Duration::from_secs(secs));
    }
}

/// The window's reach fits into what is kept free above the last counter, so it never wraps.
#[test]
fn the_window_fits_above_the_last_counter() {
    assert!(REJECT_AFTER_MESSAGES.checked_add(crate::replay::REACH).is_some());
}
