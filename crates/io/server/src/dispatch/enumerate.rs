//! Enumerate, Pull and Release of what there is to list: shells, and the commands of a shell ([MS-WSMV] 3.1.4.8).
//!
//! Everybody sees their own shells only, as with every other operation.
#![expect(clippy::wildcard_enum_match_arm, reason = "only three operations come here")]

use std::time::Instant;

use session::access::{Operation, Target};
use wsman::enumeration::server::{Room, Source};
use wsman::enumeration::{Enumerate, Mode, Pull, Release};
use wsman::fault::{ErrorCode, Fault};
use wsman::ns::{self, action, resource};
use wsman::shell::ListedCommand;
use wsman::xml::Element;
use wsman::{EndpointReference, Envelope, SelectorSet};

use super::{Caller, Content, Refusal, access, no_resource};
use crate::random;
use crate::service::Core;
use crate::shells::faults;

/// What can be listed.
#[derive(Debug, Clone, Copy)]
enum Listed {
    Shells,
    Commands,
}

impl Core {
    /// One of the three operations.
    pub(super) async fn enumerate(
        &self,
        caller: Caller<'_>,
        envelope: &Envelope,
        operation: Operation,
        uri: &str,
    ) -> Result<Content, Refusal> {
        let listed = if uri.eq_ignore_ascii_case(resource::SHELL) {
            Listed::Shells
        } else if uri.eq_ignore_ascii_case(resource::SHELL_COMMAND) {
            Listed::Commands
        } else {
            return Err(no_resource(uri).into());
        };
        access(caller, operation, Target::Service)?;
        let owner = uuid::Uuid::from_bytes(caller.account.id).to_string();
        let now = Instant::now();
        let (name, body) = match operation {
            Operation::Pull => {
                let pull = Pull::from_body(&envelope.body)
                    .map_err(|error| Box::new(Fault::from(&error)))?;
                let room = self.room(caller, envelope, action::PULL_RESPONSE);
                let response = self.enumerations().pull(&owner, &pull, room, now)?;
                (action::PULL_RESPONSE, response.to_body())
            }
            Operation::Release => {
                let release = Release::from_body(&envelope.body)
                    .map_err(|error| Box::new(Fault::from(&error)))?;
                self.enumerations().release(&owner, &release, now)?;
                (action::RELEASE_RESPONSE, Vec::new())
            }
            _ => {
                let request = Enumerate::from_body(&envelope.body)
                    .map_err(|error| Box::new(Fault::from(&error)))?;
                let source = self.source(caller, envelope, &request, listed).await?;
                let room = self.room(caller, envelope, action::ENUMERATE_RESPONSE);
                let mut enumerations = self.enumerations();
                let response =
                    enumerations.enumerate(&owner, &request, source, room, random::uuid(), now)?;
                (action::ENUMERATE_RESPONSE, response.to_body())
            }
        };
        Ok((name, body))
    }

    fn room(&self, caller: Caller<'_>, envelope: &Envelope, action: &str) -> Room {
        let empty = envelope.reply(action, uuid::Uuid::nil(), Vec::new());
        let envelope_limit = caller.charset.fits(self.reply_limit(&envelope.header));
        Room { envelope_limit, empty_reply: empty.encode().len() }
    }

    async fn source(
        &self,
        caller: Caller<'_>,
        envelope: &Envelope,
        request: &Enumerate,
        listed: Listed,
    ) -> Result<Source, Refusal> {
        let filter = match &request.filter {
            Some(filter) => Some(filter.as_selectors().ok_or_else(|| {
                let text = "The filter is none by selectors, which is the only kind that lists of shells have. ";
                Box::new(Fault::new(ErrorCode::FILTER_DIALECT_UNAVAILABLE, text))
            })?),
            None => None,
        };
        match listed {
            Listed::Shells => {
                let to = envelope.header.to().unwrap_or(ns::ANONYMOUS).to_owned();
                let mut items = Vec::new();
                for found in self.shells.of(caller.account) {
                    // One that ends at this moment is not there any more.
                    let Some(info) = found.look(|machine| machine.info(Instant::now())).await
                    else {
                        continue;
                    };
                    let id = info.shell_id.clone().unwrap_or_default();
                    let uri = info.resource_uri.clone().unwrap_or_default();
                    if filter.as_ref().is_some_and(|wanted| !is_wanted(wanted, &id, &uri)) {
                        continue;
                    }
                    let reference = EndpointReference {
                        resource_uri: Some(uri),
                        selectors: Some(SelectorSet::shell(&id)),
                        ..EndpointReference::address(&to)
                    };
                    items.push((info.to_element(), reference));
                }
                Ok(Source::references(items))
            }
            Listed::Commands => {
                let id = filter.as_ref().and_then(|selectors| selectors.text("ShellId"));
                let id = id.or_else(|| envelope.header.shell_id()).ok_or_else(|| {
                    let text = "A list of commands needs a filter that names the shell. ";
                    Box::new(Fault::new(ErrorCode::ENUMERATE_COMMANDS_FILTER_EXPECTED, text))
                })?;
                if request.mode != Mode::Object {
                    let text = "There are no references to commands. ";
                    return Err(Box::new(Fault::new(
                        ErrorCode::ENUMERATE_COMMANDS_EPRS_NOT_SUPPORTED,
                        text,
                    ))
                    .into());
                }
                let found = super::shell::parse_id(id).and_then(|id| self.shells.find(id));
                let found = found.ok_or_else(faults::no_such_shell)?;
                access(caller, Operation::Enumerate, Target::Shell(&found.owner))?;
                let commands = found.look(|machine| {
                    let listed = |command: wsman::shell::server::CommandInfo<'_>| {
                        let line = Some(command.line.to_owned());
                        let (command_id, state) = (command.id.to_owned(), Some(command.state));
                        ListedCommand {
                            command_id,
                            command_line: line,
                            state,
                            ..ListedCommand::default()
                        }
                        .to_element()
                    };
                    machine.commands().map(listed).collect::<Vec<Element>>()
                });
                Ok(Source::objects(commands.await.ok_or_else(faults::no_such_shell)?))
            }
        }
    }
}

/// Whether a shell has the keys of a filter.
fn is_wanted(wanted: &SelectorSet, shell_id: &str, resource_uri: &str) -> bool {
    wanted.selectors.iter().all(|selector| {
        let value = wanted.text(&selector.name).unwrap_or_default();
        match selector.name.to_ascii_lowercase().as_str() {
            "shellid" => wsman::same_id(value, shell_id),
            "resourceuri" => value.eq_ignore_ascii_case(resource_uri),
            _ => false,
        }
    })
}
