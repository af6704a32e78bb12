//! Recorded messages of Windows hosts, of pwsh and of the specification: read and written again
//! they are the same graph.

use psrp::clixml::{Limits, Value, decode, encode};
use serde_json::Value as Json;

use crate::corpora;
use crate::graph::canonical;

fn round_trip(origin: &str, text: &str, wrong: &mut Vec<String>) -> Option<Value> {
    let value = match decode(text, &Limits::default()) {
        Ok(value) => value,
        Err(error) => {
            wrong.push(format!("{origin}: {error}\n  {text}"));
            return None;
        }
    };
    let ours = encode(&value);
    if canonical(&ours) != canonical(text) {
        wrong.push(format!("{origin}:\n  {}\n  {}", canonical(text), canonical(&ours)));
    }
    match decode(&ours, &Limits::default()) {
        Ok(again) if encode(&again) == ours => {}
        _ => wrong.push(format!("{origin}: not the same again\n  {ours}")),
    }
    Some(value)
}

#[test]
fn messages_of_windows_hosts_are_the_same_graph_again() {
    let name = "psrp::messages_of_windows_hosts_are_the_same_graph_again";
    let Some(folder) = corpora::folder(name, "pypsrp/decoded") else { return };
    let mut wrong = Vec::new();
    let mut count = 0;
    for path in corpora::files(&folder, ".json") {
        let messages: Vec<Json> = corpora::json(&path);
        for message in messages {
            count += 1;
            let text = message["xml"].as_str().unwrap();
            if !text.is_empty() {
                round_trip(&path.display().to_string(), text, &mut wrong);
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(5)].join("\n")
    );
    assert_eq!(count, 701);
}

#[test]
fn messages_of_pwsh_are_the_same_graph_again() {
    let name = "psrp::messages_of_pwsh_are_the_same_graph_again";
    let Some(folder) = corpora::folder(name, "pwsh-sshs") else { return };
    let mut wrong = Vec::new();
    let mut count = 0;
    for path in corpora::files(&folder, ".jsonl") {
        for line in corpora::read(&path).lines() {
            let entry: Json = corpora::parse(line).unwrap();
            // What was sent to be refused is no example; what is cut is not whole.
            let is_misuse = path.to_string_lossy().contains("misuse")
                || entry["dir"] == "in" && entry.get("why").is_some();
            for message in entry["msgs"].as_array().into_iter().flatten() {
                let text = message["xml"].as_str().unwrap_or_default();
                if is_misuse || text.is_empty() || message.get("xml_cut").is_some() {
                    continue;
                }
                count += 1;
                round_trip(&format!("{} {}", path.display(), message["type"]), text, &mut wrong);
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(5)].join("\n")
    );
    assert!(count > 2_000, "{count}");
}

#[test]
fn fragments_of_the_specification_are_the_same_graph_again() {
    let name = "psrp::fragments_of_the_specification_are_the_same_graph_again";
    let Some(folder) = corpora::folder(name, "ms-psrp/clixml") else { return };
    let mut read = 0;
    let mut wrong = Vec::new();
    let index = corpora::read(&folder.join("../INDEX.tsv"));
    for line in index.lines().filter(|line| line.ends_with("\tyes")) {
        let name = line.split('\t').next().unwrap();
        if NOT_WHOLE.iter().any(|(not_whole, _)| *not_whole == name) {
            continue;
        }
        let text = corpora::read(&folder.join(name));
        read += 1;
        let first_tag = text.split_once('>').unwrap().0;
        let is_part = first_tag.contains(" N=");
        let whole = format!("<Obj RefId=\"100\"><MS>{text}</MS></Obj>");
        round_trip(name, if is_part { &whole } else { &text }, &mut wrong);
    }
    assert_eq!(read, 45 - NOT_WHOLE.len());
    assert!(wrong.is_empty(), "{read}: {}", wrong[..wrong.len().min(5)].join("\n"));
}

/// Well-formed fragments that are no CLIXML.
const NOT_WHOLE: &[(&str, &str)] = &[
    ("2-2-2-20_04.xml", "refers to an object of another fragment"),
    ("2-2-5-1-22_01.xml", "XML that is not escaped, which PowerShell refuses too"),
    ("2-2-2-29_02.xml", "a property has lost its name"),
];
