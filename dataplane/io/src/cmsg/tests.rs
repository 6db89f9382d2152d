use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("a literal address")
}

fn built(build: impl FnOnce(&mut Control)) -> Vec<u8> {
    let mut control = Control::new();
    build(&mut control);
    control.bytes().to_vec()
}

fn raw(level: i32, kind: i32, value: &[u8]) -> Vec<u8> {
    built(|control| control.push(level, kind, value))
}

/// A source that we would send is read back as the address a datagram arrived at, wherever layouts agree.
#[test]
fn what_is_built_is_read_back() {
    let cases: [(Vec<u8>, Received); 10] = [
        (
            built(|c| c.source(ip("192.0.2.7"), 4)),
            Received { local: Some((ip("192.0.2.7"), 0)), ..Received::default() },
        ),
        (
            built(|c| c.source(ip("fe80::1"), 4)),
            Received { local: Some((ip("fe80::1"), 4)), ..Received::default() },
        ),
        (
            built(|c| c.source(ip("2001:db8::1"), 4)),
            Received { local: Some((ip("2001:db8::1"), 0)), ..Received::default() },
        ),
        (built(|c| c.tos(ip("192.0.2.7"), 0xb9)), Received { tos: 0xb9, ..Received::default() }),
        (built(|c| c.tos(ip("2001:db8::1"), 0xb9)), Received { tos: 0xb9, ..Received::default() }),
        (
            raw(libc::SOL_UDP, libc::UDP_GRO, &1_452i32.to_ne_bytes()),
            Received { segment: 1_452, ..Received::default() },
        ),
        (
            raw(libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, &[5_i64, 7].map(i64::to_ne_bytes).concat()),
            Received { arrived: Some(Duration::new(5, 7)), ..Received::default() },
        ),
        (
            raw(
                libc::SOL_SOCKET,
                libc::SCM_TIMESTAMPNS,
                &[5_i64, 1_000_000_000].map(i64::to_ne_bytes).concat(),
            ),
            Received::default(),
        ),
        (
            raw(libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, &[-1_i64, 7].map(i64::to_ne_bytes).concat()),
            Received::default(),
        ),
        (raw(libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, &[0; 12]), Received::default()),
    ];
    for (control, expected) in cases {
        assert_eq!(Received::parse(&control), expected, "{control:?}");
    }
}

#[test]
fn several_entries_count_together() {
    let mut all = raw(libc::SOL_IPV6, libc::IPV6_PKTINFO, &[0; 20]);
    all[16..32].copy_from_slice(&Ipv4Addr::new(10, 1, 2, 3).to_ipv6_mapped().octets());
    all[32..36].copy_from_slice(&9u32.to_ne_bytes());
    all.extend(raw(libc::SOL_SOCKET, 29, &[1; 16]));
    all.extend(raw(libc::SOL_IP, libc::IP_TOS, &[0x2e]));
    all.extend(raw(libc::SOL_UDP, libc::UDP_GRO, &1_200i32.to_ne_bytes()));
    assert_eq!(
        Received::parse(&all),
        Received { local: Some((ip("10.1.2.3"), 9)), tos: 0x2e, segment: 1_200, arrived: None, lost: None }
    );
}

#[test]
fn the_most_that_a_send_needs_fits() {
    let control = built(|c| {
        c.source(ip("2001:db8::1"), 1);
        c.tos(ip("2001:db8::2"), 3);
        c.segment(1_452);
    });
    assert!(control.len() <= SEND_CONTROL_LEN);
    assert_eq!(entries(&control).count(), 3);
}

/// Every cut and every single wrong byte of the lengths: no panic, no endless list.
#[test]
fn damaged_control_data_ends_the_list() {
    let mut whole = raw(libc::SOL_UDP, libc::UDP_GRO, &1_200i32.to_ne_bytes());
    whole.extend(raw(libc::SOL_IP, libc::IP_PKTINFO, &[1; 12]));
    // The second value is 12 bytes; what follows it is padding.
    for cut in 0..whole.len() - 4 {
        assert!(entries(&whole[..cut]).count() <= 1, "cut to {cut}");
    }
    for at in 0..whole.len() {
        for value in [0, 1, 15, 16, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            assert!(entries(&bytes).count() <= 2);
            let _ = Received::parse(&bytes);
        }
    }
    assert_eq!(entries(&[0; 64]).count(), 0, "a length shorter than its header");
    assert_eq!(entries(&[0xff; 64]).count(), 0, "a length beyond memory");
}
