//! Which account a Kerberos principal logs in as: a table, and the pure function over it.
//!
//! ```text
//!  principal ──► entries that name it ──► of these the closest ──► one account? ──yes──► grant
//!                      │ none: unmapped                                 │ no: ambiguous
//! ```
//!
//! A ticket says who somebody is in a realm, and nothing of what may be done here: that is what these entries say, and who
//! is not in them is nobody. A realm that trusts another one lets in whom the other one names, so realms are always
//! written out.

use std::fmt;
use std::str::FromStr;

/// The longest principal of an entry, in characters.
pub const MAX_PATTERN: usize = 256;

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of a line of the file")]
pub struct Entry {
    /// Whom it is about.
    pub principal: PrincipalPattern,
    /// Which account that is.
    pub target: Target,
    /// Whether the case of the letters of ASCII in the name counts for nothing, as in Active Directory, whose tickets have
    /// the name as it was typed. The case of the realm always counts.
    pub ignore_case: bool,
    /// An entry that is not enabled lets nobody in, and shuts out whom it names more closely than others do.
    pub enabled: bool,
}

/// The account of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the two kinds that a line can name")]
pub enum Target {
    /// The account with this id.
    Account([u8; 16]),
    /// The account that is called as the principal is, without its realm.
    SameName,
}

/// What a principal leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the service must look for either")]
pub enum Grant<'a> {
    /// The account with this id.
    Account([u8; 16]),
    /// The account with this name.
    Name {
        /// The principal without its realm.
        name: &'a str,
        /// Whether case counts for nothing.
        ignore_case: bool,
    },
}

/// Why a principal leads to no account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unmapped {
    /// It is not written as principals are.
    #[error("the principal is malformed")]
    Malformed,
    /// No entry names it.
    #[error("no mapping names the principal")]
    Principal,
    /// The entry that would fit is switched off.
    #[error("the mapping of the principal is not enabled")]
    Disabled,
    /// Entries that fit equally well name different accounts.
    #[error("mappings that fit the principal equally well name different accounts")]
    Ambiguous,
    /// A name with several parts is no account's.
    #[error("the principal has several parts, or characters that no account's name has")]
    SeveralParts,
}

/// Finds the account of a principal, written as Kerberos libraries write it (`user@REALM`, with `\` in front of `@`, `/`
/// and `\` that belong to a name). The closest entry decides: the whole principal, then the whole principal in another
/// case, then the realm's pattern. Entries that are equally close must name one account. A closest entry that is not enabled
/// shuts the principal out, whatever the pattern of its realm says.
///
/// # Errors
///
/// [`Unmapped`] says why there is none; for the log only.
pub fn decide<'a>(entries: &[Entry], principal: &'a str) -> Result<Grant<'a>, Unmapped> {
    let parts = Parts::of(principal).ok_or(Unmapped::Malformed)?;
    let fitting: Vec<(Closeness, &Entry)> = entries
        .iter()
        .filter_map(|entry| entry.closeness(&parts).map(|closeness| (closeness, entry)))
        .collect();
    if fitting.is_empty() {
        return Err(Unmapped::Principal);
    }
    let closest = fitting.iter().map(|(closeness, _)| *closeness).max();
    let mut best = fitting
        .iter()
        .filter(|(closeness, entry)| Some(*closeness) == closest && entry.enabled)
        .map(|(_, entry)| entry);
    let first = best.next().ok_or(Unmapped::Disabled)?.grant(&parts)?;
    for entry in best {
        if entry.grant(&parts)? != first {
            return Err(Unmapped::Ambiguous);
        }
    }
    Ok(first)
}

/// How closely an entry names a principal, the closest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Closeness {
    Realm,
    AnyCase,
    Exact,
}

impl Entry {
    fn closeness(&self, parts: &Parts<'_>) -> Option<Closeness> {
        let own = Parts::of(&self.principal.0)?;
        if own.realm != parts.realm {
            return None;
        }
        if own.name == ANYBODY {
            // Services, hosts and administrative identities have several parts: those are written out.
            return parts.is_plain.then_some(Closeness::Realm);
        }
        if own.name == parts.name {
            return Some(Closeness::Exact);
        }
        // Who is shut out shall not come in by writing the name in another case.
        let any_case = self.ignore_case || !self.enabled;
        let is_same = any_case && own.name.eq_ignore_ascii_case(parts.name);
        is_same.then_some(Closeness::AnyCase)
    }

