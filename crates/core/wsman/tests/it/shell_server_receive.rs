//! The server's shell, rule by rule: Receive, the answer kept for a second one, credit.

use std::time::Duration;

use wsman::ErrorCode;
use wsman::shell::server::{Action, ApiMisuse, Error, Settings};
use wsman::shell::{
    DesiredStream, OutputStream, Receive, Request, ShellDescription, SignalCode, State,
};

use crate::shell_scene::{
    ENVELOPE, GATHER, Scene, TIMEOUT, command, command_as, receive, send, signal, stream,
};

use OutputStream::{Stderr, Stdout};

const ID: &str = "0F8FAD5B-D9CB-469F-A165-70867728950E";

// Receive

#[test]
fn receive_without_a_command_id_faults_with_87() {
    let mut scene = Scene::new();
    let desired = DesiredStream { streams: vec!["stdout".to_owned()], ..DesiredStream::default() };
    let request = Receive { desired: vec![desired], ..Receive::default() };
    let token = scene.ask(Request::Receive { receive: request, keep_alive: true });
    assert_eq!(scene.fault(token), ErrorCode(87));
}

#[test]
fn requests_to_an_unknown_command_fault() {
    let mut scene = Scene::new();
    for request in [receive(ID), send(ID, b"x", false), signal(ID, SignalCode::Terminate)] {
        let token = scene.ask(request);
        assert_eq!(scene.fault(token), ErrorCode(2_150_858_843));
    }
}

#[test]
fn receive_of_a_foreign_stream_or_of_two_commands_faults() {
    let mut scene = Scene::new();
    let (_, one) = scene.run();
    let (_, two) = scene.run();
    let desired = |id: &str, names: &[&str]| DesiredStream {
        streams: names.iter().map(|name| (*name).to_owned()).collect(),
        command_id: Some(id.to_owned()),
        ..DesiredStream::default()
    };
    for desired in [
        vec![desired(&one, &["pr"])],
        vec![desired(&one, &[])],
        vec![desired(&one, &["stdout"]), desired(&two, &["stdout"])],
    ] {
        let request = Receive { desired, ..Receive::default() };
        let token = scene.ask(Request::Receive { receive: request, keep_alive: true });
        assert_eq!(scene.fault(token), ErrorCode::INVALID_PARAMETER);
    }
}

#[test]
fn receive_waits_for_output_and_gathers_a_little() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    let token = scene.ask(receive(&id));
    scene.output(key, Stdout, b"one ");
    scene.wait(GATHER / 2);
    scene.output(key, Stdout, b"two");
    scene.output(key, Stderr, b"three");
    assert!(scene.is_waiting(token));
    scene.wait(GATHER / 2);
    let response = scene.received(token);
    assert_eq!(stream(&response, Stdout), (b"one two".to_vec(), false));
    assert_eq!(stream(&response, Stderr), (b"three".to_vec(), false));
    assert_eq!(response.state.unwrap().state, State::Running);
}

#[test]
fn receive_of_a_silent_command_times_out_and_can_be_repeated() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    for _ in 0..3 {
        let token = scene.ask(receive(&id));
        scene.wait(TIMEOUT - Duration::from_millis(1));
        assert!(scene.is_waiting(token));
        scene.wait(Duration::from_millis(1));
        assert_eq!(scene.fault(token), ErrorCode(2_150_858_793));
    }
    let token = scene.ask(receive(&id));
    scene.output(key, Stdout, b"at last");
    scene.wait(GATHER);
    assert_eq!(stream(&scene.received(token), Stdout).0, b"at last");
}

#[test]
fn short_command_needs_two_requests() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    let token = scene.ask(receive(&id));
    scene.output(key, Stdout, b"out");
    scene.output(key, Stderr, b"err");
    scene.finish(key, 7);
    let response = scene.received(token);
    assert_eq!(stream(&response, Stdout), (b"out".to_vec(), true));
    assert_eq!(stream(&response, Stderr), (b"err".to_vec(), true));
    let state = response.state.unwrap();
    assert_eq!((state.state, state.exit_code), (State::Done, Some(7)));
    assert_eq!(state.command_id.as_deref(), Some(id.as_str()));
    // The end marks are elements of their own, as on Windows.
    assert!(response.streams.iter().all(|piece| piece.end == piece.data.is_empty()));
}

