//! Operations on the resources of providers: WS-Transfer's, with fragments, and methods. [MS-WSMV] 3.1.4.2 to 3.1.4.6 and
//! 3.1.4.10, DSP0226 7.
//!
//! ```text
//!  Get       provider ─► whole ─► the fragment of it
//!  Put       the fragment written into the whole ─► provider        one writer at a time for each provider
//!            or a whole that undoes nothing of others ─► provider
//!  method    provider ─► METHOD_OUTPUT
//! ```
#![expect(clippy::wildcard_enum_match_arm, reason = "each operation has its kind of reply")]

use std::borrow::Cow;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Instant;

use session::access::Operation;
use session::server::readings::{Reader, Readings};
use tokio::sync::Mutex;
use tokio::time::timeout_at;
use wsman::fault::{ErrorCode, Fault};
use wsman::fragment;
use wsman::ns::{self, action};
use wsman::transfer::{self, Created, Fragment, Locator};
use wsman::xml::Element;
use wsman::{Envelope, HeaderValue};

use super::{Caller, Content, Refusal, not_supported};
use crate::audit;
use crate::resource::{ResourceOperation, ResourceProvider, ResourceReply, ResourceRequest};
use crate::service::Core;
use crate::shells::faults;

/// A provider, and who writes through it: what is read, changed and written again must not change in between.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(super) provider: Arc<dyn ResourceProvider>,
    writing: Mutex<()>,
    /// What sessions have read of it.
    readings: std::sync::Mutex<Readings>,
}

impl Provider {
    pub(crate) fn new(provider: Arc<dyn ResourceProvider>) -> Self {
        Self { provider, writing: Mutex::default(), readings: std::sync::Mutex::default() }
    }

    fn readings(&self) -> MutexGuard<'_, Readings> {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a request says beside its operation.
struct Asked<'a> {
    caller: Caller<'a>,
    locator: &'a Locator,
    to: &'a str,
    deadline: Instant,
    provider: &'a Provider,
    /// Who remembers what is read, where that matters.
    reader: Option<Reader>,
}

impl Core {
    /// Get, Put, Create, Delete and methods of a provider's resource.
    pub(super) async fn ask_resource(
        &self,
        caller: Caller<'_>,
        envelope: &Envelope,
        operation: Operation,
        provider: &Provider,
    ) -> Result<Content, Refusal> {
        let action = envelope.action().unwrap_or_default();
        let is_transfer = matches!(
            operation,
            Operation::Get
                | Operation::Put
                | Operation::Create
                | Operation::Delete
                | Operation::Invoke
        );
        if !is_transfer {
            return Err(not_supported(action).into());
        }
        let locator = Locator::from_header(&envelope.header);
        let to = envelope.header.to().unwrap_or(ns::ANONYMOUS);
        let deadline = Instant::now() + envelope.header.timeout(self.settings().max_timeout());
        let reader = if provider.provider.refuses_what_undoes() {
            let session = envelope.header.session_id();
            Reader::new(caller.account.id, caller.login, session, &locator)
        } else {
            None
        };
        let asked = Asked { caller, locator: &locator, to, deadline, provider, reader };
        let wanted = transfer::Operation::from_envelope(envelope)?;
        let done = timeout_at(deadline.into(), asked.run(wanted, action));
        let content = done.await.map_err(|_| faults::timed_out())?.map_err(Refusal::from)?;
        if operation != Operation::Get {
            let selectors = &locator.selectors;
            let keys = selectors.selectors.iter().map(|one| {
                format!("{}={}", one.name, selectors.text(&one.name).unwrap_or_default())
            });
            let keys = keys.collect::<Vec<_>>().join("+");
            audit::resource_changed(caller.actor(), action, &locator.resource_uri, &keys);
        }
        Ok(content)
    }

    /// The provider of a resource.
    pub(super) fn provider(&self, uri: &str) -> Option<&Provider> {
        self.providers.iter().find(|one| one.provider.serves(uri))
    }
}

