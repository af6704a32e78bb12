//! [`Decimal`]: `D`, .NET's decimal number, [MS-PSRP] 2.2.5.1.16.

use std::fmt;

/// The largest mantissa has 96 bits.
const MOST: u128 = (1 << 96) - 1;
/// The most digits behind the point.
const MOST_SCALE: u8 = 28;

/// A number of up to 96 bits with up to 28 digits behind the point, whose zeros at the end count:
/// 1.50 is not written as 1.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    // The mantissa in two parts: a `u128` would make every value of CLIXML larger.
    high: u32,
    low: u64,
    scale: u8,
    negative: bool,
}

impl Decimal {
    /// `mantissa` with so many of its digits behind the point; `None` when .NET has no such number.
    #[must_use]
    pub const fn new(negative: bool, mantissa: u128, scale: u8) -> Option<Self> {
        if mantissa > MOST || scale > MOST_SCALE {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "the parts of a number of 96 bits")]
        let (high, low) = ((mantissa >> 64) as u32, mantissa as u64);
        Some(Self { high, low, scale, negative })
    }

    fn mantissa(self) -> u128 {
        u128::from(self.high) << 64 | u128::from(self.low)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, text) = match text.as_bytes() {
            [b'-', ..] => (true, text.get(1..)?),
            [b'+', ..] => (false, text.get(1..)?),
            _ => (false, text),
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut mantissa: u128 = 0;
        for byte in whole.bytes() {
            mantissa = with_digit(mantissa, byte)?;
        }
        let mut scale = 0;
        let mut figures = fraction.bytes();
        for byte in figures.by_ref() {
            match with_digit(mantissa, byte) {
                Some(longer) if scale < MOST_SCALE => {
                    mantissa = longer;
                    scale += 1;
                }
                _ if !byte.is_ascii_digit() => return None,
                // No room for this digit: it decides how the last one is rounded.
                _ => {
                    let rest = any_digit(figures)?;
                    let up = byte > b'5' || (byte == b'5' && (rest || mantissa % 2 == 1));
                    return Self::new(negative, mantissa + u128::from(up), scale);
                }
            }
        }
        Self::new(negative, mantissa, scale)
    }
}

fn with_digit(mantissa: u128, byte: u8) -> Option<u128> {
    let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
    Some(mantissa * 10 + u128::from(digit)).filter(|longer| *longer <= MOST)
}

/// Whether one of the digits is not zero; `None` where something is no digit.
fn any_digit(mut digits: std::str::Bytes<'_>) -> Option<bool> {
    digits.try_fold(false, |some, byte| byte.is_ascii_digit().then_some(some || byte != b'0'))
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mantissa = self.mantissa();
        if self.negative && mantissa > 0 {
            f.write_str("-")?;
        }
        let power = 10_u128.pow(u32::from(self.scale));
        write!(f, "{}", mantissa / power)?;
        if self.scale > 0 {
            write!(f, ".{:0width$}", mantissa % power, width = usize::from(self.scale))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_back_as_it_was() {
        for text in [
            "0",
            "1.10",
            "-1.5",
            "79228162514264337593543950335",
            "-79228162514264337593543950335",
            "0.0000000000000000000000000001",
        ] {
            assert_eq!(Decimal::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_does_not_fit_is_rounded_or_refused() {
        let read = |text| Decimal::parse(text).map(|number| number.to_string());
        let rounded = "0.1234567890123456789012345678";
        assert_eq!(read("0.12345678901234567890123456784").as_deref(), Some(rounded));
        assert_eq!(read("0.12345678901234567890123456785").as_deref(), Some(rounded));
        assert_eq!(read("+.5").as_deref(), Some("0.5"));
        for text in ["79228162514264337593543950336", "1e2", "abc", "", ".", "-", "1.2.3", "1,0"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
