//! Pools through the bridge: what a client sees and what an engine hears, when all goes well and when
//! one of them does not keep to the rules.

use std::time::Duration;

use psrp::bridge::{BufferMode, Cause, Operation, Refusal, Settings};
use psrp::client::{Event as Told, Priority, Record};
use psrp::clixml::{Value, Version};
use psrp::fragment;
use psrp::host::{Method, NO_ANSWER};
use psrp::message::{Destination, Frame};
use psrp::messages::{
    Availability, Data, Empty, HostResponse, HostResult, Message, PipelineState, RunspacePoolState,
    SessionCapability, SetMaxRunspaces,
};
use psrp::out_of_process::{Stream, Verb};
use psrp::server::Event;
use uuid::Uuid;

use crate::bridge_world::{PIPELINE, POOL, World, fragment, init, private_data, script};

const OTHER: Uuid = Uuid::from_u128(3);

fn output(value: impl Into<Value>) -> Record {
    Record::Output(value.into())
}

fn states(told: &[Told]) -> Vec<(Uuid, PipelineState)> {
    let state = |told: &Told| match told {
        Told::PipelineState { pipeline, state, .. } => Some((*pipeline, *state)),
        _ => None,
    };
    told.iter().filter_map(state).collect()
}

fn outputs(told: &[Told]) -> Vec<Value> {
    let output = |told: &Told| match told {
        Told::Record { record: Record::Output(value), .. } => Some(value.clone()),
        _ => None,
    };
    told.iter().filter_map(output).collect()
}

/// What the client is told of a broken pool.
fn broken(told: &[Told]) -> Option<String> {
    told.iter().find_map(|told| match told {
        Told::PoolState { state: RunspacePoolState::Broken, error } => {
            Some(error.as_ref()?.message().to_string_lossy().into_owned())
        }
        _ => None,
    })
}

fn frame(message: &Message, pipeline: Option<Uuid>) -> Frame {
    message.encode(Destination::Server, POOL, pipeline.unwrap_or_default())
}

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
fn a_pool_is_left_and_taken_up_by_the_same_client() {
    let mut world = World::opened();
    world.start(PIPELINE, true);
    world.client.disconnect().unwrap();
    world.run();
    world.engine.pool.write(PIPELINE, output("while nobody listened")).unwrap();
    world.engine.speak();
    world.run();
    let refused = world.bridge.handle_data(None, Stream::Default, &[], world.now);
    assert_eq!(refused, Err(Refusal::Disconnected));
    assert_eq!(world.told, [Told::Disconnected]);
    world.client.reconnect().unwrap();
    world.run();
    assert_eq!(outputs(&world.told), ["while nobody listened".into()]);
    assert_eq!(world.bridge.handle_reconnect(world.now), Err(Refusal::NotDisconnected));
}

#[test]
fn another_client_takes_the_pool_and_its_pipelines_over() {
    let mut world = World::opened();
    world.start(PIPELINE, true);
    world.engine.pool.write(PIPELINE, output("z".repeat(5_000).as_str())).unwrap();
    world.engine.speak();
    world.receives = false;
    world.run();
    // The first client has a part of the message, which is not the second's fault.
    let part = world.bridge.poll_output(Some(PIPELINE), 500, world.now).unwrap();
    assert_eq!(part.fragments.len(), 500);
    world.client.disconnect().unwrap();
    world.run();
    world.engine.pool.end(PIPELINE, PipelineState::Completed, None).unwrap();
    world.engine.speak();
    world.run();
    world.receives = true;
    for (version, agreed) in
        [(Version::new(2, 2), Version::new(2, 2)), (Version::new(2, 9), Version::new(2, 3))]
    {
        world.change_client(version.min(Version::new(2, 4)));
        world.client.connect().unwrap();
        world.run();
        assert!(world.refused.is_empty(), "{:?}", world.refused);
        let told = [Told::Opened { version: agreed }, Told::PrivateData(private_data())];
        assert_eq!(world.told, told);
        if version.minor == 2 {
            world.client.disconnect().unwrap();
            world.run();
        }
    }
    world.client.connect_pipeline(PIPELINE).unwrap();
    world.run();
    assert_eq!(outputs(&world.told), ["z".repeat(5_000).as_str().into()]);
    assert_eq!(states(&world.told), [(PIPELINE, PipelineState::Completed)]);
    assert!(world.done.contains(&PIPELINE));
}

