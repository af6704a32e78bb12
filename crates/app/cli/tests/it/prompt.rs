//! Questions on a terminal: what is asked, what is shown of the answer, and how the terminal is left.

use std::fs::File;
use std::io::Write as _;

use nix::sys::signal::Signal;

use crate::service::{PASSWORD, Service, USER, flavours};
use crate::sessions::Place;
use crate::terminal::Terminal;
use crate::tool;

#[test]
fn password_is_asked_for_and_not_shown() {
    let service = Service::start(flavours()[0]);
    let mut command = service.winrs(&["echo in"]);
    command.env_remove("TRANSOM_PASSWORD");
    let mut terminal = Terminal::run(&command);
    terminal.expect(&format!("Enter the password for 'alice' to connect to '{}': ", service.url));
    assert!(!terminal.echoes());
    terminal.type_in(&format!("{PASSWORD}\n"));
    terminal.expect("\r\nin\r\n");
    assert_eq!(terminal.code(), Some(0));
    assert!(terminal.echoes());
    assert!(!terminal.shown().contains(PASSWORD), "{}", terminal.shown());
}

#[test]
fn ctrl_c_at_the_question_leaves_with_the_echo_back() {
    let mut terminal =
        Terminal::run(tool::winrs().args(["-r:http://127.0.0.1:1", "-u:alice", "id"]));
    terminal.expect("Enter the password for 'alice' to connect to 'http://127.0.0.1:1': ");
    assert!(!terminal.echoes());
    terminal.type_in("\x03");
    assert_eq!(terminal.code(), Some(255));
    assert!(terminal.echoes());
    terminal.expect("Winrs error:");
}

#[test]
fn user_name_is_asked_for_first() {
    let service = Service::start(flavours()[0]);
    let mut command = tool::winrs();
    command.arg(format!("-r:{}", service.url)).arg("echo in");
    let mut terminal = Terminal::run(&command);
    terminal.expect("Enter the user name to connect to ");
    assert!(terminal.echoes());
    terminal.type_in("alice\n");
    terminal.expect("Enter the password for 'alice' to connect to ");
    terminal.type_in(&format!("{PASSWORD}\n"));
    terminal.expect("\r\nin\r\n");
    assert_eq!(terminal.code(), Some(0));
}

#[test]
fn noecho_hides_answers_and_is_undone_on_every_way_out() {
    let service = Service::start(flavours()[0]);
    let mut terminal = Terminal::run(
        &service.winrs(&["-noecho", "echo ready; read answer; echo \"got ${#answer}\""]),
    );
    terminal.expect("ready");
    assert!(!terminal.echoes());
    terminal.type_in("geheim\n");
    terminal.expect("got 6");
    assert_eq!(terminal.code(), Some(0));
    assert!(terminal.echoes());
    assert!(!terminal.shown().contains("geheim"), "{}", terminal.shown());

    let line = "trap 'echo first' INT; echo ready; while :; do sleep 0.1; done";
    let mut terminal = Terminal::run(&service.winrs(&["-noecho", line]));
    terminal.expect("ready");
    assert!(!terminal.echoes());
    terminal.type_in("\x03");
    terminal.expect("first");
    terminal.type_in("\x03");
    assert_eq!(terminal.code(), Some(255));
    assert!(terminal.echoes());
}

#[test]
fn signals_that_end_winrs_give_the_echo_back() {
    let service = Service::start(flavours()[0]);
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let mut terminal = Terminal::run(&service.winrs(&["-noecho", "echo ready; cat"]));
        terminal.expect("ready");
        assert!(!terminal.echoes());
        terminal.send(signal);
        assert_eq!(terminal.code(), Some(255), "{signal}");
        assert!(terminal.echoes(), "{signal}");
    }
}

#[test]
fn stopped_winrs_gives_the_echo_back_and_takes_it_again() {
    let service = Service::start(flavours()[0]);
    let line = "echo ready; read answer; echo \"got ${#answer}\"";
    let mut terminal = Terminal::run(&service.winrs(&["-noecho", line]));
    terminal.expect("ready");
    for _ in 0..2 {
        terminal.send(Signal::SIGTSTP);
        tool::until("the echo is back", || terminal.state() == 'T' && terminal.echoes());
        terminal.send(Signal::SIGCONT);
        tool::until("the echo is off", || !terminal.echoes());
    }
    terminal.type_in("geheim\n");
    terminal.expect("got 6");
    assert_eq!(terminal.code(), Some(0));
    assert!(terminal.echoes());
    assert!(!terminal.shown().contains("geheim"), "{}", terminal.shown());
}

