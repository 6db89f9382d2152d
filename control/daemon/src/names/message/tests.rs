use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::names::zone::Zone;
use crate::names::zone::tests::home;

fn ask(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).expect("a name"), kind));
    message
}

fn bytes(message: &Message) -> Vec<u8> {
    message.to_vec().expect("short enough")
}

/// The answer, read by the library's own parser.
fn answered(zone: &Zone, asked: &[u8]) -> Message {
    match answer(zone, asked) {
        Verdict::Answer(answer) => Message::from_vec(&answer).expect("a message"),
        other @ (Verdict::Forward(_) | Verdict::Drop) => panic!("{other:?}"),
    }
}

fn data(answer: &Message) -> Vec<String> {
    answer.answers.iter().map(|record| record.data.to_string()).collect()
}

#[test]
fn names_are_answered_by_kind() {
    use RecordType::{A, AAAA, ANY, MX, NS, PTR, SOA, TXT};
    let ptr6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.a.9.8.7.6.5.4.3.2.1.d.f.ip6.arpa.";
    let (v4, v6) = ("100.71.3.4", "fd12:3456:789a::1");
    let table: &[(&str, RecordType, ResponseCode, &[&str])] = &[
        ("nas.home.internal.", A, ResponseCode::NoError, &[v4]),
        ("NAS.home.Internal.", A, ResponseCode::NoError, &[v4]),
        ("nas.home.internal.", AAAA, ResponseCode::NoError, &[v6]),
        ("box.home.internal.", AAAA, ResponseCode::NoError, &[v6]),
        ("nas.home.internal.", ANY, ResponseCode::NoError, &[v4, v6]),
        ("nas.home.internal.", MX, ResponseCode::NoError, &[]),
        ("nas.home.internal.", TXT, ResponseCode::NoError, &[]),
        ("desk.home.internal.", A, ResponseCode::NoError, &[]),
        ("tv.home.internal.", A, ResponseCode::NXDomain, &[]),
        ("a.nas.home.internal.", A, ResponseCode::NXDomain, &[]),
        ("work.internal.", A, ResponseCode::NXDomain, &[]),
        ("internal.", A, ResponseCode::NoError, &[]),
        ("home.internal.", A, ResponseCode::NoError, &[]),
        ("home.internal.", NS, ResponseCode::NoError, &[]),
        (
            "home.internal.",
            SOA,
            ResponseCode::NoError,
            &["home.internal. hostmaster.home.internal. 1 10 10 10 10"],
        ),
        ("4.3.71.100.in-addr.arpa.", PTR, ResponseCode::NoError, &["nas.home.internal."]),
        ("4.3.71.100.in-addr.arpa.", A, ResponseCode::NoError, &[]),
        ("9.3.71.100.in-addr.arpa.", PTR, ResponseCode::NXDomain, &[]),
        ("3.71.100.in-addr.arpa.", PTR, ResponseCode::NoError, &[]),
        (ptr6, PTR, ResponseCode::NoError, &["nas.home.internal."]),
    ];
    for (name, kind, code, expect) in table {
        let asked = ask(name, *kind);
        let answer = answered(&home(), &bytes(&asked));
        let meta = &answer.metadata;
        assert_eq!(
            (meta.response_code, data(&answer)),
            (*code, expect.iter().map(|s| (*s).to_owned()).collect()),
            "{name} {kind}"
        );
        assert!(meta.authoritative && meta.recursion_desired && meta.recursion_available && !meta.truncation);
        assert_eq!((meta.id, &answer.queries), (0x1234, &asked.queries));
        // Without data, the SOA record says how long to remember that; it is above the name that was asked for.
        let soa: Vec<_> = answer.authorities.iter().filter(|record| record.record_type() == SOA).collect();
        assert_eq!(soa.len(), usize::from(expect.is_empty()), "{name} {kind}");
        assert!(soa.iter().all(|soa| soa.name.zone_of(asked.queries[0].name())), "{name} {kind}");
    }
}

