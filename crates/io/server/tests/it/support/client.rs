//! A raw HTTP client, and a sealed session on top of it.

use std::net::SocketAddr;
use std::time::Duration;

use auth::credssp::{self, TsCredentials};
use auth::ntlm::{self, Credential, InitiatorOptions};
use auth::spnego::{self, InitiatorMechanism};
use auth::{ChannelBinding, Entropy, FileTime, Initiator, Sealer, Secret, Step, UserName};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use session::http::sealed::{self, Dialect, Frame, Protocol};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use transport::tls::{self, InnerClient, Level, Trust};
use uuid::Uuid;
use wsman::fault::Fault;
use wsman::ns::resource;
use wsman::shell::{
    CommandLine, CommandOptions, CommandResponse, CreateResponse, DesiredStream, Receive,
    ReceiveResponse, Request, RequestContext, ShellDescription, ShellOptions,
};
use wsman::xml::Limits;
use wsman::{Charset, Envelope};

use super::PASSWORD;

/// No answer takes longer; a test that waits for ever says nothing.
const PATIENCE: Duration = Duration::from_secs(20);
const SOAP: &str = "application/soap+xml;charset=UTF-8";

/// A connection, and what was read ahead.
pub(crate) struct Http {
    stream: Box<dyn Stream>,
    address: SocketAddr,
    buffer: Vec<u8>,
}

/// TCP, or TLS over it.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// The status line and the headers as they came.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The values of a header, in any case.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let found = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim()).collect()
    }
}

impl Http {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::of(TcpStream::connect(address).await.unwrap())
    }

    /// Over a connection that is there.
    pub(crate) fn of(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        let address = stream.local_addr().unwrap();
        Self { stream: Box::new(stream), address, buffer: Vec::new() }
    }

    /// The same by TLS, whoever answers; with the binding of the connection.
    pub(crate) async fn connect_tls(address: SocketAddr) -> (Self, ChannelBinding) {
        Self::try_connect_tls(address).await.unwrap()
    }

    /// The same where the handshake may fail.
    pub(crate) async fn try_connect_tls(
        address: SocketAddr,
    ) -> Result<(Self, ChannelBinding), tls::TlsError> {
        Self::try_tls_over(TcpStream::connect(address).await.unwrap()).await
    }

    /// The same over a connection that is there.
    pub(crate) async fn try_tls_over(
        stream: TcpStream,
    ) -> Result<(Self, ChannelBinding), tls::TlsError> {
        let trust = Trust { skip_ca_check: true, skip_cn_check: true, ..Trust::default() };
        let own = stream.local_addr().unwrap();
        let client = tls::Client::new(&trust.into()).unwrap();
        let connected = client.connect(stream, "box", PATIENCE).await?;
        let http = Self { stream: Box::new(connected.stream), address: own, buffer: Vec::new() };
        Ok((http, connected.binding.unwrap()))
    }

    /// Over a stream of any kind.
    pub(crate) fn over(stream: impl Stream + 'static, address: SocketAddr) -> Self {
        Self { stream: Box::new(stream), address, buffer: Vec::new() }
    }

    /// Our own end of the connection.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        // The service may have closed the connection already; the answer tells.
        drop(self.stream.write_all(bytes).await);
    }

    /// `POST /wsman` with these headers, a Content-Length and this body.
    pub(crate) async fn post(&mut self, headers: &[(&str, &str)], body: &[u8]) {
        let mut head = String::from("POST /wsman HTTP/1.1\r\nHost: box\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        self.send(&bytes).await;
    }

    /// The next answer; `None` when the connection ends before one.
    pub(crate) async fn receive(&mut self) -> Option<Response> {
        timeout(PATIENCE, self.read_response()).await.expect("no answer in time")
    }

    /// [`Self::post`], then the answer.
    pub(crate) async fn ask(&mut self, headers: &[(&str, &str)], body: &[u8]) -> Response {
        self.post(headers, body).await;
        self.receive().await.expect("an answer")
    }

    /// Everything that still comes, until the service closes the connection.
    pub(crate) async fn drain(&mut self, rest: &mut Vec<u8>) {
        // A reset is an end too.
        drop(timeout(PATIENCE, self.stream.read_to_end(rest)).await.expect("an end in time"));
    }

    /// Whether the service has closed the connection.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && self.receive().await.is_none()
    }

    async fn read_response(&mut self) -> Option<Response> {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            self.fill().await?;
        };
        let head = String::from_utf8(self.buffer[..end].to_vec()).unwrap();
        self.buffer.drain(..end + 4);
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        if status == 100 {
            return Box::pin(self.read_response()).await;
        }
        let mut response = Response { status, head, body: Vec::new() };
        let length =
            response.values("Content-Length").first().map_or(0, |text| text.parse().unwrap());
        while self.buffer.len() < length {
            self.fill().await?;
        }
        response.body = self.buffer.drain(..length).collect();
        Some(response)
    }

    async fn fill(&mut self) -> Option<()> {
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(()),
        }
    }
}

