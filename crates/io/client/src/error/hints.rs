//! What a person may try after an error: from the kind of the error, and from what else its client knows.

use http::StatusCode;
use session::client::login::LoginError;
use transport::ConnectError;
use transport::tls::TrustError;
use wsman::fault::Fault;

use super::ticket;
use super::way::Redirected;
use super::{ConfigError, ConnectionError, Error, ErrorKind, ProtocolError};

impl Error {
    /// What a person may try, most likely first.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        if self.certificate && self.is_refusal_of_certificate() {
            return certificate_hints();
        }
        let mut hints = self.hints_of_the_kind();
        let may_be_refused = matches!(
            *self.kind,
            ErrorKind::Denied(
                LoginError::Refused | LoginError::Status(StatusCode::INTERNAL_SERVER_ERROR)
            ) | ErrorKind::Protocol(ProtocolError::Status(StatusCode::INTERNAL_SERVER_ERROR))
        );
        if self.unsealed && may_be_refused {
            hints.insert(0, SERVICE_CONSENT.to_owned());
        }
        hints
    }

    /// Whether the host may have said no to a certificate: some end the connection instead of saying so.
    fn is_refusal_of_certificate(&self) -> bool {
        let is_first = self.is_first();
        match &*self.kind {
            ErrorKind::Denied(LoginError::Refused) => true,
            ErrorKind::Connect(ConnectionError::Lost(_) | ConnectionError::Closed) => is_first,
            ErrorKind::Config(_)
            | ErrorKind::Connect(_)
            | ErrorKind::Denied(_)
            | ErrorKind::Fault(_)
            | ErrorKind::Kerberos(_)
            | ErrorKind::Pool(_)
            | ErrorKind::Protocol(_)
            | ErrorKind::Redirected(_)
            | ErrorKind::Timeout(_) => false,
        }
    }

    /// Whether the operation may be the first thing that a client asks of a host.
    fn is_first(&self) -> bool {
        const FIRST: [&str; 7] =
            ["Create", "Delete", "Enumerate", "Get", "Identify", "Invoke", "Put"];
        FIRST.contains(&self.operation)
    }

    fn hints_of_the_kind(&self) -> Vec<String> {
        let hint = |text: &str| vec![text.to_owned()];
        match &*self.kind {
            ErrorKind::Config(error) => self.config_hints(error),
            ErrorKind::Connect(ConnectionError::Open(error)) => self.connect_hints(error),
            ErrorKind::Connect(ConnectionError::Tls(error)) => error.hints(),
            ErrorKind::Connect(ConnectionError::Proxy { kind, .. }) => kind.hints(),
            ErrorKind::Connect(ConnectionError::Local { .. }) => hint(
                "start the service (`systemctl start transom`, or `transom serve`), name the folder of one with another --state by \
                 TRANSOM_STATE, or name a host with -r:HOST",
            ),
            // The first thing that is asked: perhaps nothing there ever understood a word.
            ErrorKind::Connect(_) if self.is_first() => vec![
                "what answers there may be no WinRM service: check the port (WinRM has http on 5985, and https on 5986 with -usessl)"
                    .to_owned(),
                "or the service was stopped, or something on the way cuts connections".to_owned(),
            ],
            ErrorKind::Connect(_) => {
                hint("the service may have been stopped, or something on the way cuts connections")
            }
            ErrorKind::Denied(LoginError::Auth(auth::Error::PeerMisbehaved(
                auth::PeerMisbehaved::Kerberos { error, .. },
            ))) => ticket::refusal_hints(error.code),
            ErrorKind::Denied(LoginError::Refused) if self.by_ticket => {
                vec![ticket::UNMAPPED.to_owned(), ticket::KEYTAB.to_owned()]
            }
            ErrorKind::Denied(LoginError::Refused) => vec![
                "check user name and password; the service's log says why it refused the login"
                    .to_owned(),
                "an account of the host itself is written HOST\\NAME, one of a domain DOMAIN\\NAME"
                    .to_owned(),
            ],
            ErrorKind::Denied(LoginError::NotOffered { wanted, offered }) => {
                offer_hints(*wanted, offered)
            }
            ErrorKind::Denied(LoginError::Status(status)) => status_hints(*status),
            ErrorKind::Kerberos(error) => {
                let mut hints = ticket::hints(error);
                if self.untrusted {
                    hints.push(self.trust_hint());
                }
                hints
            }
            ErrorKind::Denied(_) | ErrorKind::Pool(_) => Vec::new(),
            ErrorKind::Fault(fault) => fault_hints(fault),
            ErrorKind::Protocol(ProtocolError::Status(status)) => status_hints(*status),
            ErrorKind::Protocol(ProtocolError::NotSealed(status))
                if *status == StatusCode::PAYLOAD_TOO_LARGE =>
            {
                status_hints(*status)
            }
            ErrorKind::Protocol(_) => hint(
                "the other side may be no WinRM service, or something on the way changes messages",
            ),
            ErrorKind::Redirected(Redirected { refusal: None, .. }) => hint(
                "allow it if you trust that address with your password: -AllowRedirection with -ConnectionUri, or winrs --allow-redirection",
            ),
            ErrorKind::Redirected(_) => hint("connect to that address itself"),
            ErrorKind::Timeout(_) => {
                hint("the host may be overloaded, or the network drops packets")
            }
        }
    }

    fn config_hints(&self, error: &ConfigError) -> Vec<String> {
        let hint = |text: &str| vec![text.to_owned()];
        match error {
            ConfigError::BasicUnencrypted | ConfigError::DigestUnencrypted => vec![
                "use --auth ntlm, which encrypts the messages, or https".to_owned(),
                format!(
                    "or allow it on this side: `AllowUnencrypted = true` in {}; the service must allow it too (for Basic: Service AllowUnencrypted and Auth Basic)",
                    crate::settings::display_path()
                ),
            ],
            ConfigError::Unencrypted => vec![
                "leave out -unencrypted: the login then encrypts the messages".to_owned(),
                format!(
                    "or allow it on this side: `AllowUnencrypted = true` in {}; the service must allow it too",
                    crate::settings::display_path()
                ),
            ],
            ConfigError::LoginDisabled(login) => vec![format!(
                "if it shall be used: `{login} = true` in the table [Auth] of {}",
                crate::settings::display_path()
            )],
            ConfigError::CannotSeal(_) => {
                hint("use --auth negotiate or ntlm, or message encryption `auto` with https")
            }
            ConfigError::NotTrusted | ConfigError::AddressNotTrusted => vec![
                self.trust_hint(),
                "or connect by https, where the certificate proves who answers".to_owned(),
            ],
            ConfigError::Trust(TrustError::NoSystemRoots(_)) => {
                hint("install the package ca-certificates, or name the authority: --ca FILE or DIR")
            }
            ConfigError::CertificateUnencrypted => {
                hint("connect by https: -usessl (winrs), -UseSSL (cmdlets), or https://HOST:5986")
            }
            ConfigError::CredSspNotAllowed => vec![
                format!(
                    "if you trust whoever rules that host with your password: AllowFreshCredentials = [\"wsman/{}\"] in the table [CredSSP] of {}",
                    host_of(&self.host),
                    crate::settings::display_path()
                ),
                "or let it act in your name without the password: Kerberos with -allowdelegate"
                    .to_owned(),
            ],
            ConfigError::NoCertificate => hint(
                "name it: --certificate FILE or THUMBPRINT (winrs), -CertificateThumbprint (cmdlets)",
            ),
            ConfigError::NoDelegation(_) => hint(
                "delegation needs a ticket: name the user as USER@REALM and the host by its full name; or use CredSSP",
            ),
            ConfigError::NoTickets(_) => hint(
                "connect by the host's full name, or say which name the ticket is for: --spn-host NAME",
            ),
            ConfigError::CredSspWithoutPassword => {
                hint("name the account: -u:USER (winrs), -Credential (cmdlets)")
            }
            ConfigError::Trust(_) | ConfigError::Credentials(_) | ConfigError::File { .. } => {
                Vec::new()
            }
        }
    }

    fn trust_hint(&self) -> String {
        let (host, file) = (host_of(&self.host), crate::settings::display_path());
        let why =
            if self.untrusted { "to log in by NTLM, which does not prove the host, " } else { "" };
        format!(
            "{why}add the host to the list of trusted hosts: `TrustedHosts = \"{host}\"` in {file}"
        )
    }

    fn connect_hints(&self, error: &ConnectError) -> Vec<String> {
        let mut hints = Vec::new();
        if matches!(error, ConnectError::Resolve { .. }) {
            hints.push("check the spelling of the name".to_owned());
        } else {
            hints.push(
                "check that WinRM runs on the host (`winrm quickconfig` on Windows, `transom serve` elsewhere), and that a firewall lets its port through".to_owned(),
            );
        }
        if self.host.ends_with(":80") || self.host.ends_with(":443") {
            hints.push(
                "a URL without a port means 80 or 443; WinRM listens on 5985 (http) and 5986 (https): write the port, or the bare name".to_owned(),
            );
        }
        hints
    }
}

