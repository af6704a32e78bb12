//! The memory of a shell: limited where the system can, and said where it cannot.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use nix::unistd::Uid;
use testkit::outside::report;

use crate::service::{Flavour, Service, as_flavour, flavours};
use crate::tool;

/// What the service says where the limit is not in force.
const NOT_IN_FORCE: &str = "the memory limit of shells is not in force";

#[test]
fn memory_limit_of_shells_is_in_force_or_the_service_says_that_it_is_not() {
    for flavour in flavours() {
        let service = Service::configured(flavour, "[Winrs]\nMaxMemoryPerShellMB = 64\n");
        let ran = service.run("head -c 300000000 /dev/zero | tail -c 300000000 | wc -c");
        if service.log().contains(NOT_IN_FORCE) {
            assert!(service.log().contains("67108864"), "{}", service.log());
            report("SKIPPED memory limit in force: no memory controller of cgroup v2");
            assert_eq!(ran.stdout, "300000000\n");
        } else {
            assert_ne!(ran.stdout, "300000000\n", "{flavour:?}: more memory than allowed");
        }
        service.run("echo well").ended(0);
    }
}

#[test]
fn nothing_is_said_without_a_limit() {
    let service = Service::configured(flavours()[0], "[Winrs]\nMaxMemoryPerShellMB = 0\n");
    service.run("true").ended(0);
    assert!(!service.log().contains(NOT_IN_FORCE), "{}", service.log());
}

#[test]
fn root_takes_no_limit_from_settings_that_others_can_write() {
    if !Uid::effective().is_root() {
        return report("SKIPPED root_takes_no_limit_from_settings_that_others_can_write: not root");
    }
    let folder = tempfile::tempdir().unwrap();
    let program = tool::copy_of_transom(folder.path());
    let config = folder.path().join("config.toml");
    fs::write(&config, "").unwrap();
    fs::set_permissions(&config, Permissions::from_mode(0o666)).unwrap();
    let mut command = as_flavour(Flavour::Root, &program);
    command.arg("serve").arg("--state").arg(folder.path().join("state"));
    command.arg("--config").arg(&config).args(["--listen", "http://127.0.0.1:0"]);
    let ran = tool::run(&mut command);
    assert!(ran.stderr.contains("others than root can write"), "{ran:#?}");
    assert!(!folder.path().join("state").exists());
}
