//! The `winrm/config` tree: its nodes, and every setting with its kind, range and default, [MS-WSMV] 2.2.4.10 and 2.2.5.1.
//!
//! ```text
//! Config ── MaxEnvelopeSizekb …
//!   ├── Client ── … Auth ── …  DefaultPorts ── …        each of these is a resource of its own as well
//!   ├── Service ── … Auth ── …  DefaultPorts ── …
//!   └── Winrs ── …
//! Listener, CertMapping: instances with selectors;  Plugin: an element of its own kind
//! ```
//!
//! The table is walked in the order of the schema: [`write()`] makes the element of a node, [`read_put`] tells what another
//! one would change, and the fault where it may not.

pub mod plugin;
mod read;
mod table;
mod value;
mod write;

use crate::ns::config as uri;

pub use read::{Change, check_change, read_put};
pub use value::{Kind, canonical};
pub use write::write;

/// A resource of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "[MS-WSMV] 2.2.4.10 names no more")]
pub enum Node {
    /// `winrm/config`: the whole tree.
    Config,
    /// `winrm/config/client`.
    Client,
    /// `winrm/config/client/auth`.
    ClientAuth,
    /// `winrm/config/client/defaultports`.
    ClientDefaultPorts,
    /// `winrm/config/service`.
    Service,
    /// `winrm/config/service/auth`.
    ServiceAuth,
    /// `winrm/config/service/defaultports`.
    ServiceDefaultPorts,
    /// `winrm/config/winrs`.
    Winrs,
    /// `winrm/config/listener`, one for each address and transport.
    Listener,
    /// `winrm/config/service/certmapping`, one for each issuer, subject and URI.
    CertMapping,
    /// `winrm/config/plugin`, one for each name.
    Plugin,
}

impl Node {
    /// Every node.
    pub const ALL: [Self; 11] = [
        Self::Config,
        Self::Client,
        Self::ClientAuth,
        Self::ClientDefaultPorts,
        Self::Service,
        Self::ServiceAuth,
        Self::ServiceDefaultPorts,
        Self::Winrs,
        Self::Listener,
        Self::CertMapping,
        Self::Plugin,
    ];

    /// The node with this resource URI, in whatever case; Windows's aliases `winrm/…` and `wsman/…` are taken as well.
    #[must_use]
    pub fn of_uri(text: &str) -> Option<Self> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let short = |text: &str| {
            let (alias, rest) = text.split_once('/')?;
            let is_alias = ["winrm", "wsman"].iter().any(|known| alias.eq_ignore_ascii_case(known));
            is_alias.then(|| rest.to_owned())
        };
        let long = |node: &Self| node.uri().strip_prefix(uri::ROOT).unwrap_or_default();
        match short(text) {
            Some(rest) => Self::ALL.into_iter().find(|node| long(node).eq_ignore_ascii_case(&rest)),
            None => Self::ALL.into_iter().find(|node| node.uri().eq_ignore_ascii_case(text)),
        }
    }

    /// The resource URI, which is the namespace of its elements as well.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Config => uri::CONFIG,
            Self::Client => uri::CLIENT,
            Self::ClientAuth => uri::CLIENT_AUTH,
            Self::ClientDefaultPorts => uri::CLIENT_DEFAULT_PORTS,
            Self::Service => uri::SERVICE,
            Self::ServiceAuth => uri::SERVICE_AUTH,
            Self::ServiceDefaultPorts => uri::SERVICE_DEFAULT_PORTS,
            Self::Winrs => uri::WINRS,
            Self::Listener => uri::LISTENER,
            Self::CertMapping => uri::CERT_MAPPING,
            Self::Plugin => uri::PLUGIN,
        }
    }

    /// The name of its element.
    #[must_use]
    pub const fn element(self) -> &'static str {
        match self {
            Self::Config => "Config",
            Self::Client => "Client",
            Self::ClientAuth | Self::ServiceAuth => "Auth",
            Self::ClientDefaultPorts | Self::ServiceDefaultPorts => "DefaultPorts",
            Self::Service => "Service",
            Self::Winrs => "Winrs",
            Self::Listener => "Listener",
            Self::CertMapping => "CertMapping",
            Self::Plugin => "PlugInConfiguration",
        }
    }

    /// Where its settings are in the tree, with a `/` at the end unless it is the whole; `None` for what has instances.
    #[must_use]
    pub const fn path(self) -> Option<&'static str> {
        match self {
            Self::Config => Some(""),
            Self::Client => Some("Client/"),
            Self::ClientAuth => Some("Client/Auth/"),
            Self::ClientDefaultPorts => Some("Client/DefaultPorts/"),
            Self::Service => Some("Service/"),
            Self::ServiceAuth => Some("Service/Auth/"),
            Self::ServiceDefaultPorts => Some("Service/DefaultPorts/"),
            Self::Winrs => Some("Winrs/"),
            Self::Listener | Self::CertMapping | Self::Plugin => None,
        }
    }

    /// Its settings and those of the nodes in it, in the order of the schema. Those of a plug-in are attributes and
    /// elements of its own kind: it has none here.
    pub fn settings(self) -> impl Iterator<Item = &'static Setting> {
        let all = match self {
            Self::Listener => table::LISTENER,
            Self::CertMapping => table::CERT_MAPPING,
            Self::Plugin => &[],
            Self::Config
            | Self::Client
            | Self::ClientAuth
            | Self::ClientDefaultPorts
            | Self::Service
            | Self::ServiceAuth
            | Self::ServiceDefaultPorts
            | Self::Winrs => table::TREE,
        };
        let prefix = self.path().unwrap_or_default();
        all.iter().filter(move |setting| setting.path.starts_with(prefix))
    }
}