/// The host of HOST:PORT, without the brackets around an address.
fn host_of(authority: &str) -> &str {
    authority.rsplit_once(':').map_or(authority, |(host, _)| host).trim_matches(['[', ']'])
}

const SERVICE_CERTIFICATES: &str = "or allow logins by certificate in the service's settings: Certificate = true in [Service.Auth]; on Windows: Set-Item WSMan:\\localhost\\Service\\Auth\\Certificate $true";

/// What to try where a login is not offered: the others, or to have the service offer it.
fn offer_hints(wanted: auth::Scheme, offered: &[auth::Scheme]) -> Vec<String> {
    let mut hints: Vec<String> = offered
        .iter()
        .map(|&scheme| {
            if scheme == auth::Scheme::Certificate {
                return "use --certificate FILE or THUMBPRINT".to_owned();
            }
            format!("use --auth {}", scheme.as_str().to_ascii_lowercase())
        })
        .collect();
    if wanted == auth::Scheme::Certificate {
        hints.push(SERVICE_CERTIFICATES.to_owned());
    }
    if wanted == auth::Scheme::Basic {
        hints.push("or allow Basic in the service's settings: AllowUnencrypted = true in [Service] and Basic = true in [Service.Auth]".to_owned());
    }
    hints
}

/// What a host may lack that refuses a certificate; it never says what.
fn certificate_hints() -> Vec<String> {
    vec![
        "the host must map the certificate to an account: on Windows, New-Item WSMan:\\localhost\\ClientCertificate with its subject (UPN) and the thumbprint of its issuer; the account's password must still be the mapped one".to_owned(),
        "the host must allow it (Service Auth Certificate = true), and trust the issuer; a self-signed certificate must be among its trusted people".to_owned(),
        "the certificate must be for clients (extended key usage clientAuth), valid now, and not revoked".to_owned(),
    ]
}

