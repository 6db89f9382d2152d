//! From the bytes of a question to the bytes of its answer, or to a question that is passed on.
//!
//! Answers about our names follow RFC 1035 and RFC 2308: a name that is there without the type asked for is "no data", one that is
//! not is "no such name", and both carry the SOA record that says how long to remember it.
//!
//! **Invariant:** pure. Whatever comes in, an answer is never answered, so that no two resolvers can be set against each other.

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, PTR, SOA};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::zone::{Found, Place, Zone};

/// Bytes of a header (RFC 1035, section 4.1.1).
pub(crate) const HEADER_LEN: usize = 12;
/// Longest message over UDP to somebody who has not said otherwise, in bytes (RFC 1035, section 4.2.1).
const PLAIN_MAX: usize = 512;
/// Longest message that we send or ask for over UDP, in bytes: fits every link without fragments (DNS flag day 2020).
pub(crate) const UDP_MAX: u16 = 1232;
/// How long answers may be remembered, in seconds. Short, since names change at once.
const TTL_SECS: u32 = 10;

/// What becomes of a datagram or message that came in.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// This is the answer.
    Answer(Vec<u8>),
    /// Others may know it.
    Forward(Question),
    /// No answer at all.
    Drop,
}

/// A question for others.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// What is asked, as it was spelled.
    pub(crate) query: Query,
    /// The number by which the asker knows its answer.
    pub(crate) id: u16,
    /// What else the asker wants.
    pub(crate) recursion_desired: bool,
    pub(crate) checking_disabled: bool,
    pub(crate) authentic_data: bool,
    /// Whether it wants signatures; none without EDNS.
    pub(crate) dnssec_ok: Option<bool>,
    /// Longest answer over UDP, in bytes.
    pub(crate) answer_max: usize,
}

/// Reads a question and answers it, if the zone says what.
pub(crate) fn answer(zone: &Zone, bytes: &[u8]) -> Verdict {
    let Some([high, low, flags, ..]) = bytes.first_chunk::<HEADER_LEN>() else { return Verdict::Drop };
    if flags & 0x80 != 0 {
        return Verdict::Drop;
    }
    let Ok(asked) = Message::from_vec(bytes) else {
        let id = u16::from_be_bytes([*high, *low]);
        return Verdict::Answer(written(&Message::error_msg(id, OpCode::Query, ResponseCode::FormErr)));
    };
    let [query] = asked.queries.as_slice() else { return refuse(&asked, ResponseCode::FormErr) };
    if asked.metadata.op_code != OpCode::Query {
        return refuse(&asked, ResponseCode::NotImp);
    }
    if asked.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
        return refuse(&asked, ResponseCode::BADVERS);
    }
    let transfer = matches!(query.query_type, RecordType::AXFR | RecordType::IXFR);
    if query.query_class != DNSClass::IN || transfer {
        return refuse(&asked, ResponseCode::Refused);
    }
    let labels: Vec<&[u8]> = query.name.iter().collect();
    match zone.look(&labels) {
        Some(place) => Verdict::Answer(written(&local(zone, &asked, query, &place))),
        None => Verdict::Forward(question(&asked, query)),
    }
}

fn question(asked: &Message, query: &Query) -> Question {
    Question {
        query: query.clone(),
        id: asked.metadata.id,
        recursion_desired: asked.metadata.recursion_desired,
        checking_disabled: asked.metadata.checking_disabled,
        authentic_data: asked.metadata.authentic_data,
        dnssec_ok: asked.edns.as_ref().map(|edns| edns.flags().dnssec_ok),
        answer_max: asked
            .edns
            .as_ref()
            .map_or(PLAIN_MAX, |edns| usize::from(edns.max_payload().min(UDP_MAX))),
    }
}

impl Question {
    /// The answer that nothing more is known than this.
    pub(crate) fn fail(&self, code: ResponseCode) -> Vec<u8> {
        let mut answer = Message::response(self.id, OpCode::Query);
        answer.metadata.recursion_desired = self.recursion_desired;
        answer.metadata.recursion_available = true;
        answer.metadata.checking_disabled = self.checking_disabled;
        answer.metadata.response_code = code;
        answer.add_query(self.query.clone());
        if let Some(dnssec_ok) = self.dnssec_ok {
            answer.set_edns(edns(dnssec_ok));
        }
        written(&answer)
    }
}

