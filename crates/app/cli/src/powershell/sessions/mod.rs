//! Sessions: those that this program has open, those that wait on their hosts, and the ways between.
//!
//! ```text
//!  New-PSSession ──► open ──► Opened ◄──── attach ─────┐
//!                              │  │                     │
//!                 close, lost  │  └── leave, the end ──► Disconnected (in the registry, on its host)
//!                              ▼                        │
//!                       Closed, Broken ◄── close, gone ─┘
//! ```

mod arguments;
mod choose;
mod object;
pub(super) mod options;
pub(super) mod preferences;
mod registry;
pub(super) mod target;
pub(super) mod throttled;
mod wildcard;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use auth::Secret;
use client::{
    Authentication, BufferMode, Client, Credentials, Endpoint, Error, Leave, ListedPool, Pool,
    PoolState,
};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

pub(super) use choose::{chosen, chosen_one};

use super::actions::Context;
use super::value::Value;
use super::waiter::Waiter;
use crate::command_error::CommandError;
use options::SessionOptions;
use registry::{Draft, Record, Registry};
use target::Target;
use throttled::Throttled;

/// How long the end of the program waits for hosts.
const LEAVE: Duration = Duration::from_secs(5);
/// How often a session is asked for that another program may be about to leave, and the pause between.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(200);

/// A session that can be used.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) instance_id: Uuid,
    pub(super) name: String,
    /// `ComputerName`.
    pub(super) computer: String,
    pub(super) pool: Arc<Pool>,
    pub(super) client: Client,
}

/// A session as this program knows it.
#[derive(Debug)]
pub(super) struct Session {
    record: Record,
    held: Option<Held>,
    /// What it is where it is not held.
    state: Away,
}

#[derive(Clone, Debug)]
struct Held {
    pool: Arc<Pool>,
    client: Client,
    buffer_mode: Option<BufferMode>,
}

/// What a session is that this program does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Away {
    /// It waits on its host, as far as is known.
    Left,
    /// It is with another client.
    Elsewhere,
    Closed,
    Broken,
}

/// All sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    known: Vec<Session>,
    /// Those that end with their cmdlet, and with the program at the latest.
    temporary: Vec<Arc<Pool>>,
    /// Of this program's accounts, by user and address.
    passwords: HashMap<(String, String), Secret>,
}

impl Session {
    fn open(&self) -> Option<Open> {
        let Held { pool, client, .. } = self.held.clone()?;
        (pool.state() == PoolState::Open).then(|| Open {
            instance_id: self.record.instance_id,
            name: self.record.name.clone(),
            computer: self.record.computer_name.clone(),
            pool,
            client,
        })
    }

    fn pool_state(&self) -> Option<PoolState> {
        self.held.as_ref().map(|held| held.pool.state())
    }

    /// Whether it is over for this program.
    fn is_over(&self) -> bool {
        match self.pool_state() {
            Some(state) => state == PoolState::Closed,
            None => self.state == Away::Closed,
        }
    }

    /// `Session one, <guid>, localhost` as PowerShell's errors name it.
    fn named(&self) -> String {
        let Record { name, instance_id, computer_name, .. } = &self.record;
        format!("{name}, {instance_id}, {computer_name}")
    }
}

impl Sessions {
    /// Learns what is in the registry.
    ///
    /// # Errors
    /// The registry cannot be read.
    fn refresh(&mut self) -> Result<(), CommandError> {
        let mut records = Registry::of_user()?.sessions()?;
        for session in &mut self.known {
            let at =
                records.iter().position(|found| found.instance_id == session.record.instance_id);
            let record = at.map(|at| records.remove(at));
            match record {
                // A session that was left is with whoever takes it up first.
                Some(_) if session.state == Away::Closed => session.state = Away::Left,
                Some(_) => {}
                // Another program has ended it.
                None if session.held.is_none() && session.state != Away::Broken => {
                    session.state = Away::Closed;
                }
                None => {}
            }
        }
        let new = records.into_iter();
        self.known.extend(new.map(|record| Session { record, held: None, state: Away::Left }));
        self.known.sort_by_key(|session| session.record.id);
        Ok(())
    }

    fn session(&self, id: Uuid) -> Option<&Session> {
        self.known.iter().find(|session| session.record.instance_id == id)
    }

    fn session_mut(&mut self, id: Uuid) -> Option<&mut Session> {
        self.known.iter_mut().find(|session| session.record.instance_id == id)
    }

    /// A session as an object; null for one that is not known.
    pub(super) fn object(&self, id: Uuid) -> Value {
        self.session(id).map_or(Value::Null, object::of)
    }

