//! What a user can say about logins by Kerberos: where tickets come from, and which service they are for. The table
//! `[Kerberos]` of `client.toml` has what shall always hold.

use std::path::PathBuf;

use serde::Deserialize;

/// How to log in by Kerberos.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "meant to be written out with `..Default::default()`"
)]
pub struct KerberosOptions {
    /// Where tickets come from.
    pub tickets: Tickets,
    /// The realm of a user whose name has none.
    pub realm: Option<String>,
    /// Whether the host gets a ticket to act as the user elsewhere. Never by default, and in no settings file: whoever
    /// rules the host can use it.
    pub delegate: bool,
    /// The class of the service's name; without it `HTTP`, then `host`, then `WSMAN` where the KDC does not know the one
    /// before.
    pub service_class: Option<String>,
    /// The host in the service's name, if it is not the one connected to. With it Kerberos is tried for an address too.
    pub service_host: Option<String>,
    /// Whether the port belongs to the service's name: `IncludePortInSPN`.
    pub service_port: bool,
}

/// Where tickets come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a caller that misses one would ask for a password in vain"
)]
pub enum Tickets {
    /// Bought with the user's name and password into a cache of their own, which goes with the client; without a user
    /// those that are there, as [`Existing`](Self::Existing).
    #[default]
    Auto,
    /// Those in the user's own cache, also where there is a password.
    Existing,
    /// Those in this cache: `FILE:/tmp/krb5cc_0`, `KCM:`, or a path.
    Cache(String),
    /// Bought with the user's key in this file.
    Keytab(PathBuf),
    /// Bought by a program as `kinit`, with these arguments in front of its own: the user's name, and the password on
    /// stdin.
    Kinit(Vec<String>),
}

impl Tickets {
    /// Whether they are bought with a password.
    #[must_use]
    pub const fn want_password(&self) -> bool {
        match self {
            Self::Auto | Self::Kinit(_) => true,
            Self::Existing | Self::Cache(_) | Self::Keytab(_) => false,
        }
    }
}

/// `[Kerberos]`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub(crate) struct Table {
    /// `auto` or `existing`.
    tickets: Option<String>,
    cache: Option<String>,
    keytab: Option<PathBuf>,
    kinit_command: Option<String>,
    kinit_arguments: Vec<String>,
    realm: Option<String>,
    service_class: Option<String>,
    #[serde(rename = "IncludePortInSPN")]
    include_port: bool,
}

impl Table {
    pub(crate) fn options(self) -> Result<KerberosOptions, String> {
        if self.kinit_command.is_none() && !self.kinit_arguments.is_empty() {
            return Err("[Kerberos] has KinitArguments and no KinitCommand".to_owned());
        }
        let named = match self.tickets {
            None => None,
            Some(word) if word.eq_ignore_ascii_case("auto") => Some(Tickets::Auto),
            Some(word) if word.eq_ignore_ascii_case("existing") => Some(Tickets::Existing),
            Some(word) => {
                return Err(format!("Tickets is `{word}`; it must be one of auto, existing"));
            }
        };
        let kinit = self.kinit_command.map(|command| {
            Tickets::Kinit(std::iter::once(command).chain(self.kinit_arguments).collect())
        });
        let sources =
            [named, self.cache.map(Tickets::Cache), self.keytab.map(Tickets::Keytab), kinit];
        let mut sources = sources.into_iter().flatten();
        let tickets = sources.next().unwrap_or_default();
        if sources.next().is_some() {
            return Err("[Kerberos] has more than one of Tickets, Cache, Keytab and KinitCommand"
                .to_owned());
        }
        Ok(KerberosOptions {
            tickets,
            realm: self.realm,
            service_class: self.service_class,
            service_port: self.include_port,
            ..KerberosOptions::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Result<KerberosOptions, String> {
        toml::from_str::<Table>(text).map_err(|error| error.to_string())?.options()
    }

    #[test]
    fn table_says_where_tickets_come_from() {
        assert_eq!(options(""), Ok(KerberosOptions::default()));
        for (text, expected) in [
            ("Tickets = 'Existing'", Tickets::Existing),
            ("Cache = 'KCM:'", Tickets::Cache("KCM:".to_owned())),
            ("Keytab = '/k'", Tickets::Keytab("/k".into())),
            (
                "KinitCommand = '/bin/kinit'\nKinitArguments = ['-E']",
                Tickets::Kinit(vec!["/bin/kinit".to_owned(), "-E".to_owned()]),
            ),
        ] {
            assert_eq!(options(text).unwrap().tickets, expected, "{text}");
        }
        let found = options("Realm = 'R'\nServiceClass = 'WSMAN'\nIncludePortInSPN = true");
        let found = found.unwrap();
        assert_eq!(
            (found.realm.as_deref(), found.service_class.as_deref()),
            (Some("R"), Some("WSMAN"))
        );
        assert!(found.service_port && !found.delegate);
    }

    #[test]
    fn wrong_tables_are_named() {
        for (text, part) in [
            ("Tickets = 'mine'", "auto, existing"),
            ("Cache = 'KCM:'\nKeytab = '/k'", "more than one"),
            ("KinitArguments = ['-f']", "no KinitCommand"),
            ("Delegate = true", "Delegate"),
        ] {
            let error = options(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
