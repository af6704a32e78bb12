//! The headers of a login: `Authorization` of a request, `WWW-Authenticate` of an answer.

use auth::digest::Challenge;
use auth::{DecodeError, Scheme};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, PROXY_AUTHENTICATE, WWW_AUTHENTICATE};

use super::HeaderError;

/// The longest token that is decoded: a Kerberos ticket with many groups needs up to 64 KiB.
pub const MAX_TOKEN: usize = 64 * 1024;

/// A scheme with the token that follows it, as in `Negotiate TlRMTVNTUAAB…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The scheme word.
    pub scheme: Scheme,
    /// The decoded token, empty when none follows the scheme.
    pub token: Vec<u8>,
}

impl Credentials {
    /// Reads the `Authorization` header of a request.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when the header is repeated or its token is not base64, or when the
    /// scheme is not one of ours.
    pub fn from_request(headers: &HeaderMap) -> Result<Option<Self>, HeaderError> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(first) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(HeaderError::Repeated("Authorization"));
        }
        let text = first.to_str().map_err(|_| HeaderError::NotBase64("Authorization"))?;
        Self::parse(text)?.ok_or(HeaderError::Unsupported("the scheme")).map(Some)
    }

    /// Reads `scheme token`; `None` for a scheme that is not known here.
    fn parse(text: &str) -> Result<Option<Self>, HeaderError> {
        let text = text.trim();
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let Ok(scheme) = word.parse::<Scheme>() else { return Ok(None) };
        // What follows it is no token.
        if scheme == Scheme::Digest {
            return Ok(None);
        }
        let rest = rest.trim();
        if rest.len() > MAX_TOKEN / 3 * 4 + 4 {
            return Err(HeaderError::NotBase64(scheme.as_str()));
        }
        let token = STANDARD.decode(rest).map_err(|_| HeaderError::NotBase64(scheme.as_str()))?;
        Ok(Some(Self { scheme, token }))
    }

    /// The header's value.
    #[must_use]
    pub fn to_value(&self) -> HeaderValue {
        let mut text = String::from(self.scheme.as_str());
        if !self.token.is_empty() {
            text.push(' ');
            STANDARD.encode_string(&self.token, &mut text);
        }
        let mut value = HeaderValue::try_from(text)
            .unwrap_or_else(|_| HeaderValue::from_static(self.scheme.as_str()));
        value.set_sensitive(true);
        value
    }

    /// The header that carries credentials to the service.
    pub const REQUEST: HeaderName = AUTHORIZATION;
    /// The header that carries challenges to the client.
    pub const RESPONSE: HeaderName = WWW_AUTHENTICATE;
}

/// What an answer's `WWW-Authenticate` or `Proxy-Authenticate` headers say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Challenges {
    /// The schemes that are offered without a token.
    pub offered: Vec<Scheme>,
    /// The token for the login that is under way.
    pub token: Option<Credentials>,
    /// The challenges of Digest that can be answered.
    pub digest: Vec<Challenge>,
    /// What is wrong with one that cannot.
    pub unanswerable: Option<DecodeError>,
}

impl Challenges {
    /// Reads the `WWW-Authenticate` headers of an answer; unknown schemes are left out.
    ///
    /// # Errors
    ///
    /// [`HeaderError::NotBase64`] for a token that cannot be decoded.
    pub fn from_response(headers: &HeaderMap) -> Result<Self, HeaderError> {
        Self::read(headers, &WWW_AUTHENTICATE)
    }

    /// The same of a proxy's answer.
    ///
    /// # Errors
    ///
    /// See [`from_response`](Self::from_response).
    pub fn from_proxy(headers: &HeaderMap) -> Result<Self, HeaderError> {
        Self::read(headers, &PROXY_AUTHENTICATE)
    }

    fn read(headers: &HeaderMap, name: &HeaderName) -> Result<Self, HeaderError> {
        let mut found = Self::default();
        for value in headers.get_all(name) {
            found.add_value(value.as_bytes())?;
        }
        Ok(found)
    }

    /// One header may hold several challenges, and a challenge several parameters: commas part both. A piece that
    /// begins with a name and `=` is a parameter of the challenge before it.
    fn add_value(&mut self, value: &[u8]) -> Result<(), HeaderError> {
        let mut digest: Option<Vec<u8>> = None;
        for piece in pieces(value) {
            let (word, rest) = first_word(piece);
            if rest.first() == Some(&b'=') || word.is_empty() {
                if let Some(parameters) = &mut digest {
                    parameters.push(b',');
                    parameters.extend_from_slice(piece);
                }
                continue;
            }
            self.end_digest(digest.take());
            let scheme = std::str::from_utf8(word).ok().and_then(|word| word.parse().ok());
            match scheme {
                Some(Scheme::Digest) => digest = Some(rest.to_vec()),
                Some(scheme) if scheme == Scheme::Basic || rest.is_empty() => {
                    self.offered.push(scheme);
                }
                Some(_) => {
                    let Ok(text) = std::str::from_utf8(piece) else { continue };
                    if let Some(credentials) = Credentials::parse(text)? {
                        self.token = Some(credentials);
                    }
                }
                None => {}
            }
        }
        self.end_digest(digest);
        Ok(())
    }

