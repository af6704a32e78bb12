//! `Test-WSMan`.

use super::{aliased, named};
use crate::powershell::table::{Action, Cmdlet, FromPipeline, Kind, Membership, Parameter};

pub(super) const TEST_WSMAN: Cmdlet = Cmdlet {
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
