//! What a setting's value may be, and how it is written.

use std::net::IpAddr;

use super::Setting;
use crate::fault::{ErrorCode, Fault};
use crate::selector::parse_boolean;
use crate::xml::is_space;

/// What a setting's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the schema has no more")]
pub enum Kind {
    /// `true` or `false`; read in any case.
    Boolean,
    /// A whole number within a range.
    Number {
        /// The least.
        least: u32,
        /// The most.
        most: u32,
    },
    /// One of some words; read in any case.
    Word(&'static [&'static str]),
    /// Anything of up to 32,768 characters.
    Text,
    /// Nothing, or the 40 hexadecimal digits of a certificate's SHA-1; read with spaces between them.
    Thumbprint,
    /// Nothing, `*`, or ranges of addresses of this version of IP: `10.0.0.1-10.0.0.9,10.1.0.1-10.1.0.1`.
    IpFilter(u8),
    /// A security descriptor, whose language this crate does not know.
    Sddl,
}

/// Characters of a text.
const MOST_TEXT: usize = 32_768;

/// The value as it is written, for one that may stand there.
///
/// # Errors
///
/// The fault that a Put with this value gets. It names the setting, and what is legal.
pub fn canonical(setting: &Setting, text: &str) -> Result<String, Box<Fault>> {
    let bare = text.trim_matches(is_space);
    match setting.kind {
        Kind::Boolean => parse_boolean(bare)
            .map(|value| value.to_string())
            .ok_or_else(|| malformed(setting, "true or false")),
        Kind::Number { least, most } => number(setting, bare, least, most),
        Kind::Word(words) => words
            .iter()
            .find(|word| word.eq_ignore_ascii_case(bare))
            .map(|word| (*word).to_owned())
            .ok_or_else(|| malformed(setting, &words.join(", "))),
        Kind::Text | Kind::Sddl if bare.chars().count() > MOST_TEXT => {
            Err(wrong(setting, ErrorCode::INVALID_PARAMETER, "a text of at most 32768 characters"))
        }
        Kind::Text | Kind::Sddl => Ok(bare.to_owned()),
        Kind::Thumbprint => {
            let digits: String = bare.chars().filter(|c| *c != ' ').collect();
            let is_one = digits.len() == 40 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            if digits.is_empty() || is_one {
                Ok(digits.to_ascii_uppercase())
            } else {
                Err(wrong(setting, ErrorCode::INVALID_PARAMETER, "empty or 40 hexadecimal digits"))
            }
        }
        Kind::IpFilter(version) => filter(setting, bare, version),
    }
}

fn number(setting: &Setting, text: &str, least: u32, most: u32) -> Result<String, Box<Fault>> {
    let range = format!("a whole number within {least} to {most}");
    let digits = text.strip_prefix('+').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed(setting, &range));
    }
    // Longer than any number of its kind: out of range, as a shorter one may be.
    let value = digits.parse::<u32>().ok().filter(|value| (least..=most).contains(value));
    value.map(|value| value.to_string()).ok_or_else(|| {
        // `MaxBatchItems` ends so by chance.
        let is_time = ["Timeoutms", "Delayms"].into_iter().any(|end| setting.name().ends_with(end));
        let is_less = digits.parse::<u32>().is_ok_and(|value| value < least);
        let code = match is_time && is_less {
            true => ErrorCode::UNSUPPORTED_TIMEOUT,
            false => ErrorCode::INVALID_PARAMETER,
        };
        wrong(setting, code, &range)
    })
}

fn filter(setting: &Setting, text: &str, version: u8) -> Result<String, Box<Fault>> {
    let refused = || {
        let legal = format!("empty, * or ranges of IPv{version} addresses such as A-B,C-D");
        wrong(setting, ErrorCode::INVALID_IPFILTER, &legal)
    };
    let is_version = |ip: &IpAddr| ip.is_ipv4() == (version == 4);
    let address = |text: &str| text.trim().parse::<IpAddr>().ok().filter(is_version);
    if text.is_empty() || text == "*" {
        return Ok(text.to_owned());
    }
    let range = |range: &str| {
        let (first, last) = range.split_once('-')?;
        let (first, last) = (address(first)?, address(last)?);
        (first <= last).then(|| format!("{first}-{last}"))
    };
    let ranges: Option<Vec<String>> = text.split(',').map(range).collect();
    ranges.map(|ranges| ranges.join(",")).ok_or_else(refused)
}

