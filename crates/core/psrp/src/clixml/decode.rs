//! The reader: markup in, values out, within bounds.
//!
//! An object can be referred to while it is being read (a cycle) and after. Until it has ended,
//! others get an [`Ancestor`] of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::error::{Error, ErrorKind, Limit};
use super::markup::{Characters, Markup, Pieces, RefId, Start, Tag, is_blank, shorten};
use super::{
    Ancestor, Content, Fields, Object, Progress, Properties, Property, Text, TypeNames, Value,
    Version, characters, primitive,
};

/// Bounds of what is read. The default is safe for a message from anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the text. A service takes objects of 10 MiB by default
    /// (`MaximumReceivedObjectSizeMB`). What references repeat of it may have eight times as many.
    pub bytes: usize,
    /// Objects inside each other. PowerShell's own limit is 50. By references to objects that ended before it may be
    /// eight times as many.
    pub depth: usize,
    /// Values, objects and their items counted.
    pub values: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 10 * 1024 * 1024, depth: 50, values: 1_000_000 }
    }
}

/// A value of a document, and the stream that it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The attribute `S`: for example `Error` or `progress`, where a process wrote its streams.
    pub stream: Option<Text>,
    /// The value.
    pub value: Value,
}

/// Reads one value that is not wrapped in a document, as messages carry it.
///
/// # Errors
///
/// [`Error`]: the text is larger or deeper than `limits` allow, is no well-formed XML, or not what
/// PowerShell reads as a value.
pub fn decode(text: &str, limits: &Limits) -> Result<Value, Error> {
    let mut decoder = Decoder::new(text, true, limits)?;
    let value = decoder.single();
    decoder.place(value)
}

/// Reads a document: `Objs` around any number of values.
///
/// # Errors
///
/// As [`decode`]; also when the document's namespace or version is another one.
pub fn decode_document(text: &str, limits: &Limits) -> Result<Vec<Item>, Error> {
    let mut decoder = Decoder::new(text, false, limits)?;
    let items = decoder.document();
    decoder.place(items)
}

/// What is known of an object with a `RefId`.
enum Known {
    /// It is being read.
    Open(Ancestor),
    Done(Done),
}

/// An object that has ended.
struct Done {
    object: Object,
    /// So many objects inside each other, itself counted.
    height: usize,
    /// Bytes of its text, if all that it refers to stood in there.
    size: usize,
}

/// A graph of references may be so many times deeper than its text: whoever walks it, if only to drop it, needs a
/// stack for each level.
const DEEPER_BY_REFERENCES: usize = 8;

/// And so many times larger: whoever shows it, or compares it with another, goes through what is referred to as often
/// as that is referred to. A few lines of text can have more of it than any machine counts.
const LARGER_BY_REFERENCES: usize = 8;

/// Things by their `RefId`. Writers count, so that a list will do for almost all.
struct Numbered<T> {
    counted: Vec<T>,
    others: BTreeMap<RefId, T>,
}

impl<T> Numbered<T> {
    const fn new() -> Self {
        Self { counted: Vec::new(), others: BTreeMap::new() }
    }

    fn get(&self, ref_id: &RefId) -> Option<&T> {
        ref_id.index().and_then(|index| self.counted.get(index)).or_else(|| self.others.get(ref_id))
    }

    /// What comes later under the same number takes its place.
    fn insert(&mut self, ref_id: &RefId, thing: T) {
        match ref_id.index() {
            Some(index) if index == self.counted.len() => self.counted.push(thing),
            Some(index) if index < self.counted.len() => {
                if let Some(place) = self.counted.get_mut(index) {
                    *place = thing;
                }
            }
            _ => {
                self.others.insert(ref_id.clone(), thing);
            }
        }
    }
}

