//! Invoke-Command against the service with an engine behind it: one computer and many, what goes in and what comes back.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use serde_json::Value;
use testkit::outside::report;
use testkit::{Cut, Relay};

use crate::powershell::Reachable;
use crate::service::{PASSWORD, Service, USER, flavours};
use crate::tool::{self, Ran, pssession, transom};

/// A service with an engine.
pub(crate) struct Host {
    pub(crate) service: Service,
    pub(crate) engine: Reachable,
}

impl Host {
    pub(crate) fn start() -> Self {
        Self::with("")
    }

    pub(crate) fn with(settings: &str) -> Self {
        Self::of(Reachable::find(), settings)
    }

    /// The same with an engine of one's own.
    pub(crate) fn of(engine: Reachable, settings: &str) -> Self {
        report(&engine.name.peer("Invoke-Command"));
        let settings = format!("{}{settings}", engine.settings());
        Self { service: Service::configured(flavours()[0], &settings), engine }
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

#[test]
fn objects_are_shown_by_the_formatter_of_their_host() {
    let host = Host::start();
    let script = "{ 'before'; [pscustomobject]@{ a = 1; b = 'x' }; Write-Error 'between'; [pscustomobject]@{ a = 2 }; 'after' }";
    let ran = host.run(&host.line("127.0.0.1", script)).ended(1);
    insta::assert_snapshot!(without_guids(&ran.snapshot()));
    let hidden =
        host.run(&host.line("127.0.0.1", "-HideComputerName { [pscustomobject]@{ a = 1 } }"));
    assert!(!hidden.stdout.contains("PSComputerName"), "{}", hidden.stdout);
    tool::until("nothing is left", || host.open_shells() == 0);
}

/// The same text with GUID for each.
pub(crate) fn without_guids(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    let is_guid = |word: &str| {
        word.char_indices().all(|(at, letter)| match at {
            8 | 13 | 18 | 23 => letter == '-',
            _ => letter.is_ascii_hexdigit(),
        })
    };
    while let Some(letter) = rest.chars().next() {
        if rest.get(..36).is_some_and(is_guid) {
            kept.push_str("GUID");
            rest = &rest[36..];
        } else {
            kept.push(letter);
            rest = &rest[letter.len_utf8()..];
        }
    }
    kept
}

#[test]
fn many_objects_are_one_table() {
    let host = Host::start();
    let script = "{ 1..2000 | ForEach-Object { [pscustomobject]@{ n = $_ } } }";
    let ran = host.run(&host.line("127.0.0.1", script)).ended(0);
    assert_eq!(ran.stdout.matches("PSComputerName").count(), 1, "{}", ran.stdout);
    let numbers: Vec<u32> = ran
        .stdout
        .lines()
        .filter_map(|line| line.split_whitespace().next()?.parse().ok())
        .collect();
    assert_eq!(numbers, (1..=2000).collect::<Vec<_>>());
}

#[test]
fn objects_have_types_and_their_origin_in_json_and_in_variables() {
    let host = Host::start();
    let script = "{ 1; [pscustomobject]@{ a = 1; PSComputerName = 'faked' }; ,@(1, 'b'); @{ k = 'v' }; $null }";
    let found = host.json(&host.line("127.0.0.1", script));
    let text = serde_json::to_string_pretty(&found).unwrap();
    insta::assert_snapshot!(without_guids(&text));
    let line = host.line("127.0.0.1", "{ [pscustomobject]@{ a = 1 }; [pscustomobject]@{ a = 2 } }");
    let ran = host.run(&format!("$r = {line}; $r.a; $r.PSComputerName; $r.Count")).ended(0);
    assert_eq!(ran.stdout, "1\n2\n127.0.0.1\n127.0.0.1\n2\n");
}

#[test]
fn arguments_and_using_take_values_of_this_side() {
    let host = Host::start();
    let told =
        |before: &str, rest: &str| host.run(&format!("{before}{}", host.line("127.0.0.1", rest)));
    for (before, rest, output) in [
        ("", "{ param($a, $b) \"$a-$b\" } -ArgumentList 1, 2", "1-2\n"),
        ("", "{ $args.Count; \"$args\" } -Args a, b, c", "3\na b c\n"),
        ("", "{ param($a) $a.k + 1 } -ArgumentList @{ k = 4 }", "5\n"),
        (
            "$x = 'local'; $h = @{ k = 'v' }; ",
            "{ $using:x; $using:h.k; \"<$using:X>\" }",
            "local\nv\n<local>\n",
        ),
    ] {
        assert_eq!(told(before, rest).ended(0).stdout, output, "{before}{rest}");
    }
    let missing = told("", "{ $using:notdefined }").ended(1);
    assert_eq!(
        missing.stderr,
        "Invoke-Command: The value of the using variable '$using:notdefined' cannot be retrieved because it has not been set in the local session.\n"
    );
    assert_eq!(host.open_shells(), 0, "nothing was opened for it");
}

#[test]
fn file_with_a_script_runs_with_its_arguments() {
    let host = Host::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.ps1");
    std::fs::write(&file, "param($p)\n\"script says $p\"\n").unwrap();
    let rest = format!("-FilePath {} -ArgumentList hi", file.display());
    assert_eq!(host.run(&host.line("127.0.0.1", &rest)).ended(0).stdout, "script says hi\n");
    let missing = host.run(&host.line("127.0.0.1", "-FilePath /nope.ps1")).ended(1);
    assert_eq!(
        missing.stderr,
        "Invoke-Command: Cannot find path '/nope.ps1' because it does not exist.\n"
    );
}

#[test]
fn input_comes_from_the_pipe_a_parameter_and_stdin() {
    let host = Host::start();
    let double = "{ $input | ForEach-Object { $_ * 2 } }";
    let piped = host.run(&format!("1..3 | {}", host.line("127.0.0.1", double))).ended(0);
    assert_eq!(piped.stdout, "2\n4\n6\n");
    let given = host.line("127.0.0.1", "{ $input } -InputObject 7");
    assert_eq!(host.run(&given).ended(0).stdout, "7\n");
    let many = host.run(&format!("1..10000 | {}", host.line("127.0.0.1", double))).ended(0);
    let expected: String = (1..=10_000).map(|number| format!("{}\n", number * 2)).collect();
    assert_eq!(many.stdout, expected);
    let port = host.service.port.to_string();
    let words =
        ["Invoke-Command", "127.0.0.1", "{ $input | ForEach-Object { $_.n + 1 } }", "-Port", &port];
    let mut command = transom();
    command.args(words).args(["--credential", USER]).env("TRANSOM_PASSWORD", PASSWORD);
    let fed = tool::run_with_input(&mut command, b"{\"n\":1}\n\n[{\"n\":2},{\"n\":3}]\n").ended(0);
    assert_eq!(fed.stdout, "2\n3\n4\n");
}

#[test]
fn errors_of_the_command_are_told_in_powershells_words() {
    let host = Host::start();
    let scripts = [
        "{ 1; Get-Item /nope; 2 }",
        "{ throw 'thrown' }",
        "{ Write-Error 'written' }",
        "{ 1/0 }",
        "{ nosuchcommand }",
        "{ Get-Item /nope -ErrorAction Stop; 'not reached' }",
        "-ErrorAction SilentlyContinue { Get-Item /nope; 'on' }",
        "-ErrorAction Stop { Get-Item /nope; 'on' }; 'not reached'",
    ];
    let all: String = scripts
        .iter()
        .map(|script| {
            format!("> {script}\n{}\n", host.run(&host.line("127.0.0.1", script)).snapshot())
        })
        .collect();
    insta::assert_snapshot!(all);
    let mut json = host.command(&["--json", "-c", &host.line("127.0.0.1", "{ Get-Item /nope }")]);
    let told = objects(&tool::run(&mut json).ended(1).stdout);
    assert_eq!(told[0]["error"]["host"], "127.0.0.1", "{told:?}");
    assert_eq!(told[0]["error"]["kind"], "remote");
}

#[test]
fn computers_that_cannot_be_reached_do_not_keep_the_others_from_it() {
    let host = Host::start();
    for address in ["127.0.0.2", "127.0.0.4"] {
        host.also_at(address);
    }
    let line = host.line("127.0.0.1, 127.0.0.2, 127.0.0.3, 127.0.0.4", "{ 'ok' }");
    let ran = host.run(&line).ended(1);
    assert_eq!(ran.stdout, "ok\nok\nok\n");
    let told = "OpenError: [127.0.0.3] Connecting to remote server 127.0.0.3 failed with the following error message : ";
    assert!(ran.stderr.starts_with(told), "{}", ran.stderr);
    let silent = line.replace("{", "-ErrorAction SilentlyContinue {");
    assert_eq!(host.run(&silent).stderr, "");
    let mut json = host.command(&["--json", "-c", &silent]);
    let found = objects(&tool::run(&mut json).stdout);
    let mut names: Vec<&str> =
        found.iter().map(|one| one["PSComputerName"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["127.0.0.1", "127.0.0.2", "127.0.0.4"]);
    tool::until("nothing is left", || host.open_shells() == 0);
}

#[test]
fn every_stream_of_a_command_is_told() {
    let host = Host::start();
    let script = "{ Write-Warning careful; Write-Verbose v -Verbose; Write-Debug d; Write-Host h; \
                  Write-Information i -InformationAction Continue; Write-Error e; 5 }";
    let ran = host.run(&host.line("127.0.0.1", script)).ended(1);
    insta::assert_snapshot!(ran.snapshot());
    let kept = host.run(&format!("$r = {}; $r", host.line("127.0.0.1", script)));
    assert!(kept.stdout.ends_with("5\n"), "{}", kept.stdout);
}

#[test]
fn questions_of_a_command_are_answered_from_stdin() {
    let host = Host::start();
    let line = host.line("127.0.0.1", "{ $a = Read-Host question; \"<$a>\" }");
    let mut command = host.command(&["-c", &line]);
    let ran = tool::run_with_input(&mut command, b"typed\n").ended(0);
    assert!(ran.stdout.contains("<typed>"), "{}", ran.snapshot());
}

#[test]
fn no_more_computers_work_at_once_than_the_throttle_allows() {
    let host = Host::start();
    let computers: Vec<String> = (2..8).map(|last| format!("127.0.0.{last}")).collect();
    computers.iter().for_each(|address| host.also_at(address));
    let script = "-ThrottleLimit 2 { Start-Sleep -Milliseconds 300; 'done' }";
    let ran = host.run(&host.line(&computers.join(", "), script)).ended(0);
    assert_eq!(ran.stdout, "done\n".repeat(6));
    let (mut now, mut most) = (0, 0);
    for line in host.service.log().lines() {
        if line.contains("outcome=\"opened\"") {
            now += 1;
            most = most.max(now);
        } else if line.contains("event=\"shell\" outcome=\"ended\"") {
            now -= 1;
        }
    }
    assert_eq!((now, most), (0, 2), "{}", host.service.log());
}

#[test]
fn large_output_takes_little_memory() {
    let host = Host::start();
    let line = host.line("127.0.0.1", "{ Get-Large 50 -Piece 1000 }");
    let mut command = tool::program("/usr/bin/env");
    let most_kib = 250 * 1024;
    let limited =
        format!("ulimit -v {most_kib}; exec {} -c \"$0\"", env!("CARGO_BIN_EXE_pssession"));
    command.args(["sh", "-c", &limited, &line]).env("TRANSOM_PASSWORD", PASSWORD);
    let ran = tool::run(&mut command).ended(0);
    assert_eq!(ran.stdout.lines().map(str::len).sum::<usize>(), 50 * 1024 * 1024);
    assert_eq!(ran.stderr, "");
}

#[test]
fn ctrl_c_stops_the_commands_and_leaves_no_shell() {
    let host = Host::start();
    host.also_at("127.0.0.2");
    let script = "{ $PID; while ($true) { Start-Sleep -Milliseconds 50 } }";
    let mut command = host.command(&["-c", &host.line("127.0.0.1, 127.0.0.2", script)]);
    let child = tool::spawn(&mut command);
    tool::until("both run", || {
        host.service.log().matches("outcome=\"accepted\" user=\"alice\" shell=").count() == 2
    });
    let id = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGINT).unwrap();
    let ran = tool::finish(child);
    assert_eq!(ran.code(), 1, "{ran:#?}");
    assert_eq!(ran.stderr, "Invoke-Command: interrupted\n");
    tool::until("nothing is left", || host.open_shells() == 0);
}

#[test]
fn what_there_is_not_is_said() {
    let host = Host::start();
    let lines = [
        "Invoke-Command { 1 }".to_owned(),
        host.line("127.0.0.1", "-RemoteDebug { 1 }"),
        host.line("127.0.0.1", "text"),
        "Invoke-Command -Session 1".to_owned(),
        host.line("127.0.0.1", "-Authentication NegotiateWithImplicitCredential { 1 }"),
    ];
    let all: String = lines
        .iter()
        .map(|line| {
            let line_shown = line.replace(&host.service.port.to_string(), "PORT");
            format!("> {line_shown}\n{}\n", host.run(line).snapshot())
        })
        .collect();
    insta::assert_snapshot!(all);
}

#[test]
fn command_whose_connection_is_lost_tells_all_once() {
    let host = Host::start();
    let script = "{ 1; [pscustomobject]@{ a = 1 }; Start-Sleep -Milliseconds 50; 2; 3 }";
    let through = |port: u16| {
        let line = host
            .line("127.0.0.1", script)
            .replace(&host.service.port.to_string(), &port.to_string());
        host.run(&line)
    };
    let whole = Relay::start(host.service.port, None).unwrap();
    // Where the host's formatter could not be asked, the object is shown as a list.
    let is_right = |ran: &Ran| {
        let shown = without_guids(&ran.stdout);
        let has_once = |text: &str| shown.matches(text).count() == 1;
        shown.starts_with("1\n\na ")
            && shown.ends_with("\n2\n3\n")
            && has_once("127.0.0.1")
            && has_once("GUID")
    };
    assert!(is_right(&through(whole.port).ended(0)));
    // The first five are the login and the pool's own, which the tests of the client cut.
    for request in (6..=whole.requests()).step_by(4) {
        let cut = Cut::InAnswer(request);
        let relay = Relay::start(host.service.port, Some(cut)).unwrap();
        let ran = through(relay.port);
        // An input that may not have arrived ends the formatter: behind its first lines that is said, and no object twice.
        if ran.stderr == "the host's formatter has ended early: objects may be missing\n" {
            assert!(ran.code() == 1 && ran.stdout.starts_with("1\n\n"), "{cut:?}: {ran:#?}");
            continue;
        }
        assert!(is_right(&ran), "{cut:?}: {ran:#?}");
        assert_eq!(ran.stderr, "", "{cut:?}");
    }
    tool::until("nothing is left", || host.open_shells() == 0);
}

#[test]
fn network_that_is_away_is_told_of_and_when_it_is_back() {
    let host = Host::start();
    let network = Relay::start(host.service.port, None).unwrap();
    let line = host
        .line("127.0.0.1", "{ 1..40 | ForEach-Object { Start-Sleep -Milliseconds 50; $_ } }")
        .replace(&host.service.port.to_string(), &network.port.to_string());
    let ran = thread::scope(|scope| {
        let running = scope.spawn(|| host.run(&line));
        tool::until("the command runs", || network.answers() > 5);
        network.take_away();
        thread::sleep(std::time::Duration::from_secs(3));
        network.bring_back();
        running.join().unwrap().ended(0)
    });
    let numbers: Vec<String> = (1..=40).map(|number| number.to_string()).collect();
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), numbers);
    let words = "WARNING: The network connection to 127.0.0.1 has been";
    assert_eq!(
        ran.stderr,
        format!("{words} interrupted. Attempting to reconnect...\n{words} restored.\n")
    );
}

#[test]
fn output_that_would_command_the_terminal_only_shows_text() {
    let host = Host::start();
    let line = host.line("127.0.0.1", "{ \"a`e]0;title`ab`e[31mred`e[0m`e[6n`e]52;c;eA==`a\" }");
    let mut terminal = tool::program("script");
    let command = format!("exec {} -c '{line}'", env!("CARGO_BIN_EXE_pssession"));
    terminal.args(["-qec", &command, "/dev/null"]).env("TRANSOM_PASSWORD", PASSWORD);
    let shown = tool::run(&mut terminal).ended(0).stdout;
    assert!(shown.contains("ab\x1b[31mred\x1b[0m"), "{shown:?}");
    for harmful in ["\x1b]0", "\x1b[6n", "\x1b]52"] {
        assert!(!shown.contains(harmful), "{shown:?}");
    }
}
