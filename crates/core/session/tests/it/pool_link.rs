//! A pool whose host has it left while requests are on their way, or is hostile: nothing is lost, said twice or kept
//! without bound.

use std::time::Duration;

use psrp::client::{Event as Told, Options};
use psrp::clixml::{Limits, Value};
use psrp::fragment::{Assembler, Fragmenter};
use psrp::host::Method;
use psrp::message::{Destination, Frame};
use psrp::messages::{
    Command, CreatePipeline, HostCall, HostInfo, HostResponse, HostResult, InitRunspacePool,
    Message, PowerShell, RemoteStreamOptions, RunspacePoolState, RunspacePoolStateMessage,
    SessionCapability,
};
use session::client::pool::{Event, How, Leave, Pool};
use uuid::Uuid;
use wsman::shell::client::{Operation, Request};
use wsman::shell::{
    CommandResponse, CreateResponse, ReceiveResponse, RequestContext, SendResponse, SignalResponse,
    Stream,
};
use wsman::xml::Element;
use wsman::{EndpointReference, ErrorCode, Fault, SelectorSet, guid, ns};

const TIMEOUT: Duration = Duration::from_secs(20);
const POOL: Uuid = Uuid::from_u128(0xAB);
const PIPELINE: Uuid = Uuid::from_u128(0xCD);

/// A pool and its host, which the test plays.
struct Scene {
    pool: Pool,
    ids: u128,
    object: u64,
}

impl Scene {
    /// A pool that is open.
    fn open() -> Self {
        let uri = [ns::resource::POWERSHELL_PREFIX, "Microsoft.PowerShell"].concat();
        let context = RequestContext::new("http://host:5985/wsman", &uri, Uuid::from_u128(7));
        let options = Options {
            id: POOL,
            protocol_version: psrp::version::DEFAULT,
            init: InitRunspacePool {
                min_runspaces: 1,
                max_runspaces: 1,
                thread_options: psrp::messages::PsThreadOptions::Default,
                apartment_state: psrp::messages::ApartmentState::Unknown,
                host_info: HostInfo::NONE,
                application_arguments: Value::Null,
            },
            limits: Limits::default(),
        };
        let mut scene =
            Self { pool: Pool::new(context, options, How::default()), ids: 0, object: 1 };
        scene.pool.open().unwrap();
        let create = scene.sent(Operation::Create);
        let resource_created = EndpointReference {
            selectors: Some(SelectorSet::shell(&guid(POOL))),
            ..EndpointReference::address("http://host:5985/wsman")
        };
        let created = CreateResponse { resource_created, shell: None, other: Vec::new() };
        scene.reply(&create, ns::action::CREATE_RESPONSE, created.to_body());
        let receive = scene.receive(None);
        let state = RunspacePoolState::Opened;
        scene.tell(
            &receive,
            None,
            &[
                Message::SessionCapability(SessionCapability::new(psrp::version::DEFAULT)),
                Message::RunspacePoolState(RunspacePoolStateMessage { state, error: None }),
            ],
        );
        assert!(scene.pool.is_open());
        scene
    }

    fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    fn poll(&mut self) -> Option<Request> {
        let id = self.id();
        self.pool.poll_request(id, TIMEOUT).unwrap()
    }

    /// The next request, which asks for that.
    fn sent(&mut self, operation: Operation) -> Request {
        let request = self.poll().unwrap();
        assert_eq!(request.operation, operation);
        request
    }

    fn receive(&mut self, target: Option<Uuid>) -> Request {
        let id = self.id();
        self.pool.receive(target, id, TIMEOUT).unwrap().unwrap()
    }

    fn reply(&mut self, request: &Request, action: &str, body: Vec<Element>) {
        let answer = request.envelope.reply(action, Uuid::max(), body);
        self.pool.handle_response(&answer).unwrap();
    }

    /// The host says that nobody is connected.
    fn refuse(&mut self, request: &Request, code: ErrorCode) {
        let fault = Fault::new(code, "no ");
        let answer = fault.to_envelope(Some(&request.envelope.header), Uuid::max(), "host");
        self.pool.handle_response(&answer).unwrap();
    }

