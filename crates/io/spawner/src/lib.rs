//! The processes of the service: the small one that may change users, and what it starts.
//!
//! ```text
//!                 SIGTERM                                   HTTP, TLS, XML, logins
//!                    │                                              │
//!          ┌─────────▼─────────┐   64-byte frames (root)   ┌────────▼────────┐
//!          │ spawner           │◄──────────────────────────┤ network         │
//!          │ root, one thread, │   descriptor 3            │ a service user  │
//!          │ no runtime        ├──────────────────────────►│ no way back     │
//!          └──┬─────────────┬──┘   Opened + keeper's socket └────────┬────────┘
//!             │ fork        │ fork                                   │ frames (keeper):
//!             │ (no exec)   │                                        │ Start, Signal, Ticket
//!     ┌───────▼───────┐   ┌─▼─────────────┐                          │
//!     │ helper: ends  │   │ keeper, one   │◄─────────────────────────┘
//!     │ one or more   │   │ per shell, as │──► Started + 3 pipes, Exited
//!     │ shells, exits │   │ the local user│
//!     └───────────────┘   └───────┬───────┘
//!                                 │ fork, exec
//!                         ┌───────▼───────┐
//!                         │ commands      │ own session each
//!                         └───────────────┘
//! ```
//!
//! * The **spawner** ([`run`]) keeps root and nothing else: it reads fixed frames, looks an account up in a file that only
//!   root can write ([`users`]), forks keepers, ends and reaps them. It never sees a command line, an environment, a path
//!   from a client or an output byte.
//! * The **network** process ([`network`]) does everything that the network can reach. It asks for accounts, shells and
//!   low ports; it cannot choose a uid.
//! * A shell that is opened with a Kerberos ticket has a **folder** of its own in memory for it, which its commands find by
//!   `KRB5CCNAME` and which goes with the shell.
//! * An **assistant** ([`network::assistant`]) is a process beside it, of the same user, for what its sandbox has no room for:
//!   the owner of the Kerberos keys. Nothing of this crate knows what it says.
//! * Which of the groups that root's settings name an account's local user is in, is asked of the system by a process that is
//!   forked for that question, since the answer may take long.
//! * A **keeper** has become the mapped local user before anyone can talk to it. Pipes and commands are made by it.
//!
//! Ends: when a shell is closed, when its keeper dies, when the network process dies or on `SIGTERM`, the spawner ends
//! every process of the shell, those that called `setsid` and those that were orphaned included. When the spawner dies,
//! the network process dies with it, and each keeper sees its socket close and ends its own tree.
//!
//! Not as root the same code runs without the change of user: it serves exactly one account, whose local user is the
//! current one, and its commands can kill their keeper.

mod cgroup;
pub mod frames;
mod keeper;
pub mod network;
mod options;
mod passing;
mod registry;
mod root;
pub mod service;
pub mod store;
mod sys;
mod tickets;
mod tree;
pub mod users;

pub use options::{LogFormat, Options};
pub use root::{Finding, Report, Verdict, check};

/// The 16 bytes that name an account; the same in `accounts` and in `users`.
pub type AccountId = [u8; 16];

/// Runs the spawner process: starts the network process, serves its frames, ends and reaps shells.
///
/// To be called first thing in `main`, before argument parsing, logging, threads and runtimes: it refuses a process with
/// more than one thread. Returns 0 after a graceful stop, 1 after everything else, with the reason on standard error.
#[must_use]
pub fn run(options: Options) -> std::process::ExitCode {
    root::run(options)
}
