//! `transom demo`: what a newcomer starts first.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use tempfile::TempDir;

use crate::service::{Flavour, as_flavour, flavours, local_user};
use crate::tool;

/// A folder that can be reached and, for temporary files, written by whoever runs the demo.
fn folder(flavour: Flavour) -> TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    tool::copy_of_transom(folder.path());
    if flavour == Flavour::Unprivileged && Uid::effective().is_root() {
        let user = local_user(flavour);
        chown(folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    }
    folder
}

fn demo(flavour: Flavour, folder: &Path) -> Command {
    let mut command = as_flavour(flavour, &folder.join("transom"));
    command.arg("demo").env("TMPDIR", folder);
    command
}

#[track_caller]
fn nothing_is_left(folder: &Path) {
    let left: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["transom"]);
    assert_eq!(tool::processes_with(folder.to_str().unwrap()), Vec::<u32>::new());
}

#[test]
fn demo_shows_a_command_and_leaves_nothing_behind() {
    for flavour in flavours() {
        let folder = folder(flavour);
        let ran = tool::run(&mut demo(flavour, folder.path())).ended(0);
        let user = local_user(flavour);
        for part in [
            format!("the local user {}", user.name),
            format!("stdout     user {}, uid {}, on ", user.name, user.uid),
            "stderr     this came by stderr".to_owned(),
            "exit code  7".to_owned(),
            "login      NTLM".to_owned(),
            "messages   encrypted and signed".to_owned(),
            "What to try next".to_owned(),
        ] {
            assert!(ran.stdout.contains(&part), "{part} in {ran:#?}");
        }
        assert_eq!(ran.stderr, "");
        nothing_is_left(folder.path());
    }
}

#[test]
fn demo_that_is_interrupted_leaves_nothing_behind() {
    for flavour in flavours() {
        let folder = folder(flavour);
        let mut child = tool::spawn(&mut demo(flavour, folder.path()));
        // setpriv becomes the program, so its process is the demo.
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
        let code = tool::wait(&mut child).code();
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains("interrupted"), "{stderr}");
        nothing_is_left(folder.path());
    }
}