/// `Authorization` for Basic.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// The system's generator.
struct Random;

impl Entropy for Random {
    fn fill(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).unwrap();
    }
}

/// The client's half of a login: NTLM inside SPNEGO, or raw.
pub(crate) fn negotiate(user: &str, password: &str, raw: bool) -> Box<dyn Initiator> {
    bound(user, password, raw, None)
}

/// The same with a binding to a TLS connection.
pub(crate) fn bound(
    user: &str,
    password: &str,
    raw: bool,
    channel_binding: Option<ChannelBinding>,
) -> Box<dyn Initiator> {
    let credential = Credential::from_password(UserName::parse(user), &Secret::new(password));
    let options = InitiatorOptions { channel_binding, ..InitiatorOptions::default() };
    let now = FileTime::from_unix(Duration::from_secs(1_800_000_000));
    let ntlm = ntlm::Initiator::new(credential, options, &mut Random, now).unwrap();
    if raw {
        return Box::new(ntlm);
    }
    let mechanism: Box<dyn InitiatorMechanism> = Box::new(ntlm);
    Box::new(spnego::Initiator::new(vec![mechanism]).unwrap())
}

/// The client's half of a login by CredSSP, with NTLM inside.
pub(crate) fn credssp(user: &str, password: &str) -> Box<dyn Initiator> {
    let credential = Credential::from_password(UserName::parse(user), &Secret::new(password));
    let now = FileTime::from_unix(Duration::from_secs(1_800_000_000));
    let inner = InitiatorOptions::default();
    let ntlm = ntlm::Initiator::new(credential, inner, &mut Random, now).unwrap();
    let mechanisms: Vec<Box<dyn InitiatorMechanism>> = vec![Box::new(ntlm)];
    let channel = InnerClient::new(Level::Modern).unwrap().channel("box").unwrap();
    let credentials = TsCredentials::new(UserName::parse(user), Secret::new(password));
    let options = credssp::InitiatorOptions::default();
    let made = credssp::Initiator::new(channel, mechanisms, credentials, options, &mut Random);
    Box::new(made.unwrap())
}

/// A logged-in connection that seals its messages.
pub(crate) struct Session {
    pub(crate) http: Http,
    pub(crate) sealer: Box<dyn Sealer>,
    pub(crate) dialect: Dialect,
    /// What its sealed bodies name.
    pub(crate) protocol: Protocol,
    pub(crate) context: RequestContext,
    /// How its messages are written.
    pub(crate) charset: Charset,
    /// The operation time-out of its requests.
    pub(crate) timeout: Duration,
}

impl Session {
    pub(crate) async fn login(address: SocketAddr, user: &str) -> Self {
        Self::try_login(address, user, PASSWORD, false).await.expect("the login is accepted")
    }

