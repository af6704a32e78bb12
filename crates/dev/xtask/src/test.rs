//! Runs every test with its real peers, shows what it prints, and counts what ran.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::envelopes;
use crate::peers;
use crate::report::{Counts, Report};
use crate::workspace::{Workspace, cargo, run as run_shown};

/// How many failed tests are run once more: more of them are no accident.
const FEW: usize = 5;

/// How long after cargo's end its output may stay open, held by something that a test left behind.
const LINGER: Duration = Duration::from_secs(5);

/// What came of the tests.
#[derive(Debug, Default)]
pub(crate) struct Tested {
    pub(crate) counts: Counts,
    /// What failed and what it printed, for the end of a longer run.
    pub(crate) failures: String,
}

/// Installs, builds, runs, and prints the report without its last line, the counts.
///
/// With filters only the tests run whose names contain one of them, and no peer is missed.
pub(crate) fn run(workspace: &Workspace, filters: &[String]) -> Result<Tested, String> {
    let python = peers::install(workspace)?;
    run_shown(cargo().args(["test", "--workspace", "--no-run"]).current_dir(&workspace.root))?;

    let report_file = workspace.target.join("test-report");
    fs::write(&report_file, "").map_err(|error| format!("{}: {error}", report_file.display()))?;
    let envelopes_folder = envelopes::Folder::make()?;
    let command = |words: &[&str], names: &[String]| {
        let mut tests = cargo();
        tests.args(["test", "--workspace", "--no-fail-fast", "--", "--show-output"]);
        tests.args(words).args(names).current_dir(&workspace.root);
        tests.env(envelopes::VARIABLE, envelopes_folder.path());
        // A backtrace of a failed assertion tells nothing, and hides what does.
        tests.env("RUST_BACKTRACE", "0");
        tests.env("TRANSOM_PEERS_PYTHON", &python).env("TRANSOM_TEST_REPORT", &report_file);
        if let Some(corpora) = workspace.corpora() {
            tests.env("TRANSOM_CORPORA", corpora);
        }
        if let Some(stub) = workspace.stub() {
            tests.env("TRANSOM_STUB", stub);
        }
        tests
    };

    let mut report = Report::default();
    let succeeded = stream(&mut command(&[], filters), LINGER, &mut report, show)?;
    if !succeeded && report.counts().failed == 0 {
        report.failure("a test program ended without saying what failed: see above".to_owned());
    }
    let failed: Vec<String> = report.failed().iter().cloned().collect();
    if (1..=FEW).contains(&failed.len()) {
        println!("\nonce more, alone: {}\n", failed.join(", "));
        let mut second = Report::default();
        stream(&mut command(&["--exact", "--test-threads=1"], &failed), LINGER, &mut second, show)?;
        report.second(&second);
    }
    read_file(&report_file, &mut report)?;
    if filters.is_empty() {
        for peer in peers::missing(workspace, &report) {
            report.failure(format!("peer {peer} did not take part"));
        }
    }
    println!();
    envelopes::check(workspace, envelopes_folder.path(), &mut report, filters.is_empty())?;
    println!("\n{report}");
    Ok(Tested { counts: report.counts(), failures: report.failures() })
}

/// What the threads that read and wait have to say.
enum Event {
    Line { bytes: Vec<u8>, to_stderr: bool },
    Closed,
    Ended(io::Result<bool>),
}

/// Runs the command, shows its output as it arrives, and lets the report read it.
fn stream(
    command: &mut Command,
    linger: Duration,
    report: &mut Report,
    show: impl Fn(&[u8], bool),
) -> Result<bool, String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("cargo test: {error}"))?;
    let (sender, receiver) = channel();
    let mut open = 0;
    if let Some(stdout) = child.stdout.take() {
        open += 1;
        read_lines(stdout, false, sender.clone());
    }
    if let Some(stderr) = child.stderr.take() {
        open += 1;
        read_lines(stderr, true, sender.clone());
    }
    thread::spawn(move || {
        let ended = child.wait().map(|status| status.success());
        // Only the receiver's end can make this fail, and then nobody wants to know.
        drop(sender.send(Event::Ended(ended)));
    });

    let mut ended = None;
    while open > 0 || ended.is_none() {
        let event = match &ended {
            None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(_) => receiver.recv_timeout(linger),
        };
        match event {
            Ok(Event::Line { bytes, to_stderr }) => {
                show(&bytes, to_stderr);
                report.line(&String::from_utf8_lossy(&bytes));
            }
            Ok(Event::Closed) => open -= 1,
            Ok(Event::Ended(status)) => {
                ended = Some(status.map_err(|error| format!("cargo test: {error}"))?);
            }
            Err(_) => {
                report
                    .failure("a test left a process behind that holds its output open".to_owned());
                break;
            }
        }
    }
    Ok(ended.unwrap_or(false))
}

fn read_lines(from: impl Read + Send + 'static, to_stderr: bool, sender: Sender<Event>) {
    thread::spawn(move || {
        let mut reader = BufReader::new(from);
        loop {
            let mut bytes = Vec::new();
            match reader.read_until(b'\n', &mut bytes) {
                Ok(0) | Err(_) => break,
                Ok(_) => drop(sender.send(Event::Line { bytes, to_stderr })),
            }
        }
        drop(sender.send(Event::Closed));
    });
}

/// A closed output must not end the run: the exit code is still wanted.
fn show(bytes: &[u8], to_stderr: bool) {
    drop(if to_stderr { io::stderr().write_all(bytes) } else { io::stdout().write_all(bytes) });
}

fn read_file(path: &Path, report: &mut Report) -> Result<(), String> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    String::from_utf8_lossy(&bytes).lines().for_each(|line| report.line(line));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(line: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", line]);
        command
    }

    #[test]
    fn both_outputs_are_read_and_the_exit_code_kept() {
        let mut report = Report::default();
        let line = "echo 'SKIPPED a: b' >&2; echo '2 passed, 0 failed, 1 skipped'; exit 3";
        assert_eq!(stream(&mut shell(line), LINGER, &mut report, |_, _| {}), Ok(false));
        assert_eq!(report.counts(), Counts { passed: 2, failed: 0, skipped: 1 });
        assert!(report.to_string().contains("  a: b\n"), "{report}");
    }

    #[test]
    fn a_process_left_behind_is_a_failure_and_does_not_hang_the_run() {
        let mut report = Report::default();
        let mut command = shell("sleep 10 & echo done");
        let succeeded = stream(&mut command, Duration::from_millis(50), &mut report, |_, _| {});
        assert_eq!(succeeded, Ok(true));
        assert_eq!(report.counts().failed, 1);
    }
}
