use super::{Decap, on_decapsulate, on_encapsulate};

const NOT: u8 = 0b00;
const ECT0: u8 = 0b10;
const ECT1: u8 = 0b01;
const CE: u8 = 0b11;

/// RFC 6040, section 4.2, figure 4, row by row. `None` is a drop.
#[test]
fn the_table_of_section_4() {
    let outer = [NOT, ECT0, ECT1, CE];
    for (inner, row) in [
        (NOT, [Some(NOT), Some(NOT), Some(NOT), None]),
        (ECT0, [Some(ECT0), Some(ECT0), Some(ECT1), Some(CE)]),
        (ECT1, [Some(ECT1), Some(ECT1), Some(ECT1), Some(CE)]),
        (CE, [Some(CE), Some(CE), Some(CE), Some(CE)]),
    ] {
        for (outer, expected) in outer.into_iter().zip(row) {
            // No DSCP on either side takes part, and the inner one stays.
            for dscp in 0..64 {
                let inner_tos = dscp << 2 | inner;
                let outer_tos = (63 - dscp) << 2 | outer;
                let after = match on_decapsulate(outer_tos, inner_tos) {
                    Decap::Keep => Some(inner_tos),
                    Decap::Set(tos) => Some(tos),
                    Decap::Drop => None,
                };
                assert_eq!(after, expected.map(|ecn| dscp << 2 | ecn), "{inner:02b} in {outer:02b}");
            }
        }
    }
}

#[test]
fn what_changes_nothing_is_kept() {
    for inner in [NOT, ECT0, ECT1, CE] {
        assert!(!matches!(on_decapsulate(inner, inner | 0xB8), Decap::Set(_)), "{inner:02b}");
    }
}

/// Normal mode, section 4.1: the field goes out as it is, the DSCP stays inside.
#[test]
fn the_ecn_field_goes_out() {
    for tos in 0..=255 {
        assert_eq!(on_encapsulate(tos), tos % 4, "{tos:#x}");
    }
}
