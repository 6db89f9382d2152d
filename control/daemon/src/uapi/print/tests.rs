use ringmesh_wire::ip::Cidr;
use ringmesh_wire::keys::PublicKey;

use super::{Device, Peer, print};

fn widest(allowed_ips: &[Cidr]) -> Peer<'_> {
    Peer {
        public_key: PublicKey([0xff; 32]),
        preshared_key: &[0xff; 32],
        endpoint: "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535".parse().ok(),
        last_handshake: (u64::MAX, u32::MAX),
        rx_bytes: u64::MAX,
        tx_bytes: u64::MAX,
        keepalive_secs: u16::MAX,
        allowed_ips,
    }
}

#[test]
fn a_bare_device_has_only_its_port() {
    let device = Device { private_key: None, listen_port: 7, fwmark: 0, peers: Vec::new() };
    assert_eq!(*print(&device), "listen_port=7\n");
}

#[test]
fn every_value_has_its_line() {
    let zeros = "0".repeat(64);
    let ranges = ["10.0.0.0/8", "fd00::/64"].map(|range| range.parse().expect("a range"));
    let device = Device {
        private_key: Some(&[0x48; 32]),
        listen_port: 51820,
        fwmark: 51,
        peers: vec![Peer {
            public_key: PublicKey([0x0a; 32]),
            preshared_key: &[0; 32],
            endpoint: "[2001:db8::1]:9".parse().ok(),
            last_handshake: (3, 4),
            rx_bytes: 5,
            tx_bytes: 6,
            keepalive_secs: 25,
            allowed_ips: &ranges,
        }],
    };
    let expected = format!(
        "private_key={}\nlisten_port=51820\nfwmark=51\npublic_key={}\npreshared_key={zeros}\n\
         protocol_version=1\nendpoint=[2001:db8::1]:9\nlast_handshake_time_sec=3\n\
         last_handshake_time_nsec=4\ntx_bytes=6\nrx_bytes=5\npersistent_keepalive_interval=25\n\
         allowed_ip=10.0.0.0/8\nallowed_ip=fd00::/64\n",
        "48".repeat(32),
        "0a".repeat(32),
    );
    assert_eq!(*print(&device), expected);
}

#[test]
fn the_text_never_grows_beyond_its_first_memory() {
    let ranges = ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128".parse().expect("a range"); 3];
    let peers = (0..50).map(|_| widest(&ranges)).collect();
    let device = Device { private_key: Some(&[0x48; 32]), listen_port: u16::MAX, fwmark: u32::MAX, peers };
    assert!(print(&device).len() <= super::room(&device) - super::TRAILER_LEN_MAX);
}
