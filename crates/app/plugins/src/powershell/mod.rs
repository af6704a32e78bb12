//! PowerShell's endpoint: shells of `http://schemas.microsoft.com/powershell/…`, an engine process for each pool.
//!
//! The engine is whatever speaks PowerShell Remoting's out-of-process framing on its standard streams, by default
//! `pwsh -NoLogo -NoProfile -sshs`; which session configurations there are, and who may use them, the service decides. It runs as the logged-in user, started by the user's keeper; `psrp::bridge` stands
//! between it and the client.

mod faults;
mod session;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Instant;

use psrp::bridge::{Bridge, Settings};
use server::BoxFuture;
use server::plugin::{OpenSession, Session, SessionPlugin};
use spawner::network::{Spawner, Start};
use wsman::fault::Fault;
use wsman::ns::resource::POWERSHELL_PREFIX;

use session::EngineSession;

/// The plug-in of PowerShell's shells.
pub struct PowerShell {
    spawner: Spawner,
    engine: Vec<String>,
}

impl PowerShell {
    /// A plug-in that starts `engine`, a program and its arguments, through `spawner`.
    #[must_use]
    pub fn new(spawner: Spawner, engine: Vec<String>) -> Self {
        Self { spawner, engine }
    }

    async fn session(&self, open: OpenSession) -> Result<Box<dyn Session>, Box<Fault>> {
        faults::check_version(&open.options)?;
        crate::cmd::check(&open.environment, open.directory.as_deref())?;
        let mut bridge = Bridge::new(Settings::default(), Instant::now());
        // Before anything is started for it.
        bridge.open(&open.creation, Instant::now()).map_err(|refusal| faults::refused(&refusal))?;
        let ticket = open.ticket.as_deref().map(|ticket| ticket.expose());
        let (account, memory) = (open.account.id, open.memory);
        let keeper = crate::cmd::keeper(&self.spawner, account, open.login, ticket, memory).await?;
        let start = Start {
            argv: self.engine.iter().map(OsString::from).collect(),
            environment: open
                .environment
                .iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            expand: true,
            directory: open.directory.map(PathBuf::from),
        };
        match keeper.start(start).await {
            Ok(process) => Ok(Box::new(EngineSession::new(open.id, bridge, keeper, process)?)),
            Err(error) => {
                tracing::warn!(%error, engine = ?self.engine, "the PowerShell engine could not be started");
                keeper.close().await;
                let program = self.engine.first().map_or("", String::as_str);
                let name = open.resource_uri.get(POWERSHELL_PREFIX.len()..).unwrap_or_default();
                // A client may write a query behind it.
                let name = name.split('?').next().unwrap_or_default();
                Err(faults::no_engine(&error, program, name))
            }
        }
    }
}

impl fmt::Debug for PowerShell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PowerShell").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl SessionPlugin for PowerShell {
    fn serves(&self, resource_uri: &str) -> bool {
        let prefix = resource_uri.get(..POWERSHELL_PREFIX.len());
        prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(POWERSHELL_PREFIX))
    }

    fn open(&self, open: OpenSession) -> BoxFuture<'_, Result<Box<dyn Session>, Box<Fault>>> {
        Box::pin(self.session(open))
    }
}
