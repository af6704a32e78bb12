//! One account cannot use up what all accounts share.

use client::{Client, CommandOptions, Config, Credentials, Event, Shell, ShellOptions};
use nix::unistd::Uid;
use testkit::outside::report;
use tokio::runtime::Runtime;

use crate::service::{Flavour, PASSWORD, Service, USER, flavours};

fn client(service: &Service, user: &str) -> Client {
    let credentials = Credentials { user: user.into(), password: PASSWORD.into() };
    Client::new(Config::new(service.url.parse().unwrap(), credentials)).unwrap()
}

async fn start(shell: &Shell, line: &str) -> Result<client::Command, client::Error> {
    shell.start(CommandOptions { command: line.into(), ..CommandOptions::default() }).await
}

/// stdout of a command.
async fn output(shell: &Shell, line: &str) -> String {
    let mut command = start(shell, line).await.unwrap();
    let mut output = Vec::new();
    while let Some(event) = command.next().await.unwrap() {
        if let Event::Stdout(bytes) = event {
            output.extend(bytes);
        }
    }
    String::from_utf8(output).unwrap()
}

/// KiB of a process's own memory.
fn own_memory(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn network(service: &Service) -> u32 {
    let log = service.log();
    let id = log.split_once(" network=").unwrap().1.split_whitespace().next().unwrap();
    id.parse().unwrap()
}

#[test]
fn account_gets_its_share_of_descriptors_and_others_theirs() {
    if !Uid::effective().is_root() {
        return report(
            "SKIPPED account_gets_its_share_of_descriptors_and_others_theirs: not root, so one account only",
        );
    }
    let service = Service::start_by(Flavour::Root, &["prlimit", "--nofile=256:256"]);
    service.add_account("bob", "daemon").ended(0);
    Runtime::new().unwrap().block_on(async {
        let alice = client(&service, USER);
        let greedy = alice.open_shell(ShellOptions::default()).await.unwrap();
        let mut running = Vec::new();
        let refused = loop {
            match start(&greedy, "sleep 1000").await {
                Ok(command) => running.push(command),
                Err(error) => break error,
            }
            assert!(running.len() < 100);
        };
        let text = format!("{refused:?}");
        assert!(text.contains("RLIMIT_NOFILE") && text.contains("QUOTA_SYSTEM"), "{text}");
        assert!(running.len() > 10, "{}", running.len());
        // Whoever comes has room, and so has the account once something of it ends.
        let bob = client(&service, "bob").open_shell(ShellOptions::default()).await.unwrap();
        assert_eq!(output(&bob, "echo in").await, "in\n");
        drop(bob);
        running[0].input().signal(client::Signal::Terminate).await.unwrap();
        assert_eq!(output(&greedy, "echo again").await, "again\n");
        greedy.close().await.unwrap();
    });
}

#[test]
fn output_that_nobody_reads_is_bounded_for_each_account_and_the_rest_still_flows() {
    const COMMANDS: usize = 300;
    let service = Service::start(flavours()[0]);
    let network = network(&service);
    service.run("true").ended(0);
    let before = own_memory(network);
    Runtime::new().unwrap().block_on(async {
        let client = client(&service, USER);
        let mut kept = Vec::new();
        while kept.len() * 75 < COMMANDS {
            let shell = client.open_shell(ShellOptions::default()).await.unwrap();
            let mut running = Vec::new();
            for _ in 0..75 {
                // Without a bound the service would hold 390 KB of each.
                running.push(start(&shell, "head -c 600000 /dev/zero; sleep 1000").await.unwrap());
            }
            kept.push((shell, running));
        }
        let shell = client.open_shell(ShellOptions::default()).await.unwrap();
        // Time for the pipes, and what is read late is right.
        let sum =
            output(&shell, "sleep 1; seq 1 200000 | tee /dev/stderr 2>/dev/null | tail -n 1").await;
        assert_eq!(sum, "200000\n");
        let all = output(&shell, "seq 1 100000").await;
        assert_eq!(all.lines().count(), 100_000);
        let grown = own_memory(network).saturating_sub(before);
        // 64 MiB, what is each stream's own, and what the tasks take.
        assert!(grown < 96 * 1024, "{grown} KiB more");
        shell.close().await.unwrap();
        for (shell, running) in kept {
            drop(running);
            shell.close().await.unwrap();
        }
    });
    service.run("exit 5").ended(5);
}
