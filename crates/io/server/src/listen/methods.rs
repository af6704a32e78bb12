//! The methods of `winrm/config/service`, by which `winrm quickconfig` makes a machine ready for others.
//!
//! ```text
//!  AnalyzeService ─► what has to change for the service ─► EnableService
//!  Analyze        ─► what has to change for a transport ─► EnableRemoting
//! ```
//!
//! Whoever asks has reached a service that runs, so that of the service nothing has to change.

use std::sync::Arc;

use session::client::endpoint::Transport;
use wsman::config::{Node, Origin, Setting};
use wsman::fault::{ErrorCode, Fault};
use wsman::xml::{Element, Name};

use super::certificate::only_fit;
use super::resource::{add, alter};
use super::running::Listening;
use crate::BoxFuture;
use crate::certificates::Thumbprint;
use crate::configuration::{Configuration, Current, Edit};
use crate::resource::{ResourceOperation, ResourceProvider, ResourceReply, ResourceRequest};
use crate::settings::{ListenAddress, Listener};

/// Whether other machines may ask.
const ALLOW_REMOTE_ACCESS: &str = "Service/AllowRemoteAccess";

/// The methods of the service's resource.
#[derive(Debug)]
pub(crate) struct ServiceMethods {
    configuration: Arc<Configuration>,
    listening: Arc<Listening>,
}

/// What has to change before other machines can ask.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    AllowRemoteAccess,
    /// The listener is there, and disabled.
    Enable(Listener),
    /// With this certificate, by https.
    Create(Transport, Option<Thumbprint>),
}

/// What keeps a step from being made.
struct Policy;

impl Step {
    fn transport(&self) -> Option<Transport> {
        match self {
            Self::AllowRemoteAccess => None,
            Self::Enable(listener) => Some(listener.transport),
            Self::Create(transport, _) => Some(*transport),
        }
    }

    /// What is done, and what was done.
    fn told(&self, done: bool) -> String {
        let scheme = self.transport().map(|one| one.scheme().to_ascii_uppercase());
        let scheme = scheme.unwrap_or_default();
        let to = format!(
            "a WinRM listener on {scheme}://* to accept WS-Man requests to any IP on this machine."
        );
        match (self, done) {
            (Self::AllowRemoteAccess, false) => {
                "Allow remote access to this machine for management.".to_owned()
            }
            (Self::AllowRemoteAccess, true) => {
                "Allowed remote access to this machine for management.".to_owned()
            }
            (Self::Enable(_), false) => format!("Enable {to}"),
            (Self::Enable(_), true) => format!("Enabled {to}"),
            (Self::Create(..), false) => format!("Create {to}"),
            (Self::Create(..), true) => format!("Created {to}"),
        }
    }
}

impl ServiceMethods {
    pub(crate) const fn new(configuration: Arc<Configuration>, listening: Arc<Listening>) -> Self {
        Self { configuration, listening }
    }

    async fn invoke(&self, method: &str, input: Option<Element>) -> Result<Element, Box<Fault>> {
        let is = |name: &str| method.eq_ignore_ascii_case(name);
        match () {
            () if is("AnalyzeService") => Ok(output("AnalyzeService")
                .with_child(remoting(true, None))
                .with_child(results(""))),
            () if is("EnableService") => Ok(succeeded("EnableService", "")),
            () if is("Analyze") => self.analyze(transport_of(input.as_ref())?),
            () if is("EnableRemoting") => self.enable(transport_of(input.as_ref())?).await,
            () => {
                let text = format!("winrm/config/service has no method {method}. ");
                Err(Box::new(Fault::new(ErrorCode::ACTION_NOT_SUPPORTED, text)))
            }
        }
    }

    fn analyze(&self, transport: Transport) -> Result<Element, Box<Fault>> {
        let answer = output("Analyze");
        let steps = match self.steps(&self.configuration.current(), transport)? {
            Ok(steps) => steps,
            // Its own word tells the client that nothing can be changed.
            Err(Policy) => {
                let policy = remoting(false, Some(Origin::Policy));
                return Ok(answer.with_child(policy).with_child(results("")));
            }
        };
        let answer = answer.with_child(remoting(steps.is_empty(), None));
        let answer = answer.with_child(results(&told(&steps, false)));
        if steps.is_empty() {
            return Ok(answer);
        }
        let wanted = transport.scheme().to_ascii_uppercase();
        let input = element("EnableRemoting_INPUT");
        Ok(answer.with_child(input.with_child(element("Transport").with_text(wanted))))
    }

