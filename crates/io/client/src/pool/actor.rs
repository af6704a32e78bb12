//! The task of a pool: it owns the machine, sends its requests, and hands out what comes.
//!
//! ```text
//!            Open, Connect   the pool tells that it is open          Close, or the last handle gone
//! (created) ─────► Opening ────────────────────────────────► Open ─────────────────────────────────► (ended)
//!                     │ refused, lost            Reconnect ▲    │ Disconnect, or the host has noticed a cut
//!                     │                                 Disconnected ───── the last handle gone ───► (ended)
//!                     │                                         │ the pool breaks
//!                     └─────────────────────────────────────────┴──► every waiting order gets an error, (ended)
//! ```

mod answers;
mod keys;
mod leaving;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use psrp::client::Options;
use psrp::clixml::{SecureString, Value, Version};
use psrp::messages::{Availability, CreatePipeline, HostResponse};
use psrp::session_key::Plain;
use session::client::pool::{self as machine, How, Leave, Question};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{self, sleep, sleep_until, timeout};
use uuid::Uuid;
use wsman::fault::Fault;
use wsman::shell::client::{KnownShell, Operation, Request};
use wsman::xml::Limits;

use super::PoolState;
use super::options::PoolOptions;
use super::pipeline::PipelineEvent;
use crate::calls::{Call, Calls, Patience};
use crate::connection::Answer;
use crate::entropy;
use crate::error::{Error, PoolError, ProtocolError};
use crate::pace::Pace;
use crate::shell::{context, name};

/// The longest wait for the end of a pool that nobody holds any more.
const CLEAN_UP: Duration = Duration::from_secs(5);
/// The OperationTimeout of Receives at a host with a single connection, and of those that show whether something is there.
const SOON: Duration = Duration::from_millis(500);
/// So long after the last pipeline's end the host is told of the finished ones.
const IDLE: Duration = Duration::from_secs(1);

/// Where the answer to an order goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What a handle wants.
#[derive(Debug)]
pub(super) enum Order {
    Open(Reply<Opened>),
    Connect(Reply<Opened>),
    Disconnect(Leave, Reply<()>),
    Reconnect(Reply<()>),
    ConnectPipeline(Uuid, Reply<Channels>),
    Invoke(Uuid, Box<CreatePipeline>, bool, Reply<Channels>),
    Input(Uuid, Value, Reply<()>),
    EndInput(Uuid, Reply<()>),
    Stop(Uuid, Reply<()>),
    Respond(Option<Uuid>, HostResponse, Reply<()>),
    Question(Question, Reply<Availability>),
    Encrypt(Plain, Reply<SecureString>),
    Decrypt(SecureString, Reply<Plain>),
    Forget(Uuid),
    /// Somebody holds the pool that was taken over.
    Hold,
    Close(Reply<()>),
}

/// What an open pool is.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) id: Uuid,
    pub(super) version: Version,
    pub(super) max_runspaces: i32,
}

/// What a pool tells of itself at any time.
#[derive(Debug)]
pub(super) struct Telling {
    pub(super) state: watch::Sender<PoolState>,
    pub(super) private_data: watch::Sender<Value>,
}

/// Where a pipeline's events come out.
#[derive(Debug)]
pub(super) struct Channels {
    pub(super) batches: mpsc::Receiver<Vec<PipelineEvent>>,
    pub(super) failure: oneshot::Receiver<Error>,
}

/// A pipeline as its pool's task knows it.
#[derive(Debug)]
struct Running {
    batches: mpsc::Sender<Vec<PipelineEvent>>,
    failure: Option<oneshot::Sender<Error>>,
    /// Who waits for the host to take the Command.
    starting: Option<(Reply<Channels>, Channels)>,
    /// How the answer to its Command was lost: a Receive tells whether it runs.
    lost: Option<Error>,
    /// Who waits for the host to take input.
    sending: Vec<Reply<()>>,
    receives: Receives,
    /// Bytes of fragments that have come.
    received: u64,
    /// What came and is not handed out.
    ready: Vec<PipelineEvent>,
    /// What it tells is for whoever takes it up.
    is_left: bool,
}

