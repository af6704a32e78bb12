//! The switches about the way to the host and what protects messages on it. None of them is one of Windows's winrs.

use std::path::PathBuf;

use auth::Secret;
use clap::{Args, ValueEnum};
use client::{ChannelBinding, Config, Credentials, Encryption, ProxyAuthentication};

use super::args::EXTENSIONS;
use crate::command_error::CommandError;

/// The variable that may hold the password of the account at the proxy.
pub(crate) const PROXY_PASSWORD_VARIABLE: &str = "TRANSOM_PROXY_PASSWORD";
/// So often a host may send the connection elsewhere, as PowerShell's `MaximumConnectionRedirectionCount` has it.
const REDIRECTIONS: u32 = 5;

#[derive(Args, Debug, Default)]
pub(crate) struct NetworkSwitches {
    /// Whether the login encrypts the messages: auto (on http), always (on https too,
    /// inside TLS; with negotiate and ntlm), or never (as -unencrypted).
    #[arg(long, value_name = "WHEN", ignore_case = true, hide_possible_values = true, help_heading = EXTENSIONS)]
    message_encryption: Option<Sealing>,

    /// Whether the login on https is tied to this connection, so that nobody in the
    /// middle can pass it on: auto (always), or never, for a host behind something
    /// that ends TLS.
    #[arg(long, value_name = "WHEN", ignore_case = true, hide_possible_values = true, help_heading = EXTENSIONS)]
    channel_binding: Option<Binding>,

    /// Lets the host send the connection to another address, up to five times, where
    /// user name and password go then; never from https to http.
    #[arg(long, help_heading = EXTENSIONS)]
    allow_redirection: bool,

    /// The proxy to connect through: http://HOST:PORT; none; or environment, for the
    /// variables https_proxy, http_proxy and no_proxy. Without it: [Proxy] of
    /// client.toml. Every connection is a tunnel, which the proxy must allow.
    #[arg(long, value_name = "ADDRESS", help_heading = EXTENSIONS)]
    proxy: Option<String>,

    /// How to log in to the proxy: negotiate (NTLM), basic, or digest.
    #[arg(long, value_name = "SCHEME", ignore_case = true, hide_possible_values = true, help_heading = EXTENSIONS)]
    proxy_auth: Option<ProxyScheme>,

    /// The account at the proxy. The password is asked for, or taken from the file or
    /// from the variable TRANSOM_PROXY_PASSWORD.
    #[arg(long, value_name = "USER", help_heading = EXTENSIONS)]
    pub(super) proxy_user: Option<String>,

    /// A file whose first line is the password at the proxy.
    #[arg(long, value_name = "FILE", help_heading = EXTENSIONS)]
    pub(super) proxy_password_file: Option<PathBuf>,

