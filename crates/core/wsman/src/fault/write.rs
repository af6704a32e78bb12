//! Writes faults as Windows does.

use uuid::Uuid;

use super::{Fault, Message, ProviderFault, WsmanFault};
use crate::envelope::Envelope;
use crate::header::{Header, HeaderValue};
use crate::ns;
use crate::xml::{Binding, Element, Name, Node};

impl Fault {
    /// The message that answers `request` with this fault. `machine` is the name of the host, and
    /// goes into `f:WSManFault` where the fault names none. `request` is `None` when it could not
    /// be read: then nothing can be related to.
    #[must_use]
    pub fn to_envelope(
        &self,
        request: Option<&Header>,
        message_id: Uuid,
        machine: &str,
    ) -> Envelope {
        let none = Header::default();
        let header = request.unwrap_or(&none);
        let body = vec![self.to_element(machine)];
        let mut envelope = header.reply(&self.action, message_id, body);
        if let Some(name) = &self.not_understood {
            let mut element = Element::new(ns::SOAP, "NotUnderstood");
            let value = qname(name, &mut element);
            let element = element.with_attribute("qname", value);
            envelope.header = envelope.header.with(HeaderValue::NotUnderstood(element));
        }
        envelope
    }

    /// The element `s:Fault`.
    #[must_use]
    pub fn to_element(&self, machine: &str) -> Element {
        let value = ["s:", self.code.local()].concat();
        let mut code_value = Element::new(ns::SOAP, "Value").with_text(value);
        code_value.bindings.push(Binding::constant("s", ns::SOAP));
        let mut code = Element::new(ns::SOAP, "Code").with_child(code_value);
        if let Some(subcode) = &self.subcode {
            let mut element = Element::new(ns::SOAP, "Value");
            let text = qname(subcode, &mut element);
            code.push(Element::new(ns::SOAP, "Subcode").with_child(element.with_text(text)));
        }
        let mut text = Element::new(ns::SOAP, "Text");
        if let Some(lang) = &self.lang {
            text = text.with_attribute_ns(ns::XML, "lang", lang);
        }
        let text = text.with_text(&self.reason);
        let fault = Element::new(ns::SOAP, "Fault")
            .with_child(code)
            .with_child(Element::new(ns::SOAP, "Reason").with_child(text));
        match self.detail(machine) {
            Some(detail) => fault.with_child(detail),
            None => fault,
        }
    }

    fn detail(&self, machine: &str) -> Option<Element> {
        let mut detail = Element::new(ns::SOAP, "Detail");
        if let Some(uri) = &self.fault_detail {
            detail.push(Element::new(ns::WSMAN, "FaultDetail").with_text(uri));
        }
        if let Some(fault) = &self.wsman_fault {
            detail.push(fault.to_element(machine));
        }
        detail.children.extend(self.other.iter().cloned().map(Node::Element));
        (!detail.is_empty()).then_some(detail)
    }
}

impl WsmanFault {
    fn to_element(&self, machine: &str) -> Element {
        let machine = self.machine.as_deref().unwrap_or(machine);
        let mut element = Element::new(ns::WSMAN_FAULT, "WSManFault")
            .with_attribute("Code", self.code.0.to_string())
            .with_attribute("Machine", machine);
        element.attributes.extend(self.attributes.iter().cloned());
        element.with_child(self.message.fill(Element::new(ns::WSMAN_FAULT, "Message"), machine))
    }
}

impl Message {
    fn fill(&self, mut element: Element, machine: &str) -> Element {
        element = element.with_text(&self.text);
        if let Some(provider) = &self.provider {
            element.push(provider.to_element(machine));
        }
        if let Some(fault) = &self.fault {
            element.push(fault.to_element(machine));
        }
        element.children.extend(self.other.iter().cloned().map(Node::Element));
        element
    }
}

impl ProviderFault {
    fn to_element(&self, machine: &str) -> Element {
        let mut element = Element::new(ns::WSMAN_FAULT, "ProviderFault");
        if let Some(provider) = &self.provider {
            element = element.with_attribute("provider", provider);
        }
        if let Some(path) = &self.path {
            element = element.with_attribute("path", path);
        }
        element.attributes.extend(self.attributes.iter().cloned());
        self.message.fill(element, machine)
    }
}

/// The name with a customary prefix, which `element` then binds.
fn qname(name: &Name, element: &mut Element) -> String {
    if name.namespace().is_empty() {
        return name.local().to_owned();
    }
    let prefix = ns::preferred_prefix(name.namespace()).unwrap_or("q");
    element.bindings.push(Binding::new(prefix, name.namespace()));
    [prefix, ":", name.local()].concat()
}
