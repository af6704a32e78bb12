//! Create: what a new shell shall be, and the answer, [MS-WSMV] 3.1.4.5.2.

use super::info::ShellInfo;
use super::{attribute, duration, names, payload, rsp};
use crate::duration::Duration;
use crate::error::Error;
use crate::header::Header;
use crate::ns;
use crate::selector::{EndpointReference, OptionItem, OptionSet, attributes_except};
use crate::xml::{Attribute, Element, Node};

/// `rsp:Shell` of a Create request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "clients build it field by field")]
pub struct ShellDescription {
    /// The id that the client chose (attribute `ShellId`), a GUID.
    pub shell_id: Option<String>,
    /// A name for people (attribute `Name`).
    pub name: Option<String>,
    /// Environment variables, in order.
    pub environment: Vec<Variable>,
    /// Where commands start. Not trimmed: file names may begin with a space.
    pub working_directory: Option<String>,
    /// How long the shell may live in all.
    pub lifetime: Option<Duration>,
    /// How long it may be idle. Read under both spellings, written `IdleTimeOut`.
    pub idle_timeout: Option<Duration>,
    /// Names of the input streams; empty when the element is absent.
    pub input_streams: Vec<String>,
    /// Names of the output streams; empty when the element is absent.
    pub output_streams: Vec<String>,
    /// What a plug-in is told when it makes the shell: the bytes out of `creationXml`'s base64.
    pub creation_xml: Option<Vec<u8>>,
    /// Other attributes.
    pub attributes: Vec<Attribute>,
    /// Other elements.
    pub other: Vec<Element>,
}

/// `rsp:Variable`: one environment variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a variable is a name and a value")]
pub struct Variable {
    /// The name.
    pub name: String,
    /// The value, not trimmed.
    pub value: String,
}

impl ShellDescription {
    /// Reads `rsp:Shell`. Children may come in any order.
    ///
    /// # Errors
    ///
    /// The element is another one, or a part of it is not of its type.
    pub fn from_element(element: &Element) -> Result<Self, Error> {
        if !element.is(ns::SHELL, "Shell") {
            return Err(Error::UnexpectedElement(element.name.clone()));
        }
        let mut shell = Self {
            shell_id: attribute(element, "ShellId"),
            name: attribute(element, "Name"),
            attributes: attributes_except(element, &[("", "ShellId"), ("", "Name")]),
            ..Self::default()
        };
        for child in element.elements() {
            match (child.name.namespace(), child.name.local()) {
                (ns::SHELL, "Environment") => shell.environment.extend(variables(child)?),
                (ns::SHELL, "WorkingDirectory") => {
                    shell.working_directory = Some(child.text().into_owned());
                }
                (ns::SHELL, "Lifetime") => {
                    shell.lifetime = Some(duration(child, "rsp:Lifetime")?);
                }
                (ns::SHELL, "IdleTimeOut" | "IdleTimeout") => {
                    shell.idle_timeout = Some(duration(child, "rsp:IdleTimeOut")?);
                }
                (ns::SHELL, "InputStreams") => shell.input_streams = names(child),
                (ns::SHELL, "OutputStreams") => shell.output_streams = names(child),
                (ns::POWERSHELL, "creationXml") if shell.creation_xml.is_none() => {
                    shell.creation_xml = Some(payload::read(child, "creationXml")?);
                }
                _ => shell.other.push(child.clone()),
            }
        }
        Ok(shell)
    }

    /// Writes `rsp:Shell`, children in the order of the schema.
    #[must_use]
    pub fn to_element(&self) -> Element {
        let mut shell = Element::new(ns::SHELL, "Shell");
        if let Some(id) = &self.shell_id {
            shell = shell.with_attribute("ShellId", id);
        }
        if let Some(name) = &self.name {
            shell = shell.with_attribute("Name", name);
        }
        shell.attributes.extend(self.attributes.iter().cloned());
        if !self.environment.is_empty() {
            shell.push(environment(&self.environment));
        }
        let texts = [
            ("WorkingDirectory", self.working_directory.clone()),
            ("Lifetime", self.lifetime.as_ref().map(Duration::to_string)),
            ("IdleTimeOut", self.idle_timeout.as_ref().map(Duration::to_string)),
            ("InputStreams", joined(&self.input_streams)),
            ("OutputStreams", joined(&self.output_streams)),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                shell.push(rsp(name, text));
            }
        }
        if let Some(data) = &self.creation_xml {
            shell.push(payload::write("creationXml", data));
        }
        shell.children.extend(self.other.iter().cloned().map(Node::Element));
        shell
    }
}

pub(super) fn joined(names: &[String]) -> Option<String> {
    (!names.is_empty()).then(|| names.join(" "))
}

pub(super) fn environment(variables: &[Variable]) -> Element {
    let mut environment = Element::new(ns::SHELL, "Environment");
    for variable in variables {
        let element = rsp("Variable", &variable.value).with_attribute("Name", &variable.name);
        environment.push(element);
    }
    environment
}

