//! One connection: HTTP around the protocol, and the login that belongs to this connection only.
//!
//! ```text
//!            path, method           login                 body                  dispatch
//!  request ───────────────► 404,405 ──────► 401, 400 ──────────► 413, 415, 500 ─────────► 200, 500
//!                                    (body thrown away)  (sealed: opened; broken: 400, closed)
//! ```
//!
//! Nothing of a body is looked at before the login is complete, whatever headers are missing or
//! repeated. [MS-WSMV] 3.1.4.1.31, 2.2.9.1.

mod granted;
mod words;

use std::sync::{Arc, PoisonError};

use auth::kerberos::KerberosAttempt;
use auth::{Account, Question, Scheme, Ticket};
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use hyper::body::{Body, Incoming};
use session::http::sealed;
use session::mapping::Grant;
use session::server::login::{Acceptors as _, Established, Login, Turn};
use tokio::sync::Mutex;
use tracing::error;
use transport::tls::{ClientCertificateError, PeerCertificates, UnixTime};
use wsman::Charset;

use crate::answer::{self, Answer};
use crate::audit;
use crate::body;
use crate::clients::{Presented, Refused, Verdict};
use crate::dispatch::Reply;
use crate::kerberos;
use crate::metrics::{Mechanism, Outcome, count};
use crate::offer::{Channel, Offer};
use crate::pace::Pace;
use crate::peer::Peer;
use crate::places::Place;
use crate::random;
use crate::service::Core;
use crate::settings::Settings;
use granted::Granted;
use words::{
    charset_of, is_anonymous_identify, is_soap, mechanism_of, refuse_body, scheme_word, user_of,
    written,
};

/// A body that nobody reads is thrown away up to this size; with a longer one the connection ends.
const MOST_DISCARDED: usize = 64 * 1024;
/// The longest body of an anonymous Identify.
const MOST_ANONYMOUS: usize = 16 * 1024;
/// A message of somebody known that is too long is thrown away up to this size: a client that is still writing would
/// not read why it is refused.
const MOST_REFUSED: usize = 1024 * 1024;
/// From this size on a message is part of a stream: the next one is as long.
const LONG: u64 = 64 * 1024;
/// The header by which a client asks for an Identify without a login ([MS-WSMV] 3.1.4.1.23).
const WSMANIDENTIFY: HeaderName = HeaderName::from_static("wsmanidentify");

/// One connection of a client.
#[derive(Debug)]
pub(crate) struct Connection {
    core: Arc<Core>,
    peer: Peer,
    /// The path that requests must have, but for the private socket: there is no other service behind that.
    path: String,
    /// How the connection is protected; `None` for the private socket.
    channel: Option<Channel>,
    /// Why the process at the other end of the private socket is nobody here.
    stranger: Option<String>,
    /// The logins that this connection offers, and the settings by which it does.
    offer: std::sync::Mutex<(Arc<Settings>, Arc<Offer>)>,
    /// The client's certificate, inside TLS.
    certificates: Option<PeerCertificates>,
    place: Arc<Place>,
    pace: Arc<Pace>,
    /// Requests of a connection come one after the other: nobody ever waits for this lock, but for what is prepared
    /// for the next one.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    login: Login,
    /// Names the login towards the plug-ins.
    login_id: [u8; 16],
    /// The user name of the login that is under way, for the log.
    attempt: String,
    /// Whose login by Basic or by certificate was logged last: it comes anew with each request.
    told: Option<[u8; 16]>,
    /// A login by certificate: what is known of it.
    client: Client,
    /// Whose ticket the login under way, or the complete one, came by.
    principal: Option<String>,
    /// What came with the complete login, for the shells that it opens.
    ticket: Option<Arc<Ticket>>,
}

impl State {
    fn new(login: Login) -> Self {
        Self {
            login,
            login_id: [0; 16],
            attempt: String::new(),
            told: None,
            client: Client::default(),
            principal: None,
            ticket: None,
        }
    }
}

/// What a connection knows of its client's certificate.
#[derive(Debug, Default)]
struct Client {
    presented: Option<Presented>,
    verdict: Option<Verdict>,
    /// What the mapping of the complete login allows.
    grant: Option<Grant>,
}

