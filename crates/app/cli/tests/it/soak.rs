//! Many sessions one after the other: memory, descriptors and processes of the service stay flat.
//!
//! A session is login, shell, command with output, delete. One of twenty is abandoned by a client that is killed, one of
//! twenty is left in the middle of its command. `TRANSOM_SOAK` sets the number of sessions; without it there are a few
//! hundred. `cargo xtask soak N` runs it with a release build and shows the figures.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use client::{Client, CommandOptions, Config, Credentials, Event, ShellOptions};
use testkit::outside::report;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::service::{PASSWORD, Service, USER, flavours};
use crate::tool;

/// Sessions of an ordinary run.
const SESSIONS: usize = 400;
/// Sessions at a time.
const AT_A_TIME: usize = 8;

/// What a process holds.
#[derive(Debug, Clone, Copy)]
struct Holds {
    /// Memory of its own in KiB.
    memory: u64,
    descriptors: usize,
}

impl Holds {
    fn of(process: u32) -> Self {
        let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = text.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
        let memory = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        // Not as root the processes cannot be looked into.
        let descriptors = fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count);
        Self { memory, descriptors }
    }
}

struct Sample {
    sessions: usize,
    network: Holds,
    spawner: Holds,
    children: usize,
}

impl Sample {
    fn take(service: &Service, sessions: usize) -> Self {
        let spawner = service.spawner();
        let log = service.log();
        let network = log.split_once(" network=").unwrap().1.split_whitespace().next().unwrap();
        let children = fs::read_to_string(format!("/proc/{spawner}/task/{spawner}/children"));
        Self {
            sessions,
            network: Holds::of(network.parse().unwrap()),
            spawner: Holds::of(spawner),
            children: children.unwrap().split_whitespace().count(),
        }
    }

    fn tell(&self, since: Instant) {
        let Self { sessions, network, spawner, children } = self;
        eprintln!(
            "SOAK {sessions:>6} sessions {:>5} s: network {} KiB {} fds, spawner {} KiB {} fds, {children} children",
            since.elapsed().as_secs(),
            network.memory,
            network.descriptors,
            spawner.memory,
            spawner.descriptors,
        );
    }
}

async fn session(url: String, number: usize) {
    let credentials = Credentials { user: USER.into(), password: PASSWORD.into() };
    let client = Client::new(Config::new(url.parse().unwrap(), credentials)).unwrap();
    let shell = client.open_shell(ShellOptions::default()).await.unwrap();
    let is_left = number % 20 == 7;
    let line = if is_left { "echo begun; sleep 86400" } else { "seq 1 2000; exit 3" };
    let options = CommandOptions { command: line.into(), ..CommandOptions::default() };
    let mut command = shell.start(options).await.unwrap();
    let (mut bytes, mut code) = (0, None);
    while let Some(event) = command.next().await.unwrap() {
        match event {
            Event::Stdout(data) => bytes += data.len(),
            Event::Done { exit_code } => code = exit_code,
            _ => {}
        }
        if is_left && bytes > 0 {
            break;
        }
    }
    if !is_left {
        assert_eq!((bytes, code), (8_893, Some(3)));
    }
    shell.close().await.unwrap();
}

/// A client that is killed while its command runs.
fn abandoned(url: &str) {
    let mut command = tool::winrs();
    command.arg(format!("-r:{url}")).arg(format!("-u:{USER}")).arg("echo begun; sleep 86400");
    let mut child = tool::spawn(command.env("TRANSOM_PASSWORD", PASSWORD));
    let mut begun = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut begun).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn sessions_leave_nothing_behind() {
    let asked = std::env::var("TRANSOM_SOAK").ok().map(|text| text.parse().unwrap());
    let sessions: usize = asked.unwrap_or(SESSIONS);
    let service = Service::configured(flavours()[0], "[Winrs]\nIdleTimeout = 60000\n");
    let start = Instant::now();
    let warm = sessions / 4;
    let mut samples = Vec::new();
    Runtime::new().unwrap().block_on(async {
        let done = AtomicUsize::new(0);
        let mut running = JoinSet::new();
        for number in 0..sessions {
            while running.len() >= AT_A_TIME {
                running.join_next().await.unwrap().unwrap();
                done.fetch_add(1, Ordering::Relaxed);
            }
            let url = service.url.clone();
            if number % 20 == 13 {
                running.spawn_blocking(move || abandoned(&url));
            } else {
                running.spawn(session(url, number));
            }
            if number >= warm && number % (sessions / 20).max(1) == 0 {
                let sample = Sample::take(&service, number);
                if asked.is_some() {
                    sample.tell(start);
                }
                samples.push(sample);
            }
        }
        while let Some(ended) = running.join_next().await {
            ended.unwrap();
        }
    });
    let lasted = start.elapsed();
    // What killed clients left ends with its idle time.
    tool::until("every shell is gone", || Sample::take(&service, sessions).children == 1);
    let last = Sample::take(&service, sessions);
    last.tell(start);
    let first = samples.first().unwrap();
    report(&format!("SOAK {sessions} sessions in {} s", lasted.as_secs()));
    assert!(last.network.descriptors <= first.network.descriptors);
    assert!(last.spawner.descriptors <= first.spawner.descriptors);
    // Shells that wait for their idle time are part of it.
    for sample in samples.iter().chain([&last]) {
        assert!(sample.network.memory < first.network.memory + MOST_GROWTH, "network");
        assert!(sample.spawner.memory < first.spawner.memory + MOST_GROWTH, "spawner");
    }
    service.run("exit 5").ended(5);
}

/// KiB by which memory may grow after the first quarter of the sessions.
const MOST_GROWTH: u64 = 16 * 1024;
