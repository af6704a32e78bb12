//! Whom a SID is, and which SID somebody has: Windows's names everywhere, accounts and their groups where this computer's file
//! of accounts may be read.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use auth::sddl::Sid;
use server::accounts::{Accounts, MAX_FILE};

/// What a group is named with that nobody is in yet.
const GROUP: &str = "group:";

/// The names that are known.
#[derive(Debug, Default)]
pub(super) struct Names {
    accounts: Vec<(String, Sid)>,
    groups: Vec<(String, Sid)>,
}

impl Names {
    /// The names of this computer's accounts, if they may be read: they are root's.
    pub(super) fn of_this_computer(state: &Path) -> Self {
        let mut bytes = Vec::new();
        let most = u64::try_from(MAX_FILE).unwrap_or(u64::MAX);
        let read = File::open(state.join("accounts"))
            .and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
        let accounts = read.ok().and_then(|_| Accounts::parse(&bytes).ok());
        accounts.map_or_else(Self::default, |accounts| Self::of(&accounts))
    }

    fn of(accounts: &Accounts) -> Self {
        let mut names = Self::default();
        for account in accounts.iter() {
            for group in account.groups {
                let sid = Sid::of_group(&group);
                if !names.groups.iter().any(|(_, known)| *known == sid) {
                    names.groups.push((group, sid));
                }
            }
            names.accounts.push((account.name, Sid::of_account(&account.id)));
        }
        names
    }

    /// What is shown for a SID.
    pub(super) fn name(&self, sid: &Sid) -> String {
        if let Some(name) = sid.well_known_name() {
            return match sid.in_full().strip_prefix("S-1-5-") {
                Some(rest) if rest.starts_with("32-") => format!("BUILTIN\\{name}"),
                Some(rest) if !rest.contains('-') => format!("NT AUTHORITY\\{name}"),
                _ => name.to_owned(),
            };
        }
        let mut known = self.accounts.iter().chain(&self.groups);
        let found = known.find(|(_, known)| known == sid);
        found.map_or_else(|| sid.in_full(), |(name, _)| name.clone())
    }

    /// The SID of somebody: a SID, an account, a group that somebody is in, a name or two letters of Windows's, or `group:NAME`.
    pub(super) fn sid(&self, text: &str) -> Result<Sid, String> {
        if let Some(name) = text.strip_prefix(GROUP).filter(|name| !name.is_empty()) {
            return Ok(Sid::of_group(name));
        }
        let is_it = |(name, _): &&(String, Sid)| name.to_lowercase() == text.to_lowercase();
        let own = self.accounts.iter().find(is_it).or_else(|| self.groups.iter().find(is_it));
        if let Some((_, sid)) = own {
            return Ok(sid.clone());
        }
        Sid::by_well_known_name(text).or_else(|| text.parse().ok()).ok_or_else(|| {
            format!(
                "nobody is known by the name {text}: {GROUP}NAME names any group, and `transom account list` on the host shows \
                 the SIDs of its accounts"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use auth::Secret;

    use super::*;

    #[test]
    fn names_lead_to_sids_and_back() {
        let mut accounts = Accounts::default();
        let groups = vec!["Operators".to_owned(), "Administrators".to_owned()];
        accounts.add([7; 16], "alice", &Secret::new("x"), groups).unwrap();
        let names = Names::of(&accounts);
        for (text, name) in [
            ("ALICE", "alice"),
            ("operators", "Operators"),
            ("administrators", r"BUILTIN\Administrators"),
            ("BA", r"BUILTIN\Administrators"),
            (r"NT AUTHORITY\interactive", r"NT AUTHORITY\INTERACTIVE"),
            ("Everyone", "Everyone"),
            ("group:operators", "Operators"),
            ("S-1-5-21-1-2-3-4", "S-1-5-21-1-2-3-4"),
        ] {
            assert_eq!(names.name(&names.sid(text).unwrap()), name, "{text}");
        }
        assert!(names.sid("bob").unwrap_err().contains("bob"));
        assert!(names.sid("group:").is_err());
        assert_eq!(names.sid("group:others").unwrap(), Sid::of_group("OTHERS"));
    }
}
