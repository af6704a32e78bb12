//! Control groups, version 2: the kernel itself counts and kills what belongs to a shell, whatever it forks.
//!
//! ```text
//! <our own group>                         delegated to the service, or there is no systemd
//! ├── transom-<state>-<spawner>           one per running service
//! │   ├── spawner                         where it is delegated: the service itself, so that limits can be set beside it
//! │   ├── shell-1                         a keeper and everything below it
//! │   └── shell-2
//! └── transom-<state>-<dead spawner>      left over: killed and removed at the next start
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::tree;

/// How long a killed group may take to become empty.
const EMPTY_WITHIN: Duration = Duration::from_secs(10);

/// Limits of one shell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) processes: u64,
    pub(crate) memory: Option<u64>,
}

/// The service's own group.
#[derive(Debug)]
pub(crate) struct Cgroups {
    own: PathBuf,
    base: PathBuf,
    processes: u64,
    /// Whether `pids` can be limited.
    pub(crate) counts_processes: bool,
    memory: Controller,
}

/// Whether `memory` can be limited: found out with the first limit, since the controller costs every shell time and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Controller {
    Untried,
    On,
    Off,
}

/// A shell's group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) path: PathBuf,
    /// Whether the kernel keeps the shell to the memory that it may have.
    pub(crate) limits_memory: bool,
}

/// Where the unified hierarchy is mounted, and where this process is in it.
fn own_group() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    own_group_in(&mounts, &groups)
}

fn own_group_in(mounts: &str, groups: &str) -> Option<PathBuf> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    mounts.lines().find_map(|line| {
        // number parent device root mount-point options [tags] - type source options
        let (mount, kind) = line.split_once(" - ")?;
        if kind.split(' ').next() != Some("cgroup2") {
            return None;
        }
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let below = Path::new(path).strip_prefix(root).ok()?;
        Some(Path::new(&unescape(point)).join(below))
    })
}

/// Undoes mountinfo's octal escapes of space, tab, line feed and backslash.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

/// Whether the group may be divided by this service: systemd said so by an attribute, or there is no systemd.
fn delegated(own: &Path) -> bool {
    let marked = |name: &str| {
        let mut value = [0_u8; 8];
        rustix::fs::getxattr(own, name, &mut value)
            .is_ok_and(|length| value.get(..length) == Some(b"1".as_slice()))
    };
    marked("trusted.delegate") || marked("user.delegate")
}

/// What [`Cgroups::prepare`] would find possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Abilities {
    pub(crate) processes: bool,
    pub(crate) memory: bool,
}

/// Looks at the group of this process and changes nothing.
///
/// # Errors
/// Why control groups cannot be used, and what to do.
pub(crate) fn look() -> Result<Abilities, &'static str> {
    let own = own_group().ok_or("version 2 is not mounted here")?;
    let delegated = delegated(&own);
    if Path::new("/run/systemd/system").exists() && !delegated {
        return Err("not delegated: start the service from a systemd unit with Delegate=yes");
    }
    let writable = |path: &Path| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
    if !writable(&own) || !writable(&own.join("cgroup.procs")) {
        return Err("this user may not make groups");
    }
    // The file is in every group but the topmost.
    if own.join("cgroup.type").exists() && !own.join("cgroup.kill").exists() {
        return Err("this kernel cannot end a group as a whole: 5.14 or newer is needed");
    }
    let controllers = fs::read_to_string(own.join("cgroup.controllers")).unwrap_or_default();
    let has = |name: &str| delegated && controllers.split_whitespace().any(|word| word == name);
    Ok(Abilities { processes: has("pids"), memory: has("memory") })
}

impl Cgroups {
    /// Makes the service's group below the one in which this process runs, and ends what an earlier service of the same state
    /// left there. `state` and `spawner` name the group. `None` where control groups cannot be used.
    pub(crate) fn prepare(state: &str, spawner: &str, limits: Limits) -> Option<Self> {
        let own = own_group()?;
        let by_systemd = Path::new("/run/systemd/system").exists();
        let delegated = delegated(&own);
        if by_systemd && !delegated {
            return None;
        }
        let prefix = format!("transom-{state}-");
        remove_left_over(&own, &prefix);
        let base = own.join(format!("{prefix}{spawner}"));
        fs::create_dir(&base).ok()?;
        // Linux 5.14 or newer has the file.
        if !base.join("cgroup.kill").exists() {
            drop(fs::remove_dir(&base));
            return None;
        }
        let processes = limits.processes;
        let memory = Controller::Off;
        let mut groups = Self { own, base, processes, counts_processes: false, memory };
        if delegated {
            groups.enable_limits();
        }
        if limits.memory.is_some() {
            groups.counts_memory();
        }
        groups.usable().then_some(groups)
    }