    /// `ComputerName` and `Name` of a session.
    pub(super) fn names(&self, id: Uuid) -> (String, String) {
        let record = self.session(id).map(|session| &session.record);
        record.map(|record| (record.computer_name.clone(), record.name.clone())).unwrap_or_default()
    }

    /// Gives objects of sessions the state that these have now.
    pub(super) fn update(&self, value: &mut Value) {
        if let Value::List(values) = value {
            values.iter_mut().for_each(|value| self.update(value));
            return;
        }
        let Some(id) = object::instance_id(value) else { return };
        if let Some(session) = self.session(id) {
            *value = object::of(session);
        }
    }

    fn password(
        &mut self,
        user: &str,
        uri: &str,
        computer: &str,
        waiter: &mut Waiter,
    ) -> Result<Secret, CommandError> {
        let key = (user.to_owned(), uri.to_owned());
        if let Some(known) = self.passwords.get(&key) {
            return Ok(known.clone());
        }
        let password = target::password(user, &format!("'{computer}'"), waiter)?;
        self.passwords.insert(key, password.clone());
        Ok(password)
    }

    /// Where a session is.
    fn target(&mut self, id: Uuid, waiter: &mut Waiter) -> Result<Target, CommandError> {
        let session = self.session(id).ok_or_else(|| choose::no_instance(id))?;
        let record = session.record.clone();
        let wrong = |problem: String| {
            CommandError::failed(format!(
                "the list of sessions has no way to {}: {problem}",
                record.name
            ))
        };
        let endpoint = Endpoint::parse(&record.connection_uri, false);
        let endpoint = endpoint.map_err(|error| wrong(error.to_string()))?;
        let authentication = match record.authentication.as_str() {
            "Basic" => Authentication::Basic,
            "Negotiate" => Authentication::Negotiate,
            other => return Err(wrong(format!("the login {other} is not in this version"))),
        };
        let options = SessionOptions::read(&record.session_option)?;
        let settings = preferences::settings()?;
        let user = record.user_name.clone();
        let password =
            self.password(&user, &record.connection_uri, &record.computer_name, waiter)?;
        let credentials = Credentials { user, password };
        let place = (record.computer_name, endpoint);
        let mut target = target::made(
            place,
            credentials,
            authentication,
            &record.configuration_name,
            &options,
            &settings,
        )?;
        target.pool.compression = record.is_compressed;
        target.pool.name = Some(record.name);
        Ok(target)
    }

    /// Keeps a session that was opened here.
    fn keep(&mut self, target: &Target, pool: Pool, client: Client) -> Result<Uuid, CommandError> {
        let draft = draft(target, pool.id(), target.pool.name.clone(), target.pool.compression);
        let held = Held { pool: Arc::new(pool), client, buffer_mode: target.buffer_mode };
        let added = Registry::of_user().and_then(|registry| registry.add(vec![draft]));
        let record = match added.map(|mut records| records.pop()) {
            Ok(Some(record)) => record,
            Ok(None) => return Err(CommandError::failed("the session could not be kept")),
            Err(error) => {
                // It would be lost on its host.
                self.temporary.push(held.pool);
                return Err(error);
            }
        };
        self.remember(target, &record.connection_uri);
        let id = record.instance_id;
        self.known.push(Session { record, held: Some(held), state: Away::Left });
        Ok(id)
    }

    fn remember(&mut self, target: &Target, uri: &str) {
        let Credentials { user, password } = &target.config.credentials;
        self.passwords.insert((user.clone(), uri.to_owned()), password.clone());
    }

    /// Learns of a session that its host has listed.
    ///
    /// # Errors
    /// The registry cannot be written.
    pub(super) fn learn(
        &mut self,
        target: &Target,
        listed: &[ListedPool],
    ) -> Result<Vec<Uuid>, CommandError> {
        let registry = Registry::of_user()?;
        let uri = uri(&target.config.endpoint);
        // What this user had there and the host does not know is over.
        self.refresh()?;
        let is_lost = |session: &&Session| {
            let Record { connection_uri, user_name, instance_id, .. } = &session.record;
            *connection_uri == uri
                && *user_name == target.config.credentials.user
                && session.held.is_none()
                && !listed.iter().any(|pool| pool.id() == *instance_id)
        };
        let lost: Vec<Uuid> =
            self.known.iter().filter(is_lost).map(|session| session.record.instance_id).collect();
        registry.remove(&lost)?;
        let drafts = listed.iter().map(|pool| {
            let mut target = target.clone();
            pool.resource_uri().clone_into(&mut target.pool.configuration);
            draft(&target, pool.id(), pool.name().map(str::to_owned), pool.is_compressed())
        });
        registry.add(drafts.collect())?;
        self.refresh()?;
        self.remember(target, &uri);
        for pool in listed {
            if let Some(session) = self.session_mut(pool.id()) {
                session.state = if pool.is_disconnected() { Away::Left } else { Away::Elsewhere };
            }
        }
        Ok(listed.iter().map(ListedPool::id).collect())
    }

