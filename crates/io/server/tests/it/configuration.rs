//! The configuration by the wire: the tree is read and written, whole and in parts, and what may not be is refused.

use std::time::Duration;

use wsman::config::{Node, Setting};
use wsman::fault::{ErrorCode, Fault};
use wsman::ns::{self, action};
use wsman::transfer::{Fragment, Locator, Operation};
use wsman::xml::Element;
use wsman::{Envelope, SelectorSet};

use crate::support::{Service, Session, settings};

/// Somebody who asks about resources.
pub(crate) struct Asker(pub(crate) Session);

impl Asker {
    pub(crate) async fn login(service: &Service, user: &str) -> Self {
        Self(Session::login(service.address, user).await)
    }

    pub(crate) async fn ask(
        &mut self,
        locator: &Locator,
        operation: Operation,
    ) -> Result<Envelope, Fault> {
        let id = uuid::Uuid::from_u128(0x42);
        let context = self.0.context.clone();
        let envelope = operation.to_envelope(&context, locator, id, Duration::from_secs(10));
        self.0.ask_envelope(&envelope).await
    }

    pub(crate) async fn get(&mut self, uri: &str) -> Element {
        let reply = self.ask(&Locator::new(uri), Operation::Get).await.unwrap();
        assert_eq!(reply.action(), Some(action::GET_RESPONSE));
        let [element] = <[Element; 1]>::try_from(reply.body).unwrap();
        element
    }

    /// Sets one setting, as `winrm set` does: reads its node, changes the element, and writes the node back.
    pub(crate) async fn set(&mut self, path: &str, value: &str) -> Result<(), Fault> {
        let (node, name) = node_of(path);
        let mut element = self.get(node.uri()).await;
        leaf(&mut element, name, value);
        let reply = self.ask(&Locator::new(node.uri()), Operation::Put(element)).await?;
        assert_eq!(reply.action(), Some(action::PUT_RESPONSE));
        let setting = Setting::find(path).unwrap();
        let shown = reply.body.first().unwrap().child(node.uri(), name).unwrap().trimmed_text();
        assert_eq!(shown, wsman::config::canonical(setting, value).unwrap(), "{path}");
        Ok(())
    }

    pub(crate) async fn value(&mut self, path: &str) -> String {
        let (node, name) = node_of(path);
        let element = self.get(node.uri()).await;
        element.child(node.uri(), name).unwrap().trimmed_text()
    }

    /// The code of the fault of a change that is refused.
    pub(crate) async fn refused(&mut self, path: &str, value: &str) -> ErrorCode {
        self.set(path, value).await.unwrap_err().error_code().unwrap()
    }
}

/// The innermost node that has a setting.
fn node_of(path: &str) -> (Node, &str) {
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let is_it = |node: &Node| {
        node.path().is_some_and(|path| path.strip_suffix('/').unwrap_or(path) == parent)
    };
    (Node::ALL.into_iter().find(is_it).unwrap(), name)
}

fn leaf(element: &mut Element, name: &str, value: &str) {
    for child in &mut element.children {
        if let wsman::xml::Node::Element(child) = child
            && child.name.local() == name
        {
            child.children = vec![wsman::xml::Node::Text(value.to_owned())];
        }
    }
}

#[tokio::test]
async fn whole_tree_is_windows_own_and_each_node_a_part_of_it() {
    let Some(corpora) = testkit::corpora("server::whole_tree_is_windows_own") else { return };
    let service = Service::start().await;
    let mut alice = Asker::login(&service, "alice").await;
    let tree = alice.get("http://schemas.microsoft.com/wbem/wsman/1/config").await;
    let recorded =
        testkit::read(&corpora.join("pypsrp/responses/test_wsman_update_envelope_size_500.yml"));
    // The reply of a Windows Server 2022, whose Basic and CredSSP are on.
    let start = recorded.find("<cfg:Config").unwrap();
    let end = recorded.find("</cfg:Config>").unwrap() + "</cfg:Config>".len();
    let windows = recorded.get(start..end).unwrap();
    let own = String::from_utf8(wsman::xml::encode(&tree)).unwrap();
    let own = own.replace("<cfg:Basic>false", "<cfg:Basic>true");
    let windows = windows.replace("<cfg:Basic>false", "<cfg:Basic>true");
    let windows = windows.replace(
        "<cfg:CredSSP>true</cfg:CredSSP><cfg:Cbt",
        "<cfg:CredSSP>false</cfg:CredSSP><cfg:Cbt",
    );
    let windows = windows.replace("<cfg:TrustedHosts></cfg:TrustedHosts>", "<cfg:TrustedHosts/>");
    let windows = windows.replace(
        "<cfg:CertificateThumbprint></cfg:CertificateThumbprint>",
        "<cfg:CertificateThumbprint/>",
    );
    assert_eq!(own, windows);
    for node in Node::ALL.into_iter().filter(|node| node.path().is_some()) {
        let element = alice.get(&node.uri().to_uppercase()).await;
        assert!(element.is(node.uri(), node.element()), "{node:?}");
        assert!(element.elements().next().is_some());
    }
}

