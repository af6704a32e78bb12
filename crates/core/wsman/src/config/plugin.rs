//! The configuration of a plug-in, `PlugInConfiguration`, [MS-WSMV] 2.2.5.2.
//!
//! ```text
//! PlugInConfiguration Name Filename … Enabled
//!   ├── Resources ── Resource ResourceUri … ── Security Uri Sddl …     who may do what
//!   │                                       └─ Capability Type …       what can be done
//!   ├── InitializationParameters ── Param Name Value
//!   └── Quotas MaxShellsPerUser …
//! ```
//!
//! The published schema has no `Quotas` and spells `ResourceURI`; Windows writes both as above, and either is read.

use crate::fault::{ErrorCode, Fault};
use crate::ns;
use crate::ns::config::PLUGIN_CONFIGURATION as NAMESPACE;
use crate::selector::parse_boolean;
use crate::xml::Element;

/// So many children of one kind are read.
const MOST_CHILDREN: usize = 256;

/// The configuration of a plug-in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the schema has no more")]
pub struct PlugIn {
    /// Its attributes in the order in which they are written: `Name`, `Filename`, `Enabled` and the like.
    pub attributes: Vec<(String, String)>,
    /// The resources that it serves.
    pub resources: Vec<PlugInResource>,
    /// What it is started with.
    pub parameters: Vec<(String, String)>,
    /// How much of it there may be, by the names of the quotas.
    pub quotas: Vec<(String, String)>,
}

/// A resource of a plug-in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the schema has no more")]
pub struct PlugInResource {
    /// `ResourceUri`.
    pub uri: String,
    /// Whether it takes options.
    pub supports_options: bool,
    /// Whether it is this URI only, and not what is below it.
    pub exact_match: bool,
    /// Who may do what with it.
    pub security: Vec<PlugInSecurity>,
    /// What can be done with it: `Shell`, `Get` and the like.
    pub capabilities: Vec<String>,
}

/// Who may do what with a resource, or with a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the schema has no more")]
pub struct PlugInSecurity {
    /// The resource, or what is below it.
    pub uri: String,
    /// The security descriptor.
    pub sddl: String,
    /// Whether it is about this URI only.
    pub exact_match: bool,
}

/// The attributes of a plug-in that the schema and Windows have, in the order in which Windows writes them.
pub const ATTRIBUTES: [&str; 12] = [
    "Name",
    "Filename",
    "SDKVersion",
    "XmlRenderingType",
    "Enabled",
    "Architecture",
    "UseSharedProcess",
    "ProcessIdleTimeoutSec",
    "RunAsUser",
    "RunAsPassword",
    "AutoRestart",
    "OutputBufferingMode",
];

impl PlugIn {
    /// An attribute, by its name in whatever case.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Its element.
    #[must_use]
    pub fn to_element(&self) -> Element {
        let mut root = Element::new(NAMESPACE, "PlugInConfiguration");
        for name in ATTRIBUTES {
            if let Some(value) = self.attribute(name) {
                root = root.with_attribute(name, value);
            }
        }
        let mut resources = Element::new(NAMESPACE, "Resources");
        for resource in &self.resources {
            resources.push(resource.to_element());
        }
        root.push(resources);
        if !self.parameters.is_empty() {
            let mut parameters = Element::new(NAMESPACE, "InitializationParameters");
            for (name, value) in &self.parameters {
                let parameter = Element::new(NAMESPACE, "Param").with_attribute("Name", &**name);
                parameters.push(parameter.with_attribute("Value", &**value));
            }
            root.push(parameters);
        }
        if !self.quotas.is_empty() {
            let mut quotas = Element::new(NAMESPACE, "Quotas");
            for name in QUOTAS {
                let found = self.quotas.iter().find(|(known, _)| known == name);
                if let Some((_, value)) = found {
                    quotas = quotas.with_attribute(name, &**value);
                }
            }
            root.push(quotas);
        }
        root
    }

