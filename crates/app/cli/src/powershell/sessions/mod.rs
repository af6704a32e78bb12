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
mod attach;
mod choose;
mod ending;
mod object;
mod opening;
pub(super) mod options;
pub(super) mod preferences;
mod registry;
pub(super) mod target;
pub(super) mod throttled;
pub(super) mod wildcard;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use auth::Secret;
use client::{
    Authentication, BufferMode, Client, Credentials, Endpoint, ListedPool, Pool, PoolState,
};
use uuid::Uuid;

pub(super) use attach::attach;
pub(super) use choose::chosen;
pub(super) use choose::chosen_one;
pub(super) use ending::{close, leave};
pub(super) use opening::Opening;

use super::context::Context;
use super::value::Value;
use super::waiter::Waiter;
use crate::command_error::CommandError;
use options::SessionOptions;
use registry::{Draft, Place, Record, Registry};
use target::{Login, Target};

/// How long the end of the program waits for hosts.
const LEAVE: Duration = Duration::from_secs(5);

/// How long what is under way is waited for when nobody wants it any more.
const SOON: Duration = Duration::from_secs(2);

/// What became of each session.
pub(super) type Each<T> = Vec<(Uuid, Result<T, CommandError>)>;

/// A session that can be used.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) instance_id: Uuid,
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
            instance_id: self.record.place.instance_id,
            computer: self.record.place.computer_name.clone(),
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
        let Record { name, place, .. } = &self.record;
        let Place { instance_id, computer_name, .. } = place;
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
            let at = records
                .iter()
                .position(|found| found.place.instance_id == session.record.place.instance_id);
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
        self.known.iter().find(|session| session.record.place.instance_id == id)
    }

    fn session_mut(&mut self, id: Uuid) -> Option<&mut Session> {
        self.known.iter_mut().find(|session| session.record.place.instance_id == id)
    }

    /// A session as an object; null for one that is not known.
    pub(super) fn object(&self, id: Uuid) -> Value {
        self.session(id).map_or(Value::Null, object::of)
    }

    /// `ComputerName` and `Name` of a session.
    pub(super) fn names(&self, id: Uuid) -> (String, String) {
        let record = self.session(id).map(|session| &session.record);
        record
            .map(|record| (record.place.computer_name.clone(), record.name.clone()))
            .unwrap_or_default()
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
        let endpoint = Endpoint::parse(&record.place.connection_uri, false);
        let endpoint = endpoint.map_err(|error| wrong(error.to_string()))?;
        let known = [
            Authentication::Default,
            Authentication::Negotiate,
            Authentication::NegotiateWithImplicitCredential,
            Authentication::Kerberos,
            Authentication::CredSsp,
            Authentication::Digest,
            Authentication::Basic,
            Authentication::Certificate,
        ];
        let named = record.place.authentication.as_str();
        let authentication = known.into_iter().find(|known| known.as_str() == named);
        let authentication = authentication
            .ok_or_else(|| wrong(format!("the login {named} is not in this version")))?;
        let options = SessionOptions::read(&record.place.session_option)?;
        let settings = preferences::settings()?;
        let user = record.place.user_name.clone();
        let login = if authentication == Authentication::Certificate {
            Login::by_certificate(&user, waiter)?
        } else if user.is_empty() {
            // Whoever's tickets are there.
            Login::by_password(Credentials::default(), authentication)
        } else {
            let password = self.password(
                &user,
                &record.place.connection_uri,
                &record.place.computer_name,
                waiter,
            )?;
            Login::by_password(Credentials { user, password }, authentication)
        };
        let place = (record.place.computer_name, endpoint);
        let mut target =
            target::made(place, login, &record.place.configuration_name, &options, &settings)?;
        target.pool.compression = record.place.is_compressed;
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
        self.remember(target, &record.place.connection_uri);
        let id = record.place.instance_id;
        self.known.push(Session { record, held: Some(held), state: Away::Left });
        Ok(id)
    }

    /// The password of a session's account was wrong.
    fn ask_again(&mut self, id: Uuid) {
        if let Some(session) = self.session(id) {
            let Place { user_name, connection_uri, .. } = &session.record.place;
            let key = (user_name.clone(), connection_uri.clone());
            self.passwords.remove(&key);
        }
    }

    fn remember(&mut self, target: &Target, uri: &str) {
        let Credentials { user, password } = &target.config.credentials;
        self.passwords.insert((user.clone(), uri.to_owned()), password.clone());
    }

    /// Learns of the sessions that a host has listed. Those that were known before it was asked are [`all`](Self::all).
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
        // What this user had there when the host was asked, and the host does not know, is over.
        let is_lost = |session: &&Session| {
            let Place { connection_uri, user_name, instance_id, .. } = &session.record.place;
            *connection_uri == uri
                && *user_name == target.config.credentials.user
                && session.held.is_none()
                && !listed.iter().any(|pool| pool.id() == *instance_id)
        };
        let lost: Vec<Uuid> = self
            .known
            .iter()
            .filter(is_lost)
            .map(|session| session.record.place.instance_id)
            .collect();
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
    let place = Place {
        instance_id: id,
        computer_name: target.computer.clone(),
        connection_uri: uri(&target.config.endpoint),
        user_name: target.config.credentials.user.clone(),
        authentication: target.config.authentication.as_str().to_owned(),
        configuration_name: target.pool.configuration.clone(),
        is_compressed,
        session_option: target.options.to_value(),
    };
    Draft { name, place }
}

/// The whole address, the zone of an IPv6 address too.
fn uri(endpoint: &Endpoint) -> String {
    let Endpoint { transport, host, port, path } = endpoint;
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    format!("{}://{host}:{port}{path}", transport.scheme())
}