#[test]
fn a_client_that_does_not_fit_is_not_connected() {
    let mut world = World::opened();
    let connect = |world: &mut World, messages: &[Message]| {
        let data = messages.iter().zip(1..);
        let data: Vec<_> = data.map(|(message, at)| fragment(&frame(message, None), at)).collect();
        world.bridge.handle_connect(&data.concat(), world.now)
    };
    let capability =
        |minor| Message::SessionCapability(SessionCapability::new(Version::new(2, minor)));
    let fits = Message::ConnectRunspacePool(Default::default());
    let messages = [capability(3), fits.clone()];
    assert_eq!(connect(&mut world, &messages), Err(Refusal::NotDisconnected));
    world.client.disconnect().unwrap();
    world.run();
    let old = Refusal::Version(Version::new(2, 1));
    assert_eq!(connect(&mut world, &[capability(1), fits.clone()]), Err(old));
    let other = psrp::messages::ConnectRunspacePool { runspaces: Some((1, 9)) };
    let other = Message::ConnectRunspacePool(other);
    let differ = Refusal::RunspacesDiffer { least: 1, most: 2 };
    assert_eq!(connect(&mut world, &[capability(3), other]), Err(differ));
    assert!(connect(&mut world, &[capability(3)]).is_err());
    assert!(connect(&mut world, std::slice::from_ref(&fits)).is_err());
    assert!(connect(&mut world, &[capability(3), fits.clone(), fits.clone()]).is_err());
    assert!(!world.bridge.is_connected());
    assert!(connect(&mut world, &messages).is_ok());
}

#[test]
fn an_old_client_cannot_leave_its_pool() {
    let mut world = World::with(Settings::default(), Version::new(2, 1));
    world.open();
    let refusal = Err(Refusal::Version(Version::new(2, 1)));
    assert_eq!(world.bridge.handle_disconnect(BufferMode::Block, world.now), refusal);
}

/// Lets a pipeline write numbered kilobytes until the bridge does not read any more, or `most`.
fn write_until_full(world: &mut World, most: usize) -> usize {
    let mut written = 0;
    while written < most && world.engine.says.is_empty() {
        let text = format!("{written:0>1000}");
        world.engine.pool.write(PIPELINE, output(text.as_str())).unwrap();
        world.engine.speak();
        world.run();
        written += 1;
    }
    written
}

fn small() -> Settings {
    Settings { buffer: 100_000, ..Settings::default() }
}

#[test]
fn output_of_a_disconnected_pool_waits() {
    let mut world = World::with(small(), Version::new(2, 3));
    world.open();
    world.start(PIPELINE, true);
    world.client.disconnect().unwrap();
    world.run();
    let written = write_until_full(&mut world, 1_000);
    assert!((90..110).contains(&written), "{written}");
    // However long nobody comes, the engine is not at fault.
    world.pass(Duration::from_secs(100_000));
    world.client.reconnect().unwrap();
    world.run();
    let numbers: Vec<_> = outputs(&world.told);
    let wanted: Vec<Value> = (0..written).map(|n| format!("{n:0>1000}").as_str().into()).collect();
    assert_eq!(numbers, wanted);
}

#[test]
fn old_output_of_a_disconnected_pool_gives_way() {
    let mut world = World::with(small(), Version::new(2, 3));
    world.open();
    world.start(PIPELINE, true);
    world.mode = BufferMode::Drop;
    world.client.disconnect().unwrap();
    world.run();
    world.engine.pool.call_host(Some(PIPELINE), Method::ReadLine, vec![]).unwrap();
    assert_eq!(write_until_full(&mut world, 1_000), 1_000);
    world.engine.pool.end(PIPELINE, PipelineState::Completed, None).unwrap();
    world.engine.speak();
    world.run();
    world.client.reconnect().unwrap();
    world.run();
    let numbers = outputs(&world.told);
    assert!((80..100).contains(&numbers.len()), "{}", numbers.len());
    assert_eq!(numbers.last(), Some(&format!("{:0>1000}", 999).as_str().into()));
    assert!(world.told.iter().any(|told| matches!(told, Told::HostCall { .. })));
    assert_eq!(states(&world.told), [(PIPELINE, PipelineState::Completed)]);
}

