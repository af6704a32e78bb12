//! What a certificate says: names, dates, fingerprints, and the channel binding made of it.

use std::fmt::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr};

use auth::ChannelBinding;
use rustls::pki_types::UnixTime;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::Oid;
use x509_parser::prelude::FromDer;
use x509_parser::signature_algorithm::SignatureAlgorithm;
use x509_parser::x509::AlgorithmIdentifier;

/// Certificates in one chain; more are a mistake, or an attack.
pub(super) const MAX_CHAIN: usize = 16;
/// Names beyond these are left out of texts.
const MAX_NAMES: usize = 100;
/// The otherName of a user principal name (szOID_NT_PRINCIPAL_NAME).
const UPN: &str = "1.3.6.1.4.1.311.20.2.3";
/// UTF8String, PrintableString, IA5String.
const TEXT_TAGS: [u8; 3] = [0x0c, 0x13, 0x16];
/// Texts are cut here, in characters.
const MAX_TEXT: usize = 256;

/// A certificate that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the certificate is malformed")]
pub struct Malformed;

/// What people want to know of a certificate. The texts come from whoever made it; characters that
/// a terminal would obey are replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// Whom it names: `CN=server01`.
    pub subject: String,
    /// Who vouches for it.
    pub issuer: String,
    /// True when it vouches for itself.
    pub is_self_issued: bool,
    /// DNS names and IP addresses of the subjectAltName (RFC 5280 4.2.1.6), the only names that
    /// count.
    pub names: Vec<String>,
    /// User principal names of the subjectAltName (otherName 1.3.6.1.4.1.311.20.2.3), by which Windows maps client
    /// certificates to accounts.
    pub upns: Vec<String>,
    /// What it was made for (extendedKeyUsage, RFC 5280 4.2.1.12); nothing where it does not say.
    pub usages: Vec<Usage>,
    /// True when it may vouch for others (basicConstraints, keyUsage).
    pub is_authority: bool,
    /// From when it is valid.
    pub not_before: Moment,
    /// Until when.
    pub not_after: Moment,
    /// SHA-1 of the certificate in upper-case hexadecimal digits, as Windows shows it.
    pub thumbprint: String,
    /// SHA-256 of the certificate in lower-case hexadecimal digits.
    pub fingerprint: String,
    /// SHA-256 of its public key (SubjectPublicKeyInfo) in lower-case hexadecimal digits; it stays
    /// when the certificate is renewed with the same key.
    pub key_fingerprint: String,
}

/// What a certificate was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Usage {
    /// TLS servers: `serverAuth`.
    ServerAuth,
    /// TLS clients: `clientAuth`.
    ClientAuth,
    /// Something else.
    Other,
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ServerAuth => "serverAuth",
            Self::ClientAuth => "clientAuth",
            Self::Other => "other",
        })
    }
}

/// The names of a certificate by which it can be mapped to an account, exactly as they stand there: one that is longer
/// than any account's needs, or has a character that no name has, is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Subjects {
    /// User principal names.
    pub upns: Vec<String>,
    /// DNS names.
    pub dns: Vec<String>,
}

impl Subjects {
    /// Reads the names of a certificate (DER).
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub fn read(der: &[u8]) -> Result<Self, Malformed> {
        let certificate = parse(der)?;
        let mut found = Self::default();
        let extension = certificate.subject_alternative_name().map_err(|_| Malformed)?;
        let Some(extension) = extension else { return Ok(found) };
        for name in extension.value.general_names.iter().take(MAX_NAMES) {
            if let Some(upn) = upn(name).filter(|name| is_exact(name)) {
                found.upns.push(upn.to_owned());
            }
            if let GeneralName::DNSName(name) = name
                && is_exact(name)
            {
                found.dns.push((*name).to_owned());
            }
        }
        Ok(found)
    }
}

fn is_exact(name: &str) -> bool {
    !name.is_empty()
        && name.chars().count() <= MAX_TEXT
        && !name.contains(|c: char| c.is_control() || c.is_whitespace())
}

/// A time in a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Seconds since 1970, negative before.
    seconds: i64,
}

impl Moment {
    /// From seconds since 1970.
    #[must_use]
    pub const fn from_unix(seconds: i64) -> Self {
        Self { seconds }
    }

    /// Seconds since 1970, negative before.
    #[must_use]
    pub const fn unix(self) -> i64 {
        self.seconds
    }
}

