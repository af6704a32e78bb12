//! What a client answers: hashes and the parameters of `Authorization: Digest`, RFC 7616 3.4.

use std::fmt::Write as _;

use md5::{Digest as _, Md5};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Session;
use super::challenge::{Algorithm, Challenge};
use crate::Secret;

/// H(A1) in hexadecimal digits: whoever has it can log in, to this realm.
#[derive(Debug)]
pub(super) struct Hashed(Secret);

impl Hashed {
    pub(super) fn new(
        challenge: &Challenge,
        user: &str,
        password: &Secret,
        client_nonce: &str,
    ) -> Self {
        let algorithm = challenge.algorithm();
        let parts = [user.as_bytes(), &challenge.realm, password.expose().as_bytes()];
        let first = Zeroizing::new(hash(algorithm, &parts));
        if !algorithm.is_session() {
            return Self(Secret::new(first.as_str()));
        }
        let parts = [first.as_bytes(), &challenge.nonce, client_nonce.as_bytes()];
        Self(Secret::new(hash(algorithm, &parts)))
    }
}

/// The parameters for the next request.
pub(super) fn parameters(session: &Session, user: &str, method: &str, uri: &str) -> Vec<u8> {
    let Session { challenge, hashed, client_nonce, count } = session;
    let algorithm = challenge.algorithm();
    let count = format!("{count:08x}");
    let request = hash(algorithm, &[method.as_bytes(), uri.as_bytes()]);
    let key = hashed.0.expose().as_bytes();
    let response = if challenge.counts {
        let parts = [
            key,
            &challenge.nonce,
            count.as_bytes(),
            client_nonce.as_bytes(),
            b"auth",
            request.as_bytes(),
        ];
        hash(algorithm, &parts)
    } else {
        hash(algorithm, &[key, &challenge.nonce, request.as_bytes()])
    };
    let mut list = List(Vec::with_capacity(512));
    if challenge.hides_user {
        let hidden = hash(algorithm, &[user.as_bytes(), &challenge.realm]);
        list.quoted("username", hidden.as_bytes());
    } else if challenge.is_utf8 && !user.is_ascii() {
        list.plain("username*", &extended(user));
    } else {
        list.quoted("username", user.as_bytes());
    }
    list.quoted("realm", &challenge.realm);
    list.quoted("nonce", &challenge.nonce);
    list.quoted("uri", uri.as_bytes());
    list.quoted("response", response.as_bytes());
    if let Some(named) = challenge.named_algorithm() {
        list.plain("algorithm", named.as_str());
    }
    if let Some(opaque) = &challenge.opaque {
        list.quoted("opaque", opaque);
    }
    if challenge.counts {
        list.plain("qop", "auth");
        list.plain("nc", &count);
    }
    // A session key is made with it, whatever protects requests.
    if challenge.counts || algorithm.is_session() {
        list.quoted("cnonce", client_nonce.as_bytes());
    }
    if challenge.hides_user {
        list.plain("userhash", "true");
    }
    list.0
}

/// Parameters with commas between them.
struct List(Vec<u8>);

impl List {
    fn name(&mut self, name: &str) {
        if !self.0.is_empty() {
            self.0.extend_from_slice(b", ");
        }
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'=');
    }

    fn plain(&mut self, name: &str, value: &str) {
        self.name(name);
        self.0.extend_from_slice(value.as_bytes());
    }

    fn quoted(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.0.push(b'"');
        for &byte in value {
            if matches!(byte, b'"' | b'\\') {
                self.0.push(b'\\');
            }
            self.0.push(byte);
        }
        self.0.push(b'"');
    }
}

/// A text in the form of RFC 5987: `UTF-8''J%C3%A4s%C3%B8n`.
fn extended(text: &str) -> String {
    let mut extended = String::from("UTF-8''");
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            extended.push(char::from(byte));
        } else {
            let _infallible = write!(extended, "%{byte:02X}");
        }
    }
    extended
}

/// The hash of the parts with colons between them, in hexadecimal digits.
fn hash(algorithm: Algorithm, parts: &[&[u8]]) -> String {
    let joined = Zeroizing::new(parts.join(&b':'));
    match algorithm {
        Algorithm::Md5 | Algorithm::Md5Session => hex(&Md5::digest(&*joined)),
        Algorithm::Sha256 | Algorithm::Sha256Session => hex(&Sha256::digest(&*joined)),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(user: &str, challenge: &str) -> Vec<u8> {
        let challenge = Challenge::parse(challenge.as_bytes()).unwrap();
        let hashed = Hashed::new(&challenge, user, &Secret::from("p"), "c");
        let session = Session { challenge, hashed, client_nonce: "c".to_owned(), count: 1 };
        parameters(&session, user, "POST", "/wsman?a=b")
    }

    #[test]
    fn quotes_and_backslashes_are_escaped_and_hashed_as_they_are() {
        let found = String::from_utf8(sent("DOM\\al\"ice", r#"realm="a \"b\"", nonce=n"#)).unwrap();
        assert!(
            found.starts_with(
                r#"username="DOM\\al\"ice", realm="a \"b\"", nonce="n", uri="/wsman?a=b""#
            ),
            "{found}"
        );
        let key = hash(Algorithm::Md5, &[b"DOM\\al\"ice", b"a \"b\"", b"p"]);
        let request = hash(Algorithm::Md5, &[b"POST", b"/wsman?a=b"]);
        let response = hash(Algorithm::Md5, &[key.as_bytes(), b"n", request.as_bytes()]);
        assert!(found.contains(&response), "{found}");
    }

    #[test]
    fn names_beyond_ascii_travel_as_the_service_can_read_them() {
        let utf8 = String::from_utf8(sent("Jäsøn", "realm=r, nonce=n, charset=UTF-8")).unwrap();
        assert!(utf8.starts_with("username*=UTF-8''J%C3%A4s%C3%B8n, "), "{utf8}");
        let raw = String::from_utf8(sent("Jäsøn", "realm=r, nonce=n")).unwrap();
        assert!(raw.starts_with("username=\"Jäsøn\", "), "{raw}");
    }

    #[test]
    fn session_keys_carry_the_clients_nonce_even_without_protection() {
        let found = String::from_utf8(sent("u", "realm=r, nonce=n, algorithm=MD5-sess")).unwrap();
        assert!(found.contains("algorithm=MD5-sess, cnonce=\"c\""), "{found}");
        let inner = hash(Algorithm::Md5, &[b"u", b"r", b"p"]);
        let key = hash(Algorithm::Md5, &[inner.as_bytes(), b"n", b"c"]);
        let request = hash(Algorithm::Md5, &[b"POST", b"/wsman?a=b"]);
        assert!(found.contains(&hash(Algorithm::Md5, &[key.as_bytes(), b"n", request.as_bytes()])));
    }
}
