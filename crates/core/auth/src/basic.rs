//! Basic (RFC 7617): `user:password`, both roles. It proves nothing about the connection, so it belongs on TLS.

use zeroize::Zeroizing;

use crate::{
    AcceptStep, Answer, ApiMisuse, DecodeError, DecodeErrorKind, Error, Input, Login, Question,
    Refusal, Scheme, Sealer, Secret, Step,
};

/// Longest token that an acceptor takes: names and passwords of Windows are far shorter.
const TOKEN_MAX: usize = 4096;

/// The client's half: one token, no answer.
#[derive(Debug)]
pub struct Initiator {
    token: Option<Secret>,
}

impl Initiator {
    /// A login as `user`, which may carry a domain (`DOM\user`).
    ///
    /// # Errors
    /// When the user name is empty or contains a colon, and when either text contains a control character: RFC 7617 2
    /// cannot carry these.
    pub fn new(user: &str, password: &Secret) -> Result<Self, ApiMisuse> {
        if user.is_empty() {
            return Err(ApiMisuse::UserNameEmpty);
        }
        if user.contains(':') {
            return Err(ApiMisuse::UserNameHasColon);
        }
        if user.chars().chain(password.expose().chars()).any(char::is_control) {
            return Err(ApiMisuse::ControlCharacter);
        }
        let mut token = String::with_capacity(
            user.len().saturating_add(password.expose().len()).saturating_add(1),
        );
        token.push_str(user);
        token.push(':');
        token.push_str(password.expose());
        Ok(Self { token: Some(Secret::new(token)) })
    }
}

impl crate::Initiator for Initiator {
    fn scheme(&self) -> Scheme {
        Scheme::Basic
    }

    fn step(&mut self, _token: Option<&[u8]>) -> Result<Step, Error> {
        Ok(self
            .token
            .take()
            .map_or(Step::Done, |token| Step::Last(token.expose().as_bytes().to_vec())))
    }

    fn can_seal(&self) -> bool {
        false
    }

    fn sealer(&mut self) -> Option<Box<dyn Sealer>> {
        None
    }

    fn mechanism(&self) -> &'static str {
        "Basic"
    }
}

/// The service's half: it splits the token and asks for a verdict.
///
/// ```text
///  Start ──token──► Asked ──Accepted──► Ended(Ok)
///    └──malformed──┐  └──Refused──┐
///                  └──────────────┴──► Ended(Err)
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
            (State::Start, Input::Token(token)) => match split(token) {
                Ok((user, password)) => {
                    self.state = State::Asked;
                    Ok(AcceptStep::Ask(Question::Password { user, password }))
                }
                Err(refusal) => Err(self.end(refusal.into())),
            },
            (State::Asked, Input::Token(_)) => Err(ApiMisuse::AnswerDue.into()),
            (State::Asked, Input::Answer(Answer::Accepted { account, .. })) => {
                self.state = State::Ended(None);
                Ok(AcceptStep::Done { token: None, login: Login::new(account, None, "Basic") })
            }
            (State::Asked, Input::Answer(Answer::Refused)) => {
                Err(self.end(Refusal::WrongCredentials.into()))
            }
            (State::Start | State::Ended(None), Input::Answer(_))
            | (State::Asked, Input::Answer(_)) => Err(ApiMisuse::AnswerUnasked.into()),
        }
    }
}

/// Splits at the first colon. Text that is not UTF-8 is read as ISO 8859-1, which older clients send.
fn split(token: &[u8]) -> Result<(String, Secret), Refusal> {
    let malformed =
        |field, kind| Refusal::Malformed(DecodeError { message: "Basic credentials", field, kind });
    if token.len() > TOKEN_MAX {
        return Err(malformed("user-pass", DecodeErrorKind::TooLong));
    }
    let text = Zeroizing::new(match std::str::from_utf8(token) {
        Ok(text) => text.to_owned(),
        Err(_) => {
            // Room for all, so that no reallocation leaves an unwiped copy behind.
            let mut text = String::with_capacity(token.len().saturating_mul(2));
            text.extend(token.iter().copied().map(char::from));
            text
        }
    });
    let Some((user, password)) = text.split_once(':') else {
        return Err(malformed("colon", DecodeErrorKind::Missing));
    };
    if text.chars().any(char::is_control) {
        return Err(malformed("user-pass", DecodeErrorKind::Invalid));
    }
    if user.is_empty() {
        return Err(Refusal::Anonymous);
    }
    Ok((user.to_owned(), Secret::from(password)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latin_1_is_read_where_utf_8_fails() {
        let (user, password) = split(b"J\xf6rg:gr\xfcn:1").unwrap();
        assert_eq!((user.as_str(), password.expose()), ("Jörg", "grün:1"));
        let (user, password) = split("Jörg:grün".as_bytes()).unwrap();
        assert_eq!((user.as_str(), password.expose()), ("Jörg", "grün"));
    }
}
