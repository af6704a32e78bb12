//! [`Object`]: what CLIXML calls `Obj`, [MS-PSRP] 2.2.5.2.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Weak};

use super::{Text, Value};

/// An object. A clone is the same object: written into one message, it is written once, and
/// referred to after that.
#[derive(Clone)]
pub struct Object(Arc<Fields>);

/// What an object has.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fields {
    /// The names of its type and of what that derives from, the most derived first; `None` where
    /// none were written.
    pub type_names: Option<TypeNames>,
    /// What its method `ToString` returned.
    pub to_string: Option<Text>,
    /// The primitive or the items that it stands for.
    pub content: Content,
    /// `Props`: the properties that its type has.
    pub adapted: Properties,
    /// `MS`: properties that were added, or those of a property bag.
    pub extended: Properties,
}

/// The primitive or the items that an object stands for.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum Content {
    /// Nothing: there are properties only.
    #[default]
    None,
    /// What it wraps: mostly a primitive, for an enum its number.
    Base(Value),
    /// `DCT`: keys and values, in the order in which they were written.
    Dictionary(Vec<(Value, Value)>),
    /// `IE`: what could only be enumerated.
    Enumerable(Vec<Value>),
    /// `LST`.
    List(Vec<Value>),
    /// `QUE`, the next item first.
    Queue(Vec<Value>),
    /// `STK`, the top first.
    Stack(Vec<Value>),
}

impl Object {
    /// An object with these fields.
    #[must_use]
    pub fn new(fields: Fields) -> Self {
        Self(Arc::new(fields))
    }

    /// A property bag: extended properties and nothing else.
    #[must_use]
    pub fn bag(extended: Properties) -> Self {
        Self::new(Fields { extended, ..Fields::default() })
    }

    /// A value of an enum: `type_name` is the enum's, `name` what PowerShell calls the number.
    #[must_use]
    pub fn enumeration(type_name: &str, name: &str, number: i32) -> Self {
        Self::new(Fields {
            type_names: Some(TypeNames::new([
                type_name,
                "System.Enum",
                "System.ValueType",
                "System.Object",
            ])),
            to_string: Some(name.into()),
            content: Content::Base(Value::Int32(number)),
            ..Fields::default()
        })
    }

    /// A list of the .NET type `type_name`, which derives from `System.Object`.
    #[must_use]
    pub fn list(type_name: &str, items: Vec<Value>) -> Self {
        Self::new(Fields {
            type_names: Some(TypeNames::new([type_name, "System.Object"])),
            content: Content::List(items),
            ..Fields::default()
        })
    }

    /// An array of the .NET type `type_name`, for example `System.Object[]`.
    #[must_use]
    pub fn array(type_name: &str, items: Vec<Value>) -> Self {
        Self::new(Fields {
            type_names: Some(TypeNames::new([type_name, "System.Array", "System.Object"])),
            content: Content::List(items),
            ..Fields::default()
        })
    }

    /// True when both are the same object.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(super) fn new_cyclic(read: impl FnOnce(&Ancestor) -> Fields) -> Self {
        Self(Arc::new_cyclic(|weak| read(&Ancestor(Weak::clone(weak)))))
    }

    /// Where it is, if somebody else may refer to it.
    pub(super) fn shared_address(&self) -> Option<usize> {
        (Arc::strong_count(&self.0) > 1 || Arc::weak_count(&self.0) > 0).then(|| self.address())
    }

    fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

impl Fields {
    /// What it wraps.
    #[must_use]
    pub const fn base(&self) -> Option<&Value> {
        match &self.content {
            Content::Base(value) => Some(value),
            _ => None,
        }
    }

    /// The items of a list, queue, stack or enumeration.
    #[must_use]
    pub fn items(&self) -> Option<&[Value]> {
        match &self.content {
            Content::Enumerable(items)
            | Content::List(items)
            | Content::Queue(items)
            | Content::Stack(items) => Some(items),
            Content::Base(_) | Content::Dictionary(_) | Content::None => None,
        }
    }

