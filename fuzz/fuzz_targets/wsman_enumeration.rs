//! A client's walk and a service's cursors: answers and requests that nobody chose with care, and
//! both sides against each other, where every item arrives once, in order and within the limits.
#![cfg_attr(not(test), no_main)]

#[path = "../support/script.rs"]
mod script;

use std::time::{Duration, Instant};

use script::Script;
use uuid::Uuid;
use wsman::enumeration::client::{Error, Limits as Bounds, Walk};
use wsman::enumeration::server::{Enumerations, Room, Settings, Source};
use wsman::enumeration::{
    Batch, Enumerate, EnumerateResponse, Item, Mode, Pull, PullResponse, Release, Spelling,
};
use wsman::shell::RequestContext;
use wsman::xml::{Element, Limits};
use wsman::{EndpointReference, Envelope, ErrorCode, Fault, ns};

const TIMEOUT: Duration = Duration::from_secs(20);
const BOUNDS: Bounds = Bounds { items: 300, octets: 1_000_000, empty_answers: 5, per_pull: 7 };
const STEPS: usize = 400;

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    let mut script = Script(bytes);
    if script.flag() { pair(script) } else { alone(script) }
}

fn walk(enumerate: Enumerate) -> Walk {
    let context = RequestContext::new("http://host:5985/wsman", ns::resource::SHELL, Uuid::nil());
    Walk::new(context, enumerate, BOUNDS)
}

fn item(number: usize, size: usize) -> Element {
    Element::new(ns::SHELL, "Shell")
        .with_attribute("Number", number.to_string())
        .with_text("x".repeat(size))
}

/// A client whose service answers anything: it comes to an end, and stays there.
fn alone(mut script: Script<'_>) {
    let mut client = walk(Enumerate::optimized());
    let mut told = 0;
    for step in 0..STEPS {
        let id = Uuid::from_u128(u128::try_from(step).expect("small"));
        let Ok(Some(request)) = client.next(id, TIMEOUT) else { return };
        request.envelope.header.check_request().expect("a sound header");
        let answer = answer(&mut script, &request.envelope);
        match client.handle_response(&answer) {
            Ok(items) => {
                told += items.len();
                assert!(told <= BOUNDS.items);
            }
            Err(error) => {
                assert!(error.to_string().len() < 10_000);
                assert_eq!(client.next(id, TIMEOUT), Err(error.clone()));
                assert_eq!(client.handle_response(&answer), Err(error));
                return;
            }
        }
    }
    panic!("the walk never ends");
}

fn answer(script: &mut Script<'_>, request: &Envelope) -> Envelope {
    let count = script.below(9);
    let items = (0..count).map(|number| item(number, 1)).collect();
    let spelling = if script.flag() { Spelling::WsMan } else { Spelling::Enumeration };
    let items = script.flag().then_some(items);
    let batch = Batch { items, is_last: script.below(16) == 1, spelling };
    let context = script.flag().then(|| script.text());
    let (action, body) = match script.below(8) {
        0 => {
            let codes = [ErrorCode::OPERATION_TIMEDOUT, ErrorCode::INVALID_ENUMERATION_CONTEXT];
            let fault = Fault::new(script.one_of(&codes), "no ");
            return fault.to_envelope(Some(&request.header), Uuid::max(), "host");
        }
        1 => {
            let body = Envelope::decode(script.bytes(), &Limits::default());
            (ns::action::PULL_RESPONSE, body.map(|envelope| envelope.body).unwrap_or_default())
        }
        _ if request.action() == Some(ns::action::ENUMERATE) => {
            let response = EnumerateResponse { context, batch, ..EnumerateResponse::default() };
            (ns::action::ENUMERATE_RESPONSE, response.to_body())
        }
        _ => {
            let response = PullResponse { context, batch, ..PullResponse::default() };
            (ns::action::PULL_RESPONSE, response.to_body())
        }
    };
    request.reply(action, Uuid::max(), body)
}

/// Both sides: what the service enumerates is what the client gets.
fn pair(mut script: Script<'_>) {
    let sizes: Vec<usize> = (0..script.below(64)).map(|_| usize::from(script.byte()) * 8).collect();
    let modes = [Mode::Object, Mode::Reference, Mode::ObjectAndReference];
    let enumerate = Enumerate {
        optimize: script.flag(),
        max_elements: Some(1 + u64::from(script.byte())),
        mode: script.one_of(&modes),
        ..Enumerate::default()
    };
    let mode = enumerate.mode;
    let settings = Settings { max_batch_items: 1 + script.below(40), ..Settings::default() };
    let mut host = Enumerations::new(settings);
    let mut client = walk(enumerate);
    let mut now = Instant::now();
    let mut told = 0;
    for step in 0..STEPS {
        let id = Uuid::from_u128(u128::try_from(step).expect("small"));
        let Ok(Some(request)) = client.next(id, TIMEOUT) else { break };
        let limit = 4_000 + usize::from(script.byte()) * 16;
        now += Duration::from_secs(script.byte().into());
        let answer = serve(&mut host, &request.envelope, &sizes, limit, now);
        match client.handle_response(&answer) {
            Ok(items) => {
                for item in items {
                    if let Some(object) = item.object() {
                        assert_eq!(object.attribute("Number"), Some(&*told.to_string()));
                    }
                    assert_eq!(item.object().is_none(), mode == Mode::Reference);
                    assert_eq!(item.reference().is_none(), mode == Mode::Object);
                    told += 1;
                }
            }
            Err(Error::Fault(fault)) => {
                let gone = ErrorCode::INVALID_ENUMERATION_CONTEXT;
                assert_eq!(fault.error_code(), Some(gone), "{fault}");
                assert!(host.is_empty());
                return;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((told, host.len()), (sizes.len(), 0));
    assert!(client.is_finished());
}

fn serve(
    host: &mut Enumerations,
    request: &Envelope,
    sizes: &[usize],
    limit: usize,
    now: Instant,
) -> Envelope {
    let room = |action| {
        let empty_reply = request.reply(action, Uuid::nil(), Vec::new()).encode().len();
        Room { envelope_limit: limit, empty_reply }
    };
    let body = &request.body;
    let answered = if request.action() == Some(ns::action::ENUMERATE) {
        let enumerate = Enumerate::from_body(body).expect("a client's Enumerate");
        let reference = || EndpointReference::address("http://host:5985/wsman");
        let items = sizes.iter().enumerate();
        let items = items.map(|(number, size)| (item(number, *size), reference()));
        let items: Vec<_> = items.collect();
        let action = ns::action::ENUMERATE_RESPONSE;
        let source = Source::references(items);
        host.enumerate("alice", &enumerate, source, room(action), Uuid::max(), now)
            .map(|response| (action, response.to_body()))
    } else {
        let pull = Pull::from_body(body).expect("a client's Pull");
        let nobody = Release { context: pull.context.clone(), ..Release::default() };
        host.release("bob", &nobody, now).expect_err("not bob's");
        let action = ns::action::PULL_RESPONSE;
        host.pull("alice", &pull, room(action), now).map(|response| (action, response.to_body()))
    };
    let answer = match answered {
        Ok((action, body)) => request.reply(action, Uuid::max(), body),
        Err(fault) => fault.to_envelope(Some(&request.header), Uuid::max(), "host"),
    };
    let bytes = answer.encode();
    assert!(bytes.len() <= limit, "{} of {limit} octets", bytes.len());
    let read = Envelope::decode(&bytes, &Limits::default()).expect("our own output is readable");
    for item in read.body.iter().flat_map(Element::elements).flat_map(Element::elements) {
        drop(Item::from_element(item));
    }
    read
}
