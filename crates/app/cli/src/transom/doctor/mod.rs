//! `transom doctor`: walks the way to a service step by step, and says where it ends and why.
//!
//! ```text
//! name ─► tcp ─► http ─► schemes ─► login ─► sealing ─► identify ─► shell ─► quotas
//!   └► reverse    ├► clock  ├► anonymous
//!                           └► kerberos ─► kdc ─► ticket
//! ```
//!
//! A step that fails ends the walk; those that hang below only ever warn.

mod bundle;
mod login;
mod reach;
mod report;
mod tickets;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use auth::Secret;
use clap::{Args, ValueEnum};
use client::{
    Authentication, Config, Credentials, Endpoint, Identity, Level, Settings, TlsOptions,
};

use crate::command_error::{CommandError, Program};
use crate::signals::Signals;
use crate::terminal::{self, Answer};
use crate::winrs::certificate::{self, Found};
use crate::winrs::{PASSWORD_VARIABLE, password_from};
use bundle::Bundle;
use report::{Format, Report};

/// An operation that takes longer is reported as too slow.
const OPERATION: Duration = Duration::from_secs(20);
/// How long a shell that is open may take to close after Ctrl-C.
const LEAVE: Duration = Duration::from_secs(1);

#[derive(Args, Debug)]
pub(super) struct DoctorArgs {
    /// The host: a name (port 5985), or http[s]://HOST:PORT
    endpoint: String,
    /// The account on the host: NAME, HOST\NAME or NAME@DOMAIN; without it the walk ends before the login
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// A file whose first line is the password of the account or of the certificate's key
    /// [default: TRANSOM_PASSWORD, else it is asked for]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// How to log in: negotiate (the host and transom agree), kerberos (without -u by the tickets that are there), credssp,
    /// ntlm, digest, or basic
    #[arg(long, value_name = "SCHEME", default_value = "negotiate", hide_possible_values = true)]
    auth: Scheme,
    /// Logs in by this certificate, over https: a file (PEM or PFX) or the thumbprint of one in
    /// ~/.config/transom/certificates
    #[arg(long, value_name = "FILE|THUMBPRINT", conflicts_with = "user")]
    certificate: Option<String>,
    /// The file with the certificate's private key, if it is not in the same file
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// The host's keytab, where it is at hand: whether it opens the ticket that the KDC gives for the host
    #[arg(long, value_name = "FILE")]
    keytab: Option<PathBuf>,
    /// Which TLS is spoken: modern, compat or legacy [default: Level in the settings, else modern]
    #[arg(long, value_name = "LEVEL")]
    tls: Option<Level>,
    /// Writes one JSON object for each step
    #[arg(long)]
    json: bool,
    /// Writes the conversation to a file, without names, ids, secrets and output, for others to look at
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// How to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scheme {
    Basic,
    Credssp,
    Digest,
    Kerberos,
    Ntlm,
    Negotiate,
}

/// Runs the subcommand: 0 when no step failed, 1 otherwise.
pub(super) fn run(args: DoctorArgs) -> ExitCode {
    match super::block_on(examine(args)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => error.report(Program::Transom),
    }
}

async fn examine(args: DoctorArgs) -> Result<bool, CommandError> {
    let mut signals = Signals::listen()?;
    let format = if args.json { Format::Json } else { Format::Text };
    let mut settings = Settings::load()
        .map_err(|error| CommandError::caused("reading the client's settings", &error))?;
    let endpoint = settings.endpoint(&args.endpoint, false).map_err(|error| {
        CommandError::usage(error.to_string()).hint("write HOST or http://HOST:PORT")
    })?;
    settings.timing.operation = OPERATION;
    settings.level = args.tls.unwrap_or(settings.level);
    let config = config(&args, endpoint.clone(), &settings, &mut signals).await?;
    let mut bundle = Bundle::new(args.record.as_deref())?;
    let mut report = Report::new(format, &endpoint.to_string())?;
    tokio::select! {
        walked = walk(&args, &endpoint, &settings, config, &mut report, &mut bundle) => walked?,
        _signal = signals.next() => {
            // A shell that was open closes itself in the background.
            tokio::time::sleep(LEAVE).await;
            return Err(CommandError::failed("interrupted"));
        }
    }
    let recorded = bundle.write()?;
    report.finish(recorded.as_deref())
}

