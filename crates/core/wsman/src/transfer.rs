//! Operations on resources: WS-Transfer's Get, Put, Create and Delete, and methods of a resource's own.
//!
//! WS-Transfer 2004/09, DSP0226 7 and 9, [MS-WSMV] 3.1.4.2 to 3.1.4.6 and 3.1.4.10.

use std::time::Duration;

use uuid::Uuid;

use crate::envelope::Envelope;
use crate::fault::{ErrorCode, Fault};
use crate::header::{Block, Header, HeaderValue};
use crate::ns::{self, action};
use crate::selector::{EndpointReference, OptionSet, SelectorSet};
use crate::shell::RequestContext;
use crate::xml::{Binding, Element};

/// A part of a resource, `w:FragmentTransfer`, DSP0226 7.7. [`crate::fragment`] knows what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the header has no more")]
pub struct Fragment {
    /// The dialect of the expression; `None` is [`ns::XPATH`].
    pub dialect: Option<String>,
    /// Which part is meant.
    pub expression: String,
    /// What the prefixes in the expression are bound to.
    pub bindings: Vec<Binding>,
}

impl Fragment {
    /// A path without prefixes, in the dialect XPath.
    #[must_use]
    pub fn xpath(expression: impl Into<String>) -> Self {
        Self { dialect: None, expression: expression.into(), bindings: Vec::new() }
    }

    /// The header's element.
    #[must_use]
    pub fn to_element(&self) -> Element {
        let mut element = Element::new(ns::WSMAN, "FragmentTransfer").with_text(&*self.expression);
        element.bindings.clone_from(&self.bindings);
        match &self.dialect {
            Some(dialect) => element.with_attribute("Dialect", &**dialect),
            None => element,
        }
    }

    /// The header block, which must be understood ([MS-WSMV] 3.1.4.1.18).
    #[must_use]
    pub fn to_block(&self) -> Block {
        let value = HeaderValue::FragmentTransfer(self.to_element());
        Block { must_understand: Some(true), attributes: Vec::new(), value }
    }

    /// What a header says.
    #[must_use]
    pub fn from_element(element: &Element) -> Self {
        let dialect = element.attribute("Dialect").map(str::to_owned);
        Self { dialect, expression: element.trimmed_text(), bindings: element.bindings.clone() }
    }
}

/// Which resource is meant, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "clients build it field by field")]
pub struct Locator {
    /// `w:ResourceURI`.
    pub resource_uri: String,
    /// `w:SelectorSet`: which instance.
    pub selectors: SelectorSet,
    /// `w:OptionSet`: what the resource is told.
    pub options: OptionSet,
    /// Only a part of it; not for methods.
    pub fragment: Option<Fragment>,
}

impl Locator {
    /// All of a resource without selectors.
    #[must_use]
    pub fn new(resource_uri: impl Into<String>) -> Self {
        Self { resource_uri: resource_uri.into(), ..Self::default() }
    }
}

/// An operation on a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Its representation, or a fragment of it in `w:XmlFragment`.
    Get,
    /// Gives it another representation; for a fragment the element is `w:XmlFragment`.
    Put(Element),
    /// Makes one.
    Create(Element),
    /// Removes it.
    Delete,
    /// A method of its own.
    Invoke {
        /// The method's name, or a whole action URI.
        method: String,
        /// What it is given: by custom the element `METHOD_INPUT` in the namespace of the resource.
        input: Option<Element>,
    },
}

impl Operation {
    /// The `a:Action` of the request. The URI of a method's follows from that of its resource, [MS-WSMV] 3.1.4.10.
    #[must_use]
    pub fn action(&self, resource_uri: &str) -> String {
        match self {
            Self::Get => action::GET.to_owned(),
            Self::Put(_) => action::PUT.to_owned(),
            Self::Create(_) => action::CREATE.to_owned(),
            Self::Delete => action::DELETE.to_owned(),
            Self::Invoke { method, .. } if method.contains(':') => method.clone(),
            Self::Invoke { method, .. } => format!("{resource_uri}/{method}"),
        }
    }

    /// What a request asks of the resource in its header: an action that is none of WS-Transfer's, WS-Enumeration's,
    /// WS-Eventing's nor a shell's is a method of the resource.
    ///
    /// # Errors
    ///
    /// The fault to answer with: the action is none for a resource, or the body is not what it needs: nothing for Get
    /// and Delete, one element for Put and Create, at most one for a method.
    pub fn from_envelope(envelope: &Envelope) -> Result<Self, Box<Fault>> {
        let action = envelope.action().unwrap_or_default();
        let uri = envelope.header.resource_uri().unwrap_or_default();
        let body = envelope.body.as_slice();
        match action {
            action::GET => nothing(body, Self::Get),
            action::DELETE => nothing(body, Self::Delete),
            action::PUT => the_only(body).map(Self::Put),
            action::CREATE => the_only(body).map(Self::Create),
            _ => {
                let method = method(action, uri).ok_or_else(|| {
                    let text = format!("The action {action} is not supported by the service. ");
                    Box::new(Fault::new(ErrorCode::ACTION_NOT_SUPPORTED, text))
                })?;
                if body.len() > 1 {
                    return Err(misfit("A method is given one element at most. "));
                }
                let input = body.first().cloned();
                Ok(Self::Invoke { method: method.to_owned(), input })
            }
        }
    }

