//! `ConvertTo-SecureString`, `New-Object`, `New-PSTransportOption`: objects for other cmdlets.

use auth::Secret;

use super::super::binder::Bound;
use super::super::table::Kind;
use super::super::value::{CREDENTIAL, Object, Value};
use super::sessions::each;
use crate::command_error::CommandError;

/// `ConvertTo-SecureString`.
///
/// # Errors
/// The text is not said to be plain.
pub(super) fn secure_string(bound: &Bound) -> Result<Value, CommandError> {
    if !bound.is_set("AsPlainText") {
        return Err(CommandError::usage("texts that were encrypted are not read")
            .hint("add -AsPlainText -Force where the text is as it is typed"));
    }
    Ok(Value::Secret(Secret::from(bound.text("String").unwrap_or_default().to_owned())))
}

/// `New-Object`.
///
/// # Errors
/// A type that is not here, or arguments that it does not take.
pub(super) fn new(bound: &Bound) -> Result<Value, CommandError> {
    let name = bound.text("TypeName").unwrap_or_default();
    let is_credential = ["PSCredential", CREDENTIAL, "Management.Automation.PSCredential"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name));
    if !is_credential {
        return Err(CommandError::usage(format!(
            "Cannot find type [{name}]: verify that the assembly containing this type is loaded."
        ))
        .hint("here there is System.Management.Automation.PSCredential"));
    }
    let arguments = bound.value("ArgumentList").map(each).unwrap_or_default();
    let [user, Value::Secret(password)] = arguments.as_slice() else {
        return Err(CommandError::usage(
            "an account is made of a user name and a password as SecureString",
        )
        .hint("-ArgumentList $user, (ConvertTo-SecureString $text -AsPlainText -Force)"));
    };
    let user = user.text();
    if user.is_empty() {
        return Err(CommandError::usage("the user name is empty"));
    }
    let properties = vec![
        ("UserName".to_owned(), Value::Text(user)),
        ("Password".to_owned(), Value::Secret(password.clone())),
    ];
    Ok(Value::Object(Object { type_name: CREDENTIAL.to_owned(), properties }))
}

/// `New-PSTransportOption`: what is not given is null, and stays as it is.
pub(super) fn transport_option(bound: &Bound) -> Value {
    let parameters = bound.cmdlet.parameters.iter();
    let properties = parameters.map(|parameter| {
        (parameter.name.to_owned(), bound.value(parameter.name).cloned().unwrap_or(Value::Null))
    });
    let type_name = Kind::TransportOption.type_name().to_owned();
    Value::Object(Object { type_name, properties: properties.collect() })
}
