//! PowerShell's spelling: whatever a text is, it is read or refused at a place inside it; what was read and written out
//! again is read as the same; and what the binder gives a cmdlet is of the parameter's kind.
#![cfg_attr(not(test), no_main)]

#[cfg(not(test))]
#[path = "../support/powershell.rs"]
mod powershell;

use std::fmt::Write as _;

use crate::powershell::binder::{self, Bound, Given, Word};
use crate::powershell::syntax::{
    Argument, Element, Expression, Part, Pipeline, Script, Statement, is_double_quote,
    is_single_quote,
};
use crate::powershell::table::{Cmdlet, Kind, Parameter};
use crate::powershell::value::Value;
use crate::powershell::{argv, cmdlets, convert, parser};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

/// A script; behind a NUL, an object for the pipe in JSON.
pub(crate) fn run(bytes: &[u8]) {
    let mut halves = bytes.splitn(2, |&byte| byte == 0);
    let source = String::from_utf8_lossy(halves.next().unwrap_or_default()).into_owned();
    let input: Option<Value> = halves.next().and_then(|json| serde_json::from_slice(json).ok());
    if let Some(input) = &input {
        let again: Value = serde_json::from_slice(&input.json()).expect("JSON of ours is JSON");
        assert_eq!(again.json(), input.json());
    }
    words(&source, input.as_ref());
    let script = match parser::parse(&source) {
        Ok(script) => script,
        Err(error) => {
            let range = error.place.clone();
            assert!(source.get(range.clone()).is_some(), "{range:?} is inside");
            assert!(
                !error.message.is_empty() && error.explain(&source, 0).contains(&error.message)
            );
            return;
        }
    };
    let written = source_of(&script);
    let again = parser::parse(&written).unwrap_or_else(|error| panic!("{written:?}: {error:?}"));
    assert_eq!(source_of(&again), written);
    for statement in &script.statements {
        let Statement::Run { pipeline, .. } = statement else { continue };
        for element in &pipeline.elements {
            let Element::Command(command) = element else { continue };
            let Some(cmdlet) = cmdlets::find(&command.name) else { continue };
            bind(cmdlet, command.arguments.iter().filter_map(given).collect(), input.as_ref());
        }
    }
}

/// The same text as a shell's words.
fn words(source: &str, input: Option<&Value>) {
    let mut words = source.split_whitespace().map(str::to_owned);
    let Some(cmdlet) = words.next().and_then(|name| cmdlets::find(&name)) else { return };
    bind(cmdlet, argv::read(&words.collect::<Vec<_>>()).given, input);
}

fn bind(cmdlet: &'static Cmdlet, given: Vec<Given>, input: Option<&Value>) {
    let line = match binder::bind(cmdlet, given) {
        Ok(line) => line,
        Err(error) => return assert!(!error.message.is_empty()),
    };
    let takes_input = line.takes_input();
    if let Some(input) = input {
        match line.with_input(input) {
            Ok(bound) => {
                assert!(takes_input);
                check(&bound);
            }
            Err(error) => assert!(!error.message.is_empty()),
        }
    }
    match line.finish() {
        Ok(bound) => check(&bound),
        Err(error) => assert!(!error.message.is_empty()),
    }
}

fn check(bound: &Bound) {
    for parameter in bound.cmdlet.all() {
        let Some(value) = bound.value(parameter.name) else { continue };
        match value {
            Value::List(values) if parameter.is_list => {
                values.iter().for_each(|value| is_of(parameter, value))
            }
            value => is_of(parameter, value),
        }
    }
}

fn is_of(parameter: &Parameter, value: &Value) {
    let fits = match (parameter.kind, value) {
        (Kind::Switch, Value::Bool(_)) => true,
        (Kind::Text | Kind::Culture | Kind::Credential, Value::Text(text)) => !text.is_empty(),
        (Kind::Choice(_, choices), Value::Text(text)) => choices.contains(&text.as_str()),
        (Kind::Integer(first, last), Value::Integer(number)) => {
            (i64::from(first)..=i64::from(last)).contains(number)
        }
        (Kind::Credential, Value::Object(object)) => object.property("UserName").is_some(),
        (Kind::Table, Value::Object(object)) => object.is_hashtable(),
        (Kind::SessionOption, Value::Object(_)) | (Kind::Object, _) => true,
        (Kind::Guid, Value::Text(text)) => text.len() == 36,
        (Kind::ScriptBlock, Value::ScriptBlock(_)) | (Kind::Session, Value::Integer(_)) => true,
        (Kind::Session, Value::Text(text)) => !text.is_empty(),
        (Kind::Session, Value::Object(object)) => object.property("InstanceId").is_some(),
        _ => false,
    };
    assert!(fits, "-{} is {value:?}", parameter.name);
}

pub(crate) fn given(argument: &Argument) -> Option<Given> {
    Some(match argument {
        Argument::Parameter { name, value } => {
            Given::Named { name: name.clone(), value: value.as_ref().map(word) }
        }
        Argument::Value(value) => Given::Plain(word(value)),
        Argument::EndOfParameters => return None,
    })
}

