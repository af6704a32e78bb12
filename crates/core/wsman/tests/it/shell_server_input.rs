//! The server's shell, rule by rule: input, signals, several commands, the end.

use wsman::shell::server::{Action, CloseReason, Settings};
use wsman::shell::{
    InputStream, OutputStream, Request, Send, ShellDescription, SignalCode, State, Stream,
};
use wsman::{ErrorCode, Fault};

use crate::shell_scene::{
    ENVELOPE, Scene, TIMEOUT, command, command_as, receive, seconds, send, signal, stream,
};

use OutputStream::Stdout;

const ID: &str = "0F8FAD5B-D9CB-469F-A165-70867728950E";

fn error(code: ErrorCode) -> Box<Fault> {
    Box::new(Fault::new(code, "said the test"))
}

// Send

#[test]
fn send_is_answered_when_the_input_is_written() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    let token = scene.ask(send(&id, b"hello", true));
    let write = Action::Write {
        command: key,
        stream: InputStream::Stdin,
        data: b"hello".to_vec(),
        end: true,
    };
    assert_eq!(scene.take_actions(), [write]);
    assert!(scene.is_waiting(token));
    scene.written(key);
    assert_eq!(scene.reply(token).action(), wsman::ns::action::SEND_RESPONSE);
}

#[test]
fn send_in_pieces_is_written_at_once() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    let piece = |data: &[u8], end| Stream {
        name: "STDIN".to_owned(),
        command_id: Some(id.clone()),
        end,
        data: data.to_vec(),
        ..Stream::default()
    };
    let streams = vec![piece(b"a", false), piece(b"b", false), piece(b"", true)];
    scene.ask(Request::Send(Send { streams, ..Send::default() }));
    let write =
        Action::Write { command: key, stream: InputStream::Stdin, data: b"ab".to_vec(), end: true };
    assert_eq!(scene.take_actions(), [write]);
}

#[test]
fn send_while_another_is_not_taken_faults_with_170() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    let first = scene.ask(send(&id, b"one", false));
    let second = scene.ask(send(&id, b"two", false));
    assert_eq!(scene.fault(second), ErrorCode(170));
    scene.written(key);
    scene.reply(first);
    let third = scene.ask(send(&id, b"two", false));
    assert!(scene.is_waiting(third));
}

#[test]
fn send_that_is_not_taken_in_time_faults_but_stays_under_way() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    let token = scene.ask(send(&id, b"one", false));
    scene.wait(TIMEOUT);
    assert_eq!(scene.fault(token), ErrorCode::OPERATION_TIMEDOUT);
    let again = scene.ask(send(&id, b"one", false));
    assert_eq!(scene.fault(again), ErrorCode::BUSY);
    scene.written(key);
    let next = scene.ask(send(&id, b"two", false));
    assert!(scene.is_waiting(next));
}

#[test]
fn send_that_fails_is_answered_with_the_fault() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    let token = scene.ask(send(&id, b"one", false));
    let failed = Err(error(ErrorCode::INTERNAL_ERROR));
    scene.shell.handle_written(key, failed, scene.now).unwrap();
    scene.drain();
    assert_eq!(scene.fault(token), ErrorCode::INTERNAL_ERROR);
}

#[test]
fn send_before_the_process_runs_is_held_until_then() {
    let mut scene = Scene::new();
    scene.ask(command_as(Some(ID)));
    let key = scene.started_key();
    scene.take_actions();
    scene.ask(send(ID, b"early", false));
    assert!(scene.take_actions().is_empty());
    scene.started(key);
    let write = Action::Write {
        command: key,
        stream: InputStream::Stdin,
        data: b"early".to_vec(),
        end: false,
    };
    assert_eq!(scene.take_actions(), [write]);
}

#[test]
fn input_after_its_end_faults_but_another_end_does_not() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    scene.ask(send(&id, b"", true));
    scene.written(key);
    let more = scene.ask(send(&id, b"more", false));
    assert_eq!(scene.fault(more), ErrorCode::INVALID_PARAMETER);
    let end = scene.ask(send(&id, b"", true));
    scene.reply(end);
}

