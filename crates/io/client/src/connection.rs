//! One connection: TCP, TLS, login and sealing state, which belong together and are dropped
//! together.
//!
//! The first message travels with the login's last leg where the mechanism can seal by then, or
//! TLS protects it: that saves a round trip. A host that does not take it there answers with an empty 200 or a status of
//! the 400s; then the login is made again with an empty last leg, and that is remembered. On plain HTTP anybody on the
//! way can write such an answer after the message has arrived, so that only messages ride there whose second arrival
//! does no harm. For the same reason an unsealed answer to a sealed message never proves that it was not executed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use auth::Sealer;
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue, LOCATION, RETRY_AFTER,
    USER_AGENT,
};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use session::client::endpoint::Transport;
use session::client::login::{Carries, Leg, Login, LoginError};
use session::http::sealed::{self, Dialect, Frame};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use transport::envelopes::{self, Role};
use transport::kerberos::KerberosErrorKind;
use transport::tls::{self, TlsError};
use wsman::robust;
use wsman::xml::Limits;
use wsman::{Charset, Envelope};

use crate::config::{Authentication, Config, Protection};
use crate::error::{ConfigError, ConnectionError, ErrorKind, ProtocolError, Redirected};
use crate::login::{self, Prepared};
use crate::tickets::{Holder, Ticket};
use crate::tunnel;

pub(crate) const AGENT: &str = concat!("transom/", env!("CARGO_PKG_VERSION"));
/// What the multipart frame and a mechanism's header add to an envelope, generously.
const FRAME_ROOM: usize = 8 * 1024;

/// Bytes of a message that may go out before the host has asked for a certificate: less than any socket's buffer.
const MOST_BEFORE_CERTIFICATE: usize = 16 * 1024;

/// What all connections of a client know.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    /// For https.
    tls: Option<tls::Client>,
    /// Whether hosts like this one take a message with the login's last leg.
    rides: AtomicBool,
    /// The user's tickets.
    pub(crate) tickets: Holder,
    /// HTTP requests sent, for people who count.
    pub(crate) requests: AtomicU64,
}

impl Shared {
    pub(crate) fn new(config: Config, tickets: Holder) -> Result<Self, ConfigError> {
        config.check(tickets.without())?;
        let tls = match config.endpoint.transport {
            Transport::Http => None,
            Transport::Https => Some(tls::Client::new(&config.tls())?),
        };
        let (rides, requests) = (AtomicBool::new(true), AtomicU64::new(0));
        Ok(Self { config, tls, rides, tickets, requests })
    }
}

/// Why an exchange came to nothing, and whether the service may have acted on the message.
#[derive(Debug)]
pub(crate) struct ExchangeError {
    pub(crate) kind: ErrorKind,
    /// True when the service cannot have acted on the message: it may be sent again.
    pub(crate) unsent: bool,
    /// True when another connection may do better.
    pub(crate) transient: bool,
    /// The host asks to be asked later.
    pub(crate) later: Option<Later>,
}

/// What a host says that cannot be asked now: 425, 429 or 503.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Later {
    /// Its `Retry-After`, if it sent one.
    pub(crate) after: Option<Duration>,
}

impl ExchangeError {
    fn fatal(kind: impl Into<ErrorKind>) -> Self {
        Self { kind: kind.into(), unsent: true, transient: false, later: None }
    }

    fn lost(kind: impl Into<ErrorKind>, unsent: bool) -> Self {
        Self { kind: kind.into(), unsent, transient: true, later: None }
    }
}

/// A connection with its login.
#[derive(Debug)]
pub(crate) struct Connection {
    shared: Arc<Shared>,
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    login: Login,
    /// What the login was made with, if it is by Kerberos.
    ticket: Option<Ticket>,
    sealer: Option<Box<dyn Sealer>>,
    authority: HeaderValue,
}

/// How a connection is protected.
#[derive(Debug, Clone)]
pub(crate) struct Security {
    pub(crate) mechanism: &'static str,
    pub(crate) protection: Protection,
    pub(crate) ticket: Option<Ticket>,
}

/// What a service answered to a message.
#[derive(Debug)]
pub(crate) struct Answer {
    body: Vec<u8>,
    charset: Charset,
}

impl Answer {
    /// The answer's bytes in UTF-8, whatever charset they came in.
    pub(crate) fn to_utf8(&self) -> Vec<u8> {
        self.charset.to_utf8(&self.body)
    }

    /// The envelope. Where several came one after the other, the one that answers.
    pub(crate) fn envelope(&self, limits: &Limits) -> Result<Envelope, wsman::Error> {
        robust::decode(&self.body, self.charset, limits)
    }
}