    /// Answers a Receive with these messages.
    fn tell(&mut self, receive: &Request, pipeline: Option<Uuid>, messages: &[Message]) {
        let mut fragmenter = Fragmenter::new();
        for message in messages {
            let frame = message.encode(Destination::Client, POOL, pipeline.unwrap_or_default());
            fragmenter.push(frame.encode());
        }
        let stream = Stream {
            name: "stdout".to_owned(),
            command_id: pipeline.map(guid),
            data: fragmenter.poll_fragments(usize::MAX, &mut self.object),
            ..Stream::default()
        };
        let body =
            ReceiveResponse { streams: vec![stream], ..ReceiveResponse::default() }.to_body();
        self.reply(receive, ns::action::RECEIVE_RESPONSE, body);
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.pool.poll_event()).collect()
    }

    fn invoke(&mut self) {
        let what = CreatePipeline {
            no_input: false,
            apartment_state: psrp::messages::ApartmentState::Unknown,
            remote_stream_options: RemoteStreamOptions(0),
            add_to_history: false,
            host_info: HostInfo::NONE,
            is_nested: false,
            power_shell: PowerShell {
                statements: vec![vec![Command::script("1")]],
                ..PowerShell::default()
            },
        };
        self.pool.invoke(PIPELINE, what).unwrap();
    }

    fn take_command(&mut self, command: &Request) {
        let response = CommandResponse { command_id: guid(PIPELINE), other: Vec::new() };
        self.reply(command, ns::action::COMMAND_RESPONSE, response.to_body());
    }

    /// The host has noticed that the network was away: the pool is taken up again.
    fn come_back(&mut self) {
        assert!(self.pool.is_disconnected());
        self.pool.reconnect().unwrap();
        let reconnect = self.sent(Operation::Reconnect);
        self.reply(&reconnect, ns::action::RECONNECT_RESPONSE, Vec::new());
        assert!(self.pool.is_open());
    }
}

