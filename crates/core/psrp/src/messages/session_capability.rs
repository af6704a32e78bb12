//! SESSION_CAPABILITY, [MS-PSRP] 2.2.2.1.

use super::bag::Bag;
use super::{Body, Error};
use crate::clixml::{Object, Properties, Value, Version};

/// What a side can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionCapability {
    /// The version of the protocol: 2.1 to 2.4.
    pub protocol_version: Version,
    /// The version of PowerShell; always 2.0.
    pub ps_version: Version,
    /// The version of CLIXML; always 1.1.0.1.
    pub serialization_version: Version,
    /// The client's time zone in .NET's binary format, which servers do not look at.
    pub time_zone: Option<Vec<u8>>,
}

impl SessionCapability {
    /// What this side can, at this version of the protocol.
    #[must_use]
    pub const fn new(protocol_version: Version) -> Self {
        Self {
            protocol_version,
            ps_version: Version::new(2, 0),
            serialization_version: Version::whole(1, 1, 0, 1),
            time_zone: None,
        }
    }
}

impl Body for SessionCapability {
    fn to_value(&self) -> Value {
        let mut bag = Properties::default()
            .with("protocolversion", self.protocol_version)
            .with("PSVersion", self.ps_version)
            .with("SerializationVersion", self.serialization_version);
        if let Some(time_zone) = &self.time_zone {
            bag.push("TimeZone", time_zone.clone());
        }
        Object::bag(bag).into()
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        let bag = Bag::new("SESSION_CAPABILITY", &value)?;
        let time_zone = match bag.optional("TimeZone") {
            None => None,
            Some(Value::Bytes(bytes)) => Some(bytes.clone()),
            Some(_) => return Err(bag.error("TimeZone")),
        };
        Ok(Self {
            protocol_version: bag.version("protocolversion")?,
            ps_version: bag.version("PSVersion")?,
            serialization_version: bag.version("SerializationVersion")?,
            time_zone,
        })
    }
}
