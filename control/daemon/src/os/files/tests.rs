use std::io::Write;
use std::os::unix::net::UnixStream;

use super::SocketFile;
use crate::ifname::IfName;
use crate::problem::Problem;

fn place(test: &str) -> (std::path::PathBuf, IfName) {
    let dir = std::env::temp_dir().join(format!("ringmesh-files-{}-{test}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    (dir.join("wg0.sock"), IfName::new("wg0").expect("good"))
}

#[test]
fn a_stale_file_is_replaced_and_ours_removed() {
    let (path, name) = place("stale");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket that nobody serves"));
    let (listener, file) = SocketFile::listen(path.clone(), &name).expect("it was stale");
    assert!(file.is_there() && UnixStream::connect(&path).is_ok());
    drop((listener, file));
    assert!(!path.exists());
}

#[test]
fn a_living_socket_is_left_alone() {
    let (path, name) = place("living");
    let _other = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    assert!(matches!(SocketFile::listen(path.clone(), &name), Err(Problem::NameTaken { .. })));
    assert!(path.exists());
    std::fs::remove_file(path).expect("it is there");
}

#[test]
fn a_file_of_somebody_else_in_our_place_is_not_ours() {
    let (path, name) = place("other");
    let (_listener, file) = SocketFile::listen(path.clone(), &name).expect("free");
    // The new file exists before the old one goes, so that it cannot get the same inode.
    let other = path.with_extension("new");
    std::fs::File::create(&other).and_then(|mut file| file.write_all(b"x")).expect("a file");
    std::fs::rename(&other, &path).expect("a file");
    assert!(!file.is_there());
    drop(file);
    assert!(path.exists());
    std::fs::remove_file(path).expect("it is there");
}
