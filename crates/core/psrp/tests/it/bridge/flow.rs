//! Pools and pipelines when all keep to the rules.

use psrp::bridge::{Operation, Settings};
use psrp::client::{Event as Told, Priority};
use psrp::clixml::{Value, Version};
use psrp::fragment;
use psrp::host::{Method, NO_ANSWER};
use psrp::message::Frame;
use psrp::messages::{Availability, HostResponse, HostResult, PipelineState};
use psrp::out_of_process::Stream;
use psrp::server::Event;
use uuid::Uuid;

use super::world::{PIPELINE, POOL, World, check_objects, script};
use super::{OTHER, output, outputs, states};

#[test]
fn a_pipeline_runs_from_input_to_end_in_all_versions() {
    for minor in 1..=4 {
        let mut world = World::with(Settings::default(), Version::new(2, minor));
        world.open();
        assert_eq!(world.bridge.version(), Version::new(2, minor));
        world.start(PIPELINE, false);
        world.client.send_input(PIPELINE, "one".into()).unwrap();
        world.client.send_input(PIPELINE, Value::Null).unwrap();
        world.client.end_input(PIPELINE).unwrap();
        world.run();
        let input = |input| Event::Input { pipeline: PIPELINE, input };
        let end = Event::EndOfInput { pipeline: PIPELINE };
        assert_eq!(world.engine.wants[2..], [input("one".into()), input(Value::Null), end]);
        world.engine.pool.write(PIPELINE, output(42)).unwrap();
        world.engine.pool.end(PIPELINE, PipelineState::Completed, None).unwrap();
        world.engine.speak();
        world.run();
        assert_eq!(outputs(&world.told), [42.into()]);
        assert_eq!(states(&world.told), [(PIPELINE, PipelineState::Completed)]);
        assert!(world.done.contains(&PIPELINE));
        world.client.forget(PIPELINE).unwrap();
        world.client.close().unwrap();
        world.run();
        let send = Operation::Send(Some(PIPELINE), Stream::Default);
        let rest = [Operation::Terminate(PIPELINE), Operation::Close];
        assert_eq!(world.answered, [&[Operation::Command(PIPELINE), send][..], &rest].concat());
        assert_eq!(world.engine.words(PIPELINE), ["command", "data", "data", "close"]);
        assert_eq!(world.engine.words(Uuid::nil()), ["data", "close"]);
        assert!(world.has_ended && world.refused.is_empty() && world.strays.is_empty());
    }
}

#[test]
fn a_pool_opens_in_pieces() {
    let mut world = World::new();
    // The capability alone, then the rest in small pieces.
    world.size = 21 + 40 + 213;
    world.client.open().unwrap();
    world.run();
    assert!(world.client.is_open());
    assert_eq!(world.bridge.id(), Some(POOL));
    assert!(!format!("{:?}", world.bridge).contains("Runspaces"), "messages are not printed");
    assert!(world.engine.words(Uuid::nil()).len() >= 2);
    assert_eq!(world.bridge.runspaces(), (1, 2));
}

#[test]
fn a_large_pipeline_starts_once_it_is_whole() {
    let mut world = World::opened();
    let text = "x".repeat(300_000);
    world.client.invoke(PIPELINE, script(&text, true)).unwrap();
    world.engine.acknowledges = false;
    world.run();
    assert_eq!(world.engine.words(PIPELINE), ["command"]);
    world.engine.acknowledges = true;
    world.engine.acknowledge(PIPELINE);
    world.run();
    let what = Box::new(script(&text, true));
    assert_eq!(world.engine.wants[1], Event::Create { pipeline: PIPELINE, what });
    assert_eq!(world.engine.words(PIPELINE).len(), 1 + 10);
}