/// How soon a target's Receives follow each other.
#[derive(Debug, Default)]
struct Receives {
    pace: Pace,
    /// Before the next one.
    pause: Duration,
}

/// How soon a host that says again and again that nobody is connected is told that somebody is.
#[derive(Debug)]
struct Returns {
    pace: Pace,
    /// Before the next Reconnect.
    pause: Duration,
    /// When we came back last, and what had been received by then.
    last: (Instant, u64),
}

/// A request whose answer has come, or never will.
struct Landed {
    request: Request,
    /// Where the events of a pipeline's Receive go.
    permit: Option<mpsc::OwnedPermit<Vec<PipelineEvent>>>,
    /// `None`: it was not sent, because nobody reads the pipeline any more.
    result: Option<Result<Answer, Error>>,
    target: Option<Uuid>,
    /// When it was asked.
    asked: Instant,
}

pub(super) struct Actor {
    calls: Arc<Calls>,
    machine: machine::Pool,
    flying: JoinSet<Landed>,
    pipelines: BTreeMap<Uuid, Running>,
    questions: BTreeMap<i64, Reply<Availability>>,
    encrypting: Vec<(Plain, Reply<SecureString>)>,
    /// Whether the host has our key and owes its own.
    is_exchanging: bool,
    opening: Option<Reply<Opened>>,
    /// How the answer to the Create was lost: a Receive tells whether the pool is there.
    lost: Option<Error>,
    closing: Option<Reply<()>>,
    leaving: Option<Reply<()>>,
    /// Who waits for the pool to be back; `None` inside: we came back by ourselves.
    returning: Option<Option<Reply<()>>>,
    patience: Patience,
    is_compressed: bool,
    cancel_timeout: Duration,
    max_data_per_command: Option<u64>,
    /// Pipelines that were told to stop, and when they are given up.
    stopping: VecDeque<(time::Instant, Uuid)>,
    told: Telling,
    /// Those of the pool itself.
    receives: Receives,
    /// How soon we come back by ourselves.
    returns: Returns,
    /// Whether the pool is another client's that nobody here holds yet: it must not end with the attempt to take it over.
    is_borrowed: bool,
    /// The network stayed away for longer than we had patience: the pool and what runs in it go on at the host.
    is_cut: bool,
    is_over: bool,
}

impl Actor {
    pub(super) fn new(
        calls: Arc<Calls>,
        session_id: Uuid,
        id: Uuid,
        options: PoolOptions,
        told: Telling,
    ) -> Self {
        let patience = Patience::lasting(options.retries);
        let context = context(&calls, session_id, &options.resource_uri());
        let wishes = How {
            name: options.name.clone(),
            idle_timeout: options.idle_timeout,
            no_profile: options.no_machine_profile,
            compression: options.compression,
        };
        let is_compressed = options.compression;
        let (cancel_timeout, max_data_per_command) =
            (options.cancel_timeout, options.max_data_per_command);
        let init = options.init();
        let options = Options {
            id,
            protocol_version: options.protocol_version,
            init,
            limits: options.limits,
        };
        let mut machine = machine::Pool::new(context, options, wishes);
        if calls.config().endpoint.transport == crate::Transport::Https {
            machine.trust_refusals();
        }
        Self {
            calls,
            machine,
            flying: JoinSet::new(),
            pipelines: BTreeMap::new(),
            questions: BTreeMap::new(),
            encrypting: Vec::new(),
            is_exchanging: false,
            opening: None,
            lost: None,
            closing: None,
            leaving: None,
            returning: None,
            patience,
            is_compressed,
            cancel_timeout,
            max_data_per_command,
            stopping: VecDeque::new(),
            told,
            receives: Receives::default(),
            returns: Returns {
                pace: Pace::default(),
                pause: Duration::ZERO,
                last: (Instant::now(), 0),
            },
            is_borrowed: false,
            is_cut: false,
            is_over: false,
        }
    }

