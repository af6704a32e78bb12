//! The framing of a mechanism's token: `60 L 06 09 OID` (RFC 2743 3.1), with the object identifier of Kerberos.

use crate::spnego::Oid;

const APPLICATION_0: u8 = 0x60;
const OBJECT_IDENTIFIER: u8 = 0x06;
/// Bytes of the object identifier with its tag and length.
const IDENTIFIER: usize = 11;

/// What stands in front of `inner` bytes.
pub(super) fn front(inner: usize) -> Vec<u8> {
    let length = inner.saturating_add(IDENTIFIER);
    let mut out = vec![APPLICATION_0];
    match u8::try_from(length) {
        Ok(short @ 0..=0x7F) => out.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let digits = bytes.into_iter().skip_while(|digit| *digit == 0);
            out.push(0x80 | u8::try_from(digits.clone().count()).unwrap_or(0x7F));
            out.extend(digits);
        }
    }
    let oid = Oid::KERBEROS;
    let content = oid.as_der_content();
    out.extend([OBJECT_IDENTIFIER, u8::try_from(content.len()).unwrap_or_default()]);
    out.extend_from_slice(content);
    out
}

/// What follows the framing, whatever length it tells; `None` where `token` does not begin with one.
pub(super) fn behind(token: &[u8]) -> Option<&[u8]> {
    let ([APPLICATION_0, 0..=0x7F, rest @ ..]
    | [APPLICATION_0, 0x81, _, rest @ ..]
    | [APPLICATION_0, 0x82, _, _, rest @ ..]
    | [APPLICATION_0, 0x83, _, _, _, rest @ ..]
    | [APPLICATION_0, 0x84, _, _, _, _, rest @ ..]) = token
    else {
        return None;
    };
    let (identifier, rest) = rest.split_first_chunk::<IDENTIFIER>()?;
    let [OBJECT_IDENTIFIER, length, content @ ..] = identifier else { return None };
    let known = usize::from(*length) == content.len()
        && content.as_slice() == Oid::KERBEROS.as_der_content();
    known.then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_each_length_loses_its_framing_again() {
        for inner in [0, 3, 116, 117, 244, 245, 70_000] {
            let mut token = front(inner);
            let framing = token.len();
            token.resize(framing + inner, 7);
            assert_eq!(behind(&token).map(<[u8]>::len), Some(inner));
            for cut in 0..framing {
                assert_eq!(behind(&token[..cut]), None, "{cut} of {framing} bytes");
            }
        }
        assert_eq!(behind(b"\x60\x80\x06\x09"), None);
    }
}
