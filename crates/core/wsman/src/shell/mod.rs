//! The remote shell of [MS-WSMV] 3.1.4: messages of both directions.
//!
//! Each type reads itself from a body and writes itself to one. What a type does not know stays in
//! its `other` and `attributes`, so that nothing is lost between reading and writing. Ids stay the
//! strings that they came as; [`crate::same_id`] compares them. The conversations that they make up
//! are in [`client`] and [`server`].

pub mod client;
mod command;
mod connect;
mod description;
mod disconnect;
mod info;
mod listed;
mod output_stream;
mod payload;
mod profile;
mod receive;
mod reconnect;
mod request;
pub mod server;
mod signal;
mod stream;

use crate::error::Error;
use crate::ns;
use crate::xml::{Element, is_space};

pub use command::{CommandLine, CommandOptions, CommandResponse};
pub use connect::{Connect, ConnectResponse};
pub use description::{CreateResponse, ShellDescription, ShellOptions, Variable};
pub use disconnect::{BufferMode, Disconnect};
pub use info::ShellInfo;
pub use listed::ListedCommand;
pub use output_stream::OutputStream;
pub use profile::{InputStream, Profile};
pub use receive::{CommandState, DesiredStream, Receive, ReceiveResponse, State};
pub use reconnect::Reconnect;
pub use request::{Request, RequestContext};
pub use signal::{Signal, SignalCode, SignalResponse};
pub use stream::{Send, SendResponse, Stream};

/// Option of a Create: `TRUE` keeps the user's profile unloaded.
pub const WINRS_NOPROFILE: &str = "WINRS_NOPROFILE";
/// Option of a Create: the code page of the client's output, such as 65001.
pub const WINRS_CODEPAGE: &str = "WINRS_CODEPAGE";
/// Option of a Command: `TRUE` makes stdin a console, `FALSE` a pipe.
pub const WINRS_CONSOLEMODE_STDIN: &str = "WINRS_CONSOLEMODE_STDIN";
/// Option of a Command: `TRUE` starts the program itself, without a shell around it.
pub const WINRS_SKIP_CMD_SHELL: &str = "WINRS_SKIP_CMD_SHELL";
/// Option of a Receive: `TRUE` asks to be kept waiting instead of an empty answer.
pub const KEEP_ALIVE: &str = "WSMAN_CMDSHELL_OPTION_KEEPALIVE";

/// Option of a PowerShell shell's Create and Connect: the version of the remoting protocol, such as
/// `2.3`, which the service must comply with.
pub const PROTOCOL_VERSION: &str = "protocolversion";

/// The names of streams.
pub mod stream_name {
    /// Input.
    pub const STDIN: &str = "stdin";
    /// Output.
    pub const STDOUT: &str = "stdout";
    /// Error output.
    pub const STDERR: &str = "stderr";
    /// Input of a PowerShell shell that goes before what waits on `stdin`: answers to host calls.
    pub const PRIORITY: &str = "pr";
}

/// A 32-bit number as unsigned or signed text: exit codes and error codes come as both.
pub(crate) fn parse_u32_or_i32(text: &str) -> Option<u32> {
    let text = text.trim_matches(is_space);
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match text.parse::<i64>().ok()? {
        number if number < 0 => i32::try_from(number).ok().map(i32::cast_unsigned),
        number => u32::try_from(number).ok(),
    }
}

/// `rsp:` and the name, with text.
fn rsp(local: &'static str, text: impl Into<String>) -> Element {
    Element::new(ns::SHELL, local).with_text(text)
}

/// A list of stream names, `stdout stderr`.
fn names(element: &Element) -> Vec<String> {
    element.text().split(is_space).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn duration(element: &Element, name: &'static str) -> Result<crate::Duration, Error> {
    element.text().parse().map_err(|_| Error::Value(name))
}

fn attribute(element: &Element, local: &str) -> Option<String> {
    element.attribute(local).map(|value| value.trim_matches(is_space).to_owned())
}

/// The element of that name in a body; a body without one, or with more, is refused.
fn only<'e>(body: &'e [Element], local: &'static str) -> Result<&'e Element, Error> {
    match body {
        [element] if element.is(ns::SHELL, local) => Ok(element),
        [] => Err(Error::Missing { parent: "s:Body", name: local }),
        [element, ..] if !element.is(ns::SHELL, local) => {
            Err(Error::UnexpectedElement(element.name.clone()))
        }
        [_, second, ..] => Err(Error::UnexpectedElement(second.name.clone())),
        [element] => Err(Error::UnexpectedElement(element.name.clone())),
    }
}
