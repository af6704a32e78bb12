//! Client and server against each other, in memory: pools and pipelines from beginning to end.

use psrp::client::{self, Event as Told, Options, Priority, Record, Request};
use psrp::clixml::{Limits, Object, Properties, Value, Version};
use psrp::entropy::Entropy;
use psrp::host::{Method, NO_ANSWER};
use psrp::messages::{
    ApartmentState, Availability, Command, CreatePipeline, ErrorCategory, ErrorRecord, HostInfo,
    HostResponse, HostResult, InitRunspacePool, PipelineState, PowerShell, PsThreadOptions,
    RemoteStreamOptions,
};
use psrp::server::{self, Event};
use psrp::session_key::{KeyPair, Plain};
use uuid::Uuid;

const POOL: Uuid = Uuid::from_u128(1);
const PIPELINE: Uuid = Uuid::from_u128(2);

struct Pair {
    client: client::Pool,
    server: server::Pool,
    /// What the transport was asked for.
    requests: Vec<Request>,
    /// Bytes of a fragment.
    size: usize,
}

impl Pair {
    fn new(version: Version) -> Self {
        let options = Options {
            id: POOL,
            protocol_version: version,
            init: init(1, 2),
            limits: Limits::default(),
        };
        let server = server::Pool::new(POOL, Limits::default());
        Self { client: client::Pool::new(options), server, requests: Vec::new(), size: 100 }
    }

    fn opened(version: Version) -> Self {
        let mut pair = Self::new(version);
        pair.client.open().unwrap();
        pair.exchange();
        assert!(matches!(pair.server.poll_event(), Some(Event::Open(_))));
        pair.server.accept(private_data()).unwrap();
        pair.exchange();
        assert_eq!(pair.told(), [Told::PrivateData(private_data()), Told::Opened { version }]);
        pair
    }

    /// Carries what waits, both ways, until nothing does.
    fn exchange(&mut self) {
        loop {
            while let Some(request) = self.client.poll_request() {
                self.requests.push(request);
            }
            let mut moved = false;
            for target in [None, Some(PIPELINE)] {
                for priority in [Priority::Response, Priority::Default] {
                    let data = self.client.poll_fragments(target, priority, self.size);
                    moved |= self.serve(target, priority, &data);
                }
                let data = self.server.poll_fragments(target, self.size);
                moved |= !data.is_empty();
                self.client.handle_fragments(target, &data).unwrap();
            }
            if !moved {
                return;
            }
        }
    }

    /// Hands in what the client sent; false when that was nothing.
    fn serve(&mut self, target: Option<Uuid>, stream: Priority, data: &[u8]) -> bool {
        if data.is_empty() {
            return false;
        }
        self.server.handle_fragments(target, stream, data).unwrap();
        true
    }

    fn told(&mut self) -> Vec<Told> {
        std::iter::from_fn(|| self.client.poll_event()).collect()
    }

    fn start(&mut self, no_input: bool) {
        self.client.invoke(PIPELINE, script("Get-Date", no_input)).unwrap();
        self.exchange();
        let Some(Event::Create { pipeline: PIPELINE, what }) = self.server.poll_event() else {
            panic!("no pipeline");
        };
        assert_eq!(*what, script("Get-Date", no_input));
    }
}

fn init(min_runspaces: i32, max_runspaces: i32) -> InitRunspacePool {
    InitRunspacePool {
        min_runspaces,
        max_runspaces,
        thread_options: PsThreadOptions::Default,
        apartment_state: ApartmentState::Unknown,
        host_info: HostInfo::NONE,
        application_arguments: Value::Null,
    }
}

fn script(text: &str, no_input: bool) -> CreatePipeline {
    CreatePipeline {
        no_input,
        apartment_state: ApartmentState::Unknown,
        remote_stream_options: RemoteStreamOptions::ALL,
        add_to_history: true,
        host_info: HostInfo::NONE,
        power_shell: PowerShell {
            statements: vec![vec![
                Command::script(text).with(Some("Name"), "value").with(None, 5),
                Command::named("Out-String"),
            ]],
            history: Some(text.into()),
            ..PowerShell::default()
        },
        is_nested: false,
    }
}

fn private_data() -> Value {
    Object::bag(Properties::default().with("BashPSVersion", "none")).into()
}

/// Random enough for tests, and the same in each run.
struct Counted(u64);

impl Entropy for Counted {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (self.0 >> 56) as u8;
        }
    }
}

