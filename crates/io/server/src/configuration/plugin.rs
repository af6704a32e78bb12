//! `winrm/config/plugin`: the plug-ins as resources, one for each name, [MS-WSMV] 2.2.4.26 and 2.2.5.2.
//!
//! Whether a plug-in is open, who may do what with it, and its quotas can be changed; other session configurations of PowerShell can
//! be made and removed. Whatever else the element says is how this service is, and cannot be changed: session configurations
//! that would run something of their own, or as somebody else, would let who may change the configuration act for others.

use std::sync::Arc;

use toml::{Table, Value};
use wsman::config::Origin;
use wsman::config::plugin::{PlugIn, PlugInResource, PlugInSecurity};
use wsman::enumeration::Filter;
use wsman::enumeration::server::Source;
use wsman::fault::{ErrorCode, Fault};
use wsman::ns::config as uri;
use wsman::xml::{Element, Name};
use wsman::{EndpointReference, SelectorSet};

use super::{Configuration, Current, Edit};
use crate::BoxFuture;
use crate::resource::{ResourceOperation, ResourceProvider, ResourceReply, ResourceRequest};
use crate::settings::plugins::{COMMAND, POWERSHELL, QUOTAS, UNLIMITED, is_name};
use crate::settings::{Plugin, Sddl};

/// The selector.
const NAME: &str = "Name";
/// The method that takes all changes back.
const RESTORE: &str = "Restore";
/// The table of the settings.
const TABLE: &str = "Plugin";
/// What Windows's plug-ins are in; cmdlets tell session configurations by it.
const POWERSHELL_FILE: &str = r"%windir%\system32\pwrshplugin.dll";
const COMMAND_FILE: &str = r"%windir%\system32\winrscmd.dll";

/// The plug-ins.
#[derive(Debug)]
pub(crate) struct PluginResource {
    configuration: Arc<Configuration>,
}

/// What a representation asks for.
struct Wanted {
    enabled: bool,
    /// `None` where the default shall decide.
    sddl: Option<Sddl>,
    quotas: Vec<(&'static str, u32)>,
}

impl PluginResource {
    pub(crate) const fn new(configuration: Arc<Configuration>) -> Self {
        Self { configuration }
    }

    async fn answer(&self, request: ResourceRequest<'_>) -> Result<ResourceReply, Box<Fault>> {
        let selectors = request.selectors;
        match request.operation {
            ResourceOperation::Enumerate(filter) => self.list(filter.as_ref(), request.to),
            ResourceOperation::Invoke { method, .. } if method.eq_ignore_ascii_case(RESTORE) => {
                let restore = |edit: &mut Edit| {
                    edit.state.remove(TABLE);
                    Ok(())
                };
                self.configuration.change(restore).await?;
                let name = format!("{RESTORE}_OUTPUT");
                let output = Element::named(Name::from_parts(uri::PLUGIN, &name));
                Ok(ResourceReply::Element(output))
            }
            ResourceOperation::Invoke { .. } => Err(unsupported()),
            ResourceOperation::Get => {
                let current = self.configuration.current();
                let plugin = find(&current, name_of(selectors)?)?;
                Ok(ResourceReply::Element(show(&current, plugin)))
            }
            ResourceOperation::Put(element) => {
                let (name, wanted) = (name_of(selectors)?.to_owned(), read(&element)?);
                let of = name.clone();
                let edit = move |edit: &mut Edit| put(edit, &of, &wanted);
                let current = self.configuration.change(edit).await?;
                Ok(ResourceReply::Element(show(&current, find(&current, &name)?)))
            }
            ResourceOperation::Create(element) => {
                let (name, wanted) = (name_of(selectors)?.to_owned(), read(&element)?);
                let of = name.clone();
                let edit = move |edit: &mut Edit| create(edit, &of, &wanted);
                self.configuration.change(edit).await?;
                Ok(ResourceReply::Created(reference(&name, request.to)))
            }
            ResourceOperation::Delete => {
                let name = name_of(selectors)?.to_owned();
                self.configuration.change(move |edit| delete(edit, &name)).await?;
                Ok(ResourceReply::Nothing)
            }
        }
    }

