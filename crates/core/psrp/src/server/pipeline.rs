//! A pipeline as its server sees it, [MS-PSRP] 3.2.1.3.
//!
//! ```text
//!          end: PIPELINE_STATE
//! Running ─────────────────────► Over
//! ```
//!
//! What comes for a pipeline that is over, is ignored.

use crate::client::Priority;
use crate::fragment::{Assembler, Fragmenter};

/// What is not complete yet on the two streams that lead to a target.
#[derive(Debug)]
pub(super) struct Arriving {
    default: Assembler,
    response: Assembler,
}

impl Arriving {
    pub(super) const fn new(most: usize) -> Self {
        Self { default: Assembler::new(most), response: Assembler::new(most) }
    }

    pub(super) const fn of(&mut self, stream: Priority) -> &mut Assembler {
        match stream {
            Priority::Default => &mut self.default,
            Priority::Response => &mut self.response,
        }
    }
}

/// A pipeline.
#[derive(Debug)]
pub(super) struct Pipeline {
    is_running: bool,
    /// Whether CREATE_PIPELINE or GET_COMMAND_METADATA is here.
    pub(super) is_known: bool,
    pub(super) takes_input: bool,
    pub(super) arriving: Arriving,
    pub(super) sending: Fragmenter,
}

impl Pipeline {
    pub(super) const fn new(most: usize) -> Self {
        Self {
            is_running: true,
            is_known: false,
            takes_input: false,
            arriving: Arriving::new(most),
            sending: Fragmenter::new(),
        }
    }

    pub(super) const fn is_running(&self) -> bool {
        self.is_running
    }

    pub(super) const fn end(&mut self) {
        self.is_running = false;
    }
}
