//! Quotas of a session configuration that are changed by the wire: they are those of the next shell, beside what
//! `winrm/config/winrs` allows all of them, and a shell that is open keeps what it was opened with.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use server::BoxFuture;
use server::plugin::{
    Holding, OpenSession, SessionEvent, SessionOutput, SessionPlugin, SessionSignal,
};
use uuid::Uuid;
use wsman::fault::{ErrorCode, Fault};
use wsman::ns::config as uri;
use wsman::ns::resource;
use wsman::shell::{
    BufferMode, CommandLine, CommandOptions, CommandResponse, InputStream, Profile, Request,
    ShellDescription, ShellInfo, Signal, SignalCode,
};
use wsman::transfer::{Locator, Operation};
use wsman::xml::{Element, Node};
use wsman::{SelectorSet, duration};

use crate::configuration::Asker;
use crate::support::{Service, Session, settings};

const POWERSHELL: &str = "microsoft.powershell";

/// Shells of PowerShell without an engine: commands begin and end when they are told to.
#[derive(Debug)]
struct Engines;

#[derive(Debug, Default)]
struct Engine {
    events: VecDeque<SessionEvent>,
}

impl SessionPlugin for Engines {
    fn serves(&self, resource_uri: &str) -> bool {
        resource_uri.starts_with(resource::POWERSHELL_PREFIX)
    }

    fn open(
        &self,
        _: OpenSession,
    ) -> BoxFuture<'_, Result<Box<dyn server::plugin::Session>, Box<Fault>>> {
        let engine: Box<dyn server::plugin::Session> = Box::<Engine>::default();
        Box::pin(async move { Ok(engine) })
    }
}

impl server::plugin::Session for Engine {
    fn command(&mut self, id: Uuid, _: &[u8]) -> Result<String, Box<Fault>> {
        self.events.push_back(SessionEvent::Started(id));
        Ok(String::new())
    }

    fn input(&mut self, to: Option<Uuid>, _: InputStream, _: &[u8]) -> Result<(), Box<Fault>> {
        self.events.push_back(SessionEvent::Written(to));
        Ok(())
    }

    fn signal(&mut self, command: Uuid, _: SessionSignal) {
        self.events.push_back(SessionEvent::Terminated(command));
    }

    fn disconnected(&mut self, _: BufferMode) {}

    fn reconnected(&mut self) {}

    fn connect(&mut self, _: &[u8]) -> Result<Vec<u8>, Box<Fault>> {
        Ok(Vec::new())
    }

    fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    fn output(&mut self, _: Option<Uuid>, _: usize) -> SessionOutput {
        SessionOutput::default()
    }

    fn held(&self) -> Holding {
        Holding::default()
    }

    fn limit_output(&mut self, _: usize) {}

