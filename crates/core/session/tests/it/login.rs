//! Logins: the client's half against the service's half, as HTTP headers.

use auth::ntlm::{self, NtHash, TargetNames};
use auth::{Account, Answer, FileTime, Initiator, Question, Scheme, Secret, UserName, spnego};
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use session::client::login::{Carries, Leg, Login as ClientLogin, LoginError};
use session::http::sealed::{Dialect, Frame, open, seal};
use session::server::login::{Acceptors, Login, Refused, Turn};
use testkit::Seeded;

const NOW: FileTime = FileTime(134_000_000_000_000_000);
pub(crate) const SEED: u64 = 7;
pub(crate) const PASSWORD: &str = "Pässword";

pub(crate) struct Offer;

impl Acceptors for Offer {
    fn offered(&self) -> Vec<HeaderValue> {
        vec![
            HeaderValue::from_static("Negotiate"),
            HeaderValue::from_static("Basic realm=\"WSMAN\""),
        ]
    }

    fn acceptor(&self, scheme: Scheme) -> Option<Box<dyn auth::Acceptor>> {
        match scheme {
            Scheme::Negotiate => {
                let ntlm = ntlm::Acceptor::new(ntlm::AcceptorOptions::default());
                Some(Box::new(spnego::Acceptor::new(vec![Box::new(ntlm)]).unwrap()))
            }
            Scheme::Basic => Some(Box::new(auth::basic::Acceptor::new())),
            _ => None,
        }
    }
}

/// One connection's service side, with alice's account behind it.
#[derive(Default)]
pub(crate) struct Service {
    pub(crate) login: Login,
    questions: u64,
}

impl Service {
    fn hash() -> NtHash {
        ntlm::nt_hash(&Secret::from(PASSWORD))
    }

    fn alice() -> Account {
        Account { id: [1; 16], name: "alice".to_owned(), groups: vec!["Administrators".to_owned()] }
    }

    fn request(&mut self, headers: &HeaderMap, has_body: bool) -> Turn {
        let mut turn = self.login.handle_request(headers, has_body, &Offer);
        while let Turn::Ask(question) = turn {
            self.questions += 1;
            let answer = Self::answer(question, self.questions);
            turn = self.login.handle_answer(answer, &Offer);
        }
        turn
    }

    fn answer(question: Question, count: u64) -> Answer {
        let is_alice = |user: &str| user.eq_ignore_ascii_case("alice");
        match question {
            Question::Challenge => Answer::Challenge {
                server_challenge: Seeded::new(count).draw().to_le_bytes(),
                names: TargetNames::standalone("HOST", "host"),
                now: NOW,
            },
            Question::Ntlm(attempt) if is_alice(&attempt.user) => {
                match ntlm::verify(&Self::hash(), &attempt) {
                    Some(key) => {
                        Answer::Accepted { account: Self::alice(), session_key: Some(key) }
                    }
                    None => Answer::Refused,
                }
            }
            Question::Password { user, password }
                if is_alice(&user) && password.expose() == PASSWORD =>
            {
                Answer::Accepted { account: Self::alice(), session_key: None }
            }
            _ => Answer::Refused,
        }
    }
}

/// A login whose random numbers come from [`SEED`].
pub(crate) fn ntlm_initiator(user: &str, password: &str) -> ntlm::Initiator {
    let credential =
        ntlm::Credential::from_password(UserName::parse(user), &Secret::from(password));
    let options = ntlm::InitiatorOptions::default();
    ntlm::Initiator::new(credential, options, &mut Seeded::new(SEED), NOW).unwrap()
}

pub(crate) fn negotiate(user: &str, password: &str) -> Box<dyn Initiator> {
    Box::new(spnego::Initiator::new(vec![Box::new(ntlm_initiator(user, password))]).unwrap())
}

fn with_authorization(leg: &Leg) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, leg.authorization.clone().unwrap());
    headers
}

/// What the client sees of the service's decision.
fn seen(turn: &Turn, service: &mut Service) -> (StatusCode, HeaderMap) {
    let mut headers = HeaderMap::new();
    let (status, values) = match turn {
        Turn::Challenge(values) => (StatusCode::UNAUTHORIZED, values.clone()),
        Turn::Refuse { status, offered, .. } => (*status, offered.clone()),
        Turn::Proceed { .. } => {
            let token = service.login.established().and_then(|done| done.last_token.take());
            (StatusCode::OK, token.into_iter().collect())
        }
        Turn::Ask(_) => unreachable!("answered in Service::request"),
    };
    for value in values {
        headers.append(WWW_AUTHENTICATE, value);
    }
    (status, headers)
}

