//! Clients that do not keep to the rules.

use psrp::bridge::{Operation, Refusal, Settings};
use psrp::clixml::Version;
use psrp::fragment;
use psrp::message::{Destination, Frame};
use psrp::messages::{Data, Empty, Message, PipelineState, SessionCapability, SetMaxRunspaces};
use psrp::out_of_process::Stream;
use uuid::Uuid;

use super::world::{PIPELINE, World, fragment, init, script};
use super::{OTHER, broken, frame, states};

#[test]
fn a_wrong_create_is_refused() {
    let capability = |version| Message::SessionCapability(SessionCapability::new(version));
    let init = |least, most| Message::InitRunspacePool(init(least, most));
    let two = Version::new(2, 3);
    for version in [Version::new(0, 0), Version::new(1, 9), Version::new(3, 0)] {
        let refused = Err(Refusal::Version(version));
        assert_eq!(create(&[capability(version), init(1, 1)]), refused);
    }
    for (least, most) in [(0, 0), (2, 1), (-1, 1)] {
        let refused = Err(Refusal::Runspaces(least, most));
        assert_eq!(create(&[capability(two), init(least, most)]), refused);
    }
    let unexpected = |name| Err(Refusal::Unexpected(name));
    assert_eq!(create(&[init(1, 1)]), unexpected("INIT_RUNSPACEPOOL"));
    assert_eq!(create(&[capability(two), capability(two)]), unexpected("SESSION_CAPABILITY"));
    let connect = Message::ConnectRunspacePool(Default::default());
    assert_eq!(create(&[capability(two), connect]), unexpected("CONNECT_RUNSPACEPOOL"));
    let mut nobody = frame(&capability(two), None);
    nobody.pool = Uuid::nil();
    let mut world = World::new();
    let refused = world.bridge.open(&fragment(&nobody, 1), world.now);
    assert_eq!(refused, Err(Refusal::WrongAddress("SESSION_CAPABILITY")));
    assert_eq!(world.bridge.id(), None);
    assert!(matches!(create(&[]), Err(Refusal::Unexpected(_))));
    assert_eq!(create(&[capability(Version::new(2, 0)), init(1, 1)]), Ok(()));
    assert_eq!(create(&[capability(Version::new(2, 9)), init(3, 7)]), Ok(()));
}

fn create(messages: &[Message]) -> Result<(), Refusal> {
    let mut world = World::new();
    let data = messages.iter().zip(1..);
    let data: Vec<_> = data.map(|(message, at)| fragment(&frame(message, None), at)).collect();
    let result = world.bridge.open(&data.concat(), world.now);
    assert_eq!(result.is_err(), world.bridge.cause().is_some());
    result
}

fn create_frame(id: Uuid) -> Frame {
    frame(&Message::CreatePipeline(Box::new(script("x", true))), Some(id))
}

#[test]
fn what_is_no_beginning_of_a_pipeline_makes_none() {
    let mut world = World::opened();
    world.start(PIPELINE, false);
    let heard = world.engine.heard.len();
    let (now, bridge) = (world.now, &mut world.bridge);
    let mut command = |data: &[u8]| {
        let refused = bridge.handle_command(OTHER, data, now).unwrap_err();
        assert_eq!(bridge.handle_signal(OTHER, now), Err(Refusal::UnknownPipeline(OTHER)));
        refused
    };
    let input = Message::PipelineInput(Data(1.into()));
    let unexpected = Refusal::Unexpected("PIPELINE_INPUT");
    assert_eq!(command(&fragment(&frame(&input, Some(OTHER)), 1)), unexpected);
    let wrong = Refusal::WrongAddress("CREATE_PIPELINE");
    assert_eq!(command(&fragment(&create_frame(PIPELINE), 1)), wrong);
    let good = create_frame(OTHER);
    assert_eq!(command(&fragment(&Frame { pool: OTHER, ..good.clone() }, 1)), wrong);
    let back = Frame { destination: Destination::Client, ..good.clone() };
    assert_eq!(command(&fragment(&back, 1)), wrong);
    let unknown = Frame { kind: 0x0004_9999, ..good.clone() };
    assert_eq!(command(&fragment(&unknown, 1)), Refusal::UnknownKind(0x0004_9999));
    let mut nothing = script("x", true);
    nothing.power_shell.statements = vec![vec![]];
    let nothing = frame(&Message::CreatePipeline(Box::new(nothing)), Some(OTHER)).text;
    for text in ["<Obj><MS>", "<S>x</S>", "<Obj RefId=\"0\"><MS/></Obj>", &nothing] {
        let bad = Frame { text: text.to_owned(), ..good.clone() };
        assert!(matches!(command(&fragment(&bad, 1)), Refusal::Message(_)), "{text}");
    }
    assert!(matches!(command(b"no fragment"), Refusal::Fragment(fragment::Error::Truncated)));
    assert!(matches!(command(&[0; 21]), Refusal::Fragment(fragment::Error::OutOfOrder { .. })));
    for id in [PIPELINE, Uuid::nil()] {
        let in_use = Err(Refusal::PipelineIdInUse(id));
        assert_eq!(bridge.handle_command(id, &[], now), in_use);
    }
    world.run();
    assert_eq!(world.engine.heard.len(), heard);
}

