//! What an operation is given: `@{KEY="VALUE";KEY=$null}` or a file.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use wsman::ns;
use wsman::xml::{self, Element, Limits, Name, Node, is_ncname};

use super::uri;
use crate::command_error::CommandError;

/// The longest file: no envelope is longer.
const LONGEST_FILE: u64 = 4 * 1024 * 1024;

/// One `KEY=VALUE`; the value is `None` for `$null`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) key: String,
    pub(super) value: Option<String>,
}

/// The input of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// `@{…}`.
    Pairs(Vec<Pair>),
    /// `-file`.
    File(PathBuf),
}

/// Reads `{KEY="VALUE";KEY=$null}`. A shell may have taken the quotes away: then a value ends before the next `;`.
///
/// # Errors
/// It is written otherwise, or a key is there twice.
pub(super) fn pairs(text: &str) -> Result<Vec<Pair>, CommandError> {
    let syntax = || {
        CommandError::usage("syntax error: input must be of the form {KEY=\"VALUE\"[;KEY=\"VALUE\"]}")
            .hint("a shell may take quotes and semicolons away: write '@{KEY=\"VALUE\"}' with apostrophes around it")
    };
    let inner = text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let mut rest = inner.ok_or_else(syntax)?.trim();
    let mut pairs: Vec<Pair> = Vec::new();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').ok_or_else(syntax)?;
        let key = key.trim();
        let is_key =
            key.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | ':'));
        if !is_key || !key.starts_with(|first: char| first.is_alphabetic() || first == '_') {
            return Err(syntax());
        }
        let (value, next) = value(after.trim_start()).ok_or_else(syntax)?;
        if pairs.iter().any(|pair| pair.key.eq_ignore_ascii_case(key)) {
            return Err(CommandError::usage(format!("the name {key} is there twice in @{{...}}")));
        }
        pairs.push(Pair { key: key.to_owned(), value });
        rest = next;
    }
    Ok(pairs)
}

/// A value, and what follows behind the semicolon.
fn value(text: &str) -> Option<(Option<String>, &str)> {
    let (value, rest) = if let Some(quoted) = text.strip_prefix('"') {
        let (value, rest) = quoted.split_once('"')?;
        (Some(value.to_owned()), rest.trim_start())
    } else {
        let (value, rest) = text.find(';').map_or((text, ""), |place| text.split_at(place));
        let value = value.trim();
        if value.contains(['"', '{', '}']) {
            return None;
        }
        (if value.eq_ignore_ascii_case("$null") { None } else { Some(value.to_owned()) }, rest)
    };
    match rest.strip_prefix(';') {
        Some(next) if !next.trim().is_empty() => Some((value, next.trim_start())),
        Some(_) => None,
        None => rest.is_empty().then_some((value, "")),
    }
}

/// The element of a file.
///
/// # Errors
/// It cannot be read, is too long, or is no XML.
pub(super) fn from_file(path: &Path) -> Result<Element, CommandError> {
    let failed = |error: &dyn std::error::Error| {
        CommandError::caused(format!("reading {}", path.display()), error)
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| failed(&error))?;
    file.take(LONGEST_FILE + 1).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(CommandError::failed(format!("{} has more than 4 MiB", path.display())));
    }
    let limits = Limits { bytes: bytes.len(), ..Limits::default() };
    xml::decode(&bytes, &limits).map_err(|error| failed(&error))
}

/// Whether an element can have this name.
fn check_name(name: &str) -> Result<(), CommandError> {
    if is_ncname(name) {
        return Ok(());
    }
    Err(CommandError::usage(format!("{name:?} can be no name of an element")))
}

/// The element of the input of a Create or a method: `<p:ROOT xmlns:p="URI">`, a child for each pair.
///
/// # Errors
/// A key that is no name of an element.
pub(super) fn element(uri: &str, root: &str, pairs: &[Pair]) -> Result<Element, CommandError> {
    check_name(root)?;
    let mut element = Element::named(Name::from_parts(uri, root));
    for pair in pairs {
        if pair.key.contains(':') {
            return Err(no_prefix(&pair.key));
        }
        check_name(&pair.key)?;
        let mut child = Element::named(Name::from_parts(uri, &pair.key));
        set(&mut child, pair.value.as_deref());
        element.push(child);
    }
    Ok(element)
}

/// The input of a Create.
///
/// # Errors
/// See [`element`].
pub(super) fn for_create(uri: &str, pairs: &[Pair]) -> Result<Element, CommandError> {
    element(uri, uri::last_part(uri)?, pairs)
}

/// The input of a method.
///
/// # Errors
/// See [`element`].
pub(super) fn for_method(uri: &str, method: &str, pairs: &[Pair]) -> Result<Element, CommandError> {
    // A whole action URI ends with the method's name.
    let name = method.rsplit('/').next().unwrap_or(method);
    element(uri, &format!("{name}_INPUT"), pairs)
}

