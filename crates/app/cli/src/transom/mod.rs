//! `transom`: which subcommand is asked for, and the help.

mod account;
mod cert;
mod check;
mod check_kerberos;
mod configuration;
mod demo;
mod doctor;
mod kerberos;
mod links;
mod log;
mod manual;
mod network;
mod principal;
mod serve;
mod serve_limits;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::command_error::{CommandError, Program};
use crate::powershell;

/// The hidden subcommand that is the service's network process.
const NETWORK: &str = "network";
/// The hidden subcommand that is the service's Kerberos process.
const KERBEROS: &str = "kerberos";
/// The hidden subcommand that is the service's process for its configuration.
const CONFIGURATION: &str = "configuration";
/// Where the state is when nobody says so.
const STATE: &str = "/var/lib/transom";

/// Windows Remote Management: run commands on remote hosts, and serve them.
#[derive(Debug, Parser)]
#[command(
    name = "transom",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "Start with `transom demo`: a service and a client on this computer, gone again afterwards."
)]
struct Transom {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows everything once: starts a service, runs a command on it, stops it
    Demo,
    /// Runs a command line on a remote host; `transom winrs -?` shows its switches
    #[command(disable_help_flag = true)]
    Winrs {
        /// Switches and the command line
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORDS")]
        words: Vec<OsString>,
    },
    /// Manages resources: settings, listeners, whatever hosts offer; `transom winrm -?` shows how
    #[command(disable_help_flag = true)]
    Winrm {
        /// The operation and its words
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORDS")]
        words: Vec<OsString>,
    },
    /// Runs PowerShell's remoting cmdlets; `transom pssession --help` shows its options
    #[command(disable_help_flag = true)]
    Pssession {
        /// Options
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORDS")]
        words: Vec<OsString>,
    },
    /// Walks the way to a service step by step, and says what fails and what to try
    Doctor(doctor::DoctorArgs),
    /// Says who may log in to the service, and which local user they become
    Account(account::AccountArgs),
    /// Makes, imports and shows certificates: the service's for https, and those that let clients in
    Cert(cert::CertArgs),
    /// Says which Kerberos principals log in to the service, and as which account
    Principal(principal::PrincipalArgs),
    /// Runs the service in the foreground until SIGTERM or Ctrl-C
    #[command(
        after_help = "Started as root, the service keeps root in one small process: whatever reads the network \
                      runs as the service user, and commands run as the local users of their accounts. Started as \
                      another user, it serves one account, whose commands share that user."
    )]
    Serve(ServeArgs),
    /// Makes links to this program in a folder, one for each program and cmdlet that it is
    Links(links::LinksArgs),
    /// Prints completions for a shell, for instance `transom completions bash > FILE`
    Completions(manual::CompletionsArgs),
    /// Writes the pages of the manual into a folder
    Man(manual::ManArgs),
    /// The service's network process; the service starts it
    #[command(name = NETWORK, hide = true)]
    Network(network::NetworkArgs),
    /// The service's Kerberos process; the network process starts it
    #[command(name = KERBEROS, hide = true)]
    Kerberos(kerberos::KerberosArgs),
    /// The service's process for its configuration; the network process starts it
    #[command(name = CONFIGURATION, hide = true)]
    Configuration(configuration::ConfigurationArgs),
}

/// The help of `serve`; the words themselves are read by `serve::scan`.
#[derive(Args, Debug)]
struct ServeArgs {
    /// The state folder: accounts, keys, what was configured by commands
    #[arg(long, value_name = "DIR", default_value = STATE)]
    state: PathBuf,
    /// The administrator's settings, which win over everything else; never rewritten
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// As root: the user of the network process [default: the user transom, else an unused uid]
    #[arg(long, value_name = "USER")]
    service_user: Option<String>,
    /// Where to listen, for instance http://127.0.0.1:15985 or https://*:5986; may be repeated, and replaces the
    /// configured listeners
    #[arg(long, value_name = "URL")]
    listen: Vec<String>,
    /// The certificate of https listeners that name none [default: the only one there is];
    /// `transom cert show` lists them
    #[arg(long, value_name = "THUMBPRINT")]
    certificate: Option<String>,
    /// Where Prometheus reads figures, for instance 127.0.0.1:9985; loopback only [default: nowhere, or as configured]
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<String>,
    /// How log lines look: text for people, json for programs
    #[arg(long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    log: LogFormat,
    /// Takes the log lines in place of stderr; SIGHUP opens it anew, which is how it is rotated
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
    /// Starts nothing: says what would keep the service from starting or somebody from using it, one line each with
    /// ok, warning or failed; ends with 1 when something failed
    #[arg(long)]
    check: bool,
}

