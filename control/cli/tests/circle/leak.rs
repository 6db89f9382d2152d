//! What leaves a device: WireGuard, STUN, TLS, and announcements on the LAN in which nothing can be read.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::common::wait_for;
use super::internet::Internet;
use super::stage::Device;

/// A `tcpdump` on a device's way out.
struct Wire {
    file: std::path::PathBuf,
    tcpdump: Child,
}

impl Wire {
    fn of(device: &Device) -> Self {
        let file = device.dir.join("wire.pcap");
        let mut tcpdump = Command::new("ip")
            .args([
                "netns",
                "exec",
                &device.net,
                "tcpdump",
                "--immediate-mode",
                "-i",
                "wan",
                "-Z",
                "root",
                "-U",
                "-s",
                "0",
                "-w",
            ])
            .arg(&file)
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        // From before it opens the file the kernel keeps packets for it. What it says is not read unless it ends, and the pipe
        // stays open: it may still have to say that it listens.
        wait_for("tcpdump listens", || {
            if let Ok(Some(status)) = tcpdump.try_wait() {
                let said = tcpdump.stderr.take().map(std::io::read_to_string);
                panic!("tcpdump ended, {status}: {said:?}");
            }
            std::fs::metadata(&file).ok().filter(|meta| meta.len() >= 24)
        });
        Self { file, tcpdump }
    }

    /// Ends it; gives the frames, whole.
    fn frames(mut self) -> Vec<Vec<u8>> {
        let _ = Command::new("kill").args(["-INT", &self.tcpdump.id().to_string()]).status();
        let status = self.tcpdump.wait().expect("ends");
        assert!(status.success(), "tcpdump: {status}");
        let bytes = std::fs::read(&self.file).expect("a file");
        let (mut frames, mut rest) = (vec![], bytes.get(24..).unwrap_or_default());
        while let Some((head, behind)) = rest.split_first_chunk::<16>() {
            let len = u32::from_le_bytes([head[8], head[9], head[10], head[11]]) as usize;
            let Some((frame, behind)) = behind.split_at_checked(len) else { break };
            frames.push(frame.to_vec());
            rest = behind;
        }
        frames
    }
}

/// What is in a frame of Ethernet, as far as it matters here.
enum Content<'a> {
    /// ARP, ICMP, neighbour discovery, group membership: the kernel's own.
    Housekeeping,
    Udp {
        to: u16,
        payload: &'a [u8],
    },
    Tcp {
        from: (Ipv4Addr, u16),
        to: (Ipv4Addr, u16),
        sequence: u32,
        payload: &'a [u8],
    },
    Other,
}

fn content(frame: &[u8]) -> Option<Content<'_>> {
    let (ethernet, packet) = frame.split_at_checked(14)?;
    let (protocol, body, ends) = match [ethernet[12], ethernet[13]] {
        [0x08, 0x06] => return Some(Content::Housekeeping),
        [0x08, 0x00] => {
            let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
            let header = usize::from(packet[0] & 15) * 4;
            let ip = |at: usize| Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
            (packet[9], packet.get(header..total)?, Some((ip(12), ip(16))))
        }
        // Extension headers come with neighbour discovery's group reports only.
        [0x86, 0xdd] => (packet[6], packet.get(40..)?, None),
        _ => return Some(Content::Other),
    };
    let port = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    Some(match (protocol, ends) {
        (0 | 1 | 2 | 58, _) => Content::Housekeeping,
        (17, _) => Content::Udp { to: port(2), payload: body.get(8..)? },
        (6, Some((from, to))) => Content::Tcp {
            from: (from, port(0)),
            to: (to, port(2)),
            sequence: u32::from_be_bytes([body[4], body[5], body[6], body[7]]),
            payload: body.get(usize::from(body[12] >> 4) * 4..)?,
        },
        _ => Content::Other,
    })
}

fn is_stun(payload: &[u8]) -> bool {
    payload.len() >= 20 && payload[0] < 4 && payload[4..8] == [0x21, 0x12, 0xa4, 0x42]
}

