//! The file `clients` as TOML has it.

use serde::{Deserialize, Serialize};
use session::mapping::Entry;
use transport::tls::{CertificateDer, certificate_pem, certificates, list_pem, revocation};

use super::{Clients, ClientsError};
use crate::accounts::Hex;
use crate::certificates::Thumbprint;

/// The version that this code reads and writes.
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    version: u32,
    #[serde(rename = "root", default, skip_serializing_if = "Vec::is_empty")]
    roots: Vec<Text>,
    #[serde(rename = "person", default, skip_serializing_if = "Vec::is_empty")]
    people: Vec<Text>,
    #[serde(rename = "list", default, skip_serializing_if = "Vec::is_empty")]
    lists: Vec<Text>,
    #[serde(rename = "mapping", default, skip_serializing_if = "Vec::is_empty")]
    mappings: Vec<Mapping>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    pem: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mapping {
    issuer: String,
    subject: String,
    uri: String,
    account: Hex,
    enabled: bool,
}

impl File {
    pub(super) fn read(text: &str) -> Result<Self, ClientsError> {
        let file: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
            ClientsError::Malformed { line, problem: error.message().to_owned() }
        })?;
        if file.version == VERSION { Ok(file) } else { Err(ClientsError::Version(file.version)) }
    }

    pub(super) fn of(clients: &Clients) -> Self {
        let pem = |pem: String| Text { pem };
        let certificates =
            |all: &[CertificateDer<'_>]| all.iter().map(|der| pem(certificate_pem(der))).collect();
        let mapping = |entry: &Entry| Mapping {
            issuer: entry.issuer.clone(),
            subject: entry.subject.to_string(),
            uri: entry.uri.to_string(),
            account: Hex(entry.account),
            enabled: entry.enabled,
        };
        Self {
            version: VERSION,
            roots: certificates(&clients.roots),
            people: certificates(&clients.people),
            lists: clients.lists.iter().map(|der| pem(list_pem(der))).collect(),
            mappings: clients.mappings.iter().map(mapping).collect(),
        }
    }

    pub(super) fn to_text(&self) -> String {
        // Serializing strings, numbers and lists of them cannot fail; an empty file would be refused when it is read.
        toml::to_string_pretty(self).unwrap_or_default()
    }

    /// Checks what TOML cannot.
    pub(super) fn into_clients(self) -> Result<Clients, ClientsError> {
        let mut clients = Clients::default();
        let one = |text: Text| {
            let mut found = certificates(text.pem.into_bytes()).unwrap_or_default();
            let first = found.pop().ok_or(ClientsError::Certificate)?;
            if found.is_empty() { Ok(first) } else { Err(ClientsError::Certificate) }
        };
        for (texts, store) in
            [(self.roots, super::Store::Root), (self.people, super::Store::TrustedPeople)]
        {
            for text in texts {
                clients.add(store, &one(text)?)?;
            }
        }
        for text in self.lists {
            clients.lists.extend(revocation::split(text.pem.as_bytes())?);
        }
        for Mapping { issuer, subject, uri, account, enabled } in self.mappings {
            let malformed = |problem: String| ClientsError::Malformed { line: 0, problem };
            let issuer: Thumbprint =
                issuer.parse().map_err(|error| malformed(format!("{error}")))?;
            clients.map(Entry {
                issuer: issuer.to_string(),
                subject: subject.parse().map_err(|error| malformed(format!("{error}")))?,
                uri: uri.parse().map_err(|error| malformed(format!("{error}")))?,
                account: account.0,
                enabled,
            })?;
        }
        Ok(clients)
    }
}
