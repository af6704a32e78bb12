//! From an envelope to its answer: decode, check, ask for access, hand over.
//!
//! Every operation passes `session::access` before anything is done; a shell of somebody else is
//! answered exactly as one that does not exist.

mod access;
mod enumerate;
mod robust;
mod room;
mod shell;
mod transfer;

use std::borrow::Cow;
use std::sync::Arc;

use auth::sddl::Origin;
use auth::{Account, Ticket};
use http::StatusCode;
use session::access::{Denied, Operation, Target};
use session::mapping::Grant;
use wsman::fault::{ErrorCode, Fault};
use wsman::identify::{Identify, IdentifyResponse, profile};
use wsman::ns::{self, action, resource};
use wsman::xml::{Element, Limits};
use wsman::{Block, Charset, Envelope, Header, HeaderValue};

use crate::audit;
use crate::metrics;
use crate::peer::Peer;
use crate::random;
use crate::service::Core;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) account: &'a Account,
    pub(crate) peer: Peer,
    /// Over the network, or from the machine itself.
    pub(crate) origin: Origin,
    pub(crate) login: [u8; 16],
    /// For a login by certificate: what its mapping allows.
    pub(crate) grant: Option<&'a Grant>,
    /// What the client let the service have, so that its commands can act in its name: for the shells that this login opens.
    pub(crate) ticket: Option<&'a Arc<Ticket>>,
    /// How the message is written, and its answer.
    pub(crate) charset: Charset,
}

/// What is answered.
#[derive(Debug)]
pub(crate) enum Reply {
    /// A SOAP message: 200, or 500 with a fault.
    Message { status: StatusCode, envelope: Box<Envelope> },
    /// A status without a body.
    Bare(StatusCode),
}

pub(crate) use robust::Robust;
pub(crate) use transfer::Provider;

/// What a reply says.
#[derive(Debug, Clone)]
struct Content {
    action: Cow<'static, str>,
    /// The children of its body.
    body: Vec<Element>,
    /// Headers beside those of every reply.
    headers: Vec<HeaderValue>,
}

impl Content {
    fn new(action: impl Into<Cow<'static, str>>, body: Vec<Element>) -> Self {
        Self { action: action.into(), body, headers: Vec::new() }
    }
}

/// Why an operation was not done.
#[derive(Debug, Clone)]
struct Refusal {
    /// What the client is told.
    fault: Box<Fault>,
    /// What the log is told, where that is more.
    denied: Option<Denied>,
}

impl From<Box<Fault>> for Refusal {
    fn from(fault: Box<Fault>) -> Self {
        Self { fault, denied: None }
    }
}

impl Caller<'_> {
    fn actor(&self) -> audit::Actor<'_> {
        audit::Actor { peer: self.peer, user: &self.account.name }
    }
}

impl Core {
    /// Handles one message of somebody known.
    pub(crate) async fn dispatch(
        self: &Arc<Self>,
        caller: Caller<'_>,
        bytes: Vec<u8>,
        is_chunked: bool,
    ) -> Reply {
        let mut envelope = match Envelope::decode_as(&bytes, caller.charset, &self.limits()) {
            Ok(envelope) => envelope,
            Err(error) => {
                audit::operation_refused(caller.actor(), "", &error.to_string());
                let fault = Fault::from(&error);
                self.metrics.requested(metrics::Operation::Other, Some(&fault));
                return self.fault(None, &fault);
            }
        };
        drop(bytes);
        if is_chunked {
            return self.refuse_chunked(caller, &envelope);
        }
        if let Some(reply) = self.control(caller, &envelope) {
            self.metrics.requested(metrics::Operation::Other, None);
            return reply;
        }
        let (operation, result) = if Identify::from_envelope(&envelope).is_some() {
            let operation = metrics::Operation::Identify;
            match self.access(caller, Operation::Identify, Target::Service) {
                Ok(()) => {
                    self.metrics.requested(operation, None);
                    return message(self.identify().to_envelope());
                }
                Err(refusal) => (operation, Err(refusal)),
            }
        } else {
            let operation = operation_of(envelope.action().unwrap_or_default());
            let counted = operation.map_or(metrics::Operation::Other, Into::into);
            let limit = caller.charset.fits(self.reply_limit(&envelope.header));
            let result = self.operate_once(caller, &mut envelope).await;
            let fitting = result.and_then(|content| {
                let mut reply = envelope.reply(&content.action, random::uuid(), content.body);
                reply.header.blocks.extend(content.headers.into_iter().map(plain));
                room::check(&reply, limit, operation)?;
                Ok(reply)
            });
            (counted, fitting)
        };
        self.metrics.requested(operation, result.as_ref().err().map(|refusal| &*refusal.fault));
        match result {
            Ok(reply) => message(reply),
            Err(refusal) => {
                refusal.tell(caller, envelope.action().unwrap_or_default());
                self.fault(Some(&envelope.header), &refusal.fault)
            }
        }
    }

