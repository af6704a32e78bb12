//! [`AccessMask`], the rights of an entry.

use std::fmt;
use std::ops::BitOr;
use std::str::FromStr;

use super::SddlError;

/// Rights, one in each bit. [MS-DTYP] 2.4.3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccessMask(u32);

/// Two letters for each bit that has them, in the order in which they are written.
const LETTERS: [(&str, u32); 17] = [
    ("CC", 0x0000_0001),
    ("DC", 0x0000_0002),
    ("LC", 0x0000_0004),
    ("SW", 0x0000_0008),
    ("RP", 0x0000_0010),
    ("WP", 0x0000_0020),
    ("DT", 0x0000_0040),
    ("LO", 0x0000_0080),
    ("CR", 0x0000_0100),
    ("SD", 0x0001_0000),
    ("RC", 0x0002_0000),
    ("WD", 0x0004_0000),
    ("WO", 0x0008_0000),
    ("GA", 0x1000_0000),
    ("GX", 0x2000_0000),
    ("GW", 0x4000_0000),
    ("GR", 0x8000_0000),
];
/// Two letters for several bits: the rights of files and of the registry. Written only for a whole mask.
const SETS: [(&str, u32); 8] = [
    ("FA", 0x001F_01FF),
    ("FR", 0x0012_0089),
    ("FW", 0x0012_0116),
    ("FX", 0x0012_00A0),
    ("KA", 0x000F_003F),
    ("KR", 0x0002_0019),
    ("KW", 0x0002_0006),
    ("KX", 0x0002_0019),
];

impl AccessMask {
    /// `GA`: everything.
    pub const ALL: Self = Self(0x1000_0000);
    /// `GX`: run.
    pub const EXECUTE: Self = Self(0x2000_0000);
    /// `GW`: change.
    pub const WRITE: Self = Self(0x4000_0000);
    /// `GR`: look.
    pub const READ: Self = Self(0x8000_0000);
    /// No right.
    pub const NONE: Self = Self(0);

    /// The rights of these bits.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// One bit for each right.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether there is no right in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of those rights are in it, with what `GA` stands for.
    #[must_use]
    pub const fn contains(self, others: Self) -> bool {
        self.mapped().0 & others.mapped().0 == others.mapped().0
    }

    /// Whether any of those rights is in it.
    pub(super) const fn intersects(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// What is left without those rights.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// `GA` as what it stands for in this service: `GR`, `GW` and `GX`.
    #[must_use]
    pub const fn mapped(self) -> Self {
        if self.0 & Self::ALL.0 == 0 {
            return self;
        }
        let generic = Self::READ.0 | Self::WRITE.0 | Self::EXECUTE.0;
        Self((self.0 & !Self::ALL.0) | generic)
    }
}

impl BitOr for AccessMask {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromStr for AccessMask {
    type Err = SddlError;

    /// Pairs of letters, or a number: hexadecimal after `0x`, octal after `0`, else decimal.
    fn from_str(text: &str) -> Result<Self, SddlError> {
        let wrong = || SddlError::Right(text.to_owned());
        let text = text.trim();
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let (digits, radix) = match text.get(..2) {
                Some("0x" | "0X") => (text.get(2..).unwrap_or_default(), 16),
                _ if text.len() > 1 && text.starts_with('0') => (text, 8),
                _ => (text, 10),
            };
            let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
            let number = u32::from_str_radix(digits, radix).ok().filter(|_| is_number);
            return number.map(Self).ok_or_else(wrong);
        }
        let mut mask = Self::NONE;
        let mut rest = text;
        while !rest.is_empty() {
            let (pair, after) = rest.split_at_checked(2).ok_or_else(wrong)?;
            let found =
                LETTERS.iter().chain(&SETS).find(|(name, _)| pair.eq_ignore_ascii_case(name));
            let (_, bits) = found.ok_or_else(|| SddlError::Right(pair.to_owned()))?;
            mask = mask | Self(*bits);
            rest = after.trim_start();
        }
        Ok(mask)
    }
}

impl fmt::Display for AccessMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, _)) = SETS.iter().find(|(_, bits)| *bits == self.0) {
            return f.write_str(name);
        }
        let named = LETTERS.iter().fold(0, |named, (_, bit)| named | bit);
        if self.0 & !named != 0 {
            return write!(f, "{:#x}", self.0);
        }
        let mut set = LETTERS.iter().filter(|(_, bit)| self.0 & bit != 0);
        set.try_for_each(|(name, _)| f.write_str(name))
    }
}