/// One HTTP answer, opened.
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    /// What the body is said to be written in.
    charset: Charset,
    body: Vec<u8>,
}

impl Connection {
    /// Connects; the login is made by the first exchange.
    pub(crate) async fn open(shared: &Arc<Shared>) -> Result<Self, ExchangeError> {
        let endpoint = &shared.config.endpoint;
        let (sender, driver, binding) = match (&shared.config.socket, &shared.tls) {
            (Some(path), _) => {
                let (sender, driver) = drive(connect_local(path).await.map_err(no_way)?).await?;
                (sender, driver, None)
            }
            (None, None) => {
                let stream = connect_tcp(shared).await?;
                let (sender, driver) = drive(stream).await?;
                (sender, driver, None)
            }
            (None, Some(tls)) => {
                let stream = connect_tcp(shared).await?;
                let limit = shared.config.settings.timing.operation;
                let connected =
                    tls.connect(stream, &endpoint.host, limit).await.map_err(refused)?;
                let (sender, driver) = drive(connected.stream).await?;
                (sender, driver, connected.binding)
            }
        };
        let authority = HeaderValue::try_from(endpoint.authority())
            .unwrap_or_else(|_| HeaderValue::from_static("localhost"));
        let prepared = login::login(&shared.config, &shared.tickets, binding).await;
        let Prepared { login, ticket } = prepared.map_err(|kind| without_login(shared, kind))?;
        let shared = Arc::clone(shared);
        Ok(Self { shared, sender, driver, login, ticket, sealer: None, authority })
    }

    /// The mechanism of the login, and what protects messages.
    pub(crate) fn security(&self) -> Security {
        let protection = match (self.is_tls(), self.sealer.is_some()) {
            (false, false) if self.shared.config.socket.is_some() => Protection::Local,
            (true, true) => Protection::SealInTls,
            (true, false) => Protection::Tls,
            (false, true) => Protection::Seal,
            (false, false) => Protection::Nothing,
        };
        let mechanism = self.login.mechanism();
        // The service may have chosen NTLM, inside CredSSP too.
        let ticket = self.ticket.clone().filter(|_| mechanism.ends_with("Kerberos"));
        Security { mechanism, protection, ticket }
    }

    fn is_tls(&self) -> bool {
        self.shared.tls.is_some()
    }

    /// True while the connection can carry another request.
    pub(crate) fn is_usable(&self) -> bool {
        self.login.is_complete() && !self.sender.is_closed()
    }

    /// Sends one message and returns the answer's envelope, with a login before it when there is
    /// none yet. `repeatable` tells that a second arrival of the message does no harm.
    pub(crate) async fn exchange(
        &mut self,
        message: &[u8],
        repeatable: bool,
    ) -> Result<Answer, ExchangeError> {
        envelopes::keep(Role::Client, || self.shared.config.charset.to_utf8(message));
        let reply = if self.login.is_complete() {
            self.next_exchange(message).await?
        } else {
            self.first_exchange(message, repeatable).await?
        };
        answer(reply, self.is_tls())
    }

    /// A message after the login. A nonce of Digest may have become too old: then it is said once more with another.
    async fn next_exchange(&mut self, message: &[u8]) -> Result<Reply, ExchangeError> {
        let authorization = self.login.next_authorization().map_err(ExchangeError::fatal)?;
        let mut reply = self.message(message, authorization).await?;
        if !self.login.proves_each_request() {
            return Ok(reply);
        }
        loop {
            let went_on = self.login.handle_response(reply.status, &reply.headers);
            // Whether a refusal came from the service, only TLS proves.
            let unsent = self.is_tls();
            let refused = |error| ExchangeError { unsent, ..ExchangeError::fatal(error) };
            match went_on.map_err(refused)? {
                Some(leg) => reply = self.message(message, leg.authorization).await?,
                None => return Ok(reply),
            }
        }
    }