#[test]
fn fifty_megabytes_pass_in_constant_memory() {
    let mut world = World::with(small(), Version::new(2, 3));
    world.open();
    world.size = 150_000;
    world.start(PIPELINE, true);
    let text = "w".repeat(30_000);
    let (mut received, mut most) = (0, 0);
    for _ in 0..1_700 {
        world.engine.pool.write(PIPELINE, output(text.as_str())).unwrap();
        world.engine.speak();
        world.receives = false;
        world.run();
        let waiting: usize = world.engine.says.iter().map(String::len).sum();
        if waiting > 0 {
            // The engine waits; what the bridge holds is what the client gets now.
            world.receives = true;
            let before = outputs(&world.told).len();
            world.receives = false;
            let output = world.bridge.poll_output(Some(PIPELINE), 1 << 30, world.now).unwrap();
            most = most.max(output.fragments.len());
            world.client.handle_fragments(Some(PIPELINE), &output.fragments).unwrap();
            world.run();
            received += outputs(&world.told).len() - before;
            world.told.clear();
        }
    }
    world.receives = true;
    world.run();
    received += outputs(&world.told).len();
    assert_eq!(received, 1_700);
    assert!(most < 100_000 + 2 * 32_768, "{most} bytes were held");
}

#[test]
fn a_stop_goes_through_though_nobody_fetches_output() {
    let mut world = World::with(small(), Version::new(2, 3));
    world.open();
    world.start(PIPELINE, true);
    world.receives = false;
    write_until_full(&mut world, 1_000);
    for _ in 0..500 {
        world.engine.pool.write(PIPELINE, output("v".repeat(1_000).as_str())).unwrap();
    }
    world.engine.speak();
    world.client.stop(PIPELINE).unwrap();
    world.run();
    assert_eq!(world.answered.last(), Some(&Operation::Stop(PIPELINE)));
    world.receives = true;
    world.run();
    assert_eq!(states(&world.told), [(PIPELINE, PipelineState::Stopped)]);
}

#[test]
fn an_object_that_is_too_large_fails_its_pipeline_only() {
    let settings = Settings { max_message: 100_000, ..Settings::default() };
    let mut world = World::with(settings, Version::new(2, 3));
    world.open();
    world.start(PIPELINE, true);
    world.start(OTHER, true);
    world.engine.pool.write(PIPELINE, output("u".repeat(200_000).as_str())).unwrap();
    world.engine.pool.write(OTHER, output("fits")).unwrap();
    world.engine.speak();
    world.run();
    assert_eq!(states(&world.told), [(PIPELINE, PipelineState::Failed)]);
    assert_eq!(outputs(&world.told), ["fits".into()]);
    assert_eq!(world.engine.words(PIPELINE), ["command", "data", "close"]);
}

