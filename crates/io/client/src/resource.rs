//! Operations on resources: Get, Put, Create, Delete, methods and enumerations.
//!
//! ```text
//!               next                 more                  last
//! Enumeration ────────► (asked) ────────────► (between) ─────────► over
//!                                                 │ release
//!                                                 └──────────────► over
//! ```
//!
//! A Get is asked again when its connection broke. Every operation names itself: to a service that has shown that it knows the name,
//! which comes back in its answers, it is said again, and not done twice. Nothing else is, since the host may have done it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use uuid::Uuid;
use wsman::enumeration::client::{Limits as WalkLimits, Walk};
use wsman::enumeration::{Enumerate, Item};
use wsman::ns::action;
use wsman::transfer::{Created, Locator, Operation};
use wsman::xml::{Element, Limits};
use wsman::{EndpointReference, Envelope, ErrorCode, Fault, HeaderValue};

use crate::calls::{Call, Calls};
use crate::client::Client;
use crate::entropy;
use crate::enumerate;
use crate::error::{Error, ProtocolError};
use crate::shell;

/// How long somebody who was overtaken waits at most, the first time and the last.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_millis(500);

/// How much of an action of a host an error shows.
const SHOWN: usize = 200;

impl Client {
    /// The representation of a resource; of a fragment the element `w:XmlFragment`, which holds what was asked for.
    ///
    /// # Errors
    ///
    /// [`Error`]; that there is no such resource is a fault.
    pub async fn get(&self, locator: &Locator) -> Result<Element, Error> {
        let body = self.operate(locator, &Operation::Get).await?;
        body.ok_or_else(|| self.without_answer("Get"))
    }

    /// Gives a resource another representation, or a fragment of it with an element `w:XmlFragment`. Brings what the
    /// resource is then, where the service says so.
    ///
    /// # Errors
    ///
    /// [`Error`]. After a lost connection the host may have done it.
    pub async fn put(
        &self,
        locator: &Locator,
        resource: Element,
    ) -> Result<Option<Element>, Error> {
        self.operate(locator, &Operation::Put(resource)).await
    }

    /// Reads a resource, changes it and writes it back; brings what it is then, where the service says so. A service that
    /// refuses to undo what somebody else changed in between is asked again, for as long as an operation may take; `edit` is
    /// then given what the resource is now.
    ///
    /// # Errors
    ///
    /// Those of `edit`, and [`Error`]. After a lost connection the host may have done it.
    pub async fn update<E: From<Error>>(
        &self,
        locator: &Locator,
        mut edit: impl FnMut(&mut Element) -> Result<(), E>,
    ) -> Result<Option<Element>, E> {
        let (_, patience) = self.calls().config().settings.timing.split(None);
        let end = Instant::now() + patience;
        let mut pause = FIRST_PAUSE;
        loop {
            let mut resource = self.get(locator).await?;
            edit(&mut resource)?;
            match self.put(locator, resource).await {
                Err(error) if is_overtaken(&error) && Instant::now() < end => {
                    // Those who were overtaken together do not come back together.
                    sleep(entropy::part_of(pause)).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
                done => return Ok(done?),
            }
        }
    }

    /// Makes a resource; brings where it is.
    ///
    /// # Errors
    ///
    /// [`Error`]. After a lost connection the host may have done it.
    pub async fn create(
        &self,
        locator: &Locator,
        resource: Element,
    ) -> Result<EndpointReference, Error> {
        let body = self.operate(locator, &Operation::Create(resource)).await?;
        let body: Vec<Element> = body.into_iter().collect();
        let created = Created::from_body(&body);
        let created = created.map_err(|fault| {
            self.broken(ProtocolError::Message(fault.text().trim().to_owned()), "Create")
        })?;
        Ok(created.reference)
    }

    /// Removes a resource.
    ///
    /// # Errors
    ///
    /// [`Error`]. After a lost connection the host may have done it.
    pub async fn delete(&self, locator: &Locator) -> Result<(), Error> {
        self.operate(locator, &Operation::Delete).await.map(drop)
    }

    /// Calls a method of a resource; `method` is its name or a whole action URI, `input` by custom the element
    /// `METHOD_INPUT`. Brings what it returns, by custom `METHOD_OUTPUT`; `None` where the answer is empty.
    ///
    /// # Errors
    ///
    /// [`Error`]. After a lost connection the host may have done it.
    pub async fn invoke(
        &self,
        locator: &Locator,
        method: &str,
        input: Option<Element>,
    ) -> Result<Option<Element>, Error> {
        let operation = Operation::Invoke { method: method.to_owned(), input };
        self.operate(locator, &operation).await
    }

    /// All items of a resource; see [`Self::enumeration`] for those that are too many to be kept.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn enumerate(
        &self,
        locator: &Locator,
        enumerate: Enumerate,
    ) -> Result<Vec<Item>, Error> {
        let mut enumeration = self.enumeration(locator, enumerate);
        let mut items = Vec::new();
        while let Some(more) = enumeration.next().await? {
            items.extend(more);
        }
        Ok(items)
    }

    /// The items of a resource, answer by answer. Nothing is sent yet.
    #[must_use]
    pub fn enumeration(&self, locator: &Locator, enumerate: Enumerate) -> Enumeration {
        let calls = self.calls();
        let context = shell::context(&calls, self.session_id(), &locator.resource_uri);
        let walk = Walk::new(context, enumerate.clone(), WalkLimits::default())
            .with(locator.options.clone(), locator.selectors.clone());
        Enumeration {
            client: self.clone(),
            calls,
            walk,
            beginning: Some((locator.clone(), enumerate)),
        }
    }

