//! Commands on other computers: what is sent, what comes back.

pub(super) mod objects;
#[expect(dead_code, reason = "the cmdlets that run commands come next")]
pub(super) mod script;
pub(super) mod texts;
mod using;
