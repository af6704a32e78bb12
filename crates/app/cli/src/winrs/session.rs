//! One command on one host: its streams, the user's signals, and a clean end whatever happens.
//!
//! ```text
//!  open, start ──► output ─────────────────► Done ──► close the shell ──► exit code
//!       │            ║ input (until its end)
//!       │            ║ signals: first Ctrl-C to the command
//!       │            ╚═ second Ctrl-C, SIGTERM, SIGHUP, reader gone, error
//!       └──────────────────► leave: terminate and close, as far as that goes in two seconds ──► 255
//! ```

use std::future;
use std::io::{self, IsTerminal as _};
use std::pin::pin;
use std::time::{Duration, Instant};

use client::{
    Client, Command, CommandOptions, Config, Endpoint, ErrorKind, Event, Input, Protection, Shell,
    ShellOptions, Signal, Ticket,
};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::args::Invocation;
use super::records::{self, Done, Records};
use super::stdio::{self, Handle, Output};
use crate::command_error::{CommandError, Origin};
use crate::memory;
use crate::signals::{Interruption, Signals};
use crate::terminal::EchoOff;

/// How long the end may take when the user wants to leave.
const LEAVE: Duration = Duration::from_secs(2);
/// How long a host may take to close the shell of a command that is done: the exit code is known already.
const CLOSE: Duration = Duration::from_secs(10);
/// How long the first input may keep us from asking for output.
const HEAD_START: Duration = Duration::from_millis(500);
/// The code page of the streams: UTF-8.
const UTF_8: u32 = 65_001;

/// What comes in by stdin.
type Stdin = mpsc::Receiver<stdio::Input>;

/// How a connection is protected, as `-verbose` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Security {
    /// The mechanism of the login.
    pub(crate) mechanism: String,
    /// What protects the messages.
    pub(crate) protection: Protection,
}

impl Security {
    const START: &str = "winrs: logged in by ";
    const MESSAGES: [(Protection, &str); 5] = [
        (Protection::Seal, ", messages are sealed"),
        (Protection::Tls, ", messages are inside TLS"),
        (Protection::SealInTls, ", messages are sealed inside TLS"),
        (Protection::Nothing, ", messages are readable by others"),
        (Protection::Local, ", messages stay on this machine"),
    ];

    /// The line for people.
    pub(crate) fn line(&self) -> String {
        let found = Self::MESSAGES.iter().find(|(protection, _)| *protection == self.protection);
        let messages = found.map(|(_, text)| *text).unwrap_or_default();
        format!("{}{}{messages}\n", Self::START, self.mechanism)
    }

    /// Reads such a line.
    pub(crate) fn from_line(line: &str) -> Option<Self> {
        let rest = line.strip_prefix(Self::START)?;
        Self::MESSAGES.into_iter().find_map(|(protection, text)| {
            let mechanism = rest.strip_suffix(text)?.to_owned();
            Some(Self { mechanism, protection })
        })
    }
}

/// Why the conversation with the command is over.
enum End {
    /// The command ended; hosts leave out the code of one that was killed.
    Done(Option<u32>),
    /// The user, or the system in the user's name, does not want to wait.
    Left,
    /// The connection or our own output failed.
    Failed(CommandError),
}

/// Runs the command and hands out the exit code for our own process.
pub(super) async fn run(
    invocation: Invocation,
    config: Config,
    signals: &mut Signals,
) -> Result<u8, CommandError> {
    let started = Instant::now();
    memory::keep_freed();
    let output = Output::new();
    let mut records = invocation.json.then(Records::default);
    let asked = config.endpoint.clone();
    let client = Client::new(config)?;
    let stdin = io::stdin();
    let echo_off = (!invocation.echo && stdin.is_terminal()).then(|| EchoOff::new(&stdin, signals));
    // Held to the end of this function, whichever way that comes.
    let _echo_off = echo_off
        .transpose()
        .map_err(|error| CommandError::caused("switching the echo off", &error))?;
    // Read while the shell opens, so that what is there can go with the first messages.
    let input = stdio::input();
    let (shell, mut command) = open_unless_left(&client, &invocation, signals).await?;
    let told = if invocation.verbose { tell(&client, &asked, &output).await } else { Ok(()) };
    let end = match told {
        Ok(()) => converse(&mut command, input, (&output, records.as_mut()), signals).await,
        Err(error) => End::Failed(output_error(error)),
    };
    if let Some(records) = &mut records {
        let rest = records.rest();
        // Whoever is gone has been told by the pieces before.
        let _gone = output.write(Handle::Stdout, rest).await;
    }
    match end {
        End::Done(code) => {
            // The command has ended and its output is out: whatever becomes of the shell changes nothing.
            tokio::select! {
                _closed = timeout(CLOSE, shell.close()) => {}
                _signal = signals.next() => {}
            }
            let code = code.ok_or_else(|| {
                CommandError::failed("the command was ended, and has no exit code")
            })?;
            if records.is_some() {
                let done = done(&client, code, started.elapsed());
                output.write(Handle::Stdout, done).await.map_err(output_error)?;
            }
            Ok(exit_code(code))
        }
        End::Left => {
            leave(shell, &command.input()).await;
            Err(left())
        }
        End::Failed(error) => {
            leave(shell, &command.input()).await;
            Err(error)
        }
    }
}

