//! Markup: the elements of a text one after the other, with what CLIXML needs of their attributes.
//!
//! quick-xml finds the markup; what is refused and which namespace counts is decided here.

use std::borrow::Cow;
use std::sync::Arc;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::error::ErrorKind;
use super::{NAMESPACE, Text, characters};

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
    /// What hardly any tag has.
    pub(super) rare: Option<Box<Rare>>,
}

/// Attributes that hardly any tag has.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// `S`.
    pub(super) stream: Option<Text>,
    /// `Version`.
    pub(super) version: Option<String>,
}

/// The number, or whatever else, that names an object or type names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RefId {
    Number(u32),
    Other(Box<str>),
}

macro_rules! tags {
    ($($variant:ident $text:literal $bytes:literal),* $(,)?) => {
        /// The name of an element.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub(super) enum Tag {
            $($variant,)*
            Unknown(Box<str>),
        }

        impl Tag {
            fn of(name: &str) -> Self {
                // Bytes become a tree of decisions, strings one comparison after the other.
                match name.as_bytes() {
                    $($bytes => Self::$variant,)*
                    _ => Self::Unknown(name.into()),
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
                    Self::Unknown(name) => shorten(&name),
                    known => known.text().to_owned(),
                })
            }
        }
    };
}

tags! {
    ActivityId "AI" b"AI",
    Activity "AV" b"AV",
    Bool "B" b"B",
    Bytes "BA" b"BA",
    Byte "By" b"By",
    Char "C" b"C",
    Decimal "D" b"D",
    Double "Db" b"Db",
    Dictionary "DCT" b"DCT",
    DateTime "DT" b"DT",
    Entry "En" b"En",
    Guid "G" b"G",
    Int16 "I16" b"I16",
    Int32 "I32" b"I32",
    Int64 "I64" b"I64",
    Enumerable "IE" b"IE",
    List "LST" b"LST",
    Members "MS" b"MS",
    Nil "Nil" b"Nil",
    Object "Obj" b"Obj",
    Objects "Objs" b"Objs",
    PercentComplete "PC" b"PC",
    ParentActivityId "PI" b"PI",
    Progress "PR" b"PR",
    Properties "Props" b"Props",
    Queue "QUE" b"QUE",
    Reference "Ref" b"Ref",
    String "S" b"S",
    SByte "SB" b"SB",
    ScriptBlock "SBK" b"SBK",
    Status "SD" b"SD",
    Single "Sg" b"Sg",
    SecondsRemaining "SR" b"SR",
    SecureString "SS" b"SS",
    Stack "STK" b"STK",
    Type "T" b"T",
    TypeNames "TN" b"TN",
    TypeNamesReference "TNRef" b"TNRef",
    ToString "ToString" b"ToString",
    TimeSpan "TS" b"TS",
    UInt16 "U16" b"U16",
    UInt32 "U32" b"U32",
    UInt64 "U64" b"U64",
    Uri "URI" b"URI",
    Version "Version" b"Version",
    Xml "XD" b"XD",
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
    names: Names,
}

/// Names of properties that were read last: the next object has the same ones.
#[derive(Debug)]
struct Names([Option<Arc<str>>; 64]);

impl Names {
    fn text(&mut self, value: &str) -> Result<Text, ErrorKind> {
        if is_escaped(value) || value.is_empty() {
            return characters_of(value);
        }
        let bytes = value.as_bytes();
        let at = |index: usize| bytes.get(index).copied().map_or(0, usize::from);
        let hash = bytes.len() * 7 + at(0) + at(bytes.len() / 2) * 3 + at(bytes.len() - 1) * 5;
        let Some(place) = self.0.get_mut(hash % 64) else { return characters_of(value) };
        if let Some(known) = place.as_ref().filter(|known| ***known == *value) {
            return Ok(Text::shared(Arc::clone(known)));
        }
        let name: Arc<str> = value.into();
        *place = Some(Arc::clone(&name));
        Ok(Text::shared(name))
    }
}

impl<'t> Pieces<'t> {
    /// `is_bare`: elements without a namespace are CLIXML.
    pub(super) fn new(text: &'t str, is_bare: bool) -> Result<Self, ErrorKind> {
        if let Some(c) = first_illegal(text) {
            return Err(ErrorKind::IllegalCharacter(c));
        }
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_end_names = true;
        let names = Names([const { None }; 64]);
        Ok(Self { reader, scopes: Vec::new(), depth: 0, is_bare, names })
    }

    pub(super) fn position(&self) -> u64 {
        self.reader.buffer_position()
    }

    pub(super) fn next(&mut self) -> Result<Markup<'t>, ErrorKind> {
        loop {
            let event = self.reader.read_event();
            let event = event.map_err(|error| ErrorKind::Syntax(shorten(&error.to_string())))?;
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
        let mut read = Start { tag: Tag::Nil, is_empty, name: None, ref_id: None, rare: None };
        self.attributes(start.attributes_raw(), &mut read)?;
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        if !self.is_clixml(prefix) {
            return Err(ErrorKind::Namespace(shorten(name)));
        }
        read.tag = Tag::of(local);
        Ok(read)
    }

