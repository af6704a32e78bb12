//! The service's configuration while it runs: the settings in force, and what keeps and acts on changes.
//!
//! ```text
//!  administrator's file ─┐
//!                        ├─► merged, checked ──► settings in force ──► whoever asks, or waits for a change
//!  what winrm changed ───┘                            ▲
//!                                                     │
//!  a change: edited ─► checked ─► prepared (what must open) ─► stored ─► in force ─► taken into use
//!                         └──────────────┴────────────────────────┴─► a failure: nothing has changed
//! ```
//!
//! One change comes after the other. Once begun it is done to its end, whether or not its client still waits.

mod files;
pub mod frames;
mod layers;
mod mapping;
mod plugin;
mod process;
mod resource;
mod storage;

use std::fmt;
use std::sync::{Arc, OnceLock};

use tokio::sync::{Mutex, watch};
use toml::Table;
use tracing::{error, info};
use wsman::config::{Setting, Value};
use wsman::fault::{ErrorCode, Fault};

use crate::settings::tree;
use crate::{BoxFuture, Settings};

pub use files::{FILE, FileStorage, read};
pub use layers::{FOLDER, Layers, NoSettings};
pub(crate) use mapping::MappingResource;
pub(crate) use plugin::PluginResource;
pub use process::{Desk, Opened, died, prepare, serve};
pub(crate) use resource::ConfigResource;
pub use storage::Storage;
pub use transport::{InterfaceAddress, interfaces};

/// The settings in force, and the one place that changes them.
#[derive(Debug)]
pub(crate) struct Configuration {
    current: watch::Sender<Arc<Current>>,
    changing: Mutex<()>,
    storage: Option<Arc<dyn Storage>>,
    followers: OnceLock<Vec<Arc<dyn Follower>>>,
}

/// What is in force.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) settings: Arc<Settings>,
    pub(crate) layers: Layers,
}

/// Somebody who has to do something before settings can come into force, such as opening what they name.
pub(crate) trait Follower: Send + Sync + fmt::Debug {
    /// Prepares for `next`. Whatever is prepared is taken into use with the settings, or dropped.
    ///
    /// # Errors
    ///
    /// Why these settings cannot come into force.
    fn prepare<'a>(
        &'a self,
        now: &'a Current,
        next: &'a Current,
    ) -> BoxFuture<'a, Result<Prepared, Box<Fault>>>;
}

/// Takes what was prepared into use: called once the settings are in force.
pub(crate) type Prepared = Box<dyn FnOnce() + Send>;

/// A change that is being made: the state layer, to be edited, and what is in force.
#[derive(Debug)]
pub(crate) struct Edit {
    /// What the wire changed so far.
    pub(crate) state: Table,
    /// What is in force.
    pub(crate) now: Arc<Current>,
}

impl Current {
    /// The value of a setting, as it is shown.
    pub(crate) fn shown(&self, setting: &Setting) -> Value {
        self.layers.shown(&self.settings, setting)
    }
}

impl Edit {
    /// Gives a setting of the tree a value.
    pub(crate) fn set(&mut self, setting: &Setting, text: &str) {
        tree::set(&mut self.state, setting, text);
    }

    /// Takes back what was changed of a setting of the tree.
    pub(crate) fn unset(&mut self, setting: &Setting) {
        tree::unset(&mut self.state, setting);
    }
}

impl Configuration {
    /// A configuration that begins with these layers, which come to these settings; without a storage changes are kept in
    /// memory only.
    pub(crate) fn new(
        layers: Layers,
        settings: Settings,
        storage: Option<Arc<dyn Storage>>,
    ) -> Arc<Self> {
        let current = Current { settings: Arc::new(settings), layers };
        Arc::new(Self {
            current: watch::Sender::new(Arc::new(current)),
            changing: Mutex::new(()),
            storage,
            followers: OnceLock::new(),
        })
    }

    /// Who is asked before settings come into force, in this order; said once, before the first change.
    pub(crate) fn follow(&self, followers: Vec<Arc<dyn Follower>>) {
        if self.followers.set(followers).is_err() {
            error!("the configuration has its followers already");
        }
    }

    /// The settings in force.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.current.borrow().settings)
    }

    /// What is in force.
    pub(crate) fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.borrow())
    }

    /// What keeps changes and opens listeners.
    pub(crate) const fn storage(&self) -> Option<&Arc<dyn Storage>> {
        self.storage.as_ref()
    }

    /// Makes a change: `edit` edits the state layer. Returns what is in force then.
    ///
    /// # Errors
    ///
    /// The fault of `edit`, of a wrong value, of a follower or of the storage: nothing has changed.
    pub(crate) async fn change<F>(self: &Arc<Self>, edit: F) -> Result<Arc<Current>, Box<Fault>>
    where
        F: FnOnce(&mut Edit) -> Result<(), Box<Fault>> + Send + 'static,
    {
        let this = Arc::clone(self);
        // A client that does not wait any more must not leave a change half done.
        let changed = tokio::spawn(async move { this.make(edit).await });
        changed.await.unwrap_or_else(|_| Err(failed("The change was not made to its end. ")))
    }

    async fn make(
        &self,
        edit: impl FnOnce(&mut Edit) -> Result<(), Box<Fault>> + Send,
    ) -> Result<Arc<Current>, Box<Fault>> {
        let _changing = self.changing.lock().await;
        let now = self.current();
        let mut change = Edit { state: now.layers.state().clone(), now: Arc::clone(&now) };
        edit(&mut change)?;
        if change.state == *now.layers.state() {
            return Ok(now);
        }
        let layers = now.layers.with_state(change.state);
        let settings = layers.settings().map_err(|problem| {
            let text = format!("The parameter is incorrect: {problem}. ");
            Box::new(Fault::new(ErrorCode::INVALID_PARAMETER, text))
        })?;
        let next = Arc::new(Current { settings: Arc::new(settings), layers });
        let mut prepared = Vec::new();
        for follower in self.followers.get().into_iter().flatten() {
            prepared.push(follower.prepare(&now, &next).await?);
        }
        self.store(&next.layers).await?;
        self.current.send_replace(Arc::clone(&next));
        for take in prepared {
            take();
        }
        info!("The configuration has changed");
        Ok(next)
    }

    /// Lets the followers prepare for the settings in force once more: what these mean has changed, though they have not.
    ///
    /// # Errors
    ///
    /// The fault of a follower: everything is as it was.
    pub(crate) async fn prepare_again(&self) -> Result<(), Box<Fault>> {
        let _changing = self.changing.lock().await;
        let now = self.current();
        let mut prepared = Vec::new();
        for follower in self.followers.get().into_iter().flatten() {
            prepared.push(follower.prepare(&now, &now).await?);
        }
        for take in prepared {
            take();
        }
        Ok(())
    }

    async fn store(&self, layers: &Layers) -> Result<(), Box<Fault>> {
        let Some(keeper) = &self.storage else { return Ok(()) };
        let text = toml::to_string(layers.state()).map_err(|error| {
            error!(%error, "the configuration cannot be written");
            failed("The change cannot be written. ")
        })?;
        if text.len() > storage::MAX_TEXT {
            return Err(failed("The configuration would be longer than the service keeps. "));
        }
        keeper.store(text).await.map_err(|error| {
            error!(%error, "the configuration cannot be kept");
            failed(&format!("The change cannot be kept: {}. ", error.kind()))
        })
    }
}

fn failed(text: &str) -> Box<Fault> {
    Box::new(Fault::new(ErrorCode::INTERNAL_ERROR, text))
}
