//! Recorded messages as types: what is read is written and read as the same, and no property that a
//! host or a client sends is overlooked.

use std::collections::BTreeSet;

use psrp::clixml::{Limits, Value};
use psrp::message::{Destination, Frame};
use psrp::messages::{KINDS, Kind, Message};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::corpora;

struct Recorded {
    origin: String,
    name: String,
    text: String,
}

/// The messages that Windows hosts and pypsrp exchanged, and those of pwsh and its clients.
fn recorded(test: &str) -> Option<Vec<Recorded>> {
    let root = corpora::folder(test, "")?;
    let mut found = Vec::new();
    let mut add = |origin: &std::path::Path, message: &Json| {
        let name = message["type"].as_str().unwrap_or_default().to_owned();
        let Some(text) = message["xml"].as_str().map(str::to_owned) else { return };
        let origin = origin.file_stem().unwrap().to_string_lossy().into_owned();
        if message.get("xml_cut").is_none() {
            found.push(Recorded { origin, name, text });
        }
    };
    for path in corpora::files(&root.join("pypsrp/decoded"), ".json") {
        let messages: Vec<Json> = corpora::json(&path);
        messages.iter().for_each(|message| add(&path, message));
    }
    for path in corpora::files(&root.join("pwsh-sshs"), ".jsonl") {
        for line in corpora::read(&path).lines() {
            let entry: Json = corpora::parse(line).unwrap();
            let messages = entry["msgs"].as_array().into_iter().flatten();
            messages.for_each(|message| add(&path, message));
        }
    }
    Some(found)
}

/// Properties that no type has a field for, and why.
const OVERLOOKED: &[(&str, &str)] = &[(
    "GET_COMMAND_METADATA FullyQualifiedModule",
    "null in every recording; PowerShell alone sends it",
)];

#[test]
fn recorded_messages_are_the_same_again() {
    let Some(recorded) = recorded("psrp::recorded_messages_are_the_same_again") else { return };
    let mut wrong = Vec::new();
    let mut overlooked = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for Recorded { origin, name, text } in &recorded {
        let Some(kind) = KINDS.iter().find(|kind| kind.name == name) else { continue };
        let frame = Frame {
            destination: kind.destination.unwrap_or(Destination::Client),
            kind: kind.number,
            pool: Uuid::from_u128(1),
            pipeline: Uuid::from_u128(2),
            text: text.clone(),
        };
        let message = match Message::decode(frame.clone(), &Limits::default()) {
            Ok(message) => message,
            Err(error) => {
                if !REFUSED.contains(&&**origin) {
                    wrong.push(format!("{origin}: {error}\n  {text}"));
                }
                continue;
            }
        };
        seen.insert(name.clone());
        let again = message.encode(frame.destination, frame.pool, frame.pipeline);
        match Message::decode(again.clone(), &Limits::default()) {
            Ok(ours) if is_same(&ours, &message) => {}
            ours => wrong.push(format!("{origin}:\n  {message:?}\n  {ours:?}")),
        }
        let names = |frame: &Frame| match frame.value(&Limits::default()) {
            Ok(Value::Object(object)) => object
                .extended
                .iter()
                .map(|property| property.name().to_string().to_lowercase())
                .collect::<BTreeSet<_>>(),
            _ => BTreeSet::new(),
        };
        let ours = names(&again);
        let missing = names(&frame).into_iter().filter(|name| !ours.contains(name));
        overlooked.extend(missing.map(|property| format!("{name} {property}")));
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong[..wrong.len().min(5)].join("\n"));
    let listed = OVERLOOKED.iter().map(|(name, _)| {
        let (message, property) = name.split_once(' ').unwrap();
        format!("{message} {}", property.to_lowercase())
    });
    assert_eq!(overlooked, listed.collect());
    let never: Vec<_> =
        KINDS.iter().filter(|kind| !seen.contains(kind.name)).map(|kind| kind.name).collect();
    assert_eq!(never, ["RUNSPACEPOOL_HOST_CALL"]);
    assert!(recorded.len() > 3_400, "{}", recorded.len());
}

/// Numbers that are none are equal to nothing.
fn is_same(one: &Message, two: &Message) -> bool {
    one == two || format!("{one:?}") == format!("{two:?}")
}

/// Recordings of what a host must refuse.
const REFUSED: &[&str] = &["misuse-message-bad-clixml", "misuse-message-missing-property"];

#[test]
fn numbers_and_names_are_those_of_the_specification() {
    assert_eq!(Kind::of(0x0002_1006).map(|kind| kind.name), Some("CREATE_PIPELINE"));
    assert_eq!(Kind::of(0x0001_0003), None);
    assert!(KINDS.is_sorted_by_key(|kind| kind.number));
}
