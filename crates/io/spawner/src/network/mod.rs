//! The network process's half: asks the spawner for accounts, shells and low ports, and keepers for commands.
//!
//! ```text
//! Inherited (no runtime yet)
//!    │ bind
//!    │                 sandbox closes
//!    ▼ start
//! Spawner ── open ──► Keeper ── start ──► Process (stdin, stdout, stderr)
//!    │ accounts          │ close, ended       │ signal, wait
//!    ▼                   ▼                    ▼
//! stop_requested, lost  (all gone)          Exit
//! ```
//!
//! Nothing of a [`Spawner`] blocks the runtime. Each future may be dropped at any time: an answer that nobody waits for any longer is
//! undone (a shell is closed, a command is killed).

pub mod assistant;
mod inherited;
mod keeper;
mod process;
pub mod sandbox;
mod socket;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot, watch};

use crate::AccountId;
use crate::frames::root::{Event, FrameError, LEAST_MEMORY, LENGTH, MOST_MEMORY, Reason, Request};
use crate::sys;

pub use crate::frames::keeper::{Outcome, Signal, Stage, Start, Usage};
pub use inherited::{Inherited, Local};
pub use keeper::{Keeper, StartError};
pub use process::{Exit, Process, widen};

/// The most Opens that are under way at a time; further ones wait here instead of being refused by the spawner.
const PENDING_OPENS: usize = 64;

/// The most look-ups of groups that are under way at a time; further ones wait here.
const PENDING_LOOK_UPS: usize = 64;

/// Makes this process unreadable for others of its user: no core dump, no `ptrace`. The network process's first statement.
///
/// # Errors
/// The system's, which cannot happen on a supported kernel.
pub fn protect() -> io::Result<()> {
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Gives freed memory back to the system, which the allocator else keeps for the next request. Takes milliseconds after
/// thousands of shells: not for every one.
pub fn release_memory() {
    sys::trim();
}

/// Why the spawner did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The spawner refused.
    #[error("{reason}{}", errno_text(*.errno))]
    Refused {
        /// Why.
        reason: Reason,
        /// The system's error number, 0 if there is none.
        errno: i32,
    },
    /// The spawner is gone: everything ends.
    #[error("the privileged process is gone")]
    Lost,
    /// The spawner's answer is not one to this question.
    #[error("the privileged process gave an answer that does not fit the question")]
    Unexpected,
    /// The descriptor that came with the answer cannot be used.
    #[error("the descriptor from the privileged process cannot be used: {0}")]
    Descriptor(#[source] io::Error),
}

fn errno_text(errno: i32) -> String {
    if errno == 0 { String::new() } else { format!(": {}", io::Error::from_raw_os_error(errno)) }
}

/// What is wanted of a shell beside its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "made by whoever opens a shell, with each of them in mind"
)]
pub struct Wishes {
    /// Its keeper will be given a ticket ([`Keeper::store_ticket`]): root makes a place in memory for it.
    pub ticket: bool,
    /// The most memory that it may have, in bytes, counted as at least 1 MiB; root allows less where its own settings say
    /// less.
    pub memory: Option<u64>,
}

/// The spawner, as the network process sees it. Clones share one connection.
#[derive(Debug, Clone)]
pub struct Spawner(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    socket: socket::Socket,
    runtime: Handle,
    state: Mutex<State>,
    opens: Semaphore,
    look_ups: Semaphore,
    /// How often each of [`Reason::ALL`] was given.
    refusals: Vec<AtomicU64>,
    stop: watch::Sender<bool>,
    lost: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    sequence: u32,
    lost: bool,
    answers: BTreeMap<u32, oneshot::Sender<Answer>>,
    shells: BTreeMap<u64, watch::Sender<bool>>,
}

/// An event that answers a request, with what came along.
#[derive(Debug)]
struct Answer {
    event: Event,
    descriptor: Option<OwnedFd>,
    /// Made before the answer is handed over, so that an answer that is dropped on its way closes the shell.
    keeper: Option<io::Result<Keeper>>,
}

