//! GET_COMMAND_METADATA, [MS-PSRP] 2.2.2.14.

use super::bag::Bag;
use super::{Body, CommandTypes, Error};
use crate::clixml::{Object, Properties, Text, Value};

/// Which commands are there, and what do they take?
#[derive(Debug, Clone, PartialEq)]
pub struct GetCommandMetadata {
    /// Names, with wildcards; none are all.
    pub names: Vec<Text>,
    /// Kinds of commands.
    pub command_type: CommandTypes,
    /// Modules; none are all.
    pub namespaces: Vec<Text>,
    /// Arguments that decide which parameters a command has.
    pub arguments: Vec<Value>,
}

impl Body for GetCommandMetadata {
    fn to_value(&self) -> Value {
        let strings = |texts: &[Text]| {
            let items: Vec<Value> = texts.iter().cloned().map(Value::String).collect();
            (!items.is_empty()).then(|| Object::array("System.String[]", items))
        };
        let arguments = (!self.arguments.is_empty())
            .then(|| Object::array("System.Object[]", self.arguments.clone()));
        let bag = Properties::default()
            .with("Name", strings(&self.names))
            .with("CommandType", self.command_type)
            .with("Namespace", strings(&self.namespaces))
            .with("ArgumentList", arguments);
        Object::bag(bag).into()
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        let bag = Bag::new("GET_COMMAND_METADATA", &value)?;
        Ok(Self {
            names: bag.texts("Name")?,
            command_type: CommandTypes(bag.i32("CommandType")?),
            namespaces: bag.texts("Namespace")?,
            arguments: bag.items("ArgumentList")?.to_vec(),
        })
    }
}
