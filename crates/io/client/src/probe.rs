//! Looking at a host step by step, before anybody logs in: its addresses, their names, TCP, and one
//! HTTP request without a login. Nothing here sends a secret.
//!
//! [`Client`](crate::Client) does all of this by itself; these are for those who want to know which
//! part of it fails.

pub mod kerberos;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, HOST, USER_AGENT};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::Builder;
use hyper_util::rt::TokioIo;
use session::client::endpoint::{Endpoint, Transport};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use transport::envelopes::{self, Role};
use transport::tls;
use wsman::identify::{self, Identify, IdentifyResponse};
use wsman::xml::Limits;
use wsman::{Charset, Envelope};

use crate::TlsOptions;
use crate::connection::AGENT;
use crate::error::{ConfigError, ConnectionError, Error, ErrorKind, ProtocolError};
use crate::settings::ProxySettings;
use crate::tunnel;

/// The most bytes of a body that are kept; hosts that are no service may send pages without end.
const MAX_BODY: usize = 64 * 1024;
const OPERATION: &str = "probe";

/// The addresses of the endpoint's host with its port, in the resolver's order.
///
/// # Errors
///
/// The system's error; `NotFound` for a name without addresses, `TimedOut` after `limit`.
pub async fn addresses(endpoint: &Endpoint, limit: Duration) -> io::Result<Vec<SocketAddr>> {
    within(limit, transport::names::forward(&endpoint.host, endpoint.port)).await
}

/// The name that the system's resolver has for an address, `None` when it has none.
///
/// # Errors
///
/// The system's error; `TimedOut` after `limit`.
pub async fn name_of(address: IpAddr, limit: Duration) -> io::Result<Option<String>> {
    within(limit, transport::names::reverse(address)).await
}

/// Opens a TCP connection to one address and closes it again; returns how long the opening took.
///
/// # Errors
///
/// The system's error; `TimedOut` after `limit`.
pub async fn connect(address: SocketAddr, limit: Duration) -> io::Result<Duration> {
    let start = Instant::now();
    within(limit, TcpStream::connect(address)).await?;
    Ok(start.elapsed())
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// What to ask without a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Question {
    /// An empty POST: a service asks for a login, and says by which schemes.
    Empty,
    /// An Identify that asks to be answered without a login ([MS-WSMV] 3.1.4.16).
    Identify,
}

/// What a host answered to a request without a login.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers in order, their names in lower case; bytes that are no UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// The body, or nothing when it was larger than 64 KiB.
    pub body: Vec<u8>,
    /// From the request's first byte to the answer's last one.
    pub took: Duration,
    /// When the answer was here, by the clock of this machine.
    pub received: SystemTime,
}

/// Sends one request without a login over a connection of its own, through a proxy where `proxy` names one for it.
///
/// # Errors
///
/// [`Error`]: no connection, a certificate that is not believed, no HTTP behind it, or nothing within
/// `limit`.
pub async fn ask(
    endpoint: &Endpoint,
    proxy: &ProxySettings,
    options: &TlsOptions,
    question: Question,
    limit: Duration,
) -> Result<Answer, Error> {
    let error = |kind| Error::new(kind, &endpoint.authority(), OPERATION);
    match timeout(limit, connected(endpoint, proxy, options, question, limit)).await {
        Ok(result) => result.map_err(error),
        Err(_) => Err(error(ErrorKind::Timeout(limit))),
    }
}

