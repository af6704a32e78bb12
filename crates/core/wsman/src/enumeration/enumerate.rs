//! Enumerate and its answer, DSP0226 8.2.

use super::filter::Filter;
use super::item::{Batch, Mode, Spelling};
use super::{context, is_either, only, positive, wsen};
use crate::duration::Duration;
use crate::error::Error;
use crate::fault::{ErrorCode, Fault};
use crate::ns;
use crate::selector::EndpointReference;
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

    /// Whether a service can do what is asked: it sends nothing unasked, so that only the anonymous address may
    /// be told of the end, takes no notice of an expiration in due form, and has one filter.
    ///
    /// # Errors
    ///
    /// The fault to answer with.
    pub fn check(&self) -> Result<(), Box<Fault>> {
        let fault = |code, text: &str| Err(Box::new(Fault::new(code, text)));
        if self.expires.as_deref().is_some_and(|text| !is_expiration(text)) {
            let text = "The expiration is neither a time nor a duration. ";
            return fault(ErrorCode::INVALID_EXPIRATION_TIME, text);
        }
        for element in &self.other {
            let end_to = element.is(ns::ENUMERATION, "EndTo");
            let elsewhere =
                || EndpointReference::from_element(element).is_none_or(|to| !to.is_anonymous());
            if end_to && elsewhere() {
                let text = "The end of an enumeration is told in its last answer only. ";
                return fault(ErrorCode::UNSUPPORTED_ADDRESSING_MODE, text);
            }
            if is_either(element, "Filter") {
                return fault(ErrorCode::CANNOT_PROCESS_FILTER, "An enumeration has one filter. ");
            }
        }
        Ok(())
    }

    /// Writes the body, in the order in which Windows's client does, and in which the schema has what it names itself.
    #[must_use]
    pub fn to_body(&self) -> Vec<Element> {
        let mut enumerate = Element::new(ns::ENUMERATION, "Enumerate");
        enumerate.attributes.clone_from(&self.attributes);
        let (first, other): (Vec<_>, Vec<_>) =
            self.other.iter().cloned().partition(|element| element.is(ns::ENUMERATION, "EndTo"));
        enumerate.children.extend(first.into_iter().map(Node::Element));
        if let Some(expires) = &self.expires {
            enumerate.push(wsen("Expires", expires));
        }
        let filter = self.filter.as_ref().map(|Filter(filter)| filter.clone());
        let (early, late) = match filter {
            Some(filter) if filter.is(ns::ENUMERATION, "Filter") => (Some(filter), None),
            filter => (None, filter),
        };
        enumerate.children.extend(early.map(Node::Element));
        if self.optimize {
            enumerate.push(Element::new(ns::WSMAN, "OptimizeEnumeration"));
        }
        if let Some(count) = self.max_elements {
            enumerate.push(Element::new(ns::WSMAN, "MaxElements").with_text(count.to_string()));
        }
        if self.mode != Mode::Object {
            enumerate.push(Element::new(ns::WSMAN, "EnumerationMode").with_text(self.mode.name()));
        }
        enumerate.children.extend(late.into_iter().chain(other).map(Node::Element));
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

/// A duration that is not negative, or a time: its form only, since what it says is not followed.
fn is_expiration(text: &str) -> bool {
    if let Ok(duration) = text.parse::<Duration>() {
        return !duration.is_negative();
    }
    let mut halves = text.splitn(2, 'T');
    let (date, time) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let date: Vec<_> = date.strip_prefix('-').unwrap_or(date).split('-').collect();
    let zone = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at(zone);
    let zone = match zone.strip_prefix(['+', '-']) {
        Some(offset) => offset.split(':').filter(|part| digits(part)).count() == 2,
        None => zone.is_empty() || zone == "Z",
    };
    let clock: Vec<_> = time.split('.').next().unwrap_or_default().split(':').collect();
    let has_three = |parts: &[&str]| parts.len() == 3 && parts.iter().all(|part| digits(part));
    let fraction = time.split_once('.').is_none_or(|(_, fraction)| digits(fraction));
    has_three(&date) && has_three(&clock) && fraction && zone
}
