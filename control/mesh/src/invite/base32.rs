//! Base32 for people: Crockford's alphabet in lower case, without `i`, `l`, `o` and `u`.

use zeroize::Zeroizing;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const GROUP: usize = 5;

/// One long word, for links.
pub(super) fn plain(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 8 / 5 + 1));
    let (mut bits, mut held) = (0_u32, 0);
    for byte in bytes {
        bits = bits << 8 | u32::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(letter(bits >> held));
        }
    }
    if held > 0 {
        text.push(letter(bits << (5 - held)));
    }
    text
}

/// Groups of five with hyphens between them.
pub(super) fn grouped(bytes: &[u8]) -> Zeroizing<String> {
    let plain = plain(bytes);
    let mut text = Zeroizing::new(String::with_capacity(plain.len() * (GROUP + 1) / GROUP + 1));
    for (at, letter) in plain.chars().enumerate() {
        if at > 0 && at % GROUP == 0 {
            text.push('-');
        }
        text.push(letter);
    }
    text
}

/// At most `max` bytes; none for anything that is neither of the alphabet nor looks like it, or does not fill whole bytes.
pub(super) fn read(text: &str, max: usize) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(max));
    let (mut bits, mut held) = (0_u32, 0);
    for c in text.chars().filter(|c| !c.is_whitespace() && *c != '-') {
        bits = bits << 5 & 0xffff | value(c)?;
        held += 5;
        if held >= 8 {
            held -= 8;
            if bytes.len() == max {
                return None;
            }
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    let rest = bits & ((1 << held) - 1);
    (held < 5 && rest == 0).then_some(bytes)
}

fn letter(bits: u32) -> char {
    ALPHABET[(bits & 31) as usize].into()
}

fn value(c: char) -> Option<u32> {
    let c = match c.to_ascii_lowercase() {
        'o' => '0',
        'i' | 'l' => '1',
        other => other,
    };
    let at = ALPHABET.iter().position(|letter| char::from(*letter) == c)?;
    u32::try_from(at).ok()
}
