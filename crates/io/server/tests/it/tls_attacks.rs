//! HTTPS attacked: what is no TLS, what is malformed, slow or too much of it. Nothing hangs, falls over or grows, and
//! honest clients get in all the while.

use std::net::SocketAddr;
use std::time::Duration;

use auth::Entropy;
use testkit::Seeded;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use wsman::identify::Identify;

use crate::malformed::{MOST_GROWTH, pick, resident};
use crate::support::{Http, PASSWORD, Service, Session, bound, https, settings};

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, 3, 3];
    bytes.extend_from_slice(&u16::try_from(content.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(content);
    bytes
}

/// A handshake message of that type that claims a length.
fn handshake(kind: u8, claimed: usize, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&u32::try_from(claimed).unwrap().to_be_bytes()[1..]);
    bytes.extend_from_slice(content);
    bytes
}

/// The first flight of an honest client.
async fn client_hello() -> Vec<u8> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = tokio::spawn(async move { Http::try_connect_tls(address).await.is_err() });
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut hello = vec![0; 16 * 1024];
    let length = stream.read(&mut hello).await.unwrap();
    hello.truncate(length);
    drop(stream);
    assert!(client.await.unwrap());
    hello
}

/// Bytes that are no good beginning of TLS, in one of many ways.
fn broken_start(random: &mut Seeded, hello: &[u8]) -> Vec<u8> {
    let mut garbage = vec![0; 1 + pick(random, 3_000)];
    random.fill(&mut garbage);
    match pick(random, 11) {
        0 => garbage,
        // Any byte of an honest one changed.
        1 | 2 => {
            let mut changed = hello.to_vec();
            let at = pick(random, changed.len());
            changed[at] ^= 1 << pick(random, 8);
            changed
        }
        // A ClientHello of 16 MB, of which the beginning comes.
        3 => {
            let mut bytes = Vec::new();
            let start = handshake(1, 0xFF_FFFF, &vec![0; 16_000]);
            bytes.extend(record(22, &start));
            for _ in 0..20 {
                bytes.extend(record(22, &vec![0; 16_384]));
            }
            bytes
        }
        // A record longer than any may be.
        4 => {
            let mut bytes = vec![22, 3, 1, 0xFF, 0xFF];
            bytes.extend_from_slice(&garbage);
            bytes
        }
        // A handshake in pieces of one byte, and in empty ones.
        5 => garbage.iter().flat_map(|byte| record(22, &[*byte])).collect(),
        6 => record(22, &[]).repeat(1_000),
        7 => record(20, &[1]).repeat(1_000),
        // Warnings, as many as fit.
        8 => record(21, &[1, 90]).repeat(1_000),
        // Application data before any handshake.
        9 => record(23, &garbage),
        // SSL 2.
        _ => {
            let mut bytes = vec![0x80, 0x2E, 1, 0, 2];
            bytes.extend_from_slice(&garbage);
            bytes
        }
    }
}

async fn is_well(address: SocketAddr) {
    let (http, binding) = Http::connect_tls(address).await;
    let login = bound("alice", PASSWORD, false, Some(binding));
    let mut session = Session::over(http, login).await.expect("the login is accepted");
    let identify = Identify::default().to_envelope().encode();
    assert_eq!(session.ask_bytes(&identify).await.0, 200);
}

#[tokio::test]
async fn thousands_of_malformed_handshakes_change_nothing() {
    let text = "[Service]\nMaxPacketRetrievalTimeSeconds = 2\nMaxConnections = 512\n";
    let service = Service::start_with(https(text)).await;
    let hello = client_hello().await;
    assert!(hello.len() > 100 && hello[0] == 22);
    is_well(service.address).await;
    let mut random = Seeded::new(7);
    let mut before = 0;
    for number in 0..3_000 {
        if number == 500 {
            before = resident();
        }
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        let bytes = broken_start(&mut random, &hello);
        // The service may have closed the connection before all of it is sent.
        drop(stream.write_all(&bytes).await);
        if pick(&mut random, 4) == 0 {
            continue;
        }
        drop(stream.shutdown().await);
        let mut answer = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an end");
        drop(read);
        assert!(!answer.starts_with(b"HTTP"), "{bytes:02X?}");
        // An alert, or the flight that answers a ClientHello which is still one.
        assert!(answer.len() < 16_384, "{} bytes", answer.len());
        if number % 500 == 0 {
            is_well(service.address).await;
        }
    }
    is_well(service.address).await;
    assert!(resident() < before + MOST_GROWTH, "{before} KiB have become {} KiB", resident());
}

#[tokio::test]
async fn handshake_that_comes_byte_by_byte_is_cut_off_in_time() {
    let service =
        Service::start_with(https("[Service]\nMaxPacketRetrievalTimeSeconds = 1\n")).await;
    let hello = client_hello().await;
    let mut slow = TcpStream::connect(service.address).await.unwrap();
    let dribble = async {
        let mut sent = 0;
        for byte in hello.iter().cycle() {
            if slow.write_all(&[*byte]).await.is_err() {
                break;
            }
            sent += 1;
            sleep(Duration::from_millis(50)).await;
        }
        sent
    };
    let sent = timeout(PATIENCE, dribble).await.expect("the connection ends");
    assert!(sent < hello.len(), "cut off before the handshake was whole");
    is_well(service.address).await;
}

#[tokio::test]
async fn flood_of_handshakes_from_one_address_keeps_no_other_out() {
    let service = Service::start_with(https("[Service]\nMaxConnections = 40\n")).await;
    // Half of them make the handshake and say nothing more, half do not even that.
    let mut flood = Vec::new();
    for number in 0..40 {
        if number % 2 == 0 {
            flood.push(Http::connect_tls(service.address).await.0);
        } else {
            flood.push(Http::connect(service.address).await);
        }
    }
    assert!(Http::try_connect_tls(service.address).await.is_err(), "its own address waits");
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let stream = socket.connect(service.address).await.unwrap();
    let (http, binding) = Http::try_tls_over(stream).await.expect("another address gets in");
    let login = bound("alice", PASSWORD, false, Some(binding));
    let mut other = Session::over(http, login).await.expect("the login is accepted");
    assert!(flood[0].is_closed().await, "the oldest one gave way");
    drop(flood);
    let identify = Identify::default().to_envelope().encode();
    assert_eq!(other.ask_bytes(&identify).await.0, 200);
    is_well(service.address).await;
}

#[tokio::test]
async fn handshakes_that_break_off_leave_no_descriptor() {
    let service = Service::start_with(https("")).await;
    let hello = client_hello().await;
    is_well(service.address).await;
    for _ in 0..300 {
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        stream.write_all(&hello[..hello.len() / 2]).await.unwrap();
    }
    // All places are free again: one address may have them all.
    let all = async {
        let mut held = Vec::new();
        while held.len() < 300 {
            match Http::try_connect_tls(service.address).await {
                Ok((http, _)) => held.push(http),
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    };
    timeout(PATIENCE * 2, all).await.expect("the places come back");
}

#[tokio::test]
async fn tls_on_the_port_of_plain_http_is_a_bad_request() {
    let service = Service::start_with(settings("")).await;
    let hello = client_hello().await;
    for _ in 0..200 {
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        stream.write_all(&hello).await.unwrap();
        let mut answer = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an end");
        drop(read);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
    }
    assert!(Http::try_connect_tls(service.address).await.is_err());
    Session::login(service.address, "alice").await;
}
