//! `Get-Item`, `Get-ChildItem`, `Set-Item`, `New-Item`, `Remove-Item` on the drive `WSMan:`.

use client::Client;
use wsman::transfer::Locator;
use wsman::xml::Element;

use super::super::binder::Bound;
use super::super::context::Context;
use super::super::show::Sink;
use super::super::value::{CREDENTIAL, Value};
use super::super::wsman::drive::{self, Found};
use super::super::wsman::path::Path;
use super::super::wsman::tree::{Branch, Change, Content, Kind, Node, Place, Removal};
use super::super::wsman::{object, own, plugin, xml};
use super::confirm;
use super::sessions::each;
use crate::command_error::CommandError;

/// How deep containers are in each other.
const MAX_DEPTH: usize = 8;
/// What is asked before a setting changes that protects something, by the setting's place.
const GUARDED: [(&str, &str); 2] = [
    (
        "Client\\TrustedHosts",
        "This changes the list of hosts that are trusted without a proof of who they are: your password may be sent to them.",
    ),
    (
        "Service\\RootSDDL",
        "This changes who may use every resource of the service that has no security of its own.",
    ),
];

/// `Get-Item`.
///
/// # Errors
/// See [`drive::find`]; what one path of several says is told.
pub(super) fn get(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
) -> Result<(), CommandError> {
    for found in found(bound, context)? {
        sink.put(object::item(&found.parent, &found.node))?;
    }
    Ok(())
}

/// `Get-ChildItem`.
///
/// # Errors
/// See [`drive::find`].
pub(super) fn children(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
) -> Result<(), CommandError> {
    let is_root = |text: &str| Path::parse(text).is_ok_and(|path| path.parts().is_empty());
    let named = paths(bound);
    if named.is_empty() || named.iter().any(|(text, _)| is_root(text)) {
        let nodes = drive::root(context);
        return nodes
            .iter()
            .try_for_each(|node| show(bound, context, sink, &Path::default(), node, 0));
    }
    for found in found(bound, context)? {
        // A pattern finds items, as it does in PowerShell; a path without one means what is in it.
        let is_meant = named.iter().any(|(text, is_literal)| {
            let is_whole = *is_literal || !text.contains(['*', '?', '[']);
            is_whole && Path::parse(text).is_ok_and(|path| same(&path, &found.path()))
        });
        if is_meant && let Kind::Branch(_) = found.node.kind {
            let parent = found.path();
            for node in drive::inside(context, &found)? {
                show(bound, context, sink, &parent, &node, 0)?;
            }
        } else {
            show(bound, context, sink, &found.parent, &found.node, 0)?;
        }
    }
    Ok(())
}

fn same(one: &Path, other: &Path) -> bool {
    one.to_string().eq_ignore_ascii_case(&other.to_string())
}

/// Shows an item, and what is in it where that is wanted.
fn show(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
    parent: &Path,
    node: &Node,
    depth: usize,
) -> Result<(), CommandError> {
    if bound.is_set("Name") {
        sink.put(Value::Text(node.name.clone()))?;
    } else {
        sink.put(object::item(parent, node))?;
    }
    if !bound.is_set("Recurse") || depth >= MAX_DEPTH || matches!(node.kind, Kind::Leaf(_)) {
        return Ok(());
    }
    let found = Found { parent: parent.clone(), node: node.clone() };
    let parent = found.path();
    for node in drive::inside(context, &found)? {
        show(bound, context, sink, &parent, &node, depth + 1)?;
    }
    Ok(())
}

/// The paths that a cmdlet is given, and whether each is literal.
fn paths(bound: &Bound) -> Vec<(String, bool)> {
    let of = |name: &str, is_literal: bool| {
        let texts = bound.value(name).map(each).unwrap_or_default();
        texts.into_iter().map(move |text| (text.text(), is_literal)).collect::<Vec<_>>()
    };
    of("Path", false).into_iter().chain(of("LiteralPath", true)).collect()
}

/// The items that a cmdlet means; what means none is told.
fn found(bound: &Bound, context: &mut Context) -> Result<Vec<Found>, CommandError> {
    let mut items = Vec::new();
    for (text, is_literal) in paths(bound) {
        match drive::find(context, &text, is_literal) {
            Ok(found) => items.extend(found),
            Err(error) => context.report(bound, error)?,
        }
    }
    Ok(items)
}

/// `Set-Item`.
///
/// # Errors
/// A value that the setting does not take, or the host says no.
pub(super) fn set(bound: &Bound, context: &mut Context) -> Result<(), CommandError> {
    let value = bound.value("Value").cloned().unwrap_or(Value::Null);
    for found in found(bound, context)? {
        if let Err(error) = set_one(bound, context, &found, &value) {
            context.report(bound, error)?;
        }
    }
    Ok(())
}

