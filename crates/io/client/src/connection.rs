//! One connection: TCP, TLS, login and sealing state, which belong together and are dropped
//! together.
//!
//! The first message travels with the login's last leg where the mechanism can seal by then, or
//! TLS protects it: that saves a round trip. A host that does not take it there answers with an empty 200 or a status of
//! the 400s; then the login is made again with an empty last leg, and that is remembered. On plain HTTP anybody on the
//! way can write such an answer after the message has arrived, so that only messages ride there whose second arrival
//! does no harm. For the same reason an unsealed answer to a sealed message never proves that it was not executed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use auth::spnego::{self, InitiatorMechanism};
use auth::{ChannelBinding, Initiator, Sealer, UserName, ntlm};
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT,
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
use tokio::task::JoinHandle;
use transport::tls::{self, TlsError};
use wsman::xml::Limits;
use wsman::{Charset, Envelope};

use crate::config::{Authentication, Config, Protection};
use crate::entropy::{self, SystemEntropy};
use crate::error::{ConfigError, ConnectionError, ErrorKind, ProtocolError};

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
    /// HTTP requests sent, for people who count.
    pub(crate) requests: AtomicU64,
}

impl Shared {
    pub(crate) fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        let tls = match config.endpoint.transport {
            Transport::Http => None,
            Transport::Https => Some(tls::Client::new(&config.tls())?),
        };
        Ok(Self { config, tls, rides: AtomicBool::new(true), requests: AtomicU64::new(0) })
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
}

impl ExchangeError {
    fn fatal(kind: impl Into<ErrorKind>) -> Self {
        Self { kind: kind.into(), unsent: true, transient: false }
    }

    fn lost(kind: impl Into<ErrorKind>, unsent: bool) -> Self {
        Self { kind: kind.into(), unsent, transient: true }
    }
}

/// A connection with its login.
#[derive(Debug)]
pub(crate) struct Connection {
    shared: Arc<Shared>,
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    login: Login,
    sealer: Option<Box<dyn Sealer>>,
    authority: HeaderValue,
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

    /// The envelope.
    pub(crate) fn envelope(&self, limits: &Limits) -> Result<Envelope, wsman::Error> {
        Envelope::decode_as(&self.body, self.charset, limits)
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
        let limit = shared.config.settings.timing.operation;
        let stream = transport::connect(&endpoint.host, endpoint.port, limit)
            .await
            .map_err(|error| ExchangeError::lost(ConnectionError::Open(error), true))?;
        let (sender, driver, binding) = match &shared.tls {
            None => {
                let (sender, driver) = drive(stream).await?;
                (sender, driver, None)
            }
            Some(tls) => {
                let connected =
                    tls.connect(stream, &endpoint.host, limit).await.map_err(refused)?;
                let (sender, driver) = drive(connected.stream).await?;
                (sender, driver, connected.binding)
            }
        };
        let authority = HeaderValue::try_from(endpoint.authority())
            .unwrap_or_else(|_| HeaderValue::from_static("localhost"));
        let initiator = initiator(&shared.config, binding).map_err(ExchangeError::fatal)?;
        let login = Login::new(initiator);
        Ok(Self {
            shared: Arc::clone(shared),
            sender,
            driver,
            login: match &shared.tls {
                Some(_) => login.over_tls(),
                None if shared.config.is_unsealed() => login.unsealed(),
                None => login,
            },
            sealer: None,
            authority,
        })
    }

    /// The mechanism of the login, and what protects messages.
    pub(crate) fn security(&self) -> (&'static str, Protection) {
        let protection = match self.sealer {
            _ if self.is_tls() => Protection::Tls,
            Some(_) => Protection::Seal,
            None => Protection::Nothing,
        };
        (self.login.mechanism(), protection)
    }

    fn is_tls(&self) -> bool {
        self.shared.tls.is_some()
    }

    fn is_unsealed(&self) -> bool {
        self.shared.config.is_unsealed()
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
        let reply = if self.login.is_complete() {
            self.message(message, self.login.standing_authorization().cloned()).await?
        } else {
            self.first_exchange(message, repeatable).await?
        };
        answer(reply, self.is_tls())
    }

