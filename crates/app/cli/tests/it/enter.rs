//! Enter-PSSession on a terminal: the reference's examples, the prompt, lines, Ctrl-C, the ways in and out.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::invoke::Host;
use crate::service::{PASSWORD, USER};
use crate::terminal::Terminal;
use crate::tool;

/// A host, and a home for the programs that visit it.
pub(crate) struct Visit {
    pub(crate) host: Host,
    state: TempDir,
}

impl Visit {
    pub(crate) fn new() -> Self {
        Self { host: Host::start(), state: tempfile::tempdir().unwrap() }
    }

    /// `pssession` with these words.
    pub(crate) fn pssession(&self, words: &[&str]) -> Command {
        let mut command = tool::pssession();
        command
            .args(words)
            .env("TRANSOM_PASSWORD", PASSWORD)
            .env("XDG_STATE_HOME", self.state.path())
            .env("TERM", "xterm-256color")
            .env("LANG", "en_US.UTF-8")
            .env_remove("COLUMNS");
        command
    }

    /// How a session here is entered.
    pub(crate) fn enter(&self, computer: &str) -> String {
        format!("Enter-PSSession {computer} -Port {} -Credential {USER}", self.host.service.port)
    }

    /// Somebody in a session.
    pub(crate) fn entered(&self) -> Terminal {
        let terminal = Terminal::run(&self.pssession(&["-c", &self.enter("localhost")]));
        terminal.then("[localhost]: PS ");
        terminal.then("> ");
        terminal
    }
}

#[test]
fn examples_of_the_reference_work_as_documented() {
    let visit = Visit::new();
    let mut terminal = Terminal::run(&visit.pssession(&[]));
    let there = tempfile::tempdir().unwrap();
    fs::set_permissions(there.path(), Permissions::from_mode(0o777)).unwrap();
    let type_in = |line: &str| {
        terminal.then("PS> ");
        terminal.type_in(&format!("{line}\r"));
    };
    let type_there = |computer: &str, line: &str| {
        terminal.then(&format!("[{computer}]: PS "));
        terminal.type_in(&format!("{line}\r"));
    };
    // Example 1: this computer. The service of a test has a port of its own.
    type_in(&visit.enter(""));
    type_there("localhost", "exit");
    // Example 2: another one; output is redirected there.
    type_in(&visit.enter("-Computer 127.0.0.1"));
    let file = there.path().join("Process.txt");
    type_there("127.0.0.1", &format!("'the process' > {}", file.display()));
    type_there("127.0.0.1", &format!("Get-Content {}", file.display()));
    terminal.then("\r\nthe process\r\n");
    type_there("127.0.0.1", "exit");
    // Example 3: a session that stays when it is left.
    let port = visit.host.service.port;
    type_in(&format!(
        "$s = New-PSSession -ComputerName 127.0.0.1 -Port {port} -Credential {USER} -Name s"
    ));
    type_in("Enter-PSSession -Session $s");
    type_there("127.0.0.1", "$kept = 'kept'");
    type_there("127.0.0.1", "exit");
    type_in("etsn $s");
    type_there("127.0.0.1", "$kept");
    terminal.then("\r\nkept\r\n");
    type_there("127.0.0.1", "exsn");
    // Examples 4 and 5: a port and an account; Exit-PSSession.
    type_in(&visit.enter("-ComputerName 127.0.0.1"));
    type_there("127.0.0.1", "Exit-PSSession");
    type_in("exit");
    assert_eq!(terminal.code(), Some(0));

    // The session of example 3 is there for the next program.
    let mut terminal = Terminal::run(&visit.pssession(&["-c", "Enter-PSSession -Name S"]));
    terminal.then("[127.0.0.1]: PS ");
    terminal.type_in("$kept\r");
    terminal.then("\r\nkept\r\n");
    terminal.then("[127.0.0.1]: PS ");
    terminal.type_in("\x04");
    assert_eq!(terminal.code(), Some(0));
}

#[test]
fn ctrl_c_stops_what_runs_and_keeps_the_session() {
    let visit = Visit::new();
    let mut terminal = visit.entered();
    terminal.type_in("\x03");
    terminal.then("]: PS ");
    terminal.type_in("'half a li\x03");
    terminal.then("]: PS ");
    terminal.type_in("$v = 5\r");
    terminal.then("]: PS ");
    terminal.type_in("Start-Sleep -Seconds 60\r");
    terminal.then("\r\n");
    terminal.interrupt_until("Error: The pipeline has been stopped.");
    terminal.then("]: PS ");
    terminal.type_in("$v\r");
    terminal.then("\r\n5\r\n");
    terminal.then("]: PS ");
    terminal.type_in("exit\r");
    assert_eq!(terminal.code(), Some(0));
}

