use super::*;
use std::process::Command;

#[tokio::test]
async fn a_killed_process_is_over_and_its_number_is_used_no_more() {
    let child = Command::new("sleep").arg("60").spawn().expect("sleep(1)");
    let mut process = Process::of_child(child).expect("a pidfd");
    let error = process.prefer(0, true).expect_err("it has no worker");
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    process.kill();
    process.ended().await;
    // Now the number may be anybody's, even that of a process that has a thread of this name: here, of this one.
    process.pid = rustix::process::getpid();
    let name = std::thread::Builder::new().name("worker 0".to_owned());
    let refused = name.spawn(move || process.prefer(0, true)).expect("a thread").join().expect("no panic");
    assert_eq!(refused.expect_err("it has ended").kind(), std::io::ErrorKind::NotFound);
}
