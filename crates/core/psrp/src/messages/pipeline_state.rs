//! PIPELINE_STATE, [MS-PSRP] 2.2.2.21.

use super::bag::Bag;
use super::{Body, Error, ErrorRecord, PipelineState};
use crate::clixml::{Object, Properties, Value};

/// The state of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct PipelineStateMessage {
    /// The state.
    pub state: PipelineState,
    /// Why it is so.
    pub error: Option<Box<ErrorRecord>>,
}

impl Body for PipelineStateMessage {
    fn to_value(&self) -> Value {
        let mut bag = Properties::default().with("PipelineState", self.state.number());
        if let Some(error) = &self.error {
            bag.push("ExceptionAsErrorRecord", error.to_value());
        }
        Object::bag(bag).into()
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        let bag = Bag::new("PIPELINE_STATE", &value)?;
        let error = bag.optional("ExceptionAsErrorRecord").cloned();
        Ok(Self {
            state: PipelineState::from_number(bag.i32("PipelineState")?),
            error: error.map(Box::<ErrorRecord>::from_value).transpose()?,
        })
    }
}
