//! Which account a client certificate logs in as: a table, and the pure function over it.
//!
//! ```text
//!  certificate ──► entries of an issuer in its chain ──► of these the closest subject ──► one account? ──yes──► grant
//!                       │ none: unmapped                     │ none: unmapped                 │ no: ambiguous
//! ```
//!
//! An entry is one of Windows's `winrm/config/service/certmapping`. A certificate is one account: which resources it
//! may reach there is what the entries' URIs say, not who it is. Nothing here judges a certificate: the chain, its
//! dates and its purpose are the validator's, and come first.

use std::fmt;
use std::str::FromStr;

/// The longest subject or URI of an entry, in characters.
pub const MAX_PATTERN: usize = 256;

/// A name in a certificate that an entry can name: of its subjectAltName, the only names that count.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the two kinds that Windows maps")]
pub enum Subject {
    /// A user principal name: `alice@localhost`.
    Upn(String),
    /// A DNS name: `build01.example.com`.
    Dns(String),
}

/// What the table is asked about.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "built by the service from a validated chain")]
pub struct Facts<'a> {
    /// Thumbprints of those who vouch for the certificate, in upper-case hexadecimal digits: the authorities of its
    /// chain; of a certificate that vouches for itself its own.
    pub issuers: &'a [String],
    /// The names of the certificate.
    pub subjects: &'a [Subject],
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of Windows's certmapping")]
pub struct Entry {
    /// Thumbprint of the issuer, 40 upper-case hexadecimal digits.
    pub issuer: String,
    /// Whom the certificate must name.
    pub subject: SubjectPattern,
    /// Which resources the login may reach.
    pub uri: UriPattern,
    /// The account's id.
    pub account: [u8; 16],
    /// An entry that is not enabled counts for nothing.
    pub enabled: bool,
}

/// What a certificate leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    account: [u8; 16],
    uris: Vec<UriPattern>,
}

/// Why a certificate leads to no account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unmapped {
    /// It has no name that could be mapped.
    #[error("the certificate has neither a user principal name nor a DNS name")]
    NoSubject,
    /// No entry has an issuer of its chain.
    #[error("no mapping has an issuer of the certificate")]
    Issuer,
    /// Entries have its issuer, none its subject.
    #[error("no mapping of the certificate's issuer has its subject")]
    Subject,
    /// The entry that would fit is switched off.
    #[error("the mapping of the certificate is not enabled")]
    Disabled,
    /// Entries that fit equally well name different accounts.
    #[error("mappings that fit the certificate equally well name different accounts")]
    Ambiguous,
}

/// Finds the account of a certificate. Among the entries of its issuers the one with the closest subject decides: a
/// whole name before a pattern, a longer pattern before a shorter one. Entries that are equally close must name one
/// account.
///
/// # Errors
///
/// [`Unmapped`] says why there is none; for the log only.
pub fn decide(entries: &[Entry], facts: Facts<'_>) -> Result<Grant, Unmapped> {
    if facts.subjects.is_empty() {
        return Err(Unmapped::NoSubject);
    }
    let issued: Vec<&Entry> =
        entries.iter().filter(|entry| facts.issuers.contains(&entry.issuer)).collect();
    if issued.is_empty() {
        return Err(Unmapped::Issuer);
    }
    let close = |entry: &Entry| {
        facts.subjects.iter().filter_map(|subject| entry.subject.closeness(subject)).max()
    };
    let fitting: Vec<(usize, &Entry)> = issued
        .into_iter()
        .filter_map(|entry| close(entry).map(|closeness| (closeness, entry)))
        .collect();
    if fitting.is_empty() {
        return Err(Unmapped::Subject);
    }
    let enabled = || fitting.iter().filter(|(_, entry)| entry.enabled);
    let closest = enabled().map(|(closeness, _)| *closeness).max().ok_or(Unmapped::Disabled)?;
    let mut best = enabled().filter(|(closeness, _)| *closeness == closest).map(|(_, entry)| entry);
    let first = best.next().ok_or(Unmapped::Disabled)?;
    let mut grant = Grant { account: first.account, uris: vec![first.uri.clone()] };
    for entry in best {
        if entry.account != grant.account {
            return Err(Unmapped::Ambiguous);
        }
        grant.uris.push(entry.uri.clone());
    }
    Ok(grant)
}

