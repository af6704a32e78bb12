//! One command shell: a keeper and the commands that it starts.

use std::ffi::OsString;
use std::path::PathBuf;

use server::BoxFuture;
use server::plugin::{
    CommandControl, CommandSignal, OpenShell, Running, ShellInstance, StartCommand,
};
use spawner::network::{Keeper, Outcome, Process, Signal, Stage, Start, StartError};
use tokio::sync::RwLock;
use wsman::fault::{ErrorCode, Fault};

use super::line::{program_arguments, shell_line};
use super::pipes::Pipe;
use super::{no_resources, provider_fault};

/// The command interpreter.
const SHELL: &str = "/bin/sh";
/// What a shell reports for a command that was ended by signal N: 128 + N.
const BY_SIGNAL: u32 = 128;

/// An open shell.
#[derive(Debug)]
pub(super) struct CmdShell {
    /// `None` once the shell is closed. Whoever uses the keeper reads, closing writes: it comes
    /// when the other futures are gone.
    keeper: RwLock<Option<Keeper>>,
    environment: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
}

/// Refuses what no process can be started with.
pub(crate) fn check(
    environment: &[(String, String)],
    directory: Option<&str>,
) -> Result<(), Box<Fault>> {
    let invalid = |what: &str| {
        let text = format!("The parameter is incorrect: {what}. ");
        Box::new(provider_fault(ErrorCode::INVALID_PARAMETER, &text))
    };
    for (name, value) in environment {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(invalid("an environment variable has an impossible name or value"));
        }
    }
    if directory.is_some_and(|path| path.contains('\0')) {
        return Err(invalid("the working directory has an impossible name"));
    }
    // What no command could be started with is not kept for one either.
    let start = Start {
        argv: vec![SHELL.into()],
        environment: for_start(environment),
        expand: true,
        directory: directory.map(PathBuf::from),
    };
    start.check().map_err(|_| Box::new(too_long()))
}

fn for_start(environment: &[(String, String)]) -> Vec<(OsString, OsString)> {
    environment.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

impl CmdShell {
    pub(super) fn new(keeper: Keeper, open: OpenShell) -> Self {
        Self {
            keeper: RwLock::new(Some(keeper)),
            environment: for_start(&open.environment),
            directory: open.directory.map(PathBuf::from),
        }
    }

    fn arguments(command: &StartCommand) -> Vec<OsString> {
        if command.skip_cmd_shell {
            return program_arguments(command).into_iter().map(OsString::from).collect();
        }
        [SHELL.to_owned(), "-c".to_owned(), shell_line(command)].map(OsString::from).into()
    }
}

impl ShellInstance for CmdShell {
    fn start(&self, command: StartCommand) -> BoxFuture<'_, Result<Running, Box<Fault>>> {
        Box::pin(async move {
            let keeper = self.keeper.read().await;
            let Some(keeper) = keeper.as_ref() else { return Err(Box::new(gone())) };
            let start = Start {
                argv: Self::arguments(&command),
                environment: self.environment.clone(),
                expand: true,
                directory: self.directory.clone(),
            };
            let process = keeper.start(start).await;
            let mut process = process.map_err(|error| Box::new(not_started(&error)))?;
            let pipes = (process.stdin.take(), process.stdout.take(), process.stderr.take());
            let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
                return Err(Box::new(gone()));
            };
            Ok(Running {
                stdin: Box::new(Pipe::new(stdin)),
                stdout: Box::new(Pipe::new(stdout)),
                stderr: Box::new(Pipe::new(stderr)),
                control: Box::new(Control(process)),
            })
        })
    }

    fn ended(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some(keeper) = self.keeper.read().await.as_ref() {
                keeper.ended().await;
            }
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let keeper = self.keeper.write().await.take();
            if let Some(keeper) = keeper {
                keeper.close().await;
            }
        })
    }
}

/// A running command's process.
#[derive(Debug)]
struct Control(Process);

impl CommandControl for Control {
    fn signal(&mut self, signal: CommandSignal) {
        self.0.signal(match signal {
            CommandSignal::Interrupt => Signal::Interrupt,
            CommandSignal::Terminate => Signal::Terminate,
        });
    }

