//! NTLMv2 responses: making one, and the verdict over one ([MS-NLMP] 3.3.2).
//!
//! The verdict is a pure function over a hash, so that whoever owns the hashes can live in another process than the
//! acceptor.

use std::{fmt, hint::black_box};

use hmac::{Hmac, KeyInit as _, Mac as _};
use md4::{Digest as _, Md4};
use md5::Md5;
use subtle::ConstantTimeEq as _;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::wire::encode_utf16;
use crate::Secret;

pub(crate) type HmacMd5 = Hmac<Md5>;

/// HMAC-MD5 over the concatenation of `parts`.
pub(crate) fn hmac_md5(key: &[u8; 16], parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = keyed(key);
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// HMAC-MD5 with the key worked in.
pub(crate) fn keyed(key: &[u8; 16]) -> HmacMd5 {
    // A key shorter than MD5's block is zero-filled (RFC 2104 2), so this is the same key without a fallible call.
    let mut block = Zeroizing::new([0; 64]);
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    HmacMd5::new((&*block).into())
}

/// MD4 of a password: as good as the password itself. Wiped when dropped, never printed.
#[derive(Clone, ZeroizeOnDrop)]
pub struct NtHash([u8; 16]);

impl NtHash {
    /// A hash from an accounts file.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes for an accounts file: the caller answers for where they go.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 16] {
        &self.0
    }
}

impl NtHash {
    /// A tag over a text that only who knows the hash can make: with the password it is another one. HMAC-SHA256.
    #[must_use]
    pub fn tag(&self, text: &[u8]) -> [u8; 32] {
        let Ok(mut mac) = Hmac::<sha2::Sha256>::new_from_slice(&self.0) else {
            return [0; 32];
        };
        mac.update(text);
        mac.finalize().into_bytes().into()
    }

    /// Whether a tag is that of a text. Takes the same time wherever it differs.
    #[must_use]
    pub fn has_tagged(&self, text: &[u8], tag: &[u8; 32]) -> bool {
        self.tag(text).ct_eq(tag).into()
    }
}

impl PartialEq for NtHash {
    /// Takes the same time wherever the hashes differ.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for NtHash {}

impl fmt::Debug for NtHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The key that both sides know after a right response. Wiped when dropped, never printed.
#[derive(Clone, ZeroizeOnDrop)]
pub struct SessionBaseKey([u8; 16]);

impl SessionBaseKey {
    /// A key that came from a verifier in another process.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, for sending to another process: the caller answers for where they go.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for SessionBaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// An NTLMv2 response with everything that a verdict over it needs.
///
/// `Debug` leaves the response out: with it a weak password can be guessed offline.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the inputs of the response function are fixed")]
pub struct NtlmAttempt {
    /// The user name as the client wrote it, without the domain; it may be `user@realm`. Names are compared without
    /// regard to case.
    pub user: String,
    /// The domain as the client wrote it: the machine's name, a domain, or empty.
    pub domain: String,
    /// The challenge that the verifier handed out.
    pub server_challenge: [u8; 8],
    /// `NTProofStr`.
    pub nt_proof: [u8; 16],
    /// `temp`: the rest of the response.
    pub temp: Vec<u8>,
}

impl fmt::Debug for NtlmAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NtlmAttempt")
            .field("user", &self.user)
            .field("domain", &self.domain)
            .finish_non_exhaustive()
    }
}

/// NTOWFv1: the hash by which a password is stored.
#[must_use]
pub fn nt_hash(password: &Secret) -> NtHash {
    let text = Zeroizing::new(encode_utf16(password.expose()));
    NtHash(Md4::digest(text.as_slice()).into())
}

/// The verdict over a response; `Some` with the session key when it is right.
///
/// The response is tried with the domain that the client named and with none ([MS-NLMP] 3.2.5.1.2): both are
/// always computed, and compared in constant time, so that the time tells nothing.
#[must_use]
pub fn verify(hash: &NtHash, attempt: &NtlmAttempt) -> Option<SessionBaseKey> {
    let (named, named_key) = try_domain(hash, attempt, &attempt.domain);
    let (empty, empty_key) = try_domain(hash, attempt, "");
    if named.into() {
        Some(named_key)
    } else if empty.into() {
        Some(empty_key)
    } else {
        None
    }
}

