//! [`KrbError`]: what a service or a KDC says when it refuses (RFC 4120 5.9.1).

use std::fmt;

use super::framing;
use crate::{
    DecodeError, DecodeErrorKind, Error, FileTime, PeerMisbehaved,
    spnego::der::{Der, SEQUENCE, context},
};

const MESSAGE: &str = "KRB-ERROR";
const TOK_ID: [u8; 2] = [3, 0];

/// `[APPLICATION 30]`.
const APPLICATION_30: u8 = 0x7E;
const INTEGER: u8 = 0x02;
const GENERALIZED_TIME: u8 = 0x18;
const GENERAL_STRING: u8 = 0x1B;

/// Longest message that is read: what it carries besides, such as hints on encryption types, is short.
const LENGTH_MAX: usize = 64 * 1024;
/// Most components of a principal's name, and most letters of a text, that are kept for people.
const COMPONENTS_MAX: usize = 8;
const TEXT_MAX: usize = 256;

/// `KRB_AP_ERR_SKEW`.
const SKEW: u32 = 37;
/// `KRB_AP_ERR_TKT_EXPIRED`, `KRB_AP_ERR_TKT_NYV`.
const EXPIRED: u32 = 32;
const NOT_YET_VALID: u32 = 33;
/// A difference of the clocks, in seconds, that explains why a ticket's times do not fit; a message takes less.
const NOTABLE: u64 = 60;

/// A KRB-ERROR, as far as people are told of it.
///
/// Nobody signs it: it explains a refusal, and decides nothing. Letters that could play tricks with a terminal are
/// taken out of its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KrbError {
    /// The error's number (RFC 4120 7.5.9): 37 is `KRB_AP_ERR_SKEW`.
    pub code: u32,
    /// The service's clock, in seconds since 1970-01-01 00:00 UTC.
    pub service_time: i64,
    /// The service's principal and its realm: `HTTP/host@REALM`.
    pub service: String,
    /// What it says in words, if it does.
    pub text: Option<String>,
}

impl KrbError {
    /// Reads a token `60 … 03 00 …` (RFC 4121 4.1), or a bare KRB-ERROR (`7E …`).
    ///
    /// # Errors
    /// [`DecodeError`] names the field.
    pub fn decode(token: &[u8]) -> Result<Self, DecodeError> {
        let bare = match framing::behind(token) {
            Some(framed) => framed.strip_prefix(&TOK_ID).ok_or_else(|| invalid("TOK_ID"))?,
            None => token,
        };
        if bare.len() > LENGTH_MAX {
            return Err(error("token", DecodeErrorKind::TooLong));
        }
        let mut outer = Der { message: MESSAGE, rest: bare };
        let mut body = outer.enter(MESSAGE, APPLICATION_30)?;
        outer.end(MESSAGE)?;
        let mut fields = body.enter(MESSAGE, SEQUENCE)?;
        body.end(MESSAGE)?;
        if integer(&mut fields, 0, "pvno")? != 5 {
            return Err(invalid("pvno"));
        }
        if integer(&mut fields, 1, "msg-type")? != 30 {
            return Err(invalid("msg-type"));
        }
        skip(&mut fields, 2, "ctime")?;
        skip(&mut fields, 3, "cusec")?;
        let time = fields.enter("stime", context(4))?.single("stime", GENERALIZED_TIME)?;
        let service_time = seconds(time).ok_or_else(|| invalid("stime"))?;
        integer(&mut fields, 5, "susec")?;
        let code = u32::try_from(integer(&mut fields, 6, "error-code")?);
        let code = code.map_err(|_| invalid("error-code"))?;
        skip(&mut fields, 7, "crealm")?;
        skip(&mut fields, 8, "cname")?;
        let realm = fields.enter("realm", context(9))?.single("realm", GENERAL_STRING)?;
        let name = principal_name(fields.enter("sname", context(10))?)?;
        let text = if fields.peek() == Some(context(11)) {
            Some(fields.enter("e-text", context(11))?.single("e-text", GENERAL_STRING)?)
        } else {
            None
        };
        skip(&mut fields, 12, "e-data")?;
        fields.end(MESSAGE)?;
        let text = text.map(printable).filter(|text| !text.is_empty());
        let service = format!("{name}@{}", printable(realm));
        Ok(Self { code, service_time, service, text })
    }

