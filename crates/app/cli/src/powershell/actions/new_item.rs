//! `New-Item` on the drive `WSMan:`: listeners, mappings of client certificates, plug-ins and their parts.

use wsman::ns::config;
use wsman::transfer::Locator;
use wsman::xml::{Element, Limits, decode};

use super::super::binder::Bound;
use super::super::context::Context;
use super::super::sessions::target::{account, password};
use super::super::show::Sink;
use super::super::value::{Object, Value};
use super::super::wsman::drive::{self, Found};
use super::super::wsman::tree::Content;
use super::super::wsman::{object, plugin, tree, xml};
use super::sessions::each;
use super::{confirm, items};
use crate::command_error::CommandError;

/// A file with a plug-in is never larger.
const MAX_FILE: u64 = 1024 * 1024;

/// `New-Item`.
///
/// # Errors
/// A place where nothing can be made, parameters that do not fit it, or the host says no.
pub(super) fn run(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
) -> Result<(), CommandError> {
    let paths = bound.value("Path").map(each).unwrap_or_default();
    for path in paths.into_iter().map(Value::text).collect::<Vec<_>>() {
        let made = items::container(context, &path)
            .and_then(|(found, content)| make(bound, context, sink, &found, &content));
        if let Err(error) = made {
            context.report(bound, error)?;
        }
    }
    Ok(())
}

fn make(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
    found: &Found,
    content: &Content,
) -> Result<(), CommandError> {
    match content {
        Content::Listeners => listener(bound, context, sink, found),
        Content::ClientCertificates => client_certificate(bound, context, sink, found),
        Content::Plugins => plug_in(bound, context, sink, found),
        Content::Known(_) => part(bound, context, sink, found),
        Content::Computer | Content::Section(_) => {
            Err(CommandError::usage(format!("New-Item cannot be used at {}", found.path())))
        }
    }
}

/// Refuses parameters that make something else, and asks for those that are needed.
fn check(bound: &Bound, needed: &[&str], more: &[&str]) -> Result<(), CommandError> {
    const ALWAYS: [&str; 6] = ["Path", "Force", "WhatIf", "Confirm", "ErrorAction", "Verbose"];
    let fits = |name: &str| [needed, more, &ALWAYS].iter().any(|names| names.contains(&name));
    if let Some((other, _)) = bound.values().iter().find(|(parameter, _)| !fits(parameter.name)) {
        return Err(CommandError::usage(format!(
            "A parameter cannot be found that matches parameter name '{}'.",
            other.name
        ))
        .hint(format!("here there are {}", [needed, more].concat().join(", "))));
    }
    let missing: Vec<&str> =
        needed.iter().filter(|name| bound.value(name).is_none()).copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(CommandError::usage(format!(
        "Cannot process command because of one or more missing mandatory parameters: {}.",
        missing.join(" ")
    )))
}

/// What a resource is made of: parameters under the names that its elements have.
fn values(bound: &Bound, names: &[(&str, &str)]) -> Value {
    let given = names.iter().filter_map(|(parameter, element)| {
        Some(((*element).to_owned(), bound.value(parameter)?.clone()))
    });
    Value::hashtable(given.collect())
}

fn listener(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
    found: &Found,
) -> Result<(), CommandError> {
    const MORE: [&str; 5] = ["Port", "HostName", "Enabled", "URLPrefix", "CertificateThumbPrint"];
    check(bound, &["Address", "Transport"], &MORE)?;
    let values = values(
        bound,
        &[
            ("Port", "Port"),
            ("HostName", "Hostname"),
            ("Enabled", "Enabled"),
            ("URLPrefix", "URLPrefix"),
            ("CertificateThumbPrint", "CertificateThumbprint"),
        ],
    );
    let element = xml::made(config::LISTENER, "Listener", Some(&values))?;
    let text = |name: &str| bound.text(name).unwrap_or_default().to_owned();
    let (address, transport) = (text("Address"), text("Transport"));
    let locator =
        tree::instance(config::LISTENER, &[("Address", &address), ("Transport", &transport)]);
    let question = "This makes a listener: hosts that reach it can ask the service.";
    create(bound, context, sink, found, &locator, element, question)
}

