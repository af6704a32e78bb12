//! Opens sessions at many places at once.

use std::sync::Arc;

use client::{Client, Pool};

use super::super::context::Context;
use super::registry::Registry;
use super::target::{self, Target};
use super::throttled::Throttled;
use super::{Open, SOON, Session, choose};
use crate::command_error::CommandError;

/// Sessions that are being opened.
pub(in crate::powershell) struct Opening {
    work: Throttled<Result<(Target, Pool, Client), CommandError>>,
    is_kept: bool,
}

impl Opening {
    /// Opens a session at each target. Those that are kept outlive the program, the others end with it.
    ///
    /// # Errors
    /// Sessions could not be kept.
    pub(in crate::powershell) fn begin(
        targets: Vec<Target>,
        limit: usize,
        is_kept: bool,
    ) -> Result<Self, CommandError> {
        if is_kept {
            Registry::of_user()?.check()?;
        }
        let mut work = Throttled::new(limit);
        for target in targets {
            work.push(async move {
                let mut target = target;
                let client = target.client()?;
                let opened = client.open_pool(target.pool.clone()).await;
                let pool = opened.map_err(|error| target::at(&target.computer, error))?;
                target.redirected(&client);
                Ok((target, pool, client))
            });
        }
        Ok(Self { work, is_kept })
    }

    /// The next one that is open, or why one is not; `None` behind the last.
    ///
    /// # Errors
    /// A signal came.
    pub(in crate::powershell) fn next(
        &mut self,
        context: &mut Context,
    ) -> Result<Option<Result<Open, CommandError>>, CommandError> {
        // From here on a signal must not end the process: hosts have something of ours.
        context.waiter.listen()?;
        let next = self.work.next(&mut context.waiter)?;
        let Some(opened) = next else { return Ok(None) };
        Ok(Some(opened.and_then(|(target, pool, client)| {
            if self.is_kept {
                let id = context.sessions.keep(&target, pool, client)?;
                let open = context.sessions.session(id).and_then(Session::open);
                return open.ok_or_else(|| choose::no_instance(id));
            }
            let (instance_id, pool) = (pool.id(), Arc::new(pool));
            context.sessions.temporary.push(Arc::clone(&pool));
            Ok(Open { instance_id, computer: target.computer, pool, client })
        })))
    }

    /// Opens no more: what was under way ends with the program.
    pub(in crate::powershell) fn give_up(self, context: &mut Context) {
        let late = self.work.rest(&mut context.waiter, SOON).into_iter().flatten();
        context.sessions.temporary.extend(late.map(|(_, pool, _)| Arc::new(pool)));
    }
}
