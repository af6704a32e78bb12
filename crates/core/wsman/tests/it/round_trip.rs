//! Recorded messages decode into types, and these encode to the same document.

use std::collections::BTreeMap;

use wsman::enumeration::{Enumerate, EnumerateResponse, Item, Pull, PullResponse, Release};
use wsman::identify::{Identify, IdentifyResponse};
use wsman::ns::action;
use wsman::shell::{
    CommandLine, CommandResponse, Connect, ConnectResponse, CreateResponse, Disconnect,
    ListedCommand, Receive, ReceiveResponse, Reconnect, Send, SendResponse, ShellDescription,
    ShellInfo, Signal, SignalResponse,
};
use wsman::xml::{Element, Limits};
use wsman::{Envelope, Fault, HeaderValue, ns};

use crate::canonical;
use crate::corpora::{self, Document};

fn limits() -> Limits {
    Limits { bytes: 4_000_000, ..Limits::default() }
}

/// What a document turned out to be, and itself with the body read into its type and written.
fn through_types(envelope: &Envelope) -> (&'static str, Envelope) {
    let body = &envelope.body;
    let first = envelope.body_element();
    let action = envelope.action().unwrap_or_default();
    if let Some(fault) = Fault::from_envelope(envelope).unwrap() {
        assert!(!fault.to_string().is_empty());
        return ("Fault", with_body(envelope, vec![fault.to_element("")]));
    }
    if let Some(identify) = Identify::from_envelope(envelope) {
        return ("Identify", with_body(envelope, identify.to_envelope().body));
    }
    let Some(first) = first else {
        let name = match action {
            action::DELETE => "Delete",
            action::DELETE_RESPONSE => "DeleteResponse",
            action::GET => "Get",
            action::DISCONNECT_RESPONSE => "DisconnectResponse",
            action::RECONNECT => "Reconnect",
            action::RECONNECT_RESPONSE => "ReconnectResponse",
            _ => "empty",
        };
        return (name, envelope.clone());
    };
    let (name, body): (&'static str, Vec<Element>) =
        match (first.name.namespace(), first.name.local()) {
            (ns::SHELL, "Shell") if action == action::CREATE => {
                ("Create", vec![ShellDescription::from_element(first).unwrap().to_element()])
            }
            (ns::SHELL, "Shell") => {
                ("GetResponse", vec![ShellInfo::from_element(first).unwrap().to_element()])
            }
            (ns::TRANSFER, "ResourceCreated") => {
                ("CreateResponse", CreateResponse::from_body(body).unwrap().to_body())
            }
            (ns::SHELL, "CommandLine") => {
                ("Command", CommandLine::from_body(body).unwrap().to_body())
            }
            (ns::SHELL, "CommandResponse") => {
                ("CommandResponse", CommandResponse::from_body(body).unwrap().to_body())
            }
            (ns::SHELL, "Send") => ("Send", Send::from_body(body).unwrap().to_body()),
            (ns::SHELL, "SendResponse") => {
                ("SendResponse", SendResponse::from_body(body).unwrap().to_body())
            }
            (ns::SHELL, "Receive") => ("Receive", Receive::from_body(body).unwrap().to_body()),
            (ns::SHELL, "ReceiveResponse") => {
                ("ReceiveResponse", ReceiveResponse::from_body(body).unwrap().to_body())
            }
            (ns::SHELL, "Signal") => ("Signal", Signal::from_body(body).unwrap().to_body()),
            (ns::SHELL, "SignalResponse") => {
                ("SignalResponse", SignalResponse::from_body(body).unwrap().to_body())
            }
            (ns::IDENTITY, "IdentifyResponse") => {
                let response = IdentifyResponse::from_envelope(envelope).unwrap();
                ("IdentifyResponse", response.to_envelope().body)
            }
            _ => through_later_types(first, body),
        };
    (name, with_body(envelope, body))
}

/// Disconnecting shells and enumerating.
fn through_later_types(first: &Element, body: &[Element]) -> (&'static str, Vec<Element>) {
    match (first.name.namespace(), first.name.local()) {
        (ns::SHELL, "Disconnect") => ("Disconnect", Disconnect::from_body(body).unwrap().to_body()),
        (ns::SHELL, "Reconnect") => ("Reconnect", Reconnect::from_body(body).unwrap().to_body()),
        (ns::SHELL, "Connect") => ("Connect", Connect::from_body(body).unwrap().to_body()),
        (ns::SHELL, "ConnectResponse") => {
            ("ConnectResponse", ConnectResponse::from_body(body).unwrap().to_body())
        }
        (ns::ENUMERATION, "Enumerate") => {
            ("Enumerate", Enumerate::from_body(body).unwrap().to_body())
        }
        (ns::ENUMERATION, "EnumerateResponse") => {
            let mut response = EnumerateResponse::from_body(body).unwrap();
            let items = response.batch.items.iter_mut().flatten();
            items.for_each(|item| *item = through_item(item));
            ("EnumerateResponse", response.to_body())
        }
        (ns::ENUMERATION, "Pull") => ("Pull", Pull::from_body(body).unwrap().to_body()),
        (ns::ENUMERATION, "PullResponse") => {
            let mut response = PullResponse::from_body(body).unwrap();
            let items = response.batch.items.iter_mut().flatten();
            items.for_each(|item| *item = through_item(item));
            ("PullResponse", response.to_body())
        }
        (ns::ENUMERATION, "Release") => ("Release", Release::from_body(body).unwrap().to_body()),
        _ => ("other", body.to_vec()),
    }
}

/// An item of an enumeration read into its type and written.
fn through_item(element: &Element) -> Element {
    match (element.name.namespace(), element.name.local()) {
        (ns::SHELL, "Shell") => ShellInfo::from_element(element).unwrap().to_element(),
        (ns::SHELL, "Command") => ListedCommand::from_element(element).unwrap().to_element(),
        _ => Item::from_element(element).to_element(),
    }
}

fn with_body(envelope: &Envelope, body: Vec<Element>) -> Envelope {
    Envelope { body, ..envelope.clone() }
}

/// Runs every document through the types; the numbers by kind.
fn check(documents: &[Document]) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    for document in documents {
        let envelope = match Envelope::decode(document.text.as_bytes(), &limits()) {
            Ok(envelope) => envelope,
            Err(error) => panic!("{}: {error}", document.origin),
        };
        for block in &envelope.header.blocks {
            if let HeaderValue::Malformed(element) = &block.value {
                // The one recording that shows what Windows says to it.
                assert_eq!(element.text(), "PT-1S", "{}: {element:?}", document.origin);
            }
        }
        let (kind, again) = through_types(&envelope);
        let ours = again.encode();
        let one = canonical::tree(document.text.as_bytes());
        let other = canonical::tree(&ours);
        if let Some(difference) = one.difference(&other) {
            panic!("{}: {difference}", document.origin);
        }
        assert_eq!(Envelope::decode(&ours, &limits()).unwrap().encode(), ours);
        *kinds.entry(kind).or_default() += 1;
    }
    #[expect(clippy::print_stderr, reason = "how many documents took part is part of the result")]
    {
        eprintln!("{} documents: {kinds:?}", documents.len());
    }
    kinds
}

