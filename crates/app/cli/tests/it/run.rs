//! Commands on a real service: their streams, their input, their exit codes.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use crate::service::{Flavour, PASSWORD, Service, USER, as_flavour, flavours};
use crate::tool;

#[test]
fn both_streams_and_the_exit_code_come_back() {
    for flavour in flavours() {
        let service = Service::start(flavour);
        let ran = service.run("echo out; echo err >&2; exit 7").ended(7);
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("out\n", "err\n"), "{flavour:?}");
    }
}

#[test]
fn input_is_passed_on_with_its_end() {
    for flavour in flavours() {
        let service = Service::start(flavour);
        let ran = tool::run_with_input(&mut service.winrs(&["sort"]), b"b\na\n").ended(0);
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("a\nb\n", ""), "{flavour:?}");
    }
}

#[test]
fn input_that_the_command_is_slow_to_read_arrives_whole() {
    // More than a pipe holds: the first Sends time out, the next ones find the service busy.
    let service = Service::configured(flavours()[0], "MaxTimeoutms = 500\n");
    let input = vec![b'x'; 1_200_000];
    let ran = tool::run_with_input(&mut service.winrs(&["sleep 3; wc -c"]), &input).ended(0);
    assert_eq!((ran.stdout.trim(), ran.stderr.as_str()), ("1200000", ""));
    service.has_said("ERROR_BUSY");
}

#[test]
fn exit_codes_pass_through() {
    let service = Service::start(flavours()[0]);
    for code in [0, 1, 42, 127, 255] {
        assert_eq!(service.run(&format!("exit {code}")).ended(code).stderr, "");
    }
    service.run("kill -KILL $$").ended(128 + 9);
}

#[test]
fn each_login_says_how_messages_travel() {
    let service = Service::start(flavours()[0]);
    let address = "winrs: not by Kerberos: tickets are for names, and 127.0.0.1 is an address\n";
    for (scheme, why) in [("ntlm", ""), ("negotiate", address)] {
        let ran = tool::run(&mut service.winrs(&["--auth", scheme, "-v", "true"])).ended(0);
        let said = format!("{why}winrs: logged in by NTLM, messages are sealed\n");
        assert_eq!(ran.stderr, said, "{scheme}");
    }
}

#[test]
fn environment_and_directory_are_the_commands() {
    let service = Service::start(flavours()[0]);
    let words = [
        "/ENV:ONE=1 <&> ü",
        "-env:TWO=a=b",
        "-d:/usr",
        "-noprofile",
        "-t:5",
        "echo \"$ONE|$TWO|$(pwd)\"",
    ];
    let ran = tool::run(&mut service.winrs(&words)).ended(0);
    assert_eq!(ran.stdout, "1 <&> ü|a=b|/usr\n");
}

#[test]
fn variables_in_values_are_expanded_on_the_host() {
    for flavour in flavours() {
        let service = Service::start(flavour);
        let words = [
            r"/env:path=^%path^%;c:\tools",
            r"/env:TEMP=d:\temp",
            "-env:BOTH=%temp%|%TEMP%|%none%|%%|100%",
            "printf '%s\\n' \"$path\" \"$BOTH\" \"$PATH\"",
        ];
        let ran = tool::run(&mut service.winrs(&words)).ended(0);
        let lines: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(lines[0], format!(r"{};c:\tools", lines[2]), "{flavour:?}");
        assert_eq!(lines[1], r"d:\temp|d:\temp|%none%|%%|100%", "{flavour:?}");
        assert!(lines[2].contains("/usr/bin"), "{flavour:?}: {ran:#?}");
    }
}

#[test]
fn values_that_grow_without_bound_are_refused() {
    let service = Service::start(flavours()[0]);
    let mut words = vec!["-env:V0=xxxxxxxxxxxxxxxx".to_owned()];
    words.extend((1..40).map(|n| format!("-env:V{n}=%V{0}%%V{0}%", n - 1)));
    words.push("true".to_owned());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ran = tool::run(&mut service.winrs(&words)).ended(255);
    assert!(ran.stderr.contains("32,767"), "{ran:#?}");
}

#[test]
fn absent_directory_is_an_error_of_the_hosts() {
    let service = Service::start(flavours()[0]);
    let ran = tool::run(&mut service.winrs(&["-d:/nonexistent", "true"])).ended(255);
    assert!(ran.stderr.starts_with("Winrs error:"), "{ran:#?}");
}

#[test]
fn command_line_keeps_its_switches_and_characters() {
    let service = Service::start(flavours()[0]);
    let ran = tool::run(&mut service.winrs(&["printf", "%s-%s", "/r:x", "-u:y"])).ended(0);
    assert_eq!(ran.stdout, "/r:x--u:y");
    assert_eq!(
        service.run("printf '%s' 'grüße, 世界 😀 <&>\"'").ended(0).stdout,
        "grüße, 世界 😀 <&>\""
    );
}

#[test]
fn output_arrives_while_the_command_runs() {
    let service = Service::start(flavours()[0]);
    let mut command = service.winrs(&["echo question; read answer; echo \"got $answer\""]);
    let mut child = tool::spawn(command.stdin(Stdio::piped()));
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "question\n");
    child.stdin.take().unwrap().write_all(b"42\n").unwrap();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "question\ngot 42\n");
    assert!(tool::wait(&mut child).success());
}

#[test]
fn stdin_that_never_gives_anything_does_not_delay_the_end() {
    let service = Service::start(flavours()[0]);
    let mut child = tool::spawn(service.winrs(&["echo done"]).stdin(Stdio::piped()));
    let held_open = child.stdin.take().unwrap();
    assert_eq!(tool::finish(child).ended(0).stdout, "done\n");
    drop(held_open);
}