    /// Empty POSTs until the login is complete; the last answer where it is refused.
    pub(crate) async fn try_login(
        address: SocketAddr,
        user: &str,
        password: &str,
        raw: bool,
    ) -> Result<Self, Response> {
        let http = Http::connect(address).await;
        Self::over(http, negotiate(user, password, raw)).await
    }

    /// The same on a connection that is there, by an initiator that nobody has stepped yet.
    pub(crate) async fn over(mut http: Http, login: Box<dyn Initiator>) -> Result<Self, Response> {
        let protocol = Protocol::of(login.scheme());
        let sealer = Self::log_in_by(&mut http, login).await?;
        let context = RequestContext::new("http://box:5985/wsman", resource::CMD, Uuid::nil());
        let timeout = Duration::from_secs(10);
        let charset = Charset::Utf8;
        let dialect = Dialect::Tab;
        Ok(Self { http, sealer, dialect, protocol, context, charset, timeout })
    }

    /// A login on a connection that may have had another one.
    pub(crate) async fn log_in(
        http: &mut Http,
        user: &str,
        password: &str,
        raw: bool,
    ) -> Result<Box<dyn Sealer>, Response> {
        Self::log_in_by(http, negotiate(user, password, raw)).await
    }

    /// The same by an initiator that nobody has stepped yet.
    pub(crate) async fn log_in_by(
        http: &mut Http,
        mut login: Box<dyn Initiator>,
    ) -> Result<Box<dyn Sealer>, Response> {
        let mut reply: Option<Vec<u8>> = None;
        loop {
            let (token, is_last) = match login.step(reply.as_deref()).unwrap() {
                Step::Send(token) => (token, false),
                Step::Last(token) => (token, true),
                Step::Done => break,
            };
            let header = format!("{} {}", login.scheme(), STANDARD.encode(token));
            let headers = [("Authorization", header.as_str()), ("Content-Type", SOAP)];
            let answer = http.ask(&headers, b"").await;
            let token = answer.values("WWW-Authenticate").iter().find_map(|value| {
                let (_, token) = value.split_once(' ')?;
                STANDARD.decode(token).ok()
            });
            match (answer.status, token) {
                (200, None) if is_last => {
                    assert_eq!(login.step(None), Ok(Step::Done));
                    break;
                }
                (200 | 401, Some(token)) => reply = Some(token),
                _ => return Err(answer),
            }
        }
        Ok(login.sealer().expect("a sealing context"))
    }

    /// A `a:MessageID` that no other message has.
    pub(crate) fn fresh_id(&self) -> String {
        wsman::uuid_uri(random_id())
    }

    /// Seals a message: its Content-Type and body.
    pub(crate) fn seal(&mut self, message: &[u8]) -> (String, Vec<u8>) {
        let frame = Frame { protocol: self.protocol, dialect: self.dialect };
        let sealed = sealed::seal(
            self.sealer.as_mut(),
            frame,
            self.charset.content_type(),
            message.to_vec(),
        )
        .unwrap();
        (sealed.content_type, sealed.body)
    }

    /// Opens an answer, which must be in our own dialect.
    pub(crate) fn open(&mut self, response: &Response) -> Vec<u8> {
        let content_type = response.values("Content-Type")[0].to_owned();
        let opened = sealed::open(self.sealer.as_mut(), &content_type, response.body.clone());
        let opened = opened.expect("an answer that our context opens");
        assert_eq!(opened.frame.dialect, self.dialect, "the answer is in another dialect");
        assert_eq!(opened.content_type, self.charset.content_type());
        assert_eq!(Charset::of_message(&opened.body, Charset::Utf8), self.charset);
        opened.body
    }

    /// Sends bytes sealed, and opens the answer.
    pub(crate) async fn ask_bytes(&mut self, message: &[u8]) -> (u16, Vec<u8>) {
        let (content_type, body) = self.seal(message);
        let response = self.http.ask(&[("Content-Type", &content_type)], &body).await;
        let body = if response.body.is_empty() { Vec::new() } else { self.open(&response) };
        (response.status, body)
    }