#[test]
fn conversations_with_windows_survive() {
    let Some(folder) = corpora::folder("conversations_with_windows_survive", "pypsrp") else {
        return;
    };
    let kinds = check(&corpora::pypsrp(&folder));
    for (kind, least) in [
        ("Create", 75),
        ("CreateResponse", 75),
        ("Command", 70),
        ("CommandResponse", 70),
        ("Send", 39),
        ("SendResponse", 39),
        ("Receive", 209),
        ("ReceiveResponse", 200),
        ("Signal", 23),
        ("SignalResponse", 23),
        ("Delete", 72),
        ("Get", 11),
        ("Fault", 10),
        ("Disconnect", 5),
        ("DisconnectResponse", 5),
        ("Reconnect", 3),
        ("ReconnectResponse", 3),
        ("Connect", 6),
        ("ConnectResponse", 6),
        ("Enumerate", 6),
        ("EnumerateResponse", 6),
    ] {
        assert!(kinds.get(kind).is_some_and(|count| *count >= least), "{kind}: {kinds:?}");
    }
}

#[test]
fn examples_of_the_specification_survive() {
    let Some(folder) = corpora::folder("examples_of_the_specification_survive", "ms-wsmv") else {
        return;
    };
    let kinds = check(&corpora::ms_wsmv(&folder));
    assert!(kinds.values().sum::<usize>() >= 70, "{kinds:?}");
    let shell = ["Create", "Command", "Send", "Receive", "Signal", "Delete", "Get", "Fault"];
    let enumeration = ["Enumerate", "EnumerateResponse", "Pull", "PullResponse", "Reconnect"];
    for kind in shell.iter().chain(&enumeration) {
        assert!(kinds.contains_key(kind), "{kind}: {kinds:?}");
    }
}

#[test]
fn answers_of_other_stacks_survive() {
    let Some(folder) = corpora::folder("answers_of_other_stacks_survive", "rb-winrm") else {
        return;
    };
    let kinds = check(&corpora::rb_winrm(&folder));
    assert!(kinds.values().sum::<usize>() >= 15, "{kinds:?}");
    assert!(kinds.get("Fault").is_some_and(|count| *count >= 4), "{kinds:?}");
}

#[test]
fn answers_of_management_engines_survive() {
    let test = "answers_of_management_engines_survive";
    let Some(folder) = corpora::folder(test, "intel-amt/go-amt") else { return };
    let kinds = check(&corpora::requests(&folder));
    for kind in ["Enumerate", "EnumerateResponse", "Pull", "PullResponse"] {
        assert!(kinds.get(kind).is_some_and(|count| *count >= 4), "{kind}: {kinds:?}");
    }
}

#[test]
fn requests_of_released_clients_survive() {
    let Some(folder) = corpora::folder("requests_of_released_clients_survive", "requests") else {
        return;
    };
    let kinds = check(&corpora::requests(&folder));
    assert!(kinds.values().sum::<usize>() >= 200, "{kinds:?}");
}
