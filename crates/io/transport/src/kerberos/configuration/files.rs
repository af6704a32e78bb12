//! The system's configuration files.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::parse::is_included;
use super::{Configuration, ConfigurationError, Include, MAX_FILES, MAX_LENGTH, MAX_TOTAL, Piece};

/// Where the library looks without `KRB5_CONFIG`.
#[cfg(target_os = "macos")]
const DEFAULT: &[&str] = &[
    "/Library/Preferences/edu.mit.Kerberos",
    "/etc/krb5.conf",
    "/opt/homebrew/etc/krb5.conf",
    "/usr/local/etc/krb5.conf",
];
/// Where the library looks without `KRB5_CONFIG`.
#[cfg(target_os = "freebsd")]
const DEFAULT: &[&str] = &["/etc/krb5.conf", "/usr/local/etc/krb5.conf"];
/// Where the library looks without `KRB5_CONFIG`.
#[cfg(not(any(target_os = "macos", target_os = "freebsd")))]
const DEFAULT: &[&str] = &["/etc/krb5.conf"];

/// The files that the library reads: those of `KRB5_CONFIG` (its value, with colons between them), or the system's.
#[must_use]
pub fn paths(variable: Option<OsString>) -> Vec<PathBuf> {
    match variable {
        Some(list) => {
            std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect()
        }
        None => DEFAULT.iter().map(PathBuf::from).collect(),
    }
}

impl Configuration {
    /// Reads the system's files: those that `KRB5_CONFIG` names, or the usual ones. Files that are not there or that may
    /// not be read are passed over, as the library does; without any the configuration is empty.
    ///
    /// # Errors
    /// [`ConfigurationError`] as [`parse`](Self::parse); an included file that cannot be read is one, too.
    pub fn read() -> Result<Self, ConfigurationError> {
        Self::read_from(&paths(std::env::var_os("KRB5_CONFIG")))
    }

    /// The same with files of the caller's choice.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_from(paths: &[PathBuf]) -> Result<Self, ConfigurationError> {
        let mut files = Vec::new();
        for path in paths {
            match piece(path) {
                Ok(piece) => files.push(piece),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
                    ) => {}
                Err(error) => {
                    let file = path.display().to_string();
                    return Err(ConfigurationError { file, line: 0, what: error.to_string() });
                }
            }
        }
        Self::parse(&files, &mut |wanted| match wanted {
            Include::File(path) => {
                let piece = piece(Path::new(path));
                Ok(vec![piece.map_err(|error| format!("{path} cannot be included: {error}"))?])
            }
            Include::Folder(path) => folder(Path::new(path))
                .map_err(|error| format!("{path} cannot be included: {error}")),
        })
    }
}

/// A file, no longer than may be and one byte, which the reader refuses.
fn piece(path: &Path) -> io::Result<Piece> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("is not a file"));
    }
    let mut content = Vec::new();
    let most = u64::try_from(MAX_LENGTH).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_end(&mut content)?;
    Ok(Piece { name: path.display().to_string(), content })
}

fn folder(path: &Path) -> io::Result<Vec<Piece>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if name.to_str().is_some_and(is_included) {
            names.push(name);
        }
        if names.len() > MAX_FILES {
            return Err(io::Error::other(format!("it has more than {MAX_FILES} files")));
        }
    }
    names.sort();
    let (mut pieces, mut total) = (Vec::new(), 0_usize);
    for name in names {
        let piece = piece(&path.join(&name))?;
        total = total.saturating_add(piece.content.len());
        if total > MAX_TOTAL {
            return Err(io::Error::other(format!("it has more than {MAX_TOTAL} bytes")));
        }
        pieces.push(piece);
    }
    Ok(pieces)
}
