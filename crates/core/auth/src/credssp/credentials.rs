//! [`TsCredentials`]: what the client lets the service have ([MS-CSSP] 2.2.1.2).

use zeroize::Zeroizing;

use super::request::{encode_integer, integer};
use crate::{
    DecodeError, DecodeErrorKind, Refusal, Secret, UserName,
    spnego::der::{Der, INTEGER, OCTET_STRING, SEQUENCE, context, wrap},
};

/// Bytes of one name or of the password: more than any system allows, little enough to be no burden.
const FIELD_MAX: usize = 4 * 1024;

/// A user with a password (`TSPasswordCreds`). Smart cards and what Remote Credential Guard sends are refused: neither is
/// anything that could be used here.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "[MS-CSSP] 2.2.1.2.1 fixes the fields")]
pub struct TsCredentials {
    /// The domain; empty for an account of the service's machine or for a user principal name.
    pub domain: String,
    /// The user.
    pub user: String,
    /// The password.
    pub password: Secret,
}

impl TsCredentials {
    const MESSAGE: &str = "TSCredentials";

    /// From a user's name as people write it.
    #[must_use]
    pub fn new(user: UserName, password: Secret) -> Self {
        let UserName { domain, user } = user;
        Self { domain, user, password }
    }

    /// Reads credentials.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], and [`Refusal::CredentialsKind`] for those without a password.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut outer = Der { message: Self::MESSAGE, rest: bytes };
        let mut fields = outer.enter("TSCredentials", SEQUENCE).map_err(Refusal::Malformed)?;
        outer.end("TSCredentials").map_err(Refusal::Malformed)?;
        let (kind, content) = kind(&mut fields).map_err(Refusal::Malformed)?;
        match kind {
            1 => Self::read_password(content).map_err(Refusal::Malformed),
            2 => Err(Refusal::CredentialsKind("a smart card")),
            6 => Err(Refusal::CredentialsKind("Remote Credential Guard")),
            _ => Err(Refusal::CredentialsKind("an unknown kind of credentials")),
        }
    }

    fn read_password(content: &[u8]) -> Result<Self, DecodeError> {
        let mut outer = Der { message: "TSPasswordCreds", rest: content };
        let mut fields = outer.enter("TSPasswordCreds", SEQUENCE)?;
        outer.end("TSPasswordCreds")?;
        let mut text = |field, number| {
            let octets = fields.enter(field, context(number))?.single(field, OCTET_STRING)?;
            let kind = |kind| fields.error(field, kind);
            if octets.len() > FIELD_MAX {
                return Err(kind(DecodeErrorKind::TooLong));
            }
            decode_utf16(octets).ok_or_else(|| kind(DecodeErrorKind::Invalid))
        };
        let (domain, user) = (text("domainName", 0)?, text("userName", 1)?);
        let password = Secret::new(text("password", 2)?);
        fields.end("TSPasswordCreds")?;
        Ok(Self { domain, user, password })
    }

    /// The credentials, to be sealed at once.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let text = |number, text: &str| {
            let octets = Zeroizing::new(encode_utf16(text));
            let inner = Zeroizing::new(wrap(OCTET_STRING, &octets));
            Zeroizing::new(wrap(context(number), &inner))
        };
        let (domain, user) = (text(0, &self.domain), text(1, &self.user));
        let password = text(2, self.password.expose());
        let fields = Zeroizing::new([&domain[..], &user, &password].concat());
        let credentials = Zeroizing::new(wrap(SEQUENCE, &fields));
        let octets = Zeroizing::new(wrap(OCTET_STRING, &credentials));
        let octets = Zeroizing::new(wrap(context(1), &octets));
        let kind = wrap(context(0), &encode_integer(1));
        let fields = Zeroizing::new([&kind[..], &octets].concat());
        Zeroizing::new(wrap(SEQUENCE, &fields))
    }
}

/// `credType` and `credentials`.
fn kind<'a>(fields: &mut Der<'a>) -> Result<(u32, &'a [u8]), DecodeError> {
    let kind = fields.enter("credType", context(0))?.single("credType", INTEGER)?;
    let kind = integer(kind).ok_or_else(|| fields.error("credType", DecodeErrorKind::Invalid))?;
    let content = fields.enter("credentials", context(1))?.single("credentials", OCTET_STRING)?;
    fields.end("TSCredentials")?;
    Ok((kind, content))
}

/// UTF-16LE; `None` for half characters, which no name or password has.
fn decode_utf16(octets: &[u8]) -> Option<String> {
    let (pairs, rest) = octets.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let units = pairs.iter().map(|pair| u16::from_le_bytes(*pair));
    // One allocation, so that no part of a password is left behind in an outgrown one.
    let mut text = Zeroizing::new(String::with_capacity(octets.len().saturating_mul(2)));
    for unit in char::decode_utf16(units) {
        text.push(unit.ok()?);
    }
    Some(std::mem::take(&mut *text))
}

fn encode_utf16(text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len().saturating_mul(2));
    for unit in text.encode_utf16() {
        octets.extend_from_slice(&unit.to_le_bytes());
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_survive_a_round_trip_and_show_no_password() {
        let user = UserName::parse(r"DOM\Jörg");
        let credentials = TsCredentials::new(user, Secret::from("Pässwörd 🗝"));
        let read = TsCredentials::decode(&credentials.encode()).unwrap();
        assert_eq!((read.domain.as_str(), read.user.as_str()), ("DOM", "Jörg"));
        assert_eq!(read.password.expose(), "Pässwörd 🗝");
        assert!(!format!("{read:?}").contains('ä'));
    }

    #[test]
    fn half_characters_and_long_fields_are_refused() {
        let long = TsCredentials {
            domain: "d".repeat(FIELD_MAX),
            user: String::new(),
            password: Secret::from(""),
        };
        let Err(Refusal::Malformed(error)) = TsCredentials::decode(&long.encode()) else {
            panic!()
        };
        assert_eq!((error.field, error.kind), ("domainName", DecodeErrorKind::TooLong));
        assert_eq!(decode_utf16(&[0x00, 0xD8]), None);
        assert_eq!(decode_utf16(&[0x41]), None);
    }
}