/// What a Send or a Command carries for the plug-in.
fn payload(request: &Request) -> Vec<u8> {
    match wsman::shell::Request::from_envelope(&request.envelope).unwrap() {
        wsman::shell::Request::Command { command, .. } => command.payload().unwrap(),
        wsman::shell::Request::Send(send) => send.streams[0].data.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn input_that_found_the_pool_left_goes_out_again_before_what_follows() {
    for noticed_first in [ErrorCode::SHELL_DISCONNECTED, ErrorCode::SERVICE_STREAM_DISCONNECTED] {
        let mut scene = Scene::open();
        scene.invoke();
        let command = scene.sent(Operation::Command);
        scene.take_command(&command);
        scene.pool.send_input(PIPELINE, Value::from("first")).unwrap();
        let send = scene.sent(Operation::Send);
        scene.pool.send_input(PIPELINE, Value::from("second")).unwrap();
        scene.events();
        scene.refuse(&send, noticed_first);
        assert!(!scene.events().iter().any(|event| matches!(event, Event::Sent { .. })));
        assert!(scene.poll().is_none(), "nobody is connected");
        scene.come_back();
        let again = scene.sent(Operation::Send);
        assert_eq!(payload(&again), payload(&send));
        scene.reply(&again, ns::action::SEND_RESPONSE, SendResponse::default().to_body());
        assert!(!scene.events().iter().any(|event| matches!(event, Event::Sent { .. })));
        let next = scene.sent(Operation::Send);
        let mut objects = Vec::new();
        let whole = [payload(&again), payload(&next)].concat();
        let mut take = |data: Vec<u8>| {
            objects.push(Frame::decode(data).unwrap().text);
        };
        Assembler::new(10_000).handle_fragments(&whole, &mut take).unwrap();
        assert_eq!(objects, ["<S>first</S>", "<S>second</S>"]);
        scene.reply(&next, ns::action::SEND_RESPONSE, SendResponse::default().to_body());
        assert_eq!(scene.events(), [Event::Sent { pipeline: Some(PIPELINE) }]);
    }
}

#[test]
fn command_and_stop_that_found_the_pool_left_are_made_again_in_their_order() {
    let mut scene = Scene::open();
    scene.invoke();
    let command = scene.sent(Operation::Command);
    scene.pool.stop(PIPELINE).unwrap();
    scene.refuse(&command, ErrorCode::SHELL_DISCONNECTED);
    assert!(scene.poll().is_none());
    scene.come_back();
    let again = scene.sent(Operation::Command);
    assert_eq!(payload(&again), payload(&command));
    assert!(scene.poll().is_none(), "the stop waits until it is started");
    scene.take_command(&again);
    let signal = scene.sent(Operation::Signal);
    scene.refuse(&signal, ErrorCode::SHELL_DISCONNECTED);
    scene.come_back();
    let signal = scene.sent(Operation::Signal);
    scene.reply(&signal, ns::action::SIGNAL_RESPONSE, SignalResponse::default().to_body());
    assert!(scene.poll().is_none());
}

#[test]
fn what_is_asked_while_the_pool_is_being_left_waits_for_the_return() {
    let mut scene = Scene::open();
    scene.pool.disconnect(Leave::default()).unwrap();
    let disconnect = scene.sent(Operation::Disconnect);
    scene.invoke();
    assert!(scene.poll().is_none());
    scene.reply(&disconnect, ns::action::DISCONNECT_RESPONSE, Vec::new());
    assert!(scene.poll().is_none());
    scene.come_back();
    scene.sent(Operation::Command);
}

#[test]
fn pool_that_is_closed_while_it_is_being_left_is_deleted() {
    let mut scene = Scene::open();
    scene.pool.disconnect(Leave::default()).unwrap();
    let disconnect = scene.sent(Operation::Disconnect);
    scene.pool.close().unwrap();
    assert!(scene.poll().is_none());
    assert!(!scene.events().contains(&Event::Told(Told::Closed)));
    scene.reply(&disconnect, ns::action::DISCONNECT_RESPONSE, Vec::new());
    let delete = scene.sent(Operation::Delete);
    scene.reply(&delete, ns::action::DELETE_RESPONSE, Vec::new());
    assert!(scene.events().contains(&Event::Told(Told::Closed)));
}

#[test]
fn pool_whose_host_broke_a_rule_is_still_deleted() {
    let mut scene = Scene::open();
    let receive = scene.receive(None);
    let stream = Stream { name: "stdout".to_owned(), data: vec![1; 30], ..Stream::default() };
    let body = ReceiveResponse { streams: vec![stream], ..ReceiveResponse::default() }.to_body();
    let answer = receive.envelope.reply(ns::action::RECEIVE_RESPONSE, Uuid::max(), body);
    assert!(scene.pool.handle_response(&answer).is_err());
    scene.pool.close().unwrap();
    scene.sent(Operation::Delete);
}

#[test]
fn host_that_takes_no_answers_is_not_asked_for_further_calls() {
    let mut scene = Scene::open();
    scene.invoke();
    let command = scene.sent(Operation::Command);
    scene.take_command(&command);
    let call = HostCall { call_id: 1, method: Method::from_number(11), parameters: Vec::new() };
    let mut rounds = 0;
    while scene.pool.receivable().any(|target| target == Some(PIPELINE)) {
        let receive = scene.receive(Some(PIPELINE));
        scene.tell(&receive, Some(PIPELINE), &[Message::PipelineHostCall(call.clone())]);
        let result = HostResult::Value(Value::from("x".repeat(100_000)));
        let response = HostResponse { call_id: 1, method: call.method, result };
        scene.pool.respond(Some(PIPELINE), response).unwrap();
        rounds += 1;
        assert!(rounds < 20, "about a megabyte waits at most");
    }
    // It takes them, and is asked again.
    while let Some(send) = scene.poll() {
        scene.reply(&send, ns::action::SEND_RESPONSE, SendResponse::default().to_body());
    }
    assert!(scene.pool.receivable().any(|target| target == Some(PIPELINE)));
}
