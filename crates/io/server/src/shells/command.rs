//! One running command: its pipes, its signals and its end, moved between the plug-in and the
//! shell's actor.
//!
//! ```text
//!            start            pumps: read what there is credit for ──► Output, End
//!  Starting ───────► Running ─ feed:  writes ──────────────────────────► Written
//!      │                       attend: signals in, the end out ────────► Exit
//!      └─ fault ──► Started(Err)
//! ```
//!
//! Dropping the [`Handle`] stops all of it and closes the pipes.
//!
//! A command may leave processes behind that hold its pipes (`daemon &`). Its streams end when all
//! of these have closed them, or when nothing came for a while after the command's own end.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::sleep;
use tracing::trace;
use wsman::code_page::{CodePage, FromPage, ToPage};
use wsman::fault::Fault;
use wsman::shell::OutputStream;
use wsman::shell::server::CommandKey;

use super::budget::{Credit, Held, Memory};
use crate::plugin::{CommandControl, CommandSignal, Running, ShellInstance, StartCommand};

/// The first read of a stream asks for so many bytes; a command that writes much gets more.
const LEAST_READ: usize = 4 * 1024;
/// No read asks for more.
const MOST_READ: usize = 256 * 1024;

/// So long may a stream be silent after the command's end before what holds it is given up.
const MOST_SILENCE: Duration = Duration::from_secs(2);

/// What a command reports.
#[derive(Debug)]
pub(super) enum Event {
    Started(Result<(), Box<Fault>>),
    Output(OutputStream, Vec<u8>),
    End(OutputStream),
    Written,
    Exit(u32),
}

/// Where commands report.
pub(super) type Events = mpsc::Sender<(CommandKey, Event)>;

/// Input for a command.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) data: Vec<u8>,
    pub(super) end: bool,
    /// The room for it, until it is written.
    pub(super) held: Held,
}

/// How the streams of commands are read and written.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    /// Bytes that each output stream may bring before anything is released.
    pub(crate) credit: usize,
    /// What the client reads and writes; `None` passes the bytes.
    pub(crate) code_page: Option<CodePage>,
}

/// The actor's end of a command.
#[derive(Debug)]
pub(super) struct Handle {
    writes: mpsc::UnboundedSender<Write>,
    signals: mpsc::UnboundedSender<CommandSignal>,
    stdout: Arc<Credit>,
    stderr: Arc<Credit>,
    task: AbortHandle,
}

impl Handle {
    /// Starts a command.
    pub(super) fn start(
        shell: Arc<dyn ShellInstance>,
        command: StartCommand,
        key: CommandKey,
        streams: Streams,
        memory: &Memory,
        events: Events,
    ) -> Self {
        let (writes, write_queue) = mpsc::unbounded_channel();
        let (signals, signal_queue) = mpsc::unbounded_channel();
        let Streams { credit, code_page } = streams;
        let credit = || Arc::new(memory.credit(credit));
        let (stdout, stderr) = (credit(), credit());
        let ends = Ends {
            key,
            events,
            writes: write_queue,
            signals: signal_queue,
            stdout: Arc::clone(&stdout),
            stderr: Arc::clone(&stderr),
            code_page,
        };
        let task = tokio::spawn(ends.run(shell, command)).abort_handle();
        Self { writes, signals, stdout, stderr, task }
    }

    /// Queues input. The machine asks for one write at a time, so the queue stays short.
    pub(super) fn write(&self, write: Write) {
        // A command that could not be started has no input; its failure is reported already.
        drop(self.writes.send(write));
    }

    pub(super) fn signal(&self, signal: CommandSignal) {
        if self.signals.send(signal).is_err() {
            trace!("signal for a command that was never started");
        }
    }

