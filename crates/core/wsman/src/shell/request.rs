//! Requests of a shell conversation as one type, with the faults of bad ones.

use uuid::Uuid;

use super::{
    CommandLine, CommandOptions, Connect, Disconnect, KEEP_ALIVE, Receive, Reconnect, Send,
    ShellDescription, ShellOptions, Signal, WINRS_CODEPAGE, WINRS_CONSOLEMODE_STDIN,
    WINRS_NOPROFILE, WINRS_SKIP_CMD_SHELL,
};
use crate::charset::Charset;
use crate::duration::Duration;
use crate::envelope::{Envelope, uuid_uri};
use crate::error::Error;
use crate::fault::{ErrorCode, Fault};
use crate::header::{Header, HeaderValue};
use crate::ns::{self, action, resource};
use crate::selector::{EndpointReference, OptionSet, SelectorSet};
use crate::xml::Element;

/// A request of a shell conversation, [MS-WSMV] 3.1.4. The shell that it is about is
/// [`Header::shell_id`] of its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// Makes a shell.
    Create {
        /// What it shall be.
        shell: Box<ShellDescription>,
        /// What the header asks for.
        options: ShellOptions,
    },
    /// Starts a command.
    Command {
        /// The command.
        command: CommandLine,
        /// What the header asks for.
        options: CommandOptions,
    },
    /// Gives input.
    Send(Send),
    /// Asks for output.
    Receive {
        /// What is wanted.
        receive: Receive,
        /// `WSMAN_CMDSHELL_OPTION_KEEPALIVE`; absent or unreadable means false.
        keep_alive: bool,
    },
    /// Interrupts or ends a command.
    Signal(Signal),
    /// Leaves the shell without a client.
    Disconnect(Disconnect),
    /// Takes up the shell, or a command of it, from the session that left it.
    Reconnect(Reconnect),
    /// Takes up the shell, or a command of it, from another session.
    Connect {
        /// What is meant, and what the plug-in is told.
        connect: Box<Connect>,
        /// What the header asks for, such as [`super::PROTOCOL_VERSION`].
        options: OptionSet,
    },
    /// Ends the shell and everything in it.
    Delete,
    /// Asks what the shell is.
    Get,
}

/// What all requests of one client have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "clients build it field by field")]
pub struct RequestContext {
    /// `a:To`: the URL of the service.
    pub to: String,
    /// `w:ResourceURI`.
    pub resource_uri: String,
    /// `w:MaxEnvelopeSize` in octets, at least 8,192.
    pub max_envelope_size: u64,
    /// The language tag of `w:Locale`.
    pub locale: String,
    /// The language tag of `p:DataLocale`.
    pub data_locale: String,
    /// `p:SessionId`, constant over the life of a client.
    pub session_id: Uuid,
    /// The charset that the requests are written in, and with them their answers.
    pub charset: Charset,
}

impl RequestContext {
    /// A context with Windows's defaults: 153,600 octets, which the oldest services accept, and
    /// American English.
    #[must_use]
    pub fn new(to: &str, resource_uri: &str, session_id: Uuid) -> Self {
        Self {
            to: to.to_owned(),
            resource_uri: resource_uri.to_owned(),
            max_envelope_size: 153_600,
            locale: "en-US".to_owned(),
            data_locale: "en-US".to_owned(),
            session_id,
            charset: Charset::Utf8,
        }
    }

    /// A request with the headers that Windows's client writes.
    #[must_use]
    pub fn request(
        &self,
        action: &str,
        message_id: Uuid,
        timeout: std::time::Duration,
        options: OptionSet,
        selectors: SelectorSet,
        body: Vec<Element>,
    ) -> Envelope {
        let reply_to = EndpointReference {
            address_attributes: vec![crate::header::must_understand_attribute(true)],
            ..EndpointReference::address(ns::ANONYMOUS)
        };
        let mut header = Header::default()
            .with(HeaderValue::To(self.to.clone()))
            .with_must_understand(HeaderValue::ResourceUri(self.resource_uri.clone()), true)
            .with(HeaderValue::ReplyTo(reply_to))
            .with_must_understand(HeaderValue::Action(action.to_owned()), true)
            .with_must_understand(HeaderValue::MaxEnvelopeSize(self.max_envelope_size), true)
            .with(HeaderValue::MessageId(uuid_uri(message_id)))
            .with_must_understand(HeaderValue::Locale(self.locale.clone()), false)
            .with_must_understand(HeaderValue::DataLocale(self.data_locale.clone()), false)
            .with_must_understand(HeaderValue::SessionId(uuid_uri(self.session_id)), false)
            .with(HeaderValue::OperationTimeout(Duration::seconds(timeout)));
        if !options.is_empty() {
            header = header.with_must_understand(HeaderValue::OptionSet(options), true);
        }
        if !selectors.is_empty() {
            header = header.with(HeaderValue::SelectorSet(selectors));
        }
        Envelope { header, body, ..Envelope::default() }
    }
}

