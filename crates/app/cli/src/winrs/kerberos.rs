//! The switches about logins by Kerberos. None of them is one of Windows's winrs but `-allowdelegate`, which stands with
//! the others.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use client::{KerberosOptions, Tickets};

use super::args::EXTENSIONS;

#[derive(Args, Debug, Default)]
pub(crate) struct KerberosSwitches {
    /// Which tickets are taken: auto (bought with the password into a cache of their own,
    /// if there is a user name; else yours), or existing (yours, as kinit has left them).
    #[arg(long, value_name = "WHICH", ignore_case = true, hide_possible_values = true, help_heading = EXTENSIONS)]
    tickets: Option<Which>,

    /// Takes the tickets in this cache: FILE:/tmp/krb5cc_0, KCM:, KEYRING:NAME, or a path.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["tickets", "keytab", "kinit"], help_heading = EXTENSIONS)]
    cache: Option<String>,

    /// Buys tickets with the user's key in this file, into a cache of their own.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["tickets", "kinit"], help_heading = EXTENSIONS)]
    keytab: Option<PathBuf>,

    /// Has this program buy the tickets, into a cache of their own: it is called as kinit
    /// is, with -c CACHE and the user's name, and reads the password from stdin.
    #[arg(long, value_name = "PROGRAM", conflicts_with = "tickets", help_heading = EXTENSIONS)]
    kinit: Option<String>,

    /// One more argument for that program, in front of the others. May be repeated.
    #[arg(long, value_name = "ARGUMENT", requires = "kinit", help_heading = EXTENSIONS)]
    kinit_arg: Vec<String>,

    /// The realm of a user whose name has none; the login is then by Kerberos.
    #[arg(long, value_name = "REALM", help_heading = EXTENSIONS)]
    realm: Option<String>,

    /// The class of the service's name in the realm. Without it: HTTP, then host, then
    /// WSMAN, until the realm knows one.
    #[arg(long, value_name = "CLASS", help_heading = EXTENSIONS)]
    spn_class: Option<String>,

    /// The host in the service's name, if it is not the one connected to: for addresses,
    /// aliases and tunnels.
    #[arg(long, value_name = "NAME", help_heading = EXTENSIONS)]
    spn_host: Option<String>,

    /// Puts the port into the service's name, as in HTTP/server:5985.
    #[arg(long, help_heading = EXTENSIONS)]
    spnport: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    Auto,
    Existing,
}

impl KerberosSwitches {
    /// Changes the settings as far as the command line says something.
    pub(super) fn apply(&self, delegate: bool, options: &mut KerberosOptions) {
        if let Some(tickets) = self.source() {
            options.tickets = tickets;
        }
        let given = |own: &Option<String>, known: &mut Option<String>| {
            if own.is_some() {
                known.clone_from(own);
            }
        };
        given(&self.realm, &mut options.realm);
        given(&self.spn_class, &mut options.service_class);
        given(&self.spn_host, &mut options.service_host);
        options.service_port |= self.spnport;
        options.delegate = delegate;
    }

    fn source(&self) -> Option<Tickets> {
        if let Some(name) = &self.cache {
            return Some(Tickets::Cache(name.clone()));
        }
        if let Some(path) = &self.keytab {
            return Some(Tickets::Keytab(path.clone()));
        }
        if let Some(program) = &self.kinit {
            let command = std::iter::once(program).chain(&self.kinit_arg);
            return Some(Tickets::Kinit(command.cloned().collect()));
        }
        self.tickets.map(|which| match which {
            Which::Auto => Tickets::Auto,
            Which::Existing => Tickets::Existing,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        kerberos: KerberosSwitches,
    }

    fn options(words: &[&str]) -> Result<KerberosOptions, String> {
        let line = Line::try_parse_from([&["winrs"], words].concat());
        let line = line.map_err(|error| error.to_string())?;
        let mut options = KerberosOptions {
            tickets: Tickets::Existing,
            realm: Some("OLD".to_owned()),
            ..KerberosOptions::default()
        };
        line.kerberos.apply(false, &mut options);
        Ok(options)
    }

    #[test]
    fn switches_say_which_tickets_and_which_service() {
        let kept = options(&[]).unwrap();
        assert_eq!((kept.tickets, kept.realm.as_deref()), (Tickets::Existing, Some("OLD")));
        for (words, expected) in [
            (["--tickets", "AUTO"].as_slice(), Tickets::Auto),
            (&["--cache", "KCM:"], Tickets::Cache("KCM:".to_owned())),
            (&["--keytab", "/k"], Tickets::Keytab("/k".into())),
            (
                &["--kinit", "/bin/kinit", "--kinit-arg=-E", "--kinit-arg=-A"],
                Tickets::Kinit(["/bin/kinit", "-E", "-A"].map(str::to_owned).into()),
            ),
        ] {
            assert_eq!(options(words).unwrap().tickets, expected);
        }
        let named = options(&["--spn-class", "WSMAN", "--spn-host", "h", "--spnport", "--realm=R"]);
        let named = named.unwrap();
        assert_eq!(named.service_class.as_deref(), Some("WSMAN"));
        assert_eq!((named.service_host.as_deref(), named.service_port), (Some("h"), true));
        assert_eq!(named.realm.as_deref(), Some("R"));
    }

    #[test]
    fn tickets_come_from_one_place_only() {
        for words in [
            ["--cache", "KCM:", "--keytab", "/k"],
            ["--keytab", "/k", "--kinit", "k"],
            ["--tickets", "auto", "--kinit", "k"],
        ] {
            assert!(options(&words).unwrap_err().contains("cannot be used with"), "{words:?}");
        }
        assert!(options(&["--kinit-arg=-E"]).unwrap_err().contains("--kinit"));
    }
}
