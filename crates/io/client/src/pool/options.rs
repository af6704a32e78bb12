//! What a caller says of a runspace pool and of a pipeline.

use std::time::Duration;

use psrp::clixml::{Limits, Value, Version};
use psrp::messages::{
    ApartmentState, CreatePipeline, HostInfo, InitRunspacePool, PowerShell, PsThreadOptions,
    RemoteStreamOptions,
};
use psrp::version;

/// The configuration that a session gets where none is named, as on Windows.
pub const DEFAULT_CONFIGURATION: &str = "Microsoft.PowerShell";
/// What short names of configurations stand behind.
const PREFIX: &str = wsman::ns::resource::POWERSHELL_PREFIX;

/// How a runspace pool is opened.
#[derive(Debug, Clone)]
#[expect(
    clippy::exhaustive_structs,
    reason = "meant to be written out with `..Default::default()`"
)]
pub struct PoolOptions {
    /// The session configuration: a name, which gets PowerShell's prefix, or a whole resource URI.
    pub configuration: String,
    /// The session's name, which lists show.
    pub name: Option<String>,
    /// The version of PowerShell Remoting to announce: 2.3 by default, which every host since Windows 7 understands.
    pub protocol_version: Version,
    /// The least runspaces, 1 by default.
    pub min_runspaces: i32,
    /// The most pipelines that run at once, 1 by default; not less than the least.
    pub max_runspaces: i32,
    /// In which threads pipelines run.
    pub thread_options: PsThreadOptions,
    /// The threading model of pipelines.
    pub apartment_state: ApartmentState,
    /// What this side's host can.
    pub host_info: HostInfo,
    /// What scripts see as `$PSSenderInfo.ApplicationArguments`: a dictionary of primitives, or null.
    pub application_arguments: Value,
    /// After so long without a client the host closes the pool; its own setting by default, at least a minute.
    pub idle_timeout: Option<Duration>,
    /// Leaves the user's profile unloaded (`NoMachineProfile`).
    pub no_machine_profile: bool,
    /// Compresses streams in both directions, as Windows's own client does by default.
    pub compression: bool,
    /// How often a connection that was lost is tried again (`MaxConnectionRetryCount`); 5 by default, for which a network
    /// may be away for half a minute.
    pub retries: u32,
    /// How long opening may take; 3 minutes by default (`OpenTimeout`).
    pub open_timeout: Duration,
    /// How long a pipeline may take to end after it was told to stop; a minute by default (`CancelTimeout`). Then it is
    /// given up.
    pub cancel_timeout: Duration,
    /// Bytes that one pipeline may send; no limit by default (`MaximumReceivedDataSizePerCommand`).
    pub max_data_per_command: Option<u64>,
    /// Bounds of the objects that the host sends (`MaximumReceivedObjectSize`).
    pub limits: Limits,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            configuration: DEFAULT_CONFIGURATION.to_owned(),
            name: None,
            protocol_version: version::DEFAULT,
            min_runspaces: 1,
            max_runspaces: 1,
            thread_options: PsThreadOptions::Default,
            apartment_state: ApartmentState::Unknown,
            host_info: HostInfo::NONE,
            application_arguments: Value::Null,
            idle_timeout: None,
            no_machine_profile: false,
            compression: false,
            retries: 5,
            open_timeout: Duration::from_secs(180),
            cancel_timeout: Duration::from_secs(60),
            max_data_per_command: None,
            limits: Limits::default(),
        }
    }
}

impl PoolOptions {
    /// The resource that the configuration is.
    #[must_use]
    pub fn resource_uri(&self) -> String {
        let name = self.configuration.trim();
        if name.contains("://") { name.to_owned() } else { format!("{PREFIX}{name}") }
    }

    pub(super) fn init(&self) -> InitRunspacePool {
        InitRunspacePool {
            min_runspaces: self.min_runspaces,
            max_runspaces: self.max_runspaces,
            thread_options: self.thread_options,
            apartment_state: self.apartment_state,
            host_info: self.host_info.clone(),
            application_arguments: self.application_arguments.clone(),
        }
    }
}

/// How a pipeline is started.
#[derive(Debug, Clone)]
#[expect(
    clippy::exhaustive_structs,
    reason = "meant to be written out with `..PipelineOptions::new(…)`"
)]
pub struct PipelineOptions {
    /// What shall run.
    pub power_shell: PowerShell,
    /// Input follows: objects by [`PipelineInput::write`](super::PipelineInput::write), then its end.
    pub takes_input: bool,
    /// Whether the session's history keeps it.
    pub add_to_history: bool,
    /// What this side's host can, for this pipeline; by default what the pool's can.
    pub host_info: HostInfo,
    /// Which records tell by what command they were written.
    pub remote_stream_options: RemoteStreamOptions,
    /// The pool is about to be [left](super::Pool::disconnect): what the pipeline tells waits on the host for whoever
    /// [takes it up](super::Pool::connect_pipeline), and dropping the handle here does not end it.
    pub is_left: bool,
}

impl PipelineOptions {
    /// A pipeline without input.
    #[must_use]
    pub const fn new(power_shell: PowerShell) -> Self {
        Self {
            power_shell,
            takes_input: false,
            add_to_history: false,
            host_info: HostInfo { use_runspace_host: true, ..HostInfo::NONE },
            remote_stream_options: RemoteStreamOptions(0),
            is_left: false,
        }
    }

    pub(super) fn message(self) -> CreatePipeline {
        CreatePipeline {
            no_input: !self.takes_input,
            apartment_state: ApartmentState::Unknown,
            remote_stream_options: self.remote_stream_options,
            add_to_history: self.add_to_history,
            host_info: self.host_info,
            is_nested: self.power_shell.is_nested,
            power_shell: self.power_shell,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_of_configurations_get_the_prefix_and_uris_pass() {
        let uri = |name: &str| {
            PoolOptions { configuration: name.to_owned(), ..PoolOptions::default() }.resource_uri()
        };
        assert_eq!(
            uri("Microsoft.PowerShell"),
            "http://schemas.microsoft.com/powershell/Microsoft.PowerShell"
        );
        assert_eq!(
            uri("http://schemas.microsoft.com/powershell/Mine"),
            "http://schemas.microsoft.com/powershell/Mine"
        );
    }
}
