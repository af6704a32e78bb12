//! A login as HTTP carries it, client side: which header the next request has, and what an answer
//! means.
//!
//! ```text
//! Start ──start──► AwaitToken ──401 + token──► AwaitToken … ──► AwaitEnd ──any but 401──► Complete
//!                      │                                           │
//!                      └────────────── 401 without token ──────────┴──► Failed
//! ```
//!
//! All legs of one login travel on one connection, and what it established belongs to that
//! connection. [MS-WSMV] 3.1.4.1.31, RFC 4559.

use std::mem;

use auth::{Initiator, Scheme, Sealer, Step};
use http::header::HeaderValue;
use http::{HeaderMap, StatusCode};

use crate::http::HeaderError;
use crate::http::authorization::{Challenges, Credentials};
use crate::http::sealed::Protocol;

/// One login, on one connection.
#[derive(Debug)]
pub struct Login {
    initiator: Box<dyn Initiator>,
    /// Messages travel as they are: the login need not protect them.
    as_is: bool,
    state: State,
    /// Basic proves each request anew, and a login by certificate says with each that it is one.
    standing: Option<HeaderValue>,
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
    /// The value of the header `Authorization`; it is marked sensitive.
    pub authorization: HeaderValue,
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
    /// The service refused user name or password; it never says which.
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
        Self { initiator, as_is: false, state: State::Start, standing: None }
    }

    /// The same on a TLS connection: messages travel as they are inside it, the first one with the
    /// login's last leg (as on Windows, see [MS-WSMV] 2.2.9.1).
    #[must_use]
    pub fn over_tls(mut self) -> Self {
        self.as_is = true;
        self
    }

    /// The same on plain HTTP, for a client and a service that both want messages readable (`AllowUnencrypted`). The
    /// initiator must not ask for sealing either.
    #[must_use]
    pub fn unsealed(mut self) -> Self {
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
        let challenges = Challenges::from_response(headers).map_err(|error| self.fail(error))?;
        let token = challenges
            .token
            .filter(|found| found.scheme == self.initiator.scheme())
            .map(|found| found.token);
        match (&self.state, token) {
            (State::AwaitToken | State::AwaitEnd, Some(token)) => self.advance(Some(&token)),
            (State::AwaitToken | State::AwaitEnd, None) if status == StatusCode::UNAUTHORIZED => {
                Err(self.fail(refusal(self.initiator.scheme(), challenges.offered)))
            }
            // Whether an end without a token is enough is the mechanism's to say.
            (State::AwaitEnd, None) => self.advance(None),
            (State::AwaitToken, None) => Err(self.fail(LoginError::Status(status))),
            (State::Start | State::Complete | State::Failed(_), _) => Ok(None),
        }
    }

    /// True when the login is complete.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// The header that each further request must carry: Basic and certificates have one, the others have none.
    #[must_use]
    pub const fn standing_authorization(&self) -> Option<&HeaderValue> {
        self.standing.as_ref()
    }

    /// Hands out the sealing context once, as soon as our side of it is complete.
    #[must_use]
    pub fn sealer(&mut self) -> Option<Box<dyn Sealer>> {
        self.initiator.sealer()
    }

    /// The mechanism in use, for people: `NTLM`, `Basic`.
    #[must_use]
    pub fn mechanism(&self) -> &'static str {
        self.initiator.mechanism()
    }

    /// The protocol that sealed bodies of this login name.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        Protocol::of(self.initiator.scheme())
    }

    fn advance(&mut self, token: Option<&[u8]>) -> Result<Option<Leg>, LoginError> {
        let step = self.initiator.step(token).map_err(|error| self.fail(error))?;
        let scheme = self.initiator.scheme();
        let leg = |token, carries| {
            let authorization = Credentials { scheme, token }.to_value();
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
                let carries = if is_standing || self.as_is {
                    Carries::Message
                } else if self.initiator.can_seal() {
                    Carries::Sealed
                } else {
                    Carries::Nothing
                };
                let leg = leg(token, carries);
                if is_standing {
                    self.standing = leg.as_ref().map(|leg| leg.authorization.clone());
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

/// A 401 without a token: either the scheme is not offered at all, or the login was refused.
fn refusal(wanted: Scheme, offered: Vec<Scheme>) -> LoginError {
    if offered.is_empty() || offered.contains(&wanted) {
        LoginError::Refused
    } else {
        LoginError::NotOffered { wanted, offered }
    }
}
