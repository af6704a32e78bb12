//! Messages in UTF-16: with and without mark, in both orders, and what is neither.

use wsman::shell::{Request, Signal, SignalCode};
use wsman::xml::{self, ErrorKind, Limits};
use wsman::{Charset, Envelope};

use crate::shell_scene;

fn envelope() -> Envelope {
    let send = shell_scene::send("ä😀", b"data", false);
    let context = wsman::shell::RequestContext::new("http://höst", "urn:x", uuid::Uuid::nil());
    let timeout = std::time::Duration::from_secs(1);
    send.to_envelope(&context, Some("S-1"), uuid::Uuid::nil(), timeout)
}

/// The envelope in UTF-16, in one order, with or without its mark.
fn utf16(order: fn(u16) -> [u8; 2], mark: bool) -> Vec<u8> {
    let text = String::from_utf8(envelope().encode()).unwrap();
    let mark = mark.then_some(0xFEFF);
    mark.into_iter().chain(text.encode_utf16()).flat_map(order).collect()
}

#[test]
fn every_form_of_utf_16_reads_as_the_same_envelope() {
    let limits = Limits::default();
    for order in [u16::to_le_bytes, u16::to_be_bytes] {
        let marked = utf16(order, true);
        for declared in [Charset::Utf8, Charset::Utf16] {
            let read = Envelope::decode_as(&marked, declared, &limits).unwrap();
            assert_eq!(read.encode(), envelope().encode());
            assert_eq!(Charset::of_message(&marked, declared), Charset::Utf16);
        }
        let bare = utf16(order, false);
        let read = Envelope::decode_as(&bare, Charset::Utf16, &limits).unwrap();
        assert_eq!(read.encode(), envelope().encode());
        assert!(Envelope::decode(&bare, &limits).is_err());
    }
}

#[test]
fn written_utf_16_is_little_endian_with_a_mark() {
    let written = envelope().encode_as(Charset::Utf16);
    assert_eq!(written, utf16(u16::to_le_bytes, true));
    assert!(written.starts_with(b"\xFF\xFE<\0s\0:\0"));
}

#[test]
fn declaration_must_name_the_charset_of_the_bytes() {
    for (declared, charset, fits) in [
        ("utf-8", Charset::Utf8, true),
        ("UTF-16", Charset::Utf16, true),
        ("UTF-16", Charset::Utf8, false),
        ("utf-8", Charset::Utf16, false),
    ] {
        let text = format!("<?xml version='1.0' encoding='{declared}'?><a/>");
        let read = xml::decode(&charset.encode(text), &Limits::default());
        assert_eq!(read.is_ok(), fits, "{declared} in {charset:?}");
    }
}

#[test]
fn broken_utf_16_and_too_much_of_it_is_refused() {
    let mut odd = utf16(u16::to_le_bytes, true);
    odd.push(0x20);
    let kind = |bytes: &[u8]| xml::decode(bytes, &Limits::default()).unwrap_err().kind;
    assert_eq!(kind(&odd), ErrorKind::NotUtf16);
    assert_eq!(kind(b"\xFF\xFE<\0a\0>\0\0\xD8<\0/\0a\0>\0"), ErrorKind::NotUtf16);
    let whole = utf16(u16::to_le_bytes, true);
    let limits = Limits { bytes: whole.len() - 1, ..Limits::default() };
    assert!(Envelope::decode(&whole, &limits).is_err());
}

/// What a client may send is counted in the octets that go out.
#[test]
fn signal_in_utf_16_has_twice_the_octets_and_a_mark() {
    let signal = Request::Signal(Signal::command("C", SignalCode::Terminate));
    let context = wsman::shell::RequestContext::new("http://h", "urn:x", uuid::Uuid::nil());
    let timeout = std::time::Duration::from_secs(1);
    let envelope = signal.to_envelope(&context, Some("S"), uuid::Uuid::nil(), timeout);
    assert_eq!(envelope.encode_as(Charset::Utf16).len(), 2 + 2 * envelope.encode().len());
}
