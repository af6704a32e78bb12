//! `Get-Item`, `Get-ChildItem`, `Set-Item`, `New-Item` and `Remove-Item` on the drive `WSMan:`.

use super::connection::{confirm, what_if};
use super::{aliased, named};
use crate::powershell::table::{
    Action, Cmdlet, FromPipeline, Kind, Membership, Parameter, in_set, needed, needed_first,
};

/// What a path on the drive is.
const PATH: &str = "A path on the drive WSMan:, as WSMan:\\localhost\\Service\\Auth\\Basic, with or without wildcards; / stands for \
                    \\ too. localhost is this computer's service, another name a computer of Connect-WSMan.";
const SETS: &[&str] = &["Path", "LiteralPath"];

/// `-Path`, several.
const fn path(memberships: &'static [Membership]) -> Parameter {
    let pipeline = FromPipeline::BOTH;
    Parameter { is_list: true, memberships, pipeline, ..named("Path", Kind::Text, PATH) }
}

/// `-LiteralPath`, several: what objects of the drive bring through a pipe.
const fn literal_path(memberships: &'static [Membership]) -> Parameter {
    let about = "The same without wildcards: what the objects of the drive bring through a pipe.";
    let pipeline = FromPipeline::PROPERTY;
    let aliases = &["PSPath", "LP"];
    Parameter {
        is_list: true,
        memberships,
        pipeline,
        ..aliased("LiteralPath", aliases, Kind::Text, about)
    }
}

/// `-Force`.
const fn force(about: &'static str) -> Parameter {
    named("Force", Kind::Switch, about)
}

/// At the second position, optional.
const fn second(set: &'static str) -> Membership {
    Membership { position: Some(1), ..in_set(set) }
}

pub(super) const GET_ITEM: Cmdlet = Cmdlet {
    name: "Get-Item",
    aliases: &["gi"],
    synopsis: "Gets an item of the drive WSMan:",
    description: "Shows a setting of the WinRM service or client, or one of their containers. Other drives are not here.",
    sets: SETS,
    parameters: &[path(&[needed_first("Path")]), literal_path(&[needed("LiteralPath")])],
    examples: &[
        "Get-Item WSMan:\\localhost\\Service\\Auth\\Basic",
        "Get-Item -Path WSMan:\\localhost\\Client\\TrustedHosts",
        "(Get-Item WSMan:\\localhost\\Shell\\MaxShellsPerUser).Value",
    ],
    action: Action::GetItem,
};

pub(super) const GET_CHILD_ITEM: Cmdlet = Cmdlet {
    name: "Get-ChildItem",
    aliases: &["gci", "dir", "ls"],
    synopsis: "Gets what is in a container of the drive WSMan:",
    description: "Shows the settings and containers in a container. Without a path: the computers of the drive.",
    sets: SETS,
    parameters: &[
        path(&[Membership { position: Some(0), ..in_set("Path") }]),
        literal_path(&[needed("LiteralPath")]),
        aliased("Recurse", &["s"], Kind::Switch, "What is in the containers therein too."),
        named("Name", Kind::Switch, "Only the names."),
    ],
    examples: &[
        "Get-ChildItem WSMan:\\localhost",
        "dir WSMan:\\localhost\\Listener",
        "Get-ChildItem WSMan:\\localhost\\Plugin\\microsoft.powershell -Recurse",
    ],
    action: Action::GetChildItem,
};

pub(super) const SET_ITEM: Cmdlet = Cmdlet {
    name: "Set-Item",
    aliases: &["si"],
    synopsis: "Changes a setting on the drive WSMan:",
    description: "Changes a setting of the WinRM service or client; it takes effect at once. A wrong value is refused by the \
                  service, and so is one that the administrator's file sets.",
    sets: SETS,
    parameters: &[
        Parameter { pipeline: FromPipeline::PROPERTY, ..path(&[needed_first("Path")]) },
        literal_path(&[needed("LiteralPath")]),
        Parameter {
            memberships: &[second("Path"), second("LiteralPath")],
            pipeline: FromPipeline::BOTH,
            ..named("Value", Kind::Object, "The new value.")
        },
        named(
            "Concatenate",
            Kind::Switch,
            "Adds to the list of TrustedHosts in place of replacing it.",
        ),
        force(
            "Does not ask before TrustedHosts, RootSDDL or the security of a plug-in are changed.",
        ),
        what_if(),
        confirm(),
    ],
    examples: &[
        "Set-Item -Path WSMan:\\localhost\\Service\\Auth\\Basic -Value $true",
        "Set-Item WSMan:\\localhost\\Client\\TrustedHosts -Value server01 -Concatenate -Force",
        "Set-Item WSMan:\\localhost\\Plugin\\microsoft.powershell\\Quotas\\MaxShellsPerUser 10",
    ],
    action: Action::SetItem,
};

