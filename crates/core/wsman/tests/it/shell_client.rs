//! The client's shell, rule by rule: answers are built here, not by our server.

use uuid::Uuid;
use wsman::shell::client::{ApiMisuse, Error, Event, Operation, PeerMisbehaved, Shell};
use wsman::shell::{
    self, CommandLine, CommandOptions, CommandState, OutputStream, ReceiveResponse, SendResponse,
    ShellDescription, ShellInfo, ShellOptions, SignalCode, SignalResponse, State, Stream,
};
use wsman::{Envelope, ErrorCode, Fault, ns};

use crate::shell_client_scene::{
    COMMAND, SHELL, Scene, TIMEOUT, command_response, context, created, line, misuse, piece,
    response,
};

// Create

#[test]
fn open_creates_and_tells_the_shell_id() {
    let mut scene = Scene::new();
    let id = scene.id();
    let (description, options) = (ShellDescription::default(), ShellOptions::default());
    scene.shell.open(id, TIMEOUT, description.clone(), options.clone()).unwrap();
    let request = scene.request();
    assert_eq!((request.operation, request.replay), (Operation::Create, false));
    let other = scene.id();
    let again = scene.shell.open(other, TIMEOUT, description, options);
    assert_eq!(again, misuse(ApiMisuse::OpenAfterOpen));
    let events = scene.answer(&request, ns::action::CREATE_RESPONSE, created().to_body());
    assert_eq!(events, [Event::Opened { shell_id: SHELL.to_owned(), info: None }]);
    assert_eq!(scene.shell.shell_id(), Some(SHELL));
}

#[test]
fn refused_create_can_be_tried_again() {
    let mut scene = Scene::new();
    for _ in 0..2 {
        let id = scene.id();
        let (description, options) = (ShellDescription::default(), ShellOptions::default());
        scene.shell.open(id, TIMEOUT, description, options).unwrap();
        let request = scene.request();
        let events = scene.fault(&request, ErrorCode::QUOTA_MAX_SHELLS);
        let [Event::Faulted { operation: Operation::Create, command: None, fault }] = &events[..]
        else {
            panic!("{events:?}")
        };
        assert_eq!(fault.error_code(), Some(ErrorCode::QUOTA_MAX_SHELLS));
    }
}

#[test]
fn create_response_without_a_shell_id_is_misbehaviour() {
    let mut scene = Scene::new();
    let id = scene.id();
    let (description, options) = (ShellDescription::default(), ShellOptions::default());
    scene.shell.open(id, TIMEOUT, description, options).unwrap();
    let request = scene.request();
    let mut created = created();
    created.resource_created.selectors = None;
    let refused = scene.try_answer(&request, ns::action::CREATE_RESPONSE, created.to_body());
    let expected = Error::PeerMisbehaved(PeerMisbehaved::MissingShellId);
    assert_eq!(refused, Err(expected.clone()));
    let id = scene.id();
    assert_eq!(scene.shell.close(id, TIMEOUT), Err(expected), "it is final");
}

#[test]
fn nothing_can_be_asked_before_the_shell_is_open() {
    let mut scene = Scene::new();
    let id = scene.id();
    let start = scene.shell.start(id, TIMEOUT, line(), CommandOptions::default());
    assert_eq!(start, misuse(ApiMisuse::NotOpen));
    assert_eq!(scene.shell.close(id, TIMEOUT), misuse(ApiMisuse::NotOpen));
    assert_eq!(scene.shell.poll_request(), None);
}

#[test]
fn message_id_cannot_be_used_twice_at_once() {
    let mut scene = Scene::open();
    let id = scene.id();
    scene.shell.start(id, TIMEOUT, line(), CommandOptions::default()).unwrap();
    let again = scene.shell.start(id, TIMEOUT, line(), CommandOptions::default());
    assert_eq!(again, misuse(ApiMisuse::MessageIdInUse));
    scene.request();
}

// Command

