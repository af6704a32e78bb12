//! The cmdlets about session configurations: `Get-`, `Register-`, `Set-`, `Unregister-`, `Enable-` and
//! `Disable-PSSessionConfiguration`, and `New-PSTransportOption` for their quotas.

use super::connection::{confirm, what_if};
use super::{aliased, named};
use crate::powershell::table::{Action, Cmdlet, FromPipeline, Kind, Membership, Parameter};

const ALL: &[&str] = &["All"];
const NUMBER: Kind = Kind::Integer(0, i32::MAX);

/// `-Force`.
const FORCE: Parameter = named("Force", Kind::Switch, "Does not ask.");
/// `-NoServiceRestart`.
const NO_RESTART: Parameter = named(
    "NoServiceRestart",
    Kind::Switch,
    "Is taken for scripts that have it: changes take effect without a restart.",
);

const fn name(is_mandatory: bool, about: &'static str) -> Parameter {
    const MUST: &[Membership] = &[Membership { set: None, position: Some(0), is_mandatory: true }];
    const MAY: &[Membership] = &[Membership { set: None, position: Some(0), is_mandatory: false }];
    Parameter {
        memberships: if is_mandatory { MUST } else { MAY },
        pipeline: FromPipeline::PROPERTY,
        ..named("Name", Kind::Text, about)
    }
}

const fn names(about: &'static str) -> Parameter {
    Parameter { is_list: true, pipeline: FromPipeline::BOTH, ..name(false, about) }
}

const fn startup_script() -> Parameter {
    named(
        "StartupScript",
        Kind::Text,
        "A script that begins every session; a path on the service's computer.",
    )
}

const fn sddl() -> Parameter {
    named("SecurityDescriptorSddl", Kind::AnyText, "Who may use it, as a security descriptor.")
}

const fn access_mode() -> Parameter {
    named(
        "AccessMode",
        Kind::Choice(
            "System.Management.Automation.Runspaces.PSSessionConfigurationAccessMode",
            &["Disabled", "Local", "Remote"],
        ),
        "Disabled: nobody; Local: users of this computer only; Remote: those of other computers too.",
    )
}

const fn run_as() -> Parameter {
    named(
        "RunAsCredential",
        Kind::Credential,
        "The account whose sessions they are, whoever logs in.",
    )
}

const fn data_size() -> Parameter {
    let about = "The most megabytes that a command may be sent.";
    named("MaximumReceivedDataSizePerCommandMB", Kind::Number, about)
}

const fn object_size() -> Parameter {
    let about = "The most megabytes that an object may have.";
    named("MaximumReceivedObjectSizeMB", Kind::Number, about)
}

const fn version() -> Parameter {
    aliased("PSVersion", &["PowerShellVersion"], Kind::Text, "The version of PowerShell.")
}

const fn shared_process() -> Parameter {
    named("UseSharedProcess", Kind::Switch, "Sessions of a user share a process.")
}

const fn transport_option() -> Parameter {
    let about = "Its quotas: an object of New-PSTransportOption, @{…}, or key=value;key=value.";
    named("TransportOption", Kind::TransportOption, about)
}

/// What is registered or set.
const PARAMETERS: &[Parameter] = &[
    name(true, "The configuration's name."),
    run_as(),
    access_mode(),
    shared_process(),
    startup_script(),
    data_size(),
    object_size(),
    sddl(),
    version(),
    transport_option(),
    FORCE,
    NO_RESTART,
    what_if(),
    confirm(),
];

pub(super) const GET_CONFIGURATION: Cmdlet = Cmdlet {
    name: "Get-PSSessionConfiguration",
    aliases: &[],
    synopsis: "Gets the session configurations of this computer",
    description: "Shows what the service offers as session configurations, and who may use them.",
    sets: ALL,
    parameters: &[
        Parameter {
            pipeline: FromPipeline::PROPERTY,
            ..names("Names, with or without wildcards.")
        },
        FORCE,
    ],
    examples: &["Get-PSSessionConfiguration", "Get-PSSessionConfiguration microsoft.*"],
    action: Action::GetConfiguration,
};

pub(super) const REGISTER_CONFIGURATION: Cmdlet = Cmdlet {
    name: "Register-PSSessionConfiguration",
    aliases: &[],
    synopsis: "Makes a session configuration on this computer",
    description: "Clients name it in -ConfigurationName. By default those may use it who may use microsoft.powershell at first: \
                  Administrators and Remote Management Users.",
    sets: ALL,
    parameters: PARAMETERS,
    examples: &["Register-PSSessionConfiguration -Name Maintenance -Force"],
    action: Action::RegisterConfiguration,
};

