//! `pssession` and the cmdlets: PowerShell's spelling, from a line, a script, and a shell.

use std::process::Command;

use serde_json::Value;

use crate::service::{PASSWORD, Service, USER, flavours};
use crate::tool::{self, pssession, transom, without_terminal};

/// The whole output for a line.
#[track_caller]
fn shown(line: &str) -> String {
    tool::run(pssession().args(["-c", line])).snapshot()
}

/// The same for several lines.
#[track_caller]
fn all(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("> {line}\n{}\n", shown(line))).collect()
}

/// The whole output for a script on stdin.
#[track_caller]
fn script(text: &str) -> String {
    tool::run_with_input(&mut pssession(), text.as_bytes()).snapshot()
}

fn objects(stdout: &str) -> Vec<Value> {
    stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

#[test]
fn session_option_without_parameters_has_windows_defaults() {
    insta::assert_snapshot!(shown("New-PSSessionOption"));
}

#[test]
fn session_option_takes_every_parameter() {
    insta::assert_snapshot!(shown(
        "New-PSSessionOption -MaximumRedirection 1 -NoCompression -NoMachineProfile -Culture de-DE -UICulture fr-FR \
         -MaximumReceivedDataSizePerCommand 2mb -MaximumReceivedObjectSize 3 -OutputBufferingMode Drop \
         -MaxConnectionRetryCount 4 -ApplicationArguments @{ Team = 'IT'; Use = 1 } -OpenTimeoutMSec 5000 \
         -CancelTimeoutMSec 6000 -IdleTimeoutMSec 7000000 -ProxyAccessType IEConfig -ProxyAuthentication Basic -SkipCACheck \
         -SkipCNCheck -SkipRevocationCheck -OperationTimeoutMSec 86400001 -NoEncryption -UseUTF16 -IncludePortInSPN"
    ));
}

#[test]
fn session_option_keeps_to_its_ranges() {
    insta::assert_snapshot!(all(&[
        "New-PSSessionOption -IdleTimeout -2",
        "New-PSSessionOption -OpenTimeout -1",
        "New-PSSessionOption -CancelTimeout 2147483648",
        "New-PSSessionOption -MaxConnectionRetryCount x",
        "New-PSSessionOption -Culture 'no culture'",
        "New-PSSessionOption -OutputBufferingMode Flush",
        "New-PSSessionOption -ProxyAuthentication Kerberos",
        "New-PSSessionOption -ApplicationArguments 5",
        "New-PSSessionOption -SkipCACheck:maybe",
        "New-PSSessionOption extra",
        "New-PSSessionOption -O 1",
    ]));
}

#[test]
fn session_option_is_the_same_from_a_shell_and_as_json() {
    let line =
        tool::run(pssession().args(["--json", "-c", "New-PSSessionOption -UseUTF16 -Idle 60000"]))
            .ended(0);
    let words = ["New-PSSessionOption", "--use-utf16", "--idle-timeout=60000", "--json"];
    let shell = tool::run(transom().args(words)).ended(0);
    assert_eq!(line.stdout, shell.stdout);
    insta::assert_snapshot!(line.stdout);
}

#[test]
fn mistakes_are_told_in_powershells_words() {
    insta::assert_snapshot!(all(&[
        "Get-Proces | Test-WSMan",
        "Test-WSMan -Foo 1",
        "Test-WSMan -OutVariable x",
        "Test-WSMan a b",
        "Test-WSMan -Port",
        "Test-WSMan -Port 1 -Port 2",
        "Test-WSMan -Port 65536",
        "Test-WSMan -Authentication Best",
        "Test-WSMan 127.0.0.1 -Authentication Kerberos",
        "Test-WSMan -CertificateThumbprint 12",
        "Test-WSMan -Credential u",
        "Test-WSMan -Authentication Negotiate",
        "Test-WSMan 'a b'",
        "@{ x = 1 } | Test-WSMan",
        "Test-WSMan | | x",
        "foreach ($h in 'a') { Test-WSMan $h }",
        "1 -eq 2",
        "(Test-WSMan",
    ]));
}

#[test]
fn mistakes_are_told_as_json_too() {
    let ran = tool::run(pssession().args(["--json", "-c", "Test-WSMan -Foo 1; 'on'"])).ended(0);
    let lines = objects(&ran.stdout);
    assert_eq!(ran.stderr, "");
    assert_eq!(lines[0]["error"]["kind"], "usage");
    assert_eq!(
        lines[0]["error"]["message"],
        "Test-WSMan: A parameter cannot be found that matches parameter name 'Foo'."
    );
    assert_eq!(lines[1], "on");
}

#[test]
fn variables_hashtables_and_lists_are_shown_as_in_powershell() {
    insta::assert_snapshot!(shown(
        "$h = @{ Name = 'x'; List = 1, 'b'; Inner = @{ k = $true } }; $h; $h.Name, $null, -5; $h.Inner.K"
    ));
    insta::assert_snapshot!(shown(
        "$h = @{ Name = 'x'; List = 1, 'b' }; $h; $h.List; \"n: $h\"; $none; { a | b }"
    ));
}

#[test]
fn script_runs_each_statement_as_soon_as_it_is_whole() {
    insta::assert_snapshot!(script(
        "# a comment\n$o = New-PSSessionOption `\n  -OpenTimeout 5000\n\n$o.OpenTimeout\n$h = @{\n  a = 1 # one\n  b = 'two\nlines'\n}\n\
         $h.b\nGet-Foo\n'still here'\n"
    ));
    insta::assert_snapshot!(script("'first'\nexit 3\n'never'\n"));
    insta::assert_snapshot!(script("'first'\n(1 +\n(1\n"));
    insta::assert_snapshot!(script("Get-Foo"));
}

#[test]
fn script_with_what_is_no_text_or_has_no_end_is_refused() {
    let ran = tool::run_with_input(&mut pssession(), b"'a'\n\xff\n'b'\n").ended(1);
    assert_eq!((ran.stdout.as_str(), ran.stderr.contains("UTF-8")), ("a\n", true), "{ran:#?}");
    let ran = tool::run_with_input(&mut pssession(), &b"x".repeat(300_000)).ended(1);
    assert!(ran.stderr.contains("longer than 256 KiB"), "{ran:#?}");
}

#[test]
fn exit_code_is_that_of_the_last_statement_or_of_exit() {
    for (line, code) in [
        ("Get-Foo; 1", 0),
        ("1; Get-Foo", 1),
        ("exit 7", 7),
        ("exit -1", 255),
        ("Get-Foo; exit", 0),
        ("(", 1),
    ] {
        assert_eq!(tool::run(pssession().args(["-c", line])).code(), code, "{line}");
    }
}

#[test]
fn output_is_redirected_into_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a b.txt");
    let line = format!("'one', 2 > '{0}'; @{{ k = 'v' }} >> '{0}'", file.display());
    let ran = tool::run(pssession().args(["-c", &line])).ended(0);
    assert_eq!(ran.stdout, "");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.starts_with("one\n2\n") && text.contains("k                              v\n"),
        "{text}"
    );
    let ran = tool::run(pssession().args(["-c", "1 > /nonexistent/folder/file"])).ended(1);
    assert!(ran.stderr.contains("/nonexistent/folder/file"), "{ran:#?}");
}

