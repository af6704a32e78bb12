//! The text of primitives, both ways.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use super::markup::{Tag, is_blank};
use super::{
    DateTime, Decimal, SecureString, Text, TimeSpan, Value, Version, characters, float, integer,
};

/// The value of a primitive element other than a string; `None` where the text is not one.
pub(super) fn parse(tag: &Tag, text: &str) -> Option<Value> {
    let trimmed = text.trim_matches(is_blank);
    Some(match tag {
        Tag::Bool => Value::Bool(match trimmed {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => return None,
        }),
        Tag::Byte => Value::Byte(integer::parse(trimmed)?),
        Tag::Bytes => Value::Bytes(bytes(text)?),
        Tag::Char => Value::Char(integer::parse(trimmed)?),
        Tag::DateTime => Value::DateTime(DateTime::parse(trimmed)?),
        Tag::Decimal => Value::Decimal(Decimal::parse(trimmed)?),
        Tag::Double => Value::Double(float::parse(trimmed)?),
        Tag::Guid => Value::Guid(guid(trimmed)?),
        Tag::Int16 => Value::Int16(integer::parse(trimmed)?),
        Tag::Int32 => Value::Int32(integer::parse(trimmed)?),
        Tag::Int64 => Value::Int64(integer::parse(trimmed)?),
        Tag::SByte => Value::SByte(integer::parse(trimmed)?),
        Tag::SecureString => Value::SecureString(secure_string(trimmed)),
        Tag::Single => Value::Single(float::parse(trimmed)?),
        Tag::TimeSpan => Value::TimeSpan(TimeSpan::parse(trimmed)?),
        Tag::UInt16 => Value::UInt16(integer::parse(trimmed)?),
        Tag::UInt32 => Value::UInt32(integer::parse(trimmed)?),
        Tag::UInt64 => Value::UInt64(integer::parse(trimmed)?),
        Tag::Version => Value::Version(Version::parse(trimmed)?),
        _ => return None,
    })
}

/// The value of an element whose text is a string.
pub(super) fn string(tag: &Tag, text: Text) -> Option<Value> {
    Some(match tag {
        Tag::ScriptBlock => Value::ScriptBlock(text),
        Tag::String => Value::String(text),
        Tag::Uri => Value::Uri(text),
        Tag::Xml => Value::Xml(text),
        _ => return None,
    })
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let text = if text.contains(is_blank) {
        Cow::Owned(text.chars().filter(|c| !is_blank(*c)).collect())
    } else {
        Cow::Borrowed(text)
    };
    STANDARD.decode(text.as_bytes()).ok()
}

/// .NET reads GUIDs in braces, in parentheses, and without hyphens as well.
fn guid(text: &str) -> Option<Uuid> {
    let inside = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    let is_urn = text.starts_with("urn:");
    Uuid::try_parse(inside.unwrap_or(text)).ok().filter(|_| !is_urn)
}

/// The element's name and its text; `None` for what is no primitive.
pub(super) fn write(value: &Value, out: &mut String) -> bool {
    use std::fmt::Write as _;

    let place = characters::Place::Element;
    // Writing to a String does not fail.
    let _written = match value {
        Value::Bool(true) => out.write_str("true"),
        Value::Bool(false) => out.write_str("false"),
        Value::Byte(number) => write!(out, "{number}"),
        Value::Bytes(bytes) => {
            STANDARD.encode_string(bytes, out);
            Ok(())
        }
        Value::Char(unit) => write!(out, "{unit}"),
        Value::DateTime(time) => write!(out, "{time}"),
        Value::Decimal(number) => write!(out, "{number}"),
        Value::Double(number) => {
            float::write(out, *number, float::DOUBLE_DIGITS);
            Ok(())
        }
        Value::Guid(guid) => write!(out, "{guid}"),
        Value::Int16(number) => write!(out, "{number}"),
        Value::Int32(number) => write!(out, "{number}"),
        Value::Int64(number) => write!(out, "{number}"),
        Value::SByte(number) => write!(out, "{number}"),
        Value::SecureString(string) => {
            characters::escape_str(out, string.as_wire(), place);
            Ok(())
        }
        Value::Single(number) => {
            float::write(out, *number, float::SINGLE_DIGITS);
            Ok(())
        }
        Value::ScriptBlock(text) | Value::String(text) | Value::Uri(text) | Value::Xml(text) => {
            characters::escape(out, text, place);
            Ok(())
        }
        Value::TimeSpan(span) => write!(out, "{span}"),
        Value::UInt16(number) => write!(out, "{number}"),
        Value::UInt32(number) => write!(out, "{number}"),
        Value::UInt64(number) => write!(out, "{number}"),
        Value::Version(version) => write!(out, "{version}"),
        Value::Null | Value::Ancestor(_) | Value::Object(_) | Value::Progress(_) => return false,
    };
    true
}

/// Blanks do not count in base64.
fn secure_string(text: &str) -> SecureString {
    let decoded = characters::unescape(text.into());
    SecureString::from_wire(decoded.to_string_lossy().chars().filter(|c| !is_blank(*c)).collect())
}

/// The name of a primitive's element.
pub(super) const fn tag(value: &Value) -> Tag {
    match value {
        Value::Bool(_) => Tag::Bool,
        Value::Byte(_) => Tag::Byte,
        Value::Bytes(_) => Tag::Bytes,
        Value::Char(_) => Tag::Char,
        Value::DateTime(_) => Tag::DateTime,
        Value::Decimal(_) => Tag::Decimal,
        Value::Double(_) => Tag::Double,
        Value::Guid(_) => Tag::Guid,
        Value::Int16(_) => Tag::Int16,
        Value::Int32(_) => Tag::Int32,
        Value::Int64(_) => Tag::Int64,
        Value::Null => Tag::Nil,
        Value::Object(_) => Tag::Object,
        Value::Ancestor(_) => Tag::Reference,
        Value::Progress(_) => Tag::Progress,
        Value::SByte(_) => Tag::SByte,
        Value::ScriptBlock(_) => Tag::ScriptBlock,
        Value::SecureString(_) => Tag::SecureString,
        Value::Single(_) => Tag::Single,
        Value::String(_) => Tag::String,
        Value::TimeSpan(_) => Tag::TimeSpan,
        Value::UInt16(_) => Tag::UInt16,
        Value::UInt32(_) => Tag::UInt32,
        Value::UInt64(_) => Tag::UInt64,
        Value::Uri(_) => Tag::Uri,
        Value::Version(_) => Tag::Version,
        Value::Xml(_) => Tag::Xml,
    }
}
