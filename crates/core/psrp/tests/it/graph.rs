//! CLIXML as a canonical text: the same for all ways to write the same graph. Order of attributes,
//! order of an object's parts, numbers of references, blanks between elements and the two forms of an
//! empty element do not count. It knows nothing of this crate's reader and writer.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

#[derive(Default)]
struct Node {
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
    children: Vec<Self>,
}

/// The canonical text.
pub(crate) fn canonical(text: &str) -> String {
    let mut reader = Reader::from_str(text);
    let mut open = vec![Node::default()];
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => open.push(Node::of(&start)),
            Event::Empty(start) => open.last_mut().unwrap().children.push(Node::of(&start)),
            Event::End(_) => {
                let node = open.pop().unwrap();
                open.last_mut().unwrap().children.push(node);
            }
            Event::Text(text) => open.last_mut().unwrap().text += &text.into_inner(),
            Event::GeneralRef(name) => {
                write!(open.last_mut().unwrap().text, "&{};", &*name).unwrap();
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let mut root = open.pop().unwrap();
    root.sort();
    let mut out = String::new();
    for child in &root.children {
        child.write(&mut out, &mut Default::default());
    }
    out
}

impl Node {
    fn of(start: &BytesStart<'_>) -> Self {
        let attribute = |attribute: quick_xml::events::attributes::Attribute<'_>| {
            (attribute.key.into_inner().to_owned(), attribute.value.replace("&#10;", "_x000A_"))
        };
        Self {
            name: start.name().into_inner().to_owned(),
            attributes: start.attributes().map(|found| attribute(found.unwrap())).collect(),
            ..Self::default()
        }
    }

    fn sort(&mut self) {
        if !self.children.is_empty() || CONTAINERS.contains(&&*self.name) {
            self.text.clear();
        }
        if self.name == "SS" {
            self.text = self.text.trim().to_owned();
        }
        self.text =
            self.text.replace("\r\n", "\n").replace('\n', "_x000A_").replace('\t', "_x0009_");
        if self.name == "Obj" {
            self.children.retain(|child| {
                !matches!(&*child.name, "Props" | "MS") || !child.children.is_empty()
            });
            self.children.sort_by_key(|child| match &*child.name {
                "TN" | "TNRef" => 0,
                "ToString" => 1,
                "Props" => 3,
                "MS" => 4,
                _ => 2,
            });
        }
        for child in &mut self.children {
            child.sort();
        }
    }

    fn write(&self, out: &mut String, seen: &mut [BTreeMap<String, usize>; 2]) {
        write!(out, "<{}", self.name).unwrap();
        for (name, value) in &self.attributes {
            if name == "RefId" {
                let kind = usize::from(self.name.starts_with("TN"));
                let next = seen[kind].len();
                let number = *seen[kind].entry(value.clone()).or_insert(next);
                write!(out, " RefId=\"{number}\"").unwrap();
            } else {
                write!(out, " {name}=\"{value}\"").unwrap();
            }
        }
        write!(out, ">{}", self.text).unwrap();
        for child in &self.children {
            child.write(out, seen);
        }
        write!(out, "</{}>", self.name).unwrap();
    }
}

/// Elements that hold no text.
const CONTAINERS: &[&str] = &[
    "DCT", "En", "IE", "LST", "MS", "Nil", "Obj", "Objs", "PR", "Props", "QUE", "Ref", "STK", "TN",
    "TNRef",
];
