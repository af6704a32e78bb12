//! `transom cert`: the certificates that the service has for https, and whose certificates let in as whom.
//!
//! The service's own lie in the service user's folder, where root follows nothing and makes nothing: whatever needs root's
//! eyes (the files to import, the file to export to) is opened first, then this process becomes the service user for good.
//! What is about clients lies in a file of root's, beside the accounts.

mod clients;
mod files;
mod make;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, Subcommand};
use server::accounts::MachineNames;
use server::certificates::{
    Certificates, CertificatesError, Facts, Identity, New, Thumbprint, certificates_in,
};
use server::clients::Store as ClientStore;
use spawner::service::Folder;
use spawner::store::Store;
use zeroize::Zeroizing;

use self::files::{Source, TargetArgs};
use self::make::{AuthorityArgs, ConvertArgs, NewCaArgs, NewClientArgs};
use super::account::{self, StateArgs};
use crate::command_error::CommandError;

#[derive(Args, Debug)]
pub(super) struct CertArgs {
    #[command(subcommand)]
    command: CertCommand,
}

#[derive(Debug, Subcommand)]
enum CertCommand {
    /// Makes an authority that signs certificates, in files of yours
    NewCa(NewCaArgs),
    /// Makes a certificate with which a client logs in, in files of yours
    NewClient(NewClientArgs),
    /// Makes a server certificate: by an authority of yours, or self-signed
    NewServer {
        /// A name or address by which clients call this machine; may be repeated [default: its host name]
        #[arg(long, value_name = "NAME")]
        name: Vec<String>,
        /// How many days it is valid
        #[arg(long, value_name = "DAYS", default_value_t = 365)]
        days: u32,
        #[command(flatten)]
        authority: AuthorityArgs,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Takes over a certificate with its private key, from PEM or PFX; or what is believed of clients
    Import(ImportArgs),
    /// Shows one certificate of the service or all of them, or those in a file
    Show {
        /// Which one
        #[arg(conflicts_with = "file")]
        thumbprint: Option<Thumbprint>,
        /// A file with certificates (PEM, DER)
        #[arg(long, value_name = "FILE", conflicts_with = "state")]
        file: Option<PathBuf>,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Lists every certificate and revocation list of the service, one line each
    List {
        #[command(flatten)]
        state: StateArgs,
    },
    /// Removes a certificate and its key, which a running service keeps until it is started anew; or what is believed
    /// of clients
    Remove(RemoveArgs),
    /// Writes a certificate as PEM, for clients that shall trust it
    Export {
        /// Which one
        thumbprint: Thumbprint,
        /// Where to; the file must not be there yet [default: stdout]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Writes the private key too: in PEM not encrypted, in a PFX (--out FILE.pfx) with a password
        #[arg(long)]
        with_key: bool,
        /// A file whose first line is the password of the PFX to make [default: asks]
        #[arg(long, value_name = "FILE", requires_all = ["out", "with_key"])]
        out_password_file: Option<PathBuf>,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Makes PFX of PEM, and PEM of PFX, in files of yours
    Convert(ConvertArgs),
    /// Says which client certificates log in as which account
    Map(clients::MapArgs),
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("what"))]
struct ImportArgs {
    /// The certificate and those that vouch for it (PEM), with or without the key, or a PFX; a revocation list
    file: PathBuf,
    /// The authorities in the file may vouch for clients
    #[arg(long, group = "what")]
    root: bool,
    /// The self-signed certificates in the file are clients that are believed
    #[arg(long, group = "what")]
    trusted_people: bool,
    /// The file holds revocation lists of authorities; a newer one takes the place of an older one
    #[arg(long, group = "what")]
    crl: bool,
    /// The private key, if it is in a file of its own
    #[arg(long, value_name = "FILE", conflicts_with = "what")]
    key: Option<PathBuf>,
    /// A file whose first line is the password of the key or the PFX [default: asks where there is one]
    #[arg(long, value_name = "FILE", conflicts_with = "what")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    state: StateArgs,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("what"))]
struct RemoveArgs {
    /// Which one
    #[arg(required_unless_present = "crl")]
    thumbprint: Option<Thumbprint>,
    /// Of the authorities that may vouch for clients
    #[arg(long, group = "what")]
    root: bool,
    /// Of the self-signed certificates of clients
    #[arg(long, group = "what")]
    trusted_people: bool,
    /// A revocation list, by the beginning of its SHA-256
    #[arg(long, value_name = "SHA256", group = "what", conflicts_with = "thumbprint")]
    crl: Option<String>,
    #[command(flatten)]
    state: StateArgs,
}

/// Runs one of the subcommands.
pub(super) fn run(args: CertArgs) -> Result<(), CommandError> {
    match args.command {
        CertCommand::NewCa(args) => make::new_ca(&args),
        CertCommand::NewClient(args) => make::new_client(args),
        CertCommand::NewServer { name, days, authority, state } => {
            let names = if name.is_empty() { own_names() } else { name };
            let made = New { names, days }.make_by(authority.read()?.as_ref());
            add(&state.state, &made.map_err(|error| CommandError::failed(error.to_string()))?)
        }
        CertCommand::Import(args) => import(&args),
        CertCommand::Show { file: Some(file), .. } => show_file(&file),
        CertCommand::Show { thumbprint, file: None, state } => show(&state.state, thumbprint),
        CertCommand::List { state } => list(&state.state),
        CertCommand::Remove(args) => remove(&args),
        CertCommand::Export { thumbprint, out, with_key, out_password_file, state } => {
            let target = out.map(|out| TargetArgs { out, key_out: None, out_password_file });
            export(&state.state, &thumbprint, target, with_key)
        }
        CertCommand::Convert(args) => make::convert(&args),
        CertCommand::Map(args) => clients::map(args),
    }
}

fn import(args: &ImportArgs) -> Result<(), CommandError> {
    let ImportArgs { file, root, trusted_people, crl, key, password_file, state } = args;
    let state = &state.state;
    if *crl {
        return clients::import_lists(state, file);
    }
    if *root {
        return clients::import(state, ClientStore::Root, file);
    }
    if *trusted_people {
        return clients::import(state, ClientStore::TrustedPeople, file);
    }
    let source = Source { file, key: key.as_deref(), password: password_file.as_deref() };
    add(state, &source.identity()?)
}

fn remove(args: &RemoveArgs) -> Result<(), CommandError> {
    let RemoveArgs { thumbprint, root, trusted_people, crl, state } = args;
    let state = &state.state;
    if let Some(fingerprint) = crl {
        return clients::remove_list(state, fingerprint);
    }
    let Some(thumbprint) = thumbprint else {
        return Err(CommandError::usage("which certificate? its thumbprint is missing"));
    };
    if *root {
        return clients::remove(state, ClientStore::Root, thumbprint);
    }
    if *trusted_people {
        return clients::remove(state, ClientStore::TrustedPeople, thumbprint);
    }
    let (folder, certificates) = open(state)?;
    let certificates = certificates.ok_or_else(|| unknown(thumbprint, &folder))?;
    certificates.remove(thumbprint).map_err(|error| failed(&error))?;
    super::print(&format!("certificate {thumbprint} removed\n"))
}

/// The host's name, and its first label where it has more.
fn own_names() -> Vec<String> {
    let names = MachineNames::of_this_machine();
    let host = names.host().to_owned();
    let short = host.split('.').next().unwrap_or_default().to_owned();
    if short == host { vec![host] } else { vec![host, short] }
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

fn show_file(file: &Path) -> Result<(), CommandError> {
    let bytes = files::read(file)?.to_vec();
    let reading = |error: &dyn std::fmt::Display| {
        CommandError::failed(format!("reading {}: {error}", file.display()))
    };
    let found = certificates_in(bytes).map_err(|error| reading(&error))?;
    let mut text = String::new();
    for der in found {
        let facts = Facts::read(&der).map_err(|error| reading(&error))?;
        let blank = if text.is_empty() { "" } else { "\n" };
        let _infallible = write!(text, "{blank}{}", facts_text(&facts));
    }
    if text.is_empty() {
        return Err(reading(&"there is no certificate")
            .hint("PEM or DER; of a PFX, `transom cert convert` makes PEM"));
    }
    super::print(&text)
}

fn list(state: &Path) -> Result<(), CommandError> {
    // As root, before this process becomes the service user.
    let mut rows = clients::rows(state)?;
    let (_, certificates) = open(state)?;
    if let Some(certificates) = certificates {
        for thumbprint in certificates.list().map_err(|error| failed(&error))? {
            match certificates.read(&thumbprint).map(|identity| identity.facts()) {
                Ok(Ok(facts)) => rows.push(row("service", &facts)),
                Ok(Err(_)) | Err(_) => rows.push([
                    "service".to_owned(),
                    thumbprint.to_string(),
                    "damaged".to_owned(),
                    "`transom cert show` says why".to_owned(),
                ]),
            }
        }
    }
    if rows.is_empty() {
        return super::print("no certificates\n");
    }
    let heading = ["Store", "Thumbprint or SHA-256", "Valid until", "Subject"].map(str::to_owned);
    super::print(&table(&heading, &rows))
}

fn row(store: &str, facts: &Facts) -> [String; 4] {
    let Facts { thumbprint, subject, not_after, .. } = facts;
    [store.to_owned(), thumbprint.clone(), not_after.to_string(), subject.clone()]
}

/// Columns as wide as they must be; the last one as it is.
pub(super) fn table<const N: usize>(heading: &[String; N], rows: &[[String; N]]) -> String {
    let all = || std::iter::once(heading).chain(rows);
    let width = |column: usize| {
        let cells = all().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in all() {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _infallible = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn export(
    state: &Path,
    thumbprint: &Thumbprint,
    target: Option<TargetArgs>,
    with_key: bool,
) -> Result<(), CommandError> {
    let out = target.as_ref().map(|target| target.out.clone());
    // Opened by who called us, and only if it is new: nobody else's file is overwritten.
    let (whole, certificate) = match target {
        Some(target) if with_key => (Some(target.make()?), None),
        Some(target) => {
            if files::is_pfx(&target.out) {
                return Err(CommandError::usage("a PFX without its key is of no use")
                    .hint("--with-key, or --out with a file that ends in .pem"));
            }
            let file = files::create(&target.out, 0o644)?;
            (None, Some((target.out, file)))
        }
        None => (None, None),
    };
    let read = read_own(state, thumbprint);
    let identity = match (read, whole, out) {
        (Ok(identity), None, _) => identity,
        (Ok(identity), Some(whole), _) => return whole.write(&identity),
        (Err(error), whole, out) => {
            if let Some(whole) = whole {
                whole.discard();
            } else if let Some(out) = out {
                let _stays = std::fs::remove_file(out);
            }
            return Err(error);
        }
    };
    let mut text = Zeroizing::new(identity.certificates_pem());
    match certificate {
        Some((path, mut file)) => files::fill(&path, &mut file, text.as_bytes()),
        None => {
            if with_key {
                text.push_str(&identity.key_pem());
            }
            super::print(&text)
        }
    }
}

fn read_own(state: &Path, thumbprint: &Thumbprint) -> Result<Identity, CommandError> {
    let (folder, certificates) = open(state)?;
    let certificates = certificates.ok_or_else(|| unknown(thumbprint, &folder))?;
    certificates.read(thumbprint).map_err(|error| failed(&error))
}

/// What people compare and copy.
fn described(identity: &Identity) -> Result<String, CommandError> {
    let facts = identity.facts().map_err(|error| CommandError::failed(error.to_string()))?;
    Ok(facts_text(&facts))
}

fn facts_text(facts: &Facts) -> String {
    let issuer = if facts.is_self_issued { "itself" } else { &facts.issuer };
    let mut text = format!("Thumbprint   {}\nSubject      {}\n", facts.thumbprint, facts.subject);
    let usages: Vec<String> = facts.usages.iter().map(ToString::to_string).collect();
    for (label, values) in
        [("Names", &facts.names), ("User names", &facts.upns), ("Made for", &usages)]
    {
        if !values.is_empty() {
            let _infallible = writeln!(text, "{label:<12} {}", values.join(", "));
        }
    }
    if facts.is_authority {
        text.push_str("Made for     vouching for others\n");
    }
    let _infallible = write!(
        text,
        "Issuer       {issuer}\nValid from   {}\nValid until  {}\nSHA-256      {}\nKey SHA-256  {}\n",
        facts.not_before, facts.not_after, facts.fingerprint, facts.key_fingerprint,
    );
    text
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
