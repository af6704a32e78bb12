//! A certificate with its private key, and reading both from PEM and PFX files.

use std::{fmt, mem};

use auth::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p12_keystore::{KeyStore, KeyStoreEntry, Pkcs12ImportPolicy, PrivateKeyChain};
use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::Kdf;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};
use webpki::EndEntityCert;
use x509_parser::pem::Pem;
use zeroize::{Zeroize as _, Zeroizing};

use super::certificate::{Facts, MAX_CHAIN, thumbprint};

/// The name of the entry in a PFX that is written.
const PFX_NAME: &str = "transom";
/// Rounds of PBKDF2 in a PFX that is written.
const PFX_ROUNDS: u32 = 100_000;
/// Rounds of PBKDF2 that a password is taken through, the same as for a PFX.
const MAX_ROUNDS: u32 = 1_000_000;
/// Bytes of memory that scrypt may want for a password; OpenSSL's own files want 16 MiB.
const MAX_SCRYPT_MEMORY: u64 = 128 * 1024 * 1024;
/// How often scrypt may go through its memory.
const MAX_SCRYPT_PASSES: u16 = 16;

/// A certificate, those that vouch for it, and its private key.
pub struct Identity {
    /// The own certificate first.
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// Why certificate and key cannot be used together or cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The text is damaged.
    #[error("the PEM text is damaged: {0}")]
    Pem(String),
    /// The PFX is damaged, or of a kind that is not known here.
    #[error("the PFX cannot be read: {0}")]
    Pfx(String),
    /// There is no certificate.
    #[error("there is no certificate")]
    NoCertificate,
    /// There are too many certificates.
    #[error("there are more than {MAX_CHAIN} certificates")]
    TooMany,
    /// A certificate is malformed.
    #[error("a certificate is malformed")]
    Certificate,
    /// There is no private key.
    #[error("there is no private key")]
    NoKey,
    /// There are several private keys.
    #[error("there are {0} private keys, and only one can be used")]
    SeveralKeys(usize),
    /// The private key is damaged or of an unknown kind.
    #[error("the private key cannot be used: {0}")]
    Key(String),
    /// The private key belongs to none of the certificates.
    #[error("the private key belongs to none of the certificates")]
    KeyOfAnother,
    /// A password is needed.
    #[error("the private key is encrypted, and there is no password")]
    PasswordMissing,
    /// The password does not open it.
    #[error("the password is wrong, or the file is damaged")]
    PasswordWrong,
    /// It cannot be written as a PFX.
    #[error("the PFX cannot be made: {0}")]
    Write(String),
    /// OpenSSL's own encryption of PEM, which hashes a password once.
    #[error("the private key has OpenSSL's traditional encryption, which protects little")]
    TraditionalEncryption,
}

impl IdentityError {
    /// What a person may try.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::PasswordMissing => Some("--password-file FILE, whose first line is the password"),
            Self::TraditionalEncryption => {
                Some("convert it: openssl pkcs8 -topk8 -in OLD -out NEW")
            }
            Self::NoKey => Some("--key FILE, if the key is in a file of its own"),
            Self::Pem(_)
            | Self::Pfx(_)
            | Self::NoCertificate
            | Self::TooMany
            | Self::Certificate
            | Self::SeveralKeys(_)
            | Self::Write(_)
            | Self::Key(_)
            | Self::KeyOfAnother
            | Self::PasswordWrong => None,
        }
    }
}

