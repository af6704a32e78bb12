//! The headers of a login: `Authorization` of a request, `WWW-Authenticate` of an answer.

use auth::Scheme;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, WWW_AUTHENTICATE};

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

/// What an answer's `WWW-Authenticate` headers say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Challenges {
    /// The schemes that are offered without a token.
    pub offered: Vec<Scheme>,
    /// The token for the login that is under way.
    pub token: Option<Credentials>,
}

impl Challenges {
    /// Reads the `WWW-Authenticate` headers of an answer; unknown schemes are left out.
    ///
    /// # Errors
    ///
    /// [`HeaderError::NotBase64`] for a token that cannot be decoded.
    pub fn from_response(headers: &HeaderMap) -> Result<Self, HeaderError> {
        let mut found = Self::default();
        for value in headers.get_all(WWW_AUTHENTICATE) {
            let Ok(text) = value.to_str() else { continue };
            found.add_value(text)?;
        }
        Ok(found)
    }

    /// One header may hold several challenges. Tokens hold no comma, so a comma separates
    /// challenges or the parameters of one; parameters are told by their `=` after a name.
    fn add_value(&mut self, text: &str) -> Result<(), HeaderError> {
        for piece in text.split(',') {
            let piece = piece.trim();
            let word = piece.split(' ').next().unwrap_or_default();
            let Ok(scheme) = word.parse::<Scheme>() else { continue };
            if scheme == Scheme::Basic || !piece.contains(' ') {
                self.offered.push(scheme);
                continue;
            }
            if let Some(credentials) = Credentials::parse(piece)? {
                self.token = Some(credentials);
            }
        }
        Ok(())
    }
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
