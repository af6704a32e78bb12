//! Thousands of malformed requests, before a login and inside one: the service answers on, memory
//! stays flat, nothing runs that should not.

use auth::Entropy;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use testkit::Seeded;
use wsman::identify::Identify;
use wsman::shell::{CommandLine, CommandOptions, Request};

use crate::support::{Http, PASSWORD, Service, Session, negotiate, settings};

/// Memory of this process in KiB.
pub(crate) fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// What a test run may keep of all that it was sent: other tests run in the same process.
pub(crate) const MOST_GROWTH: usize = 64 * 1024;

pub(crate) fn pick(random: &mut Seeded, below: usize) -> usize {
    usize::try_from(random.draw() >> 8).unwrap() % below
}

/// A request that is wrong in one of many ways; none of them logs anybody in. The flag tells that
/// it breaks off.
fn broken_request(random: &mut Seeded, command: &[u8]) -> (Vec<u8>, bool) {
    let mut garbage = vec![0; pick(random, 600)];
    random.fill(&mut garbage);
    let token = match pick(random, 4) {
        0 => STANDARD.encode(&garbage),
        1 => {
            let mut token = negotiate("alice", PASSWORD, true).step(None).map(first).unwrap();
            token.truncate(pick(random, token.len()));
            STANDARD.encode(token)
        }
        2 => {
            let mut token = negotiate("alice", PASSWORD, false).step(None).map(first).unwrap();
            let at = pick(random, token.len());
            token[at] ^= 0x80;
            STANDARD.encode(token)
        }
        _ => {
            // An answer to a challenge that was never given.
            let mut token = b"NTLMSSP\0\x03\0\0\0".to_vec();
            token.extend_from_slice(&garbage);
            STANDARD.encode(token)
        }
    };
    let length = match pick(random, 6) {
        0 => "18446744073709551616".to_owned(),
        1 => "-1".to_owned(),
        2 => format!("{}\r\nContent-Length: 7", command.len()),
        3 => "99999999".to_owned(),
        _ => command.len().to_string(),
    };
    let authorization = match pick(random, 6) {
        0 => String::new(),
        1 => format!("Authorization: Negotiate {token}\r\nAuthorization: Basic YTpi\r\n"),
        2 => format!("Authorization: {token}\r\n"),
        3 => "Authorization: Basic YWxpY2U6eA==\r\n".to_owned(),
        _ => format!("Authorization: Negotiate {token}\r\n"),
    };
    let content_type = match pick(random, 4) {
        0 => {
            "Content-Type: multipart/encrypted;protocol=\"application/HTTP-SPNEGO-session-encrypted\"\
              ;boundary=\"Encrypted Boundary\"\r\n"
        }
        1 => "Content-Type: a\r\nContent-Type: b\r\nTransfer-Encoding: chunked\r\n",
        2 => "",
        _ => "Content-Type: application/soap+xml;charset=UTF-8\r\n",
    };
    let mut request =
        format!("POST /wsman HTTP/1.1\r\nHost: b\r\n{authorization}{content_type}Content-Length: {length}\r\n\r\n")
            .into_bytes();
    request.extend_from_slice(command);
    let breaks_off = pick(random, 5) == 0;
    if breaks_off {
        let at = pick(random, request.len());
        request.truncate(at);
    }
    (request, breaks_off)
}

fn first(step: auth::Step) -> Vec<u8> {
    match step {
        auth::Step::Send(token) | auth::Step::Last(token) => token,
        auth::Step::Done => panic!("a first token"),
    }
}

