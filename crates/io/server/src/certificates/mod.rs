//! The service's certificates with their keys, in the folder `certificates` of the service user.
//!
//! ```text
//! service/                    the service user's, 0700
//! └── certificates/           0700
//!     ├── <THUMBPRINT>.pem    the certificate, and those that vouch for it
//!     └── <THUMBPRINT>.key    its private key, 0600
//! ```
//!
//! Everything here is done with the rights of the service user: the network process has no
//! others, and a tool of root's becomes the service user first. Whoever put a link there therefore
//! reaches nothing that the link's maker could not reach without us.
//!
//! The key is written before the certificate and removed after it: a certificate that is there has
//! its key.

mod new;

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;
use zeroize::Zeroizing;

pub use new::{New, NewAuthority, NewClient, NewError};
pub use transport::tls::{
    Facts, Identity, IdentityError, InvalidThumbprint, Moment, Thumbprint,
    certificates as certificates_in,
};

/// The folder's name.
pub const FOLDER: &str = "certificates";
/// No file is longer.
const MAX_FILE: u64 = 1024 * 1024;
/// A folder with more files is not ours.
const MAX_FILES: usize = 10_000;

/// Why the certificates cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificatesError {
    /// The system's error.
    #[error("{}: {action}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// A file whose content is no certificate or key.
    #[error("{}: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: IdentityError,
    },
    /// A certificate that TLS does not take.
    #[error("the certificate cannot be used: {source}")]
    Unusable {
        /// Why.
        source: IdentityError,
    },
    /// No certificate has this thumbprint.
    #[error("there is no certificate {0}")]
    Unknown(Thumbprint),
    /// There is no certificate at all.
    #[error("there is no certificate in {}: `transom cert new-server` makes one", .0.display())]
    Nothing(PathBuf),
    /// There are several, and nobody said which.
    #[error(
        "there are several certificates; choose by --certificate or CertificateThumbprint: {}", list(.0)
    )]
    Several(Vec<Thumbprint>),
}

