//! The log in a file: rotated without a lost line, full, and refused where it could be somebody else's.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;

use nix::sys::signal::Signal;
use nix::unistd::Uid;
use testkit::outside::report;

use crate::metrics;
use crate::service::{Flavour, Service, flavours};
use crate::tool;

/// The lines of a log as JSON; every line must be whole.
fn lines(text: &str) -> Vec<serde_json::Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// Commands of each worker while the log is rotated.
const RUNS: usize = 12;

fn run_lines(service: &Service, worker: usize) {
    for run in 0..RUNS {
        service.run(&format!("echo line-{worker}-{run}")).ended(0);
    }
}

#[test]
fn no_line_is_lost_or_broken_while_the_file_is_rotated() {
    const ROTATIONS: usize = 40;
    for flavour in flavours() {
        let service = Service::with_log_file(flavour, &[]);
        let log = service.log_file();
        let rotated = |number: usize| log.with_extension(number.to_string());
        thread::scope(|scope| {
            let service = &service;
            for worker in 0..2 {
                scope.spawn(move || run_lines(service, worker));
            }
            for number in 0..ROTATIONS {
                fs::rename(&log, rotated(number)).unwrap();
                service.signal(Signal::SIGHUP);
                tool::until("the new file is there", || log.exists());
            }
        });
        let told = service.log_file();
        tool::until("every shell has ended", || {
            let files = (0..ROTATIONS).map(&rotated).chain([told.clone()]);
            let texts = files.map(|file| fs::read_to_string(file).unwrap());
            texts.map(|text| text.matches("\"ended\",\"user\"").count()).sum::<usize>() >= 2 * RUNS
        });
        service.signal(Signal::SIGTERM);
        tool::until("the last line is there", || {
            fs::read_to_string(&told).unwrap().contains("the service has ended")
        });
        let mut counts = BTreeMap::<String, usize>::new();
        for file in (0..ROTATIONS).map(&rotated).chain([told.clone()]) {
            let text = fs::read_to_string(&file).unwrap();
            for line in lines(&text) {
                let fields = &line["fields"];
                let of_command = fields["event"] == "command" && fields["outcome"] == "accepted";
                let key = match fields["message"].as_str() {
                    Some(message) => message.to_owned(),
                    None if of_command => fields["line"].as_str().unwrap().to_owned(),
                    None => format!("{} {}", fields["event"], fields["outcome"]),
                };
                *counts.entry(key).or_default() += 1;
            }
        }
        for worker in 0..2 {
            for run in 0..RUNS {
                assert_eq!(counts[&format!("echo line-{worker}-{run}")], 1, "{counts:#?}");
            }
        }
        assert_eq!(counts["the log goes on here"], ROTATIONS, "{counts:#?}");
        for event in ["\"login\" \"accepted\"", "\"shell\" \"opened\"", "\"shell\" \"ended\""] {
            assert_eq!(counts[event], 2 * RUNS, "{counts:#?}");
        }
        assert_eq!(counts["the service has ended"], 1, "{counts:#?}");
    }
}

#[test]
fn hang_up_without_a_log_file_changes_nothing() {
    for flavour in flavours() {
        let service = Service::start(flavour);
        service.signal(Signal::SIGHUP);
        tool::until("it is told", || service.log().contains("SIGHUP opens the log file anew"));
        service.run("exit 6").ended(6);
        assert!(service.stop().success());
    }
}

#[test]
fn truncated_file_is_appended_to() {
    let service = Service::with_log_file(flavours()[0], &[]);
    let copy = service.log_file().with_extension("copy");
    fs::copy(service.log_file(), &copy).unwrap();
    fs::File::options().write(true).open(service.log_file()).unwrap().set_len(0).unwrap();
    service.run("echo behind").ended(0);
    let text = fs::read_to_string(service.log_file()).unwrap();
    assert!(!text.contains('\0') && text.contains("echo behind"), "{text}");
    lines(&text);
}

