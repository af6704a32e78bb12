//! The switches of `winrm`, and which operation takes which.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, ValueEnum};
use client::{Level, Pin};

use crate::command_error::CommandError;
use crate::switches;
use crate::winrs::{KerberosSwitches, NetworkSwitches};

/// Everything that can be typed with a `-` in front.
#[derive(Debug, Parser)]
#[command(name = "winrm", disable_help_flag = true, disable_version_flag = true)]
pub(super) struct Switches {
    /// The host: a name, an address ([…] around IPv6), or http[s]://HOST[:PORT][/PATH]. A bare name means port 5985
    /// (5986 with -usessl), a URL without a port port 80 (443 for https). Without this switch: this computer, through
    /// a socket of its own, as the local user that you are.
    #[arg(long, aliases = ["r", "machine"], value_name = "ENDPOINT")]
    pub(super) remote: Option<String>,

    /// The account on the host: NAME, HOST\NAME or NAME@DOMAIN.
    #[arg(long, alias = "u", value_name = "USER")]
    pub(super) username: Option<String>,

    /// Its password. Others may see it on your command line: better leave it out and be asked, or use -password-file
    /// or the variable TRANSOM_PASSWORD.
    #[arg(long, alias = "p", value_name = "PASSWORD")]
    pub(super) password: Option<String>,

    /// How to log in: none, basic, digest, negotiate, kerberos, certificate or credssp, and ntlm.
    #[arg(long, aliases = ["a", "authentication"], value_name = "SCHEME", ignore_case = true, hide_possible_values = true)]
    pub(super) auth: Option<Authentication>,

    /// Logs in by this certificate, over https: the thumbprint of one in ~/.config/transom/certificates, or a file.
    #[arg(long, alias = "c", value_name = "CERTIFICATE")]
    pub(super) certificate: Option<String>,

    /// Leaves messages unencrypted on http: only where the setting AllowUnencrypted of client and service is true.
    #[arg(long, alias = "un")]
    pub(super) unencrypted: bool,

    /// Connects by https.
    #[arg(long, alias = "ssl")]
    pub(super) usessl: bool,

    /// The charset of messages: utf-8 or utf-16.
    #[arg(long, value_name = "CHARSET", ignore_case = true, hide_possible_values = true)]
    pub(super) encoding: Option<Encoding>,

    /// How the answer is shown: text, xml, pretty or json.
    #[arg(long, alias = "f", value_name = "FORMAT")]
    pub(super) format: Option<String>,

    /// What the resource is told beside the request: {KEY="VALUE"[;KEY="VALUE"]}.
    #[arg(long, value_name = "{KEY=VALUE}")]
    pub(super) options: Option<String>,

    /// Only this part of the resource.
    #[arg(long, value_name = "XPATH")]
    pub(super) fragment: Option<String>,

    /// The dialect of -fragment or -filter: a URI, or for filters wql, selector or association.
    #[arg(long, value_name = "URI")]
    pub(super) dialect: Option<String>,

    /// Only the items that this lets through.
    #[arg(long, value_name = "FILTER")]
    pub(super) filter: Option<String>,

    /// A file with the XML that the operation is given.
    #[arg(long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,

    /// How long the host may take for the operation, in milliseconds.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) timeout: Option<u32>,

    /// Anybody may have signed the host's certificate.
    #[arg(long, alias = "skip-ca-check")]
    pub(super) skipcacheck: bool,

    /// The host's certificate may have another name.
    #[arg(long, alias = "skip-cn-check")]
    pub(super) skipcncheck: bool,

    /// Whether the host's certificate was revoked does not matter.
    #[arg(long, alias = "skip-revocation-check")]
    pub(super) skiprevocationcheck: bool,

    /// Logs in by the tickets that you have, over https, by negotiation.
    #[arg(long)]
    pub(super) defaultcreds: bool,

