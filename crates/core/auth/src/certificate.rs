//! A login by the certificate that the client showed in TLS ([MS-WSMV] 2.2.9.1, DSP0226 13.1), both roles: nothing but the
//! scheme, with each request. What proves it is the connection.
//!
//! The service's connection has the certificate and judges it; here is only the shape of a login.

use crate::{
    AcceptStep, Answer, ApiMisuse, Error, Input, Login, Question, Refusal, Scheme, Sealer, Step,
};

/// The client's half: one empty token, no answer.
#[derive(Debug, Default)]
pub struct Initiator {
    is_sent: bool,
}

impl Initiator {
    /// A login that has not begun, for a connection whose TLS has a certificate to show.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl crate::Initiator for Initiator {
    fn scheme(&self) -> Scheme {
        Scheme::Certificate
    }

    fn step(&mut self, _token: Option<&[u8]>) -> Result<Step, Error> {
        if std::mem::replace(&mut self.is_sent, true) {
            return Ok(Step::Done);
        }
        Ok(Step::Last(Vec::new()))
    }

    fn can_seal(&self) -> bool {
        false
    }

    fn sealer(&mut self) -> Option<Box<dyn Sealer>> {
        None
    }

    fn mechanism(&self) -> &'static str {
        "Certificate"
    }
}

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
                let login = Login::new(account, None, "Certificate");
                Ok(AcceptStep::Done { token: None, login })
            }
            (State::Asked, Input::Answer(Answer::Refused)) => {
                Err(self.end(Refusal::Certificate.into()))
            }
            (State::Start | State::Ended(None), Input::Answer(_))
            | (State::Asked, Input::Answer(_)) => Err(ApiMisuse::AnswerUnasked.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Acceptor as _, Account, Initiator as _};

    #[test]
    fn says_nothing_but_its_name() {
        let mut login = Initiator::new();
        assert_eq!((login.scheme(), login.mechanism()), (Scheme::Certificate, "Certificate"));
        assert_eq!(login.step(None), Ok(Step::Last(Vec::new())));
        assert_eq!(login.step(None), Ok(Step::Done));
        assert!(!login.can_seal() && login.sealer().is_none());
    }

    #[test]
    fn service_asks_about_the_certificate_and_takes_no_token() {
        let mut login = Acceptor::new();
        let asked = login.step(Input::Token(&[])).unwrap();
        assert!(matches!(asked, AcceptStep::Ask(Question::Certificate)));
        let account = Account { id: [1; 16], name: "alice".to_owned(), groups: Vec::new() };
        let answer = Answer::Accepted { account, session_key: None };
        let done = login.step(Input::Answer(answer)).unwrap();
        assert!(matches!(done, AcceptStep::Done { login, .. } if login.account.name == "alice"));
        assert!(login.step(Input::Token(&[])).is_err());
        let mut refused = Acceptor::new();
        assert!(refused.step(Input::Token(&[1])).is_err());
        let mut refused = Acceptor::new();
        refused.step(Input::Token(&[])).unwrap();
        let error = refused.step(Input::Answer(Answer::Refused)).unwrap_err();
        assert_eq!(error, Refusal::Certificate.into());
    }
}
