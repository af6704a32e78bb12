//! [`Credential`]: the tickets of one principal, where they come from and how long they last.
//!
//! ```text
//!  acquire ──► Default, Cache: a cache that is somebody else's, and stays
//!         └──► Keytab, Password, Kinit: bought into a cache in this process's memory ──renew──► into a new one
//! ```

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use auth::{Secret, Ticket};

use super::error::Doing;
use super::sys::{Cache, CacheEntry, Fault, Krb5, Principal};
use super::{KerberosError, KerberosErrorKind, ccache, kinit};

/// Where tickets come from.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a caller must know each")]
pub enum Source {
    /// The user's own tickets: the default cache, whatever `KRB5CCNAME` or `krb5.conf` say it is; of several the one of
    /// the principal that is asked for.
    Default,
    /// A cache by its name: `FILE:/tmp/krb5cc_0`, `KCM:`, `KEYRING:…`, `DIR:…`, or a path.
    Cache(String),
    /// A keytab of the client's, by its path: it buys tickets into a cache of this process's own.
    Keytab(PathBuf),
    /// A password: it buys tickets into a cache of this process's own, anew before they expire.
    Password(Secret),
    /// A program as `kinit`, called `PROGRAM [-f] -c CACHE PRINCIPAL` with the password on stdin: it buys tickets into a
    /// cache of its own, a file that is removed as soon as the program has ended.
    Kinit {
        /// The program, with arguments in front of its own.
        command: Vec<String>,
        /// The password.
        password: Secret,
    },
}

/// Tickets of one principal, or the promise of them.
///
/// Those that a password or a keytab bought are in a cache of their own that goes with the last clone; the user's
/// default cache is never written to, but for the service tickets that GSSAPI keeps in a cache that it reads from.
#[derive(Clone)]
pub struct Credential {
    shared: Arc<Shared>,
}

struct Shared {
    source: Source,
    principal: String,
    forwardable: bool,
    tickets: Mutex<Tickets>,
    /// Held by the one who buys, so that many who notice at once buy once.
    buying: Mutex<()>,
}

/// The tickets of the moment.
#[derive(Clone)]
struct Tickets {
    place: Arc<Place>,
    expires: Option<SystemTime>,
}

/// Where they are.
pub(super) struct Place {
    name: String,
    /// A cache of this process's own: it goes with the last user.
    own: bool,
}

impl Place {
    /// The name of the cache.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.own {
            return;
        }
        // Without a context nothing can be removed; it is memory of this process only.
        let Ok(krb5) = Krb5::new() else { return };
        if let Ok(cache) = krb5.cache(&self.name) {
            cache.destroy();
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("source", &self.shared.source)
            .field("principal", &self.shared.principal)
            .finish_non_exhaustive()
    }
}

impl Credential {
    /// Finds or buys tickets. `principal` (`user@REALM`) may be left out for caches and keytabs, where the first will do.
    /// `forwardable` asks for tickets that can be delegated.
    ///
    /// # Errors
    /// [`KerberosError`] says what is missing: the library, a ticket, a realm, a KDC that answers; or what was wrong.
    pub fn acquire(
        source: &Source,
        principal: Option<&str>,
        forwardable: bool,
    ) -> Result<Self, KerberosError> {
        let krb5 = Krb5::new()?;
        let (principal, tickets) = match source {
            Source::Default | Source::Cache(_) => find(&krb5, source, principal)?,
            Source::Keytab(_) | Source::Password(_) | Source::Kinit { .. } => {
                let principal = client(&krb5, source, principal)?;
                let tickets = buy(&krb5, source, &principal, forwardable)?;
                (principal, tickets)
            }
        };
        Ok(Self {
            shared: Arc::new(Shared {
                source: source.clone(),
                principal,
                forwardable,
                tickets: Mutex::new(tickets),
                buying: Mutex::new(()),
            }),
        })
    }

    /// Whose tickets: `user@REALM`.
    #[must_use]
    pub fn principal(&self) -> String {
        self.shared.principal.clone()
    }

    /// When they expire; `None` where the library does not say.
    #[must_use]
    pub fn expires(&self) -> Option<SystemTime> {
        self.tickets().expires
    }

