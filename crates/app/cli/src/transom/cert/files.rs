//! Certificates and keys in files of whoever calls: reading them in every form, and writing new ones as PEM or PFX.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use auth::Secret;
use clap::Args;
use server::certificates::{Identity, IdentityError};
use zeroize::Zeroizing;

use crate::command_error::CommandError;
use crate::signals::Signals;
use crate::terminal::{self, Answer};
use crate::winrs;

/// A file to read is never longer; revocation lists are the longest.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// Where a new certificate goes.
#[derive(Args, Debug)]
pub(super) struct TargetArgs {
    /// The file to make: PEM, or PFX where it ends in .pfx or .p12; it must not be there yet
    #[arg(long, value_name = "FILE")]
    pub(super) out: PathBuf,
    /// The file to make for the private key (PEM); without it the key goes into the same file
    #[arg(long, value_name = "FILE")]
    pub(super) key_out: Option<PathBuf>,
    /// A file whose first line is the password of the PFX to make [default: asks]
    #[arg(long, value_name = "FILE")]
    pub(super) out_password_file: Option<PathBuf>,
}

/// A certificate with its key in files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) file: &'a Path,
    pub(super) key: Option<&'a Path>,
    pub(super) password: Option<&'a Path>,
}

/// Reads a file of at most 16 MiB.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    let failed =
        |error: io::Error| CommandError::caused(format!("reading {}", path.display()), &error);
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(16 * 1024));
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE {
        return Err(CommandError::failed(format!(
            "{} is longer than {MAX_FILE} bytes",
            path.display()
        )));
    }
    Ok(bytes)
}

impl Source<'_> {
    /// Reads certificate and key; a password that is missing is asked for.
    pub(super) fn identity(&self) -> Result<Identity, CommandError> {
        let password = self.password.map(winrs::password_from).transpose()?;
        let certificates = read(self.file)?;
        let key = self.key.map(read).transpose()?;
        let key = key.as_ref().map(|key| key.as_slice());
        match Identity::read(&certificates, key, password.as_ref()) {
            Err(error @ IdentityError::PasswordMissing) => {
                let question = format!("Password of {}: ", self.key.unwrap_or(self.file).display());
                let Some(password) = super::super::block_on(ask(&question))? else {
                    return Err(self.wrong(&error));
                };
                let read = Identity::read(&certificates, key, Some(&password));
                read.map_err(|error| self.wrong(&error))
            }
            read => read.map_err(|error| self.wrong(&error)),
        }
    }

    fn wrong(&self, error: &IdentityError) -> CommandError {
        let told = CommandError::failed(format!("reading {}: {error}", self.file.display()));
        match error.hint() {
            Some(hint) => told.hint(hint),
            None => told,
        }
    }
}

async fn ask(question: &str) -> Result<Option<Secret>, CommandError> {
    let mut signals = Signals::listen()?;
    terminal::ask(question, Answer::Hidden, &mut signals).await
}

/// Files that were made, and what belongs into them.
#[derive(Debug)]
pub(super) struct Target {
    out: (PathBuf, File),
    key: Option<(PathBuf, File)>,
    /// For a PFX.
    password: Option<Secret>,
}

/// Whether a file is named as a PFX.
pub(super) fn is_pfx(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    ["pfx", "p12"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

impl TargetArgs {
    /// Makes the files, before anything else is done: nobody's file is overwritten, and keys are for their owner only.
    pub(super) fn make(&self) -> Result<Target, CommandError> {
        let is_pfx = is_pfx(&self.out);
        if is_pfx && self.key_out.is_some() {
            return Err(CommandError::usage("a PFX has its key inside: --key-out is for PEM"));
        }
        if !is_pfx && self.out_password_file.is_some() {
            return Err(CommandError::usage(
                "--out-password-file is for a PFX, and PEM is not encrypted",
            )
            .hint("--out with a file that ends in .pfx"));
        }
        let password = if is_pfx { Some(self.password()?) } else { None };
        let mode = if self.key_out.is_some() { 0o644 } else { 0o600 };
        let out = (self.out.clone(), create(&self.out, mode)?);
        let key = match &self.key_out {
            Some(path) => match create(path, 0o600) {
                Ok(file) => Some((path.clone(), file)),
                Err(error) => {
                    remove(&self.out);
                    return Err(error);
                }
            },
            None => None,
        };
        Ok(Target { out, key, password })
    }

    fn password(&self) -> Result<Secret, CommandError> {
        let password = match &self.out_password_file {
            Some(path) => winrs::password_from(path)?,
            None => super::super::block_on(ask_twice(&self.out))?,
        };
        if password.expose().is_empty() {
            return Err(CommandError::failed("an empty password is no password"));
        }
        Ok(password)
    }
}

async fn ask_twice(file: &Path) -> Result<Secret, CommandError> {
    let missing = || {
        CommandError::usage("no terminal to ask for the password")
            .hint("use --out-password-file FILE")
    };
    let first = ask(&format!("New password of {}: ", file.display())).await?.ok_or_else(missing)?;
    let second = ask("The same again: ").await?.ok_or_else(missing)?;
    if first.expose() == second.expose() {
        Ok(first)
    } else {
        Err(CommandError::failed("the passwords differ"))
    }
}

/// Makes a file that must not be there yet.
pub(super) fn create(path: &Path, mode: u32) -> Result<File, CommandError> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    opened.map_err(|error| unwritable(path, &error))
}

pub(super) fn unwritable(path: &Path, error: &io::Error) -> CommandError {
    CommandError::caused(format!("writing {}", path.display()), error)
        .hint("name a file that is not there yet")
}

/// A file that we made and could not fill.
fn remove(path: &Path) {
    let _stays = std::fs::remove_file(path);
}

impl Target {
    /// Fills the files; without success they are gone again.
    pub(super) fn write(mut self, identity: &Identity) -> Result<(), CommandError> {
        let written = self.try_write(identity);
        if written.is_err() {
            self.discard();
        }
        written
    }

    /// Gives the files up.
    pub(super) fn discard(self) {
        remove(&self.out.0);
        if let Some((path, _)) = self.key {
            remove(&path);
        }
    }

    fn try_write(&mut self, identity: &Identity) -> Result<(), CommandError> {
        let (path, file) = &mut self.out;
        if let Some(password) = &self.password {
            let pfx = identity.to_pfx(password);
            let pfx = pfx.map_err(|error| CommandError::failed(error.to_string()))?;
            return fill(path, file, &pfx);
        }
        let certificates = identity.certificates_pem();
        let Some((key_path, key_file)) = &mut self.key else {
            let mut text = Zeroizing::new(certificates);
            text.push_str(&identity.key_pem());
            return fill(path, file, text.as_bytes());
        };
        fill(path, file, certificates.as_bytes())?;
        fill(key_path, key_file, identity.key_pem().as_bytes())
    }
}

pub(super) fn fill(path: &Path, file: &mut File, bytes: &[u8]) -> Result<(), CommandError> {
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|error| unwritable(path, &error))
}
