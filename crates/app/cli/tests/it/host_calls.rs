//! What a host asks of the user's terminal in a session, and what it is answered; hostile hosts too.

use crate::enter::Visit;
use crate::terminal::Terminal;
use crate::tool;

/// Types a line of the session and waits for what shows.
#[track_caller]
fn says(terminal: &Terminal, line: &str, shown: &[&str]) {
    terminal.type_in(&format!("{line}\r"));
    terminal.then("\r\n");
    for text in shown {
        terminal.then(text);
    }
}

#[track_caller]
fn answers(terminal: &Terminal, answer: &str, shown: &[&str]) {
    terminal.type_in(answer);
    for text in shown {
        terminal.then(text);
    }
}

#[track_caller]
fn leaves(mut terminal: Terminal) {
    terminal.then("]: PS ");
    terminal.type_in("exit\r");
    assert_eq!(terminal.code(), Some(0));
}

const CHOICE: &str =
    "$Host.UI.PromptForChoice('Caption', 'Message', @('&Yes', '&No', '&Later'), 1)";
const OPTIONS: &str = "[Y] Yes  [N] No  [L] Later  [?] Help (default is \"N\"): ";

#[test]
fn lines_are_read_with_and_without_a_question() {
    let visit = Visit::new();
    let terminal = visit.entered();
    terminal.type_in("Read-Host\r");
    terminal.then("\r\n");
    answers(&terminal, "typed line\n", &["typed line\r\ntyped line\r\n", "]: PS "]);
    says(&terminal, "Read-Host 'Your name'", &["Your name: "]);
    answers(&terminal, "Änn 漢\n", &["Änn 漢\r\nÄnn 漢\r\n"]);
    leaves(terminal);
}

#[test]
fn secrets_show_as_stars_behind_a_warning_and_arrive_encrypted() {
    let visit = Visit::new();
    let terminal = visit.entered();
    let warning = "WARNING: A script or application on the remote computer LOCALHOST is";
    says(&terminal, "$p = Read-Host 'Password' -AsSecureString", &[warning, "Password: "]);
    answers(&terminal, "secret12", &["********"]);
    answers(&terminal, "\x7f\x7f", &["\x08 \x08\x08 \x08"]);
    answers(&terminal, "\r", &["]: PS "]);
    says(
        &terminal,
        "ConvertFrom-SecureString $p -AsPlainText",
        &["\r\nsecret\r\n".trim_start(), "]: PS "],
    );
    says(
        &terminal,
        "$c = Get-Credential",
        &[
            "PowerShell Credential Request: ",
            "Warning: A script or application on the remote computer LOCALHOST is requesting your credentials. \r\n".trim_end(),
            "User: ",
        ],
    );
    answers(&terminal, "someone\n", &["Password for user someone: "]);
    answers(&terminal, "pw1\r", &["***\r\n", "]: PS "]);
    says(&terminal, "$c.UserName", &["someone\r\n"]);
    assert!(!terminal.shown().contains("secret12") && !terminal.shown().contains("pw1"));
    leaves(terminal);
}

#[test]
fn choices_are_asked_again_until_one_is_made() {
    let visit = Visit::new();
    let terminal = visit.entered();
    says(&terminal, CHOICE, &["\r\nCaption\r\nMessage\r\n".trim_start(), OPTIONS]);
    answers(&terminal, "zz\n", &[OPTIONS]);
    answers(&terminal, "?\n", &["Y -\r\nN -\r\nL -\r\n", OPTIONS]);
    answers(&terminal, "Later\n", &["\r\n2\r\n", "]: PS "]);
    says(&terminal, CHOICE, &[OPTIONS]);
    answers(&terminal, "\n", &["\r\n1\r\n", "]: PS "]);
    // Several at once fail in PowerShell itself.
    says(
        &terminal,
        "$Host.UI.PromptForChoice('Many', 'pick', [System.Management.Automation.Host.ChoiceDescription[]]('&a', '&b', '&c'), [int[]](0, 2)) -join '+'",
        &["(default choices are A,C)\r\n", "Choice[0]: "],
    );
    answers(&terminal, "b\n", &["Choice[1]: "]);
    answers(&terminal, "c\n", &["Choice[2]: "]);
    answers(&terminal, "\n", &["1+2\r\n"]);
    leaves(terminal);
}

#[test]
fn ctrl_c_in_a_question_stops_the_pipeline_and_gives_the_terminal_back() {
    let visit = Visit::new();
    let terminal = visit.entered();
    for line in ["Read-Host q", "Read-Host q -AsSecureString", CHOICE] {
        says(&terminal, line, &[": "]);
        terminal.interrupt_until("Error: The pipeline has been stopped.");
        terminal.then("]: PS ");
    }
    says(&terminal, "'alive'", &["alive\r\n"]);
    leaves(terminal);
}

