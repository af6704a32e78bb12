//! `kill -9` at any moment while many clients work: each client ends with the right outcome or a clear error, nothing of
//! the service stays, and it starts again at once.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::Seeded;

use crate::service::{Flavour, Service, flavours};
use crate::tool::{self, Ran, mark, processes_with};

const CLIENTS: usize = 20;
/// The kills of one test, each at another moment.
const ROUNDS: u64 = 3;

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Spawner,
    Network,
    /// Every second keeper that is there.
    Keepers,
    /// Every second client.
    Clients,
}

fn end(process: u32) {
    // It may have ended by itself.
    let _gone = kill(Pid::from_raw(process.try_into().unwrap()), Signal::SIGKILL);
}

fn network(service: &Service) -> u32 {
    let log = service.log();
    let id = log.rsplit_once(" network=").unwrap().1.split_whitespace().next().unwrap();
    id.parse().unwrap()
}

fn children(process: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    text.unwrap_or_default().split_whitespace().map(|id| id.parse().unwrap()).collect()
}

/// Control groups that a service's spawner made.
fn groups(spawner: u32) -> Vec<String> {
    fn below(folder: &Path, name: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let own = entry.file_name().to_string_lossy().into_owned();
                if own.starts_with("transom-") && own.ends_with(name) {
                    found.push(own);
                } else {
                    below(&entry.path(), name, found);
                }
            }
        }
    }
    let mut found = Vec::new();
    below(Path::new("/sys/fs/cgroup"), &format!("-{spawner}"), &mut found);
    found
}

/// Clients that each print a line, leave a process behind and wait a little.
fn clients(service: &Service, mark: &str) -> Vec<Child> {
    let line = format!("setsid sleep {mark} & echo out; sleep 0.4; echo late; exit 7");
    (0..CLIENTS).map(|_| tool::spawn(&mut service.winrs(&[&line]))).collect()
}

#[track_caller]
fn is_right_or_a_clear_error(ran: &Ran) -> bool {
    if ran.code() == 7 {
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("out\nlate\n", ""));
        return true;
    }
    assert!(ran.code() == 255 && ran.stderr.starts_with("Winrs error:"), "{ran:#?}");
    assert!("out\nlate\n".starts_with(&ran.stdout), "{ran:#?}");
    false
}

fn killed_at_any_moment(victim: Victim) {
    thread::scope(|scope| {
        for flavour in flavours() {
            scope.spawn(move || killed_by(victim, flavour));
        }
    });
}

fn killed_by(victim: Victim, flavour: Flavour) {
    let mut service = Service::configured(flavour, "[Winrs]\nIdleTimeout = 60000\n");
    let mut random = Seeded::new(victim as u64 + 11);
    let (mut right, mut marks) = (0, Vec::new());
    for round in 0..ROUNDS {
        let mark = mark();
        let spawner = service.spawner();
        let working = clients(&service, &mark);
        thread::sleep(Duration::from_millis(100 + random.draw() % 1_200));
        let mut killed = Vec::new();
        match victim {
            Victim::Spawner => end(spawner),
            Victim::Network => end(network(&service)),
            Victim::Keepers => {
                let network = network(&service);
                let keepers = children(spawner).into_iter().filter(|child| *child != network);
                keepers.step_by(2).for_each(end);
            }
            Victim::Clients => {
                killed = working.iter().map(Child::id).step_by(2).collect();
                killed.iter().copied().for_each(end);
            }
        }
        for child in working {
            let was_killed = killed.contains(&child.id());
            let ran = tool::finish(child);
            if !was_killed {
                right += usize::from(is_right_or_a_clear_error(&ran));
            }
        }
        let what = format!("{victim:?} {flavour:?} {round}: nothing of the commands is left");
        marks.push(mark.clone());
        if victim != Victim::Clients {
            tool::until(&what, || processes_with(&mark).is_empty());
        }
        match victim {
            Victim::Spawner | Victim::Network => {
                // The address is free and the state is not locked: it starts at once.
                service.start_again();
                assert_eq!(groups(spawner), Vec::<String>::new(), "{victim:?}");
            }
            Victim::Keepers => {
                tool::until("no keeper is left", || children(spawner).len() == 1);
            }
            // What they left has its idle time.
            Victim::Clients => {}
        }
        service.run("exit 5").ended(5);
    }
    if victim == Victim::Clients {
        assert_eq!(right, CLIENTS / 2 * ROUNDS as usize, "the others are not disturbed");
        let is_gone = || marks.iter().all(|mark| processes_with(mark).is_empty());
        tool::until("the idle time ends what killed clients left", is_gone);
        tool::until("no keeper is left", || children(service.spawner()).len() == 1);
    }
    assert!(service.stop().success());
}

#[test]
fn spawner_killed_at_any_moment_leaves_nothing_and_starts_again() {
    killed_at_any_moment(Victim::Spawner);
}

#[test]
fn network_process_killed_at_any_moment_leaves_nothing_and_starts_again() {
    killed_at_any_moment(Victim::Network);
}

#[test]
fn killed_keepers_end_their_own_shells_only() {
    killed_at_any_moment(Victim::Keepers);
}

#[test]
fn killed_clients_disturb_nobody_and_leave_nothing_beyond_the_idle_time() {
    killed_at_any_moment(Victim::Clients);
}
