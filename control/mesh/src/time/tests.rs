//! Calendar and spans by tables; the mark never goes back.

use super::{HighWater, Span, Utc};
use crate::record::TIME_MAX;

#[test]
fn times_read_as_dates() {
    let table = [
        (0, "1970-01-01 00:00 UTC"),
        (951_782_399, "2000-02-28 23:59 UTC"),
        (951_782_400, "2000-02-29 00:00 UTC"),
        (951_868_800, "2000-03-01 00:00 UTC"),
        (1_795_305_013, "2026-11-21 23:50 UTC"),
        (4_107_542_400, "2100-03-01 00:00 UTC"),
        (TIME_MAX, "9999-12-31 23:59 UTC"),
    ];
    for (secs, wanted) in table {
        assert_eq!(Utc(secs).to_string(), wanted, "{secs}");
    }
}

#[test]
fn spans_read_in_two_units() {
    let table = [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (7500, "2 h 5 min"),
        (7201, "2 h"),
        (90_000, "1 d 1 h"),
        (30 * 86_400, "30 d"),
    ];
    for (secs, wanted) in table {
        assert_eq!(Span(secs).to_string(), wanted, "{secs}");
    }
}

#[test]
fn a_clock_that_is_set_back_is_overruled() {
    let mut mark = HighWater::new(100);
    assert_eq!(mark.advance(90), 100);
    assert_eq!(mark.behind(90), 10);
    assert_eq!(mark.advance(110), 110);
    assert_eq!(mark.secs(), 110);
}
