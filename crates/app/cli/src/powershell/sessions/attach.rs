//! Takes up sessions that wait on their hosts.

use std::sync::Arc;
use std::time::Duration;

use client::{Error, ErrorKind, PoolState};
use tokio::time::sleep;
use uuid::Uuid;

use super::super::context::Context;
use super::target::{self, Target};
use super::throttled::Throttled;
use super::{Away, Each, Held, Open, SOON, Session, choose, object};
use crate::command_error::CommandError;

/// How often a session is asked for that another program may be about to leave, and the pause between.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(200);

/// A session that is being taken up: what holds it, where it is not held already; or why not.
type Attached = (Uuid, Result<Option<Held>, Lost>);

/// Why a session could not be taken up.
struct Lost {
    error: CommandError,
    /// It is not there any more.
    is_gone: bool,
    /// The host took neither the account nor its password.
    is_denied: bool,
}

/// Takes sessions up that this program does not hold, so that they can be used; those that it holds are there already. One
/// that the script has disconnected is taken up where `comes_back`, else it is an error as in PowerShell. In the order of
/// arrival.
///
/// # Errors
/// A signal came, or the registry cannot be used.
pub(in crate::powershell) fn attach(
    context: &mut Context,
    ids: &[Uuid],
    limit: usize,
    comes_back: bool,
) -> Result<Each<Open>, CommandError> {
    // From here on a signal must not end the process: what was taken up is to be left again.
    context.waiter.listen()?;
    let mut done = Vec::new();
    let mut work: Throttled<Attached> = Throttled::new(limit);
    for id in ids.iter().copied() {
        match begin(context, &mut work, id, comes_back) {
            Ok(None) => {}
            Ok(Some(open)) => done.push((id, Ok(open))),
            Err(error) if error.ends_everything() => return Err(error),
            Err(error) => done.push((id, Err(error))),
        }
    }
    loop {
        let (id, attached) = match work.next(&mut context.waiter) {
            Ok(Some(attached)) => attached,
            Ok(None) => return Ok(done),
            Err(error) => {
                for (id, attached) in work.rest(&mut context.waiter, SOON) {
                    // Nobody waits for it any more.
                    let _unused = take(context, id, attached);
                }
                return Err(error);
            }
        };
        done.push((id, take(context, id, attached)));
    }
}

/// A session that can be used already, or `None` and the work that takes it up.
fn begin(
    context: &mut Context,
    work: &mut Throttled<Attached>,
    id: Uuid,
    comes_back: bool,
) -> Result<Option<Open>, CommandError> {
    let session = context.sessions.session(id).ok_or_else(|| choose::no_instance(id))?;
    match (&session.held, session.pool_state()) {
        (Some(_), Some(PoolState::Open)) => return Ok(session.open()),
        (Some(held), Some(PoolState::Disconnected)) if comes_back => {
            let (held, computer) = (held.clone(), session.record.place.computer_name.clone());
            work.push(async move {
                let back = held.pool.reconnect().await;
                (id, back.map(|()| None).map_err(|error| lost(&computer, error)))
            });
        }
        (None, _) if matches!(session.state, Away::Left | Away::Elsewhere) => {
            let target = context.sessions.target(id, &mut context.waiter)?;
            work.push(async move { (id, take_over(&target, id).await.map(Some)) });
        }
        _ => return Err(not_open(session)),
    }
    Ok(None)
}

/// Keeps what came of it.
fn take(
    context: &mut Context,
    id: Uuid,
    attached: Result<Option<Held>, Lost>,
) -> Result<Open, CommandError> {
    match attached {
        Ok(held) => {
            if let Some(session) = context.sessions.session_mut(id)
                && held.is_some()
            {
                session.held = held;
                session.state = Away::Left;
            }
            let session = context.sessions.session(id);
            session.and_then(Session::open).ok_or_else(|| choose::no_instance(id))
        }
        Err(Lost { error, is_gone, is_denied }) => {
            if is_gone {
                context.sessions.forget(id, Away::Broken)?;
            }
            if is_denied {
                context.sessions.ask_again(id);
            }
            Err(error)
        }
    }
}

/// Takes over a session that its client has left, or is about to.
async fn take_over(target: &Target, id: Uuid) -> Result<Held, Lost> {
    let unsent = |error| Lost { error, is_gone: false, is_denied: false };
    let client = target.client().map_err(unsent)?;
    let mut tries = 0;
    loop {
        let error = match client.connect_pool(id, target.pool.clone()).await {
            Ok(pool) => {
                let (pool, buffer_mode) = (Arc::new(pool), target.buffer_mode);
                return Ok(Held { pool, client, buffer_mode });
            }
            Err(error) => error,
        };
        tries += 1;
        if error.is_gone() || error.fault().is_none() || tries == TRIES {
            return Err(lost(&target.computer, error));
        }
        sleep(PAUSE).await;
    }
}

fn lost(computer: &str, error: Error) -> Lost {
    let is_gone = error.is_gone();
    let is_denied = matches!(error.kind(), ErrorKind::Denied(_));
    let is_refused = error.fault().is_some() && !is_gone;
    let error = target::at(computer, error);
    let held = "another program may hold the session: it can be taken over when that has left it";
    Lost { error: if is_refused { error.hint(held) } else { error }, is_gone, is_denied }
}

/// As PowerShell says it of a session that cannot run a command.
fn not_open(session: &Session) -> CommandError {
    CommandError::failed(format!(
        "Because the session state for session {} is not equal to Open, you cannot run a command in the session.  The session \
         state is {}.",
        session.named(),
        object::state(session)
    ))
}
