//! The conversation in every way to write it: UTF-8 and UTF-16, streams as they are and compressed.

use wsman::compression::{self, compress};
use wsman::shell::client::{Error, Event, PeerMisbehaved};
use wsman::shell::server::Action;
use wsman::shell::{OutputStream, Request, ShellOptions, Stream};
use wsman::{Charset, Envelope, ErrorCode, xml};

use crate::shell_pair_scene::{Pair, TIMEOUT, done, output};
use crate::shell_scene::{self, GATHER, Scene};

use OutputStream::{Stderr, Stdout};

const WAYS: [(Charset, bool); 4] = [
    (Charset::Utf8, false),
    (Charset::Utf8, true),
    (Charset::Utf16, false),
    (Charset::Utf16, true),
];

/// Zeros, lines and noise after each other.
fn data(size: usize) -> Vec<u8> {
    let lines = (0_u32..).flat_map(|n| format!("line {n} of many\n").into_bytes());
    let noise = (0_u32..).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]);
    let zeros = std::iter::repeat_n(0, size / 3);
    zeros.chain(lines.take(size / 3)).chain(noise).take(size).collect()
}

#[test]
fn output_and_end_arrive_whatever_the_way() {
    let data = data(300_000);
    for (charset, compression) in WAYS {
        for limit in [8_192, 153_600] {
            let mut pair = Pair::written(limit, charset, compression);
            let (command, process) = pair.open_and_start();
            pair.write(process, Stdout, &data);
            pair.write(process, Stderr, &data[..70_000]);
            pair.finish(process, 3);
            while !pair.client.is_done(command) {
                pair.receive(command);
            }
            let events = pair.take_events();
            let way = format!("{charset:?}, compression {compression}, {limit}");
            assert!(output(&events, Stdout) == data, "{way}");
            assert!(output(&events, Stderr) == data[..70_000], "{way}");
            assert_eq!(done(&events), Some(Some(3)), "{way}");
            // What the driver may bring again is what the process has written.
            let released = |of| {
                let bytes = |action: &Action| match action {
                    Action::Release { stream, bytes, .. } if *stream == of => *bytes,
                    _ => 0,
                };
                pair.actions.iter().map(bytes).sum::<usize>()
            };
            assert_eq!((released(Stdout), released(Stderr)), (300_000, 70_000), "{way}");
        }
    }
}

#[test]
fn input_arrives_whatever_the_way() {
    let data = data(100_000);
    for (charset, compression) in WAYS {
        let mut pair = Pair::written(8_192, charset, compression);
        let (command, process) = pair.open_and_start();
        let most = pair.client.max_send_payload(command).unwrap();
        let mut arrived = Vec::new();
        for piece in data.chunks(most) {
            pair.send(command, piece, false);
            let [Action::Write { data, end: false, .. }] = &pair.take_actions()[..] else {
                panic!("no Write")
            };
            arrived.extend_from_slice(data);
            pair.process(|shell, now| shell.handle_written(process, Ok(()), now));
        }
        assert!(arrived == data, "{charset:?}, compression {compression}");
        pair.send(command, b"", true);
        let [Action::Write { data, end: true, .. }] = &pair.take_actions()[..] else {
            panic!("no end")
        };
        assert!(data.is_empty());
    }
}

#[test]
fn compressed_output_needs_fewer_receives() {
    let receives = |limit, compression| {
        let mut pair = Pair::written(limit, Charset::Utf8, compression);
        let (command, process) = pair.open_and_start();
        pair.write(process, Stdout, &[b'x'; 300_000]);
        pair.finish(process, 0);
        let mut count = 0;
        while !pair.client.is_done(command) {
            pair.receive(command);
            count += 1;
        }
        assert_eq!(output(&pair.take_events(), Stdout), [b'x'; 300_000]);
        count
    };
    assert_eq!((receives(153_600, false), receives(153_600, true)), (3, 1));
    assert!(receives(8_192, true) * 5 < receives(8_192, false));
}

#[test]
fn lost_compressed_answer_comes_again() {
    let mut pair = Pair::written(153_600, Charset::Utf16, true);
    let (command, process) = pair.open_and_start();
    pair.write(process, Stdout, &data(50_000));
    pair.wait(GATHER);
    let id = pair.id();
    pair.client.receive(id, TIMEOUT, command).unwrap();
    let request = pair.client.poll_request().unwrap();
    pair.carry(&request);
    let lost: Vec<_> = pair.answers.drain(..).collect();
    pair.carry(&request);
    assert!(!lost.is_empty() && pair.answers == lost);
    pair.deliver();
    assert_eq!(output(&pair.take_events(), Stdout), data(50_000));
}

