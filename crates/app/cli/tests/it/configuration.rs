//! The configuration of a running service: pypsrp changes it, changes survive, and a service that is killed while it is being
//! changed leaves a whole file behind.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Command;

use nix::sys::signal::Signal;
use testkit::outside::{peers_python, report};

use crate::service::{Flavour, PASSWORD, Service, USER, flavours};
use crate::tool::{self, Ran};

fn pypsrp(service: &Service, checks: &[&str]) -> Command {
    let mut command: Command = tool::program(peers_python());
    command.arg(tool::repository().join("crates/app/cli/tests/peers/pypsrp_configuration.py"));
    command.arg(format!("http://127.0.0.1:{}/wsman", service.port));
    command.args([USER, "ntlm"]).args(checks).env("TRANSOM_TEST_PASSWORD", PASSWORD);
    command
}

#[track_caller]
fn checked(service: &Service, checks: &[&str]) -> Ran {
    let ran = tool::run(&mut pypsrp(service, checks));
    let said: Vec<_> = ran.stdout.lines().filter(|line| line.starts_with("PEER ")).collect();
    said.iter().for_each(|line| report(line));
    assert_eq!(said.len(), checks.len(), "{ran:#?}");
    ran.ended(0)
}

/// What the state layer says.
fn kept(service: &Service) -> String {
    fs::read_to_string(service.state().join("service/configuration/configuration.toml"))
        .unwrap_or_default()
}

#[test]
fn pypsrp_changes_every_setting_and_is_refused_what_cannot_be_changed() {
    let service = Service::start(flavours()[0]);
    checked(&service, &["every_setting", "what_is_refused", "restore"]);
}

#[test]
fn a_hundred_changes_at_once_land_and_survive_the_service() {
    for flavour in flavours() {
        let mut service = Service::start(flavour);
        checked(&service, &["concurrent_changes"]);
        let before = kept(&service);
        assert!(before.contains("MaxShellsPerUser"), "{before}");
        service.signal(Signal::SIGTERM);
        service.start_again();
        assert_eq!(kept(&service), before);
        let shown = service.log();
        assert!(!shown.contains("reading the settings"), "{shown}");
        service.run("true").ended(0);
    }
}

#[test]
fn a_service_that_is_killed_while_it_is_changed_leaves_a_whole_file() {
    let mut service = Service::start(Flavour::Unprivileged);
    for round in 0..5 {
        let mut hammer = tool::spawn(&mut pypsrp(&service, &["hammer"]));
        let lines = BufReader::new(hammer.stdout.take().unwrap()).lines();
        let (mut last, mut tried) = (0, 0);
        for line in lines.map_while(Result::ok) {
            let (word, number) = line.split_once(' ').unwrap_or((&line, ""));
            let number: u32 = number.parse().unwrap_or_default();
            match word {
                "KEPT" => last = number,
                "LAST" => tried = number,
                _ => {}
            }
            if word == "KEPT" && number == 10 + round {
                service.signal(Signal::SIGKILL);
            }
        }
        tool::wait(&mut hammer);
        assert!(last >= 10 + round && tried >= last, "{last} {tried}");
        service.start_again();
        let text = kept(&service);
        let line = text.strip_prefix("MaxBatchItems = ").unwrap().trim();
        let number: u32 = line.parse().unwrap();
        // What was acknowledged is there, and what was under way is there or is not.
        let whole = last..=tried;
        assert!(whole.contains(&number), "{number} is not within {whole:?}");
    }
}
