//! Shells: commands with their streams, limits, ids, faults.

use std::time::Duration;

use wsman::ErrorCode;
use wsman::ns::resource;
use wsman::shell::{
    Request, Send, ShellDescription, ShellInfo, Signal, SignalCode, Stream, Variable,
};

use crate::support::{Service, Session, settings};

fn send(id: &str, data: &[u8], end: bool) -> Request {
    let stream = Stream {
        name: "stdin".to_owned(),
        command_id: Some(id.to_owned()),
        end,
        data: data.to_vec(),
        ..Stream::default()
    };
    Request::Send(Send { streams: vec![stream], ..Send::default() })
}

#[tokio::test]
async fn command_gives_both_streams_and_its_exit_code_in_one_receive() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let shell = session.open_shell().await;
    let id = session.start(&shell, "echo out; echo err >&2; exit 7").await.unwrap();
    let (out, err, code) = session.finish(&shell, &id).await;
    assert_eq!(
        (out.as_slice(), err.as_slice(), code),
        (b"out\n".as_slice(), b"err\n".as_slice(), 7)
    );
    session.request(&Request::Delete, Some(&shell)).await.unwrap();
    assert_eq!(service.plugin.closed(), 1);
}

#[tokio::test]
async fn input_reaches_the_command_and_ends() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let shell = session.open_shell().await;
    let id = session.start(&shell, "sort").await.unwrap();
    session.request(&send(&id, b"b\n", false), Some(&shell)).await.unwrap();
    session.request(&send(&id, b"a\n", true), Some(&shell)).await.unwrap();
    let (out, _, code) = session.finish(&shell, &id).await;
    assert_eq!((out.as_slice(), code), (b"a\nb\n".as_slice(), 0));
}

#[tokio::test]
async fn long_binary_output_passes_unchanged_and_in_order() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let shell = session.open_shell().await;
    let line = "i=0; while [ $i -lt 60000 ]; do echo \"line $i of the output\"; i=$((i+1)); done; \
                printf '\\377\\000\\376'";
    let id = session.start(&shell, line).await.unwrap();
    let (out, _, code) = session.finish(&shell, &id).await;
    let mut expected = Vec::new();
    for number in 0..60_000 {
        expected.extend_from_slice(format!("line {number} of the output\n").as_bytes());
    }
    expected.extend_from_slice(b"\xff\x00\xfe");
    assert_eq!(code, 0);
    assert!(out == expected, "{} bytes instead of {}", out.len(), expected.len());
}

#[tokio::test]
async fn environment_reaches_the_command() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let variable = Variable { name: "COLOUR".to_owned(), value: "grün & blau".to_owned() };
    let description =
        ShellDescription { environment: vec![variable], ..ShellDescription::default() };
    let shell = session.open_shell_as(description).await.unwrap();
    let id = session.start(&shell, "printf %s \"$COLOUR\"").await.unwrap();
    assert_eq!(session.finish(&shell, &id).await.0, "grün & blau".as_bytes());
}

#[tokio::test]
async fn several_commands_run_at_once() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let shell = session.open_shell().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(session.start(&shell, &format!("read x; echo {number} $x")).await.unwrap());
    }
    for id in ids.iter().rev() {
        session.request(&send(id, b"go\n", true), Some(&shell)).await.unwrap();
    }
    for (number, id) in ids.iter().enumerate() {
        let expected = format!("{number} go\n").into_bytes();
        assert_eq!(session.finish(&shell, id).await.0, expected);
    }
}

#[tokio::test]
async fn receive_without_output_times_out_and_the_next_one_goes_on() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let shell = session.open_shell().await;
    let id = session.start(&shell, "read x; echo $x").await.unwrap();
    session.timeout = Duration::from_millis(500);
    let fault = session.receive(&shell, &id).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode(2_150_858_793)));
    session.timeout = Duration::from_secs(10);
    session.request(&send(&id, b"late\n", true), Some(&shell)).await.unwrap();
    assert_eq!(session.finish(&shell, &id).await.0, b"late\n");
}

#[tokio::test]
async fn lost_receive_loses_no_output() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let shell = session.open_shell().await;
    let id = session.start(&shell, "read x; echo $x").await.unwrap();
    let waiting = session.envelope(&crate::support::receive(&id), Some(&shell)).encode();
    let (content_type, body) = session.seal(&waiting);
    session.http.post(&[("Content-Type", &content_type)], &body).await;
    drop(session);
    let mut session = Session::login(service.address, "alice").await;
    session.request(&send(&id, b"kept\n", true), Some(&shell)).await.unwrap();
    let (status, _) = session.ask_bytes(&waiting).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn terminate_ends_a_command_and_aborts_its_receive() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let shell = session.open_shell().await;
    let id = session.start(&shell, "sleep 1000").await.unwrap();
    let mut other = Session::login(service.address, "alice").await;
    let waiting = {
        let (shell, id) = (shell.clone(), id.clone());
        tokio::spawn(async move { other.receive(&shell, &id).await })
    };
    tokio::time::sleep(Duration::from_millis(200)).await;
    let signal = Request::Signal(Signal::command(&id, SignalCode::Terminate));
    session.request(&signal, Some(&shell)).await.unwrap();
    let fault = waiting.await.unwrap().unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode(995)));
    let fault = session.receive(&shell, &id).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode(2_150_858_843)));
}

