//! What pools and pipelines a host has.

use std::time::Duration;

use uuid::Uuid;
use wsman::enumeration::{Enumerate, Filter, Item};
use wsman::ns::{action, resource};
use wsman::shell::{BufferMode, ListedCommand, ShellInfo};
use wsman::xml::{Element, Limits};
use wsman::{Fault, OptionSet, SelectorSet};

use super::options::PoolOptions;
use crate::calls::{Call, Calls};
use crate::entropy;
use crate::enumerate::enumerate;
use crate::error::{Error, ProtocolError};
use crate::shell::context;

/// A pool as its host lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPool {
    id: Uuid,
    /// The shell's id as the host spells it.
    shell_id: String,
    resource_uri: String,
    info: ShellInfo,
}

impl ListedPool {
    /// `None` for other shells.
    fn of(info: ShellInfo) -> Option<Self> {
        let resource_uri = info.resource_uri.clone()?;
        let prefix = resource::POWERSHELL_PREFIX;
        let is_pool =
            resource_uri.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
        let shell_id = info.shell_id.clone().filter(|_| is_pool)?;
        let id = Uuid::try_parse(&shell_id).ok()?;
        Some(Self { id, shell_id, resource_uri, info })
    }

    /// The pool's id, `InstanceId` of a session.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// The session's name, if it was given one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.info.name.as_deref().filter(|name| !name.is_empty())
    }

    /// The whole URI of its configuration.
    #[must_use]
    pub fn resource_uri(&self) -> &str {
        &self.resource_uri
    }

    /// The name of its configuration: `Microsoft.PowerShell`.
    #[must_use]
    pub fn configuration(&self) -> &str {
        self.resource_uri.get(resource::POWERSHELL_PREFIX.len()..).unwrap_or_default()
    }

    /// The user that owns it, as the host writes it.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.info.owner.as_deref()
    }

    /// Whether its client has left it, so that it can be taken over. Hosts before Windows 8 have no such pools.
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        self.info.is_disconnected()
    }

    /// How long it stays without a client.
    #[must_use]
    pub fn idle_timeout(&self) -> Option<Duration> {
        self.info.idle_timeout.as_ref()?.length()
    }

    /// What becomes of output that nobody collects.
    #[must_use]
    pub fn buffer_mode(&self) -> Option<BufferMode> {
        self.info.buffer_mode.as_deref().and_then(BufferMode::from_name)
    }

    /// Whether its streams are compressed, which whoever takes it over must know
    /// ([`PoolOptions::compression`](super::PoolOptions::compression)).
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        let mode = self.info.compression_mode.as_deref().unwrap_or_default();
        mode.eq_ignore_ascii_case("XpressCompression")
    }
}

/// The user's pools.
pub(crate) async fn list(calls: &Calls, session_id: Uuid) -> Result<Vec<ListedPool>, Error> {
    let context = context(calls, session_id, resource::SHELL);
    let items = enumerate(calls, context, Enumerate::optimized()).await?;
    let mut pools = Vec::new();
    for item in items.iter().filter_map(Item::object) {
        pools.extend(ListedPool::of(understood(calls, item, ShellInfo::from_element)?));
    }
    Ok(pools)
}

/// The pipelines of a pool.
pub(crate) async fn list_pipelines(
    calls: &Calls,
    session_id: Uuid,
    pool: &ListedPool,
) -> Result<Vec<Uuid>, Error> {
    let context = context(calls, session_id, resource::SHELL_COMMAND);
    let shell = Filter::selectors(&SelectorSet::shell(&pool.shell_id));
    let items = enumerate(calls, context, Enumerate::optimized().with_filter(shell)).await?;
    let mut pipelines = Vec::new();
    for item in items.iter().filter_map(Item::object) {
        let listed = understood(calls, item, ListedCommand::from_element)?;
        // Commands of our own always have such ids; what else there is, nobody could take up.
        pipelines.extend(Uuid::try_parse(listed.command_id.trim()).ok());
    }
    Ok(pipelines)
}

/// Ends a pool without taking it over.
pub(crate) async fn end(
    calls: &Calls,
    session_id: Uuid,
    id: Uuid,
    options: &PoolOptions,
) -> Result<(), Error> {
    const OPERATION: &str = "Delete";
    let config = calls.config();
    let (operation_timeout, wait) = config.settings.timing.split(None);
    let context = context(calls, session_id, &options.resource_uri());
    let selectors = SelectorSet::shell(&wsman::guid(id));
    let request = context.request(
        action::DELETE,
        entropy::uuid(),
        operation_timeout,
        OptionSet::default(),
        selectors,
        Vec::new(),
    );
    let message = request.encode_as(config.charset);
    let call = Call::brief(&message, OPERATION, wait);
    let call = Call { replay: true, repeatable: true, ..call };
    let answer = calls.call(call).await?;
    let malformed = |error: wsman::Error| {
        calls.named_error(ProtocolError::Message(error.to_string()), OPERATION)
    };
    let envelope = answer.envelope(&Limits::default()).map_err(malformed)?;
    match Fault::from_envelope(&envelope).map_err(malformed)? {
        Some(fault) => Err(calls.named_error(fault, OPERATION)),
        None => Ok(()),
    }
}

fn understood<T>(
    calls: &Calls,
    item: &Element,
    read: fn(&Element) -> Result<T, wsman::Error>,
) -> Result<T, Error> {
    read(item)
        .map_err(|error| calls.named_error(ProtocolError::Message(error.to_string()), "Enumerate"))
}
