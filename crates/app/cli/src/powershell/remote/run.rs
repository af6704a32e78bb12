//! Runs a command on many computers at once, and tells what they tell in the order in which it comes.
//!
//! ```text
//!  computers ──► a task each, so many at once ── Told ──► Listener ──► sink, host, errors
//!                  open ─► follow ─► close      ◄─ stop ──  (signals)
//! ```

use std::sync::Arc;
use std::time::Duration;

use client::{Client, Config, Pipeline, PipelineOptions, Pool, PoolOptions};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

use super::follow::{End, Manner, follow, give, lost, stopped};
use super::input::Feed;
use super::objects::Stamp;
use super::script::Script;
use super::tell::{Teller, Told};
use crate::command_error::CommandError;

/// So long the opening of a pool may go on when nobody wants it any more, so that it can be closed.
const GRACE: Duration = Duration::from_secs(3);
/// So much that was told waits for who shows it.
const WAITING: usize = 16;

/// Where a command runs.
#[derive(Debug)]
pub(crate) struct Place {
    /// As it was named.
    pub(crate) computer: String,
    pub(crate) way: Way,
}

/// How a place is reached.
#[derive(Debug)]
pub(crate) enum Way {
    /// By a session of its own, that ends with the command.
    New(Box<Config>, Box<PoolOptions>),
    /// By a session that stays.
    Kept(Arc<Pool>),
}

/// What runs.
#[derive(Debug)]
pub(crate) enum What {
    Script(Script),
    /// Pipelines that run already.
    Left(Vec<Uuid>),
}

/// A command for several places.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) what: What,
    pub(crate) manner: Manner,
    /// Whether objects show where they came from.
    pub(crate) shows_computer: bool,
    /// So many at once.
    pub(crate) throttle: usize,
}

/// A command under way.
#[derive(Debug)]
pub(super) struct Running {
    told: mpsc::Receiver<Told>,
    stop: watch::Sender<bool>,
    // Dropping it ends the tasks.
    _tasks: JoinSet<()>,
}

impl Running {
    /// Starts it; needs a runtime.
    pub(super) fn start(order: Order, places: Vec<Place>, feeds: Option<Vec<Feed>>) -> Self {
        let (sender, told) = mpsc::channel(WAITING);
        let (stop, stopping) = watch::channel(false);
        let limit = Arc::new(Semaphore::new(order.throttle));
        let order = Arc::new(order);
        let is_one_of_many = places.len() > 1;
        let mut feeds = feeds.map(Vec::into_iter);
        let mut tasks = JoinSet::new();
        for place in places {
            let feed = feeds.as_mut().and_then(Iterator::next);
            let work = Work {
                order: Arc::clone(&order),
                computer: place.computer,
                told: sender.clone(),
                is_one_of_many,
                stop: stopping.clone(),
            };
            let limit = Arc::clone(&limit);
            tasks.spawn(async move {
                // Nobody closes it.
                let Ok(_permit) = limit.acquire().await else { return };
                work.run(place.way, feed).await;
            });
        }
        Self { told, stop, _tasks: tasks }
    }

    /// What is told next; `None` when all is over.
    pub(super) async fn next(&mut self) -> Option<Told> {
        self.told.recv().await
    }

    /// Stops what runs and starts nothing more; what they tell until they have stopped still comes.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }
}

/// The work for one computer.
struct Work {
    order: Arc<Order>,
    computer: String,
    told: mpsc::Sender<Told>,
    is_one_of_many: bool,
    stop: watch::Receiver<bool>,
}

impl Work {
    async fn run(mut self, way: Way, feed: Option<Feed>) {
        if *self.stop.borrow() {
            return;
        }
        match way {
            Way::New(config, options) => {
                if let Some(pool) = self.open(*config, *options).await {
                    let pool = Arc::new(pool);
                    self.work(&pool, feed).await;
                    // Whoever else holds it still, as what was asked of the terminal does. The host ends it by itself when it
                    // could not be told.
                    drop(pool.close().await);
                }
            }
            Way::Kept(pool) => {
                if self.work(&pool, feed).await == End::Left {
                    drop(self.told.send(Told::Left(pool.id())).await);
                }
            }
        }
    }

    async fn open(&mut self, config: Config, options: PoolOptions) -> Option<Pool> {
        let opening = async { Client::new(config)?.open_pool(options).await };
        let mut opening = std::pin::pin!(opening);
        let opened = tokio::select! {
            opened = &mut opening => opened,
            () = stopped(&mut self.stop) => {
                if let Ok(Ok(pool)) = timeout(GRACE, opening).await {
                    drop(pool.close().await);
                }
                return None;
            }
        };
        match opened {
            Ok(pool) => Some(pool),
            Err(error) => {
                let computer = &self.computer;
                let who = format!(
                    "OpenError: [{computer}] Connecting to remote server {computer} failed with the following error message "
                );
                let error = CommandError::from(error).of(&who).spoken();
                drop(self.told.send(Told::Failed(error)).await);
                None
            }
        }
    }

    async fn work(&mut self, pool: &Arc<Pool>, feed: Option<Feed>) -> End {
        let stamp = Stamp {
            computer: self.computer.clone(),
            runspace: pool.id(),
            is_shown: self.order.shows_computer,
        };
        let teller = Teller::new(self.told.clone(), Arc::new(stamp), self.is_one_of_many);
        let order = Arc::clone(&self.order);
        let mut end = End::Over;
        match &order.what {
            What::Script(script) => {
                let manner = &order.manner;
                let started = start(pool, script, feed.is_some(), manner, false);
                match started.await {
                    Ok(pipeline) => {
                        end = follow(pool, pipeline, feed, &order.manner, &teller, &mut self.stop)
                            .await;
                    }
                    Err(error) => teller.failed(lost(error, &self.computer)).await,
                }
            }
            What::Left(pipelines) => {
                for id in pipelines {
                    match pool.connect_pipeline(*id).await {
                        Ok(pipeline) => {
                            end = follow(
                                pool,
                                pipeline,
                                None,
                                &order.manner,
                                &teller,
                                &mut self.stop,
                            )
                            .await;
                        }
                        Err(error) => teller.failed(lost(error, &self.computer)).await,
                    }
                }
            }
        }
        end
    }
}

/// Starts a script in a pool.
async fn start(
    pool: &Pool,
    script: &Script,
    takes_input: bool,
    manner: &Manner,
    is_left: bool,
) -> Result<Pipeline, client::Error> {
    let options = PipelineOptions {
        takes_input,
        is_left,
        host_info: manner.host_info.clone(),
        ..PipelineOptions::new(script.power_shell(pool).await?)
    };
    pool.invoke(options).await
}

/// Starts a script in a pool, gives it its input, and leaves it running there.
///
/// # Errors
/// The host did not take it, or a line of stdin is no object.
pub(crate) async fn start_and_leave(
    pool: &Arc<Pool>,
    script: &Script,
    feed: Option<Feed>,
    manner: &Manner,
) -> Result<(), CommandError> {
    let pipeline = start(pool, script, feed.is_some(), manner, true).await?;
    give(&pipeline.input(), feed, pool).await
}