    fn list(&self, filter: Option<&Filter>, to: &str) -> Result<ResourceReply, Box<Fault>> {
        let wanted = match filter {
            None => None,
            Some(filter) => Some(filter.as_selectors().ok_or_else(|| {
                let text =
                    "The filter is none by selectors, which is the only kind that plug-ins have. ";
                Box::new(Fault::new(ErrorCode::FILTER_DIALECT_UNAVAILABLE, text))
            })?),
        };
        let current = self.configuration.current();
        let items = current.settings.plugins.iter().filter(|plugin| {
            let keys = SelectorSet::default().with(NAME, &*plugin.name);
            wanted.as_ref().is_none_or(|selectors| selectors.selects(&keys))
        });
        let items = items.map(|plugin| (show(&current, plugin), reference(&plugin.name, to)));
        Ok(ResourceReply::Items(Source::references(items.collect::<Vec<_>>())))
    }
}

impl ResourceProvider for PluginResource {
    fn serves(&self, resource_uri: &str) -> bool {
        resource_uri.eq_ignore_ascii_case(uri::PLUGIN)
    }

    fn refuses_what_undoes(&self) -> bool {
        true
    }

    fn handle<'a>(
        &'a self,
        request: ResourceRequest<'a>,
    ) -> BoxFuture<'a, Result<ResourceReply, Box<Fault>>> {
        Box::pin(self.answer(request))
    }
}

/// The one selector of a plug-in.
fn name_of(selectors: &SelectorSet) -> Result<&str, Box<Fault>> {
    let strange = selectors.selectors.iter().find(|one| !one.name.eq_ignore_ascii_case(NAME));
    if let Some(strange) = strange {
        let text = format!("Plug-ins have the selector Name, and not {}. ", strange.name);
        return Err(fault(ErrorCode::UNEXPECTED_SELECTORS, text));
    }
    selectors.text(NAME).ok_or_else(|| {
        fault(ErrorCode::INSUFFICIENT_SELECTORS, "A plug-in is named by the selector Name. ")
    })
}

fn find<'a>(current: &'a Current, name: &str) -> Result<&'a Plugin, Box<Fault>> {
    current.settings.plugins.find(name).ok_or_else(|| no_plugin(name))
}

fn no_plugin(name: &str) -> Box<Fault> {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
    let text = format!("There is no plug-in with the name {shown}. ");
    fault(ErrorCode::RESOURCE_NOT_FOUND, text)
}

fn reference(name: &str, to: &str) -> EndpointReference {
    EndpointReference::resource(to, uri::PLUGIN, SelectorSet::default().with(NAME, name))
}

/// The plug-in as its element.
fn show(current: &Current, plugin: &Plugin) -> Element {
    let is_policy = current.layers.policy_plugin(&plugin.name).is_some();
    let element = representation(current, plugin).to_element();
    match is_policy {
        true => element.with_attribute(Origin::ATTRIBUTE, Origin::Policy.as_str()),
        false => element,
    }
}

