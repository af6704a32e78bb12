//! `transom account`: who may log in, and which local user they become.
//!
//! Two files of the state folder belong together: `accounts` (name, password hash, groups) and `users` (local user).
//! Both are changed under one lock, each as a whole. Between the two writes a mapping may be there without its
//! account, never an account that maps to nobody; such left-overs go with the next change.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, Read as _};
use std::path::{Path, PathBuf};

use auth::Secret;
use auth::sddl::Sid;
use clap::{Args, Subcommand};
use nix::unistd::{Uid, User};
use server::accounts::{Accounts, AccountsError};
use spawner::store::{ACCOUNTS, Lock, Store, StoreError};
use spawner::users::{Mapping, Users};

use crate::command_error::CommandError;
use crate::signals::Signals;
use crate::terminal::{self, Answer};

/// The group of those who may do everything.
const ADMINISTRATORS: &str = "Administrators";
/// The longest password on stdin, in bytes.
const PASSWORD_LIMIT: u64 = 4096;

#[derive(Args, Debug)]
pub(super) struct AccountArgs {
    #[command(subcommand)]
    command: AccountCommand,
}

#[derive(Debug, Subcommand)]
enum AccountCommand {
    /// Adds an account
    Add {
        /// What the account is called by those who log in
        name: String,
        /// Whom its commands run as [default: the local user with the account's name]
        #[arg(long, value_name = "USER")]
        local_user: Option<String>,
        /// A group that the account belongs to; may be repeated [default: Administrators]
        #[arg(long, value_name = "GROUP")]
        group: Vec<String>,
        /// Lets the local user be root
        #[arg(long)]
        allow_root: bool,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Shows the accounts
    List {
        #[command(flatten)]
        state: StateArgs,
    },
    /// Removes an account; shells that it has open stay until they end
    Remove {
        /// The account
        name: String,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Gives an account a new password, valid from its next login
    Passwd {
        /// The account
        name: String,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        state: StateArgs,
    },
}

#[derive(Args, Debug)]
pub(super) struct StateArgs {
    /// The service's state folder
    #[arg(long, value_name = "DIR", default_value = super::STATE)]
    pub(super) state: PathBuf,
}

#[derive(Args, Debug)]
struct PasswordArgs {
    /// Reads the password from the first line of stdin instead of asking for it
    #[arg(long)]
    password_stdin: bool,
}

/// What an account shall be.
#[derive(Debug)]
pub(super) struct NewAccount {
    /// Its name.
    pub(super) name: String,
    /// Its local user; `None` for the one of the same name.
    pub(super) local_user: Option<String>,
    /// Its groups; none means Administrators.
    pub(super) groups: Vec<String>,
    /// Whether the local user may be root.
    pub(super) allow_root: bool,
}

/// Runs one of the subcommands.
pub(super) fn run(args: AccountArgs) -> Result<(), CommandError> {
    match args.command {
        AccountCommand::Add { name, local_user, group, allow_root, password, state } => {
            let new = NewAccount { name, local_user, groups: group, allow_root };
            // What is wrong with the account is said before a password is asked for.
            new.mapping()?;
            let password = password.read(&new.name)?;
            let mapping = add(&state.state, &new, &password)?;
            super::print(&format!(
                "account {} added; its commands run as {}\n",
                new.name, mapping.local_user
            ))
        }
        AccountCommand::List { state } => list(&state.state),
        AccountCommand::Remove { name, state } => {
            let mut files = Files::open(&state.state, Missing::Refuse)?;
            let id = files.accounts.remove(&name).map_err(account_error)?;
            files.users.remove(&id);
            files.save_accounts()?;
            files.save_users()?;
            super::print(&format!("account {name} removed\n"))
        }
        AccountCommand::Passwd { name, password, state } => {
            let known = Files::open(&state.state, Missing::Refuse)?.accounts.find(&name);
            known.ok_or_else(|| account_error(AccountsError::Unknown(name.clone())))?;
            let password = password.read(&name)?;
            // Opened anew: nobody else should wait for a person who types.
            let mut files = Files::open(&state.state, Missing::Refuse)?;
            files.accounts.set_password(&name, &password).map_err(account_error)?;
            files.save_accounts()?;
            super::print(&format!("account {name} has a new password\n"))
        }
    }
}

/// Adds an account to the state folder, which is made if it is not there.
pub(super) fn add(
    state: &Path,
    new: &NewAccount,
    password: &Secret,
) -> Result<Mapping, CommandError> {
    let mapping = new.mapping()?;
    let groups =
        if new.groups.is_empty() { vec![ADMINISTRATORS.to_owned()] } else { new.groups.clone() };
    let mut files = Files::open(state, Missing::Make)?;
    files.accounts.add(mapping.account, &new.name, password, groups).map_err(account_error)?;
    let running_as = Uid::effective().as_raw();
    files
        .users
        .insert(mapping.clone(), running_as)
        .map_err(|error| CommandError::failed(error.to_string()))?;
    files.save_users()?;
    files.save_accounts()?;
    Ok(mapping)
}

impl NewAccount {
    /// The local user behind the account, under a fresh random id.
    fn mapping(&self) -> Result<Mapping, CommandError> {
        let local = self.local_user.as_ref().unwrap_or(&self.name);
        let found = User::from_name(local)
            .map_err(|error| CommandError::caused(format!("looking up {local}"), &error))?;
        let user = found.ok_or_else(|| {
            CommandError::failed(format!("there is no local user {local}"))
                .hint("name another one with --local-user USER")
                .hint(format!("or make it, as root: useradd -m {local}"))
        })?;
        if user.uid.is_root() && !self.allow_root {
            return Err(CommandError::failed(format!("the local user {local} is root"))
                .hint("name another one with --local-user USER")
                .hint("say --allow-root, if whoever knows the password shall be root"));
        }
        let me = Uid::effective();
        if !me.is_root() && me != user.uid {
            return Err(CommandError::failed(format!(
                "a service that is not started as root cannot become {local}"
            ))
            .hint("name yourself with --local-user")
            .hint("or run `transom account` and `transom serve` as root"));
        }
        let mut account = [0; 16];
        getrandom::fill(&mut account)
            .map_err(|error| CommandError::caused("drawing a random id", &error))?;
        Ok(Mapping {
            account,
            local_user: user.name,
            uid: user.uid.as_raw(),
            allow_root: self.allow_root,
        })
    }
}

impl PasswordArgs {
    fn read(&self, account: &str) -> Result<Secret, CommandError> {
        let password =
            if self.password_stdin { first_line()? } else { super::block_on(ask_twice(account))? };
        if password.expose().is_empty() {
            return Err(CommandError::failed("an empty password is no password"));
        }
        Ok(password)
    }
}

fn first_line() -> Result<Secret, CommandError> {
    let failed = |error: io::Error| CommandError::caused("reading the password from stdin", &error);
    let mut line = Vec::with_capacity(256);
    io::stdin().lock().take(PASSWORD_LIMIT).read_until(b'\n', &mut line).map_err(failed)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    terminal::text(line).map_err(failed)
}

async fn ask_twice(account: &str) -> Result<Secret, CommandError> {
    let mut signals = Signals::listen()?;
    let missing =
        || CommandError::usage("no terminal to ask for the password").hint("use --password-stdin");
    let first = terminal::ask(
        &format!("Password for the account {account}: "),
        Answer::Hidden,
        &mut signals,
    )
    .await?;
    let first = first.ok_or_else(missing)?;
    let second = terminal::ask("The same again: ", Answer::Hidden, &mut signals)
        .await?
        .ok_or_else(missing)?;
    if first.expose() == second.expose() {
        Ok(first)
    } else {
        Err(CommandError::failed("the passwords differ"))
    }
}

fn list(state: &Path) -> Result<(), CommandError> {
    let files = Files::open(state, Missing::Refuse)?;
    let rows: Vec<[String; 4]> = files
        .accounts
        .iter()
        .map(|account| {
            let local =
                files.users.find(&account.id).map_or("(nobody)", |mapping| &mapping.local_user);
            let sid = Sid::of_account(&account.id).to_string();
            [account.name, local.to_owned(), account.groups.join(", "), sid]
        })
        .collect();
    if rows.is_empty() {
        return super::print("no accounts\n");
    }
    let heading = ["Account", "Local user", "Groups", "SID"].map(str::to_owned);
    let width = |column: fn(&[String; 4]) -> &String| {
        rows.iter()
            .chain([&heading])
            .map(|row| column(row).chars().count())
            .max()
            .unwrap_or_default()
    };
    let (first, second) = (width(|[name, ..]| name), width(|[_, local, ..]| local));
    let third = width(|[_, _, groups, _]| groups);
    let mut text = String::new();
    for [name, local, groups, sid] in [&heading].into_iter().chain(&rows) {
        let _infallible = writeln!(text, "{name:first$}  {local:second$}  {groups:third$}  {sid}");
    }
    super::print(&text)
}

/// What to do when the state folder is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Make,
    Refuse,
}

/// Both files, locked against other tools.
struct Files {
    store: Store,
    lock: Lock,
    accounts: Accounts,
    users: Users,
}

impl Files {
    fn open(state: &Path, missing: Missing) -> Result<Self, CommandError> {
        let store = match missing {
            Missing::Make => Store::create(state),
            Missing::Refuse => Store::open(state),
        };
        let store = store.map_err(store_error)?;
        let lock = store.lock().map_err(store_error)?;
        let accounts = read(&store)?;
        let mut users = Users::read(&store).map_err(store_error)?;
        let known: Vec<_> = accounts.iter().map(|account| account.id).collect();
        let orphans: Vec<_> = users
            .iter()
            .map(|mapping| mapping.account)
            .filter(|account| !known.contains(account))
            .collect();
        for orphan in orphans {
            users.remove(&orphan);
        }
        Ok(Self { store, lock, accounts, users })
    }

