//! Keeping changes in a folder of this process's own, for tests and for whoever runs the service inside another program;
//! the work of the process that keeps them for `transom serve` is the same.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use tokio::task::spawn_blocking;
use transport::InterfaceAddress;

use super::layers::beyond_the_wire;
use super::storage::{MAX_TEXT, Storage};
use crate::BoxFuture;

/// The file with what was changed.
pub const FILE: &str = "configuration.toml";
/// What is on its way to become that.
const NEW: &str = "configuration.toml.new";

/// Keeps changes in a folder, and opens sockets itself.
#[derive(Debug, Clone)]
pub struct FileStorage {
    folder: PathBuf,
}

impl FileStorage {
    /// In this folder, which is made if it is absent, for its owner alone.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn new(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        make_folder(&folder)?;
        Ok(Self { folder })
    }
}

impl Storage for FileStorage {
    fn store(&self, text: String) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(blocking({
            let folder = self.folder.clone();
            move || replace(&folder, &text)
        }))
    }

    fn bind(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpListener>> {
        Box::pin(async move { transport::listen(address) })
    }

    fn interfaces(&self) -> BoxFuture<'_, io::Result<Vec<InterfaceAddress>>> {
        Box::pin(blocking(transport::interfaces))
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

/// What a folder keeps; `None` where nothing was ever changed.
///
/// # Errors
///
/// The system's, and `InvalidData` for what cannot be what was kept.
pub fn read(folder: &Path) -> io::Result<Option<String>> {
    let file = match File::open(folder.join(FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let most = u64::try_from(MAX_TEXT).unwrap_or(u64::MAX);
    let mut text = String::new();
    file.take(most.saturating_add(1)).read_to_string(&mut text)?;
    check(&text).map(|()| Some(text))
}

pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Whether a text can be what is kept: not too long, a table of TOML, and nothing in it that the wire cannot change. What
/// programs are started and which keytab is read is the administrator's to say, also after the network process was taken
/// over.
///
/// # Errors
///
/// `InvalidData` says what is wrong.
pub(super) fn check(text: &str) -> io::Result<()> {
    let wrong = |what: String| Err(io::Error::new(io::ErrorKind::InvalidData, what));
    if text.len() > MAX_TEXT {
        return wrong(format!("a configuration of more than {MAX_TEXT} bytes"));
    }
    match text.parse::<toml::Table>() {
        Ok(table) => match beyond_the_wire(&table) {
            Some(key) => wrong(format!("{key} belongs to the administrator's settings")),
            None => Ok(()),
        },
        Err(error) => wrong(error.message().to_owned()),
    }
}

/// Puts a text in the place of what the folder keeps: whatever happens, one of the two is there, whole.
pub(super) fn replace(folder: &Path, text: &str) -> io::Result<()> {
    check(text)?;
    let new = folder.join(NEW);
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    let kept = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&new, folder.join(FILE)))
        .and_then(|()| File::open(folder)?.sync_all());
    if kept.is_err() {
        // It may have got its place: then there is nothing to take away.
        let _taken_away = fs::remove_file(&new);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_kept_last_is_read_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("configuration");
        let storage = FileStorage::new(&folder).unwrap();
        assert_eq!(read(&folder).unwrap(), None);
        for text in ["MaxBatchItems = 1\n", "MaxBatchItems = 2\n"] {
            storage.store(text.to_owned()).await.unwrap();
            assert_eq!(read(&folder).unwrap().as_deref(), Some(text));
        }
        for wrong in [
            "= 1".to_owned(),
            "[PowerShell]\nCommand = [\"x\"]\n".to_owned(),
            "[Service.Kerberos]\nKeytab = \"/x\"\n".to_owned(),
            "[Service]\nPrivilegedPorts = [80]\n".to_owned(),
            format!("a = '{}'", "x".repeat(MAX_TEXT)),
        ] {
            let error = storage.store(wrong).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
        assert_eq!(read(&folder).unwrap().as_deref(), Some("MaxBatchItems = 2\n"));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_full_disk_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let storage = FileStorage::new(folder.path()).unwrap();
        storage.store("MaxBatchItems = 1\n".to_owned()).await.unwrap();
        // Whatever is written there finds no room.
        std::os::unix::fs::symlink("/dev/full", folder.path().join(NEW)).unwrap();
        assert!(storage.store("MaxBatchItems = 2\n".to_owned()).await.is_err());
        assert_eq!(read(folder.path()).unwrap().as_deref(), Some("MaxBatchItems = 1\n"));
    }
}
