//! Receive: asks for output and for the end of a command, [MS-WSMV] 3.1.4.14.

use std::borrow::Cow;

use super::stream::Stream;
use super::{attribute, names, only, parse_u32_or_i32, rsp};
use crate::error::Error;
use crate::ns;
use crate::selector::attributes_except;
use crate::xml::{Attribute, Element, Node, is_space};

/// `rsp:Receive`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "clients build it field by field")]
pub struct Receive {
    /// What output is wanted, at least one.
    pub desired: Vec<DesiredStream>,
    /// `SequenceId`; Windows's own client writes 0.
    pub sequence_id: Option<u64>,
    /// Other attributes.
    pub attributes: Vec<Attribute>,
    /// Other elements.
    pub other: Vec<Element>,
}

/// `rsp:DesiredStream`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "clients build it field by field")]
pub struct DesiredStream {
    /// Names of streams.
    pub streams: Vec<String>,
    /// The command whose streams they are; absent for those of the shell itself.
    pub command_id: Option<String>,
    /// Other attributes.
    pub attributes: Vec<Attribute>,
}

impl DesiredStream {
    pub(super) fn from_element(element: &Element) -> Self {
        Self {
            streams: names(element),
            command_id: attribute(element, "CommandId"),
            attributes: attributes_except(element, &[("", "CommandId")]),
        }
    }

    pub(super) fn to_element(&self) -> Element {
        let mut desired = Element::new(ns::SHELL, "DesiredStream");
        if let Some(id) = &self.command_id {
            desired = desired.with_attribute("CommandId", id);
        }
        desired.attributes.extend(self.attributes.iter().cloned());
        desired.with_text(self.streams.join(" "))
    }
}

impl Receive {
    /// A Receive for a command's standard streams.
    #[must_use]
    pub fn command(command_id: &str) -> Self {
        let desired = DesiredStream {
            streams: vec!["stdout".to_owned(), "stderr".to_owned()],
            command_id: Some(command_id.to_owned()),
            attributes: Vec::new(),
        };
        Self { desired: vec![desired], ..Self::default() }
    }

    /// A Receive for the one output stream of a plug-in's shell, or of a command of it.
    #[must_use]
    pub fn plug_in(command_id: Option<&str>) -> Self {
        let desired = DesiredStream {
            streams: vec!["stdout".to_owned()],
            command_id: command_id.map(str::to_owned),
            attributes: Vec::new(),
        };
        Self { desired: vec![desired], ..Self::default() }
    }

    /// The command that the first wanted stream belongs to.
    #[must_use]
    pub fn command_id(&self) -> Option<&str> {
        self.desired.first().and_then(|desired| desired.command_id.as_deref())
    }

    /// Reads the body.
    ///
    /// # Errors
    ///
    /// The body is something else, or wants nothing.
    pub fn from_body(body: &[Element]) -> Result<Self, Error> {
        let element = only(body, "Receive")?;
        let mut receive = Self {
            attributes: attributes_except(element, &[("", "SequenceId")]),
            ..Self::default()
        };
        if let Some(number) = element.attribute("SequenceId") {
            let number = number.trim_matches(is_space).parse();
            receive.sequence_id =
                Some(number.map_err(|_| Error::Value("rsp:Receive/@SequenceId"))?);
        }
        for child in element.elements() {
            if child.is(ns::SHELL, "DesiredStream") {
                receive.desired.push(DesiredStream::from_element(child));
            } else {
                receive.other.push(child.clone());
            }
        }
        if receive.desired.is_empty() {
            return Err(Error::Missing { parent: "rsp:Receive", name: "rsp:DesiredStream" });
        }
        Ok(receive)
    }

    /// Writes the body.
    #[must_use]
    pub fn to_body(&self) -> Vec<Element> {
        let mut receive = Element::new(ns::SHELL, "Receive");
        if let Some(number) = self.sequence_id {
            receive = receive.with_attribute("SequenceId", number.to_string());
        }
        receive.attributes.extend(self.attributes.iter().cloned());
        self.desired.iter().for_each(|desired| receive.push(desired.to_element()));
        receive.children.extend(self.other.iter().cloned().map(Node::Element));
        vec![receive]
    }
}

/// `rsp:ReceiveResponse`. It may be empty, which says nothing: ask again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "servers build it field by field")]
pub struct ReceiveResponse {
    /// Output in the order it came.
    pub streams: Vec<Stream>,
    /// What the command does now: the last state, where a service sends several.
    pub state: Option<CommandState>,
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// Other elements, such as earlier states.
    pub other: Vec<Element>,
}

