//! The operations of shells: Create makes one, all others go to the one that a selector names.

use std::time::Instant;

use session::access::{Operation, Target};
use tokio::time::timeout_at;
use uuid::Uuid;
use wsman::code_page::CodePage;
use wsman::fault::{ErrorCode, Fault};
use wsman::ns::{self, action, resource};
use wsman::shell::server::{Identity, Incoming, RequestToken, Settings as Bounds, Shell};
use wsman::shell::{Profile, Request, ShellDescription, ShellOptions};
use wsman::xml::Name;
use wsman::{Envelope, Header, HeaderValue, guid};

use super::{Caller, Content, Refusal, no_resource};
use crate::audit;
use crate::metrics::Gauge;
use crate::plugin::{OpenSession, OpenShell, SessionPlugin};
use crate::random;
use crate::service::Core;
use crate::settings::plugins::Quotas;
use crate::settings::{Plugin, Settings, Winrs};
use crate::shells::{Form, PluginLimits, Streams, faults};

/// Commands that a shell may hold, whatever the settings say: each may have output that waits.
const MOST_COMMANDS: usize = 100;

/// Pipelines that a shell of PowerShell may hold: Windows's `MaxConcurrentCommandsPerShell`.
const MOST_PIPELINES: usize = 1_000;

impl Core {
    /// Create, [MS-WSMV] 3.1.4.5.2.
    pub(super) async fn create_shell(
        &self,
        caller: Caller<'_>,
        envelope: &Envelope,
        uri: &str,
    ) -> Result<Content, Refusal> {
        if !self.settings().winrs.allow_remote_shell_access {
            let text = "Remote shells are not allowed (AllowRemoteShellAccess is false). ";
            let fault = Fault::new(ErrorCode::REMOTESHELLS_NOT_ALLOWED, text);
            return Err(Refusal::from(Box::new(fault)));
        }
        if let Some(plugin) = self.session_plugin(uri) {
            return self.create_session(caller, envelope, uri, plugin).await;
        }
        let plugin = self.plugin(uri).ok_or_else(|| no_resource(uri))?;
        let Request::Create { shell, options } = Request::from_envelope(envelope)? else {
            return Err(no_resource(uri).into());
        };
        check_compression(&envelope.header, &options)?;
        let code_page = options.code_page.map(code_page).transpose()?;
        let id = match &shell.shell_id {
            Some(text) => parse_id(text).ok_or_else(faults::no_such_shell)?,
            None => random::uuid(),
        };
        let told = told(&shell);
        let registration = self.shells.register(
            id,
            caller.account,
            plugin.resource_uri(),
            told,
            Form::Command,
            None,
        )?;
        let identity = Identity {
            shell_id: guid(id),
            resource_uri: plugin.resource_uri().to_owned(),
            owner: caller.account.name.clone(),
            client_ip: caller.peer.ip().to_canonical().to_string(),
        };
        let environment = shell.environment.iter();
        let open = OpenShell {
            account: caller.account.clone(),
            login: caller.login,
            id,
            environment: environment.map(|v| (v.name.clone(), v.value.clone())).collect(),
            directory: shell.working_directory.clone().filter(|path| !path.is_empty()),
            ticket: caller.ticket.cloned(),
            memory: self.settings().winrs.memory_per_shell(),
        };
        let bounds = self.bounds();
        let streams = Streams { credit: bounds.output_buffer, code_page };
        let machine = Shell::new(identity, *shell, bounds, Instant::now())?.with_options(&options);
        let deadline = Instant::now() + envelope.header.timeout(self.settings().max_timeout());
        let opened = timeout_at(deadline.into(), plugin.open(open)).await;
        let instance = opened.map_err(|_| faults::timed_out())??;
        audit::shell_opened(caller.actor(), id, plugin.resource_uri());
        let to = envelope.header.to().unwrap_or(ns::ANONYMOUS);
        let response = machine.create_response(to, Instant::now());
        registration.open(machine, instance, streams);
        Ok(Content::new(action::CREATE_RESPONSE, response.to_body()))
    }