    fn work(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

async fn service(text: &str) -> Service {
    Service::start_as(settings(text), |config| config.sessions = vec![Arc::new(Engines)]).await
}

/// Somebody whose requests are about shells of a session configuration.
async fn visitor(service: &Service, user: &str, configuration: &str) -> Session {
    let mut session = Session::login(service.address, user).await;
    session.context.resource_uri = format!("{}{configuration}", resource::POWERSHELL_PREFIX);
    session
}

async fn open(session: &mut Session, idle: Option<u64>) -> Result<String, Fault> {
    session
        .open_shell_as(ShellDescription {
            input_streams: Profile::POWERSHELL.input_names(),
            output_streams: Profile::POWERSHELL.output_names(),
            creation_xml: Some(b"hello".to_vec()),
            idle_timeout: idle
                .map(|seconds| duration::Duration::seconds(Duration::from_secs(seconds))),
            ..ShellDescription::default()
        })
        .await
}

async fn start(session: &mut Session, shell: &str) -> Result<String, Fault> {
    let arguments = vec![STANDARD.encode(b"pipeline")];
    let command = CommandLine { arguments, ..CommandLine::default() };
    let request = Request::Command { command, options: CommandOptions::default() };
    let reply = session.request(&request, Some(shell)).await?;
    Ok(CommandResponse::from_body(&reply.body).unwrap().command_id)
}

async fn close(session: &mut Session, shell: &str) {
    session.request(&Request::Delete, Some(shell)).await.unwrap();
}

async fn idle(session: &mut Session, shell: &str) -> (String, String) {
    let own = std::mem::replace(&mut session.context.resource_uri, resource::SHELL.to_owned());
    let reply = session.request(&Request::Get, Some(shell)).await.unwrap();
    session.context.resource_uri = own;
    let info = ShellInfo::from_element(reply.body_element().unwrap()).unwrap();
    let text = |time: Option<duration::Duration>| time.unwrap().as_str().to_owned();
    (text(info.idle_timeout), text(info.max_idle_timeout))
}

/// Changes a plug-in as `winrm set` does: reads it, gives an attribute another value, and writes it back.
async fn change(asker: &mut Asker, plugin: &str, owner: &str, values: &[(&str, &str)]) {
    let selectors = SelectorSet::default().with("Name", plugin);
    let locator = Locator { selectors, ..Locator::new(uri::PLUGIN) };
    let reply = asker.ask(&locator, Operation::Get).await.unwrap();
    let mut element = reply.body.into_iter().next().unwrap();
    let part: &mut Element = if element.name.local() == owner {
        &mut element
    } else {
        let part = element.children.iter_mut().find_map(|node| match node {
            Node::Element(part) if part.name.local() == owner => Some(part),
            _ => None,
        });
        part.unwrap()
    };
    for (name, value) in values {
        let found = part.attributes.iter_mut().find(|one| one.name.local() == *name);
        found.unwrap().value = (*value).to_owned();
    }
    asker.ask(&locator, Operation::Put(element)).await.unwrap();
}

async fn set(asker: &mut Asker, values: &[(&str, &str)]) {
    change(asker, POWERSHELL, "Quotas", values).await;
}

#[tokio::test]
async fn idle_times_of_a_configuration_are_those_of_its_next_pool() {
    let service = service("").await;
    let mut asker = Asker::login(&service, "alice").await;
    let mut alice = visitor(&service, "alice", POWERSHELL).await;
    let before = open(&mut alice, None).await.unwrap();
    set(&mut asker, &[("IdleTimeoutms", "100000"), ("MaxIdleTimeoutms", "200000")]).await;
    let own = |idle: &str, most: &str| (idle.to_owned(), most.to_owned());
    for (wish, granted) in [
        (None, "PT100.000S"),
        (Some(70), "PT70.000S"),
        (Some(1_000_000), "PT200.000S"),
        (Some(1), "PT60.000S"),
    ] {
        let shell = open(&mut alice, wish).await.unwrap();
        assert_eq!(idle(&mut alice, &shell).await, own(granted, "PT200.000S"), "{wish:?}");
    }
    // What is open keeps what it was opened with, and command shells have their own.
    let (idle_time, most) = idle(&mut alice, &before).await;
    assert_eq!(own(&idle_time, &most), own("PT7200.000S", "PT2147483.647S"));
    let shell = asker.0.open_shell().await;
    assert_eq!(idle(&mut asker.0, &shell).await.0, "PT7200.000S");
    // The time of all shells is the configuration's where it has none, and never beyond its longest.
    set(&mut asker, &[("MaxIdleTimeoutms", "90000")]).await;
    let shell = open(&mut alice, None).await.unwrap();
    assert_eq!(idle(&mut alice, &shell).await, own("PT90.000S", "PT90.000S"));
}

#[tokio::test]
async fn pipelines_of_the_next_pool_are_counted_by_the_new_limit() {
    let service = service("").await;
    let mut asker = Asker::login(&service, "alice").await;
    let mut alice = visitor(&service, "alice", POWERSHELL).await;
    let before = open(&mut alice, None).await.unwrap();
    set(&mut asker, &[("MaxConcurrentCommandsPerShell", "2")]).await;
    let shell = open(&mut alice, None).await.unwrap();
    let first = start(&mut alice, &shell).await.unwrap();
    start(&mut alice, &shell).await.unwrap();
    let fault = start(&mut alice, &shell).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::QUOTA_MAX_COMMANDS_PER_SHELL), "{fault}");
    let terminate = Request::Signal(Signal::command(&first, SignalCode::Terminate));
    alice.request(&terminate, Some(&shell)).await.unwrap();
    start(&mut alice, &shell).await.unwrap();
    // Another pool has its own, and one from before has none.
    let other = open(&mut alice, None).await.unwrap();
    start(&mut alice, &other).await.unwrap();
    for _ in 0..5 {
        start(&mut alice, &before).await.unwrap();
    }
}

