//! DEBUG_RECORD, VERBOSE_RECORD and WARNING_RECORD, [MS-PSRP] 2.2.2.22 to 2.2.2.24, 2.2.5.2.6.

use super::bag::Bag;
use super::{Body, Error};
use crate::clixml::{Fields, Object, Properties, Text, TypeNames, Value};

/// A message of a pipeline to whoever watches it.
#[derive(Debug, Clone, PartialEq)]
pub struct InformationalRecord {
    /// The message.
    pub message: Text,
    /// The type names, which tell debug, verbose and warning apart in PowerShell.
    pub type_names: Option<TypeNames>,
    /// Properties that tell which command wrote it, `InvocationInfo_…` and others, where the client
    /// asked for them.
    pub invocation: Properties,
}

const MESSAGE: &str = "InformationalRecord_Message";
const EXTENDED: &str = "InformationalRecord_SerializeInvocationInfo";

impl Body for InformationalRecord {
    fn to_value(&self) -> Value {
        let mut bag = Properties::default()
            .with(MESSAGE, self.message.clone())
            .with(EXTENDED, !self.invocation.is_empty());
        for (name, value) in self.invocation.values() {
            bag.push(name.clone(), value.clone());
        }
        Object::new(Fields {
            type_names: self.type_names.clone(),
            to_string: Some(self.message.clone()),
            extended: bag,
            ..Fields::default()
        })
        .into()
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        let bag = Bag::new("an informational record", &value)?;
        let others = bag.fields().extended.iter().filter(|property| {
            !property.name().eq_ignore_case(MESSAGE) && !property.name().eq_ignore_case(EXTENDED)
        });
        Ok(Self {
            message: bag.optional_text(MESSAGE)?.unwrap_or_default(),
            type_names: bag.fields().type_names.clone(),
            invocation: others.cloned().collect(),
        })
    }
}
