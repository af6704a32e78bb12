//! A relay on loopback that cuts the connection at chosen messages, or answers one in the service's
//! place, to see what each side makes of it.
//!
//! ```text
//! client ──► request n ─┬─ BeforeRequest ──► ┬─ InRequest ──► ┬─ AfterRequest ──► service
//!        ◄── answer n ◄─┴─ AfterAnswer ◄──── ┴─ InAnswer ◄─── ┴─ BeforeAnswer ◄──
//! ```
//!
//! It knows the frames of HTTP only (`Content-Length`), so that sealed messages pass too. Requests
//! are counted from 1 in the order of their arrival, over all connections. Each cut is made once, and
//! everything else passes.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// No message of a test is longer, in bytes.
const LONGEST: usize = 16 * 1024 * 1024;
/// How often a side that waits looks whether the other is still there.
const LOOK: Duration = Duration::from_millis(10);

/// Where a connection is cut, by the number of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a test goes through all of them")]
pub enum Cut {
    /// The client has sent the request, and the service gets nothing of it.
    BeforeRequest(u32),
    /// The service gets half of the request's body, or of its head where it has none.
    InRequest(u32),
    /// The service gets the request, and the connection breaks at once.
    AfterRequest(u32),
    /// The service has answered, and the client gets nothing of it.
    BeforeAnswer(u32),
    /// The client gets half of the answer's body, or of its head where it has none.
    InAnswer(u32),
    /// The client gets the answer, and then the connection breaks.
    AfterAnswer(u32),
    /// The service has answered, and the client gets a bare status instead, which anybody on the way
    /// can write; then the connection breaks.
    Forged(u32, u16),
}

impl Cut {
    /// Every way to lose a connection at a request, in the order in which a message passes them.
    #[must_use]
    pub const fn all(request: u32) -> [Self; 6] {
        [
            Self::BeforeRequest(request),
            Self::InRequest(request),
            Self::AfterRequest(request),
            Self::BeforeAnswer(request),
            Self::InAnswer(request),
            Self::AfterAnswer(request),
        ]
    }
}

/// A running relay. It accepts until it is dropped; connections end with their sides.
#[derive(Debug)]
pub struct Relay {
    /// The loopback port that it listens on.
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    to: SocketAddr,
    cuts: Mutex<Vec<Cut>>,
    requests: AtomicU32,
    answers: AtomicU32,
    made: AtomicBool,
    /// Whether no connection comes about.
    away: AtomicBool,
    /// Those that have come about.
    clients: Mutex<Vec<TcpStream>>,
    over: AtomicBool,
}

impl Relay {
    /// Starts a relay to a service on loopback, with the cuts that it is to make.
    ///
    /// # Errors
    ///
    /// The system's, when loopback has no port left.
    pub fn start(to: u16, cuts: impl IntoIterator<Item = Cut>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            to: (Ipv4Addr::LOCALHOST, to).into(),
            cuts: Mutex::new(cuts.into_iter().collect()),
            requests: AtomicU32::new(0),
            answers: AtomicU32::new(0),
            made: AtomicBool::new(false),
            away: AtomicBool::new(false),
            clients: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.over.load(Ordering::Relaxed) {
                    break;
                }
                let shared = Arc::clone(&accepting);
                thread::spawn(move || shared.serve(client));
            }
        });
        Ok(Self { port, shared })
    }

    /// Requests that clients have sent in full.
    #[must_use]
    pub fn requests(&self) -> u32 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Answers that the service has given in full.
    #[must_use]
    pub fn answers(&self) -> u32 {
        self.shared.answers.load(Ordering::Relaxed)
    }

    /// Takes the network away: every connection breaks, and no other comes about until it is back.
    pub fn take_away(&self) {
        self.shared.away.store(true, Ordering::SeqCst);
        let mut clients = self.shared.clients.lock().unwrap_or_else(PoisonError::into_inner);
        for client in clients.drain(..) {
            drop(client.shutdown(Shutdown::Both));
        }
    }

    /// Brings the network back.
    pub fn bring_back(&self) {
        self.shared.away.store(false, Ordering::SeqCst);
    }

    /// Whether a cut was made.
    #[must_use]
    pub fn has_cut(&self) -> bool {
        self.shared.made.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}

