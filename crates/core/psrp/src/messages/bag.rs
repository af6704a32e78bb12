//! A message's properties, read one by one. Names are compared without regard to case, as
//! PowerShell does: clients write `ci` and `CI`.

use super::Error;
use crate::clixml::{Fields, Text, Value, Version};

/// The properties of a message or of a part of one.
#[derive(Clone, Copy)]
pub(super) struct Bag<'v> {
    message: &'static str,
    fields: &'v Fields,
}

impl<'v> Bag<'v> {
    pub(super) fn new(message: &'static str, value: &'v Value) -> Result<Self, Error> {
        let object = value.as_object().ok_or(Error::Shape(message))?;
        Ok(Self { message, fields: object })
    }

    /// The fields of the object itself.
    pub(super) const fn fields(&self) -> &'v Fields {
        self.fields
    }

    pub(super) const fn error(&self, property: &'static str) -> Error {
        Error::Property { message: self.message, property }
    }

    /// A property; null and none at all are the same.
    pub(super) fn optional(&self, name: &'static str) -> Option<&'v Value> {
        self.fields.property(name).filter(|value| !value.is_null())
    }

    pub(super) fn required(&self, name: &'static str) -> Result<&'v Value, Error> {
        self.optional(name).ok_or_else(|| self.error(name))
    }

    /// A copy of a property.
    pub(super) fn value(&self, name: &'static str) -> Value {
        self.optional(name).cloned().unwrap_or_default()
    }

    /// A part that has properties of its own.
    pub(super) fn part(&self, name: &'static str) -> Result<Self, Error> {
        let object = self.required(name)?.as_object().ok_or_else(|| self.error(name))?;
        Ok(Self { message: self.message, fields: object })
    }

    /// The items of a list; none where there is no list.
    pub(super) fn items(&self, name: &'static str) -> Result<&'v [Value], Error> {
        let Some(value) = self.optional(name) else { return Ok(&[]) };
        let items = value.as_object().and_then(|object| object.items());
        items.ok_or_else(|| self.error(name))
    }

    /// The strings of a list.
    pub(super) fn texts(&self, name: &'static str) -> Result<Vec<Text>, Error> {
        let items = self.items(name)?.iter();
        items.map(|item| item.as_text().cloned().ok_or_else(|| self.error(name))).collect()
    }

    /// Items of a list that have properties of their own.
    pub(super) fn parts(
        &self,
        name: &'static str,
    ) -> Result<impl Iterator<Item = Result<Self, Error>>, Error> {
        let message = self.message;
        Ok(self.items(name)?.iter().map(move |item| Self::new(message, item)))
    }

    pub(super) fn bool(&self, name: &'static str) -> Result<bool, Error> {
        self.required(name)?.as_bool().ok_or_else(|| self.error(name))
    }

    /// A Boolean that is false where it is not there.
    pub(super) fn flag(&self, name: &'static str) -> Result<bool, Error> {
        self.optional(name)
            .map_or(Ok(false), |value| value.as_bool().ok_or_else(|| self.error(name)))
    }

    pub(super) fn i32(&self, name: &'static str) -> Result<i32, Error> {
        self.required(name)?.as_i32().ok_or_else(|| self.error(name))
    }

    pub(super) fn i64(&self, name: &'static str) -> Result<i64, Error> {
        self.required(name)?.as_i64().ok_or_else(|| self.error(name))
    }

    /// An integer with a value of its own where it is not there.
    pub(super) fn i32_or(&self, name: &'static str, default: i32) -> Result<i32, Error> {
        self.optional(name)
            .map_or(Ok(default), |value| value.as_i32().ok_or_else(|| self.error(name)))
    }

    pub(super) fn text(&self, name: &'static str) -> Result<Text, Error> {
        self.required(name)?.as_text().cloned().ok_or_else(|| self.error(name))
    }

    pub(super) fn optional_text(&self, name: &'static str) -> Result<Option<Text>, Error> {
        let text = |value: &Value| value.as_text().cloned().ok_or_else(|| self.error(name));
        self.optional(name).map(text).transpose()
    }

    /// A version, which some clients write as a string.
    pub(super) fn version(&self, name: &'static str) -> Result<Version, Error> {
        let version = match self.required(name)?.base() {
            Value::Version(version) => Some(*version),
            Value::String(text) => text.as_str().and_then(Version::parse),
            _ => None,
        };
        version.ok_or_else(|| self.error(name))
    }
}
