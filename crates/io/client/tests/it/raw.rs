//! What the client writes, byte for byte.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use client::{Client, Config, Credentials, ShellOptions};

#[tokio::test(flavor = "multi_thread")]
async fn login_without_a_message_says_that_its_body_is_empty() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        stream.write_all(b"HTTP/1.1 401\r\nContent-Length: 0\r\n\r\n").unwrap();
        String::from_utf8(head).unwrap().to_ascii_lowercase()
    });
    let credentials = Credentials { user: "alice".into(), password: "secret".into() };
    let client = Client::new(Config::new(endpoint.parse().unwrap(), credentials)).unwrap();
    client.open_shell(ShellOptions::default()).await.unwrap_err();
    let head = server.join().unwrap();
    assert!(head.contains("\r\ncontent-length: 0\r\n"), "{head}");
}
