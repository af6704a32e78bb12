//! Pools that are left on their host, by wish or because the network is away: what ran there goes on, and whoever takes it
//! up gets all of its output, once.
#![allow(clippy::wildcard_enum_match_arm, reason = "of the many events a test takes a few")]

use std::time::Duration;

use client::pool::{Leave, PipelineEvent, PoolOptions, PoolState};
use client::{BufferMode, Client, Pipeline, Pool};
use psrp::client::Record;
use psrp::clixml::Value;
use psrp::messages::PipelineState;
use testkit::Relay;
use testkit::outside::report;

use crate::powershell::{Reachable, client_at, finish, led, options, outputs};
use crate::service::{Service, flavours};

/// Writes numbers while the pool is left and taken up.
const COUNTS: &str = "1..60 | ForEach-Object { Start-Sleep -Milliseconds 20; $_ }";

fn right() -> Vec<Value> {
    (1..=60).map(Value::Int32).collect()
}

async fn open(client: &Client) -> Pool {
    client.open_pool(PoolOptions::default()).await.unwrap()
}

/// What a pipeline had told by the time that its pool was left.
async fn had(pipeline: &mut Pipeline) -> Vec<Value> {
    let mut output = Vec::new();
    let moment = Duration::from_millis(200);
    while let Ok(Ok(Some(event))) = tokio::time::timeout(moment, pipeline.next()).await {
        if let PipelineEvent::Record(Record::Output(value)) = event {
            output.push(value);
        }
    }
    output
}

#[test]
fn pool_is_left_and_taken_up_again_while_its_pipeline_runs() {
    let engine = Reachable::find();
    report(&engine.name.peer("our client leaves a pool and comes back"));
    let service = Service::configured(flavours()[0], &engine.settings());
    led(async {
        let pool = open(&client_at(service.port)).await;
        for mode in [None, Some(BufferMode::Block)] {
            let mut pipeline = pool.invoke(options(COUNTS)).await.unwrap();
            let leave = Leave { buffer_mode: mode, idle_timeout: None };
            pool.disconnect(leave).await.unwrap();
            assert_eq!(pool.state(), PoolState::Disconnected);
            let refused = pool.invoke(options("1")).await.unwrap_err().to_string();
            assert!(refused.contains("not open"), "{refused}");
            assert!(pool.disconnect(leave).await.is_err());
            tokio::time::sleep(Duration::from_millis(300)).await;
            pool.reconnect().await.unwrap();
            assert_eq!(pool.state(), PoolState::Open);
            assert_eq!(outputs(&mut pipeline).await.unwrap(), (right(), PipelineState::Completed));
        }
        assert_eq!(finish(&pool, "7").await.unwrap().0, [Value::Int32(7)]);
        assert!(pool.reconnect().await.is_err(), "it was not left");
        pool.close().await.unwrap();
    });
}

#[test]
fn pool_that_was_left_is_found_and_taken_over_with_its_pipeline() {
    let engine = Reachable::find();
    report(&engine.name.peer("our client takes over another's pool"));
    let service = Service::configured(flavours()[0], &engine.settings());
    led(async {
        let first = client_at(service.port);
        let named = PoolOptions { name: Some("left".to_owned()), ..PoolOptions::default() };
        let pool = first.open_pool(named.clone()).await.unwrap();
        let mut pipeline = pool.invoke(options(COUNTS)).await.unwrap();
        let (id, pipeline_id) = (pool.id(), pipeline.id());

        let second = client_at(service.port);
        let refused = second.connect_pool(id, PoolOptions::default()).await.unwrap_err();
        assert!(refused.to_string().contains("Connect"), "{refused}");
        pool.disconnect(Leave { idle_timeout: Some(Duration::from_secs(600)), ..Leave::default() })
            .await
            .unwrap();
        let mut output = had(&mut pipeline).await;
        drop((pipeline, pool));

        let listed = second.pools().await.unwrap();
        let [listed] = listed.as_slice() else { panic!("{listed:?}") };
        assert_eq!((listed.id(), listed.name()), (id, Some("left")));
        assert_eq!(listed.configuration(), "Microsoft.PowerShell");
        assert!(listed.is_disconnected() && !listed.is_compressed(), "{listed:?}");
        assert_eq!(listed.idle_timeout(), Some(Duration::from_secs(600)));
        assert_eq!(second.pipelines(listed).await.unwrap(), [pipeline_id]);

        let pool = second.connect_pool(id, PoolOptions::default()).await.unwrap();
        let mut pipeline = pool.connect_pipeline(pipeline_id).await.unwrap();
        let (others, state) = outputs(&mut pipeline).await.unwrap();
        output.extend(others);
        assert_eq!((output, state), (right(), PipelineState::Completed));
        assert_ne!(pool.private_data(), Value::Null);
        assert_eq!(finish(&pool, "'still here'").await.unwrap().0, [Value::from("still here")]);
        assert!(!second.pools().await.unwrap().iter().any(client::ListedPool::is_disconnected));
        pool.close().await.unwrap();
        assert_eq!(second.pools().await.unwrap(), []);
        let gone = second.connect_pool(id, PoolOptions::default()).await.unwrap_err().to_string();
        assert!(gone.contains("Connect"), "{gone}");
    });
}

