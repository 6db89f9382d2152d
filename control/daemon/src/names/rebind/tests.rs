use hickory_proto::op::{MessageType, OpCode, Query};
use hickory_proto::rr::rdata::svcb::{IpHint, SvcParamKey};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, HTTPS, SRV};
use hickory_proto::rr::{Record, RecordType};

use super::*;
use crate::names::zone::tests::home;

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

fn asked() -> Vec<u8> {
    let mut message = Message::new(0x4242, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(name("wWw.exAmple.org."), RecordType::A));
    message.to_vec().expect("short enough")
}

/// The answer to `asked`, with records.
fn came(data: &[RData]) -> Message {
    let mut message = Message::from_vec(&asked()).expect("a message");
    message.metadata.message_type = MessageType::Response;
    message
        .add_answers(data.iter().map(|data| Record::from_rdata(name("www.example.org."), 60, data.clone())));
    message
}

#[test]
fn only_the_very_answer_counts() {
    let whole = came(&[RData::A(A::new(192, 0, 2, 1))]).to_vec().expect("short enough");
    let change = |at: usize, with: u8| {
        let mut changed = whole.clone();
        changed[at] ^= with;
        changed
    };
    let bare = |code: u8| [&[0x42, 0x42, 0x80, code][..], &[0; 8]].concat();
    let table = [
        ("the answer", whole.clone(), Reply::Answer),
        ("another number", change(1, 1), Reply::Foreign),
        ("a question", change(2, 0x80), Reply::Foreign),
        ("another operation", change(2, 0x20), Reply::Foreign),
        ("cut short by its sender", change(2, 2), Reply::Truncated),
        ("no such name", change(3, 3), Reply::Answer),
        ("server failure", change(3, 2), Reply::Failed),
        ("refused", change(3, 5), Reply::Failed),
        ("another spelling", change(13, 0x20), Reply::Respelled),
        ("another name", change(14, 1), Reply::Foreign),
        ("another type", change(HEADER_LEN + 17 + 1, 1), Reply::Foreign),
        ("another class", change(HEADER_LEN + 17 + 3, 2), Reply::Foreign),
        ("two questions", change(5, 3), Reply::Foreign),
        ("cut in the question", whole[..20].to_vec(), Reply::Foreign),
        ("a failure without the question", bare(1), Reply::Failed),
        ("success without the question", bare(0), Reply::Foreign),
        ("nothing", vec![], Reply::Foreign),
    ];
    for (what, came, expect) in table {
        assert_eq!(judge(&asked(), &came), expect, "{what}");
    }
}

#[test]
fn what_leads_into_the_mesh_is_seen() {
    let v4 = |text: &str| RData::A(A(text.parse().expect("an address")));
    let v6 = |text: &str| RData::AAAA(AAAA(text.parse().expect("an address")));
    let hint4 = |ip: &str| {
        (SvcParamKey::Ipv4Hint, SvcParamValue::Ipv4Hint(IpHint(vec![A(ip.parse().expect("an address"))])))
    };
    let hint6 = |ip: &str| {
        (SvcParamKey::Ipv6Hint, SvcParamValue::Ipv6Hint(IpHint(vec![AAAA(ip.parse().expect("an address"))])))
    };
    let https = |target: &str, hints| RData::HTTPS(HTTPS(SVCB::new(1, name(target), hints)));
    let cname = |target: &str| RData::CNAME(CNAME(name(target)));
    let table = [
        (vec![], false),
        (vec![v4("192.0.2.1"), v6("2001:db8::1")], false),
        (vec![v4("192.0.2.1"), v4("100.71.9.9")], true),
        (vec![v4("100.72.9.9")], false),
        (vec![v6("fd12:3456:789a:5::5")], true),
        (vec![v6("::ffff:100.71.9.9")], true),
        (vec![cname("cdn.example.net."), v4("192.0.2.1")], false),
        (vec![cname("NAS.home.Internal.")], true),
        (vec![cname("nas.work.internal.")], true),
        (vec![cname("internal.example.org.")], false),
        (vec![RData::SRV(SRV::new(1, 1, 443, name("nas.home.internal.")))], true),
        (vec![https(".", vec![hint4("192.0.2.1"), hint6("2001:db8::1")])], false),
        (vec![https(".", vec![hint4("100.71.1.1")])], true),
        (vec![https(".", vec![hint6("fd12:3456:789a::1")])], true),
        (vec![https("nas.home.internal.", vec![])], true),
    ];
    for (data, expect) in table {
        // As it is after a journey over the wire, in each section.
        let wire = came(&data).to_vec().expect("short enough");
        assert_eq!(leads_inside(&Message::from_vec(&wire).expect("a message"), &home()), expect, "{data:?}");
        let mut moved = came(&data);
        moved.additionals = std::mem::take(&mut moved.answers);
        assert_eq!(leads_inside(&moved, &home()), expect, "{data:?}, as additional records");
    }
}

#[test]
fn an_answer_comes_back_as_the_asker_knows_it() {
    let mut upstream = came(&[RData::A(A::new(192, 0, 2, 1))]);
    upstream.metadata.authoritative = true;
    upstream.metadata.recursion_available = false;
    let mut theirs = asked();
    theirs[13..16].copy_from_slice(b"www");
    let end = theirs.len();
    let back = restored(upstream.to_vec().expect("short enough"), 0x0102, &theirs[HEADER_LEN..end]);
    let read = Message::from_vec(&back).expect("a message");
    assert_eq!((read.metadata.id, &back[HEADER_LEN..end]), (0x0102, &theirs[HEADER_LEN..end]));
    assert!(!read.metadata.authoritative && read.metadata.recursion_available);
    assert_eq!(read.answers, upstream.answers);
}
