//! Enumerations: a client's walk and a service's cursors with encoded bytes between them.

use std::time::{Duration, Instant};

use uuid::Uuid;
use wsman::enumeration::client::{Error, Limits as Bounds, Walk};
use wsman::enumeration::server::{Enumerations, Room, Settings, Source};
use wsman::enumeration::{
    Batch, Enumerate, EnumerateResponse, Filter, Item, Mode, Pull, PullResponse, Release, Spelling,
};
use wsman::ns::{self, action};
use wsman::shell::RequestContext;
use wsman::xml::{Element, Limits, encode};
use wsman::{EndpointReference, Envelope, ErrorCode, Fault, SelectorSet};

use crate::shell_scene::{beginning, seconds};

const TIMEOUT: Duration = seconds(20);
pub(crate) const ENVELOPE: usize = 8_192;

pub(crate) fn object(number: usize, size: usize) -> Element {
    Element::new(ns::SHELL, "Shell")
        .with_child(Element::new(ns::SHELL, "ShellId").with_text(number.to_string()))
        .with_child(Element::new(ns::SHELL, "Owner").with_text("x".repeat(size)))
}

pub(crate) fn number(item: &Item) -> usize {
    let object = item.object().expect("an object");
    object.child(ns::SHELL, "ShellId").unwrap().text().parse().unwrap()
}

pub(crate) fn reference(number: usize) -> EndpointReference {
    let selectors = SelectorSet::shell(&number.to_string());
    EndpointReference::resource("http://h/wsman", ns::resource::SHELL, selectors)
}

/// Both sides.
struct Play {
    host: Enumerations,
    now: Instant,
    ids: u128,
    sizes: Vec<usize>,
    with_references: bool,
    /// Requests so far.
    requests: usize,
    limit: usize,
}

impl Play {
    fn new(count: usize, size: usize) -> Self {
        Self {
            host: Enumerations::new(Settings::default()),
            now: beginning(),
            ids: 0,
            sizes: vec![size; count],
            with_references: false,
            requests: 0,
            limit: ENVELOPE,
        }
    }

    fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    fn source(&self) -> Source {
        let objects = self.sizes.clone().into_iter().enumerate();
        let objects = objects.map(|(number, size)| (object(number, size), reference(number)));
        if self.with_references {
            Source::references(objects)
        } else {
            Source::objects(objects.map(|(object, _)| object))
        }
    }

    /// What the service answers to encoded bytes.
    fn answer(&mut self, bytes: &[u8]) -> Envelope {
        self.requests += 1;
        let request = Envelope::decode(bytes, &Limits::default()).unwrap();
        request.header.check_request().unwrap();
        let fresh = self.id();
        let empty = |action| request.reply(action, Uuid::nil(), Vec::new()).encode().len();
        let room = |action| Room { envelope_limit: self.limit, empty_reply: empty(action) };
        let body = &request.body;
        let answered = match request.action().unwrap() {
            action::ENUMERATE => {
                let enumerate = Enumerate::from_body(body).unwrap();
                let (source, room) = (self.source(), room(action::ENUMERATE_RESPONSE));
                self.host
                    .enumerate("alice", &enumerate, source, room, fresh, self.now)
                    .map(|response| (action::ENUMERATE_RESPONSE, response.to_body()))
            }
            action::PULL => {
                let pull = Pull::from_body(body).unwrap();
                self.host
                    .pull("alice", &pull, room(action::PULL_RESPONSE), self.now)
                    .map(|response| (action::PULL_RESPONSE, response.to_body()))
            }
            action::RELEASE => {
                let release = Release::from_body(body).unwrap();
                self.host
                    .release("alice", &release, self.now)
                    .map(|()| (action::RELEASE_RESPONSE, Vec::new()))
            }
            other => panic!("{other}"),
        };
        let answer = match answered {
            Ok((action, body)) => request.reply(action, Uuid::max(), body),
            Err(fault) => fault.to_envelope(Some(&request.header), Uuid::max(), "host"),
        };
        let bytes = answer.encode();
        assert!(bytes.len() <= self.limit, "{} octets", bytes.len());
        Envelope::decode(&bytes, &Limits::default()).unwrap()
    }