    /// A session is left on its host for whoever takes it up, this program too.
    pub(super) fn release(&mut self, id: Uuid) {
        if let Some(session) = self.session_mut(id) {
            session.held = None;
            session.state = Away::Left;
        }
    }

    /// A session is over.
    ///
    /// # Errors
    /// The registry cannot be written.
    fn forget(&mut self, id: Uuid, state: Away) -> Result<(), CommandError> {
        if let Some(session) = self.session_mut(id) {
            session.held = None;
            session.state = state;
        }
        Registry::of_user()?.remove(&[id])
    }

    /// Leaves what is to stay on its hosts, and ends the rest, as far as that goes in a few seconds.
    pub(super) fn end(&mut self, waiter: &mut Waiter) {
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
            let mut ending = tokio::task::JoinSet::new();
            for (pool, leave) in work {
                ending.spawn(async move {
                    let ended = match leave {
                        Some(leave) => pool.disconnect(leave).await,
                        None => pool.close().await,
                    };
                    if let Err(error) = ended {
                        tracing::debug!(%error, "A session stays as it is");
                    }
                });
            }
            let all = async { while ending.join_next().await.is_some() {} };
            // A host that does not answer ends the session by itself.
            let _in_time = timeout(LEAVE, all).await;
        });
    }
}

/// The place of a session, for another session there.
///
/// # Errors
/// It cannot be reached as it was, or a signal came.
pub(super) fn again(context: &mut Context, id: Uuid) -> Result<Target, CommandError> {
    let Context { waiter, sessions, .. } = context;
    let mut target = sessions.target(id, waiter)?;
    target.pool.name = None;
    Ok(target)
}

fn draft(target: &Target, id: Uuid, name: Option<String>, is_compressed: bool) -> Draft {
    let authentication = match target.config.authentication {
        Authentication::Basic => "Basic",
        _ => "Negotiate",
    };
    Draft {
        name,
        instance_id: id,
        computer_name: target.computer.clone(),
        connection_uri: uri(&target.config.endpoint),
        user_name: target.config.credentials.user.clone(),
        authentication: authentication.to_owned(),
        configuration_name: target.pool.configuration.clone(),
        is_compressed,
        session_option: target.options.to_value(),
    }
}

/// The whole address, the zone of an IPv6 address too.
fn uri(endpoint: &Endpoint) -> String {
    let Endpoint { transport, host, port, path } = endpoint;
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    format!("{}://{host}:{port}{path}", transport.scheme())
}

/// Sessions that are being opened.
pub(super) struct Opening {
    work: Throttled<Result<(Target, Pool, Client), CommandError>>,
    is_kept: bool,
}

impl Opening {
    /// Opens a session at each target. Those that are kept outlive the program, the others end with it.
    ///
    /// # Errors
    /// Sessions could not be kept.
    pub(super) fn begin(
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
                let client = target.client()?;
                let opened = client.open_pool(target.pool.clone()).await;
                let pool = opened.map_err(|error| target::at(&target.computer, error))?;
                Ok((target, pool, client))
            });
        }
        Ok(Self { work, is_kept })
    }

    /// The next one that is open, or why one is not; `None` behind the last.
    ///
    /// # Errors
    /// A signal came: what was being opened is closed.
    pub(super) fn next(
        &mut self,
        context: &mut Context,
    ) -> Result<Option<Result<Open, CommandError>>, CommandError> {
        // From here on a signal must not end the process: hosts have something of ours.
        context.waiter.listen()?;
        let next = match self.work.next(&mut context.waiter) {
            Ok(next) => next,
            Err(error) => {
                let work = std::mem::replace(&mut self.work, Throttled::new(1));
                let late = work.rest(&mut context.waiter, LEAVE).into_iter().flatten();
                context.sessions.temporary.extend(late.map(|(_, pool, _)| Arc::new(pool)));
                return Err(error);
            }
        };
        let Some(opened) = next else { return Ok(None) };
        Ok(Some(opened.and_then(|(target, pool, client)| {
            if self.is_kept {
                let id = context.sessions.keep(&target, pool, client)?;
                let open = context.sessions.session(id).and_then(Session::open);
                return open.ok_or_else(|| choose::no_instance(id));
            }
            let (instance_id, pool) = (pool.id(), Arc::new(pool));
            context.sessions.temporary.push(Arc::clone(&pool));
            let name = target.pool.name.clone().unwrap_or_default();
            Ok(Open { instance_id, name, computer: target.computer, pool, client })
        })))
    }
}

