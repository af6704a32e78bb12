//! `Test-WSMan`.

use super::instance::AUTHENTICATION;
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
            AUTHENTICATION,
            "How to log in. None, the default, does not. Default and Negotiate let both sides agree: Kerberos where a \
             ticket can be had, else NTLM. Kerberos does not negotiate. Credssp gives the host the password, if client.toml \
             allows it. Basic shows the password to whoever sees the messages, Digest only the messages. \
             ClientCertificate is what -CertificateThumbprint alone means.",
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
             variable TRANSOM_PASSWORD. Without it a login takes your Kerberos tickets.",
        ),
        named(
            "CertificateThumbprint",
            Kind::Text,
            "Logs in by the certificate with this thumbprint in ~/.config/transom/certificates, over https; instead of \
             -Credential and -Authentication.",
        ),
    ],
    examples: &[
        "Test-WSMan",
        "Test-WSMan -ComputerName server01 -Authentication Default -Credential Domain01\\User01",
        "'server01', 'server02' | Test-WSMan -ErrorAction SilentlyContinue",
    ],
    action: Action::TestWsman,
};
