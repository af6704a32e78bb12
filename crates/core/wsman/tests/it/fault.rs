//! The table of error codes, and faults of every stack that we have messages of.

use uuid::Uuid;
use wsman::fault::{Message, ProviderFault, WsmanFault};
use wsman::xml::{Limits, Name};
use wsman::{Envelope, Error, ErrorCode, Fault, FaultCode, Header, ns};

use crate::corpora;

fn read(text: &str) -> Fault {
    let envelope = Envelope::decode(text.as_bytes(), &Limits::default()).unwrap();
    Fault::from_envelope(&envelope).unwrap().unwrap()
}

fn soap(fault: &str) -> String {
    format!(
        "<s:Envelope xmlns:s='{}' xmlns:w='{}' xmlns:f='{}'><s:Header/><s:Body>{fault}</s:Body>\
         </s:Envelope>",
        ns::SOAP,
        ns::WSMAN,
        ns::WSMAN_FAULT
    )
}

#[test]
fn table_holds_every_known_code() {
    let Some(folder) = corpora::folder("table_holds_every_known_code", "../knowledge") else {
        return;
    };
    let list = corpora::read(&folder.join("wsman-errors.csv"));
    let mut count = 0;
    for line in list.lines().skip(1) {
        let mut fields = line.split(',');
        let code = ErrorCode(fields.next().unwrap().parse().unwrap());
        let symbol = fields.nth(1).unwrap();
        let name = code.name().unwrap_or_else(|| panic!("{code:?}"));
        assert!(symbol.contains(name) || name == "ERROR_WSMAN_OLD_STACK", "{name} {symbol}");
        assert!(code.summary().is_some_and(|text| text.len() > 5 && !text.ends_with('.')));
        count += 1;
    }
    assert_eq!(count, 553);
}

#[test]
fn table_is_whole_without_the_list() {
    assert!(ErrorCode::all().count() >= 553);
    for code in ErrorCode::all() {
        assert!(!code.name().unwrap().is_empty() && !code.summary().unwrap().is_empty());
    }
    assert_eq!(ErrorCode(1).name(), None);
    assert_eq!(ErrorCode(1).to_string(), "1");
    assert_eq!(ErrorCode::by_name("operation_timedout"), Some(ErrorCode(2_150_858_793)));
    assert_eq!(ErrorCode::by_name("nonsense"), None);
}

#[test]
fn faults_have_the_shape_that_microsofts_table_gives() {
    let test = "faults_have_the_shape_that_microsofts_table_gives";
    let Some(folder) = corpora::folder(test, "omi") else {
        return;
    };
    let table = corpora::read(&folder.join("soap_faults.csv"));
    let mut seen = Vec::new();
    for line in table.lines().skip(1) {
        let fields: Vec<_> = line.split(',').collect();
        let code = u32::from_str_radix(fields[1].trim_start_matches("0x"), 16).unwrap();
        // Where a code stands twice the first row holds.
        if seen.contains(&code) {
            continue;
        }
        seen.push(code);
        let fault = Fault::new(ErrorCode(code), "text");
        let soap_code = fault.to_element("").child(ns::SOAP, "Code").unwrap().clone();
        assert_eq!(soap_code.child(ns::SOAP, "Value").unwrap().text(), fields[2], "{line}");
        let subcode = soap_code.child(ns::SOAP, "Subcode");
        let subcode = subcode.map(|code| code.child(ns::SOAP, "Value").unwrap().text());
        let expected = fields[3].replace("http://schemas.xmlsoap.org/ws/2004/08/eventing/", "e:");
        assert_eq!(subcode.as_deref().unwrap_or_default(), expected, "{line}");
        assert_eq!(fault.fault_detail.as_deref().unwrap_or_default(), fields[4], "{line}");
        if !fields[5].is_empty() {
            assert_eq!(fault.action, fields[5], "{line}");
        }
    }
    assert!(seen.len() >= 110, "{}", seen.len());
}

