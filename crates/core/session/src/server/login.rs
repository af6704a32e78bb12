//! A login as HTTP carries it, service side: one for each connection, asked about each request
//! before anything in the request is looked at.
//!
//! ```text
//!              token                    token, answer
//!   Idle ─────────────► Stepping ◄───────────────────────► Stepping
//!    ▲                     │ done
//!    │ refused, restarted  ▼
//!    └──────────────── Complete ── request with a body ──► Complete
//! ```
//!
//! Where the system says who is at the other end of a connection, the login is complete from the start and nothing ends it.
//!
//! A request without `Authorization` is let through on a connection with a complete login only.
//! [MS-WSMV] 3.1.4.1.31, RFC 4559.

use std::mem;

use auth::{AcceptStep, Acceptor, Account, Answer, Delegated, Input, Question, Scheme, Sealer};
use http::header::HeaderValue;
use http::{HeaderMap, StatusCode};

use crate::http::HeaderError;
use crate::http::authorization::Credentials;
use crate::http::sealed::Protocol;

/// Which logins a service offers, and how to start one.
pub trait Acceptors {
    /// The values of `WWW-Authenticate` that offer the schemes, in order of preference.
    fn offered(&self) -> Vec<HeaderValue>;

    /// Starts a login; `None` for a scheme that is not offered.
    fn acceptor(&self, scheme: Scheme) -> Option<Box<dyn Acceptor>>;
}

/// The login of one connection.
#[derive(Debug, Default)]
pub struct Login {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Stepping(Stepping),
    Complete(Established),
    /// The connection itself says who is at its other end.
    Given(Established),
}

#[derive(Debug)]
struct Stepping {
    scheme: Scheme,
    acceptor: Box<dyn Acceptor>,
}

/// A complete login.
#[derive(Debug)]
pub struct Established {
    /// Who came in.
    pub account: Account,
    /// The mechanism that proved it: `NTLM`, `Basic`, `Certificate`.
    pub mechanism: &'static str,
    /// The context that opens and seals the connection's messages, where there is one.
    pub sealer: Option<Box<dyn Sealer>>,
    /// The scheme that the login came by.
    pub scheme: Scheme,
    /// What the client let the service have.
    pub delegated: Option<Delegated>,
    /// The login's last token, for the answer to the request that completed it.
    pub last_token: Option<HeaderValue>,
}

impl Established {
    /// The protocol that sealed bodies of this login name.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        Protocol::of(self.scheme)
    }
}

/// What to do with a request.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle each case")]
pub enum Turn {
    /// Have the verifier answer this, then call [`Login::handle_answer`].
    Ask(Question),
    /// Answer with status 401, these values of `WWW-Authenticate` and no body; the request's body
    /// is not looked at.
    Challenge(Vec<HeaderValue>),
    /// The login is complete: handle the request for [`Login::established`]. `fresh` is true for
    /// the request that completed it.
    Proceed {
        /// Whether this request completed the login.
        fresh: bool,
    },
    /// Answer with this status, the values of `WWW-Authenticate` and no body, and log the reason.
    Refuse {
        /// 400 for headers that break the rules, else 401.
        status: StatusCode,
        /// The schemes on offer, or what the mechanism has to say to its client.
        offered: Vec<HeaderValue>,
        /// For the log only.
        reason: Refused,
    },
}

/// Why a request was refused; for the log, the wire says nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The mechanism refused.
    #[error(transparent)]
    Auth(#[from] auth::Error),
    /// The header `Authorization` cannot be read.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The scheme is known but not offered.
    #[error("{} is not offered{}", .0, how_to_offer(*.0))]
    NotOffered(Scheme),
}

fn how_to_offer(scheme: Scheme) -> &'static str {
    if scheme == Scheme::Basic {
        "; the settings AllowUnencrypted of Service and Basic of Service.Auth allow it"
    } else if scheme == Scheme::Certificate {
        "; it takes an https listener, and the setting Certificate of Service.Auth allows it"
    } else if scheme == Scheme::CredSsp {
        "; the setting CredSSP of Service.Auth allows it"
    } else if scheme == Scheme::Negotiate {
        "; the setting Negotiate of Service.Auth allows it"
    } else if scheme == Scheme::Kerberos {
        "; it takes a keytab, and the setting Kerberos of Service.Auth allows it"
    } else {
        ""
    }
}

impl Login {
    /// The login of a connection whose other end the system knows: that of `account`, whatever a request's headers say.
    #[must_use]
    pub fn given(account: Account) -> Self {
        Self {
            state: State::Given(Established {
                account,
                mechanism: "Local",
                sealer: None,
                scheme: Scheme::Negotiate,
                delegated: None,
                last_token: None,
            }),
        }
    }