    /// Which proxy settings count: winhttp_settings and ie_settings (those of client.toml), auto_detect (the variables
    /// https_proxy, http_proxy and no_proxy), or no_proxy (none).
    #[arg(
        long,
        alias = "pac",
        value_name = "WHICH",
        ignore_case = true,
        hide_possible_values = true
    )]
    pub(super) proxyaccess: Option<ProxyAccess>,

    /// How to log in to the proxy: basic, digest or negotiate.
    #[arg(long, alias = "pa", value_name = "SCHEME")]
    pub(super) proxyauth: Option<String>,

    /// The account at the proxy.
    #[arg(long, alias = "pu", value_name = "USER")]
    pub(super) proxyusername: Option<String>,

    /// Its password; better use -proxy-password-file or the variable TRANSOM_PROXY_PASSWORD.
    #[arg(long, alias = "pp", value_name = "PASSWORD")]
    pub(super) proxypassword: Option<String>,

    /// What enumerate brings: object, epr or objectandepr.
    #[arg(long, value_name = "TYPE", ignore_case = true, hide_possible_values = true)]
    pub(super) returntype: Option<ReturnType>,

    /// Only items of the class itself.
    #[arg(long)]
    pub(super) shallow: bool,

    /// Only the properties of the class itself.
    #[arg(long)]
    pub(super) basepropertiesonly: bool,

    /// The associations themselves, not what they lead to.
    #[arg(long)]
    pub(super) associations: bool,

    /// Asks nothing.
    #[arg(long, alias = "q")]
    pub(super) quiet: bool,

    /// Which listener quickconfig makes: http or https.
    #[arg(long, value_name = "TRANSPORT", ignore_case = true, hide_possible_values = true)]
    pub(super) transport: Option<Transport>,

    /// Asks nothing, and passes over what would be asked.
    #[arg(long)]
    pub(super) force: bool,

    /// A file whose first line is the password.
    #[arg(long, value_name = "FILE", conflicts_with = "password", help_heading = EXTENSIONS)]
    pub(super) password_file: Option<PathBuf>,

    /// The file with the certificate's private key, if it is not in the same file.
    #[arg(long, value_name = "FILE", requires = "certificate", help_heading = EXTENSIONS)]
    pub(super) key: Option<PathBuf>,

    /// Which TLS is spoken: modern, compat or legacy.
    #[arg(long, value_name = "LEVEL", value_parser = str::parse::<Level>, help_heading = EXTENSIONS)]
    pub(super) tls: Option<Level>,

    /// The certificate authorities that may vouch for the host, a file or a folder.
    #[arg(long, value_name = "PATH", help_heading = EXTENSIONS)]
    pub(super) ca: Option<PathBuf>,

    /// The host's certificate or key must have this SHA-256 fingerprint. May be repeated.
    #[arg(long, value_name = "SHA256", help_heading = EXTENSIONS)]
    pub(super) pin: Vec<Pin>,

    /// The name that the host's certificate must have.
    #[arg(long, value_name = "NAME", help_heading = EXTENSIONS)]
    pub(super) server_name: Option<String>,

    #[command(flatten)]
    pub(super) network: NetworkSwitches,

    #[command(flatten)]
    pub(super) kerberos: KerberosSwitches,

    /// The help of the operation.
    #[arg(long, alias = "?")]
    pub(super) help: bool,
}

const EXTENSIONS: &str = "Not in Windows's winrm:";

/// `-auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Authentication {
    None,
    Basic,
    Digest,
    Negotiate,
    Kerberos,
    Certificate,
    #[value(name = "credssp")]
    CredSsp,
    Ntlm,
}

/// `-encoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Encoding {
    #[value(name = "utf-8")]
    Utf8,
    #[value(name = "utf-16")]
    Utf16,
}

/// `-proxyaccess`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ProxyAccess {
    #[value(name = "ie_settings")]
    IeSettings,
    #[value(name = "winhttp_settings")]
    WinHttpSettings,
    #[value(name = "auto_detect")]
    AutoDetect,
    #[value(name = "no_proxy")]
    NoProxy,
}

/// `-returntype`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ReturnType {
    Object,
    Epr,
    #[value(name = "objectandepr")]
    ObjectAndEpr,
}

/// `-transport`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Transport {
    Http,
    Https,
}

