//! The file `clients` of the state folder: who may vouch for clients, trusted people, revocation lists and mappings.
//!
//! Root owns it, as it owns `accounts`: whoever is in there decides what a login may become.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Args, Subcommand};
use server::certificates::Thumbprint;
use server::clients::{self, Clients, ClientsError, Entry, ListFacts, SubjectPattern, UriPattern};
use spawner::store::{CLIENTS, Lock, Store};

use super::files;
use crate::command_error::CommandError;
use crate::transom::account::{self, StateArgs};

#[derive(Args, Debug)]
pub(super) struct MapArgs {
    #[command(subcommand)]
    command: MapCommand,
}

#[derive(Debug, Subcommand)]
enum MapCommand {
    /// Maps certificates to an account
    #[command(
        after_help = "A certificate is mapped where it has the subject and an issuer in its chain has the \
                      thumbprint. Of several mappings the closest subject counts: a whole name, then the longer \
                      pattern. Other than Windows's certmapping this needs no password of the account: accounts are \
                      the service's own, and whoever may write its state may map to them."
    )]
    Add {
        /// Thumbprint of the authority that issued the certificates; of a self-signed certificate its own
        #[arg(long, value_name = "THUMBPRINT")]
        issuer: Thumbprint,
        /// The user principal name or DNS name of the certificates: alice@localhost, *@localhost, *.example.com or *
        #[arg(long, value_name = "NAME")]
        subject: SubjectPattern,
        /// The account, which must exist
        #[arg(long, value_name = "ACCOUNT")]
        account: String,
        /// The resource URI that they may reach, or its beginning with * behind it
        #[arg(long, value_name = "URI", default_value = "*")]
        uri: UriPattern,
        /// Writes the mapping down without putting it into force
        #[arg(long)]
        disabled: bool,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Shows the mappings
    List {
        #[command(flatten)]
        state: StateArgs,
    },
    /// Removes a mapping; connections that use it end with their next request
    Remove {
        /// Thumbprint of the issuer
        #[arg(long, value_name = "THUMBPRINT")]
        issuer: Thumbprint,
        /// The subject
        #[arg(long, value_name = "NAME")]
        subject: SubjectPattern,
        /// The resource URI
        #[arg(long, value_name = "URI", default_value = "*")]
        uri: UriPattern,
        #[command(flatten)]
        state: StateArgs,
    },
}

/// The file, locked against other tools.
struct File {
    store: Store,
    lock: Lock,
    clients: Clients,
}

impl File {
    fn open(store: Store) -> Result<Self, CommandError> {
        let lock = store.lock().map_err(account::store_error)?;
        let clients = read(&store)?;
        Ok(Self { store, lock, clients })
    }

    fn save(&self) -> Result<(), CommandError> {
        let text = self.clients.to_text().map_err(|error| wrong(&error))?;
        self.store.replace(&self.lock, CLIENTS, text.as_bytes()).map_err(account::store_error)
    }
}

/// What the state folder says of client certificates.
pub(super) fn read(store: &Store) -> Result<Clients, CommandError> {
    let limit = u64::try_from(clients::MAX_FILE).unwrap_or(u64::MAX);
    match store.read(CLIENTS, limit).map_err(account::store_error)? {
        Some(bytes) => Clients::parse(&bytes)
            .map_err(|error| account::store_error(store.content(CLIENTS, &error))),
        None => Ok(Clients::default()),
    }
}

fn wrong(error: &ClientsError) -> CommandError {
    let told = CommandError::failed(error.to_string());
    match error {
        ClientsError::NoAuthority(_) => told.hint(
            "a self-signed certificate of a client belongs to --trusted-people, and needs no place among the authorities",
        ),
        ClientsError::NoCertificate => {
            told.hint("PEM or DER; of a PFX, `transom cert convert` makes PEM")
        }
        ClientsError::NotSelfSigned(_) => {
            told.hint("import the authority that issued it: transom cert import --root FILE")
        }
        ClientsError::WrongPurpose(_) => {
            told.hint("`transom cert new-client` makes certificates for clients")
        }
        ClientsError::Unknown(_) | ClientsError::UnknownList(_) => {
            told.hint("`transom cert list` shows what there is")
        }
        ClientsError::UnknownMapping => told.hint("`transom cert map list` shows the mappings"),
        ClientsError::MappingTaken { .. } => {
            told.hint("`transom cert map remove` with the same words removes it")
        }
        ClientsError::TooLong
        | ClientsError::NotText
        | ClientsError::Malformed { .. }
        | ClientsError::Version(_)
        | ClientsError::Pem(_)
        | ClientsError::Certificate
        | ClientsError::Taken(_)
        | ClientsError::List(_)
        | ClientsError::OlderList(_)
        | _ => told,
    }
}

/// Adds the certificates of a file to a store.
pub(super) fn import(state: &Path, store: clients::Store, file: &Path) -> Result<(), CommandError> {
    let bytes = files::read(file)?.to_vec();
    let mut opened = File::open(Store::create(state).map_err(account::store_error)?)?;
    let mut text = String::new();
    for facts in opened.clients.import(store, bytes).map_err(|error| wrong(&error))? {
        let blank = if text.is_empty() { "" } else { "\n" };
        let _infallible = write!(text, "{blank}{}", super::facts_text(&facts));
    }
    opened.save()?;
    super::super::print(&text)
}