fn client_certificate(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
    found: &Found,
) -> Result<(), CommandError> {
    check(bound, &["Issuer", "Subject", "URI", "Credential"], &["Enabled"])?;
    let text = |name: &str| bound.text(name).unwrap_or_default().to_owned();
    let (issuer, subject, uri) = (text("Issuer"), text("Subject"), text("URI"));
    let credential = bound.value("Credential").cloned().unwrap_or(Value::Null);
    let (user, known) = account(&credential);
    let secret = match known {
        Some(secret) => secret,
        None => password(&user, "the mapping", &mut context.waiter)?,
    };
    let enabled = bound.value("Enabled").cloned().unwrap_or(Value::Bool(true));
    let entries = vec![
        ("UserName".to_owned(), Value::Text(user)),
        ("Enabled".to_owned(), enabled),
        ("Password".to_owned(), Value::Secret(secret)),
    ];
    let element = xml::made(config::CERT_MAPPING, "CertMapping", Some(&Value::hashtable(entries)))?;
    let keys = [("Issuer", &issuer), ("Subject", &subject), ("URI", &uri)];
    let locator = tree::instance(config::CERT_MAPPING, &keys);
    let question = "This lets whoever has such a certificate log in to the account.";
    create(bound, context, sink, found, &locator, element, question)
}

/// Makes an instance, and shows the item that it is.
fn create(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
    found: &Found,
    locator: &Locator,
    element: Element,
    question: &str,
) -> Result<(), CommandError> {
    let path = found.path();
    if !confirm::is_to_do(bound, context, "New-Item", &path.to_string())?
        || !confirm::goes_on(bound, context, "New-Item", question)?
    {
        return Ok(());
    }
    let client = context.hosts.client(found.computer())?;
    context.waiter.wait(async {
        client.create(locator, element).await?;
        Ok(())
    })?;
    // What it was made with, as the host has it.
    let keys: Vec<String> = locator
        .selectors
        .selectors
        .iter()
        .filter_map(|one| Some(format!("{}={}", one.name, locator.selectors.text(&one.name)?)))
        .collect();
    show(context, sink, found, |node_keys| {
        keys.iter().all(|key| node_keys.iter().any(|known| known.eq_ignore_ascii_case(key)))
    })
}

/// Shows the items of a container that were meant.
fn show(
    context: &mut Context,
    sink: &mut Sink<'_>,
    found: &Found,
    is_meant: impl Fn(&[String]) -> bool,
) -> Result<(), CommandError> {
    let path = found.path();
    for node in drive::inside(context, found)? {
        let is_one = match &node.kind {
            tree::Kind::Branch(branch) => is_meant(&branch.keys),
            tree::Kind::Leaf(_) => false,
        };
        if is_one {
            sink.put(object::item(&path, &node))?;
        }
    }
    Ok(())
}

fn plug_in(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
    found: &Found,
) -> Result<(), CommandError> {
    let element = if let Some(file) = bound.text("File") {
        check(bound, &["File", "Plugin"], &["RunAsCredential"])?;
        let element = read(file)?;
        let name = xml::attribute(&element, "Name").unwrap_or_default();
        if !name.eq_ignore_ascii_case(bound.text("Plugin").unwrap_or_default()) {
            return Err(CommandError::usage(format!("{file} is the plug-in '{name}'")));
        }
        element
    } else {
        const MORE: [&str; 5] = [
            "XMLRenderingType",
            "UseSharedProcess",
            "AutoRestart",
            "ProcessIdleTimeoutSec",
            "RunAsCredential",
        ];
        check(bound, &["Plugin", "FileName", "SDKVersion", "Resource", "Capability"], &MORE)?;
        described(bound)?
    };
    let mut element = element;
    if let Some(credential) = bound.value("RunAsCredential") {
        items::run_as(&mut element, &asked(context, credential)?)?;
    }
    let name = bound.text("Plugin").unwrap_or_default();
    let locator = plugin::locator(name);
    let question = "This makes a plug-in that the service runs.";
    create(bound, context, sink, found, &locator, element, question)
}

/// An account with its password, which is asked for where it is not known.
pub(super) fn asked(context: &mut Context, credential: &Value) -> Result<Value, CommandError> {
    let (user, known) = account(credential);
    let secret = match known {
        Some(secret) => secret,
        None => password(&user, "the service", &mut context.waiter)?,
    };
    let properties = vec![
        ("UserName".to_owned(), Value::Text(user)),
        ("Password".to_owned(), Value::Secret(secret)),
    ];
    let type_name = super::super::value::CREDENTIAL.to_owned();
    Ok(Value::Object(Object { type_name, properties }))
}

