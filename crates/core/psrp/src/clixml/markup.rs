//! Markup: the elements of a text one after the other, with what CLIXML needs of their attributes.
//!
//! quick-xml finds the markup; what is refused and which namespace counts is decided here.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::error::ErrorKind;
use super::{NAMESPACE, Text, characters};

/// CLIXML has three attributes at most; declarations of namespaces come on top.
const MOST_ATTRIBUTES: usize = 16;
/// The most declarations of namespaces in scope at one place.
const MOST_SCOPES: usize = 64;

/// A piece of markup.
#[derive(Debug)]
pub(super) enum Markup<'t> {
    /// A tag; an empty one (`<S/>`) brings no [`Markup::End`].
    Start(Start),
    End,
    /// Text between tags, its XML escapes resolved.
    Text(Characters<'t>),
    /// The end of the text.
    Eof,
}

/// Text: almost always Unicode.
#[derive(Debug)]
pub(super) enum Characters<'t> {
    Unicode(Cow<'t, str>),
    /// A reference to half of a surrogate pair.
    Half(u16),
    /// Several pieces, such a half among them.
    Units(Vec<u16>),
}

/// A tag.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) tag: Tag,
    pub(super) is_empty: bool,
    /// `N`.
    pub(super) name: Option<Text>,
    /// `RefId`.
    pub(super) ref_id: Option<RefId>,
    /// `S`.
    pub(super) stream: Option<Text>,
    /// `Version`.
    pub(super) version: Option<String>,
}

/// The number, or whatever else, that names an object or type names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RefId {
    Number(u32),
    Other(String),
}

macro_rules! tags {
    ($($variant:ident $text:literal),* $(,)?) => {
        /// The name of an element.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub(super) enum Tag {
            $($variant,)*
            Unknown(String),
        }

        impl Tag {
            fn of(name: &str) -> Self {
                match name {
                    $($text => Self::$variant,)*
                    _ => Self::Unknown(name.to_owned()),
                }
            }

            /// The name as it is written.
            pub(super) fn text(&self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Unknown(_) => "?",
                }
            }

            /// The error for an element that has no business where it stands.
            pub(super) fn unknown(self) -> ErrorKind {
                ErrorKind::UnknownElement(match self {
                    Self::Unknown(name) => name,
                    known => known.text().to_owned(),
                })
            }
        }
    };
}

tags! {
    ActivityId "AI", Activity "AV", Bool "B", Bytes "BA", Byte "By", Char "C", Decimal "D",
    Double "Db", Dictionary "DCT", DateTime "DT", Entry "En", Guid "G", Int16 "I16", Int32 "I32",
    Int64 "I64", Enumerable "IE", List "LST", Members "MS", Nil "Nil", Object "Obj",
    Objects "Objs", PercentComplete "PC", ParentActivityId "PI", Progress "PR", Properties "Props",
    Queue "QUE", Reference "Ref", String "S", SByte "SB", ScriptBlock "SBK", Status "SD",
    Single "Sg", SecondsRemaining "SR", SecureString "SS", Stack "STK", Type "T", TypeNames "TN",
    TypeNamesReference "TNRef", ToString "ToString", TimeSpan "TS", UInt16 "U16", UInt32 "U32",
    UInt64 "U64", Uri "URI", Version "Version", Xml "XD",
}

/// A declaration of a namespace.
#[derive(Debug)]
struct Scope {
    /// Elements around it.
    depth: usize,
    /// Empty for the default namespace.
    prefix: String,
    is_clixml: bool,
}

/// Reads a text piece by piece.
#[derive(Debug)]
pub(super) struct Pieces<'t> {
    reader: Reader<&'t [u8]>,
    scopes: Vec<Scope>,
    /// Elements that are open.
    depth: usize,
    /// Whether an element without any namespace belongs to CLIXML.
    is_bare: bool,
}

