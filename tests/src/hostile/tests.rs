//! Hostile datagrams are well made where they must be, or they would test nothing.

use super::*;

#[test]
fn the_same_seed_makes_the_same_noise() {
    let bytes = |seed| {
        let mut bytes = [0; 100];
        Noise::new(seed).fill(&mut bytes);
        bytes
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

#[test]
fn a_spoofed_packet_is_ip_and_udp() {
    let to = SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 2), 51_820);
    let packet = spoofed(&mut Noise::new(1), to, &[7; 148]);
    assert_eq!(packet.len(), 176);
    assert_eq!(u16::from_be_bytes([packet[2], packet[3]]), 176, "total length");
    assert_eq!((packet[0], packet[9]), (0x45, 17), "IPv4 without options, UDP");
    assert_eq!(packet[16..20], [10, 77, 0, 2]);
    assert_eq!(u16::from_be_bytes([packet[22], packet[23]]), 51_820);
    assert_eq!(u16::from_be_bytes([packet[24], packet[25]]), 156, "UDP length");
    assert_eq!(packet[28..], [7; 148]);
}
