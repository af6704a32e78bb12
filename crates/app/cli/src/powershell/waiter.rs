//! Waiting: for hosts, for answers on the terminal, for lines on stdin.
//!
//! Until the first question or session a signal ends the process, as nothing here needs to be put in order. A question
//! switches the terminal's echo off, and a session is to be left, so that from then on signals are listened to, in everything
//! that waits.

use std::io::{self, BufRead, Read as _};
use std::thread;

use auth::Secret;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use crate::command_error::CommandError;
use crate::signals::Signals;
use crate::terminal::{self, Answer};

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Waiter {
    // Dropped first: it needs the runtime.
    signals: Option<Signals>,
    runtime: Option<Runtime>,
}

impl Waiter {
    /// Waits for work with a host.
    ///
    /// # Errors
    /// The work's, or that a signal came.
    pub(super) fn wait<T>(
        &mut self,
        work: impl Future<Output = Result<T, CommandError>>,
    ) -> Result<T, CommandError> {
        let Self { signals, runtime } = self;
        let signals = signals.as_mut();
        started(runtime)?.block_on(async move {
            let Some(signals) = signals else { return work.await };
            tokio::select! {
                done = work => done,
                _signal = signals.next() => Err(CommandError::interrupted("interrupted before the host answered")),
            }
        })
    }

    /// From here on a signal ends what waits instead of the process: something has to be put in order.
    ///
    /// # Errors
    /// The system has no room for it.
    pub(super) fn listen(&mut self) -> Result<(), CommandError> {
        let Self { signals, runtime } = self;
        if signals.is_none() {
            *signals = Some(started(runtime)?.block_on(async { Signals::listen() })?);
        }
        Ok(())
    }

    /// Waits for work that puts something in order and is bounded by itself; a further signal ends the wait. Nothing where
    /// nothing could start.
    pub(super) fn finish(&mut self, work: impl Future<Output = ()>) {
        let Self { signals, runtime } = self;
        let signals = signals.as_mut();
        if let Ok(runtime) = started(runtime) {
            runtime.block_on(async move {
                let Some(signals) = signals else { return work.await };
                tokio::select! {
                    () = work => {}
                    _signal = signals.next() => {}
                }
            });
        }
    }

    /// Does work that hears signals itself, and sees to what has to be put in order.
    ///
    /// # Errors
    /// The work's.
    pub(super) fn hear<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Signals) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let Self { signals, runtime } = self;
        started(runtime)?.block_on(async {
            let signals = match signals {
                Some(signals) => signals,
                None => signals.insert(Signals::listen()?),
            };
            work(signals).await
        })
    }

    /// Asks for the password of an account on the terminal, without showing it.
    ///
    /// # Errors
    /// There is no terminal, the answer is none, or a signal came.
    pub(super) fn ask(&mut self, question: &str, user: &str) -> Result<Secret, CommandError> {
        let Self { signals, runtime } = self;
        let answer = started(runtime)?.block_on(async {
            let signals = match signals {
                Some(signals) => signals,
                None => signals.insert(Signals::listen()?),
            };
            terminal::ask(question, Answer::Hidden, signals).await
        })?;
        let missing = || {
            CommandError::usage(format!("no password for '{user}', and no terminal to ask for it"))
        };
        answer.ok_or_else(missing)
    }

    /// Asks something on the terminal whose answer may be seen; `None` where there is no terminal.
    ///
    /// # Errors
    /// The answer is none, or a signal came.
    pub(super) fn question(&mut self, question: &str) -> Result<Option<String>, CommandError> {
        self.listen()?;
        let Self { signals, runtime } = self;
        started(runtime)?.block_on(async {
            let Some(signals) = signals else { return Ok(None) };
            let answer = terminal::ask(question, Answer::Shown, signals).await?;
            Ok(answer.map(|answer| answer.expose().trim().to_owned()))
        })
    }

    /// The next line of stdin with its end; `None` behind the last.
    ///
    /// # Errors
    /// What is wrong with the line or with stdin, or that a signal came; nothing comes after it.
    pub(super) fn line(&mut self, lines: &mut Lines) -> Result<Option<String>, CommandError> {
        let Self { signals, runtime } = self;
        let Some(signals) = signals else { return lines.0.blocking_recv().transpose() };
        started(runtime)?.block_on(async {
            tokio::select! {
                line = lines.0.recv() => line.transpose(),
                _signal = signals.next() => Err(CommandError::interrupted("interrupted")),
            }
        })
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.signals = None;
        if let Some(runtime) = self.runtime.take() {
            // A name look-up that still waits must not hold us.
            runtime.shutdown_background();
        }
    }
}

fn started(runtime: &mut Option<Runtime>) -> Result<&Runtime, CommandError> {
    match runtime {
        Some(runtime) => Ok(runtime),
        None => {
            let started = Builder::new_current_thread().enable_all().build();
            let failed = |error| CommandError::caused("starting", &error);
            Ok(runtime.insert(started.map_err(failed)?))
        }
    }
}

/// The lines of stdin, read by a thread of its own.
#[derive(Debug)]
pub(super) struct Lines(mpsc::Receiver<Result<String, CommandError>>);

impl Lines {
    /// The next line with its end; `None` behind the last.
    ///
    /// # Errors
    /// What is wrong with the line or with stdin; nothing comes after it.
    pub(super) async fn next(&mut self) -> Result<Option<String>, CommandError> {
        self.0.recv().await.transpose()
    }

    /// Lines that may have so many bytes.
    pub(super) fn of_stdin(limit: u64) -> Self {
        let (sender, lines) = mpsc::channel(1);
        thread::spawn(move || {
            let mut input = io::stdin().lock();
            loop {
                let line = read(&mut input, limit);
                let is_broken = line.is_err();
                let is_over = line.as_ref().is_ok_and(String::is_empty);
                if is_over || sender.blocking_send(line).is_err() || is_broken {
                    return;
                }
            }
        });
        Self(lines)
    }
}

/// A line with its end; empty behind the last.
fn read(input: &mut impl BufRead, limit: u64) -> Result<String, CommandError> {
    let mut bytes = Vec::new();
    let read = input.by_ref().take(limit + 1).read_until(b'\n', &mut bytes);
    read.map_err(|error| CommandError::caused("reading stdin", &error))?;
    if bytes.len() as u64 > limit {
        return Err(CommandError::usage(format!(
            "a line on stdin is longer than {} KiB",
            limit / 1024
        )));
    }
    String::from_utf8(bytes).map_err(|_| CommandError::usage("a line on stdin is not valid UTF-8"))
}