    /// Keys and values of a dictionary.
    #[must_use]
    pub fn entries(&self) -> Option<&[(Value, Value)]> {
        match &self.content {
            Content::Dictionary(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value under a key that is a string, whatever its case, as in a PowerShell hashtable.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Value> {
        let is_key = |(name, _): &&(Value, Value)| {
            name.as_text().is_some_and(|name| name.eq_ignore_case(key))
        };
        self.entries()?.iter().find(is_key).map(|(_, value)| value)
    }

    /// The property of this name, whatever its case: extended ones hide adapted ones.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Value> {
        self.extended.value(name).or_else(|| self.adapted.value(name))
    }

    /// Whether its type has this name or derives from one that has.
    #[must_use]
    pub fn is_a(&self, type_name: &str) -> bool {
        self.type_names.as_ref().is_some_and(|names| names.iter().any(|name| *name == type_name))
    }
}

impl Deref for Object {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.0
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || *self.0 == *other.0
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A reference from inside an object back to that object. It does not keep the object alive.
#[derive(Clone)]
pub struct Ancestor(Weak<Fields>);

impl Ancestor {
    /// The object, as long as somebody holds it.
    #[must_use]
    pub fn object(&self) -> Option<Object> {
        self.0.upgrade().map(Object)
    }

    pub(super) fn address(&self) -> usize {
        self.0.as_ptr().addr()
    }
}

impl PartialEq for Ancestor {
    /// What two ancestors hold is not compared, which would never end: objects are equal when all
    /// else is.
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Ancestor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ancestor")
    }
}

/// The names of a type and of its bases. A clone shares them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TypeNames(Arc<[Text]>);

impl TypeNames {
    /// These names, the most derived first.
    #[must_use]
    pub fn new<N: Into<Text>>(names: impl IntoIterator<Item = N>) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }
}

impl Deref for TypeNames {
    type Target = [Text];

    fn deref(&self) -> &[Text] {
        &self.0
    }
}

impl fmt::Debug for TypeNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Properties in the order in which they were written. One name may stand twice, also in another
/// case: the last counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Properties(Vec<Property>);

/// A property, or a set of properties.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Property {
    /// A set of properties with a name, `MS` inside `MS`.
    Set(Text, Properties),
    /// A name and its value.
    Value(Text, Value),
}

impl Property {
    /// The name.
    #[must_use]
    pub const fn name(&self) -> &Text {
        match self {
            Self::Set(name, _) | Self::Value(name, _) => name,
        }
    }
}

impl Properties {
    /// No properties.
    pub const NONE: Self = Self(Vec::new());

    /// The value of this name, whatever its case.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.0.iter().rev().find_map(|property| match property {
            Property::Value(known, value) if known.eq_ignore_case(name) => Some(value),
            Property::Value(..) | Property::Set(..) => None,
        })
    }

    /// Adds a property.
    pub fn push(&mut self, name: impl Into<Text>, value: impl Into<Value>) {
        self.0.push(Property::Value(name.into(), value.into()));
    }

    /// Adds a set of properties.
    pub fn push_set(&mut self, name: impl Into<Text>, set: Self) {
        self.0.push(Property::Set(name.into(), set));
    }

    /// With one more property.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.push(name, value);
        self
    }

    /// The names with their values; sets of properties are left out.
    pub fn values(&self) -> impl Iterator<Item = (&Text, &Value)> {
        self.0.iter().filter_map(|property| match property {
            Property::Value(name, value) => Some((name, value)),
            Property::Set(..) => None,
        })
    }
}

impl Deref for Properties {
    type Target = [Property];

    fn deref(&self) -> &[Property] {
        &self.0
    }
}

impl From<Vec<Property>> for Properties {
    fn from(properties: Vec<Property>) -> Self {
        Self(properties)
    }
}

impl FromIterator<Property> for Properties {
    fn from_iter<I: IntoIterator<Item = Property>>(properties: I) -> Self {
        Self(properties.into_iter().collect())
    }
}
