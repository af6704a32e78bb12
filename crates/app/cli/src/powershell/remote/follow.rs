//! Follows a command on one computer from its start to its end.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use client::{Pipeline, PipelineEvent, PipelineInput, Pool};
use psrp::client::Record;
use psrp::clixml;
use psrp::host::Method;
use psrp::messages::{HostCall, HostInfo, PipelineState};
use tokio::sync::{oneshot, watch};

use super::format::{Formatter, write_all};
use super::input::Feed;
use super::objects;
use super::script::sent;
use super::tell::{Teller, Told};
use crate::command_error::CommandError;

/// So many objects of input are under way at once.
const BATCH: usize = 128;

/// How a command was followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// To its own end.
    Over,
    /// To its own end, and it asked to leave the session.
    Left,
    /// The way to it is lost.
    Lost,
}

/// What is the same for all computers of a command.
#[derive(Debug, Clone)]
pub(crate) struct Manner {
    /// Objects are shown as texts.
    pub(crate) is_shown: bool,
    pub(crate) host_info: HostInfo,
    /// What is followed was left by somebody else.
    pub(crate) is_taken_up: bool,
}

/// Waits for the wish to stop.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Who could wish it is gone only when nothing is waited for.
    drop(stop.wait_for(|stop| *stop).await);
}

/// Tells all that a pipeline tells, gives it its input, and stops it when that is wished.
pub(super) async fn follow(
    pool: &Arc<Pool>,
    pipeline: Pipeline,
    feed: Option<Feed>,
    manner: &Manner,
    teller: &Teller,
    stop: &mut watch::Receiver<bool>,
) -> End {
    let input = pipeline.input();
    let mut is_feeding = feed.is_some();
    let mut feeding = pin!(give(&input, feed, pool));
    let mut formatter = Formatter::new(Arc::clone(pool), manner.host_info.clone());
    let (mut leaves, mut is_heard, mut is_stopping) = (false, false, false);
    let mut came = Came { pipeline, early: None };
    let mut network = pool.network();
    let end = loop {
        tokio::select! {
            biased;
            () = stopped(stop), if !is_stopping => {
                is_stopping = true;
                let input = input.clone();
                // Its end tells what came of it, or the client gives it up after `CancelTimeout`.
                tokio::spawn(async move { drop(input.stop().await) });
            }
            fed = &mut feeding, if is_feeding => {
                is_feeding = false;
                if let Err(error) = fed {
                    teller.failed(error).await;
                }
            }
            () = formatter.step(teller) => {}
            is_away = network.change() => {
                let computer = teller.stamp.computer.clone();
                teller.tell(Told::Network { computer, is_away }).await;
            }
            event = came.next() => match event {
                Ok(Some(event)) => {
                    leaves |= is_exit(&event);
                    is_heard = true;
                    let mut taking = Taking { pool, input: &input, formatter: &mut formatter, manner, teller };
                    if taking.take(event, &mut came, is_stopping).await {
                        break if leaves { End::Left } else { End::Over };
                    }
                }
                Ok(None) => break End::Lost,
                // Somebody else has heard all of it.
                Err(error) if manner.is_taken_up && !is_heard && error.is_silent_end() => {
                    break End::Over;
                }
                Err(error) => {
                    formatter.finish(teller).await;
                    teller.failed(lost(error, &teller.stamp.computer)).await;
                    break End::Lost;
                }
            },
        }
    };
    formatter.close().await;
    end
}

/// What comes from a pipeline.
struct Came {
    pipeline: Pipeline,
    /// Taken before its turn.
    early: Option<Result<Option<PipelineEvent>, client::Error>>,
}

impl Came {
    /// The next event. Nothing is lost when the future is dropped.
    async fn next(&mut self) -> Result<Option<PipelineEvent>, client::Error> {
        match self.early.take() {
            Some(early) => early,
            None => self.pipeline.next().await,
        }
    }

