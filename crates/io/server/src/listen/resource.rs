//! `winrm/config/listener`: the listeners as resources, one for each address and transport. [MS-WSMV] 2.2.4.19, 3.1.4.1.
//!
//! ```text
//!  Create, Put, Delete ──► looked at ──► a change of the state layer ──► Configuration: opened, kept, in force
//! ```
//!
//! Those of the administrator's file show as `Source="GPO"` and stay as they are; those on the ports of older versions show
//! as `Source="Compatibility"` and go with their settings.

use std::net::IpAddr;
use std::sync::Arc;

use session::client::endpoint::Transport;
use toml::Value as Toml;
use transport::InterfaceAddress;
use wsman::config::{self, Change, Node, Origin, Setting, Value};
use wsman::enumeration::server::Source;
use wsman::fault::{ErrorCode, Fault};
use wsman::ns::config::LISTENER as URI;
use wsman::xml::{Element, Name, Node as Child};
use wsman::{EndpointReference, SelectorSet};

use super::certificate;
use super::plan::{allows, compatibility};
use super::running::Listening;
use crate::BoxFuture;
use crate::configuration::{Configuration, Current, Edit};
use crate::resource::{ResourceOperation, ResourceProvider, ResourceReply, ResourceRequest};
use crate::settings::{ListenAddress, Listener, Service};

/// The selectors, which are settings too.
const ADDRESS: &str = "Address";
const TRANSPORT: &str = "Transport";
/// Where a listener is reached: told, and not set.
const LISTENING_ON: &str = "ListeningOn";
/// The key of the listeners in the state layer.
const KEY: &str = "Listener";

/// The listeners as resources.
#[derive(Debug)]
pub(crate) struct ListenerResource {
    configuration: Arc<Configuration>,
    listening: Arc<Listening>,
}

/// Which listener.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    address: ListenAddress,
    transport: Transport,
}

impl Key {
    fn of(listener: &Listener) -> Self {
        Self { address: listener.address.clone(), transport: listener.transport }
    }

    fn read(selectors: &SelectorSet) -> Result<Self, Box<Fault>> {
        let wrong = |code, text: String| Err(Box::new(Fault::new(code, text)));
        let known =
            |name: &str| [ADDRESS, TRANSPORT].iter().any(|own| own.eq_ignore_ascii_case(name));
        if let Some(other) = selectors.selectors.iter().find(|selector| !known(&selector.name)) {
            let text = format!("A listener has no selector {}. ", other.name);
            return wrong(ErrorCode::UNEXPECTED_SELECTORS, text);
        }
        let (Some(address), Some(transport)) = (selectors.text(ADDRESS), selectors.text(TRANSPORT))
        else {
            let text = "A listener is named by the selectors Address and Transport. ".to_owned();
            return wrong(ErrorCode::INSUFFICIENT_SELECTORS, text);
        };
        let Ok(address) = ListenAddress::of_resource(address) else {
            let text =
                format!("{address} is not a listener's address: *, IP:ADDRESS or MAC:ADDRESS. ");
            return wrong(ErrorCode::LISTENER_ADDRESS_INVALID, text);
        };
        let named = |one: &Transport| one.scheme().eq_ignore_ascii_case(transport);
        let Some(transport) = [Transport::Http, Transport::Https].into_iter().find(named) else {
            let text = format!("{transport} is not a listener's transport: HTTP or HTTPS. ");
            return wrong(ErrorCode::INVALID_PARAMETER, text);
        };
        Ok(Self { address, transport })
    }

    fn selectors(&self) -> SelectorSet {
        let selectors = SelectorSet::default().with(ADDRESS, self.address.to_resource());
        selectors.with(TRANSPORT, self.transport.scheme().to_ascii_uppercase())
    }
}

/// The listeners that are shown, and whose they are.
fn shown(current: &Current) -> impl Iterator<Item = (Listener, Option<Origin>)> {
    let settings = Arc::clone(&current.settings);
    let policy = current.layers.policy_listeners();
    let own = settings.listeners.clone().into_iter().enumerate();
    let own =
        own.map(move |(index, listener)| (listener, (index < policy).then_some(Origin::Policy)));
    let old: Vec<_> = compatibility(&settings.service).collect();
    own.chain(old.into_iter().map(|listener| (listener, Some(Origin::Compatibility))))
}

