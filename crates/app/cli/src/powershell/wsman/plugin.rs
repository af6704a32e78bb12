//! Plug-ins on the drive: `PlugInConfiguration`, [MS-WSMV] 2.2.4.24, taken apart, changed and made.

use wsman::ns::config;
use wsman::transfer::Locator;
use wsman::xml::{Element, Name, Node as Xml};

use super::hash;
use super::tree::{Branch, Change, Content, Kind, Node, Place, Removal, instance};
use super::xml::{attribute, set_attribute};
use crate::command_error::CommandError;

/// The containers of its parts.
pub(in crate::powershell) const PARAMETERS: &str = "InitializationParameters";
pub(in crate::powershell) const RESOURCES: &str = "Resources";
pub(in crate::powershell) const QUOTAS: &str = "Quotas";
pub(in crate::powershell) const SECURITY: &str = "Security";

/// A plug-in with everything in it.
pub(in crate::powershell) fn node(element: &Element) -> Node {
    let name = attribute(element, "Name").unwrap_or_default().to_owned();
    let locator = locator(&name);
    let top = Vec::new();
    let mut nodes = attributes(element, &locator, &top, &["Name"]);
    nodes.push(Node::branch(PARAMETERS, Content::Known(parameters(element, &locator))));
    nodes.push(Node::branch(RESOURCES, Content::Known(resources(element, &locator))));
    let quotas = part(element, QUOTAS).map(|quotas| {
        let place = vec![(QUOTAS.to_owned(), 0)];
        attributes(quotas, &locator, &place, &[])
    });
    nodes.push(Node::branch(QUOTAS, Content::Known(quotas.unwrap_or_default())));
    let removal = Removal::Resource(locator);
    let branch =
        Branch { keys: vec![format!("Name={name}")], content: Content::Known(nodes), removal };
    Node { name, kind: Kind::Branch(branch) }
}

/// Which plug-in.
pub(in crate::powershell) fn locator(name: &str) -> Locator {
    instance(config::PLUGIN, &[("Name", &name.to_owned())])
}

/// A part of a plug-in's XML by its name.
pub(in crate::powershell) fn part<'a>(element: &'a Element, name: &str) -> Option<&'a Element> {
    element.elements().find(|child| child.name.local() == name)
}

fn parts<'a>(
    element: &'a Element,
    name: &'static str,
) -> impl Iterator<Item = (usize, &'a Element)> {
    element.elements().filter(move |child| child.name.local() == name).enumerate()
}

fn attributes(element: &Element, locator: &Locator, place: &Place, keys: &[&str]) -> Vec<Node> {
    let leaf = |attribute: &wsman::xml::Attribute| {
        let name = attribute.name.local();
        let change = if keys.iter().any(|key| name.eq_ignore_ascii_case(key)) {
            Change::Never
        } else {
            Change::Attribute(locator.clone(), place.clone())
        };
        Node::leaf(name, attribute.value.as_str(), None, change)
    };
    element.attributes.iter().filter(|known| known.name.namespace().is_empty()).map(leaf).collect()
}

fn parameters(element: &Element, locator: &Locator) -> Vec<Node> {
    let Some(parameters) = part(element, PARAMETERS) else { return Vec::new() };
    let leaf = |(index, param): (usize, &Element)| {
        let place = vec![(PARAMETERS.to_owned(), 0), ("Param".to_owned(), index)];
        let value = attribute(param, "Value").unwrap_or_default();
        let change = Change::Attribute(locator.clone(), place);
        Node::leaf(attribute(param, "Name").unwrap_or_default(), value, None, change)
    };
    parts(parameters, "Param").map(leaf).collect()
}

fn resources(element: &Element, locator: &Locator) -> Vec<Node> {
    let Some(resources) = part(element, RESOURCES) else { return Vec::new() };
    let branch = |(index, resource): (usize, &Element)| {
        let place = vec![(RESOURCES.to_owned(), 0), ("Resource".to_owned(), index)];
        let uri = attribute(resource, "ResourceUri").unwrap_or_default();
        let mut nodes = attributes(resource, locator, &place, &["ResourceUri"]);
        let capabilities: Vec<&str> =
            parts(resource, "Capability").filter_map(|(_, one)| attribute(one, "Type")).collect();
        nodes.push(Node::leaf("Capability", capabilities.join(", "), None, Change::Never));
        let securities = parts(resource, SECURITY).map(|(index, security)| {
            let mut place = place.clone();
            place.push((SECURITY.to_owned(), index));
            self::security(security, locator, place)
        });
        nodes.push(Node::branch(SECURITY, Content::Known(securities.collect())));
        Node {
            name: format!("Resource_{}", hash::number(uri)),
            kind: Kind::Branch(Branch {
                keys: vec![format!("Uri={uri}")],
                content: Content::Known(nodes),
                removal: Removal::Part(locator.clone(), place),
            }),
        }
    };
    parts(resources, "Resource").map(branch).collect()
}

