//! Whom the network process becomes, and the folder that belongs to it.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::unistd::{Gid, Group, Uid, User};
use rustix::fs::{AtFlags, Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use super::start::{StartError, system};
use crate::store::{SERVICE, Store, StoreError};
use crate::tree;
use crate::users::Users;

/// The user that packages make for the service.
const USER: &str = "transom";
/// The range that systemd keeps for dynamic users, which nobody else hands out.
const UNUSED: std::ops::RangeInclusive<u32> = 61_184..=65_519;
/// `nobody` is everyone's, so it is nobody's secret keeper.
const NOBODY: u32 = 65_534;
/// How often a dying predecessor of the same uid is waited for, a tenth of a second each.
const PATIENCE: u32 = 100;

/// The network process's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) uid: Uid,
    pub(super) gid: Gid,
}

/// Chooses the identity: the user named, user `transom`, or an unused uid (the one that owns the folder, if it still is).
pub(super) fn choose(
    store: &Store,
    named: Option<&str>,
    privileged: bool,
) -> Result<Service, StartError> {
    if !privileged {
        let own = Service { uid: Uid::effective(), gid: Gid::effective() };
        let other =
            named.map(look_up).transpose()?.flatten().is_some_and(|user| user.uid != own.uid);
        return if other { Err(StartError::OtherServiceUser) } else { Ok(own) };
    }
    let user = match named {
        Some(name) => {
            Some(look_up(name)?.ok_or_else(|| StartError::NoServiceUser(name.to_owned()))?)
        }
        None => look_up(USER)?,
    };
    // A file of mappings that cannot be read is told by each Open; a target is then found by the keeper.
    let targets: BTreeSet<u32> = Users::read(store)
        .map(|users| users.iter().map(|mapping| mapping.uid).collect())
        .unwrap_or_default();
    let Some(user) = user else { return unused(store, &targets) };
    let raw = user.uid.as_raw();
    if raw == 0 || raw == NOBODY || user.name == "nobody" {
        return Err(StartError::UnfitServiceUser(user.name));
    }
    if targets.contains(&raw) {
        return Err(StartError::UnfitServiceUser(format!(
            "{}, to whom an account is mapped",
            user.name
        )));
    }
    Ok(Service { uid: user.uid, gid: user.gid })
}

fn look_up(name: &str) -> Result<Option<User>, StartError> {
    User::from_name(name).map_err(|error| system("look the service user up")(error.into()))
}

