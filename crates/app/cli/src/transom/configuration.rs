//! The service's process that keeps what `winrm` changes and opens listeners: the network process starts it before its
//! own sandbox closes, twice: a supervisor that does nothing but start the worker, again when it dies, and the worker.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use server::configuration::{self, FOLDER, Opened};
use spawner::network::assistant;
use tracing::warn;

use crate::command_error::{CommandError, Program};

/// The options of the process.
#[derive(Args, Debug)]
pub(super) struct ConfigurationArgs {
    #[arg(long)]
    folder: PathBuf,
    #[arg(long)]
    worker: bool,
}

impl ConfigurationArgs {
    fn words(&self) -> Vec<OsString> {
        vec![super::CONFIGURATION.into(), "--folder".into(), self.folder.clone().into()]
    }
}

/// Starts the process and waits until it is there. `folder` is the service user's.
///
/// # Errors
/// It does not start: nothing could be changed, which whoever starts a service should know.
pub(super) fn start(folder: &Path) -> Result<Opened, CommandError> {
    let args = ConfigurationArgs { folder: folder.join(FOLDER), worker: false };
    let (opened, unconfined) =
        assistant::start(args.words()).and_then(Opened::wait).map_err(|error| {
            CommandError::caused("starting the process that keeps the configuration", &error)
        })?;
    if let Some(missing) = unconfined {
        warn!("The process that keeps the configuration is not confined: {missing}");
    }
    Ok(opened)
}

/// Runs the supervisor or the worker to its end.
pub(super) fn run(socket: OwnedFd, args: ConfigurationArgs) -> ExitCode {
    match try_run(&socket, args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            CommandError::caused("keeping the configuration", &error).report(Program::Transom)
        }
    }
}

fn try_run(socket: &OwnedFd, args: ConfigurationArgs) -> io::Result<()> {
    if !args.worker {
        let mut words = args.words();
        words.push("--worker".into());
        return assistant::supervise(socket, &words, configuration::died);
    }
    configuration::prepare(&args.folder)?;
    let confined = assistant::confine(&[], &[&args.folder], assistant::Network::Listens);
    let unconfined = confined.unwrap_or_else(|error| Some(error.to_string()));
    configuration::serve(socket, &args.folder, unconfined)
}
