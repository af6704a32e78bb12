//! What to try where no ticket was to be had. The text of the error says what is wrong; here is what our own options and
//! the usual tools can do about it.

use transport::kerberos::{KerberosError, KerberosErrorKind};

/// What a person may try, most likely first.
pub(super) fn hints(error: &KerberosError) -> Vec<String> {
    let texts: &[&str] = match error.kind() {
        KerberosErrorKind::NoTicket => &[
            "get a ticket: kinit USER@REALM",
            "or name an account with its password: -u:USER@REALM (winrs), -Credential (cmdlets)",
        ],
        KerberosErrorKind::Expired => &["get a new ticket: kinit USER@REALM"],
        KerberosErrorKind::NoRealm => {
            &["write the user as USER@REALM, or name the realm: --realm REALM"]
        }
        KerberosErrorKind::UnknownClient => {
            &["check the spelling of user and realm; most realms are in capital letters"]
        }
        KerberosErrorKind::WrongPassword => {
            &["check the password; no other login is tried with it, so that it counts once"]
        }
        KerberosErrorKind::UnknownService => &[
            "connect by the full name under which the realm knows the host, not by an alias or a short name",
            "or say the name: --spn-host NAME, --spn-class CLASS (winrs), ServiceClass in [Kerberos] of client.toml",
        ],
        KerberosErrorKind::Skew => {
            &["let both computers set their clocks by the same time service (NTP)"]
        }
        KerberosErrorKind::NotForwardable => {
            &["get a ticket that can be forwarded: kinit -f", "or leave out -allowdelegate"]
        }
        KerberosErrorKind::ChannelBinding => {
            &["where something in front of the host ends TLS: --channel-binding never"]
        }
        KerberosErrorKind::KdcUnreachable
        | KerberosErrorKind::NotMutual
        | KerberosErrorKind::EncryptionType => {
            &["`transom doctor` walks the way to a ticket step by step"]
        }
        _ => &[],
    };
    texts.iter().map(|text| (*text).to_owned()).collect()
}
