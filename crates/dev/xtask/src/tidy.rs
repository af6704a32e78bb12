//! The repository checks that cargo and clippy have no lint for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::arrows;
use crate::workspace::Workspace;

/// Lines of a source file before its `#[cfg(test)]` module.
const FILE_LIMIT: usize = 600;
/// A file with this comment, which goes on with the reason, may be longer.
const LONG_FILE: &str = "// tidy: long file: ";
/// Words for work left undone. Spelled in two halves here, as this file is checked too.
const LEFT_OVERS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME")];
/// Macros for work left undone.
const STUBS: &[&str] = &[concat!("to", "do!("), concat!("unimple", "mented!(")];
/// The lint that a source switches off which may call what the compiler cannot check, and the words of the law that says
/// which sources may.
const UNSAFE_LINT: &str = concat!("unsafe", "_code");
const UNSAFE_LAW: &str = "`unsafe` exists";
/// Folders of some machine. Nothing in the repository may depend on them.
const MACHINE_FOLDERS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];
/// The last part of a change fragment's name before `.md`.
const CHANGE_KINDS: &[&str] = &["added", "changed", "fixed", "removed"];
/// Where a path in ARCHITECTURE.md begins.
const MAPPED: &[&str] = &["crates/", "fuzz/", "changes/", "docs/", ".ci/", ".cargo/"];

/// A tracked text file.
struct File {
    /// Below the root, with `/`.
    path: String,
    text: String,
}

/// Runs every check and prints what is wrong; `true` when nothing is.
pub(crate) fn run(workspace: &Workspace) -> bool {
    let faults = check(workspace).unwrap_or_else(|fault| vec![fault]);
    for fault in &faults {
        eprintln!("tidy: {fault}");
    }
    if faults.is_empty() {
        println!("tidy: ok");
    }
    faults.is_empty()
}

fn check(workspace: &Workspace) -> Result<Vec<String>, String> {
    let files = tracked(&workspace.root)?;
    let mut faults = Vec::new();
    for file in &files {
        check_file(file, &workspace.root, &mut faults);
    }
    check_tests_are_named(&files, &mut faults);
    let saved = saved_inputs(&workspace.root.join("fuzz/saved"))?;
    check_fuzz_targets(&files, &saved, &mut faults);
    check_dependencies(text_of(&files, "Cargo.toml"), &mut faults);
    let crates: Vec<_> =
        workspace.packages.iter().map(|package| package.folder.display().to_string()).collect();
    let exists = |path: &str| workspace.root.join(path).exists();
    check_architecture(text_of(&files, "ARCHITECTURE.md"), &crates, exists, &mut faults);
    check_unsafe(&files, text_of(&files, "ARCHITECTURE.md"), &mut faults);
    faults.extend(arrows::check(workspace));
    Ok(faults)
}

/// What git tracks or would track, as far as it is text.
fn tracked(root: &Path) -> Result<Vec<File>, String> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("git ls-files: {error}"))?;
    if !output.status.success() {
        return Err(format!("git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let paths: BTreeSet<_> =
        String::from_utf8_lossy(&output.stdout).split('\0').map(str::to_owned).collect();
    let file = |path: String| Some(File { text: fs::read_to_string(root.join(&path)).ok()?, path });
    Ok(paths.into_iter().filter(|path| !path.is_empty()).filter_map(file).collect())
}

fn text_of<'a>(files: &'a [File], path: &str) -> &'a str {
    files.iter().find(|file| file.path == path).map_or("", |file| file.text.as_str())
}

fn check_file(file: &File, root: &Path, faults: &mut Vec<String>) {
    let File { path, text } = file;
    if path.ends_with(".rs") {
        check_source(path, text, faults);
    }
    if let Some(name) = path.strip_prefix("changes/") {
        check_fragment(name, text, faults);
    }
    let own_root = format!("{}/", root.display());
    for (number, line) in text.lines().enumerate() {
        let mut fault = |what: String| faults.push(format!("{path}:{}: {what}", number + 1));
        let folders = MACHINE_FOLDERS.iter().copied().chain([own_root.as_str()]);
        if let Some(folder) = folders.into_iter().find(|folder| names_folder(line, folder)) {
            fault(format!("names {folder}, a folder of one machine"));
        }
        if !is_code(path) {
            continue;
        }
        if let Some(word) = LEFT_OVERS.iter().find(|word| has_word(line, word)) {
            fault(format!("{word}: finish it, or say in an issue what is missing"));
        }
        if let Some(stub) = STUBS.iter().find(|stub| line.contains(**stub)) {
            fault(format!("{stub}..) is no code"));
        }
    }
}

