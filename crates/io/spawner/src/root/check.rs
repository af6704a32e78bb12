//! What would keep the service from starting or from doing its work, found without starting or changing anything.

use std::fmt;
use std::io;
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User};
use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Errno;

use super::service::{self, Service};
use super::start;
use crate::Options;
use crate::cgroup;
use crate::network::sandbox;
use crate::store::{SERVICE, Store, StoreError};
use crate::users::{Mapping, Users};

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "whoever shows findings must show each of the three")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// The service starts, and something of it is missing.
    Warning,
    /// The service does not start, or somebody who should cannot use it.
    Failed,
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        })
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "callers add findings of their own")]
pub struct Finding {
    /// What was looked at, in a few words.
    pub what: String,
    /// How it stands.
    pub verdict: Verdict,
    /// What was found; where something can be done, that too.
    pub text: String,
}

impl Finding {
    /// A finding.
    #[must_use]
    pub fn new(what: impl Into<String>, verdict: Verdict, text: impl Into<String>) -> Self {
        Self { what: what.into(), verdict, text: text.into() }
    }
}

/// What [`check`] found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// In the order of a start.
    pub findings: Vec<Finding>,
    /// The state directory, if it can be used.
    pub store: Option<Store>,
    /// The uid that the network process would have, if one was found.
    pub service_uid: Option<u32>,
    /// Whether a service runs from this state directory now.
    pub running: bool,
}

/// Looks at everything that [`run`](crate::run) needs. Starts nothing, makes no file and changes none.
#[must_use]
pub fn check(options: &Options) -> Report {
    let privileged = Uid::effective().is_root();
    let mut report =
        Report { findings: Vec::new(), store: None, service_uid: None, running: false };
    report.add("kernel", start::check_kernel().map(|release| format!("Linux {release}")));
    report.add("rights", rights(privileged));
    report.findings.push(sandbox());
    report.findings.push(control_groups(options));
    for name in options.groups.iter().flatten() {
        report.findings.push(local_group(name));
    }
    if let Some(path) = &options.log_file {
        let checked = super::log_file::check(path).map(|()| path.display().to_string());
        report.add("log file", checked);
    }
    match Store::open_for_service(&options.state, privileged) {
        Ok(store) => {
            report.running = store.in_use();
            let running = if report.running { ", a service runs from it" } else { "" };
            let text = format!("{}{running}", store.path().display());
            report.findings.push(Finding::new("state folder", Verdict::Ok, text));
            report.in_store(&store, options, privileged);
            report.store = Some(store);
        }
        Err(error) if error.errno() == Errno::NOENT.raw_os_error() => {
            let text = format!("{error}; `transom account add` makes it");
            report.findings.push(Finding::new("state folder", Verdict::Failed, text));
        }
        Err(error) => report.add::<&str>("state folder", Err(error.to_string())),
    }
    report
}

impl Report {
    fn add<T: Into<String>>(&mut self, what: &str, result: Result<T, impl ToString>) {
        self.findings.push(match result {
            Ok(text) => Finding::new(what, Verdict::Ok, text),
            Err(error) => Finding::new(what, Verdict::Failed, error.to_string()),
        });
    }

    fn in_store(&mut self, store: &Store, options: &Options, privileged: bool) {
        // An unused uid is used by the service that runs.
        let owner = service::folder_owner(store).filter(|_| self.running);
        let running = owner
            .filter(|_| options.service_user.is_none())
            .map(|owner| Service { uid: Uid::from_raw(owner), gid: Gid::from_raw(owner) });
        let chosen = match running {
            Some(service) => Ok(service),
            None => service::choose(store, options.service_user.as_deref(), privileged),
        };
        match chosen {
            Ok(service) => {
                self.service_uid = Some(service.uid.as_raw());
                self.findings.push(Finding::new("service user", Verdict::Ok, name(service.uid)));
                self.findings.push(service_folder(store, service));
            }
            Err(error) => self.add::<&str>("service user", Err(error)),
        }
        match Users::read(store) {
            Ok(users) => {
                for mapping in users.iter() {
                    let what = format!("local user {}", mapping.local_user);
                    self.add(&what, local_user(mapping, self.service_uid, privileged));
                }
            }
            Err(error) => self.add::<&str>("mapping", Err(error)),
        }
    }
}

fn rights(privileged: bool) -> Result<&'static str, start::StartError> {
    if !privileged {
        return Ok("not root: one account, whose commands run as this user");
    }
    start::check_capabilities().map(|()| "root, with the capabilities that the service needs")
}

