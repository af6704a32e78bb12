//! Faults as `MSFT_WmiError`: the form in which Windows 8 and later tell of some quotas.

use super::Fault;
use crate::ns;
use crate::xml::{Binding, Element};

/// `CIMStatusCode` of a server's limit, DSP0223 and what Windows writes.
const SERVER_LIMITS_EXCEEDED: &str = "27";
/// `error_Category`: limits exceeded.
const LIMITS_EXCEEDED: &str = "30";

impl Fault {
    /// The same fault with its number and text in `MSFT_WmiError` instead of `f:WSManFault`, as
    /// Windows writes the quotas of shells and operations of a user: clients look for these
    /// numbers there. A fault without `f:WSManFault` stays as it is.
    #[must_use]
    pub fn into_wmi_error(mut self) -> Self {
        let Some(fault) = self.wsman_fault.take() else { return self };
        let text = fault.message.innermost();
        let value = |local: &'static str, kind: &str, text: &str| {
            Element::new(ns::MSFT_WMI_ERROR, local)
                .with_attribute_ns(ns::XSI, "type", ["cim:", kind].concat())
                .with_text(text)
        };
        let mut error = Element::new(ns::MSFT_WMI_ERROR, "MSFT_WmiError")
            .with_attribute_ns(ns::CIM_BINDING, "IsCIM_Error", "true")
            .with_child(value("CIMStatusCode", "cimUnsignedInt", SERVER_LIMITS_EXCEEDED))
            .with_child(value("ErrorType", "cimUnsignedShort", "0"))
            .with_child(value("Message", "cimString", text))
            .with_child(value("MessageID", "cimString", &format!("HRESULT 0x{:08x}", fault.code.0)))
            .with_child(value("PerceivedSeverity", "cimUnsignedShort", "0"))
            .with_child(value("ProbableCause", "cimUnsignedShort", "0"))
            .with_child(value("error_Category", "cimUnsignedInt", LIMITS_EXCEEDED))
            .with_child(value("error_Code", "cimUnsignedInt", &fault.code.0.to_string()))
            .with_child(value("error_Type", "cimString", "HRESULT"))
            .with_child(value("error_WindowsErrorMessage", "cimString", text));
        error.bindings.push(Binding::constant("cim", ns::CIM_COMMON));
        self.other.push(error);
        self
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::Envelope;
    use crate::fault::ErrorCode;
    use crate::xml::Limits;

    #[test]
    fn number_and_text_are_read_from_the_wmi_error_again() {
        let fault =
            Fault::new(ErrorCode::QUOTA_MAX_SHELLS, "Two shells are enough.").into_wmi_error();
        let bytes = fault.to_envelope(None, Uuid::nil(), "box").encode();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(!text.contains("WSManFault") && text.contains("QuotaLimit"), "{text}");
        let envelope = Envelope::decode(&bytes, &Limits::default()).unwrap();
        let read = Fault::from_envelope(&envelope).unwrap().unwrap();
        assert_eq!(read.error_code(), Some(ErrorCode::QUOTA_MAX_SHELLS));
        let error = read.wmi_error().unwrap();
        let of = |local| error.child(ns::MSFT_WMI_ERROR, local).unwrap().trimmed_text();
        assert_eq!(of("Message"), "Two shells are enough.");
        assert_eq!(of("MessageID"), "HRESULT 0x803381a5");
        let kind = error.child(ns::MSFT_WMI_ERROR, "error_Code").unwrap();
        let name = kind.qname(kind.attribute_ns(ns::XSI, "type").unwrap());
        assert_eq!(name, Some((ns::CIM_COMMON, "cimUnsignedInt")));
    }
}
