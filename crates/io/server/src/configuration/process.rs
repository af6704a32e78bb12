//! The process that keeps the configuration, for a network process that may open nothing.
//!
//! ```text
//!  a change ──► Desk ──frames──► worker: temporary file, fsync, rename, fsync
//!                 ▲                worker: bind, listen; the addresses of this machine
//!                 └── Done, Failed, a socket, addresses
//! ```
//!
//! The worker runs as the service user and may write in its folder and listen on ports, and nothing else. It looks at what
//! it is told as if strangers said it: they may have taken the network process over. Ports below 1024 are root's to give,
//! which the [`Desk`] asks where the worker may not.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::net::sockopt::{self, Timeout};
use rustix::net::{SendFlags, send};
use spawner::frames::root::Reason;
use spawner::network::{RequestError, Spawner, assistant};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tracing::warn;
use transport::InterfaceAddress;

use super::files;
use super::frames::{Event, MAX, Request, parts};
use super::storage::Storage;
use crate::BoxFuture;
use crate::settings::{ListenAddress, Listener, Settings};

/// How long the process may take to say that it is there.
const START: Duration = Duration::from_secs(30);
/// How long it may take for an answer: disks may be slow.
const TIME: Duration = Duration::from_secs(30);
/// How often a request is made once more because the worker died over it.
const TRIES: usize = 3;
/// From here on every user may listen.
const FIRST_FREE_PORT: u16 = 1024;

/// Makes what must be there before the worker is confined.
///
/// # Errors
///
/// The system's.
pub fn prepare(folder: &Path) -> io::Result<()> {
    files::make_folder(folder)
}

/// What the supervisor says of a worker that died.
#[must_use]
pub fn died(status: ExitStatus) -> Vec<u8> {
    Event::Died(status.to_string()).encode(0)
}

/// The worker's life: says that it is there, then does what it is asked until the other end closes. `unconfined` is what is
/// missing of its confinement.
///
/// # Errors
///
/// The system's, and nonsense from the other end.
pub fn serve(socket: &OwnedFd, folder: &Path, unconfined: Option<String>) -> io::Result<()> {
    say(socket, 0, &Event::Ready { unconfined })?;
    let mut worker = Worker { folder, text: Vec::new() };
    let mut buffer = vec![0; MAX + 1];
    loop {
        let length = match assistant::receive_with(socket, &mut buffer) {
            Ok((0, _)) => return Ok(()),
            Ok((length, _)) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let frame = buffer.get(..length).unwrap_or_default();
        let (number, request) = Request::decode(frame).map_err(io::Error::other)?;
        let answered = match worker.handle(request) {
            Ok(Handled::Nothing) => Ok(()),
            Ok(Handled::Event(event)) => say(socket, number, &event),
            Ok(Handled::Socket(bound)) => {
                let frame = Event::Bound.encode(number);
                assistant::send_with(socket, &frame, bound.as_fd())
            }
            Err(error) => say(socket, number, &Event::Failed((&error).into())),
        };
        match answered {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            answered => answered?,
        }
    }
}

fn say(socket: &OwnedFd, number: u32, event: &Event) -> io::Result<()> {
    send(socket, &event.encode(number), SendFlags::NOSIGNAL)?;
    Ok(())
}

struct Worker<'a> {
    folder: &'a Path,
    /// What of a text has come.
    text: Vec<u8>,
}

enum Handled {
    /// More will come.
    Nothing,
    Event(Event),
    Socket(TcpListener),
}

impl Worker<'_> {
    fn handle(&mut self, request: Request) -> io::Result<Handled> {
        match request {
            Request::Store { total, offset, part } => {
                if offset == 0 {
                    self.text.clear();
                }
                if offset != self.text.len() {
                    // Its beginning was another worker's.
                    return Err(io::Error::other("a part of a text without what comes before it"));
                }
                self.text.extend_from_slice(&part);
                if self.text.len() < total {
                    return Ok(Handled::Nothing);
                }
                let text = String::from_utf8(std::mem::take(&mut self.text));
                let text = text.map_err(|error| {
                    io::Error::new(io::ErrorKind::InvalidData, error.utf8_error())
                })?;
                check(&text)?;
                files::replace(self.folder, &text)?;
                Ok(Handled::Event(Event::Done))
            }
            Request::Bind(address) => transport::listen(address).map(Handled::Socket),
            Request::Interfaces => {
                transport::interfaces().map(|all| Handled::Event(Event::Interfaces(all)))
            }
        }
    }
}

