//! `Invoke-Command`.

use super::{aliased, connection, named};
use crate::powershell::table::{Action, Cmdlet, FromPipeline, Kind, Membership, NAMED, Parameter};

const fn at(set: &'static str, position: u8, is_mandatory: bool) -> Membership {
    Membership { set: Some(set), position: Some(position), is_mandatory }
}

const fn by_name(set: &'static str) -> Membership {
    Membership { set: Some(set), position: None, is_mandatory: false }
}

const LOCAL: &str = "InProcess";
const SESSION: &str = "Session";
const FILE_SESSION: &str = "FilePathRunspace";
const COMPUTER: &str = "ComputerName";
const FILE_COMPUTER: &str = "FilePathComputerName";
const URI: &str = "Uri";
const FILE_URI: &str = "FilePathUri";

/// Of a computer by its name.
const BY_COMPUTER: &[Membership] = &[by_name(COMPUTER), by_name(FILE_COMPUTER)];
/// Of a computer, by its name or its address.
const BY_PLACE: &[Membership] =
    &[by_name(COMPUTER), by_name(FILE_COMPUTER), by_name(URI), by_name(FILE_URI)];
/// Of an address.
const BY_URI: &[Membership] = &[by_name(URI), by_name(FILE_URI)];
/// Of everything but this computer.
const REMOTE: &[Membership] = &[
    by_name(SESSION),
    by_name(FILE_SESSION),
    by_name(COMPUTER),
    by_name(FILE_COMPUTER),
    by_name(URI),
    by_name(FILE_URI),
];

/// What comes from the pipe is input of the command, and nothing else.
const fn not_piped(parameter: Parameter) -> Parameter {
    Parameter { pipeline: FromPipeline::NOTHING, ..parameter }
}

pub(super) const INVOKE_COMMAND: Cmdlet = Cmdlet {
    name: "Invoke-Command",
    aliases: &["icm"],
    synopsis: "Runs commands on other computers",
    description: "Runs a script block or a local file with a script on one or many computers, each in a session of its own that \
                  ends with it, or in sessions that stay. Output comes in the order in which it arrives; as an object it has \
                  the properties PSComputerName, RunspaceId and PSShowComputerName.",
    sets: &[LOCAL, SESSION, FILE_SESSION, COMPUTER, FILE_COMPUTER, URI, FILE_URI],
    parameters: &[
        not_piped(connection::computer_name(
            true,
            &[at(COMPUTER, 0, false), at(FILE_COMPUTER, 0, false)],
        )),
        not_piped(connection::session(true, &[at(SESSION, 0, false), at(FILE_SESSION, 0, false)])),
        not_piped(connection::connection_uri(true, &[at(URI, 0, false), at(FILE_URI, 0, false)])),
        Parameter {
            memberships: &[
                at(LOCAL, 0, true),
                at(SESSION, 1, true),
                at(COMPUTER, 1, true),
                at(URI, 1, true),
            ],
            ..aliased(
                "ScriptBlock",
                &["Command"],
                Kind::ScriptBlock,
                "What runs: { … }. $using:name in it is this side's variable.",
            )
        },
        Parameter {
            memberships: &[
                at(FILE_SESSION, 1, true),
                at(FILE_COMPUTER, 1, true),
                at(FILE_URI, 1, true),
            ],
            ..aliased(
                "FilePath",
                &["PSPath"],
                Kind::Text,
                "A local file with the script that runs.",
            )
        },
        Parameter {
            is_list: true,
            ..aliased(
                "ArgumentList",
                &["Args"],
                Kind::Object,
                "The values of the script's parameters, in their order.",
            )
        },
        Parameter {
            pipeline: FromPipeline { value: true, property: false },
            memberships: NAMED,
            ..named(
                "InputObject",
                Kind::Object,
                "What the script finds in $input; from a pipe all of it goes to each computer.",
            )
        },
        not_piped(connection::credential(BY_PLACE)),
        not_piped(connection::port(BY_COMPUTER)),
        not_piped(connection::use_ssl(BY_COMPUTER)),
        not_piped(connection::application_name(BY_COMPUTER)),
        not_piped(connection::configuration_name(BY_PLACE)),
        connection::allow_redirection(BY_URI),
        connection::authentication(BY_PLACE),
        connection::certificate_thumbprint(&[by_name(COMPUTER), by_name(URI)]),
        connection::session_option(BY_PLACE),
        connection::enable_network_access(BY_PLACE),
        connection::throttle_limit(REMOTE),
        Parameter {
            memberships: REMOTE,
            ..aliased(
                "HideComputerName",
                &["HCN"],
                Kind::Switch,
                "Leaves the computer's name out of what is shown.",
            )
        },
        Parameter {
            memberships: BY_PLACE,
            ..aliased(
                "InDisconnectedSession",
                &["Disconnected"],
                Kind::Switch,
                "Starts the command and leaves it on the host: its output waits for Receive-PSSession. Returns the session.",
            )
        },
        Parameter {
            is_list: true,
            memberships: BY_COMPUTER,
            ..named(
                "SessionName",
                Kind::Text,
                "The names of the sessions that -InDisconnectedSession leaves, one for each computer.",
            )
        },
        Parameter {
            memberships: REMOTE,
            ..named(
                "AsJob",
                Kind::Switch,
                "As -InDisconnectedSession: the command runs on while this program goes on or ends.",
            )
        },
        Parameter {
            memberships: REMOTE,
            ..named("JobName", Kind::Text, "The name of the session that -AsJob leaves.")
        },
        Parameter {
            memberships: REMOTE,
            ..named(
                "RemoteDebug",
                Kind::Switch,
                "Not in this version: stops the command in a debugger.",
            )
        },
        Parameter {
            memberships: &[by_name(LOCAL)],
            ..named(
                "NoNewScope",
                Kind::Switch,
                "Of commands on this computer without a session, which need a PowerShell here.",
            )
        },
    ],
    examples: &[
        "Invoke-Command -ComputerName server01, server02 -Credential Domain01\\User01 { Get-Service WinRM }",
        "$n = 'WinRM'; Invoke-Command server01 { Get-Service $using:n } -HideComputerName",
        "Invoke-Command server01 -FilePath ./check.ps1 -ArgumentList 7, 'all'",
        "Invoke-Command server01 -InDisconnectedSession -SessionName long { ./build.cmd }",
    ],
    action: Action::InvokeCommand,
};
