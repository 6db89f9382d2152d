#![expect(clippy::type_complexity, reason = "a table says it best")]
use super::super::answer;
use super::*;

const KEY_A: [u8; 32] = [0xaa; 32];
const KEY_B: [u8; 32] = [0xbb; 32];

fn hex(byte: u8) -> String {
    format!("{byte:02x}").repeat(32)
}

fn wanted(peers: &[([u8; 32], WantedPeer)]) -> Wanted {
    let peers = peers.iter().map(|(key, peer)| (PublicKey(*key), peer.clone())).collect();
    Wanted { private_key: PrivateKey::new([0x48; 32]), listen_port: 51820, peers }
}

fn peer(range: &str, keepalive_secs: u16, endpoint: Option<&str>) -> WantedPeer {
    WantedPeer {
        allowed: BTreeSet::from([range.parse().expect("a range")]),
        keepalive_secs,
        endpoint: endpoint.map(|text| text.parse().expect("an address")),
    }
}

/// What `wg` would answer of a tunnel with this key, port and peers.
fn seen(peers: &str) -> Seen {
    let text = format!("private_key={}\nlisten_port=51820\n{peers}errno=0\n\n", hex(0x48));
    let (seen, errno) = answer::read(&text);
    assert_eq!(errno, 0);
    seen
}

fn seen_a() -> String {
    format!(
        "public_key={}\npreshared_key={}\nprotocol_version=1\nendpoint=192.0.2.1:9\nlast_handshake_time_sec=1700000000\n\
         last_handshake_time_nsec=5\ntx_bytes=10\nrx_bytes=20\npersistent_keepalive_interval=25\nallowed_ip=fd00::a/128\n",
        hex(0xaa),
        hex(0)
    )
}

#[test]
fn what_is_as_it_should_be_is_not_mentioned() {
    let as_it_is = wanted(&[(KEY_A, peer("fd00::a/128", 25, None))]);
    assert!(request(&seen(&seen_a()), &as_it_is).is_none());
    let same_endpoint = wanted(&[(KEY_A, peer("fd00::a/128", 25, Some("192.0.2.1:9")))]);
    assert!(request(&seen(&seen_a()), &same_endpoint).is_none());
}

#[test]
fn only_differences_are_said() {
    let a = hex(0xaa);
    let (b, old) = (hex(0xbb), peer("fd00::a/128", 25, None));
    let table: Vec<(&str, Vec<([u8; 32], WantedPeer)>, String)> = vec![
        ("one goes", vec![], format!("public_key={a}\nremove=true\n")),
        (
            "one comes",
            vec![(KEY_A, old.clone()), (KEY_B, peer("fd00::b/128", 0, None))],
            format!("public_key={b}\nreplace_allowed_ips=true\nallowed_ip=fd00::b/128\n"),
        ),
        (
            "another endpoint",
            vec![(KEY_A, peer("fd00::a/128", 25, Some("192.0.2.7:9")))],
            format!("public_key={a}\nendpoint=192.0.2.7:9\n"),
        ),
        (
            "another range and no keepalive",
            vec![(KEY_A, peer("fd00::c/128", 0, None))],
            format!(
                "public_key={a}\nreplace_allowed_ips=true\nallowed_ip=fd00::c/128\npersistent_keepalive_interval=0\n"
            ),
        ),
    ];
    for (case, peers, expect) in table {
        let text = request(&seen(&seen_a()), &wanted(&peers)).expect(case);
        assert_eq!(*text, format!("set=1\n{expect}\n"), "{case}");
    }
}

#[test]
fn a_new_tunnel_gets_its_key_and_port() {
    let text = request(&Seen::default(), &wanted(&[])).expect("everything is new");
    assert_eq!(*text, format!("set=1\nprivate_key={}\nlisten_port=51820\n\n", hex(0x48)));
}

#[test]
fn an_answer_is_read_and_nonsense_passed_over() {
    let seen = seen(&seen_a());
    let peer = &seen.peers[&PublicKey(KEY_A)];
    assert_eq!((peer.handshake_secs, peer.rx_bytes, peer.tx_bytes), (1_700_000_000, 20, 10));
    assert_eq!(peer.endpoint, "192.0.2.1:9".parse().ok());
    for (text, errno) in [("", -1), ("errno=-22\n\n", -22), ("=\npublic_key=zz\nendpoint=x\nerrno=0\n\n", 0)]
    {
        let (seen, said) = answer::read(text);
        assert_eq!(said, errno, "{text:?}");
        assert!(seen.peers.is_empty());
    }
}
