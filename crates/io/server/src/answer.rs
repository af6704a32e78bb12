//! HTTP answers in the shape of Windows's HTTP.SYS: no reason phrase, its `Server` header.

use bytes::Bytes;
use http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, SERVER, WWW_AUTHENTICATE,
};
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::ext::ReasonPhrase;

/// What every answer is.
pub(crate) type Answer = Response<Full<Bytes>>;

/// An answer with a body, or with none where `body` is empty.
pub(crate) fn answer(status: StatusCode, content_type: Option<&str>, body: Vec<u8>) -> Answer {
    let length = body.len();
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.extensions_mut().insert(ReasonPhrase::from_static(b""));
    let headers = answer.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("Microsoft-HTTPAPI/2.0"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    if let Some(value) = content_type.and_then(|text| HeaderValue::from_str(text).ok()) {
        headers.insert(CONTENT_TYPE, value);
    }
    answer
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Answer {
    answer(status, None, Vec::new())
}

/// An answer without a body, after which the connection ends.
pub(crate) fn last(status: StatusCode) -> Answer {
    let mut answer = empty(status);
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// 405 with what is allowed.
pub(crate) fn method_not_allowed() -> Answer {
    let mut answer = last(StatusCode::METHOD_NOT_ALLOWED);
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    answer
}

/// 401 with the schemes or the token.
pub(crate) fn challenge(values: Vec<HeaderValue>) -> Answer {
    with_challenges(empty(StatusCode::UNAUTHORIZED), values)
}

/// The same, after which the connection ends.
pub(crate) fn last_challenge(values: Vec<HeaderValue>) -> Answer {
    with_challenges(last(StatusCode::UNAUTHORIZED), values)
}

/// Adds `WWW-Authenticate` headers.
pub(crate) fn with_challenges(
    mut answer: Answer,
    values: impl IntoIterator<Item = HeaderValue>,
) -> Answer {
    for value in values {
        answer.headers_mut().append(WWW_AUTHENTICATE, value);
    }
    answer
}
