//! Two sessions and a network that loses, repeats, reorders and forges: a packet arrives exactly once and as it was
//! sent, or not at all.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use ringmesh_crypto::{Seal, TAG_LEN, seal};
use ringmesh_tunnel::limits::REJECT_AFTER_TIME;
use ringmesh_tunnel::session::{Keys, Session};
use ringmesh_tunnel::{Drop, replay};
use std::collections::BTreeSet;
use std::time::Duration;

#[derive(Arbitrary, Debug)]
enum Step {
    Send {
        len: u8,
        padding: u8,
    },
    /// Counters that are spent and never sent.
    Skip(u16),
    Deliver {
        which: u8,
        at: u8,
        flip: u8,
    },
    /// Delivers under another counter than it was sealed with.
    Recount {
        which: u8,
        by: u8,
    },
    Wait {
        secs: u8,
    },
}

fuzz_target!(|steps: Vec<Step>| {
    let keys = Keys { send: [1; 32], recv: [2; 32] };
    let back = Keys { send: [2; 32], recv: [1; 32] };
    let mut now = Duration::from_secs(1_000);
    let mut sender = Session::new(&keys, 1, 2, true, now);
    let mut receiver = Session::new(&back, 2, 1, false, now);
    let deadline = now + REJECT_AFTER_TIME;
    let mut sent: Vec<(u64, Vec<u8>, Vec<u8>)> = Vec::new();
    let (mut admitted, mut newest) = (BTreeSet::new(), 0);
    for step in steps {
        match step {
            Step::Send { len, padding } => {
                let Ok(counter) = sender.stage(1, now) else { continue };
                let body: Vec<u8> = (0..len).map(|i| i ^ counter as u8).collect();
                let mut out = vec![0xee; body.len() + usize::from(padding) + TAG_LEN];
                seal(&mut [Seal { key: sender.send_key(), counter, head: &[], body: &body, out: &mut out }]);
                let plain = [body, vec![0; usize::from(padding)]].concat();
                sent.push((counter, plain, out));
            }
            Step::Skip(count) => drop(sender.stage(count.into(), now)),
            Step::Deliver { which, at, flip } if !sent.is_empty() => {
                let (counter, plain, sealed) = &sent[usize::from(which) % sent.len()];
                let mut text = sealed.clone();
                let at = usize::from(at) % text.len();
                text[at] ^= flip;
                match receiver.open(*counter, &mut text, now) {
                    Ok(opened) => {
                        assert!(flip == 0 && now < deadline && text[..plain.len()] == *plain);
                        let fresh = !admitted.contains(counter) && counter + replay::REACH >= newest;
                        assert_eq!(
                            receiver.admit(opened),
                            if fresh { Ok(plain.len()) } else { Err(Drop::Replay) }
                        );
                        admitted.insert(*counter);
                        newest = newest.max(*counter);
                    }
                    Err(Drop::Forged) => assert!(flip != 0 && now < deadline),
                    Err(drop) => assert!(drop == Drop::Expired && now >= deadline),
                }
            }
            Step::Recount { which, by } if !sent.is_empty() && by != 0 => {
                let (counter, _, sealed) = &sent[usize::from(which) % sent.len()];
                assert!(receiver.open(counter.wrapping_sub(by.into()), &mut sealed.clone(), now).is_err());
            }
            Step::Deliver { .. } | Step::Recount { .. } => {}
            Step::Wait { secs } => now += Duration::from_secs(secs.into()),
        }
    }
});
