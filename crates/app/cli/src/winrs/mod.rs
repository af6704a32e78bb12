//! `winrs`: from the command line to the exit code.

mod args;
mod argv;
pub(crate) mod certificate;
mod escape;
#[cfg(test)]
mod fuzz;
mod kerberos;
mod network;
mod records;
mod session;
mod stdio;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use auth::Secret;
use client::{Authentication, Config, Credentials, Identity};

use crate::command_error::{CommandError, Program};
use crate::signals::Signals;
use crate::terminal::{self, Answer};
use args::{Invocation, Parsed, PasswordSource, Request, Scheme};
use certificate::Found;

pub(crate) use args::{command, manual, wrapped};
pub(crate) use escape::Filter;
pub(crate) use network::PROXY_PASSWORD_VARIABLE;
pub(crate) use records::error_line;
pub(crate) use session::Security;

/// The variable that may hold the password.
pub(crate) const PASSWORD_VARIABLE: &str = "TRANSOM_PASSWORD";
/// The longest password in a file, in bytes.
const PASSWORD_LIMIT: u64 = 4096;

/// Runs `winrs`; its own words begin at `first` in the process's `words`.
pub(crate) fn run(words: &[OsString], first: usize) -> ExitCode {
    match try_run(words, first) {
        Ok(code) => ExitCode::from(code),
        Err(error) if args::wants_json(words.get(first..).unwrap_or_default()) => {
            error.report_as(Program::Winrs, error_line(&error), io::stdout())
        }
        Err(error) => error.report(Program::Winrs),
    }
}

fn try_run(words: &[OsString], first: usize) -> Result<u8, CommandError> {
    let parsed = Parsed::new(words.get(first..).unwrap_or_default())?;
    if let Some((word, from)) = parsed.password_place() {
        // Where the system does not let us, the help has warned.
        let _visible = argv::wipe(first + word, from);
    }
    let mut invocation = match parsed.request()? {
        Request::Help => return print(&args::help()).map(|()| 0),
        Request::Run(invocation) => *invocation,
    };
    // One thread does it all: a small process that starts fast.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::caused("starting", &error))?;
    let result = runtime.block_on(async {
        // From the first question to the last byte: no signal falls in between.
        let mut signals = Signals::listen()?;
        let login = login(&invocation, &mut signals).await?;
        invocation.network.proxy_password = proxy_password(&invocation, &mut signals).await?;
        session::run(invocation, login, &mut signals).await
    });
    // A name look-up that still waits must not hold us.
    runtime.shutdown_background();
    result
}

fn print(text: &str) -> Result<(), CommandError> {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(CommandError::reader_gone()),
        Err(error) => Err(CommandError::caused("writing to stdout", &error)),
    }
}

/// Who logs in.
#[derive(Default)]
struct Login {
    credentials: Credentials,
    identity: Option<Arc<Identity>>,
}

/// Everything for the login, asked for where nobody gave it.
async fn login(invocation: &Invocation, signals: &mut Signals) -> Result<Login, CommandError> {
    let is_alone = invocation.scheme == Some(Scheme::Certificate);
    let credentials = if is_alone {
        Credentials::default()
    } else {
        let config = session::config(invocation, Login::default())?;
        credentials(invocation, &config, signals).await?
    };
    let password = if is_alone { given_password(&invocation.password)? } else { None };
    let identity = match invocation.certificate.identity(password.as_ref())? {
        None => None,
        Some(Found::Identity(identity)) => Some(identity),
        Some(Found::NeedsPassword) => {
            let answer = terminal::ask(certificate::KEY_QUESTION, Answer::Hidden, signals).await?;
            let password = answer.ok_or_else(certificate::no_key_password)?;
            match invocation.certificate.identity(Some(&password))? {
                Some(Found::Identity(identity)) => Some(identity),
                Some(Found::NeedsPassword) | None => return Err(certificate::no_key_password()),
            }
        }
    };
    Ok(Login { credentials, identity })
}

