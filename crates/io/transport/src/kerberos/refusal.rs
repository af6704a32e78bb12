//! Why a token is refused, and the KRB-ERROR that tells the client (RFC 4120 5.9.1, 7.5.9).

use std::time::{SystemTime, UNIX_EPOCH};

use auth::KerberosRefusal;
use time::OffsetDateTime;

use super::error::code;
use super::sys::{GssFault, Name};

/// The mechanism's object identifier with its header.
pub(super) const KERBEROS: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";
/// `GSS_S_BAD_BINDINGS` (RFC 2744 3.9.1).
const BAD_BINDINGS: u32 = 4;
/// `KRB_AP_ERR_NOKEY`, `KRB_ERR_GENERIC`.
const NO_KEY: u32 = 45;
const GENERIC: u32 = 60;
/// The longest name of a service in a KRB-ERROR: an answer's header has bounds.
const NAME_MAX: usize = 1024;

/// The reason of a fault.
pub(super) fn of(fault: &GssFault) -> KerberosRefusal {
    use KerberosRefusal as Refusal;
    if fault.routine == BAD_BINDINGS {
        return Refusal::ChannelBindingWrong;
    }
    match fault.minor {
        code::REPEAT => Refusal::Replayed,
        code::SKEW => Refusal::Skew,
        code::TICKET_EXPIRED => Refusal::Expired,
        code::TICKET_NOT_YET_VALID => Refusal::NotYetValid,
        code::NO_KEY
        | code::BAD_KEY_VERSION
        | code::NOT_US
        | code::WRONG_PRINCIPAL
        | code::KT_NOT_FOUND
        | code::KT_VERSION_NOT_FOUND => Refusal::NoKey,
        code::ETYPE_UNSUPPORTED
        | code::PROGRAM_ETYPE
        | code::ETYPE_NOT_PERMITTED
        | code::CONFIG_ETYPE => Refusal::EncryptionType,
        code::BAD_INTEGRITY | code::MODIFIED => Refusal::Integrity,
        // What is positive is the system's number for a file that cannot be read.
        1.. => Refusal::NoKeytab,
        _ => Refusal::Other,
    }
}

/// The number that tells the client; `None` where nothing is told. A wrong binding is not told: Windows does not, and the
/// one who is in the middle learns nothing.
pub(super) fn number(fault: &GssFault, refusal: KerberosRefusal) -> Option<u32> {
    if matches!(refusal, KerberosRefusal::ChannelBindingWrong | KerberosRefusal::NoKeytab) {
        return None;
    }
    let without = if refusal == KerberosRefusal::NoKey { NO_KEY } else { GENERIC };
    Some(code::in_protocol(fault.minor).unwrap_or(without))
}

/// A token with a KRB-ERROR: `60 … 06 09 … 03 00 7E …`; `None` where the clock is outside of what can be written.
pub(super) fn krb_error(number: u32, service: &Name, now: SystemTime) -> Option<Vec<u8>> {
    let since = now.duration_since(UNIX_EPOCH).ok()?;
    let time = OffsetDateTime::from_unix_timestamp(i64::try_from(since.as_secs()).ok()?).ok()?;
    let time = format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}Z",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
    let components: Vec<u8> = service.components.iter().flat_map(|one| der(0x1B, one)).collect();
    if components.len().saturating_add(service.realm.len()) > NAME_MAX {
        return None;
    }
    let name =
        [field(0, &integer(service.kind.cast_unsigned())), field(1, &der(0x30, &components))];
    let fields = [
        field(0, &integer(5)),
        field(1, &integer(30)),
        field(4, &der(0x18, time.as_bytes())),
        field(5, &integer(since.subsec_micros())),
        field(6, &integer(number)),
        field(9, &der(0x1B, &service.realm)),
        field(10, &der(0x30, &name.concat())),
    ];
    let error = der(0x7E, &der(0x30, &fields.concat()));
    Some(der(0x60, &[KERBEROS, &[3, 0], &error].concat()))
}

/// An explicitly tagged member of a sequence.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    der(0xA0 | number, content)
}

fn integer(number: u32) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take(3).take_while(|byte| **byte == 0).count();
    let short = bytes.get(zeros..).unwrap_or_default();
    // A leading bit would be a sign.
    let sign: &[u8] = if short.first().is_some_and(|byte| byte & 0x80 != 0) { &[0] } else { &[] };
    der(2, &[sign, short].concat())
}

/// Tag, length in as few bytes as it takes, content.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let zeros = length.iter().take_while(|byte| **byte == 0).count();
    let short = length.get(zeros..).unwrap_or_default();
    let prefix: &[u8] = match short {
        [] => &[0],
        [one] if *one < 0x80 => &[],
        _ => &[0x80 | u8::try_from(short.len()).unwrap_or(0)],
    };
    [&[tag], prefix, short, content].concat()
}
