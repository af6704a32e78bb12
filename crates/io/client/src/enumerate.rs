//! Enumerations: everything that there is of a resource, Pull after Pull.

use wsman::Fault;
use wsman::enumeration::client::{Error as WalkError, Limits as WalkLimits, Walk};
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
    let config = calls.config();
    let bytes = usize::try_from(config.max_envelope_size).unwrap_or(usize::MAX);
    let (operation_timeout, wait) = config.settings.timing.split(None);
    let malformed = |problem: String| calls.named_error(ProtocolError::Message(problem), OPERATION);
    let broken = |error: WalkError| {
        if let WalkError::Fault(fault) = error {
            calls.named_error(*fault, OPERATION)
        } else {
            malformed(error.to_string())
        }
    };
    let mut walk = Walk::new(context, enumerate, WalkLimits::default());
    let mut items = Vec::new();
    while let Some(request) = walk.next(entropy::uuid(), operation_timeout).map_err(broken)? {
        let message = request.envelope.encode_as(config.charset);
        // A Pull moves the enumeration on: it is not said twice.
        let answer = calls.call(Call::brief(&message, OPERATION, wait)).await?;
        let envelope = answer
            .envelope(&Limits { bytes, ..Limits::default() })
            .map_err(|error| malformed(error.to_string()))?;
        if envelope.header.relates_to().is_none()
            && let Ok(Some(fault)) = Fault::from_envelope(&envelope)
        {
            return Err(calls.named_error(fault, OPERATION));
        }
        items.extend(walk.handle_response(&envelope).map_err(broken)?);
    }
    Ok(items)
}