/// `rsp:CommandState`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "servers build it field by field")]
pub struct CommandState {
    /// The command; OMI leaves it out.
    pub command_id: Option<String>,
    /// What the command does.
    pub state: State,
    /// The exit code, unsigned: Windows's programs return HRESULTs. Absent when the command was
    /// ended by force.
    pub exit_code: Option<u32>,
    /// Other attributes.
    pub attributes: Vec<Attribute>,
    /// Other elements.
    pub other: Vec<Element>,
}

/// `rsp:CommandState/@State`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It has ended, and nothing follows.
    Done,
    /// It has ended, more output follows.
    Pending,
    /// It runs.
    Running,
    /// Another URI.
    Other(String),
}

impl State {
    /// The URI.
    #[must_use]
    pub fn uri(&self) -> Cow<'_, str> {
        match self {
            Self::Done => Cow::Owned([STATE, "Done"].concat()),
            Self::Pending => Cow::Owned([STATE, "Pending"].concat()),
            Self::Running => Cow::Owned([STATE, "Running"].concat()),
            Self::Other(uri) => Cow::Borrowed(uri),
        }
    }

    /// The short name, which lists of commands have; the URI of another state.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Done => "Done",
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Other(uri) => uri,
        }
    }

    /// The state of that short name, in any case, or of that URI.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let known = [Self::Done, Self::Pending, Self::Running];
        let known = known.into_iter().find(|state| state.name().eq_ignore_ascii_case(name));
        known.unwrap_or_else(|| Self::from_uri(name))
    }

    fn from_uri(uri: &str) -> Self {
        match uri.strip_prefix(STATE) {
            Some("Done") => Self::Done,
            Some("Pending") => Self::Pending,
            Some("Running") => Self::Running,
            Some(_) | None => Self::Other(uri.to_owned()),
        }
    }
}

const STATE: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState/";

impl CommandState {
    /// A state of a command.
    #[must_use]
    pub fn new(command_id: &str, state: State, exit_code: Option<u32>) -> Self {
        let command_id = Some(command_id.to_owned());
        Self { command_id, state, exit_code, attributes: Vec::new(), other: Vec::new() }
    }

    fn from_element(element: &Element) -> Result<Self, Error> {
        let state = attribute(element, "State");
        let state = state.ok_or(Error::Missing { parent: "rsp:CommandState", name: "State" })?;
        let mut exit_code = None;
        let mut other = Vec::new();
        for child in element.elements() {
            if child.is(ns::SHELL, "ExitCode") && exit_code.is_none() {
                let number = parse_u32_or_i32(&child.text());
                exit_code = Some(number.ok_or(Error::Value("rsp:ExitCode"))?);
            } else {
                other.push(child.clone());
            }
        }
        Ok(Self {
            command_id: attribute(element, "CommandId"),
            state: State::from_uri(&state),
            exit_code,
            attributes: attributes_except(element, &[("", "CommandId"), ("", "State")]),
            other,
        })
    }

    fn to_element(&self) -> Element {
        let mut state = Element::new(ns::SHELL, "CommandState");
        if let Some(id) = &self.command_id {
            state = state.with_attribute("CommandId", id);
        }
        state = state.with_attribute("State", self.state.uri());
        state.attributes.extend(self.attributes.iter().cloned());
        if let Some(code) = self.exit_code {
            state.push(rsp("ExitCode", code.to_string()));
        }
        state.children.extend(self.other.iter().cloned().map(Node::Element));
        state
    }
}

impl ReceiveResponse {
    /// Reads the body.
    ///
    /// # Errors
    ///
    /// The body is something else, or a part is not of its type.
    pub fn from_body(body: &[Element]) -> Result<Self, Error> {
        let element = only(body, "ReceiveResponse")?;
        let mut response = Self { attributes: element.attributes.clone(), ..Self::default() };
        let is_state = |child: &&Element| child.is(ns::SHELL, "CommandState");
        let mut states = element.elements().filter(is_state).count();
        for child in element.elements() {
            if child.is(ns::SHELL, "Stream") {
                response.streams.push(Stream::from_element(child)?);
            } else if is_state(&child) {
                let state = CommandState::from_element(child)?;
                states -= 1;
                if states == 0 {
                    response.state = Some(state);
                } else {
                    response.other.push(state.to_element());
                }
            } else {
                response.other.push(child.clone());
            }
        }
        Ok(response)
    }

    /// Writes the body.
    #[must_use]
    pub fn to_body(&self) -> Vec<Element> {
        let mut response = Element::new(ns::SHELL, "ReceiveResponse");
        response.attributes.clone_from(&self.attributes);
        self.streams.iter().for_each(|stream| response.push(stream.to_element()));
        response.children.extend(self.other.iter().cloned().map(Node::Element));
        if let Some(state) = &self.state {
            response.push(state.to_element());
        }
        vec![response]
    }
}
