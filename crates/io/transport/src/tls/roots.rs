//! Reading the certificates of authorities: the system's, a file's, a folder's.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use x509_parser::pem::Pem;

use super::certificate::Facts;
use super::error::TrustError;

/// A file of authorities is never larger; the system's bundle has a quarter of a megabyte.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// A folder has no more files.
const MAX_FILES: usize = 4096;

/// The system's authorities.
pub(super) fn system() -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let reason = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(TrustError::NoSystemRoots(reason));
    }
    Ok(found.certs)
}

/// The certificates of a file (PEM, or one in DER), or of every file in a folder.
pub(super) fn path(path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let mut certificates = Vec::new();
    for (file, bytes) in files(path)? {
        certificates.extend(certificates_in(&file, bytes)?);
    }
    if certificates.is_empty() {
        let problem = "no certificate in it".to_owned();
        return Err(TrustError::Read { path: path.to_owned(), problem });
    }
    Ok(certificates)
}

/// A file with its bytes, or every file in a folder.
pub(super) fn files(path: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, TrustError> {
    let wrong = |problem: String| TrustError::Read { path: path.to_owned(), problem };
    let data = fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
    if !data.is_dir() {
        return Ok(vec![(path.to_owned(), file(path)?)]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| wrong(error.to_string()))? {
        let file = entry.map_err(|error| wrong(error.to_string()))?.path();
        // What a folder of authorities has besides: sub-folders, links that lead nowhere.
        if fs::metadata(&file).is_ok_and(|data| data.is_file()) {
            files.push(file);
        }
        if files.len() > MAX_FILES {
            return Err(wrong(format!("more than {MAX_FILES} files")));
        }
    }
    files.sort();
    files.into_iter().map(|path| file(&path).map(|bytes| (path, bytes))).collect()
}

fn file(path: &Path) -> Result<Vec<u8>, TrustError> {
    let wrong = |problem: String| TrustError::Read { path: path.to_owned(), problem };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| wrong(error.to_string()))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE {
        return Err(wrong(format!("longer than {MAX_FILE} bytes")));
    }
    Ok(bytes)
}

fn certificates_in(
    path: &Path,
    bytes: Vec<u8>,
) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    certificates(bytes)
        .map_err(|error| TrustError::Read { path: path.to_owned(), problem: error.0 })
}

/// Text that is no PEM.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the PEM text is damaged: {0}")]
pub struct DamagedPem(String);

/// The certificates in a file's bytes: one in DER, or those of a PEM text, where there may be none.
///
/// # Errors
///
/// [`DamagedPem`].
pub fn certificates(bytes: Vec<u8>) -> Result<Vec<CertificateDer<'static>>, DamagedPem> {
    if Facts::read(&bytes).is_ok() {
        return Ok(vec![bytes.into()]);
    }
    let mut certificates = Vec::new();
    for block in Pem::iter_from_buffer(&bytes) {
        let block = block.map_err(|error| DamagedPem(error.to_string()))?;
        if matches!(
            block.label.as_str(),
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE"
        ) {
            certificates.push(block.contents.into());
        }
    }
    Ok(certificates)
}