struct Decoder<'t> {
    pieces: Pieces<'t>,
    limits: Limits,
    objects: Numbered<Known>,
    type_names: Numbered<TypeNames>,
    depth: usize,
    /// How deep the deepest is that stands in the object that is being read.
    height: usize,
    /// Bytes of text that references have repeated so far.
    repeated: usize,
    values: usize,
    /// Properties that the last object had.
    expected: usize,
}

impl<'t> Decoder<'t> {
    fn new(text: &'t str, is_bare: bool, limits: &Limits) -> Result<Self, Error> {
        let refused = |kind| Error { position: 0, kind };
        if text.len() > limits.bytes {
            return Err(refused(ErrorKind::LimitExceeded {
                limit: Limit::Bytes,
                allowed: limits.bytes,
            }));
        }
        Ok(Self {
            pieces: Pieces::new(text, is_bare).map_err(refused)?,
            limits: *limits,
            objects: Numbered::new(),
            type_names: Numbered::new(),
            depth: 0,
            height: 0,
            repeated: 0,
            values: 0,
            expected: 0,
        })
    }

    fn place<T>(&self, result: Result<T, ErrorKind>) -> Result<T, Error> {
        result.map_err(|kind| Error { position: self.pieces.position(), kind })
    }

    fn single(&mut self) -> Result<Value, ErrorKind> {
        let start = self.root()?;
        let value = self.value(start)?;
        self.end_of_text()?;
        Ok(value)
    }

    fn document(&mut self) -> Result<Vec<Item>, ErrorKind> {
        let root = self.root()?;
        if root.tag != Tag::Objects {
            return Err(root.tag.unknown());
        }
        if let Some(text) = root.rare.and_then(|rare| rare.version) {
            let version = Version::parse(&text).filter(|version| version.major == 1);
            version.ok_or_else(|| ErrorKind::Version(shorten(&text)))?;
        }
        let mut items = Vec::new();
        while let Some(mut start) = self.child(root.is_empty, Tag::Objects.text())? {
            let stream = start.rare.take().and_then(|rare| rare.stream);
            items.push(Item { stream, value: self.value(start)? });
        }
        self.end_of_text()?;
        Ok(items)
    }

    /// The first tag.
    fn root(&mut self) -> Result<Start, ErrorKind> {
        loop {
            match self.pieces.next()? {
                Markup::Start(start) => return Ok(start),
                Markup::Text(text) if text.is_blank() => {}
                Markup::Text(_) | Markup::Eof | Markup::End => return Err(ErrorKind::NoElement),
            }
        }
    }

    fn end_of_text(&mut self) -> Result<(), ErrorKind> {
        loop {
            match self.pieces.next()? {
                Markup::Eof => return Ok(()),
                Markup::Text(text) if text.is_blank() => {}
                Markup::Text(_) | Markup::Start(_) | Markup::End => {
                    return Err(ErrorKind::Trailing);
                }
            }
        }
    }

    /// The next element inside an element that holds elements only; `None` at its end.
    fn child(&mut self, is_empty: bool, parent: &'static str) -> Result<Option<Start>, ErrorKind> {
        if is_empty {
            return Ok(None);
        }
        loop {
            match self.pieces.next()? {
                Markup::Start(start) => return Ok(Some(start)),
                Markup::End => return Ok(None),
                Markup::Text(text) if text.is_blank() => {}
                Markup::Text(_) => return Err(ErrorKind::MixedContent(parent)),
                Markup::Eof => return Err(ErrorKind::Truncated),
            }
        }
    }