impl ListenerResource {
    pub(crate) const fn new(configuration: Arc<Configuration>, listening: Arc<Listening>) -> Self {
        Self { configuration, listening }
    }

    async fn answer(&self, request: ResourceRequest<'_>) -> Result<ResourceReply, Box<Fault>> {
        if let ResourceOperation::Enumerate(filter) = &request.operation {
            let all = self.all(request.to).await?;
            let selectors = filter.as_ref().and_then(wsman::enumeration::Filter::as_selectors);
            return Ok(ResourceReply::Items(match selectors {
                Some(wanted) => all.selected(wanted.clone()),
                None => all,
            }));
        }
        let key = Key::read(request.selectors)?;
        match request.operation {
            ResourceOperation::Get => self.element(&key).await.map(ResourceReply::Element),
            ResourceOperation::Put(element) => self.put(key, element).await,
            ResourceOperation::Create(element) => self.create(key, element, request.to).await,
            ResourceOperation::Delete => {
                self.configuration.change(move |edit| delete(edit, &key)).await?;
                Ok(ResourceReply::Nothing)
            }
            ResourceOperation::Enumerate(_) | ResourceOperation::Invoke { .. } => {
                let text = "A listener has no methods. ";
                Err(Box::new(Fault::new(ErrorCode::ACTION_NOT_SUPPORTED, text)))
            }
        }
    }

    async fn all(&self, to: &str) -> Result<Source, Box<Fault>> {
        let interfaces = self.interfaces().await?;
        let current = self.configuration.current();
        let item = |(listener, origin): (Listener, Option<Origin>)| {
            let selectors = Key::of(&listener).selectors();
            let element = write(&listener, origin, &current.settings.service, &interfaces);
            (element, EndpointReference::resource(to, URI, selectors))
        };
        let all: Vec<_> = shown(&current).map(item).collect();
        Ok(Source::references(all))
    }

    async fn element(&self, key: &Key) -> Result<Element, Box<Fault>> {
        let interfaces = self.interfaces().await?;
        let current = self.configuration.current();
        let (listener, origin) = find(&current, key)?;
        Ok(write(&listener, origin, &current.settings.service, &interfaces))
    }

    async fn interfaces(&self) -> Result<Vec<InterfaceAddress>, Box<Fault>> {
        self.listening.interfaces().await.map_err(|error| {
            let text = format!("The addresses of this machine cannot be read: {error}. ");
            Box::new(Fault::new(ErrorCode::INTERNAL_ERROR, text))
        })
    }

    async fn put(&self, key: Key, element: Element) -> Result<ResourceReply, Box<Fault>> {
        let element = self.without_told(&key, element).await?;
        let listening = Arc::clone(&self.listening);
        let again = key.clone();
        let edit = move |edit: &mut Edit| {
            let (mut listener, origin) = find(&edit.now, &key)?;
            let changes = config::read_put(Node::Listener, &element, |setting| Value {
                text: text_of(&listener, setting),
                source: origin,
            })?;
            if changes.is_empty() {
                return Ok(());
            }
            apply(&mut listener, &changes)?;
            certificate::judge(&mut listener, listening.store())?;
            let mut all = own(edit);
            if let Some(one) = all.iter_mut().find(|one| Key::of(one) == key) {
                *one = listener;
            }
            keep(edit, &all);
            Ok(())
        };
        self.configuration.change(edit).await?;
        self.element(&again).await.map(ResourceReply::Element)
    }