impl<'t> Pieces<'t> {
    /// `is_bare`: elements without a namespace are CLIXML.
    pub(super) fn new(text: &'t str, is_bare: bool) -> Result<Self, ErrorKind> {
        if let Some(c) = first_illegal(text) {
            return Err(ErrorKind::IllegalCharacter(c));
        }
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_end_names = true;
        Ok(Self { reader, scopes: Vec::new(), depth: 0, is_bare })
    }

    pub(super) fn position(&self) -> u64 {
        self.reader.buffer_position()
    }

    pub(super) fn next(&mut self) -> Result<Markup<'t>, ErrorKind> {
        loop {
            let event = self.reader.read_event();
            let event = event.map_err(|error| ErrorKind::Syntax(error.to_string()))?;
            return Ok(match event {
                Event::Start(start) => {
                    let start = self.start(&start, false)?;
                    self.depth += 1;
                    Markup::Start(start)
                }
                Event::Empty(start) => {
                    let start = self.start(&start, true)?;
                    self.close_scopes();
                    Markup::Start(start)
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    self.close_scopes();
                    Markup::End
                }
                Event::Text(text) => Markup::Text(Characters::Unicode(text.xml10_content())),
                Event::CData(text) => Markup::Text(Characters::Unicode(text.xml10_content())),
                Event::GeneralRef(name) => Markup::Text(resolve(&name.into_inner())?),
                Event::DocType(_) => return Err(ErrorKind::DocumentType),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
                Event::Eof if self.depth > 0 => return Err(ErrorKind::Truncated),
                Event::Eof => Markup::Eof,
            });
        }
    }

    fn close_scopes(&mut self) {
        while self.scopes.last().is_some_and(|scope| scope.depth >= self.depth) {
            self.scopes.pop();
        }
    }

    fn start(&mut self, start: &BytesStart<'_>, is_empty: bool) -> Result<Start, ErrorKind> {
        let name = start.name().into_inner();
        let mut read = Start {
            tag: Tag::Nil,
            is_empty,
            name: None,
            ref_id: None,
            stream: None,
            version: None,
        };
        self.attributes(start.attributes_raw(), &mut read)?;
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        if !self.is_clixml(prefix) {
            return Err(ErrorKind::Namespace(name.to_owned()));
        }
        read.tag = Tag::of(local);
        Ok(read)
    }

    fn is_clixml(&self, prefix: &str) -> bool {
        let scope = self.scopes.iter().rev().find(|scope| scope.prefix == prefix);
        scope.map_or(self.is_bare && prefix.is_empty(), |scope| scope.is_clixml)
    }

    fn attributes(&mut self, mut rest: &str, read: &mut Start) -> Result<(), ErrorKind> {
        let broken = || ErrorKind::Syntax("an attribute is malformed".to_owned());
        let mut seen: [&str; MOST_ATTRIBUTES] = [""; MOST_ATTRIBUTES];
        for slot in 0.. {
            let trimmed = rest.trim_start_matches(is_blank);
            if trimmed.is_empty() {
                break;
            }
            let is_apart = trimmed.len() < rest.len();
            let (name, after) = trimmed.split_once('=').ok_or_else(broken)?;
            let name = name.trim_end_matches(is_blank);
            let after = after.trim_start_matches(is_blank);
            let quote =
                after.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or_else(broken)?;
            let (value, after) =
                after.get(1..).and_then(|text| text.split_once(quote)).ok_or_else(broken)?;
            let is_name =
                !name.is_empty() && !name.contains(|c: char| is_blank(c) || "\"'<>/".contains(c));
            if !is_apart || !is_name || value.contains('<') || seen.contains(&name) {
                return Err(broken());
            }
            *seen.get_mut(slot).ok_or_else(broken)? = name;
            self.attribute(name, value, read)?;
            rest = after;
        }
        Ok(())
    }

    fn attribute(&mut self, name: &str, value: &str, read: &mut Start) -> Result<(), ErrorKind> {
        match name {
            "N" => read.name = Some(characters_of(value)?),
            "RefId" => read.ref_id = Some(RefId::of(value)?),
            "S" => read.stream = Some(characters_of(value)?),
            "Version" => read.version = Some(characters_of(value)?.into_string_lossy()),
            _ => {
                let prefix = match name.strip_prefix("xmlns") {
                    Some("") => "",
                    Some(prefix) => prefix.strip_prefix(':').unwrap_or_default(),
                    None => return Ok(()),
                };
                if self.scopes.len() >= MOST_SCOPES {
                    return Err(ErrorKind::Syntax("too many namespaces are declared".to_owned()));
                }
                let value = characters_of(value)?;
                let is_clixml = value == NAMESPACE || (self.is_bare && value.is_empty());
                let prefix = prefix.to_owned();
                self.scopes.push(Scope { depth: self.depth, prefix, is_clixml });
            }
        }
        Ok(())
    }
}

