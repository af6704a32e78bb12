//! Pools that nobody listens to, and output that nobody fetches.

use psrp::bridge::{BufferMode, Operation, Refusal, Settings};
use psrp::client::Event as Told;
use psrp::clixml::{Value, Version};
use psrp::host::Method;
use psrp::messages::{Message, PipelineState, SessionCapability};
use psrp::out_of_process::Stream;
use std::time::Duration;

use super::world::{PIPELINE, World, fragment, private_data};
use super::{OTHER, frame, output, outputs, states};

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
    let garbage = world.bridge.handle_connect(b"garbage", world.now);
    assert!(matches!(garbage, Err(Refusal::Fragment(_))));
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
fn a_client_may_send_everything_before_it_fetches_anything() {
    let settings = Settings { max_input: 60_000, ..small() };
    let mut world = World::with(settings, Version::new(2, 3));
    world.open();
    world.start(PIPELINE, false);
    world.receives = false;
    write_until_full(&mut world, 1_000);
    let send = Operation::Send(Some(PIPELINE), Stream::Default);
    let sends = |world: &World| world.answered.iter().filter(|answer| **answer == send).count();
    for sent in 1..=3 {
        let text = "t".repeat(25_000);
        world.client.send_input(PIPELINE, text.as_str().into()).unwrap();
        world.run();
        assert_eq!(sends(&world), sent, "the engine's acknowledgement is behind its output");
    }
    // There is an end to that, until the client fetches.
    for _ in 0..2 {
        world.client.send_input(PIPELINE, "t".repeat(25_000).as_str().into()).unwrap();
    }
    world.run();
    assert_eq!(sends(&world), 3);
    world.receives = true;
    world.run();
    let inputs = |event: &&psrp::server::Event| matches!(event, psrp::server::Event::Input { .. });
    assert_eq!(world.engine.wants.iter().filter(inputs).count(), 5);
}

#[test]
fn an_acknowledgement_behind_output_is_not_missed() {
    let mut world = World::with(small(), Version::new(2, 3));
    world.open();
    world.start(PIPELINE, false);
    world.receives = false;
    write_until_full(&mut world, 1_000);
    world.client.send_input(PIPELINE, 1.into()).unwrap();
    world.run();
    let ack = Settings::default().ack_timeout;
    world.pass(10 * ack);
    assert_eq!(world.bridge.poll_timeout(), None);
    world.engine.says.clear();
    world.receives = true;
    world.run();
    assert_eq!(world.bridge.poll_timeout(), Some(world.now + ack), "it is due from now on");
    world.pass(ack);
    assert_eq!(states(&world.told), [(PIPELINE, PipelineState::Failed)]);
}

#[test]
fn another_client_does_not_hear_how_the_pool_was_opened() {
    let mut world = World::new();
    world.receives = false;
    world.client.open().unwrap();
    world.run();
    world.bridge.handle_disconnect(BufferMode::Block, world.now).unwrap();
    world.receives = true;
    world.change_client(Version::new(2, 3));
    world.client.connect().unwrap();
    world.run();
    let version = Version::new(2, 3);
    assert_eq!(world.told, [Told::Opened { version }, Told::PrivateData(private_data())]);
}

#[test]
fn parts_of_objects_of_ended_pipelines_take_no_room() {
    let settings = Settings { max_message: 95_000, ..Settings::default() };
    let mut world = World::with(settings, Version::new(2, 3));
    world.open();
    world.start(PIPELINE, true);
    world.start(OTHER, true);
    world.engine.pool.write(PIPELINE, output("s".repeat(90_000).as_str())).unwrap();
    world.engine.speak();
    let rest = world.engine.says.pop_back();
    world.run();
    world.engine.acknowledges = false;
    world.client.forget(PIPELINE).unwrap();
    world.run();
    world.engine.says.extend(rest);
    world.engine.pool.write(OTHER, output("r".repeat(60_000).as_str())).unwrap();
    world.engine.speak();
    world.run();
    assert_eq!(outputs(&world.told), ["r".repeat(60_000).as_str().into()]);
}
