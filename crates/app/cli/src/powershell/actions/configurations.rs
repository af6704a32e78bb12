//! The cmdlets about session configurations: plug-ins of the service whose resource is one of PowerShell's.

use auth::sddl::{AccessMask, Ace, AceKind, SecurityDescriptor, Sid};
use wsman::ns::config;
use wsman::xml::Element;

use super::super::binder::Bound;
use super::super::context::Context;
use super::super::sessions::wildcard;
use super::super::show::Sink;
use super::super::value::{CONFIGURATION, Object, Value};
use super::super::wsman::plugin::{self, QUOTAS, RESOURCES, SECURITY};
use super::super::wsman::{drive, xml};
use super::sessions::each;
use super::{confirm, items, new_item};
use crate::command_error::CommandError;

/// What the resources of session configurations begin with.
const RESOURCE: &str = "http://schemas.microsoft.com/powershell/";
/// What is enabled and disabled where no name is given.
const DEFAULT: &str = "microsoft.powershell";
/// What a configuration lets in at first: administrators and remote management users.
const SECURE: &str = "O:NSG:BAD:P(A;;GA;;;BA)(A;;GA;;;RM)S:P(AU;FA;GA;;;WD)(AU;SA;GXGW;;;WD)";
/// Windows's file behind a session configuration, which clients look for.
const FILE: &str = "%windir%\\system32\\pwrshplugin.dll";

/// A session configuration.
struct Configuration {
    name: String,
    element: Element,
}

/// The session configurations of this computer.
fn all(context: &mut Context) -> Result<Vec<Configuration>, CommandError> {
    let client = context.hosts.local()?;
    let elements = context.waiter.wait(drive::listed(&client, config::PLUGIN))?;
    let configurations = elements.into_iter().filter_map(|element| {
        resource(&element)?;
        Some(Configuration { name: xml::attribute(&element, "Name")?.to_owned(), element })
    });
    Ok(configurations.collect())
}

/// A plug-in's resource, where it is one of PowerShell's.
fn resource(element: &Element) -> Option<&Element> {
    let resources = plugin::part(element, RESOURCES)?;
    resources.elements().find(|resource| {
        let uri = xml::attribute(resource, "ResourceUri").unwrap_or_default();
        uri.get(..RESOURCE.len()).is_some_and(|head| head.eq_ignore_ascii_case(RESOURCE))
    })
}

/// Those that a cmdlet names, with wildcards; a name that means none is told.
fn named(
    bound: &Bound,
    context: &mut Context,
    default: Option<&str>,
) -> Result<Vec<Configuration>, CommandError> {
    let mut known = all(context)?;
    let names = match bound.value("Name").map(each) {
        Some(names) => names.into_iter().map(Value::text).collect(),
        None => default.map(str::to_owned).into_iter().collect::<Vec<_>>(),
    };
    if names.is_empty() {
        return Ok(known);
    }
    let mut found = Vec::new();
    for pattern in names {
        let fits = |one: &Configuration| {
            one.name.eq_ignore_ascii_case(&pattern) || wildcard::fits(&pattern, &one.name)
        };
        let (meant, others) = known.into_iter().partition::<Vec<_>, _>(fits);
        known = others;
        if meant.is_empty() && !wildcard::is_pattern(&pattern) {
            context.report(bound, missing(&pattern))?;
        }
        found.extend(meant);
    }
    Ok(found)
}

fn missing(name: &str) -> CommandError {
    CommandError::failed(format!("No session configuration matches criteria \"{name}\"."))
        .hint("Get-PSSessionConfiguration shows those that there are")
}

/// `Get-PSSessionConfiguration`.
///
/// # Errors
/// The service says no.
pub(super) fn get(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
) -> Result<(), CommandError> {
    let mut found = named(bound, context, None)?;
    found.sort_by_key(|one| one.name.to_lowercase());
    found.iter().try_for_each(|one| sink.put(object(one)))
}