/// Puts the pairs into what a resource is.
///
/// # Errors
/// A key that names no property, several, or one that is more than text.
pub(super) fn change(resource: &mut Element, pairs: &[Pair]) -> Result<(), CommandError> {
    if pairs.is_empty() {
        return Err(CommandError::usage("the parameter set is empty"));
    }
    for Pair { key, value } in pairs {
        let local = key.rsplit(':').next().unwrap_or(key);
        let mut found = resource.children.iter_mut().filter_map(|node| match node {
            Node::Element(child) if is_named(child, local) => Some(child),
            Node::Element(_) | Node::Text(_) => None,
        });
        let Some(child) = found.next() else {
            return Err(CommandError::usage(format!(
                "the parameter name does not match any properties on the resource: {key}"
            )));
        };
        if found.next().is_some() {
            return Err(CommandError::usage(format!(
                "the parameter matches more than one property on the resource: {key}"
            )));
        }
        if child.elements().next().is_some() {
            return Err(CommandError::usage(format!(
                "the parameter matches a property that is more than text: {key}"
            )));
        }
        set(child, value.as_deref());
    }
    Ok(())
}

/// The binding to CIM gives each instance a place, which is no property of it.
fn is_named(child: &Element, local: &str) -> bool {
    child.name.local().eq_ignore_ascii_case(local)
        && !child.is(ns::CIM_COMMON, "Location")
        && !child.is(ns::CIM_BINDING, "Location")
}

/// Gives a property a text, or none at all.
fn set(property: &mut Element, value: Option<&str>) {
    property.attributes.retain(|attribute| !attribute.name.is(ns::XSI, "nil"));
    property.children.clear();
    match value {
        Some("") => {}
        Some(text) => property.children.push(Node::Text(text.to_owned())),
        None => property
            .attributes
            .push(xml::Attribute { name: Name::new(ns::XSI, "nil"), value: "true".to_owned() }),
    }
}

fn no_prefix(key: &str) -> CommandError {
    CommandError::usage(format!(
        "the name {key} has a colon: only properties of one namespace can be given so"
    ))
    .hint("write the input into a file and give that with -file:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, Option<String>)> {
        pairs(text).unwrap().into_iter().map(|pair| (pair.key, pair.value)).collect()
    }

    fn pair(key: &str, value: &str) -> (String, Option<String>) {
        (key.to_owned(), Some(value.to_owned()))
    }

    #[test]
    fn pairs_are_read_with_quotes_and_where_a_shell_took_them_away() {
        assert_eq!(read(r#"{MaxEnvelopeSizekb="100"}"#), [pair("MaxEnvelopeSizekb", "100")]);
        assert_eq!(
            read(r#"{ Hostname = "a; b" ; CertificateThumbprint="AB CD" ;Port = $null }"#),
            [
                pair("Hostname", "a; b"),
                pair("CertificateThumbprint", "AB CD"),
                ("Port".to_owned(), None)
            ]
        );
        assert_eq!(
            read("{Hostname=a.test;Port=5986}"),
            [pair("Hostname", "a.test"), pair("Port", "5986")]
        );
        assert_eq!(read(r#"{A="";B=}"#), [pair("A", ""), pair("B", "")]);
        assert_eq!(read("{}"), []);
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "{",
            "{A}",
            "{=\"1\"}",
            "{A=\"1\"",
            "{A=\"1\";}",
            "{A=\"1\"B=\"2\"}",
            "{A=\"1}",
            "{1=\"a\"}",
        ] {
            let error = pairs(text).unwrap_err();
            assert!(error.error().starts_with("syntax error"), "{text}: {}", error.error());
        }
        assert!(pairs("{A=1;a=2}").unwrap_err().error().contains("twice"));
    }

    #[test]
    fn input_of_a_create_has_the_namespace_and_the_last_name_of_the_uri() {
        let pairs = pairs("{Port=\"1\";Hostname=$null}").unwrap();
        let made = for_create("urn:x/config/Listener", &pairs).unwrap();
        assert_eq!(
            String::from_utf8(xml::encode(&made)).unwrap(),
            "<ns1:Listener xmlns:ns1=\"urn:x/config/Listener\"><ns1:Port>1</ns1:Port>\
             <ns1:Hostname xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"/></ns1:Listener>"
        );
        let made = for_method("urn:x/Service", "Stop", &[]).unwrap();
        assert_eq!(made.name.local(), "Stop_INPUT");
    }

    #[test]
    fn changes_need_exactly_one_property_of_text() {
        let text = b"<c xmlns=\"urn:c\"><Port xmlns:x=\"http://www.w3.org/2001/XMLSchema-instance\" x:nil=\"true\"/><On>1</On><On>2</On><Auth><Basic>true</Basic></Auth></c>";
        let resource = xml::decode(text, &Limits::default()).unwrap();
        let mut changed = resource.clone();
        change(&mut changed, &pairs("{port=\"7\"}").unwrap()).unwrap();
        let port = changed.child("urn:c", "Port").unwrap();
        assert_eq!((port.text().as_ref(), port.attributes.len()), ("7", 0));
        for (input, part) in [
            ("{X=1}", "does not match"),
            ("{On=1}", "more than one"),
            ("{Auth=1}", "more than text"),
            ("{}", "empty"),
        ] {
            let error = change(&mut resource.clone(), &pairs(input).unwrap()).unwrap_err();
            assert!(error.error().contains(part), "{input}: {}", error.error());
        }
    }
}
