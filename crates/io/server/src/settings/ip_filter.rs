//! `IPv4Filter` and `IPv6Filter`: which addresses of this machine a listener on every address listens on.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::Deserialize;

/// None, every one, or those in some ranges.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
#[expect(clippy::exhaustive_enums, reason = "[MS-WSMV] 2.2.4.10 knows no more")]
pub enum IpFilter {
    /// No address; written as nothing.
    None,
    /// Every address of its version of IP: `*`.
    Any,
    /// Those within one of the ranges, both ends included: `10.0.0.1-10.0.0.9,10.1.0.1-10.1.0.1`.
    Ranges(Vec<(IpAddr, IpAddr)>),
}

/// What is wrong with a filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not `*`, empty, nor ranges of addresses of one version of IP such as A-B,C-D")]
pub struct IpFilterError(String);

impl IpFilter {
    /// Whether a listener on every address listens on this one.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        match self {
            Self::None => false,
            Self::Any => true,
            Self::Ranges(ranges) => ranges.iter().any(|(first, last)| {
                first.is_ipv4() == address.is_ipv4() && (*first..=*last).contains(&address)
            }),
        }
    }
}

impl FromStr for IpFilter {
    type Err = IpFilterError;

    fn from_str(text: &str) -> Result<Self, IpFilterError> {
        let wrong = || IpFilterError(text.to_owned());
        match text.trim() {
            "" => return Ok(Self::None),
            "*" => return Ok(Self::Any),
            _ => {}
        }
        let range = |range: &str| {
            let (first, last) = range.split_once('-')?;
            let (first, last): (IpAddr, IpAddr) =
                (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (first.is_ipv4() == last.is_ipv4() && first <= last).then_some((first, last))
        };
        let ranges: Option<Vec<_>> = text.split(',').map(range).collect();
        ranges.map(Self::Ranges).ok_or_else(wrong)
    }
}

impl TryFrom<String> for IpFilter {
    type Error = IpFilterError;

    fn try_from(text: String) -> Result<Self, IpFilterError> {
        text.parse()
    }
}

impl fmt::Display for IpFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Any => f.write_str("*"),
            Self::Ranges(ranges) => {
                for (index, (first, last)) in ranges.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{first}-{last}")?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_allow_what_is_within_their_ranges() {
        let allows = |filter: &str, address: &str| {
            filter.parse::<IpFilter>().unwrap().allows(address.parse().unwrap())
        };
        assert!(allows("*", "10.0.0.1") && allows("*", "::1"));
        assert!(!allows("", "10.0.0.1"));
        let ranges = "10.0.0.1-10.0.0.9, 10.1.0.1-10.1.0.1";
        for address in ["10.0.0.1", "10.0.0.9", "10.1.0.1"] {
            assert!(allows(ranges, address), "{address}");
        }
        for address in ["10.0.0.0", "10.0.0.10", "10.1.0.2", "::1"] {
            assert!(!allows(ranges, address), "{address}");
        }
        assert!(allows("fe80::1-fe80::ffff", "fe80::10"));
        let written = ranges.parse::<IpFilter>().unwrap().to_string();
        assert_eq!(written, "10.0.0.1-10.0.0.9,10.1.0.1-10.1.0.1");
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["10.0.0.1", "10.0.0.9-10.0.0.1", "10.0.0.1-::1", "a-b", "**", ","] {
            assert!(text.parse::<IpFilter>().is_err(), "{text}");
        }
    }
}