    /// Lets a stream bring `bytes` more.
    pub(super) fn release(&self, stream: OutputStream, bytes: usize) {
        match stream {
            OutputStream::Stdout => self.stdout.release(bytes),
            OutputStream::Stderr => self.stderr.release(bytes),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The task's ends of the queues.
struct Ends {
    key: CommandKey,
    events: Events,
    writes: mpsc::UnboundedReceiver<Write>,
    signals: mpsc::UnboundedReceiver<CommandSignal>,
    stdout: Arc<Credit>,
    stderr: Arc<Credit>,
    code_page: Option<CodePage>,
}

impl Ends {
    async fn run(self, shell: Arc<dyn ShellInstance>, command: StartCommand) {
        let (key, events) = (self.key, self.events);
        let started = shell.start(command).await;
        drop(shell);
        let running = match started {
            Ok(running) => running,
            Err(fault) => return report(&events, key, Event::Started(Err(fault))).await,
        };
        report(&events, key, Event::Started(Ok(()))).await;
        let Running { stdin, stdout, stderr, control } = running;
        let (exited, exit) = watch::channel(false);
        let page = self.code_page.as_ref();
        let out = Source { key, events: &events, name: OutputStream::Stdout, exit: exit.clone() };
        let err = Source { key, events: &events, name: OutputStream::Stderr, exit };
        tokio::join!(
            out.pump(stdout, &self.stdout, page.map(CodePage::to_page)),
            err.pump(stderr, &self.stderr, page.map(CodePage::to_page)),
            feed(stdin, self.writes, key, &events, page.map(CodePage::from_page)),
            attend(control, self.signals, key, &events, exited),
        );
    }
}

async fn report(events: &Events, key: CommandKey, event: Event) {
    // Without a receiver the shell is over, and this task is about to be stopped.
    drop(events.send((key, event)).await);
}

/// A stream that a command writes to.
struct Source<'a> {
    key: CommandKey,
    events: &'a Events,
    name: OutputStream,
    /// Whether the command has ended.
    exit: watch::Receiver<bool>,
}

impl Source<'_> {
    /// Reads as far as there is credit, up to the end.
    async fn pump(
        mut self,
        mut stream: Box<dyn AsyncRead + Send + Unpin>,
        credit: &Credit,
        mut converter: Option<ToPage<'_>>,
    ) {
        let mut wanted = LEAST_READ;
        loop {
            let granted = credit.take(wanted).await;
            let mut data = Vec::with_capacity(granted);
            let mut piece = (&mut stream).take(granted as u64);
            let read = tokio::select! {
                biased;
                // A stream that breaks has ended: the command cannot write to it any more.
                read = piece.read_buf(&mut data) => read.unwrap_or(0),
                () = abandoned(&mut self.exit) => 0,
            };
            credit.give_back(granted - read);
            if read == 0 {
                break;
            }
            wanted = (read * 2).clamp(LEAST_READ, MOST_READ);
            if let Some(converter) = &mut converter {
                // Credit counts what the client gets. Bytes that are held keep theirs.
                let before = read + converter.held();
                data = converter.push(data);
                credit.give_back(before.saturating_sub(converter.held() + data.len()));
            }
            self.tell(data).await;
        }
        drop(stream);
        if let Some(converter) = converter {
            self.tell(converter.finish()).await;
        }
        report(self.events, self.key, Event::End(self.name)).await;
    }

    async fn tell(&self, data: Vec<u8>) {
        if !data.is_empty() {
            report(self.events, self.key, Event::Output(self.name, data)).await;
        }
    }
}

/// Becomes ready some time after the command's end.
async fn abandoned(exit: &mut watch::Receiver<bool>) {
    drop(exit.wait_for(|exited| *exited).await);
    sleep(MOST_SILENCE).await;
}

/// Writes input. A command that reads no more loses it, as on Windows ([MS-WSMV] 3.1.4.13).
async fn feed(
    stdin: Box<dyn AsyncWrite + Send + Unpin>,
    mut writes: mpsc::UnboundedReceiver<Write>,
    key: CommandKey,
    events: &Events,
    mut converter: Option<FromPage<'_>>,
) {
    let mut open = Some(stdin);
    while let Some(write) = writes.recv().await {
        if let Some(stdin) = &mut open {
            let mut data = write.data;
            if let Some(converter) = &mut converter {
                data = converter.push(data);
            }
            if let Some(converter) = converter.take_if(|_| write.end) {
                data.extend(converter.finish());
            }
            let written = stdin.write_all(&data).await;
            let flushed = stdin.flush().await;
            drop(write.held);
            if write.end || written.is_err() || flushed.is_err() {
                open = None;
            }
        }
        report(events, key, Event::Written).await;
    }
}

/// Passes signals on and reports the end, after which signals still reach what was left behind.
async fn attend(
    mut control: Box<dyn CommandControl>,
    mut signals: mpsc::UnboundedReceiver<CommandSignal>,
    key: CommandKey,
    events: &Events,
    exited: watch::Sender<bool>,
) {
    let code = loop {
        tokio::select! {
            code = control.wait() => break code,
            signal = signals.recv() => match signal {
                Some(signal) => control.signal(signal),
                None => return,
            },
        }
    };
    report(events, key, Event::Exit(code)).await;
    exited.send_replace(true);
    while let Some(signal) = signals.recv().await {
        control.signal(signal);
    }
}