    /// Walks to the end: the numbers of the items, answer by answer.
    fn walk(&mut self, walk: &mut Walk) -> Result<Vec<Vec<Item>>, Error> {
        let mut answers = Vec::new();
        loop {
            let id = self.id();
            let Some(request) = walk.next(id, TIMEOUT)? else { return Ok(answers) };
            let answer = self.answer(&request.envelope.encode());
            answers.push(walk.handle_response(&answer)?);
        }
    }
}

fn walk(enumerate: Enumerate, per_pull: u64) -> Walk {
    let context = RequestContext::new("http://h/wsman", ns::resource::SHELL, Uuid::from_u128(7));
    Walk::new(context, enumerate, Bounds { per_pull, ..Bounds::default() })
}

fn counts(answers: &[Vec<Item>]) -> Vec<usize> {
    answers.iter().map(Vec::len).collect()
}

#[test]
fn few_items_come_with_the_first_answer_and_leave_nothing_behind() {
    let mut play = Play::new(3, 10);
    let answers = play.walk(&mut walk(Enumerate::optimized(), 10)).unwrap();
    assert_eq!((counts(&answers), play.host.len()), (vec![3], 0));
}

#[test]
fn nothing_at_all_is_said_as_windows_says_it() {
    let mut play = Play::new(0, 0);
    let context = RequestContext::new("http://h/wsman", ns::resource::SHELL, Uuid::nil());
    let body = Enumerate::optimized().to_body();
    let request = context.request(
        action::ENUMERATE,
        Uuid::nil(),
        TIMEOUT,
        wsman::OptionSet::default(),
        SelectorSet::default(),
        body,
    );
    let answer = String::from_utf8(play.answer(&request.encode()).encode()).unwrap();
    let body = "<s:Body><n:EnumerateResponse><n:EnumerationContext/><w:EndOfSequence/>\
        </n:EnumerateResponse></s:Body>";
    assert!(answer.contains(body), "{answer}");
}

#[test]
fn without_optimisation_the_items_come_with_the_pulls() {
    let mut play = Play::new(5, 10);
    let answers = play.walk(&mut walk(Enumerate::default(), 2)).unwrap();
    assert_eq!(counts(&answers), [0, 2, 2, 1]);
    let numbers: Vec<_> = answers.iter().flatten().map(number).collect();
    assert_eq!((numbers, play.host.len()), (vec![0, 1, 2, 3, 4], 0));
}

#[test]
fn an_answer_without_max_elements_brings_one_item() {
    let mut play = Play::new(3, 10);
    let enumerate = Enumerate { optimize: true, ..Enumerate::default() };
    let answers = play.walk(&mut walk(enumerate, 10)).unwrap();
    assert_eq!(counts(&answers), [1, 2]);
}

#[test]
fn answers_are_bounded_by_the_envelope_and_nothing_is_lost_between_them() {
    let mut play = Play::new(40, 900);
    let answers = play.walk(&mut walk(Enumerate::optimized(), 1_000)).unwrap();
    assert!(answers.len() > 4, "{:?}", counts(&answers));
    let numbers: Vec<_> = answers.iter().flatten().map(number).collect();
    assert_eq!(numbers, (0..40).collect::<Vec<_>>());
}

#[test]
fn the_service_bounds_what_an_answer_brings() {
    let mut play = Play::new(10, 1);
    let settings = Settings { max_batch_items: 4, ..Settings::default() };
    play.host = Enumerations::new(settings);
    let answers = play.walk(&mut walk(Enumerate::optimized(), 1_000)).unwrap();
    assert_eq!(counts(&answers), [4, 4, 2]);
}

#[test]
fn an_item_that_does_not_fit_is_a_fault_and_comes_with_more_room() {
    let mut play = Play::new(2, 10);
    play.sizes[1] = 10_000;
    let enumerate = Enumerate { optimize: true, ..Enumerate::default() };
    let mut client = walk(enumerate, 5);
    let error = play.walk(&mut client).unwrap_err();
    let Error::Fault(fault) = &error else { panic!("{error}") };
    assert_eq!(fault.error_code(), Some(ErrorCode::MAX_ENVELOPE_SIZE_EXCEEDED));
    // The error stays.
    assert_eq!(client.next(Uuid::nil(), TIMEOUT), Err(error));
    play.limit = 20_000;
    let pull = |context| Pull { context, ..Pull::default() };
    let room = Room { envelope_limit: 20_000, empty_reply: 500 };
    let context = wsman::uuid_uri(Uuid::from_u128(2));
    let response = play.host.pull("alice", &pull(context), room, play.now).unwrap();
    assert!(response.batch.is_last);
    assert_eq!(response.batch.typed().map(|item| number(&item)).collect::<Vec<_>>(), [1]);
}