    /// An envelope of a request to a shell.
    pub(crate) fn envelope(&self, request: &Request, shell: Option<&str>) -> Envelope {
        request.to_envelope(&self.context, shell, random_id(), self.timeout)
    }

    /// A request to a shell: the reply, or the fault.
    pub(crate) async fn request(
        &mut self,
        request: &Request,
        shell: Option<&str>,
    ) -> Result<Envelope, Fault> {
        let envelope = self.envelope(request, shell);
        self.ask_envelope(&envelope).await
    }

    pub(crate) async fn ask_envelope(&mut self, envelope: &Envelope) -> Result<Envelope, Fault> {
        let (status, bytes) = self.ask_bytes(&envelope.encode_as(self.charset)).await;
        let reply = envelope_of(&bytes);
        match Fault::from_envelope(&reply).unwrap() {
            Some(fault) => {
                assert_eq!(status, 500);
                Err(fault)
            }
            None => {
                assert_eq!(status, 200);
                assert_eq!(reply.header.relates_to(), envelope.header.message_id());
                Ok(reply)
            }
        }
    }

    pub(crate) async fn open_shell(&mut self) -> String {
        self.open_shell_as(ShellDescription::default()).await.unwrap()
    }

    pub(crate) async fn open_shell_as(&mut self, shell: ShellDescription) -> Result<String, Fault> {
        self.open_shell_with(shell, ShellOptions::default()).await
    }

    pub(crate) async fn open_shell_with(
        &mut self,
        shell: ShellDescription,
        options: ShellOptions,
    ) -> Result<String, Fault> {
        let request = Request::Create { shell: Box::new(shell), options };
        let reply = self.request(&request, None).await?;
        let created = CreateResponse::from_body(&reply.body).unwrap();
        Ok(created.shell_id().unwrap().to_owned())
    }

    pub(crate) async fn start(&mut self, shell: &str, line: &str) -> Result<String, Fault> {
        let command = CommandLine { command: line.to_owned(), ..CommandLine::default() };
        let request = Request::Command { command, options: CommandOptions::default() };
        let reply = self.request(&request, Some(shell)).await?;
        Ok(CommandResponse::from_body(&reply.body).unwrap().command_id)
    }

    pub(crate) async fn receive(
        &mut self,
        shell: &str,
        id: &str,
    ) -> Result<ReceiveResponse, Fault> {
        let reply = self.request(&receive(id), Some(shell)).await?;
        Ok(ReceiveResponse::from_body(&reply.body).unwrap())
    }

    /// Receives until the command is done: stdout, stderr and the exit code.
    pub(crate) async fn finish(&mut self, shell: &str, id: &str) -> (Vec<u8>, Vec<u8>, u32) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        loop {
            let response = self.receive(shell, id).await.unwrap();
            for stream in response.streams {
                match stream.name.as_str() {
                    "stdout" => out.extend(stream.data),
                    "stderr" => err.extend(stream.data),
                    other => panic!("stream {other}"),
                }
            }
            if let Some(code) = response.state.and_then(|state| state.exit_code) {
                return (out, err, code);
            }
        }
    }
}

/// A Receive of both streams of a command.
pub(crate) fn receive(id: &str) -> Request {
    let desired = DesiredStream {
        command_id: Some(id.to_owned()),
        streams: vec!["stdout".to_owned(), "stderr".to_owned()],
        ..DesiredStream::default()
    };
    let receive = Receive { desired: vec![desired], ..Receive::default() };
    Request::Receive { receive, keep_alive: true }
}

pub(crate) fn envelope_of(bytes: &[u8]) -> Envelope {
    Envelope::decode(bytes, &Limits::default()).unwrap()
}

fn random_id() -> Uuid {
    let mut bytes = [0; 16];
    Random.fill(&mut bytes);
    Uuid::from_bytes(bytes)
}
