//! What is shown of a resource: Windows's text, XML, XML with indentation, or JSON.

mod json;
mod pretty;
mod text;

use std::io::{self, IsTerminal as _, Write as _};

use wsman::enumeration::Item;
use wsman::xml::{self, Element};

use crate::command_error::{CommandError, printable};

/// `-format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    /// Lines of names and values, as Windows has them.
    #[default]
    Text,
    /// The XML as it came.
    Xml,
    /// The XML with indentation.
    Pretty,
    /// An object on a line of its own.
    Json,
}

impl Format {
    /// The words for it.
    pub(super) const NAMES: [(&str, Self); 4] =
        [("text", Self::Text), ("xml", Self::Xml), ("pretty", Self::Pretty), ("json", Self::Json)];

    /// One element, with a line feed at its end.
    pub(super) fn shown(self, element: &Element) -> String {
        match self {
            Self::Text => printable(&(text::of(element) + "\n")),
            Self::Xml => String::from_utf8_lossy(&xml::encode(element)).into_owned() + "\n",
            Self::Pretty => pretty::of(element),
            Self::Json => json::of(element) + "\n",
        }
    }

    /// What stands before the items of an enumeration.
    pub(super) const fn before(self) -> &'static str {
        match self {
            Self::Text | Self::Json => "",
            Self::Xml | Self::Pretty => {
                "<wsman:Results xmlns:wsman=\"http://schemas.dmtf.org/wbem/wsman/1/wsman/results\">\n"
            }
        }
    }

    /// One of them.
    pub(super) fn item(self, item: &Item) -> String {
        match (self, item) {
            (Self::Text | Self::Xml | Self::Json, item) => self.shown_parts(item),
            (Self::Pretty, item) => pretty::inside(&item.to_element()),
        }
    }

    /// An object and the reference to it are two things for whoever reads text.
    fn shown_parts(self, item: &Item) -> String {
        match item {
            Item::Both(object, reference) if self == Self::Text => {
                let reference = Item::Reference(reference.clone()).to_element();
                self.shown(object) + &self.shown(&reference)
            }
            Item::Object(_) | Item::Reference(_) | Item::Both(..) => self.shown(&item.to_element()),
        }
    }

    /// What stands behind them.
    pub(super) const fn after(self) -> &'static str {
        match self {
            Self::Text | Self::Json => "",
            Self::Xml | Self::Pretty => "</wsman:Results>\n",
        }
    }
}

/// Writes to stdout; what could control a terminal is spelt out where there is one.
///
/// # Errors
/// Nobody reads it any more, or it cannot be written.
pub(super) fn print(text: &str) -> Result<(), CommandError> {
    let mut stdout = io::stdout().lock();
    let shown;
    let text = if stdout.is_terminal() {
        shown = printable(text);
        &shown
    } else {
        text
    };
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(CommandError::reader_gone()),
        Err(error) => Err(CommandError::caused("writing to stdout", &error)),
    }
}
