//! A login as HTTP carries it, client side: which header the next request has, and what an answer
//! means.
//!
//! ```text
//! Start ──start──► AwaitToken ──401 + token──► AwaitToken … ──► AwaitEnd ──any but 401──► Complete
//!                      │                                           │
//!                      └────────────── 401 without token ──────────┴──► Failed
//! ```
//!
//! A Kerberos login's only token may be its last: on plain HTTP it goes alone, and what comes back proves the service
//! before anything is sealed; inside TLS the first message may ride on it. A token that comes with a refusal tells the
//! mechanism why.
//!
//! Digest has no tokens: its first request asks for a challenge, and each further one proves itself, so that a
//! complete login goes on with every answer.
//!
//! A proxy's login is the same with other headers and 407 in the place of 401.
//!
//! Where the connection itself says who is at its other end, the login is complete from the start.
//!
//! All legs of one login travel on one connection, and what it established belongs to that
//! connection. [MS-WSMV] 3.1.4.1.31, RFC 4559.

use std::mem;

use auth::{Initiator, Scheme, Sealer, Step, digest};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, PROXY_AUTHORIZATION};
use http::{HeaderMap, StatusCode};

use crate::http::HeaderError;
use crate::http::authorization::{Challenges, Credentials};
use crate::http::sealed::Protocol;

/// One login, on one connection.
#[derive(Debug)]
pub struct Login {
    mechanism: Mechanism,
    role: Role,
    /// The word in front of tokens, if it is not the initiator's.
    called: Option<Scheme>,
    /// Messages travel as they are: the login need not protect them.
    as_is: bool,
    state: State,
    /// Basic proves each request anew, and a login by certificate says with each that it is one.
    standing: Option<HeaderValue>,
}

/// How a login proves itself.
#[derive(Debug)]
enum Mechanism {
    /// By tokens, once for the connection; Basic by one that stands.
    Tokens(Box<dyn Initiator>),
    /// By a hash over each request.
    Digest(Box<Digest>),
    /// Not at all: the other end knows who is at this one.
    Connection,
}

#[derive(Debug)]
struct Digest {
    initiator: digest::Initiator,
    method: String,
    target: String,
}

/// Who is logged in to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Service,
    Proxy,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Start,
    AwaitToken,
    AwaitEnd,
    Complete,
    Failed(LoginError),
}

/// The next request of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// The value of the header [`Login::header`], marked sensitive; `None` where the login first asks for a challenge.
    pub authorization: Option<HeaderValue>,
    /// What the request's body may be.
    pub carries: Carries,
}

/// What the body of a login's request may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle each case")]
pub enum Carries {
    /// Nothing: the login goes on.
    Nothing,
    /// The first message, sealed: [`Login::sealer`] hands out the context already.
    Sealed,
    /// The message as it is: TLS protects it, or nothing does.
    Message,
}

/// Why a login came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// Our side of the mechanism refused what the service sent.
    #[error(transparent)]
    Auth(#[from] auth::Error),
    /// The service does not offer the scheme of this login.
    #[error("the service does not offer {wanted}; it offers {}", Words(offered))]
    NotOffered {
        /// The scheme that was tried.
        wanted: Scheme,
        /// What the service offers.
        offered: Vec<Scheme>,
    },
    /// The service refused user name or password, and never says which; or a ticket, where it has no words for that.
    #[error("the service refused the login")]
    Refused,
    /// The service's headers cannot be read.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The service answered a login with something that is neither yes, no nor a token.
    #[error("the service answered the login with HTTP status {0}")]
    Status(StatusCode),
}

struct Words<'a>(&'a [Scheme]);

impl std::fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing that is known here");
        }
        for (index, scheme) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{scheme}")?;
        }
        Ok(())
    }
}

impl Login {
    /// A login by `initiator`, which nobody has stepped yet.
    #[must_use]
    pub fn new(initiator: Box<dyn Initiator>) -> Self {
        Self::by(Mechanism::Tokens(initiator))
    }

    /// A login by Digest for requests of one method and target, the latter as the request line has it.
    #[must_use]
    pub fn digest(initiator: digest::Initiator, method: &str, target: &str) -> Self {
        let (method, target) = (method.to_owned(), target.to_owned());
        Self::by(Mechanism::Digest(Box::new(Digest { initiator, method, target })))
    }

    /// The login of a connection whose other end is told by the system who is at this one: complete already.
    #[must_use]
    pub fn of_the_connection() -> Self {
        Self { state: State::Complete, ..Self::by(Mechanism::Connection) }
    }

    const fn by(mechanism: Mechanism) -> Self {
        let (role, state) = (Role::Service, State::Start);
        Self { mechanism, role, called: None, as_is: false, state, standing: None }
    }

    /// The same login at a proxy, before anything of the service is heard.
    #[must_use]
    pub const fn at_a_proxy(mut self) -> Self {
        self.role = Role::Proxy;
        self
    }