fn unused(store: &Store, targets: &BTreeSet<u32>) -> Result<Service, StartError> {
    if let Some(owner) =
        folder_owner(store).filter(|owner| UNUSED.contains(owner) && !targets.contains(owner))
    {
        for _ in 0..PATIENCE {
            if free(owner, &running()?)? {
                return Ok(Service { uid: Uid::from_raw(owner), gid: Gid::from_raw(owner) });
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    let running = running()?;
    let (first, after) = (start_of_search(store), *UNUSED.end());
    for uid in (first..=after).chain(*UNUSED.start()..first) {
        if !targets.contains(&uid) && free(uid, &running)? {
            return Ok(Service { uid: Uid::from_raw(uid), gid: Gid::from_raw(uid) });
        }
    }
    Err(StartError::NoUnusedUid)
}

/// Where the search for an unused uid begins: at another place for each state directory, so that a second service does
/// not take the uid of one that is stopped just now.
fn start_of_search(store: &Store) -> u32 {
    let inode = fstat(store.folder()).map_or(0, |stat| stat.st_ino);
    let room = u64::from(*UNUSED.end() - *UNUSED.start()) + 1;
    UNUSED.start() + u32::try_from(inode % room).unwrap_or(0)
}

pub(super) fn folder_owner(store: &Store) -> Option<u32> {
    rustix::fs::statat(store.folder(), SERVICE, AtFlags::SYMLINK_NOFOLLOW)
        .ok()
        .map(|stat| stat.st_uid)
}

/// Whether neither the databases nor a running process know the number.
fn free(number: u32, running: &BTreeSet<u32>) -> Result<bool, StartError> {
    if running.contains(&number) {
        return Ok(false);
    }
    let user = User::from_uid(Uid::from_raw(number))
        .map_err(|error| system("look a uid up")(error.into()))?;
    let group = Group::from_gid(Gid::from_raw(number))
        .map_err(|error| system("look a gid up")(error.into()))?;
    Ok(user.is_none() && group.is_none())
}

/// Every uid and gid that a running process has. One that has ended does nothing with them any more, however long nobody asks for
/// its exit status: in a container whose first process never does, a predecessor's numbers would else be taken for ever.
fn running() -> Result<BTreeSet<u32>, StartError> {
    let mut used = BTreeSet::new();
    for pid in tree::numbers().map_err(system("look at /proc"))? {
        if tree::look(pid).is_none_or(|seen| seen.dead) {
            continue;
        }
        let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else { continue };
        let ids =
            status.lines().filter(|line| line.starts_with("Uid:") || line.starts_with("Gid:"));
        used.extend(
            ids.flat_map(str::split_ascii_whitespace).filter_map(|id| id.parse::<u32>().ok()),
        );
    }
    Ok(used)
}

/// Makes the service user's folder, 0700; root only makes it and never looks into it.
pub(super) fn make_folder(store: &Store, service: Service) -> Result<(), StartError> {
    let failed =
        |action| move |error: Errno| StartError::Store(store.io(SERVICE, action, error.into()));
    match rustix::fs::mkdirat(store.folder(), SERVICE, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(failed("make")(error)),
    }
    let path = store.path().join(SERVICE);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder: OwnedFd =
        openat(store.folder(), SERVICE, flags, Mode::empty()).map_err(|error| match error {
            Errno::NOTDIR | Errno::LOOP => StoreError::NotAFolder { path: path.clone() }.into(),
            other => failed("open")(other),
        })?;
    let owner = fstat(&folder).map_err(failed("look at"))?.st_uid;
    let wanted = service.uid.as_raw();
    if owner != wanted {
        if owner != 0 {
            return Err(StartError::ServiceFolder { path, owner, wanted });
        }
        let (uid, gid) =
            (rustix::fs::Uid::from_raw(wanted), rustix::fs::Gid::from_raw(service.gid.as_raw()));
        rustix::fs::fchown(&folder, Some(uid), Some(gid)).map_err(failed("give away"))?;
    }
    rustix::fs::fchmod(&folder, Mode::RWXU).map_err(failed("set the permissions of"))
}

/// See [`crate::service::enter`].
pub(super) fn enter(store: &Store) -> Result<OwnedFd, StartError> {
    let privileged = rustix::process::geteuid().is_root();
    let service = match folder_owner(store).filter(|owner| privileged && *owner != 0) {
        // Whoever served last; only root can have made it so, since the folder stands in root's.
        Some(owner) => {
            let user = User::from_uid(Uid::from_raw(owner))
                .map_err(|error| system("look a uid up")(error.into()))?;
            let gid = user.map_or_else(|| Gid::from_raw(owner), |user| user.gid);
            Service { uid: Uid::from_raw(owner), gid }
        }
        None => choose(store, None, privileged)?,
    };
    make_folder(store, service)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = openat(store.folder(), SERVICE, flags, Mode::empty())
        .map_err(|error| StartError::Store(store.io(SERVICE, "open", error.into())))?;
    if privileged {
        super::launch::drop_privileges(service).map_err(system("become the service user"))?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::*;

    #[test]
    #[expect(clippy::print_stdout, reason = "the run counts what was skipped")]
    fn numbers_of_a_process_that_has_ended_are_free() {
        if !Uid::effective().is_root() {
            println!("SKIPPED root::service::numbers_of_a_process_that_has_ended: not root");
            return;
        }
        let number = *UNUSED.end();
        let mut sleeper = Command::new("cat");
        let mut child = sleeper.uid(number).gid(number).stdin(Stdio::piped()).spawn().unwrap();
        assert!(running().unwrap().contains(&number));
        drop(child.stdin.take());
        let pid = child.id().try_into().unwrap();
        while !tree::look(pid).unwrap().dead {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(!running().unwrap().contains(&number));
        child.wait().unwrap();
    }
}