fn representation(current: &Current, plugin: &Plugin) -> PlugIn {
    let is_sessions = plugin.is_session_configuration();
    let attribute = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let own = plugin.resource_uri();
    let security = plugin.descriptor().map(|sddl| PlugInSecurity {
        uri: own.clone(),
        sddl: sddl.to_string(),
        exact_match: true,
    });
    let quota = |(name, value): (&str, u32)| (name.to_owned(), value.to_string());
    let winrs = &current.settings.winrs;
    let idle = plugin.quotas.idle(winrs.idle()).as_millis().try_into().unwrap_or(UNLIMITED);
    let quotas = QUOTAS.iter().map(|name| (*name, plugin.quotas.get(name).unwrap_or(idle)));
    let quotas = quotas.chain([
        ("MaxProcessesPerShell", UNLIMITED),
        ("MaxMemoryPerShellMB", winrs.max_memory_per_shell_mb),
    ]);
    PlugIn {
        attributes: vec![
            attribute("Name", &plugin.name),
            attribute("Filename", if is_sessions { POWERSHELL_FILE } else { COMMAND_FILE }),
            attribute("SDKVersion", if is_sessions { "2" } else { "1" }),
            attribute("XmlRenderingType", "text"),
            attribute("Enabled", if plugin.enabled { "true" } else { "false" }),
            attribute("Architecture", "64"),
            attribute("UseSharedProcess", "false"),
            attribute("ProcessIdleTimeoutSec", "0"),
            attribute("RunAsUser", ""),
            attribute("RunAsPassword", ""),
            attribute("AutoRestart", "false"),
            attribute("OutputBufferingMode", "Block"),
        ],
        resources: vec![PlugInResource {
            uri: own,
            supports_options: true,
            exact_match: true,
            security: security.into_iter().collect(),
            capabilities: vec!["Shell".to_owned()],
        }],
        parameters: Vec::new(),
        quotas: if is_sessions { quotas.map(quota).collect() } else { Vec::new() },
    }
}

/// What another representation is read with.
fn read(element: &Element) -> Result<PlugIn, Box<Fault>> {
    let mut element = element.clone();
    element.attributes.retain(|attribute| attribute.name.local() != Origin::ATTRIBUTE);
    PlugIn::from_element(&element)
}

/// What a representation asks for beside what is as `now`.
fn wanted(plugin: &PlugIn, now: &PlugIn) -> Result<Wanted, Box<Fault>> {
    let mut enabled = now.attribute("Enabled") == Some("true");
    for (name, value) in &plugin.attributes {
        let current = now.attribute(name).unwrap_or_default();
        let is_file = name == "Filename" && file_name(value) == file_name(current);
        match name.as_str() {
            "Enabled" => {
                enabled = wsman::parse_boolean(value).ok_or_else(|| {
                    let text = format!("Enabled is true or false, not {value}. ");
                    fault(ErrorCode::SCHEMA_VALIDATION_ERROR, text)
                })?;
            }
            _ if is_file || value.trim().eq_ignore_ascii_case(current) => {}
            "RunAsUser" | "RunAsPassword" => {
                let text =
                    "Sessions run as whoever opens them: RunAsUser and RunAsPassword are empty. ";
                return Err(fault(ErrorCode::INVALID_XML_RUNAS_DISABLED, text));
            }
            _ => return Err(fixed(name, current)),
        }
    }
    if let Some((name, _)) = plugin.parameters.first() {
        let text = format!("The plug-in takes no parameter {name}. ");
        return Err(fault(ErrorCode::NOT_SUPPORTED, text));
    }
    let sddl = descriptor(plugin, now)?;
    let quotas =
        plugin.quotas.iter().filter_map(|(name, value)| quota(name, value, now).transpose());
    Ok(Wanted { enabled, sddl, quotas: quotas.collect::<Result<_, _>>()? })
}

/// The descriptor that a representation gives the plug-in's resource.
fn descriptor(plugin: &PlugIn, now: &PlugIn) -> Result<Option<Sddl>, Box<Fault>> {
    let own = now.resources.first().cloned().unwrap_or_default();
    let [resource] = plugin.resources.as_slice() else {
        let text = format!("The plug-in has the one resource {}. ", own.uri);
        return Err(fault(ErrorCode::NOT_SUPPORTED, text));
    };
    if !resource.uri.eq_ignore_ascii_case(&own.uri) {
        return Err(fixed("ResourceUri", &own.uri));
    }
    if resource.capabilities.iter().any(|capability| capability != "Shell") {
        return Err(fixed("Capability", "Shell"));
    }
    match resource.security.as_slice() {
        [] => Ok(None),
        [one] if one.uri.is_empty() || one.uri.eq_ignore_ascii_case(&own.uri) => {
            let sddl = Sddl::parse(&one.sddl).map_err(|error| invalid_descriptor(&error))?;
            Ok(Some(sddl))
        }
        [_] | [_, ..] => Err(fixed("Security", &own.uri)),
    }
}

