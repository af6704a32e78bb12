//! WS-Management messages, typed to and from XML, and the remote shell's machines for both roles.
//!
#![doc = include_str!("../README.md")]

mod charset;
mod check;
pub mod code_page;
pub mod compression;
pub mod config;
pub mod duration;
pub mod enumeration;
mod envelope;
mod error;
pub mod fault;
pub mod fragment;
mod header;
pub mod identify;
pub mod ns;
pub mod robust;
mod selector;
pub mod shell;
pub mod transfer;
pub mod xml;

pub use charset::Charset;
pub use check::{MIN_ENVELOPE_SIZE, MIN_OPERATION_TIMEOUT};
pub use duration::Duration;
pub use envelope::{Envelope, guid, same_id, uuid_uri};
pub use error::Error;
pub use fault::{ErrorCode, Fault, FaultCode};
pub use header::{Block, Header, HeaderValue};
pub use selector::{
    EndpointReference, OptionItem, OptionSet, Selector, SelectorSet, SelectorValue, parse_boolean,
};