pub(super) fn variables(element: &Element) -> Result<Vec<Variable>, Error> {
    let variable = |child: &Element| {
        if !child.is(ns::SHELL, "Variable") {
            return Err(Error::UnexpectedElement(child.name.clone()));
        }
        let name = child.attribute("Name");
        let name = name.ok_or(Error::Missing { parent: "rsp:Variable", name: "Name" })?.to_owned();
        Ok(Variable { name, value: child.text().into_owned() })
    };
    element.elements().map(variable).collect()
}

/// What a Create asks for in its header, [MS-WSMV] 2.2.4.22.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "clients build it field by field")]
pub struct ShellOptions {
    /// `WINRS_NOPROFILE`; absent means that it is not said, which the service takes as false.
    pub no_profile: Option<bool>,
    /// `WINRS_CODEPAGE`. Windows takes 437 where it is absent.
    pub code_page: Option<u32>,
    /// `rsp:CompressionType` says `xpress`: streams shall be compressed.
    pub compression: bool,
    /// Options that the command shell does not know, such as [`super::PROTOCOL_VERSION`].
    pub other: Vec<OptionItem>,
}

impl ShellOptions {
    /// Reads the options of a header; `None` names the option whose value does not fit.
    pub(super) fn from_header(header: &Header) -> Result<Self, &'static str> {
        let none = OptionSet::default();
        let options = header.options().unwrap_or(&none);
        let no_profile = match options.value(super::WINRS_NOPROFILE) {
            Some(_) => Some(options.flag(super::WINRS_NOPROFILE).ok_or(super::WINRS_NOPROFILE)?),
            None => None,
        };
        let code_page = match options.value(super::WINRS_CODEPAGE) {
            Some(text) => Some(text.trim().parse().map_err(|_| super::WINRS_CODEPAGE)?),
            None => None,
        };
        let compression =
            header.compression_type().is_some_and(|name| name.eq_ignore_ascii_case("xpress"));
        let known = [super::WINRS_NOPROFILE, super::WINRS_CODEPAGE];
        let is_known = |name: &str| known.iter().any(|known| known.eq_ignore_ascii_case(name));
        let other = options.options.iter().filter(|option| !is_known(&option.name));
        Ok(Self { no_profile, code_page, compression, other: other.cloned().collect() })
    }

    /// The options as the client of that kind of shell writes them.
    pub(super) fn to_options(&self, is_command_shell: bool) -> OptionSet {
        let mut options = OptionSet { options: self.other.clone() };
        if let Some(no_profile) = self.no_profile {
            options = if is_command_shell {
                options.with(super::WINRS_NOPROFILE, flag(no_profile))
            } else {
                let value = if no_profile { "1" } else { "0" };
                options.with_item(OptionItem::required(super::WINRS_NOPROFILE, value))
            };
        }
        if let Some(page) = self.code_page {
            options = options.with(super::WINRS_CODEPAGE, page.to_string());
        }
        options
    }
}

/// Windows's writing of a boolean option.
pub(super) const fn flag(value: bool) -> &'static str {
    if value { "TRUE" } else { "FALSE" }
}

/// The answer to a Create.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "servers build it field by field")]
pub struct CreateResponse {
    /// `x:ResourceCreated`: how to name the shell from now on.
    pub resource_created: EndpointReference,
    /// `rsp:Shell`; Windows before 7 and OMI send none.
    pub shell: Option<ShellInfo>,
    /// Other elements of the body.
    pub other: Vec<Element>,
}

impl CreateResponse {
    /// Reads the body.
    ///
    /// # Errors
    ///
    /// There is no `x:ResourceCreated`, or a part is not of its type.
    pub fn from_body(body: &[Element]) -> Result<Self, Error> {
        let mut created = None;
        let mut shell = None;
        let mut other = Vec::new();
        for element in body {
            if element.is(ns::TRANSFER, "ResourceCreated") && created.is_none() {
                let endpoint = EndpointReference::from_element(element);
                created = Some(endpoint.ok_or(Error::Value("x:ResourceCreated"))?);
            } else if element.is(ns::SHELL, "Shell") && shell.is_none() {
                shell = Some(ShellInfo::from_element(element)?);
            } else {
                other.push(element.clone());
            }
        }
        let missing = Error::Missing { parent: "s:Body", name: "x:ResourceCreated" };
        Ok(Self { resource_created: created.ok_or(missing)?, shell, other })
    }

    /// Writes the body.
    #[must_use]
    pub fn to_body(&self) -> Vec<Element> {
        let created = Element::new(ns::TRANSFER, "ResourceCreated");
        let mut body = vec![self.resource_created.to_element(created)];
        body.extend(self.shell.as_ref().map(ShellInfo::to_element));
        body.extend(self.other.iter().cloned());
        body
    }

    /// The new shell's id: the selector's, else that of `rsp:Shell`.
    #[must_use]
    pub fn shell_id(&self) -> Option<&str> {
        let selectors = self.resource_created.selectors.as_ref();
        let id = selectors.and_then(|selectors| selectors.text("ShellId"));
        id.or_else(|| self.shell.as_ref().and_then(|shell| shell.shell_id.as_deref()))
    }
}