/// Whether a file was written by hand for machine or reader, in contrast to recorded data.
fn is_code(path: &str) -> bool {
    [".rs", ".py", ".toml", ".md", ".sh", ".ci/run"].iter().any(|end| path.ends_with(end))
}

/// A path that starts with the folder, not one that merely contains its name.
fn names_folder(line: &str, folder: &str) -> bool {
    let inside = |before: char| before.is_alphanumeric() || "._-~/*}".contains(before);
    line.match_indices(folder)
        .any(|(at, _)| !line.get(..at).is_some_and(|before| before.ends_with(inside)))
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|found| found == word)
}

fn check_source(path: &str, text: &str, faults: &mut Vec<String>) {
    // A crate's front page may stand in its README.
    if !text.starts_with("//!") && !text.starts_with("#![doc = include_str!(") {
        faults.push(format!("{path}: begin with a `//!` line that says what the file is for"));
    }
    let body = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
    let excused = text.split_once(LONG_FILE).is_some_and(|(_, reason)| !reason.starts_with('\n'));
    if body > FILE_LIMIT && !excused {
        faults.push(format!("{path}: {body} lines before the tests, limit {FILE_LIMIT}"));
    }
}

/// `<topic>.<kind>.md`, with something in it.
fn check_fragment(name: &str, text: &str, faults: &mut Vec<String>) {
    if name == "README.md" {
        return;
    }
    let topic_char =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let parts: Vec<_> = name.split('.').collect();
    let well_named = matches!(parts.as_slice(), [topic, kind, "md"]
        if !topic.is_empty() && topic.chars().all(topic_char) && CHANGE_KINDS.contains(kind));
    if !well_named {
        faults.push(format!(
            "changes/{name}: the name must be <topic>.<{}>.md",
            CHANGE_KINDS.join("|")
        ));
    }
    if text.trim().is_empty() {
        faults.push(format!("changes/{name}: says nothing"));
    }
}

/// A file below `tests/it/` that its parent module does not name would never run.
fn check_tests_are_named(files: &[File], faults: &mut Vec<String>) {
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        let Some((folder, name)) = file.path.rsplit_once('/') else { continue };
        if !format!("{folder}/").contains("/tests/it/") {
            continue;
        }
        let (module, parent_folder) = match name {
            "main.rs" if folder.ends_with("/tests/it") => continue,
            "mod.rs" => {
                folder.rsplit_once('/').map_or((folder, ""), |(parent, module)| (module, parent))
            }
            _ => (name.trim_end_matches(".rs"), folder),
        };
        let parents = ["main.rs", "mod.rs"].map(|name| format!("{parent_folder}/{name}"));
        let declaration = format!("mod {module};");
        let named = |parent: &File| {
            parent.text.lines().any(|line| line.trim_start().ends_with(&declaration))
        };
        if !files.iter().any(|parent| parents.contains(&parent.path) && named(parent)) {
            faults.push(format!("{}: no `{declaration}` in {parent_folder}", file.path));
        }
    }
}

/// How many inputs are saved for each fuzz target, by the names of the folders.
fn saved_inputs(folder: &Path) -> Result<BTreeMap<String, usize>, String> {
    let list = |folder: &Path| {
        fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))
    };
    let mut saved = BTreeMap::new();
    for entry in list(folder)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        saved.insert(name, list(&entry.path())?.count());
    }
    Ok(saved)
}

/// The fuzz workspace declares each target by hand; each has saved inputs, and a test that runs it on them.
fn check_fuzz_targets(files: &[File], saved: &BTreeMap<String, usize>, faults: &mut Vec<String>) {
    let manifest = text_of(files, "fuzz/Cargo.toml");
    let tests: Vec<_> = files.iter().filter(|file| file.path.starts_with("crates/")).collect();
    let mut targets = BTreeSet::new();
    for file in files {
        let Some(target) = file.path.strip_prefix("fuzz/fuzz_targets/") else { continue };
        let mut fault = |what: &str| faults.push(format!("{}: {what}", file.path));
        if !manifest.contains(&format!("path = \"fuzz_targets/{target}\"")) {
            fault("no [[bin]] in fuzz/Cargo.toml");
        }
        let name = target.trim_end_matches(".rs");
        if saved.get(name).is_none_or(|inputs| *inputs == 0) {
            fault("no input in fuzz/saved");
        }
        let call = format!("replay(\"{name}\", {name}::run)");
        if !tests.iter().any(|test| test.text.contains(&call)) {
            fault("no test of a crate replays its saved inputs");
        }
        targets.insert(name);
    }
    for name in saved.keys().filter(|name| !targets.contains(name.as_str())) {
        faults.push(format!("fuzz/saved/{name}: there is no such target"));
    }
}

