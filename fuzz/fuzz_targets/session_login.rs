//! Logins over HTTP headers, both roles, with anything in the headers: nobody comes in, nobody is
//! believed, and an end is an end.
#![cfg_attr(not(test), no_main)]

#[path = "../support/login.rs"]
mod login;
#[path = "../support/ticketed.rs"]
mod ticketed;

use auth::kerberos::{self, AcceptorOptions};
use auth::ntlm::Protection;
use auth::spnego::{AcceptorMechanism, InitiatorMechanism};
use auth::{Acceptor, CbtPolicy, Initiator, Scheme, Secret, basic, digest, spnego};
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, StatusCode};
use session::client;
use session::http::authorization::{Challenges, Credentials, MAX_TOKEN};
use session::server::login::{Acceptors, Login, Turn};

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

/// Each line is the value of a header; an empty one ends the headers of a message.
pub(crate) fn run(bytes: &[u8]) {
    let values: Vec<_> = bytes.split(|&byte| byte == b'\n').collect();
    let messages: Vec<_> = values.split(|value| value.is_empty()).take(8).collect();
    serve(&messages);
    let schemes =
        [Scheme::Basic, Scheme::Digest, Scheme::Kerberos, Scheme::Ntlm, Scheme::Negotiate];
    for scheme in schemes {
        log_in(&messages, scheme);
    }
}

fn headers(name: HeaderName, values: &[&[u8]]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values.iter().filter_map(|value| HeaderValue::from_bytes(value).ok()) {
        headers.append(name.clone(), value);
    }
    headers
}

/// A service that offers everything and knows nobody.
struct Everything;

impl Acceptors for Everything {
    fn offered(&self) -> Vec<HeaderValue> {
        vec![HeaderValue::from_static("Negotiate"), HeaderValue::from_static("Basic")]
    }

    fn acceptor(&self, scheme: Scheme) -> Option<Box<dyn Acceptor>> {
        match scheme {
            Scheme::Basic => Some(Box::new(basic::Acceptor::new())),
            Scheme::Ntlm => Some(Box::new(login::acceptor())),
            Scheme::Kerberos => Some(Box::new(kerberos())),
            Scheme::Negotiate => {
                let mechanisms: Vec<Box<dyn AcceptorMechanism>> =
                    vec![Box::new(kerberos()), Box::new(login::acceptor())];
                Some(Box::new(spnego::Acceptor::new(mechanisms).expect("mechanisms")))
            }
            _ => None,
        }
    }
}

fn kerberos() -> kerberos::Acceptor {
    let options = AcceptorOptions {
        protection: Protection::Sealed,
        channel_binding: None,
        cbt_policy: CbtPolicy::Relaxed,
    };
    kerberos::Acceptor::new(options, &mut login::Zeros)
}

fn serve(messages: &[&[&[u8]]]) {
    let mut login = Login::default();
    for (number, values) in messages.iter().enumerate() {
        let headers = headers(AUTHORIZATION, values);
        let found = Credentials::from_request(&headers);
        if let Ok(Some(credentials)) = &found {
            assert!(credentials.token.len() <= MAX_TOKEN + 3);
            let mut again = HeaderMap::new();
            again.insert(AUTHORIZATION, credentials.to_value());
            assert_eq!(Credentials::from_request(&again), found);
        }
        let mut turn = login.handle_request(&headers, number % 2 == 0, &Everything);
        while let Turn::Ask(question) = turn {
            turn = login.handle_answer(login::refusal(question), &Everything);
        }
        match turn {
            Turn::Challenge(values) => assert!(!values.is_empty()),
            Turn::Refuse { status, reason, .. } => {
                assert!(status.is_client_error() && reason.to_string().len() < 1_000);
            }
            Turn::Proceed { .. } | Turn::Ask(_) => panic!("somebody came in: {turn:?}"),
        }
        assert!(login.established().is_none());
    }
}

fn initiator(scheme: Scheme, password: &Secret) -> Box<dyn Initiator> {
    match scheme {
        Scheme::Basic => Box::new(basic::Initiator::new("alice", password).expect("a name")),
        Scheme::Kerberos => Box::<ticketed::Ticketed>::default(),
        Scheme::Ntlm => Box::new(login::initiator()),
        _ => {
            let mechanisms: Vec<Box<dyn InitiatorMechanism>> =
                vec![Box::new(login::initiator()), Box::<ticketed::Ticketed>::default()];
            Box::new(spnego::Initiator::new(mechanisms).expect("mechanisms"))
        }
    }
}

fn log_in(messages: &[&[&[u8]]], scheme: Scheme) {
    let password = Secret::from("password");
    let mut login = if scheme == Scheme::Digest {
        let digest = digest::Initiator::new("alice", &password, &mut login::Zeros);
        client::login::Login::digest(digest.expect("a name"), "POST", "/wsman")
    } else {
        client::login::Login::new(initiator(scheme, &password))
    };
    let leg = login.start().expect("every login begins");
    assert!(leg.authorization.is_none_or(|value| value.is_sensitive()));
    let mut failed = None;
    for (number, values) in messages.iter().enumerate() {
        let headers = headers(WWW_AUTHENTICATE, values);
        if let Ok(challenges) = Challenges::from_response(&headers) {
            let values = values.iter().map(|value| value.len()).sum::<usize>();
            assert!(challenges.offered.len() <= values);
            assert!(challenges.digest.len() <= challenges.offered.len());
        }
        let status = if number % 3 == 2 { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        let result = login.handle_response(status, &headers);
        match (result, &failed) {
            (Err(error), None) => {
                assert!(error.to_string().len() < 2_000);
                failed = Some(error);
            }
            (Err(error), Some(failed)) => assert_eq!(&error, failed),
            (Ok(leg), None) => {
                let value = leg.and_then(|leg| leg.authorization);
                assert!(value.is_none_or(|value| value.is_sensitive()));
            }
            (Ok(_), Some(failed)) => panic!("goes on after {failed:?}"),
        }
        // Behind SPNEGO our message wants a signature in return, and a ticket a proof.
        let proven = matches!(scheme, Scheme::Negotiate | Scheme::Kerberos);
        assert!(!login.is_complete() || !proven, "believes anybody");
    }
}