impl Spawner {
    /// `stop`: whether that was requested already.
    fn new(descriptor: OwnedFd, runtime: Handle, stop: bool) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            socket: socket::Socket::new(descriptor)?,
            runtime: runtime.clone(),
            state: Mutex::default(),
            opens: Semaphore::new(PENDING_OPENS),
            look_ups: Semaphore::new(PENDING_LOOK_UPS),
            refusals: Reason::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            stop: watch::Sender::new(stop),
            lost: watch::Sender::new(false),
        });
        // The task ends with the socket; nobody needs its handle.
        drop(runtime.spawn(listen(Arc::clone(&shared))));
        Ok(Self(shared))
    }

    /// Says that the listeners accept; the spawner tells the service manager.
    ///
    /// # Errors
    /// [`RequestError::Lost`].
    pub async fn ready(&self) -> Result<(), RequestError> {
        self.0.socket.send(&Request::Ready.encode(0)).await.map_err(|_| RequestError::Lost)
    }

    /// A read-only descriptor of the file `accounts` as it is now. Cheap enough to be asked for at each login.
    ///
    /// # Errors
    /// [`Reason::AccountsFile`] with `ENOENT` while there are no accounts.
    pub async fn accounts(&self) -> Result<File, RequestError> {
        Ok(File::from(self.file(&Request::Accounts).await?))
    }

    /// A read-only descriptor of the file `clients` as it is now, likewise.
    ///
    /// # Errors
    /// [`Reason::ClientsFile`] with `ENOENT` while nothing says which client certificates count.
    pub async fn clients(&self) -> Result<File, RequestError> {
        Ok(File::from(self.file(&Request::Clients).await?))
    }

    /// A read-only descriptor of the file `principals` as it is now, likewise.
    ///
    /// # Errors
    /// [`Reason::PrincipalsFile`] with `ENOENT` while nothing says which Kerberos principals count.
    pub async fn principals(&self) -> Result<File, RequestError> {
        Ok(File::from(self.file(&Request::Principals).await?))
    }

    /// A read-only descriptor of the file `users` as it is now, likewise: which local user is which account.
    ///
    /// # Errors
    /// [`Reason::UsersFile`] with `ENOENT` while no account is mapped.
    pub async fn users(&self) -> Result<File, RequestError> {
        Ok(File::from(self.file(&Request::Users).await?))
    }

    /// A listening socket on a port below 1024 that root's configuration lists.
    ///
    /// # Errors
    /// [`Reason::NotListed`] for any other address, [`Reason::BindFailed`] with the system's error number.
    pub async fn bind(&self, address: SocketAddr) -> Result<TcpListener, RequestError> {
        Ok(TcpListener::from(self.file(&Request::Bind { address }).await?))
    }

    /// Which of the groups that root's configuration names an account belongs to by its local user, as it is now: a bit for
    /// each in their order, the first one's the lowest.
    ///
    /// # Errors
    /// [`Reason::NotMapped`], [`Reason::NoSuchUser`] and their like where there is no local user, [`Reason::Groups`] and
    /// [`Reason::TimedOut`] where the system cannot say. Who asks must take it for no member of any then.
    pub async fn members(&self, account: AccountId) -> Result<u64, RequestError> {
        let permit = self.0.look_ups.acquire().await.map_err(|_| RequestError::Lost)?;
        let answer = self.0.ask(&Request::Members { account }).await?;
        drop(permit);
        match answer {
            Answer { event: Event::MemberOf { groups }, .. } => Ok(groups),
            Answer { .. } => Err(RequestError::Unexpected),
        }
    }

    async fn file(&self, request: &Request) -> Result<OwnedFd, RequestError> {
        match self.0.ask(request).await? {
            Answer { event: Event::File, descriptor: Some(descriptor), .. } => Ok(descriptor),
            Answer { .. } => Err(RequestError::Unexpected),
        }
    }

    /// Opens a shell for an account: a keeper that has become the local user to which root mapped it.
    ///
    /// `login` is reserved for a later process that registers logins; 16 zeros until then.
    ///
    /// # Errors
    /// The reasons of [`Reason`].
    pub async fn open(&self, account: AccountId, login: [u8; 16]) -> Result<Keeper, RequestError> {
        self.open_with(account, login, Wishes::default()).await
    }

    /// The same for a shell of which something more is wanted.
    ///
    /// # Errors
    /// The reasons of [`Reason`]. Where a place for a ticket cannot be made, or a limit cannot be put in force, the shell
    /// opens all the same and the spawner's log says why; the keeper refuses the ticket then.
    pub async fn open_with(
        &self,
        account: AccountId,
        login: [u8; 16],
        wishes: Wishes,
    ) -> Result<Keeper, RequestError> {
        let Wishes { ticket, memory } = wishes;
        let memory = memory.map(|bytes| bytes.clamp(LEAST_MEMORY, MOST_MEMORY));
        let memory = memory.and_then(NonZeroU64::new);
        let permit = self.0.opens.acquire().await.map_err(|_| RequestError::Lost)?;
        let answer = self.0.ask(&Request::Open { account, login, ticket, memory }).await?;
        drop(permit);
        match answer {
            Answer { event: Event::Opened { .. }, keeper: Some(keeper), .. } => {
                keeper.map_err(RequestError::Descriptor)
            }
            Answer { .. } => Err(RequestError::Unexpected),
        }
    }

    /// How often the spawner has refused something, for each reason that there is.
    pub fn refusals(&self) -> impl Iterator<Item = (Reason, u64)> {
        let counts = self.0.refusals.iter().map(|count| count.load(Ordering::Relaxed));
        Reason::ALL.iter().copied().zip(counts)
    }

    /// Resolves when the service is to drain and to exit, or the spawner is gone.
    pub async fn stop_requested(&self) {
        reached(self.0.stop.subscribe()).await;
    }

    /// Resolves when the spawner is gone, after which nothing can be asked and every shell is ending.
    pub async fn lost(&self) {
        reached(self.0.lost.subscribe()).await;
    }
}

