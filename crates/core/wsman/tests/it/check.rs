//! The rules that every request's header must keep.

use std::time::Duration;

use uuid::Uuid;
use wsman::shell::{Request, RequestContext};
use wsman::xml::{Element, Limits};
use wsman::{Block, Envelope, ErrorCode, Fault, FaultCode, Header, HeaderValue, ns};

use crate::corpora;

fn good() -> Header {
    let context = RequestContext::new("http://h/wsman", ns::resource::CMD, Uuid::nil());
    Request::Delete.to_envelope(&context, Some("S"), Uuid::nil(), Duration::from_secs(60)).header
}

/// The header of a request, one of its blocks replaced by this markup (or dropped).
fn with(name: &str, markup: &str) -> Header {
    let mut header = good();
    header.blocks.retain(|block| block.to_element().name.local() != name);
    let document = format!(
        "<s:Envelope xmlns:s='{}' xmlns:a='{}' xmlns:w='{}' xmlns:p='{}'><s:Header>{markup}\
         </s:Header><s:Body/></s:Envelope>",
        ns::SOAP,
        ns::ADDRESSING,
        ns::WSMAN,
        ns::MICROSOFT
    );
    let envelope = Envelope::decode(document.as_bytes(), &Limits::default()).unwrap();
    header.blocks.extend(envelope.header.blocks);
    header
}

fn refused(header: &Header) -> Box<Fault> {
    header.check_request().unwrap_err()
}

/// Subcode, detail and action's last words.
fn shape(fault: &Fault) -> (Option<ErrorCode>, &str, &str) {
    let subcode = fault.subcode.as_ref().map_or("", |name| name.local());
    let detail = fault.fault_detail.as_deref().unwrap_or_default();
    (fault.error_code(), subcode, detail.strip_prefix(ns::FAULT_DETAIL).unwrap_or(detail))
}

#[test]
fn good_request_passes() {
    good().check_request().unwrap();
}

#[test]
fn missing_headers_get_their_faults() {
    for name in ["To", "Action", "ReplyTo"] {
        let fault = refused(&with(name, ""));
        let required = ErrorCode::MESSAGE_INFORMATION_HEADER_REQUIRED;
        let expected = (Some(required), "MessageInformationHeaderRequired", "");
        assert_eq!(shape(&fault), expected, "{name}");
        assert_eq!(fault.action, ns::action::ADDRESSING_FAULT);
        assert!(fault.reason.contains(name));
    }
    let fault = refused(&with("ResourceURI", ""));
    let expected =
        (Some(ErrorCode::INVALID_RESOURCE_URI), "DestinationUnreachable", "InvalidResourceURI");
    assert_eq!(shape(&fault), expected);
    assert_eq!(fault.code, FaultCode::Sender);
}

#[test]
fn invalid_headers_get_their_faults() {
    let long = "x".repeat(2049);
    for (name, markup) in [
        ("MessageID", ""),
        ("MessageID", "<a:MessageID/>"),
        ("MessageID", "<a:MessageID> </a:MessageID>"),
        ("MessageID", &format!("<a:MessageID>{long}</a:MessageID>")),
        ("", "<a:To>again</a:To>"),
        ("", "<w:SelectorSet/>"),
        ("OperationTimeout", "<w:OperationTimeout>PT-1S</w:OperationTimeout>"),
        ("OperationTimeout", "<w:OperationTimeout>-PT1S</w:OperationTimeout>"),
        ("OperationTimeout", "<w:OperationTimeout>soon</w:OperationTimeout>"),
        ("MaxEnvelopeSize", "<w:MaxEnvelopeSize>-1</w:MaxEnvelopeSize>"),
        ("MaxEnvelopeSize", "<w:MaxEnvelopeSize>99999999999999999999</w:MaxEnvelopeSize>"),
        ("SelectorSet", "<w:SelectorSet><w:Selector>x</w:Selector></w:SelectorSet>"),
        ("OptionSet", "<w:OptionSet><w:Option Name='a' MustComply='maybe'/></w:OptionSet>"),
        ("ReplyTo", "<a:ReplyTo/>"),
        ("Locale", "<w:Locale/>"),
        ("Action", "<a:Action s:mustUnderstand='perhaps'>urn:a</a:Action>"),
        ("", "<w:FragmentTransfer>a</w:FragmentTransfer>"),
        ("", &format!("<p:ActivityId>{long}</p:ActivityId>")),
        ("", "<p:SequenceId>2</p:SequenceId>"),
        ("", "<x s:mustUnderstand='perhaps'/>"),
    ] {
        let fault = refused(&with(name, markup));
        let invalid = ErrorCode::INVALID_MESSAGE_INFORMATION_HEADER;
        let expected = (Some(invalid), "InvalidMessageInformationHeader", "");
        assert_eq!(shape(&fault), expected, "{markup}");
        assert_eq!(fault.action, ns::action::ADDRESSING_FAULT, "{markup}");
    }
}