#[test]
fn quotas_are_quota_limits_and_unknown_codes_internal_errors() {
    for code in [0x8033_81A5, 0x8033_81A6, 0x8033_81A8, 0x8033_81AB, 0x8033_81E4, 0x8033_81E9] {
        let fault = Fault::new(ErrorCode(code), "");
        assert_eq!(fault.code, FaultCode::Sender);
        assert_eq!(fault.subcode, Some(Name::new(ns::WSMAN, "QuotaLimit")), "{code:#X}");
    }
    for code in [0x8007_0002, 50, 995, 0x8033_81AC] {
        let fault = Fault::new(ErrorCode(code), "");
        assert_eq!(fault.code, FaultCode::Receiver);
        assert_eq!(fault.subcode, Some(Name::new(ns::WSMAN, "InternalError")), "{code:#X}");
        assert_eq!(fault.action, ns::action::WSMAN_FAULT);
    }
}

#[test]
fn person_reads_code_symbol_and_innermost_text() {
    let fault = Fault::new(ErrorCode::INVALID_PARAMETER, "Outer. ").with_provider("p", "q");
    assert_eq!(fault.to_string(), "87 ERROR_INVALID_PARAMETER: Outer.");
    let fault = Fault::new(ErrorCode::OPERATION_TIMEDOUT, "");
    let text = fault.to_string();
    let summary = ErrorCode::OPERATION_TIMEDOUT.summary().unwrap();
    assert_eq!(text, format!("0x80338029 ERROR_WSMAN_OPERATION_TIMEDOUT: {summary}"));
    let bare = "<s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code></s:Fault>";
    assert_eq!(read(&soap(bare)).to_string(), "Receiver");
}

#[test]
fn faults_of_other_stacks_are_read() {
    let Some(folder) = corpora::folder("faults_of_other_stacks_are_read", "rb-winrm") else {
        return;
    };
    let read = |name: &str| read(&corpora::read(&folder.join("spec/stubs/responses").join(name)));
    let old = read("soap_fault_v1.xml");
    assert_eq!(old.error_code(), Some(ErrorCode(2_150_858_778)));
    assert_eq!(old.subcode, Some(Name::new(ns::ENUMERATION, "CannotProcessFilter")));
    assert_eq!(old.text(), "The specified class does not exist in the given namespace.");
    assert_eq!(old.action, ns::action::ENUMERATION_FAULT);
    let quota = read("wmi_error_v2.xml");
    assert_eq!(quota.wsman_fault, None);
    assert_eq!(quota.error_code(), Some(ErrorCode::QUOTA_MAX_SHELLS));
    assert!(quota.text().contains("maximum number of 30 concurrent shells"));
    let type_ = quota.wmi_error().unwrap();
    let type_ = type_.qname(type_.attribute_ns(ns::XSI, "type").unwrap());
    assert_eq!(type_, Some((ns::MSFT_WMI_ERROR, "MSFT_WmiError_Type")));
    let omi = read("soap_fault_omi.xml");
    assert_eq!(omi.code, FaultCode::Receiver);
    assert_eq!(omi.error_code(), None);
    assert_eq!(omi.to_string(), "InternalError: get-instance: instance name parameter is missing");
}

#[test]
fn prefixes_do_not_matter_and_missing_parts_are_forgiven() {
    let fault = read(&soap(
        "<S:Fault xmlns:S='http://www.w3.org/2003/05/soap-envelope'><S:Code><S:Value>S:Sender\
         </S:Value><S:Subcode><S:Value xmlns:q='http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd'>\
         q:TimedOut</S:Value></S:Subcode></S:Code></S:Fault>",
    ));
    assert_eq!(fault.subcode, Some(Name::new(ns::WSMAN, "TimedOut")));
    assert_eq!(fault.error_code(), Some(ErrorCode::OPERATION_TIMEDOUT));
    assert_eq!((fault.reason.as_str(), fault.lang), ("", None));
    // A text right in the fault, a hexadecimal and a negative number.
    for code in ["0x80338029", "-2144108503", "2150858793"] {
        let fault = read(&soap(&format!(
            "<s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Detail>\
             <f:WSManFault Code='{code}'>gone</f:WSManFault></s:Detail></s:Fault>"
        )));
        assert_eq!(fault.error_code(), Some(ErrorCode::OPERATION_TIMEDOUT), "{code}");
        assert_eq!(fault.text(), "gone");
    }
}

