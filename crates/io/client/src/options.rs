//! What a caller says of a shell and of a command.

use std::time::Duration;

/// How a shell is opened.
#[derive(Debug, Clone, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "meant to be written out with `..Default::default()`"
)]
pub struct ShellOptions {
    /// Variables for every command, in order.
    pub environment: Vec<(String, String)>,
    /// Where commands start; the user's home by default.
    pub directory: Option<String>,
    /// `WINRS_NOPROFILE`: leaves the user's profile unloaded.
    pub no_profile: bool,
    /// `WINRS_CODEPAGE`: how the service encodes what it writes; 65001 is UTF-8.
    pub code_page: Option<u32>,
    /// After so much silence the service ends the shell; its own setting by default.
    pub idle_timeout: Option<Duration>,
    /// `rsp:CompressionType`: compresses input and output on their way. A service that cannot
    /// does not open the shell.
    pub compression: bool,
}

/// How a command is started.
#[derive(Debug, Clone, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "meant to be written out with `..Default::default()`"
)]
pub struct CommandOptions {
    /// The command line, or the program.
    pub command: String,
    /// Arguments; the service puts a space before each.
    pub arguments: Vec<String>,
    /// `WINRS_SKIP_CMD_SHELL`: starts the program itself, without a command interpreter around it.
    pub skip_cmd_shell: bool,
    /// `WINRS_CONSOLEMODE_STDIN`: input comes from a console, not from a pipe.
    pub console_mode_stdin: bool,
    /// The whole command must be over by then; no limit by default.
    pub deadline: Option<Duration>,
}