/// Takes sessions up that this program does not hold, so that they can be used; those that it holds are there already. One
/// that the script has disconnected is taken up where `comes_back`, else it is an error as in PowerShell. In the order of
/// arrival.
///
/// # Errors
/// A signal came, or the registry cannot be used.
pub(super) fn attach(
    context: &mut Context,
    ids: &[Uuid],
    limit: usize,
    comes_back: bool,
) -> Result<Vec<(Uuid, Result<Open, CommandError>)>, CommandError> {
    type Attached = (Uuid, Result<(Option<Held>, String), (CommandError, Option<Away>)>);
    context.waiter.listen()?;
    let mut done = Vec::new();
    let mut work: Throttled<Attached> = Throttled::new(limit);
    for id in ids.iter().copied() {
        let Some(session) = context.sessions.session(id) else {
            done.push((id, Err(choose::no_instance(id))));
            continue;
        };
        let computer = session.record.computer_name.clone();
        match session.pool_state() {
            Some(PoolState::Open) => {
                let open = session.open().ok_or_else(|| not_open(session));
                done.push((id, open));
            }
            Some(PoolState::Disconnected) if comes_back => {
                let Some(held) = session.held.clone() else { continue };
                work.push(async move {
                    let back = held.pool.reconnect().await;
                    (
                        id,
                        back.map(|()| (None, computer.clone()))
                            .map_err(|error| lost(&computer, error)),
                    )
                });
            }
            Some(_) => done.push((id, Err(not_open(session)))),
            None if matches!(session.state, Away::Closed | Away::Broken) => {
                done.push((id, Err(not_open(session))));
            }
            None => {
                let target = match context.sessions.target(id, &mut context.waiter) {
                    Ok(target) => target,
                    Err(error) if error.ends_everything() => return Err(error),
                    Err(error) => {
                        done.push((id, Err(error)));
                        continue;
                    }
                };
                work.push(async move {
                    (id, take_over(&target, id).await.map(|held| (Some(held), target.computer)))
                });
            }
        }
    }
    while let Some((id, result)) = work.next(&mut context.waiter)? {
        let attached = match result {
            Ok((held, _)) => {
                if let Some(session) = context.sessions.session_mut(id) {
                    session.held = held.or(session.held.take());
                }
                let session = context.sessions.session(id);
                session.and_then(Session::open).ok_or_else(|| choose::no_instance(id))
            }
            Err((error, state)) => {
                if let Some(state) = state {
                    context.sessions.forget(id, state)?;
                }
                Err(error)
            }
        };
        done.push((id, attached));
    }
    Ok(done)
}

/// Takes over a session that its client has left, or is about to.
async fn take_over(target: &Target, id: Uuid) -> Result<Held, (CommandError, Option<Away>)> {
    let client = target.client().map_err(|error| (error, None))?;
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

/// Why a session could not be taken up, and what it is if it is over.
fn lost(computer: &str, error: Error) -> (CommandError, Option<Away>) {
    let is_gone = error.is_gone();
    let is_refused = error.fault().is_some() && !is_gone;
    let error = target::at(computer, error);
    if is_gone {
        return (error, Some(Away::Broken));
    }
    let held = "another program may hold the session: it can be taken over when that has left it";
    (if is_refused { error.hint(held) } else { error }, None)
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

/// Leaves a session on its host.
///
/// # Errors
/// The host did not take it.
pub(super) fn leave(
    context: &mut Context,
    ids: &[Uuid],
    limit: usize,
    how: Leave,
) -> Result<Vec<(Uuid, Result<(), CommandError>)>, CommandError> {
    let mut work = Throttled::new(limit);
    for id in ids.iter().copied() {
        let Some(session) = context.sessions.session(id) else { continue };
        let Some(held) = session.held.clone() else { continue };
        let computer = session.record.computer_name.clone();
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
pub(super) fn close(context: &mut Context, id: Uuid) -> Result<(), CommandError> {
    let Context { waiter, sessions, .. } = context;
    let Some(session) = sessions.session(id) else { return Ok(()) };
    if session.held.is_none() && session.state == Away::Closed {
        return Ok(());
    }
    let computer = session.record.computer_name.clone();
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
