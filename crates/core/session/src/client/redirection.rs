//! Redirections: where a host may send a client that was allowed to be sent.
//!
//! The user's name and password go where the host says, as on Windows: that is what allowing it means. What never
//! happens is the way from https to http, where the next one could no longer be believed; and whatever a client refuses
//! to do with an address that its user gives, it refuses with one that a host gives.

use super::endpoint::{Endpoint, EndpointError, Transport};

/// The longest address that is read; Windows has 256 characters for it.
const MAX: usize = 2048;

/// Why a client does not go where it is sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectionError {
    /// Away from TLS.
    #[error("it leads from https to http")]
    Downgrade,
    /// No address of a service.
    #[error("{0}")]
    Endpoint(#[from] EndpointError),
    /// An address without end.
    #[error("the address is too long")]
    TooLong,
}

/// The endpoint that `location` means to a client of `from`: a URL, or a path on the same host (RFC 9110 10.2.2).
///
/// # Errors
///
/// [`RedirectionError`].
pub fn target(from: &Endpoint, location: &str) -> Result<Endpoint, RedirectionError> {
    if location.len() > MAX {
        return Err(RedirectionError::TooLong);
    }
    let location = location.split('#').next().unwrap_or_default();
    let url = if location.starts_with("//") {
        format!("{}:{location}", from.transport.scheme())
    } else if location.starts_with('/') {
        format!("{}://{}{location}", from.transport.scheme(), from.authority())
    } else {
        location.to_owned()
    };
    if !url.contains("://") {
        return Err(EndpointError::Transport(location.to_owned()).into());
    }
    let mut target = Endpoint::parse(&url, false)?;
    if location.starts_with('/') && !location.starts_with("//") {
        // The zone of an address is no part of URLs.
        target.host.clone_from(&from.host);
    }
    if from.transport == Transport::Https && target.transport == Transport::Http {
        return Err(RedirectionError::Downgrade);
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_send_to_urls_and_paths() {
        for (from, location, expected) in [
            ("https://a", "https://b/powershell?x=1#y", "https://b:443/powershell?x=1"),
            ("http://a:5985", "https://b:5986", "https://b:5986/wsman"),
            ("http://a:5985", "/other", "http://a:5985/other"),
            ("https://a:5986", "//b/x", "https://b:443/x"),
            ("http://[fe80::1%eth0]:5985", "/x", "http://[fe80::1]:5985/x"),
        ] {
            let from: Endpoint = from.parse().unwrap();
            let target = target(&from, location).unwrap();
            assert_eq!(target.to_string(), expected, "{location}");
            assert!(!location.starts_with("/o") || target.host == from.host);
        }
        let zoned: Endpoint = "http://[fe80::1%eth0]:5985".parse().unwrap();
        assert_eq!(target(&zoned, "/x").unwrap().host, "fe80::1%eth0");
    }

    #[test]
    fn nobody_is_sent_away_from_tls_or_to_what_is_no_service() {
        let from: Endpoint = "https://a".parse().unwrap();
        assert_eq!(target(&from, "http://a/wsman"), Err(RedirectionError::Downgrade));
        assert_eq!(
            target(&from, &format!("https://{}", "a".repeat(MAX))),
            Err(RedirectionError::TooLong)
        );
        for location in ["", "b", "ftp://b", "https://u:p@b", "https://", "https://b:0"] {
            let error = target(&from, location).unwrap_err();
            assert!(matches!(error, RedirectionError::Endpoint(_)), "{location}: {error}");
        }
    }
}