async fn connected(
    endpoint: &Endpoint,
    proxy: &ProxySettings,
    options: &TlsOptions,
    question: Question,
    limit: Duration,
) -> Result<Answer, ErrorKind> {
    let stream = tunnel::connect(endpoint, proxy, limit).await?;
    match endpoint.transport {
        Transport::Http => exchange(stream, endpoint, question).await,
        Transport::Https => {
            let tls = tls::Client::new(options).map_err(ConfigError::from)?;
            let connected = tls.connect(stream, &endpoint.host, limit).await;
            let stream = connected.map_err(ConnectionError::Tls)?.stream;
            exchange(stream, endpoint, question).await
        }
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    endpoint: &Endpoint,
    question: Question,
) -> Result<Answer, ErrorKind> {
    let lost = |error| ErrorKind::Connect(ConnectionError::Lost(error));
    let (mut sender, connection) =
        Builder::new().handshake(TokioIo::new(stream)).await.map_err(lost)?;
    let request = request(endpoint, question)?;
    let start = Instant::now();
    // Ends with this function, however that ends.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let response = sender.send_request(request).await.map_err(lost)?;
    Ok(read(response, start).await)
}

fn request(endpoint: &Endpoint, question: Question) -> Result<Request<Full<Bytes>>, ErrorKind> {
    let request = Request::post(endpoint.path.as_str())
        .header(HOST, endpoint.authority())
        .header(CONTENT_TYPE, Charset::Utf8.content_type())
        .header(USER_AGENT, AGENT)
        .header(ACCEPT_ENCODING, "identity");
    let (request, body) = match question {
        Question::Empty => (request, Vec::new()),
        Question::Identify => {
            let body = Identify::default().to_envelope().encode();
            envelopes::keep(Role::Client, || body.clone());
            (request.header(identify::HTTP_HEADER, identify::UNAUTHENTICATED), body)
        }
    };
    request
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| ProtocolError::Message(error.to_string()).into())
}

async fn read(response: Response<Incoming>, start: Instant) -> Answer {
    let (parts, body) = response.into_parts();
    let received = SystemTime::now();
    // The head is what was asked for: a body that breaks off takes nothing from it.
    let body = Limited::new(body, MAX_BODY).collect().await.map(|body| body.to_bytes().into());
    let headers = parts.headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    Answer {
        status: parts.status.as_u16(),
        headers: headers.collect(),
        body: body.unwrap_or_default(),
        took: start.elapsed(),
        received,
    }
}

impl Answer {
    /// The first header of this name, which is written in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The words of the schemes in `WWW-Authenticate`, known here or not, in the host's order.
    #[must_use]
    pub fn schemes(&self) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(name, _)| name == "www-authenticate")
            .flat_map(|(_, value)| value.split(','))
            .filter_map(|piece| piece.split_whitespace().next())
            // What has a `=` is a parameter of the scheme before it.
            .filter(|word| !word.contains('='))
            .collect()
    }

    /// The host's clock, to the second, as the header `Date` has it.
    #[must_use]
    pub fn date(&self) -> Option<SystemTime> {
        httpdate::parse_http_date(self.header("date")?).ok()
    }

    /// What the host says it is, if the body says so.
    #[must_use]
    pub fn identity(&self) -> Option<IdentifyResponse> {
        let declared = Charset::of_content_type(self.header("content-type").unwrap_or_default());
        let envelope = Envelope::decode_as(&self.body, declared, &Limits::default()).ok()?;
        IdentifyResponse::from_envelope(&envelope).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(headers: &[(&str, &str)]) -> Answer {
        Answer {
            status: 401,
            headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            body: Vec::new(),
            took: Duration::ZERO,
            received: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn schemes_are_read_from_one_or_several_headers_without_their_parameters() {
        let several = answer(&[
            ("www-authenticate", "Negotiate"),
            ("www-authenticate", "Digest realm=\"a\", nonce=\"b\", Basic realm=\"WSMAN\""),
        ]);
        assert_eq!(several.schemes(), ["Negotiate", "Digest", "Basic"]);
        assert_eq!(answer(&[]).schemes(), [""; 0]);
    }

    #[test]
    fn date_is_read_and_a_wrong_one_is_none() {
        let found = answer(&[("date", "Thu, 01 Jan 1970 00:01:00 GMT")]).date();
        assert_eq!(found, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(60)));
        assert_eq!(answer(&[("date", "yesterday")]).date(), None);
    }
}
