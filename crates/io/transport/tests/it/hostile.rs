//! Clients that mean no good, at a service that asks late: nothing hangs, nothing falls over.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use transport::tls::{ClientCertificates, ClientOptions, Level, TlsError, Trust};

use crate::support::{Authority, PATIENCE, client, self_signed, server};

/// The first flight of an honest client of this level.
async fn client_hello(level: Level) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let connecting = tokio::spawn(async move {
        client(&Trust { skip_ca_check: true, ..Trust::default() }, level)
            .connect(stream, "localhost", PATIENCE)
            .await
            .is_err()
    });
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut hello = vec![0; 16 * 1024];
    let length = stream.read(&mut hello).await.unwrap();
    hello.truncate(length);
    drop(stream);
    assert!(connecting.await.unwrap());
    hello
}

#[tokio::test]
async fn broken_beginnings_are_errors() {
    let server = server(self_signed(&["localhost"]), ClientCertificates::Late).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for level in [Level::Modern, Level::Legacy] {
        let hello = client_hello(level).await;
        for at in 0..hello.len() {
            let mut bytes = hello.clone();
            // Each byte once changed, and each length once cut off.
            if at % 2 == 0 {
                bytes[at] ^= 0x80 >> (at % 8)
            } else {
                bytes.truncate(at)
            }
            let mut stream = TcpStream::connect(address).await.unwrap();
            let (accepted, _) = listener.accept().await.unwrap();
            stream.write_all(&bytes).await.unwrap();
            stream.shutdown().await.unwrap();
            assert!(server.accept(accepted, PATIENCE).await.is_err(), "{level}, byte {at}");
        }
    }
}

#[tokio::test]
async fn endless_handshake_is_cut_off() {
    let server = server(self_signed(&["localhost"]), ClientCertificates::Late).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let flood = tokio::spawn(async move {
        // A handshake message of 16 MiB that never ends.
        let mut record = vec![22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff];
        record.resize(5 + 0x4000, 0);
        let mut sent = 0;
        while stream.write_all(&record).await.is_ok() && sent < 64 * 1024 * 1024 {
            sent += record.len();
        }
        sent
    });
    let error = server.accept(accepted, PATIENCE).await.unwrap_err();
    assert!(matches!(error, TlsError::Handshake(_) | TlsError::Lost(_)), "{error}");
    let sent = flood.await.unwrap();
    assert!(sent < 32 * 1024 * 1024, "{sent} bytes were taken");
}

#[tokio::test]
async fn client_that_does_not_answer_loses_its_connection() {
    let server = server(self_signed(&["localhost"]), ClientCertificates::Late).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let identity = Authority::new("CA").issue(&["alice"]);
    let trust = Trust { skip_ca_check: true, ..Trust::default() };
    let options = ClientOptions { identity: Some(identity.into()), ..ClientOptions::from(trust) };
    let silent = transport::tls::Client::new(&options).unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let (connected, accepted) = tokio::join!(
        silent.connect(stream, "localhost", PATIENCE),
        server.accept(accepted, PATIENCE)
    );
    let (_silent, mut accepted) = (connected.unwrap(), accepted.unwrap());
    // Whoever does not read never sees the question.
    let error = accepted.peer.request(Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(error, TlsError::Timeout(_)), "{error}");
    assert!(accepted.stream.read_u8().await.is_err());
    assert!(accepted.stream.write_all(b"x").await.is_err());
    let handle = accepted.peer.clone();
    drop(accepted);
    assert!(matches!(handle.request(PATIENCE).await, Err(TlsError::Lost(_))));
}