#[test]
fn input_for_a_finished_command_is_discarded() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    let waiting = scene.ask(send(&id, b"never read", false));
    scene.finish(key, 0);
    scene.reply(waiting);
    scene.take_actions();
    let token = scene.ask(send(&id, b"too late", true));
    scene.reply(token);
    assert!(scene.take_actions().is_empty());
    scene.written(key);
}

#[test]
fn send_to_a_foreign_stream_or_without_a_command_faults() {
    let mut scene = Scene::new();
    let (_, id) = scene.run();
    for (name, command_id) in [("pr", Some(id.as_str())), ("stdin", None)] {
        let stream = Stream {
            name: name.to_owned(),
            command_id: command_id.map(str::to_owned),
            ..Stream::default()
        };
        let token = scene.ask(Request::Send(Send { streams: vec![stream], ..Send::default() }));
        assert_eq!(scene.fault(token), ErrorCode::INVALID_PARAMETER);
    }
}

// Signal

#[test]
fn ctrl_c_is_passed_on_and_the_command_lives() {
    for code in [SignalCode::CtrlC, SignalCode::CtrlBreak] {
        let mut scene = Scene::new();
        let (key, id) = scene.run();
        let receiving = scene.ask(receive(&id));
        let token = scene.ask(signal(&id, code.clone()));
        scene.reply(token);
        assert_eq!(scene.take_actions(), [Action::Signal { command: key, code }]);
        assert!(scene.is_waiting(receiving));
        scene.finish(key, 130);
        assert_eq!(scene.received(receiving).state.unwrap().exit_code, Some(130));
        assert_eq!(scene.shell.commands().count(), 1);
    }
}

#[test]
fn ctrl_c_before_the_process_runs_is_held_until_then() {
    let mut scene = Scene::new();
    scene.ask(command_as(Some(ID)));
    let key = scene.started_key();
    scene.take_actions();
    let token = scene.ask(signal(ID, SignalCode::CtrlC));
    scene.reply(token);
    scene.started(key);
    let interrupt = Action::Signal { command: key, code: SignalCode::CtrlC };
    assert_eq!(scene.take_actions(), [interrupt]);
}

#[test]
fn ctrl_c_after_the_end_succeeds_and_does_nothing() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    scene.finish(key, 0);
    let token = scene.ask(signal(&id, SignalCode::CtrlC));
    scene.reply(token);
    assert!(scene.take_actions().is_empty());
}

#[test]
fn unknown_signal_faults() {
    let mut scene = Scene::new();
    let (_, id) = scene.run();
    for code in [SignalCode::PowerShellCtrlC, SignalCode::Other("hup".to_owned())] {
        let token = scene.ask(signal(&id, code));
        assert_eq!(scene.fault(token), ErrorCode::INVALID_PARAMETER);
    }
}

#[test]
fn terminate_aborts_what_waits_and_is_answered_after_the_exit() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    let receiving = scene.ask(receive(&id));
    let sending = scene.ask(send(&id, b"x", false));
    scene.take_actions();
    let token = scene.ask(signal(&id, SignalCode::Terminate));
    assert_eq!(scene.fault(receiving), ErrorCode(995));
    assert_eq!(scene.fault(sending), ErrorCode(995));
    let terminate = Action::Signal { command: key, code: SignalCode::Terminate };
    assert_eq!(scene.take_actions(), [terminate]);
    assert!(scene.is_waiting(token));
    assert_eq!(scene.shell.commands().next().unwrap().state, State::Pending);
    scene.exit(key, 137);
    scene.reply(token);
    assert_eq!(scene.take_actions(), [Action::Forget { command: key }]);
    let gone = scene.ask(receive(&id));
    assert_eq!(scene.fault(gone), ErrorCode::UNEXPECTED_SELECTORS);
}

#[test]
fn terminate_drops_the_kept_answer() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    scene.output(key, Stdout, b"x");
    scene.wait(TIMEOUT);
    let token = scene.ask_as("uuid:A", receive(&id), ENVELOPE);
    scene.received(token);
    scene.ask(signal(&id, SignalCode::Terminate));
    assert_eq!(scene.shell.kept_for_replay(), 0);
    let again = scene.ask_as("uuid:A", receive(&id), ENVELOPE);
    assert_eq!(scene.fault(again), ErrorCode::OPERATION_ABORTED);
}