impl Shared {
    fn serve(&self, client: TcpStream) {
        let Ok(service) = TcpStream::connect(self.to) else { return };
        if let Ok(client) = client.try_clone() {
            self.clients.lock().unwrap_or_else(PoisonError::into_inner).push(client);
        }
        // Looked at behind the list, so that none is missed.
        if self.away.load(Ordering::SeqCst) {
            drop(client.shutdown(Shutdown::Both));
            return;
        }
        // Whatever ends the exchange ends both connections.
        drop(self.exchange(&client, &service));
        drop(client.shutdown(Shutdown::Both));
        drop(service.shutdown(Shutdown::Both));
    }

    fn exchange(&self, client: &TcpStream, service: &TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        service.set_nodelay(true)?;
        let (mut from_client, mut from_service) = (Vec::new(), Vec::new());
        loop {
            let request = message(client, &mut from_client, service)?;
            let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
            if self.cuts(Cut::BeforeRequest(number)) {
                return Ok(());
            }
            if self.cuts(Cut::InRequest(number)) {
                return half(service, &request);
            }
            write(service, &request)?;
            if self.cuts(Cut::AfterRequest(number)) {
                return Ok(());
            }
            let answer = message(service, &mut from_service, client)?;
            self.answers.fetch_add(1, Ordering::Relaxed);
            if self.cuts(Cut::BeforeAnswer(number)) {
                return Ok(());
            }
            if self.cuts(Cut::InAnswer(number)) {
                return half(client, &answer);
            }
            if let Some(status) = self.forges(number) {
                return write(
                    client,
                    format!("HTTP/1.1 {status} Forged\r\nContent-Length: 0\r\n\r\n").as_bytes(),
                );
            }
            // Told before the client has the answer, which may be the end of the test.
            let is_last = self.cuts(Cut::AfterAnswer(number));
            write(client, &answer)?;
            if is_last {
                return Ok(());
            }
        }
    }

    fn cuts(&self, here: Cut) -> bool {
        self.take(|cut| (cut == here).then_some(())).is_some()
    }

    fn forges(&self, number: u32) -> Option<u16> {
        self.take(|cut| {
            if let Cut::Forged(at, status) = cut { (at == number).then_some(status) } else { None }
        })
    }

    /// Takes the first cut that is wanted here.
    fn take<T>(&self, here: impl Fn(Cut) -> Option<T>) -> Option<T> {
        let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        let found = cuts.iter().enumerate().find_map(|(place, cut)| Some((place, here(*cut)?)));
        let (place, found) = found?;
        cuts.remove(place);
        self.made.store(true, Ordering::Relaxed);
        Some(found)
    }
}

fn write(mut to: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)
}

fn half(to: &TcpStream, message: &[u8]) -> io::Result<()> {
    let head = message.windows(4).position(|end| end == b"\r\n\r\n").map_or(0, |end| end + 4);
    let middle = if head < message.len() { usize::midpoint(head, message.len()) } else { head / 2 };
    write(to, message.get(..middle).unwrap_or_default())
}

