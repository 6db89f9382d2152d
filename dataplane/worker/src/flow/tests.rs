use super::*;

/// A TCP segment from one port to another, with so many bytes of options and of payload.
fn segment(v6: bool, ports: (u16, u16), flags: u8, options: usize, payload: usize) -> Vec<u8> {
    let tcp = 20 + options + payload;
    let mut packet = vec![0; if v6 { 40 } else { 20 }];
    if v6 {
        packet[0] = 0x60;
        packet[4..6].copy_from_slice(&(tcp as u16).to_be_bytes());
        packet[6] = TCP;
        packet[39] = 1;
    } else {
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&(20 + tcp as u16).to_be_bytes());
        packet[9] = TCP;
        packet[19] = 1;
    }
    packet.extend(ports.0.to_be_bytes());
    packet.extend(ports.1.to_be_bytes());
    packet.extend([0; 8]);
    packet.extend([(20 + options as u8) << 2, flags]);
    packet.extend(vec![0; 6 + options + payload]);
    packet
}

#[test]
fn only_what_merely_acknowledges_is_an_acknowledgement() {
    for v6 in [false, true] {
        let ask = |flags, options, payload| is_acknowledgement(&segment(v6, (1, 2), flags, options, payload));
        assert!(ask(ACK, 0, 0) && ask(ACK, 12, 0));
        assert!(!ask(ACK, 12, 1), "data");
        for flags in [ACK | 0x02, ACK | 0x01, ACK | 0x04, ACK | 0x08, 0x02] {
            assert!(!ask(flags, 0, 0), "{flags:#x} has something to say");
        }
        let mut other = segment(v6, (1, 2), ACK, 0, 0);
        other[if v6 { 6 } else { 9 }] = UDP;
        assert!(!is_acknowledgement(&other));
        for len in 0..other.len() {
            assert!(!is_acknowledgement(&segment(v6, (1, 2), ACK, 0, 0)[..len]), "cut to {len}");
        }
    }
}

#[test]
fn both_ways_are_one_flow_and_other_ports_are_not() {
    let of = |ports| Flow::of(&segment(false, ports, ACK, 0, 0)).expect("a flow");
    let back = |ports| {
        let mut packet = segment(false, ports, ACK, 0, 0);
        packet.copy_within(16..20, 12);
        packet[16..20].fill(0);
        Flow::of(&packet).expect("a flow")
    };
    assert_ne!(of((1, 2)), back((2, 1)));
    assert_eq!(of((1, 2)).both_ways(), back((2, 1)).both_ways());
    assert_ne!(of((1, 2)).both_ways(), back((1, 2)).both_ways(), "the ports belong to the addresses");
    assert_ne!(of((1, 2)).both_ways(), of((1, 3)).both_ways());
}
