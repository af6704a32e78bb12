//! Logins: who gets in, how, and what a connection remembers.

use wsman::identify::Identify;

use crate::support::{Http, PASSWORD, Service, Session, basic, settings};

const SOAP: (&str, &str) = ("Content-Type", "application/soap+xml;charset=UTF-8");

fn identify() -> Vec<u8> {
    Identify::default().to_envelope().encode()
}

#[tokio::test]
async fn negotiate_and_raw_ntlm_log_in_with_every_form_of_the_name() {
    let service = Service::start().await;
    for raw in [false, true] {
        for user in
            ["alice", "ALICE", r".\alice", r"BOX\alice", r"box.example.test\alice", "alice@box"]
        {
            let session = Session::try_login(service.address, user, PASSWORD, raw).await;
            let mut session = session.unwrap_or_else(|answer| panic!("{user} {raw}: {answer:?}"));
            assert_eq!(session.ask_bytes(&identify()).await.0, 200);
        }
    }
}

#[tokio::test]
async fn wrong_password_and_unknown_user_get_the_same_answer() {
    let service = Service::start().await;
    let mut answers = Vec::new();
    for (user, password) in [("alice", "wrong"), ("nobody", PASSWORD), (r"OTHER\alice", PASSWORD)] {
        let refused = Session::try_login(service.address, user, password, false).await;
        let Err(answer) = refused else { panic!("{user} was let in") };
        assert_eq!(answer.status, 401);
        assert_eq!(answer.body, b"");
        let head: Vec<_> = answer.head.lines().filter(|line| !line.starts_with("Date")).collect();
        answers.push(head.join("\n"));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:#?}");
}

#[tokio::test]
async fn login_can_be_tried_again_on_the_same_connection() {
    let service = Service::start().await;
    let mut http = Http::connect(service.address).await;
    assert!(Session::log_in(&mut http, "alice", "wrong", false).await.is_err());
    assert!(Session::log_in(&mut http, "alice", PASSWORD, false).await.is_ok());
}

#[tokio::test]
async fn basic_is_neither_offered_nor_taken_over_http_by_default() {
    for text in ["", "[Service.Auth]\nBasic = true\n"] {
        let service = Service::start_with(settings(text)).await;
        let mut http = Http::connect(service.address).await;
        let header = basic("alice", PASSWORD);
        let response = http.ask(&[SOAP, ("Authorization", &header)], &identify()).await;
        assert_eq!(response.status, 401);
        assert_eq!(response.values("WWW-Authenticate"), ["Negotiate"]);
    }
}

#[tokio::test]
async fn allowed_basic_must_come_with_each_request() {
    let text = "[Service]\nAllowUnencrypted = true\n[Service.Auth]\nBasic = true\n";
    let service = Service::start_with(settings(text)).await;
    let mut http = Http::connect(service.address).await;
    let right = basic("alice", PASSWORD);
    let ask = [SOAP, ("Authorization", right.as_str())];
    assert_eq!(http.ask(&ask, &identify()).await.status, 200);
    let without = http.ask(&[SOAP], &identify()).await;
    assert_eq!(without.status, 401);
    assert_eq!(without.values("WWW-Authenticate"), ["Negotiate", "Basic realm=\"WSMAN\""]);
    let wrong = basic("alice", "wrong");
    assert_eq!(http.ask(&[SOAP, ("Authorization", &wrong)], &identify()).await.status, 401);
    assert_eq!(http.ask(&ask, &identify()).await.status, 200);
}

#[tokio::test]
async fn second_login_on_a_connection_replaces_the_first() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "carol").await;
    assert!(session.open_shell_as(Default::default()).await.is_err());
    session.sealer = match Session::log_in(&mut session.http, "alice", PASSWORD, false).await {
        Ok(sealer) => sealer,
        Err(answer) => panic!("{answer:?}"),
    };
    session.open_shell().await;
}

#[tokio::test]
async fn empty_request_on_a_logged_in_connection_starts_over() {
    let service = Service::start().await;
    let mut session = Session::login(service.address, "alice").await;
    let answer = session.http.ask(&[SOAP], b"").await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.values("WWW-Authenticate"), ["Negotiate"]);
    // The old context opens nothing any more.
    let (content_type, body) = session.seal(&identify());
    let answer = session.http.ask(&[("Content-Type", &content_type)], &body).await;
    assert_eq!(answer.status, 401);
    session.sealer = match Session::log_in(&mut session.http, "alice", PASSWORD, true).await {
        Ok(sealer) => sealer,
        Err(answer) => panic!("{answer:?}"),
    };
    assert_eq!(session.ask_bytes(&identify()).await.0, 200);
}

#[tokio::test]
async fn half_a_login_opens_nothing() {
    let service = Service::start().await;
    let mut http = Http::connect(service.address).await;
    let mut login = crate::support::negotiate("alice", PASSWORD, true);
    let auth::Step::Send(token) = login.step(None).unwrap() else { panic!("a first token") };
    let token = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, token);
    let header = format!("Negotiate {token}");
    let answer = http.ask(&[SOAP, ("Authorization", &header)], b"").await;
    assert_eq!(answer.status, 401);
    assert!(answer.values("WWW-Authenticate")[0].starts_with("Negotiate TlRMTVNTUAAC"));
    assert_eq!(http.ask(&[SOAP], &identify()).await.status, 401);
}

#[tokio::test]
async fn first_sealed_message_may_travel_with_the_last_leg() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use session::http::sealed::{self, Dialect, Frame, Protocol};

    let service = Service::start().await;
    for raw in [true, false] {
        let mut http = Http::connect(service.address).await;
        let mut login = crate::support::negotiate("alice", PASSWORD, raw);
        let auth::Step::Send(token) = login.step(None).unwrap() else { panic!("a first token") };
        let header = format!("Negotiate {}", STANDARD.encode(token));
        let answer = http.ask(&[SOAP, ("Authorization", &header)], b"").await;
        let reply = answer.values("WWW-Authenticate")[0].split_once(' ').unwrap().1;
        let reply = STANDARD.decode(reply).unwrap();
        let (auth::Step::Last(token) | auth::Step::Send(token)) = login.step(Some(&reply)).unwrap()
        else {
            panic!("a last token")
        };
        assert!(login.can_seal(), "raw: {raw}");
        let mut sealer = login.sealer().unwrap();
        let frame = Frame { protocol: Protocol::Spnego, dialect: Dialect::Bare };
        let sealed = sealed::seal(sealer.as_mut(), frame, SOAP.1, identify()).unwrap();
        let header = format!("Negotiate {}", STANDARD.encode(token));
        let headers = [("Content-Type", sealed.content_type.as_str()), ("Authorization", &header)];
        let answer = http.ask(&headers, &sealed.body).await;
        assert_eq!(answer.status, 200, "raw: {raw}");
        let content_type = answer.values("Content-Type")[0];
        let opened = sealed::open(sealer.as_mut(), content_type, answer.body.clone()).unwrap();
        crate::support::envelope_of(&opened.body);
        // SPNEGO ends with a token of the service, in the same answer.
        assert_eq!(answer.values("WWW-Authenticate").len(), usize::from(!raw));
    }
}
