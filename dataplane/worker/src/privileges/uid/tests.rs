use super::*;

/// Nothing is in use, and so many uids are mapped.
fn mapping(count: u64) -> Taken {
    Taken { mapped: std::iter::once(0..count).collect(), ..Taken::default() }
}

fn taken() -> Taken {
    mapping(1 << 32)
}

#[test]
fn lines_of_the_files_are_read() {
    let accounts = [
        ("root:x:0:0:root:/root:/bin/bash", Some(0)),
        ("nobody:x:65534:65534::/:/usr/sbin/nologin", Some(65_534)),
        ("+::::::", None),
        ("", None),
        ("x:x:-1:0", None),
    ];
    for (line, uid) in accounts {
        assert_eq!(account(line), uid, "{line}");
    }
    assert_eq!(subordinate_range("user:100000:65536"), Some(100_000..165_536));
    assert_eq!(subordinate_range("user:1"), None);
    assert_eq!(subordinate_range("user:9:18446744073709551615"), Some(9..u64::MAX));
    assert_eq!(mapped_range("         0     100000      65536"), Some(0..65_536));
    assert_eq!(mapped_range("0 0"), None);
    assert_eq!(uids_of("Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t9\t9\t9\t9\n"), [1, 2, 3, 4]);
    assert_eq!(uids_of("Name:\tx\n"), []);
}

/// What is in the way, what is wanted, and whether the answer is the wanted one, in the high range or in the low one.
#[test]
fn what_is_free_is_chosen() {
    let wide = |range: Range<u32>| u64::from(range.start)..u64::from(range.end);
    let with = |change: &dyn Fn(&mut Taken)| {
        let mut taken = taken();
        change(&mut taken);
        taken
    };
    let wanted = 2_000_000_007;
    let cases = [
        ("nothing in the way", taken(), 0, Some(HIGH)),
        ("wanted and free", taken(), wanted, Some(wanted..wanted + 1)),
        ("root is never free", taken(), 0, Some(HIGH)),
        ("an account", with(&|taken| taken.accounts.extend([wanted])), wanted, Some(HIGH)),
        ("a process", with(&|taken| taken.running.extend([wanted])), wanted, Some(HIGH)),
        ("a subordinate range", with(&|taken| taken.subordinate.push(0..u64::MAX)), wanted, None),
        ("a container", mapping(65_536), wanted, Some(LOW)),
        ("the high range in use", with(&|taken| taken.subordinate.push(wide(HIGH))), 0, Some(LOW)),
        ("the low range in use", with(&|taken| taken.accounts.extend(LOW)), 0, Some(HIGH)),
        ("nothing mapped", Taken::default(), wanted, None),
    ];
    for (name, taken, wanted, expected) in cases {
        let chosen = pick(hash(name.bytes()), wanted, &taken);
        match expected {
            Some(range) => assert!(chosen.is_some_and(|uid| range.contains(&uid)), "{name}: {chosen:?}"),
            None => assert_eq!(chosen, None, "{name}"),
        }
        assert!(chosen.is_none_or(|uid| taken.is_free(uid)), "{name}");
    }
}

/// Whatever the seed, the only free one is found in the low range.
#[test]
fn the_last_free_one_is_found() {
    let last = LOW.end - 1;
    let mut taken = mapping(65_536);
    taken.accounts.extend(LOW.start..last);
    for seed in [0, 1, 605, 606, u64::MAX, u64::MAX - 7] {
        assert_eq!(pick(seed, 0, &taken), Some(last), "{seed}");
    }
}

#[test]
fn names_and_processes_are_kept_apart() {
    let seeds: BTreeSet<_> = ["rm0", "rm1", "wg0"].iter().map(|name| hash(name.bytes())).collect();
    assert_eq!(seeds.len(), 3);
}

#[test]
fn what_is_chosen_here_is_nobodys() {
    let uid = choose("rm0", 0).expect("a machine with /proc");
    let users: Vec<_> = running().expect("a machine with /proc").into_iter().collect();
    assert!(users.contains(&rustix::process::getuid().as_raw()), "this very process is seen");
    assert!(!users.contains(&uid) && uid != 0 && uid != 65_534);
}
