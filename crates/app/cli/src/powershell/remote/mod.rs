//! Commands on other computers: what is sent, what comes back.

pub(super) mod follow;
mod format;
pub(super) mod input;
pub(super) mod listen;
pub(super) mod objects;
pub(super) mod run;
pub(super) mod script;
mod tell;
pub(super) mod texts;
mod using;
