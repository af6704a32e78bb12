//! Pools through the bridge: what a client sees and what an engine hears.

mod disconnected;
mod engine;
mod flow;
mod refusals;
mod replay;
mod world;

use psrp::client::{Event as Told, Record};
use psrp::clixml::Value;
use psrp::message::{Destination, Frame};
use psrp::messages::{Message, PipelineState, RunspacePoolState};
use uuid::Uuid;

use world::POOL;

/// A second pipeline.
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
