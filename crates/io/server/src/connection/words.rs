//! What the heads of requests and the questions of logins say, in words.

use auth::{Question, Scheme};
use http::HeaderMap;
use http::StatusCode;
use http::header::AUTHORIZATION;
use transport::envelopes::{self, Role};
use wsman::{Charset, Envelope};

use super::WSMANIDENTIFY;
use crate::answer::{self, Answer};
use crate::body::BodyError;
use crate::metrics::Mechanism;

/// What an unread body is answered with; the connection ends, since its rest is still coming.
pub(super) fn refuse_body(error: BodyError) -> Answer {
    answer::last(match error {
        BodyError::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
        // [MS-WSMV] 3.1.1: the packet retrieval timer.
        BodyError::TooSlow => StatusCode::INTERNAL_SERVER_ERROR,
        BodyError::Broken => StatusCode::BAD_REQUEST,
    })
}

pub(super) fn is_soap(content_type: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("application/soap+xml")
}

/// The charset of a message, in which it is answered.
pub(super) fn charset_of(content_type: &str, message: &[u8]) -> Charset {
    Charset::of_message(message, Charset::of_content_type(content_type))
}

pub(super) fn is_anonymous_identify(headers: &HeaderMap) -> bool {
    let asked = headers.get(WSMANIDENTIFY);
    asked.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"unauthenticated"))
        && !headers.contains_key(AUTHORIZATION)
}

/// The user name in a question, as the client wrote it.
pub(super) fn user_of(question: &Question) -> Option<String> {
    match question {
        Question::Ntlm(attempt) if attempt.domain.is_empty() => Some(attempt.user.clone()),
        Question::Ntlm(attempt) => Some(format!("{}\\{}", attempt.domain, attempt.user)),
        Question::Password { user, .. } => Some(user.clone()),
        Question::Challenge | Question::Certificate | Question::Kerberos(_) | _ => None,
    }
}

/// The mechanism that asks; `None` where it is not told yet.
pub(super) fn mechanism_of(question: &Question) -> Option<Mechanism> {
    match question {
        Question::Ntlm(_) => Some(Mechanism::Ntlm),
        Question::Password { .. } => Some(Mechanism::Basic),
        Question::Certificate => Some(Mechanism::Certificate),
        Question::Kerberos(_) => Some(Mechanism::Kerberos),
        Question::Challenge | _ => None,
    }
}

/// The scheme of a login for the log: a word, never a token.
pub(super) fn scheme_word(headers: &HeaderMap) -> &str {
    let text = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if text.is_some_and(|text| text.trim().eq_ignore_ascii_case(Scheme::Certificate.as_str())) {
        return "Certificate";
    }
    let word = text.and_then(|text| text.split_once(' ')).map(|(word, _)| word);
    word.filter(|word| word.len() <= 16).unwrap_or_default()
}

/// An answer as it leaves.
pub(super) fn written(envelope: &Envelope, charset: Charset) -> Vec<u8> {
    envelopes::keep(Role::Service, || envelope.encode());
    envelope.encode_as(charset)
}
