//! UTF-16 messages, code pages, compressed streams.

use wsman::compression::{compress, decompress};
use wsman::identify::{Identify, IdentifyResponse};
use wsman::ns::resource;
use wsman::shell::{Request, Send, ShellDescription, ShellInfo, ShellOptions, Stream};
use wsman::{Charset, ErrorCode, HeaderValue};

use crate::support::{Http, PASSWORD, Service, Session, basic, envelope_of, settings};

fn send(id: &str, data: &[u8], end: bool) -> Request {
    let stream = Stream {
        name: "stdin".to_owned(),
        command_id: Some(id.to_owned()),
        end,
        data: data.to_vec(),
        ..Stream::default()
    };
    Request::Send(Send { streams: vec![stream], ..Send::default() })
}

async fn open(session: &mut Session, options: ShellOptions) -> String {
    session.open_shell_with(ShellDescription::default(), options).await.unwrap()
}

fn page(number: u32) -> ShellOptions {
    ShellOptions { code_page: Some(number), ..ShellOptions::default() }
}

fn compressed() -> ShellOptions {
    ShellOptions { compression: true, ..ShellOptions::default() }
}

/// `printf` in octal: what the shell of the test may do to letters is no matter here.
fn printf(bytes: &[u8]) -> String {
    let octal: String = bytes.iter().map(|byte| format!("\\{byte:03o}")).collect();
    format!("printf '{octal}'")
}

#[tokio::test]
async fn sealed_utf_16_is_answered_in_sealed_utf_16() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    // The helper asserts charset and Content-Type of each answer.
    session.charset = Charset::Utf16;
    session.context.charset = Charset::Utf16;
    let shell = session.open_shell().await;
    let id = session.start(&shell, "cat; echo ä >&2; exit 3").await.unwrap();
    session.request(&send(&id, "grüße".as_bytes(), true), Some(&shell)).await.unwrap();
    let (out, err, code) = session.finish(&shell, &id).await;
    assert_eq!((out, err, code), ("grüße".into(), "ä\n".into(), 3));
    let fault = session.start("11223344-5566-7788-99AA-BBCCDDEEFF00", "x").await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::UNEXPECTED_SELECTORS));
    // The same connection speaks both.
    session.charset = Charset::Utf8;
    session.start(&shell, "true").await.unwrap();
}

#[tokio::test]
async fn answers_in_utf_16_keep_to_the_clients_envelope() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    session.charset = Charset::Utf16;
    session.context.max_envelope_size = 20_000;
    let shell = session.open_shell().await;
    let id = session.start(&shell, "head -c 100000 /dev/zero").await.unwrap();
    let mut left = 100_000;
    while left > 0 {
        let envelope = session.envelope(&crate::support::receive(&id), Some(&shell));
        let (status, bytes) = session.ask_bytes(&envelope.encode_as(Charset::Utf16)).await;
        assert!(status == 200 && bytes.len() <= 20_000, "{status}, {} bytes", bytes.len());
        let body = envelope_of(&bytes).body;
        let response = wsman::shell::ReceiveResponse::from_body(&body).unwrap();
        left -= response.streams.iter().map(|stream| stream.data.len()).sum::<usize>();
    }
}

#[tokio::test]
async fn plain_utf_16_is_answered_in_utf_16_with_and_without_mark() {
    let text = "[Service]\nAllowUnencrypted = true\n[Service.Auth]\nBasic = true\n";
    let service = Service::start_with(settings(text)).await;
    let mut http = Http::connect(service.address).await;
    let login = basic("alice", PASSWORD);
    let marked = Identify::default().to_envelope().encode_as(Charset::Utf16);
    for (content_type, body) in [
        (Charset::Utf16.content_type(), &marked[..]),
        (Charset::Utf16.content_type(), &marked[2..]),
        ("application/soap+xml", &marked[..]),
    ] {
        let headers = [("Authorization", login.as_str()), ("Content-Type", content_type)];
        let answer = http.ask(&headers, body).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.values("Content-Type"), [Charset::Utf16.content_type()]);
        assert!(answer.body.starts_with(b"\xFF\xFE<\0"));
        assert!(IdentifyResponse::from_envelope(&envelope_of(&answer.body)).is_ok());
    }
    // What is not UTF-16 is refused in the charset that was announced.
    let soap = Charset::Utf16.content_type();
    let headers = [("Authorization", login.as_str()), ("Content-Type", soap)];
    let answer = http.ask(&headers, b"<\0a\0>\0x").await;
    assert_eq!((answer.status, answer.values("Content-Type")), (500, vec![soap]));
    let fault = wsman::Fault::from_envelope(&envelope_of(&answer.body)).unwrap().unwrap();
    assert_eq!(fault.error_code(), Some(ErrorCode::CHARACTER_SET));
}

#[tokio::test]
async fn anonymous_identify_is_answered_in_its_charset() {
    let service = Service::start().await;
    let mut http = Http::connect(service.address).await;
    let soap = Charset::Utf16.content_type();
    let headers = [("WSMANIDENTIFY", "unauthenticated"), ("Content-Type", soap)];
    let body = Identify::default().to_envelope().encode_as(Charset::Utf16);
    let answer = http.ask(&headers, &body).await;
    assert_eq!((answer.status, answer.values("Content-Type")), (200, vec![soap]));
    assert!(IdentifyResponse::from_envelope(&envelope_of(&answer.body)).is_ok());
}

