//! A pipeline as its client sees it, [MS-PSRP] 3.1.1.3.
//!
//! ```text
//!           stop                 PIPELINE_STATE Stopped, Completed, Failed
//! Running ───────► Stopping ────────────────────────────────────────────────► Over
//!    └──────────────────────────────────────────────────────────────────────────▲
//! ```
//!
//! What comes for a pipeline that is over, is ignored.

use super::Sending;
use crate::fragment::Assembler;

/// A pipeline.
#[derive(Debug)]
pub(super) struct Pipeline {
    state: State,
    takes_input: bool,
    pub(super) assembler: Assembler,
    pub(super) sending: Sending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Stopping,
    Over,
}

impl Pipeline {
    pub(super) fn new(most: usize, takes_input: bool) -> Self {
        Self {
            state: State::Running,
            takes_input,
            assembler: Assembler::new(most),
            sending: Sending::default(),
        }
    }

    pub(super) const fn is_running(&self) -> bool {
        !matches!(self.state, State::Over)
    }

    pub(super) const fn takes_input(&self) -> bool {
        self.takes_input && matches!(self.state, State::Running)
    }

    pub(super) const fn end_input(&mut self) {
        self.takes_input = false;
    }

    /// Whether the host has to be told.
    pub(super) fn stop(&mut self) -> bool {
        let is_news = self.state == State::Running;
        if is_news {
            self.state = State::Stopping;
            // What was still to be sent has no reader.
            self.sending = Sending::default();
        }
        is_news
    }

    /// Whether it was not over before.
    pub(super) fn end(&mut self) -> bool {
        let is_news = self.state != State::Over;
        self.state = State::Over;
        self.sending = Sending::default();
        is_news
    }
}
