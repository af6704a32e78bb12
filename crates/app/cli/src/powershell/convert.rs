//! Makes of a value what a parameter needs, or says in PowerShell's words why that cannot be.

use super::binder::{BindError, Word};
use super::syntax::{Element, Expression, Statement};
use super::table::{Kind, Parameter};
use super::value::{CREDENTIAL, Object, Value};
use super::{literals, parser};

/// The longest name of a culture, Windows's `LOCALE_NAME_MAX_LENGTH` without its end.
const MAX_CULTURE: usize = 84;

/// Whether a value is what a parameter needs before anything is made of it: such parameters are preferred.
pub(super) fn is_natural(parameter: &Parameter, value: &Value) -> bool {
    match (parameter.kind, value) {
        (Kind::Object, _) => true,
        (_, Value::Remote(remote)) => is_natural(parameter, &remote.plain()),
        (_, Value::List(values)) if parameter.is_list => {
            values.iter().all(|value| is_natural(parameter, value))
        }
        (Kind::Switch | Kind::Boolean, Value::Bool(_))
        | (Kind::Text | Kind::AnyText, Value::Text(_))
        | (Kind::Integer(..) | Kind::Number, Value::Integer(_))
        | (Kind::Number, Value::Real(_)) => true,
        (Kind::Table | Kind::Hashtable, Value::Object(object)) => object.is_hashtable(),
        (
            Kind::SessionOption | Kind::ConnectionOption | Kind::TransportOption | Kind::Session,
            Value::Object(object),
        ) => object.type_name == parameter.kind.type_name(),
        (Kind::ScriptBlock, Value::ScriptBlock(_)) => true,
        (Kind::Credential, Value::Object(object)) => object.type_name == CREDENTIAL,
        _ => false,
    }
}

/// Makes of a value what the parameter needs.
///
/// # Errors
/// It is nothing such.
pub(super) fn convert(parameter: &Parameter, word: Word) -> Result<Value, BindError> {
    let word = nearer(parameter, word);
    if !parameter.is_list {
        return one(parameter, word);
    }
    let words: Vec<Word> = match (word.value, word.literal) {
        (Value::List(values), _) => values.into_iter().map(Word::from).collect(),
        (_, Some(text)) if word.is_from_shell => text.split(',').map(Word::from_shell).collect(),
        (value, literal) => vec![Word { value, literal, is_from_shell: word.is_from_shell }],
    };
    if words.is_empty() {
        return Err(BindError::new(format!(
            "Cannot bind argument to parameter '{}' because it is an empty array.",
            parameter.name
        )));
    }
    words.into_iter().map(|word| one(parameter, word)).collect::<Result<_, _>>().map(Value::List)
}

/// What came from a host is taken for what it stands for, unless the parameter takes anything.
fn nearer(parameter: &Parameter, word: Word) -> Word {
    let plain = if let Value::Remote(remote) = &word.value { Some(remote.plain()) } else { None };
    match plain.filter(|_| parameter.kind != Kind::Object) {
        Some(value) => Word { value, ..word },
        None => word,
    }
}

fn one(parameter: &Parameter, word: Word) -> Result<Value, BindError> {
    let word = nearer(parameter, word);
    let name = parameter.name;
    match (parameter.kind, &word.value) {
        (Kind::Switch, _) => switch(parameter, &word.value),
        (Kind::Object, _) => Ok(word.value),
        (_, Value::Null) => Err(BindError::new(format!(
            "Cannot bind argument to parameter '{name}' because it is null."
        ))),
        (Kind::AnyText, Value::Text(_))
            if word.literal.as_deref().unwrap_or_default().is_empty() =>
        {
            Ok(word.value)
        }
        (Kind::Text | Kind::AnyText, _) => text(parameter, &word).map(Value::Text),
        (Kind::Boolean, value) => boolean(parameter, value),
        (Kind::Number, _) => number(parameter, &word),
        (Kind::Integer(first, last), _) => {
            integer(parameter, &word, i64::from(first), i64::from(last))
        }
        (Kind::Choice(_, choices), _) => choice(parameter, &text(parameter, &word)?, choices),
        (Kind::Culture, _) => culture(parameter, text(parameter, &word)?),
        (Kind::Credential, Value::Object(object)) => match object.property("UserName") {
            Some(Value::Text(user)) if !user.is_empty() => {
                Ok(Value::Object(credential(user, object)))
            }
            _ => Err(no_type(parameter, &word.value)),
        },
        (Kind::Credential, _) => text(parameter, &word).map(Value::Text),
        (Kind::Table | Kind::Hashtable, Value::Object(object)) => {
            Ok(Value::hashtable(object.properties.clone()))
        }
        (
            Kind::SessionOption | Kind::ConnectionOption | Kind::TransportOption,
            Value::Object(object),
        ) if object.is_hashtable() || object.type_name == parameter.kind.type_name() => {
            Ok(word.value)
        }
        (
            Kind::Table
            | Kind::Hashtable
            | Kind::SessionOption
            | Kind::ConnectionOption
            | Kind::TransportOption,
            Value::Text(text),
        ) => table(text).ok_or_else(|| {
            no_type(parameter, &word.value).hint("write @{key=value} or key=value;key=value")
        }),
        (
            Kind::Table
            | Kind::Hashtable
            | Kind::SessionOption
            | Kind::ConnectionOption
            | Kind::TransportOption,
            _,
        ) => Err(no_type(parameter, &word.value)),
        (Kind::Guid, _) => guid(parameter, &text(parameter, &word)?),
        (Kind::ScriptBlock, Value::ScriptBlock(_)) => Ok(word.value),
        (Kind::ScriptBlock, value) if word.is_from_shell => {
            // A shell has no blocks: whatever stands there is one.
            Ok(Value::ScriptBlock(word.literal.clone().unwrap_or_else(|| value.text())))
        }
        (Kind::ScriptBlock, _) => Err(no_type(parameter, &word.value)),
        (Kind::Session, Value::Object(object)) => match object.property("InstanceId") {
            Some(Value::Text(_)) => Ok(word.value),
            _ => Err(no_type(parameter, &word.value)),
        },
        (Kind::Session, Value::Integer(_)) => Ok(word.value),
        (Kind::Session, _) => text(parameter, &word).map(Value::Text),
    }
}

