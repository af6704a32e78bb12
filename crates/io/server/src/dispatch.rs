//! From an envelope to its answer: decode, check, ask for access, hand over.
//!
//! Every operation passes `session::access` before anything is done; a shell of somebody else is
//! answered exactly as one that does not exist.

mod enumerate;
mod shell;

use std::net::SocketAddr;
use std::sync::Arc;

use auth::{Account, Ticket};
use http::StatusCode;
use session::access::{Denied, Operation, Target, decide, decide_grant};
use session::mapping::Grant;
use wsman::fault::{ErrorCode, Fault};
use wsman::identify::{Identify, IdentifyResponse, profile};
use wsman::ns::{self, action, resource};
use wsman::xml::{Element, Limits};
use wsman::{Charset, Envelope, Header};

use crate::audit;
use crate::metrics;
use crate::random;
use crate::service::Core;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) account: &'a Account,
    pub(crate) peer: SocketAddr,
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

/// A reply's action and the children of its body.
type Content = (&'static str, Vec<Element>);

/// Why an operation was not done.
#[derive(Debug)]
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
        &self,
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
        let (operation, result) = if Identify::from_envelope(&envelope).is_some() {
            let operation = metrics::Operation::Identify;
            match access(caller, Operation::Identify, Target::Service) {
                Ok(()) => {
                    self.metrics.requested(operation, None);
                    return message(self.identify().to_envelope());
                }
                Err(refusal) => (operation, Err(refusal)),
            }
        } else {
            let operation = operation_of(envelope.action().unwrap_or_default());
            let counted = operation.map_or(metrics::Operation::Other, Into::into);
            (counted, self.operate(caller, &mut envelope).await)
        };
        self.metrics.requested(operation, result.as_ref().err().map(|refusal| &*refusal.fault));
        match result {
            Ok((action, body)) => message(envelope.reply(action, random::uuid(), body)),
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
        let operation = operation_of(action).ok_or_else(|| not_supported(action))?;
        access(caller, operation, Target::ShellKind(uri))?;
        if matches!(operation, Operation::Enumerate | Operation::Pull | Operation::Release) {
            return self.enumerate(caller, envelope, operation, uri).await;
        }
        if operation == Operation::Create {
            return self.create_shell(caller, envelope, uri).await;
        }
        if !uri.eq_ignore_ascii_case(resource::SHELL)
            && self.plugin(uri).is_none()
            && self.session_plugin(uri).is_none()
        {
            return Err(no_resource(uri).into());
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
    pub(crate) fn identify_anonymous(&self, bytes: &[u8], charset: Charset) -> Option<Vec<u8>> {
        let envelope = Envelope::decode_as(bytes, charset, &self.limits()).ok()?;
        Identify::from_envelope(&envelope)?;
        self.metrics.requested(metrics::Operation::Identify, None);
        Some(self.identify().unauthenticated().to_envelope().encode_as(charset))
    }

    /// The profiles tell which logins are enabled, each in both of its forms whatever listens.
    fn identify(&self) -> IdentifyResponse {
        let enabled = &self.settings.service.auth;
        let basic = [profile::HTTP_BASIC, profile::HTTPS_BASIC].into_iter();
        let spnego = [profile::HTTP_SPNEGO, profile::HTTPS_SPNEGO].into_iter();
        let mutual = enabled.certificate.then_some(profile::HTTPS_MUTUAL);
        let profiles = basic
            .filter(|_| enabled.basic)
            .chain(spnego.filter(|_| enabled.negotiate))
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
        let bytes = self.settings.max_envelope_size();
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

fn message(envelope: Envelope) -> Reply {
    Reply::Message { status: StatusCode::OK, envelope: Box::new(envelope) }
}

/// Asks whether the caller may.
fn access(caller: Caller<'_>, operation: Operation, target: Target<'_>) -> Result<(), Refusal> {
    let granted = caller.grant.map_or(Ok(()), |grant| decide_grant(grant, operation, target));
    granted.and_then(|()| decide(caller.account, operation, target)).map_err(|denied| {
        let fault = match denied {
            Denied::NotOwner => crate::shells::faults::no_such_shell(),
            Denied::NotAllowed | _ => {
                Fault::new(ErrorCode::ACCESS_DENIED, "Access is denied. ").into()
            }
        };
        Refusal { fault, denied: Some(denied) }
    })
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