    /// Buys them anew where less than `ahead` is left of their time and what bought them is known. A cache that is
    /// somebody else's is looked at again.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    pub fn renew(&self, ahead: Duration) -> Result<(), KerberosError> {
        if self.lasts(ahead) {
            return Ok(());
        }
        let _buying = self.shared.buying.lock().unwrap_or_else(PoisonError::into_inner);
        if self.lasts(ahead) {
            return Ok(());
        }
        let (krb5, shared) = (Krb5::new()?, &self.shared);
        let tickets = match shared.source {
            Source::Default | Source::Cache(_) => {
                find(&krb5, &shared.source, Some(&shared.principal))?.1
            }
            Source::Keytab(_) | Source::Password(_) | Source::Kinit { .. } => {
                buy(&krb5, &shared.source, &shared.principal, shared.forwardable)?
            }
        };
        *self.tickets() = tickets;
        Ok(())
    }

    /// The tickets as a file has them, to be passed on: those that get further ones, where there are such.
    ///
    /// # Errors
    /// Where they are longer than [`Ticket::MAX`], or cannot be read.
    pub fn ticket(&self) -> Result<Ticket, KerberosError> {
        let (krb5, place) = (Krb5::new()?, self.place());
        let cache = krb5.cache(place.name()).map_err(|fault| in_cache(&fault, place.name()))?;
        ccache::ticket(&cache)
    }

    /// Where the tickets are, which are still good; the cache stays as long as this is held.
    pub(super) fn usable(&self) -> Result<Arc<Place>, KerberosError> {
        let place = self.place();
        if self.lasts(Duration::ZERO) {
            return Ok(place);
        }
        Err(expired(&self.shared.principal, place.name()))
    }

    fn place(&self) -> Arc<Place> {
        Arc::clone(&self.tickets().place)
    }

    fn tickets(&self) -> MutexGuard<'_, Tickets> {
        self.shared.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lasts(&self, ahead: Duration) -> bool {
        let expires = self.tickets().expires;
        expires.is_none_or(|expires| {
            SystemTime::now().checked_add(ahead).is_some_and(|then| then < expires)
        })
    }
}

/// Whose tickets are to be bought, as the library writes the name.
fn client(krb5: &Krb5, source: &Source, asked: Option<&str>) -> Result<String, KerberosError> {
    let name = match (asked, source) {
        (Some(name), _) => name.to_owned(),
        (None, Source::Keytab(path)) => {
            let path = keytab_name(path)?;
            let doing = Doing::Keys { path: &path };
            let keys = krb5.keys_of(&path).map_err(|fault| KerberosError::of(&fault, doing))?;
            let first = keys.into_iter().next();
            let empty = || {
                KerberosError::new(KerberosErrorKind::Keytab, format!("the keytab {path} is empty"))
            };
            first.ok_or_else(empty)?.principal
        }
        (None, _) => {
            let text = "a password needs a name to go with it: user@REALM";
            return Err(KerberosError::new(KerberosErrorKind::NoRealm, text));
        }
    };
    let doing = Doing::Password { principal: &name };
    let in_words = |fault: Fault| KerberosError::of(&fault, doing);
    krb5.parse(&name).and_then(|principal| principal.text()).map_err(in_words)
}

/// Tickets that are there already.
fn find(
    krb5: &Krb5,
    source: &Source,
    asked: Option<&str>,
) -> Result<(String, Tickets), KerberosError> {
    let wanted = asked.map(|name| parse(krb5, name)).transpose()?;
    let (found, said) = match (source, &wanted) {
        (Source::Cache(name), _) => (krb5.cache(name), name.as_str()),
        (_, Some(principal)) => (krb5.cache_of(principal), "any cache of the user's"),
        (_, None) => (krb5.default_cache(), "the default cache"),
    };
    let cache = found.map_err(|fault| in_cache(&fault, said))?;
    let name = cache.name().map_err(|fault| in_cache(&fault, said))?;
    let owner = cache.principal().and_then(|owner| owner.text());
    let owner = owner.map_err(|fault| in_cache(&fault, &name))?;
    let wanted = wanted.map(|wanted| wanted.text()).transpose();
    let wanted = wanted.map_err(|fault| in_cache(&fault, &name))?;
    if let Some(wanted) = wanted.filter(|wanted| *wanted != owner) {
        let text = format!("{name} has the tickets of {owner}, and not of {wanted}");
        return Err(KerberosError::new(KerberosErrorKind::NoTicket, text));
    }
    let left = time_left(krb5, &cache).map_err(|fault| in_cache(&fault, &name))?;
    let tickets =
        Tickets { place: Arc::new(Place { name, own: false }), expires: left.map(deadline) };
    match left {
        None => {
            Err(KerberosError::of(&Fault::nothing(), Doing::Cache { name: &tickets.place.name }))
        }
        Some(0) => Err(expired(&owner, &tickets.place.name)),
        Some(_) => Ok((owner, tickets)),
    }
}

