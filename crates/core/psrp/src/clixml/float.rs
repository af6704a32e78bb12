//! Floating point numbers as .NET writes and reads them: `Db` and `Sg`.

use std::fmt::{LowerExp, Write as _};

/// From the exponent on that has so many, .NET writes an exponent: the digits that a round trip needs.
pub(super) const DOUBLE_DIGITS: i32 = 17;
/// The same for single precision.
pub(super) const SINGLE_DIGITS: i32 = 9;

/// Reads a number: .NET's `double.Parse` without a culture, and the names of XML Schema.
pub(super) fn parse<F: std::str::FromStr + From<f32>>(text: &str) -> Option<F> {
    match text {
        "INF" | "Infinity" => return Some(f32::INFINITY.into()),
        "-INF" | "-Infinity" => return Some(f32::NEG_INFINITY.into()),
        "NaN" => return Some(f32::NAN.into()),
        _ => {}
    }
    // Rust reads other names of infinity as well.
    let is_number =
        text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    is_number.then(|| text.parse().ok()).flatten()
}

/// Writes the shortest text that reads back as the same number, with .NET's choice of when to use
/// an exponent.
pub(super) fn write<F: LowerExp + Copy + Into<f64>>(out: &mut String, number: F, most_digits: i32) {
    let wide: f64 = number.into();
    if wide.is_nan() {
        return out.push_str("NaN");
    }
    if wide.is_infinite() {
        return out.push_str(if wide > 0.0 { "INF" } else { "-INF" });
    }
    let text = format!("{number:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    out.push_str(sign);
    if exponent >= most_digits || exponent < -4 {
        let sign = if exponent < 0 { '-' } else { '+' };
        // Writing to a String does not fail.
        let _written = write!(out, "{mantissa}E{sign}{:02}", exponent.unsigned_abs());
        return;
    }
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    if exponent < 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', exponent.unsigned_abs() as usize - 1));
        out.push_str(&digits);
        return;
    }
    let whole = exponent.unsigned_abs() as usize + 1;
    match digits.split_at_checked(whole).filter(|(_, fraction)| !fraction.is_empty()) {
        Some((before, fraction)) => {
            out.push_str(before);
            out.push('.');
            out.push_str(fraction);
        }
        None => {
            out.push_str(&digits);
            out.extend(std::iter::repeat_n('0', whole.saturating_sub(digits.len())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn double(number: f64) -> String {
        let mut out = String::new();
        write(&mut out, number, DOUBLE_DIGITS);
        out
    }

    #[test]
    fn doubles_are_written_as_dotnet_does() {
        for (number, text) in [
            (0.0, "0"),
            (0.1, "0.1"),
            (1e-5, "1E-05"),
            (0.0001, "0.0001"),
            (1e21, "1E+21"),
            (1e16, "10000000000000000"),
            (1e17, "1E+17"),
            (123_456_789.123_456_79, "123456789.12345679"),
            (f64::MIN, "-1.7976931348623157E+308"),
            (1e100, "1E+100"),
            (100.0, "100"),
            (-1.5, "-1.5"),
            (f64::NEG_INFINITY, "-INF"),
        ] {
            assert_eq!(double(number), text);
        }
        let mut out = String::new();
        write(&mut out, f32::MIN, SINGLE_DIGITS);
        assert_eq!(out, "-3.4028235E+38");
    }

    #[test]
    fn only_dotnets_names_are_read() {
        assert_eq!(parse::<f64>("1e400"), Some(f64::INFINITY));
        assert_eq!(parse::<f64>("-INF"), Some(f64::NEG_INFINITY));
        for text in ["inf", "+INF", "nan", "1,5", "0x1", "", "infinity"] {
            assert_eq!(parse::<f64>(text), None, "{text}");
        }
    }
}
