//! `transom principal`: what is written, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use nix::unistd::{Uid, User};
use tempfile::TempDir;

use crate::tool::{self, Ran};

fn transom(folder: &TempDir, words: &[&str]) -> Ran {
    let mut command = tool::transom();
    command.args(words).arg("--state").arg(folder.path().join("state"));
    tool::run_with_input(&mut command, b"geheim\n")
}

fn principal(folder: &TempDir, words: &[&str]) -> Ran {
    transom(folder, &[&["principal"], words].concat())
}

/// A state folder with the account alice.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let local = if Uid::effective().is_root() {
        "nobody".to_owned()
    } else {
        User::from_uid(Uid::effective()).unwrap().expect("who runs the tests has a name").name
    };
    let add = ["account", "add", "alice", "--local-user", &local, "--password-stdin"];
    transom(&folder, &add).ended(0);
    folder
}

#[test]
fn mapping_is_added_listed_and_removed() {
    let folder = folder();
    assert_eq!(principal(&folder, &["list"]).ended(0).stdout, "no mappings\n");
    let added = principal(&folder, &["add", "al@LAB.TEST", "--account", "ALICE"]).ended(0);
    assert_eq!(added.stdout, "al@LAB.TEST logs in as alice\n");
    let words = ["add", "*@lab.test", "--same-name", "--ignore-case", "--disabled"];
    let added = principal(&folder, &words).ended(0).stdout;
    assert!(added.contains("the account of the same name once the mapping is enabled"), "{added}");
    assert!(added.contains("capital letters"), "{added}");
    let mode = fs::metadata(folder.path().join("state/principals")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let listed = principal(&folder, &["list"]).ended(0).stdout;
    let rows: Vec<Vec<&str>> = listed
        .lines()
        .skip(1)
        .map(|line| line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect())
        .collect();
    assert_eq!(
        rows,
        [["al@LAB.TEST", "alice", "no", "yes"], ["*@lab.test", "(same name)", "yes", "no"]]
    );
    let json = principal(&folder, &["list", "--json"]).ended(0).stdout;
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(first["principal"], "al@LAB.TEST");
    assert_eq!((&first["account"], &first["sameName"]), (&"alice".into(), &false.into()));
    principal(&folder, &["remove", "*@lab.test"]).ended(0);
    let gone = principal(&folder, &["remove", "*@lab.test"]).ended(1);
    assert!(gone.stderr.contains("*@lab.test") && gone.stderr.contains("principal list"));
    // The account is meant, not its name.
    transom(&folder, &["account", "remove", "alice"]).ended(0);
    let listed = principal(&folder, &["list"]).ended(0).stdout;
    assert!(listed.contains("(removed)"), "{listed}");
}

#[test]
fn what_cannot_be_is_refused_with_its_name() {
    let folder = folder();
    principal(&folder, &["add", "al@LAB.TEST", "--account", "alice"]).ended(0);
    let before = fs::read(folder.path().join("state/principals")).unwrap();
    for (words, code, said) in [
        (["add", "al", "--same-name"].as_slice(), 2, "user@REALM"),
        (&["add", "a*@LAB.TEST", "--same-name"], 2, "*@REALM"),
        (&["add", "bob@LAB.TEST"], 2, "--account"),
        (&["add", "bob@LAB.TEST", "--account", "alice", "--same-name"], 2, "--same-name"),
        (&["add", "bob@LAB.TEST", "--account", "bob"], 1, "`bob`"),
        (&["add", "al@LAB.TEST", "--same-name"], 1, "principal remove 'al@LAB.TEST'"),
        (&["add", "host/web@LAB.TEST", "--same-name"], 1, "--account"),
    ] {
        let ran = principal(&folder, words).ended(code);
        assert!(ran.stderr.contains(said), "{ran:?}");
    }
    assert_eq!(fs::read(folder.path().join("state/principals")).unwrap(), before);
    let nowhere = tempfile::tempdir().unwrap();
    principal(&nowhere, &["add", "al@LAB.TEST", "--same-name"]).ended(1);
    assert!(!nowhere.path().join("state").exists());
}
