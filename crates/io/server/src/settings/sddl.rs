//! Security descriptors as settings: read and checked with the rest of the tree, and compared as what they mean.

use std::fmt;

use auth::sddl::{SddlError, SecurityDescriptor};
use serde::de::{Deserialize, Deserializer, Error};

/// Who may do what where a resource has no descriptor of its own: administrators everything, whoever is on the machine itself
/// may look.
const ROOT: &str = "O:NSG:BAD:P(A;;GA;;;BA)(A;;GR;;;IU)S:P(AU;FA;GA;;;WD)(AU;SA;GXGW;;;WD)";
/// Who may do what with PowerShell's sessions: administrators and remote management users everything.
const SESSIONS: &str = "O:NSG:BAD:P(A;;GA;;;BA)(A;;GA;;;RM)S:P(AU;FA;GA;;;WD)(AU;SA;GXGW;;;WD)";

/// A security descriptor that can decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sddl(SecurityDescriptor);

impl Sddl {
    /// The default of `RootSDDL`.
    #[must_use]
    pub fn root() -> Self {
        Self(read(ROOT))
    }

    /// The default of a session configuration.
    #[must_use]
    pub fn sessions() -> Self {
        Self(read(SESSIONS))
    }

    /// Reads a descriptor.
    ///
    /// # Errors
    ///
    /// What is wrong with it, or that it has no part that decides.
    pub fn parse(text: &str) -> Result<Self, SddlError> {
        let descriptor: SecurityDescriptor = text.parse()?;
        descriptor.check()?;
        Ok(Self(descriptor))
    }

    /// The descriptor itself.
    #[must_use]
    pub fn descriptor(&self) -> &SecurityDescriptor {
        &self.0
    }
}

/// One of the texts above. Should one be wrong, it lets nobody in.
fn read(text: &str) -> SecurityDescriptor {
    let nobody = SecurityDescriptor { owner: None, group: None, dacl: None, sacl: None };
    text.parse().unwrap_or(nobody)
}

impl fmt::Display for Sddl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Sddl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_descriptors_written_as_windows_writes_them() {
        for (default, text) in [(Sddl::root(), ROOT), (Sddl::sessions(), SESSIONS)] {
            assert_eq!(default.to_string(), text);
            assert_eq!(Sddl::parse(text), Ok(default));
        }
    }

    #[test]
    fn descriptor_that_decides_nothing_is_no_setting() {
        assert_eq!(Sddl::parse("O:BAG:BA"), Err(SddlError::NoDacl));
        assert!(Sddl::parse("D:(AU;FA;GA;;;WD)").is_err() && Sddl::parse("").is_err());
    }
}
