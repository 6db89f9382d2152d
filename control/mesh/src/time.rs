//! Times as people read them, from seconds since 1970, without a clock or a time zone's database.

use std::fmt;

/// A time in UTC: `2026-11-21 23:50 UTC`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Utc(pub u64);

impl Utc {
    /// Year, month and day (the proleptic Gregorian calendar, counted in eras of 400 years from 1 March of year 0).
    const fn date(self) -> (u64, u64, u64) {
        let days = self.0 / 86_400 + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        (era * 400 + year_of_era + if month <= 2 { 1 } else { 0 }, month, day)
    }
}

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        let (hour, minute) = (self.0 % 86_400 / 3600, self.0 % 3600 / 60);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
    }
}

/// A length of time in its two largest units: `2 h 5 min`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span(pub u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)];
        let first = units.iter().position(|(_, secs)| self.0 >= *secs).unwrap_or(units.len() - 1);
        let (name, secs) = units[first];
        write!(f, "{} {name}", self.0 / secs)?;
        match units.get(first + 1) {
            Some((name, smaller)) if self.0 % secs / smaller > 0 => {
                write!(f, " {} {name}", self.0 % secs / smaller)
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// The greatest time ever seen. Kept on disk, it keeps a clock that was set back from reviving what has ended.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct HighWater(u64);

impl HighWater {
    /// The mark as it was stored, in seconds since 1970.
    #[must_use]
    pub const fn new(secs: u64) -> Self {
        Self(secs)
    }

    /// The mark, to be stored.
    #[must_use]
    pub const fn secs(self) -> u64 {
        self.0
    }

    /// Takes in what the clock says now; gives the time that counts, which never goes back.
    pub fn advance(&mut self, now: u64) -> u64 {
        self.0 = self.0.max(now);
        self.0
    }

    /// How far behind the mark the clock is, in seconds: worth a sentence to the user when it is more than a moment.
    #[must_use]
    pub const fn behind(self, now: u64) -> u64 {
        self.0.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests;
