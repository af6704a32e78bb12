//! The Kerberos process: the owner of the keytab, and of the library that opens tokens with it.
//!
//! ```text
//!  connection ──Question::Kerberos──► KeyHolder ──frames──► worker: Keytab::accept ──► Accepted, KRB-ERROR
//!      │                                  │                 worker: password ──KDC──► ticket
//!      │ principal                        └ at most so many at a time, each with a time limit
//!      ▼
//!  principals::Judge ──► account
//! ```
//!
//! The network process cannot do this itself: its sandbox has no room for a library that reads files, talks to a KDC and
//! was not written here; and whoever takes the network process over shall not have the keys. The answers are verdicts and
//! the keys of single logins. Whose account a principal is, is decided here, by root's file.

mod delegation;
pub mod frames;
mod holder;
mod verdict;
mod worker;

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::sockopt::{self, Timeout};
use rustix::net::{RecvFlags, recv};
use transport::kerberos::Entry;
use zeroize::Zeroizing;

use crate::settings::Settings;
use frames::{Event, Unusable};

pub(crate) use delegation::{Delegation, delegated};
pub use holder::{HolderError, KeyHolder, told};
pub(crate) use verdict::judge;
pub use worker::{End, Options, died, prepare, serve};

/// The keytab in the service user's folder, where the settings name none.
pub const KEYTAB: &str = "keytab";
/// The folder in there that remembers which tokens came before.
pub const REPLAYS: &str = "replays";
/// How long the process may take to say that it is there.
const START: Duration = Duration::from_secs(30);

/// The keytab of a service: that of the settings, else the one in the service user's folder.
#[must_use]
pub fn keytab(settings: &Settings, folder: &Path) -> PathBuf {
    settings.service.kerberos.keytab.clone().unwrap_or_else(|| folder.join(KEYTAB))
}

/// The services of a keytab that WS-Management does not need: whoever takes the service over has their keys.
#[must_use]
pub fn unneeded(entries: &[Entry]) -> Vec<String> {
    let mut services: Vec<String> = entries
        .iter()
        .filter_map(|entry| entry.principal.split_once('/'))
        .map(|(service, _)| service.to_owned())
        .filter(|service| {
            !["HTTP", "WSMAN", "host"].iter().any(|known| known.eq_ignore_ascii_case(service))
        })
        .collect();
    services.sort_unstable();
    services.dedup();
    services
}

/// The way to the Kerberos process, before there is a runtime.
#[derive(Debug)]
pub struct Opened {
    socket: OwnedFd,
    /// Whether tokens can be judged.
    has_keys: bool,
}

/// What the Kerberos process said first.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "the service must know each")]
pub enum Begun {
    /// It judges tokens with these keys.
    Ready {
        /// The keys.
        entries: Vec<Entry>,
        /// What is missing of its confinement.
        unconfined: Option<String>,
    },
    /// It judges none.
    Unusable {
        /// Why.
        reason: Unusable,
        /// In words.
        text: String,
    },
}

impl Opened {
    /// Waits for what the process has to say first.
    ///
    /// # Errors
    /// When it says nothing or nonsense, or died.
    pub fn wait(socket: OwnedFd) -> io::Result<(Self, Begun)> {
        let nonsense = |text: &str| io::Error::new(io::ErrorKind::InvalidData, text);
        sockopt::set_socket_timeout(&socket, Timeout::Recv, Some(START))?;
        let mut buffer = Zeroizing::new(vec![0; frames::MAX + 1]);
        let (_, length) = recv(&socket, buffer.as_mut_slice(), RecvFlags::empty())?;
        sockopt::set_socket_timeout(&socket, Timeout::Recv, None)?;
        let frame = buffer.get(..length).unwrap_or_default();
        let (_, event) = Event::decode(frame).map_err(|error| nonsense(&error.to_string()))?;
        let begun = match event {
            Event::Ready { entries, unconfined } => Begun::Ready { entries, unconfined },
            Event::Unusable { reason, text } => Begun::Unusable { reason, text },
            Event::Died { text } => return Err(nonsense(&text)),
            Event::Accepted(_)
            | Event::NotAccepted(_)
            | Event::Bought(_)
            | Event::NotBought { .. } => return Err(nonsense("an answer to nothing")),
        };
        let has_keys = matches!(&begun, Begun::Ready { entries, .. } if !entries.is_empty());
        Ok((Self { socket, has_keys }, begun))
    }

    /// Whether tokens can be judged: without keys it only buys tickets.
    #[must_use]
    pub const fn has_keys(&self) -> bool {
        self.has_keys
    }
}
