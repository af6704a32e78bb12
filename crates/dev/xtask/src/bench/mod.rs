//! The figures of the whole programs, as one table: ours, the peer's from the same run, their ratio, the target.
//!
//! | row | what | on |
//! |---|---|---|
//! | `process` | requests, CPU and memory of a whole `winrs` beside a pywinrm script | stub server |
//! | `next` | requests of a further command in the same shell, until its exit code is known | stub server |
//! | `pool` | requests of a PowerShell script on a new connection: pool, pipeline, close | stub server |
//! | `further` | client CPU of a further command with a login of its own | stub server |
//! | `output`, `input` | bytes per second of one shell, and what they cost in memory | our service |
//! | `clixml` | CLIXML read and written beside the peers | no server |
//! | `sealing` | sealing beside its bare primitives | no server |
//! | `identify`, `send` | requests per second and core of the service | our service |
//! | `commands` | CPU of a command beside that of fork and exec alone | our service |
//! | `idle` | memory of an idle shell | our service |
//!
//! CPU time decides wherever it can: it varies less than the wall clock where others share the machine.

mod bulk;
mod clixml;
mod idle;
mod programs;
mod rates;
mod sealing;
mod service;
mod stub;
mod table;

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::peers;
use crate::workspace::{Workspace, cargo, run as run_shown};
use table::Row;

pub(crate) use rates::{PLAIN_LOOP, plain_loop};

/// The account of both servers.
const USER: &str = "vagrant";
const PASSWORD: &str = "vagrant";
/// Runs of each program, unless the command line says otherwise.
const RUNS: usize = 10;

/// A part of the table.
type Part = fn(&Bench) -> Result<Vec<Row>, String>;
/// The parts by the names that the command line takes, in the table's order.
const PARTS: [(&str, Part); 12] = [
    ("process", programs::process),
    ("next", programs::next),
    ("pool", programs::pool),
    ("further", programs::further),
    ("output", bulk::output),
    ("input", bulk::input),
    ("clixml", clixml::run),
    ("sealing", sealing::run),
    ("identify", rates::identify),
    ("send", rates::send),
    ("commands", rates::commands),
    ("idle", idle::run),
];

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    runs: usize,
    /// Another program than our own release build.
    winrs: Option<PathBuf>,
    /// The parts, by their names.
    parts: Vec<&'static str>,
}

/// Our programs, built for release.
#[derive(Debug)]
struct Programs {
    transom: PathBuf,
    winrs: PathBuf,
    load: PathBuf,
}

/// What all parts share.
#[derive(Debug)]
struct Bench {
    root: PathBuf,
    /// Runs of each program.
    runs: usize,
    programs: Programs,
    /// The Python that has the peers.
    python: PathBuf,
    stub: Option<PathBuf>,
    /// Where scripts, secrets and logs are.
    folder: PathBuf,
    /// The file with the password.
    secret: PathBuf,
    pywinrm_once: PathBuf,
    pywinrm: PathBuf,
    pypsrp: PathBuf,
    clixml: PathBuf,
}

/// Runs the parts that are asked for and prints their table.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    let bench = Bench::prepare(workspace, &options)?;
    let mut rows = Vec::new();
    for (name, part) in PARTS.iter().filter(|(name, _)| options.parts.contains(name)) {
        eprintln!("bench: {name}");
        rows.extend(part(&bench).map_err(|fault| format!("{name}: {fault}"))?);
    }
    print!("{}", table::text(&rows));
    Ok(())
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self { runs: RUNS, winrs: None, parts: Vec::new() };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            if word == "--winrs" {
                options.winrs = Some(words.next().ok_or("--winrs needs a path")?.into());
            } else if let Some((name, _)) = PARTS.iter().find(|(name, _)| name == word) {
                options.parts.push(name);
            } else {
                let runs = word.parse().ok().filter(|runs| *runs > 0);
                let names = PARTS.map(|(name, _)| name).join(", ");
                let fault = || format!("{word}: neither a number of runs nor a row ({names})");
                options.runs = runs.ok_or_else(fault)?;
            }
        }
        if options.parts.is_empty() {
            options.parts = PARTS.iter().map(|(name, _)| *name).collect();
        }
        Ok(options)
    }
}

impl Bench {
    fn prepare(workspace: &Workspace, options: &Options) -> Result<Self, String> {
        let mut programs = build(workspace)?;
        if let Some(winrs) = &options.winrs {
            programs.winrs.clone_from(winrs);
        }
        let python = peers::install(workspace)?;
        let folder = workspace.target.join("bench");
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            write_secret(&path, text).map(|()| path)
        };
        Ok(Self {
            root: workspace.root.clone(),
            runs: options.runs,
            programs,
            python,
            stub: workspace.stub(),
            secret: file("password", PASSWORD)?,
            pywinrm_once: file("pywinrm_once.py", include_str!("peers/pywinrm_once.py"))?,
            pywinrm: file("pywinrm_load.py", include_str!("peers/pywinrm_load.py"))?,
            pypsrp: file("pypsrp_load.py", include_str!("peers/pypsrp_load.py"))?,
            clixml: file("clixml_load.py", include_str!("peers/clixml_load.py"))?,
            folder,
        })
    }

    fn start_stub(&self) -> Result<stub::Server, String> {
        let stub =
            self.stub.as_deref().ok_or("no stub server: set TRANSOM_STUB to winrm_stub.py")?;
        stub::Server::start(&self.python, stub, &self.folder)
    }

    fn winrs(&self, url: &str) -> Command {
        let mut winrs = Command::new(&self.programs.winrs);
        winrs.arg(format!("-r:{url}")).arg(format!("-u:{USER}"));
        winrs.arg("--password-file").arg(&self.secret).args(["--auth", "ntlm"]);
        winrs
    }

    fn load(&self, url: &str, words: &[&str]) -> Command {
        let mut load = Command::new(&self.programs.load);
        load.arg(url).arg(USER).arg(&self.secret).args(words);
        load
    }

    fn script(&self, script: &Path, url: &str, words: &[&str]) -> Command {
        let mut python = Command::new(&self.python);
        // Warnings about certificates that are not checked are no news here.
        python.args(["-B", "-W", "ignore"]).arg(script).arg(format!("{url}/wsman")).arg(USER);
        python.arg(&self.secret).args(words).env("NO_PROXY", "*").env("no_proxy", "*");
        python
    }
}

fn build(workspace: &Workspace) -> Result<Programs, String> {
    let mut build = cargo();
    // One build, so that the programs and the load share what they depend on.
    build.args(["build", "--release", "--package", "transom-cli", "--package", "transom-client"]);
    build.args(["--bins", "--example", "load"]);
    run_shown(build.current_dir(&workspace.root))?;
    let release = workspace.target.join("release");
    Ok(Programs {
        transom: release.join("transom"),
        winrs: release.join("winrs"),
        load: release.join("examples/load"),
    })
}

/// Writes a file that only its owner can read.
fn write_secret(path: &Path, text: &str) -> Result<(), String> {
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_gives_runs_rows_and_program() {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let parse = |line| Options::parse(&words(line));
        let all: Vec<_> = PARTS.iter().map(|(name, _)| *name).collect();
        assert_eq!(parse(""), Ok(Options { runs: RUNS, winrs: None, parts: all.clone() }));
        assert_eq!(
            parse("3 --winrs a/b"),
            Ok(Options { runs: 3, winrs: Some("a/b".into()), parts: all })
        );
        let some = vec!["idle", "next"];
        assert_eq!(parse("idle next 3"), Ok(Options { runs: 3, winrs: None, parts: some }));
        for line in ["0", "many", "--winrs", "-3"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
