use std::os::unix::fs::PermissionsExt;

use ringmesh_api::doctor::Verdict;

use super::*;

const NOW: u64 = WRITTEN_SECS + 1_000_000;

fn stored(database: Database) -> Check {
    let mut stored = Stored::read(Path::new("/nowhere/home")).expect("a name of a circle");
    stored.database = database;
    self::database(&stored)
}

#[test]
fn each_finding_has_its_sentence() {
    let at = Path::new("/var/lib/ringmesh");
    let table = [
        (space(at, Some(u64::MAX)), Verdict::Ok, "there is room"),
        (space(at, Some(FREE_LOW - 1)), Verdict::Warning, "nearly full (63 MiB free)"),
        (space(at, Some(FREE_MIN - 1)), Verdict::Problem, "is full"),
        (space(at, None), Verdict::Warning, "cannot be looked at"),
        (stored(Database::Whole), Verdict::Ok, "is whole"),
        (stored(Database::Missing), Verdict::Warning, "cut short"),
        (stored(Database::Damaged("row 7 missing".to_owned())), Verdict::Problem, "row 7 missing"),
        (stored(Database::Newer), Verdict::Problem, "newer version"),
        (stored(Database::Unreadable("denied".to_owned())), Verdict::Warning, "denied"),
        (clock(NOW, 0, 0), Verdict::Ok, "agrees"),
        (clock(NOW, NOW + 299, NOW + 299), Verdict::Ok, "agrees"),
        (clock(100, 0, 0), Verdict::Problem, "1970-01-01"),
        (clock(WRITTEN_SECS - 1, 0, 0), Verdict::Problem, "that is over"),
        (clock(NOW, NOW + 86_400, 0), Verdict::Problem, "1 d behind"),
        (clock(NOW, 0, NOW + 7200), Verdict::Warning, "2 h in the future"),
    ];
    for (check, verdict, sentence) in table {
        assert_eq!(check.verdict, verdict, "{check:?}");
        assert!(check.sentence.contains(sentence), "{check:?}");
        assert_eq!(check.fix.is_none(), verdict == Verdict::Ok, "{check:?}");
    }
    assert_eq!(Utc(WRITTEN_SECS).to_string(), "2026-11-01 00:00 UTC");
}

#[test]
fn what_is_open_to_others_is_found() {
    let root = std::env::temp_dir().join(format!("ringmesh-doctor-{}", std::process::id()));
    let state = root.join("state");
    fs::create_dir_all(state.join("home")).expect("a directory");
    fs::write(state.join("home/device.key"), [0; 32]).expect("writes");
    let chmod = |path: &str, mode: u32| {
        fs::set_permissions(state.join(path), fs::Permissions::from_mode(mode)).expect("sets");
    };
    for (path, mode) in [("", 0o700), ("home", 0o700), ("home/device.key", 0o600)] {
        chmod(path, mode);
    }
    assert_eq!(directory(&state).verdict, Verdict::Ok);
    for (path, mode, tight) in [("", 0o755, 0o700), ("home", 0o710, 0o700), ("home/device.key", 0o644, 0o600)]
    {
        chmod(path, mode);
        let check = directory(&state);
        assert_eq!(check.verdict, Verdict::Problem);
        assert!(check.sentence.contains(&format!("mode {mode:03o}")), "{check:?}");
        assert!(check.fix.is_some_and(|fix| fix.contains(&format!("chmod {tight:03o}"))));
        chmod(path, tight);
    }
    assert!(free(&state).is_some_and(|free| free > 0));
    fs::remove_dir_all(&root).expect("removes");
    assert!(directory(&state).sentence.contains("not there yet"));
}
