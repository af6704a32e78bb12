//! Where the certificates of a user are: files, and the folder in which a thumbprint finds them.
//!
//! A private key that others can read is refused: it may be known to them already.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use auth::Secret;
use transport::tls::{Identity, IdentityError, Thumbprint, identity};

use crate::settings;

/// A file with a certificate or a key is never larger.
const MAX_FILE: u64 = 1024 * 1024;
/// Files of the folder that are looked at.
const MAX_FILES: usize = 1000;

/// Why there is no certificate to log in with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateFileError {
    /// A file cannot be read.
    #[error("{}: {problem}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        problem: String,
    },
    /// Others can read the private key.
    #[error("{}: other users of this computer can read the private key (mode {mode:03o}), so it is not used", file.display())]
    Exposed {
        /// The file with the key.
        file: PathBuf,
        /// Its access mode.
        mode: u32,
    },
    /// What is in the files cannot be used.
    #[error("{}: {problem}", file.display())]
    Unusable {
        /// The file with the certificate.
        file: PathBuf,
        /// What is wrong.
        problem: IdentityError,
    },
    /// No certificate in the folder has this thumbprint.
    #[error("no certificate with the thumbprint {thumbprint} in {}", folder.display())]
    Unknown {
        /// The thumbprint.
        thumbprint: String,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// Not 40 hexadecimal digits, and no file.
    #[error("`{0}` is neither a file nor a thumbprint: 40 hexadecimal digits")]
    Neither(String),
    /// The user has no folder for settings.
    #[error("there is no folder for certificates: neither XDG_CONFIG_HOME nor HOME is set")]
    NoFolder,
}

impl CertificateFileError {
    /// Whether a password may help.
    #[must_use]
    pub const fn wants_password(&self) -> bool {
        matches!(self, Self::Unusable { problem: IdentityError::PasswordMissing, .. })
    }

    /// What a person may try.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Exposed { file, .. } => vec![format!("chmod 600 {}", file.display())],
            Self::Unusable { problem, .. } => {
                problem.hint().map(ToOwned::to_owned).into_iter().collect()
            }
            Self::Unknown { thumbprint, .. } => vec![format!(
                "put certificate and key there as {thumbprint}.pem and {thumbprint}.key, or both as {thumbprint}.pfx"
            )],
            Self::Read { .. } | Self::Neither(_) | Self::NoFolder => Vec::new(),
        }
    }
}

/// `$XDG_CONFIG_HOME/transom/certificates`, by default below `~/.config`.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    Some(settings::path()?.parent()?.join("certificates"))
}

/// What is a thumbprint, in upper case; blanks and colons between its digits are skipped, as people copy them.
#[must_use]
pub fn thumbprint(text: &str) -> Option<String> {
    text.parse().ok().map(|found: Thumbprint| found.to_string())
}

/// The certificate that `text` names: a file, else a thumbprint in the user's folder. `key` is for a PEM file without its
/// key; `password` opens an encrypted key.
///
/// # Errors
///
/// [`CertificateFileError`] names the file and says what is wrong with it.
pub fn find(
    text: &str,
    key: Option<&Path>,
    password: Option<&Secret>,
) -> Result<Identity, CertificateFileError> {
    let path = Path::new(text);
    let digits = thumbprint(text).filter(|_| key.is_none() && !path.is_file());
    match digits {
        Some(digits) => {
            let folder = folder().ok_or(CertificateFileError::NoFolder)?;
            in_folder(&folder, &digits, password)
        }
        None if !path.exists() && !text.contains(['/', '.']) => {
            let shown = text.chars().filter(|c| !c.is_control()).take(100).collect();
            Err(CertificateFileError::Neither(shown))
        }
        None => read(path, key, password),
    }
}

/// A certificate from files.
///
/// # Errors
///
/// See [`find`].
pub fn read(
    certificate: &Path,
    key: Option<&Path>,
    password: Option<&Secret>,
) -> Result<Identity, CertificateFileError> {
    let bytes = Bytes::read(certificate)?;
    let key = key.map(Bytes::read).transpose()?;
    identity_of(&bytes, key.as_ref(), password)
}

/// The certificate with this thumbprint: `<THUMBPRINT>.pem` with `<THUMBPRINT>.key`, `<THUMBPRINT>.pfx`, or any other file
/// whose certificate has it; the key is in the same file, or in one of the same name that ends in `.key`.
fn in_folder(
    folder: &Path,
    thumbprint: &str,
    password: Option<&Secret>,
) -> Result<Identity, CertificateFileError> {
    let wrong = |error: std::io::Error| CertificateFileError::Read {
        file: folder.to_owned(),
        problem: error.to_string(),
    };
    let unknown = || CertificateFileError::Unknown {
        thumbprint: thumbprint.to_owned(),
        folder: folder.to_owned(),
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(unknown()),
        Err(error) => return Err(wrong(error)),
    };
    let mut paths: Vec<PathBuf> = entries
        .take(MAX_FILES)
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(wrong)?;
    let is_named = |path: &Path| {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().to_ascii_uppercase());
        stem.is_some_and(|stem| stem == thumbprint)
    };
    // What is named so comes first; the rest in the order of names, so that the same one is found each time.
    paths.sort_by_key(|path| (!is_named(path), path.clone()));
    for path in paths {
        let extension = path.extension().map(|end| end.to_string_lossy().to_ascii_lowercase());
        match extension.as_deref() {
            Some("pem" | "crt" | "cer") => {
                let Ok(bytes) = Bytes::read(&path) else { continue };
                if identity::thumbprints(&bytes.content).first().is_none_or(|own| own != thumbprint)
                {
                    continue;
                }
                let beside = path.with_extension("key");
                let key = if beside.is_file() { Some(Bytes::read(&beside)?) } else { None };
                return identity_of(&bytes, key.as_ref(), password);
            }
            Some("pfx" | "p12") => {
                let found =
                    Bytes::read(&path).and_then(|bytes| identity_of(&bytes, None, password));
                match found {
                    Ok(found) if found.thumbprint() == thumbprint => return Ok(found),
                    Ok(_) => {}
                    // One with another name may be anybody's.
                    Err(error) if is_named(&path) => return Err(error),
                    Err(_) => {}
                }
            }
            Some(_) | None => {}
        }
    }
    Err(unknown())
}