    /// The header that carries [`Leg::authorization`].
    #[must_use]
    pub const fn header(&self) -> HeaderName {
        match self.role {
            Role::Service => AUTHORIZATION,
            Role::Proxy => PROXY_AUTHORIZATION,
        }
    }

    const fn unauthorized(&self) -> StatusCode {
        match self.role {
            Role::Service => StatusCode::UNAUTHORIZED,
            Role::Proxy => StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        }
    }

    /// The same with another word in front of its tokens: raw NTLM is `Negotiate` to a service, and `NTLM` to most
    /// proxies.
    #[must_use]
    pub const fn called(mut self, scheme: Scheme) -> Self {
        self.called = Some(scheme);
        self
    }

    fn scheme(&self) -> Scheme {
        match &self.mechanism {
            Mechanism::Tokens(initiator) => self.called.unwrap_or_else(|| initiator.scheme()),
            Mechanism::Digest(_) => Scheme::Digest,
            // It has no word of its own, and none is ever sent.
            Mechanism::Connection => Scheme::Negotiate,
        }
    }

    /// The same where messages travel as they are, the first one with the login's last leg (as on Windows, see [MS-WSMV]
    /// 2.2.9.1): inside TLS, or on plain HTTP for a client and a service that both want them readable
    /// (`AllowUnencrypted`). For the latter the initiator must not ask for sealing either.
    #[must_use]
    pub fn as_they_are(mut self) -> Self {
        self.as_is = true;
        self
    }

    /// The first request. A client that knows its scheme sends the token at once, without asking
    /// for a challenge first.
    ///
    /// # Errors
    ///
    /// [`LoginError::Auth`] when the mechanism cannot start.
    pub fn start(&mut self) -> Result<Leg, LoginError> {
        if matches!(self.mechanism, Mechanism::Digest(_)) {
            self.state = State::AwaitToken;
            return Ok(Leg { authorization: None, carries: Carries::Nothing });
        }
        match self.advance(None)? {
            Some(leg) => Ok(leg),
            None => Err(self.fail(LoginError::Auth(auth::Error::PeerMisbehaved(
                auth::PeerMisbehaved::EndedEarly,
            )))),
        }
    }

    /// Takes the answer to the last leg; `None` means that the login is complete, and that the
    /// answer is the one to the message, if that leg carried one.
    ///
    /// Where [each request proves itself](Self::proves_each_request) a complete login takes every further answer too:
    /// a leg means that the last request is to be sent once more with it, because its nonce was too old.
    ///
    /// # Errors
    ///
    /// [`LoginError`]; the connection is of no more use.
    pub fn handle_response(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Option<Leg>, LoginError> {
        if let State::Failed(error) = &self.state {
            return Err(error.clone());
        }
        let challenges = match self.role {
            Role::Service => Challenges::from_response(headers),
            Role::Proxy => Challenges::from_proxy(headers),
        };
        let challenges = challenges.map_err(|error| self.fail(error))?;
        if matches!(self.mechanism, Mechanism::Digest(_)) {
            return self.handle_digest(status, headers, challenges);
        }
        let token =
            challenges.token.filter(|found| found.scheme == self.scheme()).map(|found| found.token);
        match (&self.state, token) {
            (State::AwaitToken | State::AwaitEnd, Some(token)) => {
                let leg = self.advance(Some(&token))?;
                // The mechanism is content with the token, and the service with nothing.
                if leg.is_none() && status == self.unauthorized() {
                    return Err(self.fail(LoginError::Refused));
                }
                Ok(leg)
            }
            (State::AwaitToken | State::AwaitEnd, None) if status == self.unauthorized() => {
                Err(self.fail(refusal(self.scheme(), challenges.offered)))
            }
            // Whether an end without a token is enough is the mechanism's to say.
            (State::AwaitEnd, None) => self.advance(None).map_err(|error| {
                // A proxy's trouble, or the host's: nobody has looked at the login.
                if status.is_server_error() { self.fail(LoginError::Status(status)) } else { error }
            }),
            (State::AwaitToken, None) => Err(self.fail(LoginError::Status(status))),
            (State::Start | State::Complete | State::Failed(_), _) => Ok(None),
        }
    }

    fn handle_digest(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        challenges: Challenges,
    ) -> Result<Option<Leg>, LoginError> {
        let unauthorized = self.unauthorized();
        let info = match self.role {
            Role::Service => "authentication-info",
            Role::Proxy => "proxy-authentication-info",
        };
        let Mechanism::Digest(digest) = &mut self.mechanism else { return Ok(None) };
        match self.state {
            State::Start | State::Failed(_) => Ok(None),
            State::AwaitToken if status != unauthorized => {
                Err(self.fail(LoginError::Status(status)))
            }
            State::AwaitToken | State::AwaitEnd | State::Complete if status == unauthorized => {
                if !challenges.digest.is_empty() && digest.initiator.challenge(challenges.digest) {
                    self.state = State::AwaitEnd;
                    let authorization = self.next_authorization()?;
                    return Ok(Some(Leg { authorization, carries: Carries::Message }));
                }
                Err(self.fail(match challenges.unanswerable {
                    Some(wrong) if self.state == State::AwaitToken => {
                        LoginError::Auth(wrong.into())
                    }
                    _ => refusal(Scheme::Digest, challenges.offered),
                }))
            }
            State::AwaitToken | State::AwaitEnd | State::Complete => {
                digest.initiator.accepted(headers.get(info).map(HeaderValue::as_bytes));
                self.state = State::Complete;
                Ok(None)
            }
        }
    }

    /// True when the login is complete.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Whether every request must carry a header of this login: those of Basic, certificates and Digest do.
    #[must_use]
    pub fn proves_each_request(&self) -> bool {
        matches!(self.scheme(), Scheme::Basic | Scheme::Certificate | Scheme::Digest)
    }

    /// The header of the next request after the login: that of Basic or a certificate is always the same, Digest's never, the others have none.
    ///
    /// # Errors
    ///
    /// [`LoginError::Auth`] when a nonce of Digest is used up.
    pub fn next_authorization(&mut self) -> Result<Option<HeaderValue>, LoginError> {
        let Mechanism::Digest(digest) = &mut self.mechanism else {
            return Ok(self.standing.clone());
        };
        let Digest { initiator, method, target } = &mut **digest;
        let parameters = initiator.authorize(method, target).map_err(LoginError::Auth)?;
        let value = [b"Digest ", parameters.as_slice()].concat();
        let mut value = HeaderValue::from_bytes(&value)
            .map_err(|_| LoginError::Header(HeaderError::Unsupported("a name in the challenge")))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// Hands out the sealing context once, as soon as our side of it is complete.
    #[must_use]
    pub fn sealer(&mut self) -> Option<Box<dyn Sealer>> {
        match &mut self.mechanism {
            Mechanism::Tokens(initiator) => initiator.sealer(),
            Mechanism::Digest(_) | Mechanism::Connection => None,
        }
    }

    /// The mechanism in use, for people: `NTLM`, `Kerberos`, `Basic`.
    #[must_use]
    pub fn mechanism(&self) -> &'static str {
        match &self.mechanism {
            Mechanism::Tokens(initiator) => initiator.mechanism(),
            Mechanism::Digest(_) => "Digest",
            Mechanism::Connection => "Local",
        }
    }

    /// The protocol that sealed bodies of this login name.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        Protocol::of(self.scheme())
    }

