//! Whole programs beside each other on the same server: `winrs` and a pywinrm script, each of
//! which logs in by NTLM, runs `echo hi` sealed, and ends.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::meter::{Cost, measure};
use crate::peers;
use crate::workspace::{Workspace, cargo, run as run_shown};

/// The account of the stub server.
const USER: &str = "vagrant";
const PASSWORD: &str = "vagrant";
/// Runs of each program, unless the command line says otherwise.
const RUNS: usize = 20;
/// Most requests that `winrs` may need for one command on a new connection.
const REQUESTS_TARGET: f64 = 7.0;
/// Least ratios of pywinrm's figures to those of `winrs`.
const CPU_TARGET: f64 = 40.0;
const MEMORY_TARGET: f64 = 8.0;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    runs: usize,
    /// Another program than our own release build.
    winrs: Option<PathBuf>,
}

/// Starts the server, runs both programs in turn, prints the figures.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    let stub = workspace.stub().ok_or("no stub server: set TRANSOM_STUB to winrm_stub.py")?;
    let python = peers::install(workspace)?;
    let winrs = match options.winrs {
        Some(path) => path,
        None => build_winrs(workspace)?,
    };
    let folder = workspace.target.join("bench");
    let server = Server::start(&python, &stub, &folder)?;
    let secret = folder.join("password");
    write_secret(&secret, PASSWORD)?;
    let script = folder.join("pywinrm_once.py");
    write_secret(&script, include_str!("pywinrm_once.py"))?;

    let url = format!("http://127.0.0.1:{}", server.port);
    let mut ours = Command::new(winrs);
    ours.arg(format!("-r:{url}")).arg(format!("-u:{USER}"));
    ours.arg("--password-file").arg(&secret).args(["--auth", "ntlm", "echo hi"]);
    let mut theirs = Command::new(&python);
    theirs.arg(&script).arg(format!("{url}/wsman")).arg(USER).arg(&secret);
    theirs.env("NO_PROXY", "*").env("no_proxy", "*");

    let mut programs = [Program::new("winrs", ours), Program::new("pywinrm", theirs)];
    for program in &mut programs {
        // Fills the caches of the file system; nothing of it is reported.
        measure(&program.command, "hi")?;
    }
    for _ in 0..options.runs {
        for program in &mut programs {
            let before = server.requests()?;
            program.costs.push(measure(&program.command, "hi")?);
            program.requests.push(server.requests()? - before);
        }
    }
    let [ours, theirs] = &programs;
    print!("{}", table(options.runs, ours, theirs));
    Ok(())
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self { runs: RUNS, winrs: None };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            if word == "--winrs" {
                options.winrs = Some(words.next().ok_or("--winrs needs a path")?.into());
            } else {
                let runs = word.parse().ok().filter(|runs| *runs > 0);
                options.runs = runs.ok_or_else(|| format!("{word}: no number of runs"))?;
            }
        }
        Ok(options)
    }
}

/// A program and what its runs used.
#[derive(Debug)]
struct Program {
    name: &'static str,
    command: Command,
    costs: Vec<Cost>,
    /// Requests that the server saw, for each run: one more where a Receive came back before the
    /// command had ended.
    requests: Vec<usize>,
}

impl Program {
    fn new(name: &'static str, command: Command) -> Self {
        Self { name, command, costs: Vec::new(), requests: Vec::new() }
    }

    /// Requests for one run.
    fn exchanges(&self) -> Spread {
        Spread::of(self.requests.iter().map(|&requests| requests as f64))
    }

    /// CPU in milliseconds.
    fn cpu(&self) -> Spread {
        Spread::of(self.costs.iter().map(|cost| cost.cpu as f64 / 1000.0))
    }

    /// Memory in MiB.
    fn memory(&self) -> Spread {
        Spread::of(self.costs.iter().map(|cost| cost.memory as f64 / 1024.0))
    }
}

/// Least, median and most of some values.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        Self {
            least: at(0),
            median: at(values.len() / 2),
            most: at(values.len().saturating_sub(1)),
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{:.1} / {:.1} / {:.1}", self.least, self.median, self.most))
    }
}

fn table(runs: usize, ours: &Program, theirs: &Program) -> String {
    let mut text = format!(
        "{runs} whole processes each, `echo hi` over NTLM, sealed, on the stub server; min / median / max\n\
         {:<10}{:>24}{:>28}{:>24}\n",
        "", "requests", "CPU ms", "memory MiB"
    );
    for program in [ours, theirs] {
        let name = program.name;
        let (requests, cpu, memory) = (program.exchanges(), program.cpu(), program.memory());
        text += &format!("{name:<10}{requests:>24}{cpu:>28}{memory:>24}\n");
    }
    let verdict = |met: bool| if met { "met" } else { "MISSED" };
    let requests = ours.exchanges().median;
    let cpu = theirs.cpu().median / ours.cpu().median;
    let memory = theirs.memory().median / ours.memory().median;
    let (name, other) = (ours.name, theirs.name);
    text += &format!(
        "requests of {name}, median: {requests:.1}, target at most {REQUESTS_TARGET}: {}\n\
         CPU of {other} / {name}, medians: {cpu:.1}, target at least {CPU_TARGET}: {}\n\
         memory of {other} / {name}, medians: {memory:.1}, target at least {MEMORY_TARGET}: {}\n",
        verdict(requests <= REQUESTS_TARGET),
        verdict(cpu >= CPU_TARGET),
        verdict(memory >= MEMORY_TARGET)
    );
    text
}

