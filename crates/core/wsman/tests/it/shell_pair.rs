//! Client's shell against server's shell in memory, through encoded bytes and with a turned clock.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use wsman::shell::client::{self, Event, Operation};
use wsman::shell::server::{self, Action, CloseReason};
use wsman::shell::{CommandLine, CommandOptions, OutputStream, SignalCode, State};
use wsman::{ErrorCode, Fault, HeaderValue};

use crate::shell_scene::{GATHER, seconds};

use OutputStream::{Stderr, Stdout};

use crate::shell_pair_scene::{Pair, TIMEOUT, done, output};

#[test]
fn exit_code_is_known_after_two_requests() {
    let mut pair = Pair::open(153_600);
    for exit_code in [0, 1, 0x8007_0002] {
        pair.sent.clear();
        let (command, process) = pair.start();
        pair.receive(command);
        pair.write(process, Stdout, b"out");
        pair.write(process, Stderr, b"err");
        pair.finish(process, exit_code);
        let events = pair.take_events();
        assert_eq!(output(&events, Stdout), b"out");
        assert_eq!(output(&events, Stderr), b"err");
        assert_eq!(done(&events), Some(Some(exit_code)));
        assert_eq!(pair.operations(), [Operation::Command, Operation::Receive]);
        pair.signal(command, SignalCode::Terminate);
        let code = SignalCode::Terminate;
        assert_eq!(pair.take_events(), [Event::Signaled { command, code }]);
        assert_eq!(pair.take_actions().pop(), Some(Action::Forget { command: process }));
    }
    pair.close();
    assert_eq!(pair.take_events(), [Event::Closed]);
    let close = Action::Close { reason: CloseReason::Deleted };
    assert_eq!(pair.take_actions(), [close]);
}

/// Writes for a process what the credit of its streams allows.
fn write_within_credit(
    pair: &mut Pair,
    process: server::CommandKey,
    left: &mut [(OutputStream, &[u8], usize)],
) {
    for action in pair.take_actions() {
        if let Action::Release { stream, bytes, .. } = action {
            let of = left.iter_mut().find(|(of, ..)| *of == stream).unwrap();
            of.2 += bytes;
        }
    }
    for (stream, rest, credit) in left {
        let (now, later) = rest.split_at(rest.len().min(*credit).min(30_000));
        *rest = later;
        *credit -= now.len();
        if !now.is_empty() {
            pair.write(process, *stream, now);
        }
    }
}

#[test]
fn long_output_comes_through_small_envelopes_within_the_credit() {
    let scrambled = |n: u32| n.wrapping_mul(2_654_435_761).to_le_bytes()[3];
    let data: Vec<u8> = (0..400_000).map(scrambled).collect();
    for (limit, output_buffer) in
        [(8_192, 1_000), (8_192, 50_000), (153_600, 50_000), (512_000, 393_216)]
    {
        let mut pair = Pair::new(limit);
        pair.settings.output_buffer = output_buffer;
        let (command, process) = pair.open_and_start();
        let mut left =
            [(Stdout, &data[..], output_buffer), (Stderr, &data[..100_000], output_buffer)];
        let mut finished = false;
        while !pair.client.is_done(command) {
            write_within_credit(&mut pair, process, &mut left);
            if !finished && left.iter().all(|(_, rest, _)| rest.is_empty()) {
                pair.finish(process, 0);
                finished = true;
            }
            pair.receive(command);
            pair.wait(GATHER);
        }
        let events = pair.take_events();
        assert!(output(&events, Stdout) == data, "limit {limit}");
        assert!(output(&events, Stderr) == data[..100_000], "limit {limit}");
    }
}

#[test]
fn long_silence_is_bridged_by_repeated_receives() {
    let (mut pair, command, process) = Pair::running(153_600);
    for _ in 0..5 {
        pair.receive(command);
        pair.wait(TIMEOUT);
        assert_eq!(pair.take_events(), [Event::TimedOut { command }]);
    }
    pair.receive(command);
    pair.wait(seconds(5));
    pair.write(process, Stdout, b"at last");
    pair.wait(GATHER);
    assert_eq!(output(&pair.take_events(), Stdout), b"at last");
}

