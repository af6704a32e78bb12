//! Why a client is refused, and what ends a pool or a pipeline without its client's doing.

use std::fmt;

use uuid::Uuid;

use crate::clixml::Version;
use crate::messages::{ErrorCategory, ErrorRecord};
use crate::{fragment, message, messages, version};

/// Why what a client wants is not done: the fault that it gets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The pool is broken.
    #[error("the runspace pool is broken: {0}")]
    Broken(Cause),
    /// Something like it is not answered yet: a target takes one Send at a time on each of its
    /// streams, [MS-WSMV] 3.1.4.13.
    #[error("an operation of this kind has not been answered yet")]
    Busy,
    /// Nobody is connected to the pool.
    #[error("the runspace pool is disconnected")]
    Disconnected,
    /// Fragments that make no message, [MS-PSRP] 3.2.5.1.2.
    #[error(transparent)]
    Fragment(#[from] fragment::Error),
    /// Bytes that are no message.
    #[error(transparent)]
    Frame(#[from] message::Error),
    /// A message whose text is not what its type demands.
    #[error(transparent)]
    Message(#[from] messages::Error),
    /// Somebody is connected to the pool.
    #[error("the runspace pool is not disconnected")]
    NotDisconnected,
    /// The pool is not open: not yet, or not any more.
    #[error("the runspace pool is not open")]
    NotOpen,
    /// The id belongs to another pipeline, or to the pool.
    #[error("pipeline id {0} is in use")]
    PipelineIdInUse(Uuid),
    /// Fewer runspaces than one, or fewer at most than at least.
    #[error("a pool of {0} to {1} runspaces cannot be")]
    Runspaces(i32, i32),
    /// A client that connects wants other numbers of runspaces than the pool has.
    #[error(
        "the runspace pool has {least} to {most} runspaces, which a connection does not change"
    )]
    RunspacesDiffer {
        /// The least runspaces of the pool.
        least: i32,
        /// The most.
        most: i32,
    },
    /// A client sends more than the engine takes.
    #[error("more than {0} bytes wait for the PowerShell engine")]
    TooMuchInput(usize),
    /// There are as many pipelines as may be.
    #[error("the runspace pool has {0} pipelines, which is as many as are allowed")]
    TooManyPipelines(usize),
    /// A message that has no business where it came, [MS-PSRP] 3.2.5.2.
    #[error("{0} came when it must not")]
    Unexpected(&'static str),
    /// A message of a type that is not known.
    #[error("there is no message of type {0:#010x}")]
    UnknownKind(u32),
    /// There is no such pipeline.
    #[error("there is no pipeline {0}")]
    UnknownPipeline(Uuid),
    /// A version of the protocol that is not spoken here, or too old for what is wanted,
    /// [MS-PSRP] 3.2.5.4.1.
    #[error("version {0} of the protocol cannot do this")]
    Version(Version),
    /// A message for the client, for another pool or for another target.
    #[error("{0} is not for this target")]
    WrongAddress(&'static str),
}

impl Refusal {
    /// The element that the fault about a version has in its message, with the build of the service:
    /// `<PSProtocolVersionError …>`. `None` for other refusals.
    #[must_use]
    pub fn version_element(&self, build: &str) -> Option<String> {
        let Self::Version(_) = self else { return None };
        let build = quick_xml::escape::escape(build);
        let ours = version::NEWEST;
        Some(format!(
            "<PSProtocolVersionError ServerProtocolVersion=\"{ours}\" \
             ServerBuildVersion=\"{build}\">{self}; this service speaks 2.0 to {ours}\
             </PSProtocolVersionError>"
        ))
    }
}

/// What ended a pool or a pipeline without its client's doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The engine has ended: how, and what it said last.
    EngineEnded(String),
    /// The engine broke the protocol.
    EngineMisbehaved(String),
    /// No engine could be started.
    EngineMissing(String),
    /// The engine refused a message, in its own words.
    EngineRefused(String),
    /// The engine did not answer in time.
    EngineSilent(&'static str),
    /// The client broke the protocol.
    Refused(String),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EngineEnded(how) => write!(f, "the PowerShell engine has ended: {how}"),
            Self::EngineMisbehaved(how) => write!(f, "the PowerShell engine went wrong: {how}"),
            Self::EngineMissing(why) => {
                write!(f, "the PowerShell engine could not be started: {why}")
            }
            Self::EngineRefused(words) if words.is_empty() => {
                f.write_str("the PowerShell engine refused the message without saying why")
            }
            Self::EngineRefused(words) => {
                write!(f, "the PowerShell engine refused the message: {words}")
            }
            Self::EngineSilent(what) => {
                write!(f, "the PowerShell engine did not answer {what} in time")
            }
            Self::Refused(why) => f.write_str(why),
        }
    }
}

impl Cause {
    /// The error that the client is shown.
    pub(super) fn record(&self) -> ErrorRecord {
        let (id, category) = match self {
            Self::EngineEnded(_) => ("PSRemotingEngineEnded", ErrorCategory::ConnectionError),
            Self::EngineMisbehaved(_) => {
                ("PSRemotingEngineMisbehaved", ErrorCategory::ProtocolError)
            }
            Self::EngineMissing(_) => {
                ("PSRemotingEngineMissing", ErrorCategory::ResourceUnavailable)
            }
            Self::EngineRefused(_) => ("PSRemotingEngineRefused", ErrorCategory::InvalidData),
            Self::EngineSilent(_) => ("PSRemotingEngineSilent", ErrorCategory::OperationTimeout),
            Self::Refused(_) => ("PSRemotingMessageRefused", ErrorCategory::ProtocolError),
        };
        let exception = "System.Management.Automation.Remoting.PSRemotingTransportException";
        ErrorRecord::new(exception, &self.to_string(), id, category)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_version_names_the_versions_that_are_spoken() {
        let refusal = Refusal::Version(Version::new(3, 0));
        assert_eq!(
            refusal.version_element("1.0 \"x\"").unwrap(),
            "<PSProtocolVersionError ServerProtocolVersion=\"2.4\" \
             ServerBuildVersion=\"1.0 &quot;x&quot;\">version 3.0 of the protocol cannot do this; \
             this service speaks 2.0 to 2.4</PSProtocolVersionError>"
        );
        assert_eq!(Refusal::NotOpen.version_element("1"), None);
    }
}
