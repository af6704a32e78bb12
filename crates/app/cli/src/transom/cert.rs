//! `transom cert`: the certificates that the service has for https.
//!
//! They lie in the service user's folder, where root follows nothing and makes nothing: whatever needs root's eyes (the
//! files to import, the file to export to) is opened first, then this process becomes the service user for good.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use server::accounts::MachineNames;
use server::certificates::{Certificates, CertificatesError, Identity, New, Thumbprint};
use spawner::service::Folder;
use spawner::store::Store;
use zeroize::Zeroizing;

use super::account::{self, StateArgs};
use crate::command_error::CommandError;
use crate::winrs;

/// A file to import is never longer.
const MAX_FILE: u64 = 1024 * 1024;

#[derive(Args, Debug)]
pub(super) struct CertArgs {
    #[command(subcommand)]
    command: CertCommand,
}

#[derive(Debug, Subcommand)]
enum CertCommand {
    /// Makes a self-signed server certificate
    NewServer {
        /// A name or address by which clients call this machine; may be repeated [default: its host name]
        #[arg(long, value_name = "NAME")]
        name: Vec<String>,
        /// How many days it is valid
        #[arg(long, value_name = "DAYS", default_value_t = 365)]
        days: u32,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Takes over a certificate with its private key, from PEM or PFX
    Import {
        /// The certificate and those that vouch for it (PEM), with or without the key, or a PFX
        file: PathBuf,
        /// The private key, if it is in a file of its own
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// A file whose first line is the password of the key or the PFX
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Shows one certificate or all of them
    Show {
        /// Which one
        thumbprint: Option<Thumbprint>,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Removes a certificate and its key; a running service keeps it until it is started anew
    Remove {
        /// Which one
        thumbprint: Thumbprint,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Writes a certificate as PEM, for clients that shall trust it
    Export {
        /// Which one
        thumbprint: Thumbprint,
        /// Where to; the file must not be there yet [default: stdout]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Writes the private key too, not encrypted
        #[arg(long)]
        with_key: bool,
        #[command(flatten)]
        state: StateArgs,
    },
}

/// Runs one of the subcommands.
pub(super) fn run(args: CertArgs) -> Result<(), CommandError> {
    match args.command {
        CertCommand::NewServer { name, days, state } => {
            let names = if name.is_empty() { own_names() } else { name };
            let made = New { names, days }.make();
            add(&state.state, &made.map_err(|error| CommandError::failed(error.to_string()))?)
        }
        CertCommand::Import { file, key, password_file, state } => {
            let identity = import(&file, key.as_deref(), password_file.as_deref())?;
            add(&state.state, &identity)
        }
        CertCommand::Show { thumbprint, state } => show(&state.state, thumbprint),
        CertCommand::Remove { thumbprint, state } => {
            let (folder, certificates) = open(&state.state)?;
            let certificates = certificates.ok_or_else(|| unknown(&thumbprint, &folder))?;
            certificates.remove(&thumbprint).map_err(|error| failed(&error))?;
            super::print(&format!("certificate {thumbprint} removed\n"))
        }
        CertCommand::Export { thumbprint, out, with_key, state } => {
            export(&state.state, &thumbprint, out.as_deref(), with_key)
        }
    }
}

/// The host's name, and its first label where it has more.
fn own_names() -> Vec<String> {
    let names = MachineNames::of_this_machine();
    let host = names.host().to_owned();
    let short = host.split('.').next().unwrap_or_default().to_owned();
    if short == host { vec![host] } else { vec![host, short] }
}

fn import(
    file: &Path,
    key: Option<&Path>,
    password: Option<&Path>,
) -> Result<Identity, CommandError> {
    let password = password.map(winrs::password_from).transpose()?;
    let certificates = read(file)?;
    let key = key.map(read).transpose()?;
    let read =
        Identity::read(&certificates, key.as_ref().map(|key| key.as_slice()), password.as_ref());
    read.map_err(|error| {
        let doing = format!("importing {}", file.display());
        let hint = error.hint();
        let text = CommandError::caused(doing, &error);
        hint.map_or(text, |hint| {
            CommandError::failed(format!("importing {}: {error}", file.display())).hint(hint)
        })
    })
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, CommandError> {
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

fn add(state: &Path, identity: &Identity) -> Result<(), CommandError> {
    let folder = enter(state)?;
    let certificates = Certificates::create_in(&folder.descriptor, &folder.path);
    let added = certificates.and_then(|certificates| certificates.add(identity));
    let thumbprint = added.map_err(|error| failed(&error))?;
    super::print(&format!(
        "{}\nThe service takes it with --listen https://*:5986 --certificate {thumbprint}\n",
        described(identity)?
    ))
}

fn show(state: &Path, thumbprint: Option<Thumbprint>) -> Result<(), CommandError> {
    let (folder, certificates) = open(state)?;
    let mut text = String::new();
    match (certificates, thumbprint) {
        (Some(certificates), Some(thumbprint)) => {
            let identity = certificates.read(&thumbprint).map_err(|error| failed(&error))?;
            text.push_str(&described(&identity)?);
        }
        (Some(certificates), None) => {
            for thumbprint in certificates.list().map_err(|error| failed(&error))? {
                let blank = if text.is_empty() { "" } else { "\n" };
                // One that is damaged must not hide the others.
                match certificates.read(&thumbprint) {
                    Ok(identity) => write!(text, "{blank}{}", described(&identity)?),
                    Err(error) => {
                        writeln!(text, "{blank}Thumbprint   {thumbprint}\nDamaged      {error}")
                    }
                }
                .unwrap_or_default();
            }
        }
        (None, Some(thumbprint)) => return Err(unknown(&thumbprint, &folder)),
        (None, None) => {}
    }
    super::print(if text.is_empty() { "no certificates\n" } else { &text })
}

fn export(
    state: &Path,
    thumbprint: &Thumbprint,
    out: Option<&Path>,
    with_key: bool,
) -> Result<(), CommandError> {
    let unwritable = |path: &Path, error: &io::Error| {
        let error = CommandError::caused(format!("writing {}", path.display()), error);
        error.hint("--out with a file that is not there yet")
    };
    // Opened by who called us, and only if it is new: nobody else's file is overwritten.
    let target = out.map(|path| {
        let mode = if with_key { 0o600 } else { 0o644 };
        let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
        opened.map(|file| (path, file)).map_err(|error| unwritable(path, &error))
    });
    let target = target.transpose()?;
    let (folder, certificates) = open(state)?;
    let certificates = certificates.ok_or_else(|| unknown(thumbprint, &folder))?;
    let identity = certificates.read(thumbprint).map_err(|error| failed(&error))?;
    let mut text = Zeroizing::new(identity.certificates_pem());
    if with_key {
        text.push_str(&identity.key_pem());
    }
    match target {
        None => super::print(&text),
        Some((path, mut file)) => file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(|error| unwritable(path, &error)),
    }
}

/// What people compare and copy.
fn described(identity: &Identity) -> Result<String, CommandError> {
    let facts = identity.facts().map_err(|error| CommandError::failed(error.to_string()))?;
    let issuer = if facts.is_self_issued { "itself".to_owned() } else { facts.issuer };
    Ok(format!(
        "Thumbprint   {}\nSubject      {}\nNames        {}\nIssuer       {issuer}\nValid from   {}\n\
         Valid until  {}\nSHA-256      {}\nKey SHA-256  {}\n",
        facts.thumbprint,
        facts.subject,
        facts.names.join(", "),
        facts.not_before,
        facts.not_after,
        facts.fingerprint,
        facts.key_fingerprint,
    ))
}

/// Opens the certificates of a state folder that must be there, as the service user.
fn open(state: &Path) -> Result<(Folder, Option<Certificates>), CommandError> {
    Store::open(state).map_err(account::store_error)?;
    let folder = enter(state)?;
    let opened = Certificates::open_in(&folder.descriptor, &folder.path);
    opened.map(|certificates| (folder, certificates)).map_err(|error| failed(&error))
}

fn enter(state: &Path) -> Result<Folder, CommandError> {
    spawner::service::enter(state).map_err(|error| {
        CommandError::failed(error.to_string())
            .hint("as root, or --state with a folder of your own")
    })
}

fn unknown(thumbprint: &Thumbprint, folder: &Folder) -> CommandError {
    failed(&CertificatesError::Unknown(thumbprint.clone()))
        .hint(format!("`transom cert show` lists those in {}", folder.path.display()))
}

fn failed(error: &CertificatesError) -> CommandError {
    CommandError::failed(error.to_string())
}
