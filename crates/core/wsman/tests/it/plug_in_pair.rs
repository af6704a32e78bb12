//! PowerShell shells through both machines: streams of their own, left and taken up again.

use wsman::shell::client::{ApiMisuse, CommandKey, Error, Event, Operation};
use wsman::shell::server::{self, Action, CloseReason};
use wsman::shell::{
    BufferMode, Disconnect, InputStream, OutputStream, Reconnect, ShellInfo, SignalCode,
};
use wsman::{ErrorCode, Fault};

use crate::plug_in_scene::{BUFFER, PIPELINE, POOL, Play, TIMEOUT, pieces};
use crate::shell_scene::{GATHER, seconds};

use CommandKey as Of;

/// The service's name for the shell itself.
const OWN: server::CommandKey = server::CommandKey::SHELL;

#[test]
fn pool_and_pipeline_have_input_and_output_of_their_own() {
    let (mut play, pipeline, process) = Play::running();
    play.receive(0, Of::SHELL);
    play.receive(0, pipeline);
    play.write(OWN, b"state of the pool");
    let (one, two) = ([1; 100], [2; 100]);
    play.write(process, &one);
    play.write(process, &two);
    play.wait(GATHER);
    let events = play.take_events();
    assert_eq!(pieces(&events, Of::SHELL), [b"state of the pool"]);
    // What the plug-in wrote in two pieces arrives in two.
    assert_eq!(pieces(&events, pipeline), [one, two]);
    for (of, target, stream, data) in [
        (Of::SHELL, OWN, InputStream::Stdin, &b"message"[..]),
        (Of::SHELL, OWN, InputStream::Priority, b"answer"),
        (pipeline, process, InputStream::Priority, b"host"),
    ] {
        play.take_actions();
        play.send(of, stream, data);
        let write = Action::Write { command: target, stream, data: data.to_vec(), end: false };
        assert_eq!(play.take_actions(), [write]);
        play.report(|shell, now| shell.handle_written(target, Ok(()), now));
        assert_eq!(play.take_events(), [Event::Sent { command: of }]);
    }
}

#[test]
fn pool_takes_one_send_at_a_time_whatever_its_stream() {
    let mut play = Play::open();
    play.send(Of::SHELL, InputStream::Stdin, b"one");
    let id = play.id();
    let send = play.clients[0].send_to(
        id,
        TIMEOUT,
        Of::SHELL,
        InputStream::Priority,
        b"two".to_vec(),
        false,
    );
    assert_eq!(send, Err(Error::ApiMisuse(ApiMisuse::SendUnderWay(Of::SHELL))));
}

#[test]
fn stop_reaches_the_plug_in_and_the_pipeline_tells_its_end() {
    let (mut play, pipeline, process) = Play::running();
    play.receive(0, pipeline);
    play.signal(pipeline, SignalCode::PowerShellCtrlC);
    let signal = Action::Signal { command: process, code: SignalCode::PowerShellCtrlC };
    assert_eq!(play.take_actions(), [signal]);
    play.write(process, b"stopped");
    play.finish(process);
    let events = play.take_events();
    assert_eq!(pieces(&events, pipeline), [b"stopped"]);
    assert!(events.contains(&Event::Done { command: pipeline, exit_code: Some(0) }));
    play.signal(pipeline, SignalCode::Terminate);
    assert!(play.take_actions().contains(&Action::Forget { command: process }));
}

#[test]
fn a_pool_that_ends_says_done_without_a_command_id() {
    let mut play = Play::open();
    play.receive(0, Of::SHELL);
    play.write(OWN, b"broken");
    play.finish(OWN);
    let events = play.take_events();
    assert_eq!(pieces(&events, Of::SHELL), [b"broken"]);
    assert!(events.contains(&Event::Done { command: Of::SHELL, exit_code: Some(0) }));
}

