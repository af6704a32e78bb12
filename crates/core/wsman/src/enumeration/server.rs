//! What a service keeps of enumerations between Enumerate and the last Pull, DSP0226 8 and
//! [MS-WSMV] 3.1.4.1.36.
//!
//! ```text
//!            enumerate                    the last item is told, release,
//! (nothing) ───────────► a context ──────────────────────────────────────► (nothing)
//!                          ▲   │ pull      no Pull for the time-out
//!                          └───┘
//! ```
//!
//! The items come from an iterator that is asked only for what the next answer has room for; who
//! may see which is the driver's affair, and so are filters.

use std::collections::BTreeMap;
use std::fmt;
use std::iter::Peekable;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::{
    Batch, Enumerate, EnumerateResponse, Item, Mode, Pull, PullResponse, Release, Spelling,
};
use crate::envelope::{same_id, uuid_uri};
use crate::fault::{ErrorCode, Fault};
use crate::selector::EndpointReference;
use crate::xml::{self, Element};

/// Bounds of the enumerations of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by the service from its configuration")]
pub struct Settings {
    /// The most items of one answer (`MaxBatchItems`). Default 32,000.
    pub max_batch_items: usize,
    /// How long a context is kept without a Pull (`EnumerationTimeoutms`). Default 240 s.
    pub timeout: Duration,
    /// Contexts that may exist at once. Default 1,500.
    pub max_contexts: usize,
    /// Contexts that one owner may have at once. Default 15.
    pub max_contexts_per_owner: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_batch_items: 32_000,
            timeout: Duration::from_secs(240),
            max_contexts: 1_500,
            max_contexts_per_owner: 15,
        }
    }
}

/// What is enumerated: each object with the reference to it, where there are references.
pub struct Source(Box<dyn Iterator<Item = (Element, Option<EndpointReference>)> + Send>);

impl Source {
    /// Objects that nothing refers to.
    pub fn objects<I>(objects: I) -> Self
    where
        I: IntoIterator<Item = Element>,
        I::IntoIter: Send + 'static,
    {
        Self(Box::new(objects.into_iter().map(|object| (object, None))))
    }

    /// Objects and the references to them.
    pub fn references<I>(items: I) -> Self
    where
        I: IntoIterator<Item = (Element, EndpointReference)>,
        I::IntoIter: Send + 'static,
    {
        Self(Box::new(items.into_iter().map(|(object, reference)| (object, Some(reference)))))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source(..)")
    }
}

/// How much an answer may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by every driver")]
pub struct Room {
    /// The most octets that the encoded reply may have, as UTF-8: see [`crate::Charset::fits`].
    pub envelope_limit: usize,
    /// Octets of an encoded reply whose body is empty.
    pub empty_reply: usize,
}

/// The enumerations that are under way.
#[derive(Debug)]
pub struct Enumerations {
    settings: Settings,
    contexts: BTreeMap<String, Context>,
}

#[derive(Debug)]
struct Context {
    owner: String,
    cursor: Cursor,
    expires: Option<Instant>,
}