fn described(bound: &Bound) -> Result<Element, CommandError> {
    let mut element = plugin::element("PlugInConfiguration");
    for (parameter, attribute) in [
        ("Plugin", "Name"),
        ("FileName", "Filename"),
        ("SDKVersion", "SDKVersion"),
        ("XMLRenderingType", "XmlRenderingType"),
        ("UseSharedProcess", "UseSharedProcess"),
        ("AutoRestart", "AutoRestart"),
        ("ProcessIdleTimeoutSec", "ProcessIdleTimeoutSec"),
    ] {
        if let Some(value) = bound.value(parameter) {
            xml::set_attribute(&mut element, attribute, &xml::text(parameter, value)?);
        }
    }
    if bound.value("XMLRenderingType").is_none() {
        xml::set_attribute(&mut element, "XmlRenderingType", "text");
    }
    let resource = resource(bound);
    plugin::container(&mut element, plugin::RESOURCES)?.push(resource);
    Ok(element)
}

fn resource(bound: &Bound) -> Element {
    let capabilities = bound.value("Capability").map(each).unwrap_or_default();
    let capabilities: Vec<String> = capabilities.into_iter().map(Value::text).collect();
    let uri = bound.text("Resource").unwrap_or_default();
    plugin::resource(config::PLUGIN_CONFIGURATION, uri, &capabilities)
}

/// The XML of a file.
///
/// # Errors
/// It cannot be read, or is no XML.
pub(super) fn read(file: &str) -> Result<Element, CommandError> {
    use std::io::Read as _;
    let wrong =
        |error: &dyn std::error::Error| CommandError::caused(format!("reading {file}"), error);
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(|error| wrong(&error))?;
    opened.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| wrong(&error))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(CommandError::usage(format!(
            "{file} is larger than {} MiB",
            MAX_FILE / 1024 / 1024
        )));
    }
    decode(&bytes, &Limits::default()).map_err(|error| wrong(&error))
}

/// What changes the XML of a plug-in.
type Editing<'a> = Box<dyn FnMut(&mut Element) -> Result<(), CommandError> + 'a>;

/// A part of a plug-in, where the path is one of its containers.
fn part(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
    found: &Found,
) -> Result<(), CommandError> {
    let path = found.path();
    let cannot = || CommandError::usage(format!("New-Item cannot be used at {path}"));
    let parts: Vec<&str> = path.parts().iter().map(String::as_str).collect();
    let [_, branch, name, rest @ ..] = parts.as_slice() else { return Err(cannot()) };
    if !branch.eq_ignore_ascii_case("Plugin") {
        return Err(cannot());
    }
    let is = |part: &str, known: &str| part.eq_ignore_ascii_case(known);
    let locator = plugin::locator(name);
    let change: Editing<'_> = match rest {
        [last] if is(last, plugin::PARAMETERS) => {
            check(bound, &["ParamName", "ParamValue"], &[])?;
            Box::new(|plugin| {
                let text = |name: &str| bound.text(name).unwrap_or_default();
                plugin::set_parameter(plugin, text("ParamName"), text("ParamValue"))
            })
        }
        [last] if is(last, plugin::RESOURCES) => {
            check(bound, &["Resource", "Capability"], &[])?;
            Box::new(|plugin| {
                plugin::container(plugin, plugin::RESOURCES)?.push(resource(bound));
                Ok(())
            })
        }
        [first, resource, last] if is(first, plugin::RESOURCES) && is(last, plugin::SECURITY) => {
            check(bound, &["Sddl"], &[])?;
            let place = place_of(context, &found.parent.to_string(), resource)?;
            Box::new(move |plugin| {
                let resource = plugin::at(plugin, &place)?;
                plugin::add_security(resource, bound.text("Sddl").unwrap_or_default());
                Ok(())
            })
        }
        _ => return Err(cannot()),
    };
    if !confirm::is_to_do(bound, context, "New-Item", &path.to_string())? {
        return Ok(());
    }
    if bound.value("Sddl").is_some()
        && !confirm::goes_on(
            bound,
            context,
            "Security Configuration for WinRM Plug-in.",
            "This changes who may use a resource of a plug-in.",
        )?
    {
        return Ok(());
    }
    let client = context.hosts.client(found.computer())?;
    items::put(context, &client, &locator, change)?;
    let found = drive::find(context, &path.to_string(), true)?.pop().ok_or_else(cannot)?;
    let made = drive::inside(context, &found)?.pop();
    made.map_or(Ok(()), |node| sink.put(object::item(&path, &node)))
}

/// Where a resource is in its plug-in.
fn place_of(context: &mut Context, path: &str, name: &str) -> Result<tree::Place, CommandError> {
    let missing = || super::super::wsman::path::missing(&format!("{path}\\{name}"));
    let found = drive::find(context, path, true)?.pop().ok_or_else(missing)?;
    match found.node.kind {
        tree::Kind::Branch(tree::Branch { removal: tree::Removal::Part(_, place), .. }) => {
            Ok(place)
        }
        tree::Kind::Branch(_) | tree::Kind::Leaf(_) => Err(missing()),
    }
}
