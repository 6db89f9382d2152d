//! Reading and writing of bytes: big-endian, every length bounded, exactly one encoding per value.
//!
//! Strict because records are hashed and signed: were there two encodings of one record, two devices
//! could disagree on what its hash is.
//!
//! **Invariant:** a [`Reader`] never panics and never allocates more than the input is long.

use std::fmt;

/// The bytes are no encoding of what they should be; names the field at which that showed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed {}", self.0)
    }
}

impl std::error::Error for Malformed {}

/// Appends fields to a buffer.
pub(crate) struct Writer<'a>(pub(crate) &'a mut Vec<u8>);

impl Writer<'_> {
    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn flag(&mut self, value: bool) {
        self.u8(value.into());
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.0.extend_from_slice(value);
    }

    /// A length of two bytes, then the bytes. The caller's own bound is far below what two bytes can say.
    pub(crate) fn long(&mut self, value: &[u8]) {
        self.count(value.len());
        self.bytes(value);
    }

    /// A length of two bytes.
    pub(crate) fn count(&mut self, value: usize) {
        self.u16(u16::try_from(value).expect("every list and text is bounded far below 65536"));
    }

    /// Zero for nothing, one and the value for something.
    pub(crate) fn option<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }
}

/// Takes fields off the front of a slice.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(Malformed(field))?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Malformed(field))?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, Malformed> {
        self.array(field).map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, Malformed> {
        self.array(field).map(u16::from_be_bytes)
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64, Malformed> {
        self.array(field).map(u64::from_be_bytes)
    }

    pub(crate) fn flag(&mut self, field: &'static str) -> Result<bool, Malformed> {
        match self.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed(field)),
        }
    }

    /// A length of two bytes that is at most `max`.
    pub(crate) fn count(&mut self, max: usize, field: &'static str) -> Result<usize, Malformed> {
        let count = usize::from(self.u16(field)?);
        if count <= max { Ok(count) } else { Err(Malformed(field)) }
    }

    pub(crate) fn long(&mut self, max: usize, field: &'static str) -> Result<&'a [u8], Malformed> {
        let len = self.count(max, field)?;
        self.bytes(len, field)
    }

    pub(crate) fn option<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        if self.flag(field)? { read(self).map(Some) } else { Ok(None) }
    }

    /// A list of at most `max` entries; a claimed count that the bytes cannot hold ends at their end.
    pub(crate) fn list<T>(
        &mut self,
        max: usize,
        field: &'static str,
        mut read: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.count(max, field)?;
        let mut out = Vec::new();
        for _ in 0..count {
            out.push(read(self)?);
        }
        Ok(out)
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Nothing may follow the last field.
    pub(crate) fn end(self, field: &'static str) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed(field)) }
    }
}

#[cfg(test)]
mod tests;