#[tokio::test]
async fn streams_are_in_the_shells_code_page() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    for (number, text, bytes) in [
        (437, "ü½語", &b"\x81\xAB?"[..]),
        (850, "ü×", b"\x81\x9E"),
        (1_252, "ü€", b"\xFC\x80"),
        (1_251, "Привет", b"\xCF\xF0\xE8\xE2\xE5\xF2"),
        (932, "日本語", b"\x93\xFA\x96{\x8C\xEA"),
        (936, "中文", b"\xD6\xD0\xCE\xC4"),
        (65_001, "ü語", "ü語".as_bytes()),
    ] {
        let shell = open(&mut session, page(number)).await;
        let line = printf(text.as_bytes());
        let id = session.start(&shell, &format!("{line}; {line} >&2")).await.unwrap();
        let (out, err, _) = session.finish(&shell, &id).await;
        assert_eq!((&out[..], &err[..]), (bytes, bytes), "{number}");
        // Input goes the other way, in pieces that break the characters.
        let id = session.start(&shell, "od -An -tx1 -v | tr -d ' \\n'").await.unwrap();
        for byte in bytes {
            session.request(&send(&id, &[*byte], false), Some(&shell)).await.unwrap();
        }
        session.request(&send(&id, b"", true), Some(&shell)).await.unwrap();
        let (out, _, _) = session.finish(&shell, &id).await;
        let lossless = text.replace('語', if number == 437 { "?" } else { "語" });
        let hex: String = lossless.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(String::from_utf8(out).unwrap(), hex, "{number}");
        session.request(&Request::Delete, Some(&shell)).await.unwrap();
    }
}

#[tokio::test]
async fn characters_that_are_written_in_pieces_stay_whole() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let shell = open(&mut session, page(437)).await;
    let line = "printf 'a\\303'; sleep 0.3; printf '\\274b'; sleep 0.3; printf '\\303'";
    let id = session.start(&shell, line).await.unwrap();
    let (out, _, _) = session.finish(&shell, &id).await;
    assert_eq!(out, b"a\x81b\xC3");
}

#[tokio::test]
async fn long_output_in_a_code_page_keeps_its_credit() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let shell = open(&mut session, page(437)).await;
    // Two bytes become one: more goes through than the credit of a stream.
    let line = "yes 'äöüßéà' | head -n 200000";
    let id = session.start(&shell, line).await.unwrap();
    let (out, _, _) = session.finish(&shell, &id).await;
    assert!(out == b"\x84\x94\x81\xE1\x82\x85\n".repeat(200_000), "{} bytes", out.len());
}

#[tokio::test]
async fn bytes_pass_without_a_code_page() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let shell = session.open_shell().await;
    let id = session.start(&shell, &printf(b"\xC3\xBC\xFF\x81")).await.unwrap();
    assert_eq!(session.finish(&shell, &id).await.0, b"\xC3\xBC\xFF\x81");
}

#[tokio::test]
async fn unknown_code_page_is_an_invalid_parameter() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    for number in [0, 1_200, 12_345] {
        let shell = ShellDescription::default();
        let fault = session.open_shell_with(shell, page(number)).await.unwrap_err();
        assert_eq!(fault.error_code(), Some(ErrorCode(87)));
        assert_eq!(fault.subcode.unwrap().local(), "InvalidParameter");
    }
    assert_eq!(service.plugin.opened(), 0);
}

#[tokio::test]
async fn compressed_shell_compresses_both_ways() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let shell = open(&mut session, compressed()).await;
    let input = "the same line again\n".repeat(5_000).into_bytes();
    let id = session.start(&shell, "cat").await.unwrap();
    session.request(&send(&id, &compress(&input), true), Some(&shell)).await.unwrap();
    let mut out = Vec::new();
    let mut on_the_wire = 0;
    loop {
        let response = session.receive(&shell, &id).await.unwrap();
        for stream in response.streams {
            on_the_wire += stream.data.len();
            out.extend(decompress(&stream.data, 1 << 20).unwrap());
        }
        if response.state.unwrap().exit_code.is_some() {
            break;
        }
    }
    assert!(out == input);
    assert!(on_the_wire < input.len() / 5, "{on_the_wire} bytes");
    let id = session.start(&shell, "cat").await.unwrap();
    let fault = session.request(&send(&id, b"plain text", false), Some(&shell)).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode(87)));

    session.context.resource_uri = resource::SHELL.to_owned();
    let reply = session.request(&Request::Get, Some(&shell)).await.unwrap();
    let info = ShellInfo::from_element(reply.body_element().unwrap()).unwrap();
    assert_eq!(info.compression_mode.as_deref(), Some("XpressCompression"));
}

#[tokio::test]
async fn other_compressions_are_refused_where_they_must_be_understood() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    for (must, is_refused) in [(true, true), (false, false)] {
        let shell = Box::<ShellDescription>::default();
        let create = Request::Create { shell, options: ShellOptions::default() };
        let mut envelope = session.envelope(&create, None);
        let other = HeaderValue::CompressionType("gzip".to_owned());
        envelope.header = envelope.header.with_must_understand(other, must);
        let answer = session.ask_envelope(&envelope).await;
        assert_eq!(answer.is_err(), is_refused);
        if let Err(fault) = answer {
            assert_eq!(fault.code, wsman::FaultCode::MustUnderstand);
        }
    }
}
