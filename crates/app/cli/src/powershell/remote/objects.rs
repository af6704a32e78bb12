//! What comes from hosts among the values of cmdlets, and the way back.
//!
//! An object of a host is kept as it was on the wire and looked into where it is needed, so that nothing is lost on its way
//! back to a host. Who walks one keeps to a depth and a count: references can make a small message a large tree.
//!
//! ```text
//!  psrp::clixml::Value ── value ───► Value (its own form, or Remote) ──► text, members, JSON
//!                      ◄─── wire ──
//! ```

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of the many kinds of values on the wire a place takes a few, and all others alike"
)]

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use psrp::clixml::{
    self, Content, DateTime, Fields, Object as Wired, Properties, Property, SecureString, TimeSpan,
    TypeNames,
};
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use uuid::Uuid;

use super::texts;
use crate::powershell::value::{HASHTABLE, Object, TYPE, Value};

/// The names of the properties that tell where an object came from.
const COMPUTER: &str = "PSComputerName";
const RUNSPACE: &str = "RunspaceId";
const SHOWN: &str = "PSShowComputerName";
/// What PowerShell puts before the type of what came from a host.
const DESERIALIZED: &str = "Deserialized.";
const CUSTOM_OBJECT: &str = "System.Management.Automation.PSCustomObject";
/// Objects inside each other, beyond which a text stands for them.
const MAX_DEPTH: usize = 64;
/// Values of one object: what a message may have, with those counted twice that stand there twice.
const MAX_VALUES: usize = 1_000_000;

/// How many items of a list a property's line shows, as PowerShell's `$FormatEnumerationLimit`.
const SHOWN_ITEMS: usize = 4;
/// What stands for the rest of something that is too large.
const REST: &str = "…";

/// Where an object came from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The computer, as it was named.
    pub(crate) computer: String,
    pub(crate) runspace: Uuid,
    /// Whether lists and tables show the computer.
    pub(crate) is_shown: bool,
}

/// Something that came from a host.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    wire: clixml::Value,
    type_name: Cow<'static, str>,
    stamp: Option<Arc<Stamp>>,
}

/// What came from a host as a value of cmdlets.
pub(crate) fn value(wire: clixml::Value) -> Value {
    match native(&wire) {
        Some(value) => value,
        None => Value::Remote(Box::new(Remote::new(wire, None))),
    }
}

/// The same with the place where it came from.
pub(crate) fn stamped(wire: clixml::Value, stamp: &Arc<Stamp>) -> Value {
    if wire.is_null() {
        return Value::Null;
    }
    Value::Remote(Box::new(Remote::new(wire, Some(Arc::clone(stamp)))))
}

/// The values that have the same form here.
fn native(wire: &clixml::Value) -> Option<Value> {
    Some(match wire {
        clixml::Value::Null => Value::Null,
        clixml::Value::Bool(value) => Value::Bool(*value),
        clixml::Value::Int32(number) => Value::Integer((*number).into()),
        clixml::Value::Double(number) => Value::Real(*number),
        clixml::Value::String(text) => Value::Text(text.as_str()?.to_owned()),
        clixml::Value::ScriptBlock(text) => Value::ScriptBlock(text.as_str()?.to_owned()),
        _ => return None,
    })
}

/// Whether secrets are inside, which need a session's key to be sent.
pub(crate) fn secrets<'a>(value: &'a Value, found: &mut Vec<&'a auth::Secret>) {
    match value {
        Value::Secret(secret) => found.push(secret),
        Value::List(values) => values.iter().for_each(|value| secrets(value, found)),
        Value::Object(object) => {
            object.properties.iter().for_each(|(_, value)| secrets(value, found));
        }
        Value::Null
        | Value::Bool(_)
        | Value::Integer(_)
        | Value::Real(_)
        | Value::Milliseconds(_)
        | Value::Text(_)
        | Value::ScriptBlock(_)
        | Value::Remote(_) => {}
    }
}

