//! XML of resources: as objects, as PowerShell shows XML elements, and made or changed by hashtables.

use wsman::ns;
use wsman::xml::{Attribute, Element, Name, Node, is_ncname};
use wsman::{EndpointReference, Selector, SelectorSet, SelectorValue};

use crate::command_error::CommandError;
use crate::powershell::value::{Object, Value};

/// An element as an object: attributes, then children by their names; what stands several times is a list.
pub(in crate::powershell) fn object(element: &Element) -> Value {
    let namespace = element.name.namespace();
    let mut properties: Vec<(String, Value)> = Vec::new();
    if let Some(prefix) = prefix(namespace) {
        properties.push((prefix.to_owned(), Value::Text(namespace.to_owned())));
    }
    add_content(&mut properties, element);
    Value::Object(Object { type_name: type_name(element), properties })
}

fn type_name(element: &Element) -> String {
    format!("System.Xml.XmlElement#{}#{}", element.name.namespace(), element.name.local())
}

/// The prefix that Windows declares for a namespace on an answer's element, which PowerShell shows as a property.
fn prefix(namespace: &str) -> Option<&'static str> {
    if namespace == ns::CONFIG || namespace.starts_with(&format!("{}/", ns::CONFIG)) {
        return Some("cfg");
    }
    match namespace {
        "" => None,
        ns::SHELL => Some("rsp"),
        ns::TRANSFER => Some("x"),
        ns::ADDRESSING => Some("a"),
        ns::WSMAN => Some("w"),
        _ => Some("p"),
    }
}

fn add_content(properties: &mut Vec<(String, Value)>, element: &Element) {
    for attribute in &element.attributes {
        properties.push((attribute.name.local().to_owned(), Value::Text(attribute.value.clone())));
    }
    for child in element.elements() {
        let (name, value) = (child.name.local(), content(child));
        match properties.iter_mut().find(|(known, _)| known == name) {
            None => properties.push((name.to_owned(), value)),
            Some((_, Value::List(values))) => values.push(value),
            Some((_, known)) => {
                let first = std::mem::replace(known, Value::Null);
                *known = Value::List(vec![first, value]);
            }
        }
    }
    if element.elements().next().is_none() && !element.text().is_empty() {
        properties.push(("#text".to_owned(), Value::Text(element.text().into_owned())));
    }
}

/// A child: its text, nothing where it says so, or an object where it has more.
fn content(element: &Element) -> Value {
    if is_nil(element) {
        return Value::Null;
    }
    let is_plain = element.elements().next().is_none() && element.attributes.is_empty();
    if is_plain {
        return Value::Text(element.text().into_owned());
    }
    let mut properties = Vec::new();
    add_content(&mut properties, element);
    Value::Object(Object { type_name: type_name(element), properties })
}

fn is_nil(element: &Element) -> bool {
    element.attribute_ns(ns::XSI, "nil").is_some_and(|nil| matches!(nil.trim(), "true" | "1"))
}

/// A reference as an object.
pub(in crate::powershell) fn reference(reference: &EndpointReference, name: Name) -> Value {
    object(&reference.to_element(Element::named(name)))
}

/// The text of a value in a message: booleans in small letters, as schemas have them.
///
/// # Errors
/// It has no text: a list, a hashtable, a script block.
pub(in crate::powershell) fn text(name: &str, value: &Value) -> Result<String, CommandError> {
    if let Value::Bool(is) = value {
        return Ok(is.to_string());
    }
    if let Value::Secret(secret) = value {
        return Ok(secret.expose().to_owned());
    }
    let has_text = match value {
        Value::Null
        | Value::Integer(_)
        | Value::Real(_)
        | Value::Milliseconds(_)
        | Value::Text(_) => true,
        Value::Remote(remote) => remote.items().is_none(),
        Value::Bool(_)
        | Value::List(_)
        | Value::Object(_)
        | Value::ScriptBlock(_)
        | Value::Secret(_) => false,
    };
    if has_text {
        return Ok(value.text());
    }
    Err(CommandError::usage(format!(
        "{name}: Cannot convert '{}' to the type 'System.String'.",
        value.type_name()
    )))
}

