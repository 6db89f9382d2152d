use std::net::Ipv6Addr;

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};

use super::*;
use crate::names::zone::tests::home;

fn ask(name: &str) -> Vec<u8> {
    let mut message = Message::new(9, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(name).expect("a name"), RecordType::AAAA));
    message.to_vec().expect("short enough")
}

/// A resolver on loopback whose upstreams are these.
fn desk(upstreams: Option<Upstreams>) -> (Desk, impl Sized) {
    let (zone, zones) = watch::channel(Arc::new(home()));
    let (asked, askable) = watch::channel(upstreams.map(Arc::new));
    let desk = Desk {
        sources: Sources { zone: zones, upstreams: askable },
        forwarded: Arc::new(Semaphore::new(2)),
        connections: Arc::new(Semaphore::new(2)),
    };
    (desk, (zone, asked))
}

async fn by_udp(at: SocketAddr, question: &[u8]) -> Message {
    let socket = UdpSocket::bind((at.ip(), 0)).await.expect("binds");
    socket.send_to(question, at).await.expect("sends");
    let mut buffer = [0; 1500];
    let (len, from) =
        timeout(IDLE, socket.recv_from(&mut buffer)).await.expect("in time").expect("an answer");
    assert_eq!(from, at);
    Message::from_vec(&buffer[..len]).expect("a message")
}

async fn by_tcp(stream: &mut TcpStream, question: &[u8]) -> io::Result<Message> {
    let len = u16::try_from(question.len()).expect("short enough");
    stream.write_all(&[&len.to_be_bytes()[..], question].concat()).await?;
    let mut answer = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut answer).await?;
    Message::from_vec(&answer).map_err(io::Error::other)
}

#[tokio::test]
async fn this_machine_is_answered_over_both_protocols_and_families() {
    for ip in [IpAddr::from([127, 0, 0, 1]), Ipv6Addr::LOCALHOST.into()] {
        let (udp, tcp) = sockets(SocketAddr::new(ip, 0)).expect("opens");
        let (udp_at, tcp_at) = (udp.local_addr().expect("an address"), tcp.local_addr().expect("an address"));
        let (desk, _alive) = desk(None);
        let tasks = [tokio::spawn(desk.clone().serve_udp(Arc::new(udp))), tokio::spawn(desk.serve_tcp(tcp))];
        assert_eq!(by_udp(udp_at, &ask("nas.home.internal.")).await.answers.len(), 1);
        // Not ours, and nobody to ask.
        let refused = by_udp(udp_at, &ask("example.org.")).await;
        assert_eq!((refused.metadata.response_code, refused.metadata.id), (ResponseCode::Refused, 9));
        let mut stream = TcpStream::connect(tcp_at).await.expect("connects");
        for _ in 0..3 {
            let answer = by_tcp(&mut stream, &ask("nas.home.internal.")).await.expect("an answer");
            assert_eq!(answer.answers.len(), 1);
        }
        // A question that is too long ends the connection.
        stream.write_all(&[0xff, 0xff]).await.expect("writes");
        assert!(stream.read_u16().await.is_err());
        tasks.iter().for_each(JoinHandle::abort);
    }
}

#[tokio::test]
async fn what_is_under_way_is_bounded() {
    // A server that takes questions and never answers.
    let silent = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
    let upstreams = Upstreams::new(vec![silent.local_addr().expect("an address")]);
    let (udp, tcp) = sockets("127.0.0.1:0".parse().expect("an address")).expect("opens");
    let (at, tcp_at) = (udp.local_addr().expect("an address"), tcp.local_addr().expect("an address"));
    let (desk, _alive) = desk(Some(upstreams));
    let tasks = [tokio::spawn(desk.clone().serve_udp(Arc::new(udp))), tokio::spawn(desk.serve_tcp(tcp))];
    let asker = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
    for _ in 0..2 {
        asker.send_to(&ask("example.org."), at).await.expect("sends");
    }
    let mut buffer = [0; 600];
    for _ in 0..2 {
        silent.recv_from(&mut buffer).await.expect("both are under way");
    }
    // The third has no room and hears so at once; our own names need none.
    assert_eq!(by_udp(at, &ask("example.org.")).await.metadata.response_code, ResponseCode::ServFail);
    assert_eq!(by_udp(at, &ask("nas.home.internal.")).await.answers.len(), 1);
    // The third connection is closed.
    let mut streams = vec![];
    for _ in 0..2 {
        let mut stream = TcpStream::connect(tcp_at).await.expect("connects");
        by_tcp(&mut stream, &ask("nas.home.internal.")).await.expect("an answer");
        streams.push(stream);
    }
    let mut third = TcpStream::connect(tcp_at).await.expect("connects");
    assert!(by_tcp(&mut third, &ask("nas.home.internal.")).await.is_err());
    tasks.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn an_address_that_is_taken_is_told() {
    let (_udp, tcp) = sockets("127.0.0.1:0".parse().expect("an address")).expect("opens");
    let at = tcp.local_addr().expect("an address");
    let error = sockets(at).expect_err("taken");
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}