impl Request {
    /// The `a:Action` of the request.
    #[must_use]
    pub const fn action(&self) -> &'static str {
        match self {
            Self::Create { .. } => action::CREATE,
            Self::Command { .. } => action::COMMAND,
            Self::Send(_) => action::SEND,
            Self::Receive { .. } => action::RECEIVE,
            Self::Signal(_) => action::SIGNAL,
            Self::Disconnect(_) => action::DISCONNECT,
            Self::Reconnect(_) => action::RECONNECT,
            Self::Connect { .. } => action::CONNECT,
            Self::Delete => action::DELETE,
            Self::Get => action::GET,
        }
    }

    /// The `a:Action` of the reply.
    #[must_use]
    pub const fn response_action(&self) -> &'static str {
        match self {
            Self::Create { .. } => action::CREATE_RESPONSE,
            Self::Command { .. } => action::COMMAND_RESPONSE,
            Self::Send(_) => action::SEND_RESPONSE,
            Self::Receive { .. } => action::RECEIVE_RESPONSE,
            Self::Signal(_) => action::SIGNAL_RESPONSE,
            Self::Disconnect(_) => action::DISCONNECT_RESPONSE,
            Self::Reconnect(_) => action::RECONNECT_RESPONSE,
            Self::Connect { .. } => action::CONNECT_RESPONSE,
            Self::Delete => action::DELETE_RESPONSE,
            Self::Get => action::GET_RESPONSE,
        }
    }

    /// Writes the request as Windows's client does. `shell_id` is `None` for a Create. For Get the
    /// context's resource URI must be [`resource::SHELL`].
    #[must_use]
    pub fn to_envelope(
        &self,
        context: &RequestContext,
        shell_id: Option<&str>,
        message_id: Uuid,
        timeout: std::time::Duration,
    ) -> Envelope {
        let (options, body) = match self {
            Self::Create { shell, options } => {
                let is_cmd = context.resource_uri.eq_ignore_ascii_case(resource::CMD);
                (options.to_options(is_cmd), vec![shell.to_element()])
            }
            Self::Command { command, options } => (options.to_options(), command.to_body()),
            Self::Send(send) => (OptionSet::default(), send.to_body()),
            Self::Receive { receive, keep_alive } => {
                let mut options = OptionSet::default();
                if *keep_alive {
                    options = options.with(KEEP_ALIVE, "TRUE");
                }
                (options, receive.to_body())
            }
            Self::Signal(signal) => (OptionSet::default(), signal.to_body()),
            Self::Disconnect(disconnect) => (OptionSet::default(), disconnect.to_body()),
            Self::Reconnect(reconnect) => (OptionSet::default(), reconnect.to_body()),
            Self::Connect { connect, options } => (options.clone(), connect.to_body()),
            Self::Delete | Self::Get => (OptionSet::default(), Vec::new()),
        };
        let selectors = shell_id.map(SelectorSet::shell).unwrap_or_default();
        let action = self.action();
        let mut envelope = context.request(action, message_id, timeout, options, selectors, body);
        if matches!(self, Self::Create { options: ShellOptions { compression: true, .. }, .. }) {
            let compression = HeaderValue::CompressionType("xpress".to_owned());
            envelope.header = envelope.header.with_must_understand(compression, true);
        }
        envelope
    }

    /// Reads a request whose header has passed [`Header::check_request`].
    ///
    /// # Errors
    ///
    /// The fault that Windows gives: an action that shells do not have, no `ShellId` selector, an
    /// unknown option that must be complied with, a body that is not what the action needs.
    pub fn from_envelope(envelope: &Envelope) -> Result<Self, Box<Fault>> {
        let header = &envelope.header;
        let body = &envelope.body;
        let request = match header.action().unwrap_or_default() {
            action::CREATE => Self::create(header, body)?,
            action::COMMAND => Self::command(header, body)?,
            action::SEND => Self::Send(Send::from_body(body).map_err(invalid)?),
            action::RECEIVE => Self::receive(header, body)?,
            action::SIGNAL => Self::Signal(Signal::from_body(body).map_err(invalid)?),
            action::DISCONNECT => Self::Disconnect(Disconnect::from_body(body).map_err(invalid)?),
            action::RECONNECT => Self::Reconnect(Reconnect::from_body(body).map_err(invalid)?),
            action::CONNECT => {
                let connect = Box::new(Connect::from_body(body).map_err(invalid)?);
                Self::Connect { connect, options: header.options().cloned().unwrap_or_default() }
            }
            action::DELETE if body.is_empty() => Self::Delete,
            action::GET if !is_cmd(header) && body.is_empty() => Self::Get,
            action::DELETE => return Err(invalid(unexpected(body))),
            action::GET if !is_cmd(header) => return Err(invalid(unexpected(body))),
            other => {
                let text = format!("The action {other} is not supported for this resource. ");
                return Err(Box::new(Fault::new(ErrorCode::ACTION_NOT_SUPPORTED, text)));
            }
        };
        check_options(header)?;
        if header.fragment_transfer().is_some() {
            let text = "Shells do not support fragment-level access. ";
            return Err(Box::new(Fault::new(ErrorCode::FRAGMENT_TRANSFER_NOT_SUPPORTED, text)));
        }
        if !matches!(request, Self::Create { .. }) && header.shell_id().is_none() {
            let text = "The request has no ShellId selector, which names the shell. ";
            return Err(Box::new(Fault::new(ErrorCode::INSUFFICIENT_SELECTORS, text)));
        }
        Ok(request)
    }

    fn create(header: &Header, body: &[Element]) -> Result<Self, Box<Fault>> {
        let element = super::only(body, "Shell").map_err(invalid)?;
        let shell = ShellDescription::from_element(element).map_err(invalid)?;
        check_guid(shell.shell_id.as_deref(), ErrorCode::SHELL_CLIENTID_NOT_VALID, "shell")?;
        let options = ShellOptions::from_header(header).map_err(bad_option)?;
        Ok(Self::Create { shell: Box::new(shell), options })
    }

    fn command(header: &Header, body: &[Element]) -> Result<Self, Box<Fault>> {
        let command = CommandLine::from_body(body).map_err(invalid)?;
        let code = ErrorCode::SHELLCOMMAND_CLIENTID_NOT_VALID;
        check_guid(command.command_id.as_deref(), code, "command")?;
        let options = CommandOptions::from_header(header).map_err(bad_option)?;
        Ok(Self::Command { command, options })
    }

    fn receive(header: &Header, body: &[Element]) -> Result<Self, Box<Fault>> {
        let receive = Receive::from_body(body).map_err(invalid)?;
        if is_cmd(header) && receive.command_id().is_none() {
            let missing = Error::Missing { parent: "rsp:DesiredStream", name: "CommandId" };
            let fault = invalid(missing).with_provider(CMD_PROVIDER, CMD_PROVIDER_PATH);
            return Err(Box::new(fault));
        }
        // Services ignore it since Windows 7, whatever it says ([MS-WSMV] 3.1.4.14).
        let keep_alive = header.options().and_then(|options| options.flag(KEEP_ALIVE));
        let keep_alive = keep_alive.unwrap_or_default();
        Ok(Self::Receive { receive, keep_alive })
    }
}