    /// The login, leg by leg, with the message on the last one if that is possible.
    async fn first_exchange(
        &mut self,
        message: &[u8],
        repeatable: bool,
    ) -> Result<Reply, ExchangeError> {
        let rides = (repeatable || self.is_tls()) && self.shared.rides.load(Ordering::Relaxed);
        let mut leg = self.login.start().map_err(ExchangeError::fatal)?;
        loop {
            let stays = self.may_ride(leg.carries) && !rides || self.is_long_before_tls(message);
            let carries = if stays { Carries::Nothing } else { leg.carries };
            let reply = self.leg(leg, carries, message).await?;
            match self.login.handle_response(reply.status, &reply.headers) {
                Ok(Some(next)) => leg = next,
                Ok(None) if carries == Carries::Nothing => {
                    if !self.is_tls() {
                        self.sealer = self.sealer.take().or_else(|| self.login.sealer());
                    }
                    return self
                        .message(message, self.login.standing_authorization().cloned())
                        .await;
                }
                Ok(None) => return self.first_answer(reply, carries),
                Err(_) if self.is_not_taken(&reply, carries) => {
                    return self.first_answer(reply, carries);
                }
                Err(error) => {
                    let refused = carries == Carries::Nothing || reply.status.is_client_error();
                    return Err(ExchangeError { unsent: refused, ..ExchangeError::fatal(error) });
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

    /// Whether the login could go on without the message, if the host does not take it there.
    fn may_ride(&self, carries: Carries) -> bool {
        match carries {
            Carries::Nothing => false,
            Carries::Sealed => true,
            // Basic comes with each message anyway.
            Carries::Message => self.login.standing_authorization().is_none(),
        }
    }

    async fn leg(
        &mut self,
        leg: Leg,
        carries: Carries,
        message: &[u8],
    ) -> Result<Reply, ExchangeError> {
        let authorization = Some(leg.authorization);
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
            None if authorization.is_some() || self.is_tls() || self.is_unsealed() => {
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
            return Err(ExchangeError::lost(ProtocolError::NotSealed(reply.status), false));
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
            request.headers_mut().insert(AUTHORIZATION, value);
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

fn content_type_of(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
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

/// A certificate that is not accepted stays so; what else breaks a handshake may pass.
fn refused(error: TlsError) -> ExchangeError {
    let is_lost = matches!(error, TlsError::Lost(_) | TlsError::Timeout(_));
    ExchangeError { transient: is_lost, ..ExchangeError::fatal(ConnectionError::Tls(error)) }
}

fn initiator(
    config: &Config,
    binding: Option<ChannelBinding>,
) -> Result<Box<dyn Initiator>, ErrorKind> {
    let wrong = |error: auth::ApiMisuse| {
        ErrorKind::Config(ConfigError::Credentials(auth::Error::ApiMisuse(error)))
    };
    match config.authentication {
        Authentication::Certificate => Ok(Box::new(auth::certificate::Initiator::new())),
        Authentication::Basic => {
            let credentials = &config.credentials;
            let basic = auth::basic::Initiator::new(&credentials.user, &credentials.password);
            Ok(Box::new(basic.map_err(wrong)?))
        }
        Authentication::Ntlm => Ok(Box::new(ntlm(config, binding).map_err(wrong)?)),
        Authentication::Negotiate => {
            let mechanisms: Vec<Box<dyn InitiatorMechanism>> =
                vec![Box::new(ntlm(config, binding).map_err(wrong)?)];
            Ok(Box::new(spnego::Initiator::new(mechanisms).map_err(wrong)?))
        }
    }
}

fn ntlm(
    config: &Config,
    channel_binding: Option<ChannelBinding>,
) -> Result<ntlm::Initiator, auth::ApiMisuse> {
    let user = UserName::parse(&config.credentials.user);
    let credential = ntlm::Credential::from_password(user, &config.credentials.password);
    let options = ntlm::InitiatorOptions {
        target: Some(format!("HTTP/{}", config.endpoint.host)),
        channel_binding,
        unsealed: config.is_unsealed(),
        ..ntlm::InitiatorOptions::default()
    };
    ntlm::Initiator::new(credential, options, &mut SystemEntropy, entropy::now())
}
