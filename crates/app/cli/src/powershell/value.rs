//! What variables hold and pipes carry: values as PowerShell has them, and as JSON.
//!
//! In JSON an object is an object whose `PSTypeName` is its type, a hashtable one without; secrets are left out.

use std::fmt;

use auth::Secret;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap as _, Serializer};
use serde::{Deserialize, Deserializer, Serialize};

use super::remote::objects::Remote;
use super::remote::texts;

/// The type of `@{…}`.
pub(crate) const HASHTABLE: &str = "System.Collections.Hashtable";
/// The type of a session.
pub(crate) const SESSION: &str = "System.Management.Automation.Runspaces.PSSession";
/// The type of an account with its password.
pub(crate) const CREDENTIAL: &str = "System.Management.Automation.PSCredential";
/// The type of a session configuration.
pub(crate) const CONFIGURATION: &str =
    "Microsoft.PowerShell.Commands.PSSessionConfigurationCommands#PSSessionConfiguration";
/// The property that is the type in JSON.
pub(crate) const TYPE: &str = "PSTypeName";

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Real(f64),
    /// A `TimeSpan`, in milliseconds.
    Milliseconds(i64),
    Text(String),
    List(Vec<Self>),
    Object(Object),
    /// As written, without its braces.
    ScriptBlock(String),
    /// A `SecureString`.
    Secret(Secret),
    /// What came from a host and has no other form here.
    Remote(Box<Remote>),
}

/// Properties in their order.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) type_name: String,
    pub(crate) properties: Vec<(String, Value)>,
}

impl Object {
    /// A property by its name in any case.
    pub(crate) fn property(&self, name: &str) -> Option<&Value> {
        self.properties
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub(crate) fn is_hashtable(&self) -> bool {
        self.type_name == HASHTABLE
    }
}

impl Value {
    /// `@{…}`.
    pub(crate) fn hashtable(properties: Vec<(String, Self)>) -> Self {
        Self::Object(Object { type_name: HASHTABLE.to_owned(), properties })
    }

    /// A property by its name; of a list, that of each of its values, as PowerShell has it. Null when there is none.
    pub(crate) fn member(&self, name: &str) -> Self {
        let is_size = ["Count", "Length"].iter().any(|size| name.eq_ignore_ascii_case(size));
        let size = |size: usize| Self::Integer(i64::try_from(size).unwrap_or(i64::MAX));
        if let Self::Object(object) = self {
            let of_itself = || match (is_size, object.is_hashtable()) {
                (true, true) => size(object.properties.len()),
                (true, false) => size(1),
                (false, _) => Self::Null,
            };
            return object.property(name).cloned().unwrap_or_else(of_itself);
        }
        if let Self::Remote(remote) = self {
            let counted = || remote.count().filter(|_| is_size).map(size);
            let of_items = || remote.items().map(|items| Self::List(items).member(name));
            return remote.member(name).or_else(counted).or_else(of_items).unwrap_or(Self::Null);
        }
        if let Self::List(values) = self {
            if is_size {
                return size(values.len());
            }
            let found = values.iter().map(|value| value.member(name));
            return Self::of(found.filter(|value| !matches!(value, Self::Null)).collect());
        }
        if let Self::Text(text) = self
            && name.eq_ignore_ascii_case("Length")
        {
            return size(text.encode_utf16().count());
        }
        // One value is as many as it is, and nothing is none.
        match (is_size, self) {
            (true, Self::Null) => size(0),
            (true, _) => size(1),
            (false, _) => Self::Null,
        }
    }

    /// What a pipeline with this output is as a value: nothing, the only one, or a list.
    pub(crate) fn of(mut values: Vec<Self>) -> Self {
        match values.pop() {
            None => Self::Null,
            Some(only) if values.is_empty() => only,
            Some(last) => {
                values.push(last);
                Self::List(values)
            }
        }
    }

    /// What goes into a pipe: the values of a list one by one.
    pub(crate) fn into_pipe(self) -> Vec<Self> {
        if let Self::List(values) = self {
            return values;
        }
        let items = if let Self::Remote(remote) = &self { remote.items() } else { None };
        items.unwrap_or_else(|| vec![self])
    }