fn list(thumbprints: &[Thumbprint]) -> String {
    thumbprints.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The folder of certificates.
#[derive(Debug)]
pub struct Certificates {
    folder: OwnedFd,
    path: PathBuf,
}

impl Certificates {
    /// Opens the certificates in the service user's folder; `None` when there are none yet.
    ///
    /// # Errors
    ///
    /// [`CertificatesError::Io`].
    pub fn open(service: &Path) -> Result<Option<Self>, CertificatesError> {
        // The way only: inside the sandbox nothing else may be done to this folder.
        let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
        match openat(rustix::fs::CWD, service, flags, Mode::empty()) {
            Ok(folder) => Self::open_in(&folder, service),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(io_error(service, "open", error.into())),
        }
    }

    /// The same from the service user's opened folder, whose path is named in errors.
    ///
    /// # Errors
    ///
    /// [`CertificatesError::Io`].
    pub fn open_in(service: impl AsFd, path: &Path) -> Result<Option<Self>, CertificatesError> {
        let path = path.join(FOLDER);
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(service, FOLDER, flags, Mode::empty()) {
            Ok(folder) => Ok(Some(Self { folder, path })),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(io_error(&path, "open", error.into())),
        }
    }

    /// The same, and makes the folder of certificates if it is absent.
    ///
    /// # Errors
    ///
    /// [`CertificatesError::Io`].
    pub fn create_in(service: impl AsFd, path: &Path) -> Result<Self, CertificatesError> {
        match rustix::fs::mkdirat(&service, FOLDER, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(io_error(&path.join(FOLDER), "make", error.into())),
        }
        let gone = || CertificatesError::Nothing(path.join(FOLDER));
        Self::open_in(service, path)?.ok_or_else(gone)
    }

    /// The thumbprints of the certificates, sorted.
    ///
    /// # Errors
    ///
    /// [`CertificatesError::Io`].
    pub fn list(&self) -> Result<Vec<Thumbprint>, CertificatesError> {
        let failed = |error: Errno| io_error(&self.path, "read", error.into());
        let mut found = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.folder).map_err(failed)?.take(MAX_FILES) {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_str().ok().and_then(|name| name.strip_suffix(".pem"));
            found.extend(name.and_then(|name| name.parse().ok()));
        }
        found.sort();
        Ok(found)
    }

    /// Reads a certificate with its key.
    ///
    /// # Errors
    ///
    /// [`CertificatesError::Unknown`], or what is wrong with its files.
    pub fn read(&self, thumbprint: &Thumbprint) -> Result<Identity, CertificatesError> {
        let (certificate, key) = names(thumbprint);
        let chain = self.read_file(&certificate)?;
        let chain = chain.ok_or_else(|| CertificatesError::Unknown(thumbprint.clone()))?;
        let key = Zeroizing::new(self.read_file(&key)?.unwrap_or_default());
        let content =
            |source| CertificatesError::Content { path: self.path.join(&certificate), source };
        Identity::read(&chain, Some(&key), None).map_err(content)
    }

    /// The certificate that is wanted; where nobody says which, the only one there is.
    ///
    /// # Errors
    ///
    /// [`CertificatesError::Nothing`], [`CertificatesError::Several`], and as [`Self::read`].
    pub fn choose(&self, wanted: Option<&Thumbprint>) -> Result<Identity, CertificatesError> {
        if let Some(wanted) = wanted {
            return self.read(wanted);
        }
        match self.list()?.as_slice() {
            [] => Err(CertificatesError::Nothing(self.path.clone())),
            [only] => self.read(only),
            several => Err(CertificatesError::Several(several.to_vec())),
        }
    }

    /// Adds a certificate with its key, or replaces the same one.
    ///
    /// # Errors
    ///
    /// [`CertificatesError::Io`]; nothing was added then.
    pub fn add(&self, identity: &Identity) -> Result<Thumbprint, CertificatesError> {
        let thumbprint = Thumbprint::of(identity);
        let (certificate, key) = names(&thumbprint);
        self.replace(&key, identity.key_pem().as_bytes())?;
        let added = self.replace(&certificate, identity.certificates_pem().as_bytes());
        if added.is_err() && matches!(self.read_file(&certificate), Ok(None)) {
            // A key without its certificate is of use to nobody.
            let _stays = unlinkat(&self.folder, &key, AtFlags::empty());
        }
        added.map(|()| thumbprint)
    }

    /// Removes a certificate and its key.
    ///
    /// # Errors
    ///
    /// [`CertificatesError::Unknown`], [`CertificatesError::Io`].
    pub fn remove(&self, thumbprint: &Thumbprint) -> Result<(), CertificatesError> {
        let (certificate, key) = names(thumbprint);
        match unlinkat(&self.folder, &certificate, AtFlags::empty()) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Err(CertificatesError::Unknown(thumbprint.clone())),
            Err(error) => return Err(self.io(&certificate, "remove", error)),
        }
        match unlinkat(&self.folder, &key, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(self.io(&key, "remove", error)),
        }
    }

    fn read_file(&self, name: &str) -> Result<Option<Vec<u8>>, CertificatesError> {
        // Without NONBLOCK the open of a FIFO would wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match openat(&self.folder, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(self.io(name, "open", error)),
        };
        let mut bytes = Vec::with_capacity(8 * 1024);
        let read = file.take(MAX_FILE).read_to_end(&mut bytes);
        read.map_err(|error| io_error(&self.path.join(name), "read", error))?;
        Ok(Some(bytes))
    }

    /// Replaces a file as a whole, mode 0600.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), CertificatesError> {
        let new = format!("{name}.new");
        match unlinkat(&self.folder, &new, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(self.io(&new, "remove", error)),
        }
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.folder, &new, flags, Mode::RUSR | Mode::WUSR);
        let mut file = File::from(file.map_err(|error| self.io(&new, "make", error))?);
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        let written = written.map_err(|error| io_error(&self.path.join(&new), "write", error));
        let replaced = written.and_then(|()| {
            renameat(&self.folder, &new, &self.folder, name)
                .map_err(|error| self.io(name, "replace", error))
        });
        if replaced.is_err() {
            // A part of a key must not stay; where even that fails, the next change removes it.
            let _stays = unlinkat(&self.folder, &new, AtFlags::empty());
        }
        replaced?;
        rustix::fs::fsync(&self.folder).map_err(|error| self.io(name, "replace", error))
    }

    fn io(&self, name: &str, action: &'static str, source: Errno) -> CertificatesError {
        io_error(&self.path.join(name), action, source.into())
    }
}