#[test]
fn stop_at_the_question_for_the_password_gives_the_echo_back_too() {
    let mut terminal =
        Terminal::run(tool::winrs().args(["-r:http://127.0.0.1:1", "-u:alice", "id"]));
    terminal.expect("Enter the password for 'alice'");
    assert!(!terminal.echoes());
    terminal.send(Signal::SIGTSTP);
    tool::until("the echo is back", || terminal.state() == 'T' && terminal.echoes());
    terminal.send(Signal::SIGCONT);
    tool::until("the echo is off", || !terminal.echoes());
    terminal.send(Signal::SIGTERM);
    assert_eq!(terminal.code(), Some(255));
    assert!(terminal.echoes());
}

#[test]
fn without_noecho_the_terminal_shows_what_is_typed() {
    let service = Service::start(flavours()[0]);
    let mut terminal =
        Terminal::run(&service.winrs(&["echo ready; read answer; echo \"got ${#answer}\""]));
    terminal.expect("ready");
    assert!(terminal.echoes());
    terminal.type_in("visible\n");
    terminal.expect("got 7");
    terminal.expect("visible");
    assert_eq!(terminal.code(), Some(0));
}

#[test]
fn output_cannot_make_the_terminal_answer() {
    let service = Service::start(flavours()[0]);
    let line = r"printf 'a\033[31mred\033[0m\033[6n\033]0;title\007z\n'";
    let mut terminal = Terminal::run(&service.winrs(&[line]));
    terminal.expect("z");
    assert_eq!(terminal.code(), Some(0));
    assert_eq!(terminal.shown(), "a\x1b[31mred\x1b[0mz\r\n");
    // A pipe gets every byte.
    assert_eq!(service.run(line).ended(0).stdout, "a\x1b[31mred\x1b[0m\x1b[6n\x1b]0;title\x07z\n");
}

#[test]
fn new_password_is_asked_for_twice() {
    let service = Service::start(flavours()[0]);
    let mut terminal = Terminal::run(&service.transom(&["account", "passwd", "alice"]));
    terminal.expect("Password for the account alice: ");
    terminal.type_in("one\n");
    terminal.expect("The same again: ");
    terminal.type_in("two\n");
    assert_eq!(terminal.code(), Some(1));
    terminal.expect("the passwords differ");
    service.run("true").ended(0);

    let mut terminal = Terminal::run(&service.transom(&["account", "passwd", "alice"]));
    terminal.expect("Password for the account alice: ");
    terminal.type_in("one\n");
    terminal.expect("The same again: ");
    terminal.type_in("one\n");
    assert_eq!(terminal.code(), Some(0));
    tool::run(service.winrs(&["true"]).env("TRANSOM_PASSWORD", "one")).ended(0);
}

#[test]
fn passwords_of_pfx_files_are_asked_for_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let cert = |words: &[&str]| {
        let mut command = tool::transom();
        command.arg("cert").args(words);
        command
    };
    let (pfx, pem) = (path("a.pfx"), path("a.pem"));
    for (second, code) in [("two\n", 1), ("one\n", 0)] {
        let mut terminal = Terminal::run(&cert(&["new-client", "a@b", "--out", &pfx]));
        terminal.expect(&format!("New password of {pfx}: "));
        terminal.type_in("one\n");
        terminal.expect("The same again: ");
        terminal.type_in(second);
        assert_eq!(terminal.code(), Some(code));
        assert_eq!(folder.path().join("a.pfx").exists(), code == 0);
    }
    let convert = cert(&["convert", &pfx, "--out", &pem]);
    for (password, code) in [("two\n", 1), ("one\n", 0)] {
        let mut terminal = Terminal::run(&convert);
        terminal.expect(&format!("Password of {pfx}: "));
        terminal.type_in(password);
        assert_eq!(terminal.code(), Some(code));
        assert_eq!(folder.path().join("a.pem").exists(), code == 0);
    }
    // Without a terminal the option is named.
    let convert = cert(&["convert", &pfx, "--out", &path("b.pem")]);
    let ran = tool::run(&mut tool::without_terminal(&convert)).ended(1);
    assert!(ran.stderr.contains("--password-file"), "{ran:#?}");
}

#[test]
fn test_wsman_asks_for_the_password_and_does_not_show_it() {
    let service = Service::start(flavours()[0]);
    let line = format!(
        "Test-WSMan 127.0.0.1 -Port {} -Auth Default -Credential alice; 'next'",
        service.port
    );
    let mut terminal = Terminal::run(tool::pssession().args(["-c", &line]));
    terminal.expect("Enter the password for 'alice' to connect to '127.0.0.1': ");
    assert!(!terminal.echoes());
    terminal.type_in(&format!("{PASSWORD}\n"));
    terminal.expect("ProductVendor");
    terminal.expect("next");
    assert_eq!(terminal.code(), Some(0));
    assert!(!terminal.shown().contains(PASSWORD), "{}", terminal.shown());

    let mut terminal = Terminal::run(tool::pssession().args(["-c", &line]));
    terminal.expect("Enter the password for ");
    terminal.type_in("\x03");
    assert_eq!(terminal.code(), Some(1));
    assert!(terminal.echoes());
    terminal.expect("interrupted");
    assert!(!terminal.shown().contains("next"), "{}", terminal.shown());
}