#[test]
fn chunks_stay_whole_where_an_answer_has_room_for_them() {
    let mut play = Play::new();
    play.settings.output_buffer = 100_000;
    play.create();
    let sizes = [2_000, 2_000, 2_000, 9_000, 1];
    for (number, size) in sizes.into_iter().enumerate() {
        play.write(OWN, &vec![u8::try_from(number).unwrap(); size]);
    }
    let mut got = Vec::new();
    for _ in 0..8 {
        play.receive(0, Of::SHELL);
        play.wait(GATHER);
        got.extend(pieces(&play.take_events(), Of::SHELL));
        if got.iter().map(Vec::len).sum::<usize>() == sizes.iter().sum() {
            break;
        }
    }
    assert_eq!(got[..3].iter().map(Vec::len).collect::<Vec<_>>(), [2_000; 3]);
    // The one that no answer has room for is cut, and nothing is lost or changes places.
    let numbers: Vec<u8> = got.concat();
    let expected: Vec<u8> = sizes
        .iter()
        .enumerate()
        .flat_map(|(number, size)| vec![u8::try_from(number).unwrap(); *size])
        .collect();
    assert_eq!(numbers, expected);
}

#[test]
fn compressed_pool_brings_the_same_chunks() {
    let mut play = Play::new();
    play.compression = true;
    play.create();
    play.receive(0, Of::SHELL);
    play.write(OWN, &[7; 500]);
    play.write(OWN, b"short");
    play.wait(GATHER);
    assert_eq!(pieces(&play.take_events(), Of::SHELL), [&[7; 500][..], b"short"]);
}

#[test]
fn disconnect_ends_waiting_receives_quietly_and_reconnect_brings_what_was_written_meanwhile() {
    let (mut play, pipeline, process) = Play::running();
    play.receive(0, Of::SHELL);
    play.receive(0, pipeline);
    play.disconnect(0, None);
    let aborted =
        |command| Event::Aborted { operation: Operation::Receive, command: Some(command) };
    let events = play.take_events();
    assert!(events.contains(&aborted(Of::SHELL)) && events.contains(&aborted(pipeline)));
    assert_eq!(events.last(), Some(&Event::Disconnected));
    assert!(play.clients[0].is_disconnected() && play.shell().is_disconnected());
    let now = play.now;
    let info = play.shell().info(now);
    assert_eq!(info.state.as_deref(), Some(ShellInfo::DISCONNECTED));
    assert_eq!((info.process_id, info.name.as_deref()), (Some(4), Some("Session1")));
    play.write(process, b"meanwhile");
    play.reconnect(0);
    assert_eq!(play.take_events(), [Event::Reconnected]);
    play.receive(0, pipeline);
    play.wait(GATHER);
    assert_eq!(pieces(&play.take_events(), pipeline), [b"meanwhile"]);
}

#[test]
fn disconnect_in_mid_output_hands_over_what_is_there_first() {
    let (mut play, pipeline, process) = Play::running();
    play.receive(0, pipeline);
    play.write(process, b"gathered");
    play.disconnect(0, None);
    let events = play.take_events();
    assert_eq!(pieces(&events, pipeline), [b"gathered"]);
    assert_eq!(events.last(), Some(&Event::Disconnected));
}

#[test]
fn block_holds_the_producer_back_and_keeps_every_byte() {
    let (mut play, pipeline, process) = Play::running();
    play.disconnect(0, Some(BufferMode::Block));
    play.take_actions();
    play.write(process, &[1; BUFFER]);
    let now = play.now;
    let more = play.shell().handle_output(process, OutputStream::Stdout, vec![2], now);
    assert!(matches!(
        more,
        Err(server::Error::ApiMisuse(server::ApiMisuse::OutputBeyondCredit { credit: 0, .. }))
    ));
    assert_eq!(play.take_actions(), []);
    play.reconnect(0);
    play.receive(0, pipeline);
    assert_eq!(pieces(&play.take_events(), pipeline), [[1; BUFFER]]);
    // With the output the credit is back.
    let release = Action::Release { command: process, stream: OutputStream::Stdout, bytes: BUFFER };
    assert_eq!(play.take_actions(), [release]);
}

#[test]
fn drop_never_holds_the_producer_back_and_keeps_the_newest() {
    let (mut play, pipeline, process) = Play::running();
    // What was there before counts as well.
    play.write(process, &[0; 300]);
    play.disconnect(0, Some(BufferMode::Drop));
    let released = |actions: Vec<Action>| -> usize {
        let bytes = |action: &Action| match action {
            Action::Release { bytes, .. } => *bytes,
            other => panic!("{other:?}"),
        };
        actions.iter().map(bytes).sum()
    };
    assert_eq!(released(play.take_actions()), 300);
    for number in 1..=10 {
        play.write(process, &[number; 300]);
        assert_eq!(released(play.take_actions()), 300);
    }
    assert!(play.shell().buffered() <= BUFFER);
    play.reconnect(0);
    // New output has the whole credit beside what was kept.
    play.write(process, &[11; BUFFER]);
    play.receive(0, pipeline);
    let got = pieces(&play.take_events(), pipeline);
    let firsts: Vec<_> = got.iter().map(|piece| piece[0]).collect();
    assert_eq!(firsts, [8, 9, 10, 11]);
    assert_eq!(released(play.take_actions()), BUFFER);
}