#[test]
fn terminate_of_a_finished_command_is_answered_at_once() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    scene.finish(key, 0);
    let token = scene.ask(signal(&id, SignalCode::Terminate));
    scene.reply(token);
    assert_eq!(scene.take_actions(), [Action::Forget { command: key }]);
    assert_eq!(scene.shell.commands().count(), 0);
}

#[test]
fn terminate_before_the_process_runs_ends_it_when_it_does() {
    let mut scene = Scene::new();
    let starting = scene.ask(command_as(Some(ID)));
    let key = scene.started_key();
    scene.take_actions();
    let token = scene.ask(signal(ID, SignalCode::Terminate));
    assert_eq!(scene.fault(starting), ErrorCode::OPERATION_ABORTED);
    assert!(scene.take_actions().is_empty());
    scene.started(key);
    let terminate = Action::Signal { command: key, code: SignalCode::Terminate };
    assert_eq!(scene.take_actions(), [terminate]);
    scene.exit(key, 137);
    scene.reply(token);
}

#[test]
fn terminate_of_a_process_that_cannot_start_is_answered() {
    let mut scene = Scene::new();
    scene.ask(command_as(Some(ID)));
    let key = scene.started_key();
    let token = scene.ask(signal(ID, SignalCode::Terminate));
    let failed = Err(error(ErrorCode::FILE_NOT_FOUND));
    scene.shell.handle_started(key, failed, scene.now).unwrap();
    scene.drain();
    scene.reply(token);
}

#[test]
fn terminate_of_a_process_that_will_not_end_times_out_and_still_frees() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    let token = scene.ask(signal(&id, SignalCode::Terminate));
    scene.wait(TIMEOUT);
    assert_eq!(scene.fault(token), ErrorCode::OPERATION_TIMEDOUT);
    let receiving = scene.ask(receive(&id));
    assert_eq!(scene.fault(receiving), ErrorCode::OPERATION_ABORTED);
    let sending = scene.ask(send(&id, b"x", false));
    scene.reply(sending);
    let first = scene.ask(signal(&id, SignalCode::Terminate));
    let second = scene.ask(signal(&id, SignalCode::Terminate));
    assert_eq!(scene.fault(first), ErrorCode::OPERATION_ABORTED);
    scene.exit(key, 137);
    scene.reply(second);
    assert_eq!(scene.shell.commands().count(), 0);
}

#[test]
fn output_of_a_terminated_command_is_let_through_into_nothing() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    scene.output(key, Stdout, b"before");
    scene.ask(signal(&id, SignalCode::Terminate));
    scene.output(key, Stdout, b"after");
    let released: usize = scene
        .take_actions()
        .iter()
        .map(|action| match action {
            Action::Release { bytes, .. } => *bytes,
            _ => 0,
        })
        .sum();
    assert_eq!(released, 11);
    assert_eq!(scene.shell.buffered(), 0);
}

#[test]
fn reports_about_a_forgotten_command_are_ignored() {
    let mut scene = Scene::new();
    let (key, id) = scene.run();
    scene.ask(signal(&id, SignalCode::Terminate));
    scene.exit(key, 137);
    scene.take_actions();
    scene.output(key, Stdout, b"late");
    scene.end(key);
    scene.exit(key, 0);
    scene.written(key);
    assert!(scene.take_actions().is_empty());
}

// Several commands

#[test]
fn commands_do_not_touch_each_other() {
    let mut scene = Scene::new();
    let (one, first) = scene.run();
    let (two, second) = scene.run();
    let receiving_one = scene.ask(receive(&first));
    let receiving_two = scene.ask(receive(&second));
    scene.output(two, Stdout, b"two");
    scene.finish(two, 2);
    assert!(scene.is_waiting(receiving_one));
    assert_eq!(stream(&scene.received(receiving_two), Stdout).0, b"two");
    scene.ask(signal(&second, SignalCode::Terminate));
    scene.output(one, Stdout, b"one");
    scene.finish(one, 1);
    assert_eq!(stream(&scene.received(receiving_one), Stdout).0, b"one");
}

// The end of the shell

