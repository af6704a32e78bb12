//! The lines that were typed: a private file, bounded, without those that look like secrets.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The most lines that are remembered.
pub(super) const MAX_ENTRIES: usize = 1000;
/// The file is made small again when it has more bytes.
const MAX_FILE: u64 = 1024 * 1024;
const FILE: &str = "pssession_history";
/// Lines with such words stay out of the file, as PSReadLine has it.
const SECRET_WORDS: &[&str] = &["password", "asplaintext", "token", "apikey", "secret"];

/// `$XDG_STATE_HOME/transom/pssession_history`; `None` where there is no home.
fn path() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.filter(|path| path.is_absolute()).or_else(|| {
        std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"))
    })?;
    Some(state.join("transom").join(FILE))
}

/// The lines of earlier programs, the oldest first; a file that cannot be read has none.
pub(super) fn load() -> Vec<String> {
    path().map(|path| load_from(&path)).unwrap_or_default()
}

/// Remembers a line for later programs; where that cannot be, it is not.
pub(super) fn keep(line: &str) {
    if let Some(path) = path() {
        // A history that cannot be written is no reason to stop working.
        let _unwritten = keep_in(&path, line);
    }
}

/// Whether a line looks as if it had a secret.
fn is_secret(line: &str) -> bool {
    let line = line.to_lowercase();
    SECRET_WORDS.iter().any(|word| line.contains(word))
}

fn load_from(path: &Path) -> Vec<String> {
    let mut text = Vec::new();
    let Ok(file) = File::open(path) else { return Vec::new() };
    // A line that was cut by somebody else is no string of JSON, and left out.
    if file.take(MAX_FILE * 4).read_to_end(&mut text).is_err() {
        return Vec::new();
    }
    let lines: Vec<String> = text
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    let first = lines.len().saturating_sub(MAX_ENTRIES);
    let lines: Vec<String> = lines.into_iter().skip(first).collect();
    if text.len() as u64 > MAX_FILE {
        let _unwritten = rewrite(path, &lines);
    }
    lines
}

fn keep_in(path: &Path, line: &str) -> io::Result<()> {
    if line.trim().is_empty() || is_secret(line) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    file.write_all(&entry(line))
}

fn rewrite(path: &Path, lines: &[String]) -> io::Result<()> {
    let new = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    let bytes: Vec<u8> = lines.iter().flat_map(|line| entry(line)).collect();
    let kept = bytes.len().saturating_sub(usize::try_from(MAX_FILE / 2).unwrap_or(usize::MAX));
    let whole = bytes.get(kept..).unwrap_or_default();
    // From the first line that is there from its beginning.
    let from = if kept == 0 {
        0
    } else {
        whole.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1)
    };
    file.write_all(whole.get(from..).unwrap_or_default()).and_then(|()| fs::rename(&new, path))
}

/// A line as a string of JSON: it may have several lines itself.
fn entry(line: &str) -> Vec<u8> {
    let mut entry = serde_json::to_vec(line).unwrap_or_default();
    entry.push(b'\n');
    entry
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn lines_come_back_without_secrets_and_the_file_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("transom").join(FILE);
        for line in [
            "Get-Date",
            "if (1) {\n'x' }",
            "$p = 'MyPassword'",
            " ",
            "ConvertTo-SecureString x -AsPlainText",
        ] {
            keep_in(&path, line).unwrap();
        }
        assert_eq!(load_from(&path), ["Get-Date", "if (1) {\n'x' }"]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn file_that_grew_is_made_small_and_keeps_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let long = "x".repeat(2000);
        let text: Vec<u8> =
            (0..1500).flat_map(|number| entry(&format!("{number} {long}"))).collect();
        fs::write(&path, [text.as_slice(), b"no json\n"].concat()).unwrap();
        let lines = load_from(&path);
        assert_eq!(lines.len(), MAX_ENTRIES);
        assert!(lines.last().unwrap().starts_with("1499 "));
        assert!(fs::metadata(&path).unwrap().len() <= MAX_FILE / 2);
        assert!(load_from(&path).last().unwrap().starts_with("1499 "));
    }
}
