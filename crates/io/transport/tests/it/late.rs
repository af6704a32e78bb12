//! Certificates of clients: asked for in the handshake (rustls) and in the middle of a connection (OpenSSL), by our own ends
//! and by the program openssl.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use testkit::report;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use transport::tls::{
    Authorities, Client, ClientCertificates, ClientOptions, Identity, PeerCertificates, TlsError,
    Trust,
};

use crate::support::{Authority, PATIENCE, self_signed, server};

/// A service for one connection. The client says `who`, the service asks for its certificate, and says its thumbprint.
async fn ask_one(clients: ClientCertificates) -> (u16, tokio::task::JoinHandle<Asked>) {
    let server = server(self_signed(&["localhost"]), clients).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let accepted = server.accept(stream, PATIENCE).await.unwrap();
        let version = accepted.stream.negotiated().version;
        let (before, peer) = (accepted.peer.chain().map(|chain| chain.len()), accepted.peer);
        let mut stream = BufReader::new(accepted.stream);
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        assert_eq!(line.trim_end(), "who");
        // As hyper does: one reads on while another waits for the certificate.
        let asking = tokio::spawn(ask(peer));
        let mut rest = Vec::new();
        let mut buffer = [0; 64];
        let answer = tokio::select! {
            answer = asking => answer.unwrap(),
            () = async {
                while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                    rest.extend_from_slice(&buffer[..length]);
                }
                std::future::pending().await
            } => unreachable!(),
        };
        let text = answer.as_ref().map_or_else(ToString::to_string, |found| format!("{found:?}"));
        let written = stream.write_all(format!("{text}\n").as_bytes()).await;
        if written.is_ok() {
            drop(stream.shutdown().await);
        }
        Asked { version, before, answer, rest }
    });
    (port, task)
}

/// What a service learnt of its client.
#[derive(Debug)]
struct Asked {
    version: String,
    /// Certificates before it asked.
    before: Option<usize>,
    answer: Result<Option<String>, TlsError>,
    /// What came while it asked.
    rest: Vec<u8>,
}

async fn ask(peer: PeerCertificates) -> Result<Option<String>, TlsError> {
    let found = peer.request(PATIENCE).await?;
    // Asking again changes nothing, and asks nobody.
    assert_eq!(peer.request(Duration::ZERO).await.unwrap(), found);
    assert_eq!(peer.chain(), found);
    Ok(found.map(|chain| transport::tls::certificate::thumbprint(&chain[0])))
}

fn client(identity: Option<Identity>) -> Client {
    let trust = Trust { skip_ca_check: true, ..Trust::default() };
    let options = ClientOptions { identity: identity.map(Arc::new), ..ClientOptions::from(trust) };
    Client::new(&options).unwrap()
}

/// Our client says `who` and hears who it is.
async fn says_who(client: Client, port: u16) -> String {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut stream = client.connect(stream, "localhost", PATIENCE).await.unwrap().stream;
    stream.write_all(b"who\n").await.unwrap();
    stream.flush().await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn own_ends_ask_and_show_late_and_first() {
    for clients in [ClientCertificates::Never, ClientCertificates::First, ClientCertificates::Late]
    {
        let identity = Authority::new("CA").issue(&["alice"]);
        let thumbprint = identity.thumbprint();
        let (port, task) = ask_one(clients).await;
        let heard = says_who(client(Some(identity)), port).await;
        let asked = task.await.unwrap();
        let expected = (clients != ClientCertificates::Never).then_some(thumbprint);
        assert_eq!(asked.answer.unwrap(), expected, "{clients:?}");
        assert_eq!(heard, format!("{expected:?}\n"));
        let at_first = (clients == ClientCertificates::First).then_some(1);
        assert_eq!((asked.before, asked.rest.as_slice()), (at_first, &b""[..]));
        assert_eq!(asked.version, "TLSv1.3");
    }
}

#[tokio::test]
async fn client_without_a_certificate_is_nobody_or_cannot_be_asked() {
    let (port, task) = ask_one(ClientCertificates::First).await;
    assert_eq!(says_who(client(None), port).await, "None\n");
    assert!(task.await.unwrap().answer.unwrap().is_none());
    // rustls does not offer to be asked late.
    let (port, task) = ask_one(ClientCertificates::Late).await;
    let heard = says_who(client(None), port).await;
    assert!(heard.contains("does not offer"), "{heard}");
    assert!(matches!(task.await.unwrap().answer, Err(TlsError::NoLateCertificate)));
}

/// A folder with the certificate of a client and its key.
fn files(identity: &Identity) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cert.pem"), identity.certificates_pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), identity.key_pem().as_bytes()).unwrap();
    folder
}

/// The program openssl with piped ends, which ends with this test.
fn openssl(folder: &Path, line: &str) -> Child {
    Command::new("openssl")
        .args(line.split_whitespace())
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn s_client_shows_its_certificate_late_in_both_versions() {
    let identity = Authority::new("CA").issue(&["alice"]);
    let folder = files(&identity);
    for (options, version, expected) in [
        ("-tls1_2 -cert cert.pem -key key.pem", "TLSv1.2", Some(identity.thumbprint())),
        ("-tls1_3 -enable_pha -cert cert.pem -key key.pem", "TLSv1.3", Some(identity.thumbprint())),
        ("-tls1_2", "TLSv1.2", None),
        ("-tls1_3 -enable_pha", "TLSv1.3", None),
    ] {
        let (port, task) = ask_one(ClientCertificates::Late).await;
        let mut program =
            openssl(folder.path(), &format!("s_client -quiet -connect 127.0.0.1:{port} {options}"));
        program.stdin.as_mut().unwrap().write_all(b"who\n").await.unwrap();
        let asked = task.await.unwrap();
        assert_eq!(asked.version, version, "{options}");
        assert_eq!(asked.answer.unwrap(), expected, "{options}");
        let mut heard = String::new();
        program.stdout.as_mut().unwrap().read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, format!("{expected:?}\n"), "{options}");
    }
}