#[test]
fn lost_answer_comes_again_for_the_identical_receive() {
    let (mut pair, command, process) = Pair::running(153_600);
    pair.write(process, Stdout, b"out");
    pair.finish(process, 4);
    let id = pair.id();
    pair.client.receive(id, TIMEOUT, command).unwrap();
    let request = pair.client.poll_request().unwrap();
    assert!(request.replay);
    for _ in 0..3 {
        pair.carry(&request);
        assert_eq!(pair.answers.len(), 1);
        pair.answers.clear();
    }
    pair.carry(&request);
    pair.deliver();
    let events = pair.take_events();
    assert_eq!(output(&events, Stdout), b"out");
    assert_eq!(done(&events), Some(Some(4)));
}

#[test]
fn lost_connection_of_a_waiting_receive_costs_nothing() {
    let (mut pair, command, process) = Pair::running(153_600);
    let id = pair.id();
    pair.client.receive(id, TIMEOUT, command).unwrap();
    let request = pair.client.poll_request().unwrap();
    pair.carry(&request);
    let (&token, _) = pair.asked.first_key_value().unwrap();
    let now = pair.now;
    pair.shell().handle_cancel(token, now);
    pair.asked.clear();
    pair.write(process, Stdout, b"meanwhile");
    pair.wait(seconds(1));
    pair.carry(&request);
    pair.deliver();
    assert_eq!(output(&pair.take_events(), Stdout), b"meanwhile");
}

#[test]
fn two_commands_at_once_keep_their_output_apart() {
    let (mut pair, one, first) = Pair::running(153_600);
    let (two, second) = pair.start();
    pair.receive(one);
    pair.receive(two);
    pair.write(first, Stdout, b"first");
    pair.write(second, Stdout, b"second");
    pair.finish(second, 2);
    let events = pair.take_events();
    let second_done = Event::Done { command: two, exit_code: Some(2) };
    assert_eq!((output(&events, Stdout), events.last()), (b"second".to_vec(), Some(&second_done)));
    pair.finish(first, 1);
    let events = pair.take_events();
    assert_eq!(output(&events, Stdout), b"first");
    assert_eq!(events.last(), Some(&Event::Done { command: one, exit_code: Some(1) }));
}

#[test]
fn input_of_any_length_arrives_whole_and_ends() {
    let input: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    for limit in [8_192, 153_600] {
        let (mut pair, command, process) = Pair::running(limit);
        let max = pair.client.max_send_payload(command).unwrap();
        let mut arrived = Vec::new();
        let mut ended = false;
        let mut chunks = input.chunks(max).peekable();
        while let Some(chunk) = chunks.next() {
            pair.send(command, chunk, chunks.peek().is_none());
            let [Action::Write { data, end, .. }] = &pair.take_actions()[..] else {
                panic!("no Write")
            };
            arrived.extend_from_slice(data);
            ended |= end;
            assert_eq!(pair.take_events(), []);
            pair.process(|shell, now| shell.handle_written(process, Ok(()), now));
            assert_eq!(pair.take_events(), [Event::Sent { command }]);
        }
        assert!(arrived == input && ended);
        let sends = pair.operations().iter().filter(|of| **of == Operation::Send).count();
        assert_eq!(sends, input.len().div_ceil(max));
    }
}

#[test]
fn send_goes_on_while_a_receive_waits() {
    let (mut pair, command, process) = Pair::running(153_600);
    pair.receive(command);
    for word in [&b"one"[..], b"two"] {
        pair.send(command, word, false);
        pair.process(|shell, now| shell.handle_written(process, Ok(()), now));
        assert_eq!(pair.take_events(), [Event::Sent { command }]);
    }
    pair.write(process, Stdout, b"heard");
    pair.wait(GATHER);
    assert_eq!(output(&pair.take_events(), Stdout), b"heard");
}

/// How far a command is when something else happens.
const STEPS: [&str; 7] =
    ["started", "receiving", "sending", "output waits", "ends", "exited", "done is told"];

/// Brings a command as far as that.
fn up_to(step: &str) -> (Pair, client::CommandKey, server::CommandKey) {
    let (mut pair, command, process) = Pair::running(153_600);
    match step {
        "started" => {}
        "receiving" => pair.receive(command),
        "sending" => pair.send(command, b"x", false),
        "output waits" => pair.write(process, Stdout, b"x"),
        "ends" => {
            for stream in OutputStream::ALL {
                pair.process(|shell, now| shell.handle_end(process, stream, now));
            }
        }
        "exited" => pair.process(|shell, now| shell.handle_exit(process, 3, now)),
        _ => {
            pair.finish(process, 3);
            pair.receive(command);
        }
    }
    pair.take_events();
    pair.take_actions();
    (pair, command, process)
}

