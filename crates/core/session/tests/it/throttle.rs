//! Slowing and locking out, with time as a number.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use session::server::throttle::{Attempt, Rules, Start, Throttle, Verdict};

const SECOND: Duration = Duration::from_secs(1);

fn from(account: &str, address: &str) -> Attempt {
    Attempt::new(account, address.parse::<IpAddr>().unwrap())
}

fn alice() -> Attempt {
    from("alice", "192.0.2.1")
}

fn fail(throttle: &mut Throttle, attempt: Attempt, times: usize, now: Instant) -> Verdict {
    let mut last = Verdict::Accepted;
    for _ in 0..times {
        last = throttle.finish(attempt, false, now);
    }
    last
}

fn waits(throttle: &mut Throttle, attempt: Attempt, now: Instant) -> u128 {
    match throttle.begin(attempt, now) {
        Start::Now => 0,
        Start::After(wait) => wait.as_millis(),
        Start::Never => u128::MAX,
    }
}

#[test]
fn first_five_failures_cost_nothing_and_further_ones_more_and_more() {
    let mut throttle = Throttle::new(Rules { lockout_after: 0, ..Rules::default() });
    let mut now = Instant::now();
    let mut seen = Vec::new();
    for _ in 0..12 {
        let wait = waits(&mut throttle, alice(), now);
        seen.push(wait);
        now += Duration::from_millis(u64::try_from(wait).unwrap());
        assert_eq!(throttle.finish(alice(), false, now), Verdict::Failed);
    }
    assert_eq!(seen, [0, 0, 0, 0, 0, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
    assert_eq!(waits(&mut throttle, alice(), now + 60 * SECOND), 0, "old failures count");
}

#[test]
fn lockout_refuses_the_right_password_and_ends_by_itself_whatever_is_tried() {
    let mut throttle = Throttle::new(Rules::default());
    let now = Instant::now();
    assert_eq!(fail(&mut throttle, alice(), 9, now), Verdict::Failed);
    let locked = throttle.finish(alice(), false, now);
    assert_eq!(locked, Verdict::FailedAndLocked(300 * SECOND));
    for (seconds, right) in [(0, true), (100, false), (299, true)] {
        let at = now + seconds * SECOND;
        assert_eq!(waits(&mut throttle, alice(), at), 0);
        let left = (300 - seconds) * SECOND;
        assert_eq!(throttle.finish(alice(), right, at), Verdict::LockedOut(left));
    }
    let after = now + 300 * SECOND;
    assert_eq!(throttle.finish(alice(), false, after), Verdict::Failed);
    assert_eq!(throttle.finish(alice(), true, after), Verdict::Accepted);
}

#[test]
fn guesses_sent_at_once_wait_one_after_the_other_and_not_for_ever() {
    let mut throttle = Throttle::new(Rules::default());
    let now = Instant::now();
    fail(&mut throttle, alice(), 7, now);
    let seen: Vec<_> = (0..10).map(|_| waits(&mut throttle, alice(), now)).collect();
    let row = [2000, 4000, 6000, 8000, 10_000, 12_000, 14_000, 16_000];
    assert_eq!(&seen[..8], row);
    assert_eq!(&seen[8..], [u128::MAX; 2]);
    // The last one is judged; its place is free again for the next.
    assert!(waits(&mut throttle, alice(), now + 4 * SECOND) <= 16_000);
}

#[test]
fn right_guess_in_a_burst_beyond_the_lockout_is_refused() {
    let mut throttle = Throttle::new(Rules::default());
    let now = Instant::now();
    for _ in 0..50 {
        assert_eq!(throttle.begin(alice(), now), Start::Now);
    }
    fail(&mut throttle, alice(), 10, now);
    assert_eq!(throttle.finish(alice(), true, now), Verdict::LockedOut(300 * SECOND));
}

#[test]
fn account_is_slowed_from_every_address_and_address_for_every_account() {
    let now = Instant::now();
    let mut throttle = Throttle::new(Rules::default());
    for host in 1..=5 {
        fail(&mut throttle, from("Alice", &format!("192.0.2.{host}")), 1, now);
    }
    assert_eq!(waits(&mut throttle, from("aLICE", "198.51.100.7"), now), 500);
    assert_eq!(waits(&mut throttle, from("bob", "192.0.2.1"), now), 0);
    let mut throttle = Throttle::new(Rules::default());
    for user in ["a", "b", "c", "d", "e"] {
        fail(&mut throttle, from(user, "2001:db8::1"), 1, now);
    }
    assert_eq!(waits(&mut throttle, from("f", "2001:db8::ffff:2"), now), 500);
    assert_eq!(waits(&mut throttle, from("f", "2001:db8:0:1::1"), now), 0);
    assert_eq!(from("a", "::ffff:192.0.2.1"), from("a", "192.0.2.1"));
}

#[test]
fn right_login_forgets_its_own_failures_and_no_others() {
    let now = Instant::now();
    let mut throttle = Throttle::new(Rules::default());
    let mallory = from("mallory", "192.0.2.1");
    fail(&mut throttle, alice(), 5, now);
    fail(&mut throttle, mallory, 2, now);
    assert_eq!(throttle.finish(mallory, true, now), Verdict::Accepted);
    assert_eq!(waits(&mut throttle, mallory, now), 500, "the address's other failures count");
    assert_eq!(throttle.finish(alice(), true, now), Verdict::Accepted);
    assert_eq!(waits(&mut throttle, alice(), now), 0);
    assert_eq!(waits(&mut throttle, mallory, now), 0);
}

#[test]
fn flood_of_names_neither_grows_the_tables_nor_frees_what_is_locked() {
    let rules = Rules { slow_after: 1, ..Rules::default() };
    let mut throttle = Throttle::new(rules);
    let now = Instant::now();
    fail(&mut throttle, alice(), 10, now);
    let quiet = from("quiet", "192.0.2.2");
    fail(&mut throttle, quiet, 1, now);
    for number in 0_u32..10_000 {
        let address = IpAddr::from(number.to_be_bytes());
        let attempt = Attempt::new(&number.to_string(), address);
        fail(&mut throttle, attempt, 1, now + SECOND);
    }
    assert_eq!(waits(&mut throttle, quiet, now + SECOND), 0, "the oldest entry is still there");
    let verdict = throttle.finish(alice(), true, now + SECOND);
    assert_eq!(verdict, Verdict::LockedOut(299 * SECOND));
}

#[test]
fn both_halves_can_be_switched_off() {
    let now = Instant::now();
    let mut throttle = Throttle::new(Rules { slow_after: 0, lockout_after: 0, ..Rules::default() });
    assert_eq!(fail(&mut throttle, alice(), 2_000, now), Verdict::Failed);
    assert_eq!(throttle.begin(alice(), now), Start::Now);
    assert_eq!(throttle.finish(alice(), true, now), Verdict::Accepted);
}