/// Whether a service can start with what strangers want to be kept, and asks nobody about it: it would look the name of a
/// listener up before its sandbox closes.
fn check(text: &str) -> io::Result<()> {
    let wrong = |what: String| Err(io::Error::new(io::ErrorKind::InvalidData, what));
    let settings = match Settings::parse(text, Path::new(files::FILE)) {
        Ok(settings) => settings,
        Err(error) => return wrong(error.to_string()),
    };
    let is_named = |one: &&Listener| matches!(one.address, ListenAddress::Name(_));
    match settings.listeners.iter().find(is_named) {
        Some(listener) => wrong(format!("the listener {listener} has a name to be looked up")),
        None => Ok(()),
    }
}

/// The way to the process, before there is a runtime.
#[derive(Debug)]
pub struct Opened {
    socket: OwnedFd,
}

impl Opened {
    /// Waits until the process is there, and says what is missing of its confinement.
    ///
    /// # Errors
    ///
    /// When it says nothing or nonsense, or died.
    pub fn wait(socket: OwnedFd) -> io::Result<(Self, Option<String>)> {
        sockopt::set_socket_timeout(&socket, Timeout::Recv, Some(START))?;
        let mut buffer = vec![0; MAX + 1];
        let (length, _) = assistant::receive_with(&socket, &mut buffer)?;
        sockopt::set_socket_timeout(&socket, Timeout::Recv, None)?;
        match Event::decode(buffer.get(..length).unwrap_or_default()) {
            Ok((_, Event::Ready { unconfined })) => Ok((Self { socket }, unconfined)),
            Ok((_, Event::Died(text))) => Err(io::Error::other(text)),
            Ok(_) => Err(io::Error::other("an answer to nothing")),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

/// The process, as the network process sees it: [`Storage`] for one request after the other.
#[derive(Debug)]
pub struct Desk {
    state: Mutex<State>,
    /// Whom ports below 1024 are asked from.
    spawner: Option<Spawner>,
}

#[derive(Debug)]
struct State {
    /// Registered as a `UnixStream`, which is what the runtime knows; its byte-stream methods are not used.
    socket: UnixStream,
    number: u32,
    /// Another worker has yet to say that it is there.
    is_down: bool,
}

/// How a request ended that was not answered.
enum Broken {
    /// The worker died over it.
    Died,
    Error(io::Error),
}

impl Desk {
    /// Takes over what [`Opened`] has; inside a runtime.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn new(opened: Opened, spawner: Option<Spawner>) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&opened.socket, true)?;
        let socket = UnixStream::from_std(opened.socket.into())?;
        Ok(Self { state: Mutex::new(State { socket, number: 0, is_down: false }), spawner })
    }

    /// Asks, and asks another worker where one died: nothing of what is asked does harm when it is done twice.
    async fn ask(
        &self,
        requests: impl Fn() -> Vec<Request>,
    ) -> io::Result<(Event, Option<OwnedFd>)> {
        let asked = async {
            let mut state = self.state.lock().await;
            for _ in 0..TRIES {
                match state.ask(&requests()).await {
                    Ok((Event::Failed(failure), _)) => return Err(failure.into()),
                    Ok(answer) => return Ok(answer),
                    Err(Broken::Died) => {}
                    Err(Broken::Error(error)) => return Err(error),
                }
            }
            Err(io::Error::other("the process that keeps the configuration dies over it"))
        };
        let late = || {
            let text = "the process that keeps the configuration gives no answer in time";
            io::Error::new(io::ErrorKind::TimedOut, text)
        };
        timeout(TIME, asked).await.unwrap_or_else(|_| Err(late()))
    }

    async fn bind_here(&self, address: SocketAddr) -> io::Result<TcpListener> {
        match self.ask(|| vec![Request::Bind(address)]).await? {
            (Event::Bound, Some(socket)) => Ok(socket.into()),
            _ => Err(unfit()),
        }
    }
}

fn unfit() -> io::Error {
    io::Error::other("an answer that does not fit the question")
}

impl State {
    async fn ask(&mut self, requests: &[Request]) -> Result<(Event, Option<OwnedFd>), Broken> {
        while self.is_down {
            self.next().await?;
        }
        self.number = self.number.wrapping_add(1).max(1);
        let number = self.number;
        for request in requests {
            let frame = request.encode(number);
            let once = || Ok(send(&self.socket, &frame, SendFlags::NOSIGNAL)?);
            self.socket.async_io(Interest::WRITABLE, once).await.map_err(Broken::Error)?;
        }
        loop {
            let (answered, event, descriptor) = self.next().await?;
            if self.is_down {
                return Err(Broken::Died);
            }
            // Else it is the answer to somebody who stopped waiting, or another worker's first word.
            if answered == number {
                return Ok((event, descriptor));
            }
        }
    }

    /// The next message, whatever it is about.
    async fn next(&mut self) -> Result<(u32, Event, Option<OwnedFd>), Broken> {
        let mut buffer = vec![0; MAX + 1];
        let once = || assistant::receive_with(&self.socket, &mut buffer);
        let received = self.socket.async_io(Interest::READABLE, once).await;
        let (length, descriptor) = received.map_err(Broken::Error)?;
        if length == 0 {
            let text = "the process that keeps the configuration is gone";
            return Err(Broken::Error(io::Error::new(io::ErrorKind::BrokenPipe, text)));
        }
        let (number, event) = Event::decode(buffer.get(..length).unwrap_or_default())
            .map_err(|error| Broken::Error(io::Error::other(error)))?;
        match &event {
            Event::Died(text) => {
                warn!(
                    error = text,
                    "The process that keeps the configuration died; it is started again"
                );
                self.is_down = true;
            }
            Event::Ready { .. } => self.is_down = false,
            Event::Done | Event::Failed(_) | Event::Bound | Event::Interfaces(_) => {}
        }
        Ok((number, event, descriptor))
    }
}

impl Storage for Desk {
    fn store(&self, text: String) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async move {
            files::check(&text)?;
            match self.ask(|| parts(&text).collect()).await? {
                (Event::Done, _) => Ok(()),
                _ => Err(unfit()),
            }
        })
    }

