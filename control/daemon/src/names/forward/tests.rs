use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::names::message::{Verdict, answer};
use crate::names::zone::tests::home;

const NAME: &str = "wWw.example.org.";

fn question(with_edns: bool) -> Question {
    let mut message = Message::new(0x0708, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message
        .add_query(hickory_proto::op::Query::query(Name::from_ascii(NAME).expect("a name"), RecordType::A));
    if with_edns {
        message.set_edns(edns(false));
    }
    match answer(&home(), &message.to_vec().expect("short enough")) {
        Verdict::Forward(question) => question,
        other @ (Verdict::Answer(_) | Verdict::Drop) => panic!("{other:?}"),
    }
}

/// What a server of the tests does with a question over UDP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Manner {
    Answers([u8; 4]),
    /// Only over TCP; over UDP it says that the answer is too long.
    Truncates,
    /// In small letters over UDP.
    Respells,
    Refuses,
    Silent,
    /// First an answer with another number, then one to another name, then the real one.
    AfterForgeries,
    /// Bytes that are no message, behind a right beginning.
    Garbles,
}

/// A server on loopback, with the number of questions that it got.
struct Server {
    at: SocketAddr,
    asked: Arc<AtomicU32>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn reply_to(asked: &[u8], ip: [u8; 4]) -> Message {
    let mut reply = Message::from_vec(asked).expect("a question");
    reply.metadata.message_type = MessageType::Response;
    let name = reply.queries[0].name.clone();
    reply.add_answer(Record::from_rdata(name, 60, RData::A(A(ip.into()))));
    reply
}

async fn server(manner: Manner) -> Server {
    // One port for both; the kernel's choice for one may be taken for the other.
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("an address")).await {
            break (udp, tcp);
        }
    };
    let at = udp.local_addr().expect("an address");
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let by_udp = tokio::spawn(async move {
        let mut buffer = [0; 600];
        while let Ok((len, from)) = udp.recv_from(&mut buffer).await {
            count.fetch_add(1, Ordering::Relaxed);
            for reply in replies(manner, &buffer[..len]) {
                udp.send_to(&reply, from).await.expect("sends");
            }
        }
    });
    let by_tcp = tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let len = stream.read_u16().await.expect("a length");
            let mut asked = vec![0; len.into()];
            stream.read_exact(&mut asked).await.expect("a question");
            let reply = reply_to(&asked, [192, 0, 2, 99]).to_vec().expect("short enough");
            let len = u16::try_from(reply.len()).expect("short enough");
            stream.write_all(&[&len.to_be_bytes()[..], &reply].concat()).await.expect("writes");
        }
    });
    Server { at, asked, tasks: [by_udp, by_tcp] }
}

fn replies(manner: Manner, asked: &[u8]) -> Vec<Vec<u8>> {
    let whole = |ip| reply_to(asked, ip).to_vec().expect("short enough");
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut reply = whole([6, 6, 6, 6]);
        change(&mut reply);
        reply
    };
    match manner {
        Manner::Answers(ip) => vec![whole(ip)],
        Manner::Truncates => vec![reply_to(asked, [1; 4]).truncate().to_vec().expect("short enough")],
        // One letter is enough to tell.
        Manner::Respells => vec![changed(&|reply| reply[HEADER_LEN + 1] ^= 0x20)],
        Manner::Refuses => vec![changed(&|reply| reply[3] |= 5)],
        Manner::Silent => vec![],
        Manner::AfterForgeries => vec![
            changed(&|reply| reply[0] ^= 1),
            changed(&|reply| reply[HEADER_LEN + 1] = b'x'),
            vec![],
            whole([192, 0, 2, 7]),
        ],
        Manner::Garbles => vec![changed(&|reply| reply.truncate(reply.len() - 3))],
    }
}

async fn asked_of(manners: &[Manner]) -> Message {
    let mut servers = vec![];
    for manner in manners {
        servers.push(server(*manner).await);
    }
    let upstreams = Upstreams::new(servers.iter().map(|server| server.at).collect());
    let answer = upstreams.answer(&question(true), &home(), 512).await;
    let read = Message::from_vec(&answer).expect("a message");
    assert_eq!(read.metadata.id, 0x0708, "the asker's number");
    assert_eq!(read.queries[0].name.to_ascii(), NAME, "the asker's spelling");
    read
}

#[tokio::test]
async fn answers_come_however_servers_behave() {
    const GOOD: Manner = Manner::Answers([192, 0, 2, 1]);
    use Manner::{AfterForgeries, Answers, Garbles, Refuses, Respells, Silent, Truncates};
    use ResponseCode::{NoError, Refused, ServFail};
    let table: [(&[Manner], _, _); 11] = [
        (&[GOOD], NoError, Some([192, 0, 2, 1])),
        (&[Truncates], NoError, Some([192, 0, 2, 99])),
        (&[Respells], NoError, Some([192, 0, 2, 99])),
        (&[AfterForgeries], NoError, Some([192, 0, 2, 7])),
        (&[Refuses, GOOD], NoError, Some([192, 0, 2, 1])),
        (&[Silent, GOOD], NoError, Some([192, 0, 2, 1])),
        (&[Refuses], ServFail, None),
        (&[Garbles], ServFail, None),
        (&[], ServFail, None),
        // An address of the mesh under a public name, and no other server is asked for a better answer.
        (&[Answers([100, 71, 3, 4]), GOOD], Refused, None),
        (&[Answers([100, 72, 3, 4])], NoError, Some([100, 72, 3, 4])),
    ];
    for (manners, code, ip) in table {
        let answer = asked_of(manners).await;
        let ips: Vec<String> = answer.answers.iter().map(|record| record.data.to_string()).collect();
        let expect: Vec<String> =
            ip.iter().map(|ip: &[u8; 4]| std::net::Ipv4Addr::from(*ip).to_string()).collect();
        assert_eq!((answer.metadata.response_code, ips), (code, expect), "{manners:?}");
    }
}

#[tokio::test]
async fn a_dead_server_is_waited_for_once() {
    let (dead, alive) = (server(Manner::Silent).await, server(Manner::Answers([192, 0, 2, 1])).await);
    let upstreams = Upstreams::new(vec![dead.at, alive.at]);
    for _ in 0..3 {
        let answer = upstreams.answer(&question(false), &home(), 512).await;
        assert_eq!(Message::from_vec(&answer).expect("a message").answers.len(), 1);
    }
    assert_eq!((dead.asked.load(Ordering::Relaxed), alive.asked.load(Ordering::Relaxed)), (1, 3));
}

#[tokio::test]
async fn questions_differ_in_number_spelling_and_port() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
    let at = socket.local_addr().expect("an address");
    let (mut ids, mut spellings, mut ports) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for _ in 0..16 {
        let question = question(false);
        let asking = ask_one(&question, at);
        let hearing = async {
            let mut buffer = [0; 600];
            let (len, from) = socket.recv_from(&mut buffer).await.expect("a question");
            let reply = reply_to(&buffer[..len], [192, 0, 2, 1]);
            socket.send_to(&reply.to_vec().expect("short enough"), from).await.expect("sends");
            (reply, from)
        };
        let (answer, (reply, from)) = tokio::join!(asking, hearing);
        assert!(answer.expect("no error").is_some());
        ids.insert(reply.metadata.id);
        ports.insert(from.port());
        spellings.insert(reply.queries[0].name.to_ascii());
        assert!(reply.edns.is_none(), "what the asker does not know it is not given");
    }
    assert!(ids.len() > 12 && ports.len() > 8 && spellings.len() > 8, "{ids:?} {ports:?} {spellings:?}");
}
