//! The way from the login to a command: what a user of the service does, step by step.

use std::time::{Duration, Instant};

use client::error::ProtocolError;
use client::{
    Client, CommandOptions, Config, Error, ErrorKind, Event, Protection, Shell, ShellOptions,
};

use super::bundle::Bundle;
use super::report::{Report, Step, milliseconds, requests};
use crate::command_error::CommandError;

/// What the command writes.
const WORD: &str = "transom-doctor";
/// The whole command may take so long.
const COMMAND: Duration = Duration::from_secs(30);
/// Windows's error ERROR_ACCESS_DENIED.
const ACCESS_DENIED: u32 = 5;
/// The most output that is looked at.
const OUTPUT_LIMIT: usize = 4096;
/// The code page of the output: UTF-8.
const UTF_8: u32 = 65_001;

/// Walks these steps.
pub(super) async fn walk(
    config: Config,
    report: &mut Report,
    bundle: &mut Bundle,
) -> Result<(), CommandError> {
    let user = config.credentials.user.clone();
    let client = match Client::new(config) {
        Ok(client) => client,
        Err(error) => return report.add(explained(Step::new("login"), &error)).map(drop),
    };
    if bundle.is_wanted() {
        client.record();
    }
    let walked = steps(&client, &user, report).await;
    bundle.exchanges(client.recorded());
    walked
}

async fn steps(client: &Client, user: &str, report: &mut Report) -> Result<(), CommandError> {
    let start = Instant::now();
    // The first Identify travels with the login.
    let first = client.identify().await;
    let step = Step::new("login").took(start.elapsed());
    let is_sealing = first.as_ref().is_err_and(breaks_seal);
    match &first {
        Err(error) if client.mechanism().is_none() && !is_sealing => {
            return report.add(explained(step, error)).map(drop);
        }
        Ok(_) | Err(_) => {}
    }
    let mechanism = client.mechanism().unwrap_or("a mechanism that is not known");
    let sent = requests(client.requests());
    report.add(step.fact(format!("{user} logged in by {mechanism}, {sent}")))?;
    let error = first.err();
    if let Some(error) = error.as_ref().filter(|_| is_sealing) {
        return report.add(explained(Step::new("sealing"), error)).map(drop);
    }
    report.add(sealing(client, mechanism))?;
    if let Some(error) = error {
        report.add(explained(Step::new("identify"), &error))?;
        return quotas(&error, report);
    }
    match identify(client).await {
        Ok(step) => report.add(step).map(drop)?,
        Err(error) => {
            report.add(explained(Step::new("identify"), &error))?;
            return quotas(&error, report);
        }
    }
    let start = Instant::now();
    let mut step = Step::new("shell");
    let ended = shell(client, &mut step).await;
    step = step.took(start.elapsed());
    match ended {
        Ok(is_right) => {
            report.add(if is_right { step } else { wrong_output(step) })?;
            report.add(Step::new("quotas").fact("none was in the way")).map(drop)
        }
        Err(error) => {
            report.add(explained(step, &error))?;
            quotas(&error, report)
        }
    }
}

/// The error as the step's cause, and what the client knows to try.
fn explained(step: Step, error: &Error) -> Step {
    let cause = CommandError::chain(error).error().to_owned();
    let step = step.failed(cause).remedies(error.hints());
    if fault_code(error) == Some(ACCESS_DENIED) {
        return step.remedy(
            "an account of a Windows host itself, other than Administrator, needs LocalAccountTokenFilterPolicy = 1 there",
        );
    }
    step
}

fn fault_code(error: &Error) -> Option<u32> {
    error.fault().and_then(|fault| fault.error_code()).map(|code| code.0)
}

fn breaks_seal(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Protocol(ProtocolError::NotSealed(_) | ProtocolError::Sealed(_))
    )
}

fn sealing(client: &Client, mechanism: &str) -> Step {
    let step = Step::new("sealing");
    match client.protection() {
        Some(Protection::Seal) => {
            return step.fact(format!("{mechanism} encrypts and signs every message"));
        }
        Some(Protection::Tls) => return step.fact("TLS protects every message"),
        Some(Protection::SealInTls) => {
            return step.fact(format!("TLS and {mechanism} protect every message"));
        }
        Some(Protection::Local) => return step.fact("messages stay on this machine"),
        Some(Protection::Nothing) | None => {}
    }
    step.warning("everybody on the way can read and change the messages")
        .remedy("use --auth negotiate")
}

