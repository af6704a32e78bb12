//! Enumerations: everything that there is of a resource, Pull after Pull.

use wsman::Fault;
use wsman::enumeration::client::{Error as WalkError, Limits as WalkLimits, Request, Walk};
use wsman::enumeration::{Enumerate, Item};
use wsman::shell::RequestContext;
use wsman::xml::Limits;

use crate::calls::{Call, Calls};
use crate::entropy;
use crate::error::{Error, ProtocolError};

const OPERATION: &str = "Enumerate";

/// Asks for all items. The context's resource URI is what is enumerated.
///
/// # Errors
///
/// [`Error`].
pub(crate) async fn enumerate(
    calls: &Calls,
    context: RequestContext,
    enumerate: Enumerate,
) -> Result<Vec<Item>, Error> {
    let mut walk = Walk::new(context, enumerate, WalkLimits::default());
    let mut items = Vec::new();
    while let Some(more) = step(calls, &mut walk).await? {
        items.extend(more);
    }
    Ok(items)
}

/// The items of one answer, maybe none; `None` when there is no more.
///
/// # Errors
///
/// [`Error`]; the walk is over then.
pub(crate) async fn step(calls: &Calls, walk: &mut Walk) -> Result<Option<Vec<Item>>, Error> {
    let (operation_timeout, _) = calls.config().settings.timing.split(None);
    match walk.next(entropy::uuid(), operation_timeout) {
        Ok(Some(request)) => exchange(calls, walk, &request).await.map(Some),
        Ok(None) => Ok(None),
        Err(error) => Err(broken(calls, error)),
    }
}

/// Gives up what has not been told.
///
/// # Errors
///
/// [`Error`].
pub(crate) async fn release(calls: &Calls, walk: &mut Walk) -> Result<(), Error> {
    let (operation_timeout, _) = calls.config().settings.timing.split(None);
    match walk.release(entropy::uuid(), operation_timeout) {
        Ok(Some(request)) => exchange(calls, walk, &request).await.map(drop),
        Ok(None) => Ok(()),
        Err(error) => Err(broken(calls, error)),
    }
}

/// One request and its answer.
async fn exchange(calls: &Calls, walk: &mut Walk, request: &Request) -> Result<Vec<Item>, Error> {
    let config = calls.config();
    let bytes = usize::try_from(config.max_envelope_size).unwrap_or(usize::MAX);
    let (_, wait) = config.settings.timing.split(None);
    let message = request.envelope.encode_as(config.charset);
    // A Pull moves the enumeration on: it is not said twice.
    let answer = calls.call(Call::brief(&message, OPERATION, wait)).await;
    let answer = answer.inspect_err(|_| walk.handle_lost())?;
    let envelope = answer.envelope(&Limits { bytes, ..Limits::default() }).map_err(|error| {
        walk.handle_lost();
        calls.named_error(ProtocolError::Message(error.to_string()), OPERATION)
    })?;
    if envelope.header.relates_to().is_none()
        && let Ok(Some(fault)) = Fault::from_envelope(&envelope)
    {
        walk.handle_lost();
        return Err(calls.named_error(fault, OPERATION));
    }
    walk.handle_response(&envelope).map_err(|error| broken(calls, error))
}

/// The errors of a walk as those of the client.
fn broken(calls: &Calls, error: WalkError) -> Error {
    if let WalkError::Fault(fault) = error {
        calls.named_error(*fault, OPERATION)
    } else {
        calls.named_error(ProtocolError::Message(error.to_string()), OPERATION)
    }
}
