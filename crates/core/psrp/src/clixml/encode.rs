//! The writer: values in, the text that PowerShell would write out.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::characters::{self, Place};
use super::decode::Item;
use super::markup::Tag;
use super::{
    Content, Fields, NAMESPACE, Object, Progress, Properties, Property, Text, TypeNames, Value,
    primitive,
};

/// PowerShell writes this in the place of what lies deeper than its own reader takes.
const TOO_DEEP: &str = "Serialized XML is nested too deeply.";
/// Objects inside each other that are written.
const DEPTH: usize = 50;

/// Writes one value, as messages carry it.
#[must_use]
pub fn encode(value: &Value) -> String {
    let mut encoder = Encoder::default();
    encoder.value(value, Attributes::default());
    encoder.out
}

/// Writes a document: `Objs` around values.
#[must_use]
pub fn encode_document(items: &[Item]) -> String {
    let mut encoder = Encoder::default();
    // Writing to a String does not fail.
    let _written = write!(encoder.out, "<Objs Version=\"1.1.0.1\" xmlns=\"{NAMESPACE}\">");
    for Item { stream, value } in items {
        encoder.value(value, Attributes { stream: stream.as_ref(), ..Attributes::default() });
    }
    encoder.out.push_str("</Objs>");
    encoder.out
}

#[derive(Default)]
struct Encoder {
    out: String,
    /// Numbers of objects that something may refer to, by address.
    objects: BTreeMap<usize, u32>,
    /// Numbers of type names. Ordered, since a graph may have as many different ones as objects.
    type_names: BTreeMap<TypeNames, usize>,
    /// The number of the next object.
    next: u32,
    depth: usize,
}

/// What stands in a tag beside its name.
#[derive(Clone, Copy, Default)]
struct Attributes<'a> {
    stream: Option<&'a Text>,
    name: Option<Name<'a>>,
    ref_id: Option<u32>,
}