/// A value for a host; `encrypted` are the secrets in it, in the order of [`secrets`].
pub(crate) fn wire(
    value: &Value,
    encrypted: &mut impl Iterator<Item = SecureString>,
) -> clixml::Value {
    match value {
        Value::Null => clixml::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Integer(number) => {
            i32::try_from(*number).map_or(clixml::Value::Int64(*number), clixml::Value::Int32)
        }
        Value::Real(number) => (*number).into(),
        Value::Milliseconds(time) => TimeSpan { ticks: time.saturating_mul(10_000) }.into(),
        Value::Text(text) => text.as_str().into(),
        Value::ScriptBlock(text) => clixml::Value::ScriptBlock(text.as_str().into()),
        Value::Secret(_) => encrypted.next().map_or(clixml::Value::Null, Into::into),
        Value::List(values) => {
            let items = values.iter().map(|value| wire(value, encrypted)).collect();
            Wired::array("System.Object[]", items).into()
        }
        Value::Object(object) if object.is_hashtable() => {
            let entry =
                |(name, value): &(String, Value)| (name.as_str().into(), wire(value, encrypted));
            Wired::new(Fields {
                type_names: Some(TypeNames::new([HASHTABLE, "System.Object"])),
                content: Content::Dictionary(object.properties.iter().map(entry).collect()),
                ..Fields::default()
            })
            .into()
        }
        Value::Object(object) => {
            let mut bag = Properties::default();
            for (name, value) in &object.properties {
                bag.push(name.as_str(), wire(value, encrypted));
            }
            let names = TypeNames::new([object.type_name.as_str(), "System.Object"]);
            Wired::new(Fields { type_names: Some(names), extended: bag, ..Fields::default() })
                .into()
        }
        Value::Remote(remote) => remote.wire(),
    }
}

/// What came from a host with the place where it came from, for a host.
pub(super) fn sealed(wire: clixml::Value, stamp: &Stamp) -> clixml::Value {
    let mut fields = match &wire {
        clixml::Value::Object(object) => Fields::clone(object),
        primitive => Fields { content: Content::Base(primitive.clone()), ..Fields::default() },
    };
    let kept = |property: &&Property| !is_stamp(&property.name().to_string_lossy());
    fields.extended = fields.extended.iter().filter(kept).cloned().collect();
    fields.extended.push(COMPUTER, stamp.computer.as_str());
    fields.extended.push(RUNSPACE, stamp.runspace);
    fields.extended.push(SHOWN, stamp.is_shown);
    Wired::new(fields).into()
}

/// Whether it is a text or a number: what is shown as a line by itself.
pub(super) fn is_line(wire: &clixml::Value) -> bool {
    let is_simple = |value: &clixml::Value| {
        value.as_object().is_none()
            && !matches!(value, clixml::Value::DateTime(_) | clixml::Value::Ancestor(_))
    };
    is_enumeration(wire) || is_simple(wire.base())
}

impl Remote {
    fn new(wire: clixml::Value, stamp: Option<Arc<Stamp>>) -> Self {
        let type_name = type_name(&wire);
        Self { wire, type_name, stamp }
    }

    /// The type's name.
    pub(crate) fn type_name(&self) -> &str {
        &self.type_name
    }

    /// As PowerShell writes it into a text.
    pub(crate) fn text(&self) -> String {
        text(&self.wire, 1)
    }

    /// As it stands in a property's line or column.
    pub(crate) fn cell(&self) -> String {
        let Some(items) = self.wire.as_object().and_then(|object| object.items()) else {
            return self.text();
        };
        let mut cells: Vec<String> =
            items.iter().take(SHOWN_ITEMS).map(|item| text(item, 0)).collect();
        if items.len() > SHOWN_ITEMS {
            cells.push(REST.to_owned());
        }
        format!("{{{}}}", cells.join(", "))
    }

    /// On the wire, with the place where it came from.
    pub(crate) fn wire(&self) -> clixml::Value {
        match &self.stamp {
            Some(stamp) => sealed(self.wire.clone(), stamp),
            None => self.wire.clone(),
        }
    }