/// A configuration as PowerShell has it: what is shown first, then what else the plug-in has.
fn object(one: &Configuration) -> Value {
    let text = |text: &str| Value::Text(text.to_owned());
    let parameter = |name: &str| {
        let parameters = plugin::part(&one.element, plugin::PARAMETERS)?;
        let mut parameters = parameters.elements();
        let named = parameters.find(|param| {
            xml::attribute(param, "Name").is_some_and(|known| known.eq_ignore_ascii_case(name))
        })?;
        xml::attribute(named, "Value").map(text)
    };
    let attribute = |name: &str| xml::attribute(&one.element, name).map_or(Value::Null, text);
    let descriptor = descriptor(&one.element);
    let permission =
        descriptor.as_deref().map_or(Value::Null, |sddl| Value::Text(permission(sddl)));
    let mut properties = vec![
        ("Name".to_owned(), text(&one.name)),
        ("PSVersion".to_owned(), parameter("PSVersion").unwrap_or(Value::Null)),
        ("StartupScript".to_owned(), parameter("StartupScript").unwrap_or(Value::Null)),
        ("RunAsUser".to_owned(), attribute("RunAsUser")),
        ("Permission".to_owned(), permission),
        ("Enabled".to_owned(), attribute("Enabled")),
        ("SecurityDescriptorSddl".to_owned(), descriptor.map_or(Value::Null, Value::Text)),
    ];
    let uri = resource(&one.element).and_then(|resource| xml::attribute(resource, "ResourceUri"));
    properties.push(("ResourceUri".to_owned(), uri.map_or(Value::Null, text)));
    let quotas = plugin::part(&one.element, QUOTAS).map(|quotas| quotas.attributes.as_slice());
    let more = one.element.attributes.iter().chain(quotas.unwrap_or_default());
    for attribute in more.filter(|known| known.name.namespace().is_empty()) {
        let name = attribute.name.local();
        let is_known = properties.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        if !is_known && !name.eq_ignore_ascii_case("RunAsPassword") {
            properties.push((name.to_owned(), text(&attribute.value)));
        }
    }
    Value::Object(Object { type_name: CONFIGURATION.to_owned(), properties })
}

/// Who may use a configuration, as the plug-in has it.
fn descriptor(element: &Element) -> Option<String> {
    let security = plugin::part(resource(element)?, SECURITY)?;
    xml::attribute(security, "Sddl").map(str::to_owned)
}

/// Whom a descriptor lets in and keeps out, in its order.
fn permission(sddl: &str) -> String {
    let Ok(descriptor) = sddl.parse::<SecurityDescriptor>() else { return String::new() };
    let entries = descriptor.dacl.map(|dacl| dacl.entries).unwrap_or_default();
    let entries = entries.iter().map(|ace| {
        let is_denied = matches!(ace.kind, AceKind::Deny | AceKind::DenyObject);
        let verb = if is_denied { "AccessDenied" } else { "AccessAllowed" };
        format!("{} {verb}", who(&ace.sid))
    });
    entries.collect::<Vec<_>>().join(", ")
}

/// The name of somebody, with Windows's authority in front where it has one.
fn who(sid: &Sid) -> String {
    let full = sid.in_full();
    let Some(name) = sid.well_known_name() else { return full };
    if full.starts_with("S-1-5-32-") {
        format!("BUILTIN\\{name}")
    } else if full.starts_with("S-1-5-") {
        format!("NT AUTHORITY\\{name}")
    } else {
        name.to_owned()
    }
}

/// `Register-PSSessionConfiguration`.
///
/// # Errors
/// There is one of this name, or the service says no.
pub(super) fn register(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
) -> Result<(), CommandError> {
    let name = bound.text("Name").unwrap_or_default().to_owned();
    if all(context)?.iter().any(|one| one.name.eq_ignore_ascii_case(&name)) {
        return Err(CommandError::failed(format!(
            "Session configuration \"{name}\" already exists."
        )));
    }
    let target = format!("Name: {name}");
    let question = "Those whom its security descriptor lets in can run commands here.";
    if !confirm::is_to_do(bound, context, "Register-PSSessionConfiguration", &target)?
        || !confirm::goes_on(bound, context, "Register-PSSessionConfiguration", question)?
    {
        return Ok(());
    }
    let mut element = plugin::element("PlugInConfiguration");
    for (attribute, value) in [
        ("Name", name.as_str()),
        ("Filename", FILE),
        ("SDKVersion", "2"),
        ("XmlRenderingType", "text"),
    ] {
        xml::set_attribute(&mut element, attribute, value);
    }
    let uri = format!("{RESOURCE}{name}");
    let mut resource = plugin::resource(config::PLUGIN_CONFIGURATION, &uri, &["Shell".to_owned()]);
    xml::set_attribute(&mut resource, "SupportsOptions", "true");
    xml::set_attribute(&mut resource, "ExactMatch", "true");
    plugin::add_security(&mut resource, SECURE);
    plugin::container(&mut element, RESOURCES)?.push(resource);
    let account = run_as(bound, context)?;
    change(bound, account.as_ref(), &mut element)?;
    let client = context.hosts.local()?;
    let locator = plugin::locator(&name);
    context.waiter.wait(async {
        client.create(&locator, element).await?;
        Ok(())
    })?;
    let made = all(context)?.into_iter().find(|one| one.name.eq_ignore_ascii_case(&name));
    made.map_or(Ok(()), |made| sink.put(object(&made)))
}