impl Connection {
    pub(crate) fn new(
        core: Arc<Core>,
        peer: Peer,
        path: String,
        channel: Channel,
        place: Arc<Place>,
        pace: Arc<Pace>,
    ) -> Self {
        let settings = core.settings();
        let offer = Arc::new(offer(&core, &settings, channel));
        let offer = std::sync::Mutex::new((settings, offer));
        let state = Mutex::new(State::new(Login::default()));
        let (stranger, certificates, channel) = (None, None, Some(channel));
        Self { core, peer, path, channel, stranger, offer, certificates, place, pace, state }
    }

    /// A connection by the private socket, whose other end is this account, or nobody and why.
    pub(crate) fn local(
        core: Arc<Core>,
        peer: Peer,
        account: Result<Account, String>,
        place: Arc<Place>,
        pace: Arc<Pace>,
    ) -> Self {
        let (login, stranger) = match account {
            Ok(account) => {
                let actor = audit::Actor { peer, user: &account.name };
                audit::login_accepted(actor, Mechanism::LOCAL, None, None);
                core.metrics.logins.add((Mechanism::Local, Outcome::Accepted), 1);
                (Login::given(account), None)
            }
            Err(reason) => {
                let actor = audit::Actor { peer, user: "" };
                audit::login_refused(actor, Mechanism::LOCAL, &reason, None);
                core.metrics.logins.add((Mechanism::Local, Outcome::Refused), 1);
                (Login::default(), Some(reason))
            }
        };
        let mut state = State::new(login);
        state.login_id = random::bytes16();
        let offer = std::sync::Mutex::new((core.settings(), Arc::new(Offer::local())));
        let (path, certificates, channel) = (String::new(), None, None);
        let state = Mutex::new(state);
        Self { core, peer, path, channel, stranger, offer, certificates, place, pace, state }
    }

    /// What is offered by the settings as they are now.
    fn offer(&self) -> Arc<Offer> {
        let settings = self.core.settings();
        let mut known = self.offer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = self.channel
            && !Arc::ptr_eq(&known.0, &settings)
        {
            let offer = offer(&self.core, &settings, channel);
            *known = (settings, Arc::new(offer));
        }
        Arc::clone(&known.1)
    }

    /// The same with the certificate of the client.
    pub(crate) fn with_certificates(self, certificates: Option<PeerCertificates>) -> Self {
        Self { certificates, ..self }
    }