    /// By how many seconds the service's clock is ahead of ours; negative where it is behind.
    #[must_use]
    pub fn clock_ahead(&self, now: FileTime) -> i64 {
        let unix = i64::try_from(now.0 / 10_000_000).unwrap_or(i64::MAX)
            - i64::try_from(FileTime::UNIX_EPOCH.0 / 10_000_000).unwrap_or_default();
        self.service_time.saturating_sub(unix)
    }

    /// The error of an initiator whose token was answered with this, `now` by our clock.
    #[must_use]
    pub fn into_error(self, now: FileTime) -> Error {
        let clock_ahead = self.clock_ahead(now);
        PeerMisbehaved::Kerberos { error: Box::new(self), clock_ahead }.into()
    }

    /// What the service says, in words for people, with what can be done about it.
    pub(crate) fn describe(&self, f: &mut fmt::Formatter<'_>, clock_ahead: i64) -> fmt::Result {
        let service = &self.service;
        write!(f, "{service} refuses the Kerberos ticket: ")?;
        let (seconds, word) =
            (clock_ahead.unsigned_abs(), if clock_ahead < 0 { "behind" } else { "ahead of" });
        if self.code == SKEW {
            return write!(
                f,
                "its clock is {seconds} seconds {word} ours (KRB_AP_ERR_SKEW); set both by the same time service"
            );
        }
        match known(self.code) {
            Some((name, words)) => write!(f, "{words} ({name})")?,
            None => write!(f, "error {}", self.code)?,
        }
        // MIT's library looks at the times of the ticket before it compares the clocks.
        if [EXPIRED, NOT_YET_VALID].contains(&self.code) && seconds > NOTABLE {
            write!(f, "; its clock is {seconds} seconds {word} ours")?;
        }
        match &self.text {
            Some(text) => write!(f, "; it says: {text}"),
            None => Ok(()),
        }
    }
}

/// Name and meaning of the errors that a service answers a token with (RFC 4120 7.5.9).
const fn known(code: u32) -> Option<(&'static str, &'static str)> {
    Some(match code {
        14 => (
            "KDC_ERR_ETYPE_NOSUPP",
            "the ticket's encryption type is not allowed there; the keytab and the account of the service must agree on one",
        ),
        31 => (
            "KRB_AP_ERR_BAD_INTEGRITY",
            "it does not open with the service's key; the keytab may be older than the account's password",
        ),
        32 => ("KRB_AP_ERR_TKT_EXPIRED", "the ticket has expired; get a new one with kinit"),
        33 => ("KRB_AP_ERR_TKT_NYV", "the ticket is not valid yet; compare the clocks"),
        34 => ("KRB_AP_ERR_REPEAT", "the same token was used before"),
        35 => (
            "KRB_AP_ERR_NOT_US",
            "the ticket is for another service; the host may go by another name",
        ),
        36 => ("KRB_AP_ERR_BADMATCH", "ticket and authenticator name different clients"),
        40 => ("KRB_AP_ERR_MSG_TYPE", "it did not understand the token"),
        41 => (
            "KRB_AP_ERR_MODIFIED",
            "the token was changed, or the name of the host leads to another one's key",
        ),
        44 => (
            "KRB_AP_ERR_BADKEYVER",
            "the service has another version of its key; get a new ticket, or renew the keytab",
        ),
        45 => {
            ("KRB_AP_ERR_NOKEY", "the service has no key for this name; its keytab must have one")
        }
        46 => ("KRB_AP_ERR_MUT_FAIL", "mutual authentication failed"),
        50 => ("KRB_AP_ERR_INAPP_CKSUM", "it does not accept the token's checksum"),
        60 => ("KRB_ERR_GENERIC", "it does not say why"),
        _ => return None,
    })
}