/// For a user name that nobody has: does the work of [`verify`] and lets nobody in.
pub fn verify_unknown(attempt: &NtlmAttempt) {
    let verdict = black_box(verify(&NtHash([0; 16]), black_box(attempt)));
    drop(verdict);
}

fn try_domain(
    hash: &NtHash,
    attempt: &NtlmAttempt,
    domain: &str,
) -> (subtle::Choice, SessionBaseKey) {
    let key = ntowf_v2(hash, &attempt.user, domain);
    let proof = hmac_md5(&key, &[&attempt.server_challenge, &attempt.temp]);
    (proof.ct_eq(&attempt.nt_proof), SessionBaseKey(hmac_md5(&key, &[&attempt.nt_proof])))
}

/// NTOWFv2: the key of all that follows.
pub(crate) fn ntowf_v2(hash: &NtHash, user: &str, domain: &str) -> Zeroizing<[u8; 16]> {
    let upper: String = user.chars().map(simple_upper).collect();
    Zeroizing::new(hmac_md5(&hash.0, &[&encode_utf16(&upper), &encode_utf16(domain)]))
}

/// `Upper` maps one character to one, as Windows's table does: `ß` stays. That table turns no letter outside ASCII
/// into an ASCII one (`ı`, `ſ`), and knows no letters beyond the first plane.
fn simple_upper(letter: char) -> char {
    let mut mapped = letter.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(upper), None)
            if upper.is_ascii() == letter.is_ascii() && u32::from(letter) <= 0xFFFF =>
        {
            upper
        }
        _ => letter,
    }
}

/// An NTLMv2 response with its session key.
pub(crate) struct Response {
    pub(crate) nt: Vec<u8>,
    pub(crate) session_base_key: SessionBaseKey,
}

/// Answers a challenge; `av_pairs` ends with its end mark, `time` is a FILETIME.
pub(crate) fn respond(
    key: &[u8; 16],
    server_challenge: &[u8; 8],
    client_challenge: &[u8; 8],
    time: u64,
    av_pairs: &[u8],
) -> Response {
    let mut temp = Vec::with_capacity(av_pairs.len().saturating_add(32));
    temp.extend_from_slice(&[1, 1, 0, 0, 0, 0, 0, 0]);
    temp.extend_from_slice(&time.to_le_bytes());
    temp.extend_from_slice(client_challenge);
    temp.extend_from_slice(&[0; 4]);
    temp.extend_from_slice(av_pairs);
    temp.extend_from_slice(&[0; 4]);
    let proof = hmac_md5(key, &[server_challenge, &temp]);
    let mut nt = proof.to_vec();
    nt.append(&mut temp);
    Response { nt, session_base_key: SessionBaseKey(hmac_md5(key, &[&proof])) }
}

/// The LMv2 response, which only services without a timestamp look at.
pub(crate) fn respond_lm(
    key: &[u8; 16],
    server_challenge: &[u8; 8],
    client_challenge: &[u8; 8],
) -> [u8; 24] {
    let mut lm = [0; 24];
    let proof = hmac_md5(key, &[server_challenge, client_challenge]);
    for (to, from) in lm.iter_mut().zip(proof.iter().chain(client_challenge)) {
        *to = *from;
    }
    lm
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_case_maps_one_character_to_one() {
        let upper = |text: &str| text.chars().map(simple_upper).collect::<String>();
        assert_eq!(upper("jörgß"), "JÖRGß");
        assert_eq!(upper("ıſé\u{10428}"), "ıſÉ\u{10428}");
    }

    #[test]
    fn secrets_stay_out_of_debug_output() {
        let hash = nt_hash(&Secret::new("Password"));
        assert_eq!(format!("{hash:?} {:?}", SessionBaseKey([1; 16])), "*** ***");
        let attempt = NtlmAttempt {
            user: "u".into(),
            domain: "d".into(),
            server_challenge: [0xAB; 8],
            nt_proof: [0xCD; 16],
            temp: vec![0xEF; 40],
        };
        assert_eq!(format!("{attempt:?}"), r#"NtlmAttempt { user: "u", domain: "d", .. }"#);
    }
}
