//! The state directory: a path that only root can change, files read and replaced without a moment in between.
//!
//! Whoever trusts a file in it must know that nobody else could have put it there. So every component of the path is opened
//! without following links and must belong to root (or to the current user, when that is not root), and must not be
//! writable by others, unless it is a sticky folder such as `/tmp`.
//!
//! Used by the spawner, by the command line's `account`, `cert` and `principal` commands and, for `accounts`, `clients` and
//! `principals`, by the server's parsers.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat, fstat, openat};
use rustix::io::Errno;

/// The file with names and NT hashes; its parser belongs to the server.
pub const ACCOUNTS: &str = "accounts";
/// The file that says which client certificates log in as whom; its parser belongs to the server.
pub const CLIENTS: &str = "clients";
/// The file that says which Kerberos principals log in as whom; its parser belongs to the server.
pub const PRINCIPALS: &str = "principals";
/// The service user's folder: TLS key, keytab, machine configuration.
pub const SERVICE: &str = "service";
/// The private socket, by which programs of this machine reach the service.
pub const SOCKET: &str = "winrm.socket";

const LOCK: &str = "lock";
const SERVE_LOCK: &str = "serve.lock";
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
const WRITABLE_BY_OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Why a state directory or a file in it cannot be used. Each text names the path and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The system's error.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// A component of the path is a symbolic link or no folder.
    #[error("{}: is not a folder (symbolic links are not followed); name the folder itself", path.display())]
    NotAFolder {
        /// The component.
        path: PathBuf,
    },
    /// A component or file belongs to someone else.
    #[error(
        "{}: belongs to uid {owner}, but must belong to uid {wanted}; choose another place or `chown {wanted}` it",
        path.display()
    )]
    Owner {
        /// The component or file.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Who should.
        wanted: u32,
    },
    /// A component or file can be changed by others.
    #[error("{}: can be changed by others (mode {mode:o}); choose another place or `chmod go-w` it", path.display())]
    Writable {
        /// The component or file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The service user cannot pass through a component.
    #[error(
        "{}: the service user cannot pass through it (mode {mode:o}); choose another place or `chmod o+x` it",
        path.display()
    )]
    Closed {
        /// The component.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file that is no plain file.
    #[error("{}: is not a plain file; remove it", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// A file that is longer than it may be.
    #[error("{}: longer than {limit} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// A file whose content is refused by its parser.
    #[error("{}: {error}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        error: String,
    },
    /// Another service uses the state directory.
    #[error("{}: another service is using this state directory; stop it first or choose another one", path.display())]
    InUse {
        /// The state directory.
        path: PathBuf,
    },
}

impl StoreError {
    /// The system's error number, 0 if there is none.
    #[must_use]
    pub fn errno(&self) -> i32 {
        match self {
            Self::Io { source, .. } => source.raw_os_error().unwrap_or(0),
            Self::NotAFolder { .. } => Errno::NOTDIR.raw_os_error(),
            Self::Owner { .. } | Self::Writable { .. } | Self::Closed { .. } => {
                Errno::PERM.raw_os_error()
            }
            Self::TooLong { .. } => Errno::FBIG.raw_os_error(),
            Self::NotAFile { .. } | Self::Content { .. } => Errno::INVAL.raw_os_error(),
            Self::InUse { .. } => Errno::BUSY.raw_os_error(),
        }
    }
}

/// A checked state directory.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    folder: OwnedFd,
    owner: u32,
}

/// The exclusive right to replace files; given up when dropped.
#[derive(Debug)]
pub struct Lock(
    #[expect(dead_code, reason = "held for its drop, which gives the lock up")] OwnedFd,
);

/// Whether parent folders must be open to the service user.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Passage {
    Any,
    ForService,
}

