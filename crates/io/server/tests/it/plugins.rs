//! `winrm/config/plugin` by the wire: read, changed, made and removed; and what the changes come to.

use auth::sddl::Sid;
use server::Settings;
use uuid::Uuid;
use wsman::fault::Fault;
use wsman::ns::config as uri;
use wsman::shell::{Request, ShellDescription};
use wsman::transfer::{Locator, Operation};
use wsman::xml::Element;
use wsman::{ErrorCode, SelectorSet};

use crate::support::{Service, Session, settings};

const COMMAND: &str = "Shell cmd plugin";
const POWERSHELL: &str = "microsoft.powershell";

fn locator(name: &str) -> Locator {
    let selectors = SelectorSet::default().with("Name", name);
    Locator { selectors, ..Locator::new(uri::PLUGIN) }
}

/// One operation on a resource: the first element of the answer, or the fault.
async fn ask(
    session: &mut Session,
    locator: &Locator,
    operation: Operation,
) -> Result<Option<Element>, Fault> {
    let id = Uuid::try_parse(session.fresh_id().trim_start_matches("uuid:")).unwrap();
    let request = operation.to_envelope(&session.context, locator, id, session.timeout);
    let reply = session.ask_envelope(&request).await?;
    Ok(reply.body.into_iter().next())
}

async fn get(session: &mut Session, name: &str) -> Result<Element, Fault> {
    Ok(ask(session, &locator(name), Operation::Get).await?.unwrap())
}

async fn put(session: &mut Session, name: &str, element: Element) -> Result<Element, Fault> {
    Ok(ask(session, &locator(name), Operation::Put(element)).await?.unwrap())
}

/// The element with another value of one attribute, wherever it is.
fn with(mut element: Element, owner: &str, name: &str, value: &str) -> Element {
    fn change(element: &mut Element, owner: &str, name: &str, value: &str) {
        if element.name.local() == owner {
            let found = element.attributes.iter_mut().find(|one| one.name.local() == name);
            found.unwrap().value = value.to_owned();
        }
        for child in &mut element.children {
            if let wsman::xml::Node::Element(child) = child {
                change(child, owner, name, value);
            }
        }
    }
    change(&mut element, owner, name, value);
    element
}

fn security(element: &Element) -> Option<String> {
    let resources = element.child(uri::PLUGIN_CONFIGURATION, "Resources").unwrap();
    let resource = resources.elements().next().unwrap();
    let security = resource.child(uri::PLUGIN_CONFIGURATION, "Security")?;
    security.attribute("Sddl").map(str::to_owned)
}

fn with_security(element: &Element, sddl: &str) -> Element {
    let own = element.clone();
    if security(element).is_some() {
        return with(own, "Security", "Sddl", sddl);
    }
    let mut own = own;
    for node in &mut own.children {
        let wsman::xml::Node::Element(resources) = node else { continue };
        for node in &mut resources.children {
            let wsman::xml::Node::Element(resource) = node else { continue };
            let security = Element::new(uri::PLUGIN_CONFIGURATION, "Security");
            resource
                .children
                .insert(0, wsman::xml::Node::Element(security.with_attribute("Sddl", sddl)));
        }
    }
    own
}