#[tokio::test]
async fn put_of_a_whole_node_changes_what_differs_and_a_wrong_value_changes_nothing() {
    let service = Service::start().await;
    let mut alice = Asker::login(&service, "alice").await;
    alice.set("MaxTimeoutms", "30000").await.unwrap();
    alice.set("Service/MaxConnections", "17").await.unwrap();
    alice.set("Service/Auth/CbtHardeningLevel", "strict").await.unwrap();
    assert_eq!(alice.value("MaxTimeoutms").await, "30000");
    let tree = alice.get(Node::Config.uri()).await;
    let service_node = tree.child(ns::CONFIG, "Service").unwrap();
    assert_eq!(service_node.child(ns::CONFIG, "MaxConnections").unwrap().text(), "17");
    for (path, value, code) in [
        ("Service/MaxConnections", "513", ErrorCode::INVALID_PARAMETER),
        ("Service/MaxConnections", "many", ErrorCode::SCHEMA_VALIDATION_ERROR),
        ("MaxTimeoutms", "10", ErrorCode::UNSUPPORTED_TIMEOUT),
        ("Service/IPv4Filter", "everywhere", ErrorCode::INVALID_IPFILTER),
        ("Winrs/MaxShellRunTime", "5", ErrorCode::DEPRECATED_CONFIG_SETTING),
        ("MaxProviderRequests", "5", ErrorCode::DEPRECATED_CONFIG_SETTING),
        ("Service/MaxConcurrentOperations", "5", ErrorCode::DEPRECATED_CONFIG_SETTING),
        ("Service/DefaultPorts/HTTP", "80", ErrorCode::ACTION_NOT_SUPPORTED),
        ("Client/TrustedHosts", "*", ErrorCode::CONFIG_READONLY_PROPERTY),
    ] {
        assert_eq!(alice.refused(path, value).await, code, "{path} = {value}");
    }
    assert_eq!(alice.value("Service/MaxConnections").await, "17");
    // In one message with a right value, a wrong one keeps both from changing.
    let mut element = alice.get(Node::Winrs.uri()).await;
    leaf(&mut element, "MaxShellsPerUser", "9");
    leaf(&mut element, "IdleTimeout", "-1");
    let put = Operation::Put(element);
    let fault = alice.ask(&Locator::new(Node::Winrs.uri()), put).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::SCHEMA_VALIDATION_ERROR));
    assert_eq!(alice.value("Winrs/MaxShellsPerUser").await, "2147483647");
}

#[tokio::test]
async fn put_that_would_undo_what_somebody_else_changed_is_refused_once() {
    let service = Service::start().await;
    let mut alice = Asker::login(&service, "alice").await;
    let mut bob = Asker::login(&service, "bob").await;
    let winrs = Locator::new(Node::Winrs.uri());
    let mut read = alice.get(Node::Winrs.uri()).await;
    bob.set("Winrs/MaxShellsPerUser", "77").await.unwrap();
    leaf(&mut read, "MaxConcurrentUsers", "5");
    let put = Operation::Put(read);
    let fault = alice.ask(&winrs, put.clone()).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::CONCURRENCY));
    assert!(fault.text().contains("changed MaxShellsPerUser since"), "{}", fault.text());
    assert_eq!(bob.value("Winrs/MaxConcurrentUsers").await, "2147483647", "nothing was written");
    // Who sends it again without reading wants it so.
    alice.ask(&winrs, put).await.unwrap();
    assert_eq!(bob.value("Winrs/MaxShellsPerUser").await, "2147483647");
    // What was answered to a Put was read as well, and parts are in nobody's way.
    bob.set("Winrs/IdleTimeout", "60000").await.unwrap();
    let part = Element::new(Node::Winrs.uri(), "Winrs")
        .with_child(Element::new(Node::Winrs.uri(), "MaxConcurrentUsers").with_text("6"));
    alice.ask(&winrs, Operation::Put(part)).await.unwrap();
    assert_eq!(bob.value("Winrs/IdleTimeout").await, "60000");
}

