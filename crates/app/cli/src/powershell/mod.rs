//! `pssession`, and the cmdlets as programs: PowerShell's spelling for the commands that are here.
//!
//! ```text
//!  line ──► parser ──► engine ──► binder ──► actions ──► remote, interactive ──► show, host (the terminal)
//!                         ▲         ▲ ▲          └──► sessions, wsman ──► client
//!  words of a shell ──► argv ───────┘ │          (programs: winrm, winrs)
//!                                     └── cmdlets (one table each) ──► help, completions, manual
//! ```
//!
//! Everything up to the binder is pure; the fuzz target `cli_powershell` includes those files.

mod actions;
mod argv;
mod binder;
mod cmdlets;
mod context;
mod convert;
mod cursor;
mod engine;
#[cfg(test)]
mod fuzz;
mod help;
mod host;
mod interactive;
mod literals;
mod parser;
mod programs;
mod remote;
mod sessions;
mod show;
mod syntax;
mod table;
#[cfg(test)]
mod tests;
mod value;
mod waiter;
mod wsman;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};

use crate::command_error::{CommandError, Program};
use engine::{Engine, Flow};
use syntax::ParseError;
use table::{Action, Cmdlet};
use waiter::Lines;

/// The longest line with an object on stdin, in bytes.
const MAX_OBJECT: u64 = 4 * 1024 * 1024;

/// PowerShell's remoting cmdlets, in PowerShell's spelling
#[derive(Debug, Parser)]
#[command(
    name = "pssession",
    version,
    max_term_width = 100,
    after_help = "Reads commands as PowerShell does: cmdlets and their parameters in any case, pipes, $variables, quotes, \
                  lists, @{hashtables}; no more of the language. `pssession -c 'Test-WSMan -?'` shows a cmdlet's help. \
                  The exit code is 0 when the last command succeeded, and 1 when it did not."
)]
struct Pssession {
    /// Runs this line; without it, commands are read from stdin
    #[arg(short = 'c', long, value_name = "LINE")]
    command: Option<String>,
    /// Writes output and errors as JSON, one object per line
    #[arg(long)]
    json: bool,
}

/// The program's options, for completions and the manual.
pub(crate) fn command() -> clap::Command {
    Pssession::command()
}

/// The names of the cmdlets.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    cmdlets::CMDLETS.iter().map(|cmdlet| cmdlet.name)
}

/// The cmdlets as subcommands, for help, completions and the manual.
pub(crate) fn subcommands() -> impl Iterator<Item = clap::Command> {
    cmdlets::CMDLETS.iter().map(help::command)
}

/// Runs the cmdlet that a word names, if it names one; the cmdlet's own words begin at `first`.
pub(crate) fn called(name: &str, words: &[OsString], first: usize) -> Option<ExitCode> {
    let cmdlet = cmdlets::find(name)?;
    Some(call(cmdlet, words.get(first..).unwrap_or_default()))
}

/// Runs `pssession`.
pub(crate) fn run(words: &[OsString]) -> ExitCode {
    // PowerShell's own spelling of the options.
    let words = words.iter().map(|word| match word.to_ascii_lowercase().to_str() {
        Some("-command") => OsString::from("--command"),
        Some("-?" | "/?" | "-help") => OsString::from("--help"),
        Some("-json") => OsString::from("--json"),
        _ => word.clone(),
    });
    match Pssession::try_parse_from(words) {
        Ok(options) => {
            let mut engine = Engine::new(options.json);
            let flow = match &options.command {
                Some(line) => line_of(&mut engine, line),
                None => script(&mut engine),
            };
            engine.end();
            ExitCode::from(match flow {
                Flow::Next => engine.code(),
                Flow::Broken => 1,
                Flow::Exit(code) => code,
            })
        }
        Err(error) if error.use_stderr() => {
            let error = CommandError::from(error);
            error
                .hint("`pssession --help` shows the options")
                .of("pssession")
                .report(Program::Pssession)
        }
        Err(answer) => {
            let _unread = answer.print();
            ExitCode::SUCCESS
        }
    }
}

