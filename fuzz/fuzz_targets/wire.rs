//! Every parser of `wire` over any bytes: they agree with each other, and what they read can be written back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringmesh_wire::ip::{self, ecn};
use ringmesh_wire::message::{self, CookieReply, DataHeader, Initiation, Kind, Response};
use ringmesh_wire::punt;

fuzz_target!(|data: &[u8]| {
    let kind = message::classify(data);
    assert_eq!(Initiation::parse(data).is_some(), kind == Kind::Initiation);
    assert_eq!(Response::parse(data).is_some(), kind == Kind::Response);
    assert_eq!(CookieReply::parse(data).is_some(), kind == Kind::CookieReply);
    if let Some(message) = Initiation::parse(data) {
        let (sealed_static, stamp) = (message.sealed_static(), message.sealed_timestamp());
        let again = Initiation::emit(message.sender(), message.ephemeral(), sealed_static, stamp);
        assert_eq!(again[..116], data[..116]);
        assert_eq!([message.mac1().as_slice(), message.mac2()].concat(), data[116..]);
    }
    if let Some(message) = Response::parse(data) {
        let sealed = message.sealed_empty();
        let again = Response::emit(message.sender(), message.receiver(), message.ephemeral(), sealed);
        assert_eq!(again[..60], data[..60]);
        assert_eq!([message.mac1().as_slice(), message.mac2()].concat(), data[60..]);
    }
    if let Some(message) = CookieReply::parse(data) {
        let again = CookieReply::emit(message.receiver(), message.nonce(), message.sealed_cookie());
        assert_eq!(again, data);
    }
    if let (Kind::Data, Some(header)) = (kind, DataHeader::parse(data)) {
        let mut again = [0; 16];
        header.emit(&mut again);
        assert_eq!(again, data[..16]);
    }
    let _ = punt::classify_punt(data);

    let Some(seen) = ip::peek(data) else { return };
    assert!(seen.len <= data.len() && seen.header_len <= seen.len && seen.tos == ip::tos_of(data));
    let mut packet = data.to_vec();
    for tos in [ecn::on_encapsulate(seen.tos), !seen.tos, seen.tos] {
        let before = ringmesh_fuzz::packets::sum(&packet[..seen.header_len]);
        ip::set_tos(&mut packet, tos);
        assert_eq!(ip::peek(&packet), Some(ip::IpPacket { tos, ..seen }));
        let after = ringmesh_fuzz::packets::sum(&packet[..seen.header_len]);
        // A sum of zero cannot be of a header: the version is not zero. So both forms of zero are one.
        assert!(packet[0] >> 4 == 6 || before % 0xffff == after % 0xffff);
    }
});