/// Whose ticket it was, and for which service.
fn ticket_line(ticket: &Ticket) -> String {
    let Ticket { principal, service, delegated, .. } = ticket;
    let delegated = if *delegated { ", which may act in that name" } else { "" };
    format!("winrs: ticket of {principal} for {service}{delegated}\n")
}

/// The last line of `--json`.
fn done(client: &Client, exit_code: u32, time: Duration) -> Vec<u8> {
    let (ticket, not_kerberos) = (client.ticket(), client.without_kerberos());
    let ticket = ticket.as_ref();
    let done = Done {
        exit_code,
        mechanism: client.mechanism(),
        principal: ticket.map(|ticket| &*ticket.principal),
        service: ticket.map(|ticket| &*ticket.service),
        delegated: ticket.is_some_and(|ticket| ticket.delegated),
        not_kerberos: not_kerberos.as_deref(),
        sealed: matches!(client.protection(), Some(Protection::Seal | Protection::SealInTls)),
        tls: matches!(client.protection(), Some(Protection::Tls | Protection::SealInTls)),
        requests: client.requests(),
        seconds: records::seconds(time),
    };
    done.line()
}

/// Says how the login went.
async fn tell(client: &Client, asked: &Endpoint, output: &Output) -> io::Result<()> {
    let mechanism = client.mechanism().unwrap_or("nothing").to_owned();
    let protection = client.protection().unwrap_or(Protection::Nothing);
    let mut line = String::new();
    if let Some(why) = client.without_kerberos() {
        line.push_str(&format!("winrs: not by Kerberos: {why}\n"));
    }
    if let Some(ticket) = client.ticket() {
        line.push_str(&ticket_line(&ticket));
    }
    line.push_str(&Security { mechanism, protection }.line());
    let endpoint = client.endpoint();
    if endpoint != *asked {
        line.insert_str(0, &format!("winrs: redirected to {endpoint}\n"));
    }
    output.write(Handle::Stderr, line.into_bytes()).await
}

/// Opens shell and command, unless the user leaves meanwhile.
async fn open_unless_left(
    client: &Client,
    invocation: &Invocation,
    signals: &mut Signals,
) -> Result<(Shell, Command), CommandError> {
    let mut opening = pin!(open(client, invocation));
    tokio::select! {
        opened = &mut opening => opened,
        _signal = signals.next() => {
            // A shell that is being opened would stay behind on the host: its name is needed to close it.
            if let Ok(Ok((shell, command))) = timeout(LEAVE, &mut opening).await {
                leave(shell, &command.input()).await;
            }
            Err(left())
        }
    }
}

async fn open(client: &Client, invocation: &Invocation) -> Result<(Shell, Command), CommandError> {
    let shell = client
        .open_shell(ShellOptions {
            environment: invocation.environment.clone(),
            directory: invocation.directory.clone(),
            no_profile: !invocation.load_profile,
            code_page: Some(UTF_8),
            compression: invocation.compression,
            ..ShellOptions::default()
        })
        .await?;
    let options = CommandOptions {
        command: invocation.command_line.clone(),
        console_mode_stdin: io::stdin().is_terminal(),
        ..CommandOptions::default()
    };
    match shell.start(options).await {
        Ok(command) => Ok((shell, command)),
        Err(error) => {
            let _closed = timeout(LEAVE, shell.close()).await;
            Err(error.into())
        }
    }
}

/// Lets streams and signals flow until one of them ends the conversation.
async fn converse(
    command: &mut Command,
    mut stdin: Stdin,
    output: (&Output, Option<&mut Records>),
    signals: &mut Signals,
) -> End {
    let input = command.input();
    tokio::select! {
        end = async {
            // Input that is there already goes first: while a Receive waits, it would need a connection of its own. But
            // a command that writes before it reads must be listened to ([MS-WSMV] 3.1.4.14).
            let piece = stdin.try_recv().ok();
            let piece = piece.map(|piece| stdio::gather(piece, &mut stdin, input.capacity()));
            let mut first = pin!(async {
                match piece {
                    Some(piece) => send(&input, piece).await,
                    None => Ok(()),
                }
            });
            let early = timeout(HEAD_START, &mut first).await.ok();
            let sent = async {
                match early {
                    Some(sent) => sent,
                    None => first.await,
                }
            };
            tokio::select! {
                end = forward_output(command, output) => end,
                error = forward_input(&input, stdin, sent) => End::Failed(error.into()),
            }
        } => end,
        () = forward_signals(&input, signals) => End::Left,
    }
}