    /// An object with those behind it that are there already and are shown in the same way.
    fn more(&mut self, first: clixml::Value) -> Vec<clixml::Value> {
        let mut objects = vec![first];
        while objects.len() < BATCH {
            let polled = pin!(self.next()).poll(&mut Context::from_waker(Waker::noop()));
            match polled {
                Poll::Ready(Ok(Some(PipelineEvent::Record(Record::Output(object)))))
                    if is_formatted(&object) =>
                {
                    objects.push(object);
                }
                Poll::Ready(other) => {
                    self.early = Some(other);
                    break;
                }
                Poll::Pending => break,
            }
        }
        objects
    }
}

/// Whether an object needs the formatter of its host.
fn is_formatted(object: &clixml::Value) -> bool {
    !objects::is_line(object)
}

/// What telling an event needs.
struct Taking<'a> {
    pool: &'a Arc<Pool>,
    input: &'a PipelineInput,
    formatter: &'a mut Formatter,
    manner: &'a Manner,
    teller: &'a Teller,
}

impl Taking<'_> {
    /// Tells one event; true for the last one.
    async fn take(&mut self, event: PipelineEvent, came: &mut Came, is_stopping: bool) -> bool {
        let Self { pool, input, formatter, manner, teller } = self;
        match event {
            PipelineEvent::Record(Record::Output(object))
                if manner.is_shown && is_formatted(&object) =>
            {
                formatter.show(came.more(object), teller).await;
            }
            PipelineEvent::Record(Record::Output(object)) => {
                formatter.finish(teller).await;
                teller.output(object).await;
            }
            PipelineEvent::Record(Record::Error(record)) => {
                formatter.finish(teller).await;
                teller.error(&record, false).await;
            }
            PipelineEvent::Record(record) => {
                formatter.finish(teller).await;
                teller.tell(Told::Record(Box::new(record))).await;
            }
            PipelineEvent::HostCall(call) => {
                formatter.finish(teller).await;
                answer(call, pool, input, teller).await;
            }
            PipelineEvent::Ended { state, error } => {
                formatter.finish(teller).await;
                match error {
                    // Who stopped it knows.
                    Some(_) if is_stopping && state == PipelineState::Stopped => {}
                    Some(error) => teller.error(&error, true).await,
                    None if state == PipelineState::Failed => {
                        let text = format!("[{}] the command failed", teller.stamp.computer);
                        teller.failed(CommandError::failed(text).spoken()).await;
                    }
                    None => {}
                }
                return true;
            }
            _ => {}
        }
        false
    }
}

fn is_exit(event: &PipelineEvent) -> bool {
    matches!(event, PipelineEvent::HostCall(call) if call.method == Method::SetShouldExit)
}

/// Has a call of the host answered, and sends the answer.
async fn answer(call: Box<HostCall>, pool: &Arc<Pool>, input: &PipelineInput, teller: &Teller) {
    let (reply, answered) = oneshot::channel();
    let (pool, stamp) = (Arc::clone(pool), Arc::clone(&teller.stamp));
    teller.tell(Told::Call { call, pool, stamp, reply }).await;
    // No answer: nobody waits for one, or the question was given up and the command is stopped.
    if let Ok(Some(response)) = answered.await {
        drop(input.respond(response).await);
    }
}

/// Gives a pipeline its input, then the end of it.
pub(super) async fn give(
    input: &PipelineInput,
    feed: Option<Feed>,
    pool: &Arc<Pool>,
) -> Result<(), CommandError> {
    let Some(mut feed) = feed else { return Ok(()) };
    let mut failure = None;
    loop {
        let values = match feed.next(BATCH).await {
            Ok(values) if values.is_empty() => break,
            Ok(values) => values,
            Err(error) => {
                failure = Some(error);
                break;
            }
        };
        let mut objects: Vec<clixml::Value> = Vec::with_capacity(values.len());
        for value in &values {
            objects.push(sent(value, pool).await?);
        }
        // A command that has ended wants no more, and its end tells why.
        if write_all(input, objects).await.is_err() {
            return Ok(());
        }
    }
    drop(input.end().await);
    failure.map_or(Ok(()), Err)
}

/// The way to a command was lost while it ran.
pub(super) fn lost(error: client::Error, computer: &str) -> CommandError {
    CommandError::from(error).of(&format!(
        "OpenError: [{computer}] Processing data from remote server {computer} failed with the following error message "
    ))
    .spoken()
}