/// Tickets for a password, or for what stands in its place.
fn buy(
    krb5: &Krb5,
    source: &Source,
    principal: &str,
    forwardable: bool,
) -> Result<Tickets, KerberosError> {
    let client = parse(krb5, principal)?;
    let own = |fault: Fault| in_cache(&fault, "this process's memory");
    let cache = krb5.new_cache().map_err(own)?;
    // From here on the cache goes away with its place, whatever fails.
    let place = Arc::new(Place { name: cache.name().map_err(own)?, own: true });
    match source {
        Source::Password(password) => krb5
            .buy_by_password(&client, password, forwardable, &cache)
            .map_err(|fault| KerberosError::of(&fault, Doing::Password { principal }))?,
        Source::Keytab(path) => {
            let path = keytab_name(path)?;
            has_key(krb5, &path, principal)?;
            krb5.buy_by_keytab(&client, &path, forwardable, &cache).map_err(|fault| {
                KerberosError::of(&fault, Doing::Keytab { principal, path: &path })
            })?;
        }
        Source::Kinit { command, password } => {
            let call = kinit::Call { command, password, principal, forwardable };
            call.run(krb5, &client, &cache)?;
        }
        // Nothing bought these.
        Source::Default | Source::Cache(_) => {}
    }
    let left = time_left(krb5, &cache).map_err(own)?;
    Ok(Tickets { place, expires: left.map(deadline) })
}

/// Whether a keytab is of any use: what comes of one that is not says nothing of the keytab.
fn has_key(krb5: &Krb5, path: &str, principal: &str) -> Result<(), KerberosError> {
    let in_words = |fault| KerberosError::of(&fault, Doing::Keys { path });
    if krb5.keys_of(path).map_err(in_words)?.iter().any(|key| key.principal == principal) {
        return Ok(());
    }
    Err(KerberosError::of(&Fault::no_key(), Doing::Keytab { principal, path }))
}

fn parse<'a>(krb5: &'a Krb5, name: &str) -> Result<Principal<'a>, KerberosError> {
    let in_words = |fault| KerberosError::of(&fault, Doing::Password { principal: name });
    krb5.parse(name).map_err(in_words)
}

/// Seconds for which a cache can still get tickets: the time of the ticket-granting ticket of its principal's realm, or,
/// where it has none, of the ticket that lasts longest. `None` where it has no ticket at all.
fn time_left(krb5: &Krb5, cache: &Cache<'_>) -> Result<Option<u32>, Fault> {
    let entries = cache.entries()?;
    let tickets = || entries.iter().filter(|entry| ccache::is_ticket(entry));
    let ends = |entry: &CacheEntry| entry.times[2];
    let granting = tickets().filter(|entry| ccache::is_own_granting(entry)).map(ends).max();
    let end = granting.or_else(|| tickets().map(ends).max());
    let now = krb5.now()?;
    Ok(end.map(|end| end.saturating_sub(now)))
}

fn expired(principal: &str, cache: &str) -> KerberosError {
    let text = format!(
        "the Kerberos tickets of {principal} in {cache} have expired: run `kinit` again, or give a name and a password"
    );
    KerberosError::new(KerberosErrorKind::Expired, text)
}

fn deadline(left: u32) -> SystemTime {
    let now = SystemTime::now();
    now.checked_add(Duration::from_secs(left.into())).unwrap_or(now)
}

fn in_cache(fault: &Fault, name: &str) -> KerberosError {
    KerberosError::of(fault, Doing::Cache { name })
}

/// A keytab's name for the library.
pub(super) fn keytab_name(path: &Path) -> Result<String, KerberosError> {
    let text = path.to_str().ok_or_else(|| {
        let text = format!("{} is not UTF-8, as the path of a keytab must be", path.display());
        KerberosError::new(KerberosErrorKind::Keytab, text)
    })?;
    Ok(format!("FILE:{text}"))
}
