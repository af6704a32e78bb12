//! What a service asks for: the parameters of `WWW-Authenticate: Digest`, RFC 7616 3.3.

use crate::{DecodeError, DecodeErrorKind};

const MESSAGE: &str = "Digest challenge";
/// The longest list of parameters that is read.
const MAX: usize = 8 * 1024;

/// The hash of a challenge; the order is that of strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "each has its hash here; a new one is a new hash")]
pub enum Algorithm {
    /// MD5 over name, realm and password.
    Md5,
    /// The same, and once more with the nonces of the first request.
    Md5Session,
    /// SHA-256 over name, realm and password.
    Sha256,
    /// The same, and once more with the nonces of the first request.
    Sha256Session,
}

impl Algorithm {
    const ALL: [Self; 4] = [Self::Md5, Self::Md5Session, Self::Sha256, Self::Sha256Session];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Session => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Session => "SHA-256-sess",
        }
    }

    /// Whether a key of the session stands in for name and password.
    #[must_use]
    pub const fn is_session(self) -> bool {
        matches!(self, Self::Md5Session | Self::Sha256Session)
    }
}

/// One challenge that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    pub(super) realm: Vec<u8>,
    pub(super) nonce: Vec<u8>,
    pub(super) opaque: Option<Vec<u8>>,
    algorithm: Option<Algorithm>,
    /// Whether requests are counted, and carry a nonce of ours: `qop=auth`.
    pub(super) counts: bool,
    /// Names travel in UTF-8, in the form of RFC 5987 where they need it.
    pub(super) is_utf8: bool,
    /// The name travels as its hash.
    pub(super) hides_user: bool,
    is_stale: bool,
}

impl Challenge {
    /// Reads what stands behind the word `Digest`.
    ///
    /// # Errors
    /// [`DecodeError`]: a parameter that must be there is not, is there twice, or has a value that nobody can answer
    /// here (another algorithm; `auth-int` alone).
    pub fn parse(parameters: &[u8]) -> Result<Self, DecodeError> {
        let mut found = Found::default();
        for parameter in Parameters::new(parameters)? {
            let (name, value) = parameter?;
            found.take(&name, value)?;
        }
        let missing = |field| wrong(field, DecodeErrorKind::Missing);
        Ok(Self {
            realm: found.realm.ok_or_else(|| missing("realm"))?,
            nonce: found.nonce.ok_or_else(|| missing("nonce"))?,
            opaque: found.opaque,
            algorithm: found.algorithm.map(|word| algorithm(&word)).transpose()?,
            counts: found.qop.as_deref().map(protects).transpose()?.unwrap_or(false),
            is_utf8: found.charset.is_some_and(|value| value.eq_ignore_ascii_case(b"UTF-8")),
            hides_user: found.userhash.is_some_and(|value| value.eq_ignore_ascii_case(b"true")),
            is_stale: found.stale.is_some_and(|value| value.eq_ignore_ascii_case(b"true")),
        })
    }

    /// The hash; MD5 where the challenge names none.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm.unwrap_or(Algorithm::Md5)
    }

    /// The hash as the challenge names it.
    pub(super) const fn named_algorithm(&self) -> Option<Algorithm> {
        self.algorithm
    }

    /// Whether the password was right, and only the nonce was too old.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        self.is_stale
    }

    pub(super) fn set_nonce(&mut self, nonce: Vec<u8>) {
        self.nonce = nonce;
    }
}

/// The nonce that `Authentication-Info` announces for the next request, RFC 7616 3.5.
pub(super) fn next_nonce(info: &[u8]) -> Option<Vec<u8>> {
    let parameters = Parameters::new(info).ok()?;
    let mut parameters = parameters.map_while(Result::ok);
    parameters.find(|(name, _)| name == "nextnonce").map(|(_, value)| value)
}

#[derive(Default)]
struct Found {
    realm: Option<Vec<u8>>,
    nonce: Option<Vec<u8>>,
    opaque: Option<Vec<u8>>,
    algorithm: Option<Vec<u8>>,
    qop: Option<Vec<u8>>,
    charset: Option<Vec<u8>>,
    userhash: Option<Vec<u8>>,
    stale: Option<Vec<u8>>,
}

impl Found {
    /// Unknown parameters are none of our business (RFC 7616 3.3).
    fn take(&mut self, name: &str, value: Vec<u8>) -> Result<(), DecodeError> {
        let (field, place) = match name {
            "realm" => ("realm", &mut self.realm),
            "nonce" => ("nonce", &mut self.nonce),
            "opaque" => ("opaque", &mut self.opaque),
            "algorithm" => ("algorithm", &mut self.algorithm),
            "qop" => ("qop", &mut self.qop),
            "charset" => ("charset", &mut self.charset),
            "userhash" => ("userhash", &mut self.userhash),
            "stale" => ("stale", &mut self.stale),
            _ => return Ok(()),
        };
        match place.replace(value) {
            None => Ok(()),
            Some(_) => Err(wrong(field, DecodeErrorKind::Duplicate)),
        }
    }
}

fn algorithm(word: &[u8]) -> Result<Algorithm, DecodeError> {
    Algorithm::ALL
        .into_iter()
        .find(|known| known.as_str().as_bytes().eq_ignore_ascii_case(word))
        .ok_or_else(|| wrong("algorithm", DecodeErrorKind::Invalid))
}

