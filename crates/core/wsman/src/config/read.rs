//! What a Put would change.

use super::write::is_of;
use super::{Mutability, Node, Origin, Setting, Value, canonical};
use crate::fault::{ErrorCode, Fault};
use crate::ns;
use crate::selector::parse_boolean;
use crate::xml::Element;

/// A setting's new value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what a change is")]
pub struct Change {
    /// Which setting.
    pub setting: &'static Setting,
    /// Its new value, as it is written.
    pub value: String,
}

/// Which settings would have another value than `current` gives them, if this element were put in place of a node's. What
/// it does not mention keeps its value; what may not be changed must be as it is.
///
/// # Errors
///
/// The fault to answer with: an element or attribute that the schema does not have, a value that its setting cannot have,
/// or one that cannot be changed.
pub fn read_put(
    node: Node,
    element: &Element,
    mut current: impl FnMut(&'static Setting) -> Value,
) -> Result<Vec<Change>, Box<Fault>> {
    if element.name.local() != node.element() || !is_of(node, element.name.namespace()) {
        let text = format!("The representation is no {}. ", node.element());
        return Err(schema(text));
    }
    let mut leaves = Vec::new();
    collect(node, element, node.path().unwrap_or_default(), &mut leaves)?;
    let mut changes = Vec::new();
    for (setting, leaf) in leaves {
        let (now, text) = (current(setting), text_of(leaf, setting)?);
        // Values that are there already may stand, also those of another form.
        if text == now.text {
            continue;
        }
        let value = canonical(setting, &text)?;
        if value != now.text {
            check_change(setting, &now)?;
            changes.push(Change { setting, value });
        }
    }
    Ok(changes)
}

/// Whether a setting that has this value can be given another one.
///
/// # Errors
///
/// The fault that says why not.
pub fn check_change(setting: &Setting, now: &Value) -> Result<(), Box<Fault>> {
    let refused = |code, why| {
        let text = format!("The setting {} cannot be changed: {why}. ", setting.path);
        Err(Box::new(Fault::new(code, text)))
    };
    match (setting.mutability, now.source) {
        (Mutability::Deprecated, _) => {
            refused(ErrorCode::DEPRECATED_CONFIG_SETTING, "it is deprecated")
        }
        (Mutability::ReadOnly, _) => {
            refused(ErrorCode::CONFIG_READONLY_PROPERTY, "it is read-only")
        }
        (Mutability::Free, Some(Origin::Policy | Origin::Compatibility)) => {
            let why = "the administrator's own configuration file sets it (Source=\"GPO\")";
            refused(ErrorCode::CONFIG_CANNOT_CHANGE_GPO_CONTROLLED_SETTING, why)
        }
        (Mutability::Free, None) => Ok(()),
    }
}

/// The leaves below an element, with their settings.
fn collect<'e>(
    node: Node,
    element: &'e Element,
    path: &str,
    leaves: &mut Vec<(&'static Setting, &'e Element)>,
) -> Result<(), Box<Fault>> {
    check_attributes(element)?;
    if !element.trimmed_text().is_empty() {
        return Err(schema(format!("{} has text beside its settings. ", element.name.local())));
    }
    for child in element.elements() {
        let name = child.name.local();
        let unknown = || schema(format!("{} has no setting {name}. ", element.name.local()));
        if !is_of(node, child.name.namespace()) {
            return Err(unknown());
        }
        let here = format!("{path}{name}");
        if let Some(setting) = node.settings().find(|setting| setting.path == here) {
            if leaves.iter().any(|(known, _)| *known == setting) {
                return Err(schema(format!("{here} is there twice. ")));
            }
            check_attributes(child)?;
            leaves.push((setting, child));
            continue;
        }
        let below = format!("{here}/");
        if !node.settings().any(|setting| setting.path.starts_with(&below)) {
            return Err(unknown());
        }
        collect(node, child, &below, leaves)?;
    }
    Ok(())
}

/// Who gave a value may be told back, and so may what belongs to other namespaces.
fn check_attributes(element: &Element) -> Result<(), Box<Fault>> {
    let strange = element.attributes.iter().find(|attribute| {
        attribute.name.namespace().is_empty() && attribute.name.local() != Origin::ATTRIBUTE
    });
    match strange {
        Some(attribute) => {
            let (name, owner) = (attribute.name.local(), element.name.local());
            Err(schema(format!("{owner} has no attribute {name}. ")))
        }
        None => Ok(()),
    }
}

/// The text of a leaf; nothing where it is nil.
fn text_of(leaf: &Element, setting: &Setting) -> Result<String, Box<Fault>> {
    if leaf.elements().next().is_some() {
        return Err(schema(format!("{} is a value, and has elements inside. ", setting.path)));
    }
    let nil = leaf.attribute_ns(ns::XSI, "nil").and_then(parse_boolean);
    Ok(if nil == Some(true) { String::new() } else { leaf.trimmed_text() })
}

