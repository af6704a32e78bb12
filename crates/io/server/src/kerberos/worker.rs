//! The worker of the Kerberos process: takes requests, judges tokens and buys tickets on threads of its own, and says what
//! came of it.
//!
//! ```text
//!  socket ──► this thread ──► tokens, a short queue ───► JUDGES threads ──┐
//!                       └───► passwords, a short queue ► BUYERS threads ──┴──► socket
//! ```
//!
//! The worker may read the keytab that was there when it began, and no other file beside it: when another one has taken its
//! place the worker finishes what it has, takes nothing more, and ends, and the next one begins with the new keytab.
//!
//! Tokens are from strangers, and cost no more than a look into keytab and replay cache. Passwords are from somebody who
//! has logged in, and wait for a KDC: they have their own threads, so that a KDC that does not answer keeps nobody out.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use auth::{KerberosRefusal, Secret, Ticket};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use transport::kerberos::configuration::Configuration;
use transport::kerberos::{
    Credential, Entry, KerberosError, KerberosErrorKind, Keytab, NotAccepted, Source,
};
use zeroize::Zeroizing;

use super::frames::{Event, MAX, Request, Unusable};
use super::holder::{MOST_BUYS, MOST_TOKENS};
use crate::accounts::Stamp;

/// Threads that judge tokens.
const JUDGES: usize = 2;
/// Threads that buy tickets.
const BUYERS: usize = 4;

/// What a worker works with.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "options are meant to be written out")]
pub struct Options {
    /// The keytab; `None` where only tickets are to be bought.
    pub keytab: Option<PathBuf>,
    /// The folder that remembers which tokens came before.
    pub replays: PathBuf,
    /// Whether the keytab may have keys of the host.
    pub allow_host_key: bool,
}

/// Makes what must be there before the worker is confined.
///
/// # Errors
/// The system's.
pub fn prepare(options: &Options) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    match std::fs::DirBuilder::new().mode(0o700).create(&options.replays) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What the supervisor says of a worker that died.
#[must_use]
pub fn died(status: ExitStatus) -> Vec<u8> {
    Event::Died { text: status.to_string() }.encode(0).to_vec()
}

/// How a worker's life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "who started it must know what to do")]
pub enum End {
    /// The service has gone.
    Service,
    /// There is another keytab: another worker is to go on.
    Keytab,
}