#[test]
fn lines_that_go_on_wait_for_an_empty_one() {
    let visit = Visit::new();
    let mut terminal = visit.entered();
    for (lines, shown) in [
        ("if ($true) {\r'inside'\r}\r\r", "\r\ninside\r\n"),
        ("@'\rline one\r  line two\r'@\r\r", "\r\nline one\r\n  line two\r\n"),
        ("\"open quote\rend\"\r\r", "\r\nopen quote\r\nend\r\n"),
    ] {
        for line in lines.split_inclusive('\r') {
            terminal.type_in(line);
            terminal.then("\r\n");
        }
        terminal.then(shown.trim_start());
        terminal.then("]: PS ");
    }
    terminal.type_in("if ($true) {\r");
    terminal.then(">> ");
    terminal.type_in("\x03");
    terminal.then("]: PS ");
    terminal.type_in("exit\r");
    assert_eq!(terminal.code(), Some(0));
}

#[test]
fn prompt_is_the_remote_one_behind_the_computers_name() {
    let visit = Visit::new();
    let mut terminal = visit.entered();
    for (line, prompt) in [
        ("cd /usr/share", "[localhost]: PS /usr/share> "),
        ("function prompt { 'my prompt> ' }", "[localhost]: my prompt> "),
        ("function prompt { }", "[localhost]: PS>"),
        ("function prompt { throw 'x' }", "[localhost]: PS>"),
        // Sequences that make a terminal answer or name its window are none of a prompt's.
        (
            "function prompt { \"`e[6n`e]0;evil`aa`e[32mb`e[0m> \" }",
            "[localhost]: a\x1b[32mb\x1b[0m> ",
        ),
    ] {
        terminal.type_in(&format!("{line}\r"));
        terminal.then("\r\n");
        terminal.then(prompt);
    }
    assert!(!terminal.shown().contains("\x1b[6n") && !terminal.shown().contains("\x1b]0"));
    terminal.type_in("exit\r");
    assert_eq!(terminal.code(), Some(0));
}

#[test]
fn history_is_kept_for_the_next_program_without_secrets() {
    let visit = Visit::new();
    let mut terminal = visit.entered();
    terminal.type_in("'remember me'\r");
    terminal.then("\r\nremember me\r\n");
    terminal.then("]: PS ");
    terminal.type_in("$x = 'MyPassword1'\r");
    terminal.then("]: PS ");
    terminal.type_in("exit\r");
    assert_eq!(terminal.code(), Some(0));
    let file = visit.state.path().join("transom/pssession_history");
    let kept = fs::read_to_string(&file).unwrap();
    assert!(kept.contains("remember me") && !kept.contains("MyPassword1"), "{kept}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let mut terminal = visit.entered();
    // Past `exit` to the line before.
    terminal.type_in("\x1b[A\x1b[A\r");
    terminal.then("\r\nremember me\r\n");
    terminal.then("]: PS ");
    terminal.type_in("exit\r");
    assert_eq!(terminal.code(), Some(0));
}

#[test]
fn tab_completes_what_the_host_knows() {
    let visit = Visit::new();
    let mut terminal = visit.entered();
    terminal.type_in("Get-Histo\t");
    terminal.then("Get-History");
    terminal.type_in("\x03");
    terminal.then("]: PS ");
    terminal.type_in("zzznope\t\x03");
    terminal.then("]: PS ");
    terminal.type_in("exit\r");
    assert_eq!(terminal.code(), Some(0));
}

#[test]
fn errors_and_refusals_leave_the_session_as_it_was() {
    let visit = Visit::new();
    let mut terminal = visit.entered();
    for (line, shown) in [
        ("nosuchcommand", "The term 'nosuchcommand' is not recognized"),
        ("throw 'thrown'", "thrown\r\n"),
        (
            "Enter-PSSession x",
            "You are currently in a PowerShell PSSession and cannot use the Enter-PSSession cmdlet",
        ),
        ("Disconnect-PSSession x", "which cannot be disconnected from inside"),
        ("'out'; Write-Error 'written'; Write-Warning 'careful'", "WARNING: careful\r\n"),
    ] {
        terminal.type_in(&format!("{line}\r"));
        terminal.then(shown);
        terminal.then("]: PS ");
    }
    assert!(terminal.shown().contains("Write-Error: written"), "{}", terminal.shown());
    assert_eq!(terminal.shown().matches("careful\r\n").count(), 1);
    terminal.type_in("'before'; exit; 'after'\r");
    assert_eq!(terminal.code(), Some(0));
    assert!(terminal.shown().contains("\r\nbefore\r\n") && !terminal.shown().contains("\r\nafter"));
}

#[test]
fn lines_of_a_pipe_run_in_the_session_until_they_end() {
    let visit = Visit::new();
    let enter = visit.enter("localhost");
    let script = format!(
        "{enter}; 'same line'\n1 + 1\nforeach ($i in 1..2) {{\n$i * 10\n}}\nRead-Host q\nanswer\nexit\n'back'\n"
    );
    let ran = tool::run_with_input(&mut visit.pssession(&[]), script.as_bytes()).ended(0);
    assert_eq!(ran.stdout, "same line\n2\n10\n20\nanswer\nback\n");
    assert!(ran.stderr.contains("q: "), "{}", ran.stderr);
    // The input ends inside: so does the session.
    let ran = tool::run_with_input(&mut visit.pssession(&["-c", &enter]), b"'last'").ended(0);
    assert_eq!(ran.stdout, "last\n");
    tool::until("the session is closed", || visit.host.open_shells() == 0);
}

#[test]
fn objects_are_typed_with_json() {
    let visit = Visit::new();
    let words = ["--json", "-c", &visit.enter("localhost")];
    let input = b"1 + 1; 'x'; Write-Host 'to the host'\nthrow 'no'\n";
    let ran = tool::run_with_input(&mut visit.pssession(&words), input).ended(0);
    assert_eq!(ran.stdout, "2\n\"x\"\n");
    assert!(
        ran.stderr.contains("to the host") && ran.stderr.contains("Error: no"),
        "{}",
        ran.stderr
    );
}

#[test]
fn session_from_a_pipe_is_entered_with_the_terminal_as_input() {
    let visit = Visit::new();
    let port = visit.host.service.port;
    let transom = env!("CARGO_BIN_EXE_transom");
    let line = format!(
        "{transom} New-PSSession -ComputerName localhost -Port {port} -Credential {USER} --json | {transom} Enter-PSSession"
    );
    let mut command = visit.pssession(&[]);
    let mut shell = tool::program("sh");
    shell.args(["-c", &line]);
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }
    command = shell;
    let mut terminal = Terminal::run(&command);
    terminal.then("[localhost]: PS ");
    terminal.type_in("'typed'\r");
    terminal.then("\r\ntyped\r\n");
    terminal.then("[localhost]: PS ");
    terminal.type_in("exit\r");
    assert_eq!(terminal.code(), Some(0));
}

