//! `transom demo`: everything once, on this computer, and nothing left behind.
//!
//! ```text
//!  state folder ──► account ──► serve (child) ──► winrs (child) ──► report
//!       │                          │                  │
//!       └──── removed at the end ◄─┴── stopped ◄──────┴── failure, Ctrl-C or success
//! ```

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use auth::Secret;
use client::Protection;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::account::{self, NewAccount};
use crate::command_error::CommandError;
use crate::signals::Signals;
use crate::winrs::{PASSWORD_VARIABLE, Security};

const ACCOUNT: &str = "demo";
/// What runs remotely: both streams and an exit code of its own.
const LINE: &str = "echo \"user $(id -un), uid $(id -u), on $(uname -s)\"; echo \"this came by stderr\" >&2; exit 7";
const EXIT_CODE: i32 = 7;
/// How long the service may take to listen.
const START: Duration = Duration::from_secs(20);
/// How long the command may take.
const RUN: Duration = Duration::from_secs(30);
/// How long the service may take to stop.
const STOP: Duration = Duration::from_secs(15);
/// The most that is kept of the service's log, in bytes.
const LOG_LIMIT: usize = 64 * 1024;
/// The longest line of it, in bytes; longer ones are taken in pieces.
const LINE_LIMIT: u64 = 16 * 1024;

/// Runs the demo.
pub(super) fn run() -> Result<(), CommandError> {
    super::block_on(async {
        let mut signals = Signals::listen()?;
        let folder = Folder::make()?;
        let mut service = Service::default();
        let shown = tokio::select! {
            shown = show(&folder, &mut service) => shown,
            _signal = signals.next() => Err(CommandError::failed("interrupted; the service is stopped, its folder removed")),
        };
        let stopped = service.stop().await;
        let removed = folder.remove();
        shown?;
        stopped?;
        removed?;
        super::print(NEXT)
    })
}

const NEXT: &str = "\
The service is stopped, its folder removed. What to try next:

  transom account add NAME --state DIR      who may log in (as root: any local user)
  transom serve --state DIR --listen http://127.0.0.1:15985
  winrs -r:http://127.0.0.1:15985 -u:NAME COMMAND
  winrs -?                                  all switches
";

async fn show(folder: &Folder, service: &mut Service) -> Result<(), CommandError> {
    let local_user = local_user()?;
    let password = random_text()?;
    let account = NewAccount {
        name: ACCOUNT.to_owned(),
        local_user: Some(local_user.clone()),
        groups: Vec::new(),
        allow_root: false,
    };
    account::add(&folder.state(), &account, &password)?;
    let url = service.start(&folder.state()).await?;
    super::print(&format!(
        "A WinRM service and a client on this computer.\n\n\
         service    {url}\n\
         account    {ACCOUNT}, whose commands run as the local user {local_user}\n\n\
         $ winrs -r:{url} -u:{ACCOUNT} '{LINE}'\n"
    ))?;
    let ran = run_winrs(&url, &password).await?;
    report(&ran)
}

