//! [`Sid`], the name of somebody or of a group in a descriptor, and [`Token`], all those of one login.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use super::SddlError;
use crate::Account;

/// The most numbers after the authority, [MS-DTYP] 2.4.2.
const MAX_NUMBERS: usize = 15;
/// The authority of everything that Windows names beside `Everyone` and creators.
const NT: u64 = 5;
/// The first number of the groups that every machine has.
const BUILT_IN: u32 = 32;
/// The first number of accounts.
const UNIQUE: u32 = 21;

/// A security identifier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sid {
    authority: u64,
    numbers: Vec<u32>,
}

/// Where somebody came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third way in")]
pub enum Origin {
    /// Over the network: the login has `NU`.
    Network,
    /// From the machine itself, without a network: the login has `IU`.
    Local,
}

/// The SIDs of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token(Vec<Sid>);

/// A SID with its two letters and its name: authority, numbers, name.
type WellKnown = (&'static str, u64, &'static [u32], &'static str);

/// What has two letters, [MS-DTYP] 2.5.1.1. What Windows takes relative to a domain is relative to one that does not exist:
/// `S-1-5-21-0-0-0`. Its first account is the machine's own administrator.
const WELL_KNOWN: [WellKnown; 55] = [
    ("BA", NT, &[BUILT_IN, 544], "Administrators"),
    ("BU", NT, &[BUILT_IN, 545], "Users"),
    ("BG", NT, &[BUILT_IN, 546], "Guests"),
    ("PU", NT, &[BUILT_IN, 547], "Power Users"),
    ("AO", NT, &[BUILT_IN, 548], "Account Operators"),
    ("SO", NT, &[BUILT_IN, 549], "Server Operators"),
    ("PO", NT, &[BUILT_IN, 550], "Print Operators"),
    ("BO", NT, &[BUILT_IN, 551], "Backup Operators"),
    ("RE", NT, &[BUILT_IN, 552], "Replicator"),
    ("RU", NT, &[BUILT_IN, 554], "Pre-Windows 2000 Compatible Access"),
    ("RD", NT, &[BUILT_IN, 555], "Remote Desktop Users"),
    ("NO", NT, &[BUILT_IN, 556], "Network Configuration Operators"),
    ("MU", NT, &[BUILT_IN, 558], "Performance Monitor Users"),
    ("LU", NT, &[BUILT_IN, 559], "Performance Log Users"),
    ("IS", NT, &[BUILT_IN, 568], "IIS_IUSRS"),
    ("CY", NT, &[BUILT_IN, 569], "Cryptographic Operators"),
    ("ER", NT, &[BUILT_IN, 573], "Event Log Readers"),
    ("CD", NT, &[BUILT_IN, 574], "Certificate Service DCOM Access"),
    ("RA", NT, &[BUILT_IN, 575], "RDS Remote Access Servers"),
    ("ES", NT, &[BUILT_IN, 576], "RDS Endpoint Servers"),
    ("MS", NT, &[BUILT_IN, 577], "RDS Management Servers"),
    ("HA", NT, &[BUILT_IN, 578], "Hyper-V Administrators"),
    ("AA", NT, &[BUILT_IN, 579], "Access Control Assistance Operators"),
    ("RM", NT, &[BUILT_IN, 580], "Remote Management Users"),
    ("WD", 1, &[0], "Everyone"),
    ("CO", 3, &[0], "CREATOR OWNER"),
    ("CG", 3, &[1], "CREATOR GROUP"),
    ("OW", 3, &[4], "OWNER RIGHTS"),
    ("NU", NT, &[2], "NETWORK"),
    ("IU", NT, &[4], "INTERACTIVE"),
    ("SU", NT, &[6], "SERVICE"),
    ("AN", NT, &[7], "ANONYMOUS LOGON"),
    ("ED", NT, &[9], "ENTERPRISE DOMAIN CONTROLLERS"),
    ("PS", NT, &[10], "SELF"),
    ("AU", NT, &[11], "Authenticated Users"),
    ("RC", NT, &[12], "RESTRICTED"),
    ("SY", NT, &[18], "SYSTEM"),
    ("LS", NT, &[19], "LOCAL SERVICE"),
    ("NS", NT, &[20], "NETWORK SERVICE"),
    ("WR", NT, &[33], "WRITE RESTRICTED"),
    ("LA", NT, &[UNIQUE, 0, 0, 0, 500], "Administrator"),
    ("LG", NT, &[UNIQUE, 0, 0, 0, 501], "Guest"),
    ("RO", NT, &[UNIQUE, 0, 0, 0, 498], "Enterprise Read-only Domain Controllers"),
    ("DA", NT, &[UNIQUE, 0, 0, 0, 512], "Domain Admins"),
    ("DU", NT, &[UNIQUE, 0, 0, 0, 513], "Domain Users"),
    ("DG", NT, &[UNIQUE, 0, 0, 0, 514], "Domain Guests"),
    ("DC", NT, &[UNIQUE, 0, 0, 0, 515], "Domain Computers"),
    ("DD", NT, &[UNIQUE, 0, 0, 0, 516], "Domain Controllers"),
    ("CA", NT, &[UNIQUE, 0, 0, 0, 517], "Cert Publishers"),
    ("SA", NT, &[UNIQUE, 0, 0, 0, 518], "Schema Admins"),
    ("EA", NT, &[UNIQUE, 0, 0, 0, 519], "Enterprise Admins"),
    ("PA", NT, &[UNIQUE, 0, 0, 0, 520], "Group Policy Creator Owners"),
    ("CN", NT, &[UNIQUE, 0, 0, 0, 522], "Cloneable Domain Controllers"),
    ("AP", NT, &[UNIQUE, 0, 0, 0, 525], "Protected Users"),
    ("RS", NT, &[UNIQUE, 0, 0, 0, 553], "RAS and IAS Servers"),
];

impl Sid {
    fn new(authority: u64, numbers: &[u32]) -> Self {
        Self { authority, numbers: numbers.to_vec() }
    }

    /// The SID of an account: its id after `S-1-5-21`.
    #[must_use]
    pub fn of_account(id: &[u8; 16]) -> Self {
        Self { authority: NT, numbers: std::iter::once(UNIQUE).chain(words(id)).collect() }
    }

    /// The SID of a group by its name, in whatever case. Those that every Windows machine has keep theirs; the others get one from
    /// the SHA-256 of the name in lower case, in the shape of those that Windows makes from names: eight numbers after `S-1-5-32`.
    #[must_use]
    pub fn of_group(name: &str) -> Self {
        let own = WELL_KNOWN.iter().filter(|known| known.2.first() == Some(&BUILT_IN));
        let found = own.into_iter().find(|known| known.3.eq_ignore_ascii_case(name));
        if let Some((_, authority, numbers, _)) = found {
            return Self::new(*authority, numbers);
        }
        let hash = Sha256::digest(name.to_lowercase().as_bytes());
        Self { authority: NT, numbers: std::iter::once(BUILT_IN).chain(words(&hash)).collect() }
    }

    /// The two letters of one that has some.
    #[must_use]
    pub fn letters(&self) -> Option<&'static str> {
        self.well_known().map(|known| known.0)
    }

    /// The name of one that Windows has everywhere, as Windows shows it without its authority.
    #[must_use]
    pub fn well_known_name(&self) -> Option<&'static str> {
        self.well_known().map(|known| known.3)
    }

    /// The one that Windows has everywhere by that name, in whatever case, with or without `BUILTIN\` or `NT AUTHORITY\`.
    #[must_use]
    pub fn by_well_known_name(name: &str) -> Option<Self> {
        let own = match name.split_once('\\') {
            Some((authority, own))
                if ["BUILTIN", "NT AUTHORITY"]
                    .iter()
                    .any(|a| a.eq_ignore_ascii_case(authority)) =>
            {
                own
            }
            Some(_) => return None,
            None => name,
        };
        let found = WELL_KNOWN.iter().find(|known| known.3.eq_ignore_ascii_case(own));
        found.map(|(_, authority, numbers, _)| Self::new(*authority, numbers))
    }

    /// The SID in full, also where it has two letters.
    #[must_use]
    pub fn in_full(&self) -> String {
        let mut text = match self.authority {
            authority if authority > u64::from(u32::MAX) => format!("S-1-{authority:#x}"),
            authority => format!("S-1-{authority}"),
        };
        for number in &self.numbers {
            text.push('-');
            text.push_str(&number.to_string());
        }
        text
    }

    fn well_known(&self) -> Option<&'static WellKnown> {
        let mut all = WELL_KNOWN.iter();
        all.find(|known| known.1 == self.authority && known.2 == self.numbers.as_slice())
    }
}

