//! Bodies of both directions: what a type reads from a body, it reads from its own writing again.
#![cfg_attr(not(test), no_main)]

#[path = "../support/tree.rs"]
mod tree;

use std::fmt::Debug;
use std::time::Duration;

use tree::{WIDE, bare, wired};
use uuid::Uuid;
use wsman::enumeration::{Enumerate, EnumerateResponse, Item, Pull, PullResponse, Release};
use wsman::identify::{Identify, IdentifyResponse};
use wsman::shell::{
    CommandLine, CommandResponse, Connect, ConnectResponse, CreateResponse, Disconnect,
    ListedCommand, Receive, ReceiveResponse, Reconnect, Request, RequestContext, Send,
    SendResponse, ShellDescription, ShellInfo, Signal, SignalResponse,
};
use wsman::xml::{Element, Limits};
use wsman::{Envelope, Error, Fault};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    let limits = Limits { elements: 2_000, ..Limits::default() };
    let Ok(mut envelope) = Envelope::decode(bytes, &limits) else { return };
    check_fault(&envelope);
    envelope.body = envelope.body.into_iter().map(bare).collect();
    check_request(&envelope);
    check_identify(&envelope);

    let body = &envelope.body;
    check(body, CommandLine::from_body, CommandLine::to_body);
    check(body, CommandResponse::from_body, CommandResponse::to_body);
    check(body, CreateResponse::from_body, CreateResponse::to_body);
    check(body, Receive::from_body, Receive::to_body);
    check(body, ReceiveResponse::from_body, ReceiveResponse::to_body);
    check(body, Send::from_body, Send::to_body);
    check(body, SendResponse::from_body, SendResponse::to_body);
    check(body, Signal::from_body, Signal::to_body);
    check(body, SignalResponse::from_body, SignalResponse::to_body);
    check(body, Disconnect::from_body, Disconnect::to_body);
    check(body, Reconnect::from_body, Reconnect::to_body);
    check(body, Connect::from_body, Connect::to_body);
    check(body, ConnectResponse::from_body, ConnectResponse::to_body);
    check(body, Enumerate::from_body, Enumerate::to_body);
    check(body, EnumerateResponse::from_body, EnumerateResponse::to_body);
    check(body, Pull::from_body, Pull::to_body);
    check(body, PullResponse::from_body, PullResponse::to_body);
    check(body, Release::from_body, Release::to_body);
    let first = |body: &[Element]| body.first().cloned().ok_or(Error::NoBody);
    check(
        body,
        |body| ShellDescription::from_element(&first(body)?),
        |shell| vec![shell.to_element()],
    );
    check(body, |body| ShellInfo::from_element(&first(body)?), |info| vec![info.to_element()]);
    check(
        body,
        |body| ListedCommand::from_element(&first(body)?),
        |command| vec![command.to_element()],
    );
    check(body, |body| Ok(Item::from_element(&first(body)?)), |item| vec![item.to_element()]);
    if let Ok(enumerate) = Enumerate::from_body(body)
        && let Some(filter) = enumerate.filter
        && let Some(selectors) = filter.as_selectors()
    {
        assert_eq!(selectors.duplicate(), None);
    }
    if let Ok(line) = CommandLine::from_body(body)
        && let Ok(payload) = line.payload()
    {
        assert_eq!(CommandLine::plug_in(None, &payload).payload(), Ok(payload));
    }
}

fn check<T: PartialEq + Debug>(
    body: &[Element],
    read: impl Fn(&[Element]) -> Result<T, Error>,
    write: impl Fn(&T) -> Vec<Element>,
) {
    match read(body) {
        Ok(value) => assert_eq!(read(&wired(write(&value))).as_ref(), Ok(&value)),
        Err(error) => assert!(error.to_string().len() < 10_000),
    }
}

/// A request as a client writes it again is the same request.
fn check_request(envelope: &Envelope) {
    if envelope.header.check_request().is_err() {
        return;
    }
    let Ok(request) = Request::from_envelope(envelope) else { return };
    let resource = envelope.header.resource_uri().unwrap_or_default();
    let context = RequestContext::new("http://host:5985/wsman", resource, Uuid::nil());
    let shell_id = envelope.header.shell_id();
    let timeout = Duration::from_secs(20);
    let bytes = request.to_envelope(&context, shell_id, Uuid::max(), timeout).encode();
    let mut again = Envelope::decode(&bytes, &WIDE).expect("our own output is readable");
    again.header.check_request().expect("our own header is sound");
    again.body = again.body.into_iter().map(bare).collect();
    assert_eq!(Request::from_envelope(&again).as_ref(), Ok(&request));
}

fn check_identify(envelope: &Envelope) {
    let through = |written: Envelope| {
        let mut read = Envelope::decode(&written.encode(), &WIDE).expect("our own output");
        read.body = read.body.into_iter().map(bare).collect();
        read
    };
    if let Some(identify) = Identify::from_envelope(envelope) {
        assert_eq!(Identify::from_envelope(&through(identify.to_envelope())), Some(identify));
    }
    if let Ok(response) = IdentifyResponse::from_envelope(envelope) {
        let again = IdentifyResponse::from_envelope(&through(response.to_envelope()));
        assert_eq!(again.as_ref(), Ok(&response));
        let hidden = through(response.unauthenticated().to_envelope());
        let hidden = IdentifyResponse::from_envelope(&hidden).expect("has its versions still");
        assert_eq!(hidden.security_profiles, None);
    }
}

/// A fault says the same after it has been handed on.
fn check_fault(envelope: &Envelope) {
    let Ok(Some(fault)) = Fault::from_envelope(envelope) else { return };
    assert!(!fault.to_string().is_empty());
    let bytes = fault.to_envelope(None, Uuid::nil(), "").encode();
    let again = Envelope::decode(&bytes, &WIDE).expect("our own output is readable");
    let again = Fault::from_envelope(&again).expect("it is a fault").expect("a fault");
    assert_eq!((again.code, &again.reason), (fault.code, &fault.reason));
    assert_eq!((again.error_code(), again.text()), (fault.error_code(), fault.text()));
    assert_eq!((&again.lang, &again.fault_detail), (&fault.lang, &fault.fault_detail));
    let bytes = again.to_envelope(None, Uuid::nil(), "").encode();
    let third = Envelope::decode(&bytes, &WIDE).expect("our own output is readable");
    assert_eq!(third.encode(), bytes);
    drop(fault.into_wmi_error());
}
