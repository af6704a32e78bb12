//! Pull, its answer, and Release, DSP0226 8.4 and 8.5.

use super::item::{Batch, Spelling};
use super::{context, only, positive, wsen};
use crate::duration::Duration;
use crate::error::Error;
use crate::ns;
use crate::xml::{Attribute, Element, Node};

/// `n:Pull`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "clients build it field by field")]
pub struct Pull {
    /// `n:EnumerationContext`, as the last answer had it.
    pub context: String,
    /// `n:MaxTime`: how long the answer may take.
    pub max_time: Option<Duration>,
    /// `n:MaxElements`: how many items it may bring, at least 1; absent means 1.
    pub max_elements: Option<u64>,
    /// `n:MaxCharacters`: how many characters its items may have, at least 1.
    pub max_characters: Option<u64>,
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// Other elements.
    pub other: Vec<Element>,
}

const CONTEXT: &str = "n:EnumerationContext";

impl Pull {
    /// Reads the body.
    ///
    /// # Errors
    ///
    /// The body is something else, has no context, or a part is not of its type.
    pub fn from_body(body: &[Element]) -> Result<Self, Error> {
        let element = only(body, "Pull")?;
        let mut pull = Self { attributes: element.attributes.clone(), ..Self::default() };
        let mut found = None;
        for child in element.elements() {
            match (child.name.namespace(), child.name.local()) {
                (ns::ENUMERATION, "EnumerationContext") if found.is_none() => {
                    found = Some(context(child)?);
                }
                (ns::ENUMERATION, "MaxTime") => {
                    let time: Option<Duration> = child.text().parse().ok();
                    let is_positive =
                        |time: &Duration| time.length().is_some_and(|length| !length.is_zero());
                    let time = time.filter(is_positive).ok_or(Error::Value("n:MaxTime"))?;
                    pull.max_time = Some(time);
                }
                (ns::ENUMERATION, "MaxElements") => {
                    pull.max_elements = Some(positive(child, "n:MaxElements")?);
                }
                (ns::ENUMERATION, "MaxCharacters") => {
                    pull.max_characters = Some(positive(child, "n:MaxCharacters")?);
                }
                _ => pull.other.push(child.clone()),
            }
        }
        pull.context = found.ok_or(Error::Missing { parent: "n:Pull", name: CONTEXT })?;
        Ok(pull)
    }

    /// Writes the body.
    #[must_use]
    pub fn to_body(&self) -> Vec<Element> {
        let mut pull = Element::new(ns::ENUMERATION, "Pull");
        pull.attributes.clone_from(&self.attributes);
        pull.push(wsen("EnumerationContext", &self.context));
        let texts = [
            ("MaxTime", self.max_time.as_ref().map(Duration::to_string)),
            ("MaxElements", self.max_elements.map(|count| count.to_string())),
            ("MaxCharacters", self.max_characters.map(|count| count.to_string())),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                pull.push(wsen(name, text));
            }
        }
        pull.children.extend(self.other.iter().cloned().map(Node::Element));
        vec![pull]
    }
}

/// `n:PullResponse`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "servers build it field by field")]
pub struct PullResponse {
    /// `n:EnumerationContext`: what to ask on with; absent where the one before still holds, or
    /// nothing follows.
    pub context: Option<String>,
    /// The items.
    pub batch: Batch,
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// Other elements.
    pub other: Vec<Element>,
}

impl PullResponse {
    /// Reads the body.
    ///
    /// # Errors
    ///
    /// The body is something else, or a part is not of its type.
    pub fn from_body(body: &[Element]) -> Result<Self, Error> {
        let element = only(body, "PullResponse")?;
        let mut response = Self {
            attributes: element.attributes.clone(),
            batch: Batch::new(Spelling::Enumeration),
            ..Self::default()
        };
        for child in element.elements() {
            if child.is(ns::ENUMERATION, "EnumerationContext") && response.context.is_none() {
                response.context = Some(context(child)?);
            } else if !response.batch.take(child) {
                response.other.push(child.clone());
            }
        }
        Ok(response)
    }

    /// Writes the body.
    #[must_use]
    pub fn to_body(&self) -> Vec<Element> {
        let mut response = Element::new(ns::ENUMERATION, "PullResponse");
        response.attributes.clone_from(&self.attributes);
        if let Some(context) = &self.context {
            response.push(wsen("EnumerationContext", context));
        }
        self.batch.write(&mut response);
        response.children.extend(self.other.iter().cloned().map(Node::Element));
        vec![response]
    }
}

/// `n:Release`: the client wants no more. Its answer has an empty body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "clients build it field by field")]
pub struct Release {
    /// `n:EnumerationContext`, as the last answer had it.
    pub context: String,
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// Other elements.
    pub other: Vec<Element>,
}

impl Release {
    /// Reads the body.
    ///
    /// # Errors
    ///
    /// The body is something else, or has no context.
    pub fn from_body(body: &[Element]) -> Result<Self, Error> {
        let element = only(body, "Release")?;
        let mut release = Self { attributes: element.attributes.clone(), ..Self::default() };
        let mut found = None;
        for child in element.elements() {
            if child.is(ns::ENUMERATION, "EnumerationContext") && found.is_none() {
                found = Some(context(child)?);
            } else {
                release.other.push(child.clone());
            }
        }
        release.context = found.ok_or(Error::Missing { parent: "n:Release", name: CONTEXT })?;
        Ok(release)
    }

    /// Writes the body.
    #[must_use]
    pub fn to_body(&self) -> Vec<Element> {
        let mut release = Element::new(ns::ENUMERATION, "Release");
        release.attributes.clone_from(&self.attributes);
        release.push(wsen("EnumerationContext", &self.context));
        release.children.extend(self.other.iter().cloned().map(Node::Element));
        vec![release]
    }
}
