//! The certificate of a service that has none for its inner sessions.

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::x509::{X509, X509NameBuilder};
use rustls::pki_types::PrivatePkcs8KeyDer;

use crate::tls::identity::{Identity, IdentityError};
use crate::tls::ossl;

/// What Windows's own has.
const BITS: u32 = 2048;
/// Nobody looks at the time, and no service runs so long.
const DAYS: u32 = 3650;
/// Its name says what it is for; that of the machine is nobody's affair before the login.
const NAME: &str = "CREDSSP";

/// RSA, as all clients know it; rcgen's ring makes no such keys.
pub(super) fn self_signed() -> Result<Identity, IdentityError> {
    let failed = |error: ErrorStack| IdentityError::Key(ossl::problem(&error));
    let (certificate, key) = make().map_err(failed)?;
    Identity::new(vec![certificate.into()], PrivatePkcs8KeyDer::from(key).into())
}

fn make() -> Result<(Vec<u8>, Vec<u8>), ErrorStack> {
    ossl::prepare();
    let key = PKey::from_rsa(Rsa::generate(BITS)?)?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_text("CN", NAME)?;
    let name = name.build();
    let mut serial = BigNum::new()?;
    serial.rand(64, MsbOption::ONE, false)?;
    let mut certificate = X509::builder()?;
    certificate.set_version(2)?;
    let serial = serial.to_asn1_integer()?;
    certificate.set_serial_number(&serial)?;
    certificate.set_subject_name(&name)?;
    certificate.set_issuer_name(&name)?;
    let (from, until) = (Asn1Time::days_from_now(0)?, Asn1Time::days_from_now(DAYS)?);
    certificate.set_not_before(&from)?;
    certificate.set_not_after(&until)?;
    certificate.set_pubkey(&key)?;
    certificate.sign(&key, MessageDigest::sha256())?;
    Ok((certificate.build().to_der()?, key.private_key_to_pkcs8()?))
}