/// The beginning of every answer: the question, and what it wants to see again.
fn reply(asked: &Message) -> Message {
    let mut reply = Message::response(asked.metadata.id, asked.metadata.op_code);
    reply.metadata.recursion_desired = asked.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.metadata.checking_disabled = asked.metadata.checking_disabled;
    reply.add_queries(asked.queries.iter().take(1).cloned());
    if let Some(asked) = &asked.edns {
        reply.set_edns(edns(asked.flags().dnssec_ok));
    }
    reply
}

/// What we say about ourselves (RFC 6891).
pub(crate) fn edns(dnssec_ok: bool) -> Edns {
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_MAX).set_version(0).set_dnssec_ok(dnssec_ok);
    edns
}

fn refuse(asked: &Message, code: ResponseCode) -> Verdict {
    let mut reply = reply(asked);
    reply.metadata.response_code = code;
    if let Some(edns) = &mut reply.edns {
        edns.set_rcode_high(code.high());
    }
    Verdict::Answer(written(&reply))
}

/// The answer about a name of ours.
fn local(zone: &Zone, asked: &Message, query: &Query, place: &Place<'_>) -> Message {
    let mut reply = reply(asked);
    reply.metadata.authoritative = true;
    let any = query.query_type == RecordType::ANY;
    let wants = |kind: RecordType| any || query.query_type == kind;
    let say = |data: RData| Record::from_rdata(query.name.clone(), TTL_SECS, data);
    match &place.found {
        Found::Apex if wants(RecordType::SOA) => {
            reply.add_answer(soa(&query.name, place));
        }
        Found::Device(addresses) => {
            let v4 = addresses.v4.filter(|_| wants(RecordType::A)).map(|ip| RData::A(A(ip)));
            let v6 = wants(RecordType::AAAA).then_some(RData::AAAA(AAAA(addresses.v6)));
            reply.add_answers(v4.into_iter().chain(v6).map(say));
        }
        Found::Pointer(name) if wants(RecordType::PTR) => {
            let full = Name::from_ascii(format!("{name}.{}.", zone.domain()));
            reply.add_answers(full.ok().map(|full| say(RData::PTR(PTR(full)))));
        }
        Found::Apex | Found::Pointer(_) | Found::Between => {}
        Found::Nothing => reply.metadata.response_code = ResponseCode::NXDomain,
    }
    if reply.answers.is_empty() {
        reply.add_authority(soa(&query.name, place));
    }
    reply
}

/// The SOA record of the tree that `name` is in; `minimum` is how long its absence may be remembered (RFC 2308).
fn soa(name: &Name, place: &Place<'_>) -> Record {
    let apex = name.trim_to(place.apex_labels).to_lowercase();
    let mailbox = Name::from_ascii("hostmaster")
        .and_then(|first| first.append_domain(&apex))
        .unwrap_or_else(|_| apex.clone());
    let secs = i32::try_from(TTL_SECS).unwrap_or(i32::MAX);
    let data = SOA::new(apex.clone(), mailbox, 1, secs, secs, secs, TTL_SECS);
    Record::from_rdata(apex, TTL_SECS, RData::SOA(data))
}

/// The answer again, without what makes it longer than `max` bytes: the asker comes again over TCP then (RFC 2181, section 9).
pub(crate) fn fitted(answer: Vec<u8>, max: usize) -> Vec<u8> {
    if answer.len() <= max {
        return answer;
    }
    match Message::from_vec(&answer) {
        Ok(long) => {
            let mut short = long.truncate();
            // Others' options may be long too.
            short.edns = short.edns.map(|theirs| edns(theirs.flags().dnssec_ok));
            written(&short)
        }
        Err(_) => vec![],
    }
}

/// A message of ours as bytes. It is always short enough for an encoder that only fails on what is too long.
pub(crate) fn written(message: &Message) -> Vec<u8> {
    debug_assert_eq!(message.metadata.message_type, MessageType::Response);
    message.to_vec().unwrap_or_default()
}

#[cfg(test)]
mod tests;