#[test]
fn an_engine_that_ends_breaks_the_pool_in_every_state() {
    // Never there.
    let mut world = World::new();
    world.bridge.handle_engine_missing("no such file: pwsh", world.now);
    world.client.open().unwrap();
    world.run();
    let cause = Cause::EngineMissing("no such file: pwsh".into());
    assert_eq!(world.refused, [Refusal::Broken(cause)]);
    assert!(broken(&world.told).unwrap().contains("no such file: pwsh"));
    // While it opens.
    let mut world = World::new();
    world.engine.opens = false;
    world.client.open().unwrap();
    world.run();
    let line = b"__NamedPipeError__:An unknown element \"\" was received.\n";
    world.bridge.handle_engine_bytes(line, world.now);
    world.bridge.handle_engine_ended("exit status 160", world.now);
    world.run();
    let message = broken(&world.told).unwrap();
    assert!(message.contains("exit status 160; it said: An unknown element"), "{message}");
    // With pipelines, one of them not started, and a Send under way.
    let mut world = World::opened();
    world.start(PIPELINE, false);
    world.engine.acknowledges = false;
    world.client.send_input(PIPELINE, 1.into()).unwrap();
    world.client.invoke(OTHER, script("x", true)).unwrap();
    world.run();
    world.bridge.handle_engine_ended("exit status 5", world.now);
    world.run();
    let failed = [(PIPELINE, PipelineState::Failed), (OTHER, PipelineState::Failed)];
    assert_eq!(states(&world.told), failed);
    assert!(broken(&world.told).unwrap().contains("exit status 5"));
    assert!(world.answered.contains(&Operation::Send(Some(PIPELINE), Stream::Default)));
    assert!(world.has_ended && world.bridge.poll_timeout().is_none());
    let refused = world.bridge.handle_command(Uuid::from_u128(9), &[], world.now);
    assert!(matches!(refused, Err(Refusal::Broken(Cause::EngineEnded(_)))));
    world.bridge.handle_close(world.now).unwrap();
    world.run();
    assert_eq!(world.answered.last(), Some(&Operation::Close));
    // While nobody listens: who comes back is told.
    let mut world = World::opened();
    world.client.disconnect().unwrap();
    world.run();
    world.bridge.handle_engine_ended("killed", world.now);
    world.client.reconnect().unwrap();
    world.run();
    assert!(broken(&world.told).unwrap().contains("killed"));
    // While it closes: that is what was asked for.
    let mut world = World::opened();
    world.engine.acknowledges = false;
    world.client.close().unwrap();
    world.run();
    world.bridge.handle_engine_ended("exit status 0", world.now);
    world.run();
    assert_eq!(world.answered, [Operation::Close]);
    assert_eq!(broken(&world.told), None);
}

#[test]
fn an_engine_that_is_silent_breaks_the_pool() {
    let open = Settings::default().open_timeout;
    let ack = Settings::default().ack_timeout;
    let mut world = World::new();
    world.engine.opens = false;
    world.client.open().unwrap();
    world.run();
    world.pass(open - Duration::from_secs(1));
    assert_eq!(broken(&world.told), None);
    assert_eq!(world.bridge.poll_timeout(), Some(world.now + Duration::from_secs(1)));
    world.pass(Duration::from_secs(1));
    assert!(broken(&world.told).unwrap().contains("did not answer the opening of the pool"));
    assert!(world.has_ended);
    // CommandAck, then DataAck.
    for (acknowledged, what) in [(0, "a command"), (1, "data")] {
        let mut world = World::opened();
        world.engine.acknowledges = false;
        world.client.invoke(PIPELINE, script("x", true)).unwrap();
        world.run();
        for _ in 0..acknowledged {
            world.engine.acknowledge(PIPELINE);
            world.run();
        }
        world.pass(ack);
        assert_eq!(states(&world.told), [(PIPELINE, PipelineState::Failed)]);
        assert!(broken(&world.told).unwrap().contains(what), "{what}");
    }
    // An idle pool, and a pipeline that runs, owe nothing.
    let mut world = World::opened();
    world.start(PIPELINE, true);
    assert_eq!(world.bridge.poll_timeout(), None);
}

#[test]
fn a_pipeline_that_does_not_stop_fails_alone() {
    let mut world = World::opened();
    world.start(PIPELINE, true);
    world.start(OTHER, true);
    world.engine.acknowledges = false;
    world.client.stop(PIPELINE).unwrap();
    world.run();
    world.pass(Settings::default().stop_timeout);
    assert_eq!(states(&world.told), [(PIPELINE, PipelineState::Failed)]);
    assert_eq!(world.answered.last(), Some(&Operation::Stop(PIPELINE)));
    world.client.forget(PIPELINE).unwrap();
    world.run();
    assert_eq!(world.answered.last(), Some(&Operation::Terminate(PIPELINE)));
    let data = fragment(&frame(&Message::CreatePipeline(Box::new(script("x", true))), None), 1);
    let again = world.bridge.handle_command(PIPELINE, &data, world.now);
    assert_eq!(again, Err(Refusal::PipelineIdInUse(PIPELINE)), "the engine would end");
    // The engine would wait for that pipeline for ever: the pool closes without it.
    world.engine.acknowledges = true;
    world.client.close().unwrap();
    world.run();
    assert_eq!(world.answered.last(), Some(&Operation::Close));
    assert_eq!(world.engine.words(Uuid::nil()), ["data"]);
    assert!(world.has_ended);
}

