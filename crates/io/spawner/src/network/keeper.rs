//! A shell's keeper as the network process sees it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{oneshot, watch};
use zeroize::Zeroizing;

use super::process::{Exit, LOST, Process};
use super::socket::Socket;
use super::{Shared as SpawnerShared, reached};
use crate::frames::keeper::{
    Event, FrameError, MAX_EVENT_LENGTH, Request, Signal, Stage, Start, Ticket,
};
use crate::frames::root;

/// Why a command does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The keeper could not start it.
    #[error("{stage}: {}", io::Error::from_raw_os_error(*.errno))]
    Failed {
        /// What failed.
        stage: Stage,
        /// The system's error number.
        errno: i32,
    },
    /// The request fits in no frame.
    #[error(transparent)]
    Request(#[from] FrameError),
    /// The keeper sent something that is no set of pipes.
    #[error("the keeper's pipes cannot be used: {0}")]
    Pipes(#[source] io::Error),
    /// The keeper is gone.
    #[error("the shell has ended")]
    Ended,
}

/// One shell: a process of the mapped local user that starts commands. Dropping it closes the shell without waiting.
#[derive(Debug)]
pub struct Keeper(Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    shell: u64,
    socket: Socket,
    spawner: Arc<SpawnerShared>,
    commands: Mutex<Commands>,
    ended: watch::Receiver<bool>,
}

#[derive(Debug, Default)]
struct Commands {
    next: u32,
    gone: bool,
    /// Who waits for the answer to a ticket.
    ticket: Option<oneshot::Sender<Result<(), StartError>>>,
    running: BTreeMap<u32, Command>,
}

#[derive(Debug)]
enum Command {
    Starting(oneshot::Sender<Result<Delivery, StartError>>),
    Running(oneshot::Sender<Exit>),
}

impl Keeper {
    pub(super) fn new(
        spawner: Arc<SpawnerShared>,
        shell: u64,
        descriptor: OwnedFd,
        ended: watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let runtime = spawner.runtime.clone();
        let socket = Socket::new(descriptor)?;
        let shared = Arc::new(Shared { shell, socket, spawner, commands: Mutex::default(), ended });
        // The task ends with the socket; nobody needs its handle.
        drop(runtime.spawn(listen(Arc::clone(&shared))));
        Ok(Self(shared))
    }

    /// The spawner's number of the shell; never reused while the service runs.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.shell
    }

    /// Starts a command. Several may run at once. When the future is dropped, a command that started nevertheless is killed.
    ///
    /// # Errors
    /// [`StartError::Failed`] names what failed in the keeper; the others are found before or after it.
    pub async fn start(&self, start: Start) -> Result<Process, StartError> {
        let (sender, receiver) = oneshot::channel();
        let command = self.0.expect(sender)?;
        let unsent = Unsent { shared: &self.0, command };
        let frame = Request::Start { command, start }.encode()?;
        self.0.socket.send(&frame).await.map_err(|_| StartError::Ended)?;
        std::mem::forget(unsent);
        receiver.await.map_err(|_| StartError::Ended)??.take().ok_or(StartError::Ended)
    }

    /// Stores a Kerberos ticket, the content of a credential cache's file, for the commands that start from now on: they
    /// find it by `KRB5CCNAME`. To be called once, for a shell that was opened with [`Wishes::ticket`](super::Wishes::ticket).
    ///
    /// # Errors
    /// [`StartError::Failed`] at [`Stage::Ticket`]: with `EOPNOTSUPP` where there is no place in memory, which the spawner
    /// has logged; with `EEXIST` where there is a ticket already.
    pub async fn store_ticket(&self, ticket: &[u8]) -> Result<(), StartError> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut commands = self.0.commands();
            if commands.gone {
                return Err(StartError::Ended);
            }
            commands.ticket = Some(sender);
        }
        let request = Request::Ticket(Ticket::new(ticket));
        let frame = Zeroizing::new(request.encode()?);
        self.0.socket.send(&frame).await.map_err(|_| StartError::Ended)?;
        receiver.await.map_err(|_| StartError::Ended)?
    }

    /// Ends the shell and returns when every process of it is gone.
    pub async fn close(self) {
        let ended = self.0.ended.clone();
        drop(self);
        reached(ended).await;
    }

    /// Resolves when the shell and every process of it are gone, for whatever reason.
    pub async fn ended(&self) {
        reached(self.0.ended.clone()).await;
    }
}

/// Forgets a command whose request was never sent.
struct Unsent<'a> {
    shared: &'a Shared,
    command: u32,
}

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        drop(self.shared.commands().running.remove(&self.command));
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if !*self.0.ended.borrow() {
            self.0.spawner.tell(root::Request::Close { shell: self.0.shell });
        }
    }
}

