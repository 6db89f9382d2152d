use std::net::Ipv6Addr;

use super::*;

fn key(removals: u32) -> Frame {
    Frame::Key(Some((KeyId([5; 8]), removals)))
}

#[test]
fn frames_come_back_as_they_were() {
    for frame in [
        Frame::Key(None),
        key(0),
        key(u32::MAX),
        Frame::Sync(Message::Want(vec![])),
        Frame::Sync(Message::Records(vec![])),
    ] {
        let bytes = frame.to_bytes();
        let len = u32::from_be_bytes(bytes[..4].try_into().expect("four bytes"));
        assert_eq!(len as usize, bytes.len() - 4);
        assert_eq!(Frame::decode(&bytes[4..]), Some(frame));
    }
}

#[test]
fn what_is_no_frame_is_refused() {
    for bytes in
        [&[][..], &[0], &[4, 1], &[1], &[1, 9, 9], &[2, 0, 0], &[3, 1], &[3, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0]]
    {
        assert_eq!(Frame::decode(bytes), None, "{bytes:?}");
    }
    let mut long = key(1).to_bytes()[4..].to_vec();
    long.push(0);
    assert_eq!(Frame::decode(&long), None);
}

/// A connection over loopback whose other end says whatever it likes.
async fn stranger() -> (TcpStream, mpsc::Receiver<News>) {
    let listener = TcpListener::bind("[::1]:0").await.expect("loopback");
    let address = listener.local_addr().expect("an address");
    let (news, hears) = mpsc::channel(16);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        converse(1, Ipv6Addr::LOCALHOST, stream, &news).await;
        let _ = news.send(News::Closed { link: 1, peer: Ipv6Addr::LOCALHOST }).await;
    });
    (TcpStream::connect(address).await.expect("connects"), hears)
}

async fn next(hears: &mut mpsc::Receiver<News>) -> News {
    timeout(Duration::from_secs(10), hears.recv()).await.expect("in time").expect("news")
}

#[tokio::test]
async fn a_frame_is_heard_and_nonsense_ends_the_connection() {
    for nonsense in [&[0, 0, 0, 0][..], &[0xff, 0xff, 0xff, 0xff, 1], &[0, 0, 0, 1, 9], &[0, 0, 0xf0, 0x01]] {
        let (mut stream, mut hears) = stranger().await;
        let News::Opened { out, .. } = next(&mut hears).await else { panic!("it opens first") };
        stream.write_all(&key(3).to_bytes()).await.expect("writes");
        assert!(matches!(next(&mut hears).await, News::Said { link: 1, frame } if frame == key(3)));
        stream.write_all(nonsense).await.expect("writes");
        assert!(matches!(next(&mut hears).await, News::Closed { link: 1, .. }), "{nonsense:?}");
        assert!(out.is_closed());
    }
}

#[tokio::test]
async fn a_connection_that_the_loop_lets_go_of_ends() {
    let (mut stream, mut hears) = stranger().await;
    let News::Opened { out, .. } = next(&mut hears).await else { panic!("it opens first") };
    out.send(key(7)).await.expect("room");
    drop(out);
    let mut all = Vec::new();
    timeout(Duration::from_secs(10), stream.read_to_end(&mut all)).await.expect("in time").expect("reads");
    assert_eq!(all, key(7).to_bytes(), "what was said before is sent");
    assert!(matches!(next(&mut hears).await, News::Closed { .. }));
}