/// A worker's life: says that it is there, then serves until the other end closes, or there is another keytab. `unconfined`
/// is told to the service.
///
/// # Errors
/// The system's, and nonsense from the other end.
pub fn serve(socket: OwnedFd, options: Options, unconfined: Option<String>) -> io::Result<End> {
    let keytab = options.keytab.clone();
    let place = keytab.as_deref().map(place);
    let worker = Arc::new(Worker { socket, keys: Keys { options, known: Mutex::new(None) } });
    worker.say(0, &worker.first_words(unconfined));
    let mut threads = Vec::new();
    let tokens = worker.pool(JUDGES, MOST_TOKENS, &mut threads)?;
    let passwords = worker.pool(BUYERS, MOST_BUYS, &mut threads)?;
    let mut buffer = Zeroizing::new(vec![0; MAX + 1]);
    loop {
        match poll(&mut [PollFd::new(&worker.socket, PollFlags::IN)], None) {
            Err(error) if error != Errno::INTR => return Err(error.into()),
            Ok(_) | Err(_) => {}
        }
        // Before the next request is taken: it is the next worker's.
        if keytab.as_deref().map(self::place) != place {
            drop((tokens, passwords));
            for thread in threads {
                let _ended = thread.join();
            }
            return Ok(End::Keytab);
        }
        let length = match recv(&worker.socket, buffer.as_mut_slice(), RecvFlags::empty()) {
            Ok((_, 0)) => return Ok(End::Service),
            Ok((_, length)) => length,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        let frame = buffer.get(..length).unwrap_or_default();
        let (number, request) = Request::decode(frame).map_err(io::Error::other)?;
        let queue = match &request {
            Request::Accept { .. } => &tokens,
            Request::Buy { .. } => &passwords,
        };
        match queue.try_send((number, request)) {
            Ok(()) => {}
            // Those whom nobody waits for any more are still in there: a KDC that does not answer takes longer than they
            // waited. Nobody else shall suffer for that.
            Err(TrySendError::Full((number, request))) => worker.say(number, &busy(&request)),
            Err(TrySendError::Disconnected(_)) => {
                return Err(io::Error::other("the threads of the worker have ended"));
            }
        }
    }
}

type Job = (u32, Request);

#[derive(Debug)]
struct Worker {
    socket: OwnedFd,
    keys: Keys,
}

impl Worker {
    fn first_words(&self, unconfined: Option<String>) -> Event {
        let entries = match &self.keys.options.keytab {
            Some(path) => self.keys.get(path).and_then(|keytab| entries(&keytab)),
            None => library().map(|()| Vec::new()),
        };
        match entries {
            Ok(entries) => Event::Ready { entries, unconfined },
            Err(Unfit { reason, text }) => Event::Unusable { reason, text },
        }
    }

    /// Threads that take their work from one queue.
    fn pool(
        self: &Arc<Self>,
        count: usize,
        most: usize,
        threads: &mut Vec<JoinHandle<()>>,
    ) -> io::Result<SyncSender<Job>> {
        let (sender, receiver) = sync_channel(most);
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..count {
            let (worker, receiver) = (Arc::clone(self), Arc::clone(&receiver));
            threads.push(thread::Builder::new().spawn(move || {
                let _ends = EndsAll;
                while let Some((number, request)) = next(&receiver) {
                    worker.say(number, &worker.answer(request));
                }
            })?);
        }
        Ok(sender)
    }

    /// A ticket for a password, which can be forwarded further where the realm allows it.
    fn buy(&self, principal: &str, password: Secret) -> Result<Ticket, String> {
        let keytab = self.keys.options.keytab.as_ref().and_then(|path| self.keys.get(path).ok());
        let keys = keytab.and_then(|keytab| entries(&keytab).ok()).unwrap_or_default();
        let known = Configuration::read().map_err(|error| error.to_string())?;
        let (user, written) = principal.rsplit_once('@').unwrap_or((principal, ""));
        let Some(realm) = realm(written, &keys, &known) else {
            return Err(format!(
                "{principal}: neither the keytab nor krb5.conf has that realm; put it into [realms] there if its KDC may be asked"
            ));
        };
        let principal = format!("{user}@{realm}");
        Credential::acquire(&Source::Password(password), Some(&principal), true)
            .and_then(|credential| credential.ticket())
            .map_err(|error| error.to_string())
    }

    fn say(&self, number: u32, event: &Event) {
        // Who is gone needs no answer; the loop sees the end.
        let _gone = send(&self.socket, &event.encode(number), SendFlags::NOSIGNAL);
    }

    fn answer(&self, request: Request) -> Event {
        match request {
            Request::Accept { token, binding } => {
                let keytab = match &self.keys.options.keytab {
                    Some(path) => self.keys.get(path),
                    None => Err(Unfit::keytab("the service was started without a keytab")),
                };
                let accepted = keytab
                    .map_err(|Unfit { text, .. }| {
                        let refusal = KerberosRefusal::NoKeytab;
                        NotAccepted { refusal, text, token: None }
                    })
                    .and_then(|keytab| keytab.accept(&token, binding.as_ref()));
                match accepted {
                    Ok(accepted) => Event::Accepted(Box::new(accepted)),
                    Err(refused) => Event::NotAccepted(refused),
                }
            }
            Request::Buy { principal, password } => match self.buy(&principal, password) {
                Ok(ticket) => Event::Bought(ticket),
                Err(text) => Event::NotBought { text },
            },
        }
    }
}

/// The realm of a user's name, of those that this machine has to do with: a client shall not choose whose KDC, found by
/// whose DNS, the process with the keys talks to. A domain's short name may stand for its realm.
fn realm<'a>(written: &'a str, keys: &'a [Entry], known: &'a Configuration) -> Option<&'a str> {
    let of_key = |entry: &'a Entry| entry.principal.rsplit_once('@').map(|(_, realm)| realm);
    if keys.iter().filter_map(of_key).chain(known.known_realms()).any(|realm| realm == written) {
        return Some(written);
    }
    known.realm_of_domain(written)
}

/// The answer to a request for which there is no room.
fn busy(request: &Request) -> Event {
    let text = "too many are waiting for an answer already".to_owned();
    match request {
        Request::Accept { .. } => {
            let refusal = KerberosRefusal::Other;
            Event::NotAccepted(NotAccepted { refusal, text, token: None })
        }
        Request::Buy { .. } => Event::NotBought { text },
    }
}

