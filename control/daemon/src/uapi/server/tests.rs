use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::converse;
use crate::event::Event;
use crate::uapi::errno::Errno;

/// Sends `text` as far as it is taken, ends the writing side, and returns all that comes back. Every `set` with a mark of 7
/// fails.
fn conversation(text: &[u8]) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (mut ours, theirs) = UnixStream::pair().expect("a pair");
        let (sender, mut events) = mpsc::channel(4);
        tokio::spawn(async move { converse(theirs, &sender).await });
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                match event {
                    Event::Get(reply) => drop(reply.send(Zeroizing::new("listen_port=1\n".to_owned()))),
                    Event::Set(set, reply) => {
                        let result = if set.fwmark == Some(7) { Err(Errno::ADDRESS_IN_USE) } else { Ok(()) };
                        let _ = reply.send(result);
                    }
                    Event::Status(_)
                    | Event::Stun(..)
                    | Event::Bell
                    | Event::Message(..)
                    | Event::PlaneEnded
                    | Event::Link(_)
                    | Event::SocketFileGone
                    | Event::Signal
                    | Event::Deadline => {}
                }
            }
        });
        // Who is cut off sees a broken pipe here and the end of the stream below.
        let _ = ours.write_all(text).await;
        let _ = ours.shutdown().await;
        let mut answer = String::new();
        let _ = ours.read_to_string(&mut answer).await;
        answer
    })
}

#[test]
fn every_request_has_its_answer() {
    let long = format!("set=1\n{}\n\nget=1\n\n", "x".repeat(100_000));
    let cases: &[(&[u8], &str)] = &[
        (b"", ""),
        (b"get=1\n\n", "listen_port=1\nerrno=0\n\n"),
        (b"get=1\n\nget=1\n\n", "listen_port=1\nerrno=0\n\nlisten_port=1\nerrno=0\n\n"),
        (b"set=1\nfwmark=1\n\n", "errno=0\n\n"),
        (b"set=1\n\n", "errno=0\n\n"),
        (b"set=1\nfwmark=7\n\n", "errno=-98\n\n"),
        (b"set=1\nfwmark=1\n\nget=1\n\n", "errno=0\n\nlisten_port=1\nerrno=0\n\n"),
        // The end of the stream ends a request as well.
        (b"set=1\nfwmark=1", "errno=0\n\n"),
        (b"get=1", "listen_port=1\nerrno=0\n\n"),
        // Garbage has an answer of its own, and what follows it is understood again.
        (b"set=1\ngarbage\nfwmark=1\n\nget=1\n\n", "errno=-71\n\nlisten_port=1\nerrno=0\n\n"),
        (b"set=1\ncolour=green\n\n", "errno=-22\n\n"),
        (b"set=1\nfwmark=bad\nfwmark=1\n\n", "errno=-22\n\n"),
        (b"get=1\nx\n\n", "errno=-22\n\n"),
        (b"get=2\n\n", "errno=-71\n\n"),
        (b"hello\n\n", "errno=-71\n\n"),
        (b"\xff\xfe\n\n", "errno=-71\n\n"),
        (b"set=1\n\xff=\xff\n\n", "errno=-71\n\n"),
        (b"\0\0\0\0", "errno=-71\n\n"),
        (long.as_bytes(), "errno=-7\n\nlisten_port=1\nerrno=0\n\n"),
    ];
    for (text, expected) in cases {
        assert_eq!(
            conversation(text),
            *expected,
            "{:?}",
            String::from_utf8_lossy(&text[..text.len().min(80)])
        );
    }
}

#[test]
fn endless_nonsense_is_cut_off() {
    assert_eq!(conversation("x\n".repeat(200_000).as_bytes()), "");
}
