//! RUNSPACEPOOL_HOST_CALL, PIPELINE_HOST_CALL and their responses, [MS-PSRP] 2.2.2.15 to 2.2.2.18,
//! 2.2.2.27, 2.2.2.28.

use super::bag::Bag;
use super::{Body, Error, ErrorRecord};
use crate::clixml::{Object, Properties, Value};
use crate::host::Method;

/// The client's host shall do something.
#[derive(Debug, Clone, PartialEq)]
pub struct HostCall {
    /// The number of the call, which the response has too; -100 where nobody waits for one.
    pub call_id: i64,
    /// What shall be done.
    pub method: Method,
    /// With what.
    pub parameters: Vec<Value>,
}

/// What the client's host answers.
#[derive(Debug, Clone, PartialEq)]
pub struct HostResponse {
    /// The number of the call.
    pub call_id: i64,
    /// What was done.
    pub method: Method,
    /// What came of it.
    pub result: HostResult,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum HostResult {
    /// It failed.
    Error(Box<ErrorRecord>),
    /// It returned this; null where it returns nothing.
    Value(Value),
}

const METHOD: &str = "System.Management.Automation.Remoting.RemoteHostMethodId";

fn method(bag: &Bag<'_>) -> Result<Method, Error> {
    bag.i32("mi").map(Method::from_number)
}

fn method_value(method: Method) -> Object {
    Object::enumeration(METHOD, &method.name(), method.number())
}

impl Body for HostCall {
    fn to_value(&self) -> Value {
        let parameters = Object::list("System.Collections.ArrayList", self.parameters.clone());
        let bag = Properties::default()
            .with("ci", self.call_id)
            .with("mi", method_value(self.method))
            .with("mp", parameters);
        Object::bag(bag).into()
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        let bag = Bag::new("a host call", &value)?;
        Ok(Self {
            call_id: bag.i64("ci")?,
            method: method(&bag)?,
            parameters: bag.items("mp")?.to_vec(),
        })
    }
}

impl Body for HostResponse {
    fn to_value(&self) -> Value {
        let mut bag =
            Properties::default().with("ci", self.call_id).with("mi", method_value(self.method));
        match &self.result {
            HostResult::Error(error) => bag.push("me", error.to_value()),
            HostResult::Value(Value::Null) => {}
            HostResult::Value(value) => bag.push("mr", value.clone()),
        }
        Object::bag(bag).into()
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        let bag = Bag::new("a host response", &value)?;
        let result = match bag.optional("me") {
            Some(error) => HostResult::Error(Box::<ErrorRecord>::from_value(error.clone())?),
            None => HostResult::Value(bag.value("mr")),
        };
        Ok(Self { call_id: bag.i64("ci")?, method: method(&bag)?, result })
    }
}