#[test]
fn closed_stdin_is_the_end_of_input() {
    let service = Service::start(flavours()[0]);
    let winrs = service.winrs(&["cat; echo end"]);
    let mut shell = tool::program("/bin/sh");
    shell.args(["-c", "exec \"$@\" <&-", "sh"]).arg(winrs.get_program()).args(winrs.get_args());
    let ran = tool::run(shell.env("TRANSOM_PASSWORD", PASSWORD)).ended(0);
    assert_eq!(ran.stdout, "end\n");
}

#[test]
fn megabytes_pass_both_ways_unchanged() {
    let service = Service::start(flavours()[0]);
    let mut data = Vec::new();
    for number in 0..200_000u32 {
        data.extend(number.to_be_bytes());
        data.push(b'\n');
    }
    let mut command = service.winrs(&["cat"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let sent = data.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&sent));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout == data, "{} bytes came back of {}", output.stdout.len(), data.len());
}

#[test]
fn two_hundred_at_once_get_their_own_answers() {
    let service = Service::start(flavours()[0]);
    let children: Vec<_> = (0..200)
        .map(|number| {
            tool::spawn(
                &mut service.winrs(&[&format!("echo answer {number}; exit {}", number % 100)]),
            )
        })
        .collect();
    for (number, child) in children.into_iter().enumerate() {
        let ran = tool::finish(child).ended(number as i32 % 100);
        assert_eq!(ran.stdout, format!("answer {number}\n"));
    }
}

#[test]
fn password_comes_from_switch_file_or_environment() {
    let service = Service::start(flavours()[0]);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), format!("{PASSWORD}\r\nsecond line\n")).unwrap();
    let by_file = format!("--password-file={}", file.path().display());
    let by_switch = format!("/p:{PASSWORD}");
    for words in [[by_file.as_str(), "echo in"], [by_switch.as_str(), "echo in"]] {
        let mut command = service.winrs(&words);
        command.env_remove("TRANSOM_PASSWORD");
        assert_eq!(tool::run(&mut command).ended(0).stdout, "in\n");
        // A switch wins over the environment.
        command.env("TRANSOM_PASSWORD", "wrong");
        assert_eq!(tool::run(&mut command).ended(0).stdout, "in\n");
    }
}

#[test]
fn user_names_come_in_any_case_and_with_the_hosts_name() {
    let service = Service::start(flavours()[0]);
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for user in
        ["ALICE", r".\alice", &format!(r"{}\alice", host.trim()), &format!("alice@{}", host.trim())]
    {
        let mut command = tool::winrs();
        command.arg(format!("-r:{}", service.url)).arg(format!("-u:{user}")).arg("echo in");
        let ran = tool::run(command.env("TRANSOM_PASSWORD", PASSWORD));
        assert_eq!(
            (ran.code(), ran.stdout.as_str()),
            (0, "in\n"),
            "{user} instead of {USER}: {}",
            ran.stderr
        );
    }
}

#[test]
fn service_that_stops_meanwhile_is_an_error_with_255() {
    let service = Service::start(flavours()[0]);
    let mut child = tool::spawn(&mut service.winrs(&["echo ready; sleep 600"]));
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    service.stop();
    let ran = tool::finish(child).ended(255);
    assert!(ran.stderr.starts_with("Winrs error:"), "{ran:#?}");
}

#[test]
fn log_as_json_has_one_object_per_line_and_tells_who_ran_what() {
    let service = Service::with_options(flavours()[0], "", &["--log", "json"]);
    service.run("exit 7").ended(7);
    tool::run(service.winrs(&["id"]).env("TRANSOM_PASSWORD", "wrong")).ended(255);
    tool::until("the refusal is logged", || service.log().contains("refused"));
    let log = service.log();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect();
    let commands: Vec<_> =
        lines.iter().filter(|line| line["fields"]["event"] == "command").collect();
    assert!(
        commands
            .iter()
            .any(|line| line["fields"]["line"] == "exit 7" && line["fields"]["user"] == USER),
        "{log}"
    );
    let refused: Vec<_> =
        lines.iter().filter(|line| line["fields"]["outcome"] == "refused").collect();
    assert_eq!(refused.len(), 1, "{log}");
    assert!(refused[0]["fields"]["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{log}");
    assert_ne!(refused[0]["fields"]["reason"], "", "{log}");
}

#[test]
fn service_whose_state_folder_is_closed_to_it_says_what_to_try() {
    let folder = tempfile::tempdir().unwrap();
    let program = tool::copy_of_transom(folder.path());
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o511)).unwrap();
    let mut serve = as_flavour(Flavour::Unprivileged, &program);
    serve.arg("serve").arg("--state").arg(folder.path().join("state"));
    let ran = tool::run(&mut serve).ended(1);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    assert!(ran.stderr.contains("cannot make") && ran.stderr.contains("--state"), "{ran:#?}");
}

#[test]
fn service_that_cannot_listen_says_so_in_its_log() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", taken.local_addr().unwrap());
    let state = tempfile::tempdir().unwrap();
    fs::set_permissions(state.path(), fs::Permissions::from_mode(0o711)).unwrap();
    for format in ["text", "json"] {
        let mut serve = tool::transom();
        serve
            .arg("serve")
            .arg("--state")
            .arg(state.path().join("state"))
            .args(["--listen", &url, "--log", format]);
        let ran = tool::run(serve.args(["--config", "/dev/null"])).ended(1);
        assert!(ran.stderr.contains(&url) && ran.stderr.contains("in use"), "{ran:#?}");
        if format == "json" {
            assert!(
                ran.stderr.lines().all(|line| line.starts_with('{') && line.ends_with('}')),
                "{ran:#?}"
            );
        }
    }
}