/// The answer to a security descriptor that cannot be one.
pub(crate) fn invalid_descriptor(error: &auth::sddl::SddlError) -> Box<Fault> {
    let text = format!("The security descriptor is invalid: {error}. ");
    fault(ErrorCode::INVALID_SECURITY_DESCRIPTOR, text)
}

/// A quota that is changed.
fn quota(name: &str, value: &str, now: &PlugIn) -> Result<Option<(&'static str, u32)>, Box<Fault>> {
    let current = now.quotas.iter().find(|(known, _)| known == name);
    if current.is_some_and(|(_, current)| current == value.trim()) {
        return Ok(None);
    }
    let Some(name) = QUOTAS.iter().find(|known| **known == name) else {
        return Err(fixed(name, current.map_or("not set", |(_, current)| current)));
    };
    if now.quotas.is_empty() {
        let text = format!("The quotas of {COMMAND} are the settings of winrm/config/winrs. ");
        return Err(fault(ErrorCode::NOT_SUPPORTED, text));
    }
    let number = value.trim().parse().map_err(|_| {
        fault(ErrorCode::SCHEMA_VALIDATION_ERROR, format!("{name} is a number, not {value}. "))
    })?;
    Ok(Some((name, number)))
}

fn put(edit: &mut Edit, name: &str, plugin: &PlugIn) -> Result<(), Box<Fault>> {
    let current = Arc::clone(&edit.now);
    let known = find(&current, name)?;
    let now = representation(&current, known);
    let wanted = wanted(plugin, &now)?;
    if wanted.enabled != known.enabled {
        write(edit, known, &["Enabled"], Value::Boolean(wanted.enabled))?;
    }
    if wanted.sddl != known.descriptor() {
        match wanted.sddl {
            Some(sddl) => write(edit, known, &["Sddl"], Value::String(sddl.to_string()))?,
            None => clear(edit, known, "Sddl")?,
        }
    }
    for (quota, value) in wanted.quotas {
        write(edit, known, &["Quotas", quota], Value::Integer(i64::from(value)))?;
    }
    Ok(())
}

fn create(edit: &mut Edit, name: &str, plugin: &PlugIn) -> Result<(), Box<Fault>> {
    let current = Arc::clone(&edit.now);
    if current.settings.plugins.find(name).is_some() {
        let text = format!("A plug-in with the name {name} exists already. ");
        return Err(fault(ErrorCode::ALREADY_EXISTS, text));
    }
    if !is_name(name) || name.eq_ignore_ascii_case(COMMAND) {
        let text = "The name cannot be that of a session configuration. ";
        return Err(fault(ErrorCode::INVALID_PARAMETER, text));
    }
    let fresh = Plugin { name: name.to_owned(), ..Plugin::default() };
    let wanted = wanted(plugin, &representation(&current, &fresh))?;
    // What is in the table of one that was removed must not come back.
    let key = key_of(&edit.state, name);
    take_at(&mut edit.state, &[TABLE, &key]);
    write(edit, &fresh, &["Removed"], Value::Boolean(false))?;
    write(edit, &fresh, &["Enabled"], Value::Boolean(wanted.enabled))?;
    if let Some(sddl) = wanted.sddl {
        write(edit, &fresh, &["Sddl"], Value::String(sddl.to_string()))?;
    }
    for (quota, value) in wanted.quotas {
        write(edit, &fresh, &["Quotas", quota], Value::Integer(i64::from(value)))?;
    }
    Ok(())
}