fn line_of(engine: &mut Engine, line: &str) -> Flow {
    match parser::parse(line) {
        Ok(script) => engine.run_line(&script),
        Err(error) => {
            engine.tell(&unreadable(&error, line, 0));
            Flow::Next
        }
    }
}

/// Runs each statement of stdin as soon as its last line is there.
fn script(engine: &mut Engine) -> Flow {
    if io::stdin().is_terminal() {
        return prompt(engine);
    }
    let (mut pending, mut earlier) = (String::new(), 0);
    loop {
        let line = match engine.next_line() {
            Ok(line) => line.unwrap_or_default(),
            Err(error) => {
                engine.tell(&error.of("pssession"));
                return Flow::Exit(1);
            }
        };
        let is_end = line.is_empty();
        pending.push_str(&line);
        let flow = match parser::parse(&pending) {
            Ok(script) => engine.run_line(&script),
            Err(error) if error.is_incomplete && !is_end => continue,
            Err(error) => {
                engine.tell(&unreadable(&error, &pending, earlier));
                Flow::Next
            }
        };
        if is_end || flow != Flow::Next {
            return flow;
        }
        earlier += pending.matches('\n').count();
        pending.clear();
    }
}

/// Runs what somebody types, until they leave. Ctrl-C ends what runs, and not the program.
fn prompt(engine: &mut Engine) -> Flow {
    let mut pending = String::new();
    loop {
        let line = match engine.typed(!pending.is_empty()) {
            Ok(Some(Some(line))) => line,
            Ok(Some(None)) => {
                pending.clear();
                continue;
            }
            Ok(None) => return Flow::Next,
            Err(error) => {
                engine.tell(&error.of("pssession"));
                return Flow::Exit(1);
            }
        };
        pending.push_str(&line);
        pending.push('\n');
        let flow = match parser::parse(&pending) {
            Ok(script) => {
                engine.remember(pending.trim_end());
                engine.run_line(&script)
            }
            Err(error) if error.is_incomplete && !line.trim().is_empty() => continue,
            Err(error) => {
                engine.remember(pending.trim_end());
                engine.tell(&unreadable(&error, &pending, 0));
                Flow::Next
            }
        };
        if let Flow::Exit(_) = flow {
            return flow;
        }
        pending.clear();
    }
}

fn unreadable(error: &ParseError, source: &str, earlier: usize) -> CommandError {
    let told = CommandError::usage(error.explain(source, earlier)).of("ParserError");
    told.hints(error.hint.map(str::to_owned))
}

/// Runs a cmdlet that a shell called.
fn call(cmdlet: &'static Cmdlet, words: &[OsString]) -> ExitCode {
    let texts: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let arguments = argv::read(&texts);
    let mut engine = Engine::new(arguments.is_json);
    if let Some(word) = words.iter().find(|word| word.to_str().is_none()) {
        let message = format!("the argument {} is not valid UTF-8", word.display());
        engine.tell(&CommandError::usage(message).of(cmdlet.name));
    } else if arguments.is_help {
        if let Err(error) = show::print(&help::text(cmdlet)) {
            engine.tell(&error);
        }
    } else {
        match binder::bind(cmdlet, arguments.given) {
            Err(error) => engine.tell(&engine::refused(cmdlet, error)),
            Ok(line) => {
                // What is on stdin matters only where it could be bound.
                // Where Enter-PSSession is told the session, stdin has its lines.
                let takes_input = if cmdlet.action == Action::EnterSession {
                    line.takes_values()
                } else {
                    line.takes_input()
                };
                let is_fed = takes_input && !io::stdin().is_terminal();
                engine.call(&line, is_fed.then(|| Lines::of_stdin(MAX_OBJECT)));
            }
        }
    }
    engine.end();
    ExitCode::from(engine.code())
}
