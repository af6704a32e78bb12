//! Properties: what is written reads back the same, and nothing that is read can panic.

use proptest::prelude::*;
use wsman::fault::Message;
use wsman::identify::{Identify, IdentifyResponse};
use wsman::shell::{
    CommandLine, CommandResponse, CommandState, CreateResponse, Receive, ReceiveResponse, Request,
    Send, SendResponse, ShellDescription, ShellInfo, Signal, SignalCode, SignalResponse, State,
    Stream, Variable,
};
use wsman::xml::{Attribute, Binding, Element, Limits, Name, Node, decode, encode};
use wsman::{
    Block, EndpointReference, Envelope, ErrorCode, Fault, Header, HeaderValue, OptionItem,
    OptionSet, SelectorSet, ns,
};

use crate::corpora;

/// Text that XML can carry, with what needs escaping.
fn text() -> impl Strategy<Value = String> {
    "[ -~\t\né\u{1F600}\u{FFFD}\r&<>\"']{0,12}"
}

/// Text without white space around it.
fn trimmed() -> impl Strategy<Value = String> {
    text().prop_map(|text| text.trim_matches([' ', '\t', '\r', '\n']).to_owned())
}

fn name() -> impl Strategy<Value = Name> {
    let namespace = prop_oneof![
        Just(String::new()),
        Just(ns::SHELL.to_owned()),
        Just(ns::WSMAN.to_owned()),
        "urn:[a-c]",
        "[ -~]{1,8}",
    ];
    (namespace, "[A-Za-z_é][A-Za-z0-9_.-]{0,6}")
        .prop_map(|(namespace, local)| Name::from_parts(&namespace, &local))
}

fn attributes() -> impl Strategy<Value = Vec<Attribute>> {
    prop::collection::vec((name(), text()), 0..4).prop_map(|list| {
        let mut attributes: Vec<Attribute> = Vec::new();
        for (name, value) in list {
            // These would be declarations.
            let taken = name.local() == "xmlns" && name.namespace().is_empty();
            if !taken && !attributes.iter().any(|attribute| attribute.name == name) {
                attributes.push(Attribute { name, value });
            }
        }
        attributes
    })
}

/// Elements as the reader makes them: neighbouring texts are one, and white space alone stands
/// only where there is no element.
fn element() -> impl Strategy<Value = Element> {
    let leaf = (name(), attributes(), text()).prop_map(|(name, attributes, text)| {
        let element = Element { attributes, ..Element::named(name) };
        element.with_text(text)
    });
    leaf.prop_recursive(5, 40, 5, |inner| {
        (name(), attributes(), prop::collection::vec((inner, trimmed()), 0..5)).prop_map(
            |(name, attributes, content)| {
                let mut element = Element { attributes, ..Element::named(name) };
                for (child, text) in content {
                    element.push(child);
                    element = element.with_text(text);
                }
                element
            },
        )
    })
}

/// The reader remembers prefixes that values seem to use; without them elements compare.
fn without_bindings(mut element: Element) -> Element {
    element.bindings.clear();
    for child in &mut element.children {
        if let Node::Element(child) = child {
            *child = without_bindings(child.clone());
        }
    }
    element
}

fn stream() -> impl Strategy<Value = Stream> {
    let id = prop::option::of("[0-9A-F-]{1,36}");
    let data = prop::collection::vec(any::<u8>(), 0..200);
    ("[a-z]{1,8}", id, any::<bool>(), prop::option::of(any::<bool>()), data).prop_map(
        |(name, command_id, end, end_unit, data)| Stream {
            name,
            command_id,
            end,
            end_unit,
            data,
            ..Stream::default()
        },
    )
}

/// Everything that reads an envelope; none of it may panic.
fn read_everything(bytes: &[u8]) {
    let Ok(envelope) = Envelope::decode(bytes, &Limits::default()) else {
        return;
    };
    // What is written once is a fixed point.
    let written = envelope.encode();
    let again = Envelope::decode(&written, &Limits { bytes: usize::MAX, ..Limits::default() });
    assert_eq!(again.unwrap().encode(), written);
    let body = &envelope.body;
    drop(envelope.header.check_request());
    drop(Request::from_envelope(&envelope));
    drop(Fault::from_envelope(&envelope).map(|fault| fault.map(|fault| fault.to_string())));
    drop(Identify::from_envelope(&envelope));
    drop(IdentifyResponse::from_envelope(&envelope));
    drop(CreateResponse::from_body(body).map(|response| response.to_body()));
    drop(CommandResponse::from_body(body));
    drop(ReceiveResponse::from_body(body).map(|response| response.to_body()));
    drop(SendResponse::from_body(body));
    drop(SignalResponse::from_body(body));
    drop(body.first().map(ShellInfo::from_element));
}