#[test]
fn keys_and_the_window_are_those_of_the_terminal() {
    let visit = Visit::new();
    let terminal = visit.entered();
    says(
        &terminal,
        "$k = $Host.UI.RawUI.ReadKey('NoEcho,IncludeKeyDown'); \"key $($k.VirtualKeyCode)\"",
        &[],
    );
    answers(&terminal, "w", &["key 87\r\n", "]: PS "]);
    says(&terminal, "$Host.UI.RawUI.WindowTitle = \"a`a`e[6nb\"", &["\x1b]0;a[6nb\x07", "]: PS "]);
    says(
        &terminal,
        "\"$($Host.UI.RawUI.WindowSize.Width) columns\"",
        &["100 columns\r\n", "]: PS "],
    );
    terminal.resize(72, 20);
    says(&terminal, "\"$($Host.UI.RawUI.WindowSize.Width) columns\"", &["72 columns\r\n"]);
    leaves(terminal);
}

#[test]
fn text_of_a_host_has_its_colours_and_none_that_answer_back() {
    let visit = Visit::new();
    let mut command = visit.pssession(&["-c", &visit.enter("localhost")]);
    command.env_remove("NO_COLOR");
    let terminal = Terminal::run(&command);
    terminal.then("]: PS ");
    says(&terminal, "Write-Host 'red' -ForegroundColor Red", &["\x1b[91mred\x1b[0m\r\n", "]: PS "]);
    says(
        &terminal,
        "Write-Warning 'careful'",
        &["\x1b[33;1mWARNING: careful\x1b[0m\r\n", "]: PS "],
    );
    let evil = "`e[6n`e]52;c;aGk=`a`eP`$qm`e\\\\x";
    for line in [
        format!("Write-Host \"{evil}\""),
        format!("\"{evil}\""),
        format!("Write-Warning \"{evil}\""),
        format!("Write-Error \"{evil}\""),
        format!("throw \"{evil}\""),
        format!("Write-Progress \"{evil}\" \"{evil}\""),
    ] {
        says(&terminal, &line, &["]: PS "]);
    }
    says(&terminal, &format!("Read-Host \"{evil}\""), &[": "]);
    answers(&terminal, "a\n", &["]: PS "]);
    says(
        &terminal,
        &format!("$Host.UI.PromptForChoice(\"{evil}\", \"{evil}\", @(\"&{evil}\"), 0)"),
        &["[?] Help"],
    );
    answers(&terminal, "\n", &["]: PS "]);
    let shown = terminal.shown();
    for sequence in ["\x1b[6n", "\x1b]52", "\x1bP"] {
        assert!(!shown.contains(sequence), "{shown:?}");
    }
    terminal.type_in("\x03");
    leaves(terminal);
}

#[test]
fn progress_is_a_line_that_goes_again() {
    let visit = Visit::new();
    let terminal = visit.entered();
    says(
        &terminal,
        "Write-Progress 'Copying' 'file one' -PercentComplete 40; Read-Host q",
        &["Copying [file one", "]", "\r\x1b[2K", "q: "],
    );
    answers(&terminal, "a\n", &["\r\na\r\n"]);
    leaves(terminal);
}

#[test]
fn a_thousand_questions_end_with_ctrl_c() {
    let visit = Visit::new();
    let terminal = visit.entered();
    says(&terminal, "1..1000 | ForEach-Object { Read-Host \"q$_\" }", &["q1: "]);
    for _ in 0..20 {
        terminal.type_in("a\n");
    }
    terminal.then("q21: ");
    terminal.interrupt_until("Error: The pipeline has been stopped.");
    leaves(terminal);
}

#[test]
fn without_a_terminal_secrets_and_keys_are_errors_that_the_host_is_told() {
    let visit = Visit::new();
    let words = ["-c", &visit.enter("localhost")];
    let input = b"Read-Host q -AsSecureString\n$Host.UI.RawUI.ReadKey()\nRead-Host q\n";
    let ran = tool::run_with_input(&mut visit.pssession(&words), input).ended(0);
    for what in [
        "no terminal to ask for a secret",
        "no terminal to ask for a key",
        "the input ended before",
    ] {
        assert!(
            ran.stderr.contains(what) || ran.stdout.contains(what),
            "{what}: {}{}",
            ran.stdout,
            ran.stderr
        );
    }
}