    /// Whether a process can really be put there, which an unprivileged service often may not.
    fn usable(&self) -> bool {
        let probe = self.base.join("probe");
        let there = fs::create_dir(&probe).is_ok()
            && rustix::fs::access(probe.join("cgroup.procs"), rustix::fs::Access::WRITE_OK).is_ok()
            && rustix::fs::access(self.own.join("cgroup.procs"), rustix::fs::Access::WRITE_OK)
                .is_ok();
        drop(fs::remove_dir(&probe));
        if !there {
            drop(fs::remove_dir(&self.base));
        }
        there
    }

    /// A group with processes cannot pass controllers on, so the service moves into a leaf first. Best effort.
    fn enable_limits(&mut self) {
        let leaf = self.base.join("spawner");
        if fs::create_dir(&leaf).is_err() || fs::write(leaf.join("cgroup.procs"), "0").is_err() {
            return;
        }
        self.counts_processes = self.enable("pids");
        self.memory = Controller::Untried;
    }

    /// Passes a controller on to the groups of the shells.
    fn enable(&self, controller: &str) -> bool {
        let enable = |group: &Path| {
            fs::write(group.join("cgroup.subtree_control"), format!("+{controller}")).is_ok()
        };
        enable(&self.own) && enable(&self.base)
    }

    /// Whether memory can be limited, which is tried once.
    pub(crate) fn counts_memory(&mut self) -> bool {
        if self.memory == Controller::Untried {
            self.memory = if self.enable("memory") { Controller::On } else { Controller::Off };
        }
        self.memory == Controller::On
    }

    fn shell(&self, shell: u64) -> PathBuf {
        self.base.join(format!("shell-{shell}"))
    }

    /// Makes a shell's group with its limits; a keeper joins it by [`join`].
    pub(crate) fn create(&mut self, shell: u64, memory: Option<u64>) -> io::Result<Group> {
        let path = self.shell(shell);
        let memory = memory.filter(|_| self.counts_memory());
        fs::create_dir(&path)?;
        let limited = self.limit(&path, memory).inspect_err(|_| drop(fs::remove_dir(&path)));
        limited.map(|()| Group { path, limits_memory: memory.is_some() })
    }

    fn limit(&self, group: &Path, memory: Option<u64>) -> io::Result<()> {
        if self.counts_processes {
            fs::write(group.join("pids.max"), self.processes.to_string())?;
        }
        match memory {
            Some(bytes) => fs::write(group.join("memory.max"), bytes.to_string()),
            None => Ok(()),
        }
    }

    /// Removes the service's group after its last shell.
    pub(crate) fn remove(self) {
        let leaf = self.base.join("spawner");
        if leaf.exists() {
            drop(fs::write(self.own.join("cgroup.procs"), "0"));
            drop(fs::remove_dir(&leaf));
        }
        drop(fs::remove_dir(&self.base));
    }
}

/// Moves this process into a group.
pub(crate) fn join(group: &Path) -> io::Result<()> {
    fs::write(group.join("cgroup.procs"), "0")
}

/// Kills everything in these groups, waits until they are empty, and removes them. All are killed before one is waited
/// for, and together they get the time of one, so that what does not die in one group delays no other.
///
/// # Errors
/// The last of the system's, and `TimedOut` when something does not die.
pub(crate) fn end<'a>(groups: impl Iterator<Item = &'a Path> + Clone) -> io::Result<()> {
    let mut result = Ok(());
    for group in groups.clone() {
        // Each is killed, whatever became of the one before.
        let killed = gone_is_fine(fs::write(group.join("cgroup.kill"), "1"));
        result = result.and(killed);
    }
    let until = Instant::now() + EMPTY_WITHIN;
    for group in groups {
        let removed = empty(group, until).and_then(|()| remove_tree(group));
        result = result.and(removed);
    }
    result
}