#[test]
fn pipeline_runs_from_input_to_end_in_all_versions() {
    for minor in 1..=4 {
        let mut pair = Pair::opened(Version::new(2, minor));
        pair.start(false);
        pair.client.send_input(PIPELINE, "one".into()).unwrap();
        pair.client.send_input(PIPELINE, Value::Null).unwrap();
        pair.client.end_input(PIPELINE).unwrap();
        assert!(pair.client.send_input(PIPELINE, 1.into()).is_err());
        pair.exchange();
        let input = |input| Some(Event::Input { pipeline: PIPELINE, input });
        assert_eq!(pair.server.poll_event(), input("one".into()));
        assert_eq!(pair.server.poll_event(), input(Value::Null));
        assert_eq!(pair.server.poll_event(), Some(Event::EndOfInput { pipeline: PIPELINE }));
        let error = ErrorRecord::new(
            "System.Management.Automation.RuntimeException",
            "it failed",
            "Failed",
            ErrorCategory::OperationStopped,
        );
        assert_eq!(error.message(), "it failed");
        let records = [Record::Output(42.into()), Record::Error(Box::new(error))];
        for record in records.clone() {
            pair.server.write(PIPELINE, record).unwrap();
        }
        pair.server.end(PIPELINE, PipelineState::Completed, None).unwrap();
        assert!(pair.server.write(PIPELINE, Record::Output(Value::Null)).is_err());
        pair.exchange();
        let [first, second, last] = pair.told().try_into().unwrap();
        let record = |record| Told::Record { pipeline: PIPELINE, record };
        assert_eq!([first, second], records.map(record));
        let state = PipelineState::Completed;
        assert_eq!(last, Told::PipelineState { pipeline: PIPELINE, state, error: None });
        assert!(!pair.client.is_running(PIPELINE));
        let send = || Request::Send { pipeline: Some(PIPELINE) };
        let start = Request::Start { pipeline: PIPELINE };
        assert_eq!(pair.requests, [Request::Open, start, send(), send(), send()]);
    }
}

#[test]
fn hosts_are_called_and_answer() {
    let mut pair = Pair::opened(Version::new(2, 3));
    pair.start(true);
    let write = pair.server.call_host(Some(PIPELINE), Method::WriteLine2, vec!["hello".into()]);
    assert_eq!(write, Ok(None));
    let ask = pair.server.call_host(Some(PIPELINE), Method::ReadLine, vec![]).unwrap();
    pair.exchange();
    let told = pair.told();
    let [Told::HostCall { call: written, .. }, Told::HostCall { pipeline, call }] = &*told else {
        panic!("no calls");
    };
    let pipeline = *pipeline;
    assert_eq!((written.call_id, &*written.parameters), (NO_ANSWER, &["hello".into()][..]));
    assert_eq!((pipeline, Some(call.call_id)), (Some(PIPELINE), ask));
    let answer = |result| HostResponse { call_id: call.call_id, method: call.method, result };
    let answer = answer(HostResult::Value("typed".into()));
    pair.client.respond(pipeline, answer.clone()).unwrap();
    pair.exchange();
    let response = Box::new(answer);
    assert_eq!(pair.server.poll_event(), Some(Event::HostResponse { pipeline, response }));
}

#[test]
fn answer_of_the_host_overtakes_input_of_which_half_has_come() {
    let mut pair = Pair::opened(Version::new(2, 3));
    pair.start(false);
    let ask = pair.server.call_host(Some(PIPELINE), Method::ReadLine, vec![]).unwrap();
    pair.exchange();
    assert_eq!(pair.told().len(), 1);
    pair.client.send_input(PIPELINE, "x".repeat(900).into()).unwrap();
    let result = HostResult::Value("typed".into());
    let answer = HostResponse { call_id: ask.unwrap(), method: Method::ReadLine, result };
    pair.client.respond(Some(PIPELINE), answer).unwrap();
    let half = pair.client.poll_fragments(Some(PIPELINE), Priority::Default, 500);
    assert!(pair.serve(Some(PIPELINE), Priority::Default, &half));
    assert_eq!(pair.server.poll_event(), None);
    let response = pair.client.poll_fragments(Some(PIPELINE), Priority::Response, 10_000);
    assert!(pair.serve(Some(PIPELINE), Priority::Response, &response));
    assert!(matches!(pair.server.poll_event(), Some(Event::HostResponse { .. })));
    pair.exchange();
    assert!(matches!(pair.server.poll_event(), Some(Event::Input { .. })));
}

#[test]
fn runspaces_are_counted_and_set() {
    let mut pair = Pair::opened(Version::new(2, 3));
    let max = pair.client.set_max_runspaces(5).unwrap();
    let min = pair.client.set_min_runspaces(9).unwrap();
    let free = pair.client.get_available_runspaces().unwrap();
    let reset = pair.client.reset_runspace_state().unwrap();
    pair.exchange();
    assert_eq!(pair.server.poll_event(), Some(Event::RunspacesSet { least: 1, most: 5 }));
    assert_eq!(pair.server.poll_event(), Some(Event::RunspacesWanted { call_id: free }));
    assert_eq!(pair.server.poll_event(), Some(Event::Reset { call_id: reset }));
    pair.server.answer(free, Availability::Count(4)).unwrap();
    pair.server.answer(reset, Availability::Done(true)).unwrap();
    pair.exchange();
    let answers = [
        (max, Availability::Done(true)),
        (min, Availability::Done(false)),
        (free, Availability::Count(4)),
        (reset, Availability::Done(true)),
    ];
    let answers = answers.map(|(call_id, response)| Told::Availability { call_id, response });
    assert_eq!(pair.told(), answers);
    assert_eq!(pair.server.runspaces(), (1, 5));
}

