//! Reads faults: by namespace, never by prefix, and with as little as a stack may leave.

use super::{ErrorCode, Fault, FaultCode, Message, ProviderFault, WsmanFault};
use crate::envelope::Envelope;
use crate::error::Error;
use crate::header::HeaderValue;
use crate::ns;
use crate::selector::attributes_except;
use crate::xml::{Element, Name, Node, is_space};

impl Fault {
    /// Whether the message is a fault.
    #[must_use]
    pub fn is_in(envelope: &Envelope) -> bool {
        envelope.body_element().is_some_and(|element| element.is(ns::SOAP, "Fault"))
    }

    /// The fault of a message; `None` for a message that is none.
    ///
    /// # Errors
    ///
    /// The body is a fault without a code that SOAP 1.2 knows, or with a number in
    /// `f:WSManFault` that is no 32-bit number.
    pub fn from_envelope(envelope: &Envelope) -> Result<Option<Self>, Error> {
        let Some(fault) = envelope.body_element().filter(|body| body.is(ns::SOAP, "Fault")) else {
            return Ok(None);
        };
        let mut fault = Self::from_element(fault)?;
        fault.action = envelope.action().unwrap_or_default().to_owned();
        fault.not_understood = envelope.header.blocks.iter().find_map(|block| {
            if let HeaderValue::NotUnderstood(element) = &block.value {
                let (namespace, local) = element.qname(element.attribute("qname")?)?;
                Some(Name::from_parts(namespace, local))
            } else {
                None
            }
        });
        Ok(Some(fault))
    }

    fn from_element(element: &Element) -> Result<Self, Error> {
        let code = element.child(ns::SOAP, "Code").ok_or(missing("s:Fault", "s:Code"))?;
        let value = code.child(ns::SOAP, "Value").ok_or(missing("s:Code", "s:Value"))?;
        let text = value.text();
        let code_value = match value.qname(&text) {
            Some((ns::SOAP, local)) => FaultCode::from_local(local.trim_matches(is_space)),
            Some(_) | None => None,
        };
        let subcode = code.child(ns::SOAP, "Subcode");
        let subcode = subcode.and_then(|subcode| subcode.child(ns::SOAP, "Value"));
        let reason = element.child(ns::SOAP, "Reason");
        let reason = reason.and_then(|reason| reason.child(ns::SOAP, "Text"));
        let mut fault = Self {
            action: String::new(),
            code: code_value.ok_or(Error::Value("s:Code"))?,
            subcode: subcode.map(subcode_name),
            reason: reason.map(Element::trimmed_text).unwrap_or_default(),
            lang: reason.and_then(|text| text.attribute_ns(ns::XML, "lang")).map(str::to_owned),
            fault_detail: None,
            wsman_fault: None,
            other: Vec::new(),
            not_understood: None,
        };
        for part in element.child(ns::SOAP, "Detail").into_iter().flat_map(Element::elements) {
            if part.is(ns::WSMAN, "FaultDetail") && fault.fault_detail.is_none() {
                fault.fault_detail = Some(part.trimmed_text());
            } else if part.is(ns::WSMAN_FAULT, "WSManFault") && fault.wsman_fault.is_none() {
                fault.wsman_fault = Some(WsmanFault::from_element(part)?);
            } else {
                fault.other.push(part.clone());
            }
        }
        Ok(fault)
    }
}

/// A prefix that is bound nowhere, as in [MS-WSMV] 4.10, means what Windows usually means by it.
fn subcode_name(value: &Element) -> Name {
    let text = value.trimmed_text();
    if let Some((namespace, local)) = value.qname(&text) {
        return Name::from_parts(namespace, local);
    }
    let (prefix, local) = text.split_once(':').unwrap_or(("", &text));
    Name::from_parts(ns::usual_namespace(prefix).unwrap_or_default(), local)
}

impl WsmanFault {
    fn from_element(element: &Element) -> Result<Self, Error> {
        let code = element.attribute("Code").ok_or(missing("f:WSManFault", "Code"))?;
        let mut message = element.child(ns::WSMAN_FAULT, "Message");
        if message.is_none() && element.elements().next().is_none() {
            // Some stacks put the text right into the fault.
            message = Some(element);
        }
        let mut fault = Self {
            code: parse_code(code).ok_or(Error::Value("f:WSManFault/@Code"))?,
            machine: element.attribute("Machine").map(str::to_owned),
            attributes: attributes_except(element, &[("", "Code"), ("", "Machine")]),
            message: match message {
                Some(message) => Message::from_element(message)?,
                None => Message::default(),
            },
        };
        let beside = element.elements().filter(|child| !child.is(ns::WSMAN_FAULT, "Message"));
        fault.message.other.extend(beside.cloned());
        Ok(fault)
    }
}

impl Message {
    fn from_element(element: &Element) -> Result<Self, Error> {
        let mut message = Self::default();
        for node in &element.children {
            match node {
                Node::Text(text) => message.text.push_str(text),
                Node::Element(child) => message.take(child)?,
            }
        }
        message.text = message.text.trim_matches(is_space).to_owned();
        Ok(message)
    }

    fn take(&mut self, child: &Element) -> Result<(), Error> {
        if child.is(ns::WSMAN_FAULT, "ProviderFault") && self.provider.is_none() {
            self.provider = Some(Box::new(ProviderFault {
                provider: child.attribute("provider").map(str::to_owned),
                path: child.attribute("path").map(str::to_owned),
                attributes: attributes_except(child, &[("", "provider"), ("", "path")]),
                message: Self::from_element(child)?,
            }));
        } else if child.is(ns::WSMAN_FAULT, "WSManFault") && self.fault.is_none() {
            self.fault = Some(Box::new(WsmanFault::from_element(child)?));
        } else {
            self.other.push(child.clone());
        }
        Ok(())
    }
}

/// Decimal and unsigned on Windows; a signed HRESULT or hexadecimal digits come from others.
fn parse_code(text: &str) -> Option<ErrorCode> {
    let text = text.trim_matches(is_space);
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let digits = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        return u32::from_str_radix(hex, 16).ok().filter(|_| digits).map(ErrorCode);
    }
    crate::shell::parse_u32_or_i32(text).map(ErrorCode)
}

const fn missing(parent: &'static str, name: &'static str) -> Error {
    Error::Missing { parent, name }
}
