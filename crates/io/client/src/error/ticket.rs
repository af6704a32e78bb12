//! What to try where no ticket was to be had. The text of the error says what is wrong; here is what our own options and
//! the usual tools can do about it.

use transport::kerberos::{KerberosError, KerberosErrorKind};

/// What a person may try, most likely first.
pub(super) fn hints(error: &KerberosError) -> Vec<String> {
    let texts: &[&str] = match error.kind() {
        KerberosErrorKind::NoTicket => &[
            "get a ticket: kinit USER@REALM",
            "or name an account with its password: -u:USER@REALM (winrs), -Credential (cmdlets)",
            "in a command on a host: log in to that host with -allowdelegate, or by CredSSP, so that it has your ticket",
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
            "or name an account of the host for another login: -u:USER (winrs), -Credential (cmdlets)",
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
        KerberosErrorKind::NoLibrary
        | KerberosErrorKind::AccountUnusable
        | KerberosErrorKind::Keytab
        | KerberosErrorKind::Kinit
        | KerberosErrorKind::Other
        | _ => &[],
    };
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// A refusal behind a good ticket, most often.
pub(super) const UNMAPPED: &str = "the host may have no account for you: on Windows the domain decides, elsewhere `transom principal add` on the host";
/// The other one.
pub(super) const KEYTAB: &str = "or the host cannot read the ticket: its keytab must have the newest key of the service; its log says why it refused";

/// What a person may try where the host refuses the ticket, by the number in its KRB-ERROR (RFC 4120 7.5.9).
pub(super) fn refusal_hints(code: u32) -> Vec<String> {
    /// `KRB_AP_ERR_TKT_EXPIRED`, `_TKT_NYV`.
    const TIMES: [u32; 2] = [32, 33];
    /// `KRB_AP_ERR_SKEW`.
    const SKEW: u32 = 37;
    /// `KRB_AP_ERR_BAD_INTEGRITY`, `_NOT_US`, `_MODIFIED`, `_BADKEYVER`, `_NOKEY`.
    const KEYS: [u32; 5] = [31, 35, 41, 44, 45];
    let text = if code == SKEW {
        "let both computers set their clocks by the same time service (NTP)"
    } else if TIMES.contains(&code) {
        "get a new ticket (kinit), and check the clocks of both computers"
    } else if KEYS.contains(&code) {
        "the host's keytab lacks the newest key of the service: its administrator must make it anew; or the name belongs to another account (--spn-class, --spn-host)"
    } else {
        "the host's log says why it refused"
    };
    vec![text.to_owned()]
}
