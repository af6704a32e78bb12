//! The ways out of `winrs` before the command ends: signals, and a reader that goes away.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::service::{Service, flavours};
use crate::tool::{self, mark, processes_with};

fn started(service: &Service, line: &str) -> (Child, BufReader<ChildStdout>) {
    let mut child = tool::spawn(&mut service.winrs(&[line]));
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    stdout.read_line(&mut first).unwrap();
    assert_eq!(first, "ready\n");
    (child, stdout)
}

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
}

fn stderr_of(child: &mut Child) -> String {
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn first_ctrl_c_goes_to_the_command() {
    for flavour in flavours() {
        let service = Service::start(flavour);
        let (mut child, mut stdout) = started(
            &service,
            "trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 0.1; done",
        );
        send(&child, Signal::SIGINT);
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "interrupted\n");
        assert_eq!(tool::wait(&mut child).code(), Some(9), "{flavour:?}");
    }
}

#[test]
fn ctrl_c_ends_a_command_that_does_not_care() {
    let service = Service::start(flavours()[0]);
    let (mut child, _stdout) = started(&service, "echo ready; sleep 600");
    // Debian's sh loses a signal that comes while it starts a program.
    std::thread::sleep(Duration::from_millis(500));
    send(&child, Signal::SIGINT);
    assert_eq!(tool::wait(&mut child).code(), Some(128 + 2));
}

#[test]
fn second_ctrl_c_leaves_and_ends_the_command() {
    let service = Service::start(flavours()[0]);
    let mark = mark();
    let (mut child, _stdout) = started(
        &service,
        &format!("trap 'echo first >&2' INT; echo ready; while :; do sleep {mark}; done"),
    );
    send(&child, Signal::SIGINT);
    let mut line = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut line).unwrap();
    assert_eq!(line, "first\n");
    send(&child, Signal::SIGINT);
    assert_eq!(tool::wait(&mut child).code(), Some(255));
    line.clear();
    stderr.read_to_string(&mut line).unwrap();
    assert!(line.starts_with("Winrs error:Interrupted"), "{line}");
    tool::until("the command is ended", || processes_with(&mark).is_empty());
}

#[test]
fn end_signals_close_the_shell() {
    let service = Service::start(flavours()[0]);
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let mark = mark();
        let (mut child, _stdout) =
            started(&service, &format!("trap '' INT TERM HUP; echo ready; sleep {mark}"));
        send(&child, signal);
        assert_eq!(tool::wait(&mut child).code(), Some(255), "{signal}");
        assert!(stderr_of(&mut child).starts_with("Winrs error:Interrupted"));
        tool::until("the command is ended", || processes_with(&mark).is_empty());
    }
}

#[test]
fn reader_that_goes_away_ends_the_command_without_a_word() {
    let service = Service::start(flavours()[0]);
    let mark = mark();
    let (mut child, stdout) = started(
        &service,
        &format!("echo ready; sleep {mark} & while :; do echo again; sleep 0.1; done"),
    );
    drop(stdout);
    assert_eq!(tool::wait(&mut child).code(), Some(255));
    assert_eq!(stderr_of(&mut child), "");
    tool::until("the command is ended", || processes_with(&mark).is_empty());
}

#[test]
fn ctrl_break_reaches_the_command() {
    let service = Service::start(flavours()[0]);
    let (mut child, _stdout) = started(
        &service,
        "trap 'exit 8' INT; trap 'exit 9' QUIT; echo ready; while :; do sleep 0.1; done",
    );
    send(&child, Signal::SIGQUIT);
    let code = tool::wait(&mut child).code();
    assert!(matches!(code, Some(8 | 9)), "{code:?}");
}

#[test]
fn stalled_readers_do_not_keep_winrs_from_leaving() {
    let service = Service::start(flavours()[0]);
    let mark = mark();
    let line = format!("echo ready; sleep {mark} & yes >&2 & yes");
    let (mut child, _unread_stdout) = started(&service, &line);
    let _unread_stderr = child.stderr.take().unwrap();
    // Both pipes fill up while nobody reads.
    std::thread::sleep(Duration::from_millis(500));
    send(&child, Signal::SIGTERM);
    assert_eq!(tool::wait(&mut child).code(), Some(255));
    tool::until("the command is ended", || processes_with(&mark).is_empty());
}
