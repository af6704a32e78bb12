//! Whether the certificate of an https listener fits it, and which one fits where nobody says.

use session::client::endpoint::Transport;
use transport::tls::{Facts, Usage};
use wsman::fault::{ErrorCode, Fault};

use super::secure::{Store, is_past};
use crate::certificates::{CertificatesError, Thumbprint};
use crate::settings::Listener;

/// Looks at what a listener says of certificates; one by https that names none gets the only one that fits.
///
/// # Errors
///
/// Windows's fault for each thing that can be wrong.
pub(super) fn judge(listener: &mut Listener, store: &Store) -> Result<(), Box<Fault>> {
    if listener.transport == Transport::Http {
        return match listener.certificate {
            Some(_) => fault(
                ErrorCode::CONFIG_THUMBPRINT_SHOULD_BE_EMPTY,
                "A listener on HTTP has no certificate: CertificateThumbprint must be empty. ",
            ),
            None => Ok(()),
        };
    }
    let Some(thumbprint) = &listener.certificate else {
        listener.certificate = Some(only_fit(store, &listener.hostname)?);
        return Ok(());
    };
    let identity = match store.read(thumbprint) {
        Ok(identity) => identity,
        Err(CertificatesError::Unknown(_) | CertificatesError::Nothing(_)) => {
            let text = format!(
                "The service has no certificate {thumbprint}: `transom cert show` lists those that it has. "
            );
            return fault(ErrorCode::CERT_NOT_FOUND, &text);
        }
        Err(error) => return fault(ErrorCode::CERT_NOT_FOUND, &format!("{error}. ")),
    };
    let facts = match identity.facts() {
        Ok(facts) => facts,
        Err(error) => return fault(ErrorCode::CERT_NOT_FOUND, &format!("{error}. ")),
    };
    if !may_serve(&facts) {
        let text = format!("The certificate {thumbprint} was not made for servers. ");
        return fault(ErrorCode::CERT_INVALID_USAGE, &text);
    }
    if !listener.hostname.is_empty() && !is_named(&facts, &listener.hostname) {
        let text = format!(
            "The certificate {thumbprint} is for {}, and not for {}. ",
            names(&facts).join(", "),
            listener.hostname
        );
        return fault(ErrorCode::CONFIG_CERT_CN_DOES_NOT_MATCH_HOSTNAME, &text);
    }
    Ok(())
}

fn fault<T>(code: ErrorCode, text: &str) -> Result<T, Box<Fault>> {
    Err(Box::new(Fault::new(code, text)))
}

/// The only certificate that a server with this name can show; any name will do where there is none.
pub(super) fn only_fit(store: &Store, hostname: &str) -> Result<Thumbprint, Box<Fault>> {
    let all = store.all().or_else(|error| {
        fault(ErrorCode::QUICK_CONFIG_FAILED_CERT_REQUIRED, &format!("{error}. "))
    })?;
    let fits = |facts: &Facts| {
        may_serve(facts) && !is_past(facts) && (hostname.is_empty() || is_named(facts, hostname))
    };
    let mut fit: Vec<Thumbprint> = all
        .into_iter()
        .filter(|(_, identity)| identity.facts().is_ok_and(|facts| fits(&facts)))
        .map(|(thumbprint, _)| thumbprint)
        .collect();
    match (fit.pop(), fit.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(_), false) => fault(
            ErrorCode::CERT_THUMBPRINT_BLANK,
            "The service has several certificates that fit: CertificateThumbprint must say which. ",
        ),
        (None, _) => fault(
            ErrorCode::QUICK_CONFIG_FAILED_CERT_REQUIRED,
            "Cannot create a WinRM listener on HTTPS because this machine does not have an appropriate certificate: one that \
             is for servers, for its Hostname and not expired. `transom cert new-server` makes one. ",
        ),
    }
}

/// Whether a certificate may be a server's: where it says what it is for, that must be among it.
fn may_serve(facts: &Facts) -> bool {
    facts.usages.is_empty() || facts.usages.contains(&Usage::ServerAuth)
}

/// The names of a certificate, its subject's common name among them.
fn names(facts: &Facts) -> Vec<String> {
    let mut names = facts.names.clone();
    let common = facts.subject.split(',').find_map(|part| part.trim().strip_prefix("CN="));
    if let Some(common) = common.filter(|common| !names.iter().any(|name| name == common)) {
        names.push(common.to_owned());
    }
    names
}

/// Whether a certificate is for that host: by its whole name, or by `*` in place of the first part.
fn is_named(facts: &Facts, hostname: &str) -> bool {
    names(facts).iter().any(|name| {
        name.eq_ignore_ascii_case(hostname)
            || match (name.strip_prefix("*."), hostname.split_once('.')) {
                (Some(domain), Some((first, rest))) => {
                    !first.is_empty() && rest.eq_ignore_ascii_case(domain)
                }
                _ => false,
            }
    })
}
