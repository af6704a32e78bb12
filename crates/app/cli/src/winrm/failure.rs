//! Errors as Windows's `winrm` tells them: the fault in the format that was asked for, its number, and what that means.
//!
//! ```text
//! WSManFault
//!     Message = The client cannot connect to …
//!
//! Error number:  -2144108526 0x80338012
//! Client cannot connect to destination specified in request.
//! ```

use std::io;
use std::process::ExitCode;

use client::error::{ConfigError, ProtocolError};
use client::{Error, ErrorKind};
use wsman::xml::{Element, Node};
use wsman::{ErrorCode, Fault, ns};

use super::messages::meaning;
use super::show::Format;
use crate::command_error::{CommandError, Program, printable};

/// The HRESULT of an access that is denied.
const E_ACCESSDENIED: ErrorCode = ErrorCode(0x8007_0005);
/// `ERROR_WSMAN_DESTINATION_UNREACHABLE`.
const UNREACHABLE: ErrorCode = ErrorCode(0x8033_8012);
/// `ERROR_WSMAN_NETWORK_TIMEDOUT`.
const NETWORK_TIMEDOUT: ErrorCode = ErrorCode(0x8033_8126);
/// `ERROR_WSMAN_CLIENT_UNENCRYPTED_DISABLED`.
const UNENCRYPTED_DISABLED: ErrorCode = ErrorCode(0x8033_80DE);
/// `ERROR_WSMAN_SERVER_NOT_TRUSTED`.
const NOT_TRUSTED: ErrorCode = ErrorCode(0x8033_80E4);
/// `ERROR_WSMAN_DEFAULTAUTH_IPADDRESS`.
const ADDRESS_NOT_TRUSTED: ErrorCode = ErrorCode(0x8033_81BB);
/// `ERROR_WSMAN_UNKNOWN_HTTP_STATUS_RETURNED`.
const NO_SERVICE: ErrorCode = ErrorCode(0x8033_810F);

/// Why an operation did not come about.
#[derive(Debug)]
pub(super) enum Failure {
    /// The command line or something on this computer.
    Own(CommandError),
    /// The service, or the way to it.
    Service(Box<Error>),
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        Self::Own(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Service(Box::new(error))
    }
}

impl Failure {
    /// The number of the error, where it has one.
    pub(super) fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Own(_) => None,
            Self::Service(error) => code(error),
        }
    }

    /// Tells the error on stderr and hands out the exit code.
    pub(super) fn report(self, format: Format) -> ExitCode {
        match self {
            Self::Own(error) => error.report(Program::Winrm),
            Self::Service(error) => {
                let text = text(&error, format);
                CommandError::from(*error).report_as(
                    Program::Winrm,
                    text.into_bytes(),
                    io::stderr(),
                )
            }
        }
    }
}

/// The number that Windows's client has for it.
fn code(error: &Error) -> Option<ErrorCode> {
    match error.kind() {
        ErrorKind::Fault(fault) => fault.error_code(),
        ErrorKind::Connect(_) | ErrorKind::Redirected(_) => Some(UNREACHABLE),
        ErrorKind::Timeout(_) => Some(NETWORK_TIMEDOUT),
        ErrorKind::Denied(_) | ErrorKind::Kerberos(_) => Some(E_ACCESSDENIED),
        ErrorKind::Config(ConfigError::NotTrusted) => Some(NOT_TRUSTED),
        ErrorKind::Config(ConfigError::AddressNotTrusted) => Some(ADDRESS_NOT_TRUSTED),
        ErrorKind::Config(
            ConfigError::Unencrypted
            | ConfigError::BasicUnencrypted
            | ConfigError::DigestUnencrypted,
        ) => Some(UNENCRYPTED_DISABLED),
        ErrorKind::Config(ConfigError::LoginDisabled(login)) => login_disabled(login),
        ErrorKind::Protocol(ProtocolError::Status(_)) => Some(NO_SERVICE),
        ErrorKind::Config(_) | ErrorKind::Protocol(_) | ErrorKind::Pool(_) | _ => None,
    }
}

/// `ERROR_WSMAN_CLIENT_BASIC_AUTHENTICATION_DISABLED` and its like, by the name of the setting.
fn login_disabled(login: &str) -> Option<ErrorCode> {
    const CODES: [(&str, u32); 6] = [
        ("Basic", 0x8033_80DF),
        ("Digest", 0x8033_80E0),
        ("Negotiate", 0x8033_80E1),
        ("Kerberos", 0x8033_80E2),
        ("Certificate", 0x8033_80E3),
        ("CredSSP", 0x8033_81A2),
    ];
    CODES.iter().find(|(name, _)| *name == login).map(|(_, code)| ErrorCode(*code))
}

/// `f:WSManFault` of the answer; of an answer without one, and of an error of this side, one that says the same.
fn fault_element(error: &Error, code: Option<ErrorCode>) -> Element {
    let own = error.fault().and_then(|fault| {
        let detail = fault.to_element("");
        let detail = detail.child(ns::SOAP, "Detail")?;
        detail.child(ns::WSMAN_FAULT, "WSManFault").cloned()
    });
    let message = || match error.fault() {
        Some(fault) => fault.text().trim().to_owned(),
        None => CommandError::quoting(error).error().to_owned(),
    };
    own.unwrap_or_else(|| {
        let fault = Element::new(ns::WSMAN_FAULT, "WSManFault");
        let fault = match code {
            Some(code) => fault.with_attribute("Code", code.0.to_string()),
            None => fault,
        };
        fault.with_child(Element::new(ns::WSMAN_FAULT, "Message").with_text(message()))
    })
}

/// The number stands below, and the host is the one that was asked: Windows's text has neither.
fn without_attributes(element: &mut Element) {
    element.attributes.clear();
    for content in &mut element.children {
        if let Node::Element(child) = content {
            without_attributes(child);
        }
    }
}

fn text(error: &Error, format: Format) -> String {
    let code = code(error);
    let mut element = fault_element(error, code);
    if format == Format::Text {
        without_attributes(&mut element);
    }
    let mut text = format.shown(&element);
    if format != Format::Text {
        text.push('\n');
    }
    if let Some(code) = code {
        text.push_str(&number(code));
        text.push_str(&meaning(code));
    } else if let Some(fault) = error.fault() {
        text.push_str(&nameless(fault));
    }
    for hint in error.hints() {
        text.push_str(&format!("  hint: {hint}\n"));
    }
    printable(&text)
}

/// `Error number:  -2144108526 0x80338012`.
fn number(code: ErrorCode) -> String {
    format!("Error number:  {} 0x{:08X}\n", code.0.cast_signed(), code.0)
}

/// A fault of a service that gives no numbers.
fn nameless(fault: &Fault) -> String {
    let subcode = fault.subcode.as_ref().map_or("no subcode", |subcode| subcode.local());
    format!("The service answered with a fault that has no number ({subcode}).\n")
}
