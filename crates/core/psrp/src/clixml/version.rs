//! [`Version`]: .NET's version number of two to four parts, [MS-PSRP] 2.2.5.1.21.

use std::fmt;

/// A version of two to four parts. Where a part is missing it is smaller than any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The first part, at most 2,147,483,647, as each part.
    pub major: u32,
    /// The second part.
    pub minor: u32,
    /// The third part.
    pub build: Option<u32>,
    /// The fourth part, which there is with a third only.
    pub revision: Option<u32>,
}

impl Version {
    /// A version of two parts.
    #[must_use]
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor, build: None, revision: None }
    }

    /// A version of four parts.
    #[must_use]
    pub const fn whole(major: u32, minor: u32, build: u32, revision: u32) -> Self {
        Self { major, minor, build: Some(build), revision: Some(revision) }
    }

    /// Reads two to four numbers with points between them.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let major = number(parts.next()?)?;
        let minor = number(parts.next()?)?;
        let build = parts.next().map(number);
        let revision = parts.next().map(number);
        if parts.next().is_some() || build == Some(None) || revision == Some(None) {
            return None;
        }
        Some(Self { major, minor, build: build.flatten(), revision: revision.flatten() })
    }
}

fn number(text: &str) -> Option<u32> {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    let text = text.strip_prefix('+').unwrap_or(text);
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| text.parse::<i32>().ok()).flatten()?;
    u32::try_from(number).ok()
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if let Some(build) = self.build {
            write!(f, ".{build}")?;
            if let Some(revision) = self.revision {
                write!(f, ".{revision}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_to_four_parts_are_a_version() {
        assert_eq!(Version::parse(" 1.2 "), Some(Version::new(1, 2)));
        assert_eq!(Version::parse("5.1.17763.771"), Some(Version::whole(5, 1, 17763, 771)));
        assert_eq!(Version::parse("1.2.3").unwrap().to_string(), "1.2.3");
        for text in ["", "1", "1.2.3.4.5", "1.2-beta", "1.", "1.-2", "1.2147483648"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}