fn security(security: &Element, locator: &Locator, place: Place) -> Node {
    let uri = attribute(security, "Uri").unwrap_or_default();
    let content = Content::Known(attributes(security, locator, &place, &["Uri"]));
    let removal = Removal::Part(locator.clone(), place);
    let branch = Branch { keys: vec![format!("Uri={uri}")], content, removal };
    Node { name: format!("Security_{}", hash::number(uri)), kind: Kind::Branch(branch) }
}

/// The element at a place.
///
/// # Errors
/// There is none any more.
pub(in crate::powershell) fn at<'a>(
    element: &'a mut Element,
    place: &[(String, usize)],
) -> Result<&'a mut Element, CommandError> {
    let Some(((name, index), rest)) = place.split_first() else { return Ok(element) };
    let child = element
        .children
        .iter_mut()
        .filter_map(|node| match node {
            Xml::Element(child) if child.name.local() == name => Some(child),
            Xml::Element(_) | Xml::Text(_) => None,
        })
        .nth(*index)
        .ok_or_else(|| CommandError::failed(format!("the plug-in has no such {name} any more")))?;
    at(child, rest)
}

/// Removes the element at a place.
///
/// # Errors
/// There is none any more.
pub(in crate::powershell) fn remove(
    element: &mut Element,
    place: &[(String, usize)],
) -> Result<(), CommandError> {
    let Some(((name, index), before)) = place.split_last() else { return Ok(()) };
    let parent = at(element, before)?;
    let is_one = |node: &Xml| matches!(node, Xml::Element(child) if child.name.local() == name);
    let found = parent.children.iter().enumerate().filter(|(_, node)| is_one(node)).nth(*index);
    let index = found.map(|(index, _)| index);
    let missing = || CommandError::failed(format!("the plug-in has no such {name} any more"));
    parent.children.remove(index.ok_or_else(missing)?);
    Ok(())
}

/// An element of a plug-in.
pub(in crate::powershell) fn element(name: &str) -> Element {
    Element::named(Name::from_parts(config::PLUGIN_CONFIGURATION, name))
}

/// The container of this name, made behind the others where there is none.
pub(in crate::powershell) fn container<'a>(
    plugin: &'a mut Element,
    name: &str,
) -> Result<&'a mut Element, CommandError> {
    if part(plugin, name).is_none() {
        let namespace = plugin.name.namespace().to_owned();
        // Resources, InitializationParameters, Quotas: the order of the schema.
        let later: &[&str] = match name {
            RESOURCES => &[PARAMETERS, QUOTAS],
            PARAMETERS => &[QUOTAS],
            _ => &[],
        };
        let is_later =
            |node: &Xml| matches!(node, Xml::Element(child) if later.contains(&child.name.local()));
        let index = plugin.children.iter().position(is_later).unwrap_or(plugin.children.len());
        let made = Element::named(Name::from_parts(&namespace, name));
        plugin.children.insert(index, Xml::Element(made));
    }
    at(plugin, &[(name.to_owned(), 0)])
}

/// A resource of a plug-in.
pub(in crate::powershell) fn resource(
    namespace: &str,
    uri: &str,
    capabilities: &[String],
) -> Element {
    let named = |name: &str| Element::named(Name::from_parts(namespace, name));
    let mut resource = named("Resource");
    set_attribute(&mut resource, "ResourceUri", uri);
    for capability in capabilities {
        let mut element = named("Capability");
        set_attribute(&mut element, "Type", capability);
        resource.push(element);
    }
    resource
}

/// Says who may use a resource of a plug-in, beside what it says already.
pub(in crate::powershell) fn add_security(resource: &mut Element, sddl: &str) {
    let uri = attribute(resource, "ResourceUri").unwrap_or_default().to_owned();
    let namespace = resource.name.namespace().to_owned();
    let mut security = Element::named(Name::from_parts(&namespace, SECURITY));
    set_attribute(&mut security, "Uri", &uri);
    set_attribute(&mut security, "Sddl", sddl);
    // Securities stand in front of capabilities.
    let is_other =
        |node: &Xml| !matches!(node, Xml::Element(child) if child.name.local() == SECURITY);
    let index = resource.children.iter().position(is_other).unwrap_or(resource.children.len());
    resource.children.insert(index, Xml::Element(security));
}

