//! `New-PSSession`, `Get-PSSession`, `Remove-PSSession`, `Disconnect-PSSession`, `Connect-PSSession`.

use super::connection::{
    allow_redirection, application_name, authentication, certificate_thumbprint, computer_name,
    configuration_name, confirm, connection_uri, credential, enable_network_access, id,
    instance_id, name, port, session, session_option, throttle_limit, use_ssl, what_if,
};
use super::named;
use crate::powershell::table::{
    Action, Cmdlet, FromPipeline, Kind, Membership, NAMED, Parameter, first, in_set, needed,
    needed_first,
};

const BUFFERING: Kind = Kind::Choice(
    "System.Management.Automation.Runspaces.OutputBufferingMode",
    &["None", "Drop", "Block"],
);

pub(super) const NEW_SESSION: Cmdlet = {
    const COMPUTER: &[Membership] = &[in_set("ComputerName")];
    const BOTH: &[Membership] = &[in_set("ComputerName"), in_set("Uri")];
    Cmdlet {
        name: "New-PSSession",
        aliases: &["nsn"],
        synopsis: "Opens sessions on computers, which stay until they are removed",
        description: "A session is a PowerShell on a computer that keeps its variables, functions and folder from command to \
                      command. It outlives the program that made it: it then waits on its computer for the next one, until \
                      it is removed or its idle time is over.",
        sets: &["ComputerName", "Uri", "Session"],
        parameters: &[
            computer_name(true, &[first("ComputerName")]),
            credential(BOTH),
            Parameter {
                pipeline: FromPipeline::NOTHING,
                ..name(true, NAMED, "A name for each session, instead of Runspace1 and so on.")
            },
            enable_network_access(NAMED),
            configuration_name(BOTH),
            port(COMPUTER),
            use_ssl(COMPUTER),
            application_name(COMPUTER),
            throttle_limit(NAMED),
            connection_uri(true, &[needed_first("Uri")]),
            allow_redirection(&[in_set("Uri")]),
            session_option(BOTH),
            authentication(BOTH),
            certificate_thumbprint(BOTH),
            session(true, &[first("Session")]),
        ],
        examples: &[
            "New-PSSession -ComputerName server01 -Credential Domain01\\User01",
            "$s = New-PSSession server01, server02 -Name web, db",
            "New-PSSession -ConnectionUri https://server01:5986/wsman -SessionOption @{ IdleTimeout = 600000 }",
        ],
        action: Action::NewSession,
    }
};

pub(super) const GET_SESSION: Cmdlet = {
    const COMPUTER: &[Membership] = &[in_set("ComputerName"), in_set("ComputerInstanceId")];
    const BOTH: &[Membership] = &[
        in_set("ComputerName"),
        in_set("ComputerInstanceId"),
        in_set("ConnectionUri"),
        in_set("ConnectionUriInstanceId"),
    ];
    Cmdlet {
        name: "Get-PSSession",
        aliases: &["gsn"],
        synopsis: "Gets the sessions that were made here, or those on a computer",
        description: "Without a computer: the sessions that this user has made on this machine or has found before; no \
                      computer is asked. With one: every session of this account there, whoever made it; what is found can \
                      be named by its id from then on.",
        sets: &[
            "Name",
            "ComputerName",
            "ComputerInstanceId",
            "ConnectionUri",
            "ConnectionUriInstanceId",
            "InstanceId",
            "Id",
        ],
        parameters: &[
            Parameter {
                pipeline: FromPipeline::PROPERTY,
                ..computer_name(
                    true,
                    &[needed_first("ComputerName"), needed_first("ComputerInstanceId")],
                )
            },
            application_name(COMPUTER),
            connection_uri(
                true,
                &[needed_first("ConnectionUri"), needed_first("ConnectionUriInstanceId")],
            ),
            configuration_name(BOTH),
            allow_redirection(&[in_set("ConnectionUri"), in_set("ConnectionUriInstanceId")]),
            name(
                true,
                &[in_set("Name"), in_set("ComputerName"), in_set("ConnectionUri")],
                "Names of sessions, which may have wildcards.",
            ),
            instance_id(
                true,
                &[
                    needed("ComputerInstanceId"),
                    needed("ConnectionUriInstanceId"),
                    in_set("InstanceId"),
                ],
            ),
            credential(BOTH),
            authentication(BOTH),
            certificate_thumbprint(BOTH),
            port(COMPUTER),
            use_ssl(COMPUTER),
            throttle_limit(BOTH),
            Parameter {
                memberships: BOTH,
                ..named(
                    "State",
                    Kind::Choice(
                        "Microsoft.PowerShell.Commands.SessionFilterState",
                        &["All", "Opened", "Disconnected", "Closed", "Broken"],
                    ),
                    "Only sessions in this state; All by default.",
                )
            },
            session_option(BOTH),
            id(true, &[needed_first("Id")]),
        ],
        examples: &[
            "Get-PSSession",
            "Get-PSSession -Name web*",
            "Get-PSSession -ComputerName server01 -State Disconnected -Credential Domain01\\User01",
        ],
        action: Action::GetSession,
    }
};