    fn wait(&mut self) -> BoxFuture<'_, u32> {
        Box::pin(async move {
            match exit_code(self.0.wait().await.outcome) {
                Some(code) => code,
                // The shell ends with its keeper, and its client is told that instead.
                None => std::future::pending().await,
            }
        })
    }
}

/// The number that a shell would report; `None` where the keeper died first and nobody knows.
fn exit_code(outcome: Outcome) -> Option<u32> {
    match outcome {
        Outcome::Code(code) => Some(code.cast_unsigned()),
        Outcome::Signal(signal) => Some(BY_SIGNAL.saturating_add(signal.cast_unsigned())),
        Outcome::Lost | _ => None,
    }
}

/// The fault for a command that does not run.
fn not_started(error: &StartError) -> Fault {
    const ENOENT: i32 = 2;
    const EACCES: i32 = 13;
    const E2BIG: i32 = 7;
    const EAGAIN: i32 = 11;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    let StartError::Failed { stage, errno } = error else {
        return match error {
            StartError::Request(_) => too_long(),
            // This process had no descriptors left to take them over.
            StartError::Pipes(_) => no_resources(),
            StartError::Failed { .. } | StartError::Ended | _ => gone(),
        };
    };
    match (stage, *errno) {
        (Stage::Execute, ENOENT) => {
            provider_fault(HRESULT_FILE_NOT_FOUND, "The system cannot find the file specified. ")
        }
        (Stage::Execute, EACCES) => {
            provider_fault(HRESULT_ACCESS_DENIED, "Access is denied. The file cannot be executed. ")
        }
        (Stage::Execute, E2BIG) => too_long(),
        (Stage::Directory, _) => provider_fault(
            HRESULT_DIRECTORY,
            "The directory name is invalid: the working directory cannot be entered. ",
        ),
        (_, EAGAIN | ENFILE | EMFILE) => no_resources(),
        _ => provider_fault(ErrorCode::INTERNAL_ERROR, &format!("{error}. ")),
    }
}

/// `HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND)`.
const HRESULT_FILE_NOT_FOUND: ErrorCode = ErrorCode(0x8007_0002);
/// `HRESULT_FROM_WIN32(ERROR_ACCESS_DENIED)`.
const HRESULT_ACCESS_DENIED: ErrorCode = ErrorCode(0x8007_0005);
/// `HRESULT_FROM_WIN32(ERROR_DIRECTORY)`.
const HRESULT_DIRECTORY: ErrorCode = ErrorCode(0x8007_010B);
/// `HRESULT_FROM_WIN32(ERROR_FILENAME_EXCED_RANGE)`, seen for a command line over the limit.
const HRESULT_FILENAME_EXCED_RANGE: ErrorCode = ErrorCode(0x8007_00CE);

fn too_long() -> Fault {
    provider_fault(
        HRESULT_FILENAME_EXCED_RANGE,
        "The filename or extension is too long: command line and environment may have 32,767 \
         characters each. ",
    )
}

fn gone() -> Fault {
    provider_fault(ErrorCode::OPERATION_ABORTED, "The shell's process has ended. ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_count_from_128() {
        assert_eq!(exit_code(Outcome::Code(7)), Some(7));
        assert_eq!(exit_code(Outcome::Signal(15)), Some(143));
        assert_eq!(exit_code(Outcome::Lost), None);
    }

    #[test]
    fn shell_whose_commands_could_never_start_is_refused() {
        let open = |length: usize, directory: usize| {
            let environment = [("A".to_owned(), "b".repeat(length))];
            let checked = check(&environment, Some(&"d".repeat(directory)));
            checked.map_err(|fault| fault.error_code().unwrap())
        };
        assert_eq!(open(100, 100), Ok(()));
        assert_eq!(open(40_000, 100), Err(HRESULT_FILENAME_EXCED_RANGE));
        assert_eq!(open(100, 5_000), Err(HRESULT_FILENAME_EXCED_RANGE));
    }

    #[test]
    fn missing_program_gets_windows_code() {
        let error = StartError::Failed { stage: Stage::Execute, errno: 2 };
        let fault = not_started(&error);
        assert_eq!(fault.error_code(), Some(ErrorCode(2_147_942_402)));
        let provider = fault.wsman_fault.unwrap().message.provider.unwrap();
        assert_eq!(provider.provider.as_deref(), Some("Shell cmd plugin"));
    }
}
