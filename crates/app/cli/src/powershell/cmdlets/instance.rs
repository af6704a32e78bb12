//! `Get-`, `Set-`, `New-` and `Remove-WSManInstance` and `Invoke-WSManAction`: operations on any resource of a host.

use super::{aliased, named};
use crate::powershell::table::{
    Action, Cmdlet, FromPipeline, Kind, Membership, NAMED, Parameter, in_set, needed_first,
};

/// The logins of these cmdlets.
pub(super) const AUTHENTICATION: Kind = Kind::Choice(
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
);

const COMPUTER: &[Membership] = &[in_set("ComputerName")];
const URI: &[Membership] = &[in_set("URI")];

/// `-ComputerName`.
pub(super) const fn computer_name(memberships: &'static [Membership]) -> Parameter {
    let about = "A name or an address ([…] around IPv6). Without it, and for localhost and `.`: the service of this computer, through \
                 its private socket, where no other parameter says how to connect.";
    let pipeline = FromPipeline::PROPERTY;
    Parameter { memberships, pipeline, ..aliased("ComputerName", &["cn"], Kind::Text, about) }
}

/// `-ApplicationName`.
pub(super) const fn application_name(memberships: &'static [Membership]) -> Parameter {
    let about = "The path of the service's address, instead of wsman.";
    Parameter { memberships, ..named("ApplicationName", Kind::Text, about) }
}

/// `-Port`.
pub(super) const fn port(memberships: &'static [Membership]) -> Parameter {
    let about = "The port, instead of 5985 (5986 with -UseSSL).";
    Parameter { memberships, ..named("Port", Kind::Integer(1, 65_535), about) }
}

/// `-UseSSL`.
pub(super) const fn use_ssl(memberships: &'static [Membership]) -> Parameter {
    Parameter { memberships, ..aliased("UseSSL", &["ssl"], Kind::Switch, "Connects by https.") }
}

/// `-ConnectionURI`.
pub(super) const fn connection_uri(memberships: &'static [Membership]) -> Parameter {
    let about = "The address of the service: http[s]://HOST[:PORT]/wsman. Without a port it means 80 or 443.";
    Parameter { memberships, ..aliased("ConnectionURI", &["CURI", "CU"], Kind::Text, about) }
}

/// `-Credential`.
pub(super) const fn credential() -> Parameter {
    let about = "The account: User01, Domain01\\User01 or User@Domain.com. The password is asked for, or taken from the variable \
                 TRANSOM_PASSWORD. Without it: you, by your Kerberos tickets, else by name.";
    aliased("Credential", &["cred", "c"], Kind::Credential, about)
}

/// `-Authentication`.
pub(super) const fn authentication() -> Parameter {
    let about = "How to log in. Default and Negotiate let both sides agree: Kerberos where a ticket can be had, else NTLM. Kerberos \
                 does not negotiate. Credssp gives the host the password, if client.toml allows it. Basic shows the password to \
                 whoever sees the messages, Digest only the messages. ClientCertificate is what -CertificateThumbprint alone means.";
    aliased("Authentication", &["auth", "am"], AUTHENTICATION, about)
}

/// `-CertificateThumbprint`.
pub(super) const fn certificate_thumbprint() -> Parameter {
    let about = "Logs in by the certificate with this thumbprint in ~/.config/transom/certificates, over https; instead of \
                 -Credential and -Authentication.";
    named("CertificateThumbprint", Kind::Text, about)
}

/// `-SessionOption`.
pub(super) const fn session_option() -> Parameter {
    let about = "The connection's options: an object of New-WSManSessionOption, @{…}, or key=value;key=value.";
    aliased("SessionOption", &["so"], Kind::ConnectionOption, about)
}

/// `-OptionSet`.
pub(super) const fn option_set() -> Parameter {
    let about = "What the resource is told beside its name: @{…}, or key=value;key=value.";
    aliased("OptionSet", &["os"], Kind::Hashtable, about)
}

const fn resource_uri() -> Parameter {
    let about = "The resource: its URI, or one with an alias (winrm/config/listener, wmicimv2/…, shell/cmd); behind `?` its selectors, \
                 as NAME=VALUE+NAME=VALUE.";
    const FIRST: &[Membership] = &[needed_first("ComputerName"), needed_first("URI")];
    Parameter {
        memberships: FIRST,
        pipeline: FromPipeline::PROPERTY,
        ..aliased("ResourceURI", &["ruri"], Kind::Text, about)
    }
}

