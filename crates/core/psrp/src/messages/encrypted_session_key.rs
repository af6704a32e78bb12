//! ENCRYPTED_SESSION_KEY, [MS-PSRP] 2.2.2.4.

use super::bag::Bag;
use super::{Body, Error};
use crate::clixml::{Object, Properties, Text, Value};

/// The key of the session, encrypted with the client's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptedSessionKey {
    /// The key's blob in base64.
    pub encrypted_session_key: Text,
}

impl Body for EncryptedSessionKey {
    fn to_value(&self) -> Value {
        let key = self.encrypted_session_key.clone();
        Object::bag(Properties::default().with("EncryptedSessionKey", key)).into()
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        let bag = Bag::new("ENCRYPTED_SESSION_KEY", &value)?;
        Ok(Self { encrypted_session_key: bag.text("EncryptedSessionKey")? })
    }
}