    /// Takes the headers of a request; `has_body` tells whether a body follows.
    pub fn handle_request(
        &mut self,
        headers: &HeaderMap,
        has_body: bool,
        acceptors: &dyn Acceptors,
    ) -> Turn {
        if matches!(self.state, State::Given(_)) {
            return Turn::Proceed { fresh: false };
        }
        match Credentials::from_request(headers) {
            Err(error) => {
                self.state = State::Idle;
                let status = match error {
                    HeaderError::Unsupported(_) => StatusCode::UNAUTHORIZED,
                    HeaderError::Missing(_)
                    | HeaderError::NotBase64(_)
                    | HeaderError::Repeated(_) => StatusCode::BAD_REQUEST,
                };
                Turn::Refuse { status, offered: acceptors.offered(), reason: error.into() }
            }
            Ok(Some(credentials)) => self.handle_credentials(&credentials, acceptors),
            Ok(None) => self.handle_bare(has_body, acceptors),
        }
    }

    /// Takes the verifier's answer to [`Turn::Ask`].
    pub fn handle_answer(&mut self, answer: Answer, acceptors: &dyn Acceptors) -> Turn {
        self.advance(Input::Answer(answer), acceptors)
    }

    /// The complete login, if there is one.
    pub const fn established(&mut self) -> Option<&mut Established> {
        match &mut self.state {
            State::Complete(established) | State::Given(established) => Some(established),
            State::Idle | State::Stepping(_) => None,
        }
    }

    /// Forgets the login: its sealing context is broken.
    pub fn reset(&mut self) {
        if !matches!(self.state, State::Given(_)) {
            self.state = State::Idle;
        }
    }

    /// No credentials: only a complete login lets the request through. An empty request starts
    /// over, since some clients authenticate anew before each message that way.
    fn handle_bare(&mut self, has_body: bool, acceptors: &dyn Acceptors) -> Turn {
        match &self.state {
            State::Complete(established) if has_body && !speaks_each_time(established.scheme) => {
                Turn::Proceed { fresh: false }
            }
            State::Complete(_) | State::Given(_) | State::Stepping(_) | State::Idle => {
                self.state = State::Idle;
                Turn::Challenge(acceptors.offered())
            }
        }
    }

    fn handle_credentials(&mut self, found: &Credentials, acceptors: &dyn Acceptors) -> Turn {
        let goes_on = matches!(&self.state, State::Stepping(stepping)
            if stepping.scheme == found.scheme && !is_first_leg(&found.token));
        if !goes_on {
            self.state = State::Idle;
            let Some(acceptor) = acceptors.acceptor(found.scheme) else {
                return self.refuse(Refused::NotOffered(found.scheme), acceptors);
            };
            if found.token.is_empty() && found.scheme != Scheme::Certificate {
                return Turn::Challenge(acceptors.offered());
            }
            self.state = State::Stepping(Stepping { scheme: found.scheme, acceptor });
        }
        self.advance(Input::Token(&found.token), acceptors)
    }

    fn advance(&mut self, input: Input<'_>, acceptors: &dyn Acceptors) -> Turn {
        let State::Stepping(mut stepping) = mem::take(&mut self.state) else {
            return Turn::Challenge(acceptors.offered());
        };
        let scheme = stepping.scheme;
        match stepping.acceptor.step(input) {
            Err(error) => self.refuse(Refused::Auth(error), acceptors),
            Ok(AcceptStep::Ask(question)) => {
                self.state = State::Stepping(stepping);
                Turn::Ask(question)
            }
            Ok(AcceptStep::Reply(token)) => {
                self.state = State::Stepping(stepping);
                Turn::Challenge(vec![Credentials { scheme, token }.to_value()])
            }
            Ok(AcceptStep::Refused { token, refusal }) => {
                let reason = Refused::Auth(refusal.into());
                let status = StatusCode::UNAUTHORIZED;
                let offered = vec![Credentials { scheme, token }.to_value()];
                Turn::Refuse { status, offered, reason }
            }
            Ok(AcceptStep::Done { token, login }) => {
                let last_token = token.map(|token| Credentials { scheme, token }.to_value());
                self.state = State::Complete(Established {
                    account: login.account,
                    mechanism: login.mechanism,
                    sealer: login.sealer,
                    scheme,
                    last_token,
                    delegated: login.delegated,
                });
                Turn::Proceed { fresh: true }
            }
        }
    }

    fn refuse(&mut self, reason: Refused, acceptors: &dyn Acceptors) -> Turn {
        self.state = State::Idle;
        let status = StatusCode::UNAUTHORIZED;
        Turn::Refuse { status, offered: acceptors.offered(), reason }
    }
}

/// Basic and certificates: their header comes with each request, and each is judged anew.
fn speaks_each_time(scheme: Scheme) -> bool {
    matches!(scheme, Scheme::Basic | Scheme::Certificate)
}

/// True for a token that starts a login: an NTLM NEGOTIATE_MESSAGE or a GSS-API initial token.
/// It restarts a login that was left half way ([MS-NLMP] 2.2.1.1, RFC 2743 3.1).
fn is_first_leg(token: &[u8]) -> bool {
    token.starts_with(b"NTLMSSP\0\x01\0\0\0") || token.first() == Some(&0x60)
}
