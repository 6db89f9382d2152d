//! Names: a device is `NAME.CIRCLE.internal`, and both are labels that every resolver takes.
//!
//! Lower-case letters, digits and single hyphens only. A double hyphen is ours: it marks the suffix that tells two
//! devices of one name apart, and keeps punycode (`xn--`) out.

use std::fmt;
use std::str::FromStr;

use crate::codec::{Malformed, Reader, Writer};
use crate::identity::DeviceId;
use crate::limits::{CHOSEN_MAX, LABEL_MAX};

/// The top-level domain that ICANN has set aside for private use; no public name ends in it.
pub const SUFFIX: &str = "internal";

/// Names that programs look up as they are and would find a device instead of what they mean.
const RESERVED: &[&str] =
    &["localhost", "local", SUFFIX, "wpad", "isatap", "broadcasthost", "gateway", "arpa"];

/// The name of a device or circle.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Label(Box<str>);

/// Why a text is no name; each reads as the end of a sentence that begins with the name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadLabel {
    /// No character at all.
    #[error("a name needs at least one character")]
    Empty,
    /// Longer than [`CHOSEN_MAX`].
    #[error("a name may have at most {CHOSEN_MAX} characters")]
    TooLong,
    /// Something else than `a-z`, `0-9` and `-`.
    #[error("a name may contain only the letters a to z, digits and hyphens; {0:?} is none of them")]
    Character(char),
    /// A hyphen at an end, or two in a row.
    #[error("a hyphen may stand only between other characters, and alone")]
    Hyphen,
    /// It would read as a number or address.
    #[error("a name needs at least one letter, or it could be taken for a number")]
    NoLetter,
    /// Programs give this name a meaning of their own.
    #[error("this name has a meaning of its own on every machine")]
    Reserved,
}

impl Label {
    /// Makes a name of what a machine calls itself: lower case, first label, what is not allowed becomes a hyphen.
    #[must_use]
    pub fn from_hostname(hostname: &str) -> Option<Self> {
        let first = hostname.split('.').next().unwrap_or_default().to_lowercase();
        let plain: String = first.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
        let mut joined = words.join("-");
        joined.truncate(CHOSEN_MAX);
        joined.trim_end_matches('-').parse().ok()
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This name with the suffix of `device`, for the junior of two that chose the same.
    #[must_use]
    pub fn told_apart(&self, device: &DeviceId) -> Self {
        let base = &self.0[..self.0.len().min(CHOSEN_MAX)];
        let label = format!("{base}--{}", device.short());
        debug_assert!(label.len() <= LABEL_MAX);
        Self(label.into())
    }

    /// What a device goes by that has not said how it wants to be called.
    #[must_use]
    pub fn nameless(device: &DeviceId) -> Self {
        Self(format!("device--{}", device.short()).into())
    }

    /// `NAME.CIRCLE.internal`.
    #[must_use]
    pub fn qualified(&self, circle: &Self) -> String {
        format!("{self}.{circle}.{SUFFIX}")
    }

    pub(crate) fn write(&self, out: &mut Writer<'_>) {
        out.long(self.0.as_bytes());
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(from.long(CHOSEN_MAX, "name")?).map_err(|_| Malformed("name"))?;
        text.parse().map_err(|_| Malformed("name"))
    }
}

impl FromStr for Label {
    type Err = BadLabel;

    fn from_str(text: &str) -> Result<Self, BadLabel> {
        let odd = |c: &char| !matches!(c, 'a'..='z' | '0'..='9' | '-');
        if text.is_empty() {
            Err(BadLabel::Empty)
        } else if let Some(c) = text.chars().find(odd) {
            Err(BadLabel::Character(c))
        } else if text.len() > CHOSEN_MAX {
            Err(BadLabel::TooLong)
        } else if text.starts_with('-') || text.ends_with('-') || text.contains("--") {
            Err(BadLabel::Hyphen)
        } else if !text.contains(|c: char| c.is_ascii_lowercase()) {
            Err(BadLabel::NoLetter)
        } else if RESERVED.contains(&text) {
            Err(BadLabel::Reserved)
        } else {
            Ok(Self(text.into()))
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests;