/// With or without braces, as .NET reads it.
fn guid(parameter: &Parameter, text: &str) -> Result<Value, BindError> {
    uuid::Uuid::try_parse(text.trim()).map(|guid| Value::Text(guid.to_string())).map_err(|_| {
        BindError::new(format!(
            "Cannot bind parameter '{}'. Cannot convert value \"{text}\" to type \"System.Guid\". Error: \"Unrecognized Guid \
             format.\"",
            parameter.name
        ))
    })
}

/// An account keeps its password, or is one that has to be asked for.
fn credential(user: &str, object: &Object) -> Object {
    let mut properties = vec![("UserName".to_owned(), Value::Text(user.to_owned()))];
    if let Some(password @ Value::Secret(_)) = object.property("Password") {
        properties.push(("Password".to_owned(), password.clone()));
    }
    Object { type_name: CREDENTIAL.to_owned(), properties }
}

fn switch(parameter: &Parameter, value: &Value) -> Result<Value, BindError> {
    if let Value::Bool(_) = value {
        return Ok(value.clone());
    }
    if let Value::Integer(number) = value {
        return Ok(Value::Bool(*number != 0));
    }
    Err(BindError::new(format!(
        "Cannot bind parameter '{}'. Cannot convert value \"{}\" to type \"{}\". Boolean parameters accept only Boolean \
         values and numbers, such as $True, $False, 1 or 0.",
        parameter.name,
        value.text(),
        parameter.kind.type_name()
    )))
}

/// `$true`, `$false` and numbers as PowerShell takes them; from a shell the words too.
fn boolean(parameter: &Parameter, value: &Value) -> Result<Value, BindError> {
    if let Value::Text(text) = value
        && let Some(is) = [("true", true), ("false", false)]
            .into_iter()
            .find_map(|(word, is)| text.eq_ignore_ascii_case(word).then_some(is))
    {
        return Ok(Value::Bool(is));
    }
    switch(parameter, value)
}

/// A number with or without a fraction.
fn number(parameter: &Parameter, word: &Word) -> Result<Value, BindError> {
    let found = if let Value::Text(text) = &word.value {
        match literals::number(text.trim()) {
            Some(Expression::Integer { value, .. }) => Value::Integer(value),
            Some(Expression::Real { value, .. }) => Value::Real(value),
            _ => word.value.clone(),
        }
    } else {
        word.value.clone()
    };
    let is_one = matches!(&found, Value::Integer(number) if *number >= 0)
        || matches!(&found, Value::Real(number) if number.is_finite() && *number >= 0.0);
    if is_one {
        return Ok(found);
    }
    Err(BindError::new(format!(
        "Cannot bind parameter '{}'. Cannot convert value \"{}\" to type \"System.Double\".",
        parameter.name,
        word.value.text()
    )))
}

fn text(parameter: &Parameter, word: &Word) -> Result<String, BindError> {
    let text = match (&word.literal, &word.value) {
        (Some(literal), _) => literal.clone(),
        (
            None,
            Value::List(_)
            | Value::Object(_)
            | Value::ScriptBlock(_)
            | Value::Secret(_)
            | Value::Null,
        ) => {
            return Err(no_type(parameter, &word.value));
        }
        (None, value) => value.text(),
    };
    if text.is_empty() {
        let message = format!(
            "Cannot bind argument to parameter '{}' because it is an empty string.",
            parameter.name
        );
        return Err(BindError::new(message));
    }
    Ok(text)
}

