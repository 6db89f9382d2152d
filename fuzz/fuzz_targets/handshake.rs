//! Two devices and a network that loses, repeats, delays and forges. Nothing that was changed makes a session, and
//! whatever has happened, an honest handshake afterwards succeeds.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use ringmesh_fuzz::pair::Pair;
use std::time::Duration;

#[derive(Arbitrary, Debug)]
enum Step {
    Raw(bool, Vec<u8>),
    Want(bool),
    /// Delivers a message of the past, perhaps changed, perhaps with a new MAC1 over the change.
    Deliver {
        which: u8,
        change: Option<(u8, u8)>,
        mended: bool,
    },
    Wait {
        millis: u16,
    },
    Pressure(bool, bool),
    Preshared(u8),
    Keepalive([u8; 2]),
    /// The owner has seen the first data of the newest session.
    Confirm(bool),
}

fn run(pair: &mut Pair, step: Step) {
    match step {
        Step::Raw(to, bytes) => drop(pair.deliver(to.into(), bytes)),
        Step::Want(side) => pair.want(side.into()),
        Step::Deliver { which, change, mended } if !pair.mail.is_empty() => {
            let (to, mut bytes) = pair.mail[usize::from(which) % pair.mail.len()].clone();
            let forged = change.is_some_and(|(at, flip)| pair.forge(to, &mut bytes, at, flip, mended));
            let before = pair.installed;
            let taken = pair.deliver(to, bytes);
            assert!(!forged || !taken && pair.installed == before);
        }
        Step::Deliver { .. } => {}
        Step::Wait { millis } => pair.wait(Duration::from_millis(millis.into())),
        Step::Pressure(side, pressure) => pair.devices[usize::from(side)].set_cookie_pressure(pressure),
        Step::Preshared(byte) => pair.set_peers(byte, [0, 0]),
        Step::Keepalive(secs) => pair.set_peers(0, secs),
        Step::Confirm(side) => pair.confirm(side.into()),
    }
}

fuzz_target!(|steps: Vec<Step>| {
    let mut pair = Pair::new();
    steps.into_iter().take(40).for_each(|step| run(&mut pair, step));
    pair.must_recover();
});