const fn error(field: &'static str, kind: DecodeErrorKind) -> DecodeError {
    DecodeError { message: MESSAGE, field, kind }
}

const fn invalid(field: &'static str) -> DecodeError {
    error(field, DecodeErrorKind::Invalid)
}

/// An `Int32` under an explicit tag.
fn integer(fields: &mut Der<'_>, tag: u8, field: &'static str) -> Result<i32, DecodeError> {
    let bytes = fields.enter(field, context(tag))?.single(field, INTEGER)?;
    let (&first, rest) = bytes.split_first().ok_or_else(|| invalid(field))?;
    if rest.len() > 3 {
        return Err(error(field, DecodeErrorKind::TooLong));
    }
    let sign = i32::from(i8::from_be_bytes([first]));
    Ok(rest.iter().fold(sign, |value, digit| value << 8 | i32::from(*digit)))
}

/// An element that may be there and is of no interest.
fn skip(fields: &mut Der<'_>, tag: u8, field: &'static str) -> Result<(), DecodeError> {
    if fields.peek() == Some(context(tag)) {
        fields.content(field, context(tag))?;
    }
    Ok(())
}

/// `PrincipalName` (RFC 4120 5.2.2), its components with slashes between them.
fn principal_name(field: Der<'_>) -> Result<String, DecodeError> {
    let mut field = field;
    let mut name = field.enter("sname", SEQUENCE)?;
    field.end("sname")?;
    integer(&mut name, 0, "name-type")?;
    let mut list = name.enter("name-string", context(1))?;
    name.end("sname")?;
    let mut components = list.enter("name-string", SEQUENCE)?;
    list.end("name-string")?;
    let mut out = String::new();
    let mut count = 0;
    while !components.rest.is_empty() {
        count += 1;
        if count > COMPONENTS_MAX {
            return Err(error("name-string", DecodeErrorKind::TooLong));
        }
        let component = components.content("name-string", GENERAL_STRING)?;
        if count > 1 {
            out.push('/');
        }
        out.push_str(&printable(component));
    }
    Ok(out)
}

/// Text of somebody whom we do not know: no control characters, none that turn the direction of writing, not too long.
fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .filter(|letter| !letter.is_control() && !matches!(u32::from(*letter), 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFEFF))
        .take(TEXT_MAX)
        .collect()
}

/// `YYYYMMDDHHMMSSZ` (RFC 4120 5.2.3) in seconds since 1970.
fn seconds(time: &[u8]) -> Option<i64> {
    let digits = time.strip_suffix(b"Z").filter(|digits| digits.len() == 14)?;
    let number = |from: usize, to: usize| {
        digits.get(from..to)?.iter().try_fold(0_i64, |value, digit| {
            digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0'))
        })
    };
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(8, 10)?, number(10, 12)?, number(12, 14)?);
    let in_range = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !in_range {
        return None;
    }
    // Years begin in March, so that the day that comes and goes is the last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (month * 153 + 2) / 5
        + day
        - 1;
    Some((days - 719_468) * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_counted_from_1970() {
        let cases: [(&[u8], Option<i64>); 8] = [
            (b"19700101000000Z", Some(0)),
            (b"20000229120000Z", Some(951_825_600)),
            (b"20261130154128Z", Some(1_796_053_288)),
            (b"19691231235959Z", Some(-1)),
            (b"20261330154128Z", None),
            (b"20261130154128", None),
            (b"2026113015412:Z", None),
            (b"", None),
        ];
        for (text, expected) in cases {
            assert_eq!(seconds(text), expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn text_of_strangers_loses_what_could_play_tricks() {
        assert_eq!(printable("a\u{1b}[31m\u{202e}b\r\n".as_bytes()), "a[31mb");
        assert_eq!(printable(&[b'x'; 1000]).len(), TEXT_MAX);
    }
}