/// The output without the port.
#[track_caller]
fn tested(command: &mut Command, port: u16) -> String {
    tool::run(command).snapshot().replace(&port.to_string(), "PORT")
}

#[test]
fn test_wsman_without_a_login_shows_windows_property_list() {
    for flavour in flavours() {
        let service = Service::start(flavour);
        let line = format!("Test-WSMan -ComputerName 127.0.0.1 -Port {} -Verbose", service.port);
        insta::assert_snapshot!("anonymous", tested(pssession().args(["-c", &line]), service.port));
        let port = service.port.to_string();
        let words = ["Test-WSMan", "--computer-name", "localhost", "--port", &port, "--json"];
        insta::assert_snapshot!("anonymous_json", tool::run(transom().args(words)).snapshot());
    }
}

#[test]
fn test_wsman_with_a_login_shows_what_the_system_is() {
    let service = Service::start(flavours()[0]);
    for login in ["Default", "Negotiate"] {
        let line = format!(
            "Test-WSMan 127.0.0.1 -Port {} -auth {login} -cred {USER} -vb; $a = Test-WSMan localhost -Port {} -am {login} -c {USER}; \
             $a.SecurityProfiles.SecurityProfileName.Count",
            service.port, service.port
        );
        let ran =
            tool::run(pssession().args(["-c", &line]).env("TRANSOM_PASSWORD", PASSWORD)).ended(0);
        let said = "VERBOSE: not by Kerberos: tickets are for names, and 127.0.0.1 is an address\n\
                    VERBOSE: logged in by NTLM, messages are sealed\n";
        assert_eq!(ran.stderr, said);
        assert!(ran.stdout.starts_with("\nwsmid            : http://"), "{}", ran.stdout);
        assert!(ran.stdout.contains("\nSecurityProfiles : SecurityProfiles\n"), "{}", ran.stdout);
        assert!(!ran.stdout.contains("OS: 0.0.0"), "{}", ran.stdout);
    }
    let line = format!("Test-WSMan 127.0.0.1 -Port {} -auth Default -cred {USER}", service.port);
    let ran = tool::run(pssession().args(["-c", &line]).env("TRANSOM_PASSWORD", "wrong")).ended(1);
    assert!(ran.stderr.starts_with("Test-WSMan: "), "{ran:#?}");
}

