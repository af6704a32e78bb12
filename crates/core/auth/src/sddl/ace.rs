//! [`Ace`], an entry of a list: whom it is about, and what it allows, denies or audits.

use std::fmt;
use std::str::FromStr;

use super::{AccessMask, SddlError, Sid};

/// An entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the language has no more fields")]
pub struct Ace {
    /// What it does.
    pub kind: AceKind,
    /// How it is inherited, and what an entry for the audit notes.
    pub flags: AceFlags,
    /// The rights that it is about.
    pub rights: AccessMask,
    /// The GUID of what it is about, in lower case; only of kinds with objects.
    pub object: Option<String>,
    /// The GUID of what inherits it, in lower case; only of kinds with objects.
    pub inherited_object: Option<String>,
    /// Whom it is about.
    pub sid: Sid,
}

/// What an entry does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AceKind {
    /// `A`: allows.
    Allow,
    /// `D`: denies.
    Deny,
    /// `OA`: allows something with an object of a directory, which nothing here is.
    AllowObject,
    /// `OD`: denies it.
    DenyObject,
    /// `AU`: is audited.
    Audit,
    /// `AL`: raises an alarm.
    Alarm,
    /// `OU`: is audited for an object.
    AuditObject,
    /// `OL`: raises an alarm for an object.
    AlarmObject,
}

/// The flags of an entry, one in each bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AceFlags(u8);

const KINDS: [(&str, AceKind); 8] = [
    ("A", AceKind::Allow),
    ("D", AceKind::Deny),
    ("OA", AceKind::AllowObject),
    ("OD", AceKind::DenyObject),
    ("AU", AceKind::Audit),
    ("AL", AceKind::Alarm),
    ("OU", AceKind::AuditObject),
    ("OL", AceKind::AlarmObject),
];

const FLAGS: [(&str, u8); 7] = [
    ("OI", 0x01),
    ("CI", 0x02),
    ("NP", 0x04),
    ("IO", 0x08),
    ("ID", 0x10),
    ("SA", 0x40),
    ("FA", 0x80),
];

impl Ace {
    /// An entry that allows.
    #[must_use]
    pub fn allow(sid: Sid, rights: AccessMask) -> Self {
        Self {
            kind: AceKind::Allow,
            flags: AceFlags::default(),
            rights,
            object: None,
            inherited_object: None,
            sid,
        }
    }

    /// Whether it is about what has the descriptor, and not about what inherits from it only.
    pub(super) const fn decides(&self) -> bool {
        !self.flags.is_inherit_only()
    }
}

impl AceKind {
    /// Whether it belongs in `S:`.
    #[must_use]
    pub const fn is_audit(self) -> bool {
        matches!(self, Self::Audit | Self::Alarm | Self::AuditObject | Self::AlarmObject)
    }

    const fn has_object(self) -> bool {
        matches!(self, Self::AllowObject | Self::DenyObject | Self::AuditObject | Self::AlarmObject)
    }

    fn letters(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("", |(letters, _)| letters)
    }
}

impl AceFlags {
    /// `IO`: the entry is not about what has it.
    #[must_use]
    pub const fn is_inherit_only(self) -> bool {
        self.0 & 0x08 != 0
    }
}

impl FromStr for AceFlags {
    type Err = SddlError;

    fn from_str(text: &str) -> Result<Self, SddlError> {
        let mut flags = Self::default();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (pair, after) =
                rest.split_at_checked(2).ok_or_else(|| SddlError::AceFlag(rest.to_owned()))?;
            let found = FLAGS.iter().find(|(name, _)| pair.eq_ignore_ascii_case(name));
            let (_, bit) = found.ok_or_else(|| SddlError::AceFlag(pair.to_owned()))?;
            flags.0 |= bit;
            rest = after.trim_start();
        }
        Ok(flags)
    }
}

impl FromStr for Ace {
    type Err = SddlError;

    /// What stands between the parentheses.
    fn from_str(text: &str) -> Result<Self, SddlError> {
        let fields: Vec<&str> = text.split(';').map(str::trim).collect();
        let [kind, flags, rights, object, inherited_object, sid] = *fields.as_slice() else {
            return Err(SddlError::Entry(text.chars().take(80).collect()));
        };
        let found = KINDS.iter().find(|(letters, _)| kind.eq_ignore_ascii_case(letters));
        let (_, kind) = found.ok_or_else(|| SddlError::Kind(kind.to_owned()))?;
        Ok(Self {
            kind: *kind,
            flags: flags.parse()?,
            rights: rights.parse()?,
            object: guid(*kind, object)?,
            inherited_object: guid(*kind, inherited_object)?,
            sid: sid.parse()?,
        })
    }
}

/// The GUID in a field, `None` for an empty one.
fn guid(kind: AceKind, text: &str) -> Result<Option<String>, SddlError> {
    if text.is_empty() {
        return Ok(None);
    }
    let groups = [8, 4, 4, 4, 12];
    let mut parts = text.split('-');
    let is_guid = groups.iter().all(|length| {
        parts.next().is_some_and(|part| {
            part.len() == *length && part.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    }) && parts.next().is_none();
    if is_guid && kind.has_object() {
        Ok(Some(text.to_ascii_lowercase()))
    } else {
        Err(SddlError::Object(text.to_owned()))
    }
}

impl fmt::Display for AceFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut set = FLAGS.iter().filter(|(_, bit)| self.0 & bit != 0);
        set.try_for_each(|(name, _)| f.write_str(name))
    }
}

impl fmt::Display for Ace {
    /// Without the parentheses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { flags, rights, sid, .. } = self;
        let object = self.object.as_deref().unwrap_or_default();
        let inherited = self.inherited_object.as_deref().unwrap_or_default();
        write!(f, "{};{flags};{rights};{object};{inherited};{sid}", self.kind.letters())
    }
}