    fn is_clixml(&self, prefix: &str) -> bool {
        let scope = self.scopes.iter().rev().find(|scope| scope.prefix == prefix);
        scope.map_or(self.is_bare && prefix.is_empty(), |scope| scope.is_clixml)
    }

    fn attributes(&mut self, mut rest: &str, read: &mut Start) -> Result<(), ErrorKind> {
        loop {
            let trimmed = rest.trim_start_matches(is_blank);
            if trimmed.is_empty() {
                return Ok(());
            }
            let is_apart = trimmed.len() < rest.len();
            let (name, value, after) = split_attribute(trimmed).ok_or_else(broken)?;
            if !is_apart || value.contains('<') {
                return Err(broken());
            }
            self.attribute(name, value, read)?;
            rest = after;
        }
    }

    fn attribute(&mut self, name: &str, value: &str, read: &mut Start) -> Result<(), ErrorKind> {
        match name.as_bytes() {
            b"N" => set(&mut read.name, self.names.text(value)?)?,
            b"RefId" => set(&mut read.ref_id, RefId::of(value)?)?,
            b"S" => set(&mut read.rare.get_or_insert_default().stream, characters_of(value)?)?,
            b"Version" => {
                let version = characters_of(value)?.into_string_lossy();
                set(&mut read.rare.get_or_insert_default().version, version)?;
            }
            _ => {
                // Of the other attributes only declarations count.
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
                let here = |scope: &&Scope| scope.depth == self.depth && scope.prefix == prefix;
                if self.scopes.iter().any(|scope| here(&scope)) {
                    return Err(broken());
                }
                let prefix = prefix.to_owned();
                self.scopes.push(Scope { depth: self.depth, prefix, is_clixml });
            }
        }
        Ok(())
    }
}

/// An attribute stands once in a tag.
fn set<T>(place: &mut Option<T>, value: T) -> Result<(), ErrorKind> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(broken()),
    }
}

/// Error texts quote at most this much of what a peer sent.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(120).collect()
}

fn broken() -> ErrorKind {
    ErrorKind::Syntax("an attribute is malformed".to_owned())
}

/// Name, value and the rest of a tag's attributes.
fn split_attribute(text: &str) -> Option<(&str, &str, &str)> {
    let bytes = text.as_bytes();
    let equals = bytes.iter().position(|byte| *byte == b'=')?;
    let (name, after) = (text.get(..equals)?.trim_end_matches(is_blank), text.get(equals + 1..)?);
    let after = after.trim_start_matches(is_blank);
    let (quote, after) = (*after.as_bytes().first()?, after.get(1..)?);
    let end = match quote {
        b'"' | b'\'' => after.bytes().position(|byte| byte == quote)?,
        _ => return None,
    };
    let is_name = |byte: u8| {
        !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b'<' | b'>' | b'/')
    };
    let is_named = !name.is_empty() && name.bytes().all(is_name);
    is_named.then_some((name, after.get(..end)?, after.get(end + 1..)?))
}

impl RefId {
    fn of(value: &str) -> Result<Self, ErrorKind> {
        let is_plain = value == "0" || !value.starts_with(['0', '+']);
        match value.parse() {
            Ok(number) if is_plain => Ok(Self::Number(number)),
            _ => Ok(Self::Other(characters_of(value)?.into_string_lossy().into())),
        }
    }

    pub(super) fn index(&self) -> Option<usize> {
        match self {
            Self::Number(number) => usize::try_from(*number).ok(),
            Self::Other(_) => None,
        }
    }

    pub(super) fn into_text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Other(text) => text.into(),
        }
    }
}

/// Blank in XML.
pub(super) const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// Whether a value may hold an escape, or blanks that are not as they are written.
fn is_escaped(value: &str) -> bool {
    value.bytes().any(|byte| matches!(byte, b'&' | b'_' | b'\t' | b'\r' | b'\n'))
}

/// The value of an attribute, without any escapes.
fn characters_of(value: &str) -> Result<Text, ErrorKind> {
    if !is_escaped(value) {
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
    let unknown = || ErrorKind::Syntax(format!("the entity {:?} is not known", shorten(name)));
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
    let bytes = text.as_bytes();
    let is_control = |byte: u8| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r');
    // Without a way out the loop is done for many bytes at a time.
    let some = |piece: &[u8]| piece.iter().fold(false, |some, byte| some | is_control(*byte));
    if let Some(piece) = bytes.chunks(4096).find(|piece| some(piece)) {
        return piece.iter().copied().find(|byte| is_control(*byte)).map(u32::from);
    }
    // The first byte of U+FFFE and U+FFFF.
    if !bytes.contains(&0xEF) {
        return None;
    }
    text.chars().find(|c| matches!(c, '\u{FFFE}' | '\u{FFFF}')).map(u32::from)
}