    /// Create of a shell with a protocol of its own.
    async fn create_session(
        &self,
        caller: Caller<'_>,
        envelope: &Envelope,
        uri: &str,
        plugin: &dyn SessionPlugin,
    ) -> Result<Content, Refusal> {
        let Request::Create { mut shell, options } = Request::from_envelope(envelope)? else {
            return Err(no_resource(uri).into());
        };
        check_compression(&envelope.header, &options)?;
        let id = match &shell.shell_id {
            Some(text) => parse_id(text).ok_or_else(faults::no_such_shell)?,
            None => random::uuid(),
        };
        let settings = self.settings();
        let quotas = configuration(&settings, uri)?.map(|plugin| &plugin.quotas);
        // The name of the resource is the client's own, and kept twice.
        let told = told(&shell) + 2 * uri.len();
        let limits = quotas.map(limits);
        let registration =
            self.shells.register(id, caller.account, uri, told, Form::Session, limits)?;
        let identity = Identity {
            shell_id: guid(id),
            resource_uri: uri.to_owned(),
            owner: caller.account.name.clone(),
            client_ip: caller.peer.ip().to_canonical().to_string(),
        };
        let environment = shell.environment.iter();
        let open = OpenSession {
            account: caller.account.clone(),
            login: caller.login,
            id,
            resource_uri: uri.to_owned(),
            creation: shell.creation_xml.take().unwrap_or_default(),
            options: envelope.header.options().cloned().unwrap_or_default(),
            environment: environment.map(|v| (v.name.clone(), v.value.clone())).collect(),
            directory: shell.working_directory.clone().filter(|path| !path.is_empty()),
            ticket: caller.ticket.cloned(),
            memory: self.settings().winrs.memory_per_shell(),
        };
        let mut bounds =
            Bounds { max_commands: MOST_PIPELINES, max_processes: usize::MAX, ..self.bounds() };
        if let Some(quotas) = quotas {
            let commands = usize::try_from(quotas.max_concurrent_commands_per_shell);
            bounds.max_commands = commands.unwrap_or(usize::MAX).min(MOST_PIPELINES);
            bounds.idle_timeout = quotas.idle(bounds.idle_timeout);
            bounds.max_idle_timeout = quotas.most_idle();
        }
        let machine =
            Shell::with_profile(Profile::POWERSHELL, identity, *shell, bounds, Instant::now())?
                .with_options(&options)
                .with_session(envelope.header.session_id());
        let deadline = Instant::now() + envelope.header.timeout(self.settings().max_timeout());
        let opened = timeout_at(deadline.into(), plugin.open(open)).await;
        let session = opened.map_err(|_| faults::timed_out())??;
        audit::shell_opened(caller.actor(), id, uri);
        let to = envelope.header.to().unwrap_or(ns::ANONYMOUS);
        let response = machine.create_response(to, Instant::now());
        registration.open_session(machine, session);
        Ok(Content::new(action::CREATE_RESPONSE, response.to_body()))
    }

    /// Command, Send, Receive, Signal, Get, Delete, Disconnect, Reconnect and Connect.
    pub(super) async fn ask_shell(
        &self,
        caller: Caller<'_>,
        envelope: &mut Envelope,
        operation: Operation,
        uri: &str,
    ) -> Result<Content, Refusal> {
        let command_id = random::uuid();
        let deadline = Instant::now() + envelope.header.timeout(self.settings().max_timeout());
        let limit = caller.charset.fits(self.reply_limit(&envelope.header));
        let token = RequestToken(self.next_token());
        let incoming = Incoming::from_envelope(token, envelope, deadline, limit, command_id)?;
        let id = envelope.header.shell_id().and_then(parse_id);
        let id = id.ok_or_else(faults::no_such_shell)?;
        let found = self.shells.find(id).ok_or_else(faults::no_such_shell)?;
        self.access(caller, operation, Target::Shell(&found.owner))?;
        // Get names any shell, everything else the kind that the shell is of.
        let fits = found.resource.eq_ignore_ascii_case(uri)
            || operation == Operation::Get && uri.eq_ignore_ascii_case(resource::SHELL);
        if !fits {
            return Err(no_resource(uri).into());
        }
        let is_own = found.is_of(caller.account);
        if !is_own && operation == Operation::Get {
            let info = found.info(caller.account).await.ok_or_else(faults::no_such_shell)?;
            return Ok(Content::new(action::GET_RESPONSE, vec![info.to_element()]));
        }
        if !is_own && operation == Operation::Delete {
            audit::shell_deleted(caller.actor(), id, &found.owner.name);
        }
        keep_for_the_reply(envelope);
        let is_receive = operation == Operation::Receive;
        let waiting = is_receive.then(|| self.metrics.enter(Gauge::Receives));
        let reply = found.ask(incoming).await?;
        drop(waiting);
        Ok(Content::new(reply.action(), reply.into_body()))
    }

