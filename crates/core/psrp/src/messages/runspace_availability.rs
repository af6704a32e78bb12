//! RUNSPACE_AVAILABILITY, [MS-PSRP] 2.2.2.8.

use super::bag::Bag;
use super::{Body, Error};
use crate::clixml::{Object, Properties, Value};

/// The answer to a question about runspaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunspaceAvailability {
    /// The answer.
    pub response: Availability,
    /// The number of the question.
    pub call_id: i64,
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Availability {
    /// So many runspaces are free.
    Count(i64),
    /// Whether it was done.
    Done(bool),
}

impl Body for RunspaceAvailability {
    fn to_value(&self) -> Value {
        let bag = Properties::default();
        let bag = match self.response {
            Availability::Count(count) => bag.with("SetMinMaxRunspacesResponse", count),
            Availability::Done(done) => bag.with("SetMinMaxRunspacesResponse", done),
        };
        Object::bag(bag.with("ci", self.call_id)).into()
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        let bag = Bag::new("RUNSPACE_AVAILABILITY", &value)?;
        let response = bag.required("SetMinMaxRunspacesResponse")?;
        let done = response.as_bool().map(Availability::Done);
        // The specification has an I64 here, pwsh writes an I32.
        let response = done.or_else(|| response.as_i64().map(Availability::Count));
        let response = response.ok_or_else(|| bag.error("SetMinMaxRunspacesResponse"))?;
        Ok(Self { response, call_id: bag.i64("ci")? })
    }
}
