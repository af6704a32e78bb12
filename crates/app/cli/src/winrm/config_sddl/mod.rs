//! `winrm configSDDL`: an editor for who may do what, on a terminal and for commands from a pipe.
//!
//! ```text
//!  read the descriptor ──► show ──► command ──► obey ──┬─► show …
//!                                                      ├─ save ──► write, end
//!                                                      └─ quit ──► end
//! ```
//!
//! `default` is the `RootSDDL`, which decides where a resource has no descriptor of its own; a resource of a plug-in gets one of
//! its own with the first change.

mod editor;
mod names;

use std::io::{self, BufRead as _, IsTerminal as _};

use auth::sddl::SecurityDescriptor;
use client::Client;
use wsman::config::plugin::{PlugIn, PlugInResource, PlugInSecurity};
use wsman::enumeration::Enumerate;
use wsman::ns::config as uri;
use wsman::transfer::Locator;
use wsman::xml::{Element, Node};
use wsman::{ErrorCode, SelectorSet};

use super::failure::Failure;
use super::messages;
use super::show::print;
use crate::command_error::CommandError;
use editor::{Editor, Outcome};
use names::Names;

/// The name of the descriptor that decides where there is no other.
const DEFAULT: &str = "default";
/// The setting that it is.
const ROOT_SDDL: &str = "RootSDDL";
/// What stands in front of a command on a terminal.
const PROMPT: &str = "configSDDL> ";

/// What is edited.
#[derive(Debug)]
enum Subject {
    /// `RootSDDL`, as it was read.
    Root(String),
    /// The resource of a plug-in, and its descriptors as they were read.
    Plugin { name: String, uri: String, security: Vec<PlugInSecurity> },
}

/// Edits the descriptor of a resource by its whole URI, or of `default`.
///
/// # Errors
///
/// The service's, or that the resource can have no descriptor of its own.
pub(super) async fn run(client: &Client, what: &str, is_local: bool) -> Result<(), Failure> {
    let (subject, descriptor) = load(client, what).await?;
    let names = if is_local {
        let socket = client::local_socket();
        socket.parent().map_or_else(Names::default, Names::of_this_computer)
    } else {
        Names::default()
    };
    let mut editor = Editor::new(descriptor, names);
    let is_terminal = io::stdin().is_terminal();
    print(&format!("Who may do what with {}:\n\n{}\n", subject.title(), editor.table()))?;
    if is_terminal {
        print(editor::HELP)?;
    }
    loop {
        if is_terminal {
            print(PROMPT)?;
        }
        let Some(line) = read_line().await? else {
            return ended(&editor, is_terminal);
        };
        match editor.obey(&line) {
            Ok(Outcome::Show(text)) => print(&text)?,
            Ok(Outcome::Changed) => print(&editor.table())?,
            Ok(Outcome::Save) => {
                if editor.has_changed() {
                    subject.save(client, editor.descriptor()).await?;
                }
                return Ok(());
            }
            Ok(Outcome::Quit) => return Ok(()),
            // Whoever types sees it and goes on; what comes from a pipe may build on what failed.
            Err(problem) if is_terminal => print(&format!("{problem}\n"))?,
            Err(problem) => return Err(CommandError::failed(problem).into()),
        }
    }
}

/// The commands have come to their end.
fn ended(editor: &Editor, is_terminal: bool) -> Result<(), Failure> {
    if !editor.has_changed() {
        return Ok(());
    }
    if is_terminal {
        print("\n")?;
    }
    let error = CommandError::failed("the changes were not saved");
    Err(error.hint("end with the command `save`, or with `quit` to give them up").into())
}

/// A line of the commands; `None` at their end.
async fn read_line() -> Result<Option<String>, CommandError> {
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line)?;
        Ok::<_, io::Error>((read > 0).then_some(line))
    });
    let line = read.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    line.map_err(|error| CommandError::caused("reading a command", &error))
}