/// Adds the revocation lists of a file.
pub(super) fn import_lists(state: &Path, file: &Path) -> Result<(), CommandError> {
    let bytes = files::read(file)?;
    let mut opened = File::open(Store::create(state).map_err(account::store_error)?)?;
    let added = opened
        .clients
        .add_lists(&bytes)
        .map_err(|error| CommandError::failed(format!("importing {}: {error}", file.display())))?;
    opened.save()?;
    let mut text = String::new();
    for facts in added {
        let blank = if text.is_empty() { "" } else { "\n" };
        let ListFacts { issuer, this_update, next_update, revoked, fingerprint, .. } = facts;
        let _infallible = write!(
            text,
            "{blank}Issuer       {issuer}\nMade         {this_update}\nCounts until {next_update}\n\
             Revoked      {revoked}\nSHA-256      {fingerprint}\n"
        );
    }
    super::super::print(&text)
}

/// Removes a certificate from a store.
pub(super) fn remove(
    state: &Path,
    store: clients::Store,
    thumbprint: &Thumbprint,
) -> Result<(), CommandError> {
    let mut opened = File::open(Store::open(state).map_err(account::store_error)?)?;
    opened.clients.remove(store, thumbprint).map_err(|error| wrong(&error))?;
    opened.save()?;
    super::super::print(&format!("certificate {thumbprint} removed\n"))
}

/// Removes a revocation list.
pub(super) fn remove_list(state: &Path, fingerprint: &str) -> Result<(), CommandError> {
    let mut opened = File::open(Store::open(state).map_err(account::store_error)?)?;
    opened.clients.remove_list(fingerprint).map_err(|error| wrong(&error))?;
    opened.save()?;
    super::super::print(&format!("revocation list {fingerprint} removed\n"))
}

/// The rows of `transom cert list` that are about clients.
pub(super) fn rows(state: &Path) -> Result<Vec<[String; 4]>, CommandError> {
    let clients = read(&Store::open(state).map_err(account::store_error)?)?;
    let mut rows = Vec::new();
    for (store, word) in
        [(clients::Store::Root, "root"), (clients::Store::TrustedPeople, "trusted-people")]
    {
        rows.extend(clients.facts(store).map(|facts| super::row(word, &facts)));
    }
    for (_, facts) in clients.lists() {
        let subject = format!("{}, {} revoked", facts.issuer, facts.revoked);
        let name = facts.fingerprint.chars().take(40).collect();
        rows.push(["crl".to_owned(), name, facts.next_update.to_string(), subject]);
    }
    Ok(rows)
}

/// Runs one of the subcommands of `transom cert map`.
pub(super) fn map(args: MapArgs) -> Result<(), CommandError> {
    match args.command {
        MapCommand::Add { issuer, subject, account, uri, disabled, state } => {
            let store = Store::open(&state.state).map_err(account::store_error)?;
            let mut opened = File::open(store)?;
            let found = account::read(&opened.store)?.find(&account).ok_or_else(|| {
                CommandError::failed(format!("there is no account with the name `{account}`"))
                    .hint("`transom account list` shows the accounts")
                    .hint(format!("or add it: transom account add {account}"))
            })?;
            let said = format!(
                "certificates of {subject} issued by {issuer} log in as {}{}\n",
                found.name,
                if disabled { " once the mapping is enabled" } else { "" }
            );
            let known = is_known(&opened.clients, &issuer);
            let issuer = issuer.to_string();
            let entry = Entry { issuer, subject, uri, account: found.id, enabled: !disabled };
            opened.clients.map(entry).map_err(|error| wrong(&error))?;
            opened.save()?;
            let note = if known {
                ""
            } else {
                "nobody imported has that thumbprint: it must then be of an intermediate authority that clients send along\n"
            };
            super::super::print(&format!("{said}{note}"))
        }
        MapCommand::List { state } => list(&state.state),
        MapCommand::Remove { issuer, subject, uri, state } => {
            let mut opened = File::open(Store::open(&state.state).map_err(account::store_error)?)?;
            opened.clients.unmap(&issuer, &subject, &uri).map_err(|error| wrong(&error))?;
            opened.save()?;
            super::super::print(&format!("mapping of {subject} removed\n"))
        }
    }
}

fn is_known(clients: &Clients, issuer: &Thumbprint) -> bool {
    let issuer = issuer.to_string();
    [clients::Store::Root, clients::Store::TrustedPeople]
        .iter()
        .any(|store| clients.facts(*store).any(|facts| facts.thumbprint == issuer))
}

fn list(state: &Path) -> Result<(), CommandError> {
    let store = Store::open(state).map_err(account::store_error)?;
    let (clients, accounts) = (read(&store)?, account::read(&store)?);
    let rows: Vec<[String; 5]> = clients
        .mappings()
        .iter()
        .map(|entry| {
            let account = accounts.find_by_id(&entry.account).map(|account| account.name);
            let enabled = if entry.enabled { "yes" } else { "no" };
            [
                entry.issuer.clone(),
                entry.subject.to_string(),
                account.unwrap_or_else(|| "(removed)".to_owned()),
                enabled.to_owned(),
                entry.uri.to_string(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return super::super::print("no mappings\n");
    }
    let heading = ["Issuer", "Subject", "Account", "Enabled", "URI"].map(str::to_owned);
    super::super::print(&super::table(&heading, &rows))
}
