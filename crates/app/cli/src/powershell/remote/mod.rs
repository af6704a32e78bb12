//! Commands on other computers: what is sent, what comes back.

#[expect(dead_code, reason = "the cmdlets that run commands come next")]
pub(super) mod objects;
pub(super) mod texts;
