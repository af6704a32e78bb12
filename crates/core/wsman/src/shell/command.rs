//! Command: starts a command in a shell, [MS-WSMV] 3.1.4.11.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::description::flag;
use super::stream::decode_base64;
use super::{attribute, only, rsp};
use crate::error::Error;
use crate::header::Header;
use crate::ns;
use crate::selector::{OptionSet, attributes_except};
use crate::xml::{Attribute, Element, Node};

/// `rsp:CommandLine`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "clients build it field by field")]
pub struct CommandLine {
    /// The id that the client chose, a GUID.
    pub command_id: Option<String>,
    /// The command. Not trimmed.
    pub command: String,
    /// The arguments; not trimmed, may be empty texts. The command line is the command and these,
    /// joined with spaces: quoting was the client's affair.
    pub arguments: Vec<String>,
    /// Other attributes.
    pub attributes: Vec<Attribute>,
    /// Other elements.
    pub other: Vec<Element>,
}

impl CommandLine {
    /// A command of a plug-in's shell: no text, and what the plug-in is told as its argument.
    #[must_use]
    pub fn plug_in(command_id: Option<String>, payload: &[u8]) -> Self {
        Self { command_id, arguments: vec![STANDARD.encode(payload)], ..Self::default() }
    }

    /// What a plug-in is told: the bytes out of the first argument's base64. PowerShell's client
    /// puts the first fragment of the pipeline there; without an argument there are none.
    ///
    /// # Errors
    ///
    /// The argument is not base64.
    pub fn payload(&self) -> Result<Vec<u8>, Error> {
        let text = self.arguments.first().map(String::as_str).unwrap_or_default();
        decode_base64(text).ok_or(Error::Value("rsp:Arguments"))
    }

    /// Reads the body.
    ///
    /// # Errors
    ///
    /// The body is something else, or has no `rsp:Command`.
    pub fn from_body(body: &[Element]) -> Result<Self, Error> {
        let element = only(body, "CommandLine")?;
        let mut line = Self {
            command_id: attribute(element, "CommandId"),
            attributes: attributes_except(element, &[("", "CommandId")]),
            ..Self::default()
        };
        let mut command = None;
        for child in element.elements() {
            if child.is(ns::SHELL, "Command") && command.is_none() {
                command = Some(child.text().into_owned());
            } else if child.is(ns::SHELL, "Arguments") {
                line.arguments.push(child.text().into_owned());
            } else {
                line.other.push(child.clone());
            }
        }
        let missing = Error::Missing { parent: "rsp:CommandLine", name: "rsp:Command" };
        line.command = command.ok_or(missing)?;
        Ok(line)
    }

    /// Writes the body.
    #[must_use]
    pub fn to_body(&self) -> Vec<Element> {
        let mut line = Element::new(ns::SHELL, "CommandLine");
        if let Some(id) = &self.command_id {
            line = line.with_attribute("CommandId", id);
        }
        line.attributes.extend(self.attributes.iter().cloned());
        line.push(rsp("Command", &self.command));
        for argument in &self.arguments {
            line.push(rsp("Arguments", argument));
        }
        line.children.extend(self.other.iter().cloned().map(Node::Element));
        vec![line]
    }
}

/// What a Command asks for in its header, [MS-WSMV] 2.2.4.22.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "clients build it field by field")]
pub struct CommandOptions {
    /// `WINRS_CONSOLEMODE_STDIN`: true for a console, false for a pipe.
    pub console_mode_stdin: Option<bool>,
    /// `WINRS_SKIP_CMD_SHELL`: true starts the program itself.
    pub skip_cmd_shell: Option<bool>,
}

impl CommandOptions {
    pub(super) fn from_header(header: &Header) -> Result<Self, &'static str> {
        let flag = |name| match header.options() {
            Some(options) if options.value(name).is_some() => {
                options.flag(name).map(Some).ok_or(name)
            }
            Some(_) | None => Ok(None),
        };
        Ok(Self {
            console_mode_stdin: flag(super::WINRS_CONSOLEMODE_STDIN)?,
            skip_cmd_shell: flag(super::WINRS_SKIP_CMD_SHELL)?,
        })
    }

    pub(super) fn to_options(&self) -> OptionSet {
        let mut options = OptionSet::default();
        if let Some(console) = self.console_mode_stdin {
            options = options.with(super::WINRS_CONSOLEMODE_STDIN, flag(console));
        }
        if let Some(skip) = self.skip_cmd_shell {
            options = options.with(super::WINRS_SKIP_CMD_SHELL, flag(skip));
        }
        options
    }
}

/// `rsp:CommandResponse`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "servers build it field by field")]
pub struct CommandResponse {
    /// The command's id. Windows 7 ignores the one that the client chose.
    pub command_id: String,
    /// Other elements.
    pub other: Vec<Element>,
}

impl CommandResponse {
    /// Reads the body.
    ///
    /// # Errors
    ///
    /// The body is something else, or has no id.
    pub fn from_body(body: &[Element]) -> Result<Self, Error> {
        let element = only(body, "CommandResponse")?;
        let mut command_id = None;
        let mut other = Vec::new();
        for child in element.elements() {
            if child.is(ns::SHELL, "CommandId") && command_id.is_none() {
                command_id = Some(child.trimmed_text());
            } else {
                other.push(child.clone());
            }
        }
        let missing = Error::Missing { parent: "rsp:CommandResponse", name: "rsp:CommandId" };
        Ok(Self { command_id: command_id.ok_or(missing)?, other })
    }

    /// Writes the body.
    #[must_use]
    pub fn to_body(&self) -> Vec<Element> {
        let mut response = Element::new(ns::SHELL, "CommandResponse")
            .with_child(rsp("CommandId", &self.command_id));
        response.children.extend(self.other.iter().cloned().map(Node::Element));
        vec![response]
    }
}