/// Each paragraph of `[workspace.dependencies]` has a comment that says what it is for, above its
/// first dependency.
fn check_dependencies(manifest: &str, faults: &mut Vec<String>) {
    let section = manifest.lines().skip_while(|line| *line != "[workspace.dependencies]").skip(1);
    let mut explained = false;
    for line in section.take_while(|line| !line.starts_with('[')) {
        if line.trim().is_empty() {
            explained = false;
        } else if line.starts_with('#') {
            explained = true;
        } else if !explained && line.contains('=') {
            let name = line.split([' ', '=']).next().unwrap_or_default();
            faults.push(format!(
                "Cargo.toml: {name} stands under no comment that says what it is for"
            ));
        }
    }
}

/// Every crate is on the map, and every path on the map exists.
fn check_architecture(
    map: &str,
    crates: &[String],
    exists: impl Fn(&str) -> bool,
    faults: &mut Vec<String>,
) {
    for folder in crates {
        if !map.contains(&format!("`{folder}`")) {
            faults.push(format!("ARCHITECTURE.md does not mention `{folder}`"));
        }
    }
    for path in map.split('`').filter(|part| MAPPED.iter().any(|start| part.starts_with(start))) {
        if !exists(path) {
            faults.push(format!("ARCHITECTURE.md names `{path}`, which does not exist"));
        }
    }
}

