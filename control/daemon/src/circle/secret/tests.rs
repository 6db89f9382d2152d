use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// A directory of its own for each test, which goes with it.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ci-secret-{}-{name}", std::process::id()));
        make_dir(&path).expect("a fresh directory");
        Self(path)
    }

    fn source(&self) -> SecretSource {
        SecretSource::File(self.0.join("device.key"))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
}

#[test]
fn a_secret_comes_back_and_is_closed_to_others() {
    let dir = Dir::new("back");
    let source = dir.source();
    assert!(source.read().expect("nothing yet").is_none());
    for key in [[7; 32], [9; 32]] {
        source.write(&key).expect("writes");
        assert_eq!(*source.key().expect("reads").expect("is there"), key);
    }
    let mode = std::fs::metadata(dir.0.join("device.key")).expect("is there").mode();
    assert_eq!(mode & 0o777, 0o600);
    source.remove();
    assert!(source.read().expect("gone").is_none());
}

#[test]
fn whatever_is_open_to_others_is_refused_with_the_fix() {
    let dir = Dir::new("loose");
    let (source, file) = (dir.source(), dir.0.join("device.key"));
    source.write(&[7; 32]).expect("writes");
    for (path, mode, good, fix) in [
        (&file, 0o640, 0o600, "chmod 600"),
        (&file, 0o604, 0o600, "chmod 600"),
        (&dir.0, 0o750, 0o700, "chmod 700"),
        (&dir.0, 0o701, 0o700, "chmod 700"),
    ] {
        chmod(path, mode);
        let sentence = source.read().expect_err("is refused").to_string();
        assert!(sentence.contains(fix), "{sentence}");
        chmod(path, good);
        assert!(source.read().is_ok());
    }
}

#[test]
fn what_is_no_key_or_a_link_to_one_is_refused() {
    let dir = Dir::new("broken");
    dir.source().write(b"short").expect("writes");
    assert!(matches!(dir.source().key(), Err(BadSecret::Broken(_))));
    let link = dir.0.join("link.key");
    std::os::unix::fs::symlink(dir.0.join("device.key"), &link).expect("a link");
    assert!(matches!(SecretSource::File(link).read(), Err(BadSecret::Io { .. })));
}
