//! The service's network process: its logs, its settings, and the server with its plug-ins.
//!
//! The spawner starts it, as the service user, with descriptor 3 as the way back. It reads bytes from strangers, so
//! it has no right that those strangers may not have when something goes wrong.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use clap::Args;
use server::certificates::Thumbprint;
use server::settings::{Listener, MetricsAddress};
use server::{Config, Settings};
use spawner::network::Spawner;
use spawner::store::SERVICE;

use super::{LogFormat, log};
use crate::command_error::{CommandError, Program};

/// The options of `serve` that the spawner passes on.
#[derive(Args, Debug)]
pub(super) struct NetworkArgs {
    #[arg(long)]
    pub(super) config: Option<PathBuf>,
    #[arg(long)]
    pub(super) listen: Vec<Listener>,
    #[arg(long)]
    pub(super) certificate: Option<Thumbprint>,
    #[arg(long)]
    pub(super) metrics: Option<MetricsAddress>,
    #[arg(long, default_value = super::STATE)]
    pub(super) state: PathBuf,
    #[arg(long, default_value = "text")]
    log: LogFormat,
}

/// Runs the network process to its end.
pub(super) fn run(args: NetworkArgs) -> ExitCode {
    let lost_lines = log::start(args.log);
    match try_run(args, lost_lines) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever reads the log as JSON must find it there.
            tracing::error!(error = error.error(), "The service cannot run");
            ExitCode::from(error.code(Program::Transom))
        }
    }
}

fn try_run(args: NetworkArgs, lost_lines: Arc<AtomicU64>) -> Result<(), CommandError> {
    let mut settings = match &args.config {
        Some(path) => Settings::load(path),
        None => Settings::load_default(),
    }
    .map_err(|error| CommandError::caused("reading the settings", &error))?;
    if !args.listen.is_empty() {
        settings.listeners = args.listen;
    }
    if args.metrics.is_some() {
        settings.metrics.listen = args.metrics;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::caused("starting", &error))?;
    let result = runtime.block_on(async {
        let spawner = Spawner::inherited().map_err(|error| {
            CommandError::caused(
                "reaching the process of `transom serve`, which must start this one",
                &error,
            )
        })?;
        let mut config = Config::new(settings, Arc::new(spawner.clone()));
        config.plugins = vec![Arc::new(plugins::cmd::Cmd::new(spawner.clone()))];
        config.spawner = Some(spawner);
        config.folder = Some(args.state.join(SERVICE));
        config.certificate = args.certificate;
        config.lost_log_lines = lost_lines;
        server::run(config).await.map_err(|error| CommandError::caused("serving", &error))
    });
    // A name look-up that hangs must not keep a service that is done.
    runtime.shutdown_background();
    result
}
