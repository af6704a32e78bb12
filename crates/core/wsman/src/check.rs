//! The rules that every request's header must keep, and the fault for each that it breaks.
//!
//! DSP0226 5, 6 and 13, [MS-WSMV] 2.2.4 and 3.1.4.1.

use std::time::Duration;

use crate::fault::{ErrorCode, Fault};
use crate::header::{Block, Header, HeaderValue};
use crate::ns;
use crate::xml::Element;

/// The least `w:MaxEnvelopeSize` that a request may ask for, in octets.
pub const MIN_ENVELOPE_SIZE: u64 = 8_192;
/// Windows answers no sooner than this, however short the `w:OperationTimeout`.
pub const MIN_OPERATION_TIMEOUT: Duration = Duration::from_millis(500);
/// The longest `a:MessageID`, `w:ResourceURI` and `p:ActivityId`.
const MAX_TEXT: usize = 2_048;

impl Header {
    /// Checks the header of a request.
    ///
    /// # Errors
    ///
    /// The fault that Windows gives:
    ///
    /// * a header that must be understood and is not known: `s:MustUnderstand`
    /// * one that is malformed or stands twice, an empty or missing `a:MessageID`, a negative
    ///   `w:OperationTimeout`, a `p:SequenceId` other than 1, a `w:FragmentTransfer` that need not
    ///   be understood, a `p:ActivityId` that is too long: `a:InvalidMessageInformationHeader`
    /// * no `a:To`, `a:Action` or `a:ReplyTo`: `a:MessageInformationHeaderRequired`
    /// * no `w:ResourceURI`: `a:DestinationUnreachable`; a too long one: `w:EncodingLimit`
    /// * an `a:ReplyTo` or `a:FaultTo` elsewhere, a `w:Locale` or `p:DataLocale` that must be
    ///   understood: `w:UnsupportedFeature`
    /// * a `w:MaxEnvelopeSize` below 8,192: `w:EncodingLimit`
    /// * a selector that stands twice: `w:InvalidSelectors`
    pub fn check_request(&self) -> Result<(), Box<Fault>> {
        self.blocks.iter().try_for_each(check_understood)?;
        self.blocks.iter().try_for_each(check_form)?;
        self.check_duplicates()?;
        self.check_required()?;
        self.blocks.iter().try_for_each(check_value)
    }

    /// The largest reply in octets that the requester accepts: what it asked for, at most
    /// `configured` (`MaxEnvelopeSizekb` times 1,024).
    #[must_use]
    pub fn reply_limit(&self, configured: u64) -> u64 {
        self.max_envelope_size().map_or(configured, |size| size.min(configured))
    }

    /// How long the operation may take: what the requester asked for, at least 500 ms and at most
    /// `configured` (`MaxTimeoutms`).
    #[must_use]
    pub fn timeout(&self, configured: Duration) -> Duration {
        let asked = self.operation_timeout().and_then(|duration| duration.length());
        asked.map_or(configured, |asked| asked.max(MIN_OPERATION_TIMEOUT).min(configured))
    }

    fn check_duplicates(&self) -> Result<(), Box<Fault>> {
        let mut seen = Vec::new();
        for block in &self.blocks {
            let free = matches!(
                block.value,
                HeaderValue::Other(_) | HeaderValue::NotUnderstood(_) | HeaderValue::RelatesTo(_)
            );
            if free {
                continue;
            }
            let kind = std::mem::discriminant(&block.value);
            if seen.contains(&kind) {
                let name = block.to_element().name;
                return Err(invalid(&format!("The header {} stands twice. ", name.local())));
            }
            seen.push(kind);
        }
        Ok(())
    }

    fn check_required(&self) -> Result<(), Box<Fault>> {
        let some = |text: Option<&str>| text.is_some_and(|text| !text.is_empty());
        let required = [
            ("To", some(self.to())),
            ("Action", some(self.action())),
            ("ReplyTo", self.reply_to().is_some()),
        ];
        if let Some((name, _)) = required.iter().find(|(_, present)| !present) {
            let text = format!("The request has no {name} header. ");
            return Err(Box::new(Fault::new(ErrorCode::MESSAGE_INFORMATION_HEADER_REQUIRED, text)));
        }
        if !some(self.message_id()) {
            return Err(invalid("The request has no MessageID. "));
        }
        if !some(self.resource_uri()) {
            let text = "The request has no ResourceURI. ";
            return Err(Box::new(Fault::new(ErrorCode::INVALID_RESOURCE_URI, text)));
        }
        Ok(())
    }
}

