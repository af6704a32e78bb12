//! No process of a command outlives its shell, however client, command or service end.

use std::io::{BufRead as _, BufReader};
use std::process::Child;

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