fn schema(text: String) -> Box<Fault> {
    Box::new(Fault::new(ErrorCode::SCHEMA_VALIDATION_ERROR, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::write;

    fn default(setting: &'static Setting) -> Value {
        Value::new(setting.default)
    }

    fn changed(node: Node, path: &str, text: &str) -> Result<Vec<(String, String)>, ErrorCode> {
        let element =
            write(
                node,
                |setting| {
                    if setting.path == path { Value::new(text) } else { default(setting) }
                },
            );
        let changes = read_put(node, &element, default).map_err(|f| f.error_code().unwrap())?;
        Ok(changes.into_iter().map(|c| (c.setting.path.to_owned(), c.value)).collect())
    }

    #[test]
    fn what_is_read_back_changes_nothing_and_another_value_is_the_change() {
        for node in Node::ALL.into_iter().filter(|node| node.path().is_some()) {
            assert_eq!(changed(node, "", "").unwrap(), []);
        }
        let one = |path: &str, value: &str| vec![(path.to_owned(), value.to_owned())];
        assert_eq!(
            changed(Node::Config, "Service/Auth/Basic", "TRUE").unwrap(),
            one("Service/Auth/Basic", "true")
        );
        assert_eq!(
            changed(Node::ServiceAuth, "Service/Auth/Basic", "1").unwrap(),
            one("Service/Auth/Basic", "true")
        );
        assert_eq!(changed(Node::Config, "Service/Auth/Basic", "False").unwrap(), []);
        assert_eq!(
            changed(Node::Config, "MaxBatchItems", "x"),
            Err(ErrorCode::SCHEMA_VALIDATION_ERROR)
        );
    }

    #[test]
    fn what_cannot_be_changed_is_refused_with_its_code() {
        let code = |path| changed(Node::Config, path, "7").unwrap_err();
        for path in
            ["MaxProviderRequests", "Service/MaxConcurrentOperations", "Winrs/MaxShellRunTime"]
        {
            assert_eq!(code(path), ErrorCode::DEPRECATED_CONFIG_SETTING);
        }
        assert_eq!(code("Service/DefaultPorts/HTTP"), ErrorCode::CONFIG_READONLY_PROPERTY);
        let element = write(Node::Winrs, |setting| match setting.name() {
            "IdleTimeout" => Value::new("1"),
            _ => default(setting),
        });
        let policy = |setting: &'static Setting| Value::policy(setting.default);
        let fault = read_put(Node::Winrs, &element, policy).unwrap_err();
        assert_eq!(
            fault.error_code(),
            Some(ErrorCode::CONFIG_CANNOT_CHANGE_GPO_CONTROLLED_SETTING)
        );
        let same = write(Node::Winrs, policy);
        assert_eq!(same.elements().next().unwrap().attribute("Source"), Some("GPO"));
        assert_eq!(read_put(Node::Winrs, &same, policy).unwrap(), []);
    }

    #[test]
    fn what_the_schema_does_not_have_is_refused() {
        let uri = Node::ServiceAuth.uri();
        let auth = || Element::new(uri, "Auth");
        let basic = || Element::new(uri, "Basic").with_text("true");
        for (element, why) in [
            (Element::new(uri, "Service"), "another root"),
            (Element::new("urn:x", "Auth"), "another namespace"),
            (auth().with_child(Element::new(uri, "Digest").with_text("true")), "unknown"),
            (auth().with_child(Element::new("urn:x", "Basic").with_text("true")), "foreign"),
            (auth().with_child(basic()).with_child(basic()), "twice"),
            (auth().with_attribute("Name", "x").with_child(basic()), "attribute"),
            (auth().with_child(basic().with_attribute("x", "y")), "attribute of a leaf"),
            (auth().with_child(basic()).with_text("x"), "text"),
            (auth().with_child(Element::new(uri, "Basic").with_child(basic())), "deeper"),
        ] {
            let fault = read_put(Node::ServiceAuth, &element, default).unwrap_err();
            assert_eq!(fault.error_code(), Some(ErrorCode::SCHEMA_VALIDATION_ERROR), "{why}");
            assert!(!fault.reason.is_empty());
        }
        let tree = Element::new(ns::CONFIG, "Auth")
            .with_child(Element::new(ns::CONFIG, "Basic").with_text("true"));
        assert_eq!(read_put(Node::ServiceAuth, &tree, default).unwrap().len(), 1);
    }

    #[test]
    fn nil_is_nothing_and_white_space_around_a_value_is_not_looked_at() {
        let uri = Node::Client.uri();
        let nil = Element::new(uri, "TrustedHosts").with_attribute_ns(ns::XSI, "nil", "true");
        let element = Element::new(uri, "Client").with_child(nil);
        let trusted = |_: &'static Setting| Value::new("host");
        let changes = read_put(Node::Client, &element, trusted).unwrap();
        assert_eq!(changes.first().map(|change| change.value.as_str()), Some(""));
    }
}
