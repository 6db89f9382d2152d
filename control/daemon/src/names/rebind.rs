//! Answers of others, looked at before they are passed on: is it the answer to what we asked, and does it stay outside?
//!
//! A public name whose address is one of ours would let a web page reach into the mesh by its own origin (DNS rebinding); so an answer
//! that names a mesh address, or leads into our domain, is refused as a whole.
//!
//! **Invariant:** pure; what is passed on is what came, but for the number and the spelling of the question.

use std::net::IpAddr;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::svcb::{SVCB, SvcParamValue};
use hickory_proto::rr::{Name, RData};

use super::message::HEADER_LEN;
use super::zone::Zone;

/// What came back from one of those that we ask.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reply {
    /// The answer, or that there is none.
    Answer,
    /// The answer is longer than a datagram.
    Truncated,
    /// It says that it cannot or will not answer.
    Failed,
    /// It answers the same question in another spelling: it does not keep the case of letters, or somebody guesses.
    Respelled,
    /// An answer to something else, or nothing that can be read.
    Foreign,
}

/// Looks at what came: `asked` is what we sent, byte for byte.
pub(crate) fn judge(asked: &[u8], came: &[u8]) -> Reply {
    let (Some(sent), Some(header)) = (asked.first_chunk::<HEADER_LEN>(), came.first_chunk::<HEADER_LEN>())
    else {
        return Reply::Foreign;
    };
    let opcode = header[2] & 0x78;
    if sent[..2] != header[..2] || header[2] & 0x80 == 0 || opcode != 0 {
        return Reply::Foreign;
    }
    let failed = |code: u8| !matches!(code, 0 | 3);
    let questions = u16::from_be_bytes([header[4], header[5]]);
    if questions == 0 && failed(header[3] & 15) {
        return Reply::Failed;
    }
    let question = question_of(asked);
    let Some(theirs) = came.get(HEADER_LEN..HEADER_LEN + question.len()) else { return Reply::Foreign };
    if questions != 1 || !theirs.eq_ignore_ascii_case(question) {
        Reply::Foreign
    } else if theirs != question {
        Reply::Respelled
    } else if failed(header[3] & 15) {
        Reply::Failed
    } else if header[2] & 2 != 0 {
        Reply::Truncated
    } else {
        Reply::Answer
    }
}

/// The question of a message that we wrote: name, type and class. It has one, and no name in it is compressed.
fn question_of(message: &[u8]) -> &[u8] {
    let body = message.get(HEADER_LEN..).unwrap_or_default();
    let mut at = 0;
    while let Some(len) = body.get(at).filter(|len| **len > 0) {
        at += 1 + usize::from(*len);
    }
    body.get(..at + 5).unwrap_or_default()
}

/// Whether an answer leads into the mesh.
pub(crate) fn leads_inside(answer: &Message, zone: &Zone) -> bool {
    answer.all_sections().any(|record| data_leads_inside(&record.data, zone))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "few kinds of records lead to an address")]
fn data_leads_inside(data: &RData, zone: &Zone) -> bool {
    match data {
        RData::A(ip) => zone.is_mesh(IpAddr::V4(ip.0)),
        RData::AAAA(ip) => zone.is_mesh(IpAddr::V6(ip.0)),
        RData::CNAME(name) => is_internal(&name.0, zone),
        RData::ANAME(name) => is_internal(&name.0, zone),
        RData::SRV(srv) => is_internal(&srv.target, zone),
        RData::HTTPS(https) => service_leads_inside(&https.0, zone),
        RData::SVCB(svcb) => service_leads_inside(svcb, zone),
        _ => false,
    }
}

fn service_leads_inside(service: &SVCB, zone: &Zone) -> bool {
    let hinted = |value: &SvcParamValue| match value {
        SvcParamValue::Ipv4Hint(hint) => hint.0.iter().any(|ip| zone.is_mesh(IpAddr::V4(ip.0))),
        SvcParamValue::Ipv6Hint(hint) => hint.0.iter().any(|ip| zone.is_mesh(IpAddr::V6(ip.0))),
        SvcParamValue::Mandatory(_)
        | SvcParamValue::Alpn(_)
        | SvcParamValue::NoDefaultAlpn
        | SvcParamValue::Port(_)
        | SvcParamValue::EchConfigList(_)
        | SvcParamValue::Unknown(_) => false,
    };
    is_internal(&service.target_name, zone) || service.svc_params.iter().any(|(_, value)| hinted(value))
}

/// Names of `internal` are ours or nobody's, never a public name's business.
fn is_internal(name: &Name, zone: &Zone) -> bool {
    let labels: Vec<&[u8]> = name.iter().collect();
    labels.last().is_some_and(|last| last.eq_ignore_ascii_case(b"internal")) && zone.look(&labels).is_some()
}

/// The answer as the asker expects it: with its number and its spelling. `question` is the asker's, `asked` what we sent.
pub(crate) fn restored(mut came: Vec<u8>, id: u16, question: &[u8]) -> Vec<u8> {
    came[..2].copy_from_slice(&id.to_be_bytes());
    let end = HEADER_LEN + question.len();
    came[HEADER_LEN..end].copy_from_slice(question);
    // We recurse on its behalf, whatever those that we ask call themselves; and what is not ours we have no authority over.
    came[2] &= !0x04;
    came[3] |= 0x80;
    came
}

/// What is said instead of an answer that leads inside.
pub(crate) const REBINDING: ResponseCode = ResponseCode::Refused;

#[cfg(test)]
mod tests;