    /// The login, leg by leg, with the message on the last one if that is possible.
    async fn first_exchange(
        &mut self,
        message: &[u8],
        repeatable: bool,
    ) -> Result<Reply, ExchangeError> {
        let rides = (repeatable || self.is_tls())
            && !self.awaits_proof()
            && self.shared.rides.load(Ordering::Relaxed);
        let mut leg = self.login.start().map_err(ExchangeError::fatal)?;
        loop {
            let stays = self.may_ride(leg.carries) && !rides || self.is_long_before_tls(message);
            let carries = if stays { Carries::Nothing } else { leg.carries };
            let reply = self.leg(leg, carries, message).await?;
            match self.login.handle_response(reply.status, &reply.headers) {
                Ok(Some(next)) => leg = next,
                Ok(None) if carries == Carries::Nothing => {
                    if self.shared.config.seals() {
                        self.sealer = self.sealer.take().or_else(|| self.login.sealer());
                    }
                    return self.next_exchange(message).await;
                }
                Ok(None) => return self.first_answer(reply, carries),
                Err(_) if self.is_not_taken(&reply, carries) => {
                    return self.first_answer(reply, carries);
                }
                Err(error) => {
                    let refused = carries == Carries::Nothing || reply.status.is_client_error();
                    let kind = redirection(&reply).unwrap_or_else(|| error.into());
                    return Err(ExchangeError {
                        unsent: refused,
                        later: later(&reply),
                        ..ExchangeError::fatal(kind)
                    });
                }
            }
        }
    }

    /// Whether the host may ask for the certificate while a long message is on its way: then either side would wait for
    /// the other to read. An empty request goes first.
    fn is_long_before_tls(&self, message: &[u8]) -> bool {
        self.shared.config.authentication == Authentication::Certificate
            && message.len() > MOST_BEFORE_CERTIFICATE
    }

    /// Whether the host has still to prove itself, by Kerberos, before it may read anything: its certificate is not judged
    /// in full.
    fn awaits_proof(&self) -> bool {
        let trust = &self.shared.config.settings.trust;
        let is_judged = !trust.pins.is_empty() || !(trust.skip_ca_check || trust.skip_cn_check);
        self.is_tls() && self.ticket.is_some() && !is_judged
    }

    /// Whether the login could go on without the message, if the host does not take it there.
    fn may_ride(&self, carries: Carries) -> bool {
        match carries {
            Carries::Nothing => false,
            Carries::Sealed => true,
            // Basic and Digest come with each message anyway.
            Carries::Message => !self.login.proves_each_request(),
        }
    }

    async fn leg(
        &mut self,
        leg: Leg,
        carries: Carries,
        message: &[u8],
    ) -> Result<Reply, ExchangeError> {
        let authorization = leg.authorization;
        let soap = self.shared.config.charset.content_type();
        match carries {
            Carries::Nothing => {
                let posted = self.post(authorization, soap, Vec::new()).await;
                posted.map_err(|error| ExchangeError { unsent: true, ..error })
            }
            Carries::Message => self.post(authorization, soap, message.to_vec()).await,
            Carries::Sealed => {
                self.sealer = self.login.sealer();
                let (content_type, body) = self.seal(message)?;
                self.post(authorization, &content_type, body).await
            }
        }
    }

    /// Whether the host refuses a message on the login's last leg, but not the login.
    fn is_not_taken(&self, reply: &Reply, carries: Carries) -> bool {
        let status = reply.status;
        self.may_ride(carries) && status.is_client_error() && status != StatusCode::UNAUTHORIZED
    }

    /// The answer to a message that travelled with the login's last leg.
    fn first_answer(&mut self, reply: Reply, carries: Carries) -> Result<Reply, ExchangeError> {
        let ignored = reply.status == StatusCode::OK && reply.body.is_empty();
        if (self.may_ride(carries) && ignored) || self.is_not_taken(&reply, carries) {
            self.shared.rides.store(false, Ordering::Relaxed);
            return Err(ExchangeError::lost(ProtocolError::Status(reply.status), true));
        }
        self.open_reply(reply)
    }

    async fn message(
        &mut self,
        message: &[u8],
        authorization: Option<HeaderValue>,
    ) -> Result<Reply, ExchangeError> {
        let (content_type, body) = match self.sealer {
            Some(_) => self.seal(message)?,
            None if !self.shared.config.seals() => {
                (self.shared.config.charset.content_type().to_owned(), message.to_vec())
            }
            // Neither a seal, TLS, nor the user's consent: the message must not leave.
            None => return Err(ExchangeError::fatal(ProtocolError::NoSeal)),
        };
        let reply = self.post(authorization, &content_type, body).await?;
        self.open_reply(reply)
    }

    fn seal(&mut self, message: &[u8]) -> Result<(String, Vec<u8>), ExchangeError> {
        let frame = Frame { protocol: self.login.protocol(), dialect: Dialect::Tab };
        let sealer = self
            .sealer
            .as_deref_mut()
            .ok_or_else(|| ExchangeError::fatal(ProtocolError::NoSeal))?;
        let soap = self.shared.config.charset.content_type();
        let sealed = sealed::seal(sealer, frame, soap, message.to_vec())
            .map_err(|error| ExchangeError::fatal(ProtocolError::Sealed(error)))?;
        Ok((sealed.content_type, sealed.body))
    }