#[test]
fn service_that_ignores_the_chosen_command_id_works() {
    let mut scene = Scene::open();
    let id = scene.id();
    let chosen = "00000000-0000-0000-0000-000000000001".to_owned();
    let line = CommandLine { command_id: Some(chosen), ..line() };
    let key = scene.shell.start(id, TIMEOUT, line, CommandOptions::default()).unwrap();
    let request = scene.request();
    let events = scene.answer(&request, ns::action::COMMAND_RESPONSE, command_response(COMMAND));
    assert_eq!(events, [Event::Started { command: key }]);
    let request = scene.receive(key);
    let asked = shell::Receive::from_body(&request.envelope.body).unwrap();
    assert_eq!(asked.command_id(), Some(COMMAND));
}

#[test]
fn command_response_without_an_id_is_misbehaviour() {
    let mut scene = Scene::open();
    let (_, request) = scene.start();
    let body = command_response("");
    let refused = scene.try_answer(&request, ns::action::COMMAND_RESPONSE, body);
    assert_eq!(refused, Err(Error::PeerMisbehaved(PeerMisbehaved::MissingCommandId)));
}

#[test]
fn command_cannot_be_used_before_it_is_started() {
    let mut scene = Scene::open();
    let (key, _) = scene.start();
    let id = scene.id();
    assert_eq!(scene.shell.receive(id, TIMEOUT, key), misuse(ApiMisuse::NotStarted(key)));
    let send = scene.shell.send(id, TIMEOUT, key, Vec::new(), false);
    assert_eq!(send, misuse(ApiMisuse::NotStarted(key)));
    let signal = scene.shell.signal(id, TIMEOUT, key, SignalCode::Terminate);
    assert_eq!(signal, misuse(ApiMisuse::NotStarted(key)));
}

#[test]
fn refused_command_is_gone() {
    let mut scene = Scene::open();
    let (key, request) = scene.start();
    let events = scene.fault(&request, ErrorCode(0x8007_0002));
    assert!(matches!(events[..], [Event::Faulted { operation: Operation::Command, .. }]));
    let id = scene.id();
    assert_eq!(scene.shell.receive(id, TIMEOUT, key), misuse(ApiMisuse::UnknownCommand(key)));
}

// Receive

#[test]
fn output_ends_and_exit_code_come_in_order() {
    let (mut scene, command) = Scene::running();
    let request = scene.receive(command);
    assert!(request.replay);
    let streams = vec![
        piece("stdout", b"one", false),
        piece("stderr", b"two", false),
        piece("stdout", b"three", false),
        piece("stdout", b"", true),
        piece("stderr", b"", true),
    ];
    let events = scene.received(&request, &response(streams, Some((State::Done, Some(7)))));
    let output = |stream, data: &[u8]| Event::Output { command, stream, data: data.to_vec() };
    assert_eq!(
        events,
        [
            output(OutputStream::Stdout, b"one"),
            output(OutputStream::Stderr, b"two"),
            output(OutputStream::Stdout, b"three"),
            Event::Ended { command, stream: OutputStream::Stdout },
            Event::Ended { command, stream: OutputStream::Stderr },
            Event::Done { command, exit_code: Some(7) },
        ]
    );
    let id = scene.id();
    assert_eq!(scene.shell.receive(id, TIMEOUT, command), misuse(ApiMisuse::Done(command)));
}

#[test]
fn ends_that_the_service_leaves_out_are_told_with_the_end() {
    let (mut scene, command) = Scene::running();
    let request = scene.receive(command);
    let streams = vec![piece("stdout", b"x", true)];
    let events = scene.received(&request, &response(streams, Some((State::Done, None))));
    assert_eq!(
        events[1..],
        [
            Event::Ended { command, stream: OutputStream::Stdout },
            Event::Ended { command, stream: OutputStream::Stderr },
            Event::Done { command, exit_code: None },
        ]
    );
}

#[test]
fn empty_receive_response_says_nothing() {
    let (mut scene, command) = Scene::running();
    for state in [None, Some((State::Running, None)), Some((State::Pending, None))] {
        let request = scene.receive(command);
        assert!(scene.shell.is_receiving(command));
        assert_eq!(scene.received(&request, &response(Vec::new(), state)), []);
        assert!(!scene.shell.is_receiving(command) && !scene.shell.is_done(command));
    }
}

#[test]
fn timed_out_receive_is_to_be_repeated() {
    let (mut scene, command) = Scene::running();
    for _ in 0..3 {
        let request = scene.receive(command);
        let events = scene.fault(&request, ErrorCode::OPERATION_TIMEDOUT);
        assert_eq!(events, [Event::TimedOut { command }]);
    }
}