impl Identity {
    /// Puts certificates and key together; the certificate that the key belongs to comes first.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] when they do not belong together.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, IdentityError> {
        let mut this = Self { chain, key };
        if this.chain.is_empty() {
            return Err(IdentityError::NoCertificate);
        }
        if this.chain.len() > MAX_CHAIN {
            return Err(IdentityError::TooMany);
        }
        let signing =
            any_supported_type(&this.key).map_err(|error| IdentityError::Key(error.to_string()))?;
        let public = signing.public_key().ok_or(IdentityError::KeyOfAnother)?;
        let mut own = None;
        for (index, certificate) in this.chain.iter().enumerate() {
            Facts::read(certificate).map_err(|_| IdentityError::Certificate)?;
            let fits = EndEntityCert::try_from(certificate)
                .is_ok_and(|certificate| certificate.subject_public_key_info() == public);
            if fits && own.is_none() {
                own = Some(index);
            }
        }
        let own = this.chain.remove(own.ok_or(IdentityError::KeyOfAnother)?);
        this.chain.insert(0, own);
        Ok(this)
    }

    /// Reads certificates and key from PEM texts, which may be the same; a PFX is known by its
    /// first byte and needs no second text. `password` opens encrypted keys.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] says what is missing or wrong.
    pub fn read(
        certificates: &[u8],
        key: Option<&[u8]>,
        password: Option<&Secret>,
    ) -> Result<Self, IdentityError> {
        // A SEQUENCE; PEM begins with a dash or a comment.
        if certificates.first() == Some(&0x30) {
            return Self::read_pfx(certificates, password);
        }
        let mut found = Found::default();
        found.take(certificates, password)?;
        if let Some(key) = key {
            found.take(key, password)?;
        }
        match found.keys.pop() {
            Some(key) if found.keys.is_empty() => Self::new(mem::take(&mut found.chain), key),
            Some(_) => Err(IdentityError::SeveralKeys(found.keys.len() + 1)),
            None => Err(IdentityError::NoKey),
        }
    }

    /// PKCS#12 in its old and new encryptions; without a password the empty one is tried.
    fn read_pfx(bytes: &[u8], password: Option<&Secret>) -> Result<Self, IdentityError> {
        let text = password.map_or("", Secret::expose);
        let store = KeyStore::from_pkcs12(bytes, text, Pkcs12ImportPolicy::Relaxed);
        let store = store.map_err(|error| match (error, password) {
            (p12_keystore::error::Error::MacError(_), None) => IdentityError::PasswordMissing,
            (p12_keystore::error::Error::MacError(_), Some(_)) => IdentityError::PasswordWrong,
            (other, _) => IdentityError::Pfx(other.to_string()),
        })?;
        let mut pairs = store.entries().filter_map(|(_, entry)| match entry {
            KeyStoreEntry::PrivateKeyChain(pair) => Some(pair),
            KeyStoreEntry::Certificate(_) | KeyStoreEntry::Secret(_) => None,
        });
        let pair = pairs.next().ok_or(IdentityError::NoKey)?;
        match pairs.count() {
            0 => Self::from_pair(pair),
            more => Err(IdentityError::SeveralKeys(more + 1)),
        }
    }

    fn from_pair(pair: &PrivateKeyChain) -> Result<Self, IdentityError> {
        let chain = pair.certs().iter().map(|one| one.as_der().to_vec().into()).collect();
        let key = PrivatePkcs8KeyDer::from(pair.key().as_der().to_vec());
        Self::new(chain, key.into())
    }

    /// The certificates, the own one first.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    pub(super) const fn key(&self) -> &PrivateKeyDer<'static> {
        &self.key
    }

    /// SHA-1 of the own certificate, as Windows shows it.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        self.chain.first().map(|own| thumbprint(own)).unwrap_or_default()
    }

    /// What the own certificate says.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Certificate`].
    pub fn facts(&self) -> Result<Facts, IdentityError> {
        let own = self.chain.first().ok_or(IdentityError::NoCertificate)?;
        Facts::read(own).map_err(|_| IdentityError::Certificate)
    }

    /// The certificates as PEM.
    #[must_use]
    pub fn certificates_pem(&self) -> String {
        self.chain.iter().map(|one| pem("CERTIFICATE", one).to_string()).collect()
    }

    /// Certificates and key as a PFX (PKCS#12) that the password opens: AES-256 and HMAC-SHA-256 (PBES2), as Windows from
    /// 10 and Server 2019 on and OpenSSL 3 write it.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Write`].
    pub fn to_pfx(&self, password: &Secret) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
        let failed = |error: p12_keystore::error::Error| IdentityError::Write(error.to_string());
        let key = p12_keystore::PrivateKey::from_der(&self.key_pkcs8()?).map_err(failed)?;
        let certificates = self.chain.iter().map(|one| p12_keystore::Certificate::from_der(one));
        let certificates = certificates.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        // What ties certificate and key together in the file.
        let id = self.thumbprint().into_bytes();
        let mut store = KeyStore::new();
        let pair = PrivateKeyChain::new(id, key, certificates);
        store.add_entry(PFX_NAME, KeyStoreEntry::PrivateKeyChain(pair));
        let writer = store
            .writer(password.expose())
            .encryption_algorithm(p12_keystore::EncryptionAlgorithm::PbeWithHmacSha256AndAes256)
            .encryption_iterations(PFX_ROUNDS)
            .mac_algorithm(p12_keystore::MacAlgorithm::HmacSha256)
            .mac_iterations(PFX_ROUNDS);
        writer.write().map(Zeroizing::new).map_err(failed)
    }

    /// The key as PKCS#8 (RFC 5958), whatever form it came in: the algorithm is that of the public key.
    fn key_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
        let der = match &self.key {
            PrivateKeyDer::Pkcs8(der) => {
                return Ok(Zeroizing::new(der.secret_pkcs8_der().to_vec()));
            }
            other @ (PrivateKeyDer::Pkcs1(_) | PrivateKeyDer::Sec1(_) | _) => other.secret_der(),
        };
        let unusable = || IdentityError::Write("the key is of an unknown kind".to_owned());
        let own = self.chain.first().ok_or(IdentityError::NoCertificate)?;
        let own = EndEntityCert::try_from(own).map_err(|_| IdentityError::Certificate)?;
        let public = own.subject_public_key_info();
        let algorithm = first_element(element_content(&public).ok_or_else(unusable)?);
        let algorithm = algorithm.ok_or_else(unusable)?;
        let mut inner = Zeroizing::new(vec![0x02, 0x01, 0x00]);
        inner.extend_from_slice(algorithm);
        append_element(&mut inner, 0x04, der);
        let mut whole = Zeroizing::new(Vec::with_capacity(inner.len() + 8));
        append_element(&mut whole, 0x30, &inner);
        Ok(whole)
    }

    /// The private key as PEM, not encrypted.
    #[must_use]
    pub fn key_pem(&self) -> Zeroizing<String> {
        let label = match &self.key {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            PrivateKeyDer::Pkcs8(_) | _ => "PRIVATE KEY",
        };
        pem(label, self.key.secret_der())
    }
}

