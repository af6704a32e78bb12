//! A session as a value: an object with PowerShell's properties, found again by its `InstanceId`.

use client::PoolState;
use uuid::Uuid;

use super::super::value::{Object, SESSION, Value};
use super::{Away, Session};
use crate::powershell::remote::objects;

/// A session's object, as it is now.
pub(super) fn of(session: &Session) -> Value {
    let record = &session.record;
    let text = |text: &str| Value::Text(text.to_owned());
    let data =
        session.held.as_ref().map_or(Value::Null, |held| objects::value(held.pool.private_data()));
    let properties = [
        ("Id", Value::Integer(record.id.into())),
        ("Name", text(&record.name)),
        ("ComputerName", text(&record.place.computer_name)),
        ("ComputerType", text("RemoteMachine")),
        ("State", text(state(session))),
        ("ConfigurationName", text(configuration(&record.place.configuration_name))),
        ("Availability", text(availability(session))),
        ("InstanceId", Value::Text(record.place.instance_id.to_string())),
        ("Transport", text("WSMan")),
        ("ApplicationPrivateData", data),
    ];
    let properties = properties.map(|(name, value)| (name.to_owned(), value)).into();
    Value::Object(Object { type_name: SESSION.to_owned(), properties })
}

/// The session that an object is.
pub(super) fn instance_id(value: &Value) -> Option<Uuid> {
    let Value::Object(object) = value else { return None };
    let id = object.property("InstanceId").filter(|_| object.type_name == SESSION)?;
    Uuid::try_parse(&id.text()).ok()
}

/// `State`.
pub(super) fn state(session: &Session) -> &'static str {
    match (session.pool_state(), session.state) {
        (Some(PoolState::Open), _) => "Opened",
        (Some(PoolState::Disconnected), _) | (None, Away::Left | Away::Elsewhere) => "Disconnected",
        (Some(PoolState::Broken), _) | (None, Away::Broken) => "Broken",
        (Some(PoolState::Closed), _) | (None, Away::Closed) => "Closed",
    }
}

/// `Availability`: whether a command could run in it, or be connected to.
fn availability(session: &Session) -> &'static str {
    match (session.pool_state(), session.state) {
        (Some(PoolState::Open), _) => "Available",
        (None, Away::Elsewhere) => "Busy",
        _ => "None",
    }
}

/// The name of a configuration, without PowerShell's prefix.
fn configuration(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
