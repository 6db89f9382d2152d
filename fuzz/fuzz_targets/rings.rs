//! Two processes over one memory, and somebody who writes anything anywhere into it between their steps.
//! Nothing may panic or go on for ever; what was not touched works.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use ringmesh_abi::{Command, ControlSide, Endpoint, PeerState, PlaneEvent, PlaneSide, Status};
use rustix::io::pwrite;

#[derive(Arbitrary, Debug)]
enum Step {
    /// Bytes into the beginning of the memory, where headers, cursors and rings are.
    Scribble {
        at: u32,
        bytes: [u8; 8],
        times: u8,
    },
    Submit(u32),
    Inject(u16),
    Publish(u32),
    Event(u32),
    Punt(u16),
    ControlPolls,
    PlanePolls,
    Sleep,
}

/// More than any ring has slots: a consumer that has not ended by then never will.
const POLLS_MAX: usize = 100_000;

fuzz_target!(|input: (Vec<(u16, [u8; 8])>, Vec<Step>)| {
    let (early, steps) = input;
    let (mut control, fd) = ControlSide::create(2).expect("memory can be had");
    for (at, bytes) in &early {
        pwrite(&fd, bytes, u64::from(*at)).expect("the memory is longer than that");
    }
    let Ok(mut plane) = PlaneSide::attach(&fd, control.generation()) else {
        assert!(!early.is_empty());
        return;
    };
    let payload = [7; 1_600];
    for step in steps {
        match step {
            Step::Scribble { at, bytes, times } => {
                for i in 0..u64::from(times) + 1 {
                    let _ = pwrite(&fd, &bytes, u64::from(at % (1 << 21)) + i * 8);
                }
            }
            Step::Submit(mtu) => drop(control.submit(&Command::Mtu { mtu })),
            Step::Inject(len) => drop(control.inject(&Endpoint::None, &payload[..usize::from(len) % 1_601])),
            Step::Publish(slot) => plane.rows().publish_peer(slot, &PeerState::default()),
            Step::Event(slot) => drop(plane.event(PlaneEvent::HandshakeDone { slot })),
            Step::Punt(len) => drop(plane.punt(&Endpoint::None, &payload[..usize::from(len) % 1_601])),
            Step::ControlPolls => {
                let ended = (0..POLLS_MAX).any(|_| control.poll_completion().is_none());
                assert!(ended && (0..POLLS_MAX).any(|_| control.poll_event().is_none()));
                assert!((0..POLLS_MAX).any(|_| control.poll_punt().is_none()));
                let _ = (control.peer(3), control.worker(1), control.plane());
            }
            Step::PlanePolls => {
                let mut polls = 0;
                while let Some(command) = plane.poll_command() {
                    command.into_iter().for_each(|(id, _)| plane.complete(id, Status::Ok));
                    polls += 1;
                    assert!(polls < POLLS_MAX);
                }
                assert!((0..POLLS_MAX).any(|_| plane.poll_inject().is_none()));
            }
            Step::Sleep => drop((control.may_sleep(), plane.may_sleep(), control.woke(), plane.woke())),
        }
    }
});