/// The length of the header and of the content of the DER element at the start of `bytes`.
fn measure(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes {
        [_, length @ 0..=0x7f, ..] => Some((2, length.into())),
        [_, 0x81, length, ..] => Some((3, length.into())),
        [_, 0x82, high, low, ..] => Some((4, usize::from(high) << 8 | usize::from(low))),
        _ => None,
    }
}

fn element_content(bytes: &[u8]) -> Option<&[u8]> {
    let (header, content) = measure(bytes)?;
    bytes.get(header..header + content)
}

fn first_element(bytes: &[u8]) -> Option<&[u8]> {
    let (header, content) = measure(bytes)?;
    bytes.get(..header + content)
}

/// Appends a DER element of at most 65,535 bytes; keys are a tenth of that.
fn append_element(to: &mut Vec<u8>, tag: u8, content: &[u8]) {
    to.push(tag);
    let [high, low] = u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes();
    match (high, low) {
        (0, 0..=0x7f) => to.push(low),
        (0, _) => to.extend_from_slice(&[0x81, low]),
        _ => to.extend_from_slice(&[0x82, high, low]),
    }
    to.extend_from_slice(content);
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.thumbprint()).finish()
    }
}

/// A certificate (DER) as PEM.
#[must_use]
pub fn certificate_pem(der: &[u8]) -> String {
    pem("CERTIFICATE", der).to_string()
}

/// A revocation list (DER) as PEM.
#[must_use]
pub fn list_pem(der: &[u8]) -> String {
    pem("X509 CRL", der).to_string()
}