    async fn operate(
        &self,
        caller: Caller<'_>,
        envelope: &mut Envelope,
    ) -> Result<Content, Refusal> {
        let header = &envelope.header;
        header.check_request()?;
        let uri = header.resource_uri().unwrap_or_default();
        let action = header.action().unwrap_or_default();
        let named = operation_of(action);
        // What is no operation of the protocol's is a method of the resource, if it has methods.
        let operation = named.unwrap_or(Operation::Invoke);
        self.access(caller, operation, Target::ShellKind(uri))?;
        let is_listed =
            matches!(operation, Operation::Enumerate | Operation::Pull | Operation::Release);
        if let Some(provider) = self.provider(uri).filter(|_| !is_listed) {
            return self.ask_resource(caller, envelope, operation, provider).await;
        }
        if is_listed {
            return self.enumerate(caller, envelope, operation, uri).await;
        }
        if operation == Operation::Create {
            return self.create_shell(caller, envelope, uri).await;
        }
        if named.is_none() {
            return Err(not_supported(action).into());
        }
        if !uri.eq_ignore_ascii_case(resource::SHELL)
            && self.plugin(uri).is_none()
            && self.session_plugin(uri).is_none()
        {
            return Err(no_resource(uri).into());
        }
        if operation == Operation::Put {
            return Err(not_supported(action).into());
        }
        let uri = uri.to_owned();
        self.ask_shell(caller, envelope, operation, &uri).await
    }

    /// Shell verbs need a Content-Length ([MS-WSMV] 2.2.1).
    fn refuse_chunked(&self, caller: Caller<'_>, envelope: &Envelope) -> Reply {
        let action = envelope.action().unwrap_or_default();
        audit::operation_refused(caller.actor(), action, "chunked request");
        let fault = Fault::new(ErrorCode::NOT_SUPPORTED, "The request is not supported. ");
        let operation = operation_of(action);
        let counted = operation.map_or(metrics::Operation::Other, Into::into);
        self.metrics.requested(counted, Some(&fault));
        if operation.is_none() {
            return Reply::Bare(StatusCode::LENGTH_REQUIRED);
        }
        self.fault(Some(&envelope.header), &fault)
    }

    /// The answer to an Identify of somebody unknown; `None` when it is anything else.
    pub(crate) fn identify_anonymous(&self, bytes: &[u8], charset: Charset) -> Option<Envelope> {
        let envelope = Envelope::decode_as(bytes, charset, &self.limits()).ok()?;
        Identify::from_envelope(&envelope)?;
        self.metrics.requested(metrics::Operation::Identify, None);
        Some(self.identify().unauthenticated().to_envelope())
    }

