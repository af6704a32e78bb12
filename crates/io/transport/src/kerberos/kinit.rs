//! [`Call`]: tickets that a program of the user's buys, as `kinit` does.
//!
//! The program writes them to a file in a folder that nobody else can enter. They are taken into memory as soon as it has
//! ended, and the folder is removed.

use std::fs::{self, DirBuilder};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{env, io, thread};

use auth::Secret;
use zeroize::Zeroizing;

use super::error::printable;
use super::sys::{Cache, Fault, Krb5, Principal};
use super::{KerberosError, KerberosErrorKind};

/// A program that takes longer has hung; KDCs that do not answer cost it about half a minute each.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often the program is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// As much of what it says as an error has room for.
const SAID_MAX: u64 = 1024;
/// What it said must have come so soon after its end; a process of its own may keep the pipe open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What is to be run.
pub(super) struct Call<'a> {
    pub(super) command: &'a [String],
    pub(super) password: &'a Secret,
    pub(super) principal: &'a str,
    pub(super) forwardable: bool,
}

impl Call<'_> {
    /// Runs it, and takes its tickets into `cache`.
    pub(super) fn run(
        &self,
        krb5: &Krb5,
        client: &Principal<'_>,
        cache: &Cache<'_>,
    ) -> Result<(), KerberosError> {
        let folder = Folder::new()
            .map_err(|error| self.failed(&format!("no folder for its tickets: {error}")))?;
        let name = format!("FILE:{}", folder.0.join("krb5cc").display());
        self.spawn_and_wait(&name)?;
        let in_words =
            |fault: Fault| self.failed(&format!("it left no tickets ({})", printable(&fault.text)));
        let bought = krb5.cache(&name).map_err(in_words)?;
        let whose = bought.principal().and_then(|whose| whose.text()).map_err(in_words)?;
        if whose != self.principal {
            let text = format!(
                "it got the tickets of {}, not those of {}",
                printable(&whose),
                self.principal
            );
            return Err(self.failed(&text));
        }
        let taken = cache.initialize(client).and_then(|()| bought.copy_to(cache)).map_err(in_words);
        bought.destroy();
        taken
    }

    fn spawn_and_wait(&self, cache: &str) -> Result<(), KerberosError> {
        let Some((program, arguments)) = self.command.split_first() else {
            return Err(self.failed("its name is empty"));
        };
        let mut child = Command::new(program)
            .args(arguments)
            .args(self.forwardable.then_some("-f"))
            .args(["-c", cache, self.principal])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| self.failed(&error.to_string()))?;
        let said = listen(&mut child);
        self.tell_password(&mut child);
        let status = wait(&mut child).map_err(|error| self.failed(&error.to_string()))?;
        let said = said.recv_timeout(LAST_WORDS).unwrap_or_default();
        match status {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(self.failed(&format!("{status}: {}", said.trim()))),
            None => {
                Err(self.failed(&format!("it did not end within {} seconds", PATIENCE.as_secs())))
            }
        }
    }

    /// A program that does not read it has failed already, and says why.
    fn tell_password(&self, child: &mut Child) {
        let Some(mut stdin) = child.stdin.take() else { return };
        let password = self.password.expose();
        let mut line = Zeroizing::new(Vec::with_capacity(password.len().saturating_add(1)));
        line.extend_from_slice(password.as_bytes());
        line.push(b'\n');
        drop(stdin.write_all(&line));
    }

    fn failed(&self, why: &str) -> KerberosError {
        let program = self.command.first().map_or("kinit", String::as_str);
        // A program may repeat what it was told.
        let password = self.password.expose();
        let why = if password.is_empty() { why.to_owned() } else { why.replace(password, "***") };
        let text = format!(
            "`{program}` got no Kerberos tickets for {}: {}",
            self.principal,
            printable(&why)
        );
        KerberosError::new(KerberosErrorKind::Kinit, text)
    }
}

/// What the program says on stderr, when it has said it all.
fn listen(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    if let Some(stderr) = child.stderr.take() {
        thread::spawn(move || {
            let mut said = Vec::new();
            let mut stderr = stderr;
            // What cannot be read is left out of the error, and the rest is read so that the program does not wait.
            drop(stderr.by_ref().take(SAID_MAX).read_to_end(&mut said));
            drop(io::copy(&mut stderr, &mut io::sink()));
            drop(sender.send(String::from_utf8_lossy(&said).into_owned()));
        });
    }
    receiver
}

/// `None` for a program that was ended because it took too long.
fn wait(child: &mut Child) -> io::Result<Option<ExitStatus>> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if begun.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(LOOK);
    }
}

/// A folder that only this user can enter, and that goes with everything in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let mut number = [0; 16];
        getrandom::fill(&mut number).map_err(io::Error::other)?;
        let name = format!("transom-kinit-{:032x}", u128::from_be_bytes(number));
        // In memory where the system has such a folder for each user.
        let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let runtime = runtime.filter(|folder| folder.is_absolute() && folder.is_dir());
        let folder = Self(runtime.unwrap_or_else(env::temp_dir).join(name));
        // Fails where something of that name exists, a link too.
        DirBuilder::new().mode(0o700).create(&folder.0)?;
        Ok(folder)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nobody is left who could be told.
        drop(fs::remove_dir_all(self.path()));
    }
}