    /// Answers a request, counts the answer, and prepares for the next one while the client takes the answer.
    pub(crate) async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let length = |hint: hyper::body::SizeHint| hint.lower();
        let asked = length(request.body().size_hint());
        let answer = self.answer(request).await;
        self.core.metrics.responded(answer.status());
        if asked.max(length(answer.body().size_hint())) >= LONG {
            tokio::spawn(async move { self.prepare().await });
        }
        answer
    }

    async fn prepare(&self) {
        let mut state = self.state.lock().await;
        let sealer = state.login.established().and_then(|known| known.sealer.as_mut());
        if let Some(sealer) = sealer {
            sealer.prepare();
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let _handling = self.pace.handle();
        let (head, body) = request.into_parts();
        if !self.serves(head.uri.path()) {
            return answer::last(StatusCode::NOT_FOUND);
        }
        if head.method != Method::POST {
            return answer::method_not_allowed();
        }
        let mut state = self.state.lock().await;
        let is_sealing = state.login.established().is_some_and(|known| known.sealer.is_some());
        if is_anonymous_identify(&head.headers) && !is_sealing {
            return self.handle_anonymous(&head.headers, body).await;
        }
        if self.stranger.is_some() {
            return self.refuse_stranger(body).await;
        }
        let has_body = !body.is_end_stream();
        let logged_in = self.log_in(&mut state, &head.headers, has_body).await;
        if !self.note_login(&mut state) {
            return answer::last(StatusCode::SERVICE_UNAVAILABLE);
        }
        if let Err(answer) = logged_in {
            return self.discard(body, answer).await;
        }
        let State { login, login_id, client, ticket, .. } = &mut *state;
        let granted =
            Granted { login_id: *login_id, grant: client.grant.clone(), ticket: ticket.clone() };
        let Some(established) = login.established() else {
            return answer::last(StatusCode::UNAUTHORIZED);
        };
        let last_token = established.last_token.take();
        let (answer, broken) = self.handle_known(established, granted, &head, body, has_body).await;
        if broken {
            state.login.reset();
            // Where the place is gone, so is the connection once this is written.
            self.note_login(&mut state);
        }
        answer::with_challenges(answer, last_token)
    }

    /// Tells the connection's place and stream whether the login is complete. False when the place is gone: whatever the
    /// request asks for must not be done.
    fn note_login(&self, state: &mut State) -> bool {
        let is_known = state.login.established().is_some();
        self.pace.set_known(is_known);
        self.place.set_known(is_known)
    }

    fn serves(&self, path: &str) -> bool {
        let path = path.strip_suffix('/').unwrap_or(path);
        self.peer.is_local() || path.eq_ignore_ascii_case(&self.path)
    }

    fn actor<'a>(&self, user: &'a str) -> audit::Actor<'a> {
        audit::Actor { peer: self.peer, user }
    }

    /// Takes the login one request further. `Ok` when it is complete.
    async fn log_in(
        &self,
        state: &mut State,
        headers: &HeaderMap,
        has_body: bool,
    ) -> Result<(), Answer> {
        let offer = &*self.offer();
        let (mut note, mut mechanism) = (None, None);
        if headers.contains_key(AUTHORIZATION) {
            // Another login begins, or this one comes again.
            state.client = Client { verdict: state.client.verdict.take(), ..Client::default() };
            state.ticket = None;
        }
        let mut turn = state.login.handle_request(headers, has_body, offer);
        loop {
            turn = match turn {
                Turn::Ask(Question::Certificate) => {
                    mechanism = Some(Mechanism::Certificate);
                    state.principal = None;
                    let (answer, reason) = self.judge_certificate(state).await;
                    note = reason;
                    state.login.handle_answer(answer, offer)
                }
                Turn::Ask(Question::Kerberos(attempt)) => {
                    mechanism = Some(Mechanism::Kerberos);
                    let (answer, reason) = self.judge_kerberos(state, attempt).await;
                    note = reason;
                    state.login.handle_answer(answer, offer)
                }
                Turn::Ask(question) => {
                    state.principal = None;
                    if let Some(user) = user_of(&question) {
                        state.attempt = user;
                    }
                    mechanism = mechanism_of(&question);
                    let Core { gatekeeper, verifier, .. } = &*self.core;
                    let judged = gatekeeper.judge(verifier, question, self.peer.ip()).await;
                    if let Some(time) = judged.lockout {
                        count(&self.core.metrics.lockouts);
                        audit::lockout_begins(self.actor(&state.attempt), time);
                    }
                    note = judged.note;
                    state.login.handle_answer(judged.answer, offer)
                }
                Turn::Challenge(values) => return Err(answer::challenge(values)),
                Turn::Refuse { status, offered, reason } => {
                    let actor = self.actor(&state.attempt);
                    let reason = match note {
                        Some(note) => format!("{reason} ({note})"),
                        None => reason.to_string(),
                    };
                    let scheme = scheme_word(headers);
                    let certificate = state.client.presented.take();
                    audit::login_refused(actor, scheme, &reason, certificate.as_ref());
                    let mechanism = mechanism.unwrap_or_else(|| Mechanism::of_name(scheme));
                    self.core.metrics.logins.add((mechanism, Outcome::Refused), 1);
                    state.attempt.clear();
                    return Err(match status {
                        // Nothing slows refused certificates down but the handshake of the next connection.
                        StatusCode::UNAUTHORIZED if mechanism == Mechanism::Certificate => {
                            answer::last_challenge(offered)
                        }
                        StatusCode::UNAUTHORIZED => answer::challenge(offered),
                        status => answer::last(status),
                    });
                }
                Turn::Proceed { fresh } => {
                    if fresh {
                        self.welcome(state).await;
                    }
                    return Ok(());
                }
            }
        }
    }

    /// What a login that is complete has before its first request is looked at.
    async fn welcome(&self, state: &mut State) {
        self.tell_login(state);
        if let Some(established) = state.login.established() {
            self.core.members.join(&mut established.account).await;
        }
        self.take_delegated(state).await;
    }

    fn tell_login(&self, state: &mut State) {
        state.attempt.clear();
        let Some(established) = state.login.established() else { return };
        let comes_again = matches!(established.scheme, Scheme::Basic | Scheme::Certificate);
        let id = established.account.id;
        if comes_again && state.told == Some(id) {
            return;
        }
        let certificate = state.client.presented.as_ref();
        let actor = self.actor(&established.account.name);
        let principal = state.principal.as_deref();
        audit::login_accepted(actor, established.mechanism, certificate, principal);
        let mechanism = Mechanism::of_name(established.mechanism);
        self.core.metrics.logins.add((mechanism, Outcome::Accepted), 1);
        state.told = comes_again.then_some(id);
        state.login_id = random::bytes16();
    }

    /// The verdict over the client's certificate, and for the log why it is not accepted. Nothing of it slows later
    /// logins down: a certificate cannot be guessed, and nobody shall lock an account by showing wrong ones.
    async fn judge_certificate(&self, state: &mut State) -> (auth::Answer, Option<String>) {
        let refused = |reason: String| (auth::Answer::Refused, Some(reason));
        let Some(certificates) = &self.certificates else {
            return refused(ClientCertificateError::Absent.to_string());
        };
        let time = self.core.settings().packet_retrieval_time();
        let chain = match certificates.request(time).await {
            Ok(chain) => chain.unwrap_or_default(),
            Err(error) => {
                return refused(format!("the client was asked for its certificate: {error}"));
            }
        };
        let client = &mut state.client;
        client.presented = Presented::of(&chain);
        state.attempt =
            client.presented.as_ref().map(|one| one.subject.clone()).unwrap_or_default();
        let Ok(made) = self.core.verifier.sealed(&self.core.settings().mappings).await else {
            return refused("the accounts of the mappings cannot be read".to_owned());
        };
        match self.core.judge.judge(&chain, UnixTime::now(), &made, &mut client.verdict).await {
            Ok(Ok(grant)) => match self.core.verifier.account(&grant.account()).await {
                Ok(Some(account)) => {
                    client.grant = Some(grant);
                    (auth::Answer::Accepted { account, session_key: None }, None)
                }
                Ok(None) => refused(Refused::NoAccount.to_string()),
                Err(error) => {
                    error!(%error, "no verdict over a login");
                    refused(error.to_string())
                }
            },
            Ok(Err(reason)) => refused(reason.to_string()),
            Err(error) => {
                error!(%error, "no verdict over a login");
                refused(error.to_string())
            }
        }
    }

    /// The verdict over a Kerberos token, and for the log why it is not accepted.
    async fn judge_kerberos(
        &self,
        state: &mut State,
        attempt: KerberosAttempt,
    ) -> (auth::Answer, Option<String>) {
        state.principal = None;
        let Core { key_holder, principals, verifier, .. } = &*self.core;
        let Some(holder) = key_holder else {
            return (auth::Answer::Refused, Some("there is no Kerberos process".to_owned()));
        };
        let judged = kerberos::judge(holder, principals, verifier, attempt).await;
        state.attempt = judged.principal.clone().unwrap_or_default();
        state.principal = judged.principal;
        (judged.answer, judged.note)
    }

    /// What the client let the service have belongs to this login from now on; a password does not stay.
    async fn take_delegated(&self, state: &mut State) {
        state.ticket = None;
        let Some(established) = state.login.established() else { return };
        let Some(delegated) = established.delegated.take() else { return };
        let user = established.account.name.clone();
        let (holder, names) = (self.core.key_holder.as_ref(), self.core.verifier.names());
        let proven = state.principal.as_deref();
        let (ticket, told) = kerberos::delegated(delegated, holder, names, proven).await;
        state.ticket = ticket;
        audit::delegated(self.actor(&user), &told);
    }

    /// Tells a process of this machine that it is nobody here, in the protocol's words: a password would not help.
    async fn refuse_stranger(&self, body: Incoming) -> Answer {
        let Reply::Message { status, envelope } = self.core.deny() else {
            return answer::last(StatusCode::FORBIDDEN);
        };
        let charset = Charset::Utf8;
        let bytes = envelope.encode_as(charset);
        self.discard(body, answer::answer(status, Some(charset.content_type()), bytes)).await
    }

    /// Throws the body away, so that the client reads the answer and the connection can go on.
    async fn discard(&self, body: Incoming, mut answer: Answer) -> Answer {
        let time = self.core.settings().packet_retrieval_time();
        if body::discard(body, MOST_DISCARDED, time).await.is_err() {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    /// An Identify without a login: it learns no versions. Anything else needs a login.
    async fn handle_anonymous(&self, headers: &HeaderMap, body: Incoming) -> Answer {
        let time = self.core.settings().packet_retrieval_time();
        match body::read(body, MOST_ANONYMOUS, time).await {
            Ok(bytes) => {
                let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
                let charset = charset_of(content_type.unwrap_or_default(), &bytes);
                match self.core.identify_anonymous(&bytes, charset) {
                    Some(reply) => {
                        let bytes = written(&reply, charset);
                        answer::answer(StatusCode::OK, Some(charset.content_type()), bytes)
                    }
                    None => answer::challenge(self.offer().offered()),
                }
            }
            Err(error) => refuse_body(error),
        }
    }

    /// A request of somebody known. The flag tells that the sealing context is broken.
    async fn handle_known(
        &self,
        established: &mut Established,
        granted: Granted,
        head: &Parts,
        body: Incoming,
        has_body: bool,
    ) -> (Answer, bool) {
        if !has_body {
            return (answer::empty(StatusCode::OK), false);
        }
        let mut types = head.headers.get_all(CONTENT_TYPE).iter();
        let only = (types.next().map(HeaderValue::to_str), types.next());
        let (Some(Ok(content_type)), None) = only else {
            let answer = answer::empty(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            return (self.discard(body, answer).await, false);
        };
        let is_chunked = head.headers.contains_key(TRANSFER_ENCODING);
        if sealed::is_sealed(content_type) {
            return self.handle_sealed(established, granted, content_type, body, is_chunked).await;
        }
        if !self.offer().takes_unsealed() {
            let actor = self.actor(&established.account.name);
            audit::operation_refused(actor, "", "unsealed message, and AllowUnencrypted is false");
            let answer = answer::empty(StatusCode::INTERNAL_SERVER_ERROR);
            return (self.discard(body, answer).await, false);
        }
        if !is_soap(content_type) {
            let answer = answer::empty(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            return (self.discard(body, answer).await, false);
        }
        let time = self.core.settings().packet_retrieval_time();
        let limit = self.core.settings().max_envelope_size();
        let bytes = match body::read_or_discard(body, limit, MOST_REFUSED, time).await {
            Ok(bytes) => bytes,
            Err(error) => return (refuse_body(error), false),
        };
        let charset = charset_of(content_type, &bytes);
        let account = &established.account;
        let caller = granted.caller(account, self.peer, charset);
        let answer = match self.core.dispatch(caller, bytes, is_chunked).await {
            Reply::Message { status, envelope } => {
                let bytes = written(&envelope, charset);
                answer::answer(status, Some(charset.content_type()), bytes)
            }
            Reply::Bare(status) => answer::empty(status),
        };
        (answer, false)
    }

    /// A sealed message: opened, handled, and answered sealed in the client's own dialect.
    async fn handle_sealed(
        &self,
        established: &mut Established,
        granted: Granted,
        content_type: &str,
        body: Incoming,
        is_chunked: bool,
    ) -> (Answer, bool) {
        let Established { account, sealer, .. } = established;
        let refuse = |reason: &str| {
            audit::operation_refused(self.actor(&account.name), "", reason);
            (answer::last(StatusCode::BAD_REQUEST), true)
        };
        let Some(sealer) = sealer.as_mut().filter(|sealer| sealer.can_seal()) else {
            return refuse("sealed message, and the login cannot open it");
        };
        let settings = self.core.settings();
        let limit = settings.max_envelope_size();
        let time = settings.packet_retrieval_time();
        let most = limit.saturating_add(sealed::overhead(limit));
        let bytes = match body::read_or_discard(body, most, MOST_REFUSED, time).await {
            Ok(bytes) => bytes,
            // What was not opened is missing in the context: the connection is of no use now.
            Err(error) => return (refuse_body(error), true),
        };
        let opened = match sealed::open(sealer.as_mut(), content_type, bytes) {
            Ok(opened) => opened,
            Err(error) => return refuse(&error.to_string()),
        };
        if opened.body.len() > limit {
            return (answer::empty(StatusCode::PAYLOAD_TOO_LARGE), false);
        }
        if !is_soap(&opened.content_type) {
            return (answer::empty(StatusCode::UNSUPPORTED_MEDIA_TYPE), false);
        }
        let charset = charset_of(&opened.content_type, &opened.body);
        let caller = granted.caller(account, self.peer, charset);
        let (status, message) = match self.core.dispatch(caller, opened.body, is_chunked).await {
            Reply::Message { status, envelope } => (status, written(&envelope, charset)),
            Reply::Bare(status) => return (answer::empty(status), false),
        };
        match sealed::seal(sealer.as_mut(), opened.frame, charset.content_type(), message) {
            Ok(sealed) => (answer::answer(status, Some(&sealed.content_type), sealed.body), false),
            Err(error) => {
                error!(%error, "an answer could not be sealed");
                (answer::last(StatusCode::INTERNAL_SERVER_ERROR), true)
            }
        }
    }
}

fn offer(core: &Core, settings: &Settings, channel: Channel) -> Offer {
    let offer = Offer::new(&settings.service, channel, core.has_keys());
    offer.with_inner(core.inner.get())
}
