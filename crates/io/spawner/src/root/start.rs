//! What must hold before anything is started, and what this process makes of itself.

use std::io;
use std::path::{Path, PathBuf};

use nix::sys::signal::SigSet;
use rustix::fs::{Mode, OFlags};
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::thread::CapabilitySet;

use super::log::Log;
use super::memory::Memory;
use crate::cgroup::{Cgroups, Limits};
use crate::store::{Store, StoreError};
use crate::{Options, tree};

/// The oldest kernel: 5.9 brought close_range, 5.10 is the oldest with long-term support that has it.
const OLDEST: (u32, u32) = (5, 10);

const RESOURCES: [Resource; 16] = [
    Resource::Cpu,
    Resource::Fsize,
    Resource::Data,
    Resource::Stack,
    Resource::Core,
    Resource::Rss,
    Resource::Nproc,
    Resource::Nofile,
    Resource::Memlock,
    Resource::As,
    Resource::Locks,
    Resource::Sigpending,
    Resource::Msgqueue,
    Resource::Nice,
    Resource::Rtprio,
    Resource::Rttime,
];

/// What a root spawner needs, with the names that administrators know.
const CAPABILITIES: [(CapabilitySet, &str); 5] = [
    (CapabilitySet::CHOWN, "CAP_CHOWN"),
    (CapabilitySet::KILL, "CAP_KILL"),
    (CapabilitySet::SETGID, "CAP_SETGID"),
    (CapabilitySet::SETUID, "CAP_SETUID"),
    (CapabilitySet::SETPCAP, "CAP_SETPCAP"),
];

/// Why the service does not start. Each text says what to do where something can be done.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error("the service must begin with one thread, and this process has {0}")]
    Threads(usize),
    #[error(
        "real and effective user differ ({real}, {effective}): the program must not be set-uid"
    )]
    SetUid { real: u32, effective: u32 },
    #[error("missing capabilities: {0}; start the service with them or as an ordinary user")]
    Capabilities(String),
    #[error("Linux {0} is too old: 5.10 or newer is needed")]
    Kernel(String),
    #[error("{action}: {source}")]
    System { action: &'static str, source: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the service user {0} does not exist; make it or name another with --service-user")]
    NoServiceUser(String),
    #[error(
        "the service user must not be {0}; make a user of its own, for example `useradd --system transom`"
    )]
    UnfitServiceUser(String),
    #[error("not started as root, so the service user can only be the current one")]
    OtherServiceUser,
    #[error(
        "no unused uid between 61184 and 65519; make a user `transom` or name one with --service-user"
    )]
    NoUnusedUid,
    #[error("{}: belongs to uid {owner}, but the service user is {wanted}; `chown -R {wanted}` it or remove it", path.display())]
    ServiceFolder { path: PathBuf, owner: u32, wanted: u32 },
}

impl StartError {
    /// What to try, where the text does not say it already.
    pub(super) fn hint(&self) -> Option<&'static str> {
        let denied = rustix::io::Errno::ACCESS.raw_os_error();
        match self {
            Self::Store(error) if error.errno() == denied => {
                Some("start it as root, or use --state with a folder of your own")
            }
            Self::Store(_)
            | Self::Threads(_)
            | Self::SetUid { .. }
            | Self::Capabilities(_)
            | Self::Kernel(_)
            | Self::System { .. }
            | Self::NoServiceUser(_)
            | Self::UnfitServiceUser(_)
            | Self::OtherServiceUser
            | Self::NoUnusedUid
            | Self::ServiceFolder { .. } => None,
        }
    }
}

pub(super) fn system(action: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::System { action, source }
}

/// What the process looked like before [`become_spawner`] changed it.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) privileged: bool,
    pub(super) limits: Vec<(Resource, Rlimit)>,
}

