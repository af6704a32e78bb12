//! RUNSPACEPOOL_INIT_DATA, [MS-PSRP] 2.2.2.30.

use super::bag::Bag;
use super::{Body, Error};
use crate::clixml::{Object, Properties, Value};

/// The pool that a client has connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunspacePoolInitData {
    /// The least runspaces.
    pub min_runspaces: i32,
    /// The most runspaces.
    pub max_runspaces: i32,
}

impl Body for RunspacePoolInitData {
    fn to_value(&self) -> Value {
        let bag = Properties::default().with("MinRunspaces", self.min_runspaces);
        Object::bag(bag.with("MaxRunspaces", self.max_runspaces)).into()
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        let bag = Bag::new("RUNSPACEPOOL_INIT_DATA", &value)?;
        Ok(Self {
            min_runspaces: bag.i32("MinRunspaces")?,
            max_runspaces: bag.i32("MaxRunspaces")?,
        })
    }
}