    /// What an element says.
    ///
    /// # Errors
    ///
    /// The fault to answer with: it is no configuration of a plug-in, or has what none has.
    pub fn from_element(element: &Element) -> Result<Self, Box<Fault>> {
        if !is(element, "PlugInConfiguration") {
            return Err(schema("The representation is no PlugInConfiguration. "));
        }
        let mut plugin = Self { attributes: attributes(element, &ATTRIBUTES)?, ..Self::default() };
        let mut seen = Vec::new();
        for child in element.elements() {
            let name = child.name.local();
            if seen.contains(&name) {
                return Err(schema(&format!("{name} is there twice. ")));
            }
            seen.push(name);
            if is(child, "Resources") {
                plugin.resources = children(child, "Resource", PlugInResource::from_element)?;
            } else if is(child, "InitializationParameters") {
                plugin.parameters = children(child, "Param", parameter)?;
            } else if is(child, "Quotas") {
                plugin.quotas = attributes(child, &QUOTAS)?;
            } else {
                return Err(schema(&format!("PlugInConfiguration has no element {name}. ")));
            }
        }
        Ok(plugin)
    }
}

/// The quotas of a plug-in, in the order in which Windows writes them.
pub const QUOTAS: [&str; 10] = [
    "MaxIdleTimeoutms",
    "MaxConcurrentUsers",
    "IdleTimeoutms",
    "MaxProcessesPerShell",
    "MaxMemoryPerShellMB",
    "MaxConcurrentCommandsPerShell",
    "MaxShells",
    "MaxShellsPerUser",
    "MaxConcurrentOperationsPerUser",
    "MaxConcurrentOperations",
];

impl PlugInResource {
    fn to_element(&self) -> Element {
        let mut element = Element::new(NAMESPACE, "Resource")
            .with_attribute("ResourceUri", &*self.uri)
            .with_attribute("SupportsOptions", self.supports_options.to_string())
            .with_attribute("ExactMatch", self.exact_match.to_string());
        for security in &self.security {
            let child = Element::new(NAMESPACE, "Security")
                .with_attribute("Uri", &*security.uri)
                .with_attribute("ExactMatch", security.exact_match.to_string());
            element.push(child.with_attribute("Sddl", &*security.sddl));
        }
        for capability in &self.capabilities {
            element
                .push(Element::new(NAMESPACE, "Capability").with_attribute("Type", &**capability));
        }
        element
    }

    fn from_element(element: &Element) -> Result<Self, Box<Fault>> {
        const OWN: [&str; 3] = ["ResourceUri", "SupportsOptions", "ExactMatch"];
        const SECURITY: [&str; 3] = ["Uri", "Sddl", "ExactMatch"];
        const CAPABILITY: [&str; 3] = ["Type", "SupportsFragment", "SupportsFiltering"];
        let own = attributes(element, &OWN)?;
        let mut resource = Self {
            uri: text(&own, "ResourceUri"),
            supports_options: boolean(&own, "SupportsOptions")?,
            exact_match: boolean(&own, "ExactMatch")?,
            ..Self::default()
        };
        for child in element.elements().take(MOST_CHILDREN) {
            if is(child, "Security") {
                let own = attributes(child, &SECURITY)?;
                resource.security.push(PlugInSecurity {
                    uri: text(&own, "Uri"),
                    sddl: text(&own, "Sddl"),
                    exact_match: boolean(&own, "ExactMatch")?,
                });
            } else if is(child, "Capability") {
                let own = attributes(child, &CAPABILITY)?;
                boolean(&own, "SupportsFragment")?;
                boolean(&own, "SupportsFiltering")?;
                resource.capabilities.push(text(&own, "Type"));
            } else {
                let name = child.name.local();
                return Err(schema(&format!("Resource has no element {name}. ")));
            }
        }
        Ok(resource)
    }
}

fn parameter(element: &Element) -> Result<(String, String), Box<Fault>> {
    let own = attributes(element, &["Name", "Value"])?;
    Ok((text(&own, "Name"), text(&own, "Value")))
}

/// The children of an element, which are all of one kind.
fn children<T>(
    element: &Element,
    name: &str,
    read: impl Fn(&Element) -> Result<T, Box<Fault>>,
) -> Result<Vec<T>, Box<Fault>> {
    if element.elements().nth(MOST_CHILDREN).is_some() {
        return Err(schema(&format!("{} has too many elements. ", element.name.local())));
    }
    let child = |child: &Element| {
        if is(child, name) {
            return read(child);
        }
        let (owner, child) = (element.name.local(), child.name.local());
        Err(schema(&format!("{owner} has no element {child}. ")))
    };
    element.elements().map(child).collect()
}

