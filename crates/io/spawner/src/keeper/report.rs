//! The 16 bytes that a keeper, or who looks groups up, tells root, the only thing that root ever reads from it.
//!
//! ```text
//! 0 version u8   1
//! 1 stage   u8   0 ready, else what failed
//! 2 zeros   2
//! 4 errno   i32
//! 8 detail  u64  Uid: the uid that the user has now; ready, of who looks groups up: a bit for each
//! ```

use std::io;

use crate::frames::root::Reason;

/// Bytes of a report.
pub(crate) const LENGTH: usize = 16;
const VERSION: u8 = 1;

macro_rules! stages {
    ($($name:ident = $code:literal, $reason:ident, $text:literal;)+) => {
        /// What failed before a keeper became its user.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Stage { $($name,)+ }

        impl Stage {
            fn code(self) -> u8 {
                match self { $(Self::$name => $code,)+ }
            }

            fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$name),)+ _ => None }
            }

            /// The reason that the network process is told.
            pub(crate) fn reason(self) -> Reason {
                match self { $(Self::$name => Reason::$reason,)+ }
            }

            /// What the log says.
            pub(crate) fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

stages! {
    Inherited = 1, Identity, "dropping what was inherited";
    NoSuchUser = 2, NoSuchUser, "no such local user";
    Lookup = 3, NoSuchUser, "looking the local user up";
    Uid = 4, UidChanged, "the local user's uid is not the recorded one";
    Root = 5, RootNotAllowed, "the local user is root";
    Service = 6, ServiceUser, "the local user is the service's";
    Expired = 7, Expired, "the local user's account has expired";
    NoLogin = 8, NoLogin, "/etc/nologin";
    Session = 9, Identity, "beginning a session";
    Limits = 10, Identity, "setting resource limits";
    Groups = 11, Identity, "setting the groups";
    Ids = 12, Identity, "setting the ids";
    Verify = 13, Identity, "verifying the new identity";
    Process = 14, Identity, "setting the process's attributes";
    OtherUser = 15, OtherUser, "not root, and the local user is another one";
    Members = 16, Groups, "looking the groups up";
}

/// What a keeper reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) failure: Option<Stage>,
    pub(crate) errno: i32,
    pub(crate) detail: u64,
}

impl Report {
    pub(super) fn ready() -> Self {
        Self { failure: None, errno: 0, detail: 0 }
    }

    pub(super) fn found(groups: u64) -> Self {
        Self { detail: groups, ..Self::ready() }
    }

    pub(super) fn refused(stage: Stage, detail: u64) -> Self {
        Self { failure: Some(stage), errno: 0, detail }
    }

    pub(super) fn failed(stage: Stage, error: &io::Error) -> Self {
        Self { failure: Some(stage), errno: error.raw_os_error().unwrap_or(0), detail: 0 }
    }

    pub(super) fn encode(self) -> [u8; LENGTH] {
        let [a, b, c, d] = self.errno.to_le_bytes();
        let [e, f, g, h, i, j, k, l] = self.detail.to_le_bytes();
        [VERSION, self.failure.map_or(0, Stage::code), 0, 0, a, b, c, d, e, f, g, h, i, j, k, l]
    }

    /// `None` for anything that no keeper says.
    pub(crate) fn decode(bytes: [u8; LENGTH]) -> Option<Self> {
        let [VERSION, stage, 0, 0, a, b, c, d, detail @ ..] = bytes else { return None };
        let failure = match stage {
            0 => None,
            code => Some(Stage::from_code(code)?),
        };
        Some(Self {
            failure,
            errno: i32::from_le_bytes([a, b, c, d]),
            detail: u64::from_le_bytes(detail),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_survives_the_pipe_and_nonsense_does_not() {
        let report = Report::refused(Stage::Uid, 1001);
        assert_eq!(Report::decode(report.encode()), Some(report));
        assert_eq!(Report::decode([1, 200, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(Report::decode([0; LENGTH]), None);
    }
}
