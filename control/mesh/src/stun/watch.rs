//! Asking servers again and again how this socket looks from there.
//!
//! The answer is the address that others must use, if the router maps ports without looking at where packets go; and the
//! question keeps that mapping alive while no peer is talked to. A server is asked every [`EVERY`]; a question that is not
//! answered is repeated (RFC 8489, section 6.2.1), and a server that never answers is asked no more often than one that does.
//!
//! **Invariant:** an answer counts only from the server that was asked, with the number of the question that is open.

use std::net::SocketAddr;
use std::time::Duration;

use super::{HEADER_LEN, TRANSACTION_LEN, mapped, request};

/// Servers that are asked.
pub const SERVERS_MAX: usize = 8;
/// Between two questions: home routers keep a mapping for 30 seconds or more.
pub const EVERY: Duration = Duration::from_secs(25);
/// When a question is repeated, after it was first asked.
const AGAIN: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_millis(1500), Duration::from_millis(3500)];

/// One server.
#[derive(Clone, Debug)]
struct Server {
    at: SocketAddr,
    /// When the question was first asked; none before.
    asked_at: Option<Duration>,
    /// How often it was asked.
    times: usize,
    /// The number of the open question.
    open: Option<[u8; TRANSACTION_LEN]>,
    /// What it answered last.
    seen: Option<SocketAddr>,
}

/// What several servers see.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    servers: Vec<Server>,
}

impl Watch {
    /// What each server answered last, of those that did.
    pub fn seen(&self) -> impl Iterator<Item = (SocketAddr, SocketAddr)> + '_ {
        self.servers.iter().filter_map(|server| Some((server.at, server.seen?)))
    }

    /// Asks these servers from now on, the first [`SERVERS_MAX`] of them; what one of them has answered stays.
    pub fn ask(&mut self, servers: &[SocketAddr]) {
        let wanted = &servers[..servers.len().min(SERVERS_MAX)];
        self.servers.retain(|server| wanted.contains(&server.at));
        for at in wanted {
            if !self.servers.iter().any(|server| server.at == *at) {
                self.servers.push(Server { at: *at, asked_at: None, times: 0, open: None, seen: None });
            }
        }
    }

    /// The socket is another one, or the machine is elsewhere: what was answered before counts no more.
    pub fn begin_anew(&mut self) {
        for server in &mut self.servers {
            *server = Server { at: server.at, asked_at: None, times: 0, open: None, seen: None };
        }
    }

    /// Takes a datagram; true if it was an answer to a question of ours.
    pub fn handle(&mut self, datagram: &[u8], source: SocketAddr) -> bool {
        for server in &mut self.servers {
            let answered = server.open.filter(|_| server.at == source);
            if let Some(address) = answered.and_then(|transaction| mapped(datagram, &transaction)) {
                (server.open, server.seen) = (None, Some(address));
                return true;
            }
        }
        false
    }

    /// The next question to send at `now` and to whom, if one is due. `random` gives a number that nobody can guess.
    pub fn poll_send(
        &mut self,
        now: Duration,
        random: impl FnOnce() -> [u8; TRANSACTION_LEN],
    ) -> Option<(SocketAddr, [u8; HEADER_LEN])> {
        let server = self.servers.iter_mut().find(|server| server.due().is_none_or(|due| now >= due))?;
        let fresh = server.asked_at.is_none_or(|at| now >= at + EVERY);
        if fresh {
            // Nothing came for a whole round: the way there is gone, and what it saw with it.
            if server.open.is_some() {
                server.seen = None;
            }
            (server.asked_at, server.times, server.open) = (Some(now), 0, Some(random()));
        }
        server.times += 1;
        server.open.map(|transaction| (server.at, request(&transaction)))
    }

    /// When [`Watch::poll_send`] has something next; none without servers.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.servers.iter().map(|server| server.due().unwrap_or_default()).min()
    }
}

impl Server {
    /// When it is to be asked next; none for at once.
    fn due(&self) -> Option<Duration> {
        let at = self.asked_at?;
        let again = self.open.and_then(|_| AGAIN.get(self.times.checked_sub(1)?));
        Some(at + again.copied().unwrap_or(EVERY))
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer;
    use super::*;

    const SERVER: &str = "198.51.100.1:3478";
    const ROUTER: &str = "203.0.113.9:40001";

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    /// Plays 60 seconds in steps of 100 ms with a server that answers, or not; gives when questions went out, in ms.
    fn play(watch: &mut Watch, from_ms: u64, answers: bool) -> Vec<u64> {
        let mut asked = vec![];
        for ms in (from_ms..from_ms + 60_000).step_by(100) {
            let now = Duration::from_millis(ms);
            while let Some((to, question)) = watch.poll_send(now, || [ms as u8; TRANSACTION_LEN]) {
                assert_eq!(to, at(SERVER));
                asked.push(ms);
                if answers {
                    let answer = answer(&question, at(ROUTER)).expect("a question");
                    assert!(!watch.handle(&answer, at("198.51.100.66:3478")), "not from the server");
                    assert!(watch.handle(&answer, at(SERVER)));
                    assert!(!watch.handle(&answer, at(SERVER)), "an answer counts once");
                }
            }
            assert!(watch.poll_timeout().is_some_and(|next| next > now));
        }
        asked
    }

    #[test]
    fn a_server_is_asked_until_it_answers_and_again_before_the_mapping_ends() {
        let mut watch = Watch::default();
        assert_eq!(watch.poll_timeout(), None);
        watch.ask(&[at(SERVER)]);
        assert_eq!(play(&mut watch, 1000, true), [1000, 26_000, 51_000]);
        assert_eq!(watch.seen().collect::<Vec<_>>(), [(at(SERVER), at(ROUTER))]);
        watch.ask(&[at(SERVER)]);
        assert_eq!(watch.seen().count(), 1, "asked for again, what it said stays");
        let silent = play(&mut watch, 100_000, false);
        assert_eq!(silent[..5], [100_000, 100_500, 101_500, 103_500, 125_000]);
        assert_eq!(watch.seen().count(), 0, "silent for a whole round, it sees nothing any more");
        watch.ask(&[]);
        assert_eq!(watch.poll_timeout(), None);
    }

    #[test]
    fn what_was_seen_of_another_socket_is_forgotten_and_servers_are_bounded() {
        let mut watch = Watch::default();
        watch.ask(&[at(SERVER)]);
        play(&mut watch, 0, true);
        watch.begin_anew();
        assert_eq!((watch.seen().count(), watch.poll_timeout()), (0, Some(Duration::ZERO)));
        let many: Vec<SocketAddr> =
            (1..100).map(|port| SocketAddr::new([192, 0, 2, 1].into(), port)).collect();
        watch.ask(&many);
        assert_eq!(watch.servers.len(), SERVERS_MAX);
    }
}