async fn identify(client: &Client) -> Result<Step, Error> {
    let (start, before) = (Instant::now(), client.requests());
    let identity = client.identify().await?;
    let vendor = identity.product_vendor.unwrap_or_else(|| "no vendor".to_owned());
    let version = identity.product_version.unwrap_or_else(|| "no version".to_owned());
    let sent = requests(client.requests() - before);
    Ok(Step::new("identify").took(start.elapsed()).fact(format!("{vendor}, {version}, {sent}")))
}

/// One shell and one command; `false` when the command did not do what it should.
async fn shell(client: &Client, step: &mut Step) -> Result<bool, Error> {
    let mut tally = Tally { client, sent: client.requests(), start: Instant::now() };
    let options = ShellOptions { code_page: Some(UTF_8), ..ShellOptions::default() };
    let shell = client.open_shell(options).await?;
    tally.note(step, "opened");
    match command(&shell).await {
        Ok((output, code)) => {
            let code =
                code.map_or_else(|| "no exit code".to_owned(), |code| format!("exit code {code}"));
            tally.note(step, &format!("`echo {WORD}` ended with {code}"));
            shell.close().await?;
            tally.note(step, "closed");
            Ok(output.trim_ascii() == WORD.as_bytes())
        }
        Err(error) => {
            // The command's error is the one to tell.
            let _closed = shell.close().await;
            Err(error)
        }
    }
}

async fn command(shell: &Shell) -> Result<(Vec<u8>, Option<u32>), Error> {
    let options = CommandOptions {
        command: format!("echo {WORD}"),
        deadline: Some(COMMAND),
        ..CommandOptions::default()
    };
    let mut command = shell.start(options).await?;
    let mut output = Vec::new();
    let mut exit_code = None;
    while let Some(event) = command.next().await? {
        match event {
            Event::Stdout(bytes) if output.len() < OUTPUT_LIMIT => output.extend(bytes),
            Event::Stdout(_) | Event::Stderr(_) => {}
            Event::Done { exit_code: code } => exit_code = code,
        }
    }
    Ok((output, exit_code))
}

fn wrong_output(step: Step) -> Step {
    step.failed("the command ended, but its output is not what it should be")
        .remedy("check what the account starts at every login: a profile or an AutoRun command may print or fail")
}

/// Time and requests between two moments.
struct Tally<'a> {
    client: &'a Client,
    sent: u64,
    start: Instant,
}

impl Tally<'_> {
    fn note(&mut self, step: &mut Step, what: &str) {
        let took = milliseconds(self.start.elapsed());
        let sent = requests(self.client.requests() - self.sent);
        *step = step.clone().fact(format!("{what}: {took}, {sent}"));
        (self.start, self.sent) = (Instant::now(), self.client.requests());
    }
}

/// Says which quota an error speaks of, if it does.
fn quotas(error: &Error, report: &mut Report) -> Result<(), CommandError> {
    let Some(name) = fault_code(error).and_then(quota) else { return Ok(()) };
    let step = Step::new("quotas")
        .failed(format!("the quota {name} of the host is used up"))
        .remedy("end shells and commands that nobody needs any more; idle ones end by themselves")
        .remedy(format!("or raise {name} on the host"));
    report.add(step).map(drop)
}

/// The setting behind a quota fault.
const fn quota(code: u32) -> Option<&'static str> {
    Some(match code {
        0x8033_803f => "MaxConcurrentOperations",
        0x8033_8047 | 0x8033_8048 => "MaxEnvelopeSizekb",
        0x8033_81a5 | 0x8033_81e4 => "MaxShellsPerUser",
        0x8033_81a6 | 0x8033_81e8 => "MaxConcurrentOperationsPerUser",
        0x8033_81a7 => "of this user's load",
        0x8033_81a8 => "of the system's load",
        0x8033_81ab | 0x8033_81e5 => "MaxConcurrentUsers",
        0x8033_81e6 => "MaxShells of the plug-in",
        0x8033_81e7 => "MaxConcurrentOperations of the plug-in",
        0x8033_81e9 => "MaxProcessesPerShell",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quota_faults_name_the_setting_and_others_none() {
        assert_eq!(quota(2_150_859_173), Some("MaxShellsPerUser"));
        assert_eq!(quota(0x8033_81e9), Some("MaxProcessesPerShell"));
        assert_eq!(quota(5), None);
    }
}
