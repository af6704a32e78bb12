//! Engines that are missing, end, fall silent or talk nonsense.

use psrp::bridge::{Cause, Operation, Refusal, Settings};
use psrp::client::Event as Told;
use psrp::message::Destination;
use psrp::messages::{Data, Message, PipelineState};
use psrp::out_of_process::{Stream, Verb};
use std::time::Duration;
use uuid::Uuid;

use super::world::{PIPELINE, POOL, World, fragment, script};
use super::{OTHER, broken, frame, outputs, states};

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
fn a_pipeline_that_stops_late_is_closed_after_all() {
    let mut world = World::opened();
    world.start(PIPELINE, true);
    world.engine.acknowledges = false;
    world.client.stop(PIPELINE).unwrap();
    world.run();
    world.pass(Settings::default().stop_timeout);
    world.client.forget(PIPELINE).unwrap();
    world.engine.acknowledges = true;
    world.engine.acknowledge(PIPELINE);
    world.run();
    assert_eq!(world.engine.words(PIPELINE), ["command", "data", "signal", "close"]);
    assert_eq!(states(&world.told), [(PIPELINE, PipelineState::Failed)]);
    world.engine.wants.clear();
    world.start(PIPELINE, true);
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