const fn selector_set(memberships: &'static [Membership]) -> Parameter {
    let about = "Which instance of the resource: @{…}, or key=value;key=value.";
    let pipeline = FromPipeline::BOTH;
    Parameter { memberships, pipeline, ..named("SelectorSet", Kind::Hashtable, about) }
}

const fn value_set() -> Parameter {
    let about = "What the resource or the action is given: @{…}, or key=value;key=value.";
    named("ValueSet", Kind::Hashtable, about)
}

const fn file_path() -> Parameter {
    let about = "A file with the whole XML of what the resource or the action is given, in place of -ValueSet.";
    aliased("FilePath", &["Path"], Kind::Text, about)
}

const fn fragment() -> Parameter {
    named(
        "Fragment",
        Kind::Text,
        "Only this part of the resource: a path in XPath, as `Auth/Basic`.",
    )
}

const fn dialect(about: &'static str) -> Parameter {
    named("Dialect", Kind::Text, about)
}

const SETS: &[&str] = &["ComputerName", "URI"];
const FRAGMENTS: &str = "The language of -Fragment: a URI; XPath by default.";
/// Selectors at the second position.
const MAY_SELECT: &[Membership] = &[
    Membership { position: Some(1), ..in_set("ComputerName") },
    Membership { position: Some(1), ..in_set("URI") },
];
const MUST_SELECT: &[Membership] = &[
    Membership { position: Some(1), is_mandatory: true, set: Some("ComputerName") },
    Membership { position: Some(1), is_mandatory: true, set: Some("URI") },
];

pub(super) const GET_INSTANCE: Cmdlet = {
    const ENUMERATE: &[Membership] = &[in_set("Enumerate")];
    Cmdlet {
        name: "Get-WSManInstance",
        aliases: &[],
        synopsis: "Gets a resource of a computer, or all of one kind",
        description: "Asks the service for a resource by WS-Management, or with -Enumerate for its instances. The objects are XML \
                      elements.",
        sets: &["GetInstance", "Enumerate"],
        parameters: &[
            application_name(NAMED),
            Parameter {
                memberships: ENUMERATE,
                ..aliased(
                    "BasePropertiesOnly",
                    &["UBPO", "Base"],
                    Kind::Switch,
                    "Instances of derived classes have the properties of the class that was asked for only.",
                )
            },
            computer_name(NAMED),
            connection_uri(NAMED),
            dialect("The language of -Fragment or -Filter: a URI, or WQL, selector, association."),
            Parameter {
                memberships: &[Membership { is_mandatory: true, ..in_set("Enumerate") }],
                ..named("Enumerate", Kind::Switch, "Gets every instance.")
            },
            Parameter {
                memberships: ENUMERATE,
                ..named(
                    "Filter",
                    Kind::Text,
                    "Only the instances that this finds, in the language of -Dialect; WQL by default.",
                )
            },
            Parameter { memberships: &[in_set("GetInstance")], ..fragment() },
            option_set(),
            port(NAMED),
            Parameter {
                memberships: ENUMERATE,
                ..named(
                    "Associations",
                    Kind::Switch,
                    "Gets the associations themselves, where the filter is one of associations.",
                )
            },
            Parameter {
                memberships: &[needed_first("GetInstance"), needed_first("Enumerate")],
                ..resource_uri()
            },
            Parameter {
                memberships: ENUMERATE,
                ..aliased(
                    "ReturnType",
                    &["RT"],
                    Kind::Choice("System.String", &["object", "epr", "objectandepr"]),
                    "What is got: the instances (the default), where they are, or both.",
                )
            },
            selector_set(&[in_set("GetInstance")]),
            session_option(),
            Parameter {
                memberships: ENUMERATE,
                ..named("Shallow", Kind::Switch, "Without the instances of derived classes.")
            },
            use_ssl(NAMED),
            credential(),
            authentication(),
            certificate_thumbprint(),
        ],
        examples: &[
            "Get-WSManInstance winrm/config",
            "Get-WSManInstance winrm/config/listener -SelectorSet @{Address='*';Transport='http'}",
            "Get-WSManInstance -Enumerate winrm/config/listener -ComputerName server01 -Credential User01",
            "Get-WSManInstance winrm/config/service -Fragment Auth/Basic",
        ],
        action: Action::GetInstance,
    }
};

