//! [`Target`]: which service a ticket is for, and the names under which a KDC may know it.

/// A host's service, as a service principal name has it ([MS-KILE] 3.1.5.11, RFC 4120 6.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the parts of a name")]
pub struct Target {
    /// The host's name.
    pub host: String,
    /// The service class; without it `HTTP`, then `host`, then `WSMAN` where the KDC does not know the one before.
    pub class: Option<String>,
    /// The port, where it belongs to the name (`IncludePortInSPN`, `-SPNPort`).
    pub port: Option<u16>,
    /// The realm, where it is not the one that `krb5.conf` and the KDC say.
    pub realm: Option<String>,
}

impl Target {
    /// The service classes to try, in their order.
    pub(super) fn classes(&self) -> Vec<&str> {
        self.class.as_deref().map_or_else(|| vec!["HTTP", "host", "WSMAN"], |class| vec![class])
    }

    /// The second part of the name: the host in small letters, as services are registered where the case counts, with the
    /// port where it belongs to the name.
    pub(super) fn instance(&self) -> String {
        let host = self.host.to_ascii_lowercase();
        self.port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
    }
}
