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
use crate::selector::{EndpointReference, SelectorSet};
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
pub struct Source(Items);

type Items = Box<dyn Iterator<Item = (Element, Option<EndpointReference>)> + Send>;

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

    /// Only the items whose keys have these values; what has no reference has no keys. A resource without a filter of
    /// its own does so with what [`super::Filter::as_selectors`] tells.
    #[must_use]
    pub fn selected(self, wanted: SelectorSet) -> Self {
        let is_wanted = move |item: &(Element, Option<EndpointReference>)| {
            let keys = item.1.as_ref().and_then(|reference| reference.selectors.as_ref());
            keys.is_some_and(|keys| wanted.selects(keys))
        };
        Self(Box::new(self.0.filter(is_wanted)))
    }

    /// How many items there are, where that is known beforehand: what `w:TotalItemsCountEstimate` tells.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        let (least, most) = self.0.size_hint();
        most.filter(|most| *most == least).and_then(|count| u64::try_from(count).ok())
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
    total: Option<u64>,
    /// When it was asked about last.
    used: Instant,
}

impl Context {
    /// When it is forgotten; `None` for never.
    fn expires(&self, settings: &Settings) -> Option<Instant> {
        self.used.checked_add(settings.timeout)
    }
}

impl Enumerations {
    /// None yet.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self { settings, contexts: BTreeMap::new() }
    }

    /// Other bounds from now on, also for the contexts that there are.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
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
    /// What `n:Expires` wishes is not granted: the context lives from Pull to Pull, as on Windows. Whether the resource
    /// knows the filter was asked before, by [`super::Filter::check`].
    ///
    /// # Errors
    ///
    /// The fault to answer with: that of [`Enumerate::check`], too many contexts, an item without the reference that the mode
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
        request.check()?;
        let total = source.count();
        let mut cursor = Cursor { items: source.0.peekable(), mode: request.mode, held: None };
        let mut batch = Batch::new(Spelling::WsMan);
        if request.optimize {
            let count = self.batch_items(request.max_elements);
            let space = Space { octets: room.octets(), characters: usize::MAX };
            batch = cursor.batch(count, space, Spelling::WsMan)?;
        }
        if batch.is_last {
            let context = Some(String::new());
            return Ok(EnumerateResponse { context, batch, ..EnumerateResponse::default() });
        }
        self.check_quota(owner)?;
        let id = uuid_uri(fresh);
        let owner = owner.to_owned();
        self.contexts.insert(id.clone(), Context { owner, cursor, total, used: now });
        Ok(EnumerateResponse { context: Some(id), batch, ..EnumerateResponse::default() })
    }

    /// How many items the enumeration of a Pull has in all, where that is known.
    #[must_use]
    pub fn item_count(&self, owner: &str, request: &Pull) -> Option<u64> {
        let key = self.find(owner, &request.context).ok()?;
        self.contexts.get(&key)?.total
    }

    /// Brings the next items. Nothing waits here, so that `n:MaxTime` is kept, and no Pull ever meets another one of
    /// the same context.
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
        let context = self.contexts.get_mut(&key).ok_or_else(no_context)?;
        context.used = now;
        let characters = request.max_characters.map_or(usize::MAX, at_most);
        let space = Space { octets: room.octets(), characters };
        let batch = context.cursor.batch(count, space, Spelling::Enumeration)?;
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
        let settings = &self.settings;
        let is_fresh = |context: &Context| context.expires(settings).is_none_or(|at| at > now);
        self.contexts.retain(|_, context| is_fresh(context));
    }

    /// When to call [`Self::handle_timeout`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.contexts.values().filter_map(|context| context.expires(&self.settings)).min()
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
    items: Peekable<Items>,
    mode: Mode,
    /// An item that was taken and did not fit.
    held: Option<(Element, Space)>,
}

/// How long items are, or may be.
#[derive(Clone, Copy, Debug)]
struct Space {
    octets: usize,
    characters: usize,
}

impl Space {
    /// What is left when `item` has its place; `None` where it has none.
    fn without(self, item: Self) -> Option<Self> {
        let octets = self.octets.checked_sub(item.octets)?;
        let characters = self.characters.checked_sub(item.characters)?;
        Some(Self { octets, characters })
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor").field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl Cursor {
    /// The next items: at most so many, in at most so much space.
    fn batch(
        &mut self,
        count: usize,
        space: Space,
        spelling: Spelling,
    ) -> Result<Batch, Box<Fault>> {
        let mut items = Vec::new();
        let mut left = space;
        while items.len() < count {
            let Some((item, size)) = self.next()? else { break };
            let Some(rest) = left.without(size) else {
                self.held = Some((item, size));
                if items.is_empty() {
                    let octets = size.octets;
                    let text = format!("An item of {octets} octets does not fit the answer. ");
                    return Err(Box::new(Fault::new(ErrorCode::MAX_ENVELOPE_SIZE_EXCEEDED, text)));
                }
                break;
            };
            left = rest;
            items.push(item);
        }
        let is_last = self.held.is_none() && self.items.peek().is_none();
        let items = (!items.is_empty()).then_some(items);
        Ok(Batch { items, is_last, spelling })
    }

    /// The next item as the mode wants it, and its length at most.
    fn next(&mut self) -> Result<Option<(Element, Space)>, Box<Fault>> {
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
        let text = xml::encode(&item);
        let is_first = |byte: &&u8| **byte & 0xC0 != 0x80;
        let characters = text.iter().filter(is_first).count();
        Ok(Some((item, Space { octets: text.len(), characters })))
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