/// `Set-PSSessionConfiguration`.
///
/// # Errors
/// There is none of this name, or the service says no.
pub(super) fn set(bound: &Bound, context: &mut Context) -> Result<(), CommandError> {
    let name = bound.text("Name").unwrap_or_default();
    let known = all(context)?.into_iter().find(|one| one.name.eq_ignore_ascii_case(name));
    let known = known.ok_or_else(|| missing(name))?;
    let target = format!("Name: {}", known.name);
    let question = "This changes who may use the session configuration, or how.";
    if !confirm::is_to_do(bound, context, "Set-PSSessionConfiguration", &target)?
        || !confirm::goes_on(bound, context, "Set-PSSessionConfiguration", question)?
    {
        return Ok(());
    }
    let account = run_as(bound, context)?;
    put(context, &known.name, |element| change(bound, account.as_ref(), element))
}

fn put(
    context: &mut Context,
    name: &str,
    change: impl FnMut(&mut Element) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let client = context.hosts.local()?;
    items::put(context, &client, &plugin::locator(name), change)
}

/// The account that sessions shall run as, with its password.
fn run_as(bound: &Bound, context: &mut Context) -> Result<Option<Value>, CommandError> {
    let credential = bound.value("RunAsCredential").cloned();
    credential.map(|credential| new_item::asked(context, &credential)).transpose()
}

/// Puts what the parameters of a cmdlet say into a plug-in.
fn change(
    bound: &Bound,
    account: Option<&Value>,
    element: &mut Element,
) -> Result<(), CommandError> {
    if let Some(account) = account {
        items::run_as(element, account)?;
    }
    if bound.value("UseSharedProcess").is_some() {
        let is = bound.is_set("UseSharedProcess").to_string();
        xml::set_attribute(element, "UseSharedProcess", &is);
    }
    for (parameter, name) in [
        ("StartupScript", "StartupScript"),
        ("PSVersion", "PSVersion"),
        ("MaximumReceivedDataSizePerCommandMB", "PSMaximumReceivedDataSizePerCommandMB"),
        ("MaximumReceivedObjectSizeMB", "PSMaximumReceivedObjectSizeMB"),
    ] {
        if let Some(value) = bound.value(parameter) {
            plugin::set_parameter(element, name, &value.text())?;
        }
    }
    if let Some(sddl) = bound.text("SecurityDescriptorSddl") {
        secure(element, if sddl.is_empty() { SECURE } else { sddl })?;
    }
    match bound.text("AccessMode") {
        Some("Disabled") => xml::set_attribute(element, "Enabled", "false"),
        Some(mode) => {
            xml::set_attribute(element, "Enabled", "true");
            from_network(element, mode == "Remote")?;
        }
        None => {}
    }
    if let Some(Value::Object(options)) = bound.value("TransportOption") {
        transport(element, options)?;
    }
    Ok(())
}