/// What Windows's command shell calls itself in `f:ProviderFault`.
pub(super) const CMD_PROVIDER: &str = "Shell cmd plugin";
/// And its file.
pub(super) const CMD_PROVIDER_PATH: &str = r"%systemroot%\system32\winrscmd.dll";

fn is_cmd(header: &Header) -> bool {
    header.resource_uri().is_some_and(|uri| uri.eq_ignore_ascii_case(resource::CMD))
}

fn unexpected(body: &[Element]) -> Error {
    match body.first() {
        Some(element) => Error::UnexpectedElement(element.name.clone()),
        None => Error::NoBody,
    }
}

/// What is wrong inside a shell's message is an invalid parameter on Windows 7 and later.
#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn invalid(error: Error) -> Box<Fault> {
    let text = format!("The parameter is incorrect: {error}. ");
    Box::new(Fault::new(ErrorCode::INVALID_PARAMETER, text))
}

fn bad_option(name: &'static str) -> Box<Fault> {
    let text = format!("The value of the option {name} is not valid. ");
    Box::new(Fault::new(ErrorCode::OPTIONS_INVALID_VALUE, text))
}

fn check_guid(id: Option<&str>, code: ErrorCode, what: &str) -> Result<(), Box<Fault>> {
    match id {
        Some(id) if Uuid::try_parse(id).is_err() => {
            let text = format!("The {what} id that the client chose is not a GUID. ");
            Err(Box::new(Fault::new(code, text)))
        }
        Some(_) | None => Ok(()),
    }
}

/// The command shell's options are known; other shells know their own.
fn check_options(header: &Header) -> Result<(), Box<Fault>> {
    let Some(options) = header.options().filter(|_| is_cmd(header)) else {
        return Ok(());
    };
    let known = [
        KEEP_ALIVE,
        WINRS_CODEPAGE,
        WINRS_CONSOLEMODE_STDIN,
        WINRS_NOPROFILE,
        WINRS_SKIP_CMD_SHELL,
    ];
    let unknown = options.options.iter().find(|option| {
        option.must_comply() && !known.iter().any(|name| name.eq_ignore_ascii_case(&option.name))
    });
    match unknown {
        Some(option) => {
            let text = format!("The option {} is not supported. ", option.name);
            Err(Box::new(Fault::new(ErrorCode::OPTIONS_NOT_SUPPORTED, text)))
        }
        None => Ok(()),
    }
}