#[test]
fn terminate_at_each_step_ends_the_command() {
    for step in STEPS {
        let (mut pair, command, process) = up_to(step);
        let had_exited = matches!(step, "exited" | "done is told");
        pair.signal(command, SignalCode::Terminate);
        let signaled = Event::Signaled { command, code: SignalCode::Terminate };
        if !had_exited {
            assert!(!pair.events.contains(&signaled), "{step}");
            let terminate = Action::Signal { command: process, code: SignalCode::Terminate };
            assert!(pair.take_actions().contains(&terminate), "{step}");
            pair.write_late(process, step);
            pair.process(|shell, now| shell.handle_exit(process, 137, now));
        }
        assert_eq!(pair.take_events().last(), Some(&signaled), "{step}");
        assert_eq!(pair.client.outstanding(), 0, "{step}");
        assert_eq!(pair.shell().commands().count(), 0, "{step}");
        // The shell goes on.
        pair.take_actions();
        pair.start();
    }
}

impl Pair {
    /// A process that is being ended may still write.
    fn write_late(&mut self, process: server::CommandKey, step: &str) {
        if step != "ends" {
            self.write(process, Stderr, b"dying");
        }
    }
}

#[test]
fn ctrl_c_at_each_step_leaves_the_command_to_its_own_end() {
    for step in STEPS {
        let (mut pair, command, process) = up_to(step);
        pair.signal(command, SignalCode::CtrlC);
        let signaled = Event::Signaled { command, code: SignalCode::CtrlC };
        assert_eq!(pair.take_events(), [signaled], "{step}");
        let interrupt = Action::Signal { command: process, code: SignalCode::CtrlC };
        let had_exited = matches!(step, "exited" | "done is told");
        assert_eq!(pair.take_actions().contains(&interrupt), !had_exited, "{step}");
        assert_eq!(pair.shell().commands().count(), 1, "{step}");
        if !had_exited {
            pair.process(|shell, now| shell.handle_exit(process, 130, now));
        }
        if step != "done is told" {
            for stream in OutputStream::ALL {
                pair.process(|shell, now| shell.handle_end(process, stream, now));
            }
            if !pair.client.is_done(command) {
                pair.receive(command);
            }
            assert!(done(&pair.take_events()).is_some(), "{step}");
        }
    }
}

#[test]
fn delete_at_each_step_ends_everything() {
    for step in STEPS {
        let (mut pair, _, process) = up_to(step);
        pair.close();
        let events = pair.take_events();
        assert_eq!(events.last(), Some(&Event::Closed), "{step}");
        for event in &events[..events.len() - 1] {
            assert!(matches!(event, Event::Aborted { .. }), "{step}: {event:?}");
        }
        assert_eq!(pair.client.outstanding(), 0, "{step}");
        let close = Action::Close { reason: CloseReason::Deleted };
        assert_eq!(pair.take_actions(), [close], "{step}");
        pair.write_late(process, step);
    }
}

#[test]
fn close_before_a_command_has_started_ends_it_too() {
    let mut pair = Pair::open(153_600);
    let id = pair.id();
    let line = CommandLine { command: "run".to_owned(), ..CommandLine::default() };
    pair.client.start(id, TIMEOUT, line, CommandOptions::default()).unwrap();
    pair.go();
    pair.close();
    let events = pair.take_events();
    let aborted =
        |event: &Event| matches!(event, Event::Aborted { operation: Operation::Command, .. });
    assert!(events.iter().any(aborted) && events.contains(&Event::Closed), "{events:?}");
}