#[test]
fn a_pool_that_does_not_close_is_closed_all_the_same() {
    let mut world = World::opened();
    world.start(PIPELINE, true);
    world.engine.acknowledges = false;
    world.client.close().unwrap();
    world.run();
    assert_eq!(world.bridge.handle_close(world.now), Err(Refusal::Busy));
    assert_eq!(world.engine.words(PIPELINE).last(), Some(&"close"));
    world.pass(Settings::default().stop_timeout);
    assert_eq!(world.answered.last(), Some(&Operation::Close));
    assert!(world.has_ended);
}

#[test]
fn what_the_engine_refuses_fails_the_pipeline_under_way() {
    let mut world = World::opened();
    world.start(OTHER, false);
    world.engine.acknowledges = false;
    world.client.send_input(OTHER, 1.into()).unwrap();
    world.client.invoke(PIPELINE, script("x", true)).unwrap();
    world.run();
    world.engine.acknowledge(PIPELINE);
    world.run();
    let line = b"__NamedPipeError__:Remote transport error: no commands\n";
    world.bridge.handle_engine_bytes(line, world.now);
    world.run();
    world.engine.acknowledges = true;
    world.engine.acknowledge(PIPELINE);
    world.run();
    let error = world.told.iter().find_map(|told| match told {
        Told::PipelineState { pipeline: PIPELINE, error, .. } => error.clone(),
        _ => None,
    });
    assert!(error.unwrap().message().to_string_lossy().contains("no commands"));
    assert_eq!(states(&world.told), [(PIPELINE, PipelineState::Failed)]);
    assert_eq!(world.engine.words(PIPELINE), ["command", "data", "close"]);
    assert!(world.bridge.is_open());
}

#[test]
fn other_lines_and_late_acknowledgements_change_nothing() {
    let mut world = World::opened();
    world.start(PIPELINE, true);
    let ack = "DataAck PSGuid='00000000-0000-0000-0000-000000000002' /";
    let pool = "CloseAck PSGuid='00000000-0000-0000-0000-000000000000' /";
    for line in ["hello\r\n", &format!("no end<{ack}>\n"), &format!("<{pool}>\n"), "<a b\n", "\n"] {
        world.bridge.handle_engine_bytes(line.as_bytes(), world.now);
    }
    world.run();
    assert_eq!(world.strays, ["hello", "no end", "a CloseAck that nobody waits for", "<a b"]);
    let foreign = Message::PipelineOutput(Data(1.into()));
    for (pool, id) in [(OTHER, PIPELINE), (POOL, OTHER)] {
        let data = fragment(&foreign.encode(Destination::Client, pool, id), 1_000);
        let packet =
            psrp::out_of_process::Packet::new(Some(PIPELINE), Verb::Data(Stream::Default, data));
        world.bridge.handle_engine_bytes(format!("{packet}\n").as_bytes(), world.now);
    }
    world.run();
    assert_eq!(outputs(&world.told), []);
    world.engine.pool.end(PIPELINE, PipelineState::Completed, None).unwrap();
    world.engine.speak();
    world.run();
    assert_eq!(states(&world.told), [(PIPELINE, PipelineState::Completed)]);
    // A line without an end is no engine any more.
    world.bridge.handle_engine_bytes(&vec![b'x'; 300_000], world.now);
    world.run();
    assert!(broken(&world.told).is_some());
}

#[test]
fn an_engine_that_closes_its_pool_closes_it_for_the_client() {
    let mut world = World::opened();
    world.start(PIPELINE, true);
    world.engine.pool.close().unwrap();
    world.engine.speak();
    world.run();
    assert!(world.told.contains(&Told::Closed), "{:?}", world.told);
    assert!(world.has_ended && !world.bridge.is_open());
    assert!(!world.answered.contains(&Operation::Close));
}

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
        last = crate::bridge_world::check_objects(last, &output.fragments);
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