/// A file, and who may read it.
struct Bytes {
    path: PathBuf,
    content: zeroize::Zeroizing<Vec<u8>>,
    /// Its access mode, where others can read it.
    exposed: Option<u32>,
}

impl Bytes {
    fn read(path: &Path) -> Result<Self, CertificateFileError> {
        let wrong = |problem: String| CertificateFileError::Read { file: path.to_owned(), problem };
        let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
        let facts = file.metadata().map_err(|error| wrong(error.to_string()))?;
        if facts.len() > MAX_FILE {
            return Err(wrong("larger than 1 MiB".to_owned()));
        }
        let mut content = zeroize::Zeroizing::new(Vec::with_capacity(4096));
        file.take(MAX_FILE).read_to_end(&mut content).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { path: path.to_owned(), content, exposed: exposed(&facts) })
    }

    fn holds_key(&self) -> bool {
        let is_pfx = self.content.first() == Some(&0x30);
        is_pfx || self.content.windows(12).any(|part| part == b"PRIVATE KEY-")
    }
}

#[cfg(unix)]
fn exposed(facts: &fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = facts.permissions().mode() & 0o777;
    (mode & 0o007 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn exposed(_facts: &fs::Metadata) -> Option<u32> {
    None
}

fn identity_of(
    certificate: &Bytes,
    key: Option<&Bytes>,
    password: Option<&Secret>,
) -> Result<Identity, CertificateFileError> {
    for bytes in [Some(certificate), key].into_iter().flatten() {
        if let Some(mode) = bytes.exposed.filter(|_| bytes.holds_key()) {
            return Err(CertificateFileError::Exposed { file: bytes.path.clone(), mode });
        }
    }
    let key = key.map(|key| &**key.content);
    Identity::read(&certificate.content, key, password).map_err(|problem| {
        CertificateFileError::Unusable { file: certificate.path.clone(), problem }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(folder: &Path, name: &str, key: &str) -> String {
        let made = rcgen::generate_simple_self_signed(vec!["alice".to_owned()]).unwrap();
        let pem = made.cert.pem();
        let thumbprint = identity::thumbprints(pem.as_bytes()).remove(0);
        let name = name.replace("THUMBPRINT", &thumbprint);
        fs::write(folder.join(&name), &pem).unwrap();
        let key = folder.join(key.replace("THUMBPRINT", &thumbprint));
        write_key(&key, &made.signing_key.serialize_pem());
        thumbprint
    }

    fn write_key(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        set_mode(path, 0o600);
    }

    fn set_mode(path: &Path, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn thumbprint_finds_files_of_its_name_and_any_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let named = made(path, "THUMBPRINT.pem", "THUMBPRINT.key");
        let other = made(path, "alice.crt", "alice.key");
        fs::write(path.join("README.pem"), "nothing").unwrap();
        for wanted in [&named, &other] {
            assert_eq!(&in_folder(path, wanted, None).unwrap().thumbprint(), wanted);
        }
        let nobody = "0".repeat(40);
        let error = in_folder(path, &nobody, None).unwrap_err();
        assert!(error.to_string().contains(&nobody), "{error}");
        assert!(error.hints()[0].contains(".pfx"));
        assert!(in_folder(&path.join("none"), &nobody, None).is_err());
    }

    #[test]
    fn key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let thumbprint = made(path, "THUMBPRINT.pem", "THUMBPRINT.key");
        let key = path.join(format!("{thumbprint}.key"));
        set_mode(&key, 0o644);
        let error = in_folder(path, &thumbprint, None).unwrap_err();
        assert_eq!(error, CertificateFileError::Exposed { file: key.clone(), mode: 0o644 });
        assert_eq!(error.hints(), [format!("chmod 600 {}", key.display())]);
        set_mode(&key, 0o640);
        assert!(in_folder(path, &thumbprint, None).is_ok());
    }

    #[test]
    fn thumbprints_are_read_as_people_copy_them() {
        let digits = "0123456789ABCDEF0123456789ABCDEF01234567";
        assert_eq!(thumbprint(digits).as_deref(), Some(digits));
        let spaced = "\u{200e}01 23 45 67 89 ab cd ef 01 23 45 67 89 ab cd ef 01 23 45 67";
        assert_eq!(thumbprint(spaced).as_deref(), Some(digits));
        assert_eq!(thumbprint("cert.pem"), None);
        let error = find("0123", None, None).unwrap_err();
        assert!(error.to_string().contains("40 hexadecimal digits"), "{error}");
        assert!(matches!(find("./none.pem", None, None), Err(CertificateFileError::Read { .. })));
    }
}
