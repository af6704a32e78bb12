//! Walks the drive: finds the items that a path means, asking hosts for no more than it needs.

use client::Client;
use wsman::enumeration::Enumerate;
use wsman::transfer::Locator;
use wsman::xml::Element;

use super::hosts::{self, LOCALHOST};
use super::path::{Path, missing};
use super::tree::{self, Branch, Content, Kind, Node};
use super::{own, plugin};
use crate::command_error::CommandError;
use crate::powershell::context::Context;
use crate::powershell::sessions::wildcard;

/// An item, and what it is in.
#[derive(Clone, Debug)]
pub(in crate::powershell) struct Found {
    pub(in crate::powershell) parent: Path,
    pub(in crate::powershell) node: Node,
}

impl Found {
    /// Its own path.
    pub(in crate::powershell) fn path(&self) -> Path {
        self.parent.join(&self.node.name)
    }

    /// The computer that it is on.
    pub(in crate::powershell) fn computer(&self) -> &str {
        let first = self.parent.parts().first().map(String::as_str);
        first.unwrap_or(&self.node.name)
    }
}

/// The items that a path means, with wildcards in any of its parts unless it is literal.
///
/// # Errors
/// There is none, though no wildcard would allow that; the host says no.
pub(in crate::powershell) fn find(
    context: &mut Context,
    text: &str,
    is_literal: bool,
) -> Result<Vec<Found>, CommandError> {
    let path = Path::parse(text)?;
    let has_wildcards = !is_literal && path.parts().iter().any(|part| wildcard::is_pattern(part));
    let mut level = vec![(Path::default(), Content::Known(root(context)))];
    let mut found = Vec::new();
    let depth = path.parts().len();
    for (index, part) in path.parts().iter().enumerate() {
        let is_pattern = !is_literal && wildcard::is_pattern(part);
        let fits = |name: &str| {
            name.eq_ignore_ascii_case(part) || (is_pattern && wildcard::fits(part, name))
        };
        let mut next = Vec::new();
        for (parent, content) in level {
            let name = (!is_pattern).then_some(part.as_str());
            for node in children(context, &parent, &content, name)? {
                if !fits(&node.name) {
                    continue;
                }
                if index + 1 == depth {
                    found.push(Found { parent: parent.clone(), node });
                } else if let Kind::Branch(branch) = node.kind {
                    next.push((parent.join(&node.name), branch.content));
                }
            }
        }
        level = next;
    }
    if found.is_empty() && !has_wildcards {
        if let Some(computer) = path.parts().first() {
            // Says better what is wrong with a computer that is not there.
            context.hosts.client(computer)?;
        }
        return Err(missing(&path.to_string()));
    }
    Ok(found)
}

/// The computers.
pub(in crate::powershell) fn root(context: &Context) -> Vec<Node> {
    let names = context.hosts.names();
    names.iter().map(|name| Node::branch(name, Content::Computer)).collect()
}

/// What is in a container.
///
/// # Errors
/// The host says no.
pub(in crate::powershell) fn inside(
    context: &mut Context,
    found: &Found,
) -> Result<Vec<Node>, CommandError> {
    match &found.node.kind {
        Kind::Leaf(_) => Ok(vec![found.node.clone()]),
        Kind::Branch(Branch { content, .. }) => children(context, &found.path(), content, None),
    }
}

/// What is in a container; for a computer's top no more than its containers, where the name is one of theirs.
fn children(
    context: &mut Context,
    path: &Path,
    content: &Content,
    name: Option<&str>,
) -> Result<Vec<Node>, CommandError> {
    if let Content::Known(nodes) = content {
        return Ok(nodes.clone());
    }
    let computer = path.parts().first().map_or(LOCALHOST, String::as_str).to_owned();
    if *content == Content::Computer
        && let Some(name) = name
    {
        let branches = tree::containers();
        if branches.iter().any(|node| node.name.eq_ignore_ascii_case(name)) {
            return Ok(branches);
        }
    }
    if *content == Content::Section(wsman::ns::config::CLIENT) && hosts::is_local(&computer) {
        return own::nodes();
    }
    let client = context.hosts.client(&computer)?;
    context.waiter.wait(asked(&client, content))
}

async fn asked(client: &Client, content: &Content) -> Result<Vec<Node>, CommandError> {
    use wsman::ns::config;
    let nodes =
        |elements: Vec<Element>, node: fn(&Element) -> Node| elements.iter().map(node).collect();
    Ok(match content {
        Content::Known(nodes) => nodes.clone(),
        Content::Computer => tree::computer(&client.get(&Locator::new(config::CONFIG)).await?),
        Content::Section(uri) => tree::inside(&client.get(&Locator::new(*uri)).await?, uri),
        Content::Listeners => nodes(listed(client, config::LISTENER).await?, tree::listener),
        Content::ClientCertificates => {
            nodes(listed(client, config::CERT_MAPPING).await?, tree::client_certificate)
        }
        Content::Plugins => nodes(listed(client, config::PLUGIN).await?, plugin::node),
    })
}

/// Every instance of a resource.
///
/// # Errors
/// The host says no.
pub(in crate::powershell) async fn listed(
    client: &Client,
    uri: &str,
) -> Result<Vec<Element>, CommandError> {
    let items = client.enumerate(&Locator::new(uri), Enumerate::optimized()).await?;
    Ok(items.into_iter().filter_map(|item| item.object().cloned()).collect())
}
