//! `New-PSSessionOption`.

use super::connection::AUTHENTICATION;
use super::{aliased, named};
use crate::powershell::table::{Action, Cmdlet, Kind, Parameter};

const ANY: Kind = Kind::Integer(0, i32::MAX);

/// `-ProxyCredential`.
pub(super) const PROXY_CREDENTIAL: Parameter = named(
    "ProxyCredential",
    Kind::Credential,
    "The account at the proxy. The password is asked for, or taken from the variable TRANSOM_PROXY_PASSWORD.",
);
/// `-SkipCACheck`.
pub(super) const SKIP_CA_CHECK: Parameter =
    named("SkipCACheck", Kind::Switch, "Anybody may have signed the host's certificate.");
/// `-SkipCNCheck`.
pub(super) const SKIP_CN_CHECK: Parameter =
    named("SkipCNCheck", Kind::Switch, "The host's certificate may have another name.");
/// `-SkipRevocationCheck`.
pub(super) const SKIP_REVOCATION_CHECK: Parameter = named(
    "SkipRevocationCheck",
    Kind::Switch,
    "Does not ask whether the host's certificate was revoked.",
);

pub(in crate::powershell) const NEW_SESSION_OPTION: Cmdlet = Cmdlet {
    name: "New-PSSessionOption",
    aliases: &[],
    synopsis: "Makes an object with the options of sessions",
    description: "The object is for the parameter -SessionOption of the cmdlets that open sessions. Times are milliseconds, \
                  0 means no limit.",
    sets: &["All"],
    parameters: &[
        named("MaximumRedirection", ANY, "How often a connection may be redirected; 5 by default."),
        named("NoCompression", Kind::Switch, "Does not compress what is sent."),
        named("NoMachineProfile", Kind::Switch, "Does not load the user's profile on the host."),
        named("Culture", Kind::Culture, "The culture of the session, for instance de-DE."),
        named("UICulture", Kind::Culture, "The culture of the session's texts."),
        named(
            "MaximumReceivedDataSizePerCommand",
            ANY,
            "The most bytes that one command may send back; no limit by default.",
        ),
        named(
            "MaximumReceivedObjectSize",
            ANY,
            "The most bytes that one object may have; 209715200 by default.",
        ),
        named(
            "OutputBufferingMode",
            Kind::Choice(
                "System.Management.Automation.Runspaces.OutputBufferingMode",
                &["None", "Drop", "Block"],
            ),
            "What becomes of output while nobody is connected and the buffer is full: Block waits, Drop loses the oldest, \
             None (the default) leaves it to the host.",
        ),
        named(
            "MaxConnectionRetryCount",
            ANY,
            "How often a lost connection is tried again; 5 by default.",
        ),
        named(
            "ApplicationArguments",
            Kind::Table,
            "What the session finds in $PSSenderInfo.ApplicationArguments: @{…}, or key=value;key=value.",
        ),
        aliased(
            "OpenTimeout",
            &["OpenTimeoutMSec"],
            ANY,
            "How long opening a session may take; 180000 by default.",
        ),
        aliased(
            "CancelTimeout",
            &["CancelTimeoutMSec"],
            ANY,
            "How long stopping a command may take; 60000 by default.",
        ),
        aliased(
            "IdleTimeout",
            &["IdleTimeoutMSec"],
            Kind::Integer(-1, i32::MAX),
            "How long an unused session stays; -1, the default, leaves it to the host.",
        ),
        named(
            "ProxyAccessType",
            Kind::Choice(
                "System.Management.Automation.Remoting.ProxyAccessType",
                &["None", "IEConfig", "WinHttpConfig", "AutoDetect", "NoProxyServer"],
            ),
            "None, the default, takes the proxy that client.toml names; NoProxyServer takes none. IEConfig, WinHttpConfig and \
             AutoDetect mean settings that only Windows has.",
        ),
        named(
            "ProxyAuthentication",
            AUTHENTICATION,
            "How to log in to the proxy: Negotiate (the default), Basic or Digest.",
        ),
        PROXY_CREDENTIAL,
        SKIP_CA_CHECK,
        SKIP_CN_CHECK,
        SKIP_REVOCATION_CHECK,
        aliased(
            "OperationTimeout",
            &["OperationTimeoutMSec"],
            ANY,
            "How long an operation may take; 180000 by default.",
        ),
        named("NoEncryption", Kind::Switch, "Leaves messages unencrypted on http."),
        named("UseUTF16", Kind::Switch, "Sends messages in UTF-16."),
        named(
            "IncludePortInSPN",
            Kind::Switch,
            "Puts the port into the name of the service for Kerberos.",
        ),
    ],
    examples: &[
        "New-PSSessionOption -OperationTimeout 60000 -Culture de-DE",
        "$o = New-PSSessionOption -SkipCACheck -SkipCNCheck; $o.SkipCACheck",
    ],
    action: Action::NewSessionOption,
};