/// Walks a login to its end; the number of requests that it took.
pub(crate) fn walk(client: &mut ClientLogin, service: &mut Service) -> Result<usize, LoginError> {
    let mut leg = client.start()?;
    for count in 1.. {
        let turn = service.request(&with_authorization(&leg), leg.carries != Carries::Nothing);
        let (status, headers) = seen(&turn, service);
        match client.handle_response(status, &headers)? {
            Some(next) => leg = next,
            None => return Ok(count),
        }
    }
    unreachable!()
}

#[test]
fn ntlm_takes_two_requests_raw_and_inside_spnego_and_both_sides_can_seal() {
    for initiator in
        [Box::new(ntlm_initiator("alice", PASSWORD)), negotiate("HOST\\Alice", PASSWORD)]
    {
        let (mut client, mut service) = (ClientLogin::new(initiator), Service::default());
        assert_eq!(walk(&mut client, &mut service), Ok(2));
        assert!(client.is_complete());
        let mut ours = client.sealer().unwrap();
        let done = service.login.established().unwrap();
        assert_eq!((done.account.name.as_str(), done.mechanism), ("alice", "NTLM"));
        let frame = Frame { protocol: done.protocol(), dialect: Dialect::Tab };
        let theirs = done.sealer.as_deref_mut().unwrap();
        for text in ["<first/>", "<second/>"] {
            let sent = seal(&mut *ours, frame, "application/soap+xml", text.into()).unwrap();
            let read = open(theirs, &sent.content_type, sent.body).unwrap();
            assert_eq!(read.body, text.as_bytes());
            let back = seal(theirs, frame, "application/soap+xml", text.into()).unwrap();
            assert_eq!(
                open(&mut *ours, &back.content_type, back.body).unwrap().body,
                text.as_bytes()
            );
        }
    }
}

#[test]
fn last_ntlm_leg_may_carry_the_first_sealed_message() {
    for initiator in [Box::new(ntlm_initiator("alice", PASSWORD)), negotiate("alice", PASSWORD)] {
        let (mut client, mut service) = (ClientLogin::new(initiator), Service::default());
        let first = client.start().unwrap();
        assert_eq!(first.carries, Carries::Nothing);
        let turn = service.request(&with_authorization(&first), false);
        let (status, headers) = seen(&turn, &mut service);
        let last = client.handle_response(status, &headers).unwrap().unwrap();
        assert_eq!(last.carries, Carries::Sealed);
        let mut ours = client.sealer().unwrap();
        let frame = Frame { protocol: client.protocol(), dialect: Dialect::Bare };
        let sent = seal(&mut *ours, frame, "application/soap+xml", b"<create/>".to_vec()).unwrap();
        let turn = service.request(&with_authorization(&last), true);
        assert!(matches!(turn, Turn::Proceed { fresh: true }));
        let theirs = service.login.established().unwrap().sealer.as_deref_mut().unwrap();
        assert_eq!(open(theirs, &sent.content_type, sent.body).unwrap().body, b"<create/>");
        let (status, headers) = seen(&turn, &mut service);
        assert_eq!(client.handle_response(status, &headers), Ok(None));
    }
}

#[test]
fn unsealed_login_carries_the_message_as_it_is_on_its_last_leg() {
    let (mut client, mut service) = (
        ClientLogin::new(Box::new(ntlm_initiator("alice", PASSWORD))).as_they_are(),
        Service::default(),
    );
    let first = client.start().unwrap();
    assert_eq!(first.carries, Carries::Nothing);
    let turn = service.request(&with_authorization(&first), false);
    let (status, headers) = seen(&turn, &mut service);
    let last = client.handle_response(status, &headers).unwrap().unwrap();
    assert_eq!(last.carries, Carries::Message);
}

#[test]
fn basic_takes_one_request_and_each_further_one_proves_itself() {
    let basic = auth::basic::Initiator::new("alice", &Secret::from(PASSWORD)).unwrap();
    let (mut client, mut service) = (ClientLogin::new(Box::new(basic)), Service::default());
    let leg = client.start().unwrap();
    assert_eq!(leg.carries, Carries::Message);
    let turn = service.request(&with_authorization(&leg), true);
    assert!(matches!(turn, Turn::Proceed { fresh: true }));
    let (status, headers) = seen(&turn, &mut service);
    assert_eq!(client.handle_response(status, &headers), Ok(None));
    assert_eq!(client.next_authorization(), Ok(leg.authorization));
    assert!(client.sealer().is_none());
    let turn = service.request(&HeaderMap::new(), true);
    assert!(matches!(turn, Turn::Challenge(_)), "a request without the header is not let through");
}