fn build_winrs(workspace: &Workspace) -> Result<PathBuf, String> {
    let mut build = cargo();
    build.args(["build", "--release", "--package", "transom-cli", "--bin", "winrs"]);
    run_shown(build.current_dir(&workspace.root))?;
    Ok(workspace.target.join("release/winrs"))
}

/// Writes a file that only its owner can read.
fn write_secret(path: &Path, text: &str) -> Result<(), String> {
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| format!("{}: {error}", path.display()))
}

/// The stub server, ended with this value.
#[derive(Debug)]
struct Server {
    child: Child,
    port: u16,
    captures: PathBuf,
}

impl Server {
    fn start(python: &Path, stub: &Path, folder: &Path) -> Result<Self, String> {
        let captures = folder.join("captures");
        // What an earlier run left; that there was none is no fault.
        drop(fs::remove_dir_all(&captures));
        fs::create_dir_all(&captures)
            .map_err(|error| format!("{}: {error}", captures.display()))?;
        let users = folder.join("users");
        write_secret(&users, &format!(":{USER}:{PASSWORD}\n"))?;
        let log_path = folder.join("stub.log");
        let log = fs::File::create(&log_path)
            .map_err(|error| format!("{}: {error}", log_path.display()))?;
        let port = free_port().map_err(|error| format!("no free port: {error}"))?;
        let child = Command::new(python)
            .arg("-B")
            .arg(stub)
            .args(["--port", &port.to_string(), "--cap"])
            .arg(&captures)
            .args(["--user", USER, "--password", PASSWORD])
            .env("NTLM_USER_FILE", &users)
            .stdin(Stdio::null())
            .stderr(log.try_clone().map_err(|error| format!("{}: {error}", log_path.display()))?)
            .stdout(log)
            .spawn()
            .map_err(|error| format!("stub server: {error}"))?;
        let mut server = Self { child, port, captures };
        for _ in 0..300 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(server);
            }
            if !matches!(server.child.try_wait(), Ok(None)) {
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
        let log = fs::read_to_string(&log_path).unwrap_or_default();
        Err(format!("the stub server does not listen:\n{log}"))
    }

    /// How many requests it has captured.
    fn requests(&self) -> Result<usize, String> {
        let entries = fs::read_dir(&self.captures)
            .map_err(|error| format!("{}: {error}", self.captures.display()))?;
        let is_request = |name: &std::ffi::OsStr| name.to_string_lossy().ends_with(".head.txt");
        Ok(entries.flatten().filter(|entry| is_request(&entry.file_name())).count())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &'static str, requests: &[usize], costs: &[(u64, u64)]) -> Program {
        let costs = costs.iter().map(|&(cpu, memory)| Cost { cpu, memory }).collect();
        Program { costs, requests: requests.to_vec(), ..Program::new(name, Command::new(name)) }
    }

    #[test]
    fn the_command_line_gives_runs_and_program() {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let parse = |line| Options::parse(&words(line));
        assert_eq!(parse(""), Ok(Options { runs: RUNS, winrs: None }));
        assert_eq!(parse("3 --winrs a/b"), Ok(Options { runs: 3, winrs: Some("a/b".into()) }));
        for line in ["0", "many", "--winrs", "-3"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_spread_is_least_median_most_in_any_order() {
        let program = program("winrs", &[7, 8, 7], &[(9000, 2048), (1000, 1024), (2000, 4096)]);
        assert_eq!(program.cpu(), Spread { least: 1.0, median: 2.0, most: 9.0 });
        assert_eq!(program.memory(), Spread { least: 1.0, median: 2.0, most: 4.0 });
        assert_eq!(program.exchanges(), Spread { least: 7.0, median: 7.0, most: 8.0 });
    }

    #[test]
    fn the_table_says_which_target_is_missed() {
        let ours = program("winrs", &[8], &[(1000, 1024)]);
        let theirs = program("pywinrm", &[8], &[(50_000, 2048)]);
        let text = table(1, &ours, &theirs);
        assert!(
            text.contains("requests of winrs, median: 8.0, target at most 7: MISSED"),
            "{text}"
        );
        assert!(
            text.contains("CPU of pywinrm / winrs, medians: 50.0, target at least 40: met"),
            "{text}"
        );
        assert!(text.contains("medians: 2.0, target at least 8: MISSED"), "{text}");
    }
}
