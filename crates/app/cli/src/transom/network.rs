//! The service's network process: its logs, its settings, and the server with its plug-ins.
//!
//! The spawner starts it, as the service user, with descriptor 3 as the way back. It reads bytes from strangers, so
//! it has no right that those strangers may not have when something goes wrong: first everything is opened, by one
//! thread, then the sandbox closes, and only then anybody is heard.

use std::fs::File;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread;

use clap::Args;
use plugins::powershell::PowerShell;
use server::certificates::{Certificates, FOLDER, Thumbprint};
use server::configuration::{Desk, Layers};
use server::settings::{Listener, MetricsAddress};
use server::{Administrator, Config, Listeners, LocalSocket};
use spawner::network::{Inherited, Local, sandbox};
use spawner::store::SERVICE;
use tracing::{info, warn};

use super::{LogFormat, configuration, kerberos, log};
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
    /// The groups of root's settings, in their order.
    #[arg(long)]
    group: Vec<String>,
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
    let folder = args.state.join(SERVICE);
    let reading =
        |error: &dyn std::error::Error| CommandError::caused("reading the settings", error);
    let mut layers = Layers::load(args.config.as_deref(), &folder).map_err(|e| reading(&e))?;
    if !args.listen.is_empty() {
        layers = layers.with_listeners(&args.listen);
    }
    let mut settings = layers.settings().map_err(|e| reading(&e))?;
    if args.metrics.is_some() {
        settings.metrics.listen = args.metrics;
    }
    let mut spawner = Inherited::take().map_err(|error| {
        CommandError::caused(
            "reaching the process of `transom serve`, which must start this one",
            &error,
        )
    })?;
    let certificate = args.certificate.as_ref();
    let fixed = layers.fixed_listeners();
    let privileged = Some(&mut spawner);
    let opened =
        Listeners::open_what_can_be(&settings, fixed, Some(&folder), certificate, privileged);
    let listeners = opened.map_err(|error| CommandError::caused("serving", &error))?;
    // By the thread that lives longest, and before the sandbox: in there nothing can be started.
    let kerberos = kerberos::start(&settings, &folder)?;
    let local = local(&mut spawner);
    let desk = configuration::start(&folder)?;
    // What is not there when the sandbox closes is not readable in there, and certificates may come later.
    File::open(&folder)
        .map_err(|error| CommandError::caused(format!("opening {}", folder.display()), &error))
        .and_then(|opened| {
            Certificates::create_in(&opened, &folder)
                .map_err(|error| CommandError::caused("making the folder of certificates", &error))
        })?;
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
        config.layers = Some(layers);
        config.kerberos = kerberos;
        config.local = local;
        config.groups = args.group;
        let desk = Desk::new(desk, Some(spawner.clone()));
        config.storage =
            Some(Arc::new(desk.map_err(|error| CommandError::caused("starting", &error))?));
        config.spawner = Some(spawner);
        config.lost_log_lines = lost_lines;
        server::run(config).await.map_err(|error| CommandError::caused("serving", &error))
    });
    // A thread that still waits must not keep a service that is done.
    runtime.shutdown_background();
    result
}

/// The private socket; a service without it can still be reached by its listeners.
fn local(spawner: &mut Inherited) -> Option<LocalSocket> {
    match spawner.local() {
        Ok(Local { socket, administrator, name, .. }) => {
            Some(LocalSocket::new(socket, Administrator { uid: administrator, name }))
        }
        Err(error) => {
            warn!(%error, "Programs of this machine need a listener and a password");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_stays_readable_has_certificates_and_no_keytab() {
        let folder = Path::new("/var/lib/transom/service");
        let readable = folder.join(FOLDER);
        let keytab = server::kerberos::keytab(&server::Settings::default(), folder);
        for kept in [keytab, folder.join(server::kerberos::REPLAYS)] {
            assert!(kept.starts_with(folder) && !kept.starts_with(&readable), "{}", kept.display());
        }
    }
}
