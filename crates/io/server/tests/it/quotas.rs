//! Quotas: the fault of each, and that a place comes back.

use wsman::fault::{ErrorCode, Fault};
use wsman::shell::{Request, ShellDescription, Signal, SignalCode};

use crate::support::{Service, Session, settings};

/// The number must be where clients look for it.
#[track_caller]
fn assert_quota(fault: &Fault, number: u32, name: &str) {
    assert_eq!(fault.error_code(), Some(ErrorCode(number)), "{fault}");
    assert_eq!(fault.subcode.as_ref().unwrap().local(), "QuotaLimit");
    assert!(fault.wsman_fault.is_none() && fault.wmi_error().is_some(), "{fault:?}");
    assert!(fault.to_string().contains(name), "{fault}");
}

#[tokio::test]
async fn shells_beyond_the_quota_of_a_user_get_windowss_fault_and_another_user_none() {
    let service = Service::start_with(settings("[Winrs]\nMaxShellsPerUser = 1\n")).await;
    let mut alice = Session::login(service.address, "alice").await;
    let shell = alice.open_shell().await;
    let fault = alice.open_shell_as(ShellDescription::default()).await.unwrap_err();
    assert_quota(&fault, 0x8033_81A5, "MaxShellsPerUser");
    Session::login(service.address, "bob").await.open_shell().await;
    alice.request(&Request::Delete, Some(&shell)).await.unwrap();
    alice.open_shell().await;
}

#[tokio::test]
async fn operations_of_a_user_are_shells_and_commands() {
    let text = "[Service]\nMaxConcurrentOperationsPerUser = 3\n";
    let service = Service::start_with(settings(text)).await;
    let mut alice = Session::login(service.address, "alice").await;
    let shell = alice.open_shell().await;
    let first = alice.start(&shell, "sleep 1000").await.unwrap();
    let second = alice.start(&shell, "echo hi").await.unwrap();
    let fault = alice.start(&shell, "echo refused").await.unwrap_err();
    assert_quota(&fault, 0x8033_81A6, "MaxConcurrentOperationsPerUser");
    let fault = alice.open_shell_as(ShellDescription::default()).await.unwrap_err();
    assert_quota(&fault, 0x8033_81A6, "MaxConcurrentOperationsPerUser");
    // What is open can be read and ended, and others have their own places.
    assert_eq!(alice.finish(&shell, &second).await.0, b"hi\n");
    Session::login(service.address, "bob").await.open_shell().await;
    let terminate = Request::Signal(Signal::command(&first, SignalCode::Terminate));
    alice.request(&terminate, Some(&shell)).await.unwrap();
    alice.open_shell().await;
    assert_eq!(service.plugin.started(), 2);
}

#[tokio::test]
async fn commands_that_are_refused_or_end_with_their_shell_give_their_places_back() {
    let text = "[Service]\nMaxConcurrentOperationsPerUser = 2\n[Winrs]\nMaxProcessesPerShell = 1\n";
    let service = Service::start_with(settings(text)).await;
    let mut alice = Session::login(service.address, "alice").await;
    for _ in 0..3 {
        let shell = alice.open_shell().await;
        alice.start(&shell, "sleep 1000").await.unwrap();
        alice.request(&Request::Delete, Some(&shell)).await.unwrap();
    }
    let text = "[Service]\nMaxConcurrentOperationsPerUser = 3\n[Winrs]\nMaxProcessesPerShell = 1\n";
    let service = Service::start_with(settings(text)).await;
    let mut alice = Session::login(service.address, "alice").await;
    let shell = alice.open_shell().await;
    alice.start(&shell, "sleep 1000").await.unwrap();
    for _ in 0..3 {
        let fault = alice.start(&shell, "echo refused").await.unwrap_err();
        assert_eq!(fault.error_code(), Some(ErrorCode::NOT_ENOUGH_QUOTA));
    }
    alice.open_shell().await;
}

#[tokio::test]
async fn process_beyond_the_quota_of_a_shell_gets_an_internal_error() {
    let service = Service::start_with(settings("[Winrs]\nMaxProcessesPerShell = 1\n")).await;
    let mut alice = Session::login(service.address, "alice").await;
    let shell = alice.open_shell().await;
    let id = alice.start(&shell, "read line; echo $line").await.unwrap();
    let fault = alice.start(&shell, "echo refused").await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode(2_147_944_216)));
    assert_eq!(fault.subcode.as_ref().unwrap().local(), "InternalError");
    assert!(fault.to_string().contains("MaxProcessesPerShell"), "{fault}");
    // Another shell has its own, and an ended command gives way.
    let other = alice.open_shell().await;
    alice.start(&other, "sleep 1000").await.unwrap();
    let terminate = Request::Signal(Signal::command(&id, SignalCode::Terminate));
    alice.request(&terminate, Some(&shell)).await.unwrap();
    let next = alice.start(&shell, "echo next").await.unwrap();
    assert_eq!(alice.finish(&shell, &next).await.0, b"next\n");
}

#[tokio::test]
async fn users_beyond_the_quota_get_their_fault() {
    let service = Service::start_with(settings("[Winrs]\nMaxConcurrentUsers = 1\n")).await;
    let mut alice = Session::login(service.address, "alice").await;
    let shell = alice.open_shell().await;
    let mut bob = Session::login(service.address, "bob").await;
    let fault = bob.open_shell_as(ShellDescription::default()).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode(0x8033_81AB)));
    assert_eq!(fault.subcode.as_ref().unwrap().local(), "QuotaLimit");
    alice.request(&Request::Delete, Some(&shell)).await.unwrap();
    bob.open_shell().await;
}