#[test]
fn get_tells_whether_streams_are_compressed() {
    for (compression, mode) in [(false, "NoCompression"), (true, "XpressCompression")] {
        let mut pair = Pair::written(153_600, Charset::Utf8, compression);
        pair.create_shell();
        let id = pair.id();
        pair.client.get(id, TIMEOUT).unwrap();
        pair.go();
        let [Event::Info { info }] = &pair.take_events()[..] else { panic!("no Info") };
        assert_eq!(info.compression_mode.as_deref(), Some(mode));
    }
}

/// A service's shell that compresses.
fn compressing() -> Scene {
    let mut scene = Scene::new();
    let options = ShellOptions { compression: true, ..ShellOptions::default() };
    scene.shell = scene.shell.with_options(&options);
    scene
}

#[test]
fn input_that_is_not_compressed_or_becomes_too_long_is_refused_and_the_next_is_taken() {
    let mut scene = compressing();
    let (_, id) = scene.run();
    // 250 blocks of 65,536 zeros each: more than 16 MB out of 80 KB.
    let bomb = compress(&vec![0; 65_536]).repeat(250);
    for wrong in [&b"plain text"[..], &bomb] {
        let token = scene.ask(shell_scene::send(&id, wrong, false));
        assert_eq!(scene.fault(token), ErrorCode(87));
        assert_eq!(scene.take_actions(), []);
    }
    let token = scene.ask(shell_scene::send(&id, &compress(b"good"), true));
    assert!(scene.is_waiting(token));
    let [Action::Write { data, end: true, .. }] = &scene.take_actions()[..] else {
        panic!("no Write")
    };
    assert_eq!(data, b"good");
}

#[test]
fn several_streams_of_one_send_share_the_limit() {
    let mut scene = compressing();
    let (_, id) = scene.run();
    let megabyte = compress(&vec![7; 1 << 20]);
    for (count, fits) in [(4, true), (5, false)] {
        let Request::Send(mut send) = shell_scene::send(&id, &megabyte, false) else {
            panic!("no Send")
        };
        send.streams = std::iter::repeat_n(send.streams.remove(0), count).collect();
        let token = scene.ask(Request::Send(send));
        if fits {
            let [Action::Write { command, data, .. }] = &scene.take_actions()[..] else {
                panic!("no Write")
            };
            assert_eq!(data.len(), 4 << 20);
            let key = *command;
            scene.written(key);
            scene.reply(token);
        } else {
            assert_eq!(scene.fault(token), ErrorCode(87));
        }
    }
}

/// Puts other bytes in place of the output of an answer.
fn with_output(answer: &[u8], change: impl Fn(&Stream) -> Vec<u8>) -> Envelope {
    let mut envelope = Envelope::decode(answer, &xml::Limits::default()).unwrap();
    let mut response = wsman::shell::ReceiveResponse::from_body(&envelope.body).unwrap();
    for stream in &mut response.streams {
        stream.data = change(stream);
    }
    envelope.body = response.to_body();
    envelope
}

#[test]
fn service_whose_output_is_not_compressed_or_becomes_too_long_is_an_error() {
    let bomb = compress(&vec![0; 65_536]).repeat(300);
    let cases = [
        (b"plain text".to_vec(), compression::Error::Truncated),
        (bomb, compression::Error::TooLong(16_777_216)),
    ];
    for (wrong, expected) in cases {
        let mut pair = Pair::written(153_600, Charset::Utf8, true);
        let (command, process) = pair.open_and_start();
        pair.write(process, Stdout, b"some");
        pair.wait(GATHER);
        let id = pair.id();
        pair.client.receive(id, TIMEOUT, command).unwrap();
        let request = pair.client.poll_request().unwrap();
        pair.carry(&request);
        let answer = with_output(&pair.answers.pop_front().unwrap(), |_| wrong.clone());
        let error = pair.client.handle_response(&answer).unwrap_err();
        assert_eq!(error, Error::PeerMisbehaved(PeerMisbehaved::Compression(expected)));
    }
}
