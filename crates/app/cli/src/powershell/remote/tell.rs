//! What the commands on other computers tell the one place that shows it.

use std::sync::Arc;

use client::Pool;
use psrp::client::Record;
use psrp::clixml;
use psrp::messages::{ErrorCategory, ErrorRecord, HostCall, HostResponse};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::objects::Stamp;
use crate::command_error::{CommandError, Origin};

/// Something that a command told.
#[derive(Debug)]
pub(super) enum Told {
    /// An object of its output.
    Output(clixml::Value, Arc<Stamp>),
    /// A line that shows some.
    Line(String),
    /// Something of another stream.
    Record(Box<Record>),
    /// It asks for the user's terminal.
    Call {
        call: Box<HostCall>,
        pool: Arc<Pool>,
        stamp: Arc<Stamp>,
        reply: oneshot::Sender<Option<HostResponse>>,
    },
    /// The way to the computer is interrupted, or free again.
    Network { computer: String, is_away: bool },
    /// It has ended, and with it the session in which it ran.
    Left(Uuid),
    /// Something failed.
    Failed(CommandError),
}

/// The way of one computer's command to who shows it. Who hears too slowly makes the command wait.
#[derive(Clone, Debug)]
pub(super) struct Teller {
    told: mpsc::Sender<Told>,
    pub(super) stamp: Arc<Stamp>,
    /// Several computers work at once: errors then have their category.
    pub(super) is_one_of_many: bool,
}

impl Teller {
    pub(super) const fn new(
        told: mpsc::Sender<Told>,
        stamp: Arc<Stamp>,
        is_one_of_many: bool,
    ) -> Self {
        Self { told, stamp, is_one_of_many }
    }

    pub(super) async fn tell(&self, told: Told) {
        // Nobody hears any more when the whole is given up.
        drop(self.told.send(told).await);
    }

    pub(super) async fn output(&self, object: clixml::Value) {
        self.tell(Told::Output(object, Arc::clone(&self.stamp))).await;
    }

    pub(super) async fn failed(&self, error: CommandError) {
        self.tell(Told::Failed(error)).await;
    }

    /// Tells an error of the command itself; `has_ended` when the command ended with it.
    pub(super) async fn error(&self, record: &ErrorRecord, has_ended: bool) {
        let text = error_text(record, has_ended && !self.is_one_of_many);
        let origin = Origin {
            kind: "remote",
            host: self.stamp.computer.clone(),
            operation: "Invoke-Command",
            fault_code: None,
        };
        self.failed(CommandError::failed(text).at(origin).spoken()).await;
    }
}

/// An error as PowerShell shows it in one view: who or what kind, and the message.
fn error_text(record: &ErrorRecord, was_thrown: bool) -> String {
    let written = |text: &Option<clixml::Text>| {
        text.as_ref()
            .map(|text| text.to_string_lossy().into_owned())
            .filter(|text| !text.is_empty())
    };
    let kind = || {
        if record.category == ErrorCategory::NotSpecified {
            return written(&record.reason);
        }
        // What `throw` throws.
        let was_thrown = was_thrown && record.category == ErrorCategory::OperationStopped;
        Some(if was_thrown { "Exception".to_owned() } else { record.category.name() })
    };
    let who = written(&record.activity).or_else(kind).unwrap_or_else(|| "Error".to_owned());
    format!("{who}: {}", record.message().to_string_lossy())
}
