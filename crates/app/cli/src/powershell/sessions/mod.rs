//! Sessions: where they are, what they shall be, and which there are.
#![expect(dead_code, reason = "the cmdlets of sessions come next")]

mod arguments;
pub(super) mod options;
pub(super) mod preferences;
pub(super) mod target;