impl Enumerations {
    /// None yet.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self { settings, contexts: BTreeMap::new() }
    }

    /// How many contexts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.contexts.len()
    }

    /// Whether there is no context.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.contexts.is_empty()
    }

    /// Begins an enumeration for `owner`. `fresh` names the context, if one is needed: an optimised
    /// request whose items fit the answer leaves none behind.
    ///
    /// What `n:Expires` wishes is not granted: the context lives from Pull to Pull, as on Windows.
    ///
    /// # Errors
    ///
    /// The fault to answer with: too many contexts, an item without the reference that the mode
    /// wants, or one that does not fit the answer.
    pub fn enumerate(
        &mut self,
        owner: &str,
        request: &Enumerate,
        source: Source,
        room: Room,
        fresh: Uuid,
        now: Instant,
    ) -> Result<EnumerateResponse, Box<Fault>> {
        self.handle_timeout(now);
        let mut cursor = Cursor { items: source.0.peekable(), mode: request.mode, held: None };
        let mut batch = Batch::new(Spelling::WsMan);
        if request.optimize {
            let count = self.batch_items(request.max_elements);
            batch = cursor.batch(count, room.octets(), Spelling::WsMan)?;
        }
        if batch.is_last {
            let context = Some(String::new());
            return Ok(EnumerateResponse { context, batch, ..EnumerateResponse::default() });
        }
        self.check_quota(owner)?;
        let id = uuid_uri(fresh);
        let owner = owner.to_owned();
        let expires = now.checked_add(self.settings.timeout);
        self.contexts.insert(id.clone(), Context { owner, cursor, expires });
        Ok(EnumerateResponse { context: Some(id), batch, ..EnumerateResponse::default() })
    }

    /// Brings the next items. Nothing waits here, so that `n:MaxTime` is kept.
    ///
    /// # Errors
    ///
    /// The fault to answer with: there is no such context of this owner, or the next item does not
    /// fit the answer; then a Pull with more room may follow.
    pub fn pull(
        &mut self,
        owner: &str,
        request: &Pull,
        room: Room,
        now: Instant,
    ) -> Result<PullResponse, Box<Fault>> {
        self.handle_timeout(now);
        let count = self.batch_items(request.max_elements);
        let key = self.find(owner, &request.context)?;
        let expires = now.checked_add(self.settings.timeout);
        let context = self.contexts.get_mut(&key).ok_or_else(no_context)?;
        context.expires = expires;
        let characters = request.max_characters.map_or(usize::MAX, at_most);
        let octets = room.octets().min(characters);
        let batch = context.cursor.batch(count, octets, Spelling::Enumeration)?;
        let context = (!batch.is_last).then(|| key.clone());
        if batch.is_last {
            self.contexts.remove(&key);
        }
        Ok(PullResponse { context, batch, ..PullResponse::default() })
    }

    /// Gives an enumeration up.
    ///
    /// # Errors
    ///
    /// The fault to answer with: there is no such context of this owner.
    pub fn release(
        &mut self,
        owner: &str,
        request: &Release,
        now: Instant,
    ) -> Result<(), Box<Fault>> {
        self.handle_timeout(now);
        let key = self.find(owner, &request.context)?;
        self.contexts.remove(&key);
        Ok(())
    }

    /// Forgets what nobody has asked about for too long.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.contexts.retain(|_, context| context.expires.is_none_or(|expires| expires > now));
    }

    /// When to call [`Self::handle_timeout`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.contexts.values().filter_map(|context| context.expires).min()
    }

    fn batch_items(&self, wanted: Option<u64>) -> usize {
        wanted.map_or(1, at_most).min(self.settings.max_batch_items)
    }

    fn check_quota(&self, owner: &str) -> Result<(), Box<Fault>> {
        let own = self.contexts.values().filter(|context| context.owner == owner).count();
        if own >= self.settings.max_contexts_per_owner {
            let text =
                format!("The user has {own} enumerations under way, and may not have more. ");
            return Err(Box::new(Fault::new(ErrorCode::QUOTA_MAX_OPERATIONS, text)));
        }
        if self.contexts.len() >= self.settings.max_contexts {
            let text = "The service has too many enumerations under way. ";
            return Err(Box::new(Fault::new(ErrorCode::INTERNAL_ERROR, text)));
        }
        Ok(())
    }

    /// The context of that id; that of another owner is none.
    fn find(&self, owner: &str, id: &str) -> Result<String, Box<Fault>> {
        let is_it =
            |(key, context): &(&String, &Context)| same_id(key, id) && context.owner == owner;
        self.contexts.iter().find(is_it).map(|(key, _)| key.clone()).ok_or_else(no_context)
    }
}

impl Room {
    /// Octets that the items of an answer may have.
    const fn octets(self) -> usize {
        self.envelope_limit.saturating_sub(self.empty_reply).saturating_sub(SKELETON)
    }
}

/// What has not been told of an enumeration.
struct Cursor {
    items: Peekable<Box<dyn Iterator<Item = (Element, Option<EndpointReference>)> + Send>>,
    mode: Mode,
    /// An item that was taken and did not fit.
    held: Option<(Element, usize)>,
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor").field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl Cursor {
    /// The next items: at most so many, in at most so many octets.
    fn batch(
        &mut self,
        count: usize,
        octets: usize,
        spelling: Spelling,
    ) -> Result<Batch, Box<Fault>> {
        let mut items = Vec::new();
        let mut left = octets;
        while items.len() < count {
            let Some((item, size)) = self.next()? else { break };
            if size > left {
                self.held = Some((item, size));
                if items.is_empty() {
                    let text = format!("An item of {size} octets does not fit the answer. ");
                    return Err(Box::new(Fault::new(ErrorCode::MAX_ENVELOPE_SIZE_EXCEEDED, text)));
                }
                break;
            }
            left -= size;
            items.push(item);
        }
        let is_last = self.held.is_none() && self.items.peek().is_none();
        let items = (!items.is_empty()).then_some(items);
        Ok(Batch { items, is_last, spelling })
    }

    /// The next item as the mode wants it, and its octets at most.
    fn next(&mut self) -> Result<Option<(Element, usize)>, Box<Fault>> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        let Some((object, reference)) = self.items.next() else { return Ok(None) };
        let item = match (self.mode, reference) {
            (Mode::Object, _) => object,
            (Mode::Reference, Some(reference)) => Item::Reference(reference).to_element(),
            (Mode::ObjectAndReference, Some(reference)) => {
                Item::Both(object, reference).to_element()
            }
            (Mode::Reference | Mode::ObjectAndReference, None) => {
                let text = "What is enumerated cannot be referred to. ";
                return Err(Box::new(Fault::new(ErrorCode::ENUMERATION_MODE_UNSUPPORTED, text)));
            }
        };
        // By itself it declares every namespace: inside an answer it is no longer.
        let size = xml::encode(&item).len();
        Ok(Some((item, size)))
    }
}

fn at_most(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn no_context() -> Box<Fault> {
    let text = "There is no such enumeration: it has ended, or was not asked on for too long. ";
    Box::new(Fault::new(ErrorCode::INVALID_ENUMERATION_CONTEXT, text))
}

/// Octets that an answer has beside its items: the elements around them, a context of a GUID's
/// length, and on the envelope the declarations of six namespaces. Counted it is 527.
const SKELETON: usize = 600;