#[test]
fn features_that_windows_lacks_get_their_faults() {
    let elsewhere = "<a:Address>http://elsewhere/</a:Address>";
    for (name, markup, detail) in [
        ("ReplyTo", format!("<a:ReplyTo>{elsewhere}</a:ReplyTo>"), "AddressingMode"),
        ("", format!("<a:FaultTo>{elsewhere}</a:FaultTo>"), "AddressingMode"),
        ("Locale", "<w:Locale s:mustUnderstand='true' xml:lang='de'/>".to_owned(), "Locale"),
        (
            "DataLocale",
            "<p:DataLocale s:mustUnderstand='1' xml:lang='de'/>".to_owned(),
            "DataLocale",
        ),
    ] {
        let fault = refused(&with(name, &markup));
        assert_eq!((shape(&fault).1, shape(&fault).2), ("UnsupportedFeature", detail), "{markup}");
        assert_eq!(fault.action, ns::action::WSMAN_FAULT);
    }
}

#[test]
fn limits_get_their_faults() {
    let small = with("MaxEnvelopeSize", "<w:MaxEnvelopeSize>8191</w:MaxEnvelopeSize>");
    let expected = (Some(ErrorCode::MIN_ENVELOPE_SIZE), "EncodingLimit", "MinimumEnvelopeLimit");
    assert_eq!(shape(&refused(&small)), expected);
    let long = format!("<w:ResourceURI>{}</w:ResourceURI>", "x".repeat(2049));
    let fault = refused(&with("ResourceURI", &long));
    let expected = (Some(ErrorCode::URI_LIMIT), "EncodingLimit", "URILimitExceeded");
    assert_eq!(shape(&fault), expected);
    let twice = "<w:SelectorSet><w:Selector Name='ShellId'>1</w:Selector>\
                 <w:Selector Name='SHELLID'>2</w:Selector></w:SelectorSet>";
    let fault = refused(&with("SelectorSet", twice));
    let expected = (Some(ErrorCode::DUPLICATE_SELECTORS), "InvalidSelectors", "DuplicateSelectors");
    assert_eq!(shape(&fault), expected);
    assert!(fault.reason.contains("SHELLID") || fault.reason.contains("ShellId"));
}

#[test]
fn fault_quotes_little_of_a_long_name() {
    let selector = format!("<w:Selector Name='{}'/>", "ä&lt;".repeat(10_000));
    let header =
        with("SelectorSet", &format!("<w:SelectorSet>{selector}{selector}</w:SelectorSet>"));
    let fault = refused(&header);
    assert_eq!(fault.error_code(), Some(ErrorCode::DUPLICATE_SELECTORS));
    assert_eq!(fault.text().chars().count(), 2_048);
}