impl Grant {
    /// The account's id.
    #[must_use]
    pub const fn account(&self) -> [u8; 16] {
        self.account
    }

    /// Whether the login may reach the resource of this URI.
    #[must_use]
    pub fn covers(&self, uri: &str) -> bool {
        self.uris.iter().any(|pattern| pattern.covers(uri))
    }
}

/// Whom an entry is about: a whole name, `*` for everybody with a name, `*.suffix` for DNS names, `*@realm` for user
/// principal names. Case does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectPattern(String);

/// Not the subject or the URI of an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPattern {
    /// Not a subject.
    #[error(
        "`{0}` is no subject of a mapping: a name as user@localhost or host.example.com, *.example.com, \
         *@example.com or *"
    )]
    Subject(String),
    /// Not a URI.
    #[error(
        "`{0}` is no URI of a mapping: a resource URI, the beginning of one with * behind it, or *"
    )]
    Uri(String),
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

fn fits(text: &str) -> bool {
    !text.is_empty()
        && text.chars().count() <= MAX_PATTERN
        && !text.contains(|c: char| c.is_control() || c.is_whitespace())
}

impl FromStr for SubjectPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let rest = text.strip_prefix('*').unwrap_or(text);
        let is_pattern = text.starts_with('*');
        let beginning = rest.starts_with(['.', '@']) && rest.len() > 1;
        if fits(text) && !rest.contains('*') && (!is_pattern || rest.is_empty() || beginning) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidPattern::Subject(shown(text)))
    }
}

impl SubjectPattern {
    /// How closely the pattern names a subject; `None` where it does not.
    fn closeness(&self, subject: &Subject) -> Option<usize> {
        let (name, kind) = match subject {
            Subject::Upn(name) => (name, '@'),
            Subject::Dns(name) => (name, '.'),
        };
        let Some(suffix) = self.0.strip_prefix('*') else {
            // A name with an @ is a user's, one without is a machine's.
            let is_kind = self.0.contains('@') == (kind == '@');
            return (is_kind && equal(&self.0, name)).then_some(usize::MAX);
        };
        if suffix.is_empty() {
            return Some(0);
        }
        let has_kind = suffix.starts_with(kind);
        let start = name.len().checked_sub(suffix.len()).filter(|start| *start > 0)?;
        let ends = name.get(start..).is_some_and(|end| equal(end, suffix));
        (has_kind && ends).then_some(suffix.len())
    }
}

impl fmt::Display for SubjectPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which resources an entry is about: a resource URI, its beginning with `*` behind it, or `*`. Case does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UriPattern(String);

impl FromStr for UriPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let rest = text.strip_suffix('*').unwrap_or(text);
        if fits(text) && !rest.contains('*') {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidPattern::Uri(shown(text)))
    }
}

impl UriPattern {
    fn covers(&self, uri: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(start) => {
                uri.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
            }
            None => self.0.eq_ignore_ascii_case(uri),
        }
    }
}

