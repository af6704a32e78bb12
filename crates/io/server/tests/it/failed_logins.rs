//! Failed logins slow the next ones down, and the wire says nothing of it.

use std::time::Duration;

use crate::support::{Http, PASSWORD, Response, Service, Session, basic, settings};

/// The answer without what differs between any two.
fn answer(refused: Result<Session, Response>) -> String {
    let Err(answer) = refused else { panic!("the login was accepted") };
    assert_eq!((answer.status, answer.body.len()), (401, 0));
    let head = answer.head.lines().filter(|line| !line.starts_with("Date"));
    head.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn right_password_during_a_lockout_gets_the_answer_of_a_wrong_one() {
    let text = "[Service.FailedLogins]\nLockoutAfter = 3\n";
    let service = Service::start_with(settings(text)).await;
    let mut known = Session::login(service.address, "bob").await;
    let mut answers = Vec::new();
    for (user, password) in [
        ("alice", "wrong"),
        ("alice", "wrong"),
        ("alice", "wrong"),
        ("alice", PASSWORD),
        ("nobody", "wrong"),
        // The address is locked out as well.
        ("bob", PASSWORD),
    ] {
        answers.push(answer(Session::try_login(service.address, user, password, false).await));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:#?}");
    // Whoever is in stays in.
    known.open_shell().await;
}

#[tokio::test]
async fn lockout_ends_by_itself() {
    let text = "[Service.FailedLogins]\nLockoutAfter = 1\nLockoutSeconds = 1\n";
    let service = Service::start_with(settings(text)).await;
    answer(Session::try_login(service.address, "alice", "wrong", false).await);
    answer(Session::try_login(service.address, "alice", PASSWORD, false).await);
    let until_accepted = async {
        while Session::try_login(service.address, "alice", PASSWORD, false).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), until_accepted).await.expect("an end");
}

#[tokio::test]
async fn slowed_login_is_judged_after_its_wait() {
    let text = "[Service.FailedLogins]\nSlowAfter = 1\nMaxDelayms = 10\nLockoutAfter = 0\n";
    let service = Service::start_with(settings(text)).await;
    for _ in 0..20 {
        answer(Session::try_login(service.address, "alice", "wrong", false).await);
    }
    assert!(Session::try_login(service.address, "alice", PASSWORD, false).await.is_ok());
}

#[tokio::test]
async fn guesses_by_basic_are_counted_with_those_by_ntlm() {
    let text = "[Service]\nAllowUnencrypted = true\n[Service.Auth]\nBasic = true\n\
                [Service.FailedLogins]\nLockoutAfter = 2\n";
    let service = Service::start_with(settings(text)).await;
    let mut http = Http::connect(service.address).await;
    for _ in 0..2 {
        let header = basic(r"box\ALICE", "wrong");
        let headers = [("Content-Type", "application/soap+xml"), ("Authorization", &header)];
        assert_eq!(http.ask(&headers, b"").await.status, 401);
    }
    answer(Session::try_login(service.address, "alice", PASSWORD, false).await);
}