#[test]
fn what_is_not_ours_is_for_others() {
    for name in [
        "example.org.",
        "nas.",
        "nas.home.",
        ".",
        "4.3.72.100.in-addr.arpa.",
        "localhost.",
        "internal.example.org.",
    ] {
        match answer(&home(), &bytes(&ask(name, RecordType::A))) {
            Verdict::Forward(question) => assert_eq!(question.query.name.to_ascii(), name),
            other @ (Verdict::Answer(_) | Verdict::Drop) => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn odd_questions_are_refused_as_the_standard_says() {
    let change = |change: &dyn Fn(&mut Message)| {
        let mut asked = ask("nas.home.internal.", RecordType::A);
        change(&mut asked);
        bytes(&asked)
    };
    let other = Query::query(Name::from_ascii("a.").expect("a name"), RecordType::A);
    let table = [
        ("no question", change(&|asked| asked.queries.clear()), ResponseCode::FormErr),
        ("two questions", change(&|asked| asked.queries.push(other.clone())), ResponseCode::FormErr),
        ("a notification", change(&|asked| asked.metadata.op_code = OpCode::Notify), ResponseCode::NotImp),
        (
            "another class",
            change(&|asked| asked.queries[0].query_class = DNSClass::CH),
            ResponseCode::Refused,
        ),
        (
            "a transfer",
            change(&|asked| asked.queries[0].query_type = RecordType::AXFR),
            ResponseCode::Refused,
        ),
        ("cut short", change(&|_| {})[..20].to_vec(), ResponseCode::FormErr),
        (
            "counts too much",
            {
                let mut asked = change(&|_| {});
                asked[7] = 9;
                asked
            },
            ResponseCode::FormErr,
        ),
        (
            "a name that points at itself",
            {
                let mut asked = change(&|_| {});
                asked[12..14].copy_from_slice(&[0xc0, 12]);
                asked
            },
            ResponseCode::FormErr,
        ),
    ];
    for (what, asked, expect) in table {
        let answer = answered(&home(), &asked);
        assert_eq!((answer.metadata.response_code, answer.metadata.id), (expect, 0x1234), "{what}");
        assert!(answer.answers.is_empty(), "{what}");
    }
}

#[test]
fn answers_and_scraps_are_never_answered() {
    let mut answer_like = bytes(&ask("nas.home.internal.", RecordType::A));
    answer_like[2] |= 0x80;
    for dropped in [&answer_like[..], &[], &[0x12], &[0; 11]] {
        assert!(matches!(answer(&home(), dropped), Verdict::Drop), "{dropped:?}");
    }
}

#[test]
fn extensions_are_answered_with_ours() {
    let mut asked = ask("nas.home.internal.", RecordType::A);
    asked.set_edns({
        let mut theirs = edns(true);
        theirs.set_max_payload(4096);
        theirs
    });
    let answer = answered(&home(), &bytes(&asked));
    let ours = answer.edns.as_ref().expect("extensions");
    assert_eq!((ours.version(), ours.max_payload(), ours.flags().dnssec_ok), (0, UDP_MAX, true));
    assert!(answered(&home(), &bytes(&ask("nas.home.internal.", RecordType::A))).edns.is_none());

    // BADVERS; the library calls the number 16 by its other name, BADSIG.
    asked.edns.as_mut().expect("set above").set_version(1);
    let answer = answered(&home(), &bytes(&asked));
    assert_eq!((u16::from(answer.metadata.response_code), answer.answers.len()), (16, 0));
}

#[test]
fn long_answers_are_cut_to_what_the_asker_takes() {
    let mut long = Message::response(7, OpCode::Query);
    long.add_query(Query::query(Name::from_ascii("a.example.").expect("a name"), RecordType::A));
    let name = long.queries[0].name.clone();
    long.add_answers(
        (0..60).map(|last| Record::from_rdata(name.clone(), 1, RData::A(A::new(192, 0, 2, last)))),
    );
    let whole = bytes(&long);
    assert_eq!(fitted(whole.clone(), whole.len()), whole);
    let cut = fitted(whole.clone(), 512);
    let read = Message::from_vec(&cut).expect("a message");
    assert!(cut.len() <= 512 && read.metadata.truncation && read.answers.is_empty());
    assert_eq!((read.metadata.id, read.queries), (7, long.queries));
}

fn some_name() -> impl Strategy<Value = String> {
    let label = prop_oneof![
        Just("nas".to_owned()),
        Just("Desk".to_owned()),
        Just("box".to_owned()),
        Just("home".to_owned()),
        Just("HOME".to_owned()),
        Just("internal".to_owned()),
        Just("Internal".to_owned()),
        Just("71".to_owned()),
        Just("100".to_owned()),
        Just("3".to_owned()),
        Just("4".to_owned()),
        Just("in-addr".to_owned()),
        Just("arpa".to_owned()),
        "[a-z0-9-]{1,12}",
    ];
    prop::collection::vec(label, 0..7).prop_map(|labels| labels.join(".") + ".")
}

proptest! {
    /// Whatever is asked, the library reads our answer, and it says what a list of all names says.
    #[test]
    fn answers_agree_with_a_plain_list(name in some_name(), kind in 0_u16..70, with_edns: bool) {
        let Ok(parsed) = Name::from_ascii(&name) else { return Ok(()) };
        let kind = RecordType::from(kind);
        prop_assume!(!matches!(kind, RecordType::OPT | RecordType::AXFR | RecordType::IXFR));
        let mut asked = ask(".", kind);
        asked.queries[0].name = parsed;
        if with_edns {
            asked.set_edns(edns(false));
        }
        let lower = name.to_lowercase();
        let known: &[(&str, &[&str])] = &[
            ("nas.home.internal.", &["100.71.3.4", "fd12:3456:789a::1"]),
            ("box.home.internal.", &["100.71.3.4", "fd12:3456:789a::1"]),
            ("desk.home.internal.", &["fd12:3456:789a:ffff::2"]),
        ];
        let ips = known.iter().find(|(known, _)| *known == lower).map(|(_, ips)| *ips);
        let inside = lower == "internal." || lower.ends_with(".internal.");
        match answer(&home(), &bytes(&asked)) {
            Verdict::Answer(answer) => {
                let answer = Message::from_vec(&answer).expect("the library reads it");
                prop_assert!(inside || lower.ends_with(".71.100.in-addr.arpa.") || lower == "71.100.in-addr.arpa.");
                prop_assert_eq!(answer.edns.is_some(), with_edns);
                if inside {
                    let expect: Vec<String> = ips.unwrap_or_default().iter().filter(|ip| match ip.parse() {
                        Ok(IpAddr::V4(_)) => kind == RecordType::A,
                        Ok(IpAddr::V6(_)) => kind == RecordType::AAAA,
                        Err(_) => false,
                    }).map(|ip| (*ip).to_owned()).collect();
                    if kind != RecordType::SOA {
                        prop_assert_eq!(data(&answer), expect);
                    }
                    let there = ips.is_some() || lower == "internal." || lower == "home.internal.";
                    prop_assert_eq!(answer.metadata.response_code == ResponseCode::NXDomain, !there);
                }
            }
            Verdict::Forward(question) => {
                prop_assert!(!inside, "something under internal would be passed on");
                prop_assert_eq!(question.query, asked.queries[0].clone());
            }
            Verdict::Drop => prop_assert!(false, "a question was dropped"),
        }
    }

    /// Any bytes: a message, or nothing; never a panic, never an answer to an answer.
    #[test]
    fn any_bytes_are_answered_or_dropped(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        match answer(&home(), &bytes) {
            Verdict::Answer(answer) => {
                let answer = Message::from_vec(&answer).expect("the library reads it");
                prop_assert_eq!(answer.metadata.message_type, MessageType::Response);
                prop_assert!(bytes[2] & 0x80 == 0);
            }
            Verdict::Forward(_) => prop_assert!(bytes[2] & 0x80 == 0),
            Verdict::Drop => prop_assert!(bytes.len() < HEADER_LEN || bytes[2] & 0x80 != 0),
        }
    }
}