/// SOAP wants this decided before anything else about the message.
fn check_understood(block: &Block) -> Result<(), Box<Fault>> {
    let HeaderValue::Other(element) = &block.value else {
        return Ok(());
    };
    if !block.must_understand() || !is_for_us(element) {
        return Ok(());
    }
    let text = format!("The header {} must be understood, and is not. ", element.name.local());
    let fault = Fault::new(ErrorCode::SOAP_FAULT_MUST_UNDERSTAND, text);
    Err(Box::new(Fault { not_understood: Some(element.name.clone()), ..fault }))
}

/// Whether a block is meant for the receiver at the end (SOAP 1.2 part 1, 2.2).
fn is_for_us(element: &Element) -> bool {
    match element.attribute_ns(ns::SOAP, "role") {
        None => true,
        Some(role) => {
            let role = role.strip_prefix(ns::SOAP);
            matches!(role, Some("/role/next" | "/role/ultimateReceiver"))
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all other blocks have attributes of their own")]
fn check_form(block: &Block) -> Result<(), Box<Fault>> {
    let is_must_understand = |name: &crate::xml::Name| name.is(ns::SOAP, "mustUnderstand");
    let (name, malformed) = match &block.value {
        HeaderValue::Malformed(element) => (element.name.local(), true),
        HeaderValue::Other(element)
        | HeaderValue::FragmentTransfer(element)
        | HeaderValue::NotUnderstood(element) => {
            let bad =
                element.attributes.iter().any(|attribute| is_must_understand(&attribute.name));
            (element.name.local(), bad)
        }
        _ => {
            let bad = block.attributes.iter().any(|attribute| is_must_understand(&attribute.name));
            ("mustUnderstand", bad)
        }
    };
    if malformed { Err(invalid(&format!("The header {name} is malformed. "))) } else { Ok(()) }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "most headers have no further rule")]
fn check_value(block: &Block) -> Result<(), Box<Fault>> {
    match &block.value {
        HeaderValue::MessageId(text) if text.len() > MAX_TEXT => {
            Err(invalid("The MessageID is too long. "))
        }
        HeaderValue::ActivityId(text) if text.chars().count() > MAX_TEXT => {
            Err(invalid("The ActivityId is too long. "))
        }
        HeaderValue::ResourceUri(uri) if uri.chars().count() > MAX_TEXT => {
            Err(Box::new(Fault::new(ErrorCode::URI_LIMIT, "The ResourceURI is too long. ")))
        }
        HeaderValue::ReplyTo(to) | HeaderValue::FaultTo(to) if !to.is_anonymous() => {
            let text = "Replies go back on the same connection, to the anonymous address only. ";
            Err(Box::new(Fault::new(ErrorCode::UNSUPPORTED_ADDRESSING_MODE, text)))
        }
        HeaderValue::MaxEnvelopeSize(size) if *size < MIN_ENVELOPE_SIZE => {
            let text = format!("The MaxEnvelopeSize is below {MIN_ENVELOPE_SIZE}. ");
            Err(Box::new(Fault::new(ErrorCode::MIN_ENVELOPE_SIZE, text)))
        }
        HeaderValue::OperationTimeout(timeout) if timeout.is_negative() => {
            Err(invalid("The OperationTimeout is negative. "))
        }
        HeaderValue::Locale(_) if block.must_understand() => {
            let text = "A Locale that must be understood is not supported. ";
            Err(Box::new(Fault::new(ErrorCode::MUSTUNDERSTAND_ON_LOCALE_UNSUPPORTED, text)))
        }
        HeaderValue::DataLocale(_) if block.must_understand() => {
            let text = "A DataLocale that must be understood is not supported. ";
            let code = ErrorCode::MUSTUNDERSTAND_ON_LOCALE_UNSUPPORTED;
            Err(Box::new(Fault::new(code, text).with_detail("DataLocale")))
        }
        HeaderValue::SelectorSet(selectors) => match selectors.duplicate() {
            Some(name) => {
                let text = format!("The selector {name} stands twice. ");
                Err(Box::new(Fault::new(ErrorCode::DUPLICATE_SELECTORS, text)))
            }
            None => Ok(()),
        },
        HeaderValue::FragmentTransfer(_) if !block.must_understand() => {
            Err(invalid("A FragmentTransfer must be marked as one that must be understood. "))
        }
        HeaderValue::SequenceId(number) if *number != 1 => {
            Err(invalid("The SequenceId of a request is not 1. "))
        }
        _ => Ok(()),
    }
}

fn invalid(text: &str) -> Box<Fault> {
    Box::new(Fault::new(ErrorCode::INVALID_MESSAGE_INFORMATION_HEADER, text))
}