/// The quotas of an object of `New-PSTransportOption`, under the names that plug-ins have for them.
fn transport(element: &mut Element, options: &Object) -> Result<(), CommandError> {
    const QUOTA: [(&str, &str, i64); 9] = [
        ("MaxIdleTimeoutSec", "MaxIdleTimeoutms", 1000),
        ("IdleTimeoutSec", "IdleTimeoutms", 1000),
        ("MaxSessions", "MaxShells", 1),
        ("MaxConcurrentCommandsPerSession", "MaxConcurrentCommandsPerShell", 1),
        ("MaxSessionsPerUser", "MaxShellsPerUser", 1),
        ("MaxMemoryPerSessionMB", "MaxMemoryPerShellMB", 1),
        ("MaxProcessesPerSession", "MaxProcessesPerShell", 1),
        ("MaxConcurrentUsers", "MaxConcurrentUsers", 1),
        ("ProcessIdleTimeoutSec", "ProcessIdleTimeoutSec", 1),
    ];
    for (name, value) in &options.properties {
        if matches!(value, Value::Null) {
            continue;
        }
        if name.eq_ignore_ascii_case("OutputBufferingMode") {
            xml::set_attribute(element, "OutputBufferingMode", &xml::text(name, value)?);
            continue;
        }
        let quota = QUOTA.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
        let wrong = || {
            CommandError::usage(format!("-TransportOption: {name} is no quota, or no number"))
                .hint("New-PSTransportOption -? shows what there is")
        };
        let (_, quota, factor) = quota.ok_or_else(wrong)?;
        let Value::Integer(number) = value else { return Err(wrong()) };
        let text = number.checked_mul(*factor).ok_or_else(wrong)?.to_string();
        if *quota == "ProcessIdleTimeoutSec" {
            xml::set_attribute(element, quota, &text);
        } else {
            xml::set_attribute(plugin::container(element, QUOTAS)?, quota, &text);
        }
    }
    Ok(())
}

/// Gives a configuration another descriptor.
fn secure(element: &mut Element, sddl: &str) -> Result<(), CommandError> {
    let wrong = |error: auth::sddl::SddlError| {
        CommandError::usage(format!("'{sddl}' is no security descriptor: {error}"))
    };
    let _read: SecurityDescriptor = sddl.parse().map_err(wrong)?;
    let resources = plugin::container(element, RESOURCES)?;
    let is_own = |resource: &&mut Element| {
        let uri = xml::attribute(resource, "ResourceUri").unwrap_or_default();
        uri.get(..RESOURCE.len()).is_some_and(|head| head.eq_ignore_ascii_case(RESOURCE))
    };
    let found = resources.children.iter_mut().filter_map(|node| match node {
        wsman::xml::Node::Element(child) => Some(child),
        wsman::xml::Node::Text(_) => None,
    });
    let Some(resource) = found.into_iter().find(is_own) else {
        return Err(CommandError::failed("the plug-in has no resource of PowerShell's"));
    };
    if plugin::part(resource, SECURITY).is_none() {
        plugin::add_security(resource, sddl);
        return Ok(());
    }
    let security = plugin::at(resource, &[(SECURITY.to_owned(), 0)])?;
    xml::set_attribute(security, "Sddl", sddl);
    Ok(())
}

/// Lets users of other computers in, or keeps them out: the entry that denies everything to `NETWORK`, which Windows puts first.
fn from_network(element: &mut Element, is_let_in: bool) -> Result<(), CommandError> {
    let sddl = descriptor(element).unwrap_or_else(|| SECURE.to_owned());
    let wrong = |error: auth::sddl::SddlError| {
        CommandError::failed(format!("'{sddl}' is no security descriptor: {error}"))
    };
    let mut descriptor: SecurityDescriptor = sddl.parse().map_err(wrong)?;
    let network = "NU".parse::<Sid>().map_err(wrong)?;
    let entries = &mut descriptor.dacl.get_or_insert_default().entries;
    entries.retain(|ace| ace.kind != AceKind::Deny || ace.sid != network);
    if !is_let_in {
        entries.insert(0, Ace { kind: AceKind::Deny, ..Ace::allow(network, AccessMask::ALL) });
    }
    secure(element, &descriptor.to_string())
}

/// `Unregister-PSSessionConfiguration`.
///
/// # Errors
/// The service says no.
pub(super) fn unregister(bound: &Bound, context: &mut Context) -> Result<(), CommandError> {
    for one in named(bound, context, None)? {
        let target = format!("Name: {}", one.name);
        let question = "Nobody can open a session in it afterwards.";
        let operation = "Unregister-PSSessionConfiguration";
        if !confirm::is_to_do(bound, context, operation, &target)?
            || !confirm::goes_on(bound, context, operation, question)?
        {
            continue;
        }
        let client = context.hosts.local()?;
        let locator = plugin::locator(&one.name);
        let removed = context.waiter.wait(async { Ok(client.delete(&locator).await?) });
        if let Err(error) = removed {
            context.report(bound, error)?;
        }
    }
    Ok(())
}