pub(super) const SET_CONFIGURATION: Cmdlet = Cmdlet {
    name: "Set-PSSessionConfiguration",
    aliases: &[],
    synopsis: "Changes a session configuration of this computer",
    description: "Changes what the parameters name; the rest stays.",
    sets: ALL,
    parameters: PARAMETERS,
    examples: &[
        "Set-PSSessionConfiguration microsoft.powershell -AccessMode Local -Force",
        "Set-PSSessionConfiguration Maintenance -TransportOption @{MaxSessionsPerUser=3} -Force",
    ],
    action: Action::SetConfiguration,
};

pub(super) const UNREGISTER_CONFIGURATION: Cmdlet = Cmdlet {
    name: "Unregister-PSSessionConfiguration",
    aliases: &[],
    synopsis: "Removes session configurations of this computer",
    description: "New sessions cannot name it; those that are there go on.",
    sets: ALL,
    parameters: &[
        name(true, "The name, with or without wildcards."),
        FORCE,
        NO_RESTART,
        what_if(),
        confirm(),
    ],
    examples: &["Unregister-PSSessionConfiguration Maintenance -Force"],
    action: Action::UnregisterConfiguration,
};

pub(super) const ENABLE_CONFIGURATION: Cmdlet = Cmdlet {
    name: "Enable-PSSessionConfiguration",
    aliases: &[],
    synopsis: "Enables session configurations of this computer",
    description: "Enables the configurations and takes away what denies them to users of the network, as Enable-PSRemoting does.",
    sets: ALL,
    parameters: &[
        names("Names, with or without wildcards; microsoft.powershell by default."),
        FORCE,
        sddl(),
        named(
            "SkipNetworkProfileCheck",
            Kind::Switch,
            "Is taken for scripts that have it: this system has no network profiles, so that nothing is checked.",
        ),
        NO_RESTART,
        what_if(),
        confirm(),
    ],
    examples: &["Enable-PSSessionConfiguration Maintenance -Force"],
    action: Action::EnableConfiguration,
};

pub(super) const DISABLE_CONFIGURATION: Cmdlet = Cmdlet {
    name: "Disable-PSSessionConfiguration",
    aliases: &[],
    synopsis: "Disables session configurations of this computer",
    description: "Nobody can open a session in them until they are enabled; those that are there go on.",
    sets: ALL,
    parameters: &[
        names("Names, with or without wildcards; microsoft.powershell by default."),
        FORCE,
        NO_RESTART,
        what_if(),
        confirm(),
    ],
    examples: &["Disable-PSSessionConfiguration Maintenance -Force"],
    action: Action::DisableConfiguration,
};

pub(in crate::powershell) const NEW_TRANSPORT_OPTION: Cmdlet = Cmdlet {
    name: "New-PSTransportOption",
    aliases: &[],
    synopsis: "Makes an object with the quotas of a session configuration",
    description: "The object is for the parameter -TransportOption of Register- and Set-PSSessionConfiguration. What is not named \
                  stays as it is.",
    sets: ALL,
    parameters: &[
        named("MaxIdleTimeoutSec", NUMBER, "The longest idle time that a session may ask for."),
        named("ProcessIdleTimeoutSec", NUMBER, "How long a process stays without sessions."),
        named("MaxSessions", NUMBER, "So many sessions at once."),
        named("MaxConcurrentCommandsPerSession", NUMBER, "So many commands at once in a session."),
        named("MaxSessionsPerUser", NUMBER, "So many sessions of one user."),
        named("MaxMemoryPerSessionMB", NUMBER, "The most memory of a session, in megabytes."),
        named("MaxProcessesPerSession", NUMBER, "So many processes in a session."),
        named("MaxConcurrentUsers", NUMBER, "So many users at once."),
        named("IdleTimeoutSec", NUMBER, "The idle time of sessions that name none."),
        named(
            "OutputBufferingMode",
            Kind::Choice(
                "System.Management.Automation.Runspaces.OutputBufferingMode",
                &["None", "Drop", "Block"],
            ),
            "What becomes of output while nobody is connected: Block waits, Drop loses the oldest.",
        ),
    ],
    examples: &["New-PSTransportOption -MaxSessionsPerUser 3 -IdleTimeoutSec 600"],
    action: Action::NewTransportOption,
};