#[test]
fn receive_after_the_end_brings_everything_at_once() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    scene.output(key, Stdout, b"out");
    scene.finish(key, 0);
    let token = scene.ask(receive(&id));
    assert_eq!(stream(&scene.received(token), Stdout), (b"out".to_vec(), true));
    // And asked once more it says the end once more.
    let token = scene.ask(receive(&id));
    let response = scene.received(token);
    assert_eq!(stream(&response, Stdout), (Vec::new(), true));
    assert_eq!(response.state.unwrap().exit_code, Some(0));
}

#[test]
fn end_of_a_stream_is_marked_once_while_the_other_goes_on() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    scene.output(key, Stdout, b"all");
    scene.shell.handle_end(key, Stdout, scene.now).unwrap();
    for (number, marked) in [(1, true), (2, false)] {
        scene.output(key, Stderr, &[number]);
        scene.wait(GATHER);
        let token = scene.ask(receive(&id));
        assert_eq!(stream(&scene.received(token), Stdout).1, marked);
    }
}

#[test]
fn done_waits_for_both_ends_and_the_exit() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut scene = Scene::new();
        let (key, id) = scene.run();
        let token = scene.ask(receive(&id));
        for (position, step) in order.into_iter().enumerate() {
            assert!(scene.is_waiting(token), "{order:?} at {position}");
            match step {
                0 => scene.shell.handle_end(key, Stdout, scene.now).unwrap(),
                1 => scene.shell.handle_end(key, Stderr, scene.now).unwrap(),
                _ => scene.shell.handle_exit(key, 3, scene.now).unwrap(),
            }
            scene.drain();
        }
        assert_eq!(scene.received(token).state.unwrap().exit_code, Some(3), "{order:?}");
    }
}

#[test]
fn answers_fit_the_envelope_and_together_hold_everything() {
    let data: Vec<u8> = (0..200_000_u32).map(|number| number.to_le_bytes()[1]).collect();
    for limit in [8_192, 10_000, 153_600, 512_000] {
        let mut scene = Scene::new();
        let (key, id) = scene.run();
        scene.output(key, Stdout, &data);
        scene.output(key, Stderr, &data[..50_000]);
        scene.finish(key, 0);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        for number in 0.. {
            let message_id = format!("uuid:{number}&\"<>{}", "x".repeat(number % 200));
            let token = scene.ask_as(&message_id, receive(&id), limit);
            let reply = scene.reply(token);
            let mut request = wsman::Envelope::default();
            request.header = request.header.with(wsman::HeaderValue::MessageId(message_id.clone()));
            let action = reply.action();
            let envelope = request.reply(action, uuid::Uuid::max(), reply.into_body());
            let encoded = envelope.encode();
            assert!(encoded.len() <= limit, "{} octets over {limit}", encoded.len());
            let response = wsman::shell::ReceiveResponse::from_body(&envelope.body).unwrap();
            out.extend(stream(&response, Stdout).0);
            err.extend(stream(&response, Stderr).0);
            if response.state.unwrap().state == State::Done {
                break;
            }
            assert!(encoded.len() > limit - 700, "{} octets of {limit}", encoded.len());
        }
        assert!(out == data && err == data[..50_000], "limit {limit}");
    }
}

#[test]
fn full_answer_does_not_wait_for_more() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    let token = scene.ask_as("uuid:1", receive(&id), 8_192);
    scene.output(key, Stdout, &[b'x'; 6_000]);
    assert!(!scene.is_waiting(token));
}

#[test]
fn full_buffer_does_not_wait_for_more() {
    let settings = Settings { output_buffer: 1_000, gather: GATHER, ..Settings::default() };
    let mut scene = Scene::with(ShellDescription::default(), settings);
    let (key, id) = scene.run();
    let token = scene.ask(receive(&id));
    scene.output(key, Stdout, &[b'x'; 999]);
    assert!(scene.is_waiting(token));
    scene.output(key, Stdout, b"x");
    assert!(!scene.is_waiting(token));
}

#[test]
fn busy_stdout_does_not_shut_out_stderr() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    scene.output(key, Stdout, &[b'x'; 300_000]);
    scene.output(key, Stderr, b"warning");
    let token = scene.ask(receive(&id));
    scene.wait(GATHER);
    let response = scene.received(token);
    assert_eq!(stream(&response, Stderr).0, b"warning");
    assert!(stream(&response, Stdout).0.len() > 100_000);
}