#[test]
fn strings_are_encrypted_with_an_exchanged_key_or_by_the_transport() {
    let mut entropy = Counted(3);
    let text = Plain::from("p€ss");
    let mut pair = Pair::opened(Version::new(2, 3));
    assert!(pair.client.needs_keys() && pair.client.encrypt(&text).is_err());
    pair.server.ask_for_key().unwrap();
    pair.exchange();
    assert_eq!(pair.told(), [Told::KeyWanted]);
    pair.client.exchange_keys(KeyPair::new(&mut entropy).unwrap()).unwrap();
    pair.exchange();
    let Some(Event::PublicKey(key)) = pair.server.poll_event() else { panic!("no key") };
    pair.server.send_key(&key, &mut entropy).unwrap();
    pair.exchange();
    assert_eq!(pair.told(), [Told::KeyExchanged]);
    let secret = pair.client.encrypt(&text).unwrap();
    assert_eq!(pair.server.decrypt(&secret), Ok(text.clone()));
    assert_eq!(pair.client.decrypt(&pair.server.encrypt(&text).unwrap()), Ok(text.clone()));

    let mut pair = Pair::opened(Version::new(2, 4));
    assert!(!pair.client.needs_keys());
    // A key that is exchanged all the same is not used.
    pair.client.exchange_keys(KeyPair::new(&mut entropy).unwrap()).unwrap();
    pair.exchange();
    let Some(Event::PublicKey(key)) = pair.server.poll_event() else { panic!("no key") };
    pair.server.send_key(&key, &mut entropy).unwrap();
    pair.exchange();
    assert_eq!(pair.told(), [Told::KeyExchanged]);
    assert_eq!(pair.server.decrypt(&pair.client.encrypt(&text).unwrap()), Ok(text));
}

#[test]
fn disconnected_pool_is_taken_up_by_the_same_client_and_by_another() {
    let mut pair = Pair::opened(Version::new(2, 3));
    pair.start(true);
    pair.client.disconnect().unwrap();
    pair.client.handle_disconnected();
    pair.server.handle_disconnected();
    assert_eq!(pair.told(), [Told::Disconnected]);
    assert!(pair.client.invoke(Uuid::from_u128(3), script("x", true)).is_err());
    pair.server.write(PIPELINE, Record::Output("while nobody listened".into())).unwrap();
    pair.client.reconnect().unwrap();
    pair.client.handle_reconnected();
    pair.server.handle_reconnected();
    pair.exchange();
    assert_eq!(pair.told().len(), 2);

    pair.server.handle_disconnected();
    let Pair { server, .. } = pair;
    let mut other = Pair { server, ..Pair::new(Version::new(2, 3)) };
    other.client.connect().unwrap();
    other.exchange();
    assert_eq!(other.server.poll_event(), Some(Event::Connected));
    let version = Version::new(2, 3);
    assert_eq!(other.told(), [Told::Opened { version }, Told::PrivateData(private_data())]);
    other.client.connect_pipeline(PIPELINE).unwrap();
    other.server.write(PIPELINE, Record::Output(7.into())).unwrap();
    other.server.end(PIPELINE, PipelineState::Completed, None).unwrap();
    other.exchange();
    assert_eq!(other.told().len(), 2);
    assert_eq!(other.requests, [Request::Connect, Request::ConnectPipeline { pipeline: PIPELINE }]);
}

#[test]
fn what_breaks_a_rule_ends_the_pool_for_good() {
    let mut pair = Pair::new(Version::new(3, 0));
    pair.client.open().unwrap();
    let data = pair.client.poll_fragments(None, Priority::Default, 10_000);
    let refused = pair.server.handle_fragments(None, Priority::Default, &data).unwrap_err();
    let wrong = server::PeerMisbehaved::Version(Version::new(3, 0));
    assert_eq!(refused, server::Error::PeerMisbehaved(wrong));
    assert_eq!(pair.server.handle_fragments(None, Priority::Default, &[]).unwrap_err(), refused);

    let mut pair = Pair::opened(Version::new(2, 3));
    let garbage = pair.client.handle_fragments(None, b"garbage").unwrap_err();
    assert_eq!(pair.client.close().unwrap_err(), garbage);

    let mut pair = Pair::new(Version::new(2, 3));
    assert!(
        pair.server.handle_fragments(Some(PIPELINE), Priority::Default, &[]).is_err(),
        "no pool is open"
    );

    let mut pair = Pair::new(Version::new(2, 3));
    pair.client = client::Pool::new(Options {
        id: POOL,
        protocol_version: Version::new(2, 3),
        init: init(3, 2),
        limits: Limits::default(),
    });
    pair.client.open().unwrap();
    let data = pair.client.poll_fragments(None, Priority::Default, 10_000);
    assert!(pair.server.handle_fragments(None, Priority::Default, &data).is_err());
}
