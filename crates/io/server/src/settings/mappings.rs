//! `winrm/config/service/certmapping`, as far as it was made by the wire: which client certificates log in as whom, beside what
//! root's file `clients` says.
//!
//! ```toml
//! [[CertMapping]]
//! Issuer = "00112233445566778899AABBCCDDEEFF00112233"
//! Subject = "alice@localhost"
//! URI = "*"
//! Account = "000102030405060708090a0b0c0d0e0f"
//! Enabled = true
//! Seal = "…"
//! ```
//!
//! Who makes one must know the account's password. The seal is made with that password's hash: nobody else can write such an
//! entry, and it counts until the account has another password.

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use session::mapping::{Entry, SubjectPattern, UriPattern};
use toml::{Table, Value};
use transport::tls::Thumbprint;

use super::range;

/// So many may be made by the wire.
pub const MOST_MAPPINGS: usize = 256;
/// What a seal is for.
const PURPOSE: &str = "transom certmapping 1";

/// One mapping.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CertMapping {
    /// The thumbprint of who vouches for the certificate.
    #[serde(rename = "Issuer", deserialize_with = "parsed")]
    pub issuer: Thumbprint,
    /// Whom the certificate names.
    #[serde(rename = "Subject", deserialize_with = "parsed")]
    pub subject: SubjectPattern,
    /// Which resources the login may reach.
    #[serde(rename = "URI", deserialize_with = "parsed")]
    pub uri: UriPattern,
    /// The account's id.
    #[serde(rename = "Account", deserialize_with = "range::hexadecimal")]
    pub account: [u8; 16],
    /// Whether it counts.
    #[serde(rename = "Enabled")]
    pub enabled: bool,
    /// Made with the hash of the account's password.
    #[serde(rename = "Seal", deserialize_with = "range::hexadecimal")]
    pub seal: [u8; 32],
}

fn parsed<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
    D: Deserializer<'de>,
{
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// Reads the mappings.
pub(super) fn bounded<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<CertMapping>, D::Error> {
    let mappings = Vec::<CertMapping>::deserialize(deserializer)?;
    if mappings.len() > MOST_MAPPINGS {
        return Err(D::Error::custom(format_args!("there are more than {MOST_MAPPINGS} mappings")));
    }
    Ok(mappings)
}

impl CertMapping {
    /// What is sealed: everything but whether it counts, which needs no password.
    #[must_use]
    pub fn sealed_text(entry: &Entry) -> Vec<u8> {
        let Entry { issuer, subject, uri, account, .. } = entry;
        let (subject, uri) = (subject.to_string(), uri.to_string());
        let mut text = Vec::new();
        for part in [PURPOSE, issuer, &subject, &uri] {
            text.extend_from_slice(part.to_ascii_lowercase().as_bytes());
            // No part has a control character in it.
            text.push(0);
        }
        text.extend_from_slice(account);
        text
    }

    /// The entry of the table that decides over logins.
    #[must_use]
    pub fn entry(&self) -> Entry {
        Entry {
            issuer: self.issuer.to_string(),
            subject: self.subject.clone(),
            uri: self.uri.clone(),
            account: self.account,
            enabled: self.enabled,
        }
    }

    /// It as a file has it.
    #[must_use]
    pub fn to_toml(entry: &Entry, seal: &[u8; 32]) -> Table {
        let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Table::from_iter([
            ("Issuer".to_owned(), Value::String(entry.issuer.clone())),
            ("Subject".to_owned(), Value::String(entry.subject.to_string())),
            ("URI".to_owned(), Value::String(entry.uri.to_string())),
            ("Account".to_owned(), Value::String(hexadecimal(&entry.account))),
            ("Enabled".to_owned(), Value::Boolean(entry.enabled)),
            ("Seal".to_owned(), Value::String(hexadecimal(seal))),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapping_is_read_as_it_was_written_and_seals_what_it_says() {
        let entry = Entry {
            issuer: "00112233445566778899AABBCCDDEEFF00112233".to_owned(),
            subject: "*@localhost".parse().unwrap(),
            uri: "*".parse().unwrap(),
            account: [9; 16],
            enabled: true,
        };
        let read: CertMapping = CertMapping::to_toml(&entry, &[7; 32]).try_into().unwrap();
        assert_eq!((read.entry(), read.seal), (entry.clone(), [7; 32]));
        let text = CertMapping::sealed_text(&entry);
        for other in [
            Entry { account: [8; 16], ..entry.clone() },
            Entry { subject: "*".parse().unwrap(), ..entry.clone() },
            Entry { uri: "http://x/*".parse().unwrap(), ..entry.clone() },
            Entry { issuer: "FF".repeat(20), ..entry.clone() },
        ] {
            assert_ne!(CertMapping::sealed_text(&other), text);
        }
        let closed = Entry { enabled: false, ..entry.clone() };
        assert_eq!(CertMapping::sealed_text(&closed), text);
        for (key, wrong) in [("Seal", "00"), ("Account", "xx"), ("Issuer", "1"), ("Subject", "a*b")]
        {
            let mut table = CertMapping::to_toml(&entry, &[7; 32]);
            table.insert(key.to_owned(), Value::String(wrong.to_owned()));
            assert!(table.try_into::<CertMapping>().is_err(), "{key}");
        }
    }
}
