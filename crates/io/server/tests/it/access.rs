//! Who may do what by the descriptors of the settings: the `RootSDDL`, and those of plug-ins.

use auth::sddl::Sid;
use server::Settings;
use uuid::Uuid;
use wsman::ErrorCode;
use wsman::enumeration::Enumerate;
use wsman::shell::{Request, RequestContext, ShellDescription, Variable};
use wsman::transfer::{Locator, Operation};

use crate::configuration::Asker;
use crate::live_settings::list;
use crate::support::{Service, Session, settings};

/// The RootSDDL with another entry.
fn with_root(entry: &str) -> Settings {
    settings(&format!("[Service]\nRootSDDL = \"O:NSG:BAD:P(A;;GA;;;BA){entry}\"\n"))
}

/// Carol's own SID: her id is sixteen threes.
fn carol() -> Sid {
    Sid::of_account(&[3; 16])
}

/// What a command writes.
async fn run(session: &mut Session, shell: &str) -> Vec<u8> {
    let id = session.start(shell, "echo in").await.unwrap();
    session.finish(shell, &id).await.0
}

/// As the documentation has it for accounts that are no administrators: Read and Execute.
#[tokio::test]
async fn whom_the_root_descriptor_lets_in_runs_commands() {
    for entry in [format!("(A;;GXGR;;;{})", carol()), "(A;;GXGR;;;AU)".to_owned()] {
        let service = Service::start_with(with_root(&entry)).await;
        let mut carol = Session::login(service.address, "carol").await;
        let shell = carol.open_shell().await;
        assert_eq!(run(&mut carol, &shell).await, b"in\n", "{entry}");
        carol.request(&Request::Delete, Some(&shell)).await.unwrap();
        service.stop().await;
    }
}

/// Read and Execute let her run commands, and take nothing back that an administrator has set.
#[tokio::test]
async fn who_runs_commands_calls_no_method_of_the_configuration() {
    let service = Service::start_with(with_root(&format!("(A;;GXGR;;;{})", carol()))).await;
    let mut alice = Asker::login(&service, "alice").await;
    alice.set("MaxBatchItems", "7").await.unwrap();
    let mut carol = Asker::login(&service, "carol").await;
    for (uri, method) in [
        ("http://schemas.microsoft.com/wbem/wsman/1/config", "Restore"),
        ("http://schemas.microsoft.com/wbem/wsman/1/Config/", "restore"),
        ("winrm/config", "Restore"),
        ("http://schemas.microsoft.com/wbem/wsman/1/config/plugin", "Restore"),
        ("http://schemas.microsoft.com/wbem/wsman/1/config/service", "EnableService"),
        ("http://schemas.microsoft.com/wbem/wsman/1/config/service", "EnableRemoting"),
    ] {
        let invoke = Operation::Invoke { method: method.to_owned(), input: None };
        let fault = carol.ask(&Locator::new(uri), invoke).await.unwrap_err();
        assert_eq!(fault.error_code(), Some(ErrorCode::ACCESS_DENIED), "{uri} {method}");
    }
    assert_eq!(alice.value("MaxBatchItems").await, "7");
    let shell = carol.0.open_shell().await;
    assert_eq!(run(&mut carol.0, &shell).await, b"in\n");
}

#[tokio::test]
async fn rights_that_are_not_enough_and_denials_keep_out() {
    for entry in [
        format!("(A;;GR;;;{})", carol()),
        format!("(A;;GW;;;{})", carol()),
        format!("(A;OICIIO;GA;;;{})", carol()),
        // The network is where she comes from.
        "(A;;GA;;;IU)".to_owned(),
    ] {
        let service = Service::start_with(with_root(&entry)).await;
        let mut carol = Session::login(service.address, "carol").await;
        let fault = carol.open_shell_as(ShellDescription::default()).await.unwrap_err();
        assert_eq!(fault.error_code(), Some(ErrorCode::ACCESS_DENIED), "{entry}");
        assert_eq!(service.plugin.opened(), 0);
        service.stop().await;
    }
    // Denied before everybody is let in; an administrator as well.
    let denied = "[Service]\nRootSDDL = \"O:NSG:BAD:P(D;;GX;;;NU)(A;;GA;;;WD)\"\n";
    let service = Service::start_with(settings(denied)).await;
    for name in ["alice", "carol"] {
        let mut session = Session::login(service.address, name).await;
        let fault = session.open_shell_as(ShellDescription::default()).await.unwrap_err();
        assert_eq!(fault.error_code(), Some(ErrorCode::ACCESS_DENIED), "{name}");
    }
}

#[tokio::test]
async fn descriptor_of_the_command_shell_counts_instead_of_the_root_descriptor() {
    let text = format!("[Plugin.\"shell CMD plugin\"]\nSddl = \"D:P(A;;GXGR;;;{})\"\n", carol());
    let service = Service::start_with(settings(&text)).await;
    let mut carol = Session::login(service.address, "carol").await;
    let shell = carol.open_shell().await;
    assert_eq!(run(&mut carol, &shell).await, b"in\n");
    let mut alice = Session::login(service.address, "alice").await;
    let fault = alice.open_shell_as(ShellDescription::default()).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::ACCESS_DENIED));
}

