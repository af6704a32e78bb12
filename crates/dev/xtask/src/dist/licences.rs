//! What the programs contain of other people's, and under which licences.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::workspace::{Workspace, cargo};

/// One crate that is part of the programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) version: String,
    /// The expression of its manifest.
    pub(super) licence: String,
    /// The texts that come with it.
    pub(super) texts: Vec<String>,
}

/// Where the text of a licence stands, by the beginning of a file's name in capitals.
const NAMES: [&str; 6] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];

/// Every crate that the programs are built of, tests and build scripts not counted, ours neither.
pub(super) fn collect(workspace: &Workspace) -> Result<Vec<Part>, String> {
    let mut tree = cargo();
    tree.args(["tree", "--locked", "--package", "transom-cli", "--edges", "normal"]);
    tree.args(["--prefix", "none", "--format", "{p}|{l}"]).current_dir(&workspace.root);
    let tree = super::output(&mut tree)?;
    let mut metadata = cargo();
    metadata.args(["metadata", "--locked", "--format-version", "1"]).current_dir(&workspace.root);
    let metadata: serde_json::Value =
        serde_json::from_str(&super::output(&mut metadata)?).map_err(|error| error.to_string())?;
    let mut folders = BTreeMap::new();
    let packages = metadata.get("packages").and_then(|packages| packages.as_array());
    for package in packages.into_iter().flatten() {
        let text = |field: &str| {
            let text = package.get(field).and_then(|text| text.as_str());
            text.unwrap_or_default().to_owned()
        };
        let folder = Path::new(&text("manifest_path")).parent().map(Path::to_owned);
        folders.insert((text("name"), text("version")), folder.unwrap_or_default());
    }
    let mut parts = Vec::new();
    for (name, version, licence) in listed(&tree) {
        let folder = folders.get(&(name.clone(), version.clone()));
        let texts = folder.map(|folder| read_texts(folder)).transpose()?.unwrap_or_default();
        parts.push(Part { name, version, licence, texts });
    }
    Ok(parts)
}

/// The lines of `cargo tree`, `name vVERSION (origin)|LICENCE`, sorted, each once, without our own.
fn listed(tree: &str) -> Vec<(String, String, String)> {
    let mut found: Vec<_> = tree
        .lines()
        .filter_map(|line| {
            let (package, licence) = line.trim_end_matches(" (*)").split_once('|')?;
            let mut words = package.split(' ');
            let name = words.next()?.to_owned();
            let version = words.next()?.trim_start_matches('v').to_owned();
            Some((name, version, licence.to_owned()))
        })
        .filter(|(name, ..)| !name.starts_with("transom"))
        .collect();
    found.sort();
    found.dedup();
    found
}

fn read_texts(folder: &Path) -> Result<Vec<String>, String> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).map_err(super::at(folder))?.flatten() {
        let name = entry.file_name().to_string_lossy().to_uppercase();
        if NAMES.iter().any(|begin| name.starts_with(begin)) && entry.path().is_file() {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths.iter().filter_map(|path| fs::read_to_string(path).ok()).collect())
}

/// Every text once, under the names of the crates that come with it.
pub(super) fn texts(parts: &[Part]) -> String {
    let mut owners: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for part in parts {
        for text in &part.texts {
            owners.entry(text.trim()).or_default().push(format!("{} {}", part.name, part.version));
        }
    }
    let mut sections: Vec<(String, &str)> =
        owners.into_iter().map(|(text, names)| (names.join(", "), text)).collect();
    sections.sort();
    let rule = "=".repeat(78);
    sections.iter().map(|(names, text)| format!("{rule}\n{names}\n{rule}\n\n{text}\n\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_crate_is_listed_once_and_our_own_are_not() {
        let tree = "transom-cli v0.1.0 (/r/cli)|MIT\nb v2.0.0|MIT\na v1.0.0 (proc-macro)|ISC\nb v2.0.0|MIT (*)\n";
        let one = |name: &str, version: &str, licence: &str| {
            (name.to_owned(), version.to_owned(), licence.to_owned())
        };
        assert_eq!(listed(tree), [one("a", "1.0.0", "ISC"), one("b", "2.0.0", "MIT")]);
    }

    #[test]
    fn equal_texts_stand_once_under_all_their_names() {
        let part = |name: &str, text: &str| Part {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            licence: "MIT".to_owned(),
            texts: vec![text.to_owned()],
        };
        let text = texts(&[part("a", "one\n"), part("b", "two"), part("c", "one")]);
        assert_eq!(text.matches("\none\n").count(), 1);
        assert!(text.contains("a 1.0.0, c 1.0.0\n"), "{text}");
    }
}