#[test]
fn references_come_where_they_are_asked_for() {
    for mode in [Mode::Reference, Mode::ObjectAndReference] {
        let mut play = Play::new(3, 10);
        play.with_references = true;
        let enumerate = Enumerate { mode, ..Enumerate::optimized() };
        let answers = play.walk(&mut walk(enumerate.clone(), 10)).unwrap();
        for (at, item) in answers[0].iter().enumerate() {
            assert_eq!(item.reference(), Some(&reference(at)));
            assert_eq!(item.object().is_some(), mode == Mode::ObjectAndReference);
        }
        play.with_references = false;
        let error = play.walk(&mut walk(enumerate, 10)).unwrap_err();
        let Error::Fault(fault) = error else { panic!("{error}") };
        assert_eq!(fault.error_code(), Some(ErrorCode::ENUMERATION_MODE_UNSUPPORTED));
    }
}

#[test]
fn a_context_is_gone_after_its_time_and_pulls_keep_it() {
    let mut play = Play::new(5, 10);
    let mut client = walk(Enumerate::default(), 1);
    for _ in 0..3 {
        let id = play.id();
        let request = client.next(id, TIMEOUT).unwrap().unwrap();
        let answer = play.answer(&request.envelope.encode());
        client.handle_response(&answer).unwrap();
        play.now += seconds(239);
    }
    assert_eq!((play.host.len(), play.host.poll_timeout()), (1, Some(play.now + seconds(1))));
    play.now += seconds(1);
    play.host.handle_timeout(play.now);
    assert_eq!((play.host.len(), play.host.poll_timeout()), (0, None));
    let error = play.walk(&mut client).unwrap_err();
    let Error::Fault(fault) = error else { panic!("{error}") };
    assert_eq!(fault.error_code(), Some(ErrorCode::INVALID_ENUMERATION_CONTEXT));
}

#[test]
fn a_context_of_another_user_is_none() {
    let mut play = Play::new(5, 10);
    let id = play.id();
    let request = walk(Enumerate::default(), 1).next(id, TIMEOUT).unwrap().unwrap();
    let answer = play.answer(&request.envelope.encode());
    let context = EnumerateResponse::from_body(&answer.body).unwrap().context.unwrap();
    let room = Room { envelope_limit: ENVELOPE, empty_reply: 500 };
    let pull = Pull { context: context.clone(), ..Pull::default() };
    let fault = play.host.pull("bob", &pull, room, play.now).unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::INVALID_ENUMERATION_CONTEXT));
    let release = Release { context, ..Release::default() };
    assert!(play.host.release("bob", &release, play.now).is_err());
    assert!(play.host.release("alice", &release, play.now).is_ok());
    assert!(play.host.pull("alice", &pull, room, play.now).is_err());
}

#[test]
fn enumerations_are_counted_by_user_and_in_all() {
    let settings = Settings { max_contexts: 3, max_contexts_per_owner: 2, ..Settings::default() };
    let mut host = Enumerations::new(settings);
    let room = Room { envelope_limit: ENVELOPE, empty_reply: 500 };
    let now = beginning();
    let mut begin = |owner: &str, fresh| {
        let source = Source::objects([object(1, 1)]);
        let begun = host.enumerate(owner, &Enumerate::default(), source, room, fresh, now);
        begun.map(drop).map_err(|fault| fault.error_code().unwrap())
    };
    let mut ids = (1..).map(Uuid::from_u128);
    let mut begin = |owner| begin(owner, ids.next().unwrap());
    assert_eq!((begin("alice"), begin("alice")), (Ok(()), Ok(())));
    assert_eq!(begin("alice"), Err(ErrorCode::QUOTA_MAX_OPERATIONS));
    assert_eq!(begin("bob"), Ok(()));
    assert_eq!(begin("carol"), Err(ErrorCode::INTERNAL_ERROR));
}

