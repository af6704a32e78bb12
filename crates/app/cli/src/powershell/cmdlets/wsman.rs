//! `Connect-WSMan`, `Disconnect-WSMan`, `New-WSManSessionOption`, and what sets a computer up: `Set-WSManQuickConfig`,
//! `Enable-`, `Disable-` and `Get-WSManCredSSP`, `Enable-` and `Disable-PSRemoting`.

use super::connection::{confirm, what_if};
use super::instance::{
    application_name, authentication, certificate_thumbprint, computer_name, connection_uri,
    credential, option_set, port, session_option, use_ssl,
};
use super::option::{PROXY_CREDENTIAL, SKIP_CA_CHECK, SKIP_CN_CHECK, SKIP_REVOCATION_CHECK};
use super::{aliased, named};
use crate::powershell::table::{
    Action, Cmdlet, FromPipeline, Kind, Membership, NAMED, Parameter, in_set,
};

pub(super) const CONNECT_WSMAN: Cmdlet = {
    const COMPUTER: &[Membership] = &[in_set("ComputerName")];
    Cmdlet {
        name: "Connect-WSMan",
        aliases: &[],
        synopsis: "Puts a computer on the drive WSMan:",
        description: "The computer is WSMan:\\NAME from then on, until Disconnect-WSMan or the program's end.",
        sets: &["ComputerName", "URI"],
        parameters: &[
            application_name(COMPUTER),
            Parameter {
                pipeline: FromPipeline::BOTH,
                ..computer_name(&[Membership { position: Some(0), ..in_set("ComputerName") }])
            },
            connection_uri(&[in_set("URI")]),
            option_set(),
            port(NAMED),
            session_option(),
            use_ssl(COMPUTER),
            credential(),
            authentication(),
            certificate_thumbprint(),
        ],
        examples: &["Connect-WSMan server01 -Credential User01; dir WSMan:\\server01"],
        action: Action::ConnectWsman,
    }
};

pub(super) const DISCONNECT_WSMAN: Cmdlet = Cmdlet {
    name: "Disconnect-WSMan",
    aliases: &[],
    synopsis: "Takes a computer from the drive WSMan:",
    description: "Forgets the connection that Connect-WSMan made. localhost stays.",
    sets: &["All"],
    parameters: &[Parameter {
        memberships: &[Membership { set: None, position: Some(0), is_mandatory: false }],
        pipeline: FromPipeline::BOTH,
        ..named("ComputerName", Kind::Text, "The computer.")
    }],
    examples: &["Disconnect-WSMan server01"],
    action: Action::DisconnectWsman,
};

pub(in crate::powershell) const NEW_CONNECTION_OPTION: Cmdlet = Cmdlet {
    name: "New-WSManSessionOption",
    aliases: &[],
    synopsis: "Makes an object with the options of connections without a session",
    description: "The object is for the parameter -SessionOption of Get-WSManInstance and its like, and of Connect-WSMan.",
    sets: &["All"],
    parameters: &[
        named(
            "ProxyAccessType",
            Kind::Choice(
                "Microsoft.WSMan.Management.ProxyAccessType",
                &["ProxyIEConfig", "ProxyWinHttpConfig", "ProxyAutoDetect", "ProxyNoProxyServer"],
            ),
            "ProxyNoProxyServer takes no proxy; without it the one that client.toml names is taken. The others mean settings that \
             only Windows has.",
        ),
        named(
            "ProxyAuthentication",
            Kind::Choice(
                "Microsoft.WSMan.Management.ProxyAuthentication",
                &["Negotiate", "Basic", "Digest"],
            ),
            "How to log in to the proxy; Negotiate by default.",
        ),
        PROXY_CREDENTIAL,
        SKIP_CA_CHECK,
        SKIP_CN_CHECK,
        SKIP_REVOCATION_CHECK,
        named(
            "SPNPort",
            Kind::Integer(0, i32::MAX),
            "Puts the port into the name of the service for Kerberos, where it is not 0.",
        ),
        aliased(
            "OperationTimeout",
            &["OperationTimeoutMSec"],
            Kind::Integer(0, i32::MAX),
            "How many milliseconds an operation may take.",
        ),
        named("NoEncryption", Kind::Switch, "Leaves messages unencrypted on http."),
        named("UseUTF16", Kind::Switch, "Sends messages in UTF-16."),
    ],
    examples: &["$so = New-WSManSessionOption -SkipCACheck -SkipCNCheck -OperationTimeout 60000"],
    action: Action::NewConnectionOption,
};