proptest! {
    #[test]
    fn elements_read_back_the_same(element in element()) {
        let bytes = encode(&element);
        let read = decode(&bytes, &Limits::default());
        prop_assert_eq!(read.map(without_bindings), Ok(element));
    }

    #[test]
    fn bound_prefixes_keep_their_meaning(
        prefix in "[a-z]{1,3}", uri in "urn:[a-c]", outer in "urn:[a-c]", inner in name()
    ) {
        prop_assume!(prefix != "xml");
        let mut element = Element::named(inner).with_text(format!("{prefix}:x"));
        element.bindings.push(Binding::new(&prefix, &uri));
        let mut parent = Element::new("urn:parent", "p").with_child(element);
        parent.bindings.push(Binding::new(&prefix, &outer));
        let read = decode(&encode(&parent), &Limits::default()).unwrap();
        let child = read.elements().next().unwrap();
        let value = format!("{prefix}:x");
        prop_assert_eq!(child.qname(&value), Some((uri.as_str(), "x")));
    }

    #[test]
    fn headers_read_back_the_same(
        texts in prop::collection::vec(trimmed(), 8),
        numbers in (any::<u64>(), any::<u64>()),
        must_understand in prop::option::of(any::<bool>()),
        option in prop::option::of(text()),
        other in element(),
    ) {
        let [to, action, id, relates, selector, uri, address, tag] =
            <[String; 8]>::try_from(texts).unwrap();
        let options = OptionSet::default().with_item(OptionItem {
            name: "o".to_owned(),
            value: option,
            must_comply: must_understand,
            type_: Some("x:string".to_owned()),
            ..OptionItem::default()
        });
        let values = vec![
            HeaderValue::To(to),
            HeaderValue::Action(action),
            HeaderValue::MessageId(id),
            HeaderValue::RelatesTo(relates),
            HeaderValue::ResourceUri(uri.clone()),
            HeaderValue::ReplyTo(EndpointReference::address(address.clone())),
            HeaderValue::FaultTo(EndpointReference::resource(
                address, uri, SelectorSet::default().with("a", selector.clone()))),
            HeaderValue::SelectorSet(SelectorSet::default().with("ShellId", selector)),
            HeaderValue::OptionSet(options),
            HeaderValue::Locale(tag),
            HeaderValue::MaxEnvelopeSize(numbers.0),
            HeaderValue::SequenceId(numbers.1),
            HeaderValue::TotalItemsCountEstimate(None),
            HeaderValue::RequestEpr,
            HeaderValue::AckRequested,
        ];
        let block = |value| Block { must_understand, attributes: Vec::new(), value };
        let mut header = Header { blocks: values.into_iter().map(block).collect() };
        let unknown = Element { name: Name::new("urn:other", "Other"), ..other };
        header.blocks.push(block(HeaderValue::Other(unknown)));
        let envelope = Envelope { header, ..Envelope::default() };
        let mut read = Envelope::decode(&envelope.encode(), &Limits::default()).unwrap();
        for block in &mut read.header.blocks {
            match &mut block.value {
                HeaderValue::Other(element) => *element = without_bindings(element.clone()),
                HeaderValue::OptionSet(set) => {
                    set.options.iter_mut().for_each(|option| option.bindings.clear());
                }
                _ => {}
            }
        }
        prop_assert_eq!(read, envelope);
    }

    #[test]
    fn shell_messages_read_back_the_same(
        texts in prop::collection::vec(text(), 6),
        ids in prop::collection::vec("[0-9A-Fa-f-]{1,36}", 2),
        streams in prop::collection::vec(stream(), 1..4),
        exit_code in prop::option::of(any::<u32>()),
    ) {
        let through = |body: &[Element]| {
            let envelope = Envelope { body: body.to_vec(), ..Envelope::default() };
            Envelope::decode(&envelope.encode(), &Limits::default()).unwrap().body
        };
        let shell = ShellDescription {
            shell_id: Some(ids[0].clone()),
            working_directory: Some(texts[0].clone()),
            environment: vec![Variable { name: texts[1].clone(), value: texts[2].clone() }],
            input_streams: vec!["stdin".to_owned(), "pr".to_owned()],
            ..ShellDescription::default()
        };
        let read = through(&[shell.to_element()]);
        prop_assert_eq!(ShellDescription::from_element(&read[0]), Ok(shell));
        let line = CommandLine {
            command_id: Some(ids[1].clone()),
            command: texts[3].clone(),
            arguments: vec![texts[4].clone(), texts[5].clone()],
            ..CommandLine::default()
        };
        prop_assert_eq!(CommandLine::from_body(&through(&line.to_body())), Ok(line));
        let send = Send { streams: streams.clone(), ..Send::default() };
        prop_assert_eq!(Send::from_body(&through(&send.to_body())), Ok(send));
        let receive = Receive::command(&ids[0]);
        prop_assert_eq!(Receive::from_body(&through(&receive.to_body())), Ok(receive));
        let signal = Signal::command(&ids[0], SignalCode::CtrlBreak);
        prop_assert_eq!(Signal::from_body(&through(&signal.to_body())), Ok(signal));
        let response = ReceiveResponse {
            streams,
            state: Some(CommandState::new(&ids[0], State::Done, exit_code)),
            ..ReceiveResponse::default()
        };
        let read = ReceiveResponse::from_body(&through(&response.to_body()));
        prop_assert_eq!(read, Ok(response));
    }

    #[test]
    fn faults_read_back_the_same(code in any::<u32>(), reason in trimmed(), inner in trimmed()) {
        let codes: Vec<_> = ErrorCode::all().collect();
        for code in [ErrorCode(code), codes[code as usize % codes.len()]] {
            let mut fault = Fault::new(code, reason.clone());
            let wsman = fault.wsman_fault.as_mut().unwrap();
            wsman.machine = Some("host".to_owned());
            wsman.message = Message::text(inner.clone());
            let fault = fault.with_provider("p", "q");
            let envelope = fault.to_envelope(None, uuid::Uuid::nil(), "");
            let read = Envelope::decode(&envelope.encode(), &Limits::default()).unwrap();
            prop_assert_eq!(Fault::from_envelope(&read), Ok(Some(fault)));
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read_everything(&bytes);
    }

    #[test]
    fn arbitrary_markup_does_not_panic(pieces in prop::collection::vec(
        prop::sample::select(&PIECES[..]), 0..40)) {
        read_everything(pieces.concat().as_bytes());
    }
}

const PIECES: [&str; 26] = [
    "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' xmlns:p='u'>",
    "</s:Envelope>",
    "<s:Header>",
    "</s:Header>",
    "<s:Body>",
    "</s:Body>",
    "<a>",
    "</a>",
    "<p:b c='d'/>",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "&amp;",
    "&#x41;",
    "&",
    "<?xml version='1.0'?>",
    "<!DOCTYPE a>",
    "text",
    " ",
    "'",
    "\"",
    "<",
    ">",
    "/>",
    "é",
];

#[test]
fn mutated_real_messages_do_not_panic() {
    let Some(folder) = corpora::folder("mutated_real_messages_do_not_panic", "requests") else {
        return;
    };
    let documents = corpora::requests(&folder.join("pywinrm-ntlm"));
    assert!(documents.len() >= 20);
    // A fixed sequence: a failure repeats.
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = move |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % bound as u64).unwrap()
    };
    for document in &documents {
        for _ in 0..150 {
            let mut bytes = document.text.clone().into_bytes();
            for _ in 0..=next(3) {
                let at = next(bytes.len().max(1));
                match next(5) {
                    _ if bytes.is_empty() => bytes.push(b'<'),
                    0 => bytes[at] = u8::try_from(next(256)).unwrap(),
                    1 => drop(bytes.remove(at)),
                    2 => bytes.truncate(at.max(1)),
                    3 => {
                        let piece = PIECES[next(PIECES.len())].bytes();
                        drop(bytes.splice(at..at, piece));
                    }
                    _ => {
                        let end = (at + next(200)).min(bytes.len());
                        let copy = bytes[at..end].to_vec();
                        drop(bytes.splice(at..at, copy));
                    }
                }
            }
            read_everything(&bytes);
        }
    }
}
