//! Text as Windows's `winrm` shows it: names and values, one level further in for each element inside another.
//!
//! ```text
//! Listener [Source="GPO"]
//!     Address = *
//!     Hostname
//!     Enabled = true
//!     ListeningOn = 127.0.0.1, ::1
//! ```

use std::fmt::Write as _;

use wsman::ns;
use wsman::parse_boolean;
use wsman::xml::{Attribute, Element};

/// One level.
const STEP: &str = "    ";

/// The lines of an element, each ended by a line feed.
pub(super) fn of(element: &Element) -> String {
    let mut text = String::new();
    if is_leaf(element) {
        line(&mut text, 0, &leaf(element.name.local(), &[element]));
    } else {
        branch(&mut text, 0, element);
    }
    text
}

/// An element with others inside.
fn branch(text: &mut String, depth: usize, element: &Element) {
    line(text, depth, &format!("{}{}", element.name.local(), source(element)));
    for attribute in element.attributes.iter().filter(|attribute| is_shown(attribute)) {
        let name = attribute.name.local();
        line(text, depth + 1, &format!("{name} = {}", one_line(&attribute.value)));
    }
    let children: Vec<&Element> = element.elements().collect();
    if children.is_empty() {
        let own = element.text();
        if !own.trim().is_empty() {
            line(text, depth + 1, &one_line(&own));
        }
    }
    for (index, child) in children.iter().enumerate() {
        if is_selector(child) {
            if !children.iter().take(index).any(|earlier| is_selector(earlier)) {
                selectors(text, depth + 1, &children);
            }
        } else if is_leaf(child) {
            let same = |other: &&&Element| other.name == child.name && is_leaf(other);
            if children.iter().take(index).any(|earlier| same(&earlier)) {
                continue;
            }
            let all: Vec<&Element> = children.iter().filter(same).copied().collect();
            line(text, depth + 1, &leaf(child.name.local(), &all));
        } else {
            branch(text, depth + 1, child);
        }
    }
}

/// `NAME = VALUE`, the values of an array behind each other.
fn leaf(name: &str, elements: &[&Element]) -> String {
    let values: Vec<String> = elements.iter().map(|element| value(element)).collect();
    let source = elements.first().map(|element| source(element)).unwrap_or_default();
    match values.as_slice() {
        [empty] if empty.is_empty() => format!("{name}{source}"),
        values => format!("{name} = {}{source}", values.join(", ")),
    }
}

fn value(element: &Element) -> String {
    let is_nil = element.attribute_ns(ns::XSI, "nil").and_then(parse_boolean).unwrap_or_default();
    if is_nil { "null".to_owned() } else { one_line(&element.text()) }
}

/// The selectors of a set are told on one line; those that are references have lines of their own.
fn selectors(text: &mut String, depth: usize, children: &[&Element]) {
    let all = children.iter().filter(|child| is_selector(child));
    let (plain, deep): (Vec<&Element>, Vec<&Element>) =
        all.partition(|selector| selector.elements().next().is_none());
    let name = |selector: &Element| selector.attribute("Name").unwrap_or_default().to_owned();
    let told: Vec<String> =
        plain.iter().map(|selector| format!("{} = {}", name(selector), value(selector))).collect();
    if !told.is_empty() {
        line(text, depth, &format!("Selector: {}", told.join(", ")));
    }
    for selector in deep {
        line(text, depth, &format!("Selector: {}", name(selector)));
        selector.elements().for_each(|child| branch(text, depth + 1, child));
    }
}

fn is_selector(element: &Element) -> bool {
    element.is(ns::WSMAN, "Selector") && element.attribute("Name").is_some()
}

/// Whether a line says everything.
fn is_leaf(element: &Element) -> bool {
    element.elements().next().is_none() && !element.attributes.iter().any(is_shown)
}

/// Where a value or an instance comes from, if not from where all do.
fn source(element: &Element) -> String {
    let source = element.attribute("Source");
    source.map(|source| format!(" [Source={:?}]", one_line(source))).unwrap_or_default()
}

/// What is about the message or the type of a value, and not about the resource, is left out.
fn is_shown(attribute: &Attribute) -> bool {
    let is_technical = [ns::XSI, ns::XML, ns::SOAP].contains(&attribute.name.namespace());
    !is_technical && !attribute.name.is("", "Source")
}

/// The lines of a text behind each other: a value has one line.
fn one_line(text: &str) -> String {
    text.trim().split(['\r', '\n']).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn line(text: &mut String, depth: usize, words: &str) {
    let _infallible = writeln!(text, "{}{words}", STEP.repeat(depth));
}

#[cfg(test)]
mod tests {
    use wsman::xml::{Limits, decode};

    use super::*;

    fn shown(xml: &str) -> String {
        of(&decode(xml.as_bytes(), &Limits::default()).unwrap())
    }

    #[test]
    fn values_empty_ones_nil_and_arrays_have_a_line() {
        let xml = "<Listener xmlns='urn:x' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' Source='GPO'>\
             <Address>*</Address><Hostname/><Enabled Source='GPO'>true</Enabled><Thumb Source='GPO'/>\
             <Date xsi:nil='true'/><On>127.0.0.1</On><Other>1</Other><On>::1</On></Listener>";
        assert_eq!(
            shown(xml),
            "Listener [Source=\"GPO\"]\n    Address = *\n    Hostname\n    Enabled = true [Source=\"GPO\"]\n    \
             Thumb [Source=\"GPO\"]\n    Date = null\n    On = 127.0.0.1, ::1\n    Other = 1\n"
        );
    }

    #[test]
    fn elements_inside_others_are_further_in_with_their_attributes() {
        let xml = "<Config xmlns='urn:x'><Service><Auth><Basic>false</Basic></Auth></Service>\
             <Plugin Name='p' Enabled='true'><Resource Uri='u'/></Plugin></Config>";
        assert_eq!(
            shown(xml),
            "Config\n    Service\n        Auth\n            Basic = false\n    Plugin\n        Name = p\n        \
             Enabled = true\n        Resource\n            Uri = u\n"
        );
    }

    #[test]
    fn selectors_of_a_reference_are_on_one_line() {
        let xml = "<t:ResourceCreated xmlns:t='urn:t' xmlns:a='http://schemas.xmlsoap.org/ws/2004/08/addressing' \
             xmlns:w='http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd'><a:Address>x</a:Address><a:ReferenceParameters>\
             <w:ResourceURI>u</w:ResourceURI><w:SelectorSet><w:Selector Name='Address'>*</w:Selector>\
             <w:Selector Name='Transport'>HTTPS</w:Selector></w:SelectorSet></a:ReferenceParameters></t:ResourceCreated>";
        assert_eq!(
            shown(xml),
            "ResourceCreated\n    Address = x\n    ReferenceParameters\n        ResourceURI = u\n        SelectorSet\n            \
             Selector: Address = *, Transport = HTTPS\n"
        );
    }

    #[test]
    fn text_alone_and_text_of_several_lines_stay_on_one() {
        assert_eq!(shown("<XmlFragment xmlns='urn:x'>5</XmlFragment>"), "XmlFragment = 5\n");
        assert_eq!(shown("<a><b>one\ntwo</b></a>"), "a\n    b = one two\n");
        assert_eq!(shown("<a/>"), "a\n");
    }
}