#[test]
fn shell_that_was_idle_too_long_is_gone() {
    let (mut pair, command, _) = Pair::running(153_600);
    pair.wait(seconds(7_200));
    assert_eq!(pair.take_actions(), [Action::Close { reason: CloseReason::Idle }]);
    pair.receive(command);
    let events = pair.take_events();
    let [Event::Faulted { operation: Operation::Receive, fault, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(fault.error_code(), Some(ErrorCode(2_150_858_843)));
    pair.close();
    assert_eq!(pair.take_events(), [Event::Closed]);
}

#[test]
fn get_tells_the_same_on_both_sides() {
    let mut pair = Pair::open(153_600);
    let id = pair.id();
    pair.client.get(id, TIMEOUT).unwrap();
    pair.go();
    let events = pair.take_events();
    let [Event::Info { info }] = &events[..] else { panic!("{events:?}") };
    let now = pair.now;
    assert_eq!(**info, pair.shell().info(now));
}

#[test]
fn command_that_cannot_start_tells_why() {
    let mut pair = Pair::open(153_600);
    let id = pair.id();
    let line = CommandLine { command: "nope".to_owned(), ..CommandLine::default() };
    let options = CommandOptions { skip_cmd_shell: Some(true), console_mode_stdin: Some(false) };
    let command = pair.client.start(id, TIMEOUT, line, options.clone()).unwrap();
    pair.go();
    let [Action::Start { command: process, options: got, .. }] = &pair.take_actions()[..] else {
        panic!("no Start")
    };
    assert_eq!(*got, options);
    let missing = Fault::new(ErrorCode(0x8007_0002), "The system cannot find the file.");
    pair.process(|shell, now| shell.handle_started(*process, Err(Box::new(missing)), now));
    let events = pair.take_events();
    let [Event::Faulted { operation: Operation::Command, command: Some(of), fault }] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(*of, command);
    assert_eq!(fault.error_code(), Some(ErrorCode(0x8007_0002)));
}

#[test]
fn an_operation_id_is_echoed_within_the_envelope() {
    let (mut pair, command, process) = Pair::running(8_192);
    pair.write(process, Stdout, &[b'x'; 20_000]);
    let id = pair.id();
    pair.client.receive(id, TIMEOUT, command).unwrap();
    let mut request = pair.client.poll_request().unwrap();
    let operation = HeaderValue::OperationId("uuid:".to_owned() + &"9".repeat(500));
    request.envelope.header = request.envelope.header.with_must_understand(operation, false);
    // `drain` checks the size.
    pair.carry(&request);
    pair.deliver();
    assert!(output(&pair.take_events(), Stdout).len() > 4_000);
}

#[test]
fn state_of_a_command_is_listed() {
    let (mut pair, command, process) = Pair::running(153_600);
    let state = |pair: &mut Pair| pair.shell().commands().next().map(|command| command.state);
    assert_eq!(state(&mut pair), Some(State::Running));
    pair.finish(process, 0);
    assert_eq!(state(&mut pair), Some(State::Done));
    pair.signal(command, SignalCode::Terminate);
    assert_eq!(state(&mut pair), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn output_arrives_whole_whatever_gets_lost(
        writes in prop::collection::vec((any::<bool>(), 0..20_000_usize, 0..30_u64), 1..20),
        losses in prop::collection::vec(0..3_usize, 1..40),
        limit in prop_oneof![Just(8_192_u64), 8_192..20_000_u64, Just(153_600)],
    ) {
        let (mut pair, command, process) = Pair::running(limit);
        let mut expected = BTreeMap::from([(Stdout, Vec::new()), (Stderr, Vec::new())]);
        for (number, (stderr, size, pause)) in writes.iter().enumerate() {
            let stream = if *stderr { Stderr } else { Stdout };
            let data = vec![u8::try_from(number).unwrap(); *size];
            expected.get_mut(&stream).unwrap().extend_from_slice(&data);
            pair.write(process, stream, &data);
            pair.wait(Duration::from_millis(*pause));
        }
        pair.finish(process, 5);
        let mut losses = losses.iter().cycle();
        while !pair.client.is_done(command) {
            let id = pair.id();
            pair.client.receive(id, TIMEOUT, command).unwrap();
            let request = pair.client.poll_request().unwrap();
            for _ in 0..*losses.next().unwrap() {
                pair.carry(&request);
                pair.answers.clear();
            }
            pair.carry(&request);
            pair.deliver();
        }
        let events = pair.take_events();
        prop_assert_eq!(done(&events), Some(Some(5)));
        for (stream, expected) in expected {
            prop_assert!(output(&events, stream) == expected);
        }
    }
}