#[test]
fn another_session_takes_the_shell_over_and_the_first_is_kept_away() {
    let (mut play, first, process) = Play::running();
    play.write(process, b"early");
    play.disconnect(0, None);
    play.take_events();
    play.connect(1);
    let actions = play.take_actions();
    let [Action::Connect { connect, options }] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(connect.connect_xml.as_deref(), Some(&b"here I am"[..]));
    assert_eq!(options.value("protocolversion"), Some("2.3"));
    play.report(|shell, now| shell.handle_connected(Ok(Some(b"welcome".to_vec())), now));
    let events = play.take_events();
    let [Event::Connected { shell_id, response }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(shell_id, POOL);
    assert_eq!(response.connect_response_xml.as_deref(), Some(&b"welcome"[..]));
    assert_eq!(response.input_streams, ["stdin", "pr"]);
    let id = play.id();
    let pipeline = play.clients[1].connect_command(id, TIMEOUT, PIPELINE).unwrap();
    play.go();
    assert_eq!(play.take_events(), [Event::CommandConnected { command: pipeline }]);
    play.receive(1, pipeline);
    play.wait(GATHER);
    assert_eq!(pieces(&play.take_events(), pipeline), [b"early"]);
    // The session that has lost it neither gets it back nor takes its output.
    play.reconnect(0);
    let mismatch = ErrorCode::SHELL_CLIENTSESSIONID_MISMATCH;
    assert_eq!(play.take_faults(), [(Operation::Reconnect, mismatch)]);
    assert!(play.clients[0].is_disconnected());
    let id = play.id();
    let receive = play.clients[0].receive(id, TIMEOUT, first);
    assert_eq!(receive, Err(Error::ApiMisuse(ApiMisuse::NotOpen)));
}

#[test]
fn a_plug_in_may_refuse_a_session_and_the_shell_waits_on() {
    let mut play = Play::open();
    play.disconnect(0, None);
    play.take_events();
    play.connect(1);
    let fault = Box::new(Fault::new(ErrorCode::ACCESS_DENIED, "no "));
    play.report(|shell, now| shell.handle_connected(Err(fault), now));
    assert_eq!(play.take_faults(), [(Operation::Connect, ErrorCode::ACCESS_DENIED)]);
    play.reconnect(0);
    assert_eq!(play.take_events(), [Event::Reconnected]);
}

#[test]
fn a_shell_with_a_client_cannot_be_connected_to() {
    let mut play = Play::open();
    play.connect(1);
    let expected = ErrorCode::SHELL_CONNECTED_TO_DIFFERENT_CLIENT;
    assert_eq!(play.take_faults(), [(Operation::Connect, expected)]);
    // The machine is as before, and may try again.
    play.disconnect(0, None);
    play.take_events();
    play.connect(1);
    play.report(|shell, now| shell.handle_connected(Ok(None), now));
    assert!(matches!(play.take_events()[..], [Event::Connected { .. }]));
}

#[test]
fn disconnect_waits_for_input_that_is_being_written() {
    let (mut play, pipeline, process) = Play::running();
    play.send(pipeline, InputStream::Stdin, b"slow");
    play.disconnect(0, None);
    assert_eq!(play.take_events(), []);
    assert!(!play.shell().is_disconnected());
    play.report(|shell, now| shell.handle_written(process, Ok(()), now));
    assert_eq!(play.take_events(), [Event::Sent { command: pipeline }, Event::Disconnected]);
}

#[test]
fn a_disconnected_shell_ends_after_the_idle_time_that_the_disconnect_asked_for() {
    let mut play = Play::open();
    let id = play.id();
    let time = wsman::Duration::seconds(seconds(300));
    let disconnect = Disconnect { idle_timeout: Some(time), ..Disconnect::default() };
    play.clients[0].disconnect(id, TIMEOUT, disconnect).unwrap();
    play.go();
    play.wait(seconds(299));
    assert_eq!(play.shell().closed(), None);
    play.wait(seconds(1));
    assert_eq!(play.shell().closed(), Some(CloseReason::Idle));
    play.take_events();
    play.reconnect(0);
    assert_eq!(play.take_faults(), [(Operation::Reconnect, ErrorCode::UNEXPECTED_SELECTORS)]);
}

#[test]
fn a_waiting_receive_of_the_pool_keeps_the_shell_from_being_idle() {
    let mut play = Play::new();
    play.settings.idle_timeout = seconds(60);
    play.create();
    for _ in 0..10 {
        play.receive(0, Of::SHELL);
        play.wait(TIMEOUT);
        assert_eq!(play.take_events(), [Event::TimedOut { command: Of::SHELL }]);
    }
    assert_eq!(play.shell().closed(), None);
    play.wait(seconds(60));
    assert_eq!(play.shell().closed(), Some(CloseReason::Idle));
}

#[test]
fn a_disconnect_whose_answer_was_cut_is_repeated_without_harm() {
    let mut play = Play::open();
    let id = play.id();
    play.clients[0].disconnect(id, TIMEOUT, Disconnect::default()).unwrap();
    let request = play.clients[0].poll_request().unwrap();
    assert!(request.replay);
    play.carry(0, &request);
    play.answers.clear();
    play.carry(0, &request);
    play.deliver();
    assert_eq!(play.take_events(), [Event::Disconnected]);
}

#[test]
fn a_reconnect_whose_answer_was_cut_is_repeated_without_harm() {
    let mut play = Play::open();
    play.disconnect(0, None);
    play.take_events();
    let id = play.id();
    play.clients[0].reconnect(id, TIMEOUT, Reconnect::default()).unwrap();
    let request = play.clients[0].poll_request().unwrap();
    play.carry(0, &request);
    play.answers.clear();
    play.carry(0, &request);
    play.deliver();
    assert_eq!(play.take_events(), [Event::Reconnected]);
}

#[test]
fn output_whose_answer_was_cut_comes_again_after_a_reconnect() {
    let (mut play, pipeline, process) = Play::running();
    let id = play.id();
    play.clients[0].receive(id, TIMEOUT, pipeline).unwrap();
    let request = play.clients[0].poll_request().unwrap();
    play.write(process, b"once");
    play.carry(0, &request);
    let now = play.now + GATHER;
    play.shell().handle_timeout(now);
    play.drain();
    // The answer was on its way when the network went; the client leaves and comes back.
    play.answers.clear();
    play.disconnect(0, None);
    play.reconnect(0);
    play.take_events();
    play.carry(0, &request);
    play.deliver();
    assert_eq!(pieces(&play.take_events(), pipeline), [b"once"]);
}

#[test]
fn a_client_that_the_service_has_given_up_learns_it_and_comes_back() {
    let (mut play, pipeline, process) = Play::running();
    let id = play.id();
    play.clients[0].disconnect(id, TIMEOUT, Disconnect::default()).unwrap();
    let request = play.clients[0].poll_request().unwrap();
    play.carry(0, &request);
    // The client never learns that it arrived.
    play.answers.clear();
    play.clients[0].handle_lost(request.message_id);
    assert!(play.clients[0].is_open());
    play.receive(0, pipeline);
    let aborted = Event::Aborted { operation: Operation::Receive, command: Some(pipeline) };
    let events = play.take_events();
    assert!(events.contains(&aborted) && events.contains(&Event::Disconnected), "{events:?}");
    play.reconnect(0);
    assert_eq!(play.take_events(), [Event::Reconnected]);
    play.receive(0, pipeline);
    play.write(process, b"on");
    play.wait(GATHER);
    assert_eq!(pieces(&play.take_events(), pipeline), [b"on"]);
}

#[test]
fn an_engine_that_dies_is_told_to_everybody_who_waits() {
    let (mut play, pipeline, _) = Play::running();
    play.receive(0, Of::SHELL);
    play.receive(0, pipeline);
    let fault = Fault::new(ErrorCode::INTERNAL_ERROR, "the engine has ended ");
    play.shell().handle_failed(&fault);
    play.drain();
    play.deliver();
    let expected = [(Operation::Receive, ErrorCode::INTERNAL_ERROR); 2];
    assert_eq!(play.take_faults(), expected);
    assert_eq!(play.shell().closed(), Some(CloseReason::Failed));
}
