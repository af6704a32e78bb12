//! Enumerate and its answer, DSP0226 8.2.

use super::filter::Filter;
use super::item::{Batch, Mode, Spelling};
use super::{context, is_either, only, positive, wsen};
use crate::error::Error;
use crate::ns;
use crate::xml::{Attribute, Element, Node};

/// `n:Enumerate`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "clients build it field by field")]
pub struct Enumerate {
    /// `n:Expires`: a time or a duration. Windows's service takes no notice; what it grants is its
    /// own time-out.
    pub expires: Option<String>,
    /// `w:OptimizeEnumeration`: the answer shall bring the first items.
    pub optimize: bool,
    /// `w:MaxElements`: how many items the answer may bring, at least 1; absent means 1.
    pub max_elements: Option<u64>,
    /// `w:EnumerationMode`.
    pub mode: Mode,
    /// `w:Filter` or `n:Filter`.
    pub filter: Option<Filter>,
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// Other elements, such as `n:EndTo` and `b:PolymorphismMode`.
    pub other: Vec<Element>,
}

impl Enumerate {
    /// An Enumerate that wants as many items as the service may put into one answer.
    #[must_use]
    pub fn optimized() -> Self {
        Self { optimize: true, max_elements: Some(32_000), ..Self::default() }
    }

    /// The same with a filter.
    #[must_use]
    pub fn with_filter(self, filter: Filter) -> Self {
        Self { filter: Some(filter), ..self }
    }

    /// Reads the body.
    ///
    /// # Errors
    ///
    /// The body is something else, or a part is not of its type.
    pub fn from_body(body: &[Element]) -> Result<Self, Error> {
        let element = only(body, "Enumerate")?;
        let mut enumerate = Self { attributes: element.attributes.clone(), ..Self::default() };
        for child in element.elements() {
            match (child.name.namespace(), child.name.local()) {
                (ns::ENUMERATION, "Expires") if enumerate.expires.is_none() => {
                    enumerate.expires = Some(child.trimmed_text());
                }
                (ns::WSMAN, "OptimizeEnumeration") => enumerate.optimize = true,
                (ns::WSMAN, "MaxElements") => {
                    enumerate.max_elements = Some(positive(child, "w:MaxElements")?);
                }
                (ns::WSMAN, "EnumerationMode") => enumerate.mode = Mode::from_element(child)?,
                _ if is_either(child, "Filter") && enumerate.filter.is_none() => {
                    enumerate.filter = Some(Filter(child.clone()));
                }
                _ => enumerate.other.push(child.clone()),
            }
        }
        Ok(enumerate)
    }

    /// Writes the body, in the order in which Windows's client does.
    #[must_use]
    pub fn to_body(&self) -> Vec<Element> {
        let mut enumerate = Element::new(ns::ENUMERATION, "Enumerate");
        enumerate.attributes.clone_from(&self.attributes);
        if let Some(expires) = &self.expires {
            enumerate.push(wsen("Expires", expires));
        }
        if self.optimize {
            enumerate.push(Element::new(ns::WSMAN, "OptimizeEnumeration"));
        }
        if let Some(count) = self.max_elements {
            enumerate.push(Element::new(ns::WSMAN, "MaxElements").with_text(count.to_string()));
        }
        if self.mode != Mode::Object {
            enumerate.push(Element::new(ns::WSMAN, "EnumerationMode").with_text(self.mode.name()));
        }
        if let Some(Filter(filter)) = &self.filter {
            enumerate.push(filter.clone());
        }
        enumerate.children.extend(self.other.iter().cloned().map(Node::Element));
        vec![enumerate]
    }
}

/// `n:EnumerateResponse`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "servers build it field by field")]
pub struct EnumerateResponse {
    /// `n:Expires`: what the service grants.
    pub expires: Option<String>,
    /// `n:EnumerationContext`: what to ask on with. Empty where nothing follows; some services leave
    /// it out then.
    pub context: Option<String>,
    /// The first items, where the request was optimised.
    pub batch: Batch,
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// Other elements.
    pub other: Vec<Element>,
}

impl EnumerateResponse {
    /// Reads the body.
    ///
    /// # Errors
    ///
    /// The body is something else, or a part is not of its type.
    pub fn from_body(body: &[Element]) -> Result<Self, Error> {
        let element = only(body, "EnumerateResponse")?;
        let mut response = Self {
            attributes: element.attributes.clone(),
            batch: Batch::new(Spelling::WsMan),
            ..Self::default()
        };
        for child in element.elements() {
            if child.is(ns::ENUMERATION, "Expires") && response.expires.is_none() {
                response.expires = Some(child.trimmed_text());
            } else if child.is(ns::ENUMERATION, "EnumerationContext") && response.context.is_none()
            {
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
        let mut response = Element::new(ns::ENUMERATION, "EnumerateResponse");
        response.attributes.clone_from(&self.attributes);
        if let Some(expires) = &self.expires {
            response.push(wsen("Expires", expires));
        }
        if let Some(context) = &self.context {
            response.push(wsen("EnumerationContext", context));
        }
        self.batch.write(&mut response);
        response.children.extend(self.other.iter().cloned().map(Node::Element));
        vec![response]
    }
}
