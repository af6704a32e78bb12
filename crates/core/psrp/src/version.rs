//! Versions of the protocol and what came with them, [MS-PSRP] 1.7, 3.1.5.4.1.

use crate::clixml::Version;

/// What a client announces: Windows 10, Windows Server 2016 and later, and PowerShell 7 speak it.
/// Version 2.4 gives up the encryption of SecureStrings, which suits encrypted transports only.
pub const DEFAULT: Version = Version::new(2, 3);
/// The oldest version: Windows 7 and Windows Server 2008 R2.
pub const OLDEST: Version = Version::new(2, 1);
/// The newest version: PowerShell 7.6.
pub const NEWEST: Version = Version::new(2, 4);
/// Pools can be disconnected since this version.
pub const DISCONNECT: Version = Version::new(2, 2);
/// Runspaces can be reset since this version.
pub const RESET: Version = Version::new(2, 3);

/// Whether SecureStrings travel encrypted with a session key.
#[must_use]
pub const fn has_session_key(version: Version) -> bool {
    version.major == 2 && version.minor < 4
}

/// The version that two sides speak: the older one of both. `None` where one is not of the second
/// generation, or older than [`OLDEST`].
#[must_use]
pub fn agreed(ours: Version, theirs: Version) -> Option<Version> {
    let older = Version::new(2, ours.minor.min(theirs.minor));
    (ours.major == 2 && theirs.major == 2 && older >= OLDEST).then_some(older)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_speak_the_older_version() {
        let version = Version::new;
        assert_eq!(agreed(version(2, 3), version(2, 1)), Some(version(2, 1)));
        assert_eq!(agreed(version(2, 3), version(2, 4)), Some(version(2, 3)));
        assert_eq!(agreed(version(2, 4), version(2, 9)), Some(version(2, 4)));
        for theirs in [version(1, 9), version(3, 0), version(2, 0), version(0, 0)] {
            assert_eq!(agreed(version(2, 3), theirs), None);
        }
    }
}
