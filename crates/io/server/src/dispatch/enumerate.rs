//! Enumerate, Pull and Release of what there is to list: shells, the commands of a shell, and the resources of providers
//! ([MS-WSMV] 3.1.4.8).
//!
//! Everybody sees their own shells; who may do everything sees those of others as well, but neither their
//! commands nor their environments.
#![expect(clippy::wildcard_enum_match_arm, reason = "only three operations come here")]

use std::time::Instant;

use session::access::{Operation, Target};
use tokio::time::timeout_at;
use wsman::enumeration::server::{Room, Settings, Source};
use wsman::enumeration::{Enumerate, Filter, Mode, Pull, Release};
use wsman::fault::{ErrorCode, Fault};
use wsman::ns::{self, action, resource};
use wsman::shell::ListedCommand;
use wsman::transfer::Locator;
use wsman::xml::Element;
use wsman::{EndpointReference, Envelope, HeaderValue, SelectorSet};

use super::transfer::{Provider, no_fragments};
use super::{Caller, Content, Refusal, no_resource};
use crate::random;
use crate::resource::{ResourceOperation, ResourceReply, ResourceRequest};
use crate::service::Core;
use crate::shells::faults;

/// What can be listed.
#[derive(Debug, Clone, Copy)]
enum Listed<'a> {
    Shells,
    Commands,
    /// The resources of a provider.
    Resources(&'a Provider),
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
            Listed::Resources(self.provider(uri).ok_or_else(|| no_resource(uri))?)
        };
        if envelope.header.fragment_transfer().is_some() {
            return Err(no_fragments("a list").into());
        }
        let owner = uuid::Uuid::from_bytes(caller.account.id).to_string();
        let now = Instant::now();
        let content = match operation {
            Operation::Pull => {
                let pull = Pull::from_body(&envelope.body)
                    .map_err(|error| Box::new(Fault::from(&error)))?;
                let room = self.room(caller, envelope, action::PULL_RESPONSE);
                let mut enumerations = self.enumerations();
                enumerations.set_settings(self.enumeration_bounds());
                let count = enumerations.item_count(&owner, &pull);
                let response = enumerations.pull(&owner, &pull, room, now)?;
                Content::new(action::PULL_RESPONSE, response.to_body()).counted(envelope, count)
            }
            Operation::Release => {
                let release = Release::from_body(&envelope.body)
                    .map_err(|error| Box::new(Fault::from(&error)))?;
                self.enumerations().release(&owner, &release, now)?;
                Content::new(action::RELEASE_RESPONSE, Vec::new())
            }
            _ => {
                let request = Enumerate::from_body(&envelope.body)
                    .map_err(|error| Box::new(Fault::from(&error)))?;
                let source = self.source(caller, envelope, &request, listed).await?;
                let count = source.count();
                let room = self.room(caller, envelope, action::ENUMERATE_RESPONSE);
                let mut enumerations = self.enumerations();
                enumerations.set_settings(self.enumeration_bounds());
                let response =
                    enumerations.enumerate(&owner, &request, source, room, random::uuid(), now)?;
                let body = response.to_body();
                Content::new(action::ENUMERATE_RESPONSE, body).counted(envelope, count)
            }
        };
        Ok(content)
    }

    /// The bounds of enumerations as the settings are now.
    fn enumeration_bounds(&self) -> Settings {
        let settings = self.settings();
        Settings {
            max_batch_items: usize::try_from(settings.max_batch_items).unwrap_or(usize::MAX),
            timeout: settings.enumeration_timeout(),
            ..Settings::default()
        }
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
        listed: Listed<'_>,
    ) -> Result<Source, Refusal> {
        if let Listed::Resources(provider) = listed {
            return self.resources(caller, envelope, request, provider).await;
        }
        if let Some(filter) = &request.filter {
            filter.check(&[ns::SELECTOR_FILTER])?;
        }
        let filter = request.filter.as_ref().and_then(Filter::as_selectors);
        match listed {
            Listed::Shells => {
                let to = envelope.header.to().unwrap_or(ns::ANONYMOUS).to_owned();
                let mut items = Vec::new();
                let of = (!self.manages_shells(caller)).then_some(caller.account);
                for found in self.shells.all(of) {
                    // One that ends at this moment is not there any more.
                    let Some(info) = found.info(caller.account).await else { continue };
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
                self.access(caller, Operation::Enumerate, Target::Shell(&found.owner))?;
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
            Listed::Resources(_) => {
                Err(no_resource(envelope.header.resource_uri().unwrap_or_default()).into())
            }
        }
    }

    /// What a provider lists.
    async fn resources(
        &self,
        caller: Caller<'_>,
        envelope: &Envelope,
        request: &Enumerate,
        provider: &Provider,
    ) -> Result<Source, Refusal> {
        let locator = Locator::from_header(&envelope.header);
        let provider = &provider.provider;
        if let Some(filter) = &request.filter {
            filter.check(provider.filter_dialects(&locator.resource_uri))?;
        }
        let deadline = Instant::now() + envelope.header.timeout(self.settings().max_timeout());
        let asked = provider.handle(ResourceRequest {
            account: caller.account,
            uri: &locator.resource_uri,
            selectors: &locator.selectors,
            options: &locator.options,
            to: envelope.header.to().unwrap_or(ns::ANONYMOUS),
            deadline,
            operation: ResourceOperation::Enumerate(request.filter.clone()),
        });
        let reply = timeout_at(deadline.into(), asked).await.map_err(|_| faults::timed_out())?;
        match reply? {
            ResourceReply::Items(source) => Ok(source),
            other => Err(super::transfer::unexpected(&other).into()),
        }
    }
}

impl Content {
    /// The same with the number of items, where the client asked for it and it is known.
    fn counted(mut self, request: &Envelope, count: Option<u64>) -> Self {
        let is_asked = |block: &wsman::Block| {
            matches!(block.value, HeaderValue::RequestTotalItemsCountEstimate)
        };
        if let Some(count) = count
            && request.header.blocks.iter().any(is_asked)
        {
            self.headers.push(HeaderValue::TotalItemsCountEstimate(Some(count)));
        }
        self
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
