//! Leaves sessions on their hosts, or ends them.

use std::sync::Arc;

use client::{Leave, Pool, PoolState};
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

use super::super::context::Context;
use super::super::waiter::Waiter;
use super::throttled::Throttled;
use super::{Away, Each, LEAVE, Sessions, target};
use crate::command_error::CommandError;

impl Sessions {
    /// Leaves what is to stay on its hosts, and ends the rest, as far as that goes in a few seconds.
    pub(in crate::powershell) fn end(&mut self, waiter: &mut Waiter) {
        let held = self.known.iter_mut().filter_map(|session| session.held.take());
        let mut work: Vec<(Arc<Pool>, Option<Leave>)> = held
            .filter(|held| held.pool.state() == PoolState::Open)
            .map(|held| {
                let leave = Leave { buffer_mode: held.buffer_mode, ..Leave::default() };
                (held.pool, Some(leave))
            })
            .collect();
        let temporary = self.temporary.drain(..);
        work.extend(
            temporary.filter(|pool| pool.state() != PoolState::Closed).map(|pool| (pool, None)),
        );
        if work.is_empty() {
            return;
        }
        waiter.finish(async {
            let mut ending = JoinSet::new();
            for (pool, leave) in work {
                ending.spawn(ended(pool, leave));
            }
            let all = async { while ending.join_next().await.is_some() {} };
            // A host that does not answer ends the session by itself.
            let _in_time = timeout(LEAVE, all).await;
        });
    }
}

/// Leaves a session, or ends one that was not to stay.
async fn ended(pool: Arc<Pool>, leave: Option<Leave>) {
    let ended = match leave {
        Some(leave) => pool.disconnect(leave).await,
        None => pool.close().await,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "A session stays as it is");
    }
}

/// Leaves a session on its host.
///
/// # Errors
/// The host did not take it.
pub(in crate::powershell) fn leave(
    context: &mut Context,
    ids: &[Uuid],
    limit: usize,
    how: Leave,
) -> Result<Each<()>, CommandError> {
    let mut work = Throttled::new(limit);
    for id in ids.iter().copied() {
        let Some(session) = context.sessions.session(id) else { continue };
        let Some(held) = session.held.clone() else { continue };
        let computer = session.record.place.computer_name.clone();
        let buffer_mode = how.buffer_mode.or(held.buffer_mode);
        work.push(async move {
            let left = held.pool.disconnect(Leave { buffer_mode, ..how }).await;
            (id, left.map_err(|error| target::at(&computer, error)))
        });
    }
    let mut done = Vec::new();
    while let Some(left) = work.next(&mut context.waiter)? {
        done.push(left);
    }
    Ok(done)
}

/// Ends a session on its host; what is over already is so without a word.
///
/// # Errors
/// The host could not be told, or a signal came.
pub(in crate::powershell) fn close(context: &mut Context, id: Uuid) -> Result<(), CommandError> {
    let Context { waiter, sessions, .. } = context;
    let Some(session) = sessions.session(id) else { return Ok(()) };
    if session.held.is_none() && session.state == Away::Closed {
        return Ok(());
    }
    let computer = session.record.place.computer_name.clone();
    let held = session.held.clone();
    waiter.listen()?;
    let closed = match held.filter(|held| held.pool.state() == PoolState::Open) {
        Some(held) => waiter.wait(async move { Ok(held.pool.close().await) })?,
        None => {
            let target = sessions.target(id, waiter)?;
            let client = target.client()?;
            waiter.wait(async move { Ok(client.close_pool(id, &target.pool).await) })?
        }
    };
    match closed {
        Err(error) if !error.is_gone() => {
            let is_unreachable = error.is_unreachable();
            let error = target::at(&computer, error);
            if !is_unreachable {
                return Err(error);
            }
            sessions.forget(id, Away::Closed)?;
            Err(error.hint(
                "the session is listed no longer; its host ends it when its idle time is over",
            ))
        }
        _ => sessions.forget(id, Away::Closed),
    }
}
