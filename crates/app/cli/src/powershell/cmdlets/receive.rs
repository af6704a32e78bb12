//! `Receive-PSSession`.

use super::connection::{
    allow_redirection, application_name, authentication, certificate_thumbprint, computer_name,
    configuration_name, confirm, connection_uri, credential, id, instance_id, name, port, session,
    session_option, use_ssl, what_if,
};
use super::named;
use crate::powershell::table::{Action, Cmdlet, Kind, Membership, in_set, needed, needed_first};

/// With a computer's name.
const COMPUTER: &[Membership] = &[in_set("ComputerSessionName"), in_set("ComputerInstanceId")];
/// With an address.
const URI: &[Membership] = &[in_set("ConnectionUriSessionName"), in_set("ConnectionUriInstanceId")];
/// With either.
const PLACE: &[Membership] = &[
    in_set("ComputerSessionName"),
    in_set("ComputerInstanceId"),
    in_set("ConnectionUriSessionName"),
    in_set("ConnectionUriInstanceId"),
];

pub(super) const RECEIVE_SESSION: Cmdlet = Cmdlet {
    name: "Receive-PSSession",
    aliases: &["rcsn"],
    synopsis: "Gets the output of commands in sessions that were left",
    description: "Takes up a session that is disconnected, shows what its command has told since, and goes on until the command \
                  ends. Ctrl-C stops the command. The session stays.",
    sets: &[
        "Session",
        "Id",
        "ComputerSessionName",
        "ComputerInstanceId",
        "ConnectionUriSessionName",
        "ConnectionUriInstanceId",
        "InstanceId",
        "SessionName",
    ],
    parameters: &[
        session(false, &[needed_first("Session")]),
        id(false, &[needed_first("Id")]),
        computer_name(
            false,
            &[needed_first("ComputerSessionName"), needed_first("ComputerInstanceId")],
        ),
        connection_uri(
            false,
            &[needed_first("ConnectionUriSessionName"), needed_first("ConnectionUriInstanceId")],
        ),
        name(
            false,
            &[
                needed("ComputerSessionName"),
                needed("ConnectionUriSessionName"),
                needed("SessionName"),
            ],
            "The session's name.",
        ),
        instance_id(
            false,
            &[
                needed("ComputerInstanceId"),
                needed("ConnectionUriInstanceId"),
                needed("InstanceId"),
            ],
        ),
        named(
            "OutTarget",
            Kind::Choice("Microsoft.PowerShell.Commands.OutTarget", &["Default", "Host", "Job"]),
            "Where the output goes: Host and Default show it; Job leaves the command to run on by itself, and gives its session.",
        ),
        named(
            "JobName",
            Kind::Text,
            "Not in this version: sessions keep the names that they have.",
        ),
        credential(PLACE),
        authentication(PLACE),
        certificate_thumbprint(PLACE),
        port(COMPUTER),
        use_ssl(COMPUTER),
        application_name(COMPUTER),
        configuration_name(PLACE),
        allow_redirection(URI),
        session_option(PLACE),
        what_if(),
        confirm(),
    ],
    examples: &[
        "Receive-PSSession -Name long",
        "Receive-PSSession -ComputerName server01 -Name long -Credential Domain01\\User01",
        "Get-PSSession -Name long | Receive-PSSession",
    ],
    action: Action::ReceiveSession,
};
