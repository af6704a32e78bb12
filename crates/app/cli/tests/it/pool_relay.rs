//! The connection of a runspace pool is lost at each point of its conversation: the pipeline's output is the right one,
//! once, or there is a clear error; no script runs twice, and nothing stays behind.
//!
//! A conversation is, request by request: the login's first leg, its second with the Create, one or two Receives of the pool,
//! Command, the pipeline's Receives, Delete. Everything is recovered but a Command that has not arrived: it is never sent
//! again, since one that has arrived may look the same; whether it has, a Receive tells. After a Create that has not
//! arrived another pool is opened.
#![allow(clippy::wildcard_enum_match_arm, reason = "of the many events a test takes a few")]

use client::pool::PoolOptions;
use psrp::clixml::Value;
use testkit::outside::report;
use testkit::{Cut, Relay};

use crate::powershell::{Reachable, client_at, finish, led};
use crate::relay::{Conversation, Scene, peer_is_cut};
use crate::tool::{self, mark};

/// One conversation over a relay; what the script wrote, or what went wrong.
fn converse(scene: &Scene, relay: &Relay, mark: &str) -> Result<Vec<Value>, String> {
    let script = format!("{}; 1; Start-Sleep -Milliseconds 50; 2; 3", scene.note(mark));
    led(async {
        let client = client_at(relay.port);
        let pool =
            client.open_pool(PoolOptions::default()).await.map_err(|error| error.to_string())?;
        let finished = finish(&pool, &script).await;
        let closed = pool.close().await;
        let (output, _) = finished?;
        closed.map_err(|error| error.to_string()).map(|()| output)
    })
}

#[test]
fn pool_that_loses_its_connection_anywhere_brings_all_output_once_or_says_what_happened() {
    let engine = Reachable::find();
    report(&engine.name.peer("our client over a relay that cuts"));
    let scene = Scene::configured(&engine.settings());
    let right = [1, 2, 3].map(Value::Int32);
    let whole = Relay::start(scene.service.port, None).unwrap();
    assert_eq!(converse(&scene, &whole, "whole").unwrap(), right);
    for cut in (1..=whole.requests()).flat_map(Cut::all) {
        let relay = Relay::start(scene.service.port, Some(cut)).unwrap();
        let mark = mark();
        let outcome = converse(&scene, &relay, &mark);
        let runs = scene.runs(&mark);
        match outcome {
            Ok(output) => assert_eq!((output.as_slice(), runs), (right.as_slice(), 1), "{cut:?}"),
            Err(error) => {
                assert!(error.contains("(Command on"), "{cut:?}: {error}");
                // Its answer was under way, so that it has arrived.
                let has_arrived = matches!(cut, Cut::BeforeAnswer(_) | Cut::InAnswer(_));
                assert!(!has_arrived, "{cut:?}: {error}");
                // Where it arrives although its connection is gone, it may be later than the question.
                let most = usize::from(matches!(cut, Cut::AfterRequest(_)));
                assert!(runs <= most, "{cut:?}: {runs} runs, {error}");
            }
        }
    }
    scene.is_clean("nothing stays behind");
    tool::until("every engine is gone", || {
        tool::processes_with("stand_in_engine.py").is_empty() || !engine.name.is_stand_in
    });
}

#[test]
fn pypsrp_pool_that_is_cut_anywhere_never_runs_a_script_twice_nor_loses_output_silently() {
    let engine = Reachable::find();
    report(&engine.name.peer("pypsrp over a relay that cuts"));
    let scene = Scene::configured(&engine.settings());
    let task = |scene: &Scene, name: &str| {
        format!("{}; 1; Start-Sleep -Milliseconds 50; 2; 3", scene.note(name))
    };
    let conversation = Conversation { peer: "pypsrp_pool", task, stdout: "1\n2\n3\n", code: 0 };
    peer_is_cut(&scene, &conversation);
    scene.is_clean("the idle time ends the pools of those that gave up");
}