#[tokio::test]
async fn part_of_a_node_is_read_and_written_by_a_fragment() {
    let service = Service::start().await;
    let mut alice = Asker::login(&service, "alice").await;
    let part = |node: Node, path: &str| Locator {
        fragment: Some(Fragment::xpath(path)),
        ..Locator::new(node.uri())
    };
    let locator = part(Node::Config, "Service/Auth/Negotiate");
    let reply = alice.ask(&locator, Operation::Get).await.unwrap();
    let fragment = reply.body.first().unwrap();
    assert!(fragment.is(ns::WSMAN, "XmlFragment"));
    assert_eq!(fragment.child(ns::CONFIG, "Negotiate").unwrap().text(), "true");
    assert!(reply.header.fragment_transfer().is_some(), "the answer says which part it is");
    let locator = part(Node::Service, "EnumerationTimeoutms/text()");
    let text = Element::new(ns::WSMAN, "XmlFragment").with_text("1000");
    let reply = alice.ask(&locator, Operation::Put(text)).await.unwrap();
    assert_eq!(reply.body.first().unwrap().trimmed_text(), "1000");
    assert_eq!(alice.value("Service/EnumerationTimeoutms").await, "1000");
    let fault = alice.ask(&part(Node::Config, "/Service"), Operation::Get).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode(0x8033_8093)), "{fault}");
    let dialect = Fragment { dialect: Some("urn:x".to_owned()), ..Fragment::xpath("Service") };
    let locator = Locator { fragment: Some(dialect), ..Locator::new(Node::Config.uri()) };
    let fault = alice.ask(&locator, Operation::Get).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode(0x8033_8090)), "{fault}");
}

#[tokio::test]
async fn restore_takes_all_changes_back() {
    let service = Service::start_with(settings("[Winrs]\nMaxShellsPerUser = 5\n")).await;
    let mut alice = Asker::login(&service, "alice").await;
    alice.set("MaxBatchItems", "3").await.unwrap();
    alice.set("Winrs/MaxShellsPerUser", "6").await.unwrap();
    let restore = |method: &str| Operation::Invoke { method: method.to_owned(), input: None };
    let locator = Locator::new(Node::Config.uri());
    let reply = alice.ask(&locator, restore("Restore")).await.unwrap();
    assert_eq!(reply.action(), Some(&*format!("{}/RestoreResponse", Node::Config.uri())));
    assert!(reply.body.first().unwrap().is(Node::Config.uri(), "Restore_OUTPUT"));
    assert_eq!(alice.value("MaxBatchItems").await, "32000");
    // What the service began with is no change.
    assert_eq!(alice.value("Winrs/MaxShellsPerUser").await, "5");
    let fault = alice.ask(&locator, restore("Explode")).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::ACTION_NOT_SUPPORTED));
}

#[tokio::test]
async fn operations_that_a_node_does_not_have_are_refused() {
    let service = Service::start().await;
    let mut alice = Asker::login(&service, "alice").await;
    let locator = Locator::new(Node::Service.uri());
    let element = Element::new(Node::Service.uri(), "Service");
    for operation in [Operation::Create(element), Operation::Delete] {
        let fault = alice.ask(&locator, operation).await.unwrap_err();
        assert_eq!(fault.error_code(), Some(ErrorCode::ACTION_NOT_SUPPORTED));
        assert_eq!(fault.subcode.unwrap().local(), "ActionNotSupported");
    }
    let named = Locator { selectors: SelectorSet::shell("1"), ..locator };
    let fault = alice.ask(&named, Operation::Get).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::UNEXPECTED_SELECTORS));
    let nowhere = Locator::new("http://schemas.microsoft.com/wbem/wsman/1/config/nowhere");
    let fault = alice.ask(&nowhere, Operation::Get).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::INVALID_RESOURCE_URI));
}

#[tokio::test]
async fn who_is_no_administrator_learns_that_access_is_denied() {
    let service = Service::start().await;
    let mut carol = Asker::login(&service, "carol").await;
    for uri in [Node::Config.uri(), Node::Listener.uri(), "urn:nowhere"] {
        let locator = Locator::new(uri);
        let method = Operation::Invoke { method: "Restore".to_owned(), input: None };
        for operation in [Operation::Get, Operation::Delete, method] {
            let fault = carol.ask(&locator, operation).await.unwrap_err();
            assert_eq!(fault.error_code(), Some(ErrorCode::ACCESS_DENIED), "{uri}");
            assert_eq!(fault.reason, "Access is denied.");
        }
    }
}