/// What a resource is made of: an element of this name with a child for each entry, in the resource's namespace.
///
/// # Errors
/// A value without a text.
pub(in crate::powershell) fn made(
    uri: &str,
    name: &str,
    values: Option<&Value>,
) -> Result<Element, CommandError> {
    check_name(name)?;
    let mut element = Element::named(Name::from_parts(uri, name));
    for (key, value) in entries(values) {
        check_name(key)?;
        let child = || Element::named(Name::from_parts(uri, key));
        if let Value::List(values) = value {
            for value in values {
                element.push(child().with_text(text(key, value)?));
            }
        } else if matches!(value, Value::Null) {
            element.push(nil(child()));
        } else {
            element.push(child().with_text(text(key, value)?));
        }
    }
    Ok(element)
}

/// Changes the children that the entries name.
///
/// # Errors
/// An entry that no child has, that several have, or whose child is no text; a value without a text.
pub(in crate::powershell) fn change(
    element: &mut Element,
    values: Option<&Value>,
) -> Result<(), CommandError> {
    for (key, value) in entries(values) {
        let mut found = element.children.iter_mut().filter_map(|node| match node {
            Node::Element(child) if child.name.local().eq_ignore_ascii_case(key) => Some(child),
            Node::Element(_) | Node::Text(_) => None,
        });
        let (first, second) = (found.next(), found.next());
        let wrong = |why: &str| {
            CommandError::usage(format!("The resource {why} '{key}'."))
                .hint("Get-WSManInstance shows what it has")
        };
        let child = first.ok_or_else(|| wrong("has no property"))?;
        if second.is_some() {
            return Err(wrong("has several properties"));
        }
        if child.elements().next().is_some() {
            return Err(wrong("has no text in its property"));
        }
        set(child, value)?;
    }
    Ok(())
}

/// Gives an element another text.
///
/// # Errors
/// A value without a text.
pub(in crate::powershell) fn set(child: &mut Element, value: &Value) -> Result<(), CommandError> {
    child.children.clear();
    child.attributes.retain(|attribute| !attribute.name.is(ns::XSI, "nil"));
    let changed = std::mem::replace(child, Element::new("", ""));
    let name = changed.name.local().to_owned();
    *child = if matches!(value, Value::Null) {
        nil(changed)
    } else {
        changed.with_text(text(&name, value)?)
    };
    Ok(())
}

fn nil(element: Element) -> Element {
    element.with_attribute_ns(ns::XSI, "nil", "true")
}

/// Names of children become markup.
fn check_name(name: &str) -> Result<(), CommandError> {
    if is_ncname(name) {
        return Ok(());
    }
    Err(CommandError::usage(format!("'{name}' is no name of a property")))
}

fn entries(values: Option<&Value>) -> &[(String, Value)] {
    match values {
        Some(Value::Object(object)) => &object.properties,
        _ => &[],
    }
}

/// Selectors of a hashtable.
///
/// # Errors
/// A value without a text.
pub(in crate::powershell) fn selectors(
    mut known: SelectorSet,
    values: Option<&Value>,
) -> Result<SelectorSet, CommandError> {
    for (key, value) in entries(values) {
        let value = SelectorValue::Text(text(key, value)?);
        known.selectors.retain(|selector| !selector.name.eq_ignore_ascii_case(key));
        known.selectors.push(Selector { name: key.clone(), value, attributes: Vec::new() });
    }
    Ok(known)
}

/// An attribute by its name in any case.
pub(in crate::powershell) fn attribute<'a>(element: &'a Element, name: &str) -> Option<&'a str> {
    let found = element.attributes.iter().find(|known| is_named(known, name));
    found.map(|attribute| attribute.value.as_str())
}

/// Changes an attribute, or adds it.
pub(in crate::powershell) fn set_attribute(element: &mut Element, name: &str, value: &str) {
    match element.attributes.iter_mut().find(|known| is_named(known, name)) {
        Some(known) => value.clone_into(&mut known.value),
        None => element
            .attributes
            .push(Attribute { name: Name::from_parts("", name), value: value.to_owned() }),
    }
}

