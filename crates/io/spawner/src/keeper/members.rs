//! Who looks up which groups a local user is in: forked from the spawner for one question, since the system's answer may take as
//! long as a directory in the network takes, and root's loop must not wait for that.
//!
//! It asks the system anew each time. The report's detail has a bit for each group that was asked for.

use std::ffi::CString;
use std::os::fd::{AsFd as _, OwnedFd};

use nix::unistd::{Gid, Group, getgrouplist};

use super::report::{Report, Stage};
use super::{House, drop_inherited, identity};
use crate::users::Mapping;

/// What one question needs.
#[derive(Debug)]
pub(crate) struct Question {
    /// Where the report goes.
    pub(crate) report: OwnedFd,
    /// Whose groups.
    pub(crate) mapping: Mapping,
    /// What the spawner knows once for all.
    pub(crate) house: House,
    /// The local groups that count, for each group of the service.
    pub(crate) groups: Vec<Vec<String>>,
}

/// The whole life; the number is the exit code.
pub(crate) fn run(question: &Question) -> u8 {
    let Question { report, mapping, house, groups } = question;
    let found = drop_inherited(&[report.as_fd()]).and_then(|()| {
        // A root whom nothing allowed to be one, the service's own user and whoever has got the name since are no members.
        let user = identity::look_up(mapping, house)?;
        let name = CString::new(user.name).map_err(|_| Report::refused(Stage::NoSuchUser, 0))?;
        let own = getgrouplist(&name, user.gid);
        let own = own.map_err(|error| Report::failed(Stage::Members, &error.into()))?;
        members(&own, groups)
    });
    let said = match found {
        Ok(found) => Report::found(found),
        Err(report) => report,
    };
    u8::from(rustix::io::write(report, &said.encode()).is_err())
}

/// A bit for each group of which one of the local ones is among `own`. A local group that does not exist has no members.
fn members(own: &[Gid], groups: &[Vec<String>]) -> Result<u64, Report> {
    let mut found = 0;
    for (bit, local) in (0..u64::BITS).zip(groups) {
        for name in local {
            let group = Group::from_name(name)
                .map_err(|error| Report::failed(Stage::Members, &error.into()))?;
            if group.is_some_and(|group| own.contains(&group.gid)) {
                found |= 1 << bit;
                break;
            }
        }
    }
    Ok(found)
}