    /// Its properties, each once, and where it came from.
    pub(crate) fn properties(&self) -> Vec<(String, Value)> {
        let mut found: Vec<(String, Value)> = Vec::new();
        if let Some(object) = self.wire.as_object() {
            for (name, wire) in properties(object) {
                if self.stamp.is_none() || !is_stamp(&name) {
                    found.push((name, value(wire.clone())));
                }
            }
        }
        if let Some(stamp) = &self.stamp {
            found.push((COMPUTER.to_owned(), Value::Text(stamp.computer.clone())));
            found.push((RUNSPACE.to_owned(), Value::Text(stamp.runspace.to_string())));
            found.push((SHOWN.to_owned(), Value::Bool(stamp.is_shown)));
        }
        found
    }

    /// Whether the computer is kept out of lists.
    fn hides(&self, name: &str) -> bool {
        let is_shown = self.stamp.as_ref().is_some_and(|stamp| stamp.is_shown);
        self.stamp.is_some()
            && (name.eq_ignore_ascii_case(SHOWN)
                || (name.eq_ignore_ascii_case(COMPUTER) && !is_shown))
    }

    /// A property, or an entry of a dictionary.
    pub(crate) fn member(&self, name: &str) -> Option<Value> {
        let stamped = self.stamp.as_ref().and_then(|stamp| match () {
            () if name.eq_ignore_ascii_case(COMPUTER) => Some(Value::Text(stamp.computer.clone())),
            () if name.eq_ignore_ascii_case(RUNSPACE) => {
                Some(Value::Text(stamp.runspace.to_string()))
            }
            () if name.eq_ignore_ascii_case(SHOWN) => Some(Value::Bool(stamp.is_shown)),
            () => None,
        });
        let of_object = || {
            let object = self.wire.as_object()?;
            object.entry(name).or_else(|| object.property(name)).cloned().map(value)
        };
        stamped.or_else(of_object)
    }

    /// How many items or entries it has, if it is a list or a dictionary.
    pub(crate) fn count(&self) -> Option<usize> {
        let object = self.wire.as_object()?;
        object.items().map(<[_]>::len).or_else(|| object.entries().map(<[_]>::len))
    }

    /// The items of a list.
    pub(crate) fn items(&self) -> Option<Vec<Value>> {
        let items = self.wire.as_object()?.items()?;
        Some(items.iter().cloned().map(value).collect())
    }

    /// Its nearest form among the values of cmdlets, one level of it.
    pub(crate) fn plain(&self) -> Value {
        if is_enumeration(&self.wire) {
            return Value::Text(self.text());
        }
        match self.wire.base() {
            clixml::Value::Object(object) => match &object.content {
                Content::List(items)
                | Content::Enumerable(items)
                | Content::Queue(items)
                | Content::Stack(items) => Value::List(items.iter().cloned().map(value).collect()),
                Content::Dictionary(entries) => Value::hashtable(
                    entries.iter().map(|(key, item)| (text(key, 0), value(item.clone()))).collect(),
                ),
                _ => {
                    let mut properties = self.properties();
                    properties.retain(|(name, _)| !self.hides(name));
                    if properties.is_empty() {
                        return Value::Text(self.text());
                    }
                    Value::Object(Object {
                        type_name: self.type_name.clone().into_owned(),
                        properties,
                    })
                }
            },
            primitive => plain_primitive(primitive),
        }
    }
}

/// A number, a text or the like.
fn plain_primitive(wire: &clixml::Value) -> Value {
    if let Some(value) = native(wire) {
        return value;
    }
    if let Some(number) = wire.as_i64() {
        return Value::Integer(number);
    }
    match wire {
        clixml::Value::Single(number) => Value::Real((*number).into()),
        clixml::Value::TimeSpan(span) => texts::milliseconds(*span)
            .map_or_else(|| Value::Text(texts::time_span(span.ticks)), Value::Milliseconds),
        clixml::Value::Bytes(bytes) => {
            Value::List(bytes.iter().map(|byte| Value::Integer((*byte).into())).collect())
        }
        other => Value::Text(text(other, 0)),
    }
}