/// What is said to whoever types a hidden subcommand.
const OWN: &str = "this subcommand is the service's own";

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// Runs `transom` with the process's `words`.
pub(crate) fn run(words: &[OsString]) -> ExitCode {
    // As root, nothing may happen before this: no parser of a stranger's words, no log, no thread.
    if words.get(1).is_some_and(|word| word == "serve") {
        match serve::scan(words.get(2..).unwrap_or_default()) {
            Ok(serve::Request::Run(start)) => {
                return match start.into_options() {
                    Ok(options) => spawner::run(options),
                    Err(error) => error.report(Program::Transom),
                };
            }
            Ok(serve::Request::Check(start)) => return check::run(start),
            Ok(serve::Request::Help) => {}
            Err(error) => return error.report(Program::Transom),
        }
    }
    // The network process holds password hashes: nobody may look into it, from its first moment on.
    if words.get(1).is_some_and(|word| word == NETWORK)
        && let Err(error) = spawner::network::protect()
    {
        return CommandError::caused("protecting this process", &error).report(Program::Transom);
    }
    // Nor into the processes beside it, which begin with nothing of the network process's.
    let mut socket = None;
    if words.get(1).is_some_and(|word| word == KERBEROS || word == CONFIGURATION) {
        match spawner::network::assistant::enter() {
            Ok(own) => socket = Some(own),
            Err(error) => {
                return CommandError::caused("reaching the process of `transom serve`", &error)
                    .report(Program::Transom);
            }
        }
    }
    let matches = match whole().try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) => return explain(error),
    };
    let result = match Transom::from_arg_matches(&matches).map(|transom| transom.command) {
        Ok(Command::Account(args)) => account::run(args),
        Ok(Command::Cert(args)) => cert::run(args),
        Ok(Command::Completions(args)) => manual::completions(&args),
        Ok(Command::Configuration(args)) => match socket {
            Some(socket) => return configuration::run(socket, args),
            None => Err(CommandError::usage(OWN)),
        },
        Ok(Command::Demo) => demo::run(),
        Ok(Command::Doctor(args)) => return doctor::run(args),
        Ok(Command::Kerberos(args)) => match socket {
            Some(socket) => return kerberos::run(socket, args),
            None => Err(CommandError::usage(OWN)),
        },
        Ok(Command::Links(args)) => links::run(&args),
        Ok(Command::Man(args)) => manual::man(&args),
        Ok(Command::Network(args)) => return network::run(args),
        Ok(Command::Principal(args)) => principal::run(args),
        Ok(
            Command::Serve(_)
            | Command::Winrm { .. }
            | Command::Winrs { .. }
            | Command::Pssession { .. },
        ) => Err(CommandError::usage("this subcommand must be the first word after transom")),
        Err(error) => return explain(error),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(Program::Transom),
    }
}

/// The command with the cmdlets as subcommands.
fn whole() -> clap::Command {
    Transom::command().subcommands(powershell::subcommands())
}

/// Help and version are answers, not errors.
fn explain(error: clap::Error) -> ExitCode {
    if error.use_stderr() {
        let help = error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
        if !help {
            return CommandError::from(error)
                .hint("`transom --help` shows the subcommands, and each has a help of its own")
                .report(Program::Transom);
        }
        let _unread = std::io::stderr().write_all(error.render().to_string().as_bytes());
        return ExitCode::from(2);
    }
    let _unread = error.print();
    ExitCode::SUCCESS
}

/// Writes text for people to stdout.
fn print(text: &str) -> Result<(), CommandError> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            Err(CommandError::reader_gone())
        }
        Err(error) => Err(CommandError::caused("writing to stdout", &error)),
    }
}

/// Runs what must wait for several things at once.
fn block_on<T>(future: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::caused("starting", &error))?;
    let result = runtime.block_on(future);
    runtime.shutdown_background();
    result
}