impl Store {
    /// Opens an existing state directory and checks each component of its path.
    ///
    /// # Errors
    /// [`StoreError`] that names the component.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::walk(path, false, Passage::Any)
    }

    /// Like [`Store::open`], and makes the last component (mode 0711) if it is absent.
    ///
    /// # Errors
    /// [`StoreError`] that names the component.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        Self::walk(path, true, Passage::Any)
    }

    /// Like [`Store::create`], for the service: the path must let the service user through to its folder.
    pub(crate) fn create_for_service(path: &Path, other_user: bool) -> Result<Self, StoreError> {
        Self::walk(path, true, if other_user { Passage::ForService } else { Passage::Any })
    }

    /// Like [`Store::open`], with the demands of the service on the path.
    pub(crate) fn open_for_service(path: &Path, other_user: bool) -> Result<Self, StoreError> {
        Self::walk(path, false, if other_user { Passage::ForService } else { Passage::Any })
    }

    fn walk(path: &Path, create: bool, passage: Passage) -> Result<Self, StoreError> {
        let path = std::path::absolute(path).map_err(|error| io_error(path, "find", error))?;
        let owner = rustix::process::geteuid().as_raw();
        let mut done = PathBuf::from("/");
        let mut folder = open_folder(rustix::fs::CWD, "/".as_ref(), &done)?;
        check_folder(&folder, &done, owner, passage)?;
        let mut names = path.components().peekable();
        while let Some(component) = names.next() {
            let name = match component {
                Component::Normal(name) => name,
                Component::ParentDir => OsStr::new(".."),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => continue,
            };
            done.push(name);
            let last = names.peek().is_none();
            if create && last {
                create_folder(&folder, name, &done)?;
            }
            folder = open_folder(&folder, name, &done)?;
            check_folder(&folder, &done, owner, if last { Passage::Any } else { passage })?;
        }
        let owned =
            fstat(&folder).map_err(|error| io_error(&path, "look at", error.into()))?.st_uid;
        if owned != owner {
            return Err(StoreError::Owner { path, owner: owned, wanted: owner });
        }
        Ok(Self { path, folder, owner })
    }

    /// The absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn folder(&self) -> &OwnedFd {
        &self.folder
    }

    /// Waits for the exclusive right to replace files.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn lock(&self) -> Result<Lock, StoreError> {
        let file = self.lock_file(LOCK)?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive)
            .map_err(|error| self.io(LOCK, "lock", error.into()))?;
        Ok(Lock(file))
    }

    /// The right to serve from this directory, which one service has at a time.
    pub(crate) fn lock_for_service(&self) -> Result<Lock, StoreError> {
        let file = self.lock_file(SERVE_LOCK)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock(file)),
            Err(Errno::WOULDBLOCK) => Err(StoreError::InUse { path: self.path.clone() }),
            Err(error) => Err(self.io(SERVE_LOCK, "lock", error.into())),
        }
    }

    /// Whether a service serves from this directory now; makes no file.
    pub(crate) fn in_use(&self) -> bool {
        let Ok(Some(file)) = self.open_file(SERVE_LOCK) else { return false };
        let lock = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
        lock == Err(Errno::WOULDBLOCK)
    }

    fn lock_file(&self, name: &'static str) -> Result<OwnedFd, StoreError> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = openat(&self.folder, name, flags, FILE_MODE)
            .map_err(|error| self.io(name, "open", error.into()))?;
        self.check_file(&file, name)?;
        Ok(file)
    }

    /// Opens a file for reading; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`] when the file is a link, no plain file, someone else's, or can be changed by others.
    pub fn open_file(&self, name: &str) -> Result<Option<File>, StoreError> {
        // Without NONBLOCK the open of a FIFO would wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match openat(&self.folder, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(StoreError::NotAFile { path: self.path.join(name) }),
            Err(error) => return Err(self.io(name, "open", error.into())),
        };
        self.check_file(&file, name)?;
        Ok(Some(File::from(file)))
    }

    /// Reads a file of at most `limit` bytes; `None` if there is none.
    ///
    /// # Errors
    /// As [`Store::open_file`], and [`StoreError::TooLong`].
    pub fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(file) = self.open_file(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        let read = file.take(limit.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| self.io(name, "read", error))?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
            return Err(StoreError::TooLong { path: self.path.join(name), limit });
        }
        Ok(Some(bytes))
    }

    /// Replaces a file as a whole, mode 0600: a reader sees the old content or the new, after a power failure too.
    ///
    /// # Errors
    /// [`StoreError::Io`]; the old file stays then.
    pub fn replace(&self, _lock: &Lock, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let new = format!("{name}.new");
        // Left over from a tool that was killed; the lock says that nobody is writing it.
        match rustix::fs::unlinkat(&self.folder, &new, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(self.io(&new, "remove", error.into())),
        }
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.folder, &new, flags, FILE_MODE)
            .map_err(|error| self.io(&new, "make", error.into()))?;
        let mut file = File::from(file);
        let written = file
            .write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(|error| self.io(&new, "write", error));
        let replaced = written.and_then(|()| {
            rustix::fs::renameat(&self.folder, &new, &self.folder, name)
                .map_err(|error| self.io(name, "replace", error.into()))
        });
        if replaced.is_err() {
            // A part of a secret must not stay; where even that fails, the next change removes it.
            let _stays = rustix::fs::unlinkat(&self.folder, &new, AtFlags::empty());
        }
        replaced?;
        self.sync().map_err(|error| self.io(name, "replace", error))
    }

    fn sync(&self) -> io::Result<()> {
        // The folder's own descriptor is O_PATH, which cannot be synchronised.
        let folder = openat(
            &self.folder,
            ".",
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        rustix::fs::fsync(folder)?;
        Ok(())
    }

    fn check_file(&self, file: &OwnedFd, name: &str) -> Result<(), StoreError> {
        let stat = fstat(file).map_err(|error| self.io(name, "look at", error.into()))?;
        let path = self.path.join(name);
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(StoreError::NotAFile { path });
        }
        if stat.st_uid != self.owner {
            return Err(StoreError::Owner { path, owner: stat.st_uid, wanted: self.owner });
        }
        if stat.st_mode & WRITABLE_BY_OTHERS != 0 {
            return Err(StoreError::Writable { path, mode: permissions(&stat) });
        }
        Ok(())
    }

    /// A parser's refusal as an error of the file's.
    pub fn content(&self, name: &str, error: &dyn std::fmt::Display) -> StoreError {
        StoreError::Content { path: self.path.join(name), error: error.to_string() }
    }

    pub(crate) fn io(&self, name: &str, action: &'static str, source: io::Error) -> StoreError {
        io_error(&self.path.join(name), action, source)
    }
}