    /// Works until the pool is closed, or broken, or nobody holds it any more.
    pub(super) async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        while !self.is_over {
            if let Err(error) = self.send() {
                self.fail(&error);
                break;
            }
            let is_idle = self.flying.is_empty() && self.machine.has_ended();
            let given_up = self.stopping.front().map(|(at, _)| *at);
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.take(order),
                    None => break,
                },
                // A task of ours neither panics nor is it stopped.
                Some(Ok(landed)) = self.flying.join_next() => self.land(landed),
                () = sleep(IDLE), if is_idle => self.tell_ended(),
                () = sleep_until(given_up.unwrap_or_else(time::Instant::now)), if given_up.is_some() => {
                    self.give_up_stopping();
                }
            }
        }
        orders.close();
        self.told.state.send_if_modified(|state| {
            let was_open = *state == PoolState::Open;
            if was_open {
                *state = PoolState::Closed;
            }
            was_open
        });
        let left = timeout(CLEAN_UP, self.leave()).await;
        tracing::debug!(pool = %self.machine.id(), in_time = left.is_ok(), "Pool not held any more");
    }

    /// Sends what is to be sent, and asks for what is to be told.
    fn send(&mut self) -> Result<(), machine::Error> {
        let (operation_timeout, wait) = self.calls.config().settings.timing.split(None);
        while let Some(request) = self.machine.poll_request(entropy::uuid(), operation_timeout)? {
            let is_return = request.operation == Operation::Reconnect;
            let pause = if is_return { self.returns.pause } else { Duration::ZERO };
            self.fly(request, wait, None, pause);
        }
        let receivable: Vec<Option<Uuid>> = self.machine.receivable().collect();
        for target in receivable {
            let (batches, pause) = match target {
                None => (None, self.receives.pause),
                // Nobody reads it any more: it is about to be forgotten.
                Some(id) => match self.pipelines.get(&id) {
                    // Only what runs after all is known by a Receive.
                    Some(running) if running.is_left && running.lost.is_none() => continue,
                    Some(running) => (Some(running.batches.clone()), running.receives.pause),
                    None => continue,
                },
            };
            let is_lost = match target {
                None => self.lost.is_some(),
                Some(id) => self.pipelines.get(&id).is_some_and(|running| running.lost.is_some()),
            };
            // Where there is one connection only, what else is to be said must not wait long for it; nor must what waits
            // for a sign that its Command has arrived.
            let is_brief = is_lost || self.calls.is_alone();
            let patient = if is_brief { SOON } else { operation_timeout };
            if let Some(request) = self.machine.receive(target, entropy::uuid(), patient)? {
                self.fly(request, wait, batches, pause);
            }
        }
        Ok(())
    }

    fn fly(
        &mut self,
        request: Request,
        wait: Duration,
        batches: Option<mpsc::Sender<Vec<PipelineEvent>>>,
        pause: Duration,
    ) {
        let calls = Arc::clone(&self.calls);
        // Whether a pool that is to be opened is within reach shows soon.
        let patience = if self.machine.is_open() { self.patience } else { Patience::BRIEF };
        let target = self.machine.target(request.command);
        self.flying.spawn(async move {
            let permit = match batches {
                // Whoever reads the pipeline has room for what comes.
                Some(batches) => match batches.reserve_owned().await {
                    Ok(permit) => Some(permit),
                    Err(_) => {
                        let asked = Instant::now();
                        return Landed { request, target, permit: None, result: None, asked };
                    }
                },
                None => None,
            };
            // The runtime's shortest sleep is a millisecond.
            if !pause.is_zero() {
                sleep(pause).await;
            }
            let asked = Instant::now();
            let result = call(&calls, &request, wait, patience).await;
            Landed { request, target, permit, result: Some(result), asked }
        });
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Open(reply) => {
                let opened = self.machine.open();
                if let Some(reply) = self.checked(opened, reply, "Create") {
                    self.opening = Some(reply);
                }
            }
            Order::Connect(reply) => {
                let shell_id = wsman::guid(self.machine.id());
                let known = KnownShell { shell_id, compression: self.is_compressed };
                self.is_borrowed = true;
                let connected = self.machine.connect(known);
                if let Some(reply) = self.checked(connected, reply, "Connect") {
                    self.opening = Some(reply);
                }
            }
            Order::Disconnect(leave, reply) => self.disconnect(leave, reply),
            Order::Reconnect(reply) => self.reconnect(reply),
            Order::Invoke(id, what, is_left, reply) => {
                let invoked = self.machine.invoke(id, *what);
                self.run_pipeline(id, invoked, reply, "Command", is_left);
            }
            Order::ConnectPipeline(id, reply) => {
                let connected = self.machine.connect_pipeline(id);
                self.run_pipeline(id, connected, reply, "Connect", false);
            }
            Order::Input(id, object, reply) => {
                let sent = self.machine.send_input(id, object);
                self.input(id, sent, reply);
            }
            Order::EndInput(id, reply) => {
                let sent = self.machine.end_input(id);
                self.input(id, sent, reply);
            }
            Order::Stop(id, reply) => {
                let stopped = self.machine.stop(id);
                if stopped.is_ok() {
                    self.stopping.push_back((time::Instant::now() + self.cancel_timeout, id));
                }
                self.done(stopped, reply, "Signal");
            }
            Order::Respond(id, response, reply) => {
                let responded = self.machine.respond(id, response);
                self.done(responded, reply, "Send");
            }
            Order::Question(question, reply) => match self.machine.ask(question) {
                Ok(call_id) => drop(self.questions.insert(call_id, reply)),
                Err(error) => drop(reply.send(Err(self.error(&error, "Send")))),
            },
            Order::Encrypt(text, reply) => self.encrypt(text, reply),
            Order::Decrypt(string, reply) => {
                let plain = self.machine.decrypt(&string);
                drop(reply.send(plain.map_err(|error| self.error(&error, "Receive"))));
            }
            Order::Forget(id) => self.forget(id),
            Order::Hold => self.is_borrowed = false,
            Order::Close(reply) => {
                let closed = self.machine.close();
                if let Some(reply) = self.checked(closed, reply, "Delete") {
                    // What waits in Receives ends with the pool.
                    self.closing = Some(reply);
                }
            }
        }
    }

    fn forget(&mut self, id: Uuid) {
        let is_known = self.pipelines.remove(&id).is_some();
        if self.is_cut && !is_known {
            // It was given up as the network was away, and goes on.
            return;
        }
        // A pipeline that was refused, or a pool that is over.
        drop(self.machine.forget(id));
    }

    fn disconnect(&mut self, leave: Leave, reply: Reply<()>) {
        if self.leaving.is_some() || self.returning.is_some() {
            let busy = PoolError::Failed("the pool is being left or taken up already".to_owned());
            drop(reply.send(Err(self.calls.named_error(busy, "Disconnect"))));
            return;
        }
        let disconnected = self.machine.disconnect(leave);
        self.leaving = self.checked(disconnected, reply, "Disconnect");
    }

    /// Keeps a pipeline that was asked for, or tells why it could not be.
    fn run_pipeline(
        &mut self,
        id: Uuid,
        asked: Result<(), machine::Error>,
        reply: Reply<Channels>,
        operation: &'static str,
        is_left: bool,
    ) {
        let Some(reply) = self.checked(asked, reply, operation) else { return };
        let (batches, received) = mpsc::channel(1);
        let (failure, failed) = oneshot::channel();
        let channels = Channels { batches: received, failure: failed };
        let running = Running {
            batches,
            failure: Some(failure),
            starting: Some((reply, channels)),
            lost: None,
            sending: Vec::new(),
            receives: Receives::default(),
            received: 0,
            ready: Vec::new(),
            is_left,
        };
        self.pipelines.insert(id, running);
    }

    fn input(&mut self, id: Uuid, sent: Result<(), machine::Error>, reply: Reply<()>) {
        if let Some(reply) = self.checked(sent, reply, "Send")
            && let Some(running) = self.pipelines.get_mut(&id)
        {
            running.sending.push(reply);
        }
    }

    /// Answers at once.
    fn done<T>(&self, result: Result<T, machine::Error>, reply: Reply<T>, operation: &'static str) {
        // Who does not wait any more does not want to know.
        drop(reply.send(result.map_err(|error| self.error(&error, operation))));
    }

    /// Answers a failure at once; the answer to a success comes later.
    fn checked<T>(
        &self,
        result: Result<(), machine::Error>,
        reply: Reply<T>,
        operation: &'static str,
    ) -> Option<Reply<T>> {
        match result {
            Ok(()) => Some(reply),
            Err(error) => {
                drop(reply.send(Err(self.error(&error, operation))));
                None
            }
        }
    }

    fn error(&self, error: &machine::Error, operation: &'static str) -> Error {
        self.calls.named_error(PoolError::Failed(error.to_string()), operation)
    }

    /// Takes an answer.
    fn land(&mut self, landed: Landed) {
        let Landed { request, target, permit, result, asked } = landed;
        let Some(result) = result else {
            self.machine.handle_unsent(request.message_id, request.operation, target);
            if let Some(id) = target {
                self.forget(id);
            }
            return;
        };
        let before = self.machine.received();
        let result = result.and_then(|answer| self.understand(&request, &answer));
        let news = self.machine.received().saturating_sub(before);
        match result {
            Ok(Ok(())) => {
                self.is_cut = false;
                self.tell();
                if request.operation == Operation::Receive {
                    let of_pipeline = target.and_then(|id| self.pipelines.get_mut(&id));
                    let receives = of_pipeline.map_or(&mut self.receives, |one| &mut one.receives);
                    receives.pause = receives.pace.after(news > 0, asked.elapsed());
                }
                if let Some(id) = target {
                    self.count(id, news);
                }
                self.found(&request, target);
            }
            Ok(Err(error)) => {
                self.tell();
                self.fail(&error);
                return;
            }
            Err(error) => self.lost(&request, target, error),
        }
        self.tell();
        if let (Some(permit), Some(running)) =
            (permit, target.and_then(|id| self.pipelines.get_mut(&id)))
            && !running.ready.is_empty()
        {
            permit.send(std::mem::take(&mut running.ready));
        }
        // The last of a pipeline is handed out: its channels close behind it.
        if let Some(id) = target
            && request.operation == Operation::Receive
            && !self.machine.is_running(id)
        {
            self.pipelines.remove(&id);
        }
    }

    /// Hands an answer to the machine. The outer error is the connection's.
    fn understand(
        &mut self,
        request: &Request,
        answer: &Answer,
    ) -> Result<Result<(), machine::Error>, Error> {
        let broken = |error: wsman::Error| {
            self.calls
                .named_error(ProtocolError::Message(error.to_string()), name(request.operation))
        };
        let bytes = usize::try_from(self.calls.config().max_envelope_size).unwrap_or(usize::MAX);
        let envelope = answer.envelope(&Limits { bytes, ..Limits::default() }).map_err(broken)?;
        Ok(match (envelope.header.relates_to(), Fault::from_envelope(&envelope)) {
            (None, Ok(Some(fault))) => self.machine.handle_fault(request.message_id, fault),
            _ => self.machine.handle_response(&envelope),
        })
    }
}

async fn call(
    calls: &Calls,
    request: &Request,
    wait: Duration,
    patience: Patience,
) -> Result<Answer, Error> {
    let message = request.envelope.encode_as(calls.config().charset);
    let replay = request.replay;
    // A second Create with the same id is refused.
    let repeatable = replay || request.operation == Operation::Create;
    let operation = name(request.operation);
    let yields = request.operation == Operation::Receive && !calls.is_alone();
    calls
        .call(Call {
            message: &message,
            operation,
            wait,
            replay,
            again: None,
            repeatable,
            patience,
            yields,
        })
        .await
}
