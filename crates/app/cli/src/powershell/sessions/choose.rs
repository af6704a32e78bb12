//! Which sessions a cmdlet means: by object, number, GUID, name or computer.

use uuid::Uuid;

use super::super::binder::Bound;
use super::super::context::Context;
use super::super::value::Value;
use super::{Session, Sessions, object, wildcard};
use crate::command_error::CommandError;

/// The sessions that these parameters of a cmdlet mean, each once, in the order in which they are named, and errors for
/// what names none. Names and computers may have wildcards.
///
/// # Errors
/// The registry cannot be read.
pub(in crate::powershell) fn chosen(
    bound: &Bound,
    context: &mut Context,
    parameters: &[&str],
) -> Result<Vec<Result<Uuid, CommandError>>, CommandError> {
    let sessions = &mut context.sessions;
    sessions.refresh()?;
    let mut found: Vec<Result<Uuid, CommandError>> = Vec::new();
    for parameter in parameters {
        for value in bound.value(parameter).map(each).unwrap_or_default() {
            match matching(sessions, parameter, value) {
                Err(error) => found.push(Err(error)),
                Ok(ids) => ids.into_iter().for_each(|id| keep(&mut found, id)),
            }
        }
    }
    Ok(found)
}

/// The only session that a cmdlet means which takes one, or `None` when it names no session. A name is taken as it is
/// written, without wildcards.
///
/// # Errors
/// There is none, or there are several; the registry cannot be read.
pub(in crate::powershell) fn chosen_one(
    bound: &Bound,
    context: &mut Context,
) -> Result<Option<Uuid>, CommandError> {
    let sessions = &mut context.sessions;
    sessions.refresh()?;
    for parameter in ["Session", "Id", "InstanceId", "Name"] {
        let Some(value) = bound.value(parameter) else { continue };
        let found = if parameter == "Name" {
            let name = value.text();
            let found = by_name(sessions, |known| same(known, &name));
            if found.is_empty() {
                return Err(no_name(&name));
            }
            found
        } else {
            matching(sessions, parameter, value)?
        };
        return match found.as_slice() {
            [only] => Ok(Some(*only)),
            _ => Err(CommandError::usage(format!(
                "Multiple matches found for {} {}.",
                if parameter == "Session" { "session" } else { "name" },
                value.text()
            ))
            .hint("take the Id or the InstanceId, which Get-PSSession shows")),
        };
    }
    Ok(None)
}

fn keep(found: &mut Vec<Result<Uuid, CommandError>>, id: Uuid) {
    let is_there = found.iter().flatten().any(|known| *known == id);
    if !is_there {
        found.push(Ok(id));
    }
}

fn each(value: &Value) -> Vec<&Value> {
    if let Value::List(values) = value { values.iter().collect() } else { vec![value] }
}

fn matching(
    sessions: &Sessions,
    parameter: &str,
    value: &Value,
) -> Result<Vec<Uuid>, CommandError> {
    let text = value.text();
    match parameter {
        "Session" => by_session(sessions, value),
        "Id" => by_id(sessions, value).ok_or_else(|| no_id(&text)).map(|id| vec![id]),
        "InstanceId" => by_instance_id(sessions, &text),
        "Name" => by_pattern(sessions, &text, |session| &session.record.name, no_name),
        _ => by_pattern(
            sessions,
            &text,
            |session| &session.record.place.computer_name,
            |name| {
                CommandError::usage(format!(
                    "The remote session with the computer name {name} is not available."
                ))
            },
        ),
    }
}

