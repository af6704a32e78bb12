//! Enumerations, rule by rule: filters, counts, and what no request may say.

use uuid::Uuid;
use wsman::enumeration::server::{Enumerations, Room, Settings, Source};
use wsman::enumeration::{Enumerate, Filter, Pull};
use wsman::ns;
use wsman::xml::{Element, encode};
use wsman::{EndpointReference, ErrorCode, Fault, SelectorSet};

use crate::enumeration::{ENVELOPE, number, object, reference};
use crate::shell_scene::beginning;

#[test]
fn a_filter_is_checked_against_what_the_resource_knows() {
    let code = |filter: &Filter, known: &[&str]| {
        filter.check(known).map_err(|fault| fault.error_code().unwrap())
    };
    let wql = "http://schemas.microsoft.com/wbem/wsman/1/WQL";
    let by_keys = Filter::selectors(&SelectorSet::shell("A"));
    assert_eq!(code(&by_keys, &[]), Err(ErrorCode::FILTERING_NOT_SUPPORTED));
    assert_eq!(code(&by_keys, &[ns::SELECTOR_FILTER]), Ok(()));
    assert_eq!(code(&by_keys, &[wql, ns::SELECTOR_FILTER]), Ok(()));
    let query = Filter::text(wql, "select * from x");
    assert_eq!(code(&query, &[&wql.to_lowercase()]), Ok(()));
    let fault = query.check(&[ns::SELECTOR_FILTER, "urn:cql"]).unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::FILTER_DIALECT_UNAVAILABLE));
    assert_eq!(fault.subcode.as_ref().unwrap().local(), "FilterDialectRequestedUnavailable");
    let named: Vec<_> = fault.other.iter().map(|element| element.text().into_owned()).collect();
    assert!(fault.other.iter().all(|element| element.is(ns::ENUMERATION, "SupportedDialect")));
    assert_eq!(named, [ns::SELECTOR_FILTER, "urn:cql"]);
    let bad = [
        Filter::text(wql, ""),
        Filter(by_keys.0.clone().with_text("x")),
        Filter(by_keys.0.clone().with_child(object(1, 1))),
        Filter::text(ns::SELECTOR_FILTER, "ShellId=A"),
        Filter::selectors(&SelectorSet::shell("A").with("SHELLID", "B")),
    ];
    for filter in bad {
        let known = [wql, ns::SELECTOR_FILTER];
        assert_eq!(code(&filter, &known), Err(ErrorCode::CANNOT_PROCESS_FILTER), "{filter:?}");
    }
}

#[test]
fn items_are_selected_by_their_keys() {
    let numbers = |wanted: SelectorSet| {
        let items = (0..5).map(|number| (object(number, 1), reference(number)));
        let source = Source::references(items.collect::<Vec<_>>()).selected(wanted);
        let room = Room { envelope_limit: ENVELOPE, empty_reply: 500 };
        let mut host = Enumerations::new(Settings::default());
        let request = Enumerate::optimized();
        let response = host.enumerate("alice", &request, source, room, Uuid::nil(), beginning());
        response.unwrap().batch.typed().map(|item| number(&item)).collect::<Vec<_>>()
    };
    assert_eq!(numbers(SelectorSet::shell("3")), [3]);
    assert_eq!(numbers(SelectorSet::default().with("SHELLID", "3")), [3]);
    assert_eq!(numbers(SelectorSet::default()), [0, 1, 2, 3, 4]);
    assert!(numbers(SelectorSet::shell("3").with("Other", "x")).is_empty());
    assert!(numbers(SelectorSet::shell("9")).is_empty());
}

#[test]
fn how_many_items_there_are_is_known_of_lists() {
    let list = |count| (0..count).map(|number| (object(number, 1), reference(number)));
    let source = Source::references(list(7).collect::<Vec<_>>());
    assert_eq!(source.count(), Some(7));
    let filtered =
        Source::references(list(7).collect::<Vec<_>>()).selected(SelectorSet::shell("1"));
    assert_eq!(filtered.count(), None);
    let mut host = Enumerations::new(Settings::default());
    let (room, now) = (Room { envelope_limit: ENVELOPE, empty_reply: 500 }, beginning());
    let request = Enumerate { optimize: true, ..Enumerate::default() };
    let response = host.enumerate("alice", &request, source, room, Uuid::nil(), now).unwrap();
    let pull = Pull { context: response.context.unwrap(), ..Pull::default() };
    host.pull("alice", &pull, room, now).unwrap();
    assert_eq!((host.item_count("alice", &pull), host.item_count("bob", &pull)), (Some(7), None));
}

