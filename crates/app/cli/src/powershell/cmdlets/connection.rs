//! The parameters that cmdlets with a connection share. How each stands in a cmdlet's sets, the cmdlet says.

use super::{aliased, named};
use crate::powershell::table::{FromPipeline, Kind, Membership, Parameter};

/// The ways of logging in that PowerShell names.
pub(super) const AUTHENTICATION: Kind = Kind::Choice(
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
);

/// `-ComputerName`, one or several.
pub(super) const fn computer_name(is_list: bool, memberships: &'static [Membership]) -> Parameter {
    let about = "A name or an address ([…] around IPv6). Without it, and for `.`: this computer.";
    let pipeline = FromPipeline::BOTH;
    Parameter {
        is_list,
        memberships,
        pipeline,
        ..aliased("ComputerName", &["Cn"], Kind::Text, about)
    }
}

/// `-ConnectionUri`, one or several.
pub(super) const fn connection_uri(is_list: bool, memberships: &'static [Membership]) -> Parameter {
    let about = "The address of the service: http[s]://HOST[:PORT]/wsman. Without a port it means 80 or 443.";
    let pipeline = FromPipeline::PROPERTY;
    Parameter {
        is_list,
        memberships,
        pipeline,
        ..aliased("ConnectionUri", &["URI", "CU"], Kind::Text, about)
    }
}

/// `-AllowRedirection`.
pub(super) const fn allow_redirection(memberships: &'static [Membership]) -> Parameter {
    let about = "Lets the host send the connection to another address, with user name and password; never from https to http.";
    Parameter { memberships, ..named("AllowRedirection", Kind::Switch, about) }
}

/// `-Port`.
pub(super) const fn port(memberships: &'static [Membership]) -> Parameter {
    let about = "The port, instead of 5985 (5986 with -UseSSL).";
    let pipeline = FromPipeline::PROPERTY;
    Parameter { memberships, pipeline, ..named("Port", Kind::Integer(1, 65_535), about) }
}

/// `-UseSSL`.
pub(super) const fn use_ssl(memberships: &'static [Membership]) -> Parameter {
    let pipeline = FromPipeline::PROPERTY;
    Parameter { memberships, pipeline, ..named("UseSSL", Kind::Switch, "Connects by https.") }
}

/// `-ApplicationName`.
pub(super) const fn application_name(memberships: &'static [Membership]) -> Parameter {
    let about = "The path of the service's address, instead of wsman or $PSSessionApplicationName.";
    let pipeline = FromPipeline::PROPERTY;
    Parameter { memberships, pipeline, ..named("ApplicationName", Kind::Text, about) }
}

/// `-ConfigurationName`.
pub(super) const fn configuration_name(memberships: &'static [Membership]) -> Parameter {
    let about = "The session configuration on the host: a name or a whole resource URI; Microsoft.PowerShell or \
                 $PSSessionConfigurationName by default.";
    let pipeline = FromPipeline::PROPERTY;
    Parameter { memberships, pipeline, ..named("ConfigurationName", Kind::Text, about) }
}

/// `-Credential`.
pub(super) const fn credential(memberships: &'static [Membership]) -> Parameter {
    let about = "The account: User01, Domain01\\User01 or User@Domain.com. The password is asked for, or taken from the \
                 variable TRANSOM_PASSWORD. Without it: you, by your Kerberos tickets, else by name.";
    let pipeline = FromPipeline::PROPERTY;
    Parameter { memberships, pipeline, ..aliased("Credential", &["cred"], Kind::Credential, about) }
}

/// `-Authentication`.
pub(super) const fn authentication(memberships: &'static [Membership]) -> Parameter {
    let about = "How to log in. Default and Negotiate let both sides agree: Kerberos where a ticket can be had, else NTLM. \
                 NegotiateWithImplicitCredential takes the tickets that you have and nothing else, Kerberos does not negotiate. \
                 Credssp gives the host the password, if client.toml allows it. Basic shows the password to whoever sees the \
                 messages, Digest only the messages.";
    Parameter { memberships, ..named("Authentication", AUTHENTICATION, about) }
}

/// `-CertificateThumbprint`.
pub(super) const fn certificate_thumbprint(memberships: &'static [Membership]) -> Parameter {
    let about = "Logs in by the certificate with this thumbprint in ~/.config/transom/certificates, over https; instead of \
                 -Credential and -Authentication.";
    Parameter { memberships, ..named("CertificateThumbprint", Kind::Text, about) }
}

/// `-SessionOption`.
pub(super) const fn session_option(memberships: &'static [Membership]) -> Parameter {
    let about = "The session's options: an object of New-PSSessionOption, @{…}, or key=value;key=value; $PSSessionOption by \
                 default.";
    Parameter { memberships, ..named("SessionOption", Kind::SessionOption, about) }
}

/// `-EnableNetworkAccess`.
pub(super) const fn enable_network_access(memberships: &'static [Membership]) -> Parameter {
    let about = "Lets a session on this computer reach others; elsewhere it is ignored.";
    Parameter { memberships, ..named("EnableNetworkAccess", Kind::Switch, about) }
}

/// `-ThrottleLimit`.
pub(super) const fn throttle_limit(memberships: &'static [Membership]) -> Parameter {
    let about = "So many connections at once; 32 by default, which 0 means too.";
    Parameter { memberships, ..named("ThrottleLimit", Kind::Integer(0, i32::MAX), about) }
}

/// `-Session`, one or several.
pub(super) const fn session(is_list: bool, memberships: &'static [Membership]) -> Parameter {
    let about = "A session: its object, its id, its GUID or its name.";
    let pipeline = FromPipeline::BOTH;
    Parameter { is_list, memberships, pipeline, ..named("Session", Kind::Session, about) }
}

/// `-Id`, one or several.
pub(super) const fn id(is_list: bool, memberships: &'static [Membership]) -> Parameter {
    let about = "The session's number.";
    let pipeline = FromPipeline::PROPERTY;
    Parameter { is_list, memberships, pipeline, ..named("Id", Kind::Integer(0, i32::MAX), about) }
}

/// `-InstanceId`, one or several.
pub(super) const fn instance_id(is_list: bool, memberships: &'static [Membership]) -> Parameter {
    let about = "The session's GUID.";
    let pipeline = FromPipeline::PROPERTY;
    Parameter { is_list, memberships, pipeline, ..named("InstanceId", Kind::Guid, about) }
}

/// `-Name`, one or several.
pub(super) const fn name(
    is_list: bool,
    memberships: &'static [Membership],
    about: &'static str,
) -> Parameter {
    let pipeline = FromPipeline::PROPERTY;
    Parameter { is_list, memberships, pipeline, ..named("Name", Kind::Text, about) }
}

/// `-WhatIf`.
pub(super) const fn what_if() -> Parameter {
    aliased("WhatIf", &["wi"], Kind::Switch, "Says what would be done, and does not do it.")
}

/// `-Confirm`.
pub(super) const fn confirm() -> Parameter {
    aliased("Confirm", &["cf"], Kind::Switch, "Asks before it is done.")
}
