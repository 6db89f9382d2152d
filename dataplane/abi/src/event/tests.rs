use super::*;
use proptest::prelude::*;

#[test]
fn every_status_survives_the_slot() {
    let statuses = Reason::ALL.map(Status::Refused).into_iter().chain([Status::Ok]);
    for (id, status) in (1..).zip(statuses) {
        let done = Completion { id, status };
        assert_eq!(Completion::decode(&done.encode()), Ok(done));
    }
}

#[test]
fn every_event_survives_the_slot() {
    let slot = PEERS_MAX - 1;
    let events = [
        PlaneEvent::HandshakeDone { slot },
        PlaneEvent::Roamed { slot },
        PlaneEvent::GaveUp { slot },
        PlaneEvent::Removed { slot },
        PlaneEvent::Fallback { worker: WORKERS_MAX - 1, kind: 63, errno: -1 },
        PlaneEvent::LinkGone,
        PlaneEvent::Precedence { worker: 0, wanted: true },
        PlaneEvent::Precedence { worker: WORKERS_MAX - 1, wanted: false },
    ];
    for event in events {
        assert_eq!(PlaneEvent::decode(&event.encode()), Ok(event));
    }
}

#[test]
fn what_is_out_of_range_is_refused() {
    let cases = [
        (PlaneEvent::Roamed { slot: PEERS_MAX }, "peer slot"),
        (PlaneEvent::Fallback { worker: WORKERS_MAX, kind: 0, errno: 0 }, "worker"),
        (PlaneEvent::Precedence { worker: WORKERS_MAX, wanted: true }, "worker"),
        (PlaneEvent::Fallback { worker: 0, kind: 64, errno: 0 }, "feature"),
    ];
    for (event, field) in cases {
        assert_eq!(PlaneEvent::decode(&event.encode()), Err(Refused::Field(field)));
    }
    let unknown = Completion { id: 1, status: Status::Ok }.encode().map(|byte| byte | 8);
    assert_eq!(Completion::decode(&unknown), Err(Refused::Field("status")));
}

proptest! {
    #[test]
    fn garbage_is_refused_or_canonical(small in 0..8_u8, mut bytes: [u8; EVENT_LEN], zero_from in 4..EVENT_LEN) {
        bytes[..4].copy_from_slice(&[small, 0, 0, 0]);
        bytes[zero_from..].fill(0);
        if let Ok(event) = PlaneEvent::decode(&bytes) {
            prop_assert_eq!(event.encode(), bytes);
        }
        let (done, _) = bytes.split_first_chunk().expect("longer than a completion");
        if let Ok(completion) = Completion::decode(done) {
            prop_assert_eq!(&completion.encode(), done);
        }
    }
}