#[test]
fn broken_faults_are_refused() {
    let detail = "<s:Code><s:Value>s:Sender</s:Value></s:Code><s:Detail><f:WSManFault";
    for body in [
        "<s:Fault/>".to_owned(),
        "<s:Fault><s:Code/></s:Fault>".to_owned(),
        "<s:Fault><s:Code><s:Value>w:Sender</s:Value></s:Code></s:Fault>".to_owned(),
        "<s:Fault><s:Code><s:Value>s:Nobody</s:Value></s:Code></s:Fault>".to_owned(),
        format!("<s:Fault>{detail}/></s:Detail></s:Fault>"),
        format!("<s:Fault>{detail} Code='x'/></s:Detail></s:Fault>"),
        format!("<s:Fault>{detail} Code='4294967296'/></s:Detail></s:Fault>"),
    ] {
        let envelope = Envelope::decode(soap(&body).as_bytes(), &Limits::default()).unwrap();
        let error = Fault::from_envelope(&envelope).unwrap_err();
        assert!(matches!(error, Error::Missing { .. } | Error::Value(_)), "{body}");
    }
    let envelope = Envelope::decode(soap("<w:Other/>").as_bytes(), &Limits::default()).unwrap();
    assert_eq!(Fault::from_envelope(&envelope), Ok(None));
}

#[test]
fn nested_provider_faults_survive() {
    let inner = WsmanFault {
        code: ErrorCode(2),
        machine: Some("inner".to_owned()),
        attributes: Vec::new(),
        message: Message::text("deep"),
    };
    let mut fault = Fault::new(ErrorCode::INTERNAL_ERROR, "outer");
    let provider = ProviderFault {
        provider: Some("P".to_owned()),
        message: Message { fault: Some(Box::new(inner)), ..Message::default() },
        ..ProviderFault::default()
    };
    let wsman = fault.wsman_fault.as_mut().unwrap();
    wsman.machine = Some("outer".to_owned());
    wsman.message = Message { provider: Some(Box::new(provider)), ..Message::default() };
    assert_eq!(fault.text(), "deep");
    let request = Header::default();
    let envelope = fault.to_envelope(Some(&request), Uuid::nil(), "unused");
    let read = read(&String::from_utf8(envelope.encode()).unwrap());
    assert_eq!(read, fault);
}

#[test]
fn unreadable_requests_are_answered_without_a_relation() {
    for (bytes, expected) in [
        (&b"<a/>"[..], ErrorCode::SCHEMA_VALIDATION_ERROR),
        (b"<a>\xFF</a>", ErrorCode::CHARACTER_SET),
        (b"\xFF\xFE<\0a", ErrorCode::CHARACTER_SET),
        (
            b"<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'/>",
            ErrorCode::SOAP_VERSION_MISMATCH,
        ),
    ] {
        let error = Envelope::decode(bytes, &Limits::default()).unwrap_err();
        let fault = Fault::from(&error);
        assert_eq!(fault.error_code(), Some(expected));
        assert!(fault.reason.ends_with(". "), "{}", fault.reason);
        let envelope = fault.to_envelope(None, Uuid::nil(), "host");
        assert_eq!(envelope.header.relates_to(), None);
        assert_eq!(read(&String::from_utf8(envelope.encode()).unwrap()).code, fault.code);
    }
    let small = Limits { bytes: 3, ..Limits::default() };
    let fault = Fault::from(&Envelope::decode(b"<abc/>", &small).unwrap_err());
    assert_eq!(fault.error_code(), Some(ErrorCode::SERVER_ENVELOPE_LIMIT));
}