/// Gives an initialisation parameter a value, or adds it.
///
/// # Errors
/// None that a plug-in could cause.
pub(in crate::powershell) fn set_parameter(
    plugin: &mut Element,
    name: &str,
    value: &str,
) -> Result<(), CommandError> {
    let namespace = plugin.name.namespace().to_owned();
    let parameters = container(plugin, PARAMETERS)?;
    let known = parts(parameters, "Param")
        .find(|(_, param)| {
            attribute(param, "Name").is_some_and(|known| known.eq_ignore_ascii_case(name))
        })
        .map(|(index, _)| index);
    if let Some(index) = known {
        set_attribute(at(parameters, &[("Param".to_owned(), index)])?, "Value", value);
        return Ok(());
    }
    let mut param = Element::named(Name::from_parts(&namespace, "Param"));
    set_attribute(&mut param, "Name", name);
    set_attribute(&mut param, "Value", value);
    parameters.push(param);
    Ok(())
}

#[cfg(test)]
mod tests {
    use wsman::xml::{Limits, decode};

    use super::*;

    const XML: &str = "<PlugInConfiguration xmlns='http://schemas.microsoft.com/wbem/wsman/1/config/PluginConfiguration' \
        Name='microsoft.powershell' Filename='f.dll' Enabled='true'><InitializationParameters>\
        <Param Name='PSVersion' Value='5.1'/></InitializationParameters><Resources>\
        <Resource ResourceUri='http://schemas.microsoft.com/powershell/microsoft.powershell' ExactMatch='true'>\
        <Security Uri='http://schemas.microsoft.com/powershell/microsoft.powershell' Sddl='O:NS'/>\
        <Capability Type='Shell'/></Resource></Resources><Quotas MaxShells='25'/></PlugInConfiguration>";

    fn read() -> Element {
        decode(XML.as_bytes(), &Limits::default()).unwrap()
    }

    fn paths(node: &Node, before: &str, found: &mut Vec<String>) {
        let path = format!("{before}{}", node.name);
        match &node.kind {
            Kind::Leaf(leaf) => found.push(format!("{path}={}", leaf.value)),
            Kind::Branch(Branch { content: Content::Known(nodes), .. }) => {
                nodes.iter().for_each(|node| paths(node, &format!("{path}\\"), found));
            }
            Kind::Branch(_) => found.push(path),
        }
    }

    #[test]
    fn plug_in_is_taken_apart() {
        let mut found = Vec::new();
        paths(&node(&read()), "", &mut found);
        for expected in [
            r"microsoft.powershell\Enabled=true",
            r"microsoft.powershell\InitializationParameters\PSVersion=5.1",
            r"microsoft.powershell\Quotas\MaxShells=25",
        ] {
            assert!(found.iter().any(|path| path == expected), "{expected}: {found:?}");
        }
        let ends = |end: &str| found.iter().any(|path| path.ends_with(end));
        assert!(ends(r"\Capability=Shell") && ends(r"\Sddl=O:NS"), "{found:?}");
    }

    #[test]
    fn parts_are_found_changed_added_and_removed() {
        let mut plugin = read();
        let resource_place = [("Resources".to_owned(), 0), ("Resource".to_owned(), 0)];
        let mut place = resource_place.to_vec();
        place.push(("Security".to_owned(), 0));
        set_attribute(at(&mut plugin, &place).unwrap(), "Sddl", "O:BA");
        set_parameter(&mut plugin, "psversion", "7.4").unwrap();
        set_parameter(&mut plugin, "StartupScript", "/x.ps1").unwrap();
        assert_eq!(attribute(at(&mut plugin, &place).unwrap(), "Sddl"), Some("O:BA"));
        remove(&mut plugin, &place).unwrap();
        assert!(at(&mut plugin, &place).is_err() && remove(&mut plugin, &place).is_err());
        let parameters = part(&plugin, PARAMETERS).unwrap();
        let values: Vec<_> =
            parameters.elements().filter_map(|one| attribute(one, "Value")).collect();
        assert_eq!(values, ["7.4", "/x.ps1"]);
        let mut bare = element("PlugInConfiguration");
        container(&mut bare, QUOTAS).unwrap();
        container(&mut bare, RESOURCES).unwrap().push(resource(
            config::PLUGIN_CONFIGURATION,
            "urn:x",
            &["Shell".to_owned()],
        ));
        container(&mut bare, PARAMETERS).unwrap();
        let names: Vec<_> = bare.elements().map(|child| child.name.local()).collect();
        assert_eq!(names, ["Resources", "InitializationParameters", "Quotas"]);
    }
}
