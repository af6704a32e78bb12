//! Finds the corpora of recorded messages, which are not part of the repository.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The folder of a corpus; `None`, with a report, where it is absent.
pub(crate) fn folder(test: &str, name: &str) -> Option<PathBuf> {
    testkit::corpora(test).map(|root| root.join(name))
}

/// A document and where it came from.
pub(crate) struct Document {
    pub(crate) origin: String,
    pub(crate) text: String,
}

#[expect(clippy::disallowed_methods, reason = "tests read files")]
pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, suffix));
        } else if path.to_string_lossy().ends_with(suffix) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn document(path: &Path) -> Document {
    let origin = path.file_name().unwrap().to_string_lossy().into_owned();
    Document { origin, text: read(path) }
}

#[derive(Deserialize)]
struct Conversation {
    messages: Vec<Exchange>,
}

#[derive(Deserialize)]
struct Exchange {
    request: String,
    #[serde(default)]
    response: Option<String>,
}

/// Both sides of the conversations with Windows hosts that pypsrp's authors recorded.
pub(crate) fn pypsrp(folder: &Path) -> Vec<Document> {
    let mut documents = Vec::new();
    for path in files(&folder.join("responses"), ".yml") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name == "_template.yml" {
            continue;
        }
        let conversation: Conversation = serde_norway::from_str(&read(&path)).unwrap();
        for (number, exchange) in conversation.messages.into_iter().enumerate() {
            let request = Some(exchange.request);
            for (side, text) in [("request", request), ("response", exchange.response)] {
                let origin = format!("{name} {number} {side}");
                documents.extend(text.map(|text| Document { origin, text }));
            }
        }
    }
    documents
}

/// The specification's examples, without those that its index calls broken.
pub(crate) fn ms_wsmv(folder: &Path) -> Vec<Document> {
    let index = read(&folder.join("INDEX.tsv"));
    let well_formed = index.lines().filter(|line| line.ends_with("\tyes"));
    let names = well_formed.filter_map(|line| line.split('\t').next());
    let document = |name| {
        let mut document = document(&folder.join("xml").join(name));
        // A remark of the authors that stands between the elements of one example.
        document.text = document.text.replace("* //optional", "");
        document
    };
    names.map(document).collect()
}

/// Answers of several stacks, their placeholders filled in.
pub(crate) fn rb_winrm(folder: &Path) -> Vec<Document> {
    let folder = folder.join("spec/stubs/responses");
    let mut documents: Vec<_> = files(&folder, ".xml").iter().map(|path| document(path)).collect();
    for path in files(&folder, ".erb") {
        let mut document = document(&path);
        let filled = document.text.split("<%=").enumerate().map(|(number, piece)| {
            let Some((name, rest)) = piece.split_once("%>").filter(|_| number > 0) else {
                return piece.to_owned();
            };
            let value = match name.trim() {
                "command_id" => "DC2A1E7B-7B5F-4E5C-9E0A-3A6A6A6A0001",
                _ => "aGVsbG8NCg==",
            };
            [value, rest].concat()
        });
        document.text = filled.collect();
        documents.push(document);
    }
    documents
}

/// What released clients sent, and the answers of the stub that they spoke to.
pub(crate) fn requests(folder: &Path) -> Vec<Document> {
    files(folder, ".xml")
        .iter()
        .map(|path| Document {
            origin: path.strip_prefix(folder).unwrap().to_string_lossy().into_owned(),
            text: read(path),
        })
        .collect()
}