#[test]
fn delete_answers_everything_and_closes() {
    let mut scene = Scene::new();
    let (_, one) = scene.run();
    let (_, two) = scene.run();
    let starting = scene.ask(command());
    let late = scene.started_key();
    let waiting = [receive(&one), send(&one, b"x", false), signal(&two, SignalCode::Terminate)];
    let waiting = waiting.map(|request| scene.ask(request));
    scene.take_actions();
    let delete = scene.ask(Request::Delete);
    for token in waiting.into_iter().chain([starting]) {
        assert_eq!(scene.fault(token), ErrorCode(995));
    }
    assert!(scene.reply(delete).into_body().is_empty());
    assert_eq!(scene.take_actions(), [Action::Close { reason: CloseReason::Deleted }]);
    assert_eq!(scene.shell.closed(), Some(CloseReason::Deleted));
    assert_eq!(scene.shell.poll_timeout(), None);
    for request in [command(), receive(&one), Request::Get, Request::Delete] {
        let token = scene.ask(request);
        assert_eq!(scene.fault(token), ErrorCode(2_150_858_843));
    }
    scene.started(late);
    assert!(scene.take_actions().is_empty());
}

fn idle_after(wish: u64) -> Scene {
    let description = ShellDescription {
        idle_timeout: Some(wsman::Duration::seconds(seconds(wish))),
        ..ShellDescription::default()
    };
    let settings = Settings { max_idle_timeout: seconds(1_000), ..Settings::default() };
    Scene::with(description, settings)
}

#[test]
fn idle_shell_closes() {
    let mut scene = idle_after(100);
    scene.wait(seconds(99));
    assert_eq!(scene.shell.closed(), None);
    scene.wait(seconds(1));
    assert_eq!(scene.take_actions(), [Action::Close { reason: CloseReason::Idle }]);
}

#[test]
fn idle_timer_restarts_with_each_request() {
    let mut scene = idle_after(100);
    for _ in 0..5 {
        scene.wait(seconds(99));
        scene.ask(Request::Get);
        assert_eq!(scene.shell.closed(), None);
    }
    scene.wait(seconds(100));
    assert_eq!(scene.shell.closed(), Some(CloseReason::Idle));
}

#[test]
fn idle_timer_does_not_run_while_a_receive_waits() {
    let settings = Settings { idle_timeout: seconds(30), ..Settings::default() };
    let mut scene = Scene::with(ShellDescription::default(), settings);
    let (_, id) = scene.run();
    for _ in 0..5 {
        let token = scene.ask(receive(&id));
        scene.wait(TIMEOUT);
        assert_eq!(scene.fault(token), ErrorCode::OPERATION_TIMEDOUT);
    }
    scene.wait(seconds(29));
    assert_eq!(scene.shell.closed(), None, "it runs from the answer");
    scene.wait(seconds(1));
    assert_eq!(scene.shell.closed(), Some(CloseReason::Idle));
}

#[test]
fn idle_timer_runs_for_a_command_whose_client_is_gone() {
    let mut scene = idle_after(60);
    let (key, id) = scene.run();
    let lost = scene.ask(receive(&id));
    scene.wait(seconds(10));
    scene.shell.handle_cancel(lost, scene.now);
    for _ in 0..60 {
        scene.output(key, Stdout, b"still here ");
        scene.wait(seconds(1));
    }
    assert_eq!(scene.shell.closed(), Some(CloseReason::Idle));
}

#[test]
fn idle_wish_is_kept_within_its_bounds() {
    for (wish, granted) in [(1, 60), (500, 500), (5_000, 1_000)] {
        assert_eq!(idle_after(wish).shell.idle_timeout(), seconds(granted));
    }
}

#[test]
fn lifetime_ends_a_busy_shell() {
    let description = ShellDescription {
        lifetime: Some(wsman::Duration::seconds(seconds(30))),
        ..ShellDescription::default()
    };
    let mut scene = Scene::with(description, Settings::default());
    let (_, id) = scene.run();
    let token = scene.ask(receive(&id));
    scene.wait(seconds(30));
    assert_eq!(scene.fault(token), ErrorCode::UNEXPECTED_SELECTORS);
    assert_eq!(scene.shell.closed(), Some(CloseReason::Lifetime));
}