fn set_one(
    bound: &Bound,
    context: &mut Context,
    found: &Found,
    value: &Value,
) -> Result<(), CommandError> {
    let path = found.path();
    let Kind::Leaf(leaf) = &found.node.kind else {
        return Err(CommandError::usage(format!(
            "{path} is a container, and no setting: Set-Item cannot be used there"
        )));
    };
    let below = path.parts().get(1..).unwrap_or_default().join("\\");
    let is_trusted_hosts = below.eq_ignore_ascii_case("Client\\TrustedHosts");
    if bound.is_set("Concatenate") && !is_trusted_hosts {
        return Err(CommandError::usage(
            "-Concatenate is for WSMan:\\localhost\\Client\\TrustedHosts only",
        ));
    }
    let mut text = match (&found.node.name, value) {
        (name, Value::Object(object)) if is_run_as(name) && object.type_name == CREDENTIAL => {
            String::new()
        }
        (name, value) => xml::text(name, value)?,
    };
    if bound.is_set("Concatenate") && !leaf.value.is_empty() {
        text = format!("{},{text}", leaf.value);
    }
    if !confirm::is_to_do(bound, context, "Set-Item", &format!("{path} = {text}"))? {
        return Ok(());
    }
    let guard = GUARDED.iter().find(|(guarded, _)| guarded.eq_ignore_ascii_case(&below));
    let is_security = found.node.name.eq_ignore_ascii_case("Sddl");
    let question = guard
        .map(|(_, question)| *question)
        .or_else(|| is_security.then_some("This changes who may use a resource of a plug-in."));
    if let Some(question) = question
        && !confirm::goes_on(bound, context, "WinRM Security Configuration.", question)?
    {
        return Ok(());
    }
    let computer = found.computer().to_owned();
    let change = leaf.change.clone();
    match change {
        Change::Never => Err(CommandError::usage(format!(
            "{path} names its item, and cannot be changed: remove the item and make another"
        ))),
        Change::Own(uri) => own::set(&uri, &found.node.name, &text),
        Change::Child(locator) => {
            let client = context.hosts.client(&computer)?;
            let values = Value::hashtable(vec![(found.node.name.clone(), Value::Text(text))]);
            put(context, &client, &locator, |element| xml::change(element, Some(&values)))
        }
        Change::Attribute(locator, place) => {
            let client = context.hosts.client(&computer)?;
            let name = attribute_name(&place, &found.node.name).to_owned();
            let account = if is_run_as(&name) { Some(value.clone()) } else { None };
            let account = account.filter(|value| matches!(value, Value::Object(_)));
            put(context, &client, &locator, |element| {
                let element = plugin::at(element, &place)?;
                if let Some(account) = &account {
                    return run_as(element, account);
                }
                xml::set_attribute(element, &name, &text);
                Ok(())
            })
        }
    }
}

fn is_run_as(name: &str) -> bool {
    name.eq_ignore_ascii_case("RunAsUser")
}

/// An initialisation parameter is named by an attribute; its value is another.
fn attribute_name<'a>(place: &Place, name: &'a str) -> &'a str {
    match place.last() {
        Some((last, _)) if last == "Param" => "Value",
        _ => name,
    }
}

/// The account that a plug-in runs as, with its password.
///
/// # Errors
/// The password is not known.
pub(super) fn run_as(plugin: &mut Element, account: &Value) -> Result<(), CommandError> {
    let (user, password) = super::super::sessions::target::account(account);
    let password = password.ok_or_else(|| {
        CommandError::usage(format!("no password for '{user}'"))
            .hint("make the account by New-Object PSCredential, with its password")
    })?;
    xml::set_attribute(plugin, "RunAsUser", &user);
    xml::set_attribute(plugin, "RunAsPassword", password.expose());
    Ok(())
}

/// Gets a resource, changes it and puts it back.
///
/// # Errors
/// The change's, and what the host says.
pub(super) fn put(
    context: &mut Context,
    client: &Client,
    locator: &Locator,
    change: impl FnMut(&mut Element) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    context.waiter.wait(async { client.update(locator, change).await.map(drop) })
}

/// `Remove-Item`.
///
/// # Errors
/// An item that cannot be removed, or the host says no.
pub(super) fn remove(bound: &Bound, context: &mut Context) -> Result<(), CommandError> {
    for found in found(bound, context)? {
        if let Err(error) = remove_one(bound, context, &found) {
            context.report(bound, error)?;
        }
    }
    Ok(())
}

fn remove_one(bound: &Bound, context: &mut Context, found: &Found) -> Result<(), CommandError> {
    let path = found.path();
    let cannot = || {
        CommandError::usage(format!(
            "{path} cannot be removed: Remove-Item is for listeners, mappings of client certificates, plug-ins and their parts"
        ))
    };
    if found.parent.parts().is_empty() {
        if !confirm::is_to_do(bound, context, "Remove-Item", &path.to_string())? {
            return Ok(());
        }
        return context.hosts.disconnect(&found.node.name);
    }
    let removal = match &found.node.kind {
        Kind::Branch(Branch { removal, .. }) => removal.clone(),
        Kind::Leaf(leaf) => match &leaf.change {
            Change::Attribute(locator, place)
                if place.last().is_some_and(|(last, _)| last == "Param") =>
            {
                Removal::Part(locator.clone(), place.clone())
            }
            Change::Attribute(..) | Change::Never | Change::Child(_) | Change::Own(_) => {
                Removal::Never
            }
        },
    };
    if removal == Removal::Never {
        return Err(cannot());
    }
    if !confirm::is_to_do(bound, context, "Remove-Item", &path.to_string())? {
        return Ok(());
    }
    let client = context.hosts.client(found.computer())?;
    match removal {
        Removal::Never => Err(cannot()),
        Removal::Resource(locator) => {
            context.waiter.wait(async { Ok(client.delete(&locator).await?) })
        }
        Removal::Part(locator, place) => {
            put(context, &client, &locator, |element| plugin::remove(element, &place))
        }
    }
}

/// What is under a container of the drive for `New-Item`.
pub(super) fn container(
    context: &mut Context,
    text: &str,
) -> Result<(Found, Content), CommandError> {
    let found = drive::find(context, text, true)?.pop();
    let found = found.ok_or_else(|| super::super::wsman::path::missing(text))?;
    match &found.node.kind {
        Kind::Branch(branch) => {
            let content = branch.content.clone();
            Ok((found, content))
        }
        Kind::Leaf(_) => {
            Err(CommandError::usage(format!("New-Item cannot be used at {}", found.path())))
        }
    }
}
