//! What a plug-in is whose shells speak a protocol of their own inside the shell's messages: PowerShell. The service
//! keeps to the messages, the plug-in to what is in them.
//!
//! ```text
//! SessionPlugin ── open ──► Session:  command, input, signal, connect … at once, refused or taken
//!                                     poll_event                        what was taken is done
//!                                     output                            what a waiting Receive is answered with
//!                                     work                              everything else goes on in there
//! ```

use std::fmt;
use std::sync::Arc;

use auth::{Account, Ticket};
use uuid::Uuid;
use wsman::OptionSet;
use wsman::fault::Fault;
use wsman::shell::{BufferMode, InputStream};

use crate::BoxFuture;

/// One kind of shell with a protocol of its own.
pub trait SessionPlugin: Send + Sync + fmt::Debug {
    /// Whether shells of that resource are of this kind.
    fn serves(&self, resource_uri: &str) -> bool;

    /// Opens a shell.
    ///
    /// # Errors
    ///
    /// The fault that the client gets.
    fn open(&self, open: OpenSession) -> BoxFuture<'_, Result<Box<dyn Session>, Box<Fault>>>;
}

/// What such a shell is opened with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OpenSession {
    /// Whose shell it is.
    pub account: Account,
    /// Names the login that opened it.
    pub login: [u8; 16],
    /// The shell's id.
    pub id: Uuid,
    /// The resource, as the client wrote it.
    pub resource_uri: String,
    /// What the client tells the plug-in: the bytes of `creationXml`.
    pub creation: Vec<u8>,
    /// The options of the Create.
    pub options: OptionSet,
    /// Variables for what runs in the shell.
    pub environment: Vec<(String, String)>,
    /// Where that starts; `None`: the user's home.
    pub directory: Option<String>,
    /// What the client let the service have: what runs in this shell may act in its name elsewhere.
    pub ticket: Option<Arc<Ticket>>,
    /// The most memory that the shell may have with everything in it, in bytes; `None`: no limit.
    pub memory: Option<u64>,
}

/// A signal to a command of such a shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a plug-in must know each")]
pub enum SessionSignal {
    /// Stop: the command tells its end itself. [`SessionEvent::Stopped`] follows, unless its last output comes first.
    Stop,
    /// End it for good; [`SessionEvent::Terminated`] follows.
    Terminate,
}

/// What a plug-in has done with what it took.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the service must know each")]
pub enum SessionEvent {
    /// A command runs.
    Started(Uuid),
    /// Input was taken, for a command or for the shell itself.
    Written(Option<Uuid>),
    /// A command has been stopped: its end waits to be fetched, or there was nothing left to stop.
    Stopped(Uuid),
    /// A command is gone.
    Terminated(Uuid),
}

/// What a Receive is answered with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "taken apart by the service")]
pub struct SessionOutput {
    /// Whole pieces of the plug-in's protocol.
    pub data: Vec<u8>,
    /// Whether nothing follows.
    pub is_last: bool,
}

/// What waits in a shell of that kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "taken apart by the service")]
pub struct Holding {
    /// Bytes of clients that what runs in the shell has not read.
    pub input: usize,
    /// Bytes of what runs in the shell that no client has fetched.
    pub output: usize,
}

/// An open shell of that kind. Dropping it ends everything in it.
pub trait Session: Send + fmt::Debug {
    /// Takes a command; [`SessionEvent::Started`] follows. The line is for the log: what shall run, as far as it can be
    /// told at this moment.
    ///
    /// # Errors
    ///
    /// The fault that the client gets.
    fn command(&mut self, id: Uuid, payload: &[u8]) -> Result<String, Box<Fault>>;

    /// Takes input for a command or for the shell itself; [`SessionEvent::Written`] follows.
    ///
    /// # Errors
    ///
    /// The fault that the client gets.
    fn input(
        &mut self,
        command: Option<Uuid>,
        stream: InputStream,
        data: &[u8],
    ) -> Result<(), Box<Fault>>;

    /// Signals a command. What is not there any more needs no signal.
    fn signal(&mut self, command: Uuid, signal: SessionSignal);

    /// The client has left the shell to be taken up later.
    fn disconnected(&mut self, mode: BufferMode);

    /// The same client is back.
    fn reconnected(&mut self);

    /// Another client of the same user takes the shell over: what it is told in the answer.
    ///
    /// # Errors
    ///
    /// The fault that the client gets; nothing has changed.
    fn connect(&mut self, payload: &[u8]) -> Result<Vec<u8>, Box<Fault>>;

    /// The next thing that is done.
    fn poll_event(&mut self) -> Option<SessionEvent>;

    /// Output of a command or of the shell itself of at most `room` bytes, where there is some. Asked only for what a
    /// client waits for.
    fn output(&mut self, command: Option<Uuid>, room: usize) -> SessionOutput;

    /// What waits in there.
    fn held(&self) -> Holding;

    /// Says how many bytes of output may wait in there from here on: where more would, what runs in the shell has to
    /// wait, or to fail.
    fn limit_output(&mut self, bytes: usize);

    /// Does what is to be done, and becomes ready when something has changed. Dropping the future loses nothing.
    fn work(&mut self) -> BoxFuture<'_, ()>;

    /// Ends every process of the shell, and becomes ready when none is left. Called once, last of all.
    fn close(&mut self) -> BoxFuture<'_, ()>;
}
