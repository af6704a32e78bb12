//! What is written back must not undo what others changed since it was read.

use session::server::readings::{Reader, Readings, Rules};
use wsman::fault::ErrorCode;
use wsman::transfer::{Fragment, Locator};
use wsman::xml::Element;
use wsman::{EndpointReference, Selector, SelectorSet, SelectorValue};

const URI: &str = "urn:settings";

fn reader(account: u8, session: &str) -> Reader {
    Reader::new([account; 16], [9; 16], Some(session), &Locator::new(URI)).unwrap()
}

/// Settings by name and value; a name with a slash is inside an element.
fn settings(values: &[(&'static str, &str)]) -> Element {
    let mut whole = Element::new("urn:s", "Settings");
    let mut inside = Element::new("urn:s", "Auth");
    for (name, value) in values {
        match name.split_once('/') {
            Some((_, name)) => inside.push(Element::new("urn:s", name).with_text(*value)),
            None => whole.push(Element::new("urn:s", name).with_text(*value)),
        }
    }
    if !inside.is_empty() {
        whole.push(inside);
    }
    whole
}

/// A Put of `wanted` by a session that read `read`, when somebody has made it `now`; the refusal's text.
fn refused(read: &Element, wanted: &Element, now: &Element) -> Option<String> {
    let mut readings = Readings::default();
    readings.note(reader(1, "a"), read);
    let fault = readings.check(&reader(1, "a"), wanted, now).err()?;
    assert_eq!(fault.error_code(), Some(ErrorCode::CONCURRENCY));
    assert!(!readings.knows(&reader(1, "a")));
    Some(fault.text().into_owned())
}

#[test]
fn a_value_written_back_that_somebody_changed_is_named() {
    let read = settings(&[("A", "1"), ("B", "2"), ("Auth/Basic", "false")]);
    let wanted = settings(&[("A", "7"), ("B", "2"), ("Auth/Basic", "false")]);
    assert_eq!(refused(&read, &wanted, &read), None, "nobody was there");
    let now = settings(&[("A", "1"), ("B", "3"), ("Auth/Basic", "false")]);
    assert!(refused(&read, &wanted, &now).unwrap().contains("changed B since"));
    let now = settings(&[("A", "1"), ("B", "2"), ("Auth/Basic", "true")]);
    assert!(refused(&read, &wanted, &now).unwrap().contains("changed Auth/Basic since"));
}

#[test]
fn what_is_meant_left_out_or_the_same_undoes_nothing() {
    let read = settings(&[("A", "1"), ("B", "2")]);
    let now = settings(&[("A", "5"), ("B", "2")]);
    for wanted in [
        // Another value than was read is meant, also against that of somebody else.
        settings(&[("A", "7"), ("B", "2")]),
        settings(&[("A", "5"), ("B", "9")]),
        settings(&[("B", "9")]),
        settings(&[]),
    ] {
        assert_eq!(refused(&read, &wanted, &now), None, "{wanted:?}");
    }
}

#[test]
fn lists_and_attributes_count_too() {
    let list = |names: &[&str]| {
        let mut whole = Element::new("urn:s", "PlugIn").with_attribute("Enabled", "true");
        for name in names {
            whole.push(Element::new("urn:s", "Param").with_attribute("Name", *name));
        }
        whole
    };
    let read = list(&["a", "b"]);
    assert!(
        refused(&read, &list(&["a", "b"]), &list(&["a", "c"])).unwrap().contains("Param[2]/@Name")
    );
    // What came or went in between would go, or come back.
    assert!(refused(&read, &list(&["a", "b"]), &list(&["a", "b", "c"])).is_some());
    assert!(refused(&read, &list(&["a", "b"]), &list(&["a"])).is_some());
    let mut switched = read.clone();
    switched.attributes[0].value = "false".to_owned();
    assert!(refused(&read, &read, &switched).unwrap().contains("changed @Enabled since"));
}

#[test]
fn who_is_refused_and_sends_it_again_wants_it_so() {
    let (read, now) = (settings(&[("A", "1")]), settings(&[("A", "2")]));
    let mut readings = Readings::default();
    readings.note(reader(1, "a"), &read);
    assert!(readings.check(&reader(1, "a"), &read, &now).is_err());
    assert_eq!(readings.check(&reader(1, "a"), &read, &now), Ok(()));
}

#[test]
fn sessions_and_resources_are_told_apart() {
    let (read, now) = (settings(&[("A", "1")]), settings(&[("A", "2")]));
    let mut readings = Readings::default();
    readings.note(reader(1, "a"), &read);
    for other in [reader(2, "a"), reader(1, "b")] {
        assert_eq!(readings.check(&other, &read, &now), Ok(()), "{other:?}");
    }
    let named = |locator: &Locator| Reader::new([1; 16], [9; 16], Some("a"), locator);
    let with = |selectors| Locator { selectors, ..Locator::new(URI.to_uppercase()) };
    assert_eq!(named(&with(SelectorSet::default())), Some(reader(1, "a")), "URIs have no case");
    let one = with(SelectorSet::default().with("Address", "*").with("Transport", "HTTP"));
    let same = with(SelectorSet::default().with("transport", "http").with("address", "*"));
    assert_eq!(named(&one), named(&same));
    assert_ne!(named(&one), Some(reader(1, "a")));
    // Without a name, and with one that is none, the session is the login.
    let login = |login, name| Reader::new([1; 16], [login; 16], name, &Locator::new(URI));
    assert_ne!(login(1, None), login(2, None));
    let long = "x".repeat(129);
    assert_eq!(login(1, None), login(1, Some(&long)));
    assert_eq!(login(1, Some("x")), login(2, Some("x")));
}

#[test]
fn parts_and_references_are_not_followed() {
    let part = Locator { fragment: Some(Fragment::xpath("A")), ..Locator::new(URI) };
    assert_eq!(Reader::new([1; 16], [9; 16], None, &part), None);
    let value = SelectorValue::Endpoint(Box::new(EndpointReference::address("urn:x")));
    let selector = Selector { name: "It".to_owned(), value, attributes: Vec::new() };
    let selectors = SelectorSet { selectors: vec![selector] };
    let reference = Locator { selectors, ..Locator::new(URI) };
    assert_eq!(Reader::new([1; 16], [9; 16], None, &reference), None);
}

#[test]
fn old_readings_give_way_and_large_ones_are_not_kept() {
    let small = settings(&[("A", "1")]);
    let large = settings(&[("A", &"x".repeat(2_000))]);
    let rules = Rules { characters: 1_000, readings: 3, characters_in_all: 1_000_000 };
    let mut readings = Readings::new(rules);
    for account in 1..=4 {
        readings.note(reader(account, "a"), &small);
    }
    readings.note(reader(4, "a"), &small);
    let known = |readings: &Readings| {
        (1..=4).filter(|account| readings.knows(&reader(*account, "a"))).collect::<Vec<_>>()
    };
    assert_eq!(known(&readings), [2, 3, 4]);
    readings.note(reader(3, "a"), &large);
    assert_eq!(known(&readings), [2, 4], "what was read before is not true any more");
    let rules = Rules { characters: 5_000, readings: 3, characters_in_all: 5_000 };
    let mut readings = Readings::new(rules);
    for account in 1..=3 {
        readings.note(reader(account, "a"), &large);
    }
    assert_eq!(known(&readings), [2, 3]);
}
