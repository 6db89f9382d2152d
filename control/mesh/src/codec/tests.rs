//! Every reader refuses what is too short, too long or not the one encoding.

use super::{Malformed, Reader, Writer};

#[test]
fn fields_come_back_as_they_went() {
    let mut bytes = Vec::new();
    let mut writer = Writer(&mut bytes);
    writer.u8(1);
    writer.flag(true);
    writer.u16(0x0203);
    writer.u64(0x0809_0a0b_0c0d_0e0f);
    writer.long(b"abc");
    writer.option(Some(&7_u8), |writer, value| writer.u8(*value));
    writer.option(None::<&u8>, |writer, value| writer.u8(*value));
    assert_eq!(bytes, b"\x01\x01\x02\x03\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x00\x03abc\x01\x07\x00");
    let mut reader = Reader::new(&bytes);
    assert_eq!(reader.u8("a"), Ok(1));
    assert_eq!(reader.flag("b"), Ok(true));
    assert_eq!(reader.u16("c"), Ok(0x0203));
    assert_eq!(reader.u64("e"), Ok(0x0809_0a0b_0c0d_0e0f));
    assert_eq!(reader.long(3, "f"), Ok(&b"abc"[..]));
    assert_eq!(reader.option("g", |reader| reader.u8("g")), Ok(Some(7)));
    assert_eq!(reader.option("h", |reader| reader.u8("h")), Ok(None));
    assert_eq!(reader.end("rest"), Ok(()));
}

#[test]
fn what_is_not_the_one_encoding_is_refused() {
    assert_eq!(Reader::new(&[2]).flag("flag"), Err(Malformed("flag")), "a flag is zero or one");
    assert_eq!(Reader::new(&[0, 4, 1, 2, 3, 4]).long(3, "text"), Err(Malformed("text")), "above its bound");
    assert_eq!(Reader::new(&[0, 4, 1, 2, 3]).long(9, "text"), Err(Malformed("text")), "cut short");
    assert_eq!(Reader::new(&[0; 7]).u64("number"), Err(Malformed("number")));
    assert_eq!(Reader::new(&[0]).end("record"), Err(Malformed("record")), "something follows");
    let claimed = Reader::new(&[0xff, 0xff, 1]).list(0xffff, "list", |reader| reader.u8("entry"));
    assert_eq!(claimed, Err(Malformed("entry")), "a count that the bytes do not hold");
}
