use std::os::unix::fs::PermissionsExt as _;

use super::{load, prepare};

#[test]
fn a_key_is_made_once_and_is_nobody_elses_business() {
    let directory = std::env::temp_dir().join(format!("rm-beacon-key-{}", std::process::id()));
    prepare(&directory).expect("a new directory");
    let key = load(&directory).expect("a new key");
    prepare(&directory).expect("the same directory");
    assert_eq!(load(&directory).expect("the same key").public(), key.public());
    let mode = |name: &str| {
        std::fs::metadata(directory.join(name)).expect("it is there").permissions().mode() & 0o777
    };
    assert_eq!((mode(""), mode("beacon.key")), (0o700, 0o600));
    std::fs::write(directory.join("beacon.key"), [0; 33]).expect("our own file");
    assert!(load(&directory).expect_err("too long").to_string().contains("not a beacon's key"));
    std::fs::remove_dir_all(&directory).expect("our own directory");
}
