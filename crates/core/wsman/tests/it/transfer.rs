//! Operations on resources: what a client writes is what a service reads.

use std::time::Duration;

use uuid::Uuid;
use wsman::ns::{self, action};
use wsman::shell::RequestContext;
use wsman::transfer::{Created, Fragment, Locator, Operation};
use wsman::xml::{Element, Limits};
use wsman::{EndpointReference, Envelope, ErrorCode, OptionSet, SelectorSet};

const URI: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/Listener";

fn element(local: &'static str) -> Element {
    Element::new(ns::CONFIG, local).with_text("x")
}

fn locator() -> Locator {
    Locator {
        resource_uri: URI.to_owned(),
        selectors: SelectorSet::default().with("Address", "*").with("Transport", "HTTP"),
        options: OptionSet::default().with("Quick", "1"),
        fragment: Some(Fragment::xpath("Port/text()")),
    }
}

fn sent(operation: &Operation, locator: &Locator) -> Envelope {
    let context = RequestContext::new("http://h/wsman", "urn:other", Uuid::from_u128(1));
    let id = Uuid::from_u128(2);
    let envelope = operation.to_envelope(&context, locator, id, Duration::from_secs(20));
    Envelope::decode(&envelope.encode(), &Limits::default()).unwrap()
}

fn invoke(method: &str, input: Option<Element>) -> Operation {
    Operation::Invoke { method: method.to_owned(), input }
}

#[test]
fn operations_are_read_as_they_are_written() {
    for operation in [
        Operation::Get,
        Operation::Put(element("Listener")),
        Operation::Create(element("Listener")),
        Operation::Delete,
        invoke("Restore", None),
        invoke("Restore", Some(element("Restore_INPUT"))),
        invoke("urn:method/of-its-own", None),
    ] {
        let envelope = sent(&operation, &locator());
        envelope.header.check_request().unwrap();
        assert_eq!(Operation::from_envelope(&envelope).unwrap(), operation);
        assert_eq!(Locator::from_header(&envelope.header), locator());
    }
    let plain = Locator::new(URI);
    assert_eq!(Locator::from_header(&sent(&Operation::Get, &plain).header), plain);
}

#[test]
fn a_method_is_what_follows_the_resource() {
    let read = |action: &str, uri: &str| {
        let mut envelope = sent(&Operation::Get, &Locator::new(uri));
        for block in &mut envelope.header.blocks {
            if let wsman::HeaderValue::Action(text) = &mut block.value {
                action.clone_into(text);
            }
        }
        match Operation::from_envelope(&envelope) {
            Ok(Operation::Invoke { method, .. }) => Ok(method),
            Ok(other) => panic!("{other:?}"),
            Err(fault) => Err(fault.error_code().unwrap()),
        }
    };
    let uri = "http://schemas.microsoft.com/wbem/wsman/1/config/service";
    assert_eq!(read(&format!("{uri}/AnalyzeService"), uri).unwrap(), "AnalyzeService");
    assert_eq!(read(&format!("{}/Restore", uri.to_uppercase()), uri).unwrap(), "Restore");
    // Neither a longer URI nor a method without a name is one of this resource.
    let deep = format!("{uri}/a/b");
    assert_eq!(read(&deep, uri).unwrap(), deep);
    let empty = format!("{uri}/");
    assert_eq!(read(&empty, uri).unwrap(), empty);
    for reserved in [
        "Get",
        "",
        action::PULL,
        action::RECEIVE,
        "http://schemas.xmlsoap.org/ws/2004/09/transfer/Rename",
        "http://schemas.xmlsoap.org/ws/2004/08/eventing/Subscribe",
        "http://schemas.dmtf.org/wbem/wsman/1/wsman/Ack",
        "http://schemas.microsoft.com/wbem/wsman/1/wsman/Cancel",
    ] {
        assert_eq!(read(reserved, uri), Err(ErrorCode::ACTION_NOT_SUPPORTED), "{reserved}");
    }
}

#[test]
fn bodies_that_do_not_fit_are_refused() {
    for (operation, bodies) in [
        (Operation::Get, vec![1, 2]),
        (Operation::Delete, vec![1]),
        (Operation::Put(element("A")), vec![0, 2]),
        (Operation::Create(element("A")), vec![0, 2]),
        (invoke("Restore", None), vec![2]),
    ] {
        for count in bodies {
            let mut envelope = sent(&operation, &locator());
            envelope.body = vec![element("A"); count];
            let fault = Operation::from_envelope(&envelope).unwrap_err();
            assert_eq!(
                fault.error_code(),
                Some(ErrorCode::SCHEMA_VALIDATION_ERROR),
                "{operation:?} {count}"
            );
        }
    }
}

#[test]
fn created_resources_are_read_as_they_are_written() {
    let selectors = SelectorSet::default().with("Address", "*").with("Transport", "HTTPS");
    let reference = EndpointReference::resource("http://h/wsman", URI, selectors);
    let created = Created { reference };
    let bytes = wsman::xml::encode(&created.to_body()[0]);
    let read = wsman::xml::decode(bytes.as_ref(), &Limits::default()).unwrap();
    assert_eq!(Created::from_body(&[read]).unwrap(), created);
    assert!(Created::from_body(&[]).is_err());
    assert!(Created::from_body(&[element("A")]).is_err());
}