    /// As PowerShell writes it into a text.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Bool(true) => "True".to_owned(),
            Self::Bool(false) => "False".to_owned(),
            Self::Integer(number) => number.to_string(),
            Self::Real(number) => texts::double(*number),
            Self::Milliseconds(time) => texts::time_span(time.saturating_mul(10_000)),
            Self::Text(text) | Self::ScriptBlock(text) => text.clone(),
            Self::List(values) => values.iter().map(Self::text).collect::<Vec<_>>().join(" "),
            Self::Object(object) if object.type_name == SESSION => {
                let name = object.property("Name").map(Self::text).unwrap_or_default();
                format!("[PSSession]{name}")
            }
            Self::Object(object) => object.type_name.clone(),
            Self::Secret(_) => "System.Security.SecureString".to_owned(),
            Self::Remote(remote) => remote.text(),
        }
    }

    /// The type's name, as errors give it.
    pub(crate) fn type_name(&self) -> &str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "System.Boolean",
            Self::Integer(number) if i32::try_from(*number).is_ok() => "System.Int32",
            Self::Integer(_) => "System.Int64",
            Self::Real(_) => "System.Double",
            Self::Milliseconds(_) => "System.TimeSpan",
            Self::Text(_) => "System.String",
            Self::List(_) => "System.Object[]",
            Self::Object(object) => &object.type_name,
            Self::ScriptBlock(_) => "System.Management.Automation.ScriptBlock",
            Self::Secret(_) => "System.Security.SecureString",
            Self::Remote(remote) => remote.type_name(),
        }
    }

    /// One line of JSON.
    pub(crate) fn json(&self) -> Vec<u8> {
        // Texts, numbers and structures of them have no reason to fail.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null | Self::Secret(_) => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(number) | Self::Milliseconds(number) => serializer.serialize_i64(*number),
            Self::Real(number) => serializer.serialize_f64(*number),
            Self::Remote(remote) => remote.serialize(serializer),
            Self::Text(text) | Self::ScriptBlock(text) => serializer.serialize_str(text),
            Self::List(values) => serializer.collect_seq(values),
            Self::Object(object) => {
                let mut map = serializer.serialize_map(None)?;
                if !object.is_hashtable() {
                    map.serialize_entry(TYPE, &object.type_name)?;
                }
                for (name, value) in &object.properties {
                    if !matches!(value, Self::Secret(_)) {
                        map.serialize_entry(name, value)?;
                    }
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FromJson)
    }
}

struct FromJson;

impl<'de> Visitor<'de> for FromJson {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        i64::try_from(value)
            .map(Value::Integer)
            .map_err(|_| E::custom("a number too large for 64 bits with a sign"))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Real(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element()? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Object { type_name: HASHTABLE.to_owned(), properties: Vec::new() };
        while let Some((name, value)) = entries.next_entry::<String, Value>()? {
            if let Value::Text(text) = &value
                && name.eq_ignore_ascii_case(TYPE)
            {
                object.type_name.clone_from(text);
            } else {
                object.properties.push((name, value));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &Value) -> String {
        String::from_utf8(value.json()).unwrap()
    }

    #[test]
    fn objects_keep_type_and_order_in_json_and_lose_secrets() {
        let text =
            r#"{"PSTypeName":"Deserialized.X","z":1,"a":[null,true,-2,1.5,"ü"],"h":{"k":"v"}}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(json(&value), format!("{text}\n"));
        assert_eq!(value.type_name(), "Deserialized.X");
        assert_eq!(value.member("H").type_name(), HASHTABLE);
        let password = Value::Secret(Secret::from("geheim"));
        let user = Value::Text("u".to_owned());
        let properties =
            vec![("UserName".to_owned(), user), ("Password".to_owned(), password.clone())];
        let account = Value::Object(Object { type_name: CREDENTIAL.to_owned(), properties });
        assert_eq!(
            json(&account),
            format!("{{\"PSTypeName\":\"{CREDENTIAL}\",\"UserName\":\"u\"}}\n")
        );
        assert_eq!(json(&password), "null\n");
        assert!(!format!("{account:?}").contains("geheim"));
    }

    #[test]
    fn numbers_pass_through_json_to_the_last_digit() {
        for number in
            ["9223372036854775807", "-9223372036854775808", "2.2222222222222226e+44", "0.1"]
        {
            let value: Value = serde_json::from_str(number).unwrap();
            assert_eq!(json(&value).trim_end(), number);
        }
    }

    #[test]
    fn json_that_is_none_or_too_large_is_refused() {
        for text in ["{", "18446744073709551615", "[1,]", &"[".repeat(1000)] {
            assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_are_written_as_powershell_writes_them() {
        let list = Value::List(vec![Value::Bool(true), Value::Null, Value::Real(1.5)]);
        assert_eq!(list.text(), "True  1.5");
        for (time, text) in [
            (180_000, "00:03:00"),
            (-1, "-00:00:00.0010000"),
            (0, "00:00:00"),
            (90_061_001, "1.01:01:01.0010000"),
        ] {
            assert_eq!(Value::Milliseconds(time).text(), text);
        }
    }

    #[test]
    fn member_of_a_list_is_that_of_each_value() {
        let text = r#"[{"Id":1},{"ID":2},{"x":3},4]"#;
        let list: Value = serde_json::from_str(text).unwrap();
        assert_eq!(list.member("id").text(), "1 2");
        assert_eq!(list.member("count").text(), "4");
        assert_eq!(list.member("none").text(), "");
    }

    #[test]
    fn one_value_counts_as_one_and_nothing_as_none() {
        for (json, count, length) in [
            ("null", "0", "0"),
            ("7", "1", "1"),
            ("\"ab\"", "1", "2"),
            ("{\"Id\":1,\"Name\":\"x\"}", "2", "2"),
            ("{\"Count\":\"many\"}", "many", "1"),
        ] {
            let value: Value = serde_json::from_str(json).unwrap();
            assert_eq!(value.member("count").text(), count, "{json}");
            assert_eq!(value.member("Length").text(), length, "{json}");
        }
        let one = Object { type_name: "System.Object".to_owned(), properties: Vec::new() };
        assert_eq!(Value::Object(one).member("Count").text(), "1");
    }
}