/// The password, if somebody has given one.
fn given_password(source: &PasswordSource) -> Result<Option<Secret>, CommandError> {
    match source {
        PasswordSource::Given(password) => Ok(Some(password.clone())),
        PasswordSource::File(file) => password_from(file).map(Some),
        PasswordSource::Unsaid => match std::env::var_os(PASSWORD_VARIABLE) {
            Some(password) => {
                let not_text =
                    |_| CommandError::usage(format!("{PASSWORD_VARIABLE} is not valid UTF-8"));
                password.into_string().map(Secret::from).map(Some).map_err(not_text)
            }
            None => Ok(None),
        },
    }
}

/// User name and password, asked for where nobody gave them and no ticket takes their place.
async fn credentials(
    invocation: &Invocation,
    config: &Config,
    signals: &mut Signals,
) -> Result<Credentials, CommandError> {
    let endpoint = &invocation.endpoint;
    let given = given_password(&invocation.password)?;
    let user = match &invocation.user {
        Some(user) => user.clone(),
        None if config.authentication == Authentication::Kerberos => {
            return Ok(Credentials::default());
        }
        None if given.is_none() && config.finds_tickets().await => {
            return Ok(Credentials::default());
        }
        None => {
            let question = format!("Enter the user name to connect to '{endpoint}': ");
            let answer = terminal::ask(&question, Answer::Shown, signals).await?;
            let missing = || {
                CommandError::usage("no user name, and no terminal to ask for it")
                    .hint("add -u:USER")
            };
            answer.ok_or_else(missing)?.expose().trim().to_owned()
        }
    };
    if user.is_empty() {
        return Err(CommandError::usage("the user name is empty").hint("add -u:USER"));
    }
    let password = match given {
        Some(password) => password,
        None if config.has_tickets_for(&user) => Secret::from(""),
        None => ask_password(&user, endpoint, signals).await?,
    };
    Ok(Credentials { user, password })
}

/// The password of the account at the proxy, if there is one.
async fn proxy_password(
    invocation: &Invocation,
    signals: &mut Signals,
) -> Result<Option<Secret>, CommandError> {
    let Some(user) = &invocation.network.proxy_user else { return Ok(None) };
    if let Some(file) = &invocation.network.proxy_password_file {
        return password_from(file).map(Some);
    }
    if let Some(password) = std::env::var_os(PROXY_PASSWORD_VARIABLE) {
        let not_text =
            |_| CommandError::usage(format!("{PROXY_PASSWORD_VARIABLE} is not valid UTF-8"));
        return password.into_string().map(|text| Some(Secret::from(text))).map_err(not_text);
    }
    let question = format!("Enter the password for '{user}' at the proxy: ");
    let answer = terminal::ask(&question, Answer::Hidden, signals).await?;
    let missing = || {
        CommandError::usage(format!(
            "no password for '{user}' at the proxy, and no terminal to ask for it"
        ))
        .hint("use --proxy-password-file FILE, whose first line is the password")
        .hint(format!("or set the environment variable {PROXY_PASSWORD_VARIABLE}"))
    };
    answer.map(Some).ok_or_else(missing)
}

async fn ask_password(
    user: &str,
    endpoint: &str,
    signals: &mut Signals,
) -> Result<Secret, CommandError> {
    let question = format!("Enter the password for '{user}' to connect to '{endpoint}': ");
    let answer = terminal::ask(&question, Answer::Hidden, signals).await?;
    answer.ok_or_else(|| {
        CommandError::usage(format!("no password for '{user}', and no terminal to ask for it"))
            .hint("use -password-file:FILE, whose first line is the password")
            .hint(format!("or set the environment variable {PASSWORD_VARIABLE}"))
    })
}

/// The first line of a file.
pub(crate) fn password_from(path: &Path) -> Result<Secret, CommandError> {
    let failed = |error: io::Error| {
        CommandError::caused(format!("reading the password file {}", path.display()), &error)
    };
    let file = File::open(path).map_err(failed)?;
    let mut line = Vec::with_capacity(256);
    BufReader::with_capacity(256, file.take(PASSWORD_LIMIT))
        .read_until(b'\n', &mut line)
        .map_err(failed)?;
    while matches!(line.last(), Some(b'\n' | b'\r')) {
        line.pop();
    }
    terminal::text(line).map_err(failed)
}
