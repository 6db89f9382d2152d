use super::*;
use std::sync::mpsc;

/// The policy of a thread: field 41 of its `stat` (proc(5)).
fn policy(thread: Pid) -> i32 {
    let text = std::fs::read_to_string(format!("/proc/self/task/{}/stat", thread.as_raw_pid()))
        .expect("a stat file");
    let fields = text.rsplit(") ").next().expect("fields behind the name");
    fields.split(' ').nth(38).and_then(|field| field.parse().ok()).expect("a policy")
}

#[test]
fn only_the_named_thread_goes_first_and_comes_back() {
    let [(wait, held), (other_wait, other_held)] = [mpsc::channel::<()>(), mpsc::channel()];
    let spawn = |name: &str, held: mpsc::Receiver<()>| {
        let work = move || {
            let _ = held.recv();
        };
        std::thread::Builder::new().name(name.to_owned()).spawn(work).expect("a thread")
    };
    let threads = [spawn("worker 0", held), spawn("worker 1", other_held)];
    let own = rustix::process::getpid();
    let named = |name: &str| loop {
        // A new thread gives itself its name.
        if let Ok(thread) = thread_called(own, name) {
            return thread;
        }
        std::thread::yield_now();
    };
    let (first, second) = (named("worker 0"), named("worker 1"));
    // As root, as `./test` is; the kernel answers others EACCES for both ways.
    prefer(own, "worker 0", true).expect("privileged");
    let niceness = || rustix::process::getpriority_process(Some(first)).expect("it runs");
    assert!(policy(first) == libc::SCHED_RR || niceness() == NICENESS);
    assert_eq!(policy(second), libc::SCHED_OTHER);
    prefer(own, "worker 0", false).expect("privileged");
    assert_eq!((policy(first), niceness()), (libc::SCHED_OTHER, 0));
    let missing = prefer(own, "worker 2", true).expect_err("no such thread");
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    drop((wait, other_wait));
    threads.into_iter().for_each(|thread| thread.join().expect("it only waits"));
}