#[test]
fn what_an_enumerate_asks_is_checked() {
    let check =
        |enumerate: &Enumerate| enumerate.check().map_err(|fault| fault.error_code().unwrap());
    let expires = |text: &str| Enumerate { expires: Some(text.to_owned()), ..Enumerate::default() };
    for text in [
        "PT60S",
        "P1D",
        "PT0S",
        "2026-11-30T20:00:00Z",
        "2026-11-30T20:00:00",
        "2026-11-30T20:00:00.25+01:00",
        "-0001-01-01T00:00:00-05:30",
    ] {
        assert_eq!(check(&expires(text)), Ok(()), "{text}");
    }
    for text in [
        "",
        "soon",
        "-PT60S",
        "60",
        "2026-11-30",
        "T20:00:00",
        "2026-11-30T20:00",
        "2026-11-30T20:00:00.",
        "2026-11-30T20:00:00X",
        "2026-11-30T20:00:00+01",
    ] {
        assert_eq!(check(&expires(text)), Err(ErrorCode::INVALID_EXPIRATION_TIME), "{text}");
    }
    let end_to = |address: &str| {
        let end_to =
            EndpointReference::address(address).to_element(Element::new(ns::ENUMERATION, "EndTo"));
        Enumerate { other: vec![end_to], ..Enumerate::default() }
    };
    assert_eq!(check(&end_to(ns::ANONYMOUS)), Ok(()));
    assert_eq!(check(&end_to("http://elsewhere/")), Err(ErrorCode::UNSUPPORTED_ADDRESSING_MODE));
    let filter = Filter::text("urn:x", "x");
    let mut body = Enumerate::optimized().with_filter(filter.clone()).to_body();
    body[0].push(filter.0);
    let two = Enumerate::from_body(&body).unwrap();
    assert_eq!(check(&two), Err(ErrorCode::CANNOT_PROCESS_FILTER));
    let refused = Enumerations::new(Settings::default()).enumerate(
        "alice",
        &two,
        Source::objects([]),
        Room { envelope_limit: ENVELOPE, empty_reply: 500 },
        Uuid::nil(),
        beginning(),
    );
    assert_eq!(refused.unwrap_err().error_code(), Some(ErrorCode::CANNOT_PROCESS_FILTER));
}

#[test]
fn an_enumerate_is_written_in_the_order_of_the_schema() {
    let filter = Element::new(ns::ENUMERATION, "Filter").with_text("x");
    let enumerate = Enumerate {
        expires: Some("PT60S".to_owned()),
        other: vec![
            Element::new(ns::CIM_BINDING, "PolymorphismMode"),
            Element::new(ns::ENUMERATION, "EndTo"),
        ],
        filter: Some(Filter(filter)),
        ..Enumerate::optimized()
    };
    let body = enumerate.to_body();
    let names: Vec<_> = body[0].elements().map(|element| element.name.local().to_owned()).collect();
    let expected =
        ["EndTo", "Expires", "Filter", "OptimizeEnumeration", "MaxElements", "PolymorphismMode"];
    assert_eq!(names, expected);
}

#[test]
fn values_that_no_request_may_have_are_refused() {
    let fault = |body: &[Element]| {
        let error = match body[0].name.local() {
            "Pull" => Pull::from_body(body).map(drop).unwrap_err(),
            _ => Enumerate::from_body(body).map(drop).unwrap_err(),
        };
        Fault::from(&error).error_code().unwrap()
    };
    let pull = |name, text: &str| {
        let mut body = Pull { context: "c".to_owned(), ..Pull::default() }.to_body();
        body[0].push(Element::new(ns::ENUMERATION, name).with_text(text));
        body
    };
    for (name, text) in [
        ("MaxTime", "PT0S"),
        ("MaxTime", "-PT1S"),
        ("MaxTime", "1"),
        ("MaxElements", "0"),
        ("MaxElements", "-1"),
        ("MaxCharacters", "0"),
        ("MaxCharacters", "x"),
    ] {
        assert_eq!(fault(&pull(name, text)), ErrorCode::SCHEMA_VALIDATION_ERROR, "{name} {text}");
    }
    let mut body = Enumerate::optimized().to_body();
    body[0].push(Element::new(ns::WSMAN, "EnumerationMode").with_text("EnumerateNone"));
    assert_eq!(fault(&body), ErrorCode::ENUMERATION_MODE_UNSUPPORTED);
}

#[test]
fn characters_are_counted_and_not_octets() {
    // Each of these characters has three octets.
    let items =
        (0..4).map(|_| Element::new(ns::SHELL, "Shell").with_text("\u{20AC}".repeat(1_000)));
    let one = encode(&Element::new(ns::SHELL, "Shell").with_text("x".repeat(1_000))).len();
    let mut host = Enumerations::new(Settings::default());
    let (room, now) = (Room { envelope_limit: 100_000, empty_reply: 500 }, beginning());
    let source = Source::objects(items.collect::<Vec<_>>());
    let begun = host.enumerate("alice", &Enumerate::default(), source, room, Uuid::nil(), now);
    let context = begun.unwrap().context.unwrap();
    let mut pull = |max_characters: usize| {
        let max_characters = Some(u64::try_from(max_characters).unwrap());
        let pull = Pull {
            context: context.clone(),
            max_elements: Some(9),
            max_characters,
            ..Pull::default()
        };
        host.pull("alice", &pull, room, now).map(|response| response.batch.typed().count())
    };
    let fault = pull(one - 1).unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::MAX_ENVELOPE_SIZE_EXCEEDED));
    assert_eq!(pull(one).unwrap(), 1);
    assert_eq!(pull(2 * one).unwrap(), 2);
}