#[tokio::test]
async fn client_that_starts_a_handshake_of_its_own_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let (port, task) = ask_one(ClientCertificates::Late).await;
    let mut program =
        openssl(folder.path(), &format!("s_client -tls1_2 -connect 127.0.0.1:{port}"));
    // A line that begins with R starts a handshake.
    program.stdin.as_mut().unwrap().write_all(b"R\n").await.unwrap();
    let failed = task.await.unwrap_err();
    let panic = failed.into_panic();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("more handshakes than it may"), "{text}");
}

/// Authorities with that identity's own certificate, and a client that shows one of its own.
fn trusting(folder: &TempDir, own: Identity) -> Client {
    let authorities = Authorities::Path(folder.path().join("cert.pem"));
    let trust = Trust { authorities, ..Trust::default() };
    let options = ClientOptions { identity: Some(Arc::new(own)), ..ClientOptions::from(trust) };
    Client::new(&options).unwrap()
}

/// Until a line of the program has this in it.
async fn until(lines: &mut Lines<BufReader<impl AsyncRead + Unpin>>, part: &str) {
    let mut said = String::new();
    let found = timeout(PATIENCE, async {
        while let Some(line) = lines.next_line().await.unwrap() {
            said.push_str(&line);
            said.push('\n');
            if line.contains(part) {
                return true;
            }
        }
        false
    });
    let found = found.await.unwrap_or(false);
    assert!(found, "the program does not say {part}: {said}");
}

#[tokio::test]
async fn s_server_asks_our_client_late_in_both_versions() {
    let folder = files(&self_signed(&["localhost"]));
    for (options, question) in [
        // Asks for a certificate, in a handshake that it starts.
        ("-tls1_2", "R\n"),
        ("-tls1_3", "c\n"),
    ] {
        let own = Authority::new("People").issue(&["alice"]);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let line = format!(
            "s_server -accept {port} -cert cert.pem -key key.pem {options} -no_cache -no_ticket"
        );
        let mut program = openssl(folder.path(), &line);
        let mut input = program.stdin.take().unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let mut errors = BufReader::new(program.stderr.take().unwrap()).lines();
        until(&mut lines, "ACCEPT").await;
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let connected = trusting(&folder, own).connect(stream, "localhost", PATIENCE).await;
        let stream = connected.unwrap().stream;
        assert_eq!(stream.negotiated().library, "OpenSSL");
        let (mut read, mut write) = tokio::io::split(stream);
        write.write_all(b"first\n").await.unwrap();
        write.flush().await.unwrap();
        until(&mut lines, "first").await;
        input.write_all(question.as_bytes()).await.unwrap();
        input.flush().await.unwrap();
        // Somebody reads, as hyper does.
        let reading = tokio::spawn(async move {
            let mut text = String::new();
            drop(timeout(PATIENCE, BufReader::new(&mut read).read_line(&mut text)).await);
            text
        });
        until(&mut errors, "depth=0").await;
        write.write_all(b"second\n").await.unwrap();
        write.flush().await.unwrap();
        until(&mut lines, "second").await;
        input.write_all(b"third\n").await.unwrap();
        assert_eq!(reading.await.unwrap(), "third\n", "{options}");
    }
}

/// As a service does: reads a head, asks for the certificate while the body is still on its way, and answers with the
/// thumbprint and the length of the body.
async fn answer_http(port_of: tokio::sync::oneshot::Sender<u16>) {
    let server = server(self_signed(&["localhost"]), ClientCertificates::Late).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    port_of.send(listener.local_addr().unwrap().port()).unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let accepted = server.accept(stream, PATIENCE).await.unwrap();
    let mut stream = BufReader::new(accepted.stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let found = accepted.peer.request(PATIENCE).await.unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    assert!(body.iter().all(|&byte| byte == b'x'));
    let thumbprint =
        found.map(|chain| transport::tls::certificate::thumbprint(&chain[0])).unwrap_or_default();
    let text = format!("{thumbprint} {length}");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
}

#[tokio::test]
async fn curl_is_asked_with_its_body_on_the_way_in_both_versions() {
    let identity = Authority::new("CA").issue(&["alice"]);
    let folder = files(&identity);
    std::fs::write(folder.path().join("body"), "x".repeat(150_000)).unwrap();
    for version in ["--tls-max 1.2", "--tlsv1.3"] {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(answer_http(sender));
        let port = receiver.await.unwrap();
        let line = format!(
            "-sSk {version} --cert cert.pem --key key.pem -H Expect: --data-binary @body https://127.0.0.1:{port}/wsman"
        );
        let output = Command::new("curl")
            .args(line.split_whitespace())
            .current_dir(folder.path())
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said, format!("{} 150000", identity.thumbprint()), "{version}: {errors}");
        task.await.unwrap();
        report(&format!("PEER curl 7: asked late, {version}"));
    }
}
