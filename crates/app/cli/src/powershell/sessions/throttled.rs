//! Work on many hosts at once, so much of it at a time as `-ThrottleLimit` allows, taken as it is done.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::super::binder::Bound;
use super::super::waiter::Waiter;
use crate::command_error::CommandError;

/// PowerShell's default, which 0 means too.
const DEFAULT: usize = 32;

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What is to be done, and what is being done.
pub(in crate::powershell) struct Throttled<T> {
    waiting: VecDeque<Work<T>>,
    running: JoinSet<T>,
    limit: usize,
}

/// How much a cmdlet does at once.
pub(in crate::powershell) fn limit(bound: &Bound) -> usize {
    let limit = bound.integer("ThrottleLimit").and_then(|limit| usize::try_from(limit).ok());
    limit.filter(|limit| *limit > 0).unwrap_or(DEFAULT)
}

impl<T: Send + 'static> Throttled<T> {
    pub(in crate::powershell) fn new(limit: usize) -> Self {
        Self { waiting: VecDeque::new(), running: JoinSet::new(), limit: limit.max(1) }
    }

    pub(in crate::powershell) fn push(&mut self, work: impl Future<Output = T> + Send + 'static) {
        self.waiting.push_back(Box::pin(work));
    }

    /// What is done next; `None` when all is.
    ///
    /// # Errors
    /// A signal came.
    pub(in crate::powershell) fn next(
        &mut self,
        waiter: &mut Waiter,
    ) -> Result<Option<T>, CommandError> {
        let Self { waiting, running, limit } = self;
        waiter.wait(async move {
            loop {
                while running.len() < *limit
                    && let Some(work) = waiting.pop_front()
                {
                    running.spawn(work);
                }
                match running.join_next().await {
                    None => return Ok(None),
                    Some(Ok(done)) => return Ok(Some(done)),
                    // A task of ours neither panics nor is it stopped.
                    Some(Err(_)) => {}
                }
            }
        })
    }

    /// What of the running work is done soon; nothing new is begun.
    pub(in crate::powershell) fn rest(mut self, waiter: &mut Waiter, soon: Duration) -> Vec<T> {
        let mut done = Vec::new();
        let running = &mut self.running;
        waiter.finish(async {
            let all = async {
                while let Some(next) = running.join_next().await {
                    done.extend(next.ok());
                }
            };
            // What is late is dropped.
            let _in_time = timeout(soon, all).await;
        });
        done
    }
}
