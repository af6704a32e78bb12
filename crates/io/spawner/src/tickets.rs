//! The folders of tickets: one for each shell that was opened with a Kerberos ticket, in memory only.
//!
//! ```text
//! /run/transom                       root 0755
//! └── shells                         root 0711
//!     └── STATE                      root 0711, one per service, a tmpfs with a size of its own where mounting is possible
//!         └── SPAWNER-SHELL          the user's 0700
//!             └── krb5cc             the user's 0600: written by the keeper, read and extended by the commands
//! ```
//!
//! ```text
//!          Open with a ticket          frame Ticket           every process is gone          empty
//! nothing ──────────────────► folder ──────────────► krb5cc ─────────────────────► emptied ───────► removed
//!                             (root)                (keeper)                    (as the user)      (root)
//! ```
//!
//! Root makes the folder and removes it, and neither reads nor follows what is in it: a child that has become the user
//! empties it. What a service left that was killed is unmounted, or emptied and removed, when it starts again.
//!
//! Not as root the folder is below `XDG_RUNTIME_DIR`. Where neither is in memory there are no folders: a ticket never
//! reaches a disk.

use std::ffi::{CStr, CString, OsString};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{
    AtFlags, Dir, Mode, OFlags, fchmod, fchown, fstat, fstatfs, mkdirat, open, openat, renameat,
    unlinkat,
};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::{PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, waitpid};

use crate::sys;

/// The ticket's name in its folder.
const TICKET: &str = "krb5cc";
/// What `fstatfs` calls file systems that are memory.
const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58F6;
/// The folders of one service: no user can take more of the system's memory through them.
const SIZE: &CStr = c"size=64m,nr_inodes=64k,mode=0711";
/// `nobody`: the group of a child that empties a folder, which is its user's alone.
const NO_GROUP: u32 = 65_534;
/// How long one folder's emptying may take.
const EMPTY_WITHIN: Duration = Duration::from_secs(10);

/// Where the folders of one service are.
#[derive(Debug)]
pub(crate) struct Folders {
    privileged: bool,
    /// What names the state directory, whose lock this process has.
    state: String,
    /// Begins the names of this spawner's folders.
    own: String,
    mounted: bool,
    /// Whether mounting failed and nobody was told yet.
    unlimited: bool,
}

/// A folder to be emptied, and who does it: its owner, or whoever we are.
#[derive(Debug, Clone)]
pub(crate) struct Full {
    pub(crate) path: PathBuf,
    pub(crate) owner: Option<u32>,
}

impl Folders {
    /// Makes nothing yet. `state` names the state directory, whose lock this process has, and `own` this process among all
    /// that ever were.
    pub(crate) fn new(privileged: bool, state: String, own: String) -> Self {
        Self { privileged, state, own, mounted: false, unlimited: false }
    }

