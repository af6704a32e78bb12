//! `transom account`: the two files and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use nix::unistd::{Uid, User};
use tempfile::TempDir;

use crate::tool::{self, Ran};
use testkit::outside::report;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn account(folder: &TempDir, words: &[&str]) -> Ran {
    let mut command = tool::transom();
    command.arg("account").args(words).arg("--state").arg(folder.path().join("state"));
    tool::run_with_input(&mut command, b"geheim\n")
}

fn me() -> String {
    User::from_uid(Uid::effective()).unwrap().expect("who runs the tests has a name").name
}

/// A local user whom this run may map to.
fn local_user() -> String {
    if Uid::effective().is_root() { "nobody".to_owned() } else { me() }
}

#[test]
fn added_account_is_listed_changed_and_removed() {
    let folder = folder();
    let local = local_user();
    let added =
        account(&folder, &["add", "alice", "--local-user", &local, "--password-stdin"]).ended(0);
    assert_eq!(added.stdout, format!("account alice added; its commands run as {local}\n"));
    for file in ["accounts", "users"] {
        let mode =
            fs::metadata(folder.path().join("state").join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }

    let listed = account(&folder, &["list"]).ended(0).stdout;
    assert!(listed.lines().nth(1).unwrap().starts_with("alice"), "{listed}");
    assert!(listed.contains(&local) && listed.contains("Administrators"), "{listed}");
    assert!(listed.contains("  S-1-5-21-"), "{listed}");

    let before = fs::read(folder.path().join("state/accounts")).unwrap();
    let mut passwd = tool::transom();
    passwd
        .args(["account", "passwd", "ALICE", "--password-stdin", "--state"])
        .arg(folder.path().join("state"));
    tool::run_with_input(&mut passwd, b"other\n").ended(0);
    assert_ne!(fs::read(folder.path().join("state/accounts")).unwrap(), before);

    account(&folder, &["remove", "alice"]).ended(0);
    assert_eq!(account(&folder, &["list"]).ended(0).stdout, "no accounts\n");
    assert!(account(&folder, &["remove", "alice"]).ended(1).stderr.contains("alice"));
    // Nothing of it stays behind: the same name can come again, as another account.
    account(&folder, &["add", "alice", "--local-user", &local, "--password-stdin"]).ended(0);
}

#[test]
fn groups_are_those_that_were_named() {
    let folder = folder();
    let words = [
        "add",
        "a",
        "--local-user",
        &local_user(),
        "--group",
        "Operators",
        "--group",
        "B C",
        "--password-stdin",
    ];
    account(&folder, &words).ended(0);
    let listed = account(&folder, &["list"]).ended(0).stdout;
    assert!(listed.contains("Operators, B C") && !listed.contains("Administrators"), "{listed}");
}

#[test]
fn names_that_would_be_ambiguous_are_refused() {
    for name in [r"host\alice", "alice@host", "alice:x", "al\tice", ""] {
        let folder = folder();
        let ran =
            account(&folder, &["add", name, "--local-user", &local_user(), "--password-stdin"])
                .ended(1);
        assert!(ran.stderr.contains("cannot be an account's name"), "{name}: {ran:#?}");
        assert!(!folder.path().join("state/accounts").exists(), "{name}");
    }
}

#[test]
fn local_user_must_be_there() {
    let ran = account(&folder(), &["add", "no-such-user-here", "--password-stdin"]).ended(1);
    insta::assert_snapshot!(ran.stderr);
}

#[test]
fn password_must_not_be_empty() {
    let mut command = tool::transom();
    let folder = folder();
    command.args([
        "account",
        "add",
        "alice",
        "--password-stdin",
        "--local-user",
        &local_user(),
        "--state",
    ]);
    let ran = tool::run_with_input(command.arg(folder.path().join("state")), b"\n").ended(1);
    assert!(ran.stderr.contains("empty password"), "{ran:#?}");
}

#[test]
fn root_is_a_local_user_only_when_that_is_said() {
    if !Uid::effective().is_root() {
        report("SKIPPED root_is_a_local_user_only_when_that_is_said: not root");
        return;
    }
    let folder = folder();
    let ran = account(&folder, &["add", "root", "--password-stdin"]).ended(1);
    assert!(ran.stderr.contains("--allow-root"), "{ran:#?}");
    account(&folder, &["add", "root", "--allow-root", "--password-stdin"]).ended(0);
}

#[test]
fn without_root_there_is_one_account_and_it_is_ones_own() {
    if Uid::effective().is_root() {
        let service = crate::service::Service::start(crate::service::Flavour::Unprivileged);
        let second = service.add_account("bob", "nobody").ended(1);
        assert!(second.stderr.contains("one account only"), "{second:#?}");
        let other = service.add_account("bob", "root").ended(1);
        assert!(other.stderr.contains("root"), "{other:#?}");
    } else {
        let folder = folder();
        account(&folder, &["add", "alice", "--local-user", &me(), "--password-stdin"]).ended(0);
        assert!(
            account(&folder, &["add", "b", "--local-user", &me(), "--password-stdin"])
                .ended(1)
                .stderr
                .contains("one account only")
        );
    }
}

#[test]
fn absent_state_folder_is_named() {
    let ran = tool::run(tool::transom().args(["account", "list", "--state", "/nonexistent/state"]))
        .ended(1);
    insta::assert_snapshot!(ran.stderr);
}