/// The value is not of the schema's type.
fn malformed(setting: &Setting, legal: &str) -> Box<Fault> {
    wrong(setting, ErrorCode::SCHEMA_VALIDATION_ERROR, legal)
}

fn wrong(setting: &Setting, code: ErrorCode, legal: &str) -> Box<Fault> {
    let text = format!("The value of {} is not legal: it is {legal}. ", setting.path);
    Box::new(Fault::new(code, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str, text: &str) -> Result<String, u32> {
        let setting = Setting::find(path).unwrap();
        canonical(setting, text).map_err(|fault| fault.error_code().unwrap().0)
    }

    #[test]
    fn values_are_written_in_one_way() {
        for (path, text, written) in [
            ("Service/Auth/Basic", " True ", "true"),
            ("Service/Auth/Basic", "0", "false"),
            ("Service/Auth/CbtHardeningLevel", "strict", "Strict"),
            ("MaxTimeoutms", "\n 0600 ", "600"),
            (
                "Service/IPv4Filter",
                "10.0.0.1 - 10.0.0.9, 10.1.0.1-10.1.0.1",
                "10.0.0.1-10.0.0.9,10.1.0.1-10.1.0.1",
            ),
            ("Service/IPv6Filter", "2001:DB8::1-2001:db8::2", "2001:db8::1-2001:db8::2"),
            ("Service/IPv4Filter", "", ""),
            (
                "Service/CertificateThumbprint",
                "00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff 00 11 22 33",
                "00112233445566778899AABBCCDDEEFF00112233",
            ),
        ] {
            assert_eq!(read(path, text).as_deref(), Ok(written), "{path} {text}");
        }
    }

    #[test]
    fn wrong_values_get_the_fault_of_what_is_wrong() {
        for (path, text, code) in [
            ("Service/Auth/Basic", "yes", ErrorCode::SCHEMA_VALIDATION_ERROR),
            ("Service/Auth/Basic", "", ErrorCode::SCHEMA_VALIDATION_ERROR),
            ("Service/Auth/CbtHardeningLevel", "strong", ErrorCode::SCHEMA_VALIDATION_ERROR),
            ("MaxTimeoutms", "-1", ErrorCode::SCHEMA_VALIDATION_ERROR),
            ("MaxTimeoutms", "1e3", ErrorCode::SCHEMA_VALIDATION_ERROR),
            ("MaxTimeoutms", "499", ErrorCode::UNSUPPORTED_TIMEOUT),
            ("Client/NetworkDelayms", "499", ErrorCode::UNSUPPORTED_TIMEOUT),
            ("MaxTimeoutms", "4294967296", ErrorCode::INVALID_PARAMETER),
            ("MaxBatchItems", "0", ErrorCode::INVALID_PARAMETER),
            ("MaxEnvelopeSizekb", "31", ErrorCode::INVALID_PARAMETER),
            ("Service/MaxConnections", "99999999999999999999999", ErrorCode::INVALID_PARAMETER),
            ("Service/IPv4Filter", "10.0.0.9-10.0.0.1", ErrorCode::INVALID_IPFILTER),
            ("Service/IPv4Filter", "::1-::2", ErrorCode::INVALID_IPFILTER),
            ("Service/IPv6Filter", "10.0.0.1-10.0.0.9", ErrorCode::INVALID_IPFILTER),
            ("Service/IPv4Filter", "10.0.0.1", ErrorCode::INVALID_IPFILTER),
            ("Service/CertificateThumbprint", "0011", ErrorCode::INVALID_PARAMETER),
        ] {
            assert_eq!(read(path, text), Err(code.0), "{path} {text}");
        }
        assert!(read("Client/TrustedHosts", &"x".repeat(MOST_TEXT + 1)).is_err());
    }
}