/// One setting.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "rows of a table")]
pub struct Setting {
    /// Where it is in the tree, such as `Service/Auth/Basic`; the name alone for a listener or a mapping.
    pub path: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// Its value where nobody gave it one.
    pub default: &'static str,
    /// Whether it can be changed.
    pub mutability: Mutability,
    /// What it does, in a line.
    pub summary: &'static str,
}

/// Whether a setting can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "Windows knows no more")]
pub enum Mutability {
    /// It can.
    Free,
    /// It is there for old clients, has no effect, and cannot.
    Deprecated,
    /// It cannot: it is shown.
    ReadOnly,
}

impl Setting {
    /// The setting at this place of the tree, in whatever case: `Service/Auth/Basic`.
    #[must_use]
    pub fn find(path: &str) -> Option<&'static Self> {
        Node::Config.settings().find(|setting| setting.path.eq_ignore_ascii_case(path))
    }

    /// Its own name, the last part of its path.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }
}

/// The value of a setting, as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what an element of the tree has")]
pub struct Value {
    /// The text.
    pub text: String,
    /// Who gave it, where that is not the service's own store.
    pub source: Option<Origin>,
}

impl Value {
    /// A value of the service's own store, or a default.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), source: None }
    }

    /// A value that an administrator's policy gives.
    #[must_use]
    pub fn policy(text: impl Into<String>) -> Self {
        Self { text: text.into(), source: Some(Origin::Policy) }
    }
}

/// Who gave a value or an instance: the attribute `Source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "Windows writes no more")]
pub enum Origin {
    /// A policy of the administrator, which the wire cannot change: `GPO`.
    Policy,
    /// A setting for old clients made this listener: `Compatibility`.
    Compatibility,
}

impl Origin {
    /// The attribute's name.
    pub const ATTRIBUTE: &'static str = "Source";

    /// The attribute's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "GPO",
            Self::Compatibility => "Compatibility",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_found_by_uri_and_alias_in_any_case() {
        let base = "http://schemas.microsoft.com/wbem/wsman/1/config";
        for (text, node) in [
            (base.to_owned(), Node::Config),
            (format!("{base}/"), Node::Config),
            (base.to_uppercase(), Node::Config),
            (format!("{base}/Service/Auth"), Node::ServiceAuth),
            ("winrm/config".to_owned(), Node::Config),
            ("WinRM/Config/Client/DefaultPorts".to_owned(), Node::ClientDefaultPorts),
            ("wsman/config/Listener".to_owned(), Node::Listener),
            ("winrm/config/service/certmapping".to_owned(), Node::CertMapping),
        ] {
            assert_eq!(Node::of_uri(&text), Some(node), "{text}");
        }
        for text in ["", "winrm", "winrm/confi", "config", "wmi/config", "winrm/config//"] {
            assert_eq!(Node::of_uri(text), None, "{text}");
        }
    }

    #[test]
    fn each_node_has_its_settings() {
        let names = |node: Node| node.settings().map(Setting::name).collect::<Vec<_>>();
        assert_eq!(names(Node::ClientDefaultPorts), ["HTTP", "HTTPS"]);
        assert_eq!(names(Node::Winrs).len(), 7);
        assert_eq!(names(Node::Listener).first(), Some(&"Address"));
        assert_eq!(Node::Config.settings().count(), 44);
        assert_eq!(names(Node::Plugin), [""; 0]);
        assert_eq!(Setting::find("service/auth/BASIC").unwrap().path, "Service/Auth/Basic");
        assert_eq!(Setting::find("Service/Auth"), None);
    }

    #[test]
    fn defaults_are_values_of_their_kind_as_they_are_written() {
        let nodes = [Node::Config, Node::Listener, Node::CertMapping];
        for setting in nodes.into_iter().flat_map(Node::settings) {
            assert_eq!(
                canonical(setting, setting.default).as_deref(),
                Ok(setting.default),
                "{}",
                setting.path
            );
        }
    }
}