fn is_stamp(name: &str) -> bool {
    [COMPUTER, RUNSPACE, SHOWN].iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn is_enumeration(wire: &clixml::Value) -> bool {
    wire.as_object().is_some_and(|object| object.is_a("System.Enum") && object.base().is_some())
}

/// Each property once: of two with one name, added ones hide the type's, and later ones earlier ones.
fn properties(object: &Wired) -> Vec<(String, &clixml::Value)> {
    let mut found: Vec<(String, &clixml::Value)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (name, value) in object.adapted.values().chain(object.extended.values()) {
        let name = name.to_string_lossy().into_owned();
        let place = *places.entry(name.to_lowercase()).or_insert(found.len());
        match found.get_mut(place) {
            Some((_, known)) => *known = value,
            None => found.push((name, value)),
        }
    }
    found
}

/// The type's name, with PowerShell's mark where the object is a picture of the one on the host.
fn type_name(wire: &clixml::Value) -> Cow<'static, str> {
    if let Some(name) = texts::type_name(wire) {
        return Cow::Borrowed(name);
    }
    let clixml::Value::Object(object) = wire else { return Cow::Borrowed(CUSTOM_OBJECT) };
    if object.entries().is_some() {
        return Cow::Borrowed(HASHTABLE);
    }
    let name = object.type_names.as_ref().and_then(|names| names.first());
    let name = name.map_or(Cow::Borrowed(CUSTOM_OBJECT), |name| name.to_string_lossy());
    match object.base() {
        Some(base) if !is_enumeration(wire) => type_name(base),
        _ if name.starts_with(DESERIALIZED) => Cow::Owned(name.into_owned()),
        _ => Cow::Owned(format!("{DESERIALIZED}{name}")),
    }
}

/// As PowerShell writes it into a text; with `levels` left, what is inside as well.
fn text(wire: &clixml::Value, levels: usize) -> String {
    if let Some(text) = texts::primitive(wire) {
        return text;
    }
    let known = match wire {
        clixml::Value::Ancestor(ancestor) => ancestor.object(),
        other => other.as_object().cloned(),
    };
    let Some(object) = known else { return String::new() };
    if let Some(text) = &object.to_string {
        return text.to_string_lossy().into_owned();
    }
    let inner = levels.checked_sub(1);
    match (object.base(), object.items(), inner) {
        (Some(base), ..) if base.as_object().is_none() => text(base, 0),
        (_, Some(items), Some(inner)) => {
            items.iter().map(|item| text(item, inner)).collect::<Vec<_>>().join(" ")
        }
        (None, None, Some(inner)) if object.entries().is_none() && !object.extended.is_empty() => {
            let written = properties(&object);
            let written =
                written.iter().map(|(name, value)| format!("{name}={}", text(value, inner)));
            format!("@{{{}}}", written.collect::<Vec<_>>().join("; "))
        }
        _ => type_name(&clixml::Value::Object(object.clone())).into_owned(),
    }
}

impl Serialize for Remote {
    /// Objects are objects with their type, lists lists, dictionaries objects; dates and what JSON has no numbers for are
    /// texts. What was stamped is an object always: a number its `value`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let left = Cell::new(MAX_VALUES);
        Node { wire: &self.wire, depth: 0, left: &left, stamp: self.stamp.as_deref() }
            .serialize(serializer)
    }
}

/// A value inside an object on its way into JSON.
struct Node<'a> {
    wire: &'a clixml::Value,
    depth: usize,
    /// So many more may come.
    left: &'a Cell<usize>,
    stamp: Option<&'a Stamp>,
}

impl<'a> Node<'a> {
    const fn inside(&self, wire: &'a clixml::Value) -> Self {
        Node { wire, depth: self.depth + 1, left: self.left, stamp: None }
    }