/// What is edited, and the descriptor that decides about it now.
async fn load(client: &Client, what: &str) -> Result<(Subject, SecurityDescriptor), Failure> {
    let service = client.get(&Locator::new(uri::SERVICE)).await?;
    let root = service.child(uri::SERVICE, ROOT_SDDL).map(Element::trimmed_text);
    let root = root.unwrap_or_default();
    if what.eq_ignore_ascii_case(DEFAULT) {
        let descriptor = read(&root)?;
        return Ok((Subject::Root(root), descriptor));
    }
    let plugins = client.enumerate(&Locator::new(uri::PLUGIN), Enumerate::default()).await?;
    for item in plugins {
        let Some(mut plugin) = item.object().and_then(plugin_of) else { continue };
        let name = plugin.attribute("Name").unwrap_or_default().to_owned();
        let Some(resource) = resource_of(&mut plugin, what) else { continue };
        let security = resource.security.first();
        let descriptor = read(security.map_or(root.as_str(), |security| security.sddl.as_str()))?;
        let (uri, security) = (resource.uri.clone(), std::mem::take(&mut resource.security));
        return Ok((Subject::Plugin { name, uri, security }, descriptor));
    }
    let meaning = messages::meaning(ErrorCode::INVALID_CONFIGSDDL_URL);
    let error = CommandError::failed(format!("{what}: {}", meaning.trim()));
    Err(error
        .hint("`winrm enumerate winrm/config/plugin` shows the resources that have one")
        .into())
}

fn read(text: &str) -> Result<SecurityDescriptor, CommandError> {
    let wrong = |error: &auth::sddl::SddlError| {
        CommandError::failed(format!("the host has a descriptor that cannot be read: {error}"))
    };
    text.parse().map_err(|error| wrong(&error))
}

impl Subject {
    fn title(&self) -> String {
        match self {
            Self::Root(_) => format!("everything that has no descriptor of its own ({ROOT_SDDL})"),
            Self::Plugin { name, uri, .. } => format!("{uri} ({name})"),
        }
    }

    /// Writes the new descriptor where the old one is still what was read.
    async fn save(self, client: &Client, descriptor: &SecurityDescriptor) -> Result<(), Failure> {
        match self {
            Self::Root(old) => {
                let edit = |service: &mut Element| {
                    let child = service.children.iter_mut().find_map(|node| match node {
                        Node::Element(child) if child.is(uri::SERVICE, ROOT_SDDL) => Some(child),
                        Node::Element(_) | Node::Text(_) => None,
                    });
                    let child = child.filter(|child| child.trimmed_text() == old);
                    child.ok_or_else(overtaken)?.children =
                        vec![Node::Text(descriptor.to_string())];
                    Ok::<_, Failure>(())
                };
                client.update(&Locator::new(uri::SERVICE), edit).await?;
            }
            Self::Plugin { name, uri: resource_uri, security } => {
                let edit = |element: &mut Element| {
                    let mut plugin = plugin_of(element).ok_or_else(overtaken)?;
                    let resource = resource_of(&mut plugin, &resource_uri);
                    let resource = resource.filter(|resource| resource.security == security);
                    let resource = resource.ok_or_else(overtaken)?;
                    let (uri, sddl) = (resource.uri.clone(), descriptor.to_string());
                    let exact_match = resource.exact_match;
                    resource.security = vec![PlugInSecurity { uri, sddl, exact_match }];
                    *element = plugin.to_element();
                    Ok::<_, Failure>(())
                };
                let selectors = SelectorSet::default().with("Name", name);
                let locator = Locator { selectors, ..Locator::new(uri::PLUGIN) };
                client.update(&locator, edit).await?;
            }
        }
        Ok(())
    }
}

/// A plug-in without its mark of who gave the values, which is none of them.
fn plugin_of(element: &Element) -> Option<PlugIn> {
    let mut element = element.clone();
    element.attributes.retain(|attribute| attribute.name.local() != "Source");
    PlugIn::from_element(&element).ok()
}

fn resource_of<'a>(plugin: &'a mut PlugIn, uri: &str) -> Option<&'a mut PlugInResource> {
    plugin.resources.iter_mut().find(|one| one.uri.eq_ignore_ascii_case(uri))
}

/// What was edited is not what is there.
fn overtaken() -> CommandError {
    let error =
        CommandError::failed("somebody else has changed the descriptor, and nothing was saved");
    error.hint("begin again: what the others made of it is shown first")
}