#[test]
fn several_pipelines_run_at_once_and_start_one_after_the_other() {
    let mut world = World::opened();
    let ids: Vec<_> = (10..18).map(Uuid::from_u128).collect();
    world.engine.acknowledges = false;
    for id in &ids {
        world.client.invoke(*id, script("Get-Date", true)).unwrap();
    }
    world.run();
    assert_eq!(world.engine.heard.len(), 2, "the second waits for the first");
    world.engine.acknowledges = true;
    world.engine.acknowledge(ids[0]);
    world.run();
    assert!(ids.iter().all(|id| world.is_wanted(*id)));
    for number in 0..50 {
        for id in &ids {
            world.engine.pool.write(*id, output(number)).unwrap();
        }
        world.engine.speak();
    }
    for id in ids.iter().rev() {
        world.engine.pool.end(*id, PipelineState::Completed, None).unwrap();
        world.engine.speak();
    }
    world.run();
    assert_eq!(outputs(&world.told).len(), 400);
    assert_eq!(states(&world.told).len(), 8);
    assert_eq!(world.bridge.pipelines().filter(|(_, runs)| *runs).count(), 0);
}

#[test]
fn a_pipeline_stops_wherever_it_is() {
    // Running.
    let mut world = World::opened();
    world.start(PIPELINE, true);
    world.client.stop(PIPELINE).unwrap();
    world.run();
    assert_eq!(states(&world.told), [(PIPELINE, PipelineState::Stopped)]);
    assert_eq!(world.answered.last(), Some(&Operation::Stop(PIPELINE)));
    assert_eq!(world.engine.words(PIPELINE), ["command", "data", "signal", "close"]);
    // Before its data, of which the engine says nothing; and one that waits for its turn.
    let mut world = World::opened();
    world.engine.acknowledges = false;
    for id in [PIPELINE, OTHER] {
        world.client.invoke(id, script("Get-Date", true)).unwrap();
        world.run();
        world.client.stop(id).unwrap();
        world.run();
    }
    assert_eq!(states(&world.told), [(OTHER, PipelineState::Stopped)]);
    assert_eq!(world.answered.last(), Some(&Operation::Stop(OTHER)));
    world.engine.acknowledges = true;
    world.engine.acknowledge(PIPELINE);
    world.run();
    assert_eq!(states(&world.told).last(), Some(&(PIPELINE, PipelineState::Stopped)));
    assert_eq!(world.engine.words(PIPELINE), ["command", "signal", "close"]);
    assert!(world.engine.words(OTHER).is_empty());
    // Over already: the answer comes at once.
    world.bridge.handle_signal(PIPELINE, world.now).unwrap();
    world.run();
    assert_eq!(world.answered.last(), Some(&Operation::Stop(PIPELINE)));
}

#[test]
fn answers_of_the_host_overtake_input() {
    let mut world = World::opened();
    world.size = 400_000;
    world.start(PIPELINE, false);
    let ask = world.engine.pool.call_host(Some(PIPELINE), Method::ReadLine, vec![]).unwrap();
    world.engine.pool.call_host(Some(PIPELINE), Method::WriteLine2, vec!["x".into()]).unwrap();
    world.engine.speak();
    world.run();
    let [Told::HostCall { call, .. }, Told::HostCall { call: written, .. }] = &*world.told else {
        panic!("{:?}", world.told);
    };
    assert_eq!((Some(call.call_id), written.call_id), (ask, NO_ANSWER));
    let result = HostResult::Value("typed".into());
    let response = HostResponse { call_id: call.call_id, method: call.method, result };
    world.engine.acknowledges = false;
    world.client.send_input(PIPELINE, "y".repeat(200_000).as_str().into()).unwrap();
    world.run();
    world.client.respond(Some(PIPELINE), response.clone()).unwrap();
    world.run();
    world.engine.acknowledges = true;
    world.engine.acknowledge(PIPELINE);
    world.run();
    let words = world.engine.words(PIPELINE);
    assert_eq!(words[..5], ["command", "data", "data", "response", "data"]);
    let response = Box::new(response);
    let answer = Event::HostResponse { pipeline: Some(PIPELINE), response };
    assert_eq!(world.engine.wants[2], answer);
    assert!(matches!(world.engine.wants[3], Event::Input { .. }));
}

