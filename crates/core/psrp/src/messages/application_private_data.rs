//! APPLICATION_PRIVATE_DATA, [MS-PSRP] 2.2.2.13.

use super::bag::Bag;
use super::{Body, Error};
use crate::clixml::{Object, Properties, Value};

/// What a server tells of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct ApplicationPrivateData {
    /// A dictionary of primitives, with the server's `PSVersionTable` in it; or null.
    pub data: Value,
}

impl Body for ApplicationPrivateData {
    fn to_value(&self) -> Value {
        Object::bag(Properties::default().with("ApplicationPrivateData", self.data.clone())).into()
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        let bag = Bag::new("APPLICATION_PRIVATE_DATA", &value)?;
        Ok(Self { data: bag.value("ApplicationPrivateData") })
    }
}