fn integer(parameter: &Parameter, word: &Word, first: i64, last: i64) -> Result<Value, BindError> {
    let failed = |shown: &str, why: &str| {
        BindError::new(format!(
            "Cannot bind parameter '{}'. Cannot convert value \"{shown}\" to type \"System.Int32\". Error: \"{why}\"",
            parameter.name
        ))
    };
    let no_number = |shown: &str| {
        failed(shown, &format!("The input string '{shown}' was not in a correct format."))
    };
    let number = if let Value::Integer(number) = &word.value {
        *number
    } else if let Value::Text(text) = &word.value {
        let Some(Expression::Integer { value, .. }) = literals::number(text.trim()) else {
            return Err(no_number(text));
        };
        value
    } else if let Value::Real(number) = &word.value {
        return Err(no_number(&number.to_string()));
    } else {
        return Err(no_type(parameter, &word.value));
    };
    if i32::try_from(number).is_err() {
        return Err(failed(
            &number.to_string(),
            "Value was either too large or too small for an Int32.",
        ));
    }
    let (side, other, bound) = if number > last {
        ("greater than the maximum", "less", last)
    } else if number < first {
        ("less than the minimum", "greater", first)
    } else {
        return Ok(Value::Integer(number));
    };
    Err(BindError::new(format!(
        "Cannot validate argument on parameter '{}'. The {number} argument is {side} allowed range of {bound}. Supply an \
         argument that is {other} than or equal to {bound} and then try the command again.",
        parameter.name
    )))
}

fn choice(parameter: &Parameter, text: &str, choices: &[&str]) -> Result<Value, BindError> {
    let exact = choices.iter().find(|choice| choice.eq_ignore_ascii_case(text));
    let begins = |choice: &&&str| {
        choice.get(..text.len()).is_some_and(|head| head.eq_ignore_ascii_case(text))
    };
    let mut found = choices.iter().filter(begins);
    let only = found.next().filter(|_| found.next().is_none());
    if let Some(choice) = exact.or(only) {
        return Ok(Value::Text((*choice).to_owned()));
    }
    Err(BindError::new(format!(
        "Cannot bind parameter '{}'. Cannot convert value \"{text}\" to type \"{}\". Error: \"Unable to match the identifier \
         name {text} to a valid enumerator name. Specify one of the following enumerator names and try again:\n{}\"",
        parameter.name,
        parameter.kind.type_name(),
        choices.join(", ")
    )))
}

fn culture(parameter: &Parameter, text: String) -> Result<Value, BindError> {
    let is_subtag = |part: &str| {
        matches!(part.len(), 1..=8) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    if text.len() <= MAX_CULTURE && text.split('-').all(is_subtag) {
        return Ok(Value::Text(text));
    }
    Err(BindError::new(format!(
        "Cannot bind parameter '{}'. Cannot convert value \"{text}\" to type \"{}\". Error: \"Culture is not supported. {text} \
         is an invalid culture identifier.\"",
        parameter.name,
        parameter.kind.type_name()
    )))
}

/// Reads `@{key = value; …}` of plain values, or `key=value;key=value`.
fn table(text: &str) -> Option<Value> {
    if text.trim_start().starts_with("@{") {
        let script = parser::parse(text).ok()?;
        let [Statement::Run { target: None, pipeline, redirection: None }] =
            script.statements.as_slice()
        else {
            return None;
        };
        return match pipeline.elements.as_slice() {
            [Element::Expression(expression @ Expression::Hashtable(_))] => constant(expression),
            _ => None,
        };
    }
    let mut properties: Vec<(String, Value)> = Vec::new();
    for pair in text.split(';').filter(|pair| !pair.trim().is_empty()) {
        let (key, value) = pair.split_once('=')?;
        let key = key.trim();
        if key.is_empty() || properties.iter().any(|(earlier, _)| earlier.eq_ignore_ascii_case(key))
        {
            return None;
        }
        properties.push((key.to_owned(), Word::from_shell(value.trim()).value));
    }
    (!properties.is_empty()).then(|| Value::hashtable(properties))
}

/// The value of an expression without variables and commands.
fn constant(expression: &Expression) -> Option<Value> {
    Some(match expression {
        Expression::Integer { value, .. } => Value::Integer(*value),
        Expression::Real { value, .. } => Value::Real(*value),
        Expression::Text(text) => Value::Text(text.clone()),
        Expression::Variable(name) => return constant_variable(name),
        Expression::List(items) => Value::List(items.iter().map(constant).collect::<Option<_>>()?),
        Expression::Hashtable(entries) => {
            let value = |(key, value): &(String, Expression)| Some((key.clone(), constant(value)?));
            Value::hashtable(entries.iter().map(value).collect::<Option<_>>()?)
        }
        Expression::Range(..)
        | Expression::Template(_)
        | Expression::Member(..)
        | Expression::ScriptBlock(_)
        | Expression::Parentheses(_) => return None,
    })
}

/// `$null`, `$true` and `$false`.
pub(crate) fn constant_variable(name: &str) -> Option<Value> {
    Some(match name.to_ascii_lowercase().as_str() {
        "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => return None,
    })
}

fn no_type(parameter: &Parameter, value: &Value) -> BindError {
    let found = value.type_name();
    BindError::new(format!(
        "Cannot convert '{found}' to the type '{}' required by parameter '{}'. Specified method is not supported.",
        parameter.kind.type_name(),
        parameter.name
    ))
}