/// `-Force`.
const FORCE: Parameter = named("Force", Kind::Switch, "Does not ask.");
/// `-SkipNetworkProfileCheck`.
const SKIP_PROFILE: Parameter = named(
    "SkipNetworkProfileCheck",
    Kind::Switch,
    "Is taken for scripts that have it: this system has no network profiles, so that nothing is checked.",
);

pub(super) const QUICK_CONFIG: Cmdlet = Cmdlet {
    name: "Set-WSManQuickConfig",
    aliases: &[],
    synopsis: "Sets this computer up for remote management",
    description: "Does what `winrm quickconfig` does: sees to it that the service takes requests, and makes a listener where there is \
                  none.",
    sets: &["All"],
    parameters: &[
        aliased(
            "UseSSL",
            &["ssl"],
            Kind::Switch,
            "A listener by https, with a certificate of the service's folder that has this computer's name.",
        ),
        FORCE,
        SKIP_PROFILE,
    ],
    examples: &["Set-WSManQuickConfig -Force", "Set-WSManQuickConfig -UseSSL"],
    action: Action::QuickConfig,
};

const ROLE: Parameter = Parameter {
    memberships: &[Membership { set: None, position: Some(0), is_mandatory: true }],
    ..named(
        "Role",
        Kind::Choice("System.String", &["Client", "Server"]),
        "Client: this user's commands may give passwords to hosts. Server: the service of this computer takes them.",
    )
};

pub(super) const ENABLE_CREDSSP: Cmdlet = Cmdlet {
    name: "Enable-WSManCredSSP",
    aliases: &[],
    synopsis: "Lets logins by CredSSP happen, as the client or the server",
    description: "As Server: sets Service\\Auth\\CredSSP of the service. As Client: writes the hosts of -DelegateComputer into the list \
                  AllowFreshCredentials of your client.toml.",
    sets: &["All"],
    parameters: &[
        Parameter {
            is_list: true,
            memberships: &[Membership { set: None, position: Some(1), is_mandatory: false }],
            ..named(
                "DelegateComputer",
                Kind::Text,
                "The hosts that may be given the password, with * at the beginning or alone.",
            )
        },
        FORCE,
        ROLE,
    ],
    examples: &[
        "Enable-WSManCredSSP -Role Server -Force",
        "Enable-WSManCredSSP -Role Client -DelegateComputer *.example.com -Force",
    ],
    action: Action::EnableCredSsp,
};

pub(super) const DISABLE_CREDSSP: Cmdlet = Cmdlet {
    name: "Disable-WSManCredSSP",
    aliases: &[],
    synopsis: "Ends what Enable-WSManCredSSP did",
    description: "As Server: the service takes no login by CredSSP. As Client: no host is given a password; the list in client.toml is \
                  emptied.",
    sets: &["All"],
    parameters: &[ROLE],
    examples: &["Disable-WSManCredSSP -Role Client"],
    action: Action::DisableCredSsp,
};

pub(super) const GET_CREDSSP: Cmdlet = Cmdlet {
    name: "Get-WSManCredSSP",
    aliases: &[],
    synopsis: "Says whether logins by CredSSP may happen",
    description: "Says which hosts may be given your password, and whether the service of this computer takes passwords.",
    sets: &["All"],
    parameters: &[],
    examples: &["Get-WSManCredSSP"],
    action: Action::GetCredSsp,
};

pub(super) const ENABLE_REMOTING: Cmdlet = Cmdlet {
    name: "Enable-PSRemoting",
    aliases: &[],
    synopsis: "Lets others have PowerShell sessions on this computer",
    description: "Does what Set-WSManQuickConfig does, and enables the session configurations, for users of other computers too.",
    sets: &["All"],
    parameters: &[FORCE, SKIP_PROFILE, what_if(), confirm()],
    examples: &["Enable-PSRemoting -Force"],
    action: Action::EnableRemoting,
};

pub(super) const DISABLE_REMOTING: Cmdlet = Cmdlet {
    name: "Disable-PSRemoting",
    aliases: &[],
    synopsis: "Lets nobody of another computer have PowerShell sessions on this one",
    description: "Denies every session configuration to users of the network; sessions from this computer go on. Listeners stay.",
    sets: &["All"],
    parameters: &[FORCE, what_if(), confirm()],
    examples: &["Disable-PSRemoting -Force"],
    action: Action::DisableRemoting,
};