#[test]
fn receive_of_one_stream_leaves_the_other() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    scene.output(key, Stdout, b"out");
    scene.output(key, Stderr, b"err");
    scene.finish(key, 0);
    let only = |name: &str| {
        let desired = DesiredStream {
            streams: vec![name.to_owned()],
            command_id: Some(id.clone()),
            ..DesiredStream::default()
        };
        let receive = Receive { desired: vec![desired], ..Receive::default() };
        Request::Receive { receive, keep_alive: false }
    };
    let token = scene.ask(only("stdout"));
    let response = scene.received(token);
    assert_eq!(stream(&response, Stdout), (b"out".to_vec(), true));
    assert_eq!(stream(&response, Stderr), (Vec::new(), false));
    let token = scene.ask(only("STDERR"));
    assert_eq!(stream(&scene.received(token), Stderr), (b"err".to_vec(), true));
}

#[test]
fn stream_that_the_create_did_not_name_is_left_out() {
    let description = ShellDescription {
        output_streams: vec!["stdout".to_owned()],
        ..ShellDescription::default()
    };
    let mut scene = Scene::with(description, Settings::default());
    let (key, id) = scene.run();
    let token = scene.ask(receive(&id));
    scene.output(key, Stderr, b"err");
    let release = Action::Release { command: key, stream: Stderr, bytes: 3 };
    assert_eq!(scene.take_actions(), [release]);
    scene.finish(key, 0);
    let response = scene.received(token);
    assert_eq!(stream(&response, Stdout), (Vec::new(), true));
    assert_eq!(stream(&response, Stderr), (Vec::new(), false));
}

#[test]
fn second_receive_aborts_the_first() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    let first = scene.ask(receive(&id));
    let second = scene.ask(receive(&id));
    assert_eq!(scene.fault(first), ErrorCode(995));
    scene.output(key, Stdout, b"x");
    scene.finish(key, 0);
    assert_eq!(stream(&scene.received(second), Stdout).0, b"x");
}

#[test]
fn identical_receive_gets_the_same_answer_again() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    scene.output(key, Stdout, b"one");
    scene.wait(GATHER);
    let first = scene.ask_as("uuid:A", receive(&id), ENVELOPE);
    let first = scene.received(first);
    scene.output(key, Stdout, b"two");
    scene.wait(GATHER);
    for _ in 0..3 {
        let again = scene.ask_as("uuid:A", receive(&id), ENVELOPE);
        assert_eq!(scene.received(again), first);
    }
    let next = scene.ask_as("uuid:a", receive(&id), ENVELOPE);
    assert_eq!(stream(&scene.received(next), Stdout).0, b"two", "ids are compared by bytes");
    assert_eq!(scene.shell.kept_for_replay(), 3);
}

#[test]
fn identical_receive_of_the_end_gets_the_end_again() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    scene.output(key, Stdout, b"all");
    scene.finish(key, 9);
    let first = scene.ask_as("uuid:A", receive(&id), ENVELOPE);
    let first = scene.received(first);
    let again = scene.ask_as("uuid:A", receive(&id), ENVELOPE);
    assert_eq!(scene.received(again), first);
    assert_eq!(first.state.unwrap().exit_code, Some(9));
}

#[test]
fn kept_answer_goes_with_another_receive_or_a_signal() {
    for request in [receive as fn(&str) -> Request, |id| signal(id, SignalCode::CtrlC)] {
        let mut scene = Scene::new();
        let (key, id) = scene.run();
        scene.output(key, Stdout, b"one");
        scene.wait(GATHER);
        let token = scene.ask_as("uuid:A", receive(&id), ENVELOPE);
        scene.received(token);
        assert_eq!(scene.shell.kept_for_replay(), 3);
        scene.ask(request(&id));
        assert_eq!(scene.shell.kept_for_replay(), 0);
        let again = scene.ask_as("uuid:A", receive(&id), ENVELOPE);
        assert!(scene.is_waiting(again));
    }
}

#[test]
fn identical_receive_with_less_room_faults_and_loses_nothing() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    scene.output(key, Stdout, &[b'x'; 50_000]);
    scene.wait(GATHER);
    let first = scene.ask_as("uuid:A", receive(&id), ENVELOPE);
    let first = scene.received(first);
    let small = scene.ask_as("uuid:A", receive(&id), 8_192);
    assert_eq!(scene.fault(small), ErrorCode::MAX_ENVELOPE_SIZE_EXCEEDED);
    let again = scene.ask_as("uuid:A", receive(&id), ENVELOPE);
    assert_eq!(scene.received(again), first);
}

#[test]
fn identical_receive_takes_the_place_of_the_waiting_one() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    let first = scene.ask_as("uuid:A", receive(&id), ENVELOPE);
    let second = scene.ask_as("uuid:A", receive(&id), ENVELOPE);
    assert_eq!(scene.fault(first), ErrorCode::OPERATION_ABORTED);
    scene.output(key, Stdout, b"x");
    scene.wait(GATHER);
    assert_eq!(stream(&scene.received(second), Stdout).0, b"x");
}

