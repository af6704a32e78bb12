//! What is on the drive below a computer: nodes made of the XML of the configuration.
//!
//! ```text
//! computer ─┬─ MaxEnvelopeSizekb …
//!           ├─ Client ── … Auth, DefaultPorts
//!           ├─ Service ── … Auth, DefaultPorts
//!           ├─ Shell ── …
//!           ├─ Listener ── Listener_1084132640 ── …
//!           ├─ Plugin ── NAME ── …, InitializationParameters, Quotas, Resources ── Resource_N ── …, Security
//!           └─ ClientCertificate ── ClientCertificate_N ── …
//! ```

use wsman::SelectorSet;
use wsman::ns::config;
use wsman::transfer::Locator;
use wsman::xml::Element;

use super::hash;

/// An item of the drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::powershell) struct Node {
    pub(in crate::powershell) name: String,
    pub(in crate::powershell) kind: Kind,
}

/// What an item is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::powershell) enum Kind {
    Leaf(Leaf),
    Branch(Branch),
}

/// A setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::powershell) struct Leaf {
    pub(in crate::powershell) value: String,
    /// Who set it, where that is nobody by the wire: `GPO`, the administrator's file.
    pub(in crate::powershell) source: String,
    pub(in crate::powershell) change: Change,
}

/// How a setting is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::powershell) enum Change {
    /// Not at all: it names its item.
    Never,
    /// The child of this name in a resource.
    Child(Locator),
    /// The attribute of this name at a place in a resource.
    Attribute(Locator, Place),
    /// In the user's `client.toml`: the URI of the part of `winrm/config/client` that has it.
    Own(String),
}

/// A place in a resource: from its element on, which of the children of each name, from 0.
pub(in crate::powershell) type Place = Vec<(String, usize)>;

/// A container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::powershell) struct Branch {
    /// What tells it from its like: `Address=*`.
    pub(in crate::powershell) keys: Vec<String>,
    pub(in crate::powershell) content: Content,
    pub(in crate::powershell) removal: Removal,
}

/// What is in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::powershell) enum Content {
    Known(Vec<Node>),
    /// What a computer has at its top.
    Computer,
    /// A part of the configuration: its URI.
    Section(&'static str),
    Listeners,
    ClientCertificates,
    Plugins,
}

/// How a container is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::powershell) enum Removal {
    Never,
    /// The resource goes.
    Resource(Locator),
    /// A part of a resource goes.
    Part(Locator, Place),
}

impl Node {
    pub(in crate::powershell) fn leaf(
        name: &str,
        value: impl Into<String>,
        source: Option<&str>,
        change: Change,
    ) -> Self {
        let source = source.unwrap_or_default().to_owned();
        Self {
            name: name.to_owned(),
            kind: Kind::Leaf(Leaf { value: value.into(), source, change }),
        }
    }

    pub(in crate::powershell) fn branch(name: &str, content: Content) -> Self {
        let branch = Branch { keys: Vec::new(), content, removal: Removal::Never };
        Self { name: name.to_owned(), kind: Kind::Branch(branch) }
    }
}

/// A computer's top, of `winrm/config`.
pub(in crate::powershell) fn computer(element: &Element) -> Vec<Node> {
    let leaves = inside(element, config::CONFIG);
    let leaves = leaves.into_iter().filter(|node| matches!(node.kind, Kind::Leaf(_)));
    leaves.chain(containers()).collect()
}

/// The containers of a computer.
pub(in crate::powershell) fn containers() -> Vec<Node> {
    let branches = [
        ("Client", Content::Section(config::CLIENT)),
        ("Service", Content::Section(config::SERVICE)),
        ("Shell", Content::Section(config::WINRS)),
        ("Listener", Content::Listeners),
        ("Plugin", Content::Plugins),
        ("ClientCertificate", Content::ClientCertificates),
    ];
    branches.map(|(name, content)| Node::branch(name, content)).into()
}

/// What is in a part of the configuration: its parts are resources too, whose URIs follow from their names.
pub(in crate::powershell) fn inside(element: &Element, uri: &str) -> Vec<Node> {
    let node = |child: &Element| {
        let name = child.name.local();
        if child.elements().next().is_some() {
            let uri = format!("{uri}/{}", name.to_ascii_lowercase());
            return Node::branch(name, Content::Known(inside(child, &uri)));
        }
        let change = Change::Child(Locator::new(uri));
        Node::leaf(name, child.text(), child.attribute("Source"), change)
    };
    element.elements().map(node).collect()
}

/// A listener of the enumeration; its keys cannot be changed, and where it listens follows from them.
pub(in crate::powershell) fn listener(element: &Element) -> Node {
    let text = |name: &str| own_text(element, name);
    let (address, transport, port) = (text("Address"), text("Transport"), text("Port"));
    let keys = [("Address", &address), ("Transport", &transport)];
    let locator = instance(config::LISTENER, &keys);
    let leaf = |child: &Element| {
        let (name, value) = (child.name.local(), child.text());
        let change = match name {
            "Address" | "Transport" | "ListeningOn" => Change::Never,
            _ => Change::Child(locator.clone()),
        };
        let name = match name {
            "ListeningOn" => format!("ListeningOn_{}", hash::number(&value)),
            name => name.to_owned(),
        };
        Node::leaf(&name, value, child.attribute("Source"), change)
    };
    let content = Content::Known(element.elements().map(leaf).collect());
    let keys = vec![format!("Transport={transport}"), format!("Address={address}")];
    let removal = Removal::Resource(locator.clone());
    let name = hash::listener(&address, &transport, &port);
    Node { name, kind: Kind::Branch(Branch { keys, content, removal }) }
}

