//! The table of shells: who owns which, how many there may be, and where each one's actor is.

mod actor;
mod budget;
mod command;
mod desk;
pub(crate) mod faults;
mod operations;
mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use auth::Account;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use uuid::Uuid;
use wsman::fault::Fault;
use wsman::shell::server::{Incoming, Reply, RequestToken, Shell};
use wsman::shell::{Request, ShellInfo};

pub(crate) use self::command::Streams;

use self::actor::Actor;
use self::budget::{Held, Memory};
use self::desk::{Desk, Look, Message};
use self::operations::{Kind, Operation, Operations};
use crate::metrics::{Gauge, Metrics, count as count_one};
use crate::plugin::{Session, ShellInstance};

/// Shells in all, whatever the settings say of each user: what the spawner keeps at most.
const MOST_SHELLS: usize = 5_000;

/// After so many shells at a time, memory is given back when the last one is gone.
const MANY_SHELLS: usize = 100;

/// How many shells there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) per_user: u64,
    pub(crate) users: u64,
    /// Operations of one user: shells and commands.
    pub(crate) operations: u64,
    /// Descriptors of this process for the shells and commands of all users.
    pub(crate) descriptors: u64,
}

/// How many shells of one plug-in there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PluginLimits {
    pub(crate) shells: u64,
    pub(crate) per_user: u64,
    pub(crate) users: u64,
}

/// What runs a shell's commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Each is a process of its own.
    Command,
    /// One process, which the shell begins with.
    Session,
}

/// All shells of the service.
#[derive(Debug)]
pub(crate) struct Shells {
    limits: Mutex<Limits>,
    operations: Arc<Operations>,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
    /// The number of shells that are open, opening or closing.
    alive: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    shells: BTreeMap<Uuid, Entry>,
    stopping: bool,
    /// The most shells since memory was given back.
    most: usize,
}

#[derive(Debug)]
struct Entry {
    owner: Arc<Account>,
    resource: Arc<str>,
    form: Form,
    /// `None` until the plug-in has opened the shell.
    mailbox: Option<mpsc::UnboundedSender<Message>>,
    /// The place among the user's operations.
    operation: Operation,
    /// The room for what the shell tells about itself.
    _told: Held,
}

/// A shell that can be asked.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) owner: Arc<Account>,
    pub(crate) resource: Arc<str>,
    form: Form,
    mailbox: mpsc::UnboundedSender<Message>,
    operations: Arc<Operations>,
    memory: Memory,
}

/// A place in the table. It is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    table: Arc<Shells>,
    id: Uuid,
}

impl Shells {
    pub(crate) fn new(limits: Limits, metrics: Arc<Metrics>) -> Arc<Self> {
        let operations = Operations::new(limits.operations, limits.descriptors);
        let alive = watch::Sender::new(0);
        let limits = Mutex::new(limits);
        Arc::new(Self { limits, operations, metrics, state: Mutex::default(), alive })
    }