#[test]
fn test_wsman_by_basic_needs_consent_and_by_https_belief() {
    let service = Service::start(flavours()[0]);
    let line = format!("Test-WSMan 127.0.0.1 -Port {} -auth Basic -cred {USER}", service.port);
    let ran = tool::run(pssession().args(["-c", &line]).env("TRANSOM_PASSWORD", PASSWORD)).ended(1);
    assert!(ran.stderr.contains("AllowUnencrypted"), "{ran:#?}");

    let service = Service::https(flavours()[0], "[Service.Auth]\nBasic = true\n");
    let line = format!(
        "Test-WSMan 127.0.0.1 -UseSSL -Port {} -auth Basic -cred {USER} -Verbose",
        service.port
    );
    let ran = tool::run(pssession().args(["-c", &line]).env("TRANSOM_PASSWORD", PASSWORD)).ended(1);
    assert!(ran.stderr.contains("certificate"), "{ran:#?}");
    let settings = tool::client_settings(&format!(
        "[TLS]\nCAPath = \"{}\"\n",
        service.certificate().display()
    ));
    let mut believing = pssession();
    believing
        .args(["-c", &line])
        .env("XDG_CONFIG_HOME", settings.path())
        .env("TRANSOM_PASSWORD", PASSWORD);
    let ran = tool::run(&mut believing).ended(0);
    assert_eq!(ran.stderr, "VERBOSE: logged in by Basic, messages are inside TLS\n");
}

#[test]
fn test_wsman_means_this_computer_without_a_name_and_by_a_dot() {
    let service = Service::start(flavours()[0]);
    for name in ["", ".", "LOCALHOST", &service.url] {
        let line = format!("Test-WSMan {name} -Port {}", service.port);
        let ran = tool::run(pssession().args(["-c", &line])).ended(0);
        assert!(ran.stdout.contains("wsmanidentity"), "{line}: {ran:#?}");
    }
}

#[test]
fn test_wsman_names_what_does_not_answer() {
    let service = Service::start(flavours()[0]);
    let closed = tool::CLOSED_PORT;
    let lines = [
        format!("Test-WSMan localhost -Port {closed}"),
        format!("Test-WSMan 127.0.0.1 -Port {} -ApplicationName other", service.port),
        format!("Test-WSMan 127.0.0.1 -Port {} -UseSSL", service.port),
    ];
    let mut text = String::new();
    for line in &lines {
        text.push_str(&format!("> {line}\n{}\n", shown(line)));
    }
    let text =
        text.replace(&closed.to_string(), "CLOSED").replace(&service.port.to_string(), "PORT");
    insta::assert_snapshot!(text);
}