#[test]
fn receive_whose_connection_is_lost_loses_no_output() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    let lost = scene.ask(receive(&id));
    scene.shell.handle_cancel(lost, scene.now);
    scene.output(key, Stdout, b"x");
    scene.wait(TIMEOUT);
    assert!(scene.is_waiting(lost));
    let token = scene.ask(receive(&id));
    assert_eq!(stream(&scene.received(token), Stdout).0, b"x");
}

#[test]
fn receive_without_room_for_a_byte_faults() {
    let mut scene = Scene::new();
    let (_, id) = scene.run();
    let token = scene.ask_as("uuid:A", receive(&id), 1_000);
    assert_eq!(scene.fault(token), ErrorCode::MAX_ENVELOPE_SIZE_EXCEEDED);
}

#[test]
fn receive_before_the_process_runs_waits() {
    let mut scene = Scene::new();
    scene.ask(command_as(Some(ID)));
    let key = scene.started_key();
    let token = scene.ask(receive(ID));
    scene.started(key);
    scene.output(key, Stdout, b"x");
    scene.finish(key, 0);
    assert_eq!(stream(&scene.received(token), Stdout).0, b"x");
}

// Credit

#[test]
fn output_beyond_its_credit_is_refused_and_changes_nothing() {
    let settings = Settings { output_buffer: 100, ..Settings::default() };
    let mut scene = Scene::with(ShellDescription::default(), settings);
    let (key, id) = scene.run();
    scene.output(key, Stdout, &[b'a'; 60]);
    let refused = scene.shell.handle_output(key, Stdout, vec![b'b'; 41], scene.now);
    let expected =
        ApiMisuse::OutputBeyondCredit { command: key, stream: Stdout, got: 41, credit: 40 };
    assert_eq!(refused, Err(Error::ApiMisuse(expected)));
    assert_eq!(scene.shell.buffered(), 60);
    scene.output(key, Stderr, &[b'c'; 100]);
    scene.output(key, Stdout, &[b'd'; 40]);
    assert_eq!(scene.shell.buffered(), 200);
    let token = scene.ask(receive(&id));
    assert_eq!(stream(&scene.received(token), Stdout).0.len(), 100);
}

#[test]
fn released_bytes_are_those_of_the_answer() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    scene.output(key, Stdout, &[b'x'; 20_000]);
    scene.output(key, Stderr, &[b'y'; 10]);
    scene.take_actions();
    let token = scene.ask_as("uuid:A", receive(&id), 8_192);
    let response = scene.received(token);
    let taken = |of| stream(&response, of).0.len();
    assert_eq!(
        scene.take_actions(),
        [Stdout, Stderr].map(|stream| Action::Release {
            command: key,
            stream,
            bytes: taken(stream)
        })
    );
    assert_eq!(scene.shell.buffered(), 20_010 - taken(Stdout) - taken(Stderr));
}

#[test]
fn driver_that_breaks_the_contract_is_told() {
    let mut scene = Scene::new();
    let now = scene.now;
    let (key, _) = scene.run();
    scene.ask(command());
    let starting = scene.started_key();
    let mut other = Scene::new();
    let stranger = (0..3).map(|_| other.run().0).last().unwrap();
    let shell = &mut scene.shell;
    let misuse = |error| Err(Error::ApiMisuse(error));
    assert_eq!(shell.handle_exit(stranger, 0, now), misuse(ApiMisuse::UnknownCommand(stranger)));
    assert_eq!(shell.handle_started(key, Ok(()), now), misuse(ApiMisuse::StartedTwice(key)));
    assert_eq!(shell.handle_written(key, Ok(()), now), misuse(ApiMisuse::NothingWritten(key)));
    let early = misuse(ApiMisuse::NotStarted(starting));
    assert_eq!(shell.handle_output(starting, Stdout, Vec::new(), now), early);
    shell.handle_end(key, Stdout, now).unwrap();
    shell.handle_end(key, Stdout, now).unwrap();
    let late = misuse(ApiMisuse::OutputAfterEnd { command: key, stream: Stdout });
    assert_eq!(shell.handle_output(key, Stdout, vec![1], now), late);
    shell.handle_exit(key, 0, now).unwrap();
    assert_eq!(shell.handle_exit(key, 0, now), misuse(ApiMisuse::ExitedTwice(key)));
}