/// The mapping of a client certificate of the enumeration.
pub(in crate::powershell) fn client_certificate(element: &Element) -> Node {
    const KEYS: [&str; 3] = ["Issuer", "Subject", "URI"];
    let values = KEYS.map(|key| own_text(element, key));
    let pairs: Vec<(&str, &String)> = KEYS.into_iter().zip(&values).collect();
    let locator = instance(config::CERT_MAPPING, &pairs);
    let leaf = |child: &Element| {
        let name = child.name.local();
        let is_key = KEYS.contains(&name);
        let change = if is_key { Change::Never } else { Change::Child(locator.clone()) };
        Node::leaf(name, child.text(), child.attribute("Source"), change)
    };
    let content = Content::Known(element.elements().map(leaf).collect());
    let keys: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let name = format!("ClientCertificate_{}", hash::number(&keys.concat()));
    let removal = Removal::Resource(locator.clone());
    Node { name, kind: Kind::Branch(Branch { keys, content, removal }) }
}

/// The text of a child.
pub(in crate::powershell) fn own_text(element: &Element, name: &str) -> String {
    let child = element.elements().find(|child| child.name.local() == name);
    child.map(Element::trimmed_text).unwrap_or_default()
}

/// Which instance of a resource.
pub(in crate::powershell) fn instance(uri: &str, keys: &[(&str, &String)]) -> Locator {
    let selectors = keys
        .iter()
        .fold(SelectorSet::default(), |set, (name, value)| set.with(name, value.as_str()));
    Locator { selectors, ..Locator::new(uri) }
}

#[cfg(test)]
mod tests {
    use wsman::xml::{Limits, decode};

    use super::*;

    fn read(xml: &str) -> Element {
        decode(xml.as_bytes(), &Limits::default()).unwrap()
    }

    fn names(nodes: &[Node]) -> String {
        let name = |node: &Node| match &node.kind {
            Kind::Leaf(leaf) => format!("{}={}{}", node.name, leaf.value, leaf.source),
            Kind::Branch(Branch { content: Content::Known(nodes), .. }) => {
                format!("{}[{}]", node.name, names(nodes))
            }
            Kind::Branch(_) => format!("{}[…]", node.name),
        };
        nodes.iter().map(name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn configuration_has_the_containers_of_the_drive() {
        let config = read(
            "<c:Config xmlns:c='http://schemas.microsoft.com/wbem/wsman/1/config'><c:MaxTimeoutms>60000</c:MaxTimeoutms>\
             <c:Client><c:NetworkDelayms>5000</c:NetworkDelayms></c:Client></c:Config>",
        );
        assert_eq!(
            names(&computer(&config)),
            "MaxTimeoutms=60000 Client[…] Service[…] Shell[…] Listener[…] Plugin[…] ClientCertificate[…]"
        );
    }

    #[test]
    fn parts_of_a_part_are_changed_at_their_own_uri() {
        let service = read(
            "<c:Service xmlns:c='http://schemas.microsoft.com/wbem/wsman/1/config/service'><c:RootSDDL>O:NS</c:RootSDDL>\
             <c:Auth><c:Basic Source='GPO'>true</c:Basic></c:Auth></c:Service>",
        );
        let nodes = inside(&service, config::SERVICE);
        assert_eq!(names(&nodes), "RootSDDL=O:NS Auth[Basic=trueGPO]");
        let Kind::Branch(Branch { content: Content::Known(auth), .. }) = &nodes[1].kind else {
            panic!()
        };
        let Kind::Leaf(basic) = &auth[0].kind else { panic!() };
        assert_eq!(basic.change, Change::Child(Locator::new(config::SERVICE_AUTH)));
    }

    #[test]
    fn listeners_and_mappings_have_keys_and_selectors() {
        let element = read(
            "<c:Listener xmlns:c='http://schemas.microsoft.com/wbem/wsman/1/config/listener'><c:Address>*</c:Address>\
             <c:Transport>HTTP</c:Transport><c:Port>5985</c:Port><c:Hostname/><c:ListeningOn>127.0.0.1</c:ListeningOn>\
             <c:ListeningOn>::1</c:ListeningOn></c:Listener>",
        );
        let node = listener(&element);
        let Kind::Branch(branch) = &node.kind else { panic!() };
        assert_eq!(node.name, "Listener_1084132640");
        assert_eq!(branch.keys, ["Transport=HTTP", "Address=*"]);
        let Removal::Resource(locator) = &branch.removal else { panic!() };
        assert_eq!(locator.selectors.text("Transport"), Some("HTTP"));
        let Content::Known(nodes) = &branch.content else { panic!() };
        assert!(nodes[4].name.starts_with("ListeningOn_") && nodes[4].name != nodes[5].name);
        let changes = |index: usize| matches!(&nodes[index].kind, Kind::Leaf(leaf) if leaf.change != Change::Never);
        assert_eq!([changes(0), changes(1), changes(2), changes(4)], [false, false, true, false]);

        let mapping = client_certificate(&read(
            "<m><URI>*</URI><Subject>u@x</Subject><Issuer>AB</Issuer><Enabled>true</Enabled></m>",
        ));
        let Kind::Branch(branch) = &mapping.kind else { panic!() };
        assert_eq!(branch.keys, ["Issuer=AB", "Subject=u@x", "URI=*"]);
    }
}
