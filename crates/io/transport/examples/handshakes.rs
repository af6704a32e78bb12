//! What a handshake and an idle connection cost with either library, both ends in this process:
//! `cargo run --release -p transom-transport --example handshakes [COUNT [ROW]]`. Without a row each has a process of its own,
//! so that none finds memory that another has given back.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement for developers")]

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use transport::tls::{
    Client, ClientCertificates, ClientOptions, Identity, Level, Server, ServerOptions, TlsStream,
    Trust,
};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse().unwrap());
    let (count, row) = (numbers.next().unwrap_or(500), numbers.next());
    let rows = [
        ("rustls, both ends", ClientCertificates::Never, Level::Modern),
        ("OpenSSL server, rustls client", ClientCertificates::Late, Level::Modern),
        ("rustls server, OpenSSL client", ClientCertificates::Never, Level::Compat),
        ("OpenSSL, both ends", ClientCertificates::Late, Level::Compat),
    ];
    for (number, (name, clients, level)) in (0..).zip(rows) {
        if row == Some(number) {
            measure(name, clients, level, count).await;
        } else if row.is_none() {
            let mut again = Command::new(std::env::current_exe().unwrap());
            again.args([count, number].map(|number: u32| number.to_string()));
            assert!(again.status().unwrap().success());
        }
    }
}

async fn measure(name: &str, clients: ClientCertificates, level: Level, count: u32) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let identity = Identity::read(pem.as_bytes(), Some(key.as_bytes()), None).unwrap();
    let server =
        Server::new(&ServerOptions { identity: Arc::new(identity), clients, disable_tls13: false })
            .unwrap();
    let trust = Trust { skip_ca_check: true, ..Trust::default() };
    let client = Client::new(&ClientOptions { level, ..ClientOptions::from(trust) }).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // The first one warms everything up.
    let mut kept = vec![pair(&server, &client, &listener).await];
    let (memory, start) = (resident(), Instant::now());
    for _ in 0..count {
        kept.push(pair(&server, &client, &listener).await);
    }
    let (time, memory) =
        (start.elapsed() / count, resident().saturating_sub(memory) / u64::from(count));
    println!(
        "{name}: {} µs for a handshake, {memory} bytes for a pair of idle connections",
        time.as_micros()
    );
}

async fn pair(server: &Server, client: &Client, listener: &TcpListener) -> (TlsStream, TlsStream) {
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let (ours, theirs) = tokio::join!(
        client.connect(stream, "localhost", PATIENCE),
        server.accept(accepted, PATIENCE)
    );
    (ours.unwrap().stream, theirs.unwrap().stream)
}

/// Bytes of memory that this process has in use.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap() * 4096
}