fn delete(edit: &mut Edit, name: &str) -> Result<(), Box<Fault>> {
    let current = Arc::clone(&edit.now);
    let known = find(&current, name)?;
    if !known.is_session_configuration() {
        let text = format!(
            "{COMMAND} cannot be removed; AllowRemoteShellAccess of winrm/config/winrs closes it. "
        );
        return Err(fault(ErrorCode::NOT_SUPPORTED, text));
    }
    if current.layers.policy_plugin(name).is_some() {
        return Err(policy(name));
    }
    let key = key_of(&edit.state, name);
    take_at(&mut edit.state, &[TABLE, &key]);
    if name.eq_ignore_ascii_case(POWERSHELL) {
        write(edit, known, &["Removed"], Value::Boolean(true))?;
    }
    Ok(())
}

/// Gives a key of a plug-in's table a value, unless the administrator's file has it.
fn write(edit: &mut Edit, plugin: &Plugin, path: &[&str], value: Value) -> Result<(), Box<Fault>> {
    check_policy(edit, plugin, path)?;
    let key = key_of(&edit.state, &plugin.name);
    put_at(&mut edit.state, &[&[TABLE, &key], path].concat(), value);
    Ok(())
}

/// Takes a key of a plug-in's table away.
fn clear(edit: &mut Edit, plugin: &Plugin, name: &str) -> Result<(), Box<Fault>> {
    check_policy(edit, plugin, &[name])?;
    let key = key_of(&edit.state, &plugin.name);
    take_at(&mut edit.state, &[TABLE, &key, name]);
    Ok(())
}

fn check_policy(edit: &Edit, plugin: &Plugin, path: &[&str]) -> Result<(), Box<Fault>> {
    let mut found = edit.now.layers.policy_plugin(&plugin.name);
    for name in path {
        found = found.and_then(Value::as_table).and_then(|table| table.get(*name));
    }
    if found.is_some() { Err(policy(&plugin.name)) } else { Ok(()) }
}

/// Puts a value where a path says; tables on the way are made.
fn put_at(table: &mut Table, path: &[&str], value: Value) {
    match path {
        [] => {}
        [name] => {
            table.insert((*name).to_owned(), value);
        }
        [name, rest @ ..] => {
            let entry = table.entry(*name).or_insert_with(|| Value::Table(Table::new()));
            if !entry.is_table() {
                *entry = Value::Table(Table::new());
            }
            if let Value::Table(inner) = entry {
                put_at(inner, rest, value);
            }
        }
    }
}

/// Takes away what is where a path says.
fn take_at(table: &mut Table, path: &[&str]) {
    match path {
        [] => {}
        [name] => {
            table.remove(*name);
        }
        [name, rest @ ..] => {
            if let Some(Value::Table(inner)) = table.get_mut(*name) {
                take_at(inner, rest);
            }
        }
    }
}

/// How a plug-in's name is written in the state layer.
fn key_of(state: &Table, name: &str) -> String {
    let plugins = state.get(TABLE).and_then(Value::as_table);
    let found = plugins.and_then(|all| all.keys().find(|key| key.eq_ignore_ascii_case(name)));
    found.cloned().unwrap_or_else(|| name.to_owned())
}

/// The last part of a path of Windows, in lower case.
fn file_name(path: &str) -> String {
    path.rsplit(['\\', '/']).next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn fixed(name: &str, value: &str) -> Box<Fault> {
    let text = format!("{name} of the plug-in is {value}, and cannot be changed. ");
    fault(ErrorCode::NOT_SUPPORTED, text)
}

fn policy(name: &str) -> Box<Fault> {
    let text = format!(
        "The plug-in {name} cannot be changed so: the administrator's own configuration file sets it (Source=\"GPO\"). "
    );
    fault(ErrorCode::CONFIG_CANNOT_CHANGE_GPO_CONTROLLED_SETTING, text)
}

fn unsupported() -> Box<Fault> {
    fault(ErrorCode::ACTION_NOT_SUPPORTED, "Plug-ins do not support this action. ")
}

fn fault(code: ErrorCode, text: impl Into<String>) -> Box<Fault> {
    Box::new(Fault::new(code, text))
}
