//! `[Metrics]`: where Prometheus reads the service's figures. Windows has its performance counters
//! for this; the names are this service's own.
//!
//! ```toml
//! [Metrics]
//! Listen = "127.0.0.1:9985"
//! ```

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::Deserialize;

/// The listener for metrics.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Metrics {
    /// A loopback address and a port of 1024 or above; without it, which is the default, there is no
    /// listener.
    #[serde(rename = "Listen")]
    pub listen: Option<MetricsAddress>,
}

/// A loopback address with a port; with port 0 the system chooses one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct MetricsAddress(SocketAddr);

/// What is wrong with an address for metrics.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricsAddressError {
    /// No address with a port.
    #[error("`{0}` is not of the form ADDRESS:PORT, for instance 127.0.0.1:9985 or [::1]:9985")]
    Malformed(String),
    /// Others could read it.
    #[error(
        "`{0}` is no loopback address: metrics come without a login and without encryption, so they are for this \
         machine only, for instance at 127.0.0.1:9985"
    )]
    NotLoopback(SocketAddr),
    /// The process that listens may not open it.
    #[error("port {0} is below 1024, which only root may open: choose another one")]
    LowPort(u16),
}

impl MetricsAddress {
    /// The address.
    #[must_use]
    pub fn get(self) -> SocketAddr {
        self.0
    }
}

impl FromStr for MetricsAddress {
    type Err = MetricsAddressError;

    fn from_str(text: &str) -> Result<Self, MetricsAddressError> {
        let malformed = |_| MetricsAddressError::Malformed(text.to_owned());
        let address: SocketAddr = text.parse().map_err(malformed)?;
        if !address.ip().is_loopback() {
            return Err(MetricsAddressError::NotLoopback(address));
        }
        match address.port() {
            port @ 1..1024 => Err(MetricsAddressError::LowPort(port)),
            _ => Ok(Self(address)),
        }
    }
}

impl TryFrom<String> for MetricsAddress {
    type Error = MetricsAddressError;

    fn try_from(text: String) -> Result<Self, MetricsAddressError> {
        text.parse()
    }
}

impl fmt::Display for MetricsAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_taken() {
        for text in ["127.0.0.1:9985", "127.1.2.3:1024", "[::1]:0"] {
            assert_eq!(text.parse::<MetricsAddress>().unwrap().to_string(), text);
        }
        for (text, part) in [
            ("0.0.0.0:9985", "is no loopback address"),
            ("10.0.0.1:9985", "for this machine only"),
            ("[::]:9985", "is no loopback address"),
            ("[::ffff:127.0.0.1]:9985", "is no loopback address"),
            ("127.0.0.1:80", "below 1024"),
            ("127.0.0.1", "ADDRESS:PORT"),
            ("localhost:9985", "ADDRESS:PORT"),
        ] {
            let error = text.parse::<MetricsAddress>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
