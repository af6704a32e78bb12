//! WS-Enumeration as WS-Management uses it, DSP0226 8: messages of both directions, what a service
//! keeps between them ([`server`]), and a client's walk from the first item to the last
//! ([`client`]).
//!
//! Windows writes the items of an optimised EnumerateResponse in WS-Management's namespace and those
//! of a PullResponse in WS-Enumeration's; others do it otherwise. Both are read everywhere.

pub mod client;
mod enumerate;
mod filter;
mod item;
mod pull;
pub mod server;

use crate::error::Error;
use crate::ns;
use crate::xml::Element;

pub use enumerate::{Enumerate, EnumerateResponse};
pub use filter::Filter;
pub use item::{Batch, Item, Mode, Spelling};
pub use pull::{Pull, PullResponse, Release};

/// The element of that name in a body; a body without one, or with more, is refused.
fn only<'e>(body: &'e [Element], local: &'static str) -> Result<&'e Element, Error> {
    match body {
        [element] if element.is(ns::ENUMERATION, local) => Ok(element),
        [] => Err(Error::Missing { parent: "s:Body", name: local }),
        [first, ..] if !first.is(ns::ENUMERATION, local) => {
            Err(Error::UnexpectedElement(first.name.clone()))
        }
        [_, second, ..] => Err(Error::UnexpectedElement(second.name.clone())),
        [element] => Err(Error::UnexpectedElement(element.name.clone())),
    }
}

/// `n:` and the name, with text.
fn wsen(local: &'static str, text: impl Into<String>) -> Element {
    Element::new(ns::ENUMERATION, local).with_text(text)
}

/// Whether the element is of that name in either namespace.
fn is_either(element: &Element, local: &str) -> bool {
    element.is(ns::ENUMERATION, local) || element.is(ns::WSMAN, local)
}

/// A count of at least one.
fn positive(element: &Element, name: &'static str) -> Result<u64, Error> {
    match element.trimmed_text().parse() {
        Ok(0) | Err(_) => Err(Error::Value(name)),
        Ok(count) => Ok(count),
    }
}

/// The text of `n:EnumerationContext`: what it is made of is the service's affair.
fn context(element: &Element) -> Result<String, Error> {
    match element.elements().next() {
        Some(_) => Err(Error::Value("n:EnumerationContext")),
        None => Ok(element.trimmed_text()),
    }
}