#[test]
fn a_pool_lives_on_after_a_wrong_message() {
    let mut world = World::opened();
    let heard = world.engine.heard.len();
    let (now, bridge) = (world.now, &mut world.bridge);
    for message in [
        Message::SessionCapability(SessionCapability::new(Version::new(2, 3))),
        Message::InitRunspacePool(init(1, 1)),
        Message::ConnectRunspacePool(Default::default()),
    ] {
        let data = fragment(&frame(&message, None), 50);
        let refused = bridge.handle_data(None, Stream::Default, &data, now);
        assert_eq!(refused, Err(Refusal::Unexpected(message.name())));
    }
    let data = fragment(&create_frame(OTHER), 51);
    let refused = bridge.handle_data(None, Stream::Default, &data, now);
    assert_eq!(refused, Err(Refusal::WrongAddress("CREATE_PIPELINE")));
    let unknown = Err(Refusal::UnknownPipeline(OTHER));
    assert_eq!(bridge.handle_data(Some(OTHER), Stream::Default, &[], now), unknown);
    assert_eq!(bridge.handle_terminate(OTHER, now), unknown);
    world.run();
    assert_eq!(world.engine.heard.len(), heard);
    assert!(world.bridge.is_open());
    // Fragments that make nothing leave no pool to go on with.
    let refused = world.bridge.handle_data(None, Stream::Default, b"garbage", now);
    assert!(matches!(refused, Err(Refusal::Fragment(_))));
    world.run();
    assert!(broken(&world.told).is_some() && world.has_ended);
}

#[test]
fn a_pipeline_fails_after_a_wrong_message() {
    let mut world = World::opened();
    world.start(PIPELINE, false);
    let data = fragment(&create_frame(PIPELINE), 60);
    let refused = world.bridge.handle_data(Some(PIPELINE), Stream::Default, &data, world.now);
    assert_eq!(refused, Err(Refusal::Unexpected("CREATE_PIPELINE")));
    world.run();
    assert_eq!(states(&world.told), [(PIPELINE, PipelineState::Failed)]);
    assert_eq!(world.engine.words(PIPELINE), ["command", "data", "close"]);
    // What was under way is answered, and has no reader.
    let end = frame(&Message::EndOfPipelineInput(Empty::NOTHING), Some(PIPELINE));
    let taken =
        world.bridge.handle_data(Some(PIPELINE), Stream::Default, &fragment(&end, 61), world.now);
    world.run();
    assert_eq!(taken, Ok(()));
    let send = Operation::Send(Some(PIPELINE), Stream::Default);
    assert_eq!(world.answered.last(), Some(&send));
}

#[test]
fn a_second_send_waits_for_the_first() {
    let mut world = World::opened();
    world.engine.acknowledges = false;
    let set = Message::SetMaxRunspaces(SetMaxRunspaces { max_runspaces: 3, call_id: 1 });
    let data = fragment(&frame(&set, None), 52);
    let mut send = |stream| world.bridge.handle_data(None, stream, &data, world.now);
    assert_eq!(send(Stream::Default), Ok(()));
    assert_eq!(send(Stream::Default), Err(Refusal::Busy));
    assert_eq!(send(Stream::PromptResponse), Ok(()));
    world.run();
    assert_eq!(world.answered, []);
    world.engine.acknowledges = true;
    world.engine.acknowledge(Uuid::nil());
    world.run();
    assert_eq!(world.answered.len(), 2);
}

#[test]
fn parts_of_messages_have_room_together() {
    let limits = psrp::clixml::Limits { bytes: 10_000, ..Default::default() };
    let settings = Settings { max_input: 10_000, limits, ..Settings::default() };
    let mut world = World::with(settings, Version::new(2, 3));
    world.open();
    let text = "q".repeat(20_000);
    let mut refused = 0;
    for number in 10..14 {
        let id = Uuid::from_u128(number);
        let what = Message::CreatePipeline(Box::new(script(&text, true)));
        let mut part = fragment(&frame(&what, Some(id)), 1);
        // A first fragment of 8,000 bytes whose message goes on.
        part.truncate(21 + 8_000);
        part[16] = 1;
        part[17..21].copy_from_slice(&8_000_u32.to_be_bytes());
        match world.bridge.handle_command(id, &part, world.now) {
            Ok(()) => {}
            Err(refusal) => {
                assert_eq!(refusal, Refusal::TooMuchInput(10_000));
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 2);
    assert!(world.bridge.is_open());
}

#[test]
fn there_are_no_more_pipelines_than_allowed() {
    let settings = Settings { max_pipelines: 2, ..Settings::default() };
    let mut world = World::with(settings, Version::new(2, 3));
    world.open();
    world.start(PIPELINE, true);
    world.start(OTHER, true);
    let third = Uuid::from_u128(4);
    let refused = world.bridge.handle_command(third, &[], world.now);
    assert_eq!(refused, Err(Refusal::TooManyPipelines(2)));
    // One whose end was told gives way.
    world.engine.pool.end(OTHER, PipelineState::Completed, None).unwrap();
    world.engine.speak();
    world.run();
    world.start(third, true);
    let unknown = Err(Refusal::UnknownPipeline(OTHER));
    assert_eq!(world.bridge.handle_terminate(OTHER, world.now), unknown);
}