    /// The text inside an element that holds text only.
    fn text(&mut self, is_empty: bool, parent: &'static str) -> Result<Characters<'t>, ErrorKind> {
        let mut text = Characters::Unicode(Cow::Borrowed(""));
        if is_empty {
            return Ok(text);
        }
        let mut units: Option<Vec<u16>> = None;
        loop {
            let piece = match self.pieces.next()? {
                Markup::Text(piece) => piece,
                Markup::End => break,
                Markup::Start(_) => return Err(ErrorKind::MixedContent(parent)),
                Markup::Eof => return Err(ErrorKind::Truncated),
            };
            match (&mut units, &mut text, piece) {
                (Some(units), _, Characters::Unicode(piece)) => units.extend(piece.encode_utf16()),
                (Some(units), _, Characters::Half(unit)) => units.push(unit),
                (None, Characters::Unicode(text), Characters::Unicode(piece)) => {
                    if text.is_empty() {
                        *text = piece;
                    } else {
                        text.to_mut().push_str(&piece);
                    }
                }
                (None, Characters::Unicode(text), Characters::Half(unit)) => {
                    units = Some(text.encode_utf16().chain([unit]).collect());
                }
                (None, Characters::Half(_) | Characters::Units(_), _)
                | (_, _, Characters::Units(_)) => {}
            }
        }
        Ok(units.map_or(text, Characters::Units))
    }

    /// Reads past the end of an element whose contents do not count.
    fn skip(&mut self, is_empty: bool, parent: &'static str) -> Result<(), ErrorKind> {
        self.text(is_empty, parent).map(drop)
    }

    fn value(&mut self, start: Start) -> Result<Value, ErrorKind> {
        self.values += 1;
        if self.values > self.limits.values {
            return Err(ErrorKind::LimitExceeded {
                limit: Limit::Values,
                allowed: self.limits.values,
            });
        }
        let Start { tag, is_empty, ref_id, .. } = start;
        match tag {
            Tag::Nil => self.skip(is_empty, "Nil").map(|()| Value::Null),
            Tag::Object => self.object(is_empty, ref_id).map(Value::Object),
            Tag::Reference => {
                let ref_id = ref_id.ok_or(ErrorKind::MissingRefId("Ref"))?;
                self.skip(is_empty, "Ref")?;
                let (object, size) = match self.objects.get(&ref_id) {
                    Some(Known::Done(done)) => {
                        self.height = self.height.max(done.height);
                        (done.object.clone(), done.size)
                    }
                    Some(Known::Open(ancestor)) => return Ok(Value::Ancestor(ancestor.clone())),
                    None => return Err(ErrorKind::UnknownObject(shorten(&ref_id.into_text()))),
                };
                self.repeated = self.repeated.saturating_add(size);
                let allowed = self.limits.bytes.saturating_mul(LARGER_BY_REFERENCES);
                if self.repeated > allowed {
                    return Err(ErrorKind::LimitExceeded { limit: Limit::Repeated, allowed });
                }
                Ok(Value::Object(object))
            }
            Tag::Progress => self.progress(is_empty),
            tag => self.primitive(tag, is_empty),
        }
    }

    fn primitive(&mut self, tag: Tag, is_empty: bool) -> Result<Value, ErrorKind> {
        if !is_primitive(&tag) {
            return Err(tag.unknown());
        }
        let name = tag.text();
        let text = self.text(is_empty, name)?;
        if matches!(tag, Tag::ScriptBlock | Tag::String | Tag::Uri | Tag::Xml) {
            return primitive::string(&tag, text.into_text()).ok_or_else(|| tag.unknown());
        }
        let value = match &text {
            Characters::Unicode(text) => primitive::parse(&tag, text),
            Characters::Half(_) | Characters::Units(_) => None,
        };
        value.ok_or(ErrorKind::InvalidPrimitive(name))
    }

    fn object(&mut self, is_empty: bool, ref_id: Option<RefId>) -> Result<Object, ErrorKind> {
        self.depth += 1;
        if self.depth > self.limits.depth {
            return Err(ErrorKind::LimitExceeded {
                limit: Limit::Depth,
                allowed: self.limits.depth,
            });
        }
        let beside = std::mem::take(&mut self.height);
        let before = self.reach();
        let mut failed = None;
        let object = Object::new_cyclic(|ancestor| {
            if let Some(ref_id) = &ref_id {
                self.objects.insert(ref_id, Known::Open(ancestor.clone()));
            }
            self.fields(is_empty).unwrap_or_else(|error| {
                failed = Some(error);
                Fields::default()
            })
        });
        self.depth -= 1;
        if let Some(error) = failed {
            return Err(error);
        }
        let height = self.height + 1;
        let allowed = self.limits.depth.saturating_mul(DEEPER_BY_REFERENCES);
        if height > allowed {
            return Err(ErrorKind::LimitExceeded { limit: Limit::Depth, allowed });
        }
        self.height = beside.max(height);
        if let Some(ref_id) = ref_id {
            let size = self.reach() - before;
            self.objects
                .insert(&ref_id, Known::Done(Done { object: object.clone(), height, size }));
        }
        Ok(object)
    }

    /// Bytes that were read, and those that references have repeated.
    fn reach(&self) -> usize {
        usize::try_from(self.pieces.position()).unwrap_or(usize::MAX).saturating_add(self.repeated)
    }

    fn fields(&mut self, is_empty: bool) -> Result<Fields, ErrorKind> {
        let mut fields = Fields::default();
        while let Some(start) = self.child(is_empty, "Obj")? {
            let is_empty = start.is_empty;
            match start.tag {
                Tag::TypeNames => {
                    fields.type_names = Some(self.type_names(is_empty, start.ref_id)?);
                }
                Tag::TypeNamesReference => {
                    let ref_id = start.ref_id.ok_or(ErrorKind::MissingRefId("TNRef"))?;
                    self.skip(is_empty, "TNRef")?;
                    let names = self.type_names.get(&ref_id).cloned();
                    let names = names
                        .ok_or_else(|| ErrorKind::UnknownTypeNames(shorten(&ref_id.into_text())))?;
                    fields.type_names = Some(names);
                }
                Tag::ToString => {
                    fields.to_string = Some(self.text(is_empty, "ToString")?.into_text());
                }
                Tag::Properties => fields.adapted = self.properties(is_empty, "Props")?,
                Tag::Members => fields.extended = self.properties(is_empty, "MS")?,
                Tag::Dictionary => fields.content = Content::Dictionary(self.entries(is_empty)?),
                Tag::Enumerable => {
                    fields.content = Content::Enumerable(self.items(is_empty, "IE")?);
                }
                Tag::List => fields.content = Content::List(self.items(is_empty, "LST")?),
                Tag::Queue => fields.content = Content::Queue(self.items(is_empty, "QUE")?),
                Tag::Stack => fields.content = Content::Stack(self.items(is_empty, "STK")?),
                _ => fields.content = Content::Base(self.value(start)?),
            }
        }
        Ok(fields)
    }

    fn type_names(
        &mut self,
        is_empty: bool,
        ref_id: Option<RefId>,
    ) -> Result<TypeNames, ErrorKind> {
        let mut names: Vec<Text> = Vec::new();
        while let Some(start) = self.child(is_empty, "TN")? {
            if start.tag != Tag::Type {
                return Err(start.tag.unknown());
            }
            let name = self.text(start.is_empty, "T")?.into_text();
            if !name.is_empty() {
                names.push(name);
            }
        }
        let names = TypeNames::new(names);
        if let Some(ref_id) = ref_id {
            self.type_names.insert(&ref_id, names.clone());
        }
        Ok(names)
    }

    fn items(&mut self, is_empty: bool, parent: &'static str) -> Result<Vec<Value>, ErrorKind> {
        let mut items = Vec::new();
        while let Some(start) = self.child(is_empty, parent)? {
            items.push(self.value(start)?);
        }
        Ok(items)
    }

    fn entries(&mut self, is_empty: bool) -> Result<Vec<(Value, Value)>, ErrorKind> {
        let mut entries = Vec::new();
        while let Some(entry) = self.child(is_empty, "DCT")? {
            if entry.tag != Tag::Entry {
                return Err(entry.tag.unknown());
            }
            let key = self.part(entry.is_empty, "Key")?;
            let value = self.part(entry.is_empty, "Value")?;
            if key.is_null() || self.child(entry.is_empty, "En")?.is_some() {
                return Err(ErrorKind::InvalidEntry);
            }
            entries.push((key, value));
        }
        Ok(entries)
    }

    /// The key or the value of a dictionary's entry.
    fn part(&mut self, is_empty: bool, name: &str) -> Result<Value, ErrorKind> {
        let start = self.child(is_empty, "En")?.ok_or(ErrorKind::InvalidEntry)?;
        let is_named = start.name.as_ref().is_some_and(|known| known.eq_ignore_case(name));
        if is_named { self.value(start) } else { Err(ErrorKind::InvalidEntry) }
    }

    fn properties(
        &mut self,
        is_empty: bool,
        parent: &'static str,
    ) -> Result<Properties, ErrorKind> {
        // The object before had as many, most likely.
        let mut properties = Vec::with_capacity(if is_empty { 0 } else { self.expected });
        while let Some(mut start) = self.child(is_empty, parent)? {
            let name = start.name.take().filter(|name| !name.is_empty());
            let name = name.ok_or(ErrorKind::MissingName)?;
            properties.push(if start.tag == Tag::Members && parent == "MS" {
                self.depth += 1;
                if self.depth > self.limits.depth {
                    let allowed = self.limits.depth;
                    return Err(ErrorKind::LimitExceeded { limit: Limit::Depth, allowed });
                }
                let set = self.properties(start.is_empty, "MS")?;
                self.depth -= 1;
                Property::Set(name, set)
            } else {
                Property::Value(name, self.value(start)?)
            });
        }
        self.expected = properties.len().min(64);
        properties.shrink_to_fit();
        Ok(Properties::from(properties))
    }

    /// Its parts come in a fixed order, and each must be there.
    fn progress(&mut self, is_empty: bool) -> Result<Value, ErrorKind> {
        let activity = self.field(is_empty, &Tag::Activity)?.into_text();
        let activity_id = self.number(is_empty, &Tag::ActivityId)?;
        let start = self.child(is_empty, "PR")?.ok_or(ErrorKind::InvalidPrimitive("PR"))?;
        let current_operation = match start.tag {
            Tag::Nil => self.skip(start.is_empty, "Nil").map(|()| None)?,
            Tag::String => Some(self.text(start.is_empty, "S")?.into_text()),
            tag => return Err(tag.unknown()),
        };
        let parent_activity_id = self.number(is_empty, &Tag::ParentActivityId)?;
        let percent_complete = self.number(is_empty, &Tag::PercentComplete)?;
        let kind = self.field(is_empty, &Tag::Type)?.into_text();
        let is_completed = kind.eq_ignore_case("Completed");
        if !is_completed && !kind.eq_ignore_case("Processing") {
            return Err(ErrorKind::InvalidPrimitive("PR"));
        }
        let seconds_remaining = self.number(is_empty, &Tag::SecondsRemaining)?;
        let status = self.field(is_empty, &Tag::Status)?.into_text();
        if let Some(start) = self.child(is_empty, "PR")? {
            return Err(start.tag.unknown());
        }
        Ok(Value::Progress(Box::new(Progress {
            activity,
            activity_id,
            current_operation,
            parent_activity_id,
            percent_complete,
            is_completed,
            seconds_remaining,
            status,
        })))
    }

    /// The text of the next part of a progress record.
    fn field(&mut self, is_empty: bool, tag: &Tag) -> Result<Characters<'t>, ErrorKind> {
        let start = self.child(is_empty, "PR")?.ok_or(ErrorKind::InvalidPrimitive("PR"))?;
        if start.tag != *tag {
            return Err(start.tag.unknown());
        }
        self.text(start.is_empty, tag.text())
    }