    async fn operate(
        &self,
        locator: &Locator,
        operation: &Operation,
    ) -> Result<Option<Element>, Error> {
        loop {
            let calls = self.calls();
            match operated(&calls, self.session_id(), locator, operation).await {
                Err(error) => self.follow(&calls, error)?,
                done => return done,
            }
        }
    }

    fn without_answer(&self, operation: &'static str) -> Error {
        self.broken(ProtocolError::Message("the answer's body is empty".to_owned()), operation)
    }

    fn broken(&self, error: ProtocolError, operation: &'static str) -> Error {
        self.calls().named_error(error, operation)
    }
}

/// An enumeration under way. Dropped before its end it is left to the service, which forgets it after a while;
/// [`Self::release`] says so at once.
#[derive(Debug)]
pub struct Enumeration {
    client: Client,
    calls: Arc<Calls>,
    walk: Walk,
    /// What is asked first, which a host may send elsewhere.
    beginning: Option<(Locator, Enumerate)>,
}

impl Enumeration {
    /// The items of the next answer, maybe none; `None` behind the last.
    ///
    /// # Errors
    ///
    /// [`Error`]; it is over then.
    pub async fn next(&mut self) -> Result<Option<Vec<Item>>, Error> {
        loop {
            let answered = enumerate::step(&self.calls, &mut self.walk).await;
            let Some((locator, enumerate)) = self.beginning.take() else { return answered };
            match answered {
                Err(error) => {
                    self.client.follow(&self.calls, error)?;
                    *self = self.client.enumeration(&locator, enumerate);
                }
                done => return done,
            }
        }
    }

    /// Gives up what has not been told.
    ///
    /// # Errors
    ///
    /// [`Error`]; that the service has forgotten it is none.
    pub async fn release(mut self) -> Result<(), Error> {
        enumerate::release(&self.calls, &mut self.walk).await
    }
}

/// Whether nothing was written because somebody else wrote first.
fn is_overtaken(error: &Error) -> bool {
    error.fault().and_then(Fault::error_code) == Some(ErrorCode::CONCURRENCY)
}

/// The names of operations in errors.
const fn name(operation: &Operation) -> &'static str {
    match operation {
        Operation::Get => "Get",
        Operation::Put(_) => "Put",
        Operation::Create(_) => "Create",
        Operation::Delete => "Delete",
        Operation::Invoke { .. } | _ => "Invoke",
    }
}

/// Makes one operation; the first element of the answer's body.
async fn operated(
    calls: &Calls,
    session_id: Uuid,
    locator: &Locator,
    operation: &Operation,
) -> Result<Option<Element>, Error> {
    let config = calls.config();
    let (operation_timeout, wait): (Duration, Duration) = config.settings.timing.split(None);
    let context = shell::context(calls, session_id, &locator.resource_uri);
    let message_id = entropy::uuid();
    let request = operation.to_envelope(&context, locator, message_id, operation_timeout);
    let operation_id = entropy::uuid();
    let message = named(&request, operation_id, false).encode_as(config.charset);
    let marked = calls
        .is_robust(&locator.resource_uri)
        .then(|| named(&request, operation_id, true).encode_as(config.charset));
    let is_get = *operation == Operation::Get;
    let call = Call::brief(&message, name(operation), wait);
    let call = Call { replay: is_get, again: marked.as_deref(), repeatable: is_get, ..call };
    let answer = calls.call(call).await?;
    let malformed =
        |problem: String| calls.named_error(ProtocolError::Message(problem), name(operation));
    let bytes = usize::try_from(config.max_envelope_size).unwrap_or(usize::MAX);
    let envelope = answer
        .envelope(&Limits { bytes, ..Limits::default() })
        .map_err(|error| malformed(error.to_string()))?;
    calls.note_robust(&locator.resource_uri, &envelope.header);
    let fault = Fault::from_envelope(&envelope).map_err(|error| malformed(error.to_string()))?;
    let related = envelope.header.relates_to();
    // What a service could not read it cannot name.
    let is_unnamed_fault = related.is_none() && fault.is_some();
    if related != Some(wsman::uuid_uri(message_id).as_str()) && !is_unnamed_fault {
        return Err(malformed("the answer relates to another request".to_owned()));
    }
    match fault {
        Some(fault) => Err(calls.named_error(fault, name(operation))),
        None => answered(envelope, operation).map_err(malformed),
    }
}

/// The request with the name of its operation, marked or not as one that comes again.
fn named(request: &Envelope, operation_id: Uuid, is_again: bool) -> Envelope {
    let mut request = request.clone();
    let id = HeaderValue::OperationId(wsman::uuid_uri(operation_id));
    request.header = request
        .header
        .with_must_understand(id, is_again)
        .with_must_understand(HeaderValue::SequenceId(1), false);
    request
}

/// What an answer brings, if it is one to the operation.
fn answered(envelope: Envelope, operation: &Operation) -> Result<Option<Element>, String> {
    let expected = match operation {
        Operation::Get => Some(action::GET_RESPONSE),
        Operation::Put(_) => Some(action::PUT_RESPONSE),
        Operation::Create(_) => Some(action::CREATE_RESPONSE),
        Operation::Delete => Some(action::DELETE_RESPONSE),
        // Services do not agree on the action of a method's answer.
        Operation::Invoke { .. } | _ => None,
    };
    let action = envelope.action().unwrap_or_default();
    if expected.is_some_and(|expected| expected != action) {
        let shown: String = action.chars().take(SHOWN).collect();
        return Err(format!("the answer has the action {shown:?}"));
    }
    let mut body = envelope.body.into_iter();
    let first = body.next();
    if body.next().is_some() {
        return Err("the answer's body has more than one element".to_owned());
    }
    Ok(first)
}