#[tokio::test]
async fn plugins_are_listed_and_shown_as_windows_shows_them() {
    let service = Service::start().await;
    let mut alice = Session::login(service.address, "alice").await;
    let shown = get(&mut alice, "Microsoft.PowerShell").await.unwrap();
    assert_eq!(shown.attribute("Name"), Some(POWERSHELL));
    assert_eq!(shown.attribute("Filename"), Some(r"%windir%\system32\pwrshplugin.dll"));
    assert_eq!(
        security(&shown).as_deref(),
        Some("O:NSG:BAD:P(A;;GA;;;BA)(A;;GA;;;RM)S:P(AU;FA;GA;;;WD)(AU;SA;GXGW;;;WD)")
    );
    let quotas = shown.child(uri::PLUGIN_CONFIGURATION, "Quotas").unwrap();
    assert_eq!(quotas.attribute("IdleTimeoutms"), Some("7200000"));
    assert_eq!(quotas.attribute("MaxShellsPerUser"), Some("2147483647"));
    let shown = get(&mut alice, COMMAND).await.unwrap();
    assert_eq!(security(&shown), None);
    let unknown = get(&mut alice, "nothing").await.unwrap_err();
    assert_eq!(unknown.error_code(), Some(ErrorCode::RESOURCE_NOT_FOUND));
    let without = ask(&mut alice, &Locator::new(uri::PLUGIN), Operation::Get).await.unwrap_err();
    assert_eq!(without.error_code(), Some(ErrorCode::INSUFFICIENT_SELECTORS));
}

#[tokio::test]
async fn descriptor_that_is_put_decides_at_once() {
    let service = Service::start().await;
    let mut alice = Session::login(service.address, "alice").await;
    let mut carol = Session::login(service.address, "carol").await;
    let fault = carol.open_shell_as(ShellDescription::default()).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::ACCESS_DENIED));
    let sddl = format!("O:NSG:BAD:P(A;;GA;;;BA)(A;;GXGR;;;{})", Sid::of_account(&[3; 16]));
    let shown = get(&mut alice, COMMAND).await.unwrap();
    let changed = put(&mut alice, COMMAND, with_security(&shown, &sddl)).await.unwrap();
    assert_eq!(security(&changed).as_deref(), Some(sddl.as_str()));
    let shell = carol.open_shell().await;
    carol.start(&shell, "true").await.unwrap();
    // Taken away again, also what she has open is closed to her.
    let nobody = with_security(&changed, "O:NSG:BAD:P(A;;GA;;;BA)");
    put(&mut alice, COMMAND, nobody).await.unwrap();
    let fault = carol.request(&Request::Delete, Some(&shell)).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::ACCESS_DENIED));
    let wrong = put(&mut alice, COMMAND, with_security(&changed, "D:(A;;QQ;;;BA)")).await;
    assert_eq!(wrong.unwrap_err().error_code(), Some(ErrorCode::INVALID_SECURITY_DESCRIPTOR));
}

#[tokio::test]
async fn what_is_not_to_be_changed_is_refused_and_nothing_has_changed() {
    let service = Service::start().await;
    let mut alice = Session::login(service.address, "alice").await;
    let shown = get(&mut alice, POWERSHELL).await.unwrap();
    for (owner, name, value, code) in [
        ("PlugInConfiguration", "RunAsUser", "root", ErrorCode::INVALID_XML_RUNAS_DISABLED),
        ("PlugInConfiguration", "Filename", "other.dll", ErrorCode::NOT_SUPPORTED),
        ("PlugInConfiguration", "UseSharedProcess", "true", ErrorCode::NOT_SUPPORTED),
        ("PlugInConfiguration", "Enabled", "perhaps", ErrorCode::SCHEMA_VALIDATION_ERROR),
        ("Resource", "ResourceUri", "http://example.com/", ErrorCode::NOT_SUPPORTED),
        ("Capability", "Type", "Get", ErrorCode::NOT_SUPPORTED),
        ("Quotas", "MaxProcessesPerShell", "3", ErrorCode::NOT_SUPPORTED),
        ("Quotas", "MaxShells", "0", ErrorCode::INVALID_PARAMETER),
        ("Quotas", "MaxShells", "many", ErrorCode::SCHEMA_VALIDATION_ERROR),
    ] {
        let wrong = with(shown.clone(), owner, name, value);
        let fault = put(&mut alice, POWERSHELL, wrong).await.unwrap_err();
        assert_eq!(fault.error_code(), Some(code), "{name} {value}");
    }
    assert_eq!(get(&mut alice, POWERSHELL).await.unwrap(), shown);
    // The same again is no change, and the file may be spelled in any case.
    let same = with(
        shown.clone(),
        "PlugInConfiguration",
        "Filename",
        r"%WinDir%\System32\PWRSHPLUGIN.DLL",
    );
    assert_eq!(put(&mut alice, POWERSHELL, same).await.unwrap(), shown);
}

