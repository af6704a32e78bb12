//! `winrm`: operations on resources of this computer's service and of hosts, from the command line to the exit code.
//!
//! ```text
//! words ─ grammar ─► Request ─┬─► help, a message
//!                             └─► login ─► operations ─► show ─► 0
//!                                  │           │
//!                                  └──failure──┴───────────────► 1
//! ```

mod client_settings;
mod config_sddl;
mod failure;
#[cfg(test)]
mod fuzz;
mod grammar;
mod help;
mod input;
mod login;
mod messages;
mod operations;
mod passwords;
mod quickconfig;
mod show;
mod switches;
pub(crate) mod uri;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::command_error::{CommandError, Program};
use crate::signals::Signals;
use crate::winrs;
use failure::Failure;
use grammar::{Invocation, Request};
use show::print;

pub(crate) use help::manual;

/// The switches, as completions need them.
pub(crate) fn command() -> clap::Command {
    switches::command().about(help::NAME)
}

/// Runs `winrm`; its own words begin at `first` in the process's `words`.
pub(crate) fn run(words: &[OsString], first: usize) -> ExitCode {
    let own = words.get(first..).unwrap_or_default();
    for (word, from) in passwords::places(own) {
        // Where the system does not let us, the help has warned.
        let _visible = winrs::wipe(first + word, from);
    }
    let said = match grammar::read(own) {
        Ok(Request::Help(topic)) => print(&topic.text()),
        Ok(Request::Message(code)) => print(&messages::meaning(code)),
        Ok(Request::Operate(invocation)) => {
            let format = invocation.format;
            return match operate(*invocation) {
                Ok(()) => ExitCode::SUCCESS,
                Err(failure) => failure.report(format),
            };
        }
        Err(error) => Err(error),
    };
    match said {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(Program::Winrm),
    }
}

/// Talks to the service, until it is done or a signal comes.
fn operate(invocation: Invocation) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::caused("starting", &error))?;
    let result = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        operations::run(invocation, &mut signals).await
    });
    // A name look-up that still waits must not hold us.
    runtime.shutdown_background();
    result
}
