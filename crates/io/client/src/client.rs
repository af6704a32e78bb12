//! The client: where everything starts.

use std::sync::{Arc, Mutex};

use session::client::endpoint::Endpoint;
use uuid::Uuid;
use wsman::fault::Fault;
use wsman::identify::{Identify, IdentifyResponse};
use wsman::ns::resource;
use wsman::xml::Limits;

use crate::calls::{Call, Calls, lock};
use crate::config::{Config, Protection};
use crate::entropy;
use crate::error::{Error, ProtocolError};
use crate::options::ShellOptions;
use crate::pool::{self, ListedPool, Pool, PoolOptions};
use crate::record::Exchange;
use crate::shell::{self, Shell};
use crate::tickets::Ticket;

/// A client of one service, as one user. Clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    /// Those of the host that was named, or of the one that it sent to.
    calls: Arc<Mutex<Arc<Calls>>>,
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
        let calls = Arc::new(Mutex::new(Arc::new(calls)));
        Ok(Self { calls, session_id: entropy::uuid() })
    }

    pub(crate) fn calls(&self) -> Arc<Calls> {
        Arc::clone(&lock(&self.calls))
    }

    pub(crate) const fn session_id(&self) -> Uuid {
        self.session_id
    }

    /// Goes where a host sends to, if the configuration allows it; returns when the request is to be made there.
    pub(crate) fn follow(&self, asked: &Arc<Calls>, error: Error) -> Result<(), Error> {
        let Some(location) = error.location().map(str::to_owned) else { return Err(error) };
        let mut calls = lock(&self.calls);
        if !Arc::ptr_eq(&calls, asked) {
            // Somebody else was sent before.
            return Ok(());
        }
        match asked.config().redirections {
            0 if asked.is_redirected() => {
                return Err(error.not_followed("it is one more than may be"));
            }
            0 => return Err(error),
            _ => {}
        }
        *calls = match asked.redirected(&location) {
            Ok(calls) => Arc::new(calls),
            Err(why) => return Err(error.not_followed(why)),
        };
        Ok(())
    }

    /// The service that is asked: another than the configured one after a redirection.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        self.calls().config().endpoint.clone()
    }

    /// Asks the service what it is.
    ///
    /// # Errors
    ///
    /// [`Error`]; a service that is none is a protocol error.
    pub async fn identify(&self) -> Result<IdentifyResponse, Error> {
        loop {
            let calls = self.calls();
            match identified(&calls).await {
                Err(error) => self.follow(&calls, error)?,
                done => return done,
            }
        }
    }

    /// Opens a command shell.
    ///
    /// # Errors
    ///
    /// [`Error`]. When the connection was lost, the shell that may have been opened is closed by its
    /// id, and opened anew once; hosts that choose ids themselves (Windows 7, 2008 R2) keep the lost
    /// one until its idle time is over.
    pub async fn open_shell(&self, options: ShellOptions) -> Result<Shell, Error> {
        loop {
            let calls = self.calls();
            let context = shell::context(&calls, self.session_id, resource::CMD);
            match Shell::open(Arc::clone(&calls), context, options.clone()).await {
                Err(error) => self.follow(&calls, error)?,
                done => return done,
            }
        }
    }

    /// Opens a runspace pool: PowerShell on the host.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn open_pool(&self, options: PoolOptions) -> Result<Pool, Error> {
        loop {
            let calls = self.calls();
            match Pool::open(Arc::clone(&calls), self.session_id, options.clone()).await {
                Err(error) => self.follow(&calls, error)?,
                done => return done,
            }
        }
    }

    /// Takes over a pool that another client has left; the options name its configuration, and say whether its streams
    /// are compressed. Its pipelines go on when they are [taken up](Pool::connect_pipeline).
    ///
    /// # Errors
    ///
    /// [`Error`]: there is no such pool of this user, or its client has not left it.
    pub async fn connect_pool(&self, id: Uuid, options: PoolOptions) -> Result<Pool, Error> {
        loop {
            let calls = self.calls();
            match Pool::connect(Arc::clone(&calls), self.session_id, id, options.clone()).await {
                Err(error) => self.follow(&calls, error)?,
                done => return done,
            }
        }
    }

    /// The runspace pools of this user on the host, whoever made them: shells whose resource is a configuration of
    /// PowerShell.
    ///
    /// # Errors
    ///
    /// [`Error`]; an administrator sees those of other users too.
    pub async fn pools(&self) -> Result<Vec<ListedPool>, Error> {
        loop {
            let calls = self.calls();
            match pool::list(&calls, self.session_id).await {
                Err(error) => self.follow(&calls, error)?,
                done => return done,
            }
        }
    }

    /// The pipelines of a pool that its host still keeps.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn pipelines(&self, pool: &ListedPool) -> Result<Vec<Uuid>, Error> {
        pool::list_pipelines(&self.calls(), self.session_id, pool).await
    }

    /// Ends a pool of this user, whether somebody holds it or it was left.
    ///
    /// # Errors
    ///
    /// [`Error`]; that there is no such pool is a fault which [`Error::is_gone`] knows.
    pub async fn close_pool(&self, id: Uuid, options: &PoolOptions) -> Result<(), Error> {
        loop {
            let calls = self.calls();
            match pool::end(&calls, self.session_id, id, options).await {
                Err(error) => self.follow(&calls, error)?,
                done => return done,
            }
        }
    }

    /// The mechanism of the last login: `Kerberos`, `NTLM`, `Basic`; `None` before the first.
    #[must_use]
    pub fn mechanism(&self) -> Option<&'static str> {
        self.calls().security().map(|security| security.mechanism)
    }

    /// What the last login was made with, if it was by Kerberos.
    #[must_use]
    pub fn ticket(&self) -> Option<Ticket> {
        self.calls().security()?.ticket
    }

    /// Why logins are not by Kerberos: known from the start where the host or the user's name is none for tickets, from
    /// the first login on where no ticket was to be had; `None` where they are, may be yet, or another login was asked for.
    #[must_use]
    pub fn without_kerberos(&self) -> Option<String> {
        self.calls().without_kerberos()
    }

    /// What protects the messages of the last connection; `None` before the first.
    #[must_use]
    pub fn protection(&self) -> Option<Protection> {
        self.calls().security().map(|security| security.protection)
    }

    /// Keeps every envelope from now on, opened and whole, until [`recorded`](Self::recorded) takes
    /// them: the memory of a long conversation, and its secrets.
    pub fn record(&self) {
        self.calls().record();
    }

    /// The messages that were answered since [`record`](Self::record) or the last call of this, in
    /// the order of their answers. A [`Redaction`](crate::record::Redaction) makes them fit to be
    /// shown.
    #[must_use]
    pub fn recorded(&self) -> Vec<Exchange> {
        self.calls().recorded()
    }

    /// HTTP requests sent so far, logins included.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.calls().requests()
    }
}

async fn identified(calls: &Calls) -> Result<IdentifyResponse, Error> {
    const OPERATION: &str = "Identify";
    let message = Identify::default().to_envelope().encode_as(calls.config().charset);
    let (_, wait) = calls.config().settings.timing.split(None);
    let call = Call::brief(&message, OPERATION, wait);
    let answer = calls.call(Call { replay: true, repeatable: true, ..call }).await?;
    let broken = |error: wsman::Error| {
        calls.named_error(ProtocolError::Message(error.to_string()), OPERATION)
    };
    let envelope = answer.envelope(&Limits::default()).map_err(broken)?;
    if let Some(fault) = Fault::from_envelope(&envelope).map_err(broken)? {
        return Err(calls.named_error(fault, OPERATION));
    }
    IdentifyResponse::from_envelope(&envelope).map_err(broken)
}
