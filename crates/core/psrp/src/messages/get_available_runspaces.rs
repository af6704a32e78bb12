//! GET_AVAILABLE_RUNSPACES, [MS-PSRP] 2.2.2.11.

use super::bag::Bag;
use super::{Body, Error};
use crate::clixml::{Object, Properties, Value};

/// How many runspaces are free?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetAvailableRunspaces {
    /// The number of the question, which the answer has too.
    pub call_id: i64,
}

impl Body for GetAvailableRunspaces {
    fn to_value(&self) -> Value {
        Object::bag(Properties::default().with("ci", self.call_id)).into()
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        Ok(Self { call_id: Bag::new("GET_AVAILABLE_RUNSPACES", &value)?.i64("ci")? })
    }
}
