//! [`TimeSpan`]: `TS`, a duration as .NET writes it, [MS-PSRP] 2.2.5.1.5.

use std::fmt;

const SECOND: u64 = 10_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A duration in steps of 100 ns, which may be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TimeSpan {
    /// Steps of 100 ns.
    pub ticks: i64,
}

impl TimeSpan {
    /// Reads an `xs:duration`: a year has 365 days, a month 30, as .NET counts.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let text = text.strip_prefix('P')?;
        let (date, time) = match text.split_once('T') {
            Some((_, "")) => return None,
            Some((date, time)) => (date, time),
            None => (text, ""),
        };
        if date.is_empty() && time.is_empty() {
            return None;
        }
        let date = sum(date, &[('Y', 365 * DAY), ('M', 30 * DAY), ('D', DAY)])?;
        let time = sum(time, &[('H', HOUR), ('M', MINUTE), ('S', SECOND)])?;
        let ticks = i128::from(date.checked_add(time)?);
        let ticks = i64::try_from(if negative { -ticks } else { ticks }).ok()?;
        Some(Self { ticks })
    }
}

/// The sum of numbers with their units, which stand in this order, each at most once.
fn sum(mut text: &str, units: &[(char, u64)]) -> Option<u64> {
    let mut total: u64 = 0;
    let mut units = units.iter();
    while !text.is_empty() {
        let end = text.find(|c: char| c.is_ascii_uppercase())?;
        let (number, rest) = text.split_at_checked(end)?;
        let letter = rest.chars().next()?;
        let (_, unit) = units.by_ref().find(|(name, _)| *name == letter)?;
        total = total.checked_add(ticks(number, *unit, letter == 'S')?)?;
        text = rest.get(letter.len_utf8()..)?;
    }
    Some(total)
}

fn ticks(number: &str, unit: u64, may_have_fraction: bool) -> Option<u64> {
    let (whole, fraction) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some((whole, fraction)) if may_have_fraction => (whole, fraction),
        Some(_) => return None,
        None => (number, ""),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let mut part = 0;
    for position in 0..7 {
        let figure = fraction.as_bytes().get(position).map_or(0, |byte| u64::from(byte - b'0'));
        part = part * 10 + figure;
    }
    whole.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(part)
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ticks < 0 {
            f.write_str("-")?;
        }
        let ticks = self.ticks.unsigned_abs();
        f.write_str("P")?;
        if ticks >= DAY {
            write!(f, "{}D", ticks / DAY)?;
        }
        let of_day = ticks % DAY;
        if of_day == 0 && ticks > 0 {
            return Ok(());
        }
        f.write_str("T")?;
        if of_day >= HOUR {
            write!(f, "{}H", of_day / HOUR)?;
        }
        if of_day % HOUR >= MINUTE {
            write!(f, "{}M", of_day % HOUR / MINUTE)?;
        }
        let (seconds, fraction) = (of_day % MINUTE / SECOND, of_day % SECOND);
        if fraction > 0 {
            let figures = format!("{fraction:07}");
            write!(f, "{seconds}.{}S", figures.trim_end_matches('0'))
        } else if seconds > 0 || of_day == 0 {
            write!(f, "{seconds}S")
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_and_text_are_those_of_dotnet() {
        for (text, ticks) in [
            ("PT0S", 0),
            ("PT0.0000001S", 1),
            ("P1DT1H", 900_000_000_000),
            ("-PT0.001S", -10_000),
            ("-P400D", -345_600_000_000_000),
            ("PT1H30M", 54_000_000_000),
            ("-P10675199DT2H48M5.4775808S", i64::MIN),
        ] {
            assert_eq!(TimeSpan::parse(text), Some(TimeSpan { ticks }), "{text}");
            assert_eq!(TimeSpan { ticks }.to_string(), text);
        }
    }

    #[test]
    fn other_spellings_are_read() {
        for (text, ticks) in [
            ("P1Y", 315_360_000_000_000),
            ("P1M", 25_920_000_000_000),
            ("PT90M", 54_000_000_000),
            ("P1DT25H", 1_764_000_000_000),
            ("PT0.00000001S", 0),
        ] {
            assert_eq!(TimeSpan::parse(text), Some(TimeSpan { ticks }), "{text}");
        }
        for text in
            ["", "P", "PT", "1.00:00:00", "P99999999D", "P1S", "PT1D", "P1D1D", "PT1.5H", "PT.5S"]
        {
            assert_eq!(TimeSpan::parse(text), None, "{text}");
        }
    }
}