#[test]
fn a_walk_that_is_given_up_releases_what_the_service_keeps() {
    let mut play = Play::new(5, 10);
    let mut client = walk(Enumerate::default(), 1);
    let id = play.id();
    let request = client.next(id, TIMEOUT).unwrap().unwrap();
    assert_eq!(client.next(id, TIMEOUT), Err(Error::UnderWay));
    assert_eq!(client.release(id, TIMEOUT), Err(Error::UnderWay));
    let answer = play.answer(&request.envelope.encode());
    client.handle_response(&answer).unwrap();
    let id = play.id();
    let request = client.release(id, TIMEOUT).unwrap().unwrap();
    let answer = play.answer(&request.envelope.encode());
    assert!(answer.body.is_empty());
    client.handle_response(&answer).unwrap();
    assert!(client.is_finished() && play.host.is_empty());
    assert_eq!(client.next(id, TIMEOUT), Ok(None));
    assert_eq!(client.release(id, TIMEOUT), Ok(None));
}

/// An answer to the client's last request that a service makes up.
fn made_up(client: &mut Walk, action: &str, body: Vec<Element>) -> Result<Vec<Item>, Error> {
    let request = client.next(Uuid::from_u128(9), TIMEOUT).unwrap().unwrap();
    client.handle_response(&request.envelope.reply(action, Uuid::max(), body))
}

fn batch(count: usize, is_last: bool, spelling: Spelling) -> Batch {
    let items = (0..count).map(|number| object(number, 1)).collect();
    Batch { items: Some(items), is_last, spelling }
}

#[test]
fn items_are_read_in_both_namespaces_and_the_newest_context_is_used() {
    let mut client = walk(Enumerate::optimized(), 10);
    let context = Some("one".to_owned());
    let first = batch(2, false, Spelling::Enumeration);
    let response = EnumerateResponse { context, batch: first, ..EnumerateResponse::default() };
    let items = made_up(&mut client, action::ENUMERATE_RESPONSE, response.to_body()).unwrap();
    assert_eq!(items.len(), 2);
    let contexts = [(Some("two".to_owned()), "one"), (None, "two"), (Some(String::new()), "two")];
    for (context, expected) in contexts {
        let request = client.next(Uuid::from_u128(9), TIMEOUT).unwrap().unwrap();
        assert_eq!(Pull::from_body(&request.envelope.body).unwrap().context, expected);
        let batch = batch(1, false, Spelling::WsMan);
        let response = PullResponse { context, batch, ..PullResponse::default() };
        let body = response.to_body();
        let answer = request.envelope.reply(action::PULL_RESPONSE, Uuid::max(), body);
        assert_eq!(client.handle_response(&answer).unwrap().len(), 1);
    }
    let last = batch(0, true, Spelling::WsMan);
    let body = PullResponse { batch: last, ..PullResponse::default() }.to_body();
    assert_eq!(made_up(&mut client, action::PULL_RESPONSE, body), Ok(Vec::new()));
    assert!(client.is_finished());
}

#[test]
fn a_service_that_never_comes_to_an_end_is_given_up() {
    let context = RequestContext::new("http://h/wsman", ns::resource::SHELL, Uuid::nil());
    let bounds = Bounds { items: 5, octets: 10_000, empty_answers: 3, per_pull: 2 };
    let begin = || {
        let mut client = Walk::new(context.clone(), Enumerate::default(), bounds.clone());
        let context = Some("c".to_owned());
        let body = EnumerateResponse { context, ..EnumerateResponse::default() }.to_body();
        made_up(&mut client, action::ENUMERATE_RESPONSE, body).unwrap();
        client
    };
    let pulled = |count| {
        let batch = batch(count, false, Spelling::Enumeration);
        PullResponse { batch, ..PullResponse::default() }.to_body()
    };
    let mut client = begin();
    for _ in 0..2 {
        made_up(&mut client, action::PULL_RESPONSE, pulled(2)).unwrap();
    }
    let error = made_up(&mut client, action::PULL_RESPONSE, pulled(2));
    assert_eq!(error, Err(Error::TooManyItems(5)));
    let bounds = Bounds { octets: 10, ..bounds.clone() };
    let mut client = Walk::new(context.clone(), Enumerate::default(), bounds);
    let body = EnumerateResponse {
        context: Some("c".to_owned()),
        batch: batch(1, false, Spelling::WsMan),
        ..EnumerateResponse::default()
    };
    let error = made_up(&mut client, action::ENUMERATE_RESPONSE, body.to_body());
    assert_eq!(error, Err(Error::TooLong(10)));
    let mut client = begin();
    for _ in 0..2 {
        made_up(&mut client, action::PULL_RESPONSE, pulled(0)).unwrap();
    }
    let error = made_up(&mut client, action::PULL_RESPONSE, pulled(0));
    assert_eq!(error, Err(Error::TooManyEmptyAnswers(3)));
}