const SERVICE_CONSENT: &str = "the service may refuse unencrypted messages: leave out -unencrypted, or allow it there (AllowUnencrypted = true in [Service]; on Windows: winrm set winrm/config/service @{AllowUnencrypted=\"true\"})";

fn fault_hints(fault: &Fault) -> Vec<String> {
    let text = match fault.error_code().map(|code| code.0) {
        Some(5) => {
            "the account may log in but not do this: it must be a member of Administrators on the host"
        }
        Some(2_150_859_173) => {
            "the account has as many shells as it may have: end some, or raise MaxShellsPerUser"
        }
        Some(2_150_858_843) => {
            "the shell is gone: its idle time was over, or the service was restarted"
        }
        _ => return Vec::new(),
    };
    vec![text.to_owned()]
}

fn status_hints(status: StatusCode) -> Vec<String> {
    let text = match status.as_u16() {
        301 | 302 | 303 | 307 | 308 => {
            "the host sends connections elsewhere without saying where: connect to that address"
        }
        404 => {
            "the path is wrong, WinRM services answer on /wsman; or this is another service's port"
        }
        413 => "the service takes shorter messages only (MaxEnvelopeSizekb)",
        500 => "the service may refuse unencrypted messages (AllowUnencrypted)",
        425 | 429 => {
            "the host has too much to do, and asked too often to be asked later: try again"
        }
        503 => "the service is starting, stopping or overloaded: try again",
        _ => "the other side may be no WinRM service: check the port",
    };
    vec![text.to_owned()]
}
