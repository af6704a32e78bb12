//! CONNECT_RUNSPACEPOOL, [MS-PSRP] 2.2.2.28.

use super::bag::Bag;
use super::{Body, Error};
use crate::clixml::{Object, Properties, Text, Value};

/// Another client takes a disconnected pool over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConnectRunspacePool {
    /// The least and the most runspaces; `None` leaves them as they are, as clients do.
    pub runspaces: Option<(i32, i32)>,
}

impl Body for ConnectRunspacePool {
    fn to_value(&self) -> Value {
        match self.runspaces {
            None => Value::String(Text::EMPTY),
            Some((least, most)) => Object::bag(
                Properties::default().with("MinRunspaces", least).with("MaxRunspaces", most),
            )
            .into(),
        }
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        if value.as_object().is_none() {
            return Ok(Self::default());
        }
        let bag = Bag::new("CONNECT_RUNSPACEPOOL", &value)?;
        let runspaces = match bag.optional("MinRunspaces").or_else(|| bag.optional("MaxRunspaces"))
        {
            Some(_) => Some((bag.i32("MinRunspaces")?, bag.i32("MaxRunspaces")?)),
            None => None,
        };
        Ok(Self { runspaces })
    }
}
