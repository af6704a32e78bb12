//! CLIXML: PowerShell's objects as XML, [MS-PSRP] 2.2.5, read and written.
//!
//! ```text
//! text ── decode ──► Value ── encode ──► text          one value, as in a message
//! <Objs> ── decode_document ──► [Item] ── encode_document ──► <Objs>
//! ```
//!
//! What PowerShell reads, this reads, and what PowerShell refuses is refused, with the exceptions
//! that the module's tests list. Objects keep what is on the wire: type names without the prefix
//! `Deserialized.`, both kinds of properties, and who is the same object as whom.

mod characters;
mod date_time;
mod decimal;
mod decode;
mod encode;
mod error;
mod float;
mod integer;
mod markup;
mod object;
mod primitive;
mod secure_string;
mod text;
mod time_span;
mod value;
mod version;

pub use date_time::{DateTime, Zone};
pub use decimal::Decimal;
pub use decode::{Item, Limits, decode, decode_document};
pub use encode::{encode, encode_document};
pub use error::{Error, ErrorKind, Limit};
pub use object::{Ancestor, Content, Fields, Object, Properties, Property, TypeNames};
pub use secure_string::SecureString;
pub use text::Text;
pub use time_span::TimeSpan;
pub use value::{Progress, Value};
pub use version::Version;

/// The namespace of CLIXML documents. Messages leave it out.
pub const NAMESPACE: &str = "http://schemas.microsoft.com/powershell/2004/04";
