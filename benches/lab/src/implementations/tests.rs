use super::*;

#[test]
fn configuration_text_is_what_the_interface_wants() {
    let config = DeviceConfig {
        private_key: Some([1; 32]),
        listen_port: Some(51820),
        replace_peers: true,
        peers: vec![
            PeerConfig {
                public_key: [2; 32],
                preshared_key: Some([3; 32]),
                endpoint: Some("[fd77::2]:51820".parse().expect("an address")),
                keepalive_secs: Some(25),
                replace_allowed_ips: true,
                allowed_ips: vec!["10.0.0.0/8".to_owned(), "::/0".to_owned()],
                ..PeerConfig::default()
            },
            PeerConfig {
                public_key: [4; 32],
                remove: true,
                keepalive_secs: Some(9),
                ..PeerConfig::default()
            },
        ],
    };
    let key = |byte: &str| byte.repeat(32);
    let expected = format!(
        "private_key={}\nlisten_port=51820\nreplace_peers=true\npublic_key={}\npreshared_key={}\n\
         endpoint=[fd77::2]:51820\npersistent_keepalive_interval=25\nreplace_allowed_ips=true\n\
         allowed_ip=10.0.0.0/8\nallowed_ip=::/0\npublic_key={}\nremove=true\n",
        key("01"),
        key("02"),
        key("03"),
        key("04"),
    );
    assert_eq!(config.to_uapi(), expected);
    let wg = config.to_wg();
    assert!(wg.contains("AllowedIPs=10.0.0.0/8,::/0\n"), "{wg}");
    assert_eq!(wg.matches("[Peer]").count(), 1, "a removed peer has no place in a whole configuration");
}

#[test]
fn names_lead_back_to_kinds() {
    for kind in Kind::ALL {
        assert_eq!(Kind::named(kind.name()), Some(kind));
        assert!(!kind.settings(2).is_empty());
    }
    assert_eq!(Kind::named("gotatun-cli"), Some(Kind::Gotatun));
    assert_eq!(Kind::named("openvpn"), None);
}

#[test]
fn a_key_pair_is_one() {
    let pair = Keypair::generate().expect("randomness");
    let again = x25519_dalek::x25519(pair.private(), x25519_dalek::X25519_BASEPOINT_BYTES);
    assert_eq!(pair.public(), again);
    assert!(!format!("{pair:?}").contains(&hex::encode(pair.private())));
}

#[test]
fn a_socket_that_is_not_there_is_an_error_that_names_it() {
    let error = Uapi::of("nobody0").state().expect_err("no such device");
    assert!(error.to_string().contains("/var/run/wireguard/nobody0.sock"), "{error}");
}
