//! Operations that name themselves are done once, though their request comes again; nobody else gets their answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use server::resource::{ResourceOperation, ResourceProvider, ResourceReply, ResourceRequest};
use server::{BoxFuture, Config};
use tokio::sync::{Notify, Semaphore};
use uuid::Uuid;
use wsman::fault::{ErrorCode, Fault};
use wsman::transfer::{Locator, Operation};
use wsman::xml::Element;
use wsman::{Envelope, Header, HeaderValue};

use crate::support::{Service, Session, settings};

const URI: &str = "urn:test:counter";
const ROBUST: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsman/RobustConnection";

/// A resource whose method counts how often it was done.
#[derive(Debug)]
struct Counter {
    done: AtomicUsize,
    /// Somebody has begun.
    begun: Notify,
    /// How many may come to an end.
    may_end: Semaphore,
}

impl ResourceProvider for Counter {
    fn serves(&self, uri: &str) -> bool {
        uri.eq_ignore_ascii_case(URI)
    }

    fn handle<'a>(
        &'a self,
        request: ResourceRequest<'a>,
    ) -> BoxFuture<'a, Result<ResourceReply, Box<Fault>>> {
        Box::pin(async move {
            assert!(matches!(request.operation, ResourceOperation::Invoke { .. }));
            self.begun.notify_one();
            self.may_end.acquire().await.unwrap().forget();
            let done = self.done.fetch_add(1, Ordering::SeqCst) + 1;
            let output =
                Element::new("urn:test:counter", "Count_OUTPUT").with_text(done.to_string());
            Ok(ResourceReply::Element(output))
        })
    }
}

struct Scene {
    service: Service,
    counter: Arc<Counter>,
}

impl Scene {
    async fn new(free: usize) -> Self {
        let counter = Arc::new(Counter {
            done: AtomicUsize::new(0),
            begun: Notify::new(),
            may_end: Semaphore::new(free),
        });
        let offered = Arc::<Counter>::clone(&counter);
        let offer = |config: &mut Config| config.providers.push(offered);
        let service = Service::start_as(settings(""), offer).await;
        Self { service, counter }
    }

    async fn login(&self, user: &str) -> Session {
        Session::login(self.service.address, user).await
    }
}

/// The request for the operation of that number.
fn request(session: &Session, number: u128, is_again: bool) -> Envelope {
    let operation = Operation::Invoke { method: "Count".to_owned(), input: None };
    let id = Uuid::from_u128(number);
    let timeout = Duration::from_secs(10);
    let mut envelope = operation.to_envelope(&session.context, &Locator::new(URI), id, timeout);
    envelope.header = envelope
        .header
        .with_must_understand(HeaderValue::OperationId(wsman::uuid_uri(id)), is_again)
        .with_must_understand(HeaderValue::SequenceId(1), false);
    envelope
}

/// What the counter says; the name of the operation comes back.
async fn count(session: &mut Session, number: u128, is_again: bool) -> Result<String, ErrorCode> {
    let request = request(session, number, is_again);
    let answer = session.ask_envelope(&request).await;
    let answer = answer.map_err(|fault| fault.error_code().unwrap())?;
    assert_eq!(answer.header.operation_id(), request.header.operation_id());
    assert_eq!(answer.header.sequence_id(), Some(1));
    assert_eq!(answer.header.relates_to(), request.header.message_id());
    Ok(answer.body_element().unwrap().trimmed_text())
}

#[tokio::test]
async fn a_request_that_comes_again_is_not_done_again() {
    let scene = Scene::new(10).await;
    let mut first = scene.login("alice").await;
    assert_eq!(count(&mut first, 1, false).await.unwrap(), "1");
    let mut second = scene.login("alice").await;
    assert_eq!(count(&mut second, 1, true).await.unwrap(), "1");
    let in_use = Err(ErrorCode::INVALID_MESSAGE_INFORMATION_HEADER);
    assert_eq!(count(&mut second, 1, false).await, in_use);
    // Another operation; and somebody else's of the same name.
    assert_eq!(count(&mut second, 2, true).await.unwrap(), "2");
    let mut bob = scene.login("bob").await;
    assert_eq!(count(&mut bob, 1, true).await.unwrap(), "3");
    let mut carol = scene.login("carol").await;
    assert_eq!(count(&mut carol, 1, true).await, Err(ErrorCode::ACCESS_DENIED));
    assert_eq!(scene.counter.done.load(Ordering::SeqCst), 3);
    scene.service.stop().await;
}

#[tokio::test]
async fn an_operation_goes_on_without_its_connection_and_its_answer_is_had_by_another() {
    let scene = Scene::new(0).await;
    let mut first = scene.login("alice").await;
    let message = request(&first, 1, false).encode();
    let (content_type, body) = first.seal(&message);
    first.http.post(&[("Content-Type", &content_type)], &body).await;
    scene.counter.begun.notified().await;
    drop(first);
    let mut second = scene.login("alice").await;
    let again = request(&second, 1, true).encode();
    let (content_type, body) = second.seal(&again);
    second.http.post(&[("Content-Type", &content_type)], &body).await;
    // Nothing more begins; what has begun ends.
    scene.counter.may_end.add_permits(5);
    let response = second.http.receive().await.unwrap();
    let answer = crate::support::envelope_of(&second.open(&response));
    assert_eq!(answer.body_element().unwrap().trimmed_text(), "1");
    assert_eq!(scene.counter.done.load(Ordering::SeqCst), 1);
    scene.service.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_acknowledged_is_forgotten() {
    let scene = Scene::new(10).await;
    let mut first = scene.login("alice").await;
    assert_eq!(count(&mut first, 1, false).await.unwrap(), "1");
    let acknowledge = Envelope {
        header: Header::default()
            .with(HeaderValue::To(wsman::ns::ANONYMOUS.to_owned()))
            .with_must_understand(HeaderValue::ResourceUri(ROBUST.to_owned()), true)
            .with(HeaderValue::Action(wsman::ns::action::ACKNOWLEDGE.to_owned()))
            .with(HeaderValue::MessageId(wsman::uuid_uri(Uuid::from_u128(9))))
            .with(HeaderValue::OperationId(wsman::uuid_uri(Uuid::from_u128(1)))),
        body: vec![Element::new(wsman::ns::MICROSOFT, "LastSequenceIdReceived").with_text("1")],
        ..Envelope::default()
    };
    let mut carol = scene.login("carol").await;
    let (status, _) = carol.ask_bytes(&acknowledge.encode()).await;
    assert_eq!(status, 500);
    let mut second = scene.login("alice").await;
    assert_eq!(count(&mut second, 1, true).await.unwrap(), "1");
    let (content_type, body) = second.seal(&acknowledge.encode());
    let response = second.http.ask(&[("Content-Type", &content_type)], &body).await;
    assert_eq!((response.status, response.body.len()), (204, 0));
    assert_eq!(count(&mut second, 1, true).await.unwrap(), "2");
    scene.service.stop().await;
}
