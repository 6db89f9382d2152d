//! Any bytes as a question to the resolver, and as the answer of a server that was asked: read, answered or refused; what leads into the mesh
//! never passes, and nothing under `internal` is passed on.
#![no_main]

use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::RData;
use libfuzzer_sys::fuzz_target;
use message::{Verdict, answer, fitted};
use rebind::{Reply, judge, leads_inside, restored};
use ringmesh_mesh::address::Ipv4Block;
use zone::{Addresses, Zone};

// The resolver's own files and not the daemon's crate, which would bring an event loop and netlink to be instrumented.
#[allow(dead_code, reason = "the daemon's other parts use the rest")]
#[path = "../../control/daemon/src/names/message.rs"]
#[rustfmt::skip]
mod message;
#[allow(dead_code, reason = "the daemon's other parts use the rest")]
#[path = "../../control/daemon/src/names/rebind.rs"]
#[rustfmt::skip]
mod rebind;
#[allow(dead_code, reason = "the daemon's other parts use the rest")]
#[path = "../../control/daemon/src/names/zone.rs"]
#[rustfmt::skip]
mod zone;

fn home() -> Zone {
    let mut zone = Zone::new("home", Ipv4Block::sixteen(7), "fd12:3456:789a::".parse().expect("a prefix"));
    let v6 = "fd12:3456:789a::1".parse().expect("an address");
    zone.device("nas", Addresses { v4: "100.71.3.4".parse().ok(), v6 });
    zone
}

// Two bytes of length, the question, and the rest is what came.
fuzz_target!(|data: &[u8]| {
    let Some((len, rest)) = data.split_first_chunk() else { return };
    let (question, came) = rest.split_at(rest.len().min(usize::from(u16::from_be_bytes(*len))));
    let mut came = came.to_vec();
    let zone = home();
    match answer(&zone, question) {
        Verdict::Drop => {}
        Verdict::Answer(answer) => {
            let answer = Message::from_vec(&answer).expect("ours can be read");
            assert_eq!(answer.metadata.message_type, MessageType::Response);
        }
        Verdict::Forward(question) => {
            let last = question.query.name().iter().last().map(<[u8]>::to_ascii_lowercase);
            assert_ne!(last.as_deref(), Some(&b"internal"[..]));
        }
    }
    // As a server's answer to what was asked, with the right number so that more than that is looked at.
    if let (Some(sent), Some(theirs)) = (question.first_chunk::<2>(), came.first_chunk_mut::<2>()) {
        *theirs = *sent;
    }
    let verdict = judge(question, &came);
    if verdict == Reply::Answer
        && let Ok(read) = Message::from_vec(&came)
    {
        let inside = read.answers.iter().any(|record| {
            matches!(record.data, RData::A(_) | RData::AAAA(_))
                && record.data.ip_addr().is_some_and(|ip| zone.is_mesh(ip))
        });
        assert!(!inside || leads_inside(&read, &zone));
        assert!(fitted(came.clone(), 512).len() <= 512);
        let end = came.len().min(question.len());
        if end > message::HEADER_LEN {
            let len = came.len();
            let spelled = question[message::HEADER_LEN..end].to_vec();
            assert_eq!(restored(came, 7, &spelled).len(), len);
        }
    }
});
