//! Callers that lose interest at the worst moment: what they asked for is neither kept on the host nor taken from others,
//! and what they ask for at the same time neither hangs nor breaks the pool.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Waker};
use std::time::Duration;

use client::pool::{Leave, PoolOptions, PoolState};
use client::{Client, ListedPool};
use psrp::clixml::Value;
use psrp::messages::PipelineState;

use crate::powershell::{Reachable, client_at, finish, led, options, outputs};
use crate::service::{Service, flavours};

/// Begins something, and looks at it only once: its answer comes, and nobody takes it.
async fn begun<T>(mut work: Pin<&mut impl Future<Output = T>>) {
    assert!(work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    tokio::time::sleep(Duration::from_secs(3)).await;
}

/// Waits until the host lists what is wanted.
async fn listed(client: &Client, is_right: impl Fn(&[ListedPool]) -> bool) -> Vec<ListedPool> {
    for _ in 0..50 {
        let pools = client.pools().await.unwrap();
        if is_right(&pools) {
            return pools;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{:?}", client.pools().await);
}

#[test]
fn pipeline_whose_caller_went_as_it_began_is_ended_on_the_host() {
    let engine = Reachable::find();
    let service = Service::configured(flavours()[0], &engine.settings());
    led(async {
        let client = client_at(service.port);
        let pool = client.open_pool(PoolOptions::default()).await.unwrap();
        {
            let work = pin!(pool.invoke(options("Start-Sleep -Seconds 60")));
            begun(work).await;
        }
        let found = listed(&client, |pools| pools.len() == 1).await;
        // A finished one that is forgotten keeps its place for a moment.
        for _ in 0..50 {
            if client.pipelines(&found[0]).await.unwrap().is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(client.pipelines(&found[0]).await.unwrap().is_empty());
        assert_eq!(finish(&pool, "7").await.unwrap().0, [Value::Int32(7)]);
        pool.close().await.unwrap();
    });
}

#[test]
fn pool_that_nobody_waited_for_any_more_is_closed_and_one_of_another_client_stays_left() {
    let engine = Reachable::find();
    let service = Service::configured(flavours()[0], &engine.settings());
    led(async {
        let client = client_at(service.port);
        {
            let work = pin!(client.open_pool(PoolOptions::default()));
            begun(work).await;
        }
        listed(&client, <[ListedPool]>::is_empty).await;

        let pool = client_at(service.port).open_pool(PoolOptions::default()).await.unwrap();
        let slow = options("Start-Sleep -Seconds 10; 'kept'");
        let (id, pipeline) = (pool.id(), pool.invoke(slow).await.unwrap());
        let pipeline_id = pipeline.id();
        pool.disconnect(Leave::default()).await.unwrap();
        drop((pipeline, pool));
        {
            let work = pin!(client.connect_pool(id, PoolOptions::default()));
            begun(work).await;
        }
        let left = |pools: &[ListedPool]| pools.iter().any(ListedPool::is_disconnected);
        assert_eq!(listed(&client, left).await[0].id(), id);
        let third = client_at(service.port);
        let pool = third.connect_pool(id, PoolOptions::default()).await.unwrap();
        let mut pipeline = pool.connect_pipeline(pipeline_id).await.unwrap();
        let kept = (vec![Value::from("kept")], PipelineState::Completed);
        assert_eq!(outputs(&mut pipeline).await.unwrap(), kept);
        pool.close().await.unwrap();
    });
}

#[test]
fn pool_is_left_as_its_handle_goes_and_pipelines_asked_for_meanwhile_run_after_the_return() {
    let engine = Reachable::find();
    let service = Service::configured(flavours()[0], &engine.settings());
    led(async {
        let client = client_at(service.port);
        let pool = client.open_pool(PoolOptions::default()).await.unwrap();
        let mut taking = options("$input | ForEach-Object { $_ + 1 }");
        taking.takes_input = true;
        let mut adding = pool.invoke(taking).await.unwrap();
        let input = adding.input();
        for round in 0..5 {
            let leaving = pool.disconnect(Leave::default());
            let (left, written, begun) = tokio::join!(
                leaving,
                async {
                    let written = input.write(Value::Int32(round));
                    tokio::time::timeout(Duration::from_millis(500), written).await.is_ok()
                },
                async {
                    let invoked = pool.invoke(options("7"));
                    tokio::time::timeout(Duration::from_millis(500), invoked).await.is_ok()
                },
            );
            left.unwrap();
            assert_eq!(pool.state(), PoolState::Disconnected, "{written} {begun}");
            pool.reconnect().await.unwrap();
        }
        input.end().await.unwrap();
        let (output, state) = outputs(&mut adding).await.unwrap();
        assert_eq!(state, PipelineState::Completed);
        assert!(output.is_sorted_by_key(Value::as_i32), "{output:?}");
        assert_eq!(finish(&pool, "8").await.unwrap().0, [Value::Int32(8)]);
        let id = pool.id();
        {
            let work = pin!(pool.disconnect(Leave::default()));
            let mut work = work;
            assert!(work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        drop((adding, pool));
        let left = |pools: &[ListedPool]| pools.iter().any(ListedPool::is_disconnected);
        assert_eq!(listed(&client, left).await[0].id(), id);
    });
}
