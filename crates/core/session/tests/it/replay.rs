//! Operations that name themselves: done once, answered as often as they are asked for.

use std::time::{Duration, Instant};

use session::server::replay::{Begun, Replays, Rules, Sender, Ticket};
use wsman::fault::ErrorCode;
use wsman::{Header, HeaderValue};

const fn sender(account: u8, connection: u8) -> Sender {
    Sender { account: [account; 16], connection: [connection; 16] }
}

const ALICE: Sender = sender(1, 1);

fn header(id: &str, is_again: bool) -> Header {
    Header::default()
        .with(HeaderValue::MessageId(format!("uuid:{id}")))
        .with(HeaderValue::Action("urn:do".to_owned()))
        .with(HeaderValue::ResourceUri("urn:it".to_owned()))
        .with_must_understand(HeaderValue::OperationId(format!("uuid:{id}")), is_again)
}

struct Play {
    replays: Replays<String>,
    now: Instant,
}

impl Play {
    fn new(rules: Rules) -> Self {
        Self { replays: Replays::new(rules), now: Instant::now() }
    }

    fn begin(
        &mut self,
        sender: Sender,
        id: &str,
        is_again: bool,
    ) -> Result<Begun<String>, ErrorCode> {
        let begun =
            self.replays.begin(sender, &header(id, is_again), format!("answer {id}"), self.now);
        begun.map_err(|fault| fault.error_code().unwrap())
    }

    fn new_one(&mut self, sender: Sender, id: &str) -> Ticket {
        match self.begin(sender, id, false) {
            Ok(Begun::New(ticket)) => ticket,
            other => panic!("{other:?}"),
        }
    }

    fn done(&mut self, sender: Sender, id: &str, octets: usize) {
        let ticket = self.new_one(sender, id);
        self.replays.finish(ticket, octets, self.now);
    }

    fn is_kept(&mut self, sender: Sender, id: &str) -> bool {
        match self.begin(sender, id, true) {
            Ok(Begun::Again(answer)) => {
                assert_eq!(answer, format!("answer {id}"));
                true
            }
            Ok(Begun::New(ticket)) => {
                self.replays.forget(ticket);
                false
            }
            other => panic!("{other:?}"),
        }
    }
}

fn play() -> Play {
    Play::new(Rules::default())
}

#[test]
fn a_request_that_comes_again_gets_the_answer_of_the_first() {
    let mut play = play();
    let ticket = play.new_one(ALICE, "A");
    // Over another connection, while it is under way and when it is done.
    assert!(play.is_kept(sender(1, 2), "A"));
    play.replays.finish(ticket, 10, play.now);
    assert!(play.is_kept(sender(1, 3), "A") && play.is_kept(sender(1, 4), "A"));
    assert_eq!(play.replays.len(), 1);
}

#[test]
fn an_unknown_id_is_a_new_operation_and_none_is_kept_without_one() {
    let mut play = play();
    assert!(matches!(play.begin(ALICE, "A", true), Ok(Begun::New(_))));
    let unnamed = play.replays.begin(ALICE, &Header::default(), String::new(), play.now);
    assert_eq!(unnamed.unwrap(), Begun::Unnamed);
}

#[test]
fn an_id_that_is_in_use_is_refused_unless_the_request_is_the_same() {
    let mut play = play();
    let invalid = Err(ErrorCode::INVALID_MESSAGE_INFORMATION_HEADER);
    let ticket = play.new_one(ALICE, "A");
    assert_eq!(play.begin(sender(1, 2), "A", false), invalid);
    play.replays.finish(ticket, 10, play.now);
    assert_eq!(play.begin(sender(1, 2), "A", false), invalid);
    for change in 0..3 {
        let mut other = header("A", true);
        match (&mut other.blocks[change].value, change) {
            (
                HeaderValue::MessageId(text)
                | HeaderValue::Action(text)
                | HeaderValue::ResourceUri(text),
                _,
            ) => {
                text.push('x');
            }
            other => panic!("{other:?}"),
        }
        let begun = play.replays.begin(ALICE, &other, String::new(), play.now);
        assert_eq!(begun.map_err(|fault| fault.error_code().unwrap()), invalid);
    }
    assert!(play.is_kept(ALICE, "A"));
}

