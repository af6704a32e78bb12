//! SET_MAX_RUNSPACES and SET_MIN_RUNSPACES, [MS-PSRP] 2.2.2.6, 2.2.2.7.

use super::bag::Bag;
use super::{Body, Error};
use crate::clixml::{Object, Properties, Value};

/// The most runspaces of a pool, from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetMaxRunspaces {
    /// How many.
    pub max_runspaces: i32,
    /// The number of the question, which the answer has too.
    pub call_id: i64,
}

/// The least runspaces of a pool, from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetMinRunspaces {
    /// How many.
    pub min_runspaces: i32,
    /// The number of the question, which the answer has too.
    pub call_id: i64,
}

impl Body for SetMaxRunspaces {
    fn to_value(&self) -> Value {
        let bag = Properties::default().with("MaxRunspaces", self.max_runspaces);
        Object::bag(bag.with("ci", self.call_id)).into()
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        let bag = Bag::new("SET_MAX_RUNSPACES", &value)?;
        Ok(Self { max_runspaces: bag.i32("MaxRunspaces")?, call_id: bag.i64("ci")? })
    }
}

impl Body for SetMinRunspaces {
    fn to_value(&self) -> Value {
        let bag = Properties::default().with("MinRunspaces", self.min_runspaces);
        Object::bag(bag.with("ci", self.call_id)).into()
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        let bag = Bag::new("SET_MIN_RUNSPACES", &value)?;
        Ok(Self { min_runspaces: bag.i32("MinRunspaces")?, call_id: bag.i64("ci")? })
    }
}