fn io_error(path: &Path, action: &'static str, source: io::Error) -> StoreError {
    StoreError::Io { path: path.to_owned(), action, source }
}

fn permissions(stat: &Stat) -> u32 {
    stat.st_mode & 0o7777
}

/// Opens a folder by its name in another one, without following a link; `path` is for texts.
pub(crate) fn open_folder(
    at: impl std::os::fd::AsFd,
    name: &OsStr,
    path: &Path,
) -> Result<OwnedFd, StoreError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at.as_fd(), name, flags, Mode::empty()).map_err(|error| match error {
        Errno::NOTDIR | Errno::LOOP => StoreError::NotAFolder { path: path.to_owned() },
        other => io_error(path, "open", other.into()),
    })
}

fn create_folder(at: &OwnedFd, name: &OsStr, path: &Path) -> Result<(), StoreError> {
    match rustix::fs::mkdirat(at, name, Mode::RWXU) {
        Err(Errno::EXIST) => return Ok(()),
        made => made.map_err(|error| io_error(path, "make", error.into()))?,
    }
    // The umask may have taken bits away that the service user needs.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at, name, flags, Mode::empty())
        .and_then(|folder| rustix::fs::fchmod(folder, Mode::RWXU | Mode::XGRP | Mode::XOTH))
        .map_err(|error| io_error(path, "set the permissions of", error.into()))
}

fn check_folder(
    folder: &OwnedFd,
    path: &Path,
    owner: u32,
    passage: Passage,
) -> Result<(), StoreError> {
    let stat = fstat(folder.as_fd()).map_err(|error| io_error(path, "look at", error.into()))?;
    if stat.st_uid != 0 && stat.st_uid != owner {
        return Err(StoreError::Owner { path: path.to_owned(), owner: stat.st_uid, wanted: owner });
    }
    if stat.st_mode & WRITABLE_BY_OTHERS != 0 && stat.st_mode & STICKY == 0 {
        return Err(StoreError::Writable { path: path.to_owned(), mode: permissions(&stat) });
    }
    if passage == Passage::ForService && stat.st_mode & 0o001 == 0 {
        return Err(StoreError::Closed { path: path.to_owned(), mode: permissions(&stat) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(&folder.path().join("state")).unwrap();
        assert!(store.read("users", 10).unwrap().is_none());
        for content in [b"one".as_slice(), b"three"] {
            store.replace(&store.lock().unwrap(), "users", content).unwrap();
            assert_eq!(store.read("users", 10).unwrap().unwrap(), content);
        }
        assert!(matches!(store.read("users", 4), Err(StoreError::TooLong { limit: 4, .. })));
    }

    #[test]
    fn a_link_in_the_path_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("real")).unwrap();
        std::os::unix::fs::symlink("real", folder.path().join("link")).unwrap();
        let error = Store::create(&folder.path().join("link/state")).unwrap_err();
        assert!(
            matches!(&error, StoreError::NotAFolder { path } if path.ends_with("link")),
            "{error}"
        );
    }

    #[test]
    fn one_service_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(&folder.path().join("state")).unwrap();
        let first = store.lock_for_service().unwrap();
        assert!(matches!(store.lock_for_service(), Err(StoreError::InUse { .. })));
        drop(first);
        assert!(store.lock_for_service().is_ok());
    }
}