    /// What is told and not set may be told back as it is.
    async fn without_told(&self, key: &Key, mut element: Element) -> Result<Element, Box<Fault>> {
        let told = |element: &Element| {
            let is_told = |child: &&Element| child.name.local() == LISTENING_ON;
            element.elements().filter(is_told).map(Element::trimmed_text).collect::<Vec<_>>()
        };
        let given = told(&element);
        if !given.is_empty() && given != told(&self.element(key).await?) {
            let text = "ListeningOn tells where a listener is reached, and cannot be set. ";
            return Err(Box::new(Fault::new(ErrorCode::INTERNAL_ERROR, text)));
        }
        element.children.retain(|child| match child {
            Child::Element(child) => child.name.local() != LISTENING_ON,
            Child::Text(_) => true,
        });
        Ok(element)
    }

    async fn create(
        &self,
        key: Key,
        mut element: Element,
        to: &str,
    ) -> Result<ResourceReply, Box<Fault>> {
        // `winrm` takes the name from the URI, as it was typed.
        if element.name.local().eq_ignore_ascii_case(Node::Listener.element()) {
            let namespace = element.name.namespace().to_owned();
            element.name = Name::from_parts(&namespace, Node::Listener.element());
        }
        let reference = EndpointReference::resource(to, URI, key.selectors());
        let listening = Arc::clone(&self.listening);
        let edit = move |edit: &mut Edit| {
            if find(&edit.now, &key).is_ok() {
                let text = "The listener exists already. ";
                return Err(Box::new(Fault::new(ErrorCode::ALREADY_EXISTS, text)));
            }
            let mut listener = new(&key);
            let value = |setting: &'static Setting| Value::new(text_of(&listener, setting));
            let changes = config::read_put(Node::Listener, &element, value)?;
            apply(&mut listener, &changes)?;
            certificate::judge(&mut listener, listening.store())?;
            add(edit, listener);
            Ok(())
        };
        self.configuration.change(edit).await?;
        Ok(ResourceReply::Created(reference))
    }
}

