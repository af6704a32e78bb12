//! USER_EVENT, [MS-PSRP] 2.2.2.12.

use uuid::Uuid;

use super::bag::Bag;
use super::{Body, Error};
use crate::clixml::{DateTime, Object, Properties, Text, Value};

/// An event on the server that somebody registered for with `-Forward`.
#[derive(Debug, Clone, PartialEq)]
pub struct UserEvent {
    /// The number of the event, counted for each runspace.
    pub event_identifier: i32,
    /// The name under which it was registered.
    pub source_identifier: Text,
    /// When it happened.
    pub time_generated: DateTime,
    /// What caused it.
    pub sender: Value,
    /// What it brings: a list.
    pub source_arguments: Value,
    /// What was given when it was registered.
    pub message_data: Value,
    /// Where it happened, for events from yet another computer.
    pub computer_name: Option<Text>,
    /// The runspace in which it happened.
    pub runspace_id: Uuid,
}

impl Body for UserEvent {
    fn to_value(&self) -> Value {
        let bag = Properties::default()
            .with("PSEventArgs.EventIdentifier", self.event_identifier)
            .with("PSEventArgs.SourceIdentifier", self.source_identifier.clone())
            .with("PSEventArgs.TimeGenerated", self.time_generated)
            .with("PSEventArgs.Sender", self.sender.clone())
            .with("PSEventArgs.SourceArgs", self.source_arguments.clone())
            .with("PSEventArgs.MessageData", self.message_data.clone())
            .with("PSEventArgs.ComputerName", self.computer_name.clone())
            .with("PSEventArgs.RunspaceId", self.runspace_id);
        Object::bag(bag).into()
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        let bag = Bag::new("USER_EVENT", &value)?;
        let Value::DateTime(time_generated) = *bag.required("PSEventArgs.TimeGenerated")?.base()
        else {
            return Err(bag.error("PSEventArgs.TimeGenerated"));
        };
        let Value::Guid(runspace_id) = *bag.required("PSEventArgs.RunspaceId")?.base() else {
            return Err(bag.error("PSEventArgs.RunspaceId"));
        };
        Ok(Self {
            event_identifier: bag.i32("PSEventArgs.EventIdentifier")?,
            source_identifier: bag.text("PSEventArgs.SourceIdentifier")?,
            time_generated,
            sender: bag.value("PSEventArgs.Sender"),
            source_arguments: bag.value("PSEventArgs.SourceArgs"),
            message_data: bag.value("PSEventArgs.MessageData"),
            computer_name: bag.optional_text("PSEventArgs.ComputerName")?,
            runspace_id,
        })
    }
}
