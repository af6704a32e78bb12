//! Pipelines of a session that somebody is in: what they tell, what they ask, and Ctrl-C.

use std::pin::pin;

use client::pool::{Pipeline, PipelineEvent, PipelineOptions, Pool};
use psrp::client::Record;
use psrp::clixml::Value;
use psrp::messages::{ErrorRecord, HostCall, PipelineState, PowerShell};

use super::lines;
use crate::command_error::CommandError;
use crate::powershell::host::{Host, Leaving};
use crate::signals::{Interruption, Signals};

/// How a pipeline ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) state: PipelineState,
    pub(super) error: Option<Box<ErrorRecord>>,
    pub(super) leaving: Option<Leaving>,
}

/// A session, and who is in it.
pub(super) struct Conversation<'a> {
    pub(super) pool: &'a Pool,
    pub(super) computer: &'a str,
    pub(super) host: &'a mut Host,
    pub(super) signals: &'a mut Signals,
    /// An error is shown: Ctrl-C came for what ran before.
    pub(super) is_showing: bool,
}

impl Conversation<'_> {
    /// Runs a pipeline to its end. Ctrl-C stops it on the host.
    ///
    /// # Errors
    /// The session is over, nobody reads the output, or a signal ends the program.
    pub(super) async fn run(
        &mut self,
        options: PipelineOptions,
        input: Option<Value>,
        mut output: impl FnMut(Value) -> Result<(), CommandError>,
    ) -> Result<Ended, CommandError> {
        let options = PipelineOptions { host_info: self.host.info(), ..options };
        self.host.begin();
        let started = self.pool.invoke(options);
        let mut started = pin!(started);
        let mut is_stopped = false;
        let mut pipeline = loop {
            tokio::select! {
                started = &mut started => break started.map_err(|error| CommandError::chain(&error))?,
                signal = self.signals.next() => match signal {
                    // It can be stopped once the host knows of it.
                    Interruption::CtrlC => {
                        self.host.take_back_echo();
                        is_stopped = !self.is_showing;
                    }
                    Interruption::CtrlBreak | Interruption::End => return Err(interrupted(signal)),
                },
            }
        };
        if let Some(input) = input {
            let way = pipeline.input();
            // A pipeline that takes no more tells why by its end.
            tokio::spawn(async move {
                way.write(input).await?;
                way.end().await
            });
        }
        if is_stopped {
            stop(&pipeline, Interruption::CtrlC)?;
        }
        let ended = self.listen(&mut pipeline, &mut output).await;
        self.host.end();
        match self.host.take_failure() {
            Some(failure) => Err(failure),
            None => ended,
        }
    }

    async fn listen(
        &mut self,
        pipeline: &mut Pipeline,
        output: &mut impl FnMut(Value) -> Result<(), CommandError>,
    ) -> Result<Ended, CommandError> {
        let mut network = self.pool.network();
        loop {
            let event = tokio::select! {
                event = pipeline.next() => event.map_err(|error| CommandError::chain(&error))?,
                is_away = network.change() => {
                    self.host.network(self.computer, is_away);
                    continue;
                }
                signal = self.signals.next() => {
                    self.host.take_back_echo();
                    if !(self.is_showing && signal == Interruption::CtrlC) {
                        stop(pipeline, signal)?;
                    }
                    continue;
                }
            };
            match event {
                Some(PipelineEvent::Record(Record::Output(value))) => output(value)?,
                Some(PipelineEvent::Record(record)) => self.host.record(&record),
                Some(PipelineEvent::HostCall(call)) => self.answer(pipeline, &call).await?,
                Some(PipelineEvent::Ended { state, error }) => {
                    return Ok(Ended { state, error, leaving: self.host.leaving() });
                }
                Some(_) => {}
                None => return Err(CommandError::failed("the pipeline ended without a word")),
            }
        }
    }

    /// Answers a call; Ctrl-C gives the question up and stops the pipeline.
    async fn answer(&mut self, pipeline: &Pipeline, call: &HostCall) -> Result<(), CommandError> {
        let response = tokio::select! {
            response = self.host.answer(call, self.pool) => response,
            signal = self.signals.next() => {
                // The terminal has shown ^C on the line of the question.
                self.host.break_line();
                return stop(pipeline, signal);
            }
        };
        if let Some(response) = response {
            let answered = pipeline.input().respond(response).await;
            // A session that is over tells so by itself, next.
            drop(answered);
        }
        Ok(())
    }

    /// Runs a pipeline and keeps its output, without a word to the user.
    ///
    /// # Errors
    /// See [`Conversation::run`].
    pub(super) async fn ask(
        &mut self,
        power_shell: PowerShell,
    ) -> Result<(Ended, Vec<Value>), CommandError> {
        let mut values = Vec::new();
        let ended = self
            .run(PipelineOptions::new(power_shell), None, |value| {
                values.push(value);
                Ok(())
            })
            .await?;
        Ok((ended, values))
    }

    /// Has the host show why a pipeline ended, in its own form.
    ///
    /// # Errors
    /// See [`Conversation::run`].
    pub(super) async fn show(&mut self, error: &ErrorRecord) -> Result<(), CommandError> {
        let options = PipelineOptions {
            takes_input: true,
            ..PipelineOptions::new(lines::of(vec![lines::out_default()]))
        };
        self.is_showing = true;
        let shown = self.run(options, Some(error.into()), |_| Ok(())).await;
        self.is_showing = false;
        match shown {
            Ok(ended) if ended.state == PipelineState::Completed => {}
            Err(lost) if lost.ends_everything() => return Err(lost),
            // A host that cannot show it, as it is gone.
            Ok(_) | Err(_) => self.host.error(error),
        }
        Ok(())
    }
}

/// Stops a pipeline at Ctrl-C. Everything harder ends the program.
fn stop(pipeline: &Pipeline, signal: Interruption) -> Result<(), CommandError> {
    if signal != Interruption::CtrlC {
        return Err(interrupted(signal));
    }
    let input = pipeline.input();
    // The pipeline tells its end; whether the host has heard the signal matters to nobody else.
    tokio::spawn(async move { input.stop().await });
    Ok(())
}

/// The end by a signal.
pub(super) fn interrupted(signal: Interruption) -> CommandError {
    CommandError::interrupted(match signal {
        Interruption::CtrlC => "interrupted before the session answered",
        Interruption::CtrlBreak | Interruption::End => "interrupted",
    })
}
