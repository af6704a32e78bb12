//! `Service/Kerberos`: the keys of Kerberos logins, which Windows has elsewhere.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, de};

/// The table `[Service.Kerberos]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Kerberos {
    /// The file with the service's keys, which the service user must be able to read; by default `keytab` in the service's
    /// folder, where that exists.
    #[serde(rename = "Keytab", deserialize_with = "absolute")]
    pub keytab: Option<PathBuf>,
    /// Whether the keytab may have keys of the host (`host/NAME`, or the machine's account): with them whoever takes the
    /// service over can forge logins to sshd; default false.
    #[serde(rename = "AllowHostKey")]
    pub allow_host_key: bool,
}

fn absolute<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    // The service has no current folder that its administrator knows of.
    if path.is_absolute() {
        Ok(Some(path))
    } else {
        Err(de::Error::custom(format!("{} is no path from the root on", path.display())))
    }
}