/// Which file is at a path: its device and number.
fn place(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

fn next(receiver: &Mutex<Receiver<Job>>) -> Option<Job> {
    receiver.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// Ends the process when a thread of it panics: what was asked of that thread would never be answered.
#[derive(Debug)]
struct EndsAll;

impl Drop for EndsAll {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}

/// The keytab as it is now: one that is changed counts from the next token on.
#[derive(Debug)]
struct Keys {
    options: Options,
    known: Mutex<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    stamp: Stamp,
    keytab: Arc<Keytab>,
}

/// Why there are no keys.
#[derive(Debug)]
struct Unfit {
    reason: Unusable,
    text: String,
}

impl Unfit {
    fn keytab(text: impl Into<String>) -> Self {
        Self { reason: Unusable::Keytab, text: text.into() }
    }
}

impl From<KerberosError> for Unfit {
    fn from(error: KerberosError) -> Self {
        let reason = if error.kind() == KerberosErrorKind::NoLibrary {
            Unusable::NoLibrary
        } else {
            Unusable::Keytab
        };
        Self { reason, text: error.to_string() }
    }
}

impl Keys {
    fn get(&self, path: &Path) -> Result<Arc<Keytab>, Unfit> {
        let unreadable =
            |error: io::Error| Unfit::keytab(format!("the keytab {}: {error}", path.display()));
        let file = File::open(path).map_err(unreadable)?;
        let stamp = Stamp::of(&file).map_err(unreadable)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref().filter(|known| known.stamp == stamp) {
            return Ok(Arc::clone(&known.keytab));
        }
        let keytab = Arc::new(Keytab::open(path, &self.options.replays)?);
        let found = entries(&keytab)?;
        if let Some(entry) = found.iter().find(|entry| is_the_hosts(entry))
            && !self.options.allow_host_key
        {
            let text = format!(
                "the keytab {} has the key of {}: whoever has the host's key can forge logins to other services of this \
                 host, such as sshd; put the keys of HTTP/ and WSMAN/ of an account of their own into it, or set \
                 AllowHostKey in Service.Kerberos",
                path.display(),
                entry.principal
            );
            return Err(Unfit { reason: Unusable::HostKey, text });
        }
        *known = Some(Known { stamp, keytab: Arc::clone(&keytab) });
        Ok(keytab)
    }
}

fn entries(keytab: &Keytab) -> Result<Vec<Entry>, Unfit> {
    Ok(keytab.entries()?)
}

/// The host's own keys: its service, and in Active Directory its account, which has the same key.
fn is_the_hosts(entry: &Entry) -> bool {
    let name = entry.principal.rsplit_once('@').map_or(entry.principal.as_str(), |(name, _)| name);
    match name.split_once('/') {
        Some((service, _)) => service.eq_ignore_ascii_case("host"),
        None => name.ends_with('$'),
    }
}

/// Whether the system has the library: without it nothing can be bought.
fn library() -> Result<(), Unfit> {
    Ok(transport::kerberos::load()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Questions that nobody waits for any more may fill the queue; the next one is told so, and the worker goes on.
    #[test]
    fn more_than_the_queue_takes_is_answered_and_ends_nobody() {
        const COUNT: u32 = 300;
        let (ours, theirs) = spawner::network::assistant::pair().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let replays = folder.path().join("replays");
        let options = Options { keytab: None, replays, allow_host_key: false };
        let worker = thread::spawn(|| serve(theirs, options, None));
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in 1..=COUNT {
                    // No name of anybody, so that nobody is asked about it.
                    let principal = "a@b@c".to_owned();
                    let request = Request::Buy { principal, password: "x".into() };
                    send(&ours, &request.encode(number).unwrap(), SendFlags::empty()).unwrap();
                }
            });
            let mut waiting: std::collections::BTreeSet<u32> = (0..=COUNT).collect();
            let mut buffer = vec![0; MAX];
            while !waiting.is_empty() {
                let (_, length) = recv(&ours, buffer.as_mut_slice(), RecvFlags::empty()).unwrap();
                assert_ne!(length, 0, "the worker has ended; {} wait", waiting.len());
                let (number, event) = Event::decode(&buffer[..length]).unwrap();
                let expected = if number == 0 {
                    matches!(event, Event::Ready { .. })
                } else {
                    matches!(event, Event::NotBought { .. })
                };
                assert!(expected && waiting.remove(&number), "{number}: {event:?}");
            }
        });
        drop(ours);
        assert_eq!(worker.join().unwrap().unwrap(), End::Service);
    }

    #[test]
    fn tickets_are_bought_from_realms_that_this_machine_knows() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("krb5.conf");
        std::fs::write(&file, "[realms]\n AD.EXAMPLE.COM = {\n }\n[domain_realm]\n .x = TRUSTED\n")
            .unwrap();
        let known = Configuration::read_from(&[file]).unwrap();
        let key = |principal: &str| Entry {
            principal: principal.to_owned(),
            version: 1,
            encryption_type: 18,
        };
        let keys = [key("HTTP/web.own.test@OWN.TEST")];
        for (written, expected) in [
            ("OWN.TEST", Some("OWN.TEST")),
            ("AD.EXAMPLE.COM", Some("AD.EXAMPLE.COM")),
            ("AD", Some("AD.EXAMPLE.COM")),
            ("TRUSTED", Some("TRUSTED")),
            ("EVIL.TEST", None),
            ("", None),
        ] {
            assert_eq!(realm(written, &keys, &known), expected, "{written}");
        }
    }

    #[test]
    fn keys_of_the_host_are_known_by_their_names() {
        for (principal, told) in [
            ("host/web.example.com@R", true),
            ("HOST/web@R", true),
            ("WEB$@R", true),
            ("HTTP/web.example.com@R", false),
            ("WSMAN/web@R", false),
            ("svc-winrm@R", false),
            ("hostess/web@R", false),
        ] {
            let entry = Entry { principal: principal.to_owned(), version: 1, encryption_type: 18 };
            assert_eq!(is_the_hosts(&entry), told, "{principal}");
        }
    }
}
