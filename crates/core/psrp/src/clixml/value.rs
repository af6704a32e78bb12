//! [`Value`]: anything that CLIXML can say, [MS-PSRP] 2.2.5.

use uuid::Uuid;

use super::{Ancestor, DateTime, Decimal, Object, SecureString, Text, TimeSpan, Version};

/// One value: null, a primitive, or an object.
///
/// A primitive that has properties or type names of its own is an [`Object`] whose content it is.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum Value {
    /// `Nil`.
    #[default]
    Null,
    /// `Ref` to an object that this one is inside of.
    Ancestor(Ancestor),
    /// `B`.
    Bool(bool),
    /// `By`.
    Byte(u8),
    /// `BA`.
    Bytes(Vec<u8>),
    /// `C`: one UTF-16 code unit.
    Char(u16),
    /// `DT`.
    DateTime(DateTime),
    /// `D`.
    Decimal(Decimal),
    /// `Db`.
    Double(f64),
    /// `G`.
    Guid(Uuid),
    /// `I16`.
    Int16(i16),
    /// `I32`.
    Int32(i32),
    /// `I64`.
    Int64(i64),
    /// `Obj`, or `Ref` to one that ended before.
    Object(Object),
    /// `PR`.
    Progress(Box<Progress>),
    /// `SB`.
    SByte(i8),
    /// `SBK`: the text of a script block.
    ScriptBlock(Text),
    /// `SS`.
    SecureString(SecureString),
    /// `Sg`.
    Single(f32),
    /// `S`.
    String(Text),
    /// `TS`.
    TimeSpan(TimeSpan),
    /// `U16`.
    UInt16(u16),
    /// `U32`.
    UInt32(u32),
    /// `U64`.
    UInt64(u64),
    /// `URI`, as it is written: it may be relative.
    Uri(Text),
    /// `Version`.
    Version(Version),
    /// `XD`: the text of an XML document, which is not looked into.
    Xml(Text),
}

/// A progress record as a primitive, `PR`, [MS-PSRP] 2.2.5.1.25.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// `AV`: what is done.
    pub activity: Text,
    /// `AI`: which activity it is.
    pub activity_id: i32,
    /// `S` or `Nil`: what is done right now.
    pub current_operation: Option<Text>,
    /// `PI`: the activity that this one is a part of, or -1.
    pub parent_activity_id: i32,
    /// `PC`: 0 to 100, or -1 where it is not known.
    pub percent_complete: i32,
    /// `T`: whether the activity has ended.
    pub is_completed: bool,
    /// `SR`: seconds that are left, or -1 where it is not known.
    pub seconds_remaining: i32,
    /// `SD`: how far it is.
    pub status: Text,
}

impl Value {
    /// The object, if it is one.
    #[must_use]
    pub const fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The value without what is wrapped around it: the value itself, or what an object with
    /// properties of its own stands for.
    #[must_use]
    pub fn base(&self) -> &Self {
        let mut value = self;
        while let Some(base) = value.as_object().and_then(|object| object.base()) {
            value = base;
        }
        value
    }

    /// The string, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&Text> {
        match self.base() {
            Self::String(text) | Self::ScriptBlock(text) | Self::Uri(text) | Self::Xml(text) => {
                Some(text)
            }
            _ => None,
        }
    }

    /// The Boolean, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.base() {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number, if it is an integer that fits, of whatever width. Enums are their number.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self.base() {
            Self::Byte(number) => Some((*number).into()),
            Self::SByte(number) => Some((*number).into()),
            Self::Int16(number) => Some((*number).into()),
            Self::UInt16(number) => Some((*number).into()),
            Self::Int32(number) => Some((*number).into()),
            Self::UInt32(number) => Some((*number).into()),
            Self::Int64(number) => Some(*number),
            Self::UInt64(number) => i64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The number, if it is an integer that fits.
    #[must_use]
    pub fn as_i32(&self) -> Option<i32> {
        self.as_i64().and_then(|number| number.try_into().ok())
    }

    /// True for `Nil`.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident),* $(,)?) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value)
            }
        })*
    };
}

from! {
    bool => Bool,
    u8 => Byte,
    i8 => SByte,
    i16 => Int16,
    u16 => UInt16,
    i32 => Int32,
    u32 => UInt32,
    i64 => Int64,
    u64 => UInt64,
    f32 => Single,
    f64 => Double,
    DateTime => DateTime,
    Decimal => Decimal,
    Object => Object,
    SecureString => SecureString,
    Text => String,
    TimeSpan => TimeSpan,
    Uuid => Guid,
    Vec<u8> => Bytes,
    Version => Version,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl<V: Into<Self>> From<Option<V>> for Value {
    fn from(value: Option<V>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
