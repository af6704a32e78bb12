//! `ConvertTo-SecureString` and `New-Object`, as far as scripts need them to make an account with its password.

use super::named;
use crate::powershell::table::{Action, Cmdlet, FromPipeline, Kind, Membership, Parameter};

const fn at(position: u8, is_mandatory: bool) -> Membership {
    Membership { set: None, position: Some(position), is_mandatory }
}

pub(super) const TO_SECURE_STRING: Cmdlet = Cmdlet {
    name: "ConvertTo-SecureString",
    aliases: &[],
    synopsis: "Makes a SecureString of a text",
    description: "A SecureString is shown nowhere. Texts that were encrypted are not read: Windows keeps their key.",
    sets: &["PlainText"],
    parameters: &[
        Parameter {
            memberships: &[at(0, true)],
            pipeline: FromPipeline { value: true, property: false },
            ..named("String", Kind::Text, "The text. Whoever sees the command line sees it too.")
        },
        Parameter {
            memberships: &[Membership { set: None, position: None, is_mandatory: true }],
            ..named("AsPlainText", Kind::Switch, "The text is as it is typed.")
        },
        named("Force", Kind::Switch, "Is taken for scripts that have it."),
    ],
    examples: &["$password = ConvertTo-SecureString -String $text -AsPlainText -Force"],
    action: Action::ToSecureString,
};

pub(super) const NEW_OBJECT: Cmdlet = Cmdlet {
    name: "New-Object",
    aliases: &[],
    synopsis: "Makes an account with its password",
    description: "Knows the type System.Management.Automation.PSCredential and no other.",
    sets: &["Net"],
    parameters: &[
        Parameter {
            memberships: &[at(0, true)],
            ..named(
                "TypeName",
                Kind::Text,
                "PSCredential, or System.Management.Automation.PSCredential.",
            )
        },
        Parameter {
            is_list: true,
            memberships: &[at(1, false)],
            ..super::aliased(
                "ArgumentList",
                &["Args"],
                Kind::Object,
                "The user name, and the password as a SecureString.",
            )
        },
    ],
    examples: &[
        "$credential = New-Object System.Management.Automation.PSCredential -ArgumentList $user, $password",
    ],
    action: Action::NewObject,
};
