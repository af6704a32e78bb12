//! Shows what commands on other computers tell, and hears the user meanwhile.

use client::Pool;
use psrp::client::Record;
use psrp::messages::{HostCall, HostResponse};

use uuid::Uuid;

use super::input::Input;
use super::objects;
use super::run::{Order, Place, Running};
use super::tell::Told;
use super::texts;
use crate::command_error::CommandError;

use crate::powershell::binder::Bound;
use crate::powershell::context::Context;
use crate::powershell::show::Sink;
use crate::signals::Signals;

/// Runs a command to its end and shows what it tells. The sessions are those that the command has left by `exit`.
///
/// # Errors
/// A signal came, nobody reads the output any more, or an error ends the script; all that was started has ended then.
pub(crate) fn listen(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
    order: Order,
    places: Vec<Place>,
    input: Option<Input>,
) -> Result<Vec<Uuid>, CommandError> {
    let mut waiter = std::mem::take(&mut context.waiter);
    let mut listener = Listener { bound, context, sink, left: Vec::new() };
    if matches!(input, Some(Input::Lines(_))) {
        listener.context.host.ask_on_terminal();
    }
    listener.context.host.begin();
    let heard = waiter.hear(async |signals: &mut Signals| {
        let feeds = match input {
            None => None,
            Some(input) => {
                tokio::select! {
                    feeds = input.feeds(places.len()) => Some(feeds?),
                    _signal = signals.next() => return Err(interrupted()),
                }
            }
        };
        listener.hear(Running::start(order, places, feeds), signals).await
    });
    let left = listener.left;
    context.host.end();
    context.waiter = waiter;
    heard.map(|()| left)
}

fn interrupted() -> CommandError {
    CommandError::interrupted("interrupted")
}

struct Listener<'a, 's> {
    bound: &'a Bound,
    context: &'a mut Context,
    sink: &'a mut Sink<'s>,
    left: Vec<Uuid>,
}

impl Listener<'_, '_> {
    async fn hear(
        &mut self,
        mut running: Running,
        signals: &mut Signals,
    ) -> Result<(), CommandError> {
        let mut ended = Ok(());
        loop {
            let told = tokio::select! {
                biased;
                _signal = signals.next() => {
                    // Twice means now.
                    ended?;
                    running.stop();
                    ended = Err(interrupted());
                    continue;
                }
                told = running.next() => told,
            };
            let Some(told) = told else { return ended };
            if ended.is_err() {
                // What is told until all have stopped is for nobody.
                continue;
            }
            let heard = if let Told::Call { call, pool, stamp, reply } = told {
                let answered = tokio::select! {
                    biased;
                    _signal = signals.next() => Err(interrupted()),
                    answer = self.answer(&call, &pool, &stamp.computer) => answer,
                };
                answered.map(|answer| drop(reply.send(answer)))
            } else {
                self.take(told)
            };
            if heard.is_err() {
                running.stop();
            }
            ended = heard;
        }
    }

    fn take(&mut self, told: Told) -> Result<(), CommandError> {
        match told {
            Told::Output(object, stamp) => {
                if self.sink.is_text() && objects::is_line(&object) {
                    return match texts::primitive(&object) {
                        Some(_) if object.is_null() => Ok(()),
                        Some(text) => self.sink.line(&text),
                        None => self.sink.line(&objects::value(object).text()),
                    };
                }
                self.sink.put(objects::stamped(object, &stamp))
            }
            Told::Line(line) => self.sink.line(&line),
            Told::Record(record) => self.record(&record),
            Told::Network { computer, is_away } => {
                self.context.host.network(&computer, is_away);
                self.context.host.take_failure().map_or(Ok(()), Err)
            }
            Told::Left(session) => {
                self.left.push(session);
                Ok(())
            }
            Told::Failed(error) => self.context.settle(self.bound, error),
            Told::Call { .. } => Ok(()),
        }
    }

    /// Does what a command asks of the user's terminal.
    async fn answer(
        &mut self,
        call: &HostCall,
        pool: &Pool,
        computer: &str,
    ) -> Result<Option<HostResponse>, CommandError> {
        let host = &mut self.context.host;
        host.speak_with(computer);
        let answer = host.answer(call, pool).await;
        host.take_failure().map_or(Ok(answer), Err)
    }

    fn record(&mut self, record: &Record) -> Result<(), CommandError> {
        self.context.host.record(record);
        self.context.host.take_failure().map_or(Ok(()), Err)
    }
}