fn names(thumbprint: &Thumbprint) -> (String, String) {
    (format!("{thumbprint}.pem"), format!("{thumbprint}.key"))
}

fn io_error(path: &Path, action: &'static str, source: io::Error) -> CertificatesError {
    CertificatesError::Io { path: path.to_owned(), action, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn identity(name: &str) -> Identity {
        New { names: vec![name.to_owned()], days: 1 }.make().unwrap()
    }

    fn folder() -> (tempfile::TempDir, Certificates) {
        let folder = tempfile::tempdir().unwrap();
        assert!(Certificates::open(folder.path()).unwrap().is_none());
        let service = File::open(folder.path()).unwrap();
        let certificates = Certificates::create_in(service, folder.path()).unwrap();
        (folder, certificates)
    }

    #[test]
    fn certificate_is_added_read_and_removed() {
        let (folder, certificates) = folder();
        assert!(matches!(certificates.choose(None), Err(CertificatesError::Nothing(_))));
        let first = certificates.add(&identity("a")).unwrap();
        assert_eq!(certificates.choose(None).unwrap().thumbprint(), first.to_string());
        let second = certificates.add(&identity("b")).unwrap();
        let again = Certificates::open(folder.path()).unwrap().unwrap();
        let mut both = vec![first.clone(), second.clone()];
        both.sort();
        assert_eq!(again.list().unwrap(), both);
        assert!(
            matches!(again.choose(None), Err(CertificatesError::Several(found)) if found == both)
        );
        assert_eq!(again.choose(Some(&second)).unwrap().facts().unwrap().names, ["b"]);
        again.remove(&first).unwrap();
        assert!(matches!(again.remove(&first), Err(CertificatesError::Unknown(_))));
        assert!(matches!(again.read(&first), Err(CertificatesError::Unknown(_))));
        let left = std::fs::read_dir(folder.path().join(FOLDER)).unwrap().count();
        assert_eq!(left, 2, "certificate and key of the other");
    }

    #[test]
    fn files_are_for_nobody_else() {
        let (folder, certificates) = folder();
        certificates.add(&identity("a")).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&folder.path().join(FOLDER)), 0o700);
        for entry in std::fs::read_dir(folder.path().join(FOLDER)).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
    }

    #[test]
    fn link_in_the_place_of_a_file_is_replaced_and_never_followed() {
        let (folder, certificates) = folder();
        let target = folder.path().join("target");
        std::fs::write(&target, "mine").unwrap();
        let one = identity("a");
        for name in [format!("{}.key", one.thumbprint()), format!("{}.key.new", one.thumbprint())] {
            let link = folder.path().join(FOLDER).join(name);
            std::os::unix::fs::symlink(&target, link).unwrap();
        }
        assert!(certificates.read_file(&format!("{}.key", one.thumbprint())).is_err());
        let thumbprint = certificates.add(&one).unwrap();
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "mine");
        assert!(certificates.read(&thumbprint).is_ok());
    }

    #[test]
    fn thumbprints_are_read_as_people_paste_them() {
        let plain = "00112233445566778899AABBCCDDEEFF00112233";
        for text in [
            plain,
            &plain.to_lowercase(),
            "\u{200e}00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff 00 11 22 33",
            "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33",
        ] {
            assert_eq!(text.parse::<Thumbprint>().unwrap().to_string(), plain);
        }
        for text in ["", "0011", "../../../../../../../../../../etc/passwd12", &format!("{plain}0")]
        {
            assert!(text.parse::<Thumbprint>().is_err(), "{text}");
        }
    }
}
