//! Identify: who is there, asked without an address and perhaps without a login, DSP0226 11.

use crate::envelope::Envelope;
use crate::error::Error;
use crate::ns;
use crate::xml::{Element, Node};

/// The HTTP header that asks without a login; its value is [`UNAUTHENTICATED`].
pub const HTTP_HEADER: &str = "WSMANIDENTIFY";
/// The value of [`HTTP_HEADER`].
pub const UNAUTHENTICATED: &str = "unauthenticated";
/// What an answer without a login says of the system: nothing.
pub const HIDDEN_PRODUCT_VERSION: &str = "OS: 0.0.0 SP: 0.0 Stack: 3.0";

/// URIs for [`IdentifyResponse::security_profiles`].
pub mod profile {
    /// Basic over HTTP.
    pub const HTTP_BASIC: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/http/basic";
    /// Basic over HTTPS.
    pub const HTTPS_BASIC: &str =
        "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/basic";
    /// Negotiate or Kerberos over HTTP.
    pub const HTTP_SPNEGO: &str =
        "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/http/spnego-kerberos";
    /// Negotiate or Kerberos over HTTPS.
    pub const HTTPS_SPNEGO: &str =
        "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/spnego-kerberos";
    /// A client certificate.
    pub const HTTPS_MUTUAL: &str =
        "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual";
}

/// `wsmid:Identify`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "clients build it field by field")]
pub struct Identify {
    /// Child elements; vendors may ask for more.
    pub other: Vec<Element>,
}

impl Identify {
    /// The Identify of a message; `None` for another message. Headers do not matter.
    #[must_use]
    pub fn from_envelope(envelope: &Envelope) -> Option<Self> {
        match envelope.body.as_slice() {
            [element] if element.is(ns::IDENTITY, "Identify") => {
                Some(Self { other: element.elements().cloned().collect() })
            }
            _ => None,
        }
    }

    /// The message: it has no headers.
    #[must_use]
    pub fn to_envelope(&self) -> Envelope {
        let mut element = Element::new(ns::IDENTITY, "Identify");
        element.children.extend(self.other.iter().cloned().map(Node::Element));
        Envelope { body: vec![element], ..Envelope::default() }
    }
}

/// `wsmid:IdentifyResponse`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "servers build it field by field")]
pub struct IdentifyResponse {
    /// At least one; [`ns::PROTOCOL_VERSION`].
    pub protocol_versions: Vec<String>,
    /// Who made the service.
    pub product_vendor: Option<String>,
    /// `OS: 10.0.20348 SP: 0.0 Stack: 3.0` on Windows.
    pub product_version: Option<String>,
    /// [`profile`] URIs. `None` without a login, and on Windows 7 and before.
    pub security_profiles: Option<Vec<String>>,
    /// Other elements.
    pub other: Vec<Element>,
}

impl IdentifyResponse {
    /// The same answer for somebody without a login: neither system nor profiles, [MS-WSMV]
    /// 3.1.4.1.23.
    #[must_use]
    pub fn unauthenticated(self) -> Self {
        let product_version = Some(HIDDEN_PRODUCT_VERSION.to_owned());
        Self { product_version, security_profiles: None, ..self }
    }

    /// Reads the answer.
    ///
    /// # Errors
    ///
    /// The body is something else, or names no protocol version.
    pub fn from_envelope(envelope: &Envelope) -> Result<Self, Error> {
        let element = envelope
            .body_element()
            .ok_or(Error::Missing { parent: "s:Body", name: "wsmid:IdentifyResponse" })?;
        // Microsoft's OMI has this element, and none of those in it, in SOAP's namespace.
        let is_it = |namespace| element.is(namespace, "IdentifyResponse");
        if !is_it(ns::IDENTITY) && !is_it(ns::SOAP) {
            return Err(Error::UnexpectedElement(element.name.clone()));
        }
        let mut response = Self::default();
        for child in element.elements() {
            match (child.name.namespace(), child.name.local()) {
                (ns::IDENTITY, "ProtocolVersion") => {
                    response.protocol_versions.push(child.trimmed_text());
                }
                (ns::IDENTITY, "ProductVendor") => {
                    response.product_vendor = Some(child.trimmed_text());
                }
                (ns::IDENTITY, "ProductVersion") => {
                    response.product_version = Some(child.trimmed_text());
                }
                (ns::IDENTITY, "SecurityProfiles") => {
                    let names = child.elements().map(Element::trimmed_text);
                    response.security_profiles = Some(names.collect());
                }
                _ => response.other.push(child.clone()),
            }
        }
        if response.protocol_versions.is_empty() {
            let parent = "wsmid:IdentifyResponse";
            return Err(Error::Missing { parent, name: "wsmid:ProtocolVersion" });
        }
        Ok(response)
    }

    /// The message: it has no headers.
    #[must_use]
    pub fn to_envelope(&self) -> Envelope {
        let wsmid = |local, text: &String| Element::new(ns::IDENTITY, local).with_text(text);
        let mut response = Element::new(ns::IDENTITY, "IdentifyResponse");
        for version in &self.protocol_versions {
            response.push(wsmid("ProtocolVersion", version));
        }
        if let Some(vendor) = &self.product_vendor {
            response.push(wsmid("ProductVendor", vendor));
        }
        if let Some(version) = &self.product_version {
            response.push(wsmid("ProductVersion", version));
        }
        if let Some(profiles) = &self.security_profiles {
            let mut element = Element::new(ns::IDENTITY, "SecurityProfiles");
            for name in profiles {
                element.push(wsmid("SecurityProfileName", name));
            }
            response.push(element);
        }
        response.children.extend(self.other.iter().cloned().map(Node::Element));
        let lang = Some("en-US".to_owned());
        Envelope { lang, body: vec![response], ..Envelope::default() }
    }
}