impl fmt::Display for Moment {
    /// `2026-01-31 12:00:00 UTC`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match x509_parser::time::ASN1Time::from_timestamp(self.seconds) {
            Ok(time) => {
                let time = time.to_datetime();
                let (hour, minute, second) = time.to_hms();
                write!(f, "{:04}-{:02}-{:02}", time.year(), u8::from(time.month()), time.day())?;
                write!(f, " {hour:02}:{minute:02}:{second:02} UTC")
            }
            Err(_) => write!(f, "{} s after 1970", self.seconds),
        }
    }
}

impl Facts {
    /// Reads a certificate (DER).
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub fn read(der: &[u8]) -> Result<Self, Malformed> {
        let certificate = parse(der)?;
        let key = certificate.public_key().raw;
        Ok(Self {
            subject: printable(&certificate.subject().to_string()),
            issuer: printable(&certificate.issuer().to_string()),
            is_self_issued: certificate.subject().as_raw() == certificate.issuer().as_raw(),
            names: names(&certificate),
            upns: upns(&certificate),
            usages: usages(&certificate),
            is_authority: is_authority(&certificate),
            not_before: Moment::from_unix(certificate.validity().not_before.timestamp()),
            not_after: Moment::from_unix(certificate.validity().not_after.timestamp()),
            thumbprint: thumbprint(der),
            fingerprint: hexadecimal(&Sha256::digest(der)),
            key_fingerprint: hexadecimal(&Sha256::digest(key)),
        })
    }
}

/// SHA-1 of the certificate in upper-case hexadecimal digits: how Windows names certificates. It
/// is a name, not a proof.
#[must_use]
pub fn thumbprint(der: &[u8]) -> String {
    hexadecimal(&Sha1::digest(der)).to_ascii_uppercase()
}

/// The channel binding `tls-server-end-point` of a TLS connection whose server showed this
/// certificate; `None` where RFC 5929 4.1 defines none: unknown algorithms, and those that hash
/// nothing (Ed25519).
#[must_use]
pub fn channel_binding(der: &[u8]) -> Option<ChannelBinding> {
    let certificate = parse(der).ok()?;
    let hash = match hash_of(&certificate.signature_algorithm)? {
        Hash::Sha224 => Sha224::digest(der).to_vec(),
        Hash::Sha256 => Sha256::digest(der).to_vec(),
        Hash::Sha384 => Sha384::digest(der).to_vec(),
        Hash::Sha512 => Sha512::digest(der).to_vec(),
    };
    Some(ChannelBinding::from_tls_server_end_point(&hash))
}

/// The bits of a certificate's `subjectPublicKey` (RFC 5280 4.1), without their count of unused ones.
pub(super) fn subject_public_key(der: &[u8]) -> Option<Vec<u8>> {
    let certificate = parse(der).ok()?;
    Some(certificate.public_key().subject_public_key.data.to_vec())
}

/// SHA-256 of a certificate and of its public key, for pins.
pub(super) fn pins(der: &[u8]) -> Result<([u8; 32], [u8; 32]), Malformed> {
    let certificate = parse(der)?;
    Ok((Sha256::digest(der).into(), Sha256::digest(certificate.public_key().raw).into()))
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, Malformed> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) | Err(_) => Err(Malformed),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// The signature algorithms of certificates, and the hash that stands for each in a binding:
/// MD5 and SHA-1 are replaced by SHA-256 (RFC 5929 4.1).
const SIGNATURES: &[(&str, Hash)] = &[
    ("1.2.840.113549.1.1.4", Hash::Sha256), // md5WithRSAEncryption
    ("1.2.840.113549.1.1.5", Hash::Sha256), // sha1WithRSAEncryption
    ("1.3.14.3.2.29", Hash::Sha256),        // sha1WithRSASignature, as makecert wrote it
    ("1.2.840.113549.1.1.14", Hash::Sha224), // sha224WithRSAEncryption
    ("1.2.840.113549.1.1.11", Hash::Sha256), // sha256WithRSAEncryption
    ("1.2.840.113549.1.1.12", Hash::Sha384), // sha384WithRSAEncryption
    ("1.2.840.113549.1.1.13", Hash::Sha512), // sha512WithRSAEncryption
    ("1.2.840.10040.4.3", Hash::Sha256),    // dsa-with-sha1
    ("2.16.840.1.101.3.4.3.1", Hash::Sha224), // dsa-with-sha224
    ("2.16.840.1.101.3.4.3.2", Hash::Sha256), // dsa-with-sha256
    ("1.2.840.10045.4.1", Hash::Sha256),    // ecdsa-with-SHA1
    ("1.2.840.10045.4.3.1", Hash::Sha224),  // ecdsa-with-SHA224
    ("1.2.840.10045.4.3.2", Hash::Sha256),  // ecdsa-with-SHA256
    ("1.2.840.10045.4.3.3", Hash::Sha384),  // ecdsa-with-SHA384
    ("1.2.840.10045.4.3.4", Hash::Sha512),  // ecdsa-with-SHA512
];

