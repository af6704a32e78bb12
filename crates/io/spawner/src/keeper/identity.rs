//! Becoming the mapped user, in the one order that leaves nothing of root behind.

use std::ffi::CString;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::unistd::{Gid, ResGid, ResUid, Uid, User, getgrouplist, getgroups, getresgid, getresuid};
use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};
use rustix::thread::CapabilitySet;

use super::House;
use super::report::{Report, Stage};
use crate::users::Mapping;
use crate::{cgroup, sys};

/// Where logins are forbidden for everyone but root.
const NO_LOGIN: [&str; 2] = ["/etc/nologin", "/run/nologin"];
const SECONDS_PER_DAY: u64 = 86_400;

/// Becomes the user, or says what failed. Everything that may be slow (name look-ups) happens here, in the shell's own
/// process.
pub(super) fn assume(
    mapping: &Mapping,
    house: &House,
    group: Option<&Path>,
) -> Result<User, Report> {
    let user = look_up(mapping, house)?;
    let name =
        CString::new(user.name.as_str()).map_err(|_| Report::refused(Stage::NoSuchUser, 0))?;
    check_login(&user, &name)?;
    let groups = getgrouplist(&name, user.gid)
        .map_err(|error| Report::failed(Stage::Groups, &error.into()))?;

    rustix::process::setsid().map_err(|error| Report::failed(Stage::Session, &error.into()))?;
    if let Some(group) = group {
        // Root looks for what escaped its group in any case, so a group that cannot be joined costs time only.
        drop(cgroup::join(group));
    }
    restore_limits(house).map_err(|error| Report::failed(Stage::Limits, &error))?;
    // Best effort both: containers often forbid them.
    drop(fs::write("/proc/self/loginuid", user.uid.to_string()));
    sys::new_session_keyring();
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    if house.privileged {
        nix::unistd::setgroups(&groups)
            .map_err(|error| Report::failed(Stage::Groups, &error.into()))?;
        let ids = nix::unistd::setresgid(user.gid, user.gid, user.gid)
            .and_then(|()| nix::unistd::setresuid(user.uid, user.uid, user.uid));
        ids.map_err(|error| Report::failed(Stage::Ids, &error.into()))?;
    }
    verify(&user, house.privileged.then_some(groups))?;
    protect().map_err(|error| Report::failed(Stage::Process, &error))?;
    if std::env::set_current_dir(&user.dir).is_err() {
        std::env::set_current_dir("/").map_err(|error| Report::failed(Stage::Process, &error))?;
    }
    Ok(user)
}

pub(super) fn look_up(mapping: &Mapping, house: &House) -> Result<User, Report> {
    let user = User::from_name(&mapping.local_user)
        .map_err(|error| Report::failed(Stage::Lookup, &error.into()))?;
    let user = user.ok_or_else(|| Report::refused(Stage::NoSuchUser, 0))?;
    let uid = user.uid.as_raw();
    if uid != mapping.uid {
        return Err(Report::refused(Stage::Uid, u64::from(uid)));
    }
    if uid == 0 && !mapping.allow_root {
        return Err(Report::refused(Stage::Root, 0));
    }
    if house.privileged && uid == house.service_uid {
        return Err(Report::refused(Stage::Service, u64::from(uid)));
    }
    if !house.privileged && user.uid != Uid::effective() {
        return Err(Report::refused(Stage::OtherUser, u64::from(uid)));
    }
    Ok(user)
}

fn check_login(user: &User, name: &CString) -> Result<(), Report> {
    let today = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
        / SECONDS_PER_DAY;
    // Day 0 is how administrators lock an account (`chage -E 0`).
    if sys::account_expires(name)
        .is_some_and(|day| u64::try_from(day).is_ok_and(|day| today >= day))
    {
        return Err(Report::refused(Stage::Expired, 0));
    }
    if !user.uid.is_root() && NO_LOGIN.iter().any(|path| Path::new(path).exists()) {
        return Err(Report::refused(Stage::NoLogin, 0));
    }
    Ok(())
}

fn restore_limits(house: &House) -> io::Result<()> {
    for (resource, limit) in &house.limits {
        let mut limit = Rlimit { current: limit.current, maximum: limit.maximum };
        if let (Resource::Nproc, Some(most)) = (resource, house.processes) {
            let cap = |value: Option<u64>| Some(value.map_or(most, |value| value.min(most)));
            limit = Rlimit { current: cap(limit.current), maximum: cap(limit.maximum) };
        }
        rustix::process::setrlimit(*resource, limit)?;
    }
    Ok(())
}

/// Looks at what the kernel says now, since a change that did not happen must not go unnoticed.
fn verify(user: &User, groups: Option<Vec<Gid>>) -> Result<(), Report> {
    let wrong = || Report::refused(Stage::Verify, 0);
    let failed = |error: nix::Error| Report::failed(Stage::Verify, &error.into());
    let (uid, gid) = (user.uid, user.gid);
    let uids = getresuid().map_err(failed)?;
    if uids != (ResUid { real: uid, effective: uid, saved: uid }) {
        return Err(wrong());
    }
    // Not as root, ids and groups stay what the service was started with.
    let Some(mut wanted) = groups else { return Ok(()) };
    let gids = getresgid().map_err(failed)?;
    let mut now = getgroups().map_err(failed)?;
    for list in [&mut wanted, &mut now] {
        list.sort_unstable_by_key(|gid| gid.as_raw());
        list.dedup();
    }
    if gids != (ResGid { real: gid, effective: gid, saved: gid }) || now != wanted {
        return Err(wrong());
    }
    if uid.is_root() {
        return Ok(());
    }
    let held = rustix::thread::capabilities(None)
        .map_err(|error| Report::failed(Stage::Verify, &error.into()))?;
    let none = CapabilitySet::empty();
    if held.effective != none || held.permitted != none || held.inheritable != none {
        return Err(wrong());
    }
    if nix::unistd::setuid(Uid::from_raw(0)).is_ok() { Err(wrong()) } else { Ok(()) }
}

fn protect() -> io::Result<()> {
    nix::sys::prctl::set_child_subreaper(true)?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // A keeper that its command stopped wakes up when the spawner dies, sees its socket's end and ends its tree.
    rustix::process::set_parent_process_death_signal(Some(Signal::CONT))?;
    Ok(())
}
