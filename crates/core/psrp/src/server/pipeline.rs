//! A pipeline as its server sees it, [MS-PSRP] 3.2.1.3.
//!
//! ```text
//!          end: PIPELINE_STATE
//! Running ─────────────────────► Over
//! ```
//!
//! What comes for a pipeline that is over, is ignored.

use crate::fragment::{Assembler, Fragmenter};

/// A pipeline.
#[derive(Debug)]
pub(super) struct Pipeline {
    is_running: bool,
    /// Whether CREATE_PIPELINE or GET_COMMAND_METADATA is here.
    pub(super) is_known: bool,
    pub(super) takes_input: bool,
    pub(super) assembler: Assembler,
    pub(super) sending: Fragmenter,
}

impl Pipeline {
    pub(super) const fn new(most: usize) -> Self {
        Self {
            is_running: true,
            is_known: false,
            takes_input: false,
            assembler: Assembler::new(most),
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