    fn advance(&mut self, token: Option<&[u8]>) -> Result<Option<Leg>, LoginError> {
        let Mechanism::Tokens(initiator) = &mut self.mechanism else { return Ok(None) };
        let step = initiator.step(token);
        let (own, can_seal) = (initiator.scheme(), initiator.can_seal());
        let scheme = self.called.unwrap_or(own);
        let step = step.map_err(|error| self.fail(failure(error)))?;
        let leg = |token, carries| {
            let authorization = Some(Credentials { scheme, token }.to_value());
            Some(Leg { authorization, carries })
        };
        Ok(match step {
            Step::Send(token) => {
                self.state = State::AwaitToken;
                leg(token, Carries::Nothing)
            }
            Step::Last(token) => {
                self.state = State::AwaitEnd;
                let is_standing = matches!(scheme, Scheme::Basic | Scheme::Certificate);
                // By CredSSP the password travels alone: the service may end the login over it.
                let rides = self.as_is && scheme != Scheme::CredSsp;
                let carries = if is_standing || rides {
                    Carries::Message
                } else if can_seal {
                    Carries::Sealed
                } else {
                    Carries::Nothing
                };
                let leg = leg(token, carries);
                if is_standing {
                    self.standing = leg.as_ref().and_then(|leg| leg.authorization.clone());
                }
                leg
            }
            Step::Done => {
                self.state = State::Complete;
                None
            }
        })
    }

    fn fail(&mut self, error: impl Into<LoginError>) -> LoginError {
        let error = error.into();
        drop(mem::replace(&mut self.state, State::Failed(error.clone())));
        error
    }
}

/// What CredSSP says with a status of its own, a 401 says elsewhere.
fn failure(error: auth::Error) -> LoginError {
    if let auth::Error::PeerMisbehaved(auth::PeerMisbehaved::Status(status)) = error
        && status.is_wrong_credentials()
    {
        return LoginError::Refused;
    }
    LoginError::Auth(error)
}

/// A 401 without a token: either the scheme is not offered at all, or the login was refused.
fn refusal(wanted: Scheme, offered: Vec<Scheme>) -> LoginError {
    if offered.is_empty() || offered.contains(&wanted) {
        LoginError::Refused
    } else {
        LoginError::NotOffered { wanted, offered }
    }
}
