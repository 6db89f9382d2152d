//! A length of time as people type it: `90s`, `15min`, `2h`, `7d`, `2w`.

use crate::render::span;

/// The units, in seconds.
const UNITS: [(&str, u64); 6] =
    [("s", 1), ("min", 60), ("m", 60), ("h", 3600), ("d", 86_400), ("w", 604_800)];

/// The seconds in `text`: a whole number above zero and its unit.
///
/// # Errors
/// What such a text looks like.
pub(crate) fn secs(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    let unit = UNITS.iter().find(|(name, _)| *name == unit.trim()).map(|(_, secs)| *secs);
    let count = count.parse::<u64>().ok().filter(|count| *count > 0);
    let secs = count.zip(unit).and_then(|(count, unit)| count.checked_mul(unit));
    secs.ok_or_else(|| "a time is a number and its unit, as 90s, 15min, 2h, 7d or 2w".to_owned())
}

/// The same, where the daemon waits for at most `MAX` seconds.
///
/// # Errors
/// Also when it is more.
pub(crate) fn at_most<const MAX: u64>(text: &str) -> Result<u64, String> {
    let secs = secs(text)?;
    if secs <= MAX { Ok(secs) } else { Err(format!("this waits for at most {}", span(MAX))) }
}

#[cfg(test)]
mod tests;