    /// Other limits from now on; shells and commands that there are stay.
    pub(crate) fn set_limits(&self, limits: Limits) {
        self.operations.set(limits.operations, limits.descriptors);
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    fn limits(&self) -> Limits {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a shell that is about to be opened, and for `told` bytes that it keeps as long as it lives.
    ///
    /// # Errors
    ///
    /// The fault for the client: the id is taken, a quota is used up, or the service stops.
    pub(crate) fn register(
        self: &Arc<Self>,
        id: Uuid,
        owner: &Account,
        resource: &str,
        told: usize,
        form: Form,
        plugin: Option<PluginLimits>,
    ) -> Result<Registration, Box<Fault>> {
        let mut state = self.state();
        if state.stopping {
            return Err(faults::stopping());
        }
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let own = state.shells.values().filter(|entry| entry.owner.id == owner.id).count();
        let limits = self.limits();
        if count(own) >= limits.per_user {
            return Err(faults::too_many_shells(limits.per_user));
        }
        if state.shells.len() >= MOST_SHELLS {
            return Err(faults::too_many_in_all());
        }
        let users: BTreeSet<_> = state.shells.values().map(|entry| entry.owner.id).collect();
        if own == 0 && count(users.len()) >= limits.users {
            return Err(faults::too_many_users(limits.users));
        }
        if let Some(plugin) = plugin {
            plugin.check(&state, owner, resource)?;
        }
        if state.shells.contains_key(&id) {
            return Err(faults::id_taken());
        }
        let kind = match form {
            Form::Command => Kind::Shell,
            Form::Session => Kind::Session,
        };
        let operation = self.operations.begin(owner.id, kind)?;
        let told = operation.memory().hold(told)?;
        let entry = Entry {
            owner: Arc::new(owner.clone()),
            resource: resource.into(),
            form,
            mailbox: None,
            operation,
            _told: told,
        };
        state.shells.insert(id, entry);
        state.most = state.most.max(state.shells.len());
        self.alive.send_modify(|alive| *alive += 1);
        Ok(Registration { table: Arc::clone(self), id })
    }

    /// The open shell of that id, whoever owns it.
    pub(crate) fn find(&self, id: Uuid) -> Option<Found> {
        let state = self.state();
        let entry = state.shells.get(&id)?;
        let mailbox = entry.mailbox.clone()?;
        let (owner, resource) = (Arc::clone(&entry.owner), Arc::clone(&entry.resource));
        let (operations, memory) = (Arc::clone(&self.operations), entry.operation.memory().clone());
        Some(Found { owner, resource, form: entry.form, mailbox, operations, memory })
    }

    /// The open shells, of one user or of all.
    pub(crate) fn all(&self, owner: Option<&Account>) -> Vec<Found> {
        let ids: Vec<Uuid> = {
            let state = self.state();
            let is_wanted = |entry: &Entry| owner.is_none_or(|owner| entry.owner.id == owner.id);
            let wanted = state.shells.iter().filter(|(_, entry)| is_wanted(entry));
            wanted.map(|(id, _)| *id).collect()
        };
        ids.into_iter().filter_map(|id| self.find(id)).collect()
    }

    /// Gives back what many shells took, once they are gone. What still runs of the last one is little.
    fn release_memory(&self) {
        let mut state = self.state();
        if state.shells.is_empty() && state.most >= MANY_SHELLS {
            state.most = 0;
            drop(state);
            spawner::network::release_memory();
        }
    }

    /// Ends every shell and waits, at most `limit`, until their processes are gone.
    pub(crate) async fn stop(&self, limit: Duration) {
        let mailboxes: Vec<_> = {
            let mut state = self.state();
            state.stopping = true;
            state.shells.values().filter_map(|entry| entry.mailbox.clone()).collect()
        };
        for mailbox in mailboxes {
            // An actor that is ending already needs no message.
            drop(mailbox.send(Message::Stop));
        }
        let mut alive = self.alive.subscribe();
        // What is not gone by then is ended by the privileged process.
        drop(timeout(limit, alive.wait_for(|alive| *alive == 0)).await);
    }
}

impl PluginLimits {
    /// Whether the user may have another shell of the plug-in with this resource.
    fn check(&self, state: &State, owner: &Account, resource: &str) -> Result<(), Box<Fault>> {
        let name = |uri: &str| uri.split('?').next().unwrap_or_default().to_ascii_lowercase();
        let own = name(resource);
        let same = || state.shells.values().filter(|entry| name(&entry.resource) == own);
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let of_user = count(same().filter(|entry| entry.owner.id == owner.id).count());
        if of_user >= self.per_user {
            return Err(faults::too_many_of_plugin(self.per_user));
        }
        if count(same().count()) >= self.shells {
            return Err(faults::too_many_plugin_shells(self.shells));
        }
        let users: BTreeSet<_> = same().map(|entry| entry.owner.id).collect();
        if of_user == 0 && count(users.len()) >= self.users {
            return Err(faults::too_many_users_of_plugin(self.users));
        }
        Ok(())
    }
}

impl Registration {
    /// Starts the task of a command shell. From here on the shell can be found.
    pub(crate) fn open(self, machine: Shell, instance: Arc<dyn ShellInstance>, streams: Streams) {
        let Some(desk) = self.begin(machine) else { return };
        tokio::spawn(Actor { desk, instance, streams }.run());
    }

    /// Starts the task of a shell with a protocol of its own. From here on the shell can be found.
    pub(crate) fn open_session(self, machine: Shell, session: Box<dyn Session>) {
        let Some(desk) = self.begin(machine) else { return };
        tokio::spawn(session::Actor { desk, session }.run());
    }

    fn begin(self, machine: Shell) -> Option<Desk> {
        let (sender, mailbox) = mpsc::unbounded_channel();
        let mut state = self.table.state();
        let stopping = state.stopping;
        let entry = state.shells.get_mut(&self.id)?;
        let user = entry.owner.name.clone();
        let memory = entry.operation.memory().clone();
        if stopping {
            // Stop has passed this shell by.
            drop(sender.send(Message::Stop));
        }
        entry.mailbox = Some(sender);
        drop(state);
        let metrics = Arc::clone(&self.table.metrics);
        count_one(&metrics.shells_opened);
        let present = metrics.enter(Gauge::Shells);
        Some(Desk::new(machine, mailbox, self, user, memory, (metrics, present)))
    }

    /// Takes the shell out of the table; it still counts as alive until this value is dropped.
    fn remove(&self) {
        self.table.state().shells.remove(&self.id);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.remove();
        self.table.alive.send_modify(|alive| *alive -= 1);
        self.table.release_memory();
    }
}

impl Found {
    /// Looks at the shell's machine, which its idle time does not notice; `None` where the shell is gone.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Shell) -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, seen) = oneshot::channel();
        let look = Look(Box::new(move |machine| drop(sender.send(look(machine)))));
        self.mailbox.send(Message::Look(look)).ok()?;
        seen.await.ok()
    }

    /// What the shell tells about itself. The values of its environment are its owner's: there may be secrets in them.
    pub(crate) async fn info(&self, reader: &Account) -> Option<ShellInfo> {
        let mut info = self.look(|machine| machine.info(Instant::now())).await?;
        if !self.is_of(reader) {
            info.environment.clear();
        }
        Some(info)
    }

    /// Whether it is this account's.
    pub(crate) fn is_of(&self, account: &Account) -> bool {
        self.owner.id == account.id
    }

    /// Asks the shell, and waits for the answer. Dropping the future withdraws the request.
    ///
    /// # Errors
    ///
    /// The fault for the client.
    pub(crate) async fn ask(&self, incoming: Incoming) -> Result<Reply, Box<Fault>> {
        let is_command = matches!(incoming.request, Request::Command { .. });
        // A Command of a session brings what shall run.
        if matches!(incoming.request, Request::Send(_))
            || (is_command && self.form == Form::Session)
        {
            self.memory.takes_input()?;
        }
        let kind = match self.form {
            Form::Command => Kind::Command,
            Form::Session => Kind::Pipeline,
        };
        let begin = || self.operations.begin(self.owner.id, kind);
        let operation = is_command.then(begin).transpose()?;
        let (sender, receiver) = oneshot::channel();
        let token = incoming.token;
        let message = Message::Request(Box::new(incoming), operation, sender);
        if self.mailbox.send(message).is_err() {
            return Err(faults::no_such_shell());
        }
        let mut withdrawal = Withdrawal { mailbox: &self.mailbox, token: Some(token) };
        let answer = receiver.await;
        withdrawal.token = None;
        answer.unwrap_or_else(|_| Err(faults::no_such_shell()))
    }
}

/// Tells the actor when nobody waits any more.
struct Withdrawal<'a> {
    mailbox: &'a mpsc::UnboundedSender<Message>,
    token: Option<RequestToken>,
}