#[test]
fn nobody_else_gets_the_answer() {
    let mut play = play();
    play.done(ALICE, "A", 10);
    let bob = sender(2, 1);
    assert!(!play.is_kept(bob, "A"));
    play.replays.acknowledge(bob.account, "uuid:A", 1);
    assert!(play.is_kept(ALICE, "A"));
}

#[test]
fn the_next_request_on_a_connection_and_an_acknowledgement_free_an_answer() {
    let mut play = play();
    play.done(ALICE, "A", 10);
    play.done(sender(1, 2), "B", 10);
    play.done(ALICE, "C", 10);
    assert!(!play.is_kept(sender(1, 9), "A"));
    assert!(play.is_kept(sender(1, 9), "B") && play.is_kept(sender(1, 9), "C"));
    play.replays.acknowledge(ALICE.account, "uuid:B", 0);
    assert!(play.is_kept(sender(1, 9), "B"));
    play.replays.acknowledge(ALICE.account, "uuid:B", 1);
    assert!(!play.is_kept(sender(1, 9), "B"));
    // What is under way cannot be acknowledged.
    let ticket = play.new_one(ALICE, "D");
    play.replays.acknowledge(ALICE.account, "uuid:D", 1);
    assert!(play.is_kept(sender(1, 3), "D"));
    play.replays.forget(ticket);
    assert!(!play.is_kept(sender(1, 3), "D"));
}

#[test]
fn answers_are_kept_for_three_minutes_and_a_quarter_and_what_is_under_way_as_long_as_it_takes() {
    let mut play = play();
    play.done(ALICE, "A", 10);
    let long = play.new_one(sender(1, 2), "B");
    assert_eq!(play.replays.poll_timeout(), Some(play.now + Duration::from_secs(195)));
    play.now += Duration::from_secs(194);
    assert!(play.is_kept(sender(1, 3), "A"));
    play.now += Duration::from_secs(1);
    play.replays.handle_timeout(play.now);
    assert_eq!((play.replays.len(), play.replays.poll_timeout()), (1, None));
    play.now += Duration::from_secs(1_000);
    play.replays.finish(long, 10, play.now);
    assert!(play.is_kept(sender(1, 3), "B"));
}

#[test]
fn the_oldest_answers_give_way() {
    let mut play =
        Play::new(Rules { octets: 100, octets_in_all: 150, operations: 3, ..Rules::default() });
    play.done(sender(1, 1), "A", 60);
    play.done(sender(1, 2), "B", 40);
    play.done(sender(1, 3), "C", 1);
    assert!(!play.is_kept(sender(1, 9), "A") && play.is_kept(sender(1, 9), "B"));
    // Of another account, until all together are too much.
    play.done(sender(2, 1), "A", 100);
    assert!(play.is_kept(sender(1, 9), "B"));
    play.done(sender(3, 1), "A", 50);
    assert!(!play.is_kept(sender(1, 9), "B"));
    // One that is too long is not kept at all.
    play.done(sender(4, 1), "A", 1_000);
    assert!(!play.is_kept(sender(4, 2), "A"));
    // By number: what is done gives way to what is new, what is under way does not.
    let mut play = Play::new(Rules { operations: 2, ..Rules::default() });
    play.done(sender(1, 1), "A", 1);
    play.new_one(sender(1, 2), "B");
    play.new_one(sender(1, 3), "C");
    assert_eq!(play.begin(sender(1, 4), "D", false), Err(ErrorCode::QUOTA_MAX_OPERATIONS));
    assert!(matches!(play.begin(sender(2, 4), "D", false), Ok(Begun::New(_))));
    assert!(play.is_kept(sender(1, 9), "B"));
}
