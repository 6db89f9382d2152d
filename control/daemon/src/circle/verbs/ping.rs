//! One echo through the tunnel: an ICMPv6 echo request to the peer's mesh address (RFC 4443, section 4.1).

use std::io;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Duration;

use ringmesh_api::circle::look::{Ping, Pong};
use ringmesh_api::circle::{Code, Refusal};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{find, known};
use crate::circle::ask::{Answer, answer};
use crate::circle::random;
use crate::circle::run::Daemon;
use crate::os::clock::boottime;

/// Longest wait, in milliseconds.
const WAIT_MS_MAX: u64 = 60_000;
const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;
/// Type, code, checksum, identifier and sequence number, then 16 bytes of our own.
const ECHO_LEN: usize = 24;
/// A request that is lost while a handshake is under way is followed by another.
const AGAIN: Duration = Duration::from_millis(500);

impl Daemon {
    pub(super) fn ping(
        &mut self,
        ping: &Ping,
        reply: oneshot::Sender<Answer>,
    ) -> Option<(oneshot::Sender<Answer>, Answer)> {
        let begun = self.begin_ping(ping);
        let (address, pong) = match begun {
            Ok(begun) => begun,
            Err(refusal) => return Some((reply, Err(refusal))),
        };
        let patience = Duration::from_millis(ping.wait_ms.min(WAIT_MS_MAX));
        tokio::spawn(async move {
            let answered = match timeout(patience, echo(address)).await {
                Ok(Ok(time)) => answer(Pong { round_trip_ms: time.as_secs_f64() * 1000.0, ..pong }),
                Ok(Err(error)) => {
                    Err(Refusal::new(Code::System, format!("the echo could not be sent: {error}")))
                }
                Err(_) => {
                    let sentence = format!("{} did not answer within {} ms", pong.name, patience.as_millis());
                    Err(Refusal::new(Code::Timeout, sentence)
                        .fix("it may be offline, or may not let this device reach it: `ringmesh peers` and `ringmesh can` tell"))
                }
            };
            let _ = reply.send(answered);
        });
        None
    }

    fn begin_ping(&mut self, ping: &Ping) -> Result<(Ipv6Addr, Pong), Refusal> {
        let active = self.own_circle()?;
        let device = find(active, &ping.peer)?;
        let (_, roster) = known(active)?;
        let address = ringmesh_mesh::address::ipv6_of(&roster.circle, &device);
        let endpoint = active.endpoint_of(&device).map(|endpoint| endpoint.to_string());
        let name = roster.call(&device);
        Ok((address, Pong { name, address: address.to_string(), round_trip_ms: 0.0, endpoint }))
    }
}

/// Sends echo requests until one is answered; the time is that of the one which was.
async fn echo(to: Ipv6Addr) -> io::Result<Duration> {
    let socket = Socket::new(Domain::IPV6, Type::RAW.cloexec().nonblocking(), Some(Protocol::ICMPV6))?;
    socket.connect(&SocketAddrV6::new(to, 0, 0, 0).into())?;
    // Only `send` and `recv` are used, which are the same on every kind of socket.
    let socket = UdpSocket::from_std(socket.into())?;
    let token: [u8; 18] = random();
    let mut sequence = 0_u16;
    loop {
        sequence = sequence.wrapping_add(1);
        let request = request(&token, sequence);
        let sent_at = boottime();
        socket.send(&request).await?;
        let answered = async {
            let mut buffer = [0; 256];
            loop {
                let len = socket.recv(&mut buffer).await?;
                if is_answer(&buffer[..len], &request) {
                    return Ok(boottime() - sent_at);
                }
            }
        };
        if let Ok(answered) = timeout(AGAIN, answered).await {
            return answered;
        }
    }
}

/// The kernel fills the checksum in.
fn request(token: &[u8; 18], sequence: u16) -> [u8; ECHO_LEN] {
    let mut request = [0; ECHO_LEN];
    request[0] = ECHO_REQUEST;
    request[4..6].copy_from_slice(&token[..2]);
    request[6..8].copy_from_slice(&sequence.to_be_bytes());
    request[8..].copy_from_slice(&token[2..]);
    request
}

fn is_answer(message: &[u8], request: &[u8; ECHO_LEN]) -> bool {
    message.len() == ECHO_LEN && message[0] == ECHO_REPLY && message[4..] == request[4..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_to_this_request_is_one() {
        let asked = request(&[7; 18], 1);
        let mut reply = asked;
        reply[0] = ECHO_REPLY;
        reply[2] = 0xab;
        assert!(is_answer(&reply, &asked));
        assert!(!is_answer(&reply, &request(&[7; 18], 2)), "an answer to another one");
        assert!(!is_answer(&asked, &asked), "our own request");
        assert!(!is_answer(&reply[..23], &asked), "cut short");
        assert!(!is_answer(&[], &asked));
    }
}
