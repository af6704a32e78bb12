//! JSON: `{"Listener":{"Address":"*","ListeningOn":["127.0.0.1","::1"],"Hostname":"","Date":null}}`.
//!
//! The name of an element is a key, its text a string. What stands there several times is a list. An attribute is
//! `"@Name"` inside its element, beside it as `"Element@Name"` where the element is a string.

use serde_json::{Map, Value};
use wsman::ns;
use wsman::parse_boolean;
use wsman::xml::{Attribute, Element};

/// One line without its end.
pub(super) fn of(element: &Element) -> String {
    let mut whole = Map::new();
    add(&mut whole, element);
    Value::Object(whole).to_string()
}

/// Adds an element to those around it.
fn add(around: &mut Map<String, Value>, element: &Element) {
    let name = element.name.local();
    let is_simple = element.elements().next().is_none();
    if is_simple {
        for attribute in shown(element) {
            push(
                around,
                format!("{name}@{}", attribute.name.local()),
                attribute.value.clone().into(),
            );
        }
    }
    let value = if is_simple { simple(element) } else { Value::Object(inner(element)) };
    push(around, name.to_owned(), value);
}

fn simple(element: &Element) -> Value {
    let is_nil = element.attribute_ns(ns::XSI, "nil").and_then(parse_boolean).unwrap_or_default();
    if is_nil { Value::Null } else { Value::String(element.text().into_owned()) }
}

fn inner(element: &Element) -> Map<String, Value> {
    let mut object = Map::new();
    for attribute in shown(element) {
        let name = format!("@{}", attribute.name.local());
        object.insert(name, attribute.value.clone().into());
    }
    element.elements().for_each(|child| add(&mut object, child));
    object
}

fn shown(element: &Element) -> impl Iterator<Item = &Attribute> {
    let is_technical =
        |attribute: &&Attribute| [ns::XSI, ns::SOAP].contains(&attribute.name.namespace());
    element.attributes.iter().filter(move |attribute| !is_technical(attribute))
}

/// A second value of a name makes a list of it. No element is a list in itself, so that nothing is mixed up.
fn push(object: &mut Map<String, Value>, name: String, value: Value) {
    match object.get_mut(&name) {
        None => {
            object.insert(name, value);
        }
        Some(Value::Array(list)) => list.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
    }
}

#[cfg(test)]
mod tests {
    use wsman::xml::{Limits, decode};

    use super::*;

    #[test]
    fn elements_are_keys_and_what_repeats_is_a_list() {
        let xml = "<L xmlns='urn:x' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' Source='GPO'><A>*</A><H/>\
             <D xsi:nil='true'/><On>1</On><On>2</On><On>3</On><B Source='GPO'>t</B><E><F>1</F></E></L>";
        let element = decode(xml.as_bytes(), &Limits::default()).unwrap();
        let expected = serde_json::json!({"L": {
            "@Source": "GPO", "A": "*", "H": "", "D": null, "On": ["1", "2", "3"],
            "B@Source": "GPO", "B": "t", "E": {"F": "1"},
        }});
        assert_eq!(serde_json::from_str::<Value>(&of(&element)).unwrap(), expected);
    }
}
