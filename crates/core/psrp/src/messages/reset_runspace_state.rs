//! RESET_RUNSPACE_STATE, [MS-PSRP] 2.2.2.31.

use super::bag::Bag;
use super::{Body, Error};
use crate::clixml::{Object, Properties, Value};

/// Puts a pool's one runspace back to its beginning; since version 2.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResetRunspaceState {
    /// The number of the question, which the answer has too.
    pub call_id: i64,
}

impl Body for ResetRunspaceState {
    fn to_value(&self) -> Value {
        Object::bag(Properties::default().with("ci", self.call_id)).into()
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        Ok(Self { call_id: Bag::new("RESET_RUNSPACE_STATE", &value)?.i64("ci")? })
    }
}