/// Waits until a flag is set, or can no longer be.
async fn reached(mut flag: watch::Receiver<bool>) {
    let seen = flag.wait_for(|set| *set).await;
    drop(seen);
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, reason: Reason) {
        let at = Reason::ALL.iter().position(|one| *one == reason);
        if let Some(count) = at.and_then(|at| self.refusals.get(at)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn ask(&self, request: &Request) -> Result<Answer, RequestError> {
        let (sender, receiver) = oneshot::channel();
        let sequence = self.expect(sender)?;
        let unsent = Unsent { shared: self, sequence };
        self.socket.send(&request.encode(sequence)).await.map_err(|_| RequestError::Lost)?;
        std::mem::forget(unsent);
        let answer = receiver.await.map_err(|_| RequestError::Lost)?;
        match answer.event {
            Event::Refused { reason, errno } => Err(RequestError::Refused { reason, errno }),
            Event::Opened { .. }
            | Event::Ended { .. }
            | Event::File
            | Event::MemberOf { .. }
            | Event::Stop
            | Event::Log => Ok(answer),
        }
    }

    /// Registers who waits for the next answer; returns its number, never 0 and never one still in use.
    fn expect(&self, sender: oneshot::Sender<Answer>) -> Result<u32, RequestError> {
        let mut state = self.state();
        if state.lost {
            return Err(RequestError::Lost);
        }
        loop {
            state.sequence = state.sequence.wrapping_add(1);
            if state.sequence != 0 && !state.answers.contains_key(&state.sequence) {
                break;
            }
        }
        let sequence = state.sequence;
        state.answers.insert(sequence, sender);
        Ok(sequence)
    }

    /// Sends a request whose answer nobody waits for, now or when there is room.
    fn tell(self: &Arc<Self>, request: Request) {
        let frame = request.encode(0);
        if self
            .socket
            .try_send(&frame)
            .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        {
            let shared = Arc::clone(self);
            drop(self.runtime.spawn(async move { shared.socket.send(&frame).await }));
        }
    }

    fn dispatch(self: &Arc<Self>, sequence: u32, event: Event, descriptor: Option<OwnedFd>) {
        match event {
            Event::Stop => drop(self.stop.send_replace(true)),
            Event::Ended { shell } => {
                if let Some(ended) = self.state().shells.remove(&shell) {
                    ended.send_replace(true);
                }
            }
            Event::Opened { shell, .. } => {
                let (sender, ended) = watch::channel(false);
                let waiting = {
                    let mut state = self.state();
                    state.shells.insert(shell, sender);
                    state.answers.remove(&sequence)
                };
                // The kernel leaves a descriptor out when this process may have no more.
                let descriptor = descriptor
                    .ok_or_else(|| io::Error::from_raw_os_error(Errno::MFILE.raw_os_error()));
                let keeper = descriptor
                    .and_then(|descriptor| Keeper::new(Arc::clone(self), shell, descriptor, ended));
                if keeper.is_err() {
                    self.tell(Request::Close { shell });
                }
                if let Some(waiting) = waiting {
                    drop(waiting.send(Answer { event, descriptor: None, keeper: Some(keeper) }));
                }
            }
            // The file in which standard error goes on, for every thread at once.
            Event::Log => {
                if let Some(file) = descriptor {
                    // Descriptor 2 is open, so that it can be replaced.
                    let _replaced = rustix::stdio::dup2_stderr(&file);
                }
            }
            Event::Refused { .. } | Event::File | Event::MemberOf { .. } => {
                if let Event::Refused { reason, .. } = event {
                    self.count(reason);
                }
                let waiting = self.state().answers.remove(&sequence);
                if let Some(waiting) = waiting {
                    // Who stopped waiting needs no answer.
                    drop(waiting.send(Answer { event, descriptor, keeper: None }));
                }
            }
        }
    }
}

/// Forgets a request that was never sent.
struct Unsent<'a> {
    shared: &'a Shared,
    sequence: u32,
}

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        drop(self.shared.state().answers.remove(&self.sequence));
    }
}

/// Reads what the spawner says until it is gone, then tells everyone.
async fn listen(shared: Arc<Shared>) {
    while let Ok((sequence, event, descriptor)) = next(&shared).await {
        shared.dispatch(sequence, event, descriptor);
    }
    let (answers, shells) = {
        let mut state = shared.state();
        state.lost = true;
        (std::mem::take(&mut state.answers), std::mem::take(&mut state.shells))
    };
    drop(answers);
    for ended in shells.values() {
        ended.send_replace(true);
    }
    shared.stop.send_replace(true);
    shared.lost.send_replace(true);
}

async fn next(shared: &Shared) -> io::Result<(u32, Event, Option<OwnedFd>)> {
    let mut buffer = [0; LENGTH + 1];
    let received = shared.socket.receive(&mut buffer).await?;
    decode(&buffer, received)
}

/// The event in a message of that length, with the descriptor that came along.
fn decode(
    buffer: &[u8],
    (length, descriptors): (usize, Vec<OwnedFd>),
) -> io::Result<(u32, Event, Option<OwnedFd>)> {
    let frame = buffer.get(..length).unwrap_or_default();
    let (sequence, event) =
        Event::decode(frame).map_err(|error: FrameError| io::Error::other(error))?;
    Ok((sequence, event, descriptors.into_iter().next()))
}
