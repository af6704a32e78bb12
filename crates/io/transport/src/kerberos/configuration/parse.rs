//! The lines of `krb5.conf` as a tree.
//!
//! ```text
//!             [name]              tag = {            tag =
//!  Preamble ─────────► Lines ◄──────────────► … ───────────► Brace
//!                        ▲          }                          │ {
//!                        └─────────────────────────────────────┘
//! ```

use std::collections::BTreeMap;

use super::{ConfigurationError, MAX_FILES, MAX_LENGTH, MAX_TOTAL};

/// How deep files may include each other.
const MAX_INCLUDES: usize = 16;
/// How deep sections may stand in each other.
const MAX_DEPTH: usize = 16;

/// A file with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a file")]
pub struct Piece {
    /// Its name, for errors.
    pub name: String,
    /// What is in it.
    pub content: Vec<u8>,
}

/// What a line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the two directives")]
pub enum Include<'a> {
    /// `include PATH`: one file.
    File(&'a str),
    /// `includedir PATH`: those files of a folder that `is_included` names, in the order of their names.
    Folder(&'a str),
}

/// Whether a file of an included folder counts: names of letters, digits, `-` and `_`, or those that end in `.conf` and
/// do not begin with a dot.
pub(super) fn is_included(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !name.is_empty()
        && (name.chars().all(plain) || (name.ends_with(".conf") && !name.starts_with('.')))
}

/// A section: relations in the order of the file, and sections by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Section {
    relations: Vec<(String, String)>,
    sections: BTreeMap<String, Self>,
    is_final: bool,
}

impl Section {
    /// Whether later files say nothing more of it.
    pub(super) fn is_final(&self) -> bool {
        self.is_final
    }

    pub(super) fn section(&self, name: &str) -> Option<&Self> {
        self.sections.get(name)
    }

    pub(super) fn section_names(&self) -> impl Iterator<Item = &str> {
        self.sections.keys().map(|name| &**name)
    }

    /// Names with their values.
    pub(super) fn relations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.relations.iter().map(|(name, value)| (&**name, &**value))
    }

    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.relations().filter_map(move |(key, value)| (key == name).then_some(value))
    }

    /// The section below this one, made if it is not there.
    fn at(&mut self, path: &[String]) -> &mut Self {
        path.iter().fold(self, |section, name| section.sections.entry(name.clone()).or_default())
    }
}

/// Reads files into trees, within the limits of all of them together.
pub(super) struct Reader<'a> {
    include: &'a mut dyn FnMut(Include<'_>) -> Result<Vec<Piece>, String>,
    files: Vec<String>,
    modules: Vec<String>,
    total: usize,
}

/// Where a file's reader stands.
#[derive(Default)]
struct State {
    /// Whether a first section has begun; what comes before it says nothing.
    begun: bool,
    /// Whether the next line must open a section.
    brace: bool,
    path: Vec<String>,
}

/// What is wrong with a line.
type Fault = String;

