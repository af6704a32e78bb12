//! [`Flags`]: what the two sides negotiate ([MS-NLMP] 2.2.2.5).

use std::{
    fmt,
    ops::{BitAnd, BitOr, Not},
};

/// A set of NEGOTIATE flags. The names are the specification's without `NTLMSSP_NEGOTIATE_`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(pub u32);

impl Flags {
    /// Strings are UTF-16LE.
    pub const UNICODE: Self = Self(0x0000_0001);
    /// Strings are in the machine's code page.
    pub const OEM: Self = Self(0x0000_0002);
    /// The challenge shall carry a target name.
    pub const REQUEST_TARGET: Self = Self(0x0000_0004);
    /// Signed messages.
    pub const SIGN: Self = Self(0x0000_0010);
    /// Sealed messages.
    pub const SEAL: Self = Self(0x0000_0020);
    /// Connectionless login, which HTTP never has.
    pub const DATAGRAM: Self = Self(0x0000_0040);
    /// NTLM (v1 or v2) rather than LM.
    pub const NTLM: Self = Self(0x0000_0200);
    /// Anonymous login.
    pub const ANONYMOUS: Self = Self(0x0000_0800);
    /// Messages carry a signature block, even an empty one.
    pub const ALWAYS_SIGN: Self = Self(0x0000_8000);
    /// The target name is a domain.
    pub const TARGET_TYPE_DOMAIN: Self = Self(0x0001_0000);
    /// The target name is a server.
    pub const TARGET_TYPE_SERVER: Self = Self(0x0002_0000);
    /// Extended session security: keys per direction and HMAC signatures.
    pub const EXTENDED_SESSIONSECURITY: Self = Self(0x0008_0000);
    /// The challenge carries target information.
    pub const TARGET_INFO: Self = Self(0x0080_0000);
    /// The version field is filled.
    pub const VERSION: Self = Self(0x0200_0000);
    /// 128-bit session keys.
    pub const KEY_128: Self = Self(0x2000_0000);
    /// The client chooses the session key and sends it encrypted.
    pub const KEY_EXCH: Self = Self(0x4000_0000);
    /// 56-bit session keys.
    pub const KEY_56: Self = Self(0x8000_0000);

    /// Whether all flags of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The first flag of `wanted` that is not set, by the name that an error shows.
    pub(crate) fn first_missing(self, wanted: &[(Self, &'static str)]) -> Option<&'static str> {
        wanted.iter().find(|(flag, _)| !self.contains(*flag)).map(|(_, name)| *name)
    }
}

/// What sealing needs, with the names that errors show.
pub(crate) const SEALING: [(Flags, &str); 4] = [
    (Flags::SIGN, "signing"),
    (Flags::SEAL, "sealing"),
    (Flags::KEY_128, "128-bit keys"),
    (Flags::EXTENDED_SESSIONSECURITY, "extended session security"),
];

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Flags {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Not for Flags {
    type Output = Self;

    fn not(self) -> Self {
        Self(!self.0)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}