    fn number(&mut self, is_empty: bool, tag: &Tag) -> Result<i32, ErrorKind> {
        let text = self.field(is_empty, tag)?.into_text();
        let number =
            text.as_str().and_then(|text| super::integer::parse(text.trim_matches(is_blank)));
        number.ok_or_else(|| ErrorKind::InvalidPrimitive(tag.text()))
    }
}

impl Characters<'_> {
    fn is_blank(&self) -> bool {
        matches!(self, Self::Unicode(text) if text.chars().all(is_blank))
    }

    fn into_text(self) -> Text {
        match self {
            Self::Unicode(text) => characters::unescape(text),
            Self::Half(unit) => Text::from_utf16(vec![unit]),
            Self::Units(units) => characters::unescape_units(&units),
        }
    }
}

const fn is_primitive(tag: &Tag) -> bool {
    matches!(
        tag,
        Tag::Bool
            | Tag::Byte
            | Tag::Bytes
            | Tag::Char
            | Tag::DateTime
            | Tag::Decimal
            | Tag::Double
            | Tag::Guid
            | Tag::Int16
            | Tag::Int32
            | Tag::Int64
            | Tag::SByte
            | Tag::ScriptBlock
            | Tag::SecureString
            | Tag::Single
            | Tag::String
            | Tag::TimeSpan
            | Tag::UInt16
            | Tag::UInt32
            | Tag::UInt64
            | Tag::Uri
            | Tag::Version
            | Tag::Xml
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists that stand beside each other, each with the one before in it.
    fn chain(length: usize) -> String {
        let mut text = r#"<Obj RefId="0"><LST><Obj RefId="1"><LST /></Obj>"#.to_owned();
        for number in 2..=length {
            let before = number - 1;
            text += &format!(r#"<Obj RefId="{number}"><LST><Ref RefId="{before}" /></LST></Obj>"#);
        }
        text + "</LST></Obj>"
    }

    #[test]
    fn chain_of_references_is_bounded_as_a_graph() {
        let limits = Limits::default();
        let most = limits.depth * DEEPER_BY_REFERENCES;
        assert!(decode(&chain(most - 1), &limits).is_ok());
        for length in [most, 100_000] {
            let error = decode(&chain(length), &limits).unwrap_err();
            let kind = ErrorKind::LimitExceeded { limit: Limit::Depth, allowed: most };
            assert_eq!(error.kind, kind);
        }
    }

    /// Lists that stand beside each other, each with the one before in it twice.
    fn doubling(length: usize) -> String {
        let mut text = r#"<Obj RefId="0"><LST><Obj RefId="1"><LST /></Obj>"#.to_owned();
        for number in 2..=length {
            let twice = format!(r#"<Ref RefId="{}" />"#, number - 1).repeat(2);
            text += &format!(r#"<Obj RefId="{number}"><LST>{twice}</LST></Obj>"#);
        }
        text + "</LST></Obj>"
    }

    #[test]
    fn graph_that_grows_with_each_reference_is_bounded_by_what_it_repeats() {
        let limits = Limits { bytes: 10_000, ..Limits::default() };
        let allowed = limits.bytes * LARGER_BY_REFERENCES;
        let small = decode(&doubling(8), &limits).unwrap();
        assert!(format!("{small:?}").len() < 20 * allowed);
        for length in [30, 120] {
            let error = decode(&doubling(length), &limits).unwrap_err();
            assert_eq!(error.kind, ErrorKind::LimitExceeded { limit: Limit::Repeated, allowed });
        }
        // The default takes what no honest writer comes near to.
        let error = decode(&doubling(300), &Limits::default()).unwrap_err();
        assert!(error.to_string().starts_with("more than 83886080 bytes by references"), "{error}");
    }

    #[test]
    fn references_beside_each_other_make_nothing_deeper() {
        let text = format!(
            r#"<Obj RefId="0"><LST><Obj RefId="1"><LST /></Obj>{}</LST></Obj>"#,
            r#"<Ref RefId="1" />"#.repeat(2000)
        );
        assert!(decode(&text, &Limits::default()).is_ok());
    }
}