fn is_named(attribute: &Attribute, name: &str) -> bool {
    attribute.name.namespace().is_empty() && attribute.name.local().eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests {
    use wsman::xml::{Limits, decode, encode};

    use super::*;

    fn read(xml: &str) -> Element {
        decode(xml.as_bytes(), &Limits::default()).unwrap()
    }

    fn table(json: &str) -> Value {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn elements_are_objects_with_attributes_children_and_lists() {
        let xml = "<c:Listener xmlns:c='http://schemas.microsoft.com/wbem/wsman/1/config/listener' xml:lang='en-US'>\
                   <c:Address>*</c:Address><c:Port Source='GPO'>5985</c:Port><c:Hostname/>\
                   <c:N xmlns:i='http://www.w3.org/2001/XMLSchema-instance' i:nil='true'/>\
                   <c:ListeningOn>1</c:ListeningOn><c:ListeningOn>2</c:ListeningOn></c:Listener>";
        let shown = String::from_utf8(object(&read(xml)).json()).unwrap();
        let namespace = "http://schemas.microsoft.com/wbem/wsman/1/config/listener";
        assert_eq!(
            shown.trim_end(),
            format!(
                r##"{{"PSTypeName":"System.Xml.XmlElement#{namespace}#Listener","cfg":"{namespace}","lang":"en-US","Address":"*","Port":{{"PSTypeName":"System.Xml.XmlElement#{namespace}#Port","Source":"GPO","#text":"5985"}},"Hostname":"","N":null,"ListeningOn":["1","2"]}}"##
            )
        );
    }

    #[test]
    fn hashtables_make_and_change_elements() {
        let made = made("urn:r", "R", Some(&table(r#"{"A":true,"B":[1,"x"],"C":null}"#))).unwrap();
        let xml = String::from_utf8(encode(&made)).unwrap();
        let again = read(&xml);
        assert_eq!(again.child("urn:r", "A").unwrap().text(), "true");
        assert_eq!(again.elements().filter(|child| child.name.local() == "B").count(), 2);
        assert!(is_nil(again.child("urn:r", "C").unwrap()));

        let mut element = read("<r xmlns='urn:r'><A>1</A><B>2</B><B>3</B><C><D/></C></r>");
        change(&mut element, Some(&table(r#"{"a":"<2>"}"#))).unwrap();
        assert_eq!(element.child("urn:r", "A").unwrap().text(), "<2>");
        for (json, part) in [
            (r#"{"x":1}"#, "has no property 'x'"),
            (r#"{"B":1}"#, "has several properties 'B'"),
            (r#"{"C":1}"#, "has no text in its property 'C'"),
            (r#"{"A":{"k":1}}"#, "Cannot convert"),
        ] {
            let error = change(&mut element, Some(&table(json))).unwrap_err();
            assert!(error.error().contains(part), "{json}: {}", error.error());
        }
    }

    #[test]
    fn names_that_would_be_markup_are_refused() {
        for name in ["a b", "", "a><b", "1a", "a:b"] {
            let values = Value::hashtable(vec![(name.to_owned(), Value::Integer(1))]);
            assert!(made("urn:r", "R", Some(&values)).is_err(), "{name}");
        }
    }

    #[test]
    fn later_selectors_win_and_attributes_are_found_in_any_case() {
        let known = SelectorSet::default().with("Address", "*");
        let set =
            selectors(known, Some(&table(r#"{"address":"IP:1","Transport":"HTTP"}"#))).unwrap();
        assert_eq!((set.text("Address"), set.selectors.len()), (Some("IP:1"), 2));
        let mut element = read("<r ResourceUri='u'/>");
        set_attribute(&mut element, "resourceuri", "v");
        set_attribute(&mut element, "New", "n");
        assert_eq!(
            (attribute(&element, "RESOURCEURI"), attribute(&element, "new")),
            (Some("v"), Some("n"))
        );
    }
}
