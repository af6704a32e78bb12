//! The signals that a user or the system sends to these programs, as one stream.

use nix::sys::signal::{Signal as Number, raise};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use crate::command_error::CommandError;
use crate::terminal::Quiet;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interruption {
    /// SIGINT: Ctrl-C.
    CtrlC,
    /// SIGQUIT, Ctrl-\: the nearest that Unix has to Ctrl-Break.
    CtrlBreak,
    /// SIGTERM, or SIGHUP as the terminal goes away.
    End,
}

/// Listens as long as it lives; the signals no longer end the process by themselves.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    quit: Signal,
    terminate: Signal,
    hangup: Signal,
    /// The terminals whose echo is off.
    pub(crate) quiet: Quiet,
    /// Sees to SIGTSTP as long as this lives.
    suspender: JoinHandle<()>,
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.suspender.abort();
    }
}

impl Signals {
    /// Starts to listen. Needs a tokio runtime.
    ///
    /// # Errors
    /// The system has no room for the handlers.
    pub(crate) fn listen() -> Result<Self, CommandError> {
        let listen = |kind| {
            signal(kind).map_err(|error| CommandError::caused("listening for signals", &error))
        };
        let quiet = Quiet::default();
        let mut stop = listen(SignalKind::from_raw(Number::SIGTSTP as i32))?;
        let stopped = quiet.clone();
        // Ctrl-Z: whoever uses the terminal meanwhile wants to see what is typed.
        let suspender = tokio::spawn(async move {
            while stop.recv().await.is_some() {
                stopped.show();
                // It returns when the process goes on.
                let _stopped = raise(Number::SIGSTOP);
                stopped.hide();
            }
        });
        Ok(Self {
            quiet,
            suspender,
            interrupt: listen(SignalKind::interrupt())?,
            quit: listen(SignalKind::quit())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one; nothing is lost when the wait is given up.
    pub(crate) async fn next(&mut self) -> Interruption {
        tokio::select! {
            _ = self.interrupt.recv() => Interruption::CtrlC,
            _ = self.quit.recv() => Interruption::CtrlBreak,
            _ = self.terminate.recv() => Interruption::End,
            _ = self.hangup.recv() => Interruption::End,
        }
    }
}