impl Transport {
    /// As Windows writes it in messages.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The switches that belong to certain operations; all others are about the connection.
const OF_OPERATIONS: [(&str, &[&str]); 13] = [
    ("format", &["get", "set", "create", "delete", "enumerate", "invoke", "identify"]),
    ("options", &["get", "set", "create", "delete", "enumerate", "invoke"]),
    ("timeout", &["get", "set", "create", "delete", "enumerate", "invoke", "identify"]),
    ("fragment", &["get", "set", "create", "delete"]),
    ("dialect", &["get", "set", "create", "delete", "enumerate"]),
    ("file", &["set", "create", "invoke"]),
    ("filter", &["enumerate"]),
    ("returntype", &["enumerate"]),
    ("shallow", &["enumerate"]),
    ("basepropertiesonly", &["enumerate"]),
    ("associations", &["enumerate"]),
    ("transport", &["quickconfig"]),
    ("force", &["quickconfig"]),
];

/// Whether an operation takes a switch.
fn takes(operation: &str, switch: &str) -> bool {
    if switch == "help" {
        return true;
    }
    if switch == "quiet" {
        return operation == "quickconfig";
    }
    match OF_OPERATIONS.iter().find(|(name, _)| *name == switch) {
        Some((_, operations)) => operations.contains(&operation),
        None => !matches!(operation, "quickconfig" | "helpmsg" | "help"),
    }
}

/// The switches that make the connection one to a host, and not the computer's own socket.
const OF_A_HOST: [&str; 8] = [
    "remote",
    "username",
    "password",
    "password-file",
    "auth",
    "certificate",
    "usessl",
    "unencrypted",
];

/// The words behind the operation, taken apart.
#[derive(Debug)]
pub(super) struct Typed {
    pub(super) switches: Switches,
    /// Whether one of them asks for a host.
    pub(super) names_host: bool,
}

/// Reads the switches of an operation.
///
/// # Errors
/// One that does not exist, stands twice, has no value or a wrong one, or that the operation does not take; a word behind
/// the first switch that is none.
pub(super) fn read(operation: &str, words: &[OsString]) -> Result<Typed, CommandError> {
    let parsed = switches::parse(&Switches::command(), words)?;
    if let Some(word) = parsed.rest.first() {
        return Err(CommandError::usage(format!(
            "the word {:?} stands behind the switches",
            word.to_string_lossy()
        )));
    }
    let asks_help = parsed.switches.iter().any(|switch| switch.name == "help");
    let refused = parsed.switches.iter().find(|switch| !takes(operation, &switch.name));
    if let Some(switch) = refused.filter(|_| !asks_help) {
        return Err(CommandError::usage(format!(
            "switch not allowed with the given operation: -{}",
            switch.name
        )));
    }
    let names_host = parsed.switches.iter().any(|switch| OF_A_HOST.contains(&switch.name.as_str()));
    let matches = Switches::command().try_get_matches_from(parsed.into_clap("winrm"))?;
    let switches = Switches::from_arg_matches(&matches)?;
    if asks_help {
        return Ok(Typed { switches, names_host });
    }
    switches.check(names_host)?;
    Ok(Typed { switches, names_host })
}

impl Switches {
    /// Refuses what does not go together, as Windows's `winrm` does.
    fn check(&self, names_host: bool) -> Result<(), CommandError> {
        let wrong = |text: &str| Err(CommandError::usage(text));
        let has_password = self.password.is_some() || self.password_file.is_some();
        let is_certificate =
            self.certificate.is_some() || self.auth == Some(Authentication::Certificate);
        match self.auth {
            Some(Authentication::Basic | Authentication::Digest | Authentication::CredSsp)
                if self.username.is_none() =>
            {
                return wrong("a login by basic, digest or credssp needs -username");
            }
            Some(Authentication::None)
                if self.username.is_some() || has_password || self.certificate.is_some() =>
            {
                return wrong("-auth:none goes with no user name, password or certificate");
            }
            _ => {}
        }
        if is_certificate && (self.username.is_some() || self.password.is_some()) {
            return wrong("a login by certificate goes with no user name or password");
        }
        if self.auth == Some(Authentication::Certificate) && self.certificate.is_none() {
            return wrong("a login by certificate needs -certificate:THUMBPRINT");
        }
        if has_password && self.username.is_none() && !is_certificate {
            return wrong("a password without a user name");
        }
        if self.defaultcreds {
            if self.username.is_some() || has_password {
                return wrong("-defaultcreds goes with no user name or password");
            }
            if !matches!(self.auth, None | Some(Authentication::Negotiate)) {
                return wrong("-defaultcreds goes with -auth:negotiate only");
            }
        }
        let has_proxy = self.proxyaccess.is_some() || self.network.names_proxy();
        if self.proxyauth.is_some() && !has_proxy {
            return wrong("-proxyauth needs -proxyaccess");
        }
        if self.proxyusername.is_some() && self.proxyauth.is_none() {
            return wrong("-proxyusername needs -proxyauth");
        }
        if self.proxypassword.is_some() && self.proxyusername.is_none() {
            return wrong("-proxypassword needs -proxyusername");
        }
        if self.encoding.is_some() && self.remote.is_none() {
            return wrong("-encoding needs -remote");
        }
        if !names_host && (self.defaultcreds || has_proxy) {
            return wrong("a login needs a host: -remote is missing");
        }
        Ok(())
    }
}

/// The switches, as the help, completions and the manual need them.
pub(super) fn command() -> clap::Command {
    Switches::command()
}
