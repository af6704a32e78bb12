//! `winrs`: from the command line to the exit code.

mod args;
mod argv;
pub(crate) mod certificate;
mod connection;
mod escape;
#[cfg(test)]
mod fuzz;
mod kerberos;
mod login;
mod network;
mod records;
mod session;
mod stdio;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::command_error::{CommandError, Program};
use crate::signals::Signals;
use args::{Parsed, Request};

pub(crate) use args::{command, manual, wrapped};
pub(crate) use argv::wipe;
pub(crate) use connection::{Connection, PasswordSource, Scheme};
pub(crate) use escape::Filter;
pub(crate) use kerberos::KerberosSwitches;
pub(crate) use login::{PASSWORD_VARIABLE, password_from};
pub(crate) use network::{NetworkSwitches, PROXY_PASSWORD_VARIABLE};
pub(crate) use records::error_line;
pub(crate) use session::Security;

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
        let _visible = wipe(first + word, from);
    }
    let (connection, invocation) = match parsed.request()? {
        Request::Help => return print(&args::help()).map(|()| 0),
        Request::Run(connection, invocation) => (*connection, *invocation),
    };
    // One thread does it all: a small process that starts fast.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::caused("starting", &error))?;
    let result = runtime.block_on(async {
        // From the first question to the last byte: no signal falls in between.
        let mut signals = Signals::listen()?;
        let config = connection.into_config(&mut signals).await?;
        session::run(invocation, config, &mut signals).await
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
