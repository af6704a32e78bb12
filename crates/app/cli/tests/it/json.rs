//! `winrs --json`: what programs read.

use std::io::{BufRead as _, BufReader, Read as _};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::service::{Service, flavours};
use crate::tool::{self, winrs};

/// The lines, with what differs from run to run replaced.
fn lines(stdout: &str) -> Vec<Value> {
    let line =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    stdout.lines().map(line).collect()
}

#[test]
fn output_and_end_come_as_one_object_per_line() {
    let service = Service::start(flavours()[0]);
    let line = "printf 'ü\\n'; sleep 1; printf '\\377' >&2; exit 7";
    let ran = tool::run(&mut service.winrs(&["--json", line])).ended(7);
    assert_eq!(ran.stderr, "");
    let mut lines = lines(&ran.stdout);
    let end = lines.last_mut().unwrap();
    assert!(end["requests"].as_u64().is_some_and(|requests| requests > 3), "{end}");
    assert!(end["seconds"].as_f64().is_some_and(|seconds| seconds >= 1.0), "{end}");
    end["requests"] = "N".into();
    end["seconds"] = "S".into();
    let text: Vec<String> = lines.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn exit_code_is_the_hosts_and_the_process_has_its_low_byte() {
    let service = Service::start(flavours()[0]);
    let ran = tool::run(&mut service.winrs(&["-JSON", "kill -KILL $$"])).ended(137);
    assert_eq!(lines(&ran.stdout).last().unwrap()["exit_code"], 137);
}

#[test]
fn bytes_that_are_no_text_come_back_whole() {
    let service = Service::start(flavours()[0]);
    let line = "i=0; while [ $i -lt 3000 ]; do printf 'a€\\377'; i=$((i+1)); done";
    let ran = tool::run(&mut service.winrs(&["--json", line])).ended(0);
    let mut bytes = Vec::new();
    for line in lines(&ran.stdout) {
        let Some(data) = line["data"].as_str() else { continue };
        if line["base64"] == true {
            use base64::Engine as _;
            bytes.extend(base64::engine::general_purpose::STANDARD.decode(data).unwrap());
        } else {
            bytes.extend(data.bytes());
        }
    }
    assert!(bytes == b"a\xe2\x82\xac\xff".repeat(3000), "{} bytes", bytes.len());
}

#[test]
fn fault_is_told_with_its_number_host_and_operation() {
    let service = Service::start(flavours()[0]);
    let ran = tool::run(&mut service.winrs(&["--json", "-d:/nonexistent", "true"])).ended(255);
    insta::assert_snapshot!(ran.snapshot().replace(&service.port.to_string(), "PORT"));
}

#[test]
fn refused_login_is_told_as_json() {
    let service = Service::start(flavours()[0]);
    let mut command = service.winrs(&["--json", "true"]);
    let ran = tool::run(command.env("TRANSOM_PASSWORD", "wrong")).ended(255);
    insta::assert_snapshot!(ran.snapshot().replace(&service.port.to_string(), "PORT"));
}

#[test]
fn endpoint_where_nobody_listens_is_told_as_json() {
    let port = tool::CLOSED_PORT;
    let mut command = winrs();
    command.arg(format!("-r:http://127.0.0.1:{port}")).args(["-u:a", "-p:x", "--json", "id"]);
    let ran = tool::run(&mut command);
    insta::assert_snapshot!(ran.snapshot().replace(&port.to_string(), "PORT"));
}

#[test]
fn interruption_is_told_as_json() {
    let service = Service::start(flavours()[0]);
    let mut child = tool::spawn(&mut service.winrs(&["--json", "echo begun; sleep 600"]));
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    assert!(line.contains("begun"), "{line}");
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    line.clear();
    stdout.read_line(&mut line).unwrap();
    let record: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(record["error"]["kind"], "interrupted", "{line}");
    assert_eq!(tool::wait(&mut child).code(), Some(255));
}

#[test]
fn reader_that_goes_away_ends_json_without_a_word() {
    let service = Service::start(flavours()[0]);
    let mut child = tool::spawn(&mut service.winrs(&["--json", "yes"]));
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    drop(stdout);
    assert_eq!(tool::wait(&mut child).code(), Some(255));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}

#[test]
fn wrong_switch_is_told_as_json_too() {
    let ran = tool::run(winrs().args(["--json", "/pasword:geheim", "hostname"]));
    insta::assert_snapshot!(ran.snapshot());
    // A word of the command line is no switch.
    let ran = tool::run(winrs().args(["-pasword:geheim", "echo", "--json"]));
    assert!(ran.stderr.starts_with("Winrs error:"), "{ran:#?}");
}
