//! RUNSPACEPOOL_STATE, [MS-PSRP] 2.2.2.9.

use super::bag::Bag;
use super::{Body, Error, ErrorRecord, RunspacePoolState};
use crate::clixml::{Object, Properties, Value};

/// The state of a pool.
#[derive(Debug, Clone, PartialEq)]
pub struct RunspacePoolStateMessage {
    /// The state.
    pub state: RunspacePoolState,
    /// Why it is so.
    pub error: Option<Box<ErrorRecord>>,
}

impl Body for RunspacePoolStateMessage {
    fn to_value(&self) -> Value {
        let mut bag = Properties::default().with("RunspaceState", self.state.number());
        if let Some(error) = &self.error {
            bag.push("ExceptionAsErrorRecord", error.to_value());
        }
        Object::bag(bag).into()
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        let bag = Bag::new("RUNSPACEPOOL_STATE", &value)?;
        let error = bag.optional("ExceptionAsErrorRecord").cloned();
        Ok(Self {
            state: RunspacePoolState::from_number(bag.i32("RunspaceState")?),
            error: error.map(Box::<ErrorRecord>::from_value).transpose()?,
        })
    }
}