pub(super) const SET_INSTANCE: Cmdlet = Cmdlet {
    name: "Set-WSManInstance",
    aliases: &[],
    synopsis: "Changes a resource of a computer",
    description: "Gets the resource, changes what -ValueSet names, and puts it back; or puts what the file of -FilePath has. Brings the \
                  resource as it is then.",
    sets: SETS,
    parameters: &[
        application_name(COMPUTER),
        computer_name(COMPUTER),
        connection_uri(URI),
        dialect(FRAGMENTS),
        file_path(),
        fragment(),
        option_set(),
        port(COMPUTER),
        resource_uri(),
        selector_set(MAY_SELECT),
        session_option(),
        use_ssl(COMPUTER),
        value_set(),
        credential(),
        authentication(),
        certificate_thumbprint(),
    ],
    examples: &[
        "Set-WSManInstance winrm/config/service/auth -ValueSet @{Basic='true'}",
        "Set-WSManInstance winrm/config/listener -SelectorSet @{Address='*';Transport='https'} -ValueSet @{Enabled='false'}",
    ],
    action: Action::SetInstance,
};

pub(super) const NEW_INSTANCE: Cmdlet = Cmdlet {
    name: "New-WSManInstance",
    aliases: &[],
    synopsis: "Makes a resource on a computer",
    description: "Makes an instance of the resource from -ValueSet or a file, and brings where it is.",
    sets: SETS,
    parameters: &[
        application_name(COMPUTER),
        computer_name(COMPUTER),
        connection_uri(URI),
        file_path(),
        option_set(),
        port(COMPUTER),
        resource_uri(),
        selector_set(MUST_SELECT),
        session_option(),
        use_ssl(COMPUTER),
        value_set(),
        credential(),
        authentication(),
        certificate_thumbprint(),
    ],
    examples: &[
        "New-WSManInstance winrm/config/Listener -SelectorSet @{Transport='HTTPS';Address='*'} -ValueSet \
         @{Hostname='server01';CertificateThumbprint='…'}",
    ],
    action: Action::NewInstance,
};

pub(super) const REMOVE_INSTANCE: Cmdlet = Cmdlet {
    name: "Remove-WSManInstance",
    aliases: &[],
    synopsis: "Removes a resource of a computer",
    description: "Removes the instance that the selectors mean.",
    sets: SETS,
    parameters: &[
        application_name(COMPUTER),
        computer_name(COMPUTER),
        connection_uri(URI),
        option_set(),
        port(COMPUTER),
        resource_uri(),
        selector_set(MUST_SELECT),
        session_option(),
        use_ssl(COMPUTER),
        credential(),
        authentication(),
        certificate_thumbprint(),
    ],
    examples: &[
        "Remove-WSManInstance winrm/config/Listener -SelectorSet @{Address='*';Transport='HTTPS'}",
    ],
    action: Action::RemoveInstance,
};

pub(super) const INVOKE_ACTION: Cmdlet = Cmdlet {
    name: "Invoke-WSManAction",
    aliases: &[],
    synopsis: "Calls a method of a resource on a computer",
    description: "Calls the method with what -ValueSet or a file has, and brings its answer.",
    sets: &["URI", "ComputerName"],
    parameters: &[
        Parameter {
            memberships: &[
                Membership { position: Some(1), is_mandatory: true, set: Some("URI") },
                Membership { position: Some(1), is_mandatory: true, set: Some("ComputerName") },
            ],
            ..named("Action", Kind::Text, "The method.")
        },
        application_name(COMPUTER),
        computer_name(COMPUTER),
        connection_uri(URI),
        file_path(),
        option_set(),
        port(COMPUTER),
        selector_set(&[
            Membership { position: Some(2), ..in_set("URI") },
            Membership { position: Some(2), ..in_set("ComputerName") },
        ]),
        session_option(),
        use_ssl(COMPUTER),
        value_set(),
        resource_uri(),
        credential(),
        authentication(),
        certificate_thumbprint(),
    ],
    examples: &["Invoke-WSManAction -Action Restore -ResourceURI winrm/config -ValueSet @{}"],
    action: Action::InvokeMethod,
};