impl fmt::Display for UriPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One spelling for all cases of a letter of ASCII: a name that differs in another letter is another name, since what
/// upper and lower case are differs between systems.
fn equal(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CA: &str = "00112233445566778899AABBCCDDEEFF00112233";
    const OTHER: &str = "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF";

    fn entry(issuer: &str, subject: &str, account: u8) -> Entry {
        Entry {
            issuer: issuer.to_owned(),
            subject: subject.parse().unwrap(),
            uri: "*".parse().unwrap(),
            account: [account; 16],
            enabled: true,
        }
    }

    fn upn(name: &str) -> Subject {
        Subject::Upn(name.to_owned())
    }

    fn dns(name: &str) -> Subject {
        Subject::Dns(name.to_owned())
    }

    fn ask(entries: &[Entry], subjects: &[Subject]) -> Result<u8, Unmapped> {
        let issuers = [CA.to_owned()];
        decide(entries, Facts { issuers: &issuers, subjects }).map(|grant| grant.account()[0])
    }

    #[test]
    fn closest_subject_decides() {
        let entries = [
            entry(CA, "*", 1),
            entry(CA, "*.example.com", 2),
            entry(CA, "*.lab.example.com", 3),
            entry(CA, "a.lab.example.com", 4),
            entry(CA, "*@localhost", 5),
            entry(CA, "alice@localhost", 6),
        ];
        for (subject, account) in [
            (dns("other.test"), 1),
            (dns("b.example.com"), 2),
            (dns("B.LAB.Example.com"), 3),
            (dns("A.lab.example.com"), 4),
            (upn("bob@localhost"), 5),
            (upn("ALICE@localhost"), 6),
            // A suffix needs something in front of it, and a name of the other kind is another name.
            (dns(".example.com"), 1),
            (dns("example.com"), 1),
            (dns("alice@localhost"), 1),
            (upn("x@b.example.com"), 1),
            (upn("a.lab.example.com"), 1),
        ] {
            assert_eq!(ask(&entries, std::slice::from_ref(&subject)), Ok(account), "{subject:?}");
        }
    }

    #[test]
    fn equally_close_entries_must_name_one_account() {
        let two = [entry(CA, "alice@localhost", 1), entry(CA, "alice@localhost", 2)];
        assert_eq!(ask(&two, &[upn("alice@localhost")]), Err(Unmapped::Ambiguous));
        // Two whole names of one certificate are equally close, however long they are.
        let names = [entry(CA, "al@localhost", 1), entry(CA, "robert@localhost", 2)];
        let both = [upn("al@localhost"), upn("robert@localhost")];
        assert_eq!(ask(&names, &both), Err(Unmapped::Ambiguous));
        let same = [entry(CA, "al@localhost", 1), entry(CA, "robert@localhost", 1)];
        assert_eq!(ask(&same, &both), Ok(1));
    }

    #[test]
    fn reasons_tell_what_is_missing() {
        let alice = [upn("alice@localhost")];
        assert_eq!(ask(&[], &alice), Err(Unmapped::Issuer));
        assert_eq!(ask(&[entry(OTHER, "*", 1)], &alice), Err(Unmapped::Issuer));
        assert_eq!(ask(&[entry(CA, "bob@localhost", 1)], &alice), Err(Unmapped::Subject));
        assert_eq!(ask(&[entry(CA, "*", 1)], &[]), Err(Unmapped::NoSubject));
        let off = Entry { enabled: false, ..entry(CA, "*", 1) };
        assert_eq!(ask(std::slice::from_ref(&off), &alice), Err(Unmapped::Disabled));
        // What is switched off neither wins nor makes anything ambiguous.
        let closer = Entry { enabled: false, ..entry(CA, "alice@localhost", 2) };
        assert_eq!(ask(&[closer, entry(CA, "*", 1)], &alice), Ok(1));
    }

    #[test]
    fn uris_say_what_may_be_reached() {
        let cmd = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd";
        let with = |uri: &str| Entry { uri: uri.parse().unwrap(), ..entry(CA, "*", 1) };
        let issuers = [CA.to_owned()];
        let grant = |entries: &[Entry]| {
            let subjects = [upn("a@b")];
            decide(entries, Facts { issuers: &issuers, subjects: &subjects }).unwrap()
        };
        for (uri, covers) in [
            ("*", true),
            (cmd, true),
            ("HTTP://schemas.microsoft.com/wbem/wsman/1/windows/*", true),
            ("http://schemas.microsoft.com/powershell/*", false),
            ("http://schemas.microsoft.com/wbem/wsman/1/windows/shell", false),
        ] {
            assert_eq!(grant(&[with(uri)]).covers(cmd), covers, "{uri}");
        }
        let both = grant(&[with("http://schemas.microsoft.com/powershell/*"), with(cmd)]);
        assert!(both.covers(cmd) && both.covers("http://schemas.microsoft.com/powershell/x"));
        assert!(!both.covers("http://schemas.dmtf.org/x"));
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for text in ["", "a*", "**", "*a", "*.", "*@", "a b", "a\n", "*.*.b", &"x".repeat(257)] {
            assert!(text.parse::<SubjectPattern>().is_err(), "{text}");
        }
        for text in ["", "*x", "a*b", "a b", &"x".repeat(257)] {
            assert!(text.parse::<UriPattern>().is_err(), "{text}");
        }
    }
}
