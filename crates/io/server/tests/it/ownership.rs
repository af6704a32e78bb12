//! Whose shell it is: nobody else works in it, and who is no administrator can do nothing.

use wsman::ErrorCode;
use wsman::shell::{Request, ShellDescription, Signal, SignalCode};

use crate::support::{Service, Session, receive};

/// Everything that can be asked of a shell.
fn requests(id: &str) -> Vec<Request> {
    vec![
        Request::Delete,
        receive(id),
        Request::Signal(Signal::command(id, SignalCode::Terminate)),
        Request::Command {
            command: wsman::shell::CommandLine { command: "true".to_owned(), ..Default::default() },
            options: Default::default(),
        },
    ]
}

#[tokio::test]
async fn shell_of_another_account_looks_like_none() {
    let service = Service::start().await;
    let mut alice = Session::login(service.address, "alice").await;
    let shell = alice.open_shell().await;
    let id = alice.start(&shell, "read x; echo $x").await.unwrap();
    let mut bob = Session::login(service.address, "bob").await;
    let missing = "99999999-5566-7788-99AA-BBCCDDEEFF00";
    // An administrator like her, who may end it: `access` has that.
    for request in requests(&id).into_iter().filter(|one| !matches!(one, Request::Delete)) {
        let theirs = bob.request(&request, Some(&shell)).await.unwrap_err();
        let none = bob.request(&request, Some(missing)).await.unwrap_err();
        assert_eq!(theirs, none, "{request:?}");
        assert_eq!(theirs.error_code(), Some(ErrorCode(2_150_858_843)));
    }
    assert_eq!(service.plugin.started(), 1);
    // The owner's command is untouched, from another connection as well.
    let mut again = Session::login(service.address, "alice").await;
    again.request(&Request::Delete, Some(&shell)).await.unwrap();
}

#[tokio::test]
async fn account_without_the_group_may_do_nothing_and_cannot_tell_shells_apart() {
    let service = Service::start().await;
    let mut alice = Session::login(service.address, "alice").await;
    let shell = alice.open_shell().await;
    let mut carol = Session::login(service.address, "carol").await;
    let fault = carol.open_shell_as(ShellDescription::default()).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode(5)));
    let missing = "99999999-5566-7788-99AA-BBCCDDEEFF00";
    for request in requests("11223344-5566-7788-99AA-BBCCDDEEFF00") {
        let theirs = carol.request(&request, Some(&shell)).await.unwrap_err();
        let none = carol.request(&request, Some(missing)).await.unwrap_err();
        assert_eq!(theirs, none);
        assert_eq!(theirs.error_code(), Some(ErrorCode(5)));
    }
    assert_eq!((service.plugin.opened(), service.plugin.started()), (1, 0));
}
