//! The cmdlets: one table each.

use super::table::{Action, Cmdlet, FromPipeline, Kind, Membership, NAMED, Parameter};

/// Every cmdlet that there is.
pub(crate) const CMDLETS: &[Cmdlet] = &[NEW_SESSION_OPTION, TEST_WSMAN];

/// The cmdlet of this name or alias, in any case.
pub(crate) fn find(name: &str) -> Option<&'static Cmdlet> {
    let is_called = |cmdlet: &&Cmdlet| {
        cmdlet.name.eq_ignore_ascii_case(name)
            || cmdlet.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
    };
    CMDLETS.iter().find(is_called)
}

/// A parameter by its name, optional, in each set.
const fn named(name: &'static str, kind: Kind, about: &'static str) -> Parameter {
    Parameter {
        name,
        aliases: &[],
        kind,
        is_list: false,
        about,
        memberships: NAMED,
        pipeline: FromPipeline::NOTHING,
    }
}

const fn aliased(
    name: &'static str,
    aliases: &'static [&'static str],
    kind: Kind,
    about: &'static str,
) -> Parameter {
    Parameter { aliases, ..named(name, kind, about) }
}

const ANY: Kind = Kind::Integer(0, i32::MAX);

const TEST_WSMAN: Cmdlet = Cmdlet {
    name: "Test-WSMan",
    aliases: &[],
    synopsis: "Tells whether the WinRM service answers on a computer",
    description: "Asks the service what it is (Identify). Without -Authentication nobody logs in, and the answer hides the \
                  version of the system. With it, the answer shows that the login works.",
    sets: &["All"],
    parameters: &[
        Parameter {
            aliases: &["cn"],
            memberships: &[Membership { set: None, position: Some(0), is_mandatory: false }],
            pipeline: FromPipeline::BOTH,
            ..named(
                "ComputerName",
                Kind::Text,
                "A name or an address ([…] around IPv6); also http[s]://HOST[:PORT], where no port means 80 or 443. \
                 Without it, and for `.`: this computer.",
            )
        },
        aliased(
            "Authentication",
            &["auth", "am"],
            Kind::Choice(
                "Microsoft.WSMan.Management.AuthenticationMechanism",
                &[
                    "None",
                    "Default",
                    "Digest",
                    "Negotiate",
                    "Basic",
                    "Kerberos",
                    "ClientCertificate",
                    "Credssp",
                ],
            ),
            "How to log in. None, the default, does not. Default and Negotiate let both sides agree, Basic shows the \
             password to whoever sees the messages. Digest, Kerberos, ClientCertificate and Credssp are not in this \
             version.",
        ),
        named("Port", Kind::Integer(1, 65_535), "The port, instead of 5985 (5986 with -UseSSL)."),
        named("UseSSL", Kind::Switch, "Connects by https."),
        named(
            "ApplicationName",
            Kind::Text,
            "The path of the service's address, instead of wsman.",
        ),
        aliased(
            "Credential",
            &["cred", "c"],
            Kind::Credential,
            "The account: User01, Domain01\\User01 or User@Domain.com. The password is asked for, or taken from the \
             variable TRANSOM_PASSWORD.",
        ),
        named(
            "CertificateThumbprint",
            Kind::Text,
            "Not in this version: the client certificate to log in with.",
        ),
    ],
    examples: &[
        "Test-WSMan",
        "Test-WSMan -ComputerName server01 -Authentication Default -Credential Domain01\\User01",
        "'server01', 'server02' | Test-WSMan -ErrorAction SilentlyContinue",
    ],
    action: Action::TestWsman,
};

const NEW_SESSION_OPTION: Cmdlet = Cmdlet {
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
            "How a proxy is found; None by default.",
        ),
        named(
            "ProxyAuthentication",
            Kind::Choice(
                "System.Management.Automation.Runspaces.AuthenticationMechanism",
                &[
                    "Default",
                    "Basic",
                    "Negotiate",
                    "NegotiateWithImplicitCredential",
                    "Credssp",
                    "Digest",
                    "Kerberos",
                ],
            ),
            "How to log in to the proxy: Negotiate (the default), Basic or Digest.",
        ),
        named("ProxyCredential", Kind::Credential, "The account at the proxy."),
        named("SkipCACheck", Kind::Switch, "Anybody may have signed the host's certificate."),
        named("SkipCNCheck", Kind::Switch, "The host's certificate may have another name."),
        named(
            "SkipRevocationCheck",
            Kind::Switch,
            "Does not ask whether the host's certificate was revoked.",
        ),
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
