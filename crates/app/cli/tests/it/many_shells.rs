//! Thousands of shells at once, and what a client hears when the system has no more to give.

use std::collections::BTreeMap;
use std::fs;

use auth::Secret;
use client::{
    Authentication, Client, CommandOptions, Config, Credentials, Endpoint, Event, Shell,
    ShellOptions,
};
use nix::unistd::Uid;
use testkit::report;
use tokio::task::JoinSet;
use wsman::fault::ErrorCode;

use crate::service::{Flavour, PASSWORD, Service, USER};
use crate::tool;

/// Shells of one round.
const SHELLS: usize = 2_000;
/// Connections that open and close them.
const CLIENTS: usize = 4;
/// Every so many shells, one runs a command.
const BUSY: usize = 50;
/// Descriptors of a service that soon has none left.
const DESCRIPTORS: u32 = 32;
/// Beyond the defaults: shells count as operations.
const SETTINGS: &str = "[Service]\nMaxConcurrentOperationsPerUser = 10000\n";
/// Memory that may stay with the service for each shell that it once had, in KiB: what its allocator keeps for the next
/// ones. An open shell takes twenty times as much.
const KEPT: u64 = 6;

#[test]
fn thousands_of_shells_run_commands_and_leave_nothing_behind() {
    if !Uid::effective().is_root() {
        return report(
            "SKIPPED thousands_of_shells_run_commands_and_leave_nothing_behind: not root",
        );
    }
    let service = Service::configured(Flavour::Root, SETTINGS);
    let idle = Footprint::of(&service);
    // What the service keeps for any load at all is there after the first shells.
    block_on(round(&service, CLIENTS * 2, || {}));
    tool::until("the first shells are gone", || children(service.spawner()).len() == 1);
    let before = Footprint::of(&service);
    block_on(round(&service, SHELLS, || {
        let open = Footprint::of(&service);
        assert_eq!(open.processes, before.processes + SHELLS, "one keeper for each shell");
    }));
    tool::until("every keeper is gone", || children(service.spawner()).len() == 1);
    tool::until("connections and shells have left no descriptor", || {
        Footprint::of(&service).descriptors == idle.descriptors
    });
    let after = Footprint::of(&service);
    assert_eq!(after.processes, before.processes);
    let kept = after.memory.saturating_sub(before.memory);
    assert!(kept <= KEPT * SHELLS as u64, "{kept} KiB more than before: {after:?} {before:?}");
    service.run("exit 7").ended(7);
}

#[test]
fn service_without_descriptors_says_so_and_recovers() {
    if !Uid::effective().is_root() {
        return report("SKIPPED service_without_descriptors_says_so_and_recovers: not root");
    }
    let service = Service::with_descriptors(Flavour::Root, DESCRIPTORS);
    block_on(async {
        let client = client(&service);
        let mut shells = vec![client.open_shell(ShellOptions::default()).await.unwrap()];
        let refused = loop {
            match client.open_shell(ShellOptions::default()).await {
                Ok(shell) => shells.push(shell),
                Err(error) => break error,
            }
            assert!(shells.len() < DESCRIPTORS as usize, "more shells than descriptors");
        };
        let fault = refused.fault().expect("the service answers by a fault");
        assert_eq!(fault.error_code(), Some(ErrorCode::QUOTA_SYSTEM), "{refused}");
        // Three pipes have no room either, and the shell lives on.
        let last = shells.pop().unwrap();
        let refused = last.start(line("exit 7")).await.unwrap_err();
        let fault = refused.fault().expect("the service answers by a fault");
        assert_eq!(fault.error_code(), Some(ErrorCode::QUOTA_SYSTEM), "{refused}");
        for shell in shells.drain(1..) {
            shell.close().await.unwrap();
        }
        assert_eq!(exit_code(&last).await, Some(7));
        shells.push(client.open_shell(ShellOptions::default()).await.unwrap());
        for shell in shells {
            shell.close().await.unwrap();
        }
        last.close().await.unwrap();
    });
}

/// What the service's processes use.
#[derive(Debug, PartialEq, Eq)]
struct Footprint {
    processes: usize,
    /// Open descriptors of spawner and network process.
    descriptors: BTreeMap<&'static str, usize>,
    /// Proportional memory of both, in KiB.
    memory: u64,
}

impl Footprint {
    fn of(service: &Service) -> Self {
        let spawner = service.spawner();
        let children = children(spawner);
        let network = children[0];
        let descriptors = [("spawner", spawner), ("network", network)]
            .map(|(name, pid)| (name, descriptors(pid)));
        let memory = [spawner, network].map(memory).into_iter().sum();
        Self { processes: children.len(), descriptors: descriptors.into(), memory }
    }
}

/// In the order of their start: the network process is the first.
fn children(parent: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    text.split_ascii_whitespace().map(|number| number.parse().unwrap()).collect()
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

fn memory(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
    line.split_ascii_whitespace().next().unwrap().parse().unwrap()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

fn client(service: &Service) -> Client {
    let endpoint = Endpoint::parse(&service.url, false).unwrap();
    let credentials = Credentials { user: USER.to_owned(), password: Secret::from(PASSWORD) };
    let authentication = Authentication::Ntlm;
    Client::new(Config { authentication, ..Config::new(endpoint, credentials) }).unwrap()
}

fn line(command: &str) -> CommandOptions {
    CommandOptions { command: command.to_owned(), ..CommandOptions::default() }
}

async fn exit_code(shell: &Shell) -> Option<u32> {
    let mut command = shell.start(line("exit 7")).await.unwrap();
    while let Some(event) = command.next().await.unwrap() {
        if let Event::Done { exit_code } = event {
            return exit_code;
        }
    }
    None
}

/// Opens so many shells, runs commands in some, has `look` at them all, and closes them.
async fn round(service: &Service, count: usize, look: impl FnOnce()) {
    let mut tasks = JoinSet::new();
    for _ in 0..CLIENTS {
        let client = client(service);
        tasks.spawn(async move {
            let mut shells = Vec::new();
            for number in 0..count / CLIENTS {
                let shell = client.open_shell(ShellOptions::default()).await.unwrap();
                if number % BUSY == 0 {
                    assert_eq!(exit_code(&shell).await, Some(7));
                }
                shells.push(shell);
            }
            shells
        });
    }
    let groups = tasks.join_all().await;
    look();
    let mut tasks = JoinSet::new();
    for shells in groups {
        tasks.spawn(async move {
            for shell in shells {
                shell.close().await.unwrap();
            }
        });
    }
    tasks.join_all().await;
}
