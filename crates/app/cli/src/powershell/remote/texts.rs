//! Primitives of .NET as PowerShell writes them into a text.

#![expect(clippy::wildcard_enum_match_arm, reason = "what is no primitive has no text here")]

use psrp::clixml::{DateTime, TimeSpan, Value};

/// The text of a primitive; `None` for an object.
pub(crate) fn primitive(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => String::new(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Byte(number) => number.to_string(),
        Value::SByte(number) => number.to_string(),
        Value::Int16(number) => number.to_string(),
        Value::UInt16(number) => number.to_string(),
        Value::Int32(number) => number.to_string(),
        Value::UInt32(number) => number.to_string(),
        Value::Int64(number) => number.to_string(),
        Value::UInt64(number) => number.to_string(),
        Value::Single(number) => single(*number),
        Value::Double(number) => double(*number),
        Value::Decimal(number) => number.to_string(),
        Value::Char(unit) => String::from_utf16_lossy(&[*unit]),
        Value::DateTime(time) => date_time(*time),
        Value::TimeSpan(span) => time_span(span.ticks),
        Value::Guid(guid) => guid.to_string(),
        Value::Version(version) => version.to_string(),
        Value::String(text) | Value::ScriptBlock(text) | Value::Uri(text) | Value::Xml(text) => {
            text.to_string_lossy().into_owned()
        }
        Value::Bytes(bytes) => bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(" "),
        Value::SecureString(_) => "System.Security.SecureString".to_owned(),
        Value::Progress(progress) => progress.activity.to_string_lossy().into_owned(),
        _ => return None,
    })
}

/// The name of a primitive's type; `None` for an object.
pub(crate) const fn type_name(value: &Value) -> Option<&'static str> {
    Some(match value {
        Value::Null => "null",
        Value::Bool(_) => "System.Boolean",
        Value::Byte(_) => "System.Byte",
        Value::SByte(_) => "System.SByte",
        Value::Int16(_) => "System.Int16",
        Value::UInt16(_) => "System.UInt16",
        Value::Int32(_) => "System.Int32",
        Value::UInt32(_) => "System.UInt32",
        Value::Int64(_) => "System.Int64",
        Value::UInt64(_) => "System.UInt64",
        Value::Single(_) => "System.Single",
        Value::Double(_) => "System.Double",
        Value::Decimal(_) => "System.Decimal",
        Value::Char(_) => "System.Char",
        Value::DateTime(_) => "System.DateTime",
        Value::TimeSpan(_) => "System.TimeSpan",
        Value::Guid(_) => "System.Guid",
        Value::Version(_) => "System.Version",
        Value::String(_) => "System.String",
        Value::ScriptBlock(_) => "System.Management.Automation.ScriptBlock",
        Value::Uri(_) => "System.Uri",
        Value::Xml(_) => "System.Xml.XmlDocument",
        Value::Bytes(_) => "System.Byte[]",
        Value::SecureString(_) => "System.Security.SecureString",
        Value::Progress(_) => "System.Management.Automation.ProgressRecord",
        _ => return None,
    })
}

/// `MM/dd/yyyy HH:mm:ss`, as .NET writes without a culture.
fn date_time(time: DateTime) -> String {
    let text = time.to_string();
    let part = |range| text.get(range).unwrap_or_default();
    format!("{}/{}/{} {}", part(5..7), part(8..10), part(0..4), part(11..19))
}

/// `[-][days.]hh:mm:ss[.fffffff]` of so many steps of 100 ns, as .NET writes a time span.
pub(crate) fn time_span(ticks: i64) -> String {
    let sign = if ticks < 0 { "-" } else { "" };
    let all = ticks.unsigned_abs();
    let (seconds, rest) = (all / 10_000_000, all % 10_000_000);
    let days = match seconds / 86_400 {
        0 => String::new(),
        days => format!("{days}."),
    };
    let fraction = if rest == 0 { String::new() } else { format!(".{rest:07}") };
    let (hours, minutes, seconds) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{sign}{days}{hours:02}:{minutes:02}:{seconds:02}{fraction}")
}

/// Milliseconds of a span, where it has no smaller part.
pub(crate) const fn milliseconds(span: TimeSpan) -> Option<i64> {
    if span.ticks % 10_000 == 0 { Some(span.ticks / 10_000) } else { None }
}

/// A number as .NET writes it: the shortest text that reads back as the same.
pub(crate) fn double(number: f64) -> String {
    if number.is_finite() { decimal(&format!("{number:e}"), 15) } else { not_finite(number) }
}

fn single(number: f32) -> String {
    if number.is_finite() { decimal(&format!("{number:e}"), 7) } else { not_finite(number.into()) }
}

fn not_finite(number: f64) -> String {
    let name = match (number.is_nan(), number > 0.0) {
        (true, _) => "NaN",
        (false, true) => "Infinity",
        (false, false) => "-Infinity",
    };
    name.to_owned()
}

/// From `1.25e-3`: with an exponent where more digits than `precision` and than there are would stand before the point.
fn decimal(scientific: &str, precision: usize) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let most = i32::try_from(digits.len().max(precision)).unwrap_or(i32::MAX);
    if exponent >= most || exponent < -4 {
        let direction = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{mantissa}E{direction}{:02}", exponent.unsigned_abs());
    }
    let far = usize::try_from(exponent.unsigned_abs()).unwrap_or_default();
    if exponent < 0 {
        return format!("{sign}0.{}{digits}", "0".repeat(far.saturating_sub(1)));
    }
    match digits.split_at_checked(far + 1).filter(|(_, fraction)| !fraction.is_empty()) {
        Some((whole, fraction)) => format!("{sign}{whole}.{fraction}"),
        None => format!("{sign}{digits:0<width$}", width = far + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_dotnet_writes_them() {
        for (number, text) in [
            (0.0, "0"),
            (3.5, "3.5"),
            (-0.1, "-0.1"),
            (1e14, "100000000000000"),
            (1e15, "1E+15"),
            (1_234_567_890_123_456.0, "1234567890123456"),
            (123_456_789_012_345_680.0, "1.2345678901234568E+17"),
            (1e-4, "0.0001"),
            (1.5e-5, "1.5E-05"),
            (f64::MAX, "1.7976931348623157E+308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(double(number), text);
        }
        assert_eq!(single(0.1), "0.1");
        assert_eq!(single(1e7), "1E+07");
    }

    #[test]
    fn time_spans_have_as_many_parts_as_they_need() {
        for (ticks, text) in [
            (0, "00:00:00"),
            (1, "00:00:00.0000001"),
            (-10_000, "-00:00:00.0010000"),
            (900_610_010_000, "1.01:01:01.0010000"),
            (i64::MIN, "-10675199.02:48:05.4775808"),
        ] {
            assert_eq!(time_span(ticks), text);
        }
    }

    #[test]
    fn dates_are_written_without_a_culture() {
        let text = "<DT>2026-01-02T03:04:05.6789012Z</DT>";
        let value = psrp::clixml::decode(text, &psrp::clixml::Limits::default()).unwrap();
        assert_eq!(primitive(&value).unwrap(), "01/02/2026 03:04:05");
    }
}
