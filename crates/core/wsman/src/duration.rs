//! `xs:duration`, read in every form and written as Windows does.

use std::fmt;
use std::str::FromStr;
use std::time::Duration as Length;

/// An `xs:duration`, with the text that it was written as.
///
/// A year counts as 365 days and a month as 30: durations of messages have neither in practice.
#[derive(Clone, PartialEq, Eq)]
pub struct Duration {
    text: String,
    negative: bool,
    length: Length,
}

impl Duration {
    /// Windows's usual writing, seconds with three decimals: `PT60.000S`. Parts of a millisecond
    /// are dropped.
    #[must_use]
    pub fn seconds(length: Length) -> Self {
        let text = format!("PT{}.{:03}S", length.as_secs(), length.subsec_millis());
        let length = Length::new(length.as_secs(), length.subsec_millis() * 1_000_000);
        Self { text, negative: false, length }
    }

    /// Windows's writing of a shell's run time, whole seconds from days down: `P0DT0H0M1S`.
    #[must_use]
    pub fn days(length: Length) -> Self {
        let seconds = length.as_secs();
        let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
        let text = format!("P{days}DT{hours}H{}M{}S", seconds / 60 % 60, seconds % 60);
        Self { text, negative: false, length: Length::from_secs(seconds) }
    }

    /// The length. `None` for a negative duration; minus zero is zero.
    #[must_use]
    pub fn length(&self) -> Option<Length> {
        if self.is_negative() { None } else { Some(self.length) }
    }

    /// Whether it is less than zero.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.negative && !self.length.is_zero()
    }

    /// The text as it came, without white space around it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// A text that is no `xs:duration`, or one longer than 2^64 seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an xs:duration")]
pub struct ParseDurationError;

impl FromStr for Duration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, ParseDurationError> {
        let text = text.trim_matches(crate::xml::is_space);
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let rest = rest.strip_prefix('P').ok_or(ParseDurationError)?;
        let (date, time) = match rest.split_once('T') {
            Some((date, time)) => (date, Some(time)),
            None => (rest, None),
        };
        // Windows's own messages of a bad timeout write the sign behind the letters: `PT-1S`.
        // That is no duration, and fails here as it fails there.
        if time.map_or(date, |time| time).is_empty() {
            return Err(ParseDurationError);
        }
        let mut length =
            fields(date, &[('Y', 31_536_000), ('M', 2_592_000), ('D', 86_400)], false)?;
        if let Some(time) = time {
            let time = fields(time, &[('H', 3_600), ('M', 60), ('S', 1)], true)?;
            length = length.checked_add(time).ok_or(ParseDurationError)?;
        }
        Ok(Self { text: text.to_owned(), negative, length })
    }
}

/// Sums up numbers with their letters, which come in the order of `units`, each at most once.
fn fields(
    text: &str,
    units: &[(char, u64)],
    fraction_in_last: bool,
) -> Result<Length, ParseDurationError> {
    let mut units = units.iter();
    let mut total = Length::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(ParseDurationError)?;
        let (number, from) = rest.split_at(end);
        let mut from = from.chars();
        let letter = from.next();
        let &(found, unit) =
            units.find(|(letter_of, _)| Some(*letter_of) == letter).ok_or(ParseDurationError)?;
        let (whole, fraction) = match number.split_once('.') {
            Some((whole, fraction)) if fraction_in_last && found == 'S' => (whole, Some(fraction)),
            Some(_) => return Err(ParseDurationError),
            None => (number, None),
        };
        let whole: u64 = whole.parse().map_err(|_| ParseDurationError)?;
        let seconds = whole.checked_mul(unit).ok_or(ParseDurationError)?;
        let field = Length::new(seconds, nanoseconds(fraction)?);
        total = total.checked_add(field).ok_or(ParseDurationError)?;
        rest = from.as_str();
    }
    Ok(total)
}

fn nanoseconds(fraction: Option<&str>) -> Result<u32, ParseDurationError> {
    let Some(digits) = fraction else {
        return Ok(0);
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ParseDurationError);
    }
    let nine: String = digits.chars().chain("000000000".chars()).take(9).collect();
    nine.parse().map_err(|_| ParseDurationError)
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        for (text, millis) in [
            ("PT60.000S", 60_000),
            ("PT20S", 20_000),
            ("P0DT0H0M1S", 1_000),
            ("PT1H2M3.5S", 3_723_500),
            ("P1D", 86_400_000),
            ("P1Y1M1D", 396 * 86_400_000),
            ("PT0.0001S", 0),
            (" PT5M ", 300_000),
            ("-PT0S", 0),
        ] {
            let duration: Duration = text.parse().unwrap();
            assert_eq!(duration.length().unwrap().as_millis(), millis, "{text}");
            assert_eq!(duration.to_string(), text.trim());
        }
        assert!("-PT1S".parse::<Duration>().unwrap().is_negative());
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "P",
            "PT",
            "P1",
            "1S",
            "PT-1S",
            "PT1",
            "P1S",
            "PT1S1M",
            "PT1S1S",
            "P1DT",
            "PT1.S",
            "PT.S",
            "PT1.5M",
            "P1.5D",
            "PT99999999999999999999S",
            "P1Y1Y",
            "pt1s",
            "PT1S ;",
            "P999999999999999Y",
        ] {
            assert_eq!(text.parse::<Duration>(), Err(ParseDurationError), "{text}");
        }
    }

    #[test]
    fn both_of_windows_writings_are_written() {
        assert_eq!(
            Duration::seconds(Length::from_millis(2_147_483_647)).as_str(),
            "PT2147483.647S"
        );
        assert_eq!(Duration::days(Length::from_secs(90_061)).as_str(), "P1DT1H1M1S");
        for length in [Length::MAX, Length::from_micros(1_999_999)] {
            let written = Duration::seconds(length);
            assert_eq!(written.as_str().parse(), Ok(written));
        }
    }
}