/// Sources outside of the places that the law names have no `unsafe`: none that switches the workspace's lint off. Tests
/// do what an attacker would.
fn check_unsafe(files: &[File], map: &str, faults: &mut Vec<String>) {
    let law = map.split_once(UNSAFE_LAW).map_or("", |(_, law)| law);
    let law = law.split("\n\n").next().unwrap_or_default();
    let places: Vec<_> = law.split('`').filter(|part| part.starts_with("crates/")).collect();
    let is_switched_off = |text: &str| {
        let mut lines = text.lines().map(str::trim_start);
        lines.any(|line| !line.starts_with("//") && line.contains(UNSAFE_LINT))
    };
    for File { path, text } in files {
        let is_named =
            path.contains("/tests/") || places.iter().any(|place| path.starts_with(place));
        if path.ends_with(".rs") && !is_named && is_switched_off(text) {
            faults
                .push(format!("{path}: ARCHITECTURE.md does not name it as a place for `unsafe`"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_with_unsafe_are_named_by_the_law() {
        let map = "5. `unsafe` exists below `crates/a/src/sys` only.\n\n`crates/b`: other text\n";
        let file = |path: &str| File {
            path: path.to_owned(),
            text: format!("//! For this.\n#![expect({UNSAFE_LINT}, reason = \"calls\")]\n"),
        };
        let files =
            [file("crates/a/src/sys/x.rs"), file("crates/a/src/y.rs"), file("crates/b/z.rs")];
        let found = faults(|faults| check_unsafe(&files, map, faults));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("crates/a/src/y.rs"), "{found:?}");
    }

    fn faults(check: impl FnOnce(&mut Vec<String>)) -> Vec<String> {
        let mut faults = Vec::new();
        check(&mut faults);
        faults
    }

    fn in_file(path: &str, text: &str) -> Vec<String> {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        faults(|faults| check_file(&file, Path::new("/srv/checkout"), faults))
    }

    #[test]
    fn a_source_without_a_header_is_a_fault() {
        assert_eq!(in_file("a.rs", "//! For this.\n"), [] as [String; 0]);
        assert_eq!(in_file("a.rs", "use std::fs;\n").len(), 1);
    }

    #[test]
    fn a_long_source_needs_a_reason_and_its_tests_do_not_count() {
        let long = |middle: &str| format!("//! For this.\n{middle}{}", "\n".repeat(FILE_LIMIT));
        assert_eq!(in_file("a.rs", &long("")).len(), 1);
        assert_eq!(in_file("a.rs", &long("// tidy: long file: one table\n")), [] as [String; 0]);
        assert_eq!(in_file("a.rs", &long("// tidy: long file: \n")).len(), 1);
        assert_eq!(in_file("a.rs", &long("#[cfg(test)]\n")), [] as [String; 0]);
    }

    #[test]
    fn left_overs_are_faults_in_code_and_not_in_recordings() {
        for line in LEFT_OVERS.iter().map(|word| format!("# {word}: later")) {
            assert_eq!(in_file("a.py", &line).len(), 1, "{line}");
            assert_eq!(in_file("a.xml", &line), [] as [String; 0], "{line}");
        }
        let stub = format!("//! For this.\n{})\n", STUBS[0]);
        assert_eq!(in_file("a.rs", &stub).len(), 1);
        assert_eq!(in_file("a.md", "METODOS"), [] as [String; 0]);
    }

    #[test]
    fn a_folder_of_one_machine_is_a_fault_and_a_relative_one_is_not() {
        for folder in MACHINE_FOLDERS {
            assert_eq!(in_file("a.xml", &format!("<a>{folder}x</a>")).len(), 1);
            assert_eq!(
                in_file("a.xml", &format!("see frame{folder}x and ..{folder}y")),
                [] as [String; 0]
            );
        }
        assert_eq!(in_file("a.txt", "in /srv/checkout/crates").len(), 1);
    }

    #[test]
    fn fragments_have_a_topic_a_kind_and_text() {
        for name in ["winrs.added.md", "ntlm-2.fixed.md", "README.md"] {
            assert_eq!(in_file(&format!("changes/{name}"), "Text.\n"), [] as [String; 0], "{name}");
        }
        for name in [
            "winrs.md",
            "winrs.new.md",
            ".added.md",
            "Win rs.added.md",
            "a.b.added.md",
            "a.added.txt",
        ] {
            assert_eq!(in_file(&format!("changes/{name}"), "Text.\n").len(), 1, "{name}");
        }
        assert_eq!(in_file("changes/winrs.added.md", "\n").len(), 1);
    }

    #[test]
    fn a_test_file_that_no_module_names_is_a_fault() {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let files = [
            file("crates/a/tests/it/main.rs", "//! T.\nmod named;\nmod folder;\n"),
            file("crates/a/tests/it/named.rs", ""),
            file("crates/a/tests/it/name.rs", ""),
            file("crates/a/tests/it/folder/mod.rs", "mod inner;"),
            file("crates/a/tests/it/folder/inner.rs", ""),
            file("crates/a/tests/it/folder/lost.rs", ""),
            file("crates/a/tests/other.rs", ""),
        ];
        let faults = faults(|faults| check_tests_are_named(&files, faults));
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].contains("name.rs") && faults[1].contains("lost.rs"), "{faults:?}");
    }

    #[test]
    fn a_fuzz_target_needs_a_bin_saved_inputs_and_a_test() {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let mut files = vec![
            file("fuzz/Cargo.toml", "path = \"fuzz_targets/one.rs\""),
            file("fuzz/fuzz_targets/one.rs", ""),
            file("crates/core/a/tests/it/fuzz.rs", "replay(\"one\", one::run);"),
        ];
        let mut saved = BTreeMap::from([("one".to_owned(), 2)]);
        assert_eq!(faults(|faults| check_fuzz_targets(&files, &saved, faults)), [""; 0]);
        files.push(file("fuzz/fuzz_targets/two.rs", ""));
        saved.insert("two".to_owned(), 0);
        saved.insert("three".to_owned(), 1);
        let found = faults(|faults| check_fuzz_targets(&files, &saved, faults));
        for fault in
            ["two.rs: no [[bin]]", "two.rs: no input", "two.rs: no test", "fuzz/saved/three"]
        {
            assert!(found.iter().any(|found| found.contains(fault)), "{fault}: {found:?}");
        }
        assert_eq!(found.len(), 4, "{found:?}");
    }

    #[test]
    fn each_paragraph_of_dependencies_needs_a_comment() {
        let manifest = "[workspace.dependencies]\n# Why.\na = \"1\"\nb = \"1\"\n\nc = \"1\"\n[other]\nd = \"1\"\n";
        let faults = faults(|faults| check_dependencies(manifest, faults));
        assert_eq!(faults, ["Cargo.toml: c stands under no comment that says what it is for"]);
    }

    #[test]
    fn the_map_names_every_crate_and_only_real_paths() {
        let crates = ["crates/core/a".to_owned(), "crates/io/b".to_owned()];
        let map = "`crates/core/a` and `crates/io/gone` by `cargo xtask tidy`";
        let faults = faults(|faults| {
            check_architecture(map, &crates, |path| path == "crates/core/a", faults)
        });
        assert_eq!(faults.len(), 2, "{faults:?}");
    }
}