/// `Enable-PSSessionConfiguration` and `Disable-PSSessionConfiguration`.
///
/// # Errors
/// The service says no.
pub(super) fn switch(
    bound: &Bound,
    context: &mut Context,
    is_on: bool,
) -> Result<(), CommandError> {
    let operation = bound.cmdlet.name;
    let question = if is_on {
        "Users of other computers whom its security descriptor lets in can run commands here."
    } else {
        "Nobody can open a session in it afterwards."
    };
    for one in named(bound, context, Some(DEFAULT))? {
        let target = format!("Name: {}", one.name);
        if !confirm::is_to_do(bound, context, operation, &target)?
            || !confirm::goes_on(bound, context, operation, question)?
        {
            continue;
        }
        let sddl = bound.text("SecurityDescriptorSddl").map(str::to_owned);
        let changed = put(context, &one.name, |element| {
            xml::set_attribute(element, "Enabled", &is_on.to_string());
            match sddl.as_deref() {
                Some(sddl) => secure(element, if sddl.is_empty() { SECURE } else { sddl }),
                None if is_on => from_network(element, true),
                None => Ok(()),
            }
        });
        if let Err(error) = changed {
            context.report(bound, error)?;
        }
    }
    Ok(())
}

/// Enables every configuration, for users of other computers too.
///
/// # Errors
/// The service says no.
pub(super) fn enable_all(context: &mut Context) -> Result<(), CommandError> {
    for one in all(context)? {
        put(context, &one.name, |element| {
            xml::set_attribute(element, "Enabled", "true");
            from_network(element, true)
        })?;
    }
    Ok(())
}

/// Keeps users of other computers out of every configuration.
///
/// # Errors
/// The service says no.
pub(super) fn deny_network(context: &mut Context) -> Result<(), CommandError> {
    for one in all(context)? {
        put(context, &one.name, |element| from_network(element, false))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration() -> Element {
        let mut element = plugin::element("PlugInConfiguration");
        let uri = format!("{RESOURCE}x");
        let mut resource =
            plugin::resource(config::PLUGIN_CONFIGURATION, &uri, &["Shell".to_owned()]);
        plugin::add_security(&mut resource, SECURE);
        plugin::container(&mut element, RESOURCES).unwrap().push(resource);
        element
    }

    #[test]
    fn network_is_denied_once_and_let_in_again() {
        let mut element = configuration();
        from_network(&mut element, false).unwrap();
        from_network(&mut element, false).unwrap();
        let denied = descriptor(&element).unwrap();
        assert!(denied.contains("D:P(D;;GA;;;NU)(A;;GA;;;BA)"), "{denied}");
        assert!(permission(&denied).starts_with(
            "NT AUTHORITY\\NETWORK AccessDenied, BUILTIN\\Administrators AccessAllowed"
        ));
        from_network(&mut element, true).unwrap();
        assert_eq!(descriptor(&element).unwrap(), SECURE);
        assert!(secure(&mut element, "nonsense").is_err());
    }

    #[test]
    fn quotas_have_the_names_of_plug_ins_and_what_is_null_stays() {
        let mut element = configuration();
        let options: Value =
            serde_json::from_str(r#"{"MaxSessionsPerUser":3,"IdleTimeoutSec":60,"MaxSessions":null,"OutputBufferingMode":"Drop"}"#).unwrap();
        let Value::Object(options) = options else { panic!() };
        transport(&mut element, &options).unwrap();
        let quotas = plugin::part(&element, QUOTAS).unwrap();
        assert_eq!(xml::attribute(quotas, "MaxShellsPerUser"), Some("3"));
        assert_eq!(xml::attribute(quotas, "IdleTimeoutms"), Some("60000"));
        assert_eq!(xml::attribute(quotas, "MaxShells"), None);
        assert_eq!(xml::attribute(&element, "OutputBufferingMode"), Some("Drop"));
        let Value::Object(wrong) = serde_json::from_str::<Value>(r#"{"Foo":1}"#).unwrap() else {
            panic!()
        };
        assert!(transport(&mut element, &wrong).unwrap_err().error().contains("Foo"));
    }
}
