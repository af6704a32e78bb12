//! No room on the disk: changes fail with a clear text and leave what was there, and the running service goes on.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};
use testkit::outside::report;

use crate::service::{Flavour, PASSWORD, Service, USER, flavours, local_user};
use crate::tool;

/// A small disk of its own on a folder, taken away with this.
struct Disk(PathBuf);

impl Disk {
    /// A disk for a local user; the folder is made.
    fn mount(folder: &Path, user: &User) -> Self {
        fs::create_dir(folder).unwrap();
        let options = format!("size=256k,mode=755,uid={},gid={}", user.uid, user.gid);
        let mut mount = tool::program("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "none"]).arg(folder);
        tool::run(&mut mount).ended(0);
        Self(folder.to_owned())
    }

    /// Whether this user may mount here at all.
    fn can_mount() -> bool {
        let mut mount = tool::program("unshare");
        mount.args(["--mount", "mount", "-t", "tmpfs", "none", "/mnt"]);
        Uid::effective().is_root() && tool::run(&mut mount).code() == 0
    }

    /// Takes all the room that is left; the file gives it back when it is removed.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = File::create(&path).unwrap();
        while file.write_all(&[1; 512]).is_ok() {}
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let mut umount = tool::program("umount");
        tool::run(umount.arg("--lazy").arg(&self.0));
    }
}

/// Whoever runs the service itself.
fn owner(flavour: Flavour) -> User {
    match flavour {
        Flavour::Root => User::from_uid(Uid::from_raw(0)).unwrap().unwrap(),
        Flavour::Unprivileged => local_user(flavour),
    }
}

/// Every file below a folder, with what is in it.
fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(content(&entry.path()));
        } else if kind.is_file() && entry.file_name() != "filler" {
            found.push((entry.path(), fs::read(entry.path()).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn changes_of_the_state_fail_clearly_on_a_full_disk_and_the_service_goes_on() {
    if !Disk::can_mount() {
        return report(
            "SKIPPED changes_of_the_state_fail_clearly_on_a_full_disk_and_the_service_goes_on: no file system can be \
             mounted here",
        );
    }
    for flavour in flavours() {
        let mounted = RefCell::new(None);
        let make = |state: &Path| {
            mounted.replace(Some(Disk::mount(state, &owner(flavour))));
        };
        let service = Service::with_state(flavour, &make);
        let disk = mounted.take().unwrap();
        let state = service.state();
        let filler = disk.fill();
        let before = content(&state);
        let new = ["account", "add", "bob", "--local-user", "nobody", "--password-stdin"];
        let passwd = ["account", "passwd", USER, "--password-stdin"];
        let certificate = ["cert", "new-server", "--name", "localhost"];
        for words in [&new[..], &passwd[..], &certificate[..]] {
            if words == new && flavour == Flavour::Unprivileged {
                // Such a service has one account.
                continue;
            }
            let mut command = service.transom(words);
            let ran = tool::run_with_input(&mut command, b"another password\n");
            assert_ne!(ran.code(), 0, "{words:?}");
            assert!(ran.stderr.contains("No space left on device"), "{words:?}: {}", ran.stderr);
            assert!(ran.stderr.contains(state.to_str().unwrap()), "{}", ran.stderr);
            assert_eq!(content(&state), before, "{words:?}");
        }
        // Logins and commands need no room.
        assert_eq!(service.run("echo on").ended(0).stdout, "on\n");
        fs::remove_file(filler).unwrap();
        let passwd = &mut service.transom(&passwd);
        tool::run_with_input(passwd, b"another password\n").ended(0);
        tool::run(service.winrs(&["exit 4"]).env("TRANSOM_PASSWORD", "another password")).ended(4);
        service.run("true").ended(255);
        assert!(service.stop().success());
        drop(disk);
    }
}

#[test]
fn log_on_a_full_disk_neither_stops_nor_blocks_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let root = owner(flavours()[0]);
    let disk = Disk::can_mount().then(|| Disk::mount(&folder.path().join("disk"), &root));
    for flavour in flavours() {
        // The device is always full, for whoever cannot mount.
        let (path, filler) = match &disk {
            Some(disk) => (disk.0.join("log"), Some(disk.fill())),
            None => (PathBuf::from("/dev/full"), None),
        };
        let log = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        let service = Service::logging_to(flavour, log);
        for number in 0..30 {
            let line = format!("echo {number}; exit 3");
            assert_eq!(service.run(&line).ended(3).stdout, format!("{number}\n"));
        }
        tool::run(service.winrs(&["id"]).env("TRANSOM_PASSWORD", "wrong")).ended(255);
        if let Some(filler) = filler {
            fs::remove_file(filler).unwrap();
            service.run("exit 6").ended(6);
            // What is told once there is room is in the log, in whole lines.
            let told = fs::read_to_string(&path).unwrap();
            let last = told.lines().rfind(|line| line.contains("outcome=\"ended\""));
            assert!(last.is_some(), "{told}");
            assert!(!told.contains(PASSWORD));
        }
        assert!(service.stop().success());
    }
}
