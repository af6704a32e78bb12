//! A conversation as it may be shown to others: what it is made of stays, what it is about goes.
//!
//! [`Client::record`](crate::Client::record) keeps the opened envelopes; a [`Redaction`] makes texts
//! of them. It keeps what it knows to be harmless and replaces everything else, so that what nobody
//! thought of is hidden: names of users and hosts, commands, output, messages of faults. Ids become
//! numbers, the same id the same number, so that a machine of the protocol can replay it.

use std::collections::BTreeMap;

use uuid::Uuid;
use wsman::Charset;
use wsman::xml::{self, Attribute, Element, Limits, Node};

/// What stands for a text that is not shown.
pub const REDACTED: &str = "redacted";
/// The same as the data of a stream: its base64.
const REDACTED_BASE64: &str = "cmVkYWN0ZWQ=";
/// What stands for the address of the service.
const REDACTED_TO: &str = "http://redacted:5985/wsman";
/// The start of every address that the protocol itself defines.
const PROTOCOL_URIS: &str = "http://schemas.";
/// SOAP 1.2 has its namespace elsewhere.
const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";

/// Elements whose text says how the protocol is spoken, and nothing about who speaks it.
const KEPT_ELEMENTS: &[&str] = &[
    "BufferMode",
    "Code",
    "CompressionMode",
    "DesiredStream",
    "ExitCode",
    "IdleTimeOut",
    "IdleTimeout",
    "InputStreams",
    "Lifetime",
    "MaxEnvelopeSize",
    "MaxIdleTimeOut",
    "OperationTimeout",
    "OutputStreams",
    "ProductVendor",
    "ProductVersion",
    "ProfileLoaded",
    "ProtocolVersion",
    "SecurityProfileName",
    "SequenceId",
    "ShellInactivity",
    "ShellRunTime",
    "State",
    "Value",
];
/// The same for attributes.
const KEPT_ATTRIBUTES: &[&str] =
    &["Code", "End", "MustComply", "State", "lang", "mustUnderstand", "nil"];
/// Elements whose attribute `Name` the protocol defines; elsewhere it may name anything.
const NAMED_ELEMENTS: &[&str] = &["Option", "Selector", "Stream"];
/// The options of a command shell whose values are switches or numbers.
const KEPT_OPTIONS: &[&str] = &[
    "WINRS_CODEPAGE",
    "WINRS_CONSOLEMODE_STDIN",
    "WINRS_NOPROFILE",
    "WINRS_SKIP_CMD_SHELL",
    "WSMAN_CMDSHELL_OPTION_KEEPALIVE",
];

/// One message and its answer, opened and whole: secrets of the conversation are in it.
#[derive(Clone)]
#[non_exhaustive]
pub struct Exchange {
    /// The operation in the protocol's words: `Create`, `Receive`.
    pub operation: &'static str,
    /// The envelope sent.
    pub request: Vec<u8>,
    /// The envelope that came back.
    pub response: Vec<u8>,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("operation", &self.operation).finish_non_exhaustive()
    }
}

/// Replaces what is nobody's business; one for a whole conversation, since it numbers ids.
#[derive(Debug, Default)]
pub struct Redaction {
    numbers: BTreeMap<Uuid, usize>,
}

impl Redaction {
    /// The envelope without what it is about; [`REDACTED`] for what is no XML.
    #[must_use]
    pub fn envelope(&mut self, bytes: &[u8]) -> String {
        // What is written in UTF-16 may be longer in UTF-8.
        let limits = Limits { bytes: bytes.len() * 2, ..Limits::default() };
        let charset = Charset::of_message(bytes, Charset::Utf8);
        let Ok(mut element) = xml::decode_as(bytes, charset, &limits) else {
            return REDACTED.to_owned();
        };
        self.element(&mut element);
        String::from_utf8(xml::encode(&element)).unwrap_or_else(|_| REDACTED.to_owned())
    }