impl Asked<'_> {
    async fn run(&self, wanted: transfer::Operation, action: &str) -> Result<Content, Box<Fault>> {
        let part = self.locator.fragment.as_ref();
        match (wanted, part) {
            (transfer::Operation::Get, None) => {
                let element = self.get().await?;
                self.note(&element);
                Ok(Content::new(action::GET_RESPONSE, vec![element]))
            }
            (transfer::Operation::Get, Some(part)) => {
                let whole = self.get().await?;
                let body = vec![fragment::select(&whole, part)?];
                Ok(Content::new(action::GET_RESPONSE, body).of_part(part))
            }
            (transfer::Operation::Put(element), None) => {
                let _writing = self.provider.writing.lock().await;
                self.check(&element).await?;
                let written = self.put(element).await?;
                if let Some(written) = &written {
                    self.note(written);
                }
                Ok(Content::new(action::PUT_RESPONSE, written.into_iter().collect()))
            }
            (transfer::Operation::Put(element), Some(part)) => {
                let whole = self.change(|whole| fragment::replace(whole, part, &element)).await?;
                let body = vec![fragment::select(&whole, part)?];
                Ok(Content::new(action::PUT_RESPONSE, body).of_part(part))
            }
            (transfer::Operation::Create(element), Some(part)) => {
                self.change(|whole| fragment::insert(whole, part, &element)).await?;
                let reference = wsman::EndpointReference {
                    resource_uri: Some(self.locator.resource_uri.clone()),
                    selectors: Some(self.locator.selectors.clone()),
                    ..wsman::EndpointReference::address(self.to)
                };
                let body = Created { reference }.to_body();
                Ok(Content::new(action::CREATE_RESPONSE, body).of_part(part))
            }
            (transfer::Operation::Delete, Some(part)) => {
                self.change(|whole| fragment::remove(whole, part)).await?;
                Ok(Content::new(action::DELETE_RESPONSE, Vec::new()).of_part(part))
            }
            (transfer::Operation::Create(element), None) => {
                match self.ask(ResourceOperation::Create(element)).await? {
                    ResourceReply::Created(reference) => {
                        let body = Created { reference }.to_body();
                        Ok(Content::new(action::CREATE_RESPONSE, body))
                    }
                    other => Err(unexpected(&other)),
                }
            }
            (transfer::Operation::Delete, None) => {
                match self.ask(ResourceOperation::Delete).await? {
                    ResourceReply::Nothing => Ok(Content::new(action::DELETE_RESPONSE, Vec::new())),
                    other => Err(unexpected(&other)),
                }
            }
            (transfer::Operation::Invoke { method, input }, None) => {
                let body = match self.ask(ResourceOperation::Invoke { method, input }).await? {
                    ResourceReply::Element(output) => vec![output],
                    ResourceReply::Nothing => Vec::new(),
                    other => return Err(unexpected(&other)),
                };
                let action = transfer::Operation::response_action(action);
                Ok(Content::new(Cow::Owned(action), body))
            }
            (transfer::Operation::Invoke { .. }, Some(_)) => Err(no_fragments("a method")),
            (_, _) => Err(not_supported(action)),
        }
    }

    async fn ask(&self, operation: ResourceOperation) -> Result<ResourceReply, Box<Fault>> {
        let request = ResourceRequest {
            account: self.caller.account,
            uri: &self.locator.resource_uri,
            selectors: &self.locator.selectors,
            options: &self.locator.options,
            to: self.to,
            deadline: self.deadline,
            operation,
        };
        self.provider.provider.handle(request).await
    }

    async fn get(&self) -> Result<Element, Box<Fault>> {
        match self.ask(ResourceOperation::Get).await? {
            ResourceReply::Element(element) => Ok(element),
            other => Err(unexpected(&other)),
        }
    }

    async fn put(&self, element: Element) -> Result<Option<Element>, Box<Fault>> {
        match self.ask(ResourceOperation::Put(element)).await? {
            ResourceReply::Element(element) => Ok(Some(element)),
            ResourceReply::Nothing => Ok(None),
            other => Err(unexpected(&other)),
        }
    }

    /// The session learns what the resource is.
    fn note(&self, element: &Element) {
        if let Some(reader) = &self.reader {
            self.provider.readings().note(reader.clone(), element);
        }
    }

    /// Whether this can be written without undoing what others wrote since the session read it.
    async fn check(&self, wanted: &Element) -> Result<(), Box<Fault>> {
        let Some(reader) = self.reader.as_ref().filter(|one| self.provider.readings().knows(one))
        else {
            return Ok(());
        };
        let now = self.get().await?;
        self.provider.readings().check(reader, wanted, &now)
    }

    /// Reads the whole, changes it, writes it; what was written.
    async fn change(
        &self,
        edit: impl FnOnce(&mut Element) -> Result<(), Box<Fault>>,
    ) -> Result<Element, Box<Fault>> {
        let _writing = self.provider.writing.lock().await;
        let mut whole = self.get().await?;
        edit(&mut whole)?;
        let written = self.put(whole.clone()).await?;
        Ok(written.unwrap_or(whole))
    }
}

impl Content {
    /// The same about a part: the answer repeats which, DSP0226 7.7.
    fn of_part(mut self, part: &Fragment) -> Self {
        self.headers.push(HeaderValue::FragmentTransfer(part.to_element()));
        self
    }
}

/// Fragments are of representations.
pub(super) fn no_fragments(of: &str) -> Box<Fault> {
    let text = format!("There are no fragments of {of}. ");
    Box::new(Fault::new(ErrorCode::FRAGMENT_TRANSFER_NOT_SUPPORTED, text))
}

pub(super) fn unexpected(reply: &ResourceReply) -> Box<Fault> {
    tracing::error!(?reply, "a provider of resources answered what it was not asked");
    Box::new(Fault::new(ErrorCode::INTERNAL_ERROR, "The provider gave no answer. "))
}