async fn forward_output(
    command: &mut Command,
    (output, mut records): (&Output, Option<&mut Records>),
) -> End {
    let mut next = command.next().await;
    loop {
        let (handle, data) = match next {
            Ok(Some(Event::Stdout(data))) => (Handle::Stdout, data),
            Ok(Some(Event::Stderr(data))) => (Handle::Stderr, data),
            Ok(Some(Event::Done { exit_code })) => return End::Done(exit_code),
            Ok(None) => return End::Done(None),
            Err(error) => return End::Failed(error.into()),
        };
        let (handle, data) = match &mut records {
            Some(records) => (Handle::Stdout, records.chunk(handle, &data)),
            None => (handle, data),
        };
        // While our reader takes this piece, the host gathers the next one; never more than one.
        let mut write = pin!(output.write(handle, data));
        let mut following = pin!(command.next());
        let (written, early) = tokio::select! {
            biased;
            written = &mut write => (written, None),
            event = &mut following => (write.await, Some(event)),
        };
        if let Err(error) = written {
            return End::Failed(output_error(error));
        }
        next = match early {
            Some(event) => event,
            None => following.await,
        };
    }
}

/// Returns when a piece of input was not taken: what comes behind it must not close the gap. The end of input is no
/// end of the conversation, nor is a command that reads no more.
async fn forward_input(
    input: &Input,
    mut stdin: Stdin,
    sent: impl Future<Output = Result<(), client::Error>>,
) -> client::Error {
    let mut sent = sent.await;
    loop {
        match sent {
            Ok(()) => match stdin.recv().await {
                Some(piece) => {
                    let piece = stdio::gather(piece, &mut stdin, input.capacity());
                    sent = send(input, piece).await;
                }
                None => return future::pending().await,
            },
            Err(error) if error.is_end_of_reading() => return future::pending().await,
            Err(error) => {
                // Perhaps the command is over: then its end is on its way, and says more.
                sleep(LEAVE).await;
                return error;
            }
        }
    }
}

async fn send(input: &Input, piece: stdio::Input) -> Result<(), client::Error> {
    if piece.end { input.end(&piece.data).await } else { input.write(&piece.data).await }
}

/// Passes the first Ctrl-C on; returns when the user wants to leave.
async fn forward_signals(input: &Input, signals: &mut Signals) {
    let mut interrupted = false;
    loop {
        let signal = match signals.next().await {
            Interruption::End => return,
            Interruption::CtrlC if interrupted => return,
            Interruption::CtrlC => Signal::CtrlC,
            Interruption::CtrlBreak => Signal::CtrlBreak,
        };
        interrupted |= signal == Signal::CtrlC;
        tokio::select! {
            // A host that does not take it: the second Ctrl-C is still there.
            _sent = input.signal(signal) => {}
            _impatient = signals.next() => return,
        }
    }
}

/// Ends the command and the shell as far as that goes in [`LEAVE`]; the shell's idle time ends the rest.
async fn leave(shell: Shell, command: &Input) {
    let _ended = timeout(LEAVE, async {
        let _terminated = command.signal(Signal::Terminate).await;
        shell.close().await
    })
    .await;
}

fn left() -> CommandError {
    CommandError::interrupted("interrupted before the command ended; it was told to end")
}

fn output_error(error: io::Error) -> CommandError {
    if error.kind() == io::ErrorKind::BrokenPipe {
        CommandError::reader_gone()
    } else {
        CommandError::caused("writing the command's output", &error)
    }
}

/// The remote exit code in the eight bits that a process here has: the remainder by 256, and 1 for what would
/// become a false 0.
fn exit_code(remote: u32) -> u8 {
    let [low, ..] = remote.to_le_bytes();
    if low == 0 && remote != 0 { 1 } else { low }
}

impl From<client::Error> for CommandError {
    fn from(error: client::Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::Config(_) => "config",
            ErrorKind::Connect(_) => "connect",
            ErrorKind::Denied(_) => "denied",
            ErrorKind::Fault(_) => "fault",
            ErrorKind::Kerberos(_) => "kerberos",
            ErrorKind::Protocol(_) => "protocol",
            ErrorKind::Redirected(_) => "redirected",
            ErrorKind::Timeout(_) => "timeout",
            ErrorKind::Pool(_) | _ => "failed",
        };
        let origin = Origin {
            kind,
            host: error.host().to_owned(),
            operation: error.operation(),
            fault_code: error.fault().and_then(|fault| fault.error_code()).map(|code| code.0),
        };
        let hints = error.hints();
        Self::quoting(&error).hints(hints).at(origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_keep_their_low_byte_and_failure_never_becomes_success() {
        assert_eq!([0, 7, 255, 256, 257, 0x8007_0002].map(exit_code), [0, 7, 255, 1, 1, 2]);
    }

    #[test]
    fn line_about_security_is_read_as_written() {
        for (protection, _) in Security::MESSAGES {
            let security = Security { mechanism: "NTLM".to_owned(), protection };
            assert_eq!(Security::from_line(security.line().trim_end()), Some(security));
        }
    }
}
