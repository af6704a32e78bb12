//! The network process's sandbox: what a stranger who takes that process over can still ask of the kernel.
//!
//! ```text
//!  settings, certificates, listeners open          requests of strangers
//!  ────────────────────────────────────► close ────────────────────────►
//!         one thread, everything allowed   │        threads of the runtime, which inherit it
//!                                          ├─ Landlock: no file but for reading below one folder, no TCP
//!                                          └─ seccomp: no program, process, socket, identity; little else
//! ```
//!
//! The two overlap on purpose: either may be missing on a machine. seccomp sees no paths, so it lets files be opened for
//! reading only, and Landlock says which. Everything that a service needs it has when the sandbox closes: descriptors of
//! listeners, and the sockets to root and the keepers, over which pipes come in. Commands are not inside: keepers are
//! root's children.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod calls;

use std::fmt;
use std::io;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};

/// The newest version of Landlock whose rights are asked for; older kernels give what they have.
const LANDLOCK: ABI = ABI::V7;

/// What of the sandbox is in force. The text names it, and what is missing and why.
#[derive(Debug)]
pub struct Sandbox {
    seccomp: Result<(), String>,
    landlock: Result<ABI, String>,
    /// Threads that were there before, which Landlock and seccomp leave alone.
    outside: usize,
}

/// Closes the sandbox around this thread and every thread that it will start. Files below `readable` can be read; where
/// the folder cannot be opened, none can. There is no way back.
///
/// To be called by a process with one thread, after everything is open. A kernel that lacks something gives the rest.
#[must_use]
pub fn close(readable: &Path) -> Sandbox {
    let outside = threads().map_or(0, |count| count.saturating_sub(1));
    Sandbox { outside, ..restrict(Some(readable)) }
}

/// What would be in force on this machine: closes the sandbox around a thread that ends at once.
#[must_use]
pub fn look() -> Sandbox {
    let looked = std::thread::Builder::new().spawn(|| restrict(None)).map(|thread| thread.join());
    match looked {
        Ok(Ok(sandbox)) => sandbox,
        Ok(Err(_)) => Sandbox::none("it could not be tried"),
        Err(error) => Sandbox::none(&error.to_string()),
    }
}

impl Sandbox {
    /// Whether nothing is missing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.seccomp.is_ok() && self.landlock.is_ok() && self.outside == 0
    }

    fn none(reason: &str) -> Self {
        Self { seccomp: Err(reason.to_owned()), landlock: Err(reason.to_owned()), outside: 0 }
    }
}

impl fmt::Display for Sandbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.seccomp {
            Ok(()) => formatter.write_str("seccomp, ")?,
            Err(reason) => write!(formatter, "no seccomp ({reason}), ")?,
        }
        match &self.landlock {
            Ok(version) => write!(formatter, "Landlock ABI {version}")?,
            Err(reason) => write!(formatter, "no Landlock ({reason})")?,
        }
        match self.outside {
            0 => Ok(()),
            outside => write!(formatter, "; threads outside it: {outside}"),
        }
    }
}

/// Landlock first: the filter refuses its calls.
fn restrict(readable: Option<&Path>) -> Sandbox {
    let landlock = match files_and_ports(readable) {
        Ok(result) => result,
        Err(error) => Err(error.to_string()),
    };
    Sandbox { seccomp: system_calls(), landlock, outside: 0 }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn system_calls() -> Result<(), String> {
    calls::restrict().map_err(|error| error.to_string())
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn system_calls() -> Result<(), String> {
    Err(format!("no list of calls for {}", std::env::consts::ARCH))
}

fn files_and_ports(readable: Option<&Path>) -> Result<Result<ABI, String>, RulesetError> {
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?;
    if let Some(folder) = readable.and_then(|path| PathFd::new(path).ok()) {
        rules = rules.add_rule(PathBeneath::new(folder, AccessFs::ReadFile | AccessFs::ReadDir))?;
    }
    let status = rules.restrict_self()?;
    Ok(match (status.ruleset, status.landlock) {
        (
            RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced,
            LandlockStatus::Available { effective_abi, .. },
        ) => Ok(effective_abi),
        (_, LandlockStatus::NotEnabled) => Err("switched off in this kernel".to_owned()),
        _ => Err("unknown to this kernel".to_owned()),
    })
}

fn threads() -> io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    #[expect(clippy::print_stdout, reason = "the run counts what was skipped")]
    fn landlock_alone_refuses_files_and_ports() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "content").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let inside = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let version = files_and_ports(Some(folder.path())).unwrap();
                let kinds = [
                    fs::read(folder.path().join("file")).map(drop),
                    fs::read("/etc/passwd").map(drop),
                    fs::write(folder.path().join("new"), "").map(drop),
                    fs::remove_file(folder.path().join("file")),
                    TcpStream::connect(address).map(drop),
                    TcpListener::bind("127.0.0.1:0").map(drop),
                ];
                (version, kinds.map(|result| result.map_err(|error| error.kind())))
            });
            thread.join().unwrap()
        });
        let (version, kinds) = inside;
        let Ok(version) = version else {
            println!("SKIPPED landlock_alone_refuses_files_and_ports: {version:?}");
            return;
        };
        let denied = Err(io::ErrorKind::PermissionDenied);
        assert_eq!(kinds[..4], [Ok(()), denied, denied, denied]);
        if version >= ABI::V4 {
            assert_eq!(kinds[4..], [denied, denied]);
        }
    }

    #[test]
    fn text_names_what_is_in_force_and_what_is_missing() {
        let mut sandbox = Sandbox { seccomp: Ok(()), landlock: Ok(ABI::V3), outside: 0 };
        assert_eq!(sandbox.to_string(), "seccomp, Landlock ABI 3");
        assert!(sandbox.is_complete());
        sandbox.landlock = Err("switched off in this kernel".to_owned());
        assert_eq!(sandbox.to_string(), "seccomp, no Landlock (switched off in this kernel)");
        assert!(!sandbox.is_complete());
        sandbox.outside = 2;
        assert!(sandbox.to_string().ends_with("; threads outside it: 2"), "{sandbox}");
    }

    #[test]
    fn look_leaves_this_process_as_it_is() {
        let filters = || {
            let status = fs::read_to_string("/proc/thread-self/status").unwrap();
            let kept = |line: &&str| line.starts_with("Seccomp") || line.starts_with("NoNewPrivs");
            status.lines().filter(kept).collect::<String>()
        };
        let before = filters();
        let _sandbox = look();
        assert_eq!(filters(), before);
    }
}