#[test]
fn certificate_is_named_with_each_request_and_proven_by_none() {
    let mut client = ClientLogin::new(Box::new(auth::certificate::Initiator::new())).as_they_are();
    let leg = client.start().unwrap();
    assert_eq!(leg.carries, Carries::Message);
    assert_eq!(client.handle_response(StatusCode::OK, &HeaderMap::new()), Ok(None));
    assert!(client.is_complete() && client.sealer().is_none());
    assert_eq!(client.next_authorization(), Ok(leg.authorization));
    assert_eq!(client.mechanism(), "Certificate");
    let mut refused = ClientLogin::new(Box::new(auth::certificate::Initiator::new())).as_they_are();
    refused.start().unwrap();
    let answer = refused.handle_response(StatusCode::UNAUTHORIZED, &HeaderMap::new());
    assert_eq!(answer, Err(LoginError::Refused));
}

#[test]
fn wrong_password_and_unknown_user_are_refused_alike() {
    for (user, password) in [("alice", "wrong"), ("mallory", PASSWORD), ("mallory", "wrong")] {
        let mut client = ClientLogin::new(negotiate(user, password));
        let mut service = Service::default();
        assert_eq!(walk(&mut client, &mut service), Err(LoginError::Refused));
        assert!(service.login.established().is_none());
        let again = client.handle_response(StatusCode::OK, &HeaderMap::new());
        assert_eq!(again, Err(LoginError::Refused), "the error stays");
    }
}

#[test]
fn request_without_authorization_passes_only_after_a_complete_login_and_with_a_body() {
    let mut service = Service::default();
    for has_body in [false, true] {
        assert!(matches!(service.request(&HeaderMap::new(), has_body), Turn::Challenge(_)));
    }
    let mut client = ClientLogin::new(negotiate("alice", PASSWORD));
    let first = client.start().unwrap();
    drop(service.request(&with_authorization(&first), false));
    let half = service.request(&HeaderMap::new(), true);
    assert!(matches!(half, Turn::Challenge(_)), "half a login is none");

    let mut client = ClientLogin::new(negotiate("alice", PASSWORD));
    assert_eq!(walk(&mut client, &mut service), Ok(2));
    assert!(matches!(service.request(&HeaderMap::new(), true), Turn::Proceed { fresh: false }));
    assert!(matches!(service.request(&HeaderMap::new(), false), Turn::Challenge(_)));
    let forgotten = service.request(&HeaderMap::new(), true);
    assert!(matches!(forgotten, Turn::Challenge(_)), "an empty request starts over");
}

#[test]
fn repeated_authorization_ends_even_a_complete_login() {
    let mut service = Service::default();
    assert_eq!(walk(&mut ClientLogin::new(negotiate("alice", PASSWORD)), &mut service), Ok(2));
    let mut headers = HeaderMap::new();
    headers.append(AUTHORIZATION, HeaderValue::from_static("Negotiate AAAA"));
    headers.append(AUTHORIZATION, HeaderValue::from_static("Negotiate AAAA"));
    let turn = service.request(&headers, true);
    assert!(matches!(turn, Turn::Refuse { status: StatusCode::BAD_REQUEST, .. }));
    assert!(matches!(service.request(&HeaderMap::new(), true), Turn::Challenge(_)));
}

#[test]
fn second_login_on_a_connection_replaces_the_first_even_when_it_fails() {
    let mut service = Service::default();
    assert_eq!(walk(&mut ClientLogin::new(negotiate("alice", PASSWORD)), &mut service), Ok(2));
    let mut wrong = ClientLogin::new(negotiate("alice", "wrong"));
    assert_eq!(walk(&mut wrong, &mut service), Err(LoginError::Refused));
    assert!(matches!(service.request(&HeaderMap::new(), true), Turn::Challenge(_)));
}

#[test]
fn login_left_half_way_can_be_started_again() {
    let mut service = Service::default();
    let first = ClientLogin::new(negotiate("alice", PASSWORD)).start().unwrap();
    assert!(matches!(service.request(&with_authorization(&first), false), Turn::Challenge(_)));
    assert_eq!(walk(&mut ClientLogin::new(negotiate("alice", PASSWORD)), &mut service), Ok(2));
}

#[test]
fn scheme_that_is_not_offered_is_refused_by_name() {
    let mut service = Service::default();
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_static("Kerberos AAAA"));
    let turn = service.request(&headers, false);
    assert!(
        matches!(&turn, Turn::Refuse { status: StatusCode::UNAUTHORIZED, reason: Refused::NotOffered(Scheme::Kerberos), offered } if offered.len() == 2)
    );
}

#[test]
fn client_names_what_the_service_offers_instead() {
    let mut client = ClientLogin::new(negotiate("alice", PASSWORD));
    drop(client.start().unwrap());
    let mut headers = HeaderMap::new();
    headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Kerberos"));
    headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"WSMAN\""));
    let error = client.handle_response(StatusCode::UNAUTHORIZED, &headers).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the service does not offer Negotiate; it offers Kerberos, Basic"
    );
}