#[test]
fn sessions_that_are_not_there_or_not_fit_are_named() {
    let visit = Visit::new();
    for (line, error) in [
        (
            "Enter-PSSession -Id 99",
            "Enter-PSSession: The remote session with the session ID 99 is not available.\n",
        ),
        (
            "Enter-PSSession -Name none",
            "Enter-PSSession: The remote session with the name none is not available.\n",
        ),
        ("Exit-PSSession", ""),
    ] {
        let ran = tool::run(&mut visit.pssession(&["-c", line]));
        assert_eq!(ran.stderr.lines().next().unwrap_or_default(), error.trim_end(), "{line}");
    }
}

#[test]
fn configuration_without_a_needed_command_is_refused_by_its_name() {
    let visit = Visit::new();
    let port = visit.host.service.port;
    let lines = format!(
        "$s = New-PSSession localhost -Port {port} -Credential {USER}\nEnter-PSSession $s\n\
         function Get-Command {{ [pscustomobject]@{{ Name = 'Out-Default' }} }}\nexit\nEnter-PSSession $s; 'next'\n"
    );
    let ran = tool::run_with_input(&mut visit.pssession(&[]), lines.as_bytes());
    let error = "Enter-PSSession: the session on localhost cannot be entered: its configuration does not have Exit-PSSession";
    assert!(ran.stderr.contains(error), "{}", ran.stderr);
    assert_eq!(ran.stdout, "next\n");
}

#[test]
fn session_that_dies_is_told_of_and_left() {
    let visit = Visit::new();
    let mut terminal = visit.entered();
    // While something runs.
    terminal.type_in("cd /; 'before'; & /bin/sh -c \"kill -9 $PID\"; Start-Sleep -Seconds 60\r");
    terminal.then("\r\nbefore\r\n");
    terminal.then("engine has ended");
    assert_eq!(terminal.code(), Some(0));
    // At the prompt.
    let mut terminal = visit.entered();
    terminal.type_in("$PID\r");
    let pid = terminal.then("]: PS ");
    let pid: String =
        pid.split("\r\n").find(|line| line.parse::<u32>().is_ok()).unwrap().to_owned();
    tool::run(tool::program("kill").args(["-9", &pid])).ended(0);
    tool::until("the engine is gone", || !Path::new(&format!("/proc/{pid}")).exists());
    terminal.type_in("'next command'\r");
    assert_eq!(terminal.code(), Some(0));
    assert!(!terminal.shown().contains("\r\nnext command"), "{}", terminal.shown());
}

#[test]
fn prompt_of_pssession_edits_completes_and_survives_ctrl_c() {
    let visit = Visit::new();
    let mut terminal = Terminal::run(&visit.pssession(&[]));
    terminal.then("PS> ");
    terminal.type_in("Test-WS\t");
    terminal.then("Test-WSMan");
    terminal.type_in("\x03");
    terminal.then("PS> ");
    terminal.type_in("@{\r");
    terminal.then(">> ");
    terminal.type_in("a = 1 }\r");
    terminal.then("Name ");
    terminal.then("PS> ");
    terminal.type_in("Nonsense\r");
    terminal.then("The term 'Nonsense' is not recognized");
    terminal.then("PS> ");
    terminal.type_in("exit 3\r");
    assert_eq!(terminal.code(), Some(3));
}
