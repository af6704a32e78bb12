//! `transom principal`: which Kerberos principals log in to the service, and as which account.
//!
//! Root owns the file `principals` of the state folder, as it owns `accounts`: whoever is in there decides what a login may
//! become. The service's keys are not here: its keytab lies in the service user's folder.

use std::path::Path;

use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;
use server::principals::{self, Entry, PrincipalPattern, Principals, PrincipalsError, Target};
use spawner::store::{Lock, PRINCIPALS, Store};

use super::account::{self, StateArgs};
use super::cert;
use crate::command_error::CommandError;

#[derive(Args, Debug)]
pub(super) struct PrincipalArgs {
    #[command(subcommand)]
    command: PrincipalCommand,
}

#[derive(Debug, Subcommand)]
enum PrincipalCommand {
    /// Lets a principal, or every user of a realm, log in as an account
    Add(AddArgs),
    /// Shows the mappings
    List {
        /// One JSON object per line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Removes a mapping; connections that logged in by it stay until they end
    Remove {
        /// The principal or pattern, as `list` shows it
        principal: PrincipalPattern,
        #[command(flatten)]
        state: StateArgs,
    },
}

#[derive(Args, Debug)]
#[command(
    group = ArgGroup::new("target").required(true),
    after_help = "A principal that no mapping names is refused, whatever ticket it has. Of several mappings the closest \
                  counts: the principal itself, then the principal in another case, then the pattern of its realm. A \
                  pattern is about users only: principals with several parts, such as host/NAME@REALM, are written out. \
                  The case of a realm always counts; Kerberos realms are in capital letters."
)]
struct AddArgs {
    /// user@REALM, or *@REALM for every user of a realm
    principal: PrincipalPattern,
    /// The account, which must exist
    #[arg(long, value_name = "ACCOUNT", group = "target")]
    account: Option<String>,
    /// The account that is called as the user is; who has none is refused
    #[arg(long, group = "target")]
    same_name: bool,
    /// Upper and lower case of the user's name are the same, as in Active Directory
    #[arg(long)]
    ignore_case: bool,
    /// Lets nobody in by this mapping, and shuts out whom it names, whatever a pattern says
    #[arg(long)]
    disabled: bool,
    #[command(flatten)]
    state: StateArgs,
}

/// Runs one of the subcommands.
pub(super) fn run(args: PrincipalArgs) -> Result<(), CommandError> {
    match args.command {
        PrincipalCommand::Add(args) => add(args),
        PrincipalCommand::List { json, state } => list(&state.state, json),
        PrincipalCommand::Remove { principal, state } => {
            let mut opened = File::open(Store::open(&state.state).map_err(account::store_error)?)?;
            opened.principals.unmap(&principal).map_err(|error| wrong(&error))?;
            opened.save()?;
            super::print(&format!("mapping of {principal} removed\n"))
        }
    }
}

fn add(args: AddArgs) -> Result<(), CommandError> {
    let AddArgs { principal, account: name, ignore_case, disabled, state, .. } = args;
    let mut opened = File::open(Store::open(&state.state).map_err(account::store_error)?)?;
    let (target, becomes) = match name {
        Some(name) => {
            let found = account::read(&opened.store)?.find(&name).ok_or_else(|| {
                CommandError::failed(format!("there is no account with the name `{name}`"))
                    .hint("`transom account list` shows the accounts")
                    .hint(format!("or add it: transom account add {name}"))
            })?;
            (Target::Account(found.id), found.name)
        }
        None => (Target::SameName, "the account of the same name".to_owned()),
    };
    let realm = principal.realm();
    let note = if realm.chars().any(char::is_lowercase) {
        format!("realms are usually in capital letters, and this one counts as it is: {realm}\n")
    } else {
        String::new()
    };
    let said = format!(
        "{principal} logs in as {becomes}{}\n",
        if disabled { " once the mapping is enabled" } else { "" }
    );
    let entry = Entry { principal, target, ignore_case, enabled: !disabled };
    opened.principals.map(entry).map_err(|error| wrong(&error))?;
    opened.save()?;
    super::print(&format!("{said}{note}"))
}

fn list(state: &Path, json: bool) -> Result<(), CommandError> {
    let store = Store::open(state).map_err(account::store_error)?;
    let (principals, accounts) = (read(&store)?, account::read(&store)?);
    let name = |entry: &Entry| match entry.target {
        Target::Account(id) => {
            let found = accounts.find_by_id(&id).map(|account| account.name);
            Some(found.unwrap_or_else(|| "(removed)".to_owned()))
        }
        Target::SameName => None,
    };
    if json {
        let line = |entry: &Entry| {
            let Entry { principal, ignore_case, enabled, .. } = entry;
            let object = json!({
                "principal": principal.to_string(),
                "account": name(entry),
                "sameName": entry.target == Target::SameName,
                "ignoreCase": ignore_case,
                "enabled": enabled,
            });
            format!("{object}\n")
        };
        return super::print(&principals.entries().iter().map(line).collect::<String>());
    }
    let word = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
    let row = |entry: &Entry| {
        [
            entry.principal.to_string(),
            name(entry).unwrap_or_else(|| "(same name)".to_owned()),
            word(entry.ignore_case),
            word(entry.enabled),
        ]
    };
    let rows: Vec<[String; 4]> = principals.entries().iter().map(row).collect();
    if rows.is_empty() {
        return super::print("no mappings\n");
    }
    let heading = ["Principal", "Account", "Ignores case", "Enabled"].map(str::to_owned);
    super::print(&cert::table(&heading, &rows))
}

/// The file, locked against other tools.
struct File {
    store: Store,
    lock: Lock,
    principals: Principals,
}

impl File {
    fn open(store: Store) -> Result<Self, CommandError> {
        let lock = store.lock().map_err(account::store_error)?;
        let principals = read(&store)?;
        Ok(Self { store, lock, principals })
    }

    fn save(&self) -> Result<(), CommandError> {
        let text = self.principals.to_text().map_err(|error| wrong(&error))?;
        self.store.replace(&self.lock, PRINCIPALS, text.as_bytes()).map_err(account::store_error)
    }
}

/// What the state folder says of principals.
fn read(store: &Store) -> Result<Principals, CommandError> {
    let limit = u64::try_from(principals::MAX_FILE).unwrap_or(u64::MAX);
    match store.read(PRINCIPALS, limit).map_err(account::store_error)? {
        Some(bytes) => Principals::parse(&bytes)
            .map_err(|error| account::store_error(store.content(PRINCIPALS, &error))),
        None => Ok(Principals::default()),
    }
}

fn wrong(error: &PrincipalsError) -> CommandError {
    let told = CommandError::failed(error.to_string());
    match error {
        PrincipalsError::Taken(principal) => {
            told.hint(format!("`transom principal remove '{principal}'` removes it"))
        }
        PrincipalsError::Unknown(_) => told.hint("`transom principal list` shows the mappings"),
        PrincipalsError::SeveralParts(_) => told.hint("name the account with --account"),
        PrincipalsError::TooLong
        | PrincipalsError::NotText
        | PrincipalsError::Malformed { .. }
        | PrincipalsError::Version(_)
        | PrincipalsError::Principal(_)
        | _ => told,
    }
}