impl Shared {
    fn commands(&self) -> MutexGuard<'_, Commands> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expect(
        &self,
        sender: oneshot::Sender<Result<Delivery, StartError>>,
    ) -> Result<u32, StartError> {
        let mut commands = self.commands();
        if commands.gone {
            return Err(StartError::Ended);
        }
        loop {
            commands.next = commands.next.wrapping_add(1);
            if commands.next != 0 && !commands.running.contains_key(&commands.next) {
                break;
            }
        }
        let command = commands.next;
        commands.running.insert(command, Command::Starting(sender));
        Ok(command)
    }

    /// Signals a running command's group through the keeper, and on Terminate the rest of its session through root.
    pub(super) fn signal(self: &Arc<Self>, command: u32, session: u32, signal: Signal) {
        let running = self.commands().running.contains_key(&command);
        if let Ok(frame) = (Request::Signal { command, signal }).encode()
            && running
            && self
                .socket
                .try_send(&frame)
                .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        {
            let shared = Arc::clone(self);
            drop(self.spawner.runtime.spawn(async move { shared.socket.send(&frame).await }));
        }
        match signal {
            Signal::Interrupt => {}
            Signal::Terminate => {
                self.spawner.tell(root::Request::KillSession { shell: self.shell, session })
            }
        }
    }

    fn dispatch(self: &Arc<Self>, event: Event, descriptors: Vec<OwnedFd>) {
        match event {
            Event::Started { command, process } => self.started(command, process, descriptors),
            Event::Failed { command: 0, stage, errno } => {
                self.answer_ticket(Err(StartError::Failed { stage, errno }));
            }
            Event::Stored => self.answer_ticket(Ok(())),
            Event::Failed { command, stage, errno } => {
                if let Some(Command::Starting(waiting)) = self.commands().running.remove(&command) {
                    drop(waiting.send(Err(StartError::Failed { stage, errno })));
                }
            }
            Event::Exited { command, outcome, usage, others } => {
                if let Some(Command::Running(waiting)) = self.commands().running.remove(&command) {
                    let _ = waiting.send(Exit { outcome, usage, others });
                }
            }
        }
    }

    fn answer_ticket(&self, answer: Result<(), StartError>) {
        let waiting = self.commands().ticket.take();
        if let Some(waiting) = waiting {
            // Who stopped waiting needs no answer.
            drop(waiting.send(answer));
        }
    }

    fn started(self: &Arc<Self>, command: u32, session: u32, descriptors: Vec<OwnedFd>) {
        let (sender, exit) = oneshot::channel();
        let waiting = {
            let mut commands = self.commands();
            // An answer that was not asked for names no command that is being started, and leaves the others alone.
            let Some(entry) = commands.running.get_mut(&command) else { return };
            match std::mem::replace(entry, Command::Running(sender)) {
                Command::Starting(waiting) => waiting,
                running @ Command::Running(_) => {
                    *entry = running;
                    return;
                }
            }
        };
        let process = Process::new(Arc::clone(self), command, session, descriptors, exit);
        if process.is_err() {
            self.signal(command, session, Signal::Terminate);
        }
        let delivery = process.map(|process| Delivery(Some(process))).map_err(StartError::Pipes);
        drop(waiting.send(delivery));
    }
}

/// A command on its way to whoever started it; killed when it is dropped there.
#[derive(Debug)]
struct Delivery(Option<Process>);

impl Delivery {
    fn take(mut self) -> Option<Process> {
        self.0.take()
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(process) = &self.0 {
            process.signal(Signal::Terminate);
        }
    }
}

/// Reads what the keeper says until it is gone, then tells those who wait.
async fn listen(shared: Arc<Shared>) {
    let mut buffer = [0; MAX_EVENT_LENGTH + 1];
    while let Ok((length, descriptors)) = shared.socket.receive(&mut buffer).await {
        let Ok(event) = Event::decode(buffer.get(..length).unwrap_or_default()) else { break };
        shared.dispatch(event, descriptors);
    }
    let running = {
        let mut commands = shared.commands();
        commands.gone = true;
        commands.ticket = None;
        std::mem::take(&mut commands.running)
    };
    for command in running.into_values() {
        match command {
            Command::Starting(waiting) => drop(waiting.send(Err(StartError::Ended))),
            Command::Running(waiting) => {
                let _ = waiting.send(LOST);
            }
        }
    }
    // A keeper that talks nonsense is closed like one that is gone.
    shared.spawner.tell(root::Request::Close { shell: shared.shell });
}