/// The answer to a Get of a shell, which names any kind, or the code of the fault.
async fn described(session: &mut Session, shell: &str) -> Result<String, Option<ErrorCode>> {
    let resource_uri = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell".to_owned();
    let context = RequestContext { resource_uri, ..session.context.clone() };
    let id = Uuid::from_u128(1);
    let request = Request::Get.to_envelope(&context, Some(shell), id, session.timeout);
    let answer = session.ask_envelope(&request).await.map_err(|fault| fault.error_code())?;
    Ok(String::from_utf8(answer.encode()).unwrap())
}

/// As on Windows, where administrators see who is there and end what runs wild.
#[tokio::test]
async fn administrators_list_and_end_shells_of_others_and_do_nothing_in_them() {
    let service = Service::start_with(with_root(&format!("(A;;GXGR;;;{})", carol()))).await;
    let mut carol = Session::login(service.address, "carol").await;
    let mut alice = Session::login(service.address, "alice").await;
    let secret = Variable { name: "TOKEN".to_owned(), value: "for carol alone".to_owned() };
    let told = ShellDescription { environment: vec![secret], ..ShellDescription::default() };
    let theirs = carol.open_shell_as(told).await.unwrap();
    let own = alice.open_shell().await;
    let command = carol.start(&theirs, "sleep 600").await.unwrap();
    let all = Enumerate { optimize: true, max_elements: Some(10), ..Enumerate::default() };
    for (session, sees) in [(&mut alice, [true, true]), (&mut carol, [true, false])] {
        let listed = format!("{:?}", list(session, &all).await.unwrap());
        assert_eq!([listed.contains(&theirs), listed.contains(&own)], sees, "{listed}");
        // Whoever sees both is not its owner.
        assert_eq!(listed.contains("for carol alone"), !sees[1], "{listed}");
    }
    let told = described(&mut alice, &theirs).await.unwrap();
    assert!(told.contains("Owner") && !told.contains("for carol alone"), "{told}");
    assert!(described(&mut carol, &theirs).await.unwrap().contains("for carol alone"));
    let fault = described(&mut carol, &own).await.unwrap_err();
    assert_eq!(fault, Some(ErrorCode::UNEXPECTED_SELECTORS));
    for (session, shell) in [(&mut alice, &theirs), (&mut carol, &own)] {
        let fault = session.start(shell, "echo in").await.unwrap_err();
        assert_eq!(fault.error_code(), Some(ErrorCode::UNEXPECTED_SELECTORS));
        let fault = session.receive(shell, &command).await.unwrap_err();
        assert_eq!(fault.error_code(), Some(ErrorCode::UNEXPECTED_SELECTORS));
    }
    let fault = carol.request(&Request::Delete, Some(&own)).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::UNEXPECTED_SELECTORS));
    alice.request(&Request::Delete, Some(&theirs)).await.unwrap();
    let fault = carol.receive(&theirs, &command).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::UNEXPECTED_SELECTORS));
    assert_eq!(run(&mut alice, &own).await, b"in\n");
}

/// What exists and what does not, what is known to do and what is not: the same answer, but for what tells answers apart.
#[tokio::test]
async fn nobody_without_a_right_learns_more_than_that() {
    let service = Service::start().await;
    let mut carol = Session::login(service.address, "carol").await;
    let mut told = Vec::new();
    for uri in [
        "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd",
        "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
        "http://schemas.microsoft.com/wbem/wsman/1/config",
        "http://schemas.microsoft.com/wbem/wsman/1/config/listener",
        "http://schemas.microsoft.com/powershell/Microsoft.PowerShell",
        "http://schemas.microsoft.com/powershell/Nothing",
        "http://example.com/nothing",
    ] {
        for action in [
            "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get",
            "http://schemas.xmlsoap.org/ws/2004/09/transfer/Put",
            "http://example.com/nothing/Method",
            "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create",
            "http://schemas.xmlsoap.org/ws/2004/09/transfer/Delete",
            "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate",
            "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Receive",
        ] {
            let operation = Operation::Invoke { method: action.to_owned(), input: None };
            let (locator, id) = (Locator::new(uri), Uuid::from_u128(told.len() as u128 + 1));
            let request = operation.to_envelope(&carol.context, &locator, id, carol.timeout);
            told.push(carol.ask_envelope(&request).await.unwrap_err());
        }
    }
    assert_eq!(told[0].error_code(), Some(ErrorCode::ACCESS_DENIED));
    for fault in &told {
        assert_eq!(*fault, told[0]);
    }
}

#[tokio::test]
async fn put_of_a_wrong_descriptor_is_refused_as_windows_refuses_it() {
    let service = Service::start().await;
    let mut alice = Asker::login(&service, "alice").await;
    let before = alice.value("Service/RootSDDL").await;
    for wrong in ["D:(A;;QQ;;;BA)", "O:BAG:BA", "nonsense", "D:(AU;FA;GA;;;WD)"] {
        let code = alice.refused("Service/RootSDDL", wrong).await;
        assert_eq!(code, ErrorCode::INVALID_SECURITY_DESCRIPTOR, "{wrong}");
    }
    assert_eq!(alice.value("Service/RootSDDL").await, before);
    // A right one decides with the next request, for who is logged in already as well.
    let mut carol = Session::login(service.address, "carol").await;
    assert!(carol.open_shell_as(ShellDescription::default()).await.is_err());
    alice.set("Service/RootSDDL", "O:NSG:BAD:P(A;;GA;;;BA)(A;;GXGR;;;AU)").await.unwrap();
    let shell = carol.open_shell().await;
    assert_eq!(run(&mut carol, &shell).await, b"in\n");
}
