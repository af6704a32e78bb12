//! XML with bounds: a reader that refuses what SOAP forbids, the element tree, and a writer.

mod element;
mod error;
mod name;
mod reader;
mod writer;

pub use element::{Attribute, Binding, Element, Node};
pub use error::{Error, ErrorKind, Limit};
pub use name::Name;
pub use reader::{Limits, decode, decode_as, is_ncname};
pub use writer::encode;

pub(crate) use element::is_space;
pub(crate) use writer::write_document;
