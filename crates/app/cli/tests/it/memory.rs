//! The memory of a shell: limited where the system can, and said where it cannot; changed while the service runs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use nix::unistd::Uid;
use testkit::outside::report;

use crate::service::{Flavour, Service, as_flavour, flavours};
use crate::set_settings::{afar, winrm_set};
use crate::tool::{self, Ran};

/// What the service says where the limit is not in force.
const NOT_IN_FORCE: &str = "the memory limit of shells is not in force";
/// A command that holds 300 million bytes, and says how many it had.
const GREEDY: &str = "head -c 300000000 /dev/zero | tail -c 300000000 | wc -c";

/// `winrm` changes the limit, as the service's account.
fn limit(service: &Service, units: &str) -> Ran {
    tool::run(&mut afar(service, winrm_set(service, "Winrs/MaxMemoryPerShellMB", units)))
}

/// What root's process says of the memory of the shells that it opened, in their order, once there are so many.
fn limits(service: &Service, shells: usize) -> Vec<String> {
    const OPENED: &str = "spawner: shell opened";
    tool::until("the shells are in the log", || service.log().matches(OPENED).count() >= shells);
    let log = service.log();
    let opened = log.lines().filter(|line| line.contains(OPENED));
    let limit = |line: &str| line.split_once(" memory=").unwrap().1.trim_matches('"').to_owned();
    opened.map(limit).collect()
}

#[test]
fn memory_limit_of_shells_is_in_force_or_the_service_says_that_it_is_not() {
    for flavour in flavours() {
        let service = Service::configured(flavour, "[Winrs]\nMaxMemoryPerShellMB = 64\n");
        let ran = service.run(GREEDY);
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
fn memory_limit_is_changed_while_the_service_runs_and_counts_for_the_next_shell() {
    for flavour in flavours() {
        let mut service = Service::start(flavour);
        assert_eq!(service.run(GREEDY).ended(0).stdout, "300000000\n");
        assert_eq!(limits(&service, 1), ["unlimited"]);
        assert!(limit(&service, "64").ended(0).stdout.contains("MaxMemoryPerShellMB = 64"));
        let ran = service.run(GREEDY);
        let opened = limits(&service, 2);
        let in_force = !service.log().contains(NOT_IN_FORCE);
        let shown = if in_force { "67108864" } else { "67108864 (not in force)" };
        assert_eq!(opened, ["unlimited", shown]);
        if in_force {
            assert_ne!(ran.stdout, "300000000\n", "{flavour:?}: more memory than allowed");
        } else {
            report("SKIPPED memory limit in force: no memory controller of cgroup v2");
            assert_eq!(ran.stdout, "300000000\n");
        }
        // It is kept, and what both ends of the range mean is no limit.
        service.stop_and_start_again();
        service.run("true").ended(0);
        for unlimited in ["0", "2147483647"] {
            limit(&service, unlimited).ended(0);
            service.run("true").ended(0);
        }
        assert_eq!(limits(&service, 3), [shown, "unlimited", "unlimited"]);
    }
}

#[test]
fn memory_limit_of_roots_file_is_not_changed_by_the_wire() {
    for flavour in flavours() {
        let service = Service::configured(flavour, "[Winrs]\nMaxMemoryPerShellMB = 64\n");
        let refused = limit(&service, "4096").ended(1);
        assert!(refused.stderr.contains("0x8033808A"), "{refused:#?}");
        service.run("true").ended(0);
        let opened = limits(&service, 1);
        assert!(opened[0].starts_with("67108864"), "{opened:?}");
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