    pub(super) fn reply_limit(&self, header: &Header) -> usize {
        let own = self.settings().max_envelope_size();
        let limit = header.reply_limit(u64::try_from(own).unwrap_or(u64::MAX));
        usize::try_from(limit).unwrap_or(own)
    }

    fn bounds(&self) -> Bounds {
        let processes = self.settings().winrs.max_processes_per_shell;
        Bounds {
            max_commands: MOST_COMMANDS,
            max_processes: usize::try_from(processes).unwrap_or(usize::MAX),
            idle_timeout: self.settings().winrs.idle(),
            min_idle_timeout: Winrs::LEAST_IDLE,
            max_idle_timeout: Winrs::MOST_IDLE,
            ..Bounds::default()
        }
    }
}

/// The session configuration of PowerShell that a resource names; `None` for shells of another kind.
fn configuration<'a>(settings: &'a Settings, uri: &str) -> Result<Option<&'a Plugin>, Box<Fault>> {
    let split = uri.split_at_checked(resource::POWERSHELL_PREFIX.len());
    let Some((prefix, name)) = split else { return Ok(None) };
    if !prefix.eq_ignore_ascii_case(resource::POWERSHELL_PREFIX) {
        return Ok(None);
    }
    let name = name.split('?').next().unwrap_or_default();
    settings.plugins.serving(uri).map(Some).ok_or_else(|| faults::no_configuration(name))
}

fn limits(quotas: &Quotas) -> PluginLimits {
    PluginLimits {
        shells: u64::from(quotas.max_shells),
        per_user: u64::from(quotas.max_shells_per_user),
        users: u64::from(quotas.max_concurrent_users),
    }
}

/// Drops of a request what its reply does not need: a Receive may wait for minutes.
fn keep_for_the_reply(envelope: &mut Envelope) {
    envelope.body = Vec::new();
    envelope.attributes = Vec::new();
    envelope.header.blocks.retain(|block| {
        matches!(
            block.value,
            HeaderValue::Action(_) | HeaderValue::MessageId(_) | HeaderValue::OperationId(_)
        )
    });
    envelope.header.blocks.shrink_to_fit();
}

/// Bytes of a Create that a shell keeps.
fn told(shell: &ShellDescription) -> usize {
    let environment = shell.environment.iter().map(|v| v.name.len() + v.value.len()).sum::<usize>();
    environment + shell.working_directory.as_ref().map_or(0, String::len)
}

/// The page of `WINRS_CODEPAGE`.
fn code_page(number: u32) -> Result<CodePage, Box<Fault>> {
    CodePage::new(number).ok_or_else(|| {
        let text = format!("The parameter is incorrect: the code page {number} is not known. ");
        Fault::new(ErrorCode::INVALID_PARAMETER, text).into()
    })
}

/// A client that insists on a compression other than `xpress` must be told that there is none.
fn check_compression(header: &Header, options: &ShellOptions) -> Result<(), Box<Fault>> {
    let insists = header.blocks.iter().any(|block| {
        block.must_understand() && matches!(block.value, HeaderValue::CompressionType(_))
    });
    if options.compression || !insists {
        return Ok(());
    }
    let text =
        "The header CompressionType must be understood, and names no compression known here. ";
    let mut fault = Fault::new(ErrorCode::SOAP_FAULT_MUST_UNDERSTAND, text);
    fault.not_understood = Some(Name::new(ns::SHELL, "CompressionType"));
    Err(fault.into())
}

/// A shell's id: a GUID in any case, with or without `uuid:` or braces.
pub(super) fn parse_id(text: &str) -> Option<Uuid> {
    let text = text.trim();
    let bare = match text.get(..5) {
        Some(prefix) if prefix.eq_ignore_ascii_case("uuid:") => text.get(5..)?,
        Some(_) | None => text,
    };
    Uuid::try_parse(bare).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_in_every_spelling_that_clients_use() {
        let id = Uuid::from_u128(0x11223344_5566_7788_99AA_BBCCDDEEFF00);
        for text in [
            "11223344-5566-7788-99AA-BBCCDDEEFF00",
            "11223344-5566-7788-99aa-bbccddeeff00",
            "uuid:11223344-5566-7788-99AA-BBCCDDEEFF00",
            " UUID:11223344-5566-7788-99AA-BBCCDDEEFF00 ",
            "{11223344-5566-7788-99AA-BBCCDDEEFF00}",
        ] {
            assert_eq!(parse_id(text), Some(id), "{text}");
        }
        assert_eq!(parse_id("11223344"), None);
        assert_eq!(parse_id("uuid:"), None);
    }
}