    /// The `a:Action` of the answer to a request with this one.
    #[must_use]
    pub fn response_action(action: &str) -> String {
        [action, "Response"].concat()
    }

    /// The request of it.
    #[must_use]
    pub fn to_envelope(
        &self,
        context: &RequestContext,
        locator: &Locator,
        message_id: Uuid,
        timeout: Duration,
    ) -> Envelope {
        let body = match self {
            Self::Get | Self::Delete => Vec::new(),
            Self::Put(element) | Self::Create(element) => vec![element.clone()],
            Self::Invoke { input, .. } => input.iter().cloned().collect(),
        };
        let context =
            RequestContext { resource_uri: locator.resource_uri.clone(), ..context.clone() };
        let action = self.action(&locator.resource_uri);
        let (options, selectors) = (locator.options.clone(), locator.selectors.clone());
        let mut envelope = context.request(&action, message_id, timeout, options, selectors, body);
        if let Some(fragment) = &locator.fragment {
            envelope.header = envelope.header.with_block(fragment.to_block());
        }
        envelope
    }
}

/// The method that an action names: what follows the URI of the resource, in whatever case that is written, [MS-WSMV]
/// 3.1.4.10; else the whole action, as other services have methods. `None` for an action that belongs to the protocol.
fn method<'a>(action: &'a str, resource_uri: &str) -> Option<&'a str> {
    let own = action.split_at_checked(resource_uri.len()).and_then(|(uri, rest)| {
        let name = rest.strip_prefix('/')?;
        let is_own = uri.eq_ignore_ascii_case(resource_uri) && !resource_uri.is_empty();
        (is_own && !name.is_empty() && !name.contains('/')).then_some(name)
    });
    if own.is_some() {
        return own;
    }
    let reserved = [ns::TRANSFER, ns::ENUMERATION, ns::EVENTING, ns::ADDRESSING, ns::SHELL];
    let is_reserved = |namespace: &&str| action.starts_with(*namespace);
    let is_message = action.starts_with("http://schemas.dmtf.org/wbem/wsman/1/wsman/")
        || action.starts_with("http://schemas.microsoft.com/wbem/wsman/1/wsman/");
    let is_uri = action.contains(':') && !is_message && !reserved.iter().any(is_reserved);
    is_uri.then_some(action)
}

fn nothing(body: &[Element], operation: Operation) -> Result<Operation, Box<Fault>> {
    match body {
        [] => Ok(operation),
        [..] => Err(misfit("The body of the request must be empty. ")),
    }
}

fn the_only(body: &[Element]) -> Result<Element, Box<Fault>> {
    match body {
        [element] => Ok(element.clone()),
        [..] => Err(misfit("The body of the request must be one element. ")),
    }
}

fn misfit(text: &str) -> Box<Fault> {
    Box::new(Fault::new(ErrorCode::SCHEMA_VALIDATION_ERROR, text))
}

impl Locator {
    /// What the header of a request names.
    #[must_use]
    pub fn from_header(header: &Header) -> Self {
        Self {
            resource_uri: header.resource_uri().unwrap_or_default().to_owned(),
            selectors: header.selectors().cloned().unwrap_or_default(),
            options: header.options().cloned().unwrap_or_default(),
            fragment: header.fragment_transfer().map(Fragment::from_element),
        }
    }
}

/// What an answer to Get, Put or a method brings.
///
/// # Errors
///
/// The body has more than one element.
pub fn representation(body: &[Element]) -> Result<Option<&Element>, Box<Fault>> {
    match body {
        [] => Ok(None),
        [element] => Ok(Some(element)),
        [..] => Err(misfit("The body of the answer is more than one element. ")),
    }
}

/// What a Create made: `x:ResourceCreated`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the answer has no more")]
pub struct Created {
    /// Where the new resource is.
    pub reference: EndpointReference,
}

impl Created {
    /// The body of the answer.
    #[must_use]
    pub fn to_body(&self) -> Vec<Element> {
        vec![self.reference.to_element(Element::new(ns::TRANSFER, "ResourceCreated"))]
    }

    /// What an answer's body says.
    ///
    /// # Errors
    ///
    /// It has no `x:ResourceCreated`.
    pub fn from_body(body: &[Element]) -> Result<Self, Box<Fault>> {
        let found = body.iter().find(|element| element.is(ns::TRANSFER, "ResourceCreated"));
        let reference = found.and_then(EndpointReference::from_element).ok_or_else(|| {
            let text = "The answer has no ResourceCreated. ";
            Box::new(Fault::new(ErrorCode::INVALID_PARAMETER, text))
        })?;
        Ok(Self { reference })
    }
}
