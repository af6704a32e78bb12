//! The help: a general one, one for each operation, and topics.

use std::fmt::Write as _;

use super::switches;
use crate::switches::spelling;
use crate::winrs::wrapped;

/// What the program is, in a line.
pub(super) const NAME: &str =
    "manages this computer's WS-Management service, and whatever hosts offer through theirs";

/// What there is help on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    General,
    Get,
    Set,
    Create,
    Delete,
    Enumerate,
    Invoke,
    Identify,
    QuickConfig,
    ConfigSddl,
    HelpMsg,
    Uris,
    Aliases,
    Config,
    CertMapping,
    CustomRemoteShell,
    Remoting,
    Auth,
    Input,
    Switches,
    Proxy,
    Filters,
}

/// Every topic with its name.
const TOPICS: [(&str, Topic); 21] = [
    ("get", Topic::Get),
    ("set", Topic::Set),
    ("create", Topic::Create),
    ("delete", Topic::Delete),
    ("enumerate", Topic::Enumerate),
    ("invoke", Topic::Invoke),
    ("identify", Topic::Identify),
    ("quickconfig", Topic::QuickConfig),
    ("configsddl", Topic::ConfigSddl),
    ("helpmsg", Topic::HelpMsg),
    ("uris", Topic::Uris),
    ("aliases", Topic::Aliases),
    ("config", Topic::Config),
    ("certmapping", Topic::CertMapping),
    ("customremoteshell", Topic::CustomRemoteShell),
    ("remoting", Topic::Remoting),
    ("auth", Topic::Auth),
    ("input", Topic::Input),
    ("switches", Topic::Switches),
    ("proxy", Topic::Proxy),
    ("filters", Topic::Filters),
];

impl Topic {
    /// The topic of that name, in any case.
    pub(super) fn of(name: &str) -> Option<Self> {
        TOPICS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, topic)| *topic)
    }

    /// The text, with a line feed at its end.
    pub(super) fn text(self) -> String {
        let text = match self {
            Self::General => include_str!("help/general.txt"),
            Self::Get => include_str!("help/get.txt"),
            Self::Set => include_str!("help/set.txt"),
            Self::Create => include_str!("help/create.txt"),
            Self::Delete => include_str!("help/delete.txt"),
            Self::Enumerate => include_str!("help/enumerate.txt"),
            Self::Invoke => include_str!("help/invoke.txt"),
            Self::Identify => include_str!("help/identify.txt"),
            Self::QuickConfig => include_str!("help/quickconfig.txt"),
            Self::ConfigSddl => include_str!("help/configsddl.txt"),
            Self::HelpMsg => include_str!("help/helpmsg.txt"),
            Self::Uris => include_str!("help/uris.txt"),
            Self::Aliases => return aliases(),
            Self::Config => include_str!("help/config.txt"),
            Self::CertMapping => include_str!("help/certmapping.txt"),
            Self::CustomRemoteShell => include_str!("help/customremoteshell.txt"),
            Self::Remoting => include_str!("help/remoting.txt"),
            Self::Auth => include_str!("help/auth.txt"),
            Self::Input => include_str!("help/input.txt"),
            Self::Switches => return switches(),
            Self::Proxy => include_str!("help/proxy.txt"),
            Self::Filters => include_str!("help/filters.txt"),
        };
        text.to_owned()
    }
}

/// The aliases, from the table that obeys them.
fn aliases() -> String {
    let mut text = include_str!("help/aliases.txt").to_owned();
    for (alias, uri) in super::uri::ALIASES {
        let _infallible = writeln!(text, "  {alias:<9} = {uri}");
    }
    text.push_str("\nExample: the classes of the CIM repository's namespace root/hardware:\n  winrm get wmi/root/hardware/Microsoft_IPMI?InstanceName=Root\\SYSTEM\\0001_0\n\nSee also:\n  winrm help uris\n");
    text
}

/// Every switch, from the definition that reads them.
fn switches() -> String {
    let mut text = include_str!("help/switches.txt").to_owned();
    for (name, about) in described() {
        let _infallible = writeln!(text, "  {name}");
        for line in wrapped(&about, 72) {
            let _infallible = writeln!(text, "      {line}");
        }
    }
    text.push_str("\nSee also:\n  winrm help remoting\n  winrm help auth\n  winrm help proxy\n");
    text
}

/// The switches as Windows writes them, with what they mean.
fn described() -> Vec<(String, String)> {
    let command = switches::command();
    let arguments = command.get_arguments().filter(|argument| argument.get_long().is_some());
    arguments
        .map(|argument| {
            let about = argument.get_long_help().or_else(|| argument.get_help());
            let about = about.map(ToString::to_string).unwrap_or_default();
            // clap takes the last full stop away.
            (spelling(argument), format!("{}.", about.trim_end_matches('.')))
        })
        .collect()
}

/// The parts of the page of the manual.
pub(crate) struct Manual {
    pub(crate) name: &'static str,
    pub(crate) topics: Vec<(&'static str, String)>,
    pub(crate) switches: Vec<(String, String)>,
}

/// What the page of the manual has, from the same words as the help.
pub(crate) fn manual() -> Manual {
    let topics = TOPICS.iter().filter(|(_, topic)| *topic != Topic::Switches);
    Manual {
        name: NAME,
        topics: topics.map(|(name, topic)| (*name, topic.text())).collect(),
        switches: described(),
    }
}