    /// Below which everything is.
    fn top(&self) -> io::Result<PathBuf> {
        if self.privileged {
            return Ok("/run".into());
        }
        let variable = std::env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty());
        variable.map(PathBuf::from).ok_or_else(|| io::Error::other("XDG_RUNTIME_DIR is not set"))
    }

    fn path(&self) -> io::Result<PathBuf> {
        Ok(self.top()?.join("transom").join("shells").join(&self.state))
    }

    /// Makes what stands above the folders.
    fn prepare(&mut self) -> io::Result<()> {
        let mut path = self.top()?;
        let at = |path: &Path, error: &dyn std::fmt::Display| {
            io::Error::other(format!("{}: {error}", path.display()))
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = open(&path, flags, Mode::empty()).map_err(|error| at(&path, &error))?;
        let mut folder = trusted(folder).map_err(|error| at(&path, &error))?;
        for (name, mode) in [("transom", 0o755), ("shells", 0o711), (&*self.state, 0o711)] {
            path.push(name);
            folder = enter(folder.as_fd(), name, Mode::from_bits_retain(mode))
                .map_err(|error| at(&path, &error))?;
        }
        if self.privileged && !self.mounted && !self.unlimited {
            let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
            // Containers often forbid it; the folder itself does then, if it is in memory.
            self.mounted = mount("tmpfs", &path, "tmpfs", flags, SIZE).is_ok();
            self.unlimited = !self.mounted;
        }
        Ok(())
    }

    /// Whether users can fill all of `/run` through their folders, since nothing can be mounted.
    pub(crate) fn is_unlimited(&self) -> bool {
        self.unlimited
    }

    /// Takes away what a killed service left mounted, and says what else it left.
    pub(crate) fn clear(&self) -> Vec<Full> {
        if let Ok(path) = self.path()
            && self.privileged
        {
            let above = path.parent().and_then(device);
            while device(&path).is_some_and(|device| Some(device) != above)
                && unmount(&path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).is_ok()
            {
            }
        }
        self.left_over()
    }

    /// The folder of the folders, looked at anew each time.
    fn open(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        trusted(open(self.path()?, flags, Mode::empty())?)
    }

    fn name(&self, shell: u64) -> String {
        format!("{}-{shell}", self.own)
    }

    /// Makes a shell's folder for its user.
    pub(crate) fn make(&mut self, shell: u64, user: u32) -> io::Result<PathBuf> {
        self.prepare()?;
        let (folders, path, name) = (self.open()?, self.path()?, self.name(shell));
        in_memory(folders.as_fd())
            .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
        mkdirat(&folders, &name, Mode::RWXU)?;
        let given = || -> io::Result<()> {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let folder = openat(&folders, &name, flags, Mode::empty())?;
            fchmod(&folder, Mode::RWXU)?;
            if self.privileged {
                fchown(&folder, Some(rustix::fs::Uid::from_raw(user)), None)?;
            }
            Ok(())
        };
        if let Err(error) = given() {
            let _ = unlinkat(&folders, &name, AtFlags::REMOVEDIR);
            return Err(error);
        }
        Ok(path.join(name))
    }

    /// Removes a shell's folder, which must be empty.
    pub(crate) fn remove(&self, shell: u64) -> io::Result<()> {
        Ok(unlinkat(self.open()?, self.name(shell), AtFlags::REMOVEDIR)?)
    }

    /// Who empties a user's folder.
    pub(crate) fn full(&self, path: PathBuf, user: u32) -> Full {
        Full { path, owner: self.privileged.then_some(user) }
    }

    /// What earlier spawners left.
    fn left_over(&self) -> Vec<Full> {
        let (Ok(folders), Ok(path)) = (self.open(), self.path()) else { return Vec::new() };
        let Ok(entries) = Dir::read_from(&folders) else { return Vec::new() };
        let mut left = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let ours = name.starts_with(&format!("{}-", self.own));
            let stat = rustix::fs::statat(&folders, &name, AtFlags::SYMLINK_NOFOLLOW);
            if let Some(stat) = stat.ok().filter(|_| !ours && name != "." && name != "..") {
                left.push(self.full(path.join(name), stat.st_uid));
            }
        }
        left
    }

    /// Removes what earlier spawners left and what has been emptied; says how much of it is still there.
    pub(crate) fn remove_left_over(&self) -> usize {
        let Ok(folders) = self.open() else { return 0 };
        for full in self.left_over() {
            if let Some(name) = full.path.file_name() {
                let _ = unlinkat(&folders, name, AtFlags::REMOVEDIR);
            }
        }
        self.left_over().len()
    }

    /// Takes the folders of this service away, at its end.
    pub(crate) fn end(&self) {
        let Ok(path) = self.path() else { return };
        if self.mounted {
            let _ = unmount(&path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
        }
        // Stays where something is left in it.
        let _ = rustix::fs::rmdir(&path);
    }
}

fn device(path: &Path) -> Option<u64> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fstat(open(path, flags, Mode::empty()).ok()?).ok().map(|stat| stat.st_dev)
}

/// A folder below another one, made when absent, with these permissions.
fn enter(parent: BorrowedFd<'_>, name: &str, mode: Mode) -> io::Result<OwnedFd> {
    match mkdirat(parent, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = trusted(openat(parent, name, flags, Mode::empty())?)?;
    fchmod(&folder, mode)?;
    Ok(folder)
}

/// A folder in which nobody but us can put or rename anything.
fn trusted(folder: OwnedFd) -> io::Result<OwnedFd> {
    let stat = fstat(&folder)?;
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(format!("belongs to uid {}", stat.st_uid)));
    }
    if stat.st_mode & 0o022 != 0 {
        return Err(io::Error::other("others can write in it"));
    }
    Ok(folder)
}

fn in_memory(folder: BorrowedFd<'_>) -> io::Result<()> {
    let kind = u64::try_from(fstatfs(folder)?.f_type).unwrap_or(0) & 0xFFFF_FFFF;
    if kind == TMPFS || kind == RAMFS {
        return Ok(());
    }
    Err(io::Error::other("is on a disk, where a ticket may not be"))
}

/// Writes a ticket into its shell's folder, as the user; returns what `KRB5CCNAME` is then.
///
/// # Errors
/// The folder is not the user's alone or not in memory, there is a ticket already, or the system's error.
pub(crate) fn store(path: &Path, ticket: &[u8]) -> io::Result<OsString> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = trusted(open(path, flags, Mode::empty())?)?;
    if fstat(&folder)?.st_mode & 0o077 != 0 {
        return Err(Errno::PERM.into());
    }
    in_memory(folder.as_fd())?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(&folder, TICKET, flags, Mode::RUSR | Mode::WUSR)?;
    if let Err(error) = std::fs::File::from(file).write_all(ticket) {
        let _ = unlinkat(&folder, TICKET, AtFlags::empty());
        return Err(error);
    }
    let mut name = OsString::from("FILE:");
    name.push(path.join(TICKET));
    Ok(name)
}

/// Empties folders, each by a child that has become its owner. A child that the owner stops or kills is killed, and the
/// folder stays as it is.
///
/// # Errors
/// The first one; the others are emptied all the same.
pub(crate) fn empty_all(folders: &[Full]) -> io::Result<()> {
    let mut done = Ok(());
    for full in folders {
        let emptied = match full.owner {
            Some(owner) => empty_as(&full.path, owner),
            None => empty(&full.path),
        };
        done = done.and(emptied);
    }
    done
}