/// The next whole message; an error when either side goes before.
fn message(mut from: &TcpStream, buffer: &mut Vec<u8>, other: &TcpStream) -> io::Result<Vec<u8>> {
    from.set_read_timeout(Some(LOOK))?;
    let mut piece = vec![0; 64 * 1024];
    loop {
        if let Some(length) = length(buffer)? {
            let rest = buffer.split_off(length);
            return Ok(std::mem::replace(buffer, rest));
        }
        match from.read(&mut piece) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => buffer.extend_from_slice(piece.get(..read).unwrap_or_default()),
            Err(error) if is_wait(&error) => {
                if is_gone(other)? {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// The length of the message at the start of the buffer, once all of it is there.
fn length(buffer: &[u8]) -> io::Result<Option<usize>> {
    if buffer.len() > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let Some(head) = buffer.windows(4).position(|end| end == b"\r\n\r\n") else { return Ok(None) };
    let text = String::from_utf8_lossy(buffer.get(..head).unwrap_or_default());
    let body = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(Ok(0), |(_, value)| value.trim().parse::<usize>())
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    let whole = head.saturating_add(4).saturating_add(body);
    Ok((buffer.len() >= whole).then_some(whole))
}

fn is_gone(stream: &TcpStream) -> io::Result<bool> {
    stream.set_read_timeout(Some(Duration::from_millis(1)))?;
    match stream.peek(&mut [0]) {
        Ok(read) => Ok(read == 0),
        Err(error) => Ok(!is_wait(&error)),
    }
}

fn is_wait(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nping";
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npong!!";

    /// A service that answers every whole request, and counts them and the bytes.
    fn service() -> (u16, Arc<AtomicU32>, Arc<AtomicU32>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (whole, bytes) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let counted = (Arc::clone(&whole), Arc::clone(&bytes));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(stream, &counted.0, &counted.1);
            }
        });
        (port, whole, bytes)
    }

    fn serve(mut stream: TcpStream, whole: &AtomicU32, bytes: &AtomicU32) {
        let mut request = vec![0; REQUEST.len()];
        let mut filled = 0;
        while let Ok(read @ 1..) = stream.read(request.get_mut(filled..).unwrap()) {
            filled += read;
            whole.fetch_add(u32::from(filled == REQUEST.len()), Ordering::Relaxed);
            bytes.fetch_add(u32::try_from(read).unwrap(), Ordering::Relaxed);
            if filled == REQUEST.len() {
                filled = 0;
                drop(stream.write_all(ANSWER));
            }
        }
    }

    /// Sends two requests on one connection, and gives the bytes of both answers that came.
    fn talk(port: u16) -> usize {
        let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut got = 0;
        for _ in 0..2 {
            drop(client.write_all(REQUEST));
            let mut answer = vec![0; ANSWER.len()];
            let mut filled = 0;
            while filled < answer.len()
                && let Ok(read @ 1..) = client.read(answer.get_mut(filled..).unwrap())
            {
                filled += read;
            }
            got += filled;
        }
        got
    }

    #[test]
    fn cut_lets_through_what_it_says_and_nothing_more() {
        let (request, answer) = (REQUEST.len(), ANSWER.len());
        for (cut, requests, sent, received) in [
            (Cut::BeforeRequest(2), 1, request, answer),
            (Cut::InRequest(2), 1, request + request - 2, answer),
            (Cut::AfterRequest(2), 2, 2 * request, answer),
            (Cut::BeforeAnswer(2), 2, 2 * request, answer),
            (Cut::InAnswer(2), 2, 2 * request, answer + answer - 3),
            (Cut::AfterAnswer(2), 2, 2 * request, 2 * answer),
        ] {
            let (port, whole, bytes) = service();
            let relay = Relay::start(port, Some(cut)).unwrap();
            assert_eq!(talk(relay.port), received, "{cut:?}");
            while bytes.load(Ordering::Relaxed) < u32::try_from(sent).unwrap() {
                thread::sleep(LOOK);
            }
            assert_eq!(whole.load(Ordering::Relaxed), requests, "{cut:?}");
            assert!(relay.has_cut() && relay.requests() == 2, "{cut:?}");
            // The cut is made once.
            assert_eq!(talk(relay.port), 2 * answer, "{cut:?}");
        }
    }

    #[test]
    fn forged_answer_reaches_the_client_after_the_service_has_answered() {
        let (port, whole, _) = service();
        let relay = Relay::start(port, [Cut::Forged(1, 400), Cut::BeforeAnswer(2)]).unwrap();
        for expected in ["HTTP/1.1 400 Forged\r\nContent-Length: 0\r\n\r\n", ""] {
            let mut client = TcpStream::connect(("127.0.0.1", relay.port)).unwrap();
            client.write_all(REQUEST).unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, expected);
        }
        assert_eq!(whole.load(Ordering::Relaxed), 2);
        assert_eq!(talk(relay.port), 2 * ANSWER.len());
    }
}