    /// The answer to whoever is nobody here, whatever is asked.
    pub(crate) fn deny(&self) -> Reply {
        let fault = Fault::new(ErrorCode::ACCESS_DENIED, "Access is denied. ");
        self.metrics.requested(metrics::Operation::Other, Some(&fault));
        self.fault(None, &fault)
    }

    /// The profiles tell which logins are enabled, each in both of its forms whatever listens.
    fn identify(&self) -> IdentifyResponse {
        let settings = self.settings();
        let enabled = &settings.service.auth;
        let basic = [profile::HTTP_BASIC, profile::HTTPS_BASIC].into_iter();
        let spnego = [profile::HTTP_SPNEGO, profile::HTTPS_SPNEGO].into_iter();
        let mutual = enabled.certificate.then_some(profile::HTTPS_MUTUAL);
        let profiles = basic
            .filter(|_| enabled.basic)
            .chain(spnego.filter(|_| enabled.negotiate || enabled.kerberos))
            .chain(mutual);
        IdentifyResponse {
            protocol_versions: vec![ns::PROTOCOL_VERSION.to_owned()],
            product_vendor: Some("Transom".to_owned()),
            product_version: Some(format!("OS: {} SP: 0.0 Stack: 3.0", self.os_version)),
            security_profiles: Some(profiles.map(str::to_owned).collect()),
            other: Vec::new(),
        }
    }

    fn limits(&self) -> Limits {
        let bytes = self.settings().max_envelope_size();
        // Sixteen times the default envelope: real requests take a few times their own size.
        let memory = bytes.saturating_mul(4).max(8 * 1024 * 1024);
        Limits { bytes, memory, ..Limits::default() }
    }

    fn fault(&self, request: Option<&Header>, fault: &Fault) -> Reply {
        let machine = self.verifier.names().host();
        let envelope = fault.to_envelope(request, random::uuid(), machine);
        let envelope = Box::new(envelope);
        Reply::Message { status: StatusCode::INTERNAL_SERVER_ERROR, envelope }
    }
}

/// A header as replies have them.
fn plain(value: HeaderValue) -> Block {
    Block { must_understand: None, attributes: Vec::new(), value }
}

fn message(envelope: Envelope) -> Reply {
    Reply::Message { status: StatusCode::OK, envelope: Box::new(envelope) }
}

impl Refusal {
    /// One line for the log.
    fn tell(&self, caller: Caller<'_>, action: &str) {
        let code = self.fault.error_code();
        // Clients ask again for ever where nothing came in time, and abort what they end.
        if code == Some(ErrorCode::OPERATION_TIMEDOUT) || code == Some(ErrorCode::OPERATION_ABORTED)
        {
            return;
        }
        let reason = match self.denied {
            Some(denied) => denied.to_string(),
            None => self.fault.to_string(),
        };
        audit::operation_refused(caller.actor(), action, &reason);
    }
}

fn operation_of(name: &str) -> Option<Operation> {
    Some(match name {
        action::CREATE => Operation::Create,
        action::COMMAND => Operation::Command,
        action::SEND => Operation::Send,
        action::RECEIVE => Operation::Receive,
        action::SIGNAL => Operation::Signal,
        action::DELETE => Operation::Delete,
        action::GET => Operation::Get,
        action::PUT => Operation::Put,
        action::DISCONNECT => Operation::Disconnect,
        action::RECONNECT => Operation::Reconnect,
        action::CONNECT => Operation::Connect,
        action::ENUMERATE => Operation::Enumerate,
        action::PULL => Operation::Pull,
        action::RELEASE => Operation::Release,
        _ => return None,
    })
}

fn not_supported(action: &str) -> Box<Fault> {
    let text = format!("The action {action} is not supported by the service. ");
    Fault::new(ErrorCode::ACTION_NOT_SUPPORTED, text).into()
}

fn no_resource(uri: &str) -> Box<Fault> {
    let text = format!("The service has no resource with the URI {uri}. ");
    Fault::new(ErrorCode::INVALID_RESOURCE_URI, text).into()
}