impl ResourceProvider for ListenerResource {
    fn serves(&self, uri: &str) -> bool {
        Node::of_uri(uri) == Some(Node::Listener)
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

/// A listener as it is before anything is said of it.
fn new(key: &Key) -> Listener {
    let Key { address, transport } = key.clone();
    Listener { address, transport, port: transport.winrm_port(), ..Listener::default() }
}

fn find(current: &Current, key: &Key) -> Result<(Listener, Option<Origin>), Box<Fault>> {
    let found = shown(current).find(|(listener, _)| Key::of(listener) == *key);
    found.ok_or_else(|| {
        let text = "The service has no listener with this address and transport. ";
        Box::new(Fault::new(ErrorCode::RESOURCE_NOT_FOUND, text))
    })
}

/// The listeners of the state layer: before it says anything of listeners, those that there are and that are nobody's.
fn own(edit: &Edit) -> Vec<Listener> {
    let kept = edit.state.get(KEY).and_then(Toml::as_array);
    match kept {
        Some(all) => all.iter().filter_map(|one| one.clone().try_into().ok()).collect(),
        None => {
            let policy = edit.now.layers.policy_listeners();
            edit.now.settings.listeners.iter().skip(policy).cloned().collect()
        }
    }
}

fn keep(edit: &mut Edit, all: &[Listener]) {
    let all = all.iter().map(|listener| Toml::Table(listener.to_toml())).collect();
    edit.state.insert(KEY.to_owned(), Toml::Array(all));
}

/// Adds a listener to the state layer.
pub(super) fn add(edit: &mut Edit, listener: Listener) {
    let mut all = own(edit);
    all.push(listener);
    keep(edit, &all);
}

/// Gives a listener of the state layer another form; false where it is none of that layer.
pub(super) fn alter(edit: &mut Edit, to: Listener) -> bool {
    let mut all = own(edit);
    let Some(one) = all.iter_mut().find(|one| Key::of(one) == Key::of(&to)) else { return false };
    *one = to;
    keep(edit, &all);
    true
}

fn delete(edit: &mut Edit, key: &Key) -> Result<(), Box<Fault>> {
    let refused = |text: &str| {
        let code = ErrorCode::CONFIG_CANNOT_CHANGE_GPO_CONTROLLED_SETTING;
        Err(Box::new(Fault::new(code, text)))
    };
    match find(&edit.now, key)?.1 {
        Some(Origin::Policy) => {
            return refused(
                "The listener cannot be deleted: the administrator's own configuration file sets it (Source=\"GPO\"). ",
            );
        }
        Some(Origin::Compatibility) => {
            return refused(
                "The listener cannot be deleted: it goes with EnableCompatibilityHttpListener or \
                 EnableCompatibilityHttpsListener of winrm/config/service. ",
            );
        }
        None => {}
    }
    let mut all = own(edit);
    all.retain(|one| Key::of(one) != *key);
    keep(edit, &all);
    Ok(())
}

/// The value of a setting.
fn text_of(listener: &Listener, setting: &Setting) -> String {
    match setting.name() {
        ADDRESS => listener.address.to_resource(),
        TRANSPORT => listener.transport.scheme().to_ascii_uppercase(),
        "Port" => listener.port.to_string(),
        "Hostname" => listener.hostname.clone(),
        "Enabled" => listener.enabled.to_string(),
        "URLPrefix" => listener.prefix.clone(),
        "CertificateThumbprint" => {
            listener.certificate.as_ref().map(ToString::to_string).unwrap_or_default()
        }
        _ => setting.default.to_owned(),
    }
}

/// Gives settings other values; their form was looked at.
fn apply(listener: &mut Listener, changes: &[Change]) -> Result<(), Box<Fault>> {
    for Change { setting, value } in changes {
        let wrong = |what: String| {
            let text = format!("{} cannot be {value}: {what}. ", setting.name());
            Box::new(Fault::new(ErrorCode::INVALID_PARAMETER, text))
        };
        match setting.name() {
            "Port" => {
                listener.port = value
                    .parse()
                    .map_err(|error: std::num::ParseIntError| wrong(error.to_string()))?;
            }
            "Hostname" => {
                listener.set_hostname(value).map_err(|error| wrong(error.to_string()))?;
            }
            "Enabled" => listener.enabled = value == "true",
            "URLPrefix" => {
                listener.set_prefix(value).map_err(|error| wrong(error.to_string()))?;
            }
            "CertificateThumbprint" if value.is_empty() => listener.certificate = None,
            "CertificateThumbprint" => {
                let read = value.parse();
                listener.certificate =
                    Some(read.map_err(|error: crate::certificates::InvalidThumbprint| {
                        wrong(error.to_string())
                    })?);
            }
            _ => {}
        }
    }
    Ok(())
}

/// The element of a listener, in the order of the schema.
fn write(
    listener: &Listener,
    origin: Option<Origin>,
    service: &Service,
    interfaces: &[InterfaceAddress],
) -> Element {
    let mut element =
        config::write(Node::Listener, |setting| Value::new(text_of(listener, setting)));
    for address in listening_on(listener, service, interfaces) {
        element.push(Element::new(URI, LISTENING_ON).with_text(address.to_string()));
    }
    match origin {
        Some(origin) => element.with_attribute(Origin::ATTRIBUTE, origin.as_str()),
        None => element,
    }
}

/// The addresses at which a listener is reached.
fn listening_on(
    listener: &Listener,
    service: &Service,
    interfaces: &[InterfaceAddress],
) -> Vec<IpAddr> {
    if !listener.enabled {
        return Vec::new();
    }
    let is_remote = |ip: &IpAddr| service.allow_remote_access || ip.to_canonical().is_loopback();
    let mut all: Vec<IpAddr> = match &listener.address {
        ListenAddress::Any => {
            let all = interfaces.iter().map(|one| one.address);
            all.filter(|ip| allows(service, *ip)).collect()
        }
        ListenAddress::Ip(ip) => vec![*ip],
        ListenAddress::Mac(mac) => {
            let all = interfaces.iter().filter(|one| one.mac == Some(*mac));
            all.map(|one| one.address).collect()
        }
        // Looked up when the service started, and told by no resource.
        ListenAddress::Name(_) => Vec::new(),
    };
    all.retain(is_remote);
    all.sort_unstable();
    all.dedup();
    all
}
