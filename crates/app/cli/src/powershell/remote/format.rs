//! Shows objects as PowerShell shows them: the host's own formatter gets them back, with the place where they came from.
//!
//! What a host sends is without its formats, which are the host's. PowerShell formats such objects itself; here the host
//! does it for its own ones, in a second pipeline of the same pool, and texts and numbers never go that way.

use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use client::{Pipeline, PipelineEvent, PipelineInput, PipelineOptions, Pool};
use psrp::client::Record;
use psrp::clixml;
use psrp::messages::{Command, HostInfo, PipelineState, PowerShell};

use super::objects;
use super::tell::{Teller, Told};
use crate::command_error::CommandError;

/// The pipelines that a pool must have room for while objects are shown: the command, and the formatter.
const RUNSPACES: i32 = 2;
/// Objects that wait for a sign that they can be formatted.
const MAX_UNSURE: usize = 1024;

/// The formatter of a pool.
#[derive(Debug)]
pub(super) struct Formatter {
    pool: Arc<Pool>,
    host_info: HostInfo,
    running: Option<Pipeline>,
    /// Sent since the pipeline began, until its first line that is not blank comes.
    unsure: Vec<clixml::Value>,
    /// Blank lines that came before it.
    blanks: usize,
    /// Whether it has come: objects can be lost then.
    has_shown: bool,
    /// `None`: not tried yet.
    is_able: Option<bool>,
}

impl Formatter {
    pub(super) const fn new(pool: Arc<Pool>, host_info: HostInfo) -> Self {
        let unsure = Vec::new();
        Self { pool, host_info, running: None, unsure, blanks: 0, has_shown: false, is_able: None }
    }

    /// Shows objects, or tells them as they are where the host cannot.
    pub(super) async fn show(&mut self, objects: Vec<clixml::Value>, teller: &Teller) {
        if !self.start().await {
            for object in objects {
                teller.output(object).await;
            }
            return;
        }
        let Some(input) = self.running.as_ref().map(Pipeline::input) else { return };
        if !self.has_shown && self.unsure.len() < MAX_UNSURE {
            self.unsure.extend(objects.iter().cloned());
        }
        let stamped = objects.into_iter().map(|object| objects::sealed(object, &teller.stamp));
        let mut writes = pin!(write_all(&input, stamped.collect()));
        loop {
            tokio::select! {
                biased;
                line = Self::line(&mut self.running) => self.heard(line, teller).await,
                _written = &mut writes => return,
            }
        }
    }

    /// Waits for the formatter's next line and tells it; forever while it does not run.
    pub(super) async fn step(&mut self, teller: &Teller) {
        let line = Self::line(&mut self.running).await;
        self.heard(line, teller).await;
    }

    /// Shows all that is left: what comes next is told behind it.
    pub(super) async fn finish(&mut self, teller: &Teller) {
        if let Some(running) = &self.running {
            drop(running.input().end().await);
        }
        while self.running.is_some() {
            self.step(teller).await;
        }
    }

    /// Gives the pool back as it was.
    pub(super) async fn close(&mut self) {
        self.running = None;
        if self.is_able.is_some() && self.pool.max_runspaces() < RUNSPACES {
            drop(self.pool.set_max_runspaces(self.pool.max_runspaces()).await);
        }
    }

    async fn start(&mut self) -> bool {
        if self.running.is_some() {
            return true;
        }
        if self.is_able.is_none() {
            let has_room = self.pool.max_runspaces() >= RUNSPACES
                || self.pool.set_max_runspaces(RUNSPACES).await.unwrap_or(false);
            self.is_able = Some(has_room);
        }
        if self.is_able == Some(true) {
            let command = Command::named("Out-String").with(Some("-Stream"), true);
            let power_shell =
                PowerShell { statements: vec![vec![command]], ..PowerShell::default() };
            let options = PipelineOptions {
                takes_input: true,
                host_info: self.host_info.clone(),
                ..PipelineOptions::new(power_shell)
            };
            self.running = self.pool.invoke(options).await.ok();
            self.is_able = Some(self.running.is_some());
        }
        self.running.is_some()
    }

    /// The next line; `None` when the formatter has ended, with whether it did well.
    async fn line(running: &mut Option<Pipeline>) -> Result<String, bool> {
        let Some(pipeline) = running else { return pending().await };
        loop {
            match pipeline.next().await {
                Ok(Some(PipelineEvent::Record(Record::Output(line)))) => {
                    if let Some(text) = line.as_text() {
                        return Ok(text.to_string_lossy().into_owned());
                    }
                }
                Ok(Some(PipelineEvent::Ended { state, .. })) => {
                    return Err(state == PipelineState::Completed);
                }
                // The formatter has no use for the user's terminal.
                Ok(Some(PipelineEvent::Record(_) | PipelineEvent::HostCall(_) | _)) => {}
                Ok(None) | Err(_) => return Err(false),
            }
        }
    }

    async fn tell_blanks(&mut self, teller: &Teller) {
        for _ in 0..std::mem::take(&mut self.blanks) {
            teller.tell(Told::Line(String::new())).await;
        }
    }

    async fn heard(&mut self, line: Result<String, bool>, teller: &Teller) {
        match line {
            Ok(line) if line.is_empty() && !self.has_shown => self.blanks += 1,
            Ok(line) => {
                self.unsure.clear();
                self.has_shown = true;
                self.tell_blanks(teller).await;
                teller.tell(Told::Line(line)).await;
            }
            Err(has_done_well) => {
                self.running = None;
                self.is_able = Some(has_done_well);
                let unsure = std::mem::take(&mut self.unsure);
                let has_shown = std::mem::take(&mut self.has_shown);
                if has_done_well {
                    self.tell_blanks(teller).await;
                    return;
                }
                self.blanks = 0;
                for object in unsure {
                    teller.output(object).await;
                }
                if has_shown {
                    let text = "the host's formatter has ended early: objects may be missing";
                    teller.failed(CommandError::failed(text)).await;
                }
            }
        }
    }
}

/// Sends objects one behind the other, without waiting for the host to take each.
pub(super) async fn write_all(
    input: &PipelineInput,
    objects: Vec<clixml::Value>,
) -> Result<(), client::Error> {
    let mut writes: Vec<Pin<Box<_>>> =
        objects.into_iter().map(|object| Box::pin(input.write(object))).collect();
    let mut failure = None;
    poll_fn(|context| {
        writes.retain_mut(|write| match write.as_mut().poll(context) {
            Poll::Pending => true,
            Poll::Ready(Ok(())) => false,
            Poll::Ready(Err(error)) => {
                failure.get_or_insert(error);
                false
            }
        });
        if writes.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    failure.map_or(Ok(()), Err)
}
