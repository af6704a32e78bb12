//! Changing the accounts file: under a lock, whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{Accounts, AccountsError, MAX_FILE};

/// The accounts of one file, locked against other editors until this value is dropped.
#[derive(Debug)]
pub struct Editor {
    /// The accounts: change them, then [`Editor::save`].
    pub accounts: Accounts,
    path: PathBuf,
    /// Holds the lock: the file itself is replaced at each change, so it cannot carry one.
    _lock: File,
}

/// Why the file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The content is wrong.
    #[error("{}: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: AccountsError,
    },
}

impl Editor {
    /// The file's name in the state folder.
    pub const FILE: &'static str = "accounts";

    /// Locks and reads the accounts of the state folder `state`; no file means no accounts.
    /// Waits while another editor holds the lock.
    ///
    /// # Errors
    ///
    /// [`EditError`].
    pub fn open(state: &Path) -> Result<Self, EditError> {
        let path = state.join(Self::FILE);
        let lock_path = state.join("accounts.lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(&lock_path).map_err(at("open", &lock_path))?;
        lock.lock().map_err(at("lock", &lock_path))?;
        let accounts = read(&path)?;
        Ok(Self { accounts, path, _lock: lock })
    }

    /// Writes the accounts: a new file with mode 0600 takes the old one's place at once.
    ///
    /// # Errors
    ///
    /// [`EditError`]; the old file is then still there.
    pub fn save(&self) -> Result<(), EditError> {
        let text = self.accounts.to_text();
        let content = |source| EditError::Content { path: self.path.clone(), source };
        Accounts::parse(text.as_bytes()).map_err(content)?;
        let fresh = self.path.with_extension("new");
        // A left-over of an editor that was killed; the lock says that nobody else writes it.
        match fs::remove_file(&fresh) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(at("remove", &fresh)(source)),
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(&fresh).map_err(at("create", &fresh))?;
        file.write_all(text.as_bytes()).map_err(at("write", &fresh))?;
        file.sync_all().map_err(at("write", &fresh))?;
        fs::rename(&fresh, &self.path).map_err(at("replace", &self.path))?;
        let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(at("write", folder))
    }
}

fn read(path: &Path) -> Result<Accounts, EditError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Accounts::default()),
        Err(source) => return Err(at("open", path)(source)),
    };
    let bytes = read_bounded(file).map_err(at("read", path))?;
    Accounts::parse(&bytes).map_err(|source| EditError::Content { path: path.to_owned(), source })
}

/// The file's bytes, and one more than is allowed where it is too long.
pub(super) fn read_bounded(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_FILE).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EditError {
    let path = path.to_owned();
    move |source| EditError::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use auth::Secret;

    use super::*;

    #[test]
    fn saved_accounts_are_found_by_the_next_editor_and_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let mut editor = Editor::open(folder.path()).unwrap();
        editor.accounts.add([1; 16], "alice", &Secret::new("x"), Vec::new()).unwrap();
        fs::write(folder.path().join("accounts.new"), "left over").unwrap();
        editor.save().unwrap();
        drop(editor);
        let again = Editor::open(folder.path()).unwrap();
        assert_eq!(again.accounts.find("alice").unwrap().id, [1; 16]);
        let mode = fs::metadata(folder.path().join("accounts")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn broken_file_is_refused_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("accounts"), "version = 9\n").unwrap();
        let error = Editor::open(folder.path()).unwrap_err();
        assert!(error.to_string().contains("version 9"), "{error}");
    }
}