/// Whether requests are protected by `auth`; other words may stand beside it.
fn protects(list: &[u8]) -> Result<bool, DecodeError> {
    let mut words = list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    if words.any(|word| word.eq_ignore_ascii_case(b"auth")) {
        Ok(true)
    } else {
        Err(wrong("qop", DecodeErrorKind::Invalid))
    }
}

const fn wrong(field: &'static str, kind: DecodeErrorKind) -> DecodeError {
    DecodeError { message: MESSAGE, field, kind }
}

/// `name=value` or `name="value"`, with commas between them; names come in lower case, values without their quotes.
struct Parameters<'a>(&'a [u8]);

impl<'a> Parameters<'a> {
    fn new(text: &'a [u8]) -> Result<Self, DecodeError> {
        if text.len() > MAX {
            return Err(wrong("parameters", DecodeErrorKind::TooLong));
        }
        Ok(Self(text))
    }

    fn byte(&self) -> Option<u8> {
        self.0.first().copied()
    }

    fn skip(&mut self, skipped: impl Fn(u8) -> bool) {
        let end = self.0.iter().position(|&byte| !skipped(byte)).unwrap_or(self.0.len());
        self.0 = self.0.get(end..).unwrap_or_default();
    }

    fn token(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|&byte| !is_token(byte)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at_checked(end).unwrap_or_default();
        self.0 = rest;
        token
    }

    /// The inside of a quoted string whose first quote is taken already.
    fn quoted(&mut self) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        loop {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            match byte {
                b'"' => return Some(value),
                b'\\' => {
                    let (&escaped, rest) = self.0.split_first()?;
                    self.0 = rest;
                    value.push(escaped);
                }
                // A header cannot hold others, and an answer must not.
                _ if byte.is_ascii_control() && byte != b'\t' => return None,
                _ => value.push(byte),
            }
        }
    }

    fn one(&mut self) -> Option<(String, Vec<u8>)> {
        let name = self.token();
        let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
        self.skip(is_blank);
        let rest = self.0.strip_prefix(b"=")?;
        self.0 = rest;
        self.skip(is_blank);
        let value = match self.0.strip_prefix(b"\"") {
            Some(rest) => {
                self.0 = rest;
                self.quoted()?
            }
            None => Some(self.token()).filter(|token| !token.is_empty())?.to_vec(),
        };
        self.skip(is_blank);
        let is_end = matches!(self.byte(), None | Some(b','));
        (is_end && !name.is_empty()).then_some((name, value))
    }
}

impl Iterator for Parameters<'_> {
    type Item = Result<(String, Vec<u8>), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Lists may have empty elements (RFC 9110 5.6.1).
        self.skip(|byte| is_blank(byte) || byte == b',');
        self.byte()?;
        let one = self.one();
        if one.is_none() {
            self.0 = &[];
        }
        Some(one.ok_or_else(|| wrong("parameters", DecodeErrorKind::Invalid)))
    }
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Challenge, DecodeError> {
        Challenge::parse(text.as_bytes())
    }

    #[test]
    fn parameters_are_read_in_any_order_case_and_quoting() {
        let found = parsed(
            "Nonce = \"n\\\"1\" ,, QOP=\"auth-int, auth\",realm=\"a, \\\\b\", stale=True, other=x, algorithm=\"md5-SESS\",",
        )
        .unwrap();
        assert_eq!(
            (found.realm.as_slice(), found.nonce.as_slice()),
            (&b"a, \\b"[..], &b"n\"1"[..])
        );
        assert!(found.counts && found.is_stale() && !found.is_utf8 && !found.hides_user);
        assert_eq!(found.algorithm(), Algorithm::Md5Session);
        let other = parsed("realm=\"r\",nonce=n,charset=utf-8,userhash=true,opaque=\"o\"").unwrap();
        assert!(!other.counts && other.is_utf8 && other.hides_user && !other.is_stale());
        assert_eq!((other.named_algorithm(), other.algorithm()), (None, Algorithm::Md5));
        assert_eq!(other.opaque.as_deref(), Some(&b"o"[..]));
    }

    #[test]
    fn wrong_challenges_name_the_parameter() {
        use DecodeErrorKind::{Duplicate, Invalid, Missing, TooLong};
        for (text, field, kind) in [
            ("nonce=n", "realm", Missing),
            ("realm=r", "nonce", Missing),
            ("realm=r, nonce=n, nonce=m", "nonce", Duplicate),
            ("realm=r, nonce=n, algorithm=SHA-512-256", "algorithm", Invalid),
            ("realm=r, nonce=n, qop=auth-int", "qop", Invalid),
            ("realm=r, nonce=\"n", "parameters", Invalid),
            ("realm=r, nonce", "parameters", Invalid),
            ("realm=r nonce=n", "parameters", Invalid),
            ("=r", "parameters", Invalid),
            ("realm=\"a\u{1}\"", "parameters", Invalid),
            (&format!("realm={}", "r".repeat(MAX)), "parameters", TooLong),
        ] {
            let error = parsed(text).unwrap_err();
            assert_eq!((error.field, error.kind), (field, kind), "{text}");
        }
    }

    #[test]
    fn next_nonce_is_found_among_others() {
        assert_eq!(next_nonce(b"qop=auth, nextnonce=\"x y\", nc=1").as_deref(), Some(&b"x y"[..]));
        assert_eq!(next_nonce(b"rspauth=\"1\", nc=00000001"), None);
        assert_eq!(next_nonce(b"="), None);
    }
}