    fn grant<'a>(&self, parts: &Parts<'a>) -> Result<Grant<'a>, Unmapped> {
        match self.target {
            Target::Account(id) => Ok(Grant::Account(id)),
            Target::SameName if parts.is_plain => {
                Ok(Grant::Name { name: parts.name, ignore_case: self.ignore_case })
            }
            Target::SameName => Err(Unmapped::SeveralParts),
        }
    }
}

/// The name of a pattern that is about everybody of a realm.
const ANYBODY: &str = "*";

/// A principal, taken apart.
#[derive(Debug, Clone, Copy)]
struct Parts<'a> {
    name: &'a str,
    realm: &'a str,
    /// Whether the name has one part, in which nothing is escaped.
    is_plain: bool,
}

impl<'a> Parts<'a> {
    fn of(principal: &'a str) -> Option<Self> {
        if principal.contains(|c: char| c.is_control()) {
            return None;
        }
        let (mut at, mut is_plain, mut escaped) = (None, true, false);
        for (place, c) in principal.char_indices() {
            if escaped {
                escaped = false;
                continue;
            }
            match c {
                '\\' => {
                    escaped = true;
                    is_plain = false;
                }
                '/' if at.is_none() => is_plain = false,
                '@' if at.is_none() => at = Some(place),
                // A name and a realm, and no third thing.
                '@' => return None,
                _ => {}
            }
        }
        let (name, realm) = (principal.get(..at?)?, principal.get(at?.checked_add(1)?..)?);
        (!escaped && !name.is_empty() && !realm.is_empty()).then_some(Self {
            name,
            realm,
            is_plain,
        })
    }
}

/// Whom an entry is about: a whole principal (`alice@EXAMPLE.COM`, `host/web.example.com@EXAMPLE.COM`), or `*@REALM` for
/// every principal of a realm whose name has one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalPattern(String);

/// Not the principal of an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no principal of a mapping: user@REALM, or *@REALM for every user of a realm")]
pub struct InvalidPrincipal(String);

impl FromStr for PrincipalPattern {
    type Err = InvalidPrincipal;

    fn from_str(text: &str) -> Result<Self, InvalidPrincipal> {
        let fits = |parts: Parts<'_>| {
            let name_fits = parts.name == ANYBODY || !parts.name.contains('*');
            let outer = parts.name.trim() == parts.name;
            name_fits && outer && !parts.realm.contains(|c: char| c == '*' || c.is_whitespace())
        };
        if text.chars().count() <= MAX_PATTERN && Parts::of(text).is_some_and(fits) {
            return Ok(Self(text.to_owned()));
        }
        let shown = text.chars().filter(|c| !c.is_control()).take(100).collect();
        Err(InvalidPrincipal(shown))
    }
}

impl PrincipalPattern {
    /// The realm.
    #[must_use]
    pub fn realm(&self) -> &str {
        Parts::of(&self.0).map_or("", |parts| parts.realm)
    }

    /// Whether it is about everybody of the realm.
    #[must_use]
    pub fn is_everybody(&self) -> bool {
        Parts::of(&self.0).is_some_and(|parts| parts.name == ANYBODY)
    }

    /// Whether the name has one part, which an account may be called.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        Parts::of(&self.0).is_some_and(|parts| parts.is_plain)
    }
}

