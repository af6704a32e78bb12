//! Compares documents as an outside program canonicalises them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use quick_xml::NsReader;
use quick_xml::events::Event;
use quick_xml::name::ResolveResult;

/// An element by expanded name, with what has no order sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) text: String,
    pub(crate) children: Vec<Self>,
}

impl Tree {
    /// The first difference, for a message that can be read.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        let head = |tree: &Self| {
            format!(
                "<{} {:?}>{:?} ({})",
                tree.name,
                tree.attributes,
                tree.text,
                tree.children.len()
            )
        };
        if head(self) != head(other) {
            return Some(format!("\n  theirs {}\n  ours   {}", head(self), head(other)));
        }
        let mut pairs = self.children.iter().zip(&other.children);
        pairs.find_map(|(one, other)| one.difference(other))
    }
}

/// The document in canonical form (C14N 1.0), by libxml2.
pub(crate) fn canonicalise(document: &[u8]) -> Vec<u8> {
    #[expect(clippy::disallowed_methods, reason = "the judge is a program that is not ours")]
    let child = Command::new("xmllint")
        .args(["--nonet", "--c14n", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    testkit::report("PEER xmllint 2: canonicalised what was compared");
    let mut child =
        child.expect("this test needs the program xmllint: install Debian's package libxml2-utils");
    let mut stdin = child.stdin.take().unwrap();
    let input = document.to_vec();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(&input));
        child.wait_with_output().unwrap()
    });
    assert!(
        output.status.success(),
        "xmllint refuses {}: {}",
        String::from_utf8_lossy(document),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// The canonical tree of a document.
pub(crate) fn tree(document: &[u8]) -> Tree {
    let canonical = String::from_utf8(canonicalise(document)).unwrap();
    let mut reader = NsReader::from_str(&canonical);
    let mut open: Vec<Tree> = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                let resolver = reader.resolver();
                let expand = |result: ResolveResult<'_>, local: &str| match result {
                    ResolveResult::Bound(namespace) => {
                        format!("{{{}}}{local}", namespace.as_ref() as &str)
                    }
                    ResolveResult::Unbound => local.to_owned(),
                    ResolveResult::Unknown(prefix) => panic!("unbound {prefix:?}"),
                };
                let (namespace, local) = resolver.resolve_element(start.name());
                let name = expand(namespace, local.as_ref());
                let mut attributes = Vec::new();
                for attribute in start.attributes() {
                    let attribute = attribute.unwrap();
                    if attribute.key.as_namespace_binding().is_some() {
                        continue;
                    }
                    let (namespace, local) = resolver.resolve_attribute(attribute.key);
                    let key = expand(namespace, local.as_ref());
                    let value = attribute
                        .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                        .unwrap()
                        .into_owned();
                    let value = if key.ends_with("}type") { qname(&reader, &value) } else { value };
                    attributes.push((key, value));
                }
                open.push(Tree { name, attributes, text: String::new(), children: Vec::new() });
            }
            Event::End(_) => {
                let mut tree = open.pop().unwrap();
                if tree.name.ends_with("soap-envelope}Value") {
                    tree.text = qname(&reader, tree.text.trim());
                }
                normalise(&mut tree);
                match open.last_mut() {
                    Some(parent) => parent.children.push(tree),
                    None => return tree,
                }
            }
            Event::Text(text) => open.last_mut().into_iter().for_each(|tree| tree.text += &text),
            Event::GeneralRef(reference) => {
                let tree = open.last_mut().unwrap();
                tree.text += &match reference.resolve_char_ref().unwrap() {
                    Some(c) => c.to_string(),
                    None => format!("&{};", &*reference),
                };
            }
            Event::Eof => panic!("the document ended"),
            _ => {}
        }
    }
}

/// The expanded name that a QName stands for; one with another unbound prefix
/// stands for itself.
fn qname(reader: &NsReader<&[u8]>, text: &str) -> String {
    let (result, local) = reader.resolver().resolve_element(quick_xml::name::QName(text));
    match result {
        ResolveResult::Bound(namespace) => {
            format!("{{{}}}{}", namespace.as_ref() as &str, local.as_ref() as &str)
        }
        // [MS-WSMV] 4.10 forgets to bind the prefix of WS-Addressing.
        ResolveResult::Unknown(prefix) if prefix == "a" => {
            format!("{{{}}}{}", wsman::ns::ADDRESSING, local.as_ref() as &str)
        }
        ResolveResult::Unbound | ResolveResult::Unknown(_) => text.to_owned(),
    }
}

/// Takes out what has no meaning: white space around text, the order of differently named
/// children in headers, sets, shells and output (a state is not tied to the streams near it), the spelling of booleans and a default
/// that is spelt out, line breaks in base64.
fn normalise(tree: &mut Tree) {
    // The specification spells it in both ways.
    tree.name = tree.name.replace("}OperationId", "}OperationID");
    let local = tree.name.rsplit('}').next().unwrap().to_owned();
    let local = local.as_str();
    tree.text = match local {
        "Stream" => tree.text.split_whitespace().collect(),
        // Signals are compared without regard to case.
        "Code" => tree.text.trim().to_lowercase(),
        "InputStreams" | "OutputStreams" | "DesiredStream" => {
            tree.text.split_whitespace().collect::<Vec<_>>().join(" ")
        }
        _ => tree.text.trim().to_owned(),
    };
    for (key, value) in &mut tree.attributes {
        let key = key.rsplit('}').next().unwrap();
        if matches!(key, "mustUnderstand" | "MustComply" | "End" | "nil") {
            *value = value.trim().to_lowercase();
        }
    }
    // False is the default.
    tree.attributes.retain(|(key, value)| (key.as_str(), value.as_str()) != ("End", "false"));
    tree.attributes.sort();
    let unordered = ["Header", "SelectorSet", "OptionSet", "Shell", "ReceiveResponse", "Enumerate"];
    if unordered.contains(&local) {
        tree.children.sort_by(|one, other| one.name.cmp(&other.name));
    }
}
