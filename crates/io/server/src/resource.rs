//! What a provider of resources is: the owner of what Get, Put, Create, Delete, Enumerate and methods are about, beside
//! shells. The service speaks the protocol, decides access and cuts fragments; a provider knows its resources.

use std::fmt;
use std::time::Instant;

use auth::Account;
use wsman::enumeration::Filter;
use wsman::enumeration::server::Source;
use wsman::fault::Fault;
use wsman::xml::Element;
use wsman::{EndpointReference, OptionSet, SelectorSet};

use crate::BoxFuture;

/// The owner of some resources.
pub trait ResourceProvider: Send + Sync + fmt::Debug {
    /// Whether it owns the resource with this URI, in whatever case.
    fn serves(&self, uri: &str) -> bool;

    /// The dialects in which the resource with this URI can be filtered, [`wsman::ns::SELECTOR_FILTER`] among them. A filter of
    /// another one is refused before the provider is asked; without any, every filter.
    fn filter_dialects(&self, _uri: &str) -> &[&str] {
        &[]
    }

    /// Whether a Put is refused that writes values back as its session read them while somebody else has changed them: for what
    /// administrators read, edit and write. What changes by itself would be in the way of its own Puts.
    fn refuses_what_undoes(&self) -> bool {
        false
    }

    /// Does an operation that the caller may do.
    ///
    /// # Errors
    ///
    /// The fault that the client gets.
    fn handle<'a>(
        &'a self,
        request: ResourceRequest<'a>,
    ) -> BoxFuture<'a, Result<ResourceReply, Box<Fault>>>;
}

/// One operation on a resource.
#[derive(Debug)]
#[non_exhaustive]
pub struct ResourceRequest<'a> {
    /// Who asks.
    pub account: &'a Account,
    /// The resource's URI as it was written.
    pub uri: &'a str,
    /// Which instance.
    pub selectors: &'a SelectorSet,
    /// What the resource is told.
    pub options: &'a OptionSet,
    /// `a:To`, which references to resources repeat.
    pub to: &'a str,
    /// When the operation must be done; whoever waits longer is answered with a fault.
    pub deadline: Instant,
    /// What is to be done.
    pub operation: ResourceOperation,
}

/// What is to be done with a resource. Fragments are not seen here: a part is read from the whole, and written by reading,
/// changing and writing the whole.
#[derive(Debug)]
#[non_exhaustive]
pub enum ResourceOperation {
    /// Its representation: [`ResourceReply::Element`].
    Get,
    /// Another representation: [`ResourceReply::Element`] with the new one.
    Put(Element),
    /// A new one: [`ResourceReply::Created`].
    Create(Element),
    /// Not any more: [`ResourceReply::Nothing`].
    Delete,
    /// All there are: [`ResourceReply::Items`].
    Enumerate(Option<Filter>),
    /// A method: [`ResourceReply::Element`] with its `METHOD_OUTPUT`.
    Invoke {
        /// The method's name: what follows the resource's URI in the action.
        method: String,
        /// What it is given.
        input: Option<Element>,
    },
}

/// What came of an operation.
#[derive(Debug)]
#[non_exhaustive]
pub enum ResourceReply {
    /// A representation.
    Element(Element),
    /// Where the new resource is.
    Created(EndpointReference),
    /// Everything that was to be listed, each with its reference.
    Items(Source),
    /// It is done.
    Nothing,
}