#[tokio::test]
async fn ten_thousand_malformed_requests_before_the_login_change_nothing() {
    let text = "[Service]\nMaxPacketRetrievalTimeSeconds = 2\nMaxConnections = 512\n";
    let service = Service::start_with(settings(text)).await;
    let mut owner = Session::login(service.address, "alice").await;
    let shell = owner.open_shell().await;
    let command = CommandLine { command: "true".to_owned(), ..CommandLine::default() };
    let request = Request::Command { command, options: CommandOptions::default() };
    let command = owner.envelope(&request, Some(&shell)).encode();
    let mut random = Seeded::new(3);
    let (mut before, mut answered) = (0, 0);
    for number in 0..10_000 {
        if number == 1_000 {
            before = resident();
        }
        let (request, breaks_off) = broken_request(&mut random, &command);
        let mut http = Http::connect(service.address).await;
        http.send(&request).await;
        if breaks_off {
            continue;
        }
        let answer = http.receive().await;
        let answer = answer.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&request)));
        assert!([400, 401].contains(&answer.status), "{answer:?}");
        assert_eq!(answer.body, b"");
        answered += 1;
    }
    assert!(resident() < before + MOST_GROWTH, "{before} KiB have become {} KiB", resident());
    assert_eq!((service.plugin.opened(), service.plugin.started()), (1, 0));
    assert!(answered > 7_000, "{answered}");
    let mut owner = Session::login(service.address, "alice").await;
    owner.start(&shell, "true").await.unwrap();
}

/// A message that is wrong in one of many ways.
fn broken_message(random: &mut Seeded, good: &[u8]) -> Vec<u8> {
    let mut message = good.to_vec();
    match pick(random, 8) {
        0 => message.truncate(pick(random, good.len())),
        1 => {
            let at = pick(random, good.len());
            message[at] = 0xFF;
        }
        2 => message = "<a>".repeat(2_000).into_bytes(),
        3 => {
            message = b"<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\">]><x>&a;</x>".to_vec();
        }
        4 => random.fill(&mut message),
        5 => {
            let attributes: String = (0..500).map(|number| format!(" a{number}=\"\"")).collect();
            message = format!("<s:Envelope{attributes}/>").into_bytes();
        }
        6 => {
            let text = String::from_utf8(message).unwrap();
            let headers = "<a:MessageID>uuid:1</a:MessageID>".repeat(1 + pick(random, 200));
            message = text.replace("</s:Header>", &format!("{headers}</s:Header>")).into_bytes();
        }
        _ => {
            let text = String::from_utf8(message).unwrap();
            let tags = ["rsp:Command", "w:ResourceURI", "a:ReplyTo", "w:SelectorSet", "s:Body"];
            let tag = tags[pick(random, tags.len())];
            message = text.replace(tag, "w:Nothing").into_bytes();
        }
    }
    message
}

#[tokio::test]
async fn ten_thousand_malformed_messages_inside_a_sealed_login_change_nothing() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let shell = session.open_shell().await;
    let command = CommandLine { command: "true".to_owned(), ..CommandLine::default() };
    let request = Request::Command { command, options: CommandOptions::default() };
    let good = session.envelope(&request, Some("99999999-5566-7788-99AA-BBCCDDEEFF00")).encode();
    let mut random = Seeded::new(5);
    let mut before = 0;
    for number in 0..10_000 {
        if number == 1_000 {
            before = resident();
        }
        let message = broken_message(&mut random, &good);
        if pick(&mut random, 20) == 0 {
            // Broken around the seal: the connection ends, the next login follows.
            let (content_type, mut body) = session.seal(&message);
            let at = pick(&mut random, body.len());
            body.truncate(at);
            let answer = session.http.ask(&[("Content-Type", &content_type)], &body).await;
            assert!([400, 401].contains(&answer.status), "{answer:?}");
            session = Session::login(service.address, "alice").await;
            continue;
        }
        let (status, _) = session.ask_bytes(&message).await;
        // What was changed may still be an honest request to a shell that is not there: a fault too.
        assert_eq!(status, 500, "{}", String::from_utf8_lossy(&message));
    }
    assert!(resident() < before + MOST_GROWTH, "{before} KiB have become {} KiB", resident());
    assert_eq!((service.plugin.opened(), service.plugin.started()), (1, 0));
    let identify = Identify::default().to_envelope().encode();
    assert_eq!(session.ask_bytes(&identify).await.0, 200);
    session.start(&shell, "true").await.unwrap();
}
