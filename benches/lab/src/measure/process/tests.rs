use super::*;

#[test]
fn times_are_read_behind_any_name() {
    let ticks = ticks_per_sec();
    for name in ["sh", "a b", "(x) 7 (", "1 2 3 4 5 6 7 8 9"] {
        let stat = format!("17 ({name}) S 1 17 17 0 -1 4194560 1 2 3 4 250 50 9 9 20 0 1 0 5 6 7");
        assert_eq!(times(&stat), Some((250.0 / ticks, 50.0 / ticks)), "{name}");
    }
    assert_eq!(times(""), None);
    assert_eq!(times("17 (x) S 1"), None);
}

#[test]
fn this_process_has_used_something_and_a_dead_one_nothing() {
    let own = usage(std::process::id());
    assert!(own.rss_bytes > 1e5 && own.pss_bytes > 1e5 && own.pss_bytes <= own.rss_bytes, "{own:?}");
    assert_eq!(usage(u32::MAX), Usage::default());
    assert!(!is_traffic(std::process::id()));
}

#[test]
fn work_shows_as_user_time() {
    let before = usage(std::process::id());
    let start = crate::clock::now();
    let mut sum = 0_u64;
    while crate::clock::now() < start + std::time::Duration::from_millis(200) {
        sum = (0..100_000).fold(sum, |sum, number| std::hint::black_box(sum ^ number));
    }
    let used = usage(std::process::id()) - before;
    // Other tests may run in this process at the same time, and other processes may take the core.
    assert!(used.cpu_secs() > 0.01, "{used:?} ({sum})");
}

#[test]
fn sums_and_differences() {
    let one = Usage { user_secs: 1.0, system_secs: 2.0, rss_bytes: 3.0, pss_bytes: 4.0 };
    let sum = one + one;
    assert_eq!(sum.cpu_secs(), 6.0);
    assert_eq!(sum - one, Usage { user_secs: 1.0, system_secs: 2.0, rss_bytes: 6.0, pss_bytes: 8.0 });
}
