//! What sessions have read of resources: a change that is made by reading a resource, editing it and writing it back whole
//! must not undo what others changed in between. Such a Put is refused with `w:Concurrency`, DSP0226 Annex B.
//!
//! ```text
//!              note (a Get or a Put was answered)            check (a Put that undoes nothing)
//! (nothing) ─────────────────────────────────────► read ◄──────────────────────────┐
//!     ▲                                             │ └────────────────────────────┘
//!     └─────────────────────────────────────────────┘ check (a Put that would: refused), or no room
//! ```
//!
//! A value counts as written back when it is what the session read; one that differs is meant, and a value that is left out is
//! not written at all. Only the first such Put is refused: who sends it again without reading wants it so. Who writes without
//! having read is not held up, and neither is one whose reading had to give way.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use wsman::SelectorValue;
use wsman::fault::{ErrorCode, Fault};
use wsman::transfer::Locator;
use wsman::xml::Element;

/// How much is kept. A reading that is larger than a whole session's share is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by the service")]
pub struct Rules {
    /// Characters of one reading.
    pub characters: usize,
    /// Readings in all; the oldest give way.
    pub readings: usize,
    /// Characters in all; the oldest give way.
    pub characters_in_all: usize,
}

impl Default for Rules {
    /// 64 Ki characters of one reading, 1024 readings and 8 Mi characters in all.
    fn default() -> Self {
        Self { characters: 64 * 1024, readings: 1024, characters_in_all: 8 * 1024 * 1024 }
    }
}

/// Who reads what: a session and a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    account: [u8; 16],
    session: Vec<u8>,
    uri: String,
    selectors: Vec<(String, String)>,
}

/// The longest name of a session that is one.
const MAX_SESSION: usize = 128;

impl Reader {
    /// A session of an account, which names itself (`p:SessionId`) or else is the login, and all of a resource. `None` where that
    /// cannot be told: a part of a resource, or one that is selected by a reference.
    #[must_use]
    pub fn new(
        account: [u8; 16],
        login: [u8; 16],
        session: Option<&str>,
        locator: &Locator,
    ) -> Option<Self> {
        if locator.fragment.is_some() {
            return None;
        }
        let session = session.filter(|name| !name.is_empty() && name.len() <= MAX_SESSION);
        let session = session.map_or_else(|| login.to_vec(), |name| name.as_bytes().to_vec());
        let pairs = locator.selectors.selectors.iter().map(|selector| match &selector.value {
            SelectorValue::Text(value) => {
                Some((selector.name.to_ascii_lowercase(), value.to_ascii_lowercase()))
            }
            SelectorValue::Endpoint(_) => None,
        });
        let mut selectors = pairs.collect::<Option<Vec<_>>>()?;
        selectors.sort_unstable();
        let uri = locator.resource_uri.to_ascii_lowercase();
        Some(Self { account, session, uri, selectors })
    }
}

/// What was read.
#[derive(Debug)]
struct Reading {
    reader: Reader,
    element: Element,
    characters: usize,
}

/// The last readings of the sessions.
#[derive(Debug, Default)]
pub struct Readings {
    rules: Rules,
    /// The oldest first.
    kept: VecDeque<Reading>,
    characters: usize,
}

impl Readings {
    /// Nothing has been read.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// The session was told that the resource is this.
    pub fn note(&mut self, reader: Reader, element: &Element) {
        self.forget(&reader);
        let characters = size(element);
        if characters > self.rules.characters {
            return;
        }
        self.characters += characters;
        self.kept.push_back(Reading { reader, element: element.clone(), characters });
        while self.kept.len() > self.rules.readings
            || self.characters > self.rules.characters_in_all
        {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.characters -= oldest.characters;
        }
    }

    /// Whether a Put of this session has to be checked.
    #[must_use]
    pub fn knows(&self, reader: &Reader) -> bool {
        self.kept.iter().any(|one| one.reader == *reader)
    }

    /// Whether the resource, which is `now` this, can become `wanted` without undoing what somebody else changed since the
    /// session read it.
    ///
    /// # Errors
    ///
    /// `w:Concurrency`, which names the first value that is not as it was read. The reading is forgotten then.
    pub fn check(
        &mut self,
        reader: &Reader,
        wanted: &Element,
        now: &Element,
    ) -> Result<(), Box<Fault>> {
        let Some(reading) = self.kept.iter().find(|one| one.reader == *reader) else {
            return Ok(());
        };
        let Some(name) = undone(&values(&reading.element), &values(wanted), &values(now)) else {
            return Ok(());
        };
        self.forget(reader);
        let text = format!(
            "Somebody else has changed {name} since it was last read here, and nothing was written. Read the resource again, and \
             make the change in what it is now. "
        );
        Err(Box::new(Fault::new(ErrorCode::CONCURRENCY, text)))
    }

    fn forget(&mut self, reader: &Reader) {
        if let Some(at) = self.kept.iter().position(|one| one.reader == *reader)
            && let Some(old) = self.kept.remove(at)
        {
            self.characters -= old.characters;
        }
    }
}

/// The values of a resource, by the path of their element or attribute.
type Values<'a> = BTreeMap<String, Cow<'a, str>>;

/// The first value that somebody changed and that would be as it was read.
fn undone(read: &Values<'_>, wanted: &Values<'_>, now: &Values<'_>) -> Option<String> {
    let changed = read
        .iter()
        .find(|(path, value)| now.get(*path) != Some(*value) && wanted.get(*path) == Some(*value));
    // In a list what came since is not in what is written.
    let come = || now.keys().find(|path| !read.contains_key(*path) && !wanted.contains_key(*path));
    changed.map(|(path, _)| path).or_else(come).map(|path| path.trim_start_matches('/').to_owned())
}

fn values(element: &Element) -> Values<'_> {
    let mut values = Values::new();
    collect(element, "", &mut values);
    values
}

fn collect<'a>(element: &'a Element, path: &str, values: &mut Values<'a>) {
    for attribute in &element.attributes {
        values
            .insert(format!("{path}/@{}", attribute.name.local()), attribute.value.as_str().into());
    }
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for child in element.elements() {
        let name = child.name.local();
        let place = count.entry(name).or_default();
        *place += 1;
        let path = match *place {
            1 => format!("{path}/{name}"),
            place => format!("{path}/{name}[{place}]"),
        };
        if child.elements().next().is_none() {
            values.insert(path.clone(), child.text());
        }
        collect(child, &path, values);
    }
}

/// Roughly what an element takes, in characters: names, values, and something for each node.
fn size(element: &Element) -> usize {
    const NODE: usize = 64;
    let attributes = element.attributes.iter();
    let own = attributes.map(|one| NODE + one.name.local().len() + one.value.len()).sum::<usize>();
    let inside = element.children.iter().map(|node| match node {
        wsman::xml::Node::Element(child) => size(child),
        wsman::xml::Node::Text(text) => text.len(),
    });
    NODE + element.name.local().len() + own + inside.sum::<usize>()
}
