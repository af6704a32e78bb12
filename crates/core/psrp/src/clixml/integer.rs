//! Integers as .NET reads them: blanks around, a sign, zeros in front.

/// Reads an integer of any width.
pub(super) fn parse<I: TryFrom<i128>>(text: &str) -> Option<I> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // What has more digits than this, zeros in front aside, fits no width.
    let digits = digits.trim_start_matches('0');
    if digits.len() > 20 {
        return None;
    }
    let number: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    I::try_from(if text.starts_with('-') { -number } else { number }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_as_dotnet_reads_them() {
        assert_eq!(parse::<i32>("+5"), Some(5));
        assert_eq!(parse::<i32>("-0"), Some(0));
        assert_eq!(parse::<i32>("005"), Some(5));
        assert_eq!(parse::<i64>("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(parse::<u64>("18446744073709551615"), Some(u64::MAX));
        for text in
            ["", "+", "0x10", "1,000", "5.0", "2147483648", "1e3", "- 1", "99999999999999999999999"]
        {
            assert_eq!(parse::<i32>(text), None, "{text}");
        }
        assert_eq!(parse::<u8>("-1"), None);
        assert_eq!(parse::<u64>("18446744073709551616"), None);
    }
}