#[tokio::test]
async fn pools_of_a_user_of_all_and_of_how_many_users_are_counted_by_the_new_limits() {
    let service = service("[Plugin.Reports]\n").await;
    let mut asker = Asker::login(&service, "alice").await;
    let mut alice = visitor(&service, "alice", POWERSHELL).await;
    let mut bob = visitor(&service, "bob", POWERSHELL).await;
    let refused = async |session: &mut Session, code: ErrorCode, name: &str| {
        let fault = open(session, None).await.unwrap_err();
        assert_eq!(fault.error_code(), Some(code), "{fault}");
        assert!(fault.to_string().contains(name), "{fault}");
    };
    let shell = open(&mut alice, None).await.unwrap();
    set(&mut asker, &[("MaxShellsPerUser", "1")]).await;
    refused(&mut alice, ErrorCode::QUOTA_MAX_SHELLS_OF_PLUGIN, "MaxShellsPerUser").await;
    // Neither the command shell nor another configuration is meant, nor somebody else.
    asker.0.open_shell().await;
    let mut reports = visitor(&service, "alice", "Reports").await;
    open(&mut reports, None).await.unwrap();
    let of_bob = open(&mut bob, None).await.unwrap();
    set(&mut asker, &[("MaxShellsPerUser", "5"), ("MaxShells", "2")]).await;
    refused(&mut alice, ErrorCode::QUOTA_MAX_PLUGIN_SHELLS, "MaxShells").await;
    close(&mut bob, &of_bob).await;
    set(&mut asker, &[("MaxShells", "9"), ("MaxConcurrentUsers", "1")]).await;
    refused(&mut bob, ErrorCode::QUOTA_MAX_USERS_OF_PLUGIN, "MaxConcurrentUsers").await;
    open(&mut alice, None).await.unwrap();
    set(&mut asker, &[("MaxConcurrentUsers", "2"), ("MaxShellsPerUser", "2")]).await;
    open(&mut bob, None).await.unwrap();
    refused(&mut alice, ErrorCode::QUOTA_MAX_SHELLS_OF_PLUGIN, "MaxShellsPerUser").await;
    close(&mut alice, &shell).await;
    open(&mut alice, None).await.unwrap();
}

#[tokio::test]
async fn what_all_shells_are_allowed_counts_beside_the_quotas_of_a_configuration() {
    let service = service("[Winrs]\nMaxShellsPerUser = 2\n").await;
    let mut asker = Asker::login(&service, "alice").await;
    let mut alice = visitor(&service, "alice", POWERSHELL).await;
    set(&mut asker, &[("MaxShellsPerUser", "100")]).await;
    asker.0.open_shell().await;
    open(&mut alice, None).await.unwrap();
    let fault = open(&mut alice, None).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::QUOTA_MAX_SHELLS), "{fault}");
}

#[tokio::test]
async fn closed_configuration_opens_no_further_pool_and_its_pools_can_be_ended() {
    let service = service("").await;
    let mut asker = Asker::login(&service, "alice").await;
    let mut alice = visitor(&service, "alice", POWERSHELL).await;
    let shell = open(&mut alice, None).await.unwrap();
    change(&mut asker, POWERSHELL, "PlugInConfiguration", &[("Enabled", "false")]).await;
    let fault = open(&mut alice, None).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::INVALID_RESOURCE_URI), "{fault}");
    close(&mut alice, &shell).await;
    change(&mut asker, POWERSHELL, "PlugInConfiguration", &[("Enabled", "true")]).await;
    open(&mut alice, None).await.unwrap();
}