    fn element(&mut self, element: &mut Element) {
        let keeps = keeps_text(element);
        if !keeps {
            // Of the values that are kept only texts have prefixes.
            element.bindings.clear();
        }
        let local = element.name.local().to_owned();
        let place = Place { local: &local, keeps };
        let has_children = element.elements().next().is_some();
        for Attribute { name, value } in &mut element.attributes {
            *value = match self.id(value) {
                Some(id) => id,
                None if keeps_attribute(&local, name.local()) => std::mem::take(value),
                None => REDACTED.to_owned(),
            };
        }
        for child in &mut element.children {
            match child {
                Node::Element(child) => self.element(child),
                // White space between elements.
                Node::Text(text) if has_children && text.trim().is_empty() => {}
                Node::Text(text) => *text = self.text(place, text),
            }
        }
    }

    fn text(&mut self, place: Place<'_>, text: &str) -> String {
        if let Some(id) = self.id(text) {
            return id;
        }
        match place.local {
            "Action" | "ResourceURI" | "ResourceUri" | "To" | "Address"
                if text.trim().starts_with(PROTOCOL_URIS) =>
            {
                text.to_owned()
            }
            "To" | "Address" => REDACTED_TO.to_owned(),
            _ if place.keeps => text.to_owned(),
            "Stream" | "stdin" | "stdout" | "stderr" => REDACTED_BASE64.to_owned(),
            _ => REDACTED.to_owned(),
        }
    }

    /// The placeholder of a text that is an id and nothing else, written as the id is.
    fn id(&mut self, text: &str) -> Option<String> {
        let trimmed = text.trim();
        let (start, digits) = match trimmed.get(..5) {
            Some(start) if start.eq_ignore_ascii_case("uuid:") => trimmed.split_at(5),
            Some(_) | None => ("", trimmed),
        };
        let id = Uuid::parse_str(digits).ok()?;
        let next = self.numbers.len() + 1;
        let number = self.numbers.entry(id).or_insert(next);
        // Decimal digits, since some write their ids in upper case and some in lower.
        Some(format!("{start}00000000-0000-0000-0000-{number:012}"))
    }
}

#[derive(Clone, Copy)]
struct Place<'a> {
    local: &'a str,
    keeps: bool,
}

fn keeps_text(element: &Element) -> bool {
    if element.name.local() == "Option" {
        return element.attribute("Name").is_some_and(|name| KEPT_OPTIONS.contains(&name));
    }
    let namespace = element.name.namespace();
    let is_protocol = namespace.starts_with(PROTOCOL_URIS) || namespace == SOAP;
    is_protocol && KEPT_ELEMENTS.contains(&element.name.local())
}

fn keeps_attribute(element: &str, attribute: &str) -> bool {
    KEPT_ATTRIBUTES.contains(&attribute)
        || (attribute == "Name" && NAMED_ELEMENTS.contains(&element))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_numbered_and_everything_unknown_is_hidden() {
        let mut redaction = Redaction::default();
        let text = r#"<e:Envelope xmlns:e="urn:e"><e:MessageID>uuid:11111111-2222-3333-4444-555555555555</e:MessageID>
            <e:To>http://server01:5985/wsman</e:To><e:Owner>CONTOSO\alice</e:Owner><e:ExitCode>8</e:ExitCode>
            <r:ExitCode xmlns:r="http://schemas.microsoft.com/wbem/wsman/1/windows/shell">7</r:ExitCode>
            <e:Stream Name="stdout" CommandId="AAAAAAAA-2222-3333-4444-555555555555">c2VjcmV0</e:Stream>
            <e:New Name="stdout" Machine="server01">11111111-2222-3333-4444-555555555555</e:New>
            <e:Variable Name="TOKEN">x</e:Variable></e:Envelope>"#;
        let shown = redaction.envelope(text.as_bytes());
        for secret in ["server01", "alice", "c2VjcmV0", "CONTOSO", "TOKEN", "1111", "AAAA"] {
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
        let first = "00000000-0000-0000-0000-000000000001";
        assert_eq!(shown.matches(first).count(), 2, "{shown}");
        assert!(shown.contains(&format!("uuid:{first}")) && shown.contains(">7<"), "{shown}");
        assert!(!shown.contains(">8<"), "{shown}");
        // A later message knows the same ids.
        assert!(redaction.envelope(b"<a>11111111-2222-3333-4444-555555555555</a>").contains(first));
    }

    #[test]
    fn what_is_no_xml_is_hidden_whole() {
        assert_eq!(Redaction::default().envelope(b"password=geheim"), REDACTED);
    }
}
