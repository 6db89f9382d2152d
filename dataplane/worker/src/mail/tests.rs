use super::*;
use rustix::event::{PollFd, PollFlags, poll};

fn rings(bell: &Bell) -> bool {
    let now = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut fds = [PollFd::new(&bell.event, PollFlags::IN)];
    poll(&mut fds, Some(&now)).expect("poll answers") == 1
}

#[test]
fn only_a_sleeper_is_woken_and_only_once() {
    let bell = Bell::for_poll().expect("eventfd");
    bell.ring();
    assert!(!rings(&bell), "awake: no system call");
    bell.on_sleep();
    bell.ring();
    assert!(rings(&bell));
    bell.drain();
    bell.ring();
    assert!(!rings(&bell), "the first ring took the announcement away");
    bell.on_sleep();
    bell.on_wake();
    bell.ring();
    assert!(!rings(&bell));
}

#[test]
fn no_wake_up_is_lost_between_two_threads() {
    const ROUNDS: u32 = 20_000;
    let mail = Arc::new(SlowMail::new().expect("eventfd"));
    let sender = Arc::clone(&mail);
    let pushing = std::thread::spawn(move || {
        for round in 0..ROUNDS {
            let mut note = Note::Installed { id: PeerId(0), local_index: round };
            while let Err(back) = sender.notes.push(note) {
                note = back;
                std::thread::yield_now();
            }
            sender.bell.ring();
        }
    });
    let mut seen = 0;
    while seen < ROUNDS {
        mail.bell.on_sleep();
        if mail.is_empty() {
            let limit = rustix::time::Timespec { tv_sec: 10, tv_nsec: 0 };
            let mut fds = [PollFd::new(&mail.bell.event, PollFlags::IN)];
            assert_eq!(poll(&mut fds, Some(&limit)).expect("poll"), 1, "asleep for ever after {seen} notes");
            mail.bell.drain();
        }
        mail.bell.on_wake();
        while let Some(note) = mail.notes.pop() {
            let Note::Installed { local_index, .. } = note else { panic!("not sent") };
            assert_eq!(local_index, seen, "in order");
            seen += 1;
        }
    }
    pushing.join().expect("the sender ends");
}
