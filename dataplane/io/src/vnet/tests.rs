use super::{Gso, VnetHdr};

const SUPER: VnetHdr = VnetHdr {
    flags: VnetHdr::NEEDS_CSUM,
    gso: Gso::Tcp4,
    ecn: true,
    hdr_len: 0x0102,
    gso_size: 0x0304,
    csum_start: 0x0506,
    csum_offset: 0x0708,
};

#[test]
#[cfg(target_endian = "little")]
fn fields_stand_where_the_kernel_puts_them() {
    assert_eq!(SUPER.emit(), [1, 0x81, 2, 1, 4, 3, 6, 5, 8, 7]);
}

#[test]
fn every_type_comes_back() {
    for gso in [Gso::None, Gso::Tcp4, Gso::Tcp6, Gso::UdpL4] {
        for ecn in [false, true] {
            let header = VnetHdr { gso, ecn, ..SUPER };
            assert_eq!(VnetHdr::parse(&header.emit()), Some(header));
        }
    }
}

#[test]
fn what_follows_is_not_its_business() {
    let mut bytes = VnetHdr::NONE.emit().to_vec();
    bytes.extend([9; 40]);
    assert_eq!(VnetHdr::parse(&bytes), Some(VnetHdr::NONE));
}

#[test]
fn short_and_unknown_headers_are_refused() {
    let whole = SUPER.emit();
    for len in 0..VnetHdr::LEN {
        assert_eq!(VnetHdr::parse(&whole[..len]), None, "{len}");
    }
    for kind in 0..=u8::MAX {
        let mut bytes = whole;
        bytes[1] = kind;
        let known = [0, 1, 4, 5].contains(&(kind & 0x7f));
        assert_eq!(VnetHdr::parse(&bytes).is_some(), known, "{kind:#x}");
    }
}
