//! Logins by the client certificate of a TLS connection: the header says that it shall count, TLS has proven whose key
//! it is. No token travels (DSP0226 C.3.5).
//!
//! The connection's owner has the certificate and judges it; here is only the shape of a login.

use crate::{AcceptStep, Answer, ApiMisuse, Error, Input, Login, Question, Refusal};

/// The service's half: it asks for a verdict over the connection's certificate.
///
/// ```text
///  Start ──header──► Asked ──Accepted──► Ended(Ok)
///    └──token──┐       └──Refused──┐
///              └───────────────────┴───► Ended(Err)
/// ```
#[derive(Debug, Default)]
pub struct Acceptor {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Start,
    Asked,
    Ended(Option<Error>),
}

impl Acceptor {
    /// A login that has not begun.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn end(&mut self, error: Error) -> Error {
        self.state = State::Ended(Some(error.clone()));
        error
    }
}

impl crate::Acceptor for Acceptor {
    fn step(&mut self, input: Input<'_>) -> Result<AcceptStep, Error> {
        match (&self.state, input) {
            (State::Ended(Some(error)), _) => Err(error.clone()),
            (State::Ended(None), Input::Token(_)) => Err(self.end(Refusal::TokenAfterEnd.into())),
            (State::Start, Input::Token([])) => {
                self.state = State::Asked;
                Ok(AcceptStep::Ask(Question::Certificate))
            }
            (State::Start, Input::Token(_)) => Err(self.end(Refusal::TokenAfterEnd.into())),
            (State::Asked, Input::Token(_)) => Err(ApiMisuse::AnswerDue.into()),
            (State::Asked, Input::Answer(Answer::Accepted { account, .. })) => {
                self.state = State::Ended(None);
                Ok(AcceptStep::Done {
                    token: None,
                    login: Login::new(account, None, "Certificate"),
                })
            }
            (State::Asked, Input::Answer(Answer::Refused)) => {
                Err(self.end(Refusal::Certificate.into()))
            }
            (State::Start | State::Ended(None), Input::Answer(_))
            | (State::Asked, Input::Answer(Answer::Challenge { .. })) => {
                Err(ApiMisuse::AnswerUnasked.into())
            }
        }
    }
}
