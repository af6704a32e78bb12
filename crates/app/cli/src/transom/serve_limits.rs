//! The one setting that root itself obeys: how much memory a shell may have.
//!
//! Root takes it from a file that only root can write. Everything else in the settings is for the
//! network process, which also says what is wrong with them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::unistd::Uid;
use server::Settings;

use crate::command_error::CommandError;

/// The write permissions of the group and of everybody.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// `MaxMemoryPerShellMB` of the settings in bytes.
///
/// # Errors
/// As root: somebody else can write the file.
pub(super) fn memory_per_shell(config: Option<&Path>) -> Result<Option<u64>, CommandError> {
    let path = config.unwrap_or_else(|| Path::new(Settings::PATH));
    // A file that is missing or wrong is the network process's to report: without it nothing runs.
    let Ok(file) = fs::metadata(path) else { return Ok(None) };
    if !file.is_file() {
        return Ok(None);
    }
    let is_roots = file.uid() == 0 && file.mode() & WRITABLE_BY_OTHERS == 0;
    if Uid::effective().is_root() && !is_roots {
        let what = format!("others than root can write the settings in {}", path.display());
        return Err(CommandError::usage(what).hint("root's service takes limits from this file"));
    }
    let settings = Settings::load(path).ok();
    Ok(settings.and_then(|settings| settings.winrs.memory_per_shell()))
}
