//! One running command: its pipes, its signals and its end, moved between the plug-in and the
//! shell's actor.
//!
//! ```text
//!            start            pumps: read what there is credit for ──► Output, End
//!  Starting ───────► Running ─ feed:  writes ──────────────────────────► Written
//!      │                       watch: signals in, the end out ─────────► Exit
//!      └─ fault ──► Started(Err)
//! ```
//!
//! Dropping the [`Handle`] stops all of it and closes the pipes.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;
use wsman::fault::Fault;
use wsman::shell::OutputStream;
use wsman::shell::server::CommandKey;

use crate::plugin::{CommandControl, CommandSignal, Running, ShellInstance, StartCommand};

/// The first read of a stream asks for so many bytes; a command that fills them gets more.
const LEAST_READ: usize = 4 * 1024;
/// No read asks for more: what a pipe holds by default.
const MOST_READ: usize = 64 * 1024;

/// What a command reports.
#[derive(Debug)]
pub(super) enum Event {
    Started(Result<(), Fault>),
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
}

/// The actor's end of a command.
#[derive(Debug)]
pub(super) struct Handle {
    writes: mpsc::UnboundedSender<Write>,
    signals: mpsc::UnboundedSender<CommandSignal>,
    stdout: Arc<Semaphore>,
    stderr: Arc<Semaphore>,
    task: AbortHandle,
}

impl Handle {
    /// Starts a command whose streams may each bring `credit` bytes before anything is released.
    pub(super) fn start(
        shell: Arc<dyn ShellInstance>,
        command: StartCommand,
        key: CommandKey,
        credit: usize,
        events: Events,
    ) -> Self {
        let (writes, write_queue) = mpsc::unbounded_channel();
        let (signals, signal_queue) = mpsc::unbounded_channel();
        let credit = || Arc::new(Semaphore::new(credit.min(Semaphore::MAX_PERMITS)));
        let (stdout, stderr) = (credit(), credit());
        let ends = Ends {
            key,
            events,
            writes: write_queue,
            signals: signal_queue,
            stdout: Arc::clone(&stdout),
            stderr: Arc::clone(&stderr),
        };
        let task = tokio::spawn(ends.run(shell, command)).abort_handle();
        Self { writes, signals, stdout, stderr, task }
    }

    /// Queues input. The machine asks for one write at a time, so the queue stays short.
    pub(super) fn write(&self, write: Write) {
        // A command that could not be started has no input; its failure is reported already.
        let _ = self.writes.send(write);
    }

    pub(super) fn signal(&self, signal: CommandSignal) {
        let _ = self.signals.send(signal);
    }

    /// Lets a stream bring `bytes` more.
    pub(super) fn release(&self, stream: OutputStream, bytes: usize) {
        match stream {
            OutputStream::Stdout => self.stdout.add_permits(bytes),
            OutputStream::Stderr => self.stderr.add_permits(bytes),
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
    stdout: Arc<Semaphore>,
    stderr: Arc<Semaphore>,
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
        tokio::join!(
            pump(stdout, OutputStream::Stdout, &self.stdout, key, &events),
            pump(stderr, OutputStream::Stderr, &self.stderr, key, &events),
            feed(stdin, self.writes, key, &events),
            watch(control, self.signals, key, &events),
        );
    }
}

async fn report(events: &Events, key: CommandKey, event: Event) {
    // Without a receiver the shell is over, and this task is about to be stopped.
    let _ = events.send((key, event)).await;
}

/// Reads a stream as far as there is credit.
async fn pump(
    mut stream: Box<dyn AsyncRead + Send + Unpin>,
    name: OutputStream,
    credit: &Semaphore,
    key: CommandKey,
    events: &Events,
) {
    let mut wanted = LEAST_READ;
    loop {
        let granted = take_credit(credit, wanted).await;
        let mut data = Vec::with_capacity(granted);
        // A stream that breaks has ended: the command cannot write to it any more.
        let read = (&mut stream).take(granted as u64).read_buf(&mut data).await.unwrap_or(0);
        credit.add_permits(granted - read);
        if read == 0 {
            break;
        }
        wanted = if read == granted { (wanted * 2).min(MOST_READ) } else { LEAST_READ.max(read) };
        report(events, key, Event::Output(name, data)).await;
    }
    drop(stream);
    report(events, key, Event::End(name)).await;
}

/// Waits for credit and takes up to `wanted` bytes of it.
async fn take_credit(credit: &Semaphore, wanted: usize) -> usize {
    // The semaphore is never closed; were it, one byte at a time would still be right.
    if let Ok(first) = credit.acquire().await {
        first.forget();
    }
    let more = credit.available_permits().min(wanted.saturating_sub(1));
    match u32::try_from(more).ok().and_then(|more| credit.try_acquire_many(more).ok()) {
        Some(permits) => {
            permits.forget();
            more + 1
        }
        None => 1,
    }
}

/// Writes input. A command that reads no more loses it, as on Windows ([MS-WSMV] 3.1.4.13).
async fn feed(
    stdin: Box<dyn AsyncWrite + Send + Unpin>,
    mut writes: mpsc::UnboundedReceiver<Write>,
    key: CommandKey,
    events: &Events,
) {
    let mut open = Some(stdin);
    while let Some(write) = writes.recv().await {
        if let Some(stdin) = &mut open {
            let written = stdin.write_all(&write.data).await;
            let flushed = stdin.flush().await;
            if write.end || written.is_err() || flushed.is_err() {
                open = None;
            }
        }
        report(events, key, Event::Written).await;
    }
}

/// Passes signals on and reports the end, after which signals still reach what was left behind.
async fn watch(
    mut control: Box<dyn CommandControl>,
    mut signals: mpsc::UnboundedReceiver<CommandSignal>,
    key: CommandKey,
    events: &Events,
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
    while let Some(signal) = signals.recv().await {
        control.signal(signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn credit_is_taken_up_to_what_is_there() {
        let credit = Semaphore::new(10);
        assert_eq!(take_credit(&credit, 4).await, 4);
        assert_eq!(take_credit(&credit, 100).await, 6);
        credit.add_permits(1);
        assert_eq!(take_credit(&credit, 100).await, 1);
    }
}