#[test]
fn a_pull_that_found_nothing_in_time_is_made_again() {
    let mut play = Play::new(1, 1);
    let mut client = walk(Enumerate::default(), 1);
    let id = play.id();
    let request = client.next(id, TIMEOUT).unwrap().unwrap();
    let answer = play.answer(&request.envelope.encode());
    client.handle_response(&answer).unwrap();
    let id = play.id();
    let request = client.next(id, TIMEOUT).unwrap().unwrap();
    let late = Fault::new(ErrorCode::OPERATION_TIMEDOUT, "late ");
    let late = late.to_envelope(Some(&request.envelope.header), Uuid::max(), "host");
    assert_eq!(client.handle_response(&late), Ok(Vec::new()));
    assert_eq!(counts(&play.walk(&mut client).unwrap()), [1]);
}

#[test]
fn wrong_answers_end_a_walk() {
    let mut client = walk(Enumerate::default(), 1);
    let body = EnumerateResponse::default().to_body();
    let error = made_up(&mut client, action::ENUMERATE_RESPONSE, body);
    assert_eq!(error, Err(Error::NoContext));
    let mut client = walk(Enumerate::default(), 1);
    let error = made_up(&mut client, action::PULL_RESPONSE, Vec::new());
    assert_eq!(error, Err(Error::Action(action::PULL_RESPONSE.to_owned())));
    let mut client = walk(Enumerate::default(), 1);
    let error = made_up(&mut client, action::ENUMERATE_RESPONSE, Vec::new());
    assert!(matches!(error, Err(Error::Malformed(_))));
    let mut client = walk(Enumerate::default(), 1);
    let request = client.next(Uuid::from_u128(9), TIMEOUT).unwrap().unwrap();
    let mut other = request.envelope.clone();
    other.header.blocks.clear();
    let answer = other.reply(action::ENUMERATE_RESPONSE, Uuid::max(), Vec::new());
    assert_eq!(client.handle_response(&answer), Err(Error::Unrelated));
}

#[test]
fn a_property_called_end_of_sequence_is_none() {
    let item = Element::new(ns::SHELL, "Shell")
        .with_child(Element::new(ns::WSMAN, "EndOfSequence").with_text("no"));
    let batch = Batch { items: Some(vec![item]), is_last: false, spelling: Spelling::WsMan };
    let response = PullResponse { batch, ..PullResponse::default() };
    let again = PullResponse::from_body(&response.to_body()).unwrap();
    assert!(!again.batch.is_last && again == response);
}

#[test]
fn a_selector_filter_is_read_strictly() {
    let selectors = SelectorSet::shell("A");
    let filter = Filter::selectors(&selectors);
    assert_eq!(filter.as_selectors(), Some(selectors.clone()));
    let text = String::from_utf8(encode(&filter.0)).unwrap();
    assert!(text.contains("Dialect=\"http://schemas.dmtf.org/wbem/wsman/1/wsman/SelectorFilter\""));
    let twice = selectors.clone().with("shellid", "B");
    assert_eq!(Filter::selectors(&twice).as_selectors(), None);
    let two = Filter(filter.0.clone().with_child(selectors.to_element()));
    assert_eq!(two.as_selectors(), None);
    assert_eq!(Filter::text("urn:wql", "select * from x").as_selectors(), None);
    assert_eq!(Filter(Element::new(ns::WSMAN, "Filter")).dialect(), ns::XPATH);
}

#[test]
fn other_bounds_hold_at_once() {
    let mut play = Play::new(5, 10);
    let mut client = walk(Enumerate::default(), 5);
    let id = play.id();
    let request = client.next(id, TIMEOUT).unwrap().unwrap();
    let answer = play.answer(&request.envelope.encode());
    client.handle_response(&answer).unwrap();
    let settings = Settings { max_batch_items: 2, timeout: seconds(10), ..Settings::default() };
    play.host.set_settings(settings);
    assert_eq!(play.host.poll_timeout(), Some(play.now + seconds(10)));
    let id = play.id();
    let request = client.next(id, TIMEOUT).unwrap().unwrap();
    let answer = play.answer(&request.envelope.encode());
    assert_eq!(client.handle_response(&answer).unwrap().len(), 2);
    play.now += seconds(10);
    play.host.handle_timeout(play.now);
    assert!(play.host.is_empty());
}
