//! A name, asked as any program asks: of the resolver on this device's own mesh address (RFC 1035, section 4).

use crate::device::Device;
use crate::{Error, Result};
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

/// Length of a message's header, in bytes.
const HEADER_LEN: usize = 12;
const PATIENCE: Duration = Duration::from_secs(3);
/// Recursion desired, and one question.
const HEADER: [u8; HEADER_LEN] = [0x51, 0x1e, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
/// Type A, class IN.
const QUESTION_END: [u8; 5] = [0, 0, 1, 0, 1];

/// The IPv4 address of `name`, by the resolver of `device` at `resolver`.
///
/// # Errors
/// When it does not answer, or knows no such name.
pub(super) fn ask(device: &Device, resolver: &str, name: &str) -> Result<Ipv4Addr> {
    let question = question(name);
    let answered = device.host.enter(|| {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.connect((resolver, 53))?;
        socket.send(&question)?;
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer)?;
        Ok::<_, std::io::Error>(answer[..length].to_vec())
    })?;
    let answer = answered.map_err(|error| Error::io(format!("asking for {name}"), error))?;
    address(&answer).ok_or_else(|| Error::Tunnel(format!("there is no name {name}")))
}

fn question(name: &str) -> Vec<u8> {
    let mut question = HEADER.to_vec();
    for label in name.split('.') {
        question.push(label.len() as u8);
        question.extend(label.as_bytes());
    }
    question.extend(QUESTION_END);
    question
}

/// The address at the end of an answer that has one and nothing after it.
fn address(answer: &[u8]) -> Option<Ipv4Addr> {
    let counts =
        answer.get(..HEADER_LEN).filter(|header| header[..2] == HEADER[..2] && header[3] & 15 == 0)?;
    let one_answer = counts[6..8] == [0, 1] && counts[8..] == [0; 4];
    let tail = answer.last_chunk::<6>().filter(|tail| one_answer && tail[..2] == [0, 4])?;
    Some(Ipv4Addr::new(tail[2], tail[3], tail[4], tail[5]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_what_the_standard_says() {
        let question = question("nas.home.internal");
        assert_eq!(&question[HEADER_LEN..], b"\x03nas\x04home\x08internal\0\0\x01\0\x01");
    }

    #[test]
    fn only_a_whole_answer_has_an_address() {
        let mut answer = question("nas.home.internal");
        answer[2..4].copy_from_slice(&[0x85, 0x80]);
        answer[7] = 1;
        answer.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x64\x40\0\x07");
        assert_eq!(address(&answer), Some(Ipv4Addr::new(100, 64, 0, 7)));
        let mut unknown = answer.clone();
        unknown[3] |= 3;
        assert_eq!(address(&unknown), None);
        assert_eq!(address(&question("nas")), None);
        assert_eq!(address(&answer[..11]), None);
    }
}