    async fn enable(&self, transport: Transport) -> Result<Element, Box<Fault>> {
        let steps = self.steps(&self.configuration.current(), transport)?.map_err(|Policy| {
            let text = "The administrator's own configuration file keeps other machines out (Source=\"GPO\"). ";
            let code = ErrorCode::CONFIG_CANNOT_CHANGE_GPO_CONTROLLED_SETTING;
            Box::new(Fault::new(code, text))
        })?;
        let text = told(&steps, true);
        self.configuration.change(move |edit| take(edit, steps)).await?;
        Ok(succeeded("EnableRemoting", &text))
    }

    /// What has to change, in the order in which it is told.
    fn steps(
        &self,
        current: &Current,
        transport: Transport,
    ) -> Result<Result<Vec<Step>, Policy>, Box<Fault>> {
        let mut steps = Vec::new();
        let settings = &current.settings;
        if !settings.service.allow_remote_access {
            let setting = Setting::find(ALLOW_REMOTE_ACCESS);
            if setting.is_some_and(|setting| current.layers.is_policy(setting)) {
                return Ok(Err(Policy));
            }
            steps.push(Step::AllowRemoteAccess);
        }
        let is_wanted =
            |one: &&Listener| one.transport == transport && one.address == ListenAddress::Any;
        match settings.listeners.iter().find(is_wanted) {
            Some(listener) if listener.enabled => {}
            Some(listener) => {
                let policy = current.layers.policy_listeners();
                let own = settings.listeners.iter().skip(policy).any(|one| one == listener);
                if !own {
                    return Ok(Err(Policy));
                }
                steps.push(Step::Enable(listener.clone()));
            }
            None => {
                let certificate = match transport {
                    Transport::Http => None,
                    Transport::Https => Some(only_fit(self.listening.store(), "")?),
                };
                steps.push(Step::Create(transport, certificate));
            }
        }
        Ok(Ok(steps))
    }
}

/// Makes the steps a change of the configuration.
fn take(edit: &mut Edit, steps: Vec<Step>) -> Result<(), Box<Fault>> {
    for step in steps {
        match step {
            Step::AllowRemoteAccess => {
                if let Some(setting) = Setting::find(ALLOW_REMOTE_ACCESS) {
                    edit.set(setting, "true");
                }
            }
            Step::Enable(listener) => {
                let _is_own = alter(edit, Listener { enabled: true, ..listener });
            }
            Step::Create(transport, certificate) => {
                let port = transport.winrm_port();
                add(edit, Listener { transport, port, certificate, ..Listener::default() });
            }
        }
    }
    Ok(())
}

impl ResourceProvider for ServiceMethods {
    fn serves(&self, uri: &str) -> bool {
        Node::of_uri(uri) == Some(Node::Service)
    }

    fn handle<'a>(
        &'a self,
        request: ResourceRequest<'a>,
    ) -> BoxFuture<'a, Result<ResourceReply, Box<Fault>>> {
        Box::pin(async move {
            let ResourceOperation::Invoke { method, input } = request.operation else {
                let text = "Here are the methods of winrm/config/service only. ";
                return Err(Box::new(Fault::new(ErrorCode::ACTION_NOT_SUPPORTED, text)));
            };
            self.invoke(&method, input).await.map(ResourceReply::Element)
        })
    }
}

/// The transport in a method's input; HTTP where there is none.
fn transport_of(input: Option<&Element>) -> Result<Transport, Box<Fault>> {
    let given = input.and_then(|input| {
        input.elements().find(|child| child.name.local().eq_ignore_ascii_case("Transport"))
    });
    let Some(word) = given.map(Element::trimmed_text) else { return Ok(Transport::Http) };
    let named = |one: &Transport| one.scheme().eq_ignore_ascii_case(&word);
    [Transport::Http, Transport::Https].into_iter().find(named).ok_or_else(|| {
        let text = format!("{word} is no transport: HTTP or HTTPS. ");
        Box::new(Fault::new(ErrorCode::INVALID_PARAMETER, text))
    })
}

fn told(steps: &[Step], done: bool) -> String {
    steps.iter().map(|step| format!("{}\n", step.told(done))).collect()
}

fn element(name: &str) -> Element {
    Element::named(Name::from_parts(Node::Service.uri(), name))
}

fn output(method: &str) -> Element {
    element(&format!("{method}_OUTPUT"))
}

fn remoting(is_enabled: bool, origin: Option<Origin>) -> Element {
    let element = element("RemotingEnabled").with_text(is_enabled.to_string());
    match origin {
        Some(origin) => element.with_attribute(Origin::ATTRIBUTE, origin.as_str()),
        None => element,
    }
}

fn results(text: &str) -> Element {
    let element = element("Results");
    if text.is_empty() { element } else { element.with_text(text) }
}

fn succeeded(method: &str, text: &str) -> Element {
    let status = element("Status").with_text("succeeded");
    output(method).with_child(status).with_child(results(text))
}