    /// What became of the two above, or the password itself where a program takes it.
    #[arg(skip)]
    pub(crate) proxy_password: Option<Secret>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sealing {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Binding {
    Auto,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ProxyScheme {
    Basic,
    Digest,
    Negotiate,
}

impl NetworkSwitches {
    /// Whether a proxy, or none, is asked for.
    pub(crate) const fn names_proxy(&self) -> bool {
        self.proxy.is_some()
    }

    /// Takes the proxy as Windows's `winrm` names it: the word for it, how to log in there, and who does.
    ///
    /// # Errors
    /// There is no such way to log in, or it is said twice.
    pub(crate) fn take(
        &mut self,
        proxy: Option<&str>,
        scheme: Option<&str>,
        user: Option<String>,
    ) -> Result<(), CommandError> {
        if proxy.is_some() && self.proxy.is_some() {
            return Err(CommandError::usage("-proxyaccess and --proxy want different things"));
        }
        if let Some(proxy) = proxy {
            self.proxy = Some(proxy.to_owned());
        }
        if let Some(scheme) = scheme {
            let known = ProxyScheme::from_str(scheme, true);
            let wrong = |_| {
                CommandError::usage(format!("{scheme:?} is no way to log in to a proxy"))
                    .hint("it is one of basic, digest and negotiate")
            };
            self.proxy_auth = Some(known.map_err(wrong)?);
        }
        self.proxy_user = user.or_else(|| self.proxy_user.take());
        Ok(())
    }

    /// Refuses what contradicts itself, before anything is asked.
    ///
    /// # Errors
    /// Two switches that do not go together.
    pub(crate) fn check(&self, unencrypted: bool) -> Result<(), CommandError> {
        if unencrypted && self.message_encryption.is_some_and(|wanted| wanted != Sealing::Never) {
            return Err(CommandError::usage(
                "-unencrypted and -message-encryption want different things",
            )
            .hint("leave one of them out"));
        }
        if self.proxy_password_file.is_some() && self.proxy_user.is_none() {
            return Err(CommandError::usage("a password at the proxy without a user name")
                .hint("add --proxy-user USER"));
        }
        Ok(())
    }

    /// The configuration, changed by what was typed.
    ///
    /// # Errors
    /// A proxy that is none, or an account for a proxy that there is not.
    pub(super) fn apply(&self, unencrypted: bool, config: &mut Config) -> Result<(), CommandError> {
        let settings = &mut config.settings;
        match self.message_encryption {
            Some(Sealing::Auto) => settings.encryption = Encryption::Auto,
            Some(Sealing::Always) => settings.encryption = Encryption::Always,
            Some(Sealing::Never) => settings.encryption = Encryption::Never,
            None if unencrypted => settings.encryption = Encryption::Never,
            None => {}
        }
        match self.channel_binding {
            Some(Binding::Auto) => settings.channel_binding = ChannelBinding::Auto,
            Some(Binding::Never) => settings.channel_binding = ChannelBinding::Never,
            None => {}
        }
        if self.allow_redirection {
            config.redirections = REDIRECTIONS;
        }
        let proxy = &mut settings.proxy;
        if let Some(word) = &self.proxy {
            proxy.take(word).map_err(CommandError::usage)?;
        }
        match self.proxy_auth {
            Some(ProxyScheme::Basic) => proxy.authentication = ProxyAuthentication::Basic,
            Some(ProxyScheme::Digest) => proxy.authentication = ProxyAuthentication::Digest,
            Some(ProxyScheme::Negotiate) => proxy.authentication = ProxyAuthentication::Negotiate,
            None => {}
        }
        if let (Some(user), Some(password)) = (&self.proxy_user, &self.proxy_password) {
            if proxy.proxies.http.is_none() && proxy.proxies.https.is_none() {
                return Err(CommandError::usage("an account at a proxy, and no proxy")
                    .hint("add --proxy http://HOST:PORT"));
            }
            let (user, password) = (user.clone(), password.clone());
            proxy.credentials = Some(Credentials { user, password });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::{FromArgMatches as _, Parser};

    use super::*;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        network: NetworkSwitches,
    }

    fn applied(words: &[&str], unencrypted: bool) -> Result<Config, String> {
        let words = [["winrs"].as_slice(), words].concat();
        let matches = <Alone as clap::CommandFactory>::command().try_get_matches_from(words);
        let mut network = Alone::from_arg_matches(&matches.unwrap()).unwrap().network;
        network.proxy_password = network.proxy_user.as_ref().map(|_| Secret::from("p"));
        let credentials = Credentials { user: "u".to_owned(), password: Secret::from("p") };
        let mut config = Config::new("https://h".parse().unwrap(), credentials);
        network.check(unencrypted).map_err(|error| error.error().to_owned())?;
        let done = network.apply(unencrypted, &mut config);
        done.map(|()| config).map_err(|error| error.error().to_owned())
    }

    #[test]
    fn switches_change_the_settings() {
        let config = applied(&[], false).unwrap();
        assert_eq!(config.settings, client::Settings::default());
        assert_eq!(applied(&[], true).unwrap().settings.encryption, Encryption::Never);
        let words = [
            "--message-encryption=Always",
            "--channel-binding=never",
            "--allow-redirection",
            "--proxy=http://proxy:3128",
            "--proxy-auth=DIGEST",
            "--proxy-user=u",
        ];
        let config = applied(&words, false).unwrap();
        let settings = config.settings;
        assert_eq!(settings.encryption, Encryption::Always);
        assert_eq!(settings.channel_binding, ChannelBinding::Never);
        assert_eq!(config.redirections, 5);
        let proxy = settings.proxy;
        assert_eq!(proxy.proxies.of(&config.endpoint).unwrap().to_string(), "proxy:3128");
        assert_eq!(proxy.authentication, ProxyAuthentication::Digest);
        assert_eq!(proxy.credentials.unwrap().user, "u");
    }

    #[test]
    fn switches_that_do_not_go_together_are_refused() {
        for (words, unencrypted, part) in [
            (vec!["--message-encryption=always"], true, "want different things"),
            (vec!["--proxy-password-file=x"], false, "without a user name"),
            (vec!["--proxy-user=u"], false, "no proxy"),
            (vec!["--proxy-user=u", "--proxy=none"], false, "no proxy"),
            (vec!["--proxy=socks5://x"], false, "only proxies by http"),
        ] {
            let error = applied(&words, unencrypted).unwrap_err();
            assert!(error.contains(part), "{words:?}: {error}");
        }
    }
}