#[derive(Clone, Copy)]
enum Name<'a> {
    /// A name of ours, without escapes.
    Plain(&'static str),
    Text(&'a Text),
}

impl Encoder {
    fn value(&mut self, value: &Value, attributes: Attributes<'_>) {
        let tag = primitive::tag(value).text();
        match value {
            Value::Null => self.empty(tag, attributes),
            Value::Object(object) => self.object(object, attributes),
            Value::Ancestor(ancestor) => match self.objects.get(&ancestor.address()) {
                Some(&number) => self.reference(number, attributes),
                // Taken out of what it refers to.
                None => self.empty("Nil", attributes),
            },
            Value::Progress(progress) => self.progress(progress, attributes),
            _ => {
                self.start(tag, attributes);
                primitive::write(value, &mut self.out);
                self.end(tag);
            }
        }
    }

    fn object(&mut self, object: &Object, attributes: Attributes<'_>) {
        let address = object.shared_address();
        if let Some(&number) = address.and_then(|address| self.objects.get(&address)) {
            return self.reference(number, attributes);
        }
        if self.depth >= DEPTH {
            self.start("S", attributes);
            self.out.push_str(TOO_DEEP);
            return self.end("S");
        }
        let number = self.next;
        self.next += 1;
        if let Some(address) = address {
            self.objects.insert(address, number);
        }
        self.depth += 1;
        self.start("Obj", Attributes { ref_id: Some(number), ..attributes });
        self.fields(object);
        self.end("Obj");
        self.depth -= 1;
    }

    fn fields(&mut self, fields: &Fields) {
        if let Some(names) = &fields.type_names {
            self.type_names(names);
        }
        if let Some(text) = &fields.to_string {
            self.start("ToString", Attributes::default());
            characters::escape(&mut self.out, text, Place::Element);
            self.end("ToString");
        }
        match &fields.content {
            Content::None => {}
            Content::Dictionary(entries) => self.entries(entries),
            Content::Enumerable(items) => self.items("IE", items),
            Content::List(items) => self.items("LST", items),
            Content::Base(value) => self.value(value, Attributes::default()),
            Content::Queue(items) => self.items("QUE", items),
            Content::Stack(items) => self.items("STK", items),
        }
        if !fields.adapted.is_empty() {
            self.properties("Props", None, &fields.adapted);
        }
        if !fields.extended.is_empty() {
            self.properties("MS", None, &fields.extended);
        }
    }

    fn type_names(&mut self, names: &TypeNames) {
        let known = self.type_names.get(names);
        let next = self.type_names.len();
        // Writing to a String does not fail.
        let _written = match known {
            Some(number) => write!(self.out, "<TNRef RefId=\"{number}\" />"),
            None => write!(self.out, "<TN RefId=\"{next}\">"),
        };
        if known.is_some() {
            return;
        }
        for name in names.iter() {
            self.out.push_str("<T>");
            characters::escape(&mut self.out, name, Place::Element);
            self.out.push_str("</T>");
        }
        self.out.push_str("</TN>");
        self.type_names.insert(names.clone(), next);
    }

    fn items(&mut self, tag: &'static str, items: &[Value]) {
        if items.is_empty() {
            return self.empty(tag, Attributes::default());
        }
        self.start(tag, Attributes::default());
        for item in items {
            self.value(item, Attributes::default());
        }
        self.end(tag);
    }

    fn entries(&mut self, entries: &[(Value, Value)]) {
        if entries.is_empty() {
            return self.empty("DCT", Attributes::default());
        }
        let named = |name| Attributes { name: Some(Name::Plain(name)), ..Attributes::default() };
        self.start("DCT", Attributes::default());
        for (key, value) in entries {
            self.start("En", Attributes::default());
            self.value(key, named("Key"));
            self.value(value, named("Value"));
            self.end("En");
        }
        self.end("DCT");
    }

    fn properties(&mut self, tag: &'static str, name: Option<&Text>, properties: &Properties) {
        self.start(tag, Attributes { name: name.map(Name::Text), ..Attributes::default() });
        for property in properties.iter() {
            match property {
                Property::Set(name, set) => self.properties("MS", Some(name), set),
                Property::Value(name, value) => {
                    self.value(
                        value,
                        Attributes { name: Some(Name::Text(name)), ..Attributes::default() },
                    );
                }
            }
        }
        self.end(tag);
    }

    fn progress(&mut self, progress: &Progress, attributes: Attributes<'_>) {
        let kind = if progress.is_completed { "Completed" } else { "Processing" };
        let number = |number: i32| number.to_string();
        self.start("PR", attributes);
        self.text(&Tag::Activity, &progress.activity);
        self.plain(&Tag::ActivityId, &number(progress.activity_id));
        match &progress.current_operation {
            Some(text) => self.text(&Tag::String, text),
            None => self.empty("Nil", Attributes::default()),
        }
        self.plain(&Tag::ParentActivityId, &number(progress.parent_activity_id));
        self.plain(&Tag::PercentComplete, &number(progress.percent_complete));
        self.plain(&Tag::Type, kind);
        self.plain(&Tag::SecondsRemaining, &number(progress.seconds_remaining));
        self.text(&Tag::Status, &progress.status);
        self.end("PR");
    }

    fn text(&mut self, tag: &Tag, text: &Text) {
        self.start(tag.text(), Attributes::default());
        characters::escape(&mut self.out, text, Place::Element);
        self.end(tag.text());
    }

    fn plain(&mut self, tag: &Tag, text: &str) {
        self.start(tag.text(), Attributes::default());
        self.out.push_str(text);
        self.end(tag.text());
    }

    fn reference(&mut self, number: u32, attributes: Attributes<'_>) {
        self.empty("Ref", Attributes { ref_id: Some(number), ..attributes });
    }

    fn start(&mut self, tag: &str, attributes: Attributes<'_>) {
        self.open(tag, attributes);
        self.out.push('>');
    }

    fn empty(&mut self, tag: &str, attributes: Attributes<'_>) {
        self.open(tag, attributes);
        self.out.push_str(" />");
    }

    fn open(&mut self, tag: &str, attributes: Attributes<'_>) {
        let out = &mut self.out;
        out.push('<');
        out.push_str(tag);
        if let Some(stream) = attributes.stream {
            out.push_str(" S=\"");
            characters::escape(out, stream, Place::Attribute);
            out.push('"');
        }
        if let Some(name) = attributes.name {
            out.push_str(" N=\"");
            match name {
                Name::Plain(name) => out.push_str(name),
                Name::Text(name) => characters::escape(out, name, Place::Attribute),
            }
            out.push('"');
        }
        if let Some(number) = attributes.ref_id {
            // Writing to a String does not fail.
            let _written = write!(out, " RefId=\"{number}\"");
        }
    }

    fn end(&mut self, tag: &str) {
        self.out.push_str("</");
        self.out.push_str(tag);
        self.out.push('>');
    }
}
