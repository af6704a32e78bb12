//! The log file: opened by root for every process of the service, at its start and again on SIGHUP.
//!
//! Whoever can put a link or a file of theirs in its place would have root write where they want. So no link is followed,
//! no folder on the way may be writable by everybody (unless it is sticky), and the file is plain, has one name, belongs to
//! root (or to the current user, when that is not root) and can be written by its owner only. Folders that a group can
//! write pass: some systems give the folder of all logs to the group of their log daemon.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, openat};
use rustix::io::Errno;

use crate::store::{self, StoreError};

const WRITABLE_BY_GROUP_OR_EVERYBODY: u32 = 0o022;
const WRITABLE_BY_EVERYBODY: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Opens the file to append to it, and makes it (mode 0600) if it is not there.
///
/// # Errors
/// [`StoreError`] that names the component of the path and what to do.
pub(super) fn open(path: &Path) -> Result<OwnedFd, StoreError> {
    let place = Place::find(path)?;
    // Without NONBLOCK the open of a FIFO would wait.
    let flags = OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::NOFOLLOW
        | OFlags::NOCTTY
        | OFlags::NONBLOCK
        | OFlags::CLOEXEC;
    let file = openat(&place.folder, place.name(), flags, Mode::RUSR | Mode::WUSR);
    let file = file.map_err(|error| place.error("open", error))?;
    place.check(&fstat(&file).map_err(|error| place.error("look at", error))?)?;
    Ok(file)
}

/// Says what [`open`] would, and makes nothing.
pub(super) fn check(path: &Path) -> Result<(), StoreError> {
    let place = Place::find(path)?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(&place.folder, place.name(), flags, Mode::empty()) {
        Ok(file) => place.check(&fstat(&file).map_err(|error| place.error("look at", error))?),
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(place.error("open", error)),
    }
}

/// The folder of the file, after a look at every folder on the way.
struct Place {
    path: PathBuf,
    folder: OwnedFd,
    owner: u32,
}

impl Place {
    fn find(path: &Path) -> Result<Self, StoreError> {
        let failed =
            |action| move |source| StoreError::Io { path: path.to_owned(), action, source };
        let path = std::path::absolute(path).map_err(failed("find"))?;
        let owner = rustix::process::geteuid().as_raw();
        let mut done = PathBuf::from("/");
        let mut folder = store::open_folder(rustix::fs::CWD, "/".as_ref(), &done)?;
        for component in path.parent().into_iter().flat_map(Path::components) {
            let name = match component {
                Component::Normal(name) => name,
                Component::ParentDir => OsStr::new(".."),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => continue,
            };
            done.push(name);
            folder = store::open_folder(&folder, name, &done)?;
            let stat = fstat(&folder).map_err(|error| failed("look at")(error.into()))?;
            if stat.st_uid != 0 && stat.st_uid != owner {
                return Err(StoreError::Owner { path: done, owner: stat.st_uid, wanted: owner });
            }
            if stat.st_mode & WRITABLE_BY_EVERYBODY != 0 && stat.st_mode & STICKY == 0 {
                return Err(StoreError::Writable { path: done, mode: stat.st_mode & 0o7777 });
            }
        }
        Ok(Self { path, folder, owner })
    }

    fn name(&self) -> &OsStr {
        // A path without a last component is that of a folder, which the open refuses.
        self.path.file_name().unwrap_or_else(|| OsStr::new("."))
    }

    fn check(&self, stat: &Stat) -> Result<(), StoreError> {
        let path = self.path.clone();
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_nlink > 1 {
            return Err(StoreError::NotAFile { path });
        }
        if stat.st_uid != self.owner {
            return Err(StoreError::Owner { path, owner: stat.st_uid, wanted: self.owner });
        }
        if stat.st_mode & WRITABLE_BY_GROUP_OR_EVERYBODY != 0 {
            return Err(StoreError::Writable { path, mode: stat.st_mode & 0o7777 });
        }
        Ok(())
    }

    fn error(&self, action: &'static str, error: Errno) -> StoreError {
        let path = self.path.clone();
        match error {
            // A link, a folder, a FIFO without a reader.
            Errno::LOOP | Errno::ISDIR | Errno::NXIO => StoreError::NotAFile { path },
            other => StoreError::Io { path, action, source: other.into() },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn file_is_made_and_appended_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        check(&path).unwrap();
        assert!(!path.exists());
        for text in ["one\n", "two\n"] {
            fs::File::from(open(&path).unwrap()).write_all(text.as_bytes()).unwrap();
        }
        check(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    }

    #[test]
    fn what_somebody_else_may_have_put_there_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "").unwrap();
        fs::set_permissions(at("file"), fs::Permissions::from_mode(0o600)).unwrap();
        symlink("file", at("link")).unwrap();
        fs::write(at("twice"), "").unwrap();
        fs::hard_link(at("twice"), at("again")).unwrap();
        fs::write(at("open"), "").unwrap();
        fs::set_permissions(at("open"), fs::Permissions::from_mode(0o620)).unwrap();
        fs::create_dir(at("folder")).unwrap();
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(open(&at("file")).is_ok());
        for name in ["link", "twice", "open", "folder", "pipe", "absent/log"] {
            let error = open(&at(name)).unwrap_err().to_string();
            assert!(error.contains(name.split('/').next().unwrap()), "{error}");
            assert!(check(&at(name)).is_err(), "{name}");
        }
        fs::create_dir(at("everybody")).unwrap();
        fs::set_permissions(at("everybody"), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(open(&at("everybody/log")), Err(StoreError::Writable { .. })));
        fs::set_permissions(at("everybody"), fs::Permissions::from_mode(0o775)).unwrap();
        assert!(open(&at("everybody/log")).is_ok());
    }
}
