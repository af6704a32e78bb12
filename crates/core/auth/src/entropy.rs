//! [`Entropy`] and [`FileTime`]: randomness and time, which this crate only takes as inputs.

use std::time::Duration;

/// A source of unpredictable bytes, owned by whoever drives a login.
///
/// The programs pass the operating system's generator; tests pass fixed bytes and can then compare whole tokens.
pub trait Entropy {
    /// Fills `bytes` completely.
    fn fill(&mut self, bytes: &mut [u8]);
}

/// A moment as Windows writes it: units of 100 ns since 1601-01-01 00:00 UTC ([MS-DTYP] 2.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileTime(pub u64);

impl FileTime {
    /// 1970-01-01 00:00 UTC.
    pub const UNIX_EPOCH: Self = Self(116_444_736_000_000_000);

    /// The moment that lies `since_epoch` after 1970-01-01 00:00 UTC; saturates in the year 60056.
    #[must_use]
    pub fn from_unix(since_epoch: Duration) -> Self {
        let units = u64::try_from(since_epoch.as_nanos() / 100).unwrap_or(u64::MAX);
        Self(Self::UNIX_EPOCH.0.saturating_add(units))
    }

    /// How far apart two moments are, whichever is the later.
    #[must_use]
    pub fn distance(self, other: Self) -> Duration {
        let units = self.0.abs_diff(other.0);
        Duration::new(units / 10_000_000, u32::try_from(units % 10_000_000 * 100).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_moments_convert() {
        assert_eq!(FileTime::from_unix(Duration::ZERO), FileTime::UNIX_EPOCH);
        let later = FileTime::from_unix(Duration::new(1, 500));
        assert_eq!(later.0 - FileTime::UNIX_EPOCH.0, 10_000_005);
        assert_eq!(FileTime::UNIX_EPOCH.distance(later), Duration::new(1, 500));
        assert_eq!(FileTime::from_unix(Duration::MAX), FileTime(u64::MAX));
    }
}
