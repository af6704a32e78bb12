//! The resources of the `winrm/config` tree: read and written as elements, [MS-WSMV] 3.1.4.2 and 3.1.4.3.

use std::sync::Arc;

use wsman::config::{self, Kind, Mutability, Node, Setting};
use wsman::fault::{ErrorCode, Fault};
use wsman::xml::{Element, Name};

use super::plugin::invalid_descriptor;
use super::{Configuration, Current, Edit};
use crate::BoxFuture;
use crate::resource::{ResourceOperation, ResourceProvider, ResourceReply, ResourceRequest};
use crate::settings::Sddl;

/// The method that takes all changes back.
const RESTORE: &str = "Restore";

/// Where the settings of clients are in the tree.
const CLIENT: &str = "Client/";

/// The tree as resources.
#[derive(Debug)]
pub(crate) struct ConfigResource {
    configuration: Arc<Configuration>,
    /// Who knows the methods of `winrm/config/service`.
    methods: Option<Arc<dyn ResourceProvider>>,
}

impl ConfigResource {
    pub(crate) const fn new(
        configuration: Arc<Configuration>,
        methods: Option<Arc<dyn ResourceProvider>>,
    ) -> Self {
        Self { configuration, methods }
    }

    async fn answer(&self, request: ResourceRequest<'_>) -> Result<ResourceReply, Box<Fault>> {
        let node = node_of(request.uri).ok_or_else(|| unsupported(request.uri))?;
        if let Some(selector) = request.selectors.selectors.first() {
            let text =
                format!("{} has no selectors, and is given {}. ", request.uri, selector.name);
            return Err(Box::new(Fault::new(ErrorCode::UNEXPECTED_SELECTORS, text)));
        }
        match (request.operation, node) {
            (ResourceOperation::Get, _) => Ok(self.element(node)),
            (ResourceOperation::Put(_), Node::ServiceDefaultPorts) => Err(unsupported(request.uri)),
            (ResourceOperation::Put(element), _) => self.put(node, element).await,
            (ResourceOperation::Invoke { method, .. }, Node::Config)
                if method.eq_ignore_ascii_case(RESTORE) =>
            {
                self.configuration.change(restore).await?;
                let name = format!("{RESTORE}_OUTPUT");
                let output = Element::named(Name::from_parts(Node::Config.uri(), &name));
                Ok(ResourceReply::Element(output))
            }
            (operation @ ResourceOperation::Invoke { .. }, Node::Service) => match &self.methods {
                Some(methods) => methods.handle(ResourceRequest { operation, ..request }).await,
                None => Err(unsupported(request.uri)),
            },
            (
                ResourceOperation::Create(_)
                | ResourceOperation::Delete
                | ResourceOperation::Enumerate(_)
                | ResourceOperation::Invoke { .. },
                _,
            ) => Err(unsupported(request.uri)),
        }
    }

    fn element(&self, node: Node) -> ResourceReply {
        ResourceReply::Element(show(node, &self.configuration.current()))
    }

    async fn put(&self, node: Node, element: Element) -> Result<ResourceReply, Box<Fault>> {
        let edit = move |edit: &mut Edit| {
            let now = Arc::clone(&edit.now);
            for change in config::read_put(node, &element, |setting| now.shown(setting))? {
                check_owner(change.setting)?;
                if change.setting.kind == Kind::Sddl {
                    Sddl::parse(&change.value).map_err(|error| invalid_descriptor(&error))?;
                }
                edit.set(change.setting, &change.value);
            }
            Ok(())
        };
        let current = self.configuration.change(edit).await?;
        Ok(ResourceReply::Element(show(node, &current)))
    }
}

impl ResourceProvider for ConfigResource {
    fn serves(&self, uri: &str) -> bool {
        node_of(uri).is_some()
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

/// The node of the tree with this URI; instances are others'.
fn node_of(uri: &str) -> Option<Node> {
    Node::of_uri(uri).filter(|node| node.path().is_some())
}

fn show(node: Node, current: &Current) -> Element {
    config::write(node, |setting| current.shown(setting))
}

/// Takes back what was changed of the tree. Listeners, mappings and plug-ins stay.
fn restore(edit: &mut Edit) -> Result<(), Box<Fault>> {
    let own = |setting: &&Setting| setting.mutability == Mutability::Free;
    for setting in Node::Config.settings().filter(own) {
        edit.unset(setting);
    }
    Ok(())
}

/// What the service itself does not obey cannot be changed through it.
fn check_owner(setting: &Setting) -> Result<(), Box<Fault>> {
    if !setting.path.starts_with(CLIENT) {
        return Ok(());
    }
    let why = "the settings of clients belong to each user of this machine, who changes them with winrm on it";
    let text = format!("The setting {} cannot be changed: {why}. ", setting.path);
    Err(Box::new(Fault::new(ErrorCode::CONFIG_READONLY_PROPERTY, text)))
}

fn unsupported(uri: &str) -> Box<Fault> {
    let text = format!("The resource {uri} does not support this action. ");
    Box::new(Fault::new(ErrorCode::ACTION_NOT_SUPPORTED, text))
}
