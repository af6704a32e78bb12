//! [`DateTime`]: `DT`, a point in time as .NET writes it, [MS-PSRP] 2.2.5.1.4.

use std::fmt;

/// Ticks of 100 ns in a second.
const SECOND: i64 = 10_000_000;
const DAY: i64 = 86_400 * SECOND;
/// Days from 0001-01-01 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_162;
/// The last tick of the year 9999.
const LAST: i64 = 3_155_378_975_999_999_999;
/// The farthest zone from UTC, in minutes.
const MOST_OFFSET: i16 = 14 * 60;

/// A date and time of the years 1 to 9999, in steps of 100 ns, and what is known of its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DateTime {
    // INVARIANT: 0..=LAST
    ticks: i64,
    zone: Zone,
}

/// What is known of the zone of a [`DateTime`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Zone {
    /// Local time so many minutes ahead of UTC, at most 14 hours.
    Offset(i16),
    /// Nothing.
    Unspecified,
    /// UTC.
    Utc,
}

impl DateTime {
    /// The time so many steps of 100 ns after the beginning of the year 1, as a clock of the zone
    /// shows it; `None` outside the years 1 to 9999 and for a zone that there cannot be.
    #[must_use]
    pub const fn new(ticks: i64, zone: Zone) -> Option<Self> {
        let offset = match zone {
            Zone::Offset(minutes) => minutes,
            Zone::Unspecified | Zone::Utc => 0,
        };
        if ticks < 0 || ticks > LAST || offset < -MOST_OFFSET || offset > MOST_OFFSET {
            return None;
        }
        Some(Self { ticks, zone })
    }

    /// The time so many seconds and nanoseconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn from_unix(seconds: i64, nanoseconds: u32) -> Option<Self> {
        let since = seconds.checked_mul(SECOND)?.checked_add(i64::from(nanoseconds / 100))?;
        Self::new(since.checked_add(DAYS_TO_1970 * DAY)?, Zone::Utc)
    }

    /// Steps of 100 ns since the beginning of the year 1, as a clock of the zone shows them.
    #[must_use]
    pub const fn ticks(self) -> i64 {
        self.ticks
    }

    /// What is known of the zone.
    #[must_use]
    pub const fn zone(self) -> Zone {
        self.zone
    }

    /// Year, month, day, of the Gregorian calendar.
    fn date(self) -> (i64, i64, i64) {
        // Counted from 0000-03-01, years end with the leap day.
        let days = self.ticks / DAY + 306;
        let era = days / 146_097;
        let of_era = days % 146_097;
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        (year + era * 400 + i64::from(month <= 2), month, day)
    }

    /// Reads what .NET's `XmlConvert` reads, but for a time without a date, which there means today.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut rest = text.as_bytes();
        let year = digits(&mut rest, 4)?;
        literal(&mut rest, b'-')?;
        let month = digits(&mut rest, 2)?;
        literal(&mut rest, b'-')?;
        let day = digits(&mut rest, 2)?;
        if year == 0 || !(1..=12).contains(&month) || day == 0 || day > days_of(year, month) {
            return None;
        }
        let mut ticks = (days_before(year, month) + day - 1) * DAY;
        if literal(&mut rest, b'T').is_some() {
            ticks += time(&mut rest)?;
        }
        Self::new(ticks, zone(rest)?)
    }
}

fn time(rest: &mut &[u8]) -> Option<i64> {
    let hour = digits(rest, 2)?;
    literal(rest, b':')?;
    let minute = digits(rest, 2)?;
    literal(rest, b':')?;
    let second = digits(rest, 2)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut ticks = ((hour * 60 + minute) * 60 + second) * SECOND;
    if literal(rest, b'.').is_some() {
        ticks += fraction(rest)?;
    }
    Some(ticks)
}

/// A fraction of a second in ticks, rounded.
fn fraction(rest: &mut &[u8]) -> Option<i64> {
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (figures, after) = rest.split_at_checked(length).filter(|_| length > 0)?;
    *rest = after;
    let mut ticks = 0;
    for position in 0..7 {
        let figure = figures.get(position).map_or(0, |byte| i64::from(byte - b'0'));
        ticks = ticks * 10 + figure;
    }
    Some(ticks + i64::from(figures.get(7).is_some_and(|byte| *byte >= b'5')))
}

fn zone(rest: &[u8]) -> Option<Zone> {
    let (sign, mut rest) = match rest {
        [] => return Some(Zone::Unspecified),
        b"Z" => return Some(Zone::Utc),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let hours = digits(&mut rest, 2)?;
    literal(&mut rest, b':')?;
    let minutes = digits(&mut rest, 2)?;
    let offset = i16::try_from(sign * (hours * 60 + minutes)).ok()?;
    (rest.is_empty() && minutes < 60).then_some(Zone::Offset(offset))
}

/// Takes a number of exactly `count` digits.
fn digits(rest: &mut &[u8], count: usize) -> Option<i64> {
    let (figures, after) = rest.split_at_checked(count)?;
    let mut number = 0;
    for figure in figures {
        number = number * 10 + i64::from(figure.is_ascii_digit().then(|| figure - b'0')?);
    }
    *rest = after;
    Some(number)
}

fn literal(rest: &mut &[u8], byte: u8) -> Option<()> {
    *rest = rest.strip_prefix(&[byte])?;
    Some(())
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 0001-01-01 to the first of the month.
fn days_before(year: i64, month: i64) -> i64 {
    let past = year - 1;
    let years = past * 365 + past / 4 - past / 100 + past / 400;
    years + (1..month).map(|month| days_of(year, month)).sum::<i64>()
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        let of_day = self.ticks % DAY;
        let seconds = of_day / SECOND;
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        let fraction = of_day % SECOND;
        if fraction > 0 {
            let figures = format!("{fraction:07}");
            write!(f, ".{}", figures.trim_end_matches('0'))?;
        }
        match self.zone {
            Zone::Unspecified => Ok(()),
            Zone::Utc => f.write_str("Z"),
            Zone::Offset(minutes) => {
                let sign = if minutes < 0 { '-' } else { '+' };
                let minutes = minutes.unsigned_abs();
                write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_back_as_it_was() {
        for text in [
            "0001-01-01T00:00:00",
            "9999-12-31T23:59:59.9999999",
            "2024-02-29T12:30:00.5Z",
            "2000-03-01T00:00:00+05:30",
            "1900-02-28T23:59:59-11:00",
            "1970-01-01T00:00:00Z",
        ] {
            assert_eq!(DateTime::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn ticks_are_those_of_dotnet() {
        let parsed = DateTime::parse("2024-01-02T03:04:05.12345678Z").unwrap();
        assert_eq!((parsed.ticks(), parsed.zone()), (638_397_614_451_234_568, Zone::Utc));
        assert_eq!(DateTime::from_unix(0, 0).unwrap().ticks(), 621_355_968_000_000_000);
        assert_eq!(DateTime::parse("2024-01-02").unwrap().ticks(), 638_397_504_000_000_000);
    }

    #[test]
    fn what_no_calendar_has_is_refused() {
        for text in [
            "2024-13-01T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2024-01-02T24:00:00Z",
            "0000-01-01T00:00:00",
            "10000-01-01T00:00:00Z",
            "2024-01-02T03:04:05+14:01",
            "2024-01-02T03:04:05.Z",
            "2024-01-02T03:04",
            "2024-01-02 03:04:05",
            "9999-12-31T23:59:59.99999999",
            "",
        ] {
            assert_eq!(DateTime::parse(text), None, "{text}");
        }
    }
}
