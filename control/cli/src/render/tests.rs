use std::collections::BTreeMap;

use ringmesh_api::{Control, Peer, Plane, Status, Worker};

use super::{bytes, span, status};

fn example() -> Status {
    Status {
        interface: "wg0".into(),
        mtu: 1420,
        up: true,
        moved: false,
        public_key: None,
        listen_port: 51820,
        fwmark: 0,
        tun_offloads: vec!["tso4".into(), "tso6".into()],
        control: Control {
            pid: 7,
            uptime_secs: 61,
            version: "0.1.0".into(),
            plane_restarts: 0,
            refused: 0,
            punted: 0,
            injected: 0,
        },
        plane: Some(Plane {
            pid: 8,
            uptime_secs: 60,
            hardening: BTreeMap::from([("seccomp".into(), true), ("memfd-secret".into(), false)]),
            refused: 0,
            workers: vec![Worker {
                features: vec!["udp-gso".into()],
                fallbacks: 0,
                counters: BTreeMap::from([("turns".into(), 9)]),
                drops: BTreeMap::new(),
            }],
        }),
        peers: vec![Peer {
            public_key: "KEY=".into(),
            endpoint: "192.0.2.1:5".parse().ok(),
            last_handshake_secs: Some(1000),
            has_session: true,
            rx_bytes: 1536,
            tx_bytes: 10,
            keepalive_secs: 25,
            allowed_ips: vec!["10.0.0.0/8".into()],
        }],
    }
}

#[test]
fn a_status_reads_like_this() {
    let expected = "\
interface: wg0
  link: up, mtu 1420
  public key: (none)
  listening: udp port 51820
  tun offloads: tso4, tso6
  control: process 7, version 0.1.0, for 1 min 1 s
  data plane: process 8, for 1 min
  hardening: seccomp
  not hardened: memfd-secret

  worker 0
    uses: udp-gso
    counters: turns 9

peer: KEY=
  endpoint: 192.0.2.1:5
  allowed ips: 10.0.0.0/8
  latest handshake: 1 min 5 s ago
  transfer: 1.50 KiB received, 10 B sent
  persistent keepalive: every 25 s
";
    assert_eq!(status(&example(), 1065), expected);
}

#[test]
fn what_is_unusual_shows() {
    let mut odd = example();
    odd.plane = None;
    odd.moved = true;
    odd.fwmark = 51;
    odd.control.plane_restarts = 2;
    odd.peers[0].endpoint = None;
    odd.peers[0].last_handshake_secs = None;
    let text = status(&odd, 0);
    for part in [
        "in another network namespace",
        "fwmark 0x33",
        "data plane restarts: 2",
        "not running",
        "(unknown)",
        "never",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn spans_and_sizes() {
    let spans =
        [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3601, "1 h"), (3660, "1 h 1 min"), (90_000, "1 d 1 h")];
    for (secs, expected) in spans {
        assert_eq!(span(secs), expected);
    }
    let sizes =
        [(0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (1 << 20, "1.00 MiB"), (u64::MAX, "16.00 EiB")];
    for (count, expected) in sizes {
        assert_eq!(bytes(count), expected);
    }
}
