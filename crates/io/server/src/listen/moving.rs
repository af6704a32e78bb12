//! Listeners by hardware address follow the addresses that their interface has, which come and go while the service runs.
//!
//! ```text
//!             every while                    others than were opened
//!  waiting ───────────────► ask the system ──────────────────────────► prepare the same settings again
//!     ▲                          │ the same                                          │
//!     └──────────────────────────┴───────────────────────────────────────────────────┘
//! ```

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::warn;

use super::running::Listening;
use crate::configuration::Configuration;
use crate::gate::reached;
use crate::service::Core;

/// How long an interface may have another address before it is noticed.
const WHILE: Duration = Duration::from_secs(5);

/// Looks after the addresses of a service until it stops.
pub(crate) fn follow(
    core: &Core,
    stopped: watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send + use<> {
    look_after(Arc::downgrade(&core.listening), Arc::clone(&core.configuration), stopped)
}

async fn look_after(
    listening: Weak<Listening>,
    configuration: Arc<Configuration>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut told = None;
    loop {
        tokio::select! {
            () = sleep(WHILE) => {}
            () = reached(&mut stopped) => return,
        }
        let Some(listening) = listening.upgrade() else { return };
        let settings = configuration.settings();
        let problem = match listening.has_moved(&settings).await {
            Ok(false) => None,
            Ok(true) => match configuration.prepare_again().await {
                Ok(()) => None,
                Err(fault) => Some(fault.text().trim().to_owned()),
            },
            Err(error) => Some(error.to_string()),
        };
        // It is tried again and again, and said once.
        if let Some(problem) = problem.as_ref().filter(|_| told != problem) {
            warn!(%problem, "listeners cannot follow the addresses of their interface");
        }
        told = problem;
    }
}