    fn bind(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpListener>> {
        Box::pin(async move {
            let refused = match self.bind_here(address).await {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => error,
                bound => return bound,
            };
            let Some(spawner) = self.spawner.as_ref().filter(|_| address.port() < FIRST_FREE_PORT)
            else {
                return Err(refused);
            };
            let socket = spawner.bind(address).await.map_err(|error| privileged(address, error))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        })
    }

    fn interfaces(&self) -> BoxFuture<'_, io::Result<Vec<InterfaceAddress>>> {
        Box::pin(async move {
            match self.ask(|| vec![Request::Interfaces]).await? {
                (Event::Interfaces(all), _) => Ok(all),
                _ => Err(unfit()),
            }
        })
    }
}

/// Why root did not open a port below 1024.
fn privileged(address: SocketAddr, error: RequestError) -> io::Error {
    match error {
        RequestError::Refused { reason: Reason::NotListed, .. } => {
            let port = address.port();
            let text = format!(
                "only root opens port {port}, and does so where the administrator's settings list it: PrivilegedPorts = [{port}] in [Service]"
            );
            io::Error::new(io::ErrorKind::PermissionDenied, text)
        }
        RequestError::Refused { reason: Reason::BindFailed, errno } => {
            io::Error::from_raw_os_error(errno)
        }
        error @ (RequestError::Refused { .. }
        | RequestError::Lost
        | RequestError::Unexpected
        | RequestError::Descriptor(_)
        | _) => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::frames::Failure;
    use super::*;

    /// What the worker answers to a text that a network process wants to be kept.
    fn store(folder: &Path, text: &str) -> Result<(), Failure> {
        let mut worker = Worker { folder, text: Vec::new() };
        let mut last = Ok(Handled::Nothing);
        for request in parts(text) {
            last = worker.handle(request);
        }
        match last {
            Ok(Handled::Event(Event::Done)) => Ok(()),
            Ok(_) => panic!("a text that has come to its end is kept or refused"),
            Err(error) => Err((&error).into()),
        }
    }

    #[test]
    fn network_process_that_was_taken_over_keeps_nothing_that_a_service_cannot_start_with() {
        let folder = tempfile::tempdir().unwrap();
        let kept = || files::read(folder.path()).unwrap();
        let good = "MaxBatchItems = 7\n[[Listener]]\nAddress = \"IP:127.0.0.1\"\nPort = 5990\n";
        store(folder.path(), good).unwrap();
        for wrong in [
            "MaxBatchItems = 0\n",
            // Settings are found in any case, and the service reads them in one.
            "maxbatchitems = 7\n",
            "[Service]\nMaxConnections = \"many\"\n",
            "[Service]\nRootSDDL = \"nonsense\"\n",
            "[Plugin.\"a/b\"]\n",
            "[[Listener]]\nAddress = \"\"\n",
            "[[Listener]]\nAddress = \"what-is-known.example.com\"\n",
            "[[Listener]]\nCommand = \"x\"\n",
            "[[CertMapping]]\nIssuer = \"1\"\n",
            "[PowerShell]\nCommand = [\"x\"]\n",
        ] {
            assert!(store(folder.path(), wrong).is_err(), "{wrong}");
            assert_eq!(kept().as_deref(), Some(good), "{wrong}");
        }
        // A part without its beginning is none, and neither is a text that is not UTF-8.
        let mut worker = Worker { folder: folder.path(), text: Vec::new() };
        let part = |total, offset, part: &[u8]| Request::Store { total, offset, part: part.into() };
        assert!(worker.handle(part(9, 5, b"= 1\n")).is_err());
        assert!(worker.handle(part(1, 0, b"\xff")).is_err());
        assert_eq!(kept().as_deref(), Some(good));
    }
}
