//! The private socket: who is who there, asked by curl and by our client.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use client::{Client, Config, LOCAL_SOCKET, Protection};
use nix::unistd::User;

use crate::service::{self, Flavour, Service, USER};
use crate::tool;

/// Asks by the private socket, as this local user; the answer ends with the status.
fn ask(service: &Service, user: &str, envelope: &str) -> String {
    let user = User::from_name(user).unwrap().unwrap();
    let mut command = tool::program("setpriv");
    command.arg(format!("--reuid={}", user.uid)).arg(format!("--regid={}", user.gid));
    command.args(["--clear-groups", "curl", "--silent", "--unix-socket"]);
    command.arg(service.state().join(LOCAL_SOCKET));
    command.args(["--header", "Content-Type: application/soap+xml;charset=UTF-8", "--data-binary"]);
    command.arg(envelope).args(["--write-out", " %{http_code}", "http://localhost/wsman"]);
    tool::run(command.current_dir("/")).ended(0).stdout
}

fn list_shells(service: &Service, user: &str) -> String {
    ask(service, user, ENUMERATE)
}

/// Asks for another setting, which takes an administrator.
pub(crate) fn change(service: &Service, user: &str) -> String {
    let uri = "http://schemas.microsoft.com/wbem/wsman/1";
    let body = format!(
        "<c:Config xmlns:c=\"{uri}/config\"><c:MaxBatchItems>7</c:MaxBatchItems></c:Config>"
    );
    let envelope = ENUMERATE
        .replace(&format!("{uri}/windows/shell"), &format!("{uri}/config"))
        .replace("http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate", PUT)
        .replace("<n:Enumerate/>", &body);
    ask(service, user, &envelope)
}

const PUT: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Put";

const ENUMERATE: &str = r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration"><s:Header><a:To>http://localhost:47001/wsman</a:To><w:ResourceURI s:mustUnderstand="true">http://schemas.microsoft.com/wbem/wsman/1/windows/shell</w:ResourceURI><a:ReplyTo><a:Address s:mustUnderstand="true">http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo><a:Action s:mustUnderstand="true">http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate</a:Action><a:MessageID>uuid:1F8FAD5B-D9CB-469F-A165-70867728950E</a:MessageID><w:OperationTimeout>PT20.000S</w:OperationTimeout></s:Header><s:Body><n:Enumerate/></s:Body></s:Envelope>"#;

#[test]
fn local_user_is_the_account_that_is_mapped_to_it_and_others_are_denied() {
    if !service::flavours().contains(&Flavour::Root) {
        eprintln!("SKIPPED private_socket::local_user: needs root");
        return;
    }
    let service = Service::start(Flavour::Root);
    // The account of the service is mapped to nobody.
    for user in ["root", "nobody"] {
        let answer = list_shells(&service, user);
        assert!(answer.ends_with(" 200") && answer.contains("EnumerateResponse"), "{answer}");
    }
    let answer = list_shells(&service, "daemon");
    assert!(answer.ends_with(" 500") && answer.contains("AccessDenied"), "{answer}");
    for user in ["root", "nobody"] {
        let answer = change(&service, user);
        assert!(answer.ends_with(" 200") && answer.contains("MaxBatchItems>7<"), "{answer}");
    }
    // Who is on the machine may read, and an account of it is enough for that.
    service.add_member("guest", "daemon", "Users").ended(0);
    assert!(list_shells(&service, "daemon").ends_with(" 200"));
    let answer = change(&service, "daemon");
    assert!(answer.ends_with(" 500") && answer.contains("AccessDenied"), "{answer}");
    // Whoever shares the local user of an administrator's account gains nothing by that.
    service.add_member("other", "nobody", "Users").ended(0);
    let answer = change(&service, "nobody");
    assert!(answer.ends_with(" 500") && answer.contains("AccessDenied"), "{answer}");
    let log = service.log();
    for who in ["user=\"root\" mechanism=\"Local\"", "user=\"alice\" mechanism=\"Local\""] {
        assert!(log.contains(who), "{who}");
    }
    assert!(log.contains("no account is mapped to uid"));
    let socket = service.state().join(LOCAL_SOCKET);
    assert!(service.stop().success());
    assert!(!socket.exists());
}

#[test]
fn only_its_user_reaches_a_service_that_does_not_run_as_root() {
    let service = Service::start(Flavour::Unprivileged);
    let socket = service.state().join(LOCAL_SOCKET);
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let user = service::local_user(Flavour::Unprivileged).name;
    let answer = list_shells(&service, &user);
    assert!(answer.ends_with(" 200") && answer.contains("EnumerateResponse"), "{answer}");
    service.has_said(&format!("user=\"{user}\" mechanism=\"Local\""));
    assert_ne!(user, USER);
}

#[tokio::test]
async fn our_client_needs_no_password_there_and_says_where_a_service_is_missing() {
    for flavour in service::flavours() {
        let service = Service::start(flavour);
        let socket = service.state().join(LOCAL_SOCKET);
        let client = Client::new(Config::local(socket.clone())).unwrap();
        // What only somebody who is logged in is told.
        let version = client.identify().await.unwrap().product_version.unwrap();
        assert!(!version.contains("OS: 0.0.0"), "{version}");
        assert_eq!(client.protection(), Some(Protection::Local));
        assert_eq!(client.mechanism(), Some("Local"));
        assert!(service.stop().success());
        let client = Client::new(Config::local(socket.clone())).unwrap();
        let error = client.identify().await.unwrap_err();
        assert!(error.to_string().contains(socket.to_str().unwrap()), "{error}");
    }
}