impl RefId {
    fn of(value: &str) -> Result<Self, ErrorKind> {
        let is_plain = value == "0" || !value.starts_with(['0', '+']);
        match value.parse() {
            Ok(number) if is_plain => Ok(Self::Number(number)),
            _ => Ok(Self::Other(characters_of(value)?.into_string_lossy())),
        }
    }

    pub(super) fn into_text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Other(text) => text,
        }
    }
}

/// Blank in XML.
pub(super) const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// The value of an attribute, without any escapes.
fn characters_of(value: &str) -> Result<Text, ErrorKind> {
    if !value.contains(['&', '_', '\t', '\r', '\n']) {
        return Ok(Text::from(value));
    }
    let mut units: Vec<u16> = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('&') {
        units.extend(flattened(before));
        let (name, after) = after
            .split_once(';')
            .ok_or_else(|| ErrorKind::Syntax("an entity is not closed".to_owned()))?;
        match resolve(name)? {
            Characters::Unicode(text) => units.extend(text.encode_utf16()),
            Characters::Half(unit) => units.push(unit),
            Characters::Units(more) => units.extend(more),
        }
        rest = after;
    }
    units.extend(flattened(rest));
    Ok(characters::unescape_units(&units))
}

/// Line ends and tabs of an attribute are blanks (XML 1.0, 3.3.3).
fn flattened(text: &str) -> impl Iterator<Item = u16> {
    let lines = text.encode_utf16();
    lines.map(|unit| if matches!(unit, 0x09 | 0x0A | 0x0D) { 0x20 } else { unit })
}

/// What a reference (`&name;`) stands for.
fn resolve(name: &str) -> Result<Characters<'static>, ErrorKind> {
    let fixed = match name {
        "amp" => "&",
        "apos" => "'",
        "gt" => ">",
        "lt" => "<",
        "quot" => "\"",
        _ => "",
    };
    if !fixed.is_empty() {
        return Ok(Characters::Unicode(Cow::Borrowed(fixed)));
    }
    let unknown = || ErrorKind::Syntax(format!("the entity {name:?} is not known"));
    let number = name.strip_prefix('#').ok_or_else(unknown)?;
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(unknown());
    }
    let code = u32::from_str_radix(digits, radix).map_err(|_| unknown())?;
    if let Some(c) = char::from_u32(code) {
        return Ok(Characters::Unicode(Cow::Owned(c.into())));
    }
    u16::try_from(code).map(Characters::Half).map_err(|_| ErrorKind::IllegalCharacter(code))
}

/// The first character that XML 1.0 does not allow.
fn first_illegal(text: &str) -> Option<u32> {
    let is_control = |byte: &u8| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r');
    if let Some(byte) = text.bytes().find(|byte| is_control(byte)) {
        return Some(byte.into());
    }
    text.contains(['\u{FFFE}', '\u{FFFF}'])
        .then(|| text.chars().find(|c| matches!(c, '\u{FFFE}' | '\u{FFFF}')))
        .flatten()
        .map(u32::from)
}