/// The thumbprints of the certificates in a PEM text or of one in DER, in their order; nothing for anything else.
#[must_use]
pub fn thumbprints(bytes: &[u8]) -> Vec<String> {
    if Facts::read(bytes).is_ok() {
        return vec![thumbprint(bytes)];
    }
    let certificate = |block: Pem| match block.label.as_str() {
        "CERTIFICATE" | "X509 CERTIFICATE" => Some(thumbprint(&block.contents)),
        _ => None,
    };
    Pem::iter_from_buffer(bytes)
        .map_while(Result::ok)
        .take(MAX_CHAIN)
        .filter_map(certificate)
        .collect()
}

/// RFC 7468: lines of 64 characters.
fn pem(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(der));
    let mut text = Zeroizing::new(String::with_capacity(body.len() + body.len() / 32 + 128));
    text.push_str(&format!("-----BEGIN {label}-----\n"));
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(64).unwrap_or((rest, ""));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// What PEM texts hold.
#[derive(Default)]
struct Found {
    chain: Vec<CertificateDer<'static>>,
    keys: Vec<PrivateKeyDer<'static>>,
}

impl Found {
    fn take(&mut self, text: &[u8], password: Option<&Secret>) -> Result<(), IdentityError> {
        if text.windows(22).any(|part| part == b"Proc-Type: 4,ENCRYPTED") {
            return Err(IdentityError::TraditionalEncryption);
        }
        for block in Pem::iter_from_buffer(text) {
            let block = block.map_err(|error| IdentityError::Pem(error.to_string()))?;
            let Pem { label, mut contents } = block;
            match label.as_str() {
                "CERTIFICATE" | "X509 CERTIFICATE" => self.chain.push(contents.into()),
                "PRIVATE KEY" => self.keys.push(PrivatePkcs8KeyDer::from(contents).into()),
                "RSA PRIVATE KEY" => self.keys.push(PrivatePkcs1KeyDer::from(contents).into()),
                "EC PRIVATE KEY" => self.keys.push(PrivateSec1KeyDer::from(contents).into()),
                "ENCRYPTED PRIVATE KEY" => self.keys.push(decrypt(&contents, password)?),
                // Parameters, certificate requests and other company.
                _ => contents.zeroize(),
            }
        }
        Ok(())
    }
}

impl Drop for Found {
    fn drop(&mut self) {
        self.keys.iter_mut().for_each(zeroize::Zeroize::zeroize);
    }
}

fn decrypt(der: &[u8], password: Option<&Secret>) -> Result<PrivateKeyDer<'static>, IdentityError> {
    let password = password.ok_or(IdentityError::PasswordMissing)?;
    let sealed = EncryptedPrivateKeyInfoRef::try_from(der)
        .map_err(|error| IdentityError::Key(error.to_string()))?;
    if !is_affordable(&sealed.encryption_algorithm) {
        let text = "its encryption asks for more work or memory than any password needs";
        return Err(IdentityError::Key(text.to_owned()));
    }
    let opened = sealed.decrypt(password.expose()).map_err(|_| IdentityError::PasswordWrong)?;
    Ok(PrivatePkcs8KeyDer::from(opened.as_bytes().to_vec()).into())
}

/// The file says how much work a password makes: years of it, or all memory, if nobody bounds it.
fn is_affordable(scheme: &EncryptionScheme) -> bool {
    match scheme.pbes2().map(|parameters| &parameters.kdf) {
        Some(Kdf::Pbkdf2(kdf)) => kdf.iteration_count <= MAX_ROUNDS,
        Some(Kdf::Scrypt(kdf)) => {
            let memory = kdf.cost_parameter.saturating_mul(128 * u64::from(kdf.block_size));
            memory <= MAX_SCRYPT_MEMORY && kdf.parallelization <= MAX_SCRYPT_PASSES
        }
        // The oldest schemes have 16 bits for their rounds; of kinds that are not known nothing is opened.
        Some(_) | None => true,
    }
}
