//! Security descriptors and their language: who may read, write and execute.
//!
//! ```text
//!  O:NS G:BA D:P(A;;GA;;;BA)(A;;GXGR;;;RM) S:P(AU;FA;GA;;;WD)
//!  owner group    entries that decide         entries for the audit
//!                 └ kind;flags;rights;object;inherited object;whom
//! ```
//!
//! A descriptor decides by its entries in their order, [MS-DTYP] 2.5.3.2: one that denies a right which is still asked for
//! ends it, one that allows takes its rights from what is asked for, and whatever is left at the end is denied.
//!
//! The language is that of [MS-DTYP] 2.5.1.1. Conditional entries, resource attributes, labels and policies are refused:
//! nothing here could obey them.

mod ace;
mod error;
mod mask;
mod sid;

use std::fmt;
use std::str::FromStr;

pub use ace::{Ace, AceFlags, AceKind};
pub use error::SddlError;
pub use mask::AccessMask;
pub use sid::{Origin, Sid, Token};

/// The longest text that is read, in bytes: ten times what Windows's own descriptors take.
pub const MAX_TEXT: usize = 16 * 1024;
/// The most entries that a list may have.
pub const MAX_ENTRIES: usize = 256;

/// A security descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the language has no more parts")]
pub struct SecurityDescriptor {
    /// `O:`.
    pub owner: Option<Sid>,
    /// `G:`.
    pub group: Option<Sid>,
    /// `D:`, which decides.
    pub dacl: Option<Acl>,
    /// `S:`, which says what is audited.
    pub sacl: Option<Acl>,
}

/// A list of entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the language has no more parts")]
pub struct Acl {
    /// `P`: nothing is inherited from above.
    pub is_protected: bool,
    /// `AR`: what is below shall inherit.
    pub inherit_required: bool,
    /// `AI`: what is below has inherited.
    pub is_inherited: bool,
    /// The entries, in the order in which they decide.
    pub entries: Vec<Ace>,
}

impl SecurityDescriptor {
    /// Whether somebody with these SIDs has all of the rights asked for; nothing asked for is granted to everybody.
    ///
    /// A descriptor without `D:` grants nothing. Windows grants everything then; here that is never what was meant.
    #[must_use]
    pub fn grants(&self, token: &Token, wanted: AccessMask) -> bool {
        let mut missing = wanted.mapped();
        let Some(dacl) = &self.dacl else { return missing.is_empty() };
        for ace in dacl.entries.iter().filter(|ace| ace.decides() && token.has(&ace.sid)) {
            let rights = ace.rights.mapped();
            // Entries about objects deny like the others, but allow something else than what is asked for here.
            if matches!(ace.kind, AceKind::Deny | AceKind::DenyObject) && missing.intersects(rights)
            {
                return false;
            }
            if ace.kind == AceKind::Allow {
                missing = missing.without(rights);
            }
        }
        missing.is_empty()
    }

    /// Whether the descriptor can decide: it has `D:`, whose entries allow and deny, and `S:` has those that audit.
    ///
    /// # Errors
    ///
    /// [`SddlError::NoDacl`] or [`SddlError::Misplaced`].
    pub fn check(&self) -> Result<(), SddlError> {
        let dacl = self.dacl.as_ref().ok_or(SddlError::NoDacl)?;
        let audits = self.sacl.iter().flat_map(|sacl| &sacl.entries);
        let misplaced = dacl.entries.iter().find(|ace| ace.kind.is_audit());
        let misplaced = misplaced.or_else(|| audits.into_iter().find(|ace| !ace.kind.is_audit()));
        match misplaced {
            Some(ace) => Err(SddlError::Misplaced(ace.to_string())),
            None => Ok(()),
        }
    }
}

impl FromStr for SecurityDescriptor {
    type Err = SddlError;

    fn from_str(text: &str) -> Result<Self, SddlError> {
        if text.len() > MAX_TEXT {
            return Err(SddlError::TooLong);
        }
        let mut descriptor = Self { owner: None, group: None, dacl: None, sacl: None };
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (part, content, after) = take_part(rest)?;
            let is_new = match part {
                'O' => descriptor.owner.replace(content.parse()?).is_none(),
                'G' => descriptor.group.replace(content.parse()?).is_none(),
                'D' => descriptor.dacl.replace(content.parse()?).is_none(),
                _ => descriptor.sacl.replace(content.parse()?).is_none(),
            };
            if !is_new {
                return Err(SddlError::Twice(part));
            }
            rest = after;
        }
        Ok(descriptor)
    }
}

/// The letter of the first part, its content, and what follows it.
fn take_part(text: &str) -> Result<(char, &str, &str), SddlError> {
    let unknown = || SddlError::Part(text.chars().take(16).collect());
    let (letter, content) = text.split_once(':').ok_or_else(unknown)?;
    let part = match letter.trim() {
        "O" | "o" => 'O',
        "G" | "g" => 'G',
        "D" | "d" => 'D',
        "S" | "s" => 'S',
        _ => return Err(unknown()),
    };
    // The next part begins at the letter before the next colon; no SID, flag or entry has a colon.
    let end =
        content.find(':').and_then(|colon| content.get(..colon)).map_or(content.len(), |own| {
            let trimmed = own.trim_end();
            trimmed.char_indices().next_back().map_or(0, |(at, _)| at)
        });
    let (own, after) = content.split_at_checked(end).ok_or_else(unknown)?;
    Ok((part, own.trim(), after))
}

impl FromStr for Acl {
    type Err = SddlError;

    fn from_str(text: &str) -> Result<Self, SddlError> {
        let mut acl = Self::default();
        let (mut flags, mut entries) = match text.find('(').and_then(|at| text.split_at_checked(at))
        {
            Some((flags, entries)) => (flags.trim(), entries),
            None => (text, ""),
        };
        while !flags.is_empty() {
            let upper = flags.to_ascii_uppercase();
            let taken = if upper.starts_with('P') {
                acl.is_protected = true;
                1
            } else if upper.starts_with("AR") {
                acl.inherit_required = true;
                2
            } else if upper.starts_with("AI") {
                acl.is_inherited = true;
                2
            } else {
                return Err(SddlError::AclFlag(flags.to_owned()));
            };
            flags = flags.get(taken..).unwrap_or_default().trim_start();
        }
        while !entries.is_empty() {
            let inner = entries.strip_prefix('(').and_then(|inner| inner.split_once(')'));
            let (entry, after) =
                inner.ok_or_else(|| SddlError::Entry(entries.chars().take(80).collect()))?;
            if acl.entries.len() == MAX_ENTRIES {
                return Err(SddlError::TooMany);
            }
            acl.entries.push(entry.parse()?);
            entries = after.trim_start();
        }
        Ok(acl)
    }
}

impl fmt::Display for SecurityDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(owner) = &self.owner {
            write!(f, "O:{owner}")?;
        }
        if let Some(group) = &self.group {
            write!(f, "G:{group}")?;
        }
        if let Some(dacl) = &self.dacl {
            write!(f, "D:{dacl}")?;
        }
        match &self.sacl {
            Some(sacl) => write!(f, "S:{sacl}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Acl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags =
            [(self.is_protected, "P"), (self.inherit_required, "AR"), (self.is_inherited, "AI")];
        flags
            .into_iter()
            .filter(|(is_set, _)| *is_set)
            .try_for_each(|(_, flag)| f.write_str(flag))?;
        self.entries.iter().try_for_each(|ace| write!(f, "({ace})"))
    }
}