/// The numbers in some bytes, the most significant byte first.
fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks_exact(4).filter_map(|word| word.try_into().ok().map(u32::from_be_bytes))
}

impl FromStr for Sid {
    type Err = SddlError;

    fn from_str(text: &str) -> Result<Self, SddlError> {
        let wrong = || SddlError::Sid(text.chars().take(200).collect());
        let text = text.trim();
        let found = WELL_KNOWN.iter().find(|known| text.eq_ignore_ascii_case(known.0));
        if let Some((_, authority, numbers, _)) = found {
            return Ok(Self::new(*authority, numbers));
        }
        let mut parts = text.split('-');
        let is_sid = parts.next().is_some_and(|s| s.eq_ignore_ascii_case("S"));
        if !is_sid || parts.next() != Some("1") {
            return Err(wrong());
        }
        let authority = parts.next().and_then(authority).ok_or_else(wrong)?;
        let mut numbers = Vec::new();
        for part in parts {
            if numbers.len() == MAX_NUMBERS {
                return Err(wrong());
            }
            numbers
                .push(decimal(part).and_then(|number| number.try_into().ok()).ok_or_else(wrong)?);
        }
        if numbers.is_empty() { Err(wrong()) } else { Ok(Self { authority, numbers }) }
    }
}

/// 48 bits, decimal or hexadecimal.
fn authority(text: &str) -> Option<u64> {
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let number = match hexadecimal {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u64::from_str_radix(digits, 16).ok()?
        }
        Some(_) => return None,
        None => decimal(text)?,
    };
    (number < 1 << 48).then_some(number)
}

/// Digits only: the standard library also takes a sign.
fn decimal(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

impl fmt::Display for Sid {
    /// Two letters where there are some.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.letters() {
            Some(letters) => f.write_str(letters),
            None => f.write_str(&self.in_full()),
        }
    }
}

impl Token {
    /// What the login of an account has: its own SID, those of its groups, of everybody, of who has logged in, and of where it
    /// came from.
    #[must_use]
    pub fn of(account: &Account, origin: Origin) -> Self {
        let came = match origin {
            Origin::Network => 2,
            Origin::Local => 4,
        };
        let mut sids = vec![
            Sid::of_account(&account.id),
            Sid::new(1, &[0]),
            Sid::new(NT, &[11]),
            Sid::new(NT, &[came]),
        ];
        sids.extend(account.groups.iter().map(|group| Sid::of_group(group)));
        Self(sids)
    }

    /// Whether that SID is in it.
    #[must_use]
    pub fn has(&self, sid: &Sid) -> bool {
        self.0.contains(sid)
    }
}
