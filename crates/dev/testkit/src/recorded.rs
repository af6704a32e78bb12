//! A host that answers with messages recorded from others: each request gets the next answer, related to it.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The most that a request may be.
const LONGEST: usize = 1024 * 1024;
/// A challenge as Intel AMT writes it; whatever answers it is let in.
const CHALLENGE: &str = "Digest realm=\"Digest:F3EB554784E729164447A89F60B641C5\", nonce=\"AAECAwQFBgcICQ\",stale=\"false\",qop=\"auth\"";

/// The host, for as long as the process lives.
#[derive(Debug)]
pub struct Recorded {
    /// The loopback port that it listens on.
    pub port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

#[derive(Debug)]
struct Answers {
    left: Mutex<std::vec::IntoIter<String>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Recorded {
    /// Starts the host with the answers that it gives, in their order.
    ///
    /// # Panics
    ///
    /// When loopback has no free port.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without its peer fails")]
    pub fn start(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("a listener has an address").port();
        let requests = Arc::new(Mutex::default());
        let answers = Arc::new(Answers {
            left: Mutex::new(answers.into_iter()),
            requests: Arc::clone(&requests),
        });
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answers = Arc::clone(&answers);
                // A client that goes away ends its connection.
                thread::spawn(move || drop(serve(stream, &answers)));
            }
        });
        Self { port, requests }
    }

    /// The envelopes that came, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(stream: TcpStream, answers: &Answers) -> io::Result<()> {
    let mut output = stream.try_clone()?;
    let mut input = BufReader::new(stream);
    loop {
        let (mut length, mut has_login) = (0, false);
        let mut line = String::new();
        loop {
            line.clear();
            if input.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let Some((name, value)) = line.split_once(':') else {
                if line.trim().is_empty() {
                    break;
                }
                continue;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap_or_default();
            }
            has_login |= name.eq_ignore_ascii_case("authorization");
        }
        let mut body = vec![0; length.min(LONGEST)];
        input.read_exact(&mut body)?;
        let answer = if has_login { answers.next(&String::from_utf8_lossy(&body)) } else { None };
        let head = match &answer {
            Some(answer) if answer.contains(":Fault>") => {
                "500 Internal Server Error\r\nContent-Type: application/soap+xml;charset=UTF-8"
                    .to_owned()
            }
            Some(_) => "200 OK\r\nContent-Type: application/soap+xml;charset=UTF-8".to_owned(),
            None => format!("401 Unauthorized\r\nWWW-Authenticate: {CHALLENGE}"),
        };
        let answer = answer.unwrap_or_default();
        write!(output, "HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{answer}", answer.len())?;
    }
}

impl Answers {
    /// The next answer to this request; `None` when all are given.
    fn next(&self, request: &str) -> Option<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request.to_owned());
        let answer = self.left.lock().unwrap_or_else(PoisonError::into_inner).next()?;
        let id = content(request, "MessageID").map(|(_, id, _)| id);
        Some(match (content(&answer, "RelatesTo"), id) {
            (Some((before, _, after)), Some(id)) => [before, id, after].concat(),
            _ => answer,
        })
    }
}

/// What stands before, in and behind the first element of that name, which holds text.
fn content<'x>(xml: &'x str, local: &str) -> Option<(&'x str, &'x str, &'x str)> {
    let name = xml.find(&format!(":{local}"))?;
    let start = name + xml.get(name..)?.find('>')? + 1;
    let end = start + xml.get(start..)?.find('<')?;
    Some((xml.get(..start)?, xml.get(start..end)?, xml.get(end..)?))
}