    /// Opens the seal of an answer. What comes in the clear on a sealed connection is not believed.
    fn open_reply(&mut self, mut reply: Reply) -> Result<Reply, ExchangeError> {
        let Some(sealer) = self.sealer.as_deref_mut() else { return Ok(reply) };
        let content_type = content_type_of(&reply.headers);
        if reply.body.is_empty() || !sealed::is_sealed(content_type) {
            let later = later(&reply);
            let error = ExchangeError::lost(ProtocolError::NotSealed(reply.status), false);
            return Err(ExchangeError { later, ..error });
        }
        let opened = sealed::open(sealer, content_type, std::mem::take(&mut reply.body))
            .map_err(|error| ExchangeError::lost(ProtocolError::Sealed(error), false))?;
        reply.charset = Charset::of_content_type(&opened.content_type);
        reply.body = opened.body;
        Ok(reply)
    }

    async fn post(
        &mut self,
        authorization: Option<HeaderValue>,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Reply, ExchangeError> {
        let mut request = Request::post(self.shared.config.endpoint.path.as_str())
            .header(HOST, &self.authority)
            .header(CONTENT_TYPE, content_type)
            // hyper leaves it out for an empty body, which HTTP.SYS answers with 411.
            .header(CONTENT_LENGTH, body.len())
            .header(USER_AGENT, AGENT)
            .header(ACCEPT_ENCODING, "identity")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| ExchangeError::fatal(ProtocolError::Message(error.to_string())))?;
        if let Some(value) = authorization {
            request.headers_mut().insert(self.login.header(), value);
        }
        self.sender.ready().await.map_err(|error| lost(error, true))?;
        self.shared.requests.fetch_add(1, Ordering::Relaxed);
        let answered = self.sender.try_send_request(request);
        let sealer = &mut self.sealer;
        let prepare = async {
            // The request goes out first: then the service works while we do.
            tokio::task::yield_now().await;
            if let Some(sealer) = sealer {
                sealer.prepare();
            }
        };
        let response = match tokio::join!(answered, prepare).0 {
            Ok(response) => response,
            Err(mut error) => {
                let unsent = error.take_message().is_some();
                return Err(lost(error.into_error(), unsent));
            }
        };
        let (parts, body) = response.into_parts();
        let limit = self.shared.config.max_envelope_size as usize + FRAME_ROOM;
        let charset = Charset::of_content_type(content_type_of(&parts.headers));
        let body = whole(body, limit).await?;
        Ok(Reply { status: parts.status, headers: parts.headers, charset, body })
    }
}

/// A body of at most `limit` bytes.
async fn whole(mut body: Incoming, limit: usize) -> Result<Vec<u8>, ExchangeError> {
    // Asking again would bring the same, or what comes after it.
    let too_large = || ExchangeError {
        unsent: false,
        ..ExchangeError::fatal(ProtocolError::AnswerTooLarge(limit))
    };
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| lost(error, false))?;
        let Some(data) = frame.data_ref() else { continue };
        if data.len() > limit - bytes.len() {
            return Err(too_large());
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}

