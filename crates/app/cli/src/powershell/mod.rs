//! `pssession`, and the cmdlets as programs: PowerShell's spelling for the commands that are here.
//!
//! ```text
//!  line ──► parser ──► engine ──► binder ──► actions ──► show
//!                         ▲         ▲ ▲
//!  words of a shell ──► argv ───────┘ └── cmdlets (one table each) ──► help, completions, manual
//! ```
//!
//! Everything up to the binder is pure; the fuzz target `cli_powershell` includes those files.

mod actions;
mod argv;
mod binder;
mod cmdlets;
mod convert;
mod cursor;
mod engine;
#[cfg(test)]
mod fuzz;
mod help;
mod literals;
mod parser;
mod show;
mod syntax;
mod table;
#[cfg(test)]
mod tests;
mod value;

use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal as _, Read as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};

use crate::command_error::{CommandError, Program};
use engine::{Engine, Flow};
use syntax::ParseError;
use table::Cmdlet;
use value::Value;

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
            ExitCode::from(match flow {
                Flow::Next => engine.code(),
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
        Ok(script) => engine.run(&script),
        Err(error) => {
            engine.tell(&unreadable(&error, line, 0));
            Flow::Next
        }
    }
}

/// Runs each statement of stdin as soon as its last line is there.
fn script(engine: &mut Engine) -> Flow {
    if io::stdin().is_terminal() {
        let error = CommandError::usage("pssession: this version has no prompt")
            .hint("write pssession -c LINE, or give it a script: pssession < FILE");
        engine.tell(&error);
        return Flow::Next;
    }
    let (mut pending, mut earlier) = (String::new(), 0);
    let mut lines = Lines::new(io::stdin().lock(), parser::MAX_SOURCE as u64);
    loop {
        let line = match lines.next() {
            Some(Ok(line)) => line,
            Some(Err(error)) => {
                engine.tell(&error.of("pssession"));
                return Flow::Exit(1);
            }
            None => String::new(),
        };
        let is_end = line.is_empty();
        pending.push_str(&line);
        let flow = match parser::parse(&pending) {
            Ok(script) => engine.run(&script),
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
                let is_fed = line.takes_input() && !io::stdin().is_terminal();
                engine.call(&line, is_fed.then(|| objects(cmdlet)));
            }
        }
    }
    ExitCode::from(engine.code())
}

/// The objects on stdin: JSON, one on each line, or plain texts.
fn objects(cmdlet: &'static Cmdlet) -> impl Iterator<Item = Result<Value, CommandError>> {
    let lines = Lines::new(io::stdin().lock(), MAX_OBJECT);
    lines.filter(|line| !line.as_ref().is_ok_and(|line| line.trim().is_empty())).flat_map(
        move |line| match line.and_then(|line| object(line.trim())) {
            Ok(value) => value.into_pipe().into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error.of(cmdlet.name))],
        },
    )
}

fn object(line: &str) -> Result<Value, CommandError> {
    if !line.starts_with(['{', '[', '"']) {
        return Ok(Value::Text(line.to_owned()));
    }
    serde_json::from_str(line)
        .map_err(|error| CommandError::caused("an object on stdin is no JSON", &error))
}

/// Lines with their ends, none longer than the limit.
struct Lines<R> {
    input: R,
    /// In bytes.
    limit: u64,
    /// An error was handed out: nothing comes after it.
    is_broken: bool,
}

impl<R: BufRead> Lines<R> {
    const fn new(input: R, limit: u64) -> Self {
        Self { input, limit, is_broken: false }
    }

    fn read(&mut self) -> Result<String, CommandError> {
        let mut bytes = Vec::new();
        let read = self.input.by_ref().take(self.limit + 1).read_until(b'\n', &mut bytes);
        read.map_err(|error| CommandError::caused("reading stdin", &error))?;
        if bytes.len() as u64 > self.limit {
            let message = format!("a line on stdin is longer than {} KiB", self.limit / 1024);
            return Err(CommandError::usage(message));
        }
        String::from_utf8(bytes)
            .map_err(|_| CommandError::usage("a line on stdin is not valid UTF-8"))
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<String, CommandError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_broken {
            return None;
        }
        let line = self.read();
        self.is_broken = line.is_err();
        Some(line).filter(|line| !line.as_ref().is_ok_and(String::is_empty))
    }
}
