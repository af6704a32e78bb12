//! A host that answers every Receive at once and with nothing: the client does not keep both of them busy.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use client::{
    Authentication, Client, CommandOptions, Config, Credentials, ErrorKind, Settings, ShellOptions,
};

const ID: &str = "11111111-2222-3333-4444-555555555555";
const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";

/// What stands between two words.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).unwrap().1.split_once(end).unwrap().0
}

/// The body of a request; `None` at the connection's end.
fn request(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(String::from_utf8(body).unwrap())
}

fn serve(stream: TcpStream, receives: &AtomicU32) {
    let mut stream = BufReader::new(stream);
    while let Some(body) = request(&mut stream) {
        let action = between(&body, "Action", "<");
        let action = &action[action.find("http").unwrap()..];
        let to = between(&body, "MessageID", "<");
        let to = &to[to.find("uuid").unwrap()..];
        let content = match action.rsplit('/').next().unwrap() {
            "Create" => format!("<r:Shell><r:ShellId>{ID}</r:ShellId></r:Shell>"),
            "Command" => {
                format!("<r:CommandResponse><r:CommandId>{ID}</r:CommandId></r:CommandResponse>")
            }
            "Receive" => {
                receives.fetch_add(1, Ordering::Relaxed);
                "<r:ReceiveResponse/>".to_owned()
            }
            "Signal" => "<r:SignalResponse/>".to_owned(),
            _ => String::new(),
        };
        let envelope = format!(
            "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
             xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" xmlns:r=\"{SHELL}\">\
             <s:Header><a:Action>{action}Response</a:Action><a:RelatesTo>{to}</a:RelatesTo>\
             </s:Header><s:Body>{content}</s:Body></s:Envelope>"
        );
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml;charset=UTF-8\r\n\
             Content-Length: {}\r\n\r\n",
            envelope.len()
        );
        if stream.get_mut().write_all((head + &envelope).as_bytes()).is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn host_that_answers_at_once_with_nothing_is_asked_less_and_less_often() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let receives = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&receives);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let counted = Arc::clone(&counted);
            std::thread::spawn(move || serve(stream, &counted));
        }
    });
    let credentials = Credentials { user: "alice".into(), password: "secret".into() };
    let settings = Settings { allow_unencrypted: true, ..Settings::default() };
    let authentication = Authentication::Basic;
    let config = Config { authentication, settings, ..Config::new(endpoint, credentials) };
    let client = Client::new(config).unwrap();
    let shell = client.open_shell(ShellOptions::default()).await.unwrap();
    let options = CommandOptions {
        command: "never ends".into(),
        deadline: Some(Duration::from_secs(1)),
        ..CommandOptions::default()
    };
    let mut command = shell.start(options).await.unwrap();
    let error = command.next().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout(_)), "{error}");
    // Two at once, then after 10, 20, 40, 80, 160, 320 and 640 ms.
    let receives = receives.load(Ordering::Relaxed);
    assert!(receives <= 9, "{receives} Receives in a second");
    shell.close().await.unwrap();
}
