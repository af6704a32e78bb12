//! The service user's folder, for tools that change what is in it.
//!
//! The folder belongs to the service user, who reads bytes from strangers: root must not follow a
//! link there, nor make a file that its owner could have prepared. So a tool of root's does not
//! write there as root. It becomes the service user for good and goes on with that user's rights.

use std::error::Error;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use crate::root;
use crate::store::{SERVICE, Store};

/// The opened folder, and the process that may now do what its owner may.
#[derive(Debug)]
#[non_exhaustive]
pub struct Folder {
    /// The folder itself. Its path may not be passable for the service user.
    pub descriptor: OwnedFd,
    /// Its path, for texts.
    pub path: PathBuf,
}

/// Why a process could not become the service user.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct EnterError(Box<dyn Error + Send + Sync>);

/// Opens the service user's folder, made if it is absent, and becomes the service user: the owner
/// of the folder, or whom the service would choose. There is no way back: what only root may read
/// or write must be open before. Not as root the user stays who it is.
///
/// # Errors
///
/// [`EnterError`] names the folder, or the right that is missing.
pub fn enter(state: &Path) -> Result<Folder, EnterError> {
    let store = Store::create(state).map_err(|error| EnterError(Box::new(error)))?;
    let descriptor = root::enter(&store).map_err(|error| EnterError(Box::new(error)))?;
    Ok(Folder { descriptor, path: store.path().join(SERVICE) })
}
