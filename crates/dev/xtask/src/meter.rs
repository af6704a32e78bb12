//! Runs one program and tells what it cost.
//!
//! The system adds up what the ended children of a process used, so each measured program gets a
//! parent of its own: this program once more, which starts nothing else.

use std::env;
use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// The command of this program that runs [`run`]; not for people.
pub(crate) const COMMAND: &str = "measured-child";
/// Stands for no check of what the program prints, which is thrown away.
const DISCARD: &str = "--discard";

/// What one run of a program used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    /// User and system time, in microseconds.
    pub(crate) cpu: u64,
    /// The largest resident set, in KiB.
    pub(crate) memory: u64,
    /// From start to end, in microseconds.
    pub(crate) wall: u64,
}

/// Runs the program and checks that it exits with 0 and prints just `wanted`.
pub(crate) fn measure(program: &Command, wanted: &str) -> Result<Cost, String> {
    measured(program, wanted, Path::new("/dev/null"))
}

/// Runs the program with a file as its input, and checks that it exits with 0; what it prints is thrown away.
pub(crate) fn measure_bulk(program: &Command, input: &Path) -> Result<Cost, String> {
    measured(program, DISCARD, input)
}

fn measured(program: &Command, wanted: &str, input: &Path) -> Result<Cost, String> {
    let own = env::current_exe().map_err(|error| format!("own path: {error}"))?;
    let stdin = File::open(input).map_err(|error| format!("{}: {error}", input.display()))?;
    let mut parent = Command::new(own);
    parent.arg(COMMAND).arg(wanted).arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => parent.env(name, value),
            None => parent.env_remove(name),
        };
    }
    let output = parent.stdin(stdin).output().map_err(|error| format!("meter: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    match parse(&said) {
        Some(cost) if output.status.success() => Ok(cost),
        _ => Err(format!("{said}{}", String::from_utf8_lossy(&output.stderr)).trim().to_owned()),
    }
}

/// The measured program's parent: `wanted program argument..`; prints the cost.
pub(crate) fn run(arguments: &[String]) -> ExitCode {
    let [wanted, program, rest @ ..] = arguments else {
        return ExitCode::FAILURE;
    };
    let discard = wanted == DISCARD;
    let start = Instant::now();
    let mut command = Command::new(program);
    command.args(rest).stdin(Stdio::inherit()).stderr(Stdio::piped());
    command.stdout(if discard { Stdio::null() } else { Stdio::piped() });
    let output = command.spawn().and_then(std::process::Child::wait_with_output);
    let wall = start.elapsed();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            eprintln!("{program}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let stdout = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || !(discard || stdout.trim() == wanted) {
        let stderr = String::from_utf8_lossy(&output.stderr);
        eprintln!("{program}: {}, printed {stdout:?}\n{stderr}", output.status);
        return ExitCode::FAILURE;
    }
    match getrusage(UsageWho::RUSAGE_CHILDREN) {
        Ok(usage) => {
            let cpu = usage.user_time() + usage.system_time();
            println!("{} {} {}", cpu.num_microseconds(), usage.max_rss(), wall.as_micros());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("getrusage: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(said: &str) -> Option<Cost> {
    let mut words = said.split_whitespace().map(|word| word.parse().ok());
    let cost = Cost { cpu: words.next()??, memory: words.next()??, wall: words.next()?? };
    words.next().is_none().then_some(cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parents_line_is_read_and_anything_else_is_not() {
        assert_eq!(parse("1200 5632 9\n"), Some(Cost { cpu: 1200, memory: 5632, wall: 9 }));
        for said in ["", "1200", "1200 1", "1200 many 1", "a 1 1", "1 2 3 4"] {
            assert_eq!(parse(said), None, "{said}");
        }
    }
}