    /// An object of JSON: its type, what it stands for, its properties, where it came from.
    fn map<S: Serializer>(
        &self,
        serializer: S,
        type_name: Option<&str>,
        content: Option<&clixml::Value>,
        properties: &[(String, &'a clixml::Value)],
    ) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(name) = type_name {
            map.serialize_entry(TYPE, name)?;
        }
        if let Some(content) = content {
            let bare = Node { wire: content, depth: self.depth + 1, left: self.left, stamp: None };
            map.serialize_entry("value", &bare)?;
        }
        for (name, value) in properties {
            let is_taken = name.eq_ignore_ascii_case(TYPE)
                || (self.stamp.is_some() && is_stamp(name))
                || (content.is_some() && name == "value");
            if !is_taken && !matches!(value, clixml::Value::SecureString(_)) {
                map.serialize_entry(name, &self.inside(value))?;
            }
        }
        if let Some(stamp) = self.stamp {
            map.serialize_entry(COMPUTER, &stamp.computer)?;
            map.serialize_entry(RUNSPACE, &stamp.runspace.to_string())?;
            map.serialize_entry(SHOWN, &stamp.is_shown)?;
        }
        map.end()
    }

    fn object<S: Serializer>(&self, object: &'a Wired, serializer: S) -> Result<S::Ok, S::Error> {
        let found = properties(object);
        let is_bare = found.is_empty() && self.stamp.is_none();
        match &object.content {
            _ if self.depth >= MAX_DEPTH => serializer.serialize_str(&text(self.wire, 0)),
            Content::Base(_) if is_enumeration(self.wire) => {
                let name = clixml::Value::String(text(self.wire, 0).into());
                match self.stamp {
                    Some(_) => self.map(serializer, None, Some(&name), &[]),
                    None => self.inside(&name).serialize(serializer),
                }
            }
            Content::Base(base) if is_bare => self.inside(base).serialize(serializer),
            Content::Base(base) => self.map(serializer, None, Some(base), &found),
            Content::Dictionary(entries) => {
                let entries: Vec<_> =
                    entries.iter().map(|(key, value)| (text(key, 0), value)).collect();
                self.map(serializer, None, None, &entries)
            }
            Content::List(items)
            | Content::Enumerable(items)
            | Content::Queue(items)
            | Content::Stack(items) => {
                if is_bare {
                    return serializer.collect_seq(items.iter().map(|item| self.inside(item)));
                }
                let list = Wired::new(Fields {
                    content: Content::List(items.clone()),
                    ..Fields::default()
                });
                self.map(serializer, None, Some(&list.into()), &found)
            }
            _ => {
                let name = type_name(self.wire);
                let shown = object.to_string.clone().map(clixml::Value::String);
                match &shown {
                    Some(shown) if found.is_empty() => {
                        self.map(serializer, Some(&name), None, &[("ToString".to_owned(), shown)])
                    }
                    _ => self.map(serializer, Some(&name), None, &found),
                }
            }
        }
    }
}

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(left) = self.left.get().checked_sub(1) else {
            return serializer.serialize_str(REST);
        };
        self.left.set(left);
        match self.wire {
            clixml::Value::Object(object) => self.object(object, serializer),
            clixml::Value::Ancestor(_) => serializer.serialize_str(&text(self.wire, 0)),
            primitive if self.stamp.is_some() => self.map(serializer, None, Some(primitive), &[]),
            primitive => json(primitive, serializer),
        }
    }
}

