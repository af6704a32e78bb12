//! What a plug-in is: the owner of one kind of shell. The service speaks the protocol, a plug-in
//! starts commands.
//!
//! ```text
//! ShellPlugin ── open ──► ShellInstance ── start ──► Running { stdin, stdout, stderr, control }
//!                              │ ended, close                           │ signal, wait
//! ```

mod session;

use std::fmt;
use std::sync::Arc;

use auth::{Account, Ticket};
use tokio::io::{AsyncRead, AsyncWrite};
use uuid::Uuid;
use wsman::fault::Fault;

use crate::BoxFuture;

pub use session::{
    Holding, OpenSession, Session, SessionEvent, SessionOutput, SessionPlugin, SessionSignal,
};

/// One kind of shell.
pub trait ShellPlugin: Send + Sync + fmt::Debug {
    /// The resource URI that clients name to get this kind.
    fn resource_uri(&self) -> &str;

    /// Opens a shell.
    ///
    /// # Errors
    ///
    /// The fault that the client gets.
    fn open(&self, shell: OpenShell) -> BoxFuture<'_, Result<Arc<dyn ShellInstance>, Box<Fault>>>;
}

/// What a shell is opened with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OpenShell {
    /// Whose shell it is.
    pub account: Account,
    /// Names the login that opened it.
    pub login: [u8; 16],
    /// The shell's id.
    pub id: Uuid,
    /// Variables for every command, in order; the last of a name holds.
    pub environment: Vec<(String, String)>,
    /// The working directory of every command; `None`: the user's home.
    pub directory: Option<String>,
    /// What the client let the service have: commands of this shell may act in its name elsewhere.
    pub ticket: Option<Arc<Ticket>>,
    /// The most memory that the shell may have with everything in it, in bytes; `None`: no limit.
    pub memory: Option<u64>,
}

/// An open shell.
pub trait ShellInstance: Send + Sync + fmt::Debug {
    /// Starts a command. Several may run at once.
    ///
    /// # Errors
    ///
    /// The fault that the client gets.
    fn start(&self, command: StartCommand) -> BoxFuture<'_, Result<Running, Box<Fault>>>;

    /// Becomes ready when the shell can start nothing any more: what ran its commands is gone.
    fn ended(&self) -> BoxFuture<'_, ()>;

    /// Ends every process of the shell, and becomes ready when none is left. Called once, after
    /// the other futures of this shell were dropped.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// A command to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StartCommand {
    /// `rsp:Command`, as it came.
    pub command: String,
    /// `rsp:Arguments`, as they came.
    pub arguments: Vec<String>,
    /// `WINRS_SKIP_CMD_SHELL`: the program itself, without a command interpreter around it.
    pub skip_cmd_shell: bool,
}

impl StartCommand {
    /// A command with its arguments.
    #[must_use]
    pub fn new(command: String, arguments: Vec<String>, skip_cmd_shell: bool) -> Self {
        Self { command, arguments, skip_cmd_shell }
    }

    /// The command line: command and arguments with a space between each, as Windows puts them
    /// together ([MS-WSMV] 3.1.4.11).
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = self.command.clone();
        for argument in &self.arguments {
            line.push(' ');
            line.push_str(argument);
        }
        line
    }
}

/// A running command. Dropping it closes its pipes; it does not end the command.
pub struct Running {
    /// The command's standard input.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// The command's standard output.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// The command's standard error stream.
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
    /// Signals and the end.
    pub control: Box<dyn CommandControl>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("control", &self.control).finish_non_exhaustive()
    }
}

/// How a running command is steered.
pub trait CommandControl: Send + fmt::Debug {
    /// Sends a signal to the command and what it started; it may have ended already.
    fn signal(&mut self, signal: CommandSignal);

    /// Becomes ready with the exit code when the command has ended. Dropping the future loses
    /// nothing: it may be called again.
    fn wait(&mut self) -> BoxFuture<'_, u32>;
}

/// What a command can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a plug-in must know each")]
pub enum CommandSignal {
    /// Ctrl-C or Ctrl-Break: asks it to stop.
    Interrupt,
    /// Ends it.
    Terminate,
}