pub(super) const REMOVE_ITEM: Cmdlet = Cmdlet {
    name: "Remove-Item",
    aliases: &["ri", "rm", "rmdir", "del", "erase", "rd"],
    synopsis: "Removes an item of the drive WSMan:",
    description: "Removes a listener, the mapping of a client certificate, a plug-in or a part of one. A computer of Connect-WSMan \
                  is left.",
    sets: SETS,
    parameters: &[
        path(&[needed_first("Path")]),
        literal_path(&[needed("LiteralPath")]),
        named(
            "Recurse",
            Kind::Switch,
            "With what is in it; listeners, mappings and plug-ins go as a whole with or without it.",
        ),
        force("Is taken for scripts that have it; nothing is asked here without -Confirm."),
        what_if(),
        confirm(),
    ],
    examples: &[
        "Remove-Item -Path WSMan:\\localhost\\Listener\\* -Recurse -Force",
        "Get-ChildItem WSMan:\\localhost\\ClientCertificate | Remove-Item -Recurse",
    ],
    action: Action::RemoveItem,
};

pub(super) const NEW_ITEM: Cmdlet = Cmdlet {
    name: "New-Item",
    aliases: &["ni"],
    synopsis: "Makes a listener, a client certificate's mapping, or a plug-in on the drive WSMan:",
    description: "The path says what is made: WSMan:\\localhost\\Listener with -Address and -Transport, \
                  WSMan:\\localhost\\ClientCertificate with -Issuer, -Subject, -URI and -Credential, WSMan:\\localhost\\Plugin with \
                  -Plugin, -FileName, -Resource, -SDKVersion and -Capability, and below a plug-in its Resources, their Security and \
                  its InitializationParameters.",
    sets: &["Path"],
    parameters: &[
        Parameter { pipeline: FromPipeline::PROPERTY, ..path(&[needed_first("Path")]) },
        named("Address", Kind::Text, "A listener's address: *, IP:ADDRESS or MAC:ADDRESS."),
        named(
            "Transport",
            Kind::Choice("System.String", &["HTTP", "HTTPS"]),
            "A listener's transport.",
        ),
        named("Port", Kind::Integer(1, 65_535), "A listener's port, instead of 5985 or 5986."),
        named(
            "HostName",
            Kind::Text,
            "A listener's name of this computer, which its certificate must have.",
        ),
        named(
            "Enabled",
            Kind::Boolean,
            "Whether a listener or a mapping counts; $true by default.",
        ),
        named("URLPrefix", Kind::Text, "The path of a listener's address, instead of wsman."),
        named("CertificateThumbPrint", Kind::Text, "The certificate of a listener by https."),
        named(
            "Issuer",
            Kind::Text,
            "A mapping's authority: the thumbprint of whoever signed the client's certificate.",
        ),
        named(
            "Subject",
            Kind::Text,
            "A mapping's name in the client's certificate: User@Domain or *@Domain.",
        ),
        named("URI", Kind::Text, "The resources for which a mapping counts; * is each."),
        aliased(
            "Credential",
            &["cred"],
            Kind::Credential,
            "The account that a mapping logs in to.",
        ),
        named("Plugin", Kind::Text, "A plug-in's name."),
        named("FileName", Kind::Text, "A plug-in's file."),
        named(
            "SDKVersion",
            Kind::Text,
            "The version of the interface that a plug-in speaks: 1 or 2.",
        ),
        aliased("Resource", &["ResourceUri"], Kind::Text, "The URI of a plug-in's resource."),
        Parameter {
            is_list: true,
            ..named(
                "Capability",
                Kind::Text,
                "What a resource can: Get, Put, Create, Delete, Invoke, Enumerate, Subscribe, Shell.",
            )
        },
        named("XMLRenderingType", Kind::Text, "How a plug-in writes XML: text or XmlReader."),
        named("File", Kind::Text, "A file with the whole XML of a plug-in."),
        named("UseSharedProcess", Kind::Switch, "A plug-in's shells share a process."),
        named("AutoRestart", Kind::Switch, "A plug-in's process is started anew when it ended."),
        named(
            "ProcessIdleTimeoutSec",
            Kind::Integer(0, i32::MAX),
            "How long a plug-in's process stays without work.",
        ),
        named("RunAsCredential", Kind::Credential, "The account that a plug-in runs as."),
        named("ParamName", Kind::Text, "The name of an initialisation parameter of a plug-in."),
        named("ParamValue", Kind::AnyText, "Its value."),
        named("Sddl", Kind::Text, "Who may use a plug-in's resource, as a security descriptor."),
        force("Does not ask."),
        what_if(),
        confirm(),
    ],
    examples: &[
        "New-Item WSMan:\\localhost\\Listener -Address * -Transport HTTPS -CertificateThumbPrint $thumbprint -Force",
        "New-Item -Path WSMan:\\localhost\\ClientCertificate -Subject user@localhost -URI * -Issuer $thumbprint -Credential \
         $credential -Force",
    ],
    action: Action::NewItem,
};