#[tokio::test]
async fn session_configurations_are_made_removed_and_restored() {
    let service = Service::start().await;
    let mut alice = Session::login(service.address, "alice").await;
    let shown = get(&mut alice, POWERSHELL).await.unwrap();
    let name = |text: &str| {
        let own = with(shown.clone(), "PlugInConfiguration", "Name", text);
        let resource = format!("http://schemas.microsoft.com/powershell/{text}");
        let own = with(own, "Resource", "ResourceUri", &resource);
        with(own, "Security", "Uri", &resource)
    };
    let mine = with(name("Mine"), "Quotas", "MaxShellsPerUser", "2");
    let create = |element: Element| Operation::Create(element);
    ask(&mut alice, &locator("Mine"), create(mine.clone())).await.unwrap();
    assert_eq!(get(&mut alice, "MINE").await.unwrap(), mine);
    let again = ask(&mut alice, &locator("mine"), create(mine.clone())).await.unwrap_err();
    assert_eq!(again.error_code(), Some(ErrorCode::ALREADY_EXISTS));
    for (name, element) in [("a/b", name("a/b")), ("Other", mine.clone())] {
        assert!(ask(&mut alice, &locator(name), create(element)).await.is_err(), "{name}");
    }
    ask(&mut alice, &locator("Mine"), Operation::Delete).await.unwrap();
    ask(&mut alice, &locator(POWERSHELL), Operation::Delete).await.unwrap();
    for name in ["Mine", POWERSHELL] {
        let gone = get(&mut alice, name).await.unwrap_err();
        assert_eq!(gone.error_code(), Some(ErrorCode::RESOURCE_NOT_FOUND));
    }
    assert!(ask(&mut alice, &locator(COMMAND), Operation::Delete).await.is_err());
    let restore = Operation::Invoke { method: "Restore".to_owned(), input: None };
    let output = ask(&mut alice, &Locator::new(uri::PLUGIN), restore).await.unwrap().unwrap();
    assert!(output.is(uri::PLUGIN, "Restore_OUTPUT"), "{output:?}");
    assert_eq!(get(&mut alice, POWERSHELL).await.unwrap(), shown);
}

#[tokio::test]
async fn nobody_without_the_right_reads_or_changes_plugins() {
    let service = Service::start().await;
    let mut carol = Session::login(service.address, "carol").await;
    let element = Element::new(uri::PLUGIN_CONFIGURATION, "PlugInConfiguration");
    for operation in [
        Operation::Get,
        Operation::Put(element.clone()),
        Operation::Create(element),
        Operation::Delete,
        Operation::Invoke { method: "Restore".to_owned(), input: None },
    ] {
        let fault = ask(&mut carol, &locator(POWERSHELL), operation).await.unwrap_err();
        assert_eq!(fault.error_code(), Some(ErrorCode::ACCESS_DENIED));
    }
}

/// The values of an embedding program stay beside what is changed.
#[tokio::test]
async fn plugins_of_the_settings_are_there_and_can_be_changed() {
    let text = "[Plugin.Reports]\nSddl = \"D:P(A;;GA;;;BA)\"\n";
    let own: Settings = settings(text);
    let service = Service::start_with(own).await;
    let mut alice = Session::login(service.address, "alice").await;
    let shown = get(&mut alice, "Reports").await.unwrap();
    assert_eq!(security(&shown).as_deref(), Some("D:P(A;;GA;;;BA)"));
    let closed = with(shown, "PlugInConfiguration", "Enabled", "false");
    assert_eq!(put(&mut alice, "Reports", closed.clone()).await.unwrap(), closed);
}
