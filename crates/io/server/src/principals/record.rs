//! The file `principals` as TOML has it.

use serde::{Deserialize, Serialize};

use super::{Entry, Principals, PrincipalsError, Target};
use crate::accounts::Hex;

/// The version that this code reads and writes.
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    version: u32,
    #[serde(rename = "principal", default, skip_serializing_if = "Vec::is_empty")]
    records: Vec<Record>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<Hex>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ignore_case: bool,
    enabled: bool,
}

impl File {
    pub(super) fn read(text: &str) -> Result<Self, PrincipalsError> {
        let file: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
            PrincipalsError::Malformed { line, problem: error.message().to_owned() }
        })?;
        if file.version == VERSION { Ok(file) } else { Err(PrincipalsError::Version(file.version)) }
    }

    pub(super) fn of(principals: &Principals) -> Self {
        let record = |entry: &Entry| Record {
            name: entry.principal.to_string(),
            account: match entry.target {
                Target::Account(id) => Some(Hex(id)),
                Target::SameName => None,
            },
            ignore_case: entry.ignore_case,
            enabled: entry.enabled,
        };
        Self { version: VERSION, records: principals.entries.iter().map(record).collect() }
    }

    pub(super) fn to_text(&self) -> String {
        // Serializing strings, flags and lists of them cannot fail; an empty file would be refused when it is read.
        toml::to_string(self).unwrap_or_default()
    }

    /// Checks what TOML cannot.
    pub(super) fn into_principals(self) -> Result<Principals, PrincipalsError> {
        let mut principals = Principals::default();
        for Record { name, account, ignore_case, enabled } in self.records {
            let target = account.map_or(Target::SameName, |id| Target::Account(id.0));
            principals.map(Entry { principal: name.parse()?, target, ignore_case, enabled })?;
        }
        Ok(principals)
    }
}
