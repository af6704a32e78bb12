//! Whether an answer fits the envelope that its client takes, [MS-WSMV] 3.1.4.1.10.
//!
//! Answers with output and lists of items are made to fit; what cannot be cut is refused when it is too long.

use session::access::Operation;
use wsman::Envelope;
use wsman::fault::{ErrorCode, Fault};
use wsman::xml::{Element, Node};

use super::Refusal;

/// The head of an answer and what an encoded name is longer than its parts are, in octets at most.
const HEAD: usize = 4 * 1024;
/// A prefix, a declaration of a namespace with its markup beside the namespace itself.
const MARKUP: usize = 24;

/// Whether the reply to an operation has at most so many octets, as UTF-8.
///
/// # Errors
///
/// The fault that is answered instead: after an operation that changed something it says that it was done.
pub(super) fn check(
    reply: &Envelope,
    limit: usize,
    operation: Option<Operation>,
) -> Result<(), Refusal> {
    // Their answers were made for the limit.
    let is_fitted = matches!(
        operation,
        Some(
            Operation::Receive
                | Operation::Send
                | Operation::Enumerate
                | Operation::Pull
                | Operation::Release
        )
    );
    // Most answers are short, which is found without writing them.
    let most = reply.body.iter().map(at_most).sum::<usize>().saturating_add(HEAD);
    if is_fitted || most <= limit {
        return Ok(());
    }
    let octets = reply.encode().len();
    if octets <= limit {
        return Ok(());
    }
    let read_only = matches!(operation, Some(Operation::Get));
    let text = if read_only {
        format!("The answer has {octets} octets, and the client takes {limit}. ")
    } else {
        format!(
            "The operation is done; its answer has {octets} octets, and the client takes {limit}. "
        )
    };
    let code = match read_only {
        true => ErrorCode::MAX_ENVELOPE_SIZE_EXCEEDED,
        false => ErrorCode::UNREPORTABLE_SUCCESS,
    };
    Err(Refusal::from(Box::new(Fault::new(code, text))))
}

/// The octets of an element when it is written, at most.
fn at_most(element: &Element) -> usize {
    // A character may become six octets of a reference, and an element may declare its namespace.
    let name = |name: &wsman::xml::Name| 2 * name.local().len() + name.namespace().len() + MARKUP;
    let attributes = element.attributes.iter().map(|one| name(&one.name) + 6 * one.value.len());
    let bindings = element.bindings.iter().map(|one| 2 * one.namespace().len() + MARKUP);
    let children = element.children.iter().map(|node| match node {
        Node::Element(child) => at_most(child),
        Node::Text(text) => 6 * text.len(),
    });
    let parts = attributes.chain(bindings).chain(children);
    parts.fold(name(&element.name), usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimate_is_never_below_what_is_written() {
        for text in ["", "plain", "<&>\"'\r\n", "äöü€"] {
            let inner = Element::new("urn:inner:namespace", "Inner").with_text(text);
            let element = Element::new("urn:outer", "Outer")
                .with_attribute("Name", text)
                .with_attribute_ns("urn:attribute", "Other", text)
                .with_child(inner);
            assert!(at_most(&element) >= wsman::xml::encode(&element).len(), "{text}");
        }
    }

    #[test]
    fn long_answer_is_refused_by_what_was_done() {
        let body = vec![Element::new("urn:x", "X").with_text("x".repeat(10_000))];
        let reply = Envelope { body, ..Envelope::default() };
        let code = |limit, operation| {
            let refused = check(&reply, limit, Some(operation)).err()?;
            refused.fault.error_code()
        };
        assert_eq!(code(20_000, Operation::Get), None);
        assert_eq!(code(8_192, Operation::Get), Some(ErrorCode::MAX_ENVELOPE_SIZE_EXCEEDED));
        assert_eq!(code(8_192, Operation::Put), Some(ErrorCode::UNREPORTABLE_SUCCESS));
        assert_eq!(code(8_192, Operation::Receive), None);
    }
}