#[test]
fn pool_that_somebody_else_has_ended_is_broken_as_the_next_command_shows() {
    let engine = Reachable::find();
    let service = Service::configured(flavours()[0], &engine.settings());
    led(async {
        let pool = open(&client_at(service.port)).await;
        let ended = client_at(service.port).close_pool(pool.id(), &PoolOptions::default()).await;
        ended.unwrap();
        let error = pool.invoke(options("1")).await.unwrap_err();
        assert!(error.is_gone(), "{error}");
        assert_eq!(pool.state(), PoolState::Broken);
    });
}

#[test]
fn pipeline_goes_on_when_the_network_was_away_for_seconds() {
    let engine = Reachable::find();
    report(&engine.name.peer("our client over a network that goes away"));
    let service = Service::configured(flavours()[0], &engine.settings());
    let network = Relay::start(service.port, None).unwrap();
    led(async {
        let pool = open(&client_at(network.port)).await;
        let mut pipeline = pool.invoke(options(COUNTS)).await.unwrap();
        let cut = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            network.take_away();
            let mut told = pool.network();
            assert!(told.change().await);
            tokio::time::sleep(Duration::from_secs(2)).await;
            network.bring_back();
            assert!(!told.change().await);
        };
        let (told, ()) = tokio::join!(outputs(&mut pipeline), cut);
        assert_eq!(told.unwrap(), (right(), PipelineState::Completed));
        pool.close().await.unwrap();
    });
}

#[test]
fn pool_whose_network_stays_away_goes_on_at_its_host() {
    let engine = Reachable::find();
    let service = Service::configured(flavours()[0], &engine.settings());
    let network = Relay::start(service.port, None).unwrap();
    led(async {
        let few = PoolOptions { retries: 1, ..PoolOptions::default() };
        let pool = client_at(network.port).open_pool(few).await.unwrap();
        let mut pipeline = pool.invoke(options("Start-Sleep -Seconds 30")).await.unwrap();
        network.take_away();
        let error = outputs(&mut pipeline).await.unwrap_err();
        assert!(error.contains("Receive"), "{error}");
        let (id, pipeline_id) = (pool.id(), pipeline.id());
        network.bring_back();
        drop((pipeline, pool));
        tokio::time::sleep(Duration::from_millis(300)).await;
        let other = client_at(service.port);
        let listed = other.pools().await.unwrap();
        assert_eq!(listed.iter().map(client::ListedPool::id).collect::<Vec<_>>(), [id]);
        assert_eq!(other.pipelines(&listed[0]).await.unwrap(), [pipeline_id], "it goes on");
    });
}

#[test]
fn host_with_room_for_one_connection_has_pools_with_input_questions_and_stops() {
    let engine = Reachable::find();
    report(&engine.name.peer("our client, MaxConnections = 1"));
    let settings = format!("[Service]\nMaxConnections = 1\n{}", engine.settings());
    let service = Service::configured(flavours()[0], &settings);
    led(async {
        let pool = open(&client_at(service.port)).await;
        let mut counting = options("$input | ForEach-Object { $_ + 1 }");
        counting.takes_input = true;
        let mut pipeline = pool.invoke(counting).await.unwrap();
        // The pipeline's Receive has the connection by now.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let input = pipeline.input();
        for number in 0..3 {
            input.write(Value::Int32(number)).await.unwrap();
        }
        input.end().await.unwrap();
        assert_eq!(outputs(&mut pipeline).await.unwrap().0, [1, 2, 3].map(Value::Int32));
        let mut sleeping = pool.invoke(options("1; Start-Sleep -Seconds 60; 2")).await.unwrap();
        let mut event = sleeping.next().await.unwrap().unwrap();
        while !matches!(event, PipelineEvent::Record(Record::Output(Value::Int32(1)))) {
            event = sleeping.next().await.unwrap().unwrap();
        }
        sleeping.input().stop().await.unwrap();
        let (output, state) = outputs(&mut sleeping).await.unwrap();
        assert_eq!((output.as_slice(), state), ([].as_slice(), PipelineState::Stopped));
        let counts = finish(&pool, COUNTS).await.unwrap();
        assert_eq!(counts, (right(), PipelineState::Completed));
        pool.close().await.unwrap();
    });
}
