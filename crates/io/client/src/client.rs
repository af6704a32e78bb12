//! The client: where everything starts.

use std::sync::Arc;

use uuid::Uuid;
use wsman::fault::Fault;
use wsman::identify::{Identify, IdentifyResponse};
use wsman::ns::resource;
use wsman::xml::Limits;

use crate::calls::{Call, Calls};
use crate::config::{Config, Protection};
use crate::entropy;
use crate::error::{Error, ProtocolError};
use crate::options::ShellOptions;
use crate::pool::{self, ListedPool, Pool, PoolOptions};
use crate::record::Exchange;
use crate::shell::{self, Shell};

/// A client of one service, as one user. Clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    calls: Arc<Calls>,
    /// Constant over the life of a client: services tell clients apart by it.
    session_id: Uuid,
}

impl Client {
    /// A client. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for what must not or cannot be sent: a login
    /// that proves no host to a host that is not trusted, Basic over HTTP, a file of certificate
    /// authorities that cannot be read.
    pub fn new(config: Config) -> Result<Self, Error> {
        let authority = config.endpoint.authority();
        let calls = Calls::new(config).map_err(|error| Error::new(error, &authority, "login"))?;
        Ok(Self { calls: Arc::new(calls), session_id: entropy::uuid() })
    }

    /// Asks the service what it is.
    ///
    /// # Errors
    ///
    /// [`Error`]; a service that is none is a protocol error.
    pub async fn identify(&self) -> Result<IdentifyResponse, Error> {
        const OPERATION: &str = "Identify";
        let message = Identify::default().to_envelope().encode_as(self.calls.config().charset);
        let (_, wait) = self.calls.config().settings.timing.split(None);
        let call = Call::brief(&message, OPERATION, wait);
        let call = Call { replay: true, repeatable: true, ..call };
        let answer = self.calls.call(call).await?;
        let broken = |error: wsman::Error| {
            self.calls.named_error(ProtocolError::Message(error.to_string()), OPERATION)
        };
        let envelope = answer.envelope(&Limits::default()).map_err(broken)?;
        if let Some(fault) = Fault::from_envelope(&envelope).map_err(broken)? {
            return Err(self.calls.named_error(fault, OPERATION));
        }
        IdentifyResponse::from_envelope(&envelope).map_err(broken)
    }

    /// Opens a command shell.
    ///
    /// # Errors
    ///
    /// [`Error`]. When the connection was lost, the shell that may have been opened is closed by its
    /// id, and opened anew once; hosts that choose ids themselves (Windows 7, 2008 R2) keep the lost
    /// one until its idle time is over.
    pub async fn open_shell(&self, options: ShellOptions) -> Result<Shell, Error> {
        let context = shell::context(&self.calls, self.session_id, resource::CMD);
        Shell::open(Arc::clone(&self.calls), context, options).await
    }

    /// Opens a runspace pool: PowerShell on the host.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn open_pool(&self, options: PoolOptions) -> Result<Pool, Error> {
        Pool::open(Arc::clone(&self.calls), self.session_id, options).await
    }

    /// Takes over a pool that another client has left; the options name its configuration, and say whether its streams
    /// are compressed. Its pipelines go on when they are [taken up](Pool::connect_pipeline).
    ///
    /// # Errors
    ///
    /// [`Error`]: there is no such pool of this user, or its client has not left it.
    pub async fn connect_pool(&self, id: Uuid, options: PoolOptions) -> Result<Pool, Error> {
        Pool::connect(Arc::clone(&self.calls), self.session_id, id, options).await
    }

    /// The runspace pools of this user on the host, whoever made them: shells whose resource is a configuration of
    /// PowerShell.
    ///
    /// # Errors
    ///
    /// [`Error`]; an administrator sees those of other users too.
    pub async fn pools(&self) -> Result<Vec<ListedPool>, Error> {
        pool::list(&self.calls, self.session_id).await
    }

    /// The pipelines of a pool that its host still keeps.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn pipelines(&self, pool: &ListedPool) -> Result<Vec<Uuid>, Error> {
        pool::list_pipelines(&self.calls, self.session_id, pool).await
    }

    /// Ends a pool of this user, whether somebody holds it or it was left.
    ///
    /// # Errors
    ///
    /// [`Error`]; that there is no such pool is a fault which [`Error::is_gone`] knows.
    pub async fn close_pool(&self, id: Uuid, options: &PoolOptions) -> Result<(), Error> {
        pool::end(&self.calls, self.session_id, id, options).await
    }

    /// The mechanism of the last login, `NTLM` or `Basic`; `None` before the first.
    #[must_use]
    pub fn mechanism(&self) -> Option<&'static str> {
        self.calls.security().map(|(mechanism, _)| mechanism)
    }

    /// What protects the messages of the last connection; `None` before the first.
    #[must_use]
    pub fn protection(&self) -> Option<Protection> {
        self.calls.security().map(|(_, protection)| protection)
    }

    /// Keeps every envelope from now on, opened and whole, until [`recorded`](Self::recorded) takes
    /// them: the memory of a long conversation, and its secrets.
    pub fn record(&self) {
        self.calls.record();
    }

    /// The messages that were answered since [`record`](Self::record) or the last call of this, in
    /// the order of their answers. A [`Redaction`](crate::record::Redaction) makes them fit to be
    /// shown.
    #[must_use]
    pub fn recorded(&self) -> Vec<Exchange> {
        self.calls.recorded()
    }

    /// HTTP requests sent so far, logins included.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.calls.requests()
    }
}