#[test]
fn password_for_the_proxy_is_asked_for_and_written_nowhere() {
    let line = "$o = New-PSSessionOption -ProxyCredential bob; $o; $o.ProxyCredential.UserName";
    for words in [["-c", line].as_slice(), &["--json", "-c", line]] {
        let mut terminal = Terminal::run(tool::pssession().args(words));
        terminal.expect("Password for user bob: ");
        terminal.type_in("geheim\n");
        terminal.expect("System.Management.Automation.PSCredential");
        assert_eq!(terminal.code(), Some(0));
        terminal.expect("bob");
        assert!(!terminal.shown().contains("geheim"), "{}", terminal.shown());
    }
}

#[test]
fn signal_ends_a_script_that_waits_for_its_next_line() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for question in [false, true] {
        let mut shell = tool::program("/bin/sh");
        let script = format!("exec {} < {}", env!("CARGO_BIN_EXE_pssession"), pipe.display());
        let mut terminal = Terminal::run(shell.args(["-c", &script]));
        let mut lines = File::options().write(true).open(&pipe).unwrap();
        if question {
            lines.write_all(b"$o = New-PSSessionOption -ProxyCredential bob\n").unwrap();
            terminal.expect("Password for user bob: ");
            terminal.type_in("geheim\n");
        }
        lines.write_all(b"'ready'\n").unwrap();
        terminal.expect("ready");
        terminal.send(Signal::SIGTERM);
        // By itself the signal ends the process; after a question the process ends itself.
        assert_eq!(terminal.code(), question.then_some(1));
    }
}

#[test]
fn remove_pssession_asks_and_takes_the_answer_for_one_or_for_all() {
    let place = Place::new();
    for name in ["a", "b", "c", "d"] {
        place.made(&format!("-Name {name}"));
    }
    let mut terminal = Terminal::run(&place.cmdlet("Remove-PSSession -Id 1,2,3,4 -Confirm"));
    let choices = "[Y] Yes  [A] Yes to All  [N] No  [L] No to All  [?] Help (default is \"Y\"): ";
    terminal.expect(
        "\r\nConfirm\r\nAre you sure you want to perform this action?\r\nPerforming the operation \"Remove\" on target \
         \"localhost\".\r\n",
    );
    terminal.expect(choices);
    terminal.type_in("what\n");
    let asked = |times: usize| {
        tool::until(&format!("asked {times} times"), || {
            terminal.shown().matches(choices).count() == times
        });
    };
    asked(2);
    terminal.type_in("?\n");
    terminal.expect("L - Skip this operation and all subsequent operations.");
    asked(3);
    terminal.type_in("n\n");
    asked(4);
    terminal.type_in("\n");
    asked(5);
    terminal.type_in("L\n");
    assert_eq!(terminal.code(), Some(0));
    let left = ["1 a Disconnected None", "3 c Disconnected None", "4 d Disconnected None"];
    assert_eq!(place.told("Get-PSSession"), left);
}

#[test]
fn password_for_sessions_is_asked_once_for_an_account_and_again_after_a_wrong_one() {
    let place = Place::new();
    place.made("-Name a");
    place.made("-Name b");
    let mut command = place
        .line("Connect-PSSession -Id 1; Connect-PSSession -Id 1, 2; Remove-PSSession -Id 1, 2");
    command.env_remove("TRANSOM_PASSWORD");
    let mut terminal = Terminal::run(&command);
    let question = format!("Enter the password for '{USER}' to connect to 'localhost': ");
    terminal.expect(&question);
    terminal.type_in("wrong\n");
    terminal.expect("Connect-PSSession: [localhost] ");
    tool::until("it asks again", || terminal.shown().matches(&question).count() == 2);
    terminal.type_in(&format!("{PASSWORD}\n"));
    assert_eq!(terminal.code(), Some(0));
    let shown = terminal.shown();
    assert_eq!(shown.matches(&question).count(), 2, "{shown}");
    assert_eq!(shown.matches("Opened").count(), 2, "{shown}");
    assert!(!shown.contains(PASSWORD), "{shown}");
    assert_eq!(place.told("Get-PSSession"), [""; 0]);
}