#[test]
fn keys_and_questions_pass() {
    let mut world = World::opened();
    let max = world.client.set_max_runspaces(5).unwrap();
    world.client.set_min_runspaces(9).unwrap();
    let free = world.client.get_available_runspaces().unwrap();
    world.run();
    world.engine.pool.answer(free, Availability::Count(4)).unwrap();
    world.engine.pool.ask_for_key().unwrap();
    world.engine.speak();
    world.run();
    let response = Availability::Done(true);
    assert_eq!(world.told[0], Told::Availability { call_id: max, response });
    assert_eq!(world.told.len(), 4);
    assert_eq!(world.bridge.runspaces(), (1, 5), "what was refused changes nothing");
}

#[test]
fn a_running_pipeline_is_terminated_and_its_id_is_free_again() {
    let mut world = World::opened();
    world.start(PIPELINE, true);
    world.engine.pool.write(PIPELINE, output("lost")).unwrap();
    world.receives = false;
    world.engine.speak();
    world.run();
    world.client.forget(PIPELINE).unwrap();
    world.run();
    assert_eq!(world.answered.last(), Some(&Operation::Terminate(PIPELINE)));
    assert_eq!(world.engine.words(PIPELINE), ["command", "data", "close"]);
    assert!(world.bridge.poll_output(Some(PIPELINE), 100, world.now).is_err());
    world.receives = true;
    world.engine.wants.clear();
    world.start(PIPELINE, true);
}

#[test]
fn what_waits_for_a_client_keeps_its_order_and_numbers() {
    let mut world = World::opened();
    world.start(PIPELINE, true);
    world.receives = false;
    for number in 0..20 {
        world.engine.pool.write(PIPELINE, output(number)).unwrap();
    }
    world.engine.speak();
    world.run();
    let mut last = 0;
    let mut data = Vec::new();
    while world.bridge.has_output(Some(PIPELINE)) {
        let output = world.bridge.poll_output(Some(PIPELINE), 60, world.now).unwrap();
        assert!(!output.fragments.is_empty() && !output.is_last);
        last = check_objects(last, &output.fragments);
        data.extend(output.fragments);
    }
    let mut texts = Vec::new();
    let mut assembler = fragment::Assembler::new(1_000);
    assembler
        .handle_fragments(&data, |message| texts.push(Frame::decode(message).unwrap()))
        .unwrap();
    let wanted: Vec<_> = (0..20).map(|number| format!("<I32>{number}</I32>")).collect();
    assert_eq!(texts.iter().map(|frame| frame.text.clone()).collect::<Vec<_>>(), wanted);
    assert!(!world.client.has_fragments(None, Priority::Default));
}

#[test]
fn room_that_shrinks_stops_the_reading_and_fails_what_does_not_fit() {
    let mut world = World::new();
    world.open();
    world.start(PIPELINE, true);
    world.run();
    let now = world.now;
    world.bridge.limit_output(0, now);
    assert!(!world.bridge.reads_engine());
    world.bridge.limit_output(100_000, now);
    assert!(world.bridge.reads_engine());
    let before = world.bridge.held_output();
    world.engine.pool.write(PIPELINE, output("x".repeat(90_000))).unwrap();
    world.engine.speak();
    world.run();
    assert_eq!(outputs(&world.told).len(), 1);
    assert_eq!(world.bridge.held_output(), before);
    world.engine.pool.write(PIPELINE, output("x".repeat(200_000))).unwrap();
    world.engine.speak();
    world.run();
    assert_eq!(states(&world.told), [(PIPELINE, PipelineState::Failed)]);
    assert_eq!(world.bridge.held_output(), before);
}