    fn end_digest(&mut self, parameters: Option<Vec<u8>>) {
        let Some(parameters) = parameters else { return };
        self.offered.push(Scheme::Digest);
        match Challenge::parse(&parameters) {
            Ok(challenge) => self.digest.push(challenge),
            Err(error) => self.unanswerable = Some(error),
        }
    }
}

/// What stands between commas that are in no quotes.
fn pieces(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    value
        .split(move |&byte| {
            let was_escaped = std::mem::take(&mut is_escaped);
            match byte {
                b'\\' if is_quoted => is_escaped = !was_escaped,
                b'"' if !was_escaped => is_quoted = !is_quoted,
                b',' => return !is_quoted,
                _ => {}
            }
            false
        })
        .map(<[u8]>::trim_ascii)
}

/// The word at the start, and what follows it without the blanks between them.
fn first_word(piece: &[u8]) -> (&[u8], &[u8]) {
    let is_end = |byte: &u8| matches!(byte, b' ' | b'\t' | b'=');
    let end = piece.iter().position(is_end).unwrap_or(piece.len());
    let (word, rest) = piece.split_at_checked(end).unwrap_or_default();
    (word, rest.trim_ascii_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(values: &[&str]) -> Challenges {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap());
        }
        Challenges::from_response(&headers).unwrap()
    }

    #[test]
    fn windows_list_of_schemes_is_read_from_one_or_several_headers() {
        let several = response(&["Negotiate", "Kerberos", "Basic realm=\"WSMAN\""]);
        let one = response(&["negotiate, Kerberos, Basic realm=\"WSMAN\""]);
        assert_eq!(several, one);
        assert_eq!(one.offered, [Scheme::Negotiate, Scheme::Kerberos, Scheme::Basic]);
        assert_eq!(one.token, None);
    }

    #[test]
    fn parameters_of_digest_are_kept_apart_from_other_challenges() {
        let found = response(&[
            "Negotiate, Digest realm=\"a, Basic b\", nonce=\"n\\\"1\", qop=\"auth,auth-int\", Basic realm=\"x\"",
            "Digest realm=\"a\", nonce=n, algorithm=SHA-256, Other x=y",
            "Digest realm=r, algorithm=SHA-999, nonce=n",
        ]);
        use Scheme::{Basic, Digest, Negotiate};
        assert_eq!(found.offered, [Negotiate, Digest, Basic, Digest, Digest]);
        let algorithms: Vec<_> =
            found.digest.iter().map(|challenge| challenge.algorithm().as_str()).collect();
        assert_eq!(algorithms, ["MD5", "SHA-256"]);
        assert_eq!(found.unanswerable.unwrap().field, "algorithm");
        assert_eq!(found.token, None);
    }

    #[test]
    fn token_of_the_login_is_decoded() {
        let found = response(&["Negotiate AQID"]);
        let token = found.token.unwrap();
        assert_eq!((token.scheme, token.token), (Scheme::Negotiate, vec![1, 2, 3]));
    }

    #[test]
    fn login_by_certificate_is_its_uri_alone() {
        let value = Credentials { scheme: Scheme::Certificate, token: Vec::new() }.to_value();
        let uri = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual";
        assert_eq!(value.to_str().unwrap(), uri);
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, value);
        let found = Credentials::from_request(&headers).unwrap().unwrap();
        assert_eq!((found.scheme, found.token), (Scheme::Certificate, Vec::new()));
        assert_eq!(response(&["Negotiate", uri]).offered, [Scheme::Negotiate, Scheme::Certificate]);
    }

    #[test]
    fn repeated_authorization_is_refused() {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, HeaderValue::from_static("Basic YTpi"));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Basic YTpi"));
        assert_eq!(
            Credentials::from_request(&headers),
            Err(HeaderError::Repeated("Authorization"))
        );
    }

    #[test]
    fn token_that_is_no_base64_or_too_long_is_refused() {
        for text in ["Negotiate !!!".to_owned(), format!("Negotiate {}", "A".repeat(100_000))] {
            let mut headers = HeaderMap::new();
            headers.append(AUTHORIZATION, HeaderValue::from_str(&text).unwrap());
            assert_eq!(
                Credentials::from_request(&headers),
                Err(HeaderError::NotBase64("Negotiate"))
            );
        }
    }

    #[test]
    fn values_are_written_as_they_are_read_and_are_sensitive() {
        let credentials = Credentials { scheme: Scheme::Negotiate, token: vec![1, 2, 3] };
        let value = credentials.to_value();
        assert!(value.is_sensitive());
        assert_eq!(value.to_str().unwrap(), "Negotiate AQID");
    }
}