fn empty_as(path: &Path, owner: u32) -> io::Result<()> {
    let child = sys::fork(|| {
        let done = become_owner(owner).and_then(|()| empty(path));
        u8::from(done.is_err())
    })?;
    let watched = pidfd_open(child, PidfdFlags::empty())?;
    let patience = Timespec {
        tv_sec: i64::try_from(EMPTY_WITHIN.as_secs()).unwrap_or(i64::MAX).saturating_add(2),
        tv_nsec: 0,
    };
    if poll(&mut [PollFd::new(&watched, PollFlags::IN)], Some(&patience))? == 0 {
        pidfd_send_signal(&watched, Signal::KILL)?;
    }
    let ended = waitpid(Some(child), WaitOptions::empty())?;
    match ended.and_then(|(_, status)| status.exit_status()) {
        Some(0) => Ok(()),
        Some(_) | None => Err(io::Error::other("a folder of tickets is not empty")),
    }
}

/// For a child: nothing of root is left afterwards.
fn become_owner(owner: u32) -> io::Result<()> {
    let (uid, gid) = (nix::unistd::Uid::from_raw(owner), nix::unistd::Gid::from_raw(NO_GROUP));
    nix::unistd::setgroups(&[])?;
    nix::unistd::setresgid(gid, gid, gid)?;
    nix::unistd::setresuid(uid, uid, uid)?;
    if owner != 0 && nix::unistd::setuid(nix::unistd::Uid::from_raw(0)).is_ok() {
        return Err(io::Error::other("the change of user did not happen"));
    }
    Ok(())
}

/// Empties a folder of the current user, however deep it is, with a few descriptors: what stands in a folder of it is
/// brought up before that one is removed. No link is followed.
///
/// # Errors
/// Something is left, or it took too long.
pub(crate) fn empty(path: &Path) -> io::Result<()> {
    let until = Instant::now() + EMPTY_WITHIN;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // The user may have taken its own rights away; whoever is not the owner fails here.
    rustix::fs::chmod(path, Mode::RWXU)?;
    let top = open(path, flags, Mode::empty())?;
    let mut fresh = 0_u64;
    loop {
        let names = names(top.as_fd())?;
        if names.is_empty() {
            return Ok(());
        }
        for name in &names {
            if Instant::now() >= until {
                return Err(Errno::TIME.into());
            }
            remove(top.as_fd(), name, &mut fresh)?;
        }
    }
}

/// Removes one entry; a folder that is not empty gives up its entries to `top` first.
fn remove(top: BorrowedFd<'_>, name: &CStr, fresh: &mut u64) -> io::Result<()> {
    match unlinkat(top, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    match unlinkat(top, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTEMPTY | Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = match openat(top, name, flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            rustix::fs::chmodat(top, name, Mode::RWXU, AtFlags::empty())?;
            openat(top, name, flags, Mode::empty())?
        }
        other => other?,
    };
    fchmod(&folder, Mode::RWXU)?;
    for entry in names(folder.as_fd())? {
        if unlinkat(&folder, &entry, AtFlags::empty()).is_ok()
            || unlinkat(&folder, &entry, AtFlags::REMOVEDIR).is_ok()
        {
            continue;
        }
        // Moving a folder writes in it.
        let _ = rustix::fs::chmodat(&folder, &entry, Mode::RWXU, AtFlags::empty());
        *fresh = fresh.wrapping_add(1);
        let to = CString::new(format!(".{}", *fresh)).map_err(io::Error::other)?;
        match renameat(&folder, &entry, top, &to) {
            // The name is taken, or it is gone: the next look at the folder tells.
            Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    match unlinkat(top, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn names(folder: BorrowedFd<'_>) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_owned();
        if name.as_c_str() != c"." && name.as_c_str() != c".." {
            names.push(name);
        }
        // The rest comes with the next look.
        if names.len() >= 10_000 {
            break;
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn a_folder_is_emptied_however_deep_it_is_and_no_link_is_followed() {
        let place = tempfile::tempdir().unwrap();
        let (folder, outside) = (place.path().join("folder"), place.path().join("outside"));
        std::fs::create_dir_all(folder.join("a/b/c")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("kept"), "").unwrap();
        std::fs::write(folder.join("a/b/file"), "").unwrap();
        std::fs::write(folder.join(".1"), "a name that is taken").unwrap();
        symlink(&outside, folder.join("a/link")).unwrap();
        symlink(&outside, folder.join("link")).unwrap();
        std::fs::create_dir(folder.join("closed")).unwrap();
        std::fs::write(folder.join("closed/file"), "").unwrap();
        let none = std::fs::Permissions::from_mode(0o000);
        std::fs::set_permissions(folder.join("closed"), none.clone()).unwrap();
        std::fs::set_permissions(folder.join("a/b/c"), none).unwrap();
        // Deeper than a path can be long.
        let mut deep = open(&folder, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..1_000 {
            mkdirat(&deep, "deep", Mode::RWXU).unwrap();
            deep =
                openat(&deep, "deep", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        }
        empty(&folder).unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        assert!(outside.join("kept").exists());
    }
}