    fn save_accounts(&self) -> Result<(), CommandError> {
        self.store
            .replace(&self.lock, ACCOUNTS, self.accounts.to_text().as_bytes())
            .map_err(store_error)
    }

    fn save_users(&self) -> Result<(), CommandError> {
        self.users.write(&self.store, &self.lock).map_err(store_error)
    }
}

/// The accounts of a state folder.
pub(super) fn read(store: &Store) -> Result<Accounts, CommandError> {
    let limit = u64::try_from(server::accounts::MAX_FILE).unwrap_or(u64::MAX);
    match store.read(ACCOUNTS, limit).map_err(store_error)? {
        Some(bytes) => {
            Accounts::parse(&bytes).map_err(|error| store_error(store.content(ACCOUNTS, &error)))
        }
        None => Ok(Accounts::default()),
    }
}

fn account_error(error: AccountsError) -> CommandError {
    let told = CommandError::failed(error.to_string());
    if let AccountsError::NameTaken(name) = error {
        told.hint(format!("`transom account passwd {name}` gives it a new password"))
    } else if let AccountsError::Unknown(_) = error {
        told.hint("`transom account list` shows the accounts")
    } else {
        told
    }
}

pub(super) fn store_error(error: StoreError) -> CommandError {
    let denied = error.errno() == nix::errno::Errno::EACCES as i32;
    let absent = error.errno() == nix::errno::Errno::ENOENT as i32;
    let error = CommandError::failed(error.to_string());
    if denied {
        return error.hint("run it as root, or use --state with a folder of your own");
    }
    if absent { error.hint("use --state with the folder that the service uses") } else { error }
}