#[test]
fn unknown_header_faults_only_when_it_must_be_understood_by_us() {
    let strange = |attributes: &str| with("", &format!("<s:Strange {attributes}/>"));
    strange("").check_request().unwrap();
    strange("s:mustUnderstand='false'").check_request().unwrap();
    // pywinrm's attribute has no namespace, and no meaning.
    strange("mustUnderstand='true'").check_request().unwrap();
    let elsewhere = "s:mustUnderstand='true' s:role='urn:somebody'";
    strange(elsewhere).check_request().unwrap();
    let next = "http://www.w3.org/2003/05/soap-envelope/role/next";
    for attributes in
        ["s:mustUnderstand='1'".to_owned(), format!("s:mustUnderstand='true' s:role='{next}'")]
    {
        let fault = refused(&strange(&attributes));
        assert_eq!(fault.code, FaultCode::MustUnderstand);
        assert_eq!(fault.subcode, None);
        assert_eq!(fault.error_code(), Some(ErrorCode::SOAP_FAULT_MUST_UNDERSTAND));
        assert_eq!(fault.action, ns::action::ADDRESSING_FAULT);
    }
}

#[test]
fn values_above_the_configured_ones_are_cut() {
    let header = good();
    assert_eq!(header.reply_limit(512_000), 153_600);
    assert_eq!(header.reply_limit(100_000), 100_000);
    assert_eq!(with("MaxEnvelopeSize", "").reply_limit(512_000), 512_000);
    let minute = Duration::from_secs(60);
    assert_eq!(header.timeout(Duration::from_secs(20)), Duration::from_secs(20));
    assert_eq!(with("OperationTimeout", "").timeout(minute), minute);
    let short = with("OperationTimeout", "<w:OperationTimeout>PT0.1S</w:OperationTimeout>");
    assert_eq!(short.timeout(minute), Duration::from_millis(500));
}

#[test]
fn unknown_and_foreign_parts_of_a_header_survive() {
    let markup = "<h:Strange xmlns:h='urn:h' s:mustUnderstand='false' h:a='1'>h:name</h:Strange>";
    let header = with("", markup);
    let block = header.blocks.last().unwrap();
    assert_eq!(block.must_understand, Some(false));
    assert_eq!(block.to_element().qname("h:name"), Some(("urn:h", "name")));
    assert_eq!(Block::from_element(block.to_element()), *block);
    let value = HeaderValue::Other(Element::new("urn:h", "Strange"));
    assert!(!Header::default().with(value).blocks[0].must_understand());
}

#[test]
fn recorded_requests_pass_and_the_bad_timeout_gets_windowss_fault() {
    let test = "recorded_requests_pass_and_the_bad_timeout_gets_windowss_fault";
    let Some(folder) = corpora::folder(test, "pypsrp") else {
        return;
    };
    let mut documents = corpora::pypsrp(&folder);
    documents.extend(corpora::requests(&folder.join("../requests")));
    let limits = Limits { bytes: 4_000_000, ..Limits::default() };
    let (mut shells, mut refused) = (0, 0);
    for document in documents {
        if !document.origin.ends_with("request") && !document.origin.ends_with(".body.xml") {
            continue;
        }
        let envelope = Envelope::decode(document.text.as_bytes(), &limits).unwrap();
        if envelope.action().is_none() {
            continue;
        }
        if let Err(fault) = envelope.header.check_request() {
            // The answer in the recording is the same fault.
            assert!(document.text.contains("PT-1S"), "{}: {fault}", document.origin);
            assert_eq!(fault.error_code(), Some(ErrorCode(2_150_858_767)));
            refused += 1;
            continue;
        }
        match Request::from_envelope(&envelope) {
            Ok(_) => shells += 1,
            // A Get of the configuration is no shell's.
            Err(_) if envelope.header.resource_uri() == Some(ns::resource::CONFIG) => {}
            Err(fault) => {
                // Enumerate, Connect and their like are no part of this conversation; one
                // recording shows what a Receive without a command gets.
                let expected = [ErrorCode::ACTION_NOT_SUPPORTED, ErrorCode::INVALID_PARAMETER];
                assert!(
                    fault.error_code().is_some_and(|code| expected.contains(&code)),
                    "{}: {fault}",
                    document.origin
                );
                if fault.error_code() == Some(ErrorCode::INVALID_PARAMETER) {
                    assert!(document.origin.contains("fail_poll"), "{}: {fault}", document.origin);
                }
            }
        }
    }
    assert_eq!(refused, 1);
    assert!(shells > 650, "{shells}");
}
