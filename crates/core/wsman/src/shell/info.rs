//! `rsp:Shell` of a service's answers: what a shell is, [MS-WSMV] 2.2.4.37.

use super::description::{Variable, environment, joined, variables};
use super::{duration, names, rsp};
use crate::duration::Duration;
use crate::error::Error;
use crate::ns;
use crate::xml::{Attribute, Element, Node};

/// What a service says about a shell in the answers to Create, Get and Enumerate. Each part is
/// optional: a command shell's Create answer has about eleven of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "servers build it field by field")]
pub struct ShellInfo {
    /// The id.
    pub shell_id: Option<String>,
    /// A name for people.
    pub name: Option<String>,
    /// The shell's resource URI.
    pub resource_uri: Option<String>,
    /// The user that owns it.
    pub owner: Option<String>,
    /// The address of the client that made it.
    pub client_ip: Option<String>,
    /// The process that hosts it.
    pub process_id: Option<u32>,
    /// The environment, repeated from the Create.
    pub environment: Vec<Variable>,
    /// The working directory, repeated from the Create.
    pub working_directory: Option<String>,
    /// How long it may be idle.
    pub idle_timeout: Option<Duration>,
    /// Names of the input streams.
    pub input_streams: Vec<String>,
    /// Names of the output streams.
    pub output_streams: Vec<String>,
    /// The longest that `idle_timeout` may become.
    pub max_idle_timeout: Option<Duration>,
    /// A language tag.
    pub locale: Option<String>,
    /// A language tag.
    pub data_locale: Option<String>,
    /// `NoCompression` or `XpressCompression`.
    pub compression_mode: Option<String>,
    /// `Yes` or `No`.
    pub profile_loaded: Option<String>,
    /// `UTF8` or `UTF16`.
    pub encoding: Option<String>,
    /// `Block` or `Drop`.
    pub buffer_mode: Option<String>,
    /// `Connected` or `Disconnected`.
    pub state: Option<String>,
    /// Since the shell was made.
    pub shell_run_time: Option<Duration>,
    /// Since the last request.
    pub shell_inactivity: Option<Duration>,
    /// With a unit, such as `58MB`.
    pub memory_used: Option<String>,
    /// How many processes the shell has.
    pub child_processes: Option<u32>,
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// Other elements.
    pub other: Vec<Element>,
}

impl ShellInfo {
    /// [`Self::state`] of a shell with a client.
    pub const CONNECTED: &str = "Connected";
    /// [`Self::state`] of a shell that waits for one.
    pub const DISCONNECTED: &str = "Disconnected";