fn lost(error: hyper::Error, unsent: bool) -> ExchangeError {
    ExchangeError::lost(ConnectionError::from(error), unsent)
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// 200 and 500 carry envelopes; a 401 in the middle means that the service forgot the login, which only TLS proves. On
/// a connection that seals nothing comes here but opened answers.
fn answer(reply: Reply, is_tls: bool) -> Result<Answer, ExchangeError> {
    if let Some(kind) = redirection(&reply) {
        return Err(ExchangeError { unsent: is_tls, ..ExchangeError::fatal(kind) });
    }
    if let Some(later) = later(&reply) {
        // Who asks for patience did not act; but behind TLS a 503 may come from something that passed the message on.
        let unsent = is_tls && reply.status != StatusCode::SERVICE_UNAVAILABLE;
        let error = ExchangeError::fatal(ProtocolError::Status(reply.status));
        return Err(ExchangeError { unsent, later: Some(later), ..error });
    }
    match reply.status {
        StatusCode::UNAUTHORIZED => Err(ExchangeError::lost(LoginError::Refused, is_tls)),
        // Nobody has looked at the message, and nobody will at the same one.
        StatusCode::PAYLOAD_TOO_LARGE => {
            Err(ExchangeError::fatal(ProtocolError::Status(reply.status)))
        }
        _ if !reply.body.is_empty() => Ok(Answer { body: reply.body, charset: reply.charset }),
        status => Err(ExchangeError::lost(ProtocolError::Status(status), false)),
    }
}

/// Where an answer sends the client, if it does. 303 asks for a GET, which is no message.
fn redirection(reply: &Reply) -> Option<ErrorKind> {
    let sends = matches!(reply.status.as_u16(), 301 | 302 | 307 | 308);
    let location = reply.headers.get(LOCATION).filter(|_| sends)?;
    let location = String::from_utf8_lossy(location.as_bytes()).into_owned();
    Some(ErrorKind::Redirected(Redirected { location, refusal: None }))
}

/// Whether the host asks to be asked later: 425, 429 and 503, but a service's own 503 with an envelope is an answer.
fn later(reply: &Reply) -> Option<Later> {
    let asks = matches!(reply.status.as_u16(), 425 | 429 | 503);
    if !asks || content_type_of(&reply.headers).starts_with("application/soap+xml") {
        return None;
    }
    let said = reply.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    Some(Later { after: said.and_then(|text| pause(text, SystemTime::now())) })
}

/// `Retry-After`: seconds, or a date (RFC 9110 10.2.3).
fn pause(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

fn content_type_of(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

async fn connect_tcp(shared: &Shared) -> Result<TcpStream, ExchangeError> {
    let Config { endpoint, settings, .. } = &shared.config;
    tunnel::connect(endpoint, &settings.proxy, settings.timing.operation).await.map_err(no_way)
}

/// Connects to this machine's own service, which is there at once or not at all.
async fn connect_local(path: &Path) -> Result<UnixStream, ConnectionError> {
    let failed = |source| ConnectionError::Local { path: path.to_owned(), source };
    UnixStream::connect(path).await.map_err(failed)
}

/// Starts HTTP on a connection; the task that drives it ends with it.
async fn drive(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<(SendRequest<Full<Bytes>>, JoinHandle<()>), ExchangeError> {
    let (sender, connection) = Builder::new()
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| ExchangeError::lost(ConnectionError::from(error), true))?;
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "Connection ended");
        }
    });
    Ok((sender, driver))
}

/// A KDC that gave tickets before may be there again a moment later.
fn without_login(shared: &Shared, kind: ErrorKind) -> ExchangeError {
    let passes = matches!(
        &kind,
        ErrorKind::Kerberos(error) if error.kind() == KerberosErrorKind::KdcUnreachable
    );
    let transient = passes && shared.tickets.is_proven();
    ExchangeError { transient, ..ExchangeError::fatal(kind) }
}

/// A proxy that says no will say so again; what else fails on the way may pass.
fn no_way(error: ConnectionError) -> ExchangeError {
    let passes = match &error {
        ConnectionError::Proxy { kind, .. } => kind.may_pass(),
        ConnectionError::Open(_)
        | ConnectionError::Local { .. }
        | ConnectionError::Tls(_)
        | ConnectionError::Lost(_)
        | ConnectionError::Closed => true,
    };
    ExchangeError { transient: passes, ..ExchangeError::fatal(error) }
}

/// A certificate that is not accepted stays so; what else breaks a handshake may pass.
fn refused(error: TlsError) -> ExchangeError {
    let is_lost = matches!(error, TlsError::Lost(_) | TlsError::Timeout(_));
    ExchangeError { transient: is_lost, ..ExchangeError::fatal(ConnectionError::Tls(error)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_to_be_asked_later_did_not_act_where_that_is_sure() {
        for (status, is_tls, unsent) in
            [(429, true, true), (425, true, true), (503, true, false), (429, false, false)]
        {
            let status = StatusCode::from_u16(status).unwrap();
            let (headers, charset) = (HeaderMap::new(), Charset::Utf8);
            let reply = Reply { status, headers, charset, body: b"busy".to_vec() };
            let error = answer(reply, is_tls).unwrap_err();
            assert_eq!((error.unsent, error.transient), (unsent, false), "{status} {is_tls}");
            assert_eq!(error.later, Some(Later { after: None }));
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Thu, 01 Jan 1970 00:01:00 GMT").unwrap();
        for (text, expected) in [
            ("0", Some(0)),
            (" 7 ", Some(7)),
            ("Thu, 01 Jan 1970 00:01:30 GMT", Some(30)),
            ("Thu, 01 Jan 1970 00:00:30 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
        ] {
            assert_eq!(pause(text, now), expected.map(Duration::from_secs), "{text}");
        }
    }
}