impl Drop for Withdrawal<'_> {
    fn drop(&mut self) {
        if let Some(token) = self.token {
            drop(self.mailbox.send(Message::Cancel(token)));
        }
    }
}

#[cfg(test)]
mod tests {
    use wsman::fault::ErrorCode;

    use super::*;

    const UNLIMITED: u64 = u64::MAX;

    /// A place for a shell of a user, kept or refused with a code.
    fn open(
        shells: &Arc<Shells>,
        user: u8,
        uri: &str,
        plugin: PluginLimits,
    ) -> Result<Registration, Option<ErrorCode>> {
        let owner = Account { id: [user; 16], name: format!("user{user}"), groups: Vec::new() };
        let id = crate::random::uuid();
        shells
            .register(id, &owner, uri, 0, Form::Session, Some(plugin))
            .map_err(|fault| fault.error_code())
    }

    #[test]
    fn plugins_have_limits_of_their_own() {
        let limits = Limits { per_user: 100, users: 100, operations: 100, descriptors: 100 };
        let shells = Shells::new(limits, Arc::default());
        let plugin = PluginLimits { shells: 3, per_user: 2, users: 2 };
        let (uri, other) = ("http://x/Mine", "http://x/Other");
        let mut kept = vec![
            open(&shells, 1, uri, plugin).unwrap(),
            // The same in another case, and with something behind it.
            open(&shells, 1, "http://X/mine?a=b", plugin).unwrap(),
        ];
        let refused = |user, plugin| open(&shells, user, uri, plugin).unwrap_err();
        assert_eq!(refused(1, plugin), Some(ErrorCode::QUOTA_MAX_SHELLS_OF_PLUGIN));
        kept.push(open(&shells, 1, other, plugin).unwrap());
        let one_user = PluginLimits { users: 1, ..plugin };
        assert_eq!(refused(2, one_user), Some(ErrorCode::QUOTA_MAX_USERS_OF_PLUGIN));
        kept.push(open(&shells, 2, uri, plugin).unwrap());
        assert_eq!(refused(2, plugin), Some(ErrorCode::QUOTA_MAX_PLUGIN_SHELLS));
        drop(kept);
        let none = PluginLimits { shells: UNLIMITED, per_user: UNLIMITED, users: UNLIMITED };
        assert!(open(&shells, 1, uri, none).is_ok());
    }
}