/// A primitive in JSON.
fn json<S: Serializer>(wire: &clixml::Value, serializer: S) -> Result<S::Ok, S::Error> {
    match wire {
        clixml::Value::Null | clixml::Value::SecureString(_) => serializer.serialize_unit(),
        clixml::Value::Bool(value) => serializer.serialize_bool(*value),
        clixml::Value::Double(number) if number.is_finite() => serializer.serialize_f64(*number),
        // The digits that it has, not those of its neighbour in double precision.
        clixml::Value::Single(number) if number.is_finite() => {
            let wide = text(wire, 0).parse().unwrap_or_else(|_| f64::from(*number));
            serializer.serialize_f64(wide)
        }
        clixml::Value::DateTime(time) => serializer.collect_str::<DateTime>(time),
        clixml::Value::TimeSpan(span) => match texts::milliseconds(*span) {
            Some(time) => serializer.serialize_i64(time),
            #[expect(
                clippy::cast_precision_loss,
                reason = "parts of a millisecond are far from 53 bits"
            )]
            None => serializer.serialize_f64(span.ticks as f64 / 10_000.0),
        },
        clixml::Value::Bytes(bytes) => serializer.serialize_str(&STANDARD.encode(bytes)),
        other => match other.as_i64() {
            Some(number) => serializer.serialize_i64(number),
            None => serializer.serialize_str(&text(other, 0)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> clixml::Value {
        clixml::decode(text, &clixml::Limits::default()).unwrap()
    }

    fn stamp(is_shown: bool) -> Arc<Stamp> {
        Arc::new(Stamp { computer: "h".to_owned(), runspace: Uuid::nil(), is_shown })
    }

    fn written(value: &Value) -> String {
        String::from_utf8(value.json()).unwrap().trim_end().to_owned()
    }

    const FILE: &str = r#"<Obj RefId="0"><TN RefId="0"><T>System.IO.FileInfo</T><T>System.Object</T></TN>
        <ToString>f.txt</ToString><Props><S N="Name">f.txt</S><I64 N="Length">4</I64><DT N="When">2026-01-02T03:04:05Z</DT>
        </Props><MS><S N="name">g.txt</S><Obj N="Mode" RefId="1"><TN RefId="1"><T>System.IO.FileMode</T><T>System.Enum</T>
        </TN><ToString>Open</ToString><I32>3</I32></Obj><SS N="Key">QQ==</SS></MS></Obj>"#;

    #[test]
    fn primitives_have_stable_forms_in_json() {
        for (text, json) in [
            ("<Nil />", "null"),
            ("<B>true</B>", "true"),
            ("<I32>-5</I32>", "-5"),
            ("<By>200</By>", "200"),
            ("<I64>9223372036854775807</I64>", "9223372036854775807"),
            ("<U64>18446744073709551615</U64>", "\"18446744073709551615\""),
            ("<Sg>0.1</Sg>", "0.1"),
            ("<Db>2.5</Db>", "2.5"),
            ("<Db>NaN</Db>", "null"),
            ("<D>79228162514264337593543950335</D>", "\"79228162514264337593543950335\""),
            ("<D>1.10</D>", "\"1.10\""),
            ("<C>8364</C>", "\"€\""),
            ("<S>ä_x000A_</S>", "\"ä\\n\""),
            ("<DT>2026-01-02T03:04:05.1234567+01:00</DT>", "\"2026-01-02T03:04:05.1234567+01:00\""),
            ("<TS>PT1.5S</TS>", "1500"),
            ("<TS>PT0.0000001S</TS>", "0.0001"),
            (
                "<G>{12345678-1234-1234-1234-1234567890AB}</G>",
                "\"12345678-1234-1234-1234-1234567890ab\"",
            ),
            ("<BA>AQID</BA>", "\"AQID\""),
            ("<URI>http://h/</URI>", "\"http://h/\""),
            ("<XD>&lt;a/&gt;</XD>", "\"<a/>\""),
            ("<SBK> 1 </SBK>", "\" 1 \""),
            ("<Version>1.2.3.4</Version>", "\"1.2.3.4\""),
            ("<SS>QQ==</SS>", "null"),
        ] {
            assert_eq!(written(&value(read(text))), json, "{text}");
        }
    }

    #[test]
    fn objects_have_their_type_and_each_property_once_in_json() {
        let json = r#"{"PSTypeName":"Deserialized.System.IO.FileInfo","Name":"g.txt","Length":4,"When":"2026-01-02T03:04:05Z","Mode":"Open"}"#;
        assert_eq!(written(&value(read(FILE))), json);
        for (text, json) in [
            (
                r#"<Obj RefId="0"><MS><I32 N="a">1</I32></MS></Obj>"#,
                r#"{"PSTypeName":"Deserialized.System.Management.Automation.PSCustomObject","a":1}"#,
            ),
            (r#"<Obj RefId="0"><LST><I32>1</I32><Nil /></LST></Obj>"#, "[1,null]"),
            (r#"<Obj RefId="0"><QUE><I32>1</I32></QUE></Obj>"#, "[1]"),
            (r#"<Obj RefId="0"><STK><I32>1</I32></STK></Obj>"#, "[1]"),
            (
                r#"<Obj RefId="0"><DCT><En><S N="Key">k</S><I32 N="Value">1</I32></En></DCT></Obj>"#,
                r#"{"k":1}"#,
            ),
            (
                r#"<Obj RefId="0"><TN RefId="0"><T>X</T></TN><ToString>t</ToString></Obj>"#,
                r#"{"PSTypeName":"Deserialized.X","ToString":"t"}"#,
            ),
            (
                r#"<Obj RefId="0"><I32>1</I32><MS><S N="n">m</S></MS></Obj>"#,
                r#"{"value":1,"n":"m"}"#,
            ),
        ] {
            assert_eq!(written(&value(read(text))), json, "{text}");
        }
    }

    #[test]
    fn stamps_are_ours_whatever_the_host_says() {
        let faked = r#"<Obj RefId="0"><MS><S N="pscomputername">evil</S><S N="PSTypeName">T</S><I32 N="a">1</I32></MS></Obj>"#;
        let stamped = stamped(read(faked), &stamp(true));
        assert_eq!(
            written(&stamped),
            r#"{"PSTypeName":"Deserialized.System.Management.Automation.PSCustomObject","a":1,"PSComputerName":"h","RunspaceId":"00000000-0000-0000-0000-000000000000","PSShowComputerName":true}"#
        );
        assert_eq!(stamped.member("PSCOMPUTERNAME").text(), "h");
        let Value::Remote(remote) = &stamped else { panic!("{stamped:?}") };
        assert_eq!(remote.properties().len(), 5, "{:?}", remote.properties());
        let sent = value(remote.wire());
        assert_eq!(sent.member("PSComputerName").text(), "h");
    }

    #[test]
    fn numbers_and_lists_with_a_stamp_are_the_value_of_an_object() {
        let tail = r#""PSComputerName":"h","RunspaceId":"00000000-0000-0000-0000-000000000000","PSShowComputerName":false}"#;
        let number = stamped(read("<I32>1</I32>"), &stamp(false));
        assert_eq!(written(&number), format!("{{\"value\":1,{tail}"));
        let list = stamped(read(r#"<Obj RefId="0"><LST><I32>1</I32></LST></Obj>"#), &stamp(false));
        assert_eq!(written(&list), format!("{{\"value\":[1],{tail}"));
        assert!(matches!(stamped(read("<Nil />"), &stamp(true)), Value::Null));
    }

    #[test]
    fn what_goes_back_to_a_host_is_what_came() {
        for text in [
            FILE,
            "<D>1.10</D>",
            "<BA>AQID</BA>",
            "<S>_xD83D_</S>",
            "<I32>1</I32>",
            "<SS>QQ==</SS>",
            "<C>65</C>",
        ] {
            let came = read(text);
            assert_eq!(wire(&value(came.clone()), &mut std::iter::empty()), came, "{text}");
        }
    }

    #[test]
    fn values_of_a_line_have_dotnet_types_on_the_wire() {
        let line: Value =
            serde_json::from_str(r#"{"i":1,"l":4294967296,"r":1.5,"t":"x","a":[true,null]}"#)
                .unwrap();
        let sent = wire(&line, &mut std::iter::empty());
        let object = sent.as_object().unwrap();
        assert!(object.is_a(HASHTABLE));
        assert_eq!(object.entry("i"), Some(&clixml::Value::Int32(1)));
        assert_eq!(object.entry("l"), Some(&clixml::Value::Int64(4_294_967_296)));
        assert_eq!(object.entry("r"), Some(&clixml::Value::Double(1.5)));
        assert!(
            object.entry("a").and_then(|list| list.as_object()).unwrap().is_a("System.Object[]")
        );
        let time = wire(&Value::Milliseconds(1500), &mut std::iter::empty());
        assert_eq!(time, clixml::Value::TimeSpan(TimeSpan { ticks: 15_000_000 }));
    }

    #[test]
    fn secrets_are_sent_encrypted_in_their_order_and_never_otherwise() {
        let secret = |text: &str| Value::Secret(auth::Secret::from(text));
        let line =
            Value::List(vec![secret("a"), Value::hashtable(vec![("k".to_owned(), secret("b"))])]);
        let mut found = Vec::new();
        secrets(&line, &mut found);
        assert_eq!(found.len(), 2);
        let mut encrypted =
            ["1", "2"].map(|text| SecureString::from_wire(text.to_owned())).into_iter();
        let text = clixml::encode(&wire(&line, &mut encrypted)).to_string();
        assert!(text.contains("<SS>1</SS>") && text.contains(">2</SS>"), "{text}");
        let text = clixml::encode(&wire(&secret("geheim"), &mut std::iter::empty())).to_string();
        assert!(!text.contains("geheim"), "{text}");
    }

    #[test]
    fn texts_of_objects_are_those_of_powershell() {
        for (text, shown) in [
            (FILE, "f.txt"),
            (r#"<Obj RefId="0"><MS><I32 N="a">1</I32><S N="b">x</S></MS></Obj>"#, "@{a=1; b=x}"),
            (r#"<Obj RefId="0"><LST><I32>1</I32><B>true</B></LST></Obj>"#, "1 True"),
            (
                r#"<Obj RefId="0"><DCT><En><S N="Key">k</S><I32 N="Value">1</I32></En></DCT></Obj>"#,
                HASHTABLE,
            ),
            ("<Db>1E+20</Db>", "1E+20"),
            ("<TS>P1DT1S</TS>", "1.00:00:01"),
        ] {
            assert_eq!(value(read(text)).text(), shown, "{text}");
        }
    }

    #[test]
    fn graphs_that_references_make_large_or_endless_stay_bounded() {
        // Each list has the one before it ten times.
        let mut text = r#"<Obj RefId="0"><LST><Obj RefId="1"><LST /></Obj>"#.to_owned();
        for number in 2..8 {
            let before = format!(r#"<Ref RefId="{}" />"#, number - 1).repeat(10);
            text += &format!(r#"<Obj RefId="{number}"><LST>{before}</LST></Obj>"#);
        }
        text += "</LST></Obj>";
        let large = value(read(&text));
        assert!(large.json().len() < 20 * MAX_VALUES);
        assert!(large.text().len() < 1_000_000);
        let cycle = value(read(r#"<Obj RefId="0"><MS><Ref N="me" RefId="0" /></MS></Obj>"#));
        assert!(written(&cycle).contains(r#""me":"#));
        assert_eq!(cycle.text(), "@{me=Deserialized.System.Management.Automation.PSCustomObject}");
        let mut deep = r#"<Obj RefId="0"><LST><Obj RefId="1"><LST /></Obj>"#.to_owned();
        for number in 2..300 {
            deep += &format!(
                r#"<Obj RefId="{number}"><LST><Ref RefId="{}" /></LST></Obj>"#,
                number - 1
            );
        }
        let deep = value(read(&(deep + "</LST></Obj>")));
        let again: Result<Value, _> = serde_json::from_slice(&deep.json());
        assert!(again.is_ok());
    }
}