impl<'a> Reader<'a> {
    pub(super) fn new(
        include: &'a mut dyn FnMut(Include<'_>) -> Result<Vec<Piece>, String>,
    ) -> Self {
        Self { include, files: Vec::new(), modules: Vec::new(), total: 0 }
    }

    pub(super) fn finish(self) -> (Vec<String>, Vec<String>) {
        (self.files, self.modules)
    }

    /// One file with those that it includes.
    pub(super) fn tree(&mut self, file: &Piece) -> Result<Section, ConfigurationError> {
        let mut root = Section::default();
        self.file(file, &mut root, 0)?;
        Ok(root)
    }

    fn file(
        &mut self,
        file: &Piece,
        root: &mut Section,
        depth: usize,
    ) -> Result<(), ConfigurationError> {
        let fail = |line, what: String| ConfigurationError { file: file.name.clone(), line, what };
        self.total = self.total.saturating_add(file.content.len());
        if file.content.len() > MAX_LENGTH || self.total > MAX_TOTAL {
            return Err(fail(0, format!("longer than {MAX_LENGTH} bytes, or {MAX_TOTAL} in all")));
        }
        if self.files.len() >= MAX_FILES || depth > MAX_INCLUDES {
            let what = format!("more than {MAX_FILES} files, or {MAX_INCLUDES} in each other");
            return Err(fail(0, what));
        }
        self.files.push(file.name.clone());
        let text = String::from_utf8_lossy(&file.content);
        let mut state = State::default();
        for (index, line) in text.split('\n').enumerate() {
            // What follows a NUL in a line is not seen by a library written in C.
            let line = line.split('\0').next().unwrap_or_default();
            match directive(line) {
                Some(wanted) => {
                    let pieces = (self.include)(wanted)
                        .map_err(|what| fail(index.saturating_add(1), what))?;
                    for piece in &pieces {
                        self.file(piece, root, depth.saturating_add(1))?;
                    }
                }
                None => self
                    .line(line, &mut state, root)
                    .map_err(|what| fail(index.saturating_add(1), what))?,
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &str, state: &mut State, root: &mut Section) -> Result<(), Fault> {
        if state.brace {
            state.brace = false;
            let opens = blank_start(line).starts_with('{');
            return opens.then_some(()).ok_or_else(|| "a section without its `{`".to_owned());
        }
        if !state.begun {
            if let Some(module) = after_word(line, "module") {
                self.modules.push(module.to_owned());
                return Ok(());
            }
            if !line.starts_with('[') {
                return Ok(());
            }
            state.begun = true;
        }
        standard(line, state, root)
    }
}

/// A line inside a file whose first section has begun.
fn standard(line: &str, state: &mut State, root: &mut Section) -> Result<(), Fault> {
    let line = blank_start(line);
    if line.starts_with([';', '#']) {
        return Ok(());
    }
    let line = line.trim_end_matches(is_blank);
    if line.is_empty() {
        return Ok(());
    }
    if let Some(rest) = line.strip_prefix('[') {
        return top(rest, state, root);
    }
    if let Some(rest) = line.strip_prefix('}') {
        if state.path.len() < 2 {
            return Err("a `}` without a section".to_owned());
        }
        if rest.starts_with('*') {
            root.at(&state.path).is_final = true;
        }
        state.path.pop();
        return Ok(());
    }
    relation(line, state, root)
}

/// `[name]`, perhaps with a star behind it.
fn top(rest: &str, state: &mut State, root: &mut Section) -> Result<(), Fault> {
    if state.path.len() > 1 {
        return Err("a section begins before the one around it has its `}`".to_owned());
    }
    let (name, after) = rest.split_once(']').ok_or("a section without its `]`")?;
    let (is_final, after) = match after.strip_prefix('*') {
        Some(after) => (true, after),
        None => (false, after),
    };
    if !after.is_empty() {
        return Err("something behind the section's `]`".to_owned());
    }
    state.path = vec![name.to_owned()];
    root.at(&state.path).is_final |= is_final;
    Ok(())
}

/// `tag = value`, `tag = {` or `tag =`.
fn relation(line: &str, state: &mut State, root: &mut Section) -> Result<(), Fault> {
    let (tag, value) = line.split_once('=').ok_or("a line without `=`")?;
    let tag = tag.trim_end_matches(is_blank);
    if tag.is_empty() || tag.contains(is_blank) {
        return Err("not one word before the `=`".to_owned());
    }
    let (tag, is_final) = match tag.split_once('*') {
        Some((tag, _)) => (tag, true),
        None => (tag, false),
    };
    let value = blank_start(value);
    let opens = value.strip_prefix('{').is_some_and(|rest| blank_start(rest).is_empty());
    if opens || value.is_empty() {
        if state.path.len() >= MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} sections in each other"));
        }
        state.brace = value.is_empty();
        state.path.push(tag.to_owned());
        root.at(&state.path).is_final |= is_final;
        return Ok(());
    }
    let value = match value.strip_prefix('"') {
        Some(quoted) => unquote(quoted),
        None => value.to_owned(),
    };
    root.at(&state.path).relations.push((tag.to_owned(), value));
    Ok(())
}

/// What stands in quotes: up to the next one, `\n`, `\t` and `\b` as in C, and any other character behind a backslash
/// as it is.
fn unquote(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => match characters.next() {
                Some('n') => plain.push('\n'),
                Some('t') => plain.push('\t'),
                Some('b') => plain.push('\u{8}'),
                Some(other) => plain.push(other),
                None => break,
            },
            other => plain.push(other),
        }
    }
    plain
}

/// The path behind `include` or `includedir` at the very start of a line.
fn directive(line: &str) -> Option<Include<'_>> {
    if let Some(path) = after_word(line, "include") {
        return Some(Include::File(path));
    }
    after_word(line, "includedir").map(Include::Folder)
}

fn after_word<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(word)?;
    rest.starts_with(is_blank).then(|| rest.trim_matches(is_blank))
}

fn blank_start(line: &str) -> &str {
    line.trim_start_matches(is_blank)
}

/// What C calls white space.
fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n' | '\u{b}' | '\u{c}')
}