#[test]
fn start_that_fails_is_told_on_stderr_and_in_the_file() {
    let service = Service::with_log_file(flavours()[0], &[]);
    let log = service.log_file().with_extension("other");
    let mut command = service.transom(&["serve", "--listen", "http://192.0.2.1:15985"]);
    let ran = tool::run(command.arg("--log-file").arg(&log)).ended(1);
    assert!(ran.stderr.contains("another service is using this state directory"), "{ran:#?}");
    assert!(fs::read_to_string(&log).unwrap().contains("another service is using"));
}

#[test]
fn file_that_could_be_somebody_elses_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    symlink("elsewhere", folder.path().join("link")).unwrap();
    let refused = |log: &Path| {
        let mut command = tool::transom();
        command.arg("serve").arg("--state").arg(folder.path().join("state")).arg("--log-file");
        let ran = tool::run(command.arg(log)).ended(1);
        assert!(ran.stderr.contains(log.to_str().unwrap()), "{ran:#?}");
        ran.stderr
    };
    assert!(refused(&folder.path().join("link")).contains("is not a plain file"));
    assert!(refused(Path::new("/dev/null")).contains("is not a plain file"));
    fs::write(folder.path().join("open"), "").unwrap();
    fs::set_permissions(folder.path().join("open"), Permissions::from_mode(0o666)).unwrap();
    assert!(refused(&folder.path().join("open")).contains("can be changed by others"));
    assert!(!folder.path().join("elsewhere").exists());
}

/// A file system with room for little, gone again when this is dropped.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        fs::create_dir(at).unwrap();
        let mut mount = tool::program("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k,mode=711", "transom-test"]).arg(at);
        mount.output().is_ok_and(|output| output.status.success()).then_some(Self(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let mut umount = tool::program("umount");
        // Nothing else can be done about one that stays.
        let _unmounted = umount.arg("--lazy").arg(self.0).output();
    }
}

#[test]
fn full_disk_loses_lines_that_are_counted_and_the_service_goes_on() {
    const TEST: &str = "full_disk_loses_lines_that_are_counted";
    if !Uid::effective().is_root() {
        return report(&format!("SKIPPED {TEST}: only root can mount a small file system"));
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    let Some(mounted) = SmallDisk::mount(&disk) else {
        return report(&format!("SKIPPED {TEST}: this system mounts no tmpfs for root"));
    };
    let log = disk.join("log");
    let service = Service::start(Flavour::Root);
    let service = service.again_with_log_at(&log, &["--metrics", "127.0.0.1:0"]);
    let started = fs::read_to_string(&log).unwrap();
    let page = lines(&started)
        .iter()
        .find_map(|line| Some(line["fields"]["url"].as_str()?.to_owned()))
        .unwrap();
    let page = page.trim_start_matches("http://").trim_end_matches("/metrics");
    let lost = || metrics::samples(&metrics::page(page))["transom_log_lines_lost_total"];
    assert_eq!(lost(), 0.0);
    let mut filler = fs::File::create(disk.join("filler")).unwrap();
    while filler.write(&[0; 512]).is_ok() {}
    for _ in 0..8 {
        service.run(&format!("true {}; exit 3", "during ".repeat(200))).ended(3);
    }
    assert!(lost() > 0.0);
    drop(filler);
    fs::remove_file(disk.join("filler")).unwrap();
    service.run("exit 4 # after").ended(4);
    tool::until("the shell has ended", || {
        fs::read_to_string(&log).unwrap().matches("\"ended\",\"user\"").count() > 1
    });
    let text = fs::read_to_string(&log).unwrap();
    let notices: Vec<_> =
        text.lines().filter(|line| line.contains("log lines were lost")).collect();
    // One from each of the two processes that write, at most.
    assert!(matches!(notices.len(), 1 | 2), "{text}");
    assert!(notices.iter().any(|line| line.contains("\"target\":\"transom\"")), "{text}");
    let (_, behind) = text.rsplit_once("log lines were lost").unwrap();
    let (_, whole) = behind.split_once('\n').unwrap();
    lines(whole);
    let after = |line: &serde_json::Value| line["fields"]["line"] == "exit 4 # after";
    let accepted = text.lines().filter_map(|line| serde_json::from_str(line).ok()).filter(after);
    assert_eq!(accepted.count(), 1, "{text}");
    drop(service);
    drop(mounted);
}