/// What `winrs` did.
struct Ran {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

async fn run_winrs(url: &str, password: &Secret) -> Result<Ran, CommandError> {
    let failed = |error: io::Error| CommandError::caused("running winrs", &error);
    let mut command = program()?;
    command
        .arg("winrs")
        .arg(format!("-r:{url}"))
        .args(["-u:demo", "--auth", "ntlm", "-v", LINE])
        .env(PASSWORD_VARIABLE, password.expose())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let child = command.spawn().map_err(failed)?;
    let output = timeout(RUN, child.wait_with_output()).await;
    let output = output
        .map_err(|_| CommandError::failed(format!("winrs did not end in {} s", RUN.as_secs())))?;
    let output = output.map_err(failed)?;
    Ok(Ran {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

fn report(ran: &Ran) -> Result<(), CommandError> {
    let security = ran.stderr.lines().find_map(Security::from_line);
    // What winrs says itself begins with its name.
    let remote = ran.stderr.lines().filter(|line| !line.starts_with("winrs: "));
    let mut text = String::new();
    for (stream, line) in
        ran.stdout.lines().map(|line| ("stdout", line)).chain(remote.map(|line| ("stderr", line)))
    {
        text.push_str(&format!("{stream}     {line}\n"));
    }
    let code = ran.status.code();
    let Some(security) = security.filter(|_| code == Some(EXIT_CODE)) else {
        super::print(&text)?;
        return Err(CommandError::failed(format!(
            "winrs was to end with exit code {EXIT_CODE}, and ended with {}",
            ran.status
        )));
    };
    let is_sealed = security.protection == Protection::Seal;
    let messages = if is_sealed { "encrypted and signed" } else { "readable by others" };
    text.push_str(&format!(
        "exit code  {EXIT_CODE}, as the command said\nlogin      {}\nmessages   {messages}\n\n",
        security.mechanism
    ));
    super::print(&text)?;
    if is_sealed { Ok(()) } else { Err(CommandError::failed("the messages were not sealed")) }
}

/// This program, in a process group of its own: Ctrl-C is for us, we end the others in order.
fn program() -> Result<Command, CommandError> {
    let program = std::env::current_exe()
        .map_err(|error| CommandError::caused("finding this program's file", &error))?;
    let mut command = Command::new(program);
    command.process_group(0);
    Ok(command)
}

/// As root somebody who may nothing; else who we are, since nobody else is possible.
fn local_user() -> Result<String, CommandError> {
    let me = Uid::effective();
    if me.is_root() {
        return Ok("nobody".to_owned());
    }
    let user = User::from_uid(me)
        .map_err(|error| CommandError::caused("looking up the current user", &error))?;
    user.map(|user| user.name).ok_or_else(|| {
        CommandError::failed(format!("the current user, uid {me}, has no name on this computer"))
    })
}

/// 24 random letters and digits.
fn random_text() -> Result<Secret, CommandError> {
    let mut bytes = [0u8; 24];
    getrandom::fill(&mut bytes)
        .map_err(|error| CommandError::caused("drawing a random password", &error))?;
    let letters = bytes.map(|byte| char::from_digit(u32::from(byte) % 36, 36).unwrap_or('0'));
    Ok(Secret::from(letters.into_iter().collect::<String>()))
}

/// The temporary state folder.
struct Folder(PathBuf);

impl Folder {
    fn make() -> Result<Self, CommandError> {
        let name = random_text()?;
        let path = std::env::temp_dir().join(format!("transom-demo-{}", name.expose()));
        let made = DirBuilder::new().mode(0o711).create(&path);
        // The umask may have closed it to the service user, who must pass.
        let made =
            made.and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o711)));
        made.map_err(|error| {
            CommandError::caused(format!("making {}", path.display()), &error)
                .hint("set TMPDIR to a folder that is yours")
        })?;
        Ok(Self(path))
    }

    fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    fn remove(&self) -> Result<(), CommandError> {
        fs::remove_dir_all(&self.0)
            .map_err(|error| CommandError::caused(format!("removing {}", self.0.display()), &error))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Only a way out that nobody thought of still finds it there.
        let _removed = fs::remove_dir_all(&self.0);
    }
}

/// The running service, if it runs.
#[derive(Default)]
struct Service {
    child: Option<Child>,
    log: Arc<Mutex<String>>,
}

impl Service {
    /// Starts the service on a port that the system chooses, and returns its URL once it listens.
    async fn start(&mut self, state: &Path) -> Result<String, CommandError> {
        let failed = |error: io::Error| CommandError::caused("starting the service", &error);
        let mut command = program()?;
        command.arg("serve").arg("--state").arg(state).args(["--listen", "http://127.0.0.1:0"]);
        // The administrator's settings are for the real service.
        command.args(["--config", "/dev/null"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let stderr = child.stderr.take();
        self.child = Some(child);
        let stderr = stderr.ok_or_else(|| failed(ErrorKind::BrokenPipe.into()))?;
        let (listens, listening) = oneshot::channel();
        // Its end is the end of the service's stderr.
        drop(tokio::spawn(keep_log(stderr, Arc::clone(&self.log), listens)));
        match timeout(START, listening).await {
            Ok(Ok(url)) => Ok(url),
            Ok(Err(_)) => Err(self.failure("the service ended before it listened")),
            Err(_) => {
                Err(self
                    .failure(&format!("the service did not listen within {} s", START.as_secs())))
            }
        }
    }

    fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn failure(&self, what: &str) -> CommandError {
        let log = self.log();
        let log = log.trim_end();
        if log.is_empty() {
            CommandError::failed(what)
        } else {
            CommandError::failed(format!("{what}; its log:\n{log}"))
        }
    }

    /// Stops the service in order, or at once when it does not obey.
    async fn stop(&mut self) -> Result<(), CommandError> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let Some(id) = id else { return Ok(()) };
        // It may have ended by itself; the wait tells.
        let _gone = kill(Pid::from_raw(id), Signal::SIGTERM);
        match timeout(STOP, child.wait()).await {
            Ok(Ok(_ended)) => Ok(()),
            Ok(Err(error)) => Err(CommandError::caused("waiting for the service to stop", &error)),
            Err(_) => {
                let _killed = child.kill().await;
                Err(self.failure(&format!(
                    "the service did not stop within {} s and was killed",
                    STOP.as_secs()
                )))
            }
        }
    }
}

/// Keeps the service's log, and tells the URL on which it listens; dropping `listens` unused tells that it ended.
async fn keep_log(
    stderr: impl tokio::io::AsyncRead + Unpin,
    log: Arc<Mutex<String>>,
    listens: oneshot::Sender<String>,
) {
    let mut listens = Some(listens);
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut reader).take(LINE_LIMIT).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            if log.len() + text.len() <= LOG_LIMIT {
                log.push_str(&text);
            }
        }
        if let Some(url) = listening_url(&text)
            && let Some(listens) = listens.take()
        {
            let _unasked = listens.send(url);
        }
    }
}

/// `http://127.0.0.1:40000` of the line `… Listening url=http://127.0.0.1:40000/wsman`.
fn listening_url(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("Listening")?;
    let (_, url) = rest.split_once("url=")?;
    let url = url.split_whitespace().next()?;
    Some(url.trim_end_matches("/wsman").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_is_found_in_the_line_about_the_listener() {
        let line = "2026-11-21T03:27:50.590866Z  INFO server::service: Listening url=http://127.0.0.1:45649/wsman\n";
        assert_eq!(listening_url(line).as_deref(), Some("http://127.0.0.1:45649"));
        assert_eq!(listening_url("INFO spawner: the service is ready"), None);
    }
}