impl fmt::Display for PrincipalPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(principal: &str, account: u8) -> Entry {
        Entry {
            principal: principal.parse().unwrap(),
            target: Target::Account([account; 16]),
            ignore_case: false,
            enabled: true,
        }
    }

    fn same_name(principal: &str, ignore_case: bool) -> Entry {
        Entry { target: Target::SameName, ignore_case, ..entry(principal, 0) }
    }

    fn account(entries: &[Entry], principal: &str) -> Result<u8, Unmapped> {
        decide(entries, principal).map(|grant| match grant {
            Grant::Account([first, ..]) => first,
            Grant::Name { .. } => panic!("{grant:?}"),
        })
    }

    #[test]
    fn closest_entry_decides() {
        let any_case = |principal, id| Entry { ignore_case: true, ..entry(principal, id) };
        let entries = [
            entry("*@LAB.TEST", 1),
            any_case("alice@LAB.TEST", 2),
            entry("Alice@LAB.TEST", 3),
            entry("host/web@LAB.TEST", 4),
            entry("*@OTHER.TEST", 5),
        ];
        for (principal, told) in [
            ("bob@LAB.TEST", Ok(1)),
            ("alice@LAB.TEST", Ok(2)),
            ("ALICE@LAB.TEST", Ok(2)),
            ("Alice@LAB.TEST", Ok(3)),
            ("host/web@LAB.TEST", Ok(4)),
            ("alice@OTHER.TEST", Ok(5)),
            ("WEB$@LAB.TEST", Ok(1)),
            // The realm's case counts, a name of several parts is nobody of the pattern's.
            ("bob@lab.test", Err(Unmapped::Principal)),
            ("alice/admin@LAB.TEST", Err(Unmapped::Principal)),
            ("HOST/web@LAB.TEST", Err(Unmapped::Principal)),
            ("alice\\@LAB.TEST@OTHER.TEST", Err(Unmapped::Principal)),
            ("alice", Err(Unmapped::Malformed)),
            ("@LAB.TEST", Err(Unmapped::Malformed)),
            ("alice@", Err(Unmapped::Malformed)),
            ("alice@LAB.TEST@LAB.TEST", Err(Unmapped::Malformed)),
            ("alice\\", Err(Unmapped::Malformed)),
            ("alice@LAB.TEST\n", Err(Unmapped::Malformed)),
        ] {
            assert_eq!(account(&entries, principal), told, "{principal}");
        }
    }

    #[test]
    fn equally_close_entries_must_name_one_account() {
        let any_case = |principal, id| Entry { ignore_case: true, ..entry(principal, id) };
        let two = [any_case("Alice@R", 1), any_case("aLice@R", 2)];
        assert_eq!(account(&two, "ALICE@R"), Err(Unmapped::Ambiguous));
        assert_eq!(account(&two, "Alice@R"), Ok(1));
        let same = [any_case("Alice@R", 1), any_case("aLice@R", 1)];
        assert_eq!(account(&same, "ALICE@R"), Ok(1));
        let mixed = [any_case("Alice@R", 1), same_name("aLice@R", true)];
        assert_eq!(decide(&mixed, "ALICE@R"), Err(Unmapped::Ambiguous));
    }

    #[test]
    fn account_of_the_same_name_is_that_of_a_plain_name() {
        let entries = [same_name("*@R", false), same_name("host/web@R", false)];
        let name = |name, ignore_case| Ok(Grant::Name { name, ignore_case });
        assert_eq!(decide(&entries, "alice@R"), name("alice", false));
        assert_eq!(decide(&[same_name("*@R", true)], "ALICE@R"), name("ALICE", true));
        assert_eq!(decide(&entries, "host/web@R"), Err(Unmapped::SeveralParts));
        assert_eq!(decide(&entries, "a\\/b@R"), Err(Unmapped::Principal));
        assert_eq!(decide(&entries, "a\\\\b@R"), Err(Unmapped::Principal));
    }

    #[test]
    fn what_is_switched_off_shuts_out_whom_it_names_in_any_case_and_makes_nothing_ambiguous() {
        let off = |principal, id| Entry { enabled: false, ..entry(principal, id) };
        assert_eq!(account(&[], "alice@R"), Err(Unmapped::Principal));
        assert_eq!(account(&[off("alice@R", 1)], "alice@R"), Err(Unmapped::Disabled));
        let both = [off("alice@R", 1), entry("*@R", 2)];
        assert_eq!(account(&both, "alice@R"), Err(Unmapped::Disabled));
        assert_eq!(account(&both, "ALICE@R"), Err(Unmapped::Disabled));
        assert_eq!(account(&both, "bob@R"), Ok(2));
        assert_eq!(account(&[off("alice@R", 1), entry("alice@R", 2)], "alice@R"), Ok(2));
        assert_eq!(account(&[off("*@R", 1), entry("alice@R", 2)], "alice@R"), Ok(2));
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for text in [
            "",
            "*",
            "alice",
            "@R",
            "alice@",
            "a*@R",
            "*a@R",
            "*/admin@R",
            "alice@*",
            "a@b@c",
            "alice@R R",
            " alice@R",
            "a\n@R",
            "a\\",
        ] {
            assert!(text.parse::<PrincipalPattern>().is_err(), "{text}");
        }
        assert!(format!("{}@R", "x".repeat(255)).parse::<PrincipalPattern>().is_err());
        for text in ["alice@R", "*@R", "host/web.example.com@R", "a\\@b@R", "Jörg Müller@R"] {
            assert_eq!(text.parse::<PrincipalPattern>().unwrap().to_string(), text);
        }
    }
}
