//! What the spawner is told by whoever starts the service.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

/// How log lines look. Each is one line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the two forms that the command line offers")]
pub enum LogFormat {
    /// `2026-01-31T12:00:00.000000Z  INFO spawner: shell opened shell=1`
    #[default]
    Text,
    /// One JSON object per line with `timestamp`, `level`, `target` and `fields`.
    Json,
}

/// What the spawner process needs to know; made by [`Options::new`], then changed field by field.
///
/// Whoever fills it in must take the values from root-owned configuration or from root's own command line.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The state directory, absolute or relative to the current directory. Its last component is made when absent.
    pub state: PathBuf,
    /// The user that the network process becomes, by name; `None`: user `transom` if there is one, else an unused uid
    /// of 61184-65519. Not as root it must be `None` or the current user.
    pub service_user: Option<String>,
    /// The first argument of the network process, by which the program recognises its role.
    pub network_command: OsString,
    /// The further arguments of the network process, passed on verbatim.
    pub network_args: Vec<OsString>,
    /// Addresses with ports below 1024 that root binds when the network process asks for them.
    pub privileged_listeners: Vec<SocketAddr>,
    /// Ports below 1024 that root binds on whatever address the network process asks for.
    pub privileged_ports: Vec<u16>,
    /// For each group of which the network process asks who belongs to it: the local groups whose members do. At most
    /// [`Options::MAX_GROUPS`]; of more of them nobody is a member.
    pub groups: Vec<Vec<String>>,
    /// Most shells of one account at a time; at least 1.
    pub shells_per_account: usize,
    /// Most shells at a time; at least 1.
    pub shells: usize,
    /// Most processes of one shell where the system can count them by shell (cgroup v2 with the `pids` controller), else
    /// of one local user.
    pub processes_per_shell: u64,
    /// Most memory of one shell in bytes, below which the network process may ask for less; needs cgroup v2 with the `memory`
    /// controller, and is logged as not in force where that is missing.
    pub memory_per_shell: Option<u64>,
    /// Whether control groups are used where the system allows it; without them shells are ended by descent.
    pub cgroups: bool,
    /// How log lines look.
    pub log_format: LogFormat,
    /// The file that takes the log lines of all processes, opened anew on SIGHUP; `None`: standard error.
    pub log_file: Option<PathBuf>,
}

impl Options {
    /// The most groups that a frame has room for.
    pub const MAX_GROUPS: usize = 64;

    /// The defaults around a state directory: 2,500 shells per account, 5,000 in all, 4,096 processes per shell.
    #[must_use]
    pub fn new(state: impl Into<PathBuf>) -> Self {
        Self {
            state: state.into(),
            service_user: None,
            network_command: OsString::from("network"),
            network_args: Vec::new(),
            privileged_listeners: Vec::new(),
            privileged_ports: Vec::new(),
            groups: Vec::new(),
            shells_per_account: 2_500,
            shells: 5_000,
            processes_per_shell: 4_096,
            memory_per_shell: None,
            cgroups: true,
            log_format: LogFormat::default(),
            log_file: None,
        }
    }
}