/// Checks what must hold, then makes this process the spawner: no core dumps, not dumpable, reaper of orphans, signals
/// blocked.
pub(super) fn become_spawner() -> Result<Before, StartError> {
    let threads = std::fs::read_dir("/proc/self/task")
        .map_err(system("look at /proc (is it mounted?)"))?
        .count();
    if threads != 1 {
        return Err(StartError::Threads(threads));
    }
    let (real, effective) = (rustix::process::getuid(), rustix::process::geteuid());
    if real != effective {
        return Err(StartError::SetUid { real: real.as_raw(), effective: effective.as_raw() });
    }
    check_kernel()?;
    let privileged = effective.is_root();
    if privileged {
        check_capabilities()?;
    }
    fill_standard_descriptors().map_err(system("open /dev/null"))?;
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let limits = RESOURCES
        .map(|resource| (resource, rustix::process::getrlimit(resource)))
        .into_iter()
        .collect();
    let set =
        |resource, limit| rustix::process::setrlimit(resource, limit).map_err(io::Error::from);
    let files = rustix::process::getrlimit(Resource::Nofile).maximum;
    set(Resource::Nofile, Rlimit { current: files, maximum: files })
        .map_err(system("raise the limit of open files"))?;
    let core = rustix::process::getrlimit(Resource::Core).maximum;
    set(Resource::Core, Rlimit { current: Some(0), maximum: core })
        .map_err(system("forbid core dumps"))?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| system("forbid inspection")(error.into()))?;
    nix::sys::prctl::set_child_subreaper(true)
        .map_err(|error| system("become the orphans' reaper")(error.into()))?;
    SigSet::all().thread_block().map_err(|error| system("block signals")(error.into()))?;
    Ok(Before { privileged, limits })
}

/// Names that nobody else has: the state directory's, by which a left-over is another service's unless it served the same
/// directory, and this process's.
pub(super) fn identity(store: &Store) -> Result<(String, String), StartError> {
    let stat = rustix::fs::fstat(store.folder())
        .map_err(|error| system("look at the state folder")(error.into()))?;
    let own = i32::try_from(std::process::id()).ok().and_then(tree::look);
    let own = own.ok_or_else(|| system("look at /proc")(io::ErrorKind::NotFound.into()))?;
    Ok((format!("{:x}.{:x}", stat.st_dev, stat.st_ino), format!("{}.{}", own.pid, own.start)))
}

/// The kernel's release, if it is new enough.
pub(super) fn check_kernel() -> Result<String, StartError> {
    let names = rustix::system::uname();
    let release = names.release().to_string_lossy().into_owned();
    if new_enough(&release) { Ok(release) } else { Err(StartError::Kernel(release)) }
}

/// Compares a release such as `6.1.0-13-amd64` with the oldest that is supported.
fn new_enough(release: &str) -> bool {
    let mut numbers =
        release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) >= OLDEST,
        _ => false,
    }
}

pub(super) fn check_capabilities() -> Result<(), StartError> {
    let held = rustix::thread::capabilities(None)
        .map_err(|error| system("read capabilities")(error.into()))?;
    let missing: Vec<&str> = CAPABILITIES
        .iter()
        .filter(|(set, _)| !held.effective.contains(*set))
        .map(|(_, name)| *name)
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(StartError::Capabilities(missing.join(", "))) }
}

/// Opens `/dev/null` on those of 0-2 that are closed, so that no socket of ours becomes somebody's standard output.
fn fill_standard_descriptors() -> io::Result<()> {
    let path = Path::new("/dev/null");
    loop {
        let null = rustix::fs::open(path, OFlags::RDWR, Mode::empty())?;
        // The kernel gives the lowest number that is free.
        if std::os::fd::AsRawFd::as_raw_fd(&null) > 2 {
            return Ok(());
        }
        let _kept = std::os::fd::IntoRawFd::into_raw_fd(null);
    }
}

/// The service's control group, where it can have one; the log says when a limit of root's is not in force.
pub(super) fn cgroups(
    options: &Options,
    state: &str,
    own: &str,
    memory: &mut Memory,
    log: &mut Log,
) -> Option<Cgroups> {
    let limits =
        Limits { processes: options.processes_per_shell, memory: options.memory_per_shell };
    let mut groups = if options.cgroups { Cgroups::prepare(state, own, limits) } else { None };
    if let Some(bytes) =
        options.memory_per_shell.filter(|_| !groups.as_mut().is_some_and(Cgroups::counts_memory))
    {
        memory.not_in_force(bytes, log);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_from_5_10_on_are_new_enough() {
        for (release, fits) in [
            ("5.10.0-8-amd64", true),
            ("6.18.44-fc", true),
            ("10.0", true),
            ("5.9.16", false),
            ("4.18.0-553.el8_10.x86_64", false),
            ("unknown", false),
        ] {
            assert_eq!(new_enough(release), fits, "{release}");
        }
    }
}