fn gone_is_fine(result: io::Result<()>) -> io::Result<()> {
    result.or_else(
        |error| {
            if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
        },
    )
}

/// Waits until a killed group has no process.
fn empty(group: &Path, until: Instant) -> io::Result<()> {
    let mut pause = Duration::from_micros(500);
    while populated(group)? {
        kill_passed_by(group);
        if Instant::now() >= until {
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
    Ok(())
}

/// Kills what `cgroup.kill` passes by: a process whose first thread has ended while others run on (seen on Linux 6.18).
fn kill_passed_by(group: &Path) {
    for below in fs::read_dir(group).into_iter().flatten().flatten() {
        if below.file_type().is_ok_and(|kind| kind.is_dir()) {
            kill_passed_by(&below.path());
        }
    }
    let Ok(members) = fs::read_to_string(group.join("cgroup.procs")) else { return };
    for pid in members.lines().filter_map(|line| line.parse().ok()) {
        let Some(seen) = tree::look(pid) else { continue };
        // Between the list and the look the number may have become a stranger's.
        if is_member(pid, group) {
            // What cannot be killed keeps the group populated, which is what the caller reports.
            drop(tree::signal(pid, seen.start, Signal::KILL));
        }
    }
}

/// Whether a process is in a shell's group, whose last two names no other group has.
fn is_member(pid: i32, group: &Path) -> bool {
    let last_two = |path: &Path| {
        let mut names = path.components().rev();
        Some((names.next()?.as_os_str().to_owned(), names.next()?.as_os_str().to_owned()))
    };
    let Ok(groups) = fs::read_to_string(format!("/proc/{pid}/cgroup")) else { return false };
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let own = own.and_then(|path| last_two(Path::new(path)));
    own.is_some() && own == last_two(group)
}

fn populated(group: &Path) -> io::Result<bool> {
    match fs::read_to_string(group.join("cgroup.events")) {
        Ok(events) => Ok(events.lines().any(|line| line == "populated 1")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes a group with those that a command of root's may have made below it.
fn remove_tree(group: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(group) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}

fn remove_left_over(own: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(own) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix)) {
            // The state directory's lock says that its spawner is dead. What cannot be ended here is in nobody's way.
            drop(end(std::iter::once(entry.path().as_path())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_group_is_found_in_a_hybrid_mount() {
        let mounts = "36 31 0:33 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer\n\
                      38 31 0:35 / /sys/fs/cgroup/uni\\040fied rw,relatime shared:9 - cgroup2 cgroup2 rw\n";
        let groups = "4:memory:/x\n0::/a/b\n";
        assert_eq!(
            own_group_in(mounts, groups),
            Some(PathBuf::from("/sys/fs/cgroup/uni fied/a/b"))
        );
        assert_eq!(own_group_in(mounts, "4:memory:/x\n"), None);
    }

    #[test]
    fn memory_is_limited_from_the_first_limit_on() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().to_owned();
        let base = own.join("base");
        fs::create_dir(&base).unwrap();
        let control = base.join("cgroup.subtree_control");
        let (processes, memory) = (7, Controller::Untried);
        let mut groups = Cgroups { own, base, processes, counts_processes: false, memory };
        let first = groups.create(1, None).unwrap();
        assert!(
            !first.limits_memory && !control.exists() && !first.path.join("memory.max").exists()
        );
        let second = groups.create(2, Some(67_108_864)).unwrap();
        assert!(second.limits_memory);
        assert_eq!(fs::read_to_string(second.path.join("memory.max")).unwrap(), "67108864");
        assert_eq!(fs::read_to_string(control).unwrap(), "+memory");
        groups.memory = Controller::Off;
        let third = groups.create(3, Some(67_108_864)).unwrap();
        assert!(!third.limits_memory && !third.path.join("memory.max").exists());
    }

    #[test]
    fn a_group_outside_the_mounted_part_is_not_used() {
        let mounts = "38 31 0:35 /pod/one /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(
            own_group_in(mounts, "0::/pod/one/x\n"),
            Some(PathBuf::from("/sys/fs/cgroup/x"))
        );
        assert_eq!(own_group_in(mounts, "0::/pod/two\n"), None);
    }
}
