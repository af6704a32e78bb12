//! PUBLIC_KEY, [MS-PSRP] 2.2.2.3.

use super::bag::Bag;
use super::{Body, Error};
use crate::clixml::{Object, Properties, Text, Value};

/// The client's public key, with which the server encrypts the session key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// The key's blob in base64.
    pub public_key: Text,
}

impl Body for PublicKey {
    fn to_value(&self) -> Value {
        Object::bag(Properties::default().with("PublicKey", self.public_key.clone())).into()
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        Ok(Self { public_key: Bag::new("PUBLIC_KEY", &value)?.text("PublicKey")? })
    }
}
