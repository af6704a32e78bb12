//! `New-WSManSessionOption`: the options of connections without a session, which are some of those of sessions under other names.

use crate::command_error::CommandError;
use crate::powershell::binder::{Bound, Word};
use crate::powershell::cmdlets::NEW_CONNECTION_OPTION;
use crate::powershell::convert::convert;
use crate::powershell::sessions::options::SessionOptions;
use crate::powershell::table::Kind;
use crate::powershell::value::{Object, Value};

/// Properties of the object whose parameters have other names.
const PROPERTIES: &[(&str, &str)] = &[("UTF16", "UseUTF16")];
/// The property that is a parameter the other way round.
const USE_ENCRYPTION: &str = "UseEncryption";

/// The object with the options.
pub(in crate::powershell) fn object(bound: &Bound, proxy: Value) -> Value {
    let is_set = |name: &str| Value::Bool(bound.is_set(name));
    let integer = |name: &str| Value::Integer(bound.integer(name).unwrap_or(0));
    let text =
        |name: &str| bound.text(name).map_or(Value::Null, |text| Value::Text(text.to_owned()));
    let properties = [
        ("ProxyAccessType", text("ProxyAccessType")),
        ("ProxyAuthentication", text("ProxyAuthentication")),
        ("ProxyCredential", proxy),
        ("SkipCACheck", is_set("SkipCACheck")),
        ("SkipCNCheck", is_set("SkipCNCheck")),
        ("SkipRevocationCheck", is_set("SkipRevocationCheck")),
        ("SPNPort", integer("SPNPort")),
        ("OperationTimeout", integer("OperationTimeout")),
        (USE_ENCRYPTION, Value::Bool(!bound.is_set("NoEncryption"))),
        ("UTF16", is_set("UseUTF16")),
    ];
    let properties = properties.map(|(name, value)| (name.to_owned(), value)).into();
    let type_name = Kind::ConnectionOption.type_name().to_owned();
    Value::Object(Object { type_name, properties })
}

/// Reads the object, or a hashtable with its properties or the cmdlet's parameters.
///
/// # Errors
/// An option that there is not, or a value that it does not take.
pub(in crate::powershell) fn read(value: &Value) -> Result<SessionOptions, CommandError> {
    let Value::Object(object) = value else {
        return Err(CommandError::usage(format!("\"{}\" is no session option", value.text())));
    };
    let mut options = Vec::new();
    for (name, value) in &object.properties {
        if name.eq_ignore_ascii_case(USE_ENCRYPTION) {
            let is_off = matches!(value, Value::Bool(false));
            options.push(("NoEncryption".to_owned(), Value::Bool(is_off)));
        } else if !matches!(value, Value::Null) {
            options.extend(one(name, value)?);
        }
    }
    SessionOptions::read(&Value::hashtable(options))
}

/// An option as those of sessions have it; none where it says nothing.
fn one(name: &str, value: &Value) -> Result<Option<(String, Value)>, CommandError> {
    let renamed = PROPERTIES.iter().find(|(property, _)| property.eq_ignore_ascii_case(name));
    let known = renamed.map_or(name, |(_, parameter)| parameter);
    let mut parameters = NEW_CONNECTION_OPTION.parameters.iter();
    let found = parameters.find(|one| one.names().any(|alias| alias.eq_ignore_ascii_case(known)));
    let parameter = found.ok_or_else(|| {
        let names: Vec<&str> =
            NEW_CONNECTION_OPTION.parameters.iter().map(|one| one.name).collect();
        CommandError::usage(format!(
            "Cannot bind parameter 'SessionOption'. The {name} property was not found for the \
             Microsoft.WSMan.Management.SessionOption object. The available properties are: {}",
            names.join(", ")
        ))
    })?;
    let value = convert(parameter, Word::from(value.clone())).map_err(|error| {
        CommandError::usage(format!("-SessionOption: {}", error.message)).hints(error.hint)
    })?;
    let (name, value) = match (parameter.name, value) {
        ("SPNPort" | "OperationTimeout", Value::Integer(0)) => return Ok(None),
        ("SPNPort", _) => ("IncludePortInSPN", Value::Bool(true)),
        ("ProxyAccessType", Value::Text(text)) => {
            ("ProxyAccessType", Value::Text(text.trim_start_matches("Proxy").to_owned()))
        }
        (name, value) => (name, value),
    };
    Ok(Some((name.to_owned(), value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(json: &str) -> String {
        let value: Value = serde_json::from_str(json).unwrap();
        match read(&value) {
            Ok(options) => {
                String::from_utf8(options.to_value().json()).unwrap().trim_end().to_owned()
            }
            Err(error) => error.error().to_owned(),
        }
    }

    #[test]
    fn options_are_those_of_sessions_under_their_own_names() {
        for (json, expected) in [
            ("{}", "{}"),
            (
                r#"{"SkipCACheck":true,"skipcncheck":1,"OperationTimeout":5000,"SPNPort":5985}"#,
                r#"{"SkipCACheck":true,"SkipCNCheck":true,"OperationTimeout":5000,"IncludePortInSPN":true}"#,
            ),
            (
                r#"{"UseEncryption":false,"UTF16":true,"SPNPort":0,"OperationTimeout":0}"#,
                r#"{"NoEncryption":true,"UseUTF16":true}"#,
            ),
            (
                r#"{"ProxyAccessType":"ProxyNoProxyServer","ProxyAuthentication":"basic"}"#,
                r#"{"ProxyAccessType":"NoProxyServer","ProxyAuthentication":"Basic"}"#,
            ),
        ] {
            assert_eq!(told(json), expected, "{json}");
        }
        assert!(told(r#"{"IdleTimeout":1}"#).contains("IdleTimeout property was not found"));
        assert!(told(r#"{"OperationTimeout":"x"}"#).contains("OperationTimeout"));
    }
}