/// A session by its object, its number, its GUID or its name.
fn by_session(sessions: &Sessions, value: &Value) -> Result<Vec<Uuid>, CommandError> {
    if let Value::Object(found) = value {
        // One that is over is still what it was.
        let id = object::instance_id(value)
            .or_else(|| Uuid::try_parse(&found.property("InstanceId")?.text()).ok());
        let known = id.filter(|id| sessions.session(*id).is_some());
        return known.map(|id| vec![id]).ok_or_else(|| match id {
            Some(id) => no_instance(id),
            None => CommandError::usage("the object is no session"),
        });
    }
    let text = value.text();
    if let Some(id) = by_id(sessions, value) {
        return Ok(vec![id]);
    }
    if Uuid::try_parse(&text).is_ok() {
        return by_instance_id(sessions, &text);
    }
    let found = by_name(sessions, |known| same(known, &text));
    match found.as_slice() {
        [] if matches!(value, Value::Integer(_)) => Err(no_id(&text)),
        [] => Err(no_name(&text)),
        _ => Ok(found),
    }
}

fn by_id(sessions: &Sessions, value: &Value) -> Option<Uuid> {
    let Value::Integer(number) = value else { return None };
    let is = |session: &&Session| i64::from(session.record.id) == *number;
    there(sessions).find(is).map(|session| session.record.place.instance_id)
}

fn by_instance_id(sessions: &Sessions, text: &str) -> Result<Vec<Uuid>, CommandError> {
    let id = Uuid::try_parse(text).unwrap_or_default();
    let found = there(sessions).find(|session| session.record.place.instance_id == id);
    found.map(|_| vec![id]).ok_or_else(|| no_instance(id))
}

fn by_pattern(
    sessions: &Sessions,
    pattern: &str,
    of: fn(&Session) -> &String,
    missing: impl Fn(&str) -> CommandError,
) -> Result<Vec<Uuid>, CommandError> {
    let is_pattern = wildcard::is_pattern(pattern);
    let fits = |session: &&Session| {
        let name = of(session);
        same(name, pattern) || (is_pattern && wildcard::fits(pattern, name))
    };
    let found: Vec<Uuid> =
        there(sessions).filter(fits).map(|session| session.record.place.instance_id).collect();
    if found.is_empty() && !is_pattern { Err(missing(pattern)) } else { Ok(found) }
}

fn by_name(sessions: &Sessions, is: impl Fn(&str) -> bool) -> Vec<Uuid> {
    let found = there(sessions).filter(|session| is(&session.record.name));
    found.map(|session| session.record.place.instance_id).collect()
}

/// Those that are not over.
fn there(sessions: &Sessions) -> impl Iterator<Item = &Session> {
    sessions.known.iter().filter(|session| !session.is_over())
}

fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

fn no_id(id: &str) -> CommandError {
    CommandError::usage(format!("The remote session with the session ID {id} is not available."))
}

fn no_name(name: &str) -> CommandError {
    CommandError::usage(format!("The remote session with the name {name} is not available."))
}

/// That there is no session of this GUID.
pub(super) fn no_instance(id: Uuid) -> CommandError {
    CommandError::usage(format!("Remote session is not available for {id}."))
}

impl Sessions {
    /// Every session that is not over.
    ///
    /// # Errors
    /// The registry cannot be read.
    pub(in crate::powershell) fn all(&mut self) -> Result<Vec<Uuid>, CommandError> {
        self.refresh()?;
        Ok(there(self).map(|session| session.record.place.instance_id).collect())
    }

    /// Whether a session of this name is meant by one of the names of a list, which may have wildcards.
    pub(in crate::powershell) fn is_named(&self, id: Uuid, names: &Value) -> bool {
        let Some(session) = self.session(id) else { return false };
        each(names).into_iter().map(Value::text).any(|pattern| {
            let name = &session.record.name;
            same(name, &pattern) || wildcard::fits(&pattern, name)
        })
    }

    /// `State` of a session.
    pub(in crate::powershell) fn state(&self, id: Uuid) -> &'static str {
        self.session(id).map_or("Closed", object::state)
    }

    /// Whether its host has said that another client has it.
    pub(in crate::powershell) fn is_elsewhere(&self, id: Uuid) -> bool {
        self.session(id).is_some_and(|session| {
            session.held.is_none() && session.state == super::Away::Elsewhere
        })
    }
}
