//! Invoke-Command against the service with an engine behind it: one computer and many, what goes in and what comes back.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use serde_json::Value;
use testkit::outside::report;

use crate::powershell::Reachable;
use crate::service::{PASSWORD, Service, USER, flavours};
use crate::tool::{self, Ran, pssession, transom};

/// A service with an engine.
pub(crate) struct Host {
    pub(crate) service: Service,
    _engine: Reachable,
}

impl Host {
    pub(crate) fn start() -> Self {
        Self::with("")
    }

    pub(crate) fn with(settings: &str) -> Self {
        let engine = Reachable::find();
        report(&engine.name.peer("Invoke-Command"));
        let settings = format!("{}{settings}", engine.settings());
        Self { service: Service::configured(flavours()[0], &settings), _engine: engine }
    }

    /// `Invoke-Command` on these computers with the rest of its line.
    pub(crate) fn line(&self, computers: &str, rest: &str) -> String {
        let port = self.service.port;
        format!("Invoke-Command {computers} -Port {port} -Credential {USER} {rest}")
    }

    /// Runs a line of `pssession`.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> Ran {
        tool::run(&mut self.command(&["-c", line]))
    }

    #[track_caller]
    pub(crate) fn json(&self, line: &str) -> Vec<Value> {
        objects(&tool::run(&mut self.command(&["--json", "-c", line])).ended(0).stdout)
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = pssession();
        command.args(words).env("TRANSOM_PASSWORD", PASSWORD);
        command
    }

    /// How many shells were opened and are not closed.
    pub(crate) fn open_shells(&self) -> usize {
        let log = self.service.log();
        log.matches("shell opened").count() - log.matches("shell ended").count()
    }

    /// Makes the service answer at another address of loopback, as another computer would.
    pub(crate) fn also_at(&self, address: &str) {
        let port = self.service.port;
        let listener = TcpListener::bind((address, port)).unwrap();
        thread::spawn(move || {
            for incoming in listener.incoming() {
                let incoming = incoming.unwrap();
                let outgoing = TcpStream::connect(("127.0.0.1", port)).unwrap();
                pass(&incoming, &outgoing);
                pass(&outgoing, &incoming);
            }
        });
    }
}

fn pass(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    thread::spawn(move || {
        // Whoever goes away first ends both.
        let _copied = io::copy(&mut from, &mut to);
        let _gone = to.shutdown(Shutdown::Write);
    });
}

pub(crate) fn objects(stdout: &str) -> Vec<Value> {
    stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

#[test]
fn output_of_a_command_is_shown_as_it_comes() {
    let host = Host::start();
    let ran = host.run(&host.line("127.0.0.1", "{ 1; 'two'; 3.5; $true; $null; 'end' }")).ended(0);
    assert_eq!(ran.stdout, "1\ntwo\n3.5\nTrue\nend\n");
    assert_eq!(ran.stderr, "");
    tool::until("nothing is left", || host.open_shells() == 0);
}
