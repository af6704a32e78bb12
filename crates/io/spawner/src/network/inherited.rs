//! The way to the spawner before anything runs: no runtime, no thread, one question at a time.
//!
//! The network process opens its listeners first and closes its [`sandbox`](super::sandbox) then, while it has one
//! thread. Ports below 1024 have to be asked for in between, so this half waits where the other one has tasks.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::unistd::User;
use rustix::net::{SendFlags, send, sockopt};
use tokio::runtime::Handle;

use super::socket::receive_waiting;
use super::{RequestError, Spawner, decode, protect};
use crate::frames::root::{Event, LENGTH, Request};
use crate::sys;

/// Descriptor 3, which the spawner left in this process.
#[derive(Debug)]
pub struct Inherited {
    socket: OwnedFd,
    sequence: u32,
    stop: bool,
}

/// The private socket.
#[derive(Debug)]
#[non_exhaustive]
pub struct Local {
    /// It listens, and does not block.
    pub socket: UnixListener,
    /// The uid of the process that started this one: root, or the only user of the service.
    pub administrator: u32,
    /// The name of that user.
    pub name: String,
}

impl Inherited {
    /// Takes the descriptor over. Works once. Calls [`protect`] too.
    ///
    /// # Errors
    /// When descriptor 3 is not the spawner's socket, or was taken before.
    pub fn take() -> io::Result<Self> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        protect()?;
        if TAKEN.swap(true, Ordering::SeqCst) {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "the privileged process's socket is taken",
            ));
        }
        Ok(Self::new(sys::inherited_socket()?))
    }

    fn new(socket: OwnedFd) -> Self {
        Self { socket, sequence: 0, stop: false }
    }

    /// A listening socket for one of the privileged listeners of [`crate::Options`]. Waits for the answer.
    ///
    /// # Errors
    /// [`Reason::NotListed`](crate::frames::root::Reason::NotListed) for any other address,
    /// [`Reason::BindFailed`](crate::frames::root::Reason::BindFailed) with the system's error number.
    pub fn bind(&mut self, address: SocketAddr) -> Result<TcpListener, RequestError> {
        self.ask(Request::Bind { address }).map(TcpListener::from)
    }

    /// The private socket, and who administers the service by it: once. Waits for the answer.
    ///
    /// # Errors
    /// [`Reason::NoSocket`](crate::frames::root::Reason::NoSocket) where it could not be made.
    pub fn local(&mut self) -> Result<Local, RequestError> {
        let socket = self.ask(Request::Local)?;
        let credentials = sockopt::socket_peercred(&self.socket)
            .map_err(|error| RequestError::Descriptor(error.into()))?;
        let administrator = credentials.uid.as_raw();
        let name = User::from_uid(administrator.into()).ok().flatten().map(|user| user.name);
        let name = name.unwrap_or_else(|| format!("uid {administrator}"));
        Ok(Local { socket: socket.into(), administrator, name })
    }

    /// Asks for a descriptor.
    fn ask(&mut self, request: Request) -> Result<OwnedFd, RequestError> {
        self.sequence += 1;
        let frame = request.encode(self.sequence);
        send(&self.socket, &frame, SendFlags::NOSIGNAL).map_err(|_| RequestError::Lost)?;
        loop {
            let mut buffer = [0; LENGTH + 1];
            let received = receive_waiting(&self.socket, &mut buffer);
            let (sequence, event, descriptor) = received
                .and_then(|received| decode(&buffer, received))
                .map_err(|_| RequestError::Lost)?;
            return match (event, descriptor) {
                (Event::Stop, _) => {
                    self.stop = true;
                    continue;
                }
                (Event::Log, Some(file)) => {
                    let _replaced = rustix::stdio::dup2_stderr(&file);
                    continue;
                }
                (Event::File, Some(socket)) if sequence == self.sequence => Ok(socket),
                (Event::Refused { reason, errno }, _) if sequence == self.sequence => {
                    Err(RequestError::Refused { reason, errno })
                }
                _ => Err(RequestError::Unexpected),
            };
        }
    }

    /// Goes on inside a tokio runtime with I/O.
    ///
    /// # Errors
    /// When there is no runtime, or the system's.
    pub fn start(self) -> io::Result<Spawner> {
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        Spawner::new(self.socket, runtime, self.stop)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use rustix::net::{AddressFamily, SocketFlags, SocketType, recv, socketpair};

    use super::*;
    use crate::frames::root::Reason;
    use crate::passing::send_with;

    fn pair() -> (OwnedFd, Inherited) {
        let flags = SocketFlags::CLOEXEC;
        let (root, network) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        (root, Inherited::new(network))
    }

    fn answer(root: &OwnedFd, sequence: u32, event: Event) {
        send(root, &event.encode(sequence), SendFlags::NOSIGNAL).unwrap();
    }

    #[tokio::test]
    async fn stop_that_comes_before_the_answer_is_heard_after_the_start() {
        let (root, mut inherited) = pair();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        answer(&root, 0, Event::Stop);
        let frame = Event::File.encode(1);
        send_with(&root, &frame, &[listener.as_fd()], SendFlags::NOSIGNAL).unwrap();
        let bound = inherited.bind("127.0.0.1:80".parse().unwrap()).unwrap();
        assert_eq!(bound.local_addr().unwrap(), listener.local_addr().unwrap());
        let mut asked = [0; LENGTH];
        assert_eq!(recv(&root, &mut asked, rustix::net::RecvFlags::empty()).unwrap().1, LENGTH);
        inherited.start().unwrap().stop_requested().await;
    }

    #[test]
    fn refusal_answer_to_something_else_and_end_are_told_apart() {
        let address = "127.0.0.1:80".parse().unwrap();
        let (root, mut inherited) = pair();
        answer(&root, 1, Event::Refused { reason: Reason::NotListed, errno: 0 });
        answer(&root, 1, Event::File);
        let refused = inherited.bind(address).unwrap_err();
        assert!(matches!(refused, RequestError::Refused { reason: Reason::NotListed, errno: 0 }));
        assert!(matches!(inherited.bind(address), Err(RequestError::Unexpected)));
        drop(root);
        assert!(matches!(inherited.bind(address), Err(RequestError::Lost)));
    }
}
