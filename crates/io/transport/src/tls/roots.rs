//! Reading the certificates of authorities: the system's, a file's, a folder's.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

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
    let wrong = |problem: String| TrustError::Read { path: path.to_owned(), problem };
    let data = fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
    if !data.is_dir() {
        let found = file(path)?;
        return if found.is_empty() {
            Err(wrong("no certificate in it".to_owned()))
        } else {
            Ok(found)
        };
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
    let mut certificates = Vec::new();
    for path in files {
        certificates.extend(file(&path)?);
    }
    if certificates.is_empty() {
        Err(wrong("no certificate in it".to_owned()))
    } else {
        Ok(certificates)
    }
}

fn file(path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let wrong = |problem: String| TrustError::Read { path: path.to_owned(), problem };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| wrong(error.to_string()))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE {
        return Err(wrong(format!("longer than {MAX_FILE} bytes")));
    }
    if Facts::read(&bytes).is_ok() {
        return Ok(vec![bytes.into()]);
    }
    let mut certificates = Vec::new();
    for block in Pem::iter_from_buffer(&bytes) {
        let block = block.map_err(|error| wrong(error.to_string()))?;
        if matches!(
            block.label.as_str(),
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE"
        ) {
            certificates.push(block.contents.into());
        }
    }
    Ok(certificates)
}
