//! `Enter-PSSession`, `Exit-PSSession`.

use super::connection::{
    allow_redirection, application_name, authentication, certificate_thumbprint, computer_name,
    configuration_name, connection_uri, credential, enable_network_access, id, instance_id, name,
    port, session, session_option, use_ssl,
};
use crate::powershell::table::{
    Action, Cmdlet, FromPipeline, Membership, Parameter, first, in_set,
};

pub(super) const ENTER_SESSION: Cmdlet = {
    const COMPUTER: &[Membership] = &[in_set("ComputerName")];
    const BOTH: &[Membership] = &[in_set("ComputerName"), in_set("Uri")];
    Cmdlet {
        name: "Enter-PSSession",
        aliases: &["etsn"],
        synopsis: "Works in a session on a computer, line by line",
        description: "What is typed runs on the computer, until `exit`, Exit-PSSession or Ctrl-D. It begins at the end of the \
                      line: the rest of the line runs here. A session that is opened by a computer's name ends when it is \
                      left, one of New-PSSession stays. Ctrl-C stops what runs and stays in the session. Where stdin is no \
                      terminal, its lines run there.",
        sets: &["ComputerName", "Uri", "Session", "InstanceId", "Id", "Name"],
        parameters: &[
            computer_name(false, &[first("ComputerName")]),
            enable_network_access(BOTH),
            Parameter {
                memberships: &[
                    Membership {
                        set: Some("ComputerName"),
                        position: Some(1),
                        is_mandatory: false,
                    },
                    Membership { set: Some("Uri"), position: Some(1), is_mandatory: false },
                ],
                ..credential(BOTH)
            },
            configuration_name(BOTH),
            Parameter { pipeline: FromPipeline::NOTHING, ..port(COMPUTER) },
            Parameter { pipeline: FromPipeline::NOTHING, ..use_ssl(COMPUTER) },
            application_name(COMPUTER),
            session_option(BOTH),
            authentication(BOTH),
            certificate_thumbprint(BOTH),
            connection_uri(false, &[first("Uri")]),
            allow_redirection(&[in_set("Uri")]),
            session(false, &[first("Session")]),
            instance_id(false, &[in_set("InstanceId")]),
            id(false, &[first("Id")]),
            name(false, &[in_set("Name")], "The session's name, without wildcards."),
        ],
        examples: &[
            "Enter-PSSession",
            "Enter-PSSession -ComputerName Server01 -Port 90 -Credential Domain01\\User01",
            "$s = New-PSSession -ComputerName Server01; Enter-PSSession -Session $s",
        ],
        action: Action::EnterSession,
    }
};

pub(super) const EXIT_SESSION: Cmdlet = Cmdlet {
    name: "Exit-PSSession",
    aliases: &["exsn"],
    synopsis: "Leaves the session that Enter-PSSession has entered",
    description: "Inside of a session it is typed as there. Outside of one it does nothing, as in PowerShell.",
    sets: &["All"],
    parameters: &[],
    examples: &["Exit-PSSession"],
    action: Action::ExitSession,
};
