//! Our own service, started for a row and ended with this value; and what its processes use.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};

use super::{PASSWORD, Programs, USER};

/// Clock ticks of `/proc` in a second, on every Linux that Rust runs on.
const TICKS: f64 = 100.0;
/// What the rows need beyond the defaults.
const SETTINGS: &str = "\
[Service]
MaxConnections = 512
MaxConcurrentOperationsPerUser = 10000
[Winrs]
MaxShellsPerUser = 5000
";

/// How clients reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

/// A running service with one account.
#[derive(Debug)]
pub(crate) struct Service {
    child: Child,
    folder: PathBuf,
    pub(crate) url: String,
}

/// CPU seconds of the service's processes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpu {
    /// Of the network process and the spawner themselves.
    pub(crate) own: f64,
    /// Of everything: keepers, helpers and commands that have ended too.
    pub(crate) all: f64,
}

impl Service {
    /// Starts `transom serve` with its settings raised to what the rows need.
    pub(crate) fn start(programs: &Programs, scheme: Scheme) -> Result<Self, String> {
        // The service's and the commands' users must be able to pass.
        let folder = std::env::temp_dir().join(format!("transom-bench-{}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        let named = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::DirBuilder::new().mode(0o711).create(&folder).map_err(named)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o711)).map_err(named)?;
        let config = folder.join("config.toml");
        fs::write(&config, SETTINGS).map_err(named)?;
        fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).map_err(named)?;
        let state = folder.join("state");
        add_account(&programs.transom, &state)?;
        if scheme == Scheme::Https {
            let mut make = Command::new(&programs.transom);
            make.args(["cert", "new-server", "--name", "127.0.0.1", "--state"]).arg(&state);
            output_of(&mut make)?;
        }
        let log_path = folder.join("log");
        let log = fs::File::create(&log_path).map_err(named)?;
        let listen = match scheme {
            Scheme::Http => "http://127.0.0.1:0",
            Scheme::Https => "https://127.0.0.1:0",
        };
        let child = Command::new(&programs.transom)
            .arg("serve")
            .arg("--state")
            .arg(&state)
            .arg("--config")
            .arg(&config)
            .args(["--listen", listen])
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("transom serve: {error}"))?;
        let mut service = Self { child, folder, url: String::new() };
        for _ in 0..200 {
            let log = fs::read_to_string(&log_path).unwrap_or_default();
            if let Some(url) = listening_url(&log) {
                service.url = url;
                return Ok(service);
            }
            if !matches!(service.child.try_wait(), Ok(None)) {
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
        let log = fs::read_to_string(&log_path).unwrap_or_default();
        Err(format!("the service does not listen:\n{log}"))
    }

    fn spawner(&self) -> u32 {
        self.child.id()
    }

    /// Spawner, network process, keepers and helpers, in the order of their start.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let spawner = self.spawner();
        std::iter::once(spawner).chain(children(spawner)).collect()
    }

    /// What has been used so far. The network process is the spawner's first child.
    pub(crate) fn cpu(&self) -> Cpu {
        let (mut own, mut all) = (0.0, 0.0);
        for (index, pid) in self.processes().into_iter().enumerate() {
            let Some((alone, with_children)) = ticks(pid) else { continue };
            if index < 2 {
                own += alone;
            }
            all += with_children;
        }
        Cpu { own: own / TICKS, all: all / TICKS }
    }

    /// Proportional memory of all processes now, in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let of = |pid: u32| status_line(&format!("/proc/{pid}/smaps_rollup"), "Pss:");
        self.processes().into_iter().filter_map(of).sum()
    }

    /// The largest resident memory of spawner and network process so far, together, in KiB.
    pub(crate) fn peak(&self) -> u64 {
        let of = |pid: u32| status_line(&format!("/proc/{pid}/status"), "VmHWM:");
        self.processes().into_iter().take(2).filter_map(of).sum()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let ended =
            i32::try_from(self.child.id()).map(|pid| kill(Pid::from_raw(pid), Signal::SIGTERM));
        if !matches!(ended, Ok(Ok(()))) {
            drop(self.child.kill());
        }
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// `http://127.0.0.1:40000` of the line `… Listening url=http://127.0.0.1:40000/wsman`.
fn listening_url(log: &str) -> Option<String> {
    let (_, rest) = log.split_once("Listening")?;
    let (_, url) = rest.split_once("url=")?;
    Some(url.split_whitespace().next()?.trim_end_matches("/wsman").to_owned())
}

fn add_account(transom: &Path, state: &Path) -> Result<(), String> {
    let me = geteuid();
    let local = if me.is_root() {
        "nobody".to_owned()
    } else {
        let user = User::from_uid(me).ok().flatten();
        user.ok_or("the current user has no name")?.name
    };
    let mut add = Command::new(transom);
    add.args(["account", "add", USER, "--local-user", &local, "--password-stdin", "--state"]);
    let mut add = add
        .arg(state)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("transom account add: {error}"))?;
    if let Some(mut stdin) = add.stdin.take() {
        writeln!(stdin, "{PASSWORD}").map_err(|error| format!("transom account add: {error}"))?;
    }
    match add.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("transom account add: {status}")),
        Err(error) => Err(format!("transom account add: {error}")),
    }
}

/// Runs a program to its end and returns what it printed.
pub(crate) fn output_of(command: &mut Command) -> Result<String, String> {
    let shown = crate::workspace::shown(command);
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{shown}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("{shown}: {}\n{}", output.status, said.trim()))
    }
}

fn children(parent: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let text = text.unwrap_or_default();
    text.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect()
}

/// A process's own ticks, and those with what its reaped children used.
fn ticks(pid: u32) -> Option<(f64, f64)> {
    parse_ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_ticks(stat: &str) -> Option<(f64, f64)> {
    // The name in parentheses may hold anything; the last one ends it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let mut field = || fields.next()?.parse::<f64>().ok();
    let own = field()? + field()?;
    let children = field()? + field()?;
    Some((own, own + children))
}

fn status_line(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_the_four_after_the_name_and_eleven_fields() {
        let stat = "7 (a) S 1 (b)) S 3 7 9 0 -1 4194560 1 2 3 4 50 6 700 8000 20 0 1 0 12345";
        assert_eq!(parse_ticks(stat), Some((56.0, 8756.0)));
    }

    #[test]
    fn url_is_found_in_the_line_about_the_listener() {
        let log =
            "INFO Certificate\n INFO server: Listening url=https://127.0.0.1:45649/wsman\nINFO x";
        assert_eq!(listening_url(log).as_deref(), Some("https://127.0.0.1:45649"));
        assert_eq!(listening_url("INFO the service is ready"), None);
    }
}
