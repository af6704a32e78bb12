//! The service's network process: its logs, its settings, and the server with its plug-ins.
//!
//! The spawner starts it, as the service user, with descriptor 3 as the way back. It reads bytes from strangers, so
//! it has no right that those strangers may not have when something goes wrong: first everything is opened, by one
//! thread, then the sandbox closes, and only then anybody is heard.

use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread;

use clap::Args;
use plugins::powershell::PowerShell;
use server::certificates::{FOLDER, Thumbprint};
use server::settings::{Listener, MetricsAddress};
use server::{Config, Listeners, Settings};
use spawner::network::{Inherited, sandbox};
use spawner::store::SERVICE;
use tracing::{info, warn};

use super::{LogFormat, kerberos, log};
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
    crate::memory::keep_freed();
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
    let mut spawner = Inherited::take().map_err(|error| {
        CommandError::caused(
            "reaching the process of `transom serve`, which must start this one",
            &error,
        )
    })?;
    let folder = args.state.join(SERVICE);
    let certificate = args.certificate.as_ref();
    let listeners = Listeners::open(&settings, Some(&folder), certificate, Some(&mut spawner))
        .map_err(|error| CommandError::caused("serving", &error))?;
    // By the thread that lives longest, and before the sandbox: in there nothing can be started.
    let kerberos = kerberos::start(&settings, &folder)?;
    // The share of the processors is told by files.
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    // Certificates stay readable, the keytab does not: it is the Kerberos process's.
    let closed = sandbox::close(&folder.join(FOLDER));
    if closed.is_complete() {
        info!("Sandbox: {closed}");
    } else {
        warn!("Sandbox: {closed}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .map_err(|error| CommandError::caused("starting", &error))?;
    let result = runtime.block_on(async {
        let spawner = spawner.start().map_err(|error| CommandError::caused("starting", &error))?;
        let engine = settings.power_shell.command.clone();
        let mut config = Config::new(settings, listeners, Arc::new(spawner.clone()));
        if !engine.is_empty() {
            config.sessions = vec![Arc::new(PowerShell::new(spawner.clone(), engine))];
        }
        config.plugins = vec![Arc::new(plugins::cmd::Cmd::new(spawner.clone()))];
        config.kerberos = kerberos;
        config.spawner = Some(spawner);
        config.lost_log_lines = lost_lines;
        server::run(config).await.map_err(|error| CommandError::caused("serving", &error))
    });
    // A thread that still waits must not keep a service that is done.
    runtime.shutdown_background();
    result
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_stays_readable_has_certificates_and_no_keytab() {
        let folder = Path::new("/var/lib/transom/service");
        let readable = folder.join(FOLDER);
        let keytab = server::kerberos::keytab(&Settings::default(), folder);
        for kept in [keytab, folder.join(server::kerberos::REPLAYS)] {
            assert!(kept.starts_with(folder) && !kept.starts_with(&readable), "{}", kept.display());
        }
    }
}