/// The attributes of an element, by the names that are known, in whatever case. Those of other namespaces are not looked at.
fn attributes(element: &Element, known: &[&str]) -> Result<Vec<(String, String)>, Box<Fault>> {
    let mut found: Vec<(String, String)> = Vec::new();
    let own = element.attributes.iter().filter(|one| one.name.namespace().is_empty());
    for attribute in own {
        let (owner, name) = (element.name.local(), attribute.name.local());
        let Some(known) = known.iter().find(|known| known.eq_ignore_ascii_case(name)) else {
            return Err(schema(&format!("{owner} has no attribute {name}. ")));
        };
        if found.iter().any(|(there, _)| there == known) {
            return Err(schema(&format!("{owner} has the attribute {name} twice. ")));
        }
        found.push(((*known).to_owned(), attribute.value.to_string()));
    }
    Ok(found)
}

fn text(attributes: &[(String, String)], name: &str) -> String {
    let found = attributes.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

fn boolean(attributes: &[(String, String)], name: &str) -> Result<bool, Box<Fault>> {
    match text(attributes, name).as_str() {
        "" => Ok(false),
        text => parse_boolean(text)
            .ok_or_else(|| schema(&format!("{name} is true or false, not {text}. "))),
    }
}

fn is(element: &Element, name: &str) -> bool {
    let namespace = element.name.namespace();
    element.name.local() == name
        && [NAMESPACE, ns::config::PLUGIN].iter().any(|own| namespace.eq_ignore_ascii_case(own))
}

fn schema(text: &str) -> Box<Fault> {
    Box::new(Fault::new(ErrorCode::SCHEMA_VALIDATION_ERROR, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> PlugIn {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        PlugIn {
            attributes: vec![pair("Name", "microsoft.powershell"), pair("Enabled", "true")],
            resources: vec![PlugInResource {
                uri: "http://schemas.microsoft.com/powershell/microsoft.powershell".to_owned(),
                supports_options: true,
                exact_match: true,
                security: vec![PlugInSecurity {
                    uri: "http://schemas.microsoft.com/powershell/microsoft.powershell".to_owned(),
                    sddl: "O:NSG:BAD:P(A;;GA;;;BA)".to_owned(),
                    exact_match: true,
                }],
                capabilities: vec!["Shell".to_owned()],
            }],
            parameters: vec![pair("PSVersion", "5.1")],
            quotas: vec![pair("MaxShellsPerUser", "25")],
        }
    }

    #[test]
    fn element_is_read_as_it_was_written() {
        assert_eq!(PlugIn::from_element(&sample().to_element()).unwrap(), sample());
    }

    #[test]
    fn what_the_schema_does_not_have_is_refused() {
        let root = || Element::new(NAMESPACE, "PlugInConfiguration");
        let resources = || Element::new(NAMESPACE, "Resources");
        let resource = || Element::new(NAMESPACE, "Resource");
        for element in [
            Element::new("urn:x", "PlugInConfiguration"),
            Element::new(NAMESPACE, "Plugin"),
            root().with_attribute("Colour", "red"),
            root().with_attribute("Name", "a").with_attribute("name", "b"),
            root().with_child(resources()).with_child(resources()),
            root().with_child(Element::new(NAMESPACE, "Security")),
            root().with_child(resources().with_child(root())),
            root().with_child(resources().with_child(resource().with_child(root()))),
            root().with_child(
                resources().with_child(resource().with_attribute("ExactMatch", "perhaps")),
            ),
            root().with_child(Element::new(NAMESPACE, "Quotas").with_attribute("MaxCost", "1")),
        ] {
            let fault = PlugIn::from_element(&element).unwrap_err();
            assert_eq!(fault.error_code(), Some(ErrorCode::SCHEMA_VALIDATION_ERROR));
        }
    }

    #[test]
    fn published_spelling_of_the_resource_is_read_as_well() {
        let resource =
            Element::new(NAMESPACE, "Resource").with_attribute("ResourceURI", "http://x");
        let resources = Element::new(NAMESPACE, "Resources").with_child(resource);
        let element = Element::new(NAMESPACE, "PlugInConfiguration").with_child(resources);
        assert_eq!(PlugIn::from_element(&element).unwrap().resources[0].uri, "http://x");
    }
}
