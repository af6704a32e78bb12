//! Robust connections: messages about operations, and answers that are several messages.

use wsman::robust::{Control, decode};
use wsman::xml::Limits;
use wsman::{Charset, Envelope};

use crate::corpora;

fn message(action: &str, resource: &str, body: &str) -> String {
    format!(
        "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' xmlns:a='http://schemas.xmlsoap.org/ws/2004/08/addressing' \
         xmlns:w='http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd' xmlns:p='http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd'>\
         <s:Header><a:Action>{action}</a:Action><w:ResourceURI>{resource}</w:ResourceURI></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
}

const ROOT: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsman/";

fn control(name: &str, resource: &str, body: &str) -> Option<Control> {
    let text = message(&format!("{ROOT}{name}"), &format!("{ROOT}{resource}"), body);
    Control::from_envelope(&Envelope::decode(text.as_bytes(), &Limits::default()).unwrap())
}

#[test]
fn messages_about_operations_are_known() {
    let last = "<p:LastSequenceIdReceived>7</p:LastSequenceIdReceived>";
    let wrapped = format!("<p:Acknowledge>{last}</p:Acknowledge>");
    assert_eq!(control("Acknowledge", "RobustConnection", last), Some(Control::Acknowledge(7)));
    assert_eq!(control("Acknowledge", "RobustConnection", &wrapped), Some(Control::Acknowledge(7)));
    assert_eq!(
        control("AcknowledgeRequest", "RobustConnection", ""),
        Some(Control::AcknowledgeRequest)
    );
    assert_eq!(control("End", "FullDuplex", ""), Some(Control::End));
    assert_eq!(control("Cancel", "FullDuplex", ""), Some(Control::Cancel));
    assert_eq!(control("Keepalive", "FullDuplex", ""), Some(Control::KeepAlive));
    assert_eq!(control("KeepAlive", "RobustConnection", ""), Some(Control::KeepAlive));
    assert_eq!(control("Acknowledge", "FullDuplex", last), None);
    assert_eq!(control("Acknowledge", "RobustConnection", ""), None);
    assert_eq!(control("Acknowledge", "RobustConnection", &last.replace('7', "-7")), None);
    assert_eq!(control("End", "Other", ""), None);
    assert_eq!(control("Other", "FullDuplex", ""), None);
}

#[test]
fn the_messages_of_the_specification_are_known() {
    let Some(folder) =
        corpora::folder("the_messages_of_the_specification_are_known", "ms-wsmv/xml")
    else {
        return;
    };
    for (file, expected) in [
        ("3-2-4-2-1-1_01_End.xml", Control::End),
        ("3-2-4-2-1-2_01_Keepalive.xml", Control::KeepAlive),
        ("4-11-3_03_Acknowledge.xml", Control::Acknowledge(1)),
    ] {
        let text = corpora::read(&folder.join(file));
        let envelope = Envelope::decode(text.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(Control::from_envelope(&envelope), Some(expected), "{file}");
    }
}

#[test]
fn the_answer_is_found_behind_messages_about_the_operation() {
    let acknowledge = message(
        &format!("{ROOT}Acknowledge"),
        &format!("{ROOT}RobustConnection"),
        "<p:LastSequenceIdReceived>1</p:LastSequenceIdReceived>",
    );
    let alive = message(&format!("{ROOT}KeepAlive"), &format!("{ROOT}RobustConnection"), "");
    // An answer that has an envelope inside.
    let inner = message("urn:inner", "urn:inner", "");
    let answer = message("urn:answer", "urn:x", &inner);
    let decode = |text: &str| decode(text.as_bytes(), Charset::Utf8, &Limits::default());
    let action = |text: &str| decode(text).unwrap().action().unwrap().to_owned();
    assert_eq!(action(&answer), "urn:answer");
    assert_eq!(action(&format!("{acknowledge}{answer}")), "urn:answer");
    assert_eq!(action(&format!("{acknowledge}\r\n{alive}{alive}{answer}")), "urn:answer");
    let read = decode(&format!("{acknowledge}{answer}")).unwrap();
    assert_eq!(read, decode(&answer).unwrap());
    assert!(decode(&format!("{acknowledge}{alive}")).is_err());
    assert!(decode(&format!("{acknowledge}<x/>")).is_err());
    assert!(decode(&acknowledge.repeat(100)).is_err());
    assert!(decode("").is_err());
}