fn word(expression: &Expression) -> Word {
    let literal = match expression {
        Expression::Integer { text, .. } | Expression::Real { text, .. } => Some(text.clone()),
        _ => None,
    };
    Word { literal, ..Word::from(value(expression)) }
}

fn value(expression: &Expression) -> Value {
    match expression {
        Expression::Integer { value, .. } => Value::Integer(*value),
        Expression::Real { value, .. } => Value::Real(*value),
        Expression::Text(text) => Value::Text(text.clone()),
        Expression::ScriptBlock(text) => Value::ScriptBlock(text.clone()),
        Expression::Variable(name) => convert::constant_variable(name).unwrap_or(Value::Null),
        Expression::List(items) => Value::List(items.iter().map(value).collect()),
        Expression::Hashtable(entries) => {
            Value::hashtable(entries.iter().map(|(key, item)| (key.clone(), value(item))).collect())
        }
        Expression::Range(..)
        | Expression::Template(_)
        | Expression::Member(..)
        | Expression::Parentheses(_) => Value::Null,
    }
}

/// Writes a script so that it is read as the same.
pub(crate) fn source_of(script: &Script) -> String {
    let mut text = String::new();
    for statement in &script.statements {
        match statement {
            Statement::Exit(None) => text.push_str("exit"),
            Statement::Exit(Some(code)) => {
                text.push_str("exit ");
                write(&mut text, code);
            }
            Statement::Run { target, pipeline, redirection } => {
                if let Some(target) = target {
                    let _infallible = write!(text, "${target} = ");
                }
                write_pipeline(&mut text, pipeline);
                if let Some(redirection) = redirection {
                    text.push_str(if redirection.append { " >> " } else { " > " });
                    write(&mut text, &redirection.file);
                }
            }
        }
        text.push('\n');
    }
    text
}

fn write_pipeline(text: &mut String, pipeline: &Pipeline) {
    for (index, element) in pipeline.elements.iter().enumerate() {
        if index > 0 {
            text.push_str(" | ");
        }
        let command = match element {
            Element::Expression(expression) => {
                write(text, expression);
                continue;
            }
            Element::Command(command) => command,
        };
        // A name may be anything; its first letter decides what the word is.
        for (index, letter) in command.name.chars().enumerate() {
            if index > 0 && (letter.is_ascii_alphanumeric() || letter == '-') {
                text.push(letter);
            } else {
                let _infallible = write!(text, "`u{{{:x}}}", u32::from(letter));
            }
        }
        for argument in &command.arguments {
            text.push(' ');
            match argument {
                Argument::EndOfParameters => text.push_str("--"),
                Argument::Value(value) => write(text, value),
                Argument::Parameter { name, value } => {
                    let _infallible = write!(text, "-{name}");
                    if let Some(value) = value {
                        text.push(':');
                        write(text, value);
                    }
                }
            }
        }
    }
}

fn write(text: &mut String, expression: &Expression) {
    match expression {
        Expression::Integer { text: number, .. } | Expression::Real { text: number, .. } => {
            text.push_str(number)
        }
        Expression::Text(inner) => {
            text.push('\'');
            for letter in inner.chars() {
                text.push(letter);
                if is_single_quote(letter) {
                    text.push(letter);
                }
            }
            text.push('\'');
        }
        Expression::Template(parts) => write_template(text, parts),
        Expression::Variable(name) => {
            let _infallible = write!(text, "${name}");
        }
        Expression::Member(value, name) => {
            write(text, value);
            let _infallible = write!(text, ".{name}");
        }
        Expression::List(items) => {
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index > 0 { ", " } else { "" });
                write(text, item);
            }
        }
        // Writing to a String does not fail.
        Expression::Range(first, last) => {
            let _written = write!(text, "{first}..{last}");
        }
        Expression::Hashtable(entries) => {
            text.push_str("@{");
            for (key, value) in entries {
                write(text, &Expression::Text(key.clone()));
                text.push('=');
                write(text, value);
                text.push(';');
            }
            text.push('}');
        }
        Expression::ScriptBlock(inner) => {
            let _infallible = write!(text, "{{{inner}}}");
        }
        Expression::Parentheses(pipeline) => {
            text.push('(');
            write_pipeline(text, pipeline);
            text.push(')');
        }
    }
}

fn write_template(text: &mut String, parts: &[Part]) {
    text.push('"');
    let mut is_behind_name = false;
    for part in parts {
        match part {
            Part::Variable(name) => {
                let _infallible = write!(text, "${name}");
                is_behind_name = true;
            }
            Part::Text(inner) => {
                for letter in inner.chars() {
                    let joins = is_behind_name
                        && (letter.is_alphanumeric() || letter == '_' || letter == ':');
                    if joins || letter == '`' || letter == '$' || is_double_quote(letter) {
                        let _infallible = write!(text, "`u{{{:x}}}", u32::from(letter));
                    } else {
                        text.push(letter);
                    }
                    is_behind_name = false;
                }
            }
        }
    }
    text.push('"');
}
