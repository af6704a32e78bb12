//! `ApplicationArguments`: what a session finds in `$PSSenderInfo`, as the protocol carries it.

use psrp::clixml::{Content, Fields, Object, TypeNames, Value as Remote};

use super::super::value::Value;
use crate::command_error::CommandError;

/// A dictionary of primitives, lists of them and such dictionaries.
///
/// # Errors
/// A value is nothing of the kind, by its key.
pub(super) fn dictionary(table: &Value) -> Result<Remote, CommandError> {
    let Value::Object(object) = table else { return Ok(Remote::Null) };
    let entry = |(key, value): &(String, Value)| {
        let value = primitive(value).ok_or_else(|| {
            CommandError::usage(format!(
                "ApplicationArguments: {key} is a {}, which a dictionary of primitives cannot have",
                value.type_name()
            ))
        })?;
        Ok((Remote::from(key.as_str()), value))
    };
    let entries = object.properties.iter().map(entry).collect::<Result<_, CommandError>>()?;
    let names = [
        "System.Management.Automation.PSPrimitiveDictionary",
        "System.Collections.Hashtable",
        "System.Object",
    ];
    Ok(Object::new(Fields {
        type_names: Some(TypeNames::new(names)),
        content: Content::Dictionary(entries),
        ..Fields::default()
    })
    .into())
}

fn primitive(value: &Value) -> Option<Remote> {
    if matches!(value, Value::Null) {
        return Some(Remote::Null);
    }
    if let Value::Integer(number) = value {
        let short = i32::try_from(*number).map(Remote::Int32);
        return Some(short.unwrap_or(Remote::Int64(*number)));
    }
    if let Value::List(values) = value {
        let items = values.iter().map(primitive).collect::<Option<_>>()?;
        return Some(Object::array("System.Object[]", items).into());
    }
    if let Value::Object(object) = value {
        return object.is_hashtable().then(|| dictionary(value).ok()).flatten();
    }
    if let Value::Text(text) = value {
        return Some(text.as_str().into());
    }
    if let Value::Real(number) = value {
        return Some((*number).into());
    }
    if let Value::Bool(is) = value { Some((*is).into()) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(json: &str) -> Result<Remote, String> {
        dictionary(&serde_json::from_str(json).unwrap()).map_err(|error| error.error().to_owned())
    }

    #[test]
    fn primitives_keep_their_types_and_the_rest_is_refused_by_key() {
        let made_of = made(r#"{"n":1,"big":4294967296,"t":"x","b":true,"l":[1],"h":{"k":null}}"#);
        let Remote::Object(object) = made_of.unwrap() else { panic!() };
        let entries = object.entries().unwrap();
        let value = |key: &str| {
            let found = entries.iter().find(|(known, _)| *known == Remote::from(key));
            found.unwrap().1.clone()
        };
        assert_eq!((value("n"), value("big")), (Remote::Int32(1), Remote::Int64(4_294_967_296)));
        assert_eq!((value("t"), value("b")), (Remote::from("x"), Remote::Bool(true)));
        assert!(value("h").as_object().is_some_and(|inner| inner.entries().is_some()));
        let error = made(r#"{"a":{"PSTypeName":"T"}}"#).unwrap_err();
        assert!(error.starts_with("ApplicationArguments: a is a T"), "{error}");
    }
}