#[tokio::test]
async fn ctrl_c_interrupts_the_whole_group() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let shell = session.open_shell().await;
    let line = "trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 1000; done";
    let id = session.start(&shell, line).await.unwrap();
    let first = session.receive(&shell, &id).await.unwrap();
    assert_eq!(first.streams[0].data, b"ready\n");
    let signal = Request::Signal(Signal::command(&id, SignalCode::CtrlC));
    session.request(&signal, Some(&shell)).await.unwrap();
    let (out, _, code) = session.finish(&shell, &id).await;
    assert_eq!((out.as_slice(), code), (b"caught\n".as_slice(), 3));
}

#[tokio::test]
async fn background_process_that_holds_the_streams_does_not_hold_the_command() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let shell = session.open_shell().await;
    let id = session.start(&shell, "sleep 1000 & echo started").await.unwrap();
    let (out, _, code) = session.finish(&shell, &id).await;
    assert_eq!((out.as_slice(), code), (b"started\n".as_slice(), 0));
}

#[tokio::test]
async fn client_may_choose_the_shell_id_once() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let id = "11223344-5566-7788-99AA-BBCCDDEEFF00";
    let description = |id: &str| ShellDescription {
        shell_id: Some(id.to_owned()),
        ..ShellDescription::default()
    };
    assert_eq!(session.open_shell_as(description(id)).await.unwrap(), id);
    let taken = session.open_shell_as(description(&id.to_lowercase())).await.unwrap_err();
    assert_eq!(taken.error_code(), Some(ErrorCode(2_150_859_223)));
    let wrong = session.open_shell_as(description("shell-1")).await.unwrap_err();
    assert_eq!(wrong.error_code(), Some(ErrorCode(2_150_859_221)));
}

#[tokio::test]
async fn get_describes_a_shell() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let shell = session.open_shell().await;
    session.context.resource_uri = resource::SHELL.to_owned();
    let reply = session.request(&Request::Get, Some(&shell)).await.unwrap();
    let info = ShellInfo::from_element(reply.body_element().unwrap()).unwrap();
    assert_eq!(info.owner.as_deref(), Some("alice"));
    assert_eq!(info.client_ip.as_deref(), Some("127.0.0.1"));
}

#[tokio::test]
async fn quotas_of_shells_and_users_hold() {
    let text = "[Winrs]\nMaxShellsPerUser = 2\nMaxConcurrentUsers = 1\n";
    let service = Service::start_with(settings(text)).await;
    let mut alice = Session::login(service.address, "alice").await;
    let first = alice.open_shell().await;
    alice.open_shell().await;
    let fault = alice.open_shell_as(ShellDescription::default()).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode(2_150_859_173)));
    let mut bob = Session::login(service.address, "bob").await;
    let fault = bob.open_shell_as(ShellDescription::default()).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode(2_150_859_179)));
    alice.request(&Request::Delete, Some(&first)).await.unwrap();
    alice.open_shell().await;
}

#[tokio::test]
async fn shells_can_be_forbidden() {
    let text = "[Winrs]\nAllowRemoteShellAccess = false\n";
    let service = Service::start_with(settings(text)).await;
    let mut session = Session::login(service.address, "alice").await;
    let fault = session.open_shell_as(ShellDescription::default()).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode(2_150_859_180)));
    assert_eq!(service.plugin.opened(), 0);
}

#[tokio::test]
async fn unknown_resources_actions_and_commands_are_told_apart() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let shell = session.open_shell().await;
    let fault = session.receive(&shell, "11223344-5566-7788-99AA-BBCCDDEEFF00").await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode(2_150_858_843)));
    session.context.resource_uri = "http://example.test/other".to_owned();
    let fault = session.open_shell_as(ShellDescription::default()).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::INVALID_RESOURCE_URI));
    let mut envelope = session.envelope(&Request::Delete, Some(&shell));
    for block in &mut envelope.header.blocks {
        if let wsman::HeaderValue::Action(action) = &mut block.value {
            *action = "http://example.test/Dance".to_owned();
        }
    }
    let fault = session.ask_envelope(&envelope).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode::ACTION_NOT_SUPPORTED));
}

#[tokio::test]
async fn end_of_the_shells_host_ends_the_shell_and_answers_what_waits() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let shell = session.open_shell().await;
    let id = session.start(&shell, "sleep 1000").await.unwrap();
    let mut other = Session::login(service.address, "alice").await;
    let waiting = {
        let (shell, id) = (shell.clone(), id.clone());
        tokio::spawn(async move { other.receive(&shell, &id).await })
    };
    tokio::time::sleep(Duration::from_millis(200)).await;
    service.plugin.lose_hosts();
    let fault = waiting.await.unwrap().unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode(995)));
    let fault = session.receive(&shell, &id).await.unwrap_err();
    assert_eq!(fault.error_code(), Some(ErrorCode(2_150_858_843)));
}