/// What the network process will have around it.
fn sandbox() -> Finding {
    let sandbox = sandbox::look();
    let verdict = if sandbox.is_complete() { Verdict::Ok } else { Verdict::Warning };
    Finding::new("sandbox", verdict, sandbox.to_string())
}

/// Only looks: a service that runs has its shells there.
fn control_groups(options: &Options) -> Finding {
    let finding = |verdict, text: &str| Finding::new("control groups", verdict, text);
    let abilities = match cgroup::look() {
        Ok(abilities) => abilities,
        Err(missing) => {
            let text = format!(
                "{missing}; shells are ended by descent, and processes are counted by user"
            );
            return finding(Verdict::Warning, &text);
        }
    };
    let mut missing = Vec::new();
    if !abilities.processes {
        missing.push("processes are counted by user, not by shell");
    }
    if !abilities.memory {
        missing.push(if options.memory_per_shell.is_some() {
            "the limit of memory for each shell is not in force"
        } else {
            "memory cannot be limited by shell"
        });
    }
    if missing.is_empty() {
        return finding(Verdict::Ok, "version 2, delegated, with processes and memory");
    }
    let text = format!(
        "version 2, but not delegated with the controllers pids and memory: {}; start the service \
         from a systemd unit with Delegate=yes",
        missing.join(", ")
    );
    finding(Verdict::Warning, &text)
}

fn service_folder(store: &Store, service: Service) -> Finding {
    let path = store.path().join(SERVICE);
    let (verdict, text) = match statat(store.folder(), SERVICE, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => {
            let (owner, wanted) = (found.st_uid, service.uid.as_raw());
            if FileType::from_raw_mode(found.st_mode) != FileType::Directory {
                let error = StoreError::NotAFolder { path };
                (Verdict::Failed, error.to_string())
            } else if owner == wanted || owner == 0 {
                (Verdict::Ok, path.display().to_string())
            } else {
                let error = start::StartError::ServiceFolder { path, owner, wanted };
                (Verdict::Failed, error.to_string())
            }
        }
        Err(Errno::NOENT) => (Verdict::Ok, format!("{}: made at the first start", path.display())),
        Err(error) => {
            let error = io::Error::from(error);
            (Verdict::Failed, format!("{}: {error}", path.display()))
        }
    };
    Finding::new("service folder", verdict, text)
}

/// Whether anybody can be in a local group that stands for one of the service's.
fn local_group(name: &str) -> Finding {
    let what = format!("local group {name}");
    match Group::from_name(name) {
        Ok(Some(group)) => Finding::new(what, Verdict::Ok, format!("gid {}", group.gid)),
        Ok(None) => Finding::new(what, Verdict::Warning, "does not exist: it has no members"),
        Err(error) => {
            let text = format!("cannot be looked up: {error}; nobody counts as its member");
            Finding::new(what, Verdict::Warning, text)
        }
    }
}

/// The same questions that a keeper asks when a shell opens.
fn local_user(
    mapping: &Mapping,
    service_uid: Option<u32>,
    privileged: bool,
) -> Result<String, String> {
    let name = &mapping.local_user;
    let user = User::from_name(name).map_err(|error| format!("cannot be looked up: {error}"))?;
    let user = user.ok_or_else(|| {
        "does not exist; make it, or remove the account and add it with another one".to_owned()
    })?;
    let uid = user.uid.as_raw();
    if uid != mapping.uid {
        return Err(format!(
            "has uid {uid} and had {} when its account was added; remove the account and add it \
             again",
            mapping.uid
        ));
    }
    if uid == 0 && !mapping.allow_root {
        return Err("is root, and its account was added without --allow-root".to_owned());
    }
    if privileged && service_uid == Some(uid) {
        return Err("is the service user, who must be nobody else".to_owned());
    }
    if !privileged && user.uid != Uid::effective() {
        return Err("is another user, whom only a service started as root can become".to_owned());
    }
    let home =
        if Path::new(&user.dir).is_dir() { "" } else { ", without a home: commands begin in /" };
    Ok(format!("uid {uid}{home}"))
}

fn name(uid: Uid) -> String {
    match User::from_uid(uid) {
        Ok(Some(user)) => format!("{} (uid {uid})", user.name),
        Ok(None) | Err(_) => format!("uid {uid}, which nobody else has"),
    }
}