pub(super) const REMOVE_SESSION: Cmdlet = Cmdlet {
    name: "Remove-PSSession",
    aliases: &["rsn"],
    synopsis: "Ends sessions on their computers",
    description: "Commands that still run in the session are ended with it. One whose computer cannot be reached is listed no \
                  longer; its computer ends it when its idle time is over.",
    sets: &["Id", "Session", "InstanceId", "Name", "ComputerName"],
    parameters: &[
        id(true, &[needed_first("Id")]),
        session(true, &[needed_first("Session")]),
        instance_id(true, &[needed("InstanceId")]),
        name(true, &[needed("Name")], "Names of sessions, which may have wildcards."),
        Parameter {
            pipeline: FromPipeline::PROPERTY,
            about: "Computers, which may have wildcards: the sessions there that are known here.",
            ..computer_name(true, &[needed_first("ComputerName")])
        },
        what_if(),
        confirm(),
    ],
    examples: &[
        "Remove-PSSession -Id 1, 2",
        "Get-PSSession -Name web* | Remove-PSSession -Confirm",
        "Remove-PSSession -ComputerName server01 -WhatIf",
    ],
    action: Action::RemoveSession,
};

pub(super) const DISCONNECT_SESSION: Cmdlet = Cmdlet {
    name: "Disconnect-PSSession",
    aliases: &["dnsn"],
    synopsis: "Leaves sessions on their computers with what runs in them",
    description: "Another program, or another machine, can take up what was left. From a shell the cmdlet changes how long a \
                  session stays and what becomes of its output: it is left already.",
    sets: &["Session", "Name", "InstanceId", "Id"],
    parameters: &[
        session(true, &[needed_first("Session")]),
        named(
            "IdleTimeoutSec",
            Kind::Integer(0, i32::MAX),
            "How long the session stays while nobody is connected, at least 60; the computer has a highest value.",
        ),
        named(
            "OutputBufferingMode",
            BUFFERING,
            "What becomes of output while nobody is connected and the buffer is full: Block waits, Drop loses the oldest, \
             None leaves it as it is.",
        ),
        throttle_limit(NAMED),
        name(true, &[needed("Name")], "Names of sessions, which may have wildcards."),
        instance_id(true, &[needed("InstanceId")]),
        id(true, &[needed_first("Id")]),
        what_if(),
        confirm(),
    ],
    examples: &[
        "Disconnect-PSSession $s -IdleTimeoutSec 3600",
        "Disconnect-PSSession -Name web* -OutputBufferingMode Drop",
    ],
    action: Action::DisconnectSession,
};

pub(super) const CONNECT_SESSION: Cmdlet = {
    const COMPUTER: &[Membership] = &[in_set("ComputerNameGuid"), in_set("ComputerName")];
    const BOTH: &[Membership] = &[
        in_set("ComputerNameGuid"),
        in_set("ComputerName"),
        in_set("ConnectionUriGuid"),
        in_set("ConnectionUri"),
    ];
    Cmdlet {
        name: "Connect-PSSession",
        aliases: &["cnsn"],
        synopsis: "Takes up sessions that were left",
        description: "The sessions are those that this program has left, those that are known here, or those of this account \
                      on a computer, whoever made them.",
        sets: &[
            "Name",
            "Session",
            "ComputerNameGuid",
            "ComputerName",
            "ConnectionUriGuid",
            "ConnectionUri",
            "InstanceId",
            "Id",
        ],
        parameters: &[
            name(
                true,
                &[needed("Name"), in_set("ComputerName"), in_set("ConnectionUri")],
                "Names of sessions, which may have wildcards.",
            ),
            session(true, &[needed_first("Session")]),
            Parameter {
                pipeline: FromPipeline::NOTHING,
                ..computer_name(true, &[needed("ComputerNameGuid"), needed("ComputerName")])
            },
            application_name(COMPUTER),
            configuration_name(BOTH),
            connection_uri(
                true,
                &[needed_first("ConnectionUriGuid"), needed_first("ConnectionUri")],
            ),
            allow_redirection(&[in_set("ConnectionUriGuid"), in_set("ConnectionUri")]),
            instance_id(
                true,
                &[needed("ComputerNameGuid"), needed("ConnectionUriGuid"), needed("InstanceId")],
            ),
            credential(BOTH),
            authentication(BOTH),
            certificate_thumbprint(BOTH),
            port(COMPUTER),
            use_ssl(COMPUTER),
            session_option(BOTH),
            throttle_limit(NAMED),
            id(true, &[needed_first("Id")]),
            what_if(),
            confirm(),
        ],
        examples: &[
            "$s = Connect-PSSession -Name web",
            "Connect-PSSession -ComputerName server01 -Name web -Credential Domain01\\User01",
        ],
        action: Action::ConnectSession,
    }
};