#[test]
fn second_receive_of_a_command_is_refused() {
    let (mut scene, command) = Scene::running();
    scene.receive(command);
    let id = scene.id();
    let again = scene.shell.receive(id, TIMEOUT, command);
    assert_eq!(again, misuse(ApiMisuse::ReceiveUnderWay(command)));
}

#[test]
fn receive_of_an_unknown_command_is_a_fault() {
    let (mut scene, command) = Scene::running();
    let request = scene.receive(command);
    let events = scene.fault(&request, ErrorCode::UNEXPECTED_SELECTORS);
    let [Event::Faulted { operation, command: of, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((*operation, *of), (Operation::Receive, Some(command)));
}

fn refused(streams: Vec<Stream>, state: Option<CommandState>) -> PeerMisbehaved {
    let (mut scene, command) = Scene::running();
    let request = scene.receive(command);
    let response = ReceiveResponse { streams, state, ..ReceiveResponse::default() };
    let refused = scene.try_answer(&request, ns::action::RECEIVE_RESPONSE, response.to_body());
    match refused {
        Err(Error::PeerMisbehaved(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn output_of_another_command_is_misbehaviour() {
    let other = "00000000-0000-0000-0000-00000000000A";
    let expected =
        PeerMisbehaved::WrongCommandId { expected: COMMAND.to_owned(), got: other.to_owned() };
    let stream = Stream { command_id: Some(other.to_owned()), ..piece("stdout", b"x", false) };
    assert_eq!(refused(vec![stream], None), expected);
    let state = CommandState::new(other, State::Done, Some(0));
    assert_eq!(refused(Vec::new(), Some(state)), expected);
}

#[test]
fn command_id_in_another_case_or_left_out_is_fine() {
    let (mut scene, command) = Scene::running();
    let request = scene.receive(command);
    let mut streams = vec![piece("stdout", b"x", false), piece("stdout", b"y", false)];
    streams[0].command_id = Some(COMMAND.to_lowercase());
    streams[1].command_id = None;
    assert_eq!(scene.received(&request, &response(streams, None)).len(), 2);
}

#[test]
fn output_of_a_foreign_stream_is_misbehaviour() {
    let error = refused(vec![piece("pr", b"x", false)], None);
    assert_eq!(error, PeerMisbehaved::UnknownStream("pr".to_owned()));
}

#[test]
fn output_after_the_end_of_its_stream_is_misbehaviour() {
    let streams = vec![piece("stdout", b"", true), piece("stdout", b"x", false)];
    assert_eq!(refused(streams, None), PeerMisbehaved::OutputAfterEnd(OutputStream::Stdout));
}

// Send

#[test]
fn send_is_taken_when_answered() {
    let (mut scene, command) = Scene::running();
    let request = scene.send(command, b"hello", false);
    assert_eq!((request.operation, request.replay), (Operation::Send, false));
    let id = scene.id();
    let again = scene.shell.send(id, TIMEOUT, command, Vec::new(), false);
    assert_eq!(again, misuse(ApiMisuse::SendUnderWay(command)));
    let body = SendResponse::default().to_body();
    let events = scene.answer(&request, ns::action::SEND_RESPONSE, body);
    assert_eq!(events, [Event::Sent { command }]);
}

#[test]
fn send_after_the_end_is_refused() {
    let (mut scene, command) = Scene::running();
    let request = scene.send(command, b"", true);
    scene.answer(&request, ns::action::SEND_RESPONSE, SendResponse::default().to_body());
    let id = scene.id();
    let again = scene.shell.send(id, TIMEOUT, command, Vec::new(), true);
    assert_eq!(again, misuse(ApiMisuse::InputEnded(command)));
}

#[test]
fn busy_send_can_be_tried_again_with_its_end() {
    let (mut scene, command) = Scene::running();
    let request = scene.send(command, b"x", true);
    let events = scene.fault(&request, ErrorCode::BUSY);
    assert!(matches!(events[..], [Event::Faulted { operation: Operation::Send, .. }]));
    scene.send(command, b"x", true);
}

#[test]
fn largest_send_fills_the_envelope_and_no_more() {
    for limit in [8_192, 8_193, 8_194, 8_195, 153_600, 512_000] {
        let (mut scene, command) = Scene::running();
        let context = context(limit);
        scene.shell = {
            let mut shell = Shell::new(context);
            shell.trust_refusals();
            let (description, options) = (ShellDescription::default(), ShellOptions::default());
            shell.open(Uuid::from_u128(1), TIMEOUT, description, options).unwrap();
            shell
        };
        let request = scene.request();
        scene.answer(&request, ns::action::CREATE_RESPONSE, created().to_body());
        let key = scene.start_as(COMMAND);
        assert_eq!(key, command);
        let max = scene.shell.max_send_payload(key).unwrap();
        let request = scene.send(key, &vec![b'x'; max], true);
        let size = u64::try_from(request.envelope.encode().len()).unwrap();
        assert!(size <= limit && size + 32 > limit, "{size} octets of {limit}");
        scene.answer(&request, ns::action::SEND_RESPONSE, SendResponse::default().to_body());
        let (key, request) = scene.start();
        scene.answer(&request, ns::action::COMMAND_RESPONSE, command_response(COMMAND));
        let id = scene.id();
        let got = max + 1;
        let too_long = scene.shell.send(id, TIMEOUT, key, vec![0; got], false);
        assert_eq!(too_long, misuse(ApiMisuse::InputTooLong { got, max }));
    }
}

#[test]
fn requests_stay_short_until_the_service_takes_a_chosen_command_id() {
    let size = |max: usize| max / 3 * 4;
    let mut scene = Scene { shell: Shell::new(context(512_000)), ..Scene::new() }.opened();
    // Services before Windows 8 choose their own.
    let (key, request) = scene.start();
    scene.answer(&request, ns::action::COMMAND_RESPONSE, command_response(COMMAND));
    let old = size(scene.shell.max_send_payload(key).unwrap());
    assert!((150_000..153_600).contains(&old), "{old}");

    let mut scene = Scene { shell: Shell::new(context(512_000)), ..Scene::new() }.opened();
    let key = scene.start_as(COMMAND);
    let untrusted = size(scene.shell.max_send_payload(key).unwrap());
    assert_eq!(untrusted, old, "anybody on the way could refuse more");

    let mut shell = Shell::new(context(512_000));
    shell.trust_refusals();
    let mut scene = Scene { shell, ..Scene::new() }.opened();
    let key = scene.start_as(COMMAND);
    let modern = size(scene.shell.max_send_payload(key).unwrap());
    assert!((508_000..512_000).contains(&modern), "{modern}");
    // Its administrator may have lowered the limit.
    assert!(scene.shell.handle_too_long());
    assert_eq!(size(scene.shell.max_send_payload(key).unwrap()), old);
    let key = scene.start_as("B0973E54-434E-4D99-B4BE-ADE584CE3BFC");
    assert_eq!(size(scene.shell.max_send_payload(key).unwrap()), old, "it stays so");
    while scene.shell.handle_too_long() {}
    let least = size(scene.shell.max_send_payload(key).unwrap());
    assert!((4_000..8_192).contains(&least), "{least}");
}

// Signal

#[test]
fn terminate_after_the_end_frees_the_command() {
    let (mut scene, command) = Scene::running();
    let request = scene.receive(command);
    scene.received(&request, &response(Vec::new(), Some((State::Done, Some(0)))));
    let request = scene.signal(command, SignalCode::Terminate);
    let body = SignalResponse::default().to_body();
    let events = scene.answer(&request, ns::action::SIGNAL_RESPONSE, body);
    assert_eq!(events, [Event::Signaled { command, code: SignalCode::Terminate }]);
    let id = scene.id();
    let gone = scene.shell.receive(id, TIMEOUT, command);
    assert_eq!(gone, misuse(ApiMisuse::UnknownCommand(command)));
}

#[test]
fn receive_that_ends_because_of_a_signal_is_no_error() {
    for (code, fault) in [
        (SignalCode::Terminate, ErrorCode::OPERATION_ABORTED),
        (SignalCode::Terminate, ErrorCode::CANCELLED),
        (SignalCode::Terminate, ErrorCode::UNEXPECTED_SELECTORS),
        (SignalCode::CtrlC, ErrorCode::OPERATION_ABORTED),
    ] {
        for signal_first in [false, true] {
            let (mut scene, command) = Scene::running();
            let receiving = scene.receive(command);
            let signalling = scene.signal(command, code.clone());
            let body = SignalResponse::default().to_body();
            let mut events = Vec::new();
            if signal_first {
                events.extend(scene.answer(&signalling, ns::action::SIGNAL_RESPONSE, body.clone()));
            }
            events.extend(scene.fault(&receiving, fault));
            if !signal_first {
                events.extend(scene.answer(&signalling, ns::action::SIGNAL_RESPONSE, body));
            }
            let aborted = Event::Aborted { operation: Operation::Receive, command: Some(command) };
            let signaled = Event::Signaled { command, code: code.clone() };
            assert!(events.contains(&aborted) && events.contains(&signaled), "{events:?}");
            assert_eq!(events.len(), 2);
            assert_eq!(scene.shell.outstanding(), 0);
        }
    }
}

#[test]
fn abortion_without_a_signal_is_a_fault() {
    let (mut scene, command) = Scene::running();
    let request = scene.receive(command);
    let events = scene.fault(&request, ErrorCode::OPERATION_ABORTED);
    assert!(matches!(events[..], [Event::Faulted { .. }]));
}

#[test]
fn command_that_is_being_terminated_takes_no_more_requests() {
    let (mut scene, command) = Scene::running();
    scene.signal(command, SignalCode::Terminate);
    let id = scene.id();
    let expected = || misuse(ApiMisuse::Terminated(command));
    assert_eq!(scene.shell.receive(id, TIMEOUT, command), expected());
    assert_eq!(scene.shell.send(id, TIMEOUT, command, Vec::new(), false), expected());
    assert_eq!(scene.shell.signal(id, TIMEOUT, command, SignalCode::Terminate), expected());
}

#[test]
fn terminate_of_a_command_that_is_gone_succeeds() {
    let (mut scene, command) = Scene::running();
    let request = scene.signal(command, SignalCode::Terminate);
    let events = scene.fault(&request, ErrorCode::UNEXPECTED_SELECTORS);
    assert_eq!(events, [Event::Signaled { command, code: SignalCode::Terminate }]);
}

#[test]
fn failed_terminate_can_be_tried_again() {
    let (mut scene, command) = Scene::running();
    let request = scene.signal(command, SignalCode::Terminate);
    let events = scene.fault(&request, ErrorCode::OPERATION_TIMEDOUT);
    assert!(matches!(events[..], [Event::Faulted { operation: Operation::Signal, .. }]));
    scene.signal(command, SignalCode::Terminate);
}

// Get

#[test]
fn get_asks_the_resource_of_all_shells() {
    let mut scene = Scene::open();
    let id = scene.id();
    scene.shell.get(id, TIMEOUT).unwrap();
    let request = scene.request();
    assert_eq!(request.envelope.header.resource_uri(), Some(ns::resource::SHELL));
    let info = ShellInfo { state: Some("Connected".to_owned()), ..ShellInfo::default() };
    let events = scene.answer(&request, ns::action::GET_RESPONSE, vec![info.to_element()]);
    assert_eq!(events, [Event::Info { info: Box::new(info) }]);
}

// Delete

#[test]
fn closed_shell_takes_nothing_more() {
    let (mut scene, command) = Scene::running();
    let receiving = scene.receive(command);
    let request = scene.close();
    let id = scene.id();
    assert_eq!(scene.shell.close(id, TIMEOUT), misuse(ApiMisuse::NotOpen));
    let events = scene.answer(&request, ns::action::DELETE_RESPONSE, Vec::new());
    assert_eq!(events, [Event::Closed]);
    let events = scene.fault(&receiving, ErrorCode::OPERATION_ABORTED);
    let aborted = Event::Aborted { operation: Operation::Receive, command: Some(command) };
    assert_eq!(events, [aborted], "answers on other connections come when they come");
    let start = scene.shell.start(id, TIMEOUT, line(), CommandOptions::default());
    assert_eq!(start, misuse(ApiMisuse::NotOpen));
}

#[test]
fn delete_of_a_shell_that_is_gone_closes_it() {
    let mut scene = Scene::open();
    let request = scene.close();
    assert_eq!(scene.fault(&request, ErrorCode::UNEXPECTED_SELECTORS), [Event::Closed]);
}

#[test]
fn failed_delete_leaves_the_shell_open() {
    let mut scene = Scene::open();
    let request = scene.close();
    let events = scene.fault(&request, ErrorCode::ACCESS_DENIED);
    assert!(matches!(events[..], [Event::Faulted { operation: Operation::Delete, .. }]));
    assert!(scene.shell.is_open());
    scene.close();
}

// Answers

#[test]
fn answer_to_no_request_is_misbehaviour() {
    let (mut scene, command) = Scene::running();
    let mut request = scene.receive(command);
    let stranger = Uuid::from_u128(99);
    request.envelope =
        shell::Request::Delete.to_envelope(&context(153_600), Some(SHELL), stranger, TIMEOUT);
    let refused = scene.try_answer(&request, ns::action::RECEIVE_RESPONSE, Vec::new());
    let id = wsman::uuid_uri(stranger);
    assert_eq!(refused, Err(Error::PeerMisbehaved(PeerMisbehaved::UnknownRelatesTo(id))));
}

#[test]
fn second_answer_is_misbehaviour() {
    let (mut scene, command) = Scene::running();
    let request = scene.receive(command);
    scene.received(&request, &response(Vec::new(), None));
    let again = response(Vec::new(), None).to_body();
    let again = scene.try_answer(&request, ns::action::RECEIVE_RESPONSE, again);
    assert!(matches!(again, Err(Error::PeerMisbehaved(PeerMisbehaved::UnknownRelatesTo(_)))));
}

#[test]
fn answer_without_relates_to_is_misbehaviour() {
    let (mut scene, command) = Scene::running();
    scene.receive(command);
    let refused = scene.shell.handle_response(&Envelope::default());
    assert_eq!(refused, Err(Error::PeerMisbehaved(PeerMisbehaved::MissingRelatesTo)));
}

#[test]
fn fault_without_relates_to_is_taken_where_the_driver_knows() {
    let (mut scene, command) = Scene::running();
    let request = scene.receive(command);
    let fault = Fault::new(ErrorCode::OPERATION_TIMEDOUT, "");
    scene.shell.handle_fault(request.message_id, fault).unwrap();
    assert_eq!(scene.events(), [Event::TimedOut { command }]);
}

#[test]
fn answer_to_another_operation_is_misbehaviour() {
    let (mut scene, command) = Scene::running();
    let request = scene.receive(command);
    let body = SendResponse::default().to_body();
    let refused = scene.try_answer(&request, ns::action::SEND_RESPONSE, body);
    let expected = PeerMisbehaved::UnexpectedAction {
        operation: Operation::Receive,
        action: ns::action::SEND_RESPONSE.to_owned(),
    };
    assert_eq!(refused, Err(Error::PeerMisbehaved(expected)));
}

#[test]
fn answer_with_a_foreign_body_is_misbehaviour() {
    let (mut scene, command) = Scene::running();
    let request = scene.receive(command);
    let body = SendResponse::default().to_body();
    let refused = scene.try_answer(&request, ns::action::RECEIVE_RESPONSE, body);
    assert!(matches!(
        refused,
        Err(Error::PeerMisbehaved(PeerMisbehaved::Malformed { operation: Operation::Receive, .. }))
    ));
}

#[test]
fn lost_request_can_be_made_anew() {
    let (mut scene, command) = Scene::running();
    let receiving = scene.receive(command);
    scene.shell.handle_lost(receiving.message_id);
    scene.receive(command);
    let sending = scene.send(command, b"x", true);
    scene.shell.handle_lost(sending.message_id);
    scene.send(command, b"x", true);
    let closing = scene.close();
    scene.shell.handle_lost(closing.message_id);
    assert!(scene.shell.is_open());
    assert_eq!(scene.events(), []);
}

#[test]
fn lost_create_leaves_the_shell_unopened() {
    let mut scene = Scene::new();
    for _ in 0..2 {
        let id = scene.id();
        let (description, options) = (ShellDescription::default(), ShellOptions::default());
        scene.shell.open(id, TIMEOUT, description, options).unwrap();
        scene.request();
        scene.shell.handle_lost(id);
    }
}