#[test]
fn service_that_answers_a_first_leg_with_success_is_not_believed() {
    let mut client = ClientLogin::new(negotiate("alice", PASSWORD));
    drop(client.start().unwrap());
    let error = client.handle_response(StatusCode::OK, &HeaderMap::new()).unwrap_err();
    assert_eq!(error, LoginError::Status(StatusCode::OK));
}

fn answered(status: StatusCode, name: &'static str, value: &str) -> (StatusCode, HeaderMap) {
    let mut headers = HeaderMap::new();
    headers.insert(name, HeaderValue::from_str(value).unwrap());
    (status, headers)
}

fn digest() -> ClientLogin {
    let password = Secret::from(PASSWORD);
    let digest = auth::digest::Initiator::new("alice", &password, &mut Seeded::new(SEED)).unwrap();
    ClientLogin::digest(digest, "POST", "/wsman")
}

fn shown(leg: &Leg) -> String {
    let value = leg.authorization.as_ref().unwrap();
    assert!(value.is_sensitive());
    value.to_str().unwrap().to_owned()
}

const CHALLENGE: &str = "Digest realm=\"r\", nonce=\"n1\", qop=\"auth\"";
const STALE: &str = "Digest realm=\"r\", nonce=\"n2\", qop=\"auth\", stale=true";

#[test]
fn digest_asks_for_a_challenge_and_proves_each_request_anew() {
    let unauthorized = StatusCode::UNAUTHORIZED;
    let mut client = digest();
    let leg = client.start().unwrap();
    assert_eq!((leg.authorization, leg.carries), (None, Carries::Nothing));
    let (status, headers) = answered(unauthorized, "www-authenticate", CHALLENGE);
    let leg = client.handle_response(status, &headers).unwrap().unwrap();
    assert_eq!(leg.carries, Carries::Message);
    assert!(shown(&leg).contains("nonce=\"n1\", uri=\"/wsman\""), "{}", shown(&leg));
    assert_eq!(client.handle_response(StatusCode::OK, &HeaderMap::new()), Ok(None));
    assert!(client.is_complete() && client.proves_each_request());
    let next = client.next_authorization().unwrap().unwrap();
    assert!(next.to_str().unwrap().contains("nc=00000002"));
    // The nonce is too old: once more, and only once.
    let (status, headers) = answered(unauthorized, "www-authenticate", STALE);
    let leg = client.handle_response(status, &headers).unwrap().unwrap();
    assert!(shown(&leg).contains("nonce=\"n2\"") && shown(&leg).contains("nc=00000001"));
    assert_eq!(client.handle_response(status, &headers), Err(LoginError::Refused));
}

#[test]
fn digest_says_why_it_cannot_be() {
    let unauthorized = StatusCode::UNAUTHORIZED;
    for (value, part) in [
        ("Negotiate", "does not offer Digest; it offers Negotiate"),
        ("Digest realm=\"r\", nonce=n, algorithm=SHA-512", "algorithm"),
        ("Digest realm=\"r\"", "nonce is missing"),
    ] {
        let mut client = digest();
        client.start().unwrap();
        let (status, headers) = answered(unauthorized, "www-authenticate", value);
        let error = client.handle_response(status, &headers).unwrap_err().to_string();
        assert!(error.contains(part), "{value}: {error}");
    }
    let mut client = digest();
    client.start().unwrap();
    let error = client.handle_response(StatusCode::OK, &HeaderMap::new()).unwrap_err();
    assert_eq!(error, LoginError::Status(StatusCode::OK), "nobody asked who we are");
}

#[test]
fn login_at_a_proxy_has_headers_of_its_own() {
    let wanted = StatusCode::PROXY_AUTHENTICATION_REQUIRED;
    let mut client = digest().at_a_proxy();
    assert_eq!(client.header(), "proxy-authorization");
    client.start().unwrap();
    let (status, headers) = answered(wanted, "proxy-authenticate", CHALLENGE);
    assert!(client.handle_response(status, &headers).unwrap().is_some());
    assert_eq!(client.handle_response(StatusCode::OK, &HeaderMap::new()), Ok(None));

    let mut client = ClientLogin::new(negotiate("alice", PASSWORD)).at_a_proxy();
    client.start().unwrap();
    let (status, headers) = answered(wanted, "proxy-authenticate", "Basic realm=\"x\"");
    let error = client.handle_response(status, &headers).unwrap_err();
    let offered = vec![Scheme::Basic];
    assert_eq!(error, LoginError::NotOffered { wanted: Scheme::Negotiate, offered });
}