async fn walk(
    args: &DoctorArgs,
    endpoint: &Endpoint,
    settings: &Settings,
    config: Option<Config>,
    report: &mut Report,
    bundle: &mut Bundle,
) -> Result<(), CommandError> {
    let identity = config.as_ref().and_then(|config| config.identity.clone());
    let tls = TlsOptions { identity, ..settings.tls() };
    let way = reach::Way { proxy: settings.proxy.clone(), tls };
    if !reach::walk(endpoint, &way, report, bundle).await? {
        return Ok(());
    }
    let keytab = args.keytab.clone();
    let tickets = tickets::Way { endpoint, config: config.as_ref(), keytab };
    if !tickets::walk(&tickets, report).await? {
        return Ok(());
    }
    match config {
        Some(config) => login::walk(config, report, bundle).await,
        None => report.skip_rest("no user: add -u USER, or --certificate FILE"),
    }
}

/// Everything for the login; `None` when nobody wants to log in.
async fn config(
    args: &DoctorArgs,
    endpoint: Endpoint,
    settings: &Settings,
    signals: &mut Signals,
) -> Result<Option<Config>, CommandError> {
    if let Some(text) = &args.certificate {
        let identity = identity(args, text, signals).await?;
        let mut config = Config::new(endpoint, Credentials::default());
        config.settings = settings.clone();
        config.authentication = Authentication::Certificate;
        config.identity = Some(identity);
        return Ok(Some(config));
    }
    let authentication = match args.auth {
        Scheme::Basic => Authentication::Basic,
        Scheme::Credssp => Authentication::CredSsp,
        Scheme::Digest => Authentication::Digest,
        Scheme::Kerberos => Authentication::Kerberos,
        Scheme::Ntlm => Authentication::Ntlm,
        Scheme::Negotiate => Authentication::Negotiate,
    };
    let mut config = Config::new(endpoint.clone(), Credentials::default());
    config.settings = settings.clone();
    config.authentication = authentication;
    let Some(user) = args.user.clone() else {
        return Ok((args.auth == Scheme::Kerberos).then_some(config));
    };
    let has_tickets = config.has_tickets_for(&user);
    config.credentials.user.clone_from(&user);
    if !has_tickets {
        config.credentials.password = password(args, &user, &endpoint, signals).await?;
    }
    Ok(Some(config))
}

/// The certificate, with the password of its key asked for where nobody gave it.
async fn identity(
    args: &DoctorArgs,
    text: &str,
    signals: &mut Signals,
) -> Result<Arc<Identity>, CommandError> {
    let given = given_password(args)?;
    let find =
        |password: Option<&Secret>| certificate::identity(text, args.key.as_deref(), password);
    if let Found::Identity(identity) = find(given.as_ref())? {
        return Ok(identity);
    }
    let answer = terminal::ask(certificate::KEY_QUESTION, Answer::Hidden, signals).await?;
    match find(Some(&answer.ok_or_else(certificate::no_key_password)?))? {
        Found::Identity(identity) => Ok(identity),
        Found::NeedsPassword => Err(certificate::no_key_password()),
    }
}

/// The password, if somebody has given one.
fn given_password(args: &DoctorArgs) -> Result<Option<Secret>, CommandError> {
    if let Some(file) = &args.password_file {
        return password_from(file).map(Some);
    }
    let Some(password) = std::env::var_os(PASSWORD_VARIABLE) else { return Ok(None) };
    let not_text = |_| CommandError::usage(format!("{PASSWORD_VARIABLE} is not valid UTF-8"));
    password.into_string().map(Secret::from).map(Some).map_err(not_text)
}

async fn password(
    args: &DoctorArgs,
    user: &str,
    endpoint: &Endpoint,
    signals: &mut Signals,
) -> Result<Secret, CommandError> {
    if let Some(password) = given_password(args)? {
        return Ok(password);
    }
    let question = format!("Enter the password for '{user}' to connect to '{endpoint}': ");
    terminal::ask(&question, Answer::Hidden, signals).await?.ok_or_else(|| {
        CommandError::usage(format!("no password for '{user}', and no terminal to ask for it"))
            .hint("use --password-file FILE, whose first line is the password")
            .hint(format!("or set the environment variable {PASSWORD_VARIABLE}"))
    })
}
