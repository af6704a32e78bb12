//! No process of a command outlives its shell, however client, command or service end.

use std::io::{BufRead as _, BufReader};
use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::service::{Service, flavours};
use crate::tool::{self, mark, processes_with};

/// Waits for the first line, which commands print once they are what they are going to be.
#[track_caller]
fn ready(child: &mut Child) {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
}

#[test]
fn processes_of_a_killed_client_are_gone_after_the_idle_time() {
    let killed: Vec<_> = flavours()
        .into_iter()
        .map(|flavour| {
            let service = Service::configured(flavour, "[Winrs]\nIdleTimeout = 60000\n");
            let mark = mark();
            let line = format!("setsid sleep {mark} & sleep {mark} & echo ready; sleep {mark}");
            let mut child = tool::spawn(&mut service.winrs(&[&line]));
            ready(&mut child);
            tool::until("three processes run", || processes_with(&mark).len() >= 3);
            child.kill().unwrap();
            child.wait().unwrap();
            (service, mark)
        })
        .collect();
    for (service, mark) in killed {
        tool::until("the idle time ends them", || processes_with(&mark).is_empty());
        // The service itself is well.
        service.run("true").ended(0);
    }
}

#[test]
fn processes_that_called_setsid_end_with_the_shell() {
    for flavour in flavours() {
        let service = Service::start(flavour);
        let mark = mark();
        let line = format!(
            "setsid sleep {mark} >/dev/null 2>&1 </dev/null & (setsid setsid sleep {mark} >/dev/null 2>&1 </dev/null &) ; sleep 0.3; exit 3"
        );
        service.run(&line).ended(3);
        tool::until("they end with the shell", || processes_with(&mark).is_empty());
    }
}

#[test]
fn stopping_the_service_ends_shells_and_their_processes() {
    for flavour in flavours() {
        let service = Service::start(flavour);
        let mark = mark();
        let line = format!(
            "trap '' TERM INT HUP; setsid sleep {mark} & echo ready; while :; do sleep {mark}; done"
        );
        let mut child = tool::spawn(&mut service.winrs(&[&line]));
        ready(&mut child);
        tool::until("they run", || processes_with(&mark).len() >= 2);
        assert!(service.stop().success());
        assert_eq!(processes_with(&mark), Vec::<u32>::new(), "{flavour:?}");
        tool::finish(child).ended(255);
    }
}

/// Kills a process of the service while a command runs: everything ends, and the service starts again.
#[track_caller]
fn killed(which: impl Fn(&Service) -> u32) {
    for flavour in flavours() {
        let mut service = Service::start(flavour);
        let mark = mark();
        let line = format!(
            "trap '' TERM INT HUP; setsid sleep {mark} & echo ready; while :; do sleep {mark}; done"
        );
        let mut child = tool::spawn(&mut service.winrs(&[&line]));
        ready(&mut child);
        tool::until("they run", || processes_with(&mark).len() >= 2);
        let victim = Pid::from_raw(which(&service).try_into().unwrap());
        kill(victim, Signal::SIGKILL).unwrap();
        let ran = tool::finish(child).ended(255);
        assert!(ran.stderr.starts_with("Winrs error:"), "{ran:#?}");
        tool::until("the processes of the command end", || processes_with(&mark).is_empty());
        service.start_again();
        service.run("exit 5").ended(5);
    }
}

#[test]
fn killed_network_process_leaves_nothing_and_the_service_starts_again() {
    killed(|service| {
        let log = service.log();
        let id = log.split_once(" network=").unwrap().1.split_whitespace().next().unwrap();
        id.parse().unwrap()
    });
}

#[test]
fn killed_spawner_leaves_nothing_and_the_service_starts_again() {
    killed(Service::spawner);
}