/// The four messages of WireGuard, each of its length; of data there may be several in what is seen as one datagram, before the
/// segments are cut.
fn is_wireguard(payload: &[u8]) -> bool {
    let len = match payload.first() {
        Some(1) => payload.len() == 148,
        Some(2) => payload.len() == 92,
        Some(3) => payload.len() == 64,
        Some(4) => payload.len() >= 32,
        _ => false,
    };
    len && payload[1..4] == [0; 3]
}

/// Longest stretch of bytes that could be typed. Random ones make a stretch of 16 once in ten million bytes.
fn readable(payload: &[u8]) -> usize {
    payload.split(|byte| !(32..127).contains(byte)).map(<[u8]>::len).max().unwrap_or(0)
}

/// The bytes of a TCP stream, each once, also where some were sent again in other segments. None is long enough for its numbers to
/// wrap, but by chance at its beginning.
fn in_order(segments: &BTreeMap<u32, Vec<u8>>) -> Vec<u8> {
    let (mut stream, mut next) = (vec![], 0_u32);
    for (&sequence, payload) in segments {
        let known = next.saturating_sub(sequence) as usize;
        if let Some(new) = payload.get(known..) {
            stream.extend_from_slice(new);
            next = sequence.wrapping_add(payload.len() as u32);
        }
    }
    stream
}

/// Whether a stream is one of TLS records from its first byte to its last whole record.
fn is_tls(mut stream: &[u8]) -> bool {
    while let Some((head, rest)) = stream.split_first_chunk::<5>() {
        let len = usize::from(u16::from_be_bytes([head[3], head[4]]));
        if !(20..=23).contains(&head[0]) || head[1] != 3 || len > (1 << 14) + 256 {
            return false;
        }
        let Some(behind) = rest.get(len..) else { return true };
        stream = behind;
    }
    true
}

#[test]
fn nothing_readable_leaves_a_device() {
    let net = Internet::new();
    let beacon = net.beacon();
    let (a, b) = (net.device(), net.device());
    let (wire_a, wire_b) = (Wire::of(&a), Wire::of(&b));
    a.up_with("alpha-very-secret", &[&beacon]);
    b.join(&a.invite(""), "beta-very-secret");
    b.ask("wait", json!({"peer": "alpha-very-secret", "wait_secs": 30}));
    a.ask("wait", json!({"peer": "beta-very-secret", "wait_secs": 30}));
    b.ask("rename", json!({"name": "gamma-very-secret"}));
    wait_for("news arrive", || a.names().contains(&"gamma-very-secret".to_owned()).then_some(()));
    assert!(a.pings(&a.addresses_of("gamma-very-secret")[0]));
    a.ask("remove", json!({"peer": "gamma-very-secret"}));
    a.settled(1);
    for frames in [wire_a.frames(), wire_b.frames()] {
        let (mut announced, mut tunnelled, mut asked) = (0, 0, 0);
        let mut streams: BTreeMap<_, BTreeMap<u32, Vec<u8>>> = BTreeMap::new();
        for frame in &frames {
            match content(frame) {
                Some(Content::Housekeeping) => {}
                Some(Content::Udp { to: 25519, payload }) => {
                    announced += 1;
                    assert!(readable(payload) < 16, "an announcement shows something: {payload:?}");
                }
                Some(Content::Udp { payload, .. }) if is_stun(payload) => asked += 1,
                Some(Content::Udp { payload, .. }) if is_wireguard(payload) => tunnelled += 1,
                Some(Content::Tcp { from, to, sequence, payload }) if from.1 == 3478 || to.1 == 3478 => {
                    if !payload.is_empty() {
                        let known = streams.entry((from, to)).or_default().entry(sequence).or_default();
                        if known.len() < payload.len() {
                            *known = payload.to_vec();
                        }
                    }
                }
                Some(Content::Udp { .. } | Content::Tcp { .. } | Content::Other) | None => {
                    panic!("neither WireGuard nor STUN nor TLS: {frame:02x?}")
                }
            }
        }
        assert!(
            announced > 0 && tunnelled > 4 && asked > 0 && streams.len() >= 2,
            "{announced} {tunnelled} {asked}"
        );
        for segments in streams.values() {
            let stream = in_order(segments);
            assert!(is_tls(&stream), "not TLS: {:02x?}", &stream[..64.min(stream.len())]);
        }
    }
}