#[test]
fn test_wsman_takes_computers_from_the_pipe_and_goes_on_after_errors() {
    let service = Service::start(flavours()[0]);
    let line =
        format!("'127.0.0.1', '', 'a b', 'localhost' | Test-WSMan -Port {}; 'end'", service.port);
    let ran = tool::run(pssession().args(["--json", "-c", &line])).ended(0);
    let lines = objects(&ran.stdout);
    let kinds: Vec<&str> = lines
        .iter()
        .map(|line| match line.as_str() {
            Some(text) => text,
            None if line.get("error").is_some() => "error",
            None => "answer",
        })
        .collect();
    assert_eq!(kinds, ["answer", "error", "error", "answer", "end"], "{}", ran.stdout);
}

#[test]
fn error_action_decides_what_an_error_does() {
    let port = tool::CLOSED_PORT;
    for (action, said, went_on, code) in [
        ("Continue", true, true, 0),
        ("SilentlyContinue", false, true, 0),
        ("Ignore", false, true, 0),
        ("Stop", true, false, 1),
    ] {
        let line = format!("Test-WSMan localhost -Port {port} -ErrorAction {action}; 'on'");
        let ran = tool::run(pssession().args(["-c", &line]));
        let found = (!ran.stderr.is_empty(), ran.stdout == "on\n", ran.code());
        assert_eq!(found, (said, went_on, code), "{action}: {ran:#?}");
    }
}

#[test]
fn objects_and_names_on_stdin_bind_where_a_shell_calls_the_cmdlet() {
    let service = Service::start(flavours()[0]);
    let port = service.port.to_string();
    let words = ["Test-WSMan", "--port", &port, "--json"];
    let input = "127.0.0.1\n\n{\"ComputerName\":\"localhost\"}\n[\"127.0.0.1\",{\"x\":1}]\n{\n";
    let ran = tool::run_with_input(transom().args(words), input.as_bytes()).ended(1);
    let is_answer: Vec<bool> =
        objects(&ran.stdout).iter().map(|line| line.get("error").is_none()).collect();
    assert_eq!(is_answer, [true, true, true, false, false], "{}", ran.stdout);
    // What is given is not waited for on stdin.
    let given = [&words, ["localhost"].as_slice()].concat();
    let ran = tool::run_with_input(transom().args(given), b"{\n").ended(0);
    assert_eq!(objects(&ran.stdout).len(), 1);
    let option = tool::run(transom().args(["New-PSSessionOption", "--json"])).ended(0).stdout;
    assert_eq!(
        objects(&option)[0]["PSTypeName"],
        "System.Management.Automation.Remoting.PSSessionOption"
    );
}

#[test]
fn wrong_words_for_pssession_are_named() {
    for words in [["--foo"].as_slice(), &["-c"], &["-c", "1", "2"], &["Test-WSMan"]] {
        let ran = tool::run(pssession().args(words)).ended(1);
        assert!(ran.stderr.starts_with("pssession: ") && ran.stderr.contains("--help"), "{ran:#?}");
    }
    assert_eq!(tool::run(pssession().args(["-Command", "1"])).ended(0).stdout, "1\n");
}

#[test]
fn test_wsman_without_password_and_terminal_says_what_else_there_is() {
    let line = "Test-WSMan localhost -auth Default -cred alice";
    insta::assert_snapshot!(
        tool::run(&mut without_terminal(pssession().args(["-c", line]))).snapshot()
    );
}

#[test]
fn reader_that_goes_away_ends_the_script() {
    let mut shell = tool::program("/bin/sh");
    let line = "'a'\n".repeat(20_000);
    let command = format!("{} | head -n 1", env!("CARGO_BIN_EXE_pssession"));
    let ran = tool::run_with_input(shell.args(["-c", &command]), line.as_bytes()).ended(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("a\n", ""));
}