    /// Whether the shell waits for a client to reconnect or connect. Services before Windows 8 do
    /// not say.
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        self.state.as_deref().is_some_and(|state| state.eq_ignore_ascii_case(Self::DISCONNECTED))
    }

    /// Reads `rsp:Shell`.
    ///
    /// # Errors
    ///
    /// The element is another one, or a part of it is not of its type.
    pub fn from_element(element: &Element) -> Result<Self, Error> {
        if !element.is(ns::SHELL, "Shell") {
            return Err(Error::UnexpectedElement(element.name.clone()));
        }
        let mut info = Self { attributes: element.attributes.clone(), ..Self::default() };
        for child in element.elements() {
            if child.name.namespace() != ns::SHELL || !info.take(child)? {
                info.other.push(child.clone());
            }
        }
        Ok(info)
    }

    /// Takes a child element; false for an unknown one.
    fn take(&mut self, child: &Element) -> Result<bool, Error> {
        let number = |name| child.trimmed_text().parse().map_err(|_| Error::Value(name));
        match child.name.local() {
            "ProcessId" => self.process_id = Some(number("rsp:ProcessId")?),
            "ChildProcesses" => self.child_processes = Some(number("rsp:ChildProcesses")?),
            "Environment" => self.environment = variables(child)?,
            "InputStreams" => self.input_streams = names(child),
            "OutputStreams" => self.output_streams = names(child),
            "WorkingDirectory" => self.working_directory = Some(child.text().into_owned()),
            local => {
                if let Some((name, slot)) = self.duration_slot(local) {
                    *slot = Some(duration(child, name)?);
                } else if let Some(slot) = self.text_slot(local) {
                    *slot = Some(child.trimmed_text());
                } else {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn duration_slot(&mut self, local: &str) -> Option<(&'static str, &mut Option<Duration>)> {
        Some(match local {
            "IdleTimeOut" | "IdleTimeout" => ("rsp:IdleTimeOut", &mut self.idle_timeout),
            "MaxIdleTimeOut" | "MaxIdleTimeout" => {
                ("rsp:MaxIdleTimeOut", &mut self.max_idle_timeout)
            }
            "ShellRunTime" => ("rsp:ShellRunTime", &mut self.shell_run_time),
            "ShellInactivity" => ("rsp:ShellInactivity", &mut self.shell_inactivity),
            _ => return None,
        })
    }

    fn text_slot(&mut self, local: &str) -> Option<&mut Option<String>> {
        Some(match local {
            "ShellId" => &mut self.shell_id,
            "Name" => &mut self.name,
            "ResourceUri" => &mut self.resource_uri,
            "Owner" => &mut self.owner,
            "ClientIP" => &mut self.client_ip,
            "Locale" => &mut self.locale,
            "DataLocale" => &mut self.data_locale,
            "CompressionMode" => &mut self.compression_mode,
            "ProfileLoaded" => &mut self.profile_loaded,
            "Encoding" => &mut self.encoding,
            "BufferMode" => &mut self.buffer_mode,
            "State" => &mut self.state,
            "MemoryUsed" => &mut self.memory_used,
            _ => return None,
        })
    }

    /// Writes `rsp:Shell`, children in Windows's order.
    #[must_use]
    pub fn to_element(&self) -> Element {
        let mut shell = Element::new(ns::SHELL, "Shell");
        shell.attributes.clone_from(&self.attributes);
        let text = |shell: &mut Element, local, text: Option<&str>| {
            if let Some(text) = text {
                shell.push(rsp(local, text));
            }
        };
        let lasts = |duration: &Option<Duration>| duration.as_ref().map(Duration::to_string);
        text(&mut shell, "ShellId", self.shell_id.as_deref());
        text(&mut shell, "Name", self.name.as_deref());
        text(&mut shell, "ResourceUri", self.resource_uri.as_deref());
        text(&mut shell, "Owner", self.owner.as_deref());
        text(&mut shell, "ClientIP", self.client_ip.as_deref());
        text(&mut shell, "ProcessId", self.process_id.map(|id| id.to_string()).as_deref());
        if !self.environment.is_empty() {
            shell.push(environment(&self.environment));
        }
        text(&mut shell, "WorkingDirectory", self.working_directory.as_deref());
        text(&mut shell, "IdleTimeOut", lasts(&self.idle_timeout).as_deref());
        text(&mut shell, "InputStreams", joined(&self.input_streams).as_deref());
        text(&mut shell, "OutputStreams", joined(&self.output_streams).as_deref());
        text(&mut shell, "MaxIdleTimeOut", lasts(&self.max_idle_timeout).as_deref());
        text(&mut shell, "Locale", self.locale.as_deref());
        text(&mut shell, "DataLocale", self.data_locale.as_deref());
        text(&mut shell, "CompressionMode", self.compression_mode.as_deref());
        text(&mut shell, "ProfileLoaded", self.profile_loaded.as_deref());
        text(&mut shell, "Encoding", self.encoding.as_deref());
        text(&mut shell, "BufferMode", self.buffer_mode.as_deref());
        text(&mut shell, "State", self.state.as_deref());
        text(&mut shell, "ShellRunTime", lasts(&self.shell_run_time).as_deref());
        text(&mut shell, "ShellInactivity", lasts(&self.shell_inactivity).as_deref());
        text(&mut shell, "MemoryUsed", self.memory_used.as_deref());
        text(&mut shell, "ChildProcesses", self.child_processes.map(|n| n.to_string()).as_deref());
        shell.children.extend(self.other.iter().cloned().map(Node::Element));
        shell
    }
}