/// The hash functions that RSASSA-PSS names in its parameters.
const HASHES: &[(&str, Hash)] = &[
    ("1.2.840.113549.2.5", Hash::Sha256), // md5
    ("1.3.14.3.2.26", Hash::Sha256),      // sha1, the default
    ("2.16.840.1.101.3.4.2.4", Hash::Sha224),
    ("2.16.840.1.101.3.4.2.1", Hash::Sha256),
    ("2.16.840.1.101.3.4.2.2", Hash::Sha384),
    ("2.16.840.1.101.3.4.2.3", Hash::Sha512),
];

fn hash_of(algorithm: &AlgorithmIdentifier<'_>) -> Option<Hash> {
    if let Ok(SignatureAlgorithm::RSASSA_PSS(parameters)) = SignatureAlgorithm::try_from(algorithm)
    {
        return look_up(HASHES, parameters.hash_algorithm_oid());
    }
    look_up(SIGNATURES, &algorithm.algorithm)
}

fn look_up(table: &[(&str, Hash)], oid: &Oid<'_>) -> Option<Hash> {
    let oid = oid.to_id_string();
    table.iter().find(|(known, _)| *known == oid).map(|(_, hash)| *hash)
}

/// The UPN in one of the names of a certificate: `[0] EXPLICIT UTF8String`, and nothing behind it. Windows writes UTF-8
/// text; other tools the ASCII types.
fn upn<'a>(name: &GeneralName<'a>) -> Option<&'a str> {
    let GeneralName::OtherName(oid, value) = name else { return None };
    if oid.to_id_string() != UPN {
        return None;
    }
    let (inner, []) = element(value, 0xa0)? else { return None };
    let (text, []) = TEXT_TAGS.iter().find_map(|tag| element(inner, *tag))? else { return None };
    std::str::from_utf8(text).ok()
}

/// The content of the DER element with this tag at the start of `bytes`, and what follows it. Lengths of up to 65,535,
/// in their shortest form.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match bytes {
        [first, length @ 0..=0x7f, rest @ ..] if *first == tag => (usize::from(*length), rest),
        [first, 0x81, length @ 0x80..=0xff, rest @ ..] if *first == tag => {
            (usize::from(*length), rest)
        }
        [first, 0x82, high @ 1..=0xff, low, rest @ ..] if *first == tag => {
            (usize::from(*high) << 8 | usize::from(*low), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

fn upns(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let names = extension.value.general_names.iter().filter_map(upn);
    names.map(printable).take(MAX_NAMES).collect()
}

fn usages(certificate: &X509Certificate<'_>) -> Vec<Usage> {
    let Ok(Some(extension)) = certificate.extended_key_usage() else { return Vec::new() };
    let found = extension.value;
    let is_other = found.any
        || found.code_signing
        || found.email_protection
        || found.time_stamping
        || found.ocsp_signing
        || !found.other.is_empty();
    let all = [
        (found.server_auth, Usage::ServerAuth),
        (found.client_auth, Usage::ClientAuth),
        (is_other, Usage::Other),
    ];
    all.into_iter().filter(|(has, _)| *has).map(|(_, usage)| usage).collect()
}

fn is_authority(certificate: &X509Certificate<'_>) -> bool {
    let may_sign = match certificate.key_usage() {
        Ok(Some(usage)) => usage.value.key_cert_sign(),
        Ok(None) => true,
        Err(_) => false,
    };
    let basic = certificate.basic_constraints();
    may_sign && matches!(basic, Ok(Some(found)) if found.value.ca)
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(printable(name)),
        GeneralName::IPAddress(bytes) => address(bytes),
        GeneralName::OtherName(..)
        | GeneralName::RFC822Name(_)
        | GeneralName::X400Address(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EDIPartyName(_)
        | GeneralName::URI(_)
        | GeneralName::RegisteredID(_)
        | GeneralName::Invalid(..) => None,
    };
    extension.value.general_names.iter().filter_map(name).take(MAX_NAMES).collect()
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(four).to_string());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| Ipv6Addr::from(sixteen).to_string())
}

/// A time as rustls has it.
pub(super) fn moment(time: UnixTime) -> Moment {
    Moment::from_unix(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}

/// Without what a terminal would obey, and not longer than people read.
pub(super) fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(shown).take(MAX_TEXT).collect()
}

/// Bytes as lower-case hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
